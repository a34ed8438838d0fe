//! Who gets in, who does not, and who is shown out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chengxin_network::{CallError, Limits, Member, Network, NetworkConfig, NetworkError};
use chengxin_schemas::ErrorCode;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use tokio::sync::watch;

use crate::support::{
    BOTH, FRAMES, Handler, PATIENCE, Raw, echo, frame, gated, key, loopback, pair, start, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_gets_nothing() {
    for transport in BOTH {
        let asked = Arc::new(AtomicUsize::new(0));
        let handler = {
            let asked = Arc::clone(&asked);
            Handler(move |_, request: Bytes| {
                asked.fetch_add(1, Ordering::SeqCst);
                async move { Ok(request) }.boxed()
            })
        };
        let (one, two) = pair(transport, Arc::new(handler)).await;
        let address = &two.network.listening()[0];
        for number in 100..110 {
            let mut stranger = Raw::start(number);
            // The stream may seem open for a moment, because the other end refuses after the handshake; nothing is
            // ever read from it.
            if let Some(Ok(mut stream)) = stranger.open(two.identity(), address, FRAMES).await {
                let _ = stream.write_all(&frame(1, 1, b"let me in")).await;
                let _ = stream.flush().await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                assert_eq!(answer, b"");
            }
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        assert_eq!(two.network.peers().len(), 1, "nothing is kept of strangers");
        assert_eq!(one.ask(&two, b"member").await.unwrap(), "member");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_at_a_members_address_is_refused() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        let impostor = Member { identity: key(3).identity(), ..two.member() };
        one.knows([impostor]).await;
        let error = one.network.call(&key(3).identity(), "x".into(), PATIENCE).await.unwrap_err();
        let CallError::Unreachable { reason, .. } = &error else { panic!("{error:?}") };
        assert!(reason.contains(&two.identity().to_string()), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_are_called() {
    let (one, _two) = pair(BOTH[0], echo()).await;
    let error = one.network.call(&key(3).identity(), "x".into(), PATIENCE).await.unwrap_err();
    assert_eq!((error.code(), error), (ErrorCode::NotFound, CallError::NotMember));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_member_is_cut_off_and_may_return() {
    for transport in BOTH {
        let (_gate, handler) = gated(|request| request == "wait");
        let (one, two) = pair(transport, handler).await;
        one.ask(&two, b"connect").await.unwrap();
        // A question in progress ends with the membership of the asker.
        let call = one.ask(&two, b"wait");
        let cut = async {
            until("at work", || two.network.peers()[0].answering == 1).await;
            two.knows([]).await;
        };
        let (answer, ()) = tokio::join!(call, cut);
        assert_eq!(answer.unwrap_err(), CallError::ConnectionLost);
        until("no connection", || one.network.peers()[0].connection.is_none()).await;
        let error = one.ask(&two, b"again").await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
        let back = one.network.call(&two.identity(), "x".into(), PATIENCE).await;
        assert!(back.is_err());

        two.knows([one.member()]).await;
        // Contact from the other side ends the pause: nobody waits for the next attempt.
        assert_eq!(two.ask(&one, b"welcome").await.unwrap(), "welcome");
        assert_eq!(one.ask(&two, b"back").await.unwrap(), "back");

        // The other way round: we drop it from our own list.
        one.knows([]).await;
        assert_eq!(one.ask(&two, b"x").await.unwrap_err(), CallError::NotMember);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_in_use_stops_the_start() {
    for transport in BOTH {
        let one = start(1, transport, echo()).await;
        let (_members, receiver) = watch::channel(Arc::default());
        let listen = one.network.listening();
        let config = NetworkConfig { listen: listen.clone(), limits: Limits::default(), jitter_seed: 1 };
        match Network::start(&key(2), config, receiver, echo()).await {
            Err(error @ NetworkError::Listen { .. }) => {
                assert_eq!(error.code(), ErrorCode::Unavailable);
                assert!(error.to_string().contains(&listen[0].to_string()), "{error}");
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("two nodes on one address"),
        }
        assert_ne!(listen, [loopback(transport)], "the real port is told");
    }
}
