//! More members than may be dialled at once, and members that swallow every attempt.

use std::net::TcpListener;
use std::time::Duration;

use chengxin_network::{CallError, Limits, Member, PeerAddress, TransportKind};
use futures::future::join_all;
use tokio::time::Instant;

use crate::support::{BOTH, Node, PATIENCE, blackhole, echo, key, loopback, start, start_on};

/// Members that nobody answers for, all at one address.
fn absent(numbers: std::ops::Range<u8>, address: &PeerAddress) -> Vec<Member> {
    numbers
        .map(|number| Member {
            identity: key(number).identity(),
            addresses: vec![address.clone()],
            label: format!("absent {number}"),
        })
        .collect()
}

async fn call_all(one: &Node, members: &[Member]) -> Vec<Result<bytes::Bytes, CallError>> {
    join_all(members.iter().map(|member| one.network.call(&member.identity, "x".into(), PATIENCE))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_node_asks_a_hundred_members_at_once() {
    for transport in BOTH {
        let one = start(1, transport, echo()).await;
        let others = join_all((100..200).map(|number| start(number, transport, echo()))).await;
        for other in &others {
            other.knows([one.member()]).await;
        }
        let members: Vec<_> = others.iter().map(Node::member).collect();
        one.knows(members.clone()).await;
        for (answer, member) in call_all(&one, &members).await.iter().zip(&members) {
            assert!(answer.is_ok(), "{transport} {}: {answer:?}", member.label);
        }
        for status in one.network.peers() {
            assert_eq!(status.last_failure, None, "waiting for one's turn is no failure of the member");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_swallow_every_attempt_do_not_silence_the_others() {
    for transport in BOTH {
        // Handshakes that come to nothing take longer than this test waits for those that do not.
        let limits = Limits {
            handshakes: 4,
            handshake_time: Duration::from_millis(300),
            backoff_first: Duration::from_millis(1),
            backoff_longest: Duration::from_millis(1),
            ..Limits::default()
        };
        let one = start_on(1, vec![loopback(transport)], limits, echo()).await;
        let two = start(2, transport, echo()).await;
        two.knows([one.member()]).await;
        let hole = blackhole(transport);
        let absent = absent(100..180, &hole.address);
        one.knows(absent.iter().cloned().chain([two.member()])).await;
        // Each is dialled in its turn and fails by itself.
        for answer in call_all(&one, &absent).await {
            assert!(
                matches!(&answer, Err(CallError::Unreachable { reason, .. }) if reason.contains("127.0.0.1")),
                "{answer:?}"
            );
        }
        // Now they are all dialled again and again, and a call comes first all the same.
        for _ in 0..20 {
            assert_eq!(one.ask(&two, b"x").await.unwrap(), "x");
            one.knows(absent.iter().cloned()).await;
            one.knows(absent.iter().cloned().chain([two.member()])).await;
        }
    }
}

/// Accepts what waits at a listener and hangs up; returns how many there were.
fn hang_up(listener: &TcpListener) -> usize {
    std::iter::from_fn(|| listener.accept().ok()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_that_nobody_calls_is_not_dialled_for_ever() {
    let limits = Limits {
        unused: Duration::from_millis(300),
        backoff_first: Duration::from_millis(1),
        backoff_longest: Duration::from_millis(20),
        ..Limits::default()
    };
    let one = start_on(1, vec![loopback(TransportKind::Tcp)], limits, echo()).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let absent = absent(100..103, &address);
    one.knows(absent.iter().cloned()).await;
    let watch = async {
        let (mut attempts, mut last_at) = (0, Instant::now());
        // While they are wanted, no pause is longer than 20 ms.
        while attempts == 0 || last_at.elapsed() < Duration::from_secs(2) {
            let more = hang_up(&listener);
            if more > 0 {
                (attempts, last_at) = (attempts + more, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (answers, quiet) = tokio::join!(call_all(&one, &absent), tokio::time::timeout(PATIENCE, watch));
    assert!(answers.iter().all(|answer| matches!(answer, Err(CallError::Unreachable { .. }))), "{answers:?}");
    assert!(quiet.is_ok(), "still dialled");
    // The next call dials at once, and does not report a pause.
    let watch = async {
        while hang_up(&listener) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let call = one.network.call(&absent[0].identity, "x".into(), PATIENCE);
    let (answer, dialled) = tokio::join!(call, tokio::time::timeout(PATIENCE, watch));
    assert!(dialled.is_ok());
    let Err(CallError::Unreachable { down_for, .. }) = answer else { panic!("{answer:?}") };
    assert!(down_for < Duration::from_millis(500), "{down_for:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_does_not_wait_for_calls_without_a_connection() {
    for transport in BOTH {
        let limits = Limits { handshake_time: Duration::from_secs(600), ..Limits::default() };
        let one = start_on(1, vec![loopback(transport)], limits, echo()).await;
        let hole = blackhole(transport);
        let absent = absent(100..101, &hole.address);
        one.knows(absent.iter().cloned()).await;
        let call = one.network.call(&absent[0].identity, "x".into(), Duration::from_secs(600));
        let stop = async {
            crate::support::until("it waits", || one.network.peers()[0].asking == 1).await;
            one.network.clone().shutdown(Duration::from_secs(600)).await;
        };
        let both = async { tokio::join!(call, stop).0 };
        let answer = tokio::time::timeout(PATIENCE, both).await.expect("nobody waits for a connection");
        assert_eq!(answer.unwrap_err(), CallError::Closed);
        one.task.await.unwrap();
    }
}
