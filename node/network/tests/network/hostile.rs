//! Members that have turned bad: they pass the handshake and then do everything else wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chengxin_network::{CallError, Limits, Member, RequestHandler, TransportKind};
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{
    BOTH, FRAMES, Handler, Node, PATIENCE, Raw, echo, frame, frame_read, gated, key, loopback, start,
    start_on, until,
};

pub(crate) const BAD: u8 = 66;

/// A node with one honest member and one that is not.
pub(crate) async fn besieged(
    transport: TransportKind,
    limits: Limits,
    handler: Arc<dyn RequestHandler>,
) -> (Node, Node, Raw) {
    let node = start_on(1, vec![loopback(transport)], limits, handler).await;
    let honest = start(2, transport, echo()).await;
    let bad = Member { identity: key(BAD).identity(), addresses: Vec::new(), label: "bad".into() };
    node.knows([honest.member(), bad]).await;
    honest.knows([node.member()]).await;
    (node, honest, Raw::start(BAD))
}

pub(crate) fn status_of_bad(node: &Node) -> chengxin_network::PeerStatus {
    node.network.peers().into_iter().find(|status| status.label == "bad").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mutated_frames() {
    for transport in BOTH {
        // Without bans, so that every frame is looked at.
        let limits = Limits { strikes_before_ban: u32::MAX, ..Limits::default() };
        let (node, honest, mut bad) = besieged(transport, limits, echo()).await;
        let stop = AtomicBool::new(false);
        let attack = async {
            let mutation =
                (1_u8..=6, any::<u64>(), prop::collection::vec(any::<u8>(), 0..200), any::<[u8; 4]>());
            let mut runner = TestRunner::deterministic();
            let address = node.network.listening()[0].clone();
            for number in 0..2500_u32 {
                let mut stream = bad.stream(node.identity(), &address, FRAMES).await;
                // Four frames per stream: what is behind a malformed one must not be looked at.
                for part in 0..4_u32 {
                    let (kind, id, payload, flips) = mutation.new_tree(&mut runner).unwrap().current();
                    let mut bytes = frame(kind, id, &payload);
                    match (number + part) % 4 {
                        0 => {}
                        1 => bytes[usize::from(flips[0]) % 13] ^= flips[1] | 1,
                        2 => bytes.truncate(usize::from(flips[0]) % bytes.len()),
                        _ => bytes = [&flips[..], &payload].concat(),
                    }
                    let _ = stream.write_all(&bytes).await;
                }
                let _ = stream.close().await;
                // Until the node has dealt with it.
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
            }
            stop.store(true, Ordering::SeqCst);
        };
        let honest_work = async {
            let mut answered = 0;
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
                answered += 1;
            }
            answered
        };
        let ((), answered) = tokio::join!(attack, honest_work);
        assert!(answered > 100, "{answered}");
        assert!(status_of_bad(&node).last_failure.unwrap().reason.contains("malformed"));
        until("nothing left at work", || node.network.peers().iter().all(|status| status.answering == 0))
            .await;
    }
}

