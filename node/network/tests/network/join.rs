//! The door for those who are not members yet.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chengxin_network::join::JOIN_REQUEST_BYTES;
use chengxin_network::{
    CallError, HandlerRefusal, JoinClient, JoinDoor, Member, NetworkError, PeerAddress, RequestHandler,
};
use chengxin_schemas::ErrorCode;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::StreamProtocol;

use crate::support::{
    BOTH, FRAMES, Handler, PATIENCE, Raw, echo, frame, frame_read, gated, key, loopback, start, until,
};

/// The door shows out who says nothing for fifteen seconds; what is seen earlier has another cause.
const BEFORE_SILENCE: Duration = Duration::from_secs(12);

const JOIN: StreamProtocol = StreamProtocol::new("/chengxin/join/1");

async fn door(transport: chengxin_network::TransportKind, handler: Arc<dyn RequestHandler>) -> JoinDoor {
    JoinDoor::start(&key(1), &[loopback(transport)], handler).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_joins_with_identities_proven_both_ways() {
    for transport in BOTH {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler = {
            let seen = Arc::clone(&seen);
            Handler(move |from, request: Bytes| {
                seen.lock().unwrap().push(from);
                async move {
                    match &request[..] {
                        b"token" => Ok(Bytes::from(vec![7; 1 << 20])),
                        _ => {
                            Err(HandlerRefusal { code: ErrorCode::Unauthenticated, text: "no token".into() })
                        }
                    }
                }
                .boxed()
            })
        };
        let door = door(transport, Arc::new(handler)).await;
        let client = JoinClient::connect(&key(9), &door.listening()[0], PATIENCE).await.unwrap();
        assert_eq!(client.remote(), key(1).identity());
        assert!(seen.lock().unwrap().is_empty(), "nothing was asked before the identity was known");
        assert_eq!(client.call("token".into(), PATIENCE).await.unwrap().len(), 1 << 20);
        let refused = CallError::Refused { code: ErrorCode::Unauthenticated, text: "no token".into() };
        assert_eq!(client.call("guess".into(), PATIENCE).await.unwrap_err(), refused);
        assert_eq!(*seen.lock().unwrap(), [key(9).identity(); 2]);
        door.close(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn door_speaks_no_other_protocol_and_no_member_opens_it() {
    for transport in BOTH {
        let door = door(transport, echo()).await;
        let mut stranger = Raw::start(100);
        match stranger.open(key(1).identity(), &door.listening()[0], FRAMES).await {
            Some(Err(libp2p_stream::OpenStreamError::UnsupportedProtocol(_))) => {}
            other => panic!("{other:?}"),
        }
        // And the members' address is no door.
        let node = start(2, transport, echo()).await;
        let error = JoinClient::connect(&key(9), &node.network.listening()[0], PATIENCE).await.unwrap_err();
        assert!(matches!(error, NetworkError::JoinUnreachable { .. }), "{error:?}");
    }
}

/// A member that lost its list of members finds one of them by its address alone; a stranger does not get in that way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_reached_by_its_address_alone_and_by_members_only() {
    for transport in BOTH {
        let node = start(2, transport, echo()).await;
        node.knows([Member { identity: key(9).identity(), addresses: vec![], label: "nine".into() }]).await;
        let address = &node.network.listening()[0];
        let client = JoinClient::connect_to_member(&key(9), address, PATIENCE).await.unwrap();
        assert_eq!(client.remote(), key(2).identity());
        assert_eq!(client.call("metadata".into(), PATIENCE).await.unwrap(), "metadata");
        let error = JoinClient::connect_to_member(&key(8), address, PATIENCE).await.unwrap_err();
        assert!(matches!(error, NetworkError::MemberUnreachable { .. }), "{error:?}");
        // And a door is no member's node.
        let door = door(transport, echo()).await;
        let error = JoinClient::connect_to_member(&key(9), &door.listening()[0], PATIENCE).await.unwrap_err();
        assert!(matches!(error, NetworkError::MemberUnreachable { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_requests_do_not_enter() {
    for transport in BOTH {
        let door = door(transport, echo()).await;
        let address = &door.listening()[0];
        let client = JoinClient::connect(&key(9), address, PATIENCE).await.unwrap();
        let error = client.call(vec![0; JOIN_REQUEST_BYTES + 1].into(), PATIENCE).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        let largest = Bytes::from(vec![1; JOIN_REQUEST_BYTES]);
        assert_eq!(client.call(largest.clone(), PATIENCE).await.unwrap(), largest);

        let mut stranger = Raw::start(100);
        let mut stream = stranger.stream(key(1).identity(), address, JOIN).await;
        let oversized = frame(1, 1, &vec![0; JOIN_REQUEST_BYTES + 1]);
        // The door closes while this is written, at the latest after it.
        let _ = stream.write_all(&oversized).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
        assert_eq!(client.call("still served".into(), PATIENCE).await.unwrap(), "still served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_and_their_streams_are_few() {
    for transport in BOTH {
        let door = door(transport, echo()).await;
        let address = &door.listening()[0];
        let mut visitors = Vec::new();
        for number in 100..116 {
            visitors.push(JoinClient::connect(&key(number), address, PATIENCE).await.unwrap());
        }
        let error = JoinClient::connect(&key(116), address, PATIENCE).await.unwrap_err();
        assert!(matches!(error, NetworkError::JoinUnreachable { .. }), "{error:?}");
        drop(visitors.pop());
        let entered = async {
            while JoinClient::connect(&key(116), address, PATIENCE).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, entered).await.is_ok(), "a place is free again");
        drop(visitors);

        let mut stranger = Raw::start(120);
        let mut first = stranger.stream(key(1).identity(), address, JOIN).await;
        first.write_all(&frame(1, 1, b"x")).await.unwrap();
        first.flush().await.unwrap();
        assert_eq!(frame_read(&mut first).await.unwrap(), (2, 1, b"x".to_vec()));
        // Asking for a second stream ends the visit, long before the silence of the first does.
        let shown_out = async {
            if let Some(Ok(mut second)) = stranger.open(key(1).identity(), address, JOIN).await {
                let mut answer = Vec::new();
                let _ = second.read_to_end(&mut answer).await;
                assert_eq!(answer, b"");
            }
            let mut rest = Vec::new();
            let _ = first.read_to_end(&mut rest).await;
            assert_eq!(rest, b"");
        };
        assert!(tokio::time::timeout(BEFORE_SILENCE, shown_out).await.is_ok(), "the visit goes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn door_at_all_addresses_tells_those_of_this_machine_last() {
    let door = JoinDoor::start(&key(1), &["/ip4/0.0.0.0/tcp/0".parse().unwrap()], echo()).await.unwrap();
    // The system names one interface after the other; there may be no other than the loopback.
    until("the loopback is told", || door.listening().last().is_some_and(PeerAddress::is_loopback)).await;
    assert!(door.listening().iter().all(|address| !address.is_wildcard()));
    let last = door.listening().pop().unwrap();
    let client = JoinClient::connect(&key(9), &last, PATIENCE).await.unwrap();
    assert_eq!(client.call("x".into(), PATIENCE).await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_door_finishes_and_admits_nobody() {
    for transport in BOTH {
        let (gate, handler) = gated(|_| true);
        let door = door(transport, handler).await;
        let address = door.listening()[0].clone();
        let client = JoinClient::connect(&key(9), &address, PATIENCE).await.unwrap();
        let close = async {
            until("asked", || gate.begun() == 1).await;
            let release = async {
                tokio::task::yield_now().await;
                gate.open(1);
            };
            tokio::join!(door.close(PATIENCE), release).0.unwrap();
        };
        let (answer, ()) = tokio::join!(client.call("last".into(), PATIENCE), close);
        assert_eq!(answer.unwrap(), "last");
        let late = JoinClient::connect(&key(9), &address, Duration::from_secs(1)).await;
        assert!(matches!(late, Err(NetworkError::JoinUnreachable { .. })));
        assert!(client.call("late".into(), PATIENCE).await.is_err());
    }
}
