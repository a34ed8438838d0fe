//! Losing each other and finding each other again.

use std::time::Duration;

use chengxin_network::{CallError, Limits, Member, PeerAddress, TransportKind};
use futures::future::join_all;

use crate::support::{BOTH, PATIENCE, echo, key, loopback, pair, pair_with, start, start_on, until};

/// An address where nobody answers: its port is taken by a socket that never reads or listens, so that no node of
/// another test can get it.
struct Nobody {
    address: PeerAddress,
    _socket: Box<dyn Send>,
}

fn nobody(transport: TransportKind) -> Nobody {
    let (address, socket): (_, Box<dyn Send>) = match transport {
        TransportKind::Quic => {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            (format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), Box::new(socket))
        }
        TransportKind::Tcp => {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let port = socket.local_addr().unwrap().port();
            (format!("/ip4/127.0.0.1/tcp/{port}"), Box::new(socket))
        }
    };
    Nobody { address: address.parse().unwrap(), _socket: socket }
}

/// Gives up soon on an address where nobody answers.
fn quick() -> Limits {
    Limits { handshake_time: Duration::from_millis(500), ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_peer_is_found_without_a_call() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        one.ask(&two, b"before").await.unwrap();
        let listen = two.network.listening();
        two.network.shutdown(PATIENCE).await;
        two.task.await.unwrap();
        until("loss noticed", || one.network.peers()[0].connection.is_none()).await;

        let two = start_on(2, listen, Limits::default(), echo()).await;
        two.knows([one.member()]).await;
        // Nobody calls: the connection comes back by itself.
        until("connected again", || two.network.peers()[0].connection.is_some()).await;
        assert_eq!(one.ask(&two, b"after").await.unwrap(), "after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_peer_is_found_again() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        one.ask(&two, b"before").await.unwrap();
        let listen = two.network.listening();
        // No goodbye.
        drop(two.task);
        until("ended", || two.network.peers().is_empty()).await;
        drop(two.network);
        let start = async {
            loop {
                // The system may need a moment to give the port back.
                let (members, receiver) = tokio::sync::watch::channel(std::sync::Arc::default());
                let config = chengxin_network::NetworkConfig {
                    listen: listen.clone(),
                    limits: Limits::default(),
                    jitter_seed: 2,
                };
                if let Ok((network, task)) =
                    chengxin_network::Network::start(&key(2), config, receiver, echo()).await
                {
                    return crate::support::Node { network, task, members };
                }
                tokio::task::yield_now().await;
            }
        };
        let two = tokio::time::timeout(PATIENCE, start).await.expect("the port is given back");
        two.knows([one.member()]).await;
        let answered = async {
            // Calls may meet the dead connection until its loss is noticed; then they are answered again.
            while one.network.call(&two.identity(), "after".into(), Duration::from_secs(1)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, answered).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dial_at_once() {
    for transport in BOTH {
        for round in 0..10_u8 {
            let (one, two) = pair(transport, echo()).await;
            let there = join_all((0..20).map(|_| one.ask(&two, b"there")));
            let back = join_all((0..20).map(|_| two.ask(&one, b"back")));
            let (there, back) = tokio::join!(there, back);
            for answer in there.iter().chain(&back) {
                assert!(answer.is_ok(), "round {round}: {answer:?}");
            }
            // Settled: what works goes on working. The slower of the two dials may still arrive, once.
            let age = |node: &crate::support::Node| node.network.peers()[0].connection.unwrap().age;
            let mut ages = [age(&one), age(&two)];
            let mut replaced = 0;
            for _ in 0..50 {
                let (there, back) = tokio::join!(one.ask(&two, b"there"), two.ask(&one, b"back"));
                assert!(there.is_ok() && back.is_ok(), "round {round}: {there:?} {back:?}");
                let now = [age(&one), age(&two)];
                replaced += usize::from(now[0] < ages[0]) + usize::from(now[1] < ages[1]);
                ages = now;
            }
            assert!(replaced <= 2, "round {round}: {replaced} new connections");
            assert_eq!(one.network.peers()[0].last_failure, None);
            assert_eq!(two.network.peers()[0].last_failure, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_said_with_the_reason() {
    for transport in BOTH {
        let one = start_on(1, vec![loopback(transport)], quick(), echo()).await;
        let nobody = nobody(transport);
        let absent = Member {
            identity: key(2).identity(),
            addresses: vec![nobody.address.clone()],
            label: "absent".into(),
        };
        one.knows([absent.clone()]).await;
        let error = one.network.call(&absent.identity, "x".into(), PATIENCE).await.unwrap_err();
        let CallError::Unreachable { reason, .. } = &error else { panic!("{error:?}") };
        assert!(reason.contains(&absent.addresses[0].to_string()), "{reason}");
        let status = &one.network.peers()[0];
        assert_eq!(&status.last_failure.as_ref().unwrap().reason, reason);
        assert_eq!(status.label, "absent");

        // A directory with the right address helps at once.
        let two = start(2, transport, echo()).await;
        two.knows([one.member()]).await;
        one.knows([two.member()]).await;
        until("connected", || one.network.peers()[0].connection.is_some()).await;
        assert_eq!(one.ask(&two, b"x").await.unwrap(), "x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_without_address_is_reached_when_it_comes() {
    let limits = Limits {
        backoff_first: Duration::from_secs(3600),
        backoff_longest: Duration::from_secs(3600),
        ..Limits::default()
    };
    for transport in BOTH {
        let one = start_on(1, vec![loopback(transport)], limits.clone(), echo()).await;
        let two = start_on(2, Vec::new(), Limits::default(), echo()).await;
        assert_eq!(two.network.listening(), []);
        one.knows([two.member()]).await;
        two.knows([one.member()]).await;
        let error = one.ask(&two, b"x").await.unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { reason, .. } if reason.contains("no address")),
            "{error:?}"
        );
        assert_eq!(two.ask(&one, b"hello").await.unwrap(), "hello");
        assert_eq!(one.ask(&two, b"over your connection").await.unwrap(), "over your connection");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_is_preferred_and_tcp_is_the_way_out() {
    let one = start(1, TransportKind::Quic, echo()).await;
    let two = start_on(2, BOTH.map(loopback).to_vec(), Limits::default(), echo()).await;
    two.knows([one.member()]).await;
    let transport = || one.network.peers()[0].connection.unwrap().transport;

    let mut member = two.member();
    member.addresses.sort_by_key(|address| address.transport() == TransportKind::Quic);
    assert_eq!(member.addresses[0].transport(), TransportKind::Tcp);
    one.knows([member.clone()]).await;
    one.ask(&two, b"x").await.unwrap();
    assert_eq!(transport(), TransportKind::Quic);

    one.knows([]).await;
    let nobody = nobody(TransportKind::Quic);
    for address in &mut member.addresses {
        if address.transport() == TransportKind::Quic {
            address.clone_from(&nobody.address);
        }
    }
    one.knows([member]).await;
    one.ask(&two, b"x").await.unwrap();
    assert_eq!(transport(), TransportKind::Tcp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_connection_is_kept_alive() {
    // The pings have eighty chances within the silence that ends a stream, so that a machine that stops for a second
    // or two does not end it; the connection grows older than that silence, and much older than an idle one.
    let silence = Duration::from_secs(4);
    let limits = Limits {
        ping_after: silence / 80,
        silence,
        idle_connection: Duration::from_secs(1),
        ..Limits::default()
    };
    let kept = BOTH.map(|transport| {
        let limits = limits.clone();
        async move {
            let (one, two) = pair_with(transport, limits, echo()).await;
            one.ask(&two, b"x").await.unwrap();
            let age =
                || one.network.peers()[0].connection.map_or(Duration::ZERO, |connection| connection.age);
            until("old enough", || age() > silence + Duration::from_secs(1)).await;
            assert_eq!(one.network.peers()[0].last_failure, None);
            assert_eq!(one.ask(&two, b"still").await.unwrap(), "still");
        }
    });
    join_all(kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_peer_is_let_go_until_the_next_call() {
    for transport in BOTH {
        let limits = Limits {
            ping_after: Duration::from_millis(50),
            unused: Duration::from_millis(100),
            ..Limits::default()
        };
        let (one, two) = pair_with(transport, limits, echo()).await;
        one.ask(&two, b"x").await.unwrap();
        until("let go", || one.network.peers()[0].connection.is_none()).await;
        assert_eq!(one.network.peers()[0].retry_in, None);
        assert_eq!(one.ask(&two, b"again").await.unwrap(), "again");
    }
}