/// Sends so many malformed frames, each on a stream of its own, and sees each stream end without an answer.
async fn malformed_send(node: &Node, bad: &mut Raw, count: u32) {
    let address = node.network.listening()[0].clone();
    for _ in 0..count {
        let mut stream = bad.stream(node.identity(), &address, FRAMES).await;
        let _ = stream.write_all(&[0xff; 64]).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn third_malformed_frame_bans() {
    for transport in BOTH {
        // Outlasts the test on the slowest machine.
        let limits = Limits { ban_first: Duration::from_secs(3600), ..Limits::default() };
        let (node, honest, mut bad) = besieged(transport, limits, echo()).await;
        malformed_send(&node, &mut bad, 3).await;
        until("banned", || status_of_bad(&node).banned_for.is_some()).await;
        until("cut off", || status_of_bad(&node).connection.is_none()).await;
        let error = node.network.call(&key(BAD).identity(), "x".into(), PATIENCE).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { reason, .. } if reason.contains("shut out")),
            "{error:?}"
        );
        assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ban_ends_by_itself() {
    for transport in BOTH {
        // Nothing but a ban closes a connection within the time that this test waits.
        let limits = Limits {
            ban_first: Duration::from_millis(50),
            idle_connection: Duration::from_secs(3600),
            ..Limits::default()
        };
        let (node, _honest, mut bad) = besieged(transport, limits, echo()).await;
        malformed_send(&node, &mut bad, 2).await;
        assert!(status_of_bad(&node).connection.is_some(), "two are forgiven");
        malformed_send(&node, &mut bad, 1).await;
        // Whether the ban is over by now is not asked: only that it cut the connection, and that it passes.
        until("cut off", || status_of_bad(&node).connection.is_none()).await;
        let address = node.network.listening()[0].clone();
        let served = async {
            loop {
                if let Some(Ok(mut stream)) = bad.open(node.identity(), &address, FRAMES).await
                    && stream.write_all(&frame(1, 1, b"good again")).await.is_ok()
                    && stream.flush().await.is_ok()
                    && let Ok(answer) = frame_read(&mut stream).await
                {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, served).await.expect("the ban is over");
        assert_eq!(answer, (2, 1, b"good again".to_vec()));
        assert_eq!(status_of_bad(&node).banned_for, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_frame_ends_the_stream_only() {
    for transport in BOTH {
        let (node, _honest, mut bad) = besieged(transport, Limits::default(), echo()).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        let mut header = frame(1, 1, b"");
        header[..4].copy_from_slice(&((4_u32 << 20) + 10).to_be_bytes());
        stream.write_all(&header).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
        until("noted", || status_of_bad(&node).last_failure.is_some()).await;
        let reason = status_of_bad(&node).last_failure.unwrap().reason;
        assert!(reason.contains("4194305 bytes"), "{reason}");
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        stream.write_all(&frame(1, 1, b"small")).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(frame_read(&mut stream).await.unwrap(), (2, 1, b"small".to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_is_answered_with_busy() {
    for transport in BOTH {
        let (gate, handler) = gated(|_| true);
        let (node, _honest, mut bad) = besieged(transport, Limits::default(), handler).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        for id in 1..=300 {
            stream.write_all(&frame(1, id, b"flood")).await.unwrap();
        }
        stream.flush().await.unwrap();
        for id in 257..=300 {
            assert_eq!(frame_read(&mut stream).await.unwrap(), (3, id, vec![0, 1]), "busy");
        }
        until("256 at work", || status_of_bad(&node).answering == 256).await;
        gate.open(256);
        for _ in 0..256 {
            let (kind, id, payload) = frame_read(&mut stream).await.unwrap();
            assert!(kind == 2 && id <= 256 && payload == b"flood", "{kind} {id}");
        }
        assert_eq!(gate.begun(), 256);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reader_is_cut_off_and_memory_stays_bounded() {
    const ANSWER: usize = 1 << 20;
    for transport in BOTH {
        let handler = Handler(|_, request: Bytes| {
            async move { if request == "big" { Ok(vec![1; ANSWER].into()) } else { Ok(request) } }.boxed()
        });
        let limits = Limits { write_time: Duration::from_millis(500), ..Limits::default() };
        let (node, honest, mut bad) = besieged(transport, limits, Arc::new(handler)).await;
        let before = resident_bytes();
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        // Ten gigabytes of answers, none of them read.
        for id in 1..=10_000 {
            if stream.write_all(&frame(1, id, b"big")).await.is_err() {
                break;
            }
        }
        let _ = stream.flush().await;
        until("cut off", || status_of_bad(&node).connection.is_none()).await;
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 400 << 20, "{grown} bytes more");
        until("nothing left at work", || status_of_bad(&node).answering == 0).await;
        assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
    }
}

/// Resident memory of this process, other tests included.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_stream_is_closed() {
    for transport in BOTH {
        let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
        let (node, _honest, mut bad) = besieged(transport, limits, echo()).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        // Half a header, and never the rest. On a slow machine the silence before it is already too long.
        let _ = stream.write_all(&frame(1, 1, b"x")[..6]).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
        until("closed", || status_of_bad(&node).connection.is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn false_answers_end_the_stream_and_the_call() {
    let answers: [(&str, Vec<u8>); 6] = [
        ("an id never asked", frame(2, 99, b"x")),
        ("id zero", frame(2, 0, b"x")),
        ("a request where answers belong", frame(1, 1, b"x")),
        ("a refusal that does not parse", frame(3, 1, &[9, 9, 9])),
        ("an oversized answer", (((4_u32 << 20) + 10).to_be_bytes().into_iter()).chain([2; 9]).collect()),
        ("noise", vec![0xee; 40]),
    ];
    for transport in BOTH {
        for (what, answer) in &answers {
            let (node, honest, mut bad) = besieged(transport, Limits::default(), echo()).await;
            let mut incoming = bad.control.accept(FRAMES).unwrap();
            // Its connection carries our stream, too: it has no address of its own.
            let _theirs = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
            until("connected", || status_of_bad(&node).connection.is_some()).await;
            let bad_identity = key(BAD).identity();
            let call = node.network.call(&bad_identity, "question".into(), PATIENCE);
            let lie = async {
                let (_, mut stream) = incoming.next().await.unwrap();
                // The question has arrived; a ping comes with it.
                while frame_read(&mut stream).await.unwrap().0 != 1 {}
                let _ = stream.write_all(answer).await;
                let _ = stream.flush().await;
                stream
            };
            let (answer, _stream) = tokio::join!(call, lie);
            assert_eq!(answer.unwrap_err(), CallError::ConnectionLost, "{what}");
            assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest", "{what}");
        }
    }
}
