//! Members that take up room and time: they read slowly, send slowly, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chengxin_network::{CallError, Limits, PeerStatus, RequestHandler, TransportKind};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt};
use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, PortUse, Transport};
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::identity::Keypair;

use crate::hostile::{BAD, besieged, status_of_bad};
use crate::support::{BOTH, FRAMES, Handler, Node, PATIENCE, echo, frame, key, until};

/// Answers `big` with so many bytes and everything else with itself, and counts the big ones.
fn big(bytes: usize) -> (Arc<AtomicUsize>, Arc<dyn RequestHandler>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let handler = Handler(move |_, request: bytes::Bytes| {
        let answer = if request == "big" {
            counter.fetch_add(1, Ordering::SeqCst);
            vec![1; bytes].into()
        } else {
            request
        };
        async move { Ok(answer) }.boxed()
    });
    (count, Arc::new(handler))
}

fn reason(status: &PeerStatus) -> &str {
    status.last_failure.as_ref().map_or("", |failure| &failure.reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reader_is_shut_out_at_the_third_time() {
    for transport in BOTH {
        let limits = Limits {
            write_time: Duration::from_millis(300),
            ban_first: Duration::from_secs(3600),
            ..Limits::default()
        };
        let (_, handler) = big(1 << 20);
        let (node, honest, mut bad) = besieged(transport, limits, handler).await;
        let address = node.network.listening()[0].clone();
        for _ in 0..3 {
            let mut stream = bad.stream(node.identity(), &address, FRAMES).await;
            // The peer may have its stream before the node has noted the connection; until it asks, nothing cuts it off.
            until("connected", || status_of_bad(&node).connection.is_some()).await;
            for id in 1..=100 {
                if stream.write_all(&frame(1, id, b"big")).await.is_err() {
                    break;
                }
            }
            let _ = stream.flush().await;
            until("cut off", || status_of_bad(&node).connection.is_none()).await;
        }
        until("shut out", || status_of_bad(&node).banned_for.is_some()).await;
        assert!(reason(&status_of_bad(&node)).contains("did not read"), "{:?}", status_of_bad(&node));
        assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trickling_reader_is_a_slow_reader() {
    for transport in BOTH {
        // An answer has two seconds and a half, in which something is always read.
        let limits =
            Limits { write_time: Duration::from_millis(1500), least_rate: 4 << 20, ..Limits::default() };
        let (_, handler) = big(4 << 20);
        let (node, honest, mut bad) = besieged(transport, limits, handler).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        for id in 1..=8 {
            stream.write_all(&frame(1, id, b"big")).await.unwrap();
        }
        stream.flush().await.unwrap();
        let trickle = async {
            let mut some = vec![0; 32 << 10];
            // In the end the stream is taken away.
            while stream.read(&mut some).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let cut = until("cut off", || reason(&status_of_bad(&node)).contains("did not read"));
        tokio::join!(async { tokio::time::timeout(PATIENCE, trickle).await.unwrap() }, cut);
        assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trickling_sender_is_cut_off() {
    for transport in BOTH {
        let limits =
            Limits { silence: Duration::from_millis(1500), least_rate: 1 << 20, ..Limits::default() };
        let (node, honest, mut bad) = besieged(transport, limits, echo()).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        let claimed = frame(1, 1, &vec![0; 1 << 20]);
        stream.write_all(&claimed[..20]).await.unwrap();
        let trickle = async {
            for byte in claimed[20..].chunks(1) {
                if stream.write_all(byte).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let cut = until("cut off", || reason(&status_of_bad(&node)).contains("over one frame"));
        tokio::select! {
            () = trickle => {}
            () = cut => {}
        }
        until("cut off", || reason(&status_of_bad(&node)).contains("over one frame")).await;
        assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_answers_have_room_when_somebody_holds_it_all() {
    for transport in BOTH {
        let limits = Limits {
            bytes_per_peer: 4 << 20,
            bytes_total: 4 << 20,
            write_time: Duration::from_secs(3600),
            ..Limits::default()
        };
        let (_, handler) = big(1 << 20);
        let (node, honest, mut bad) = besieged(transport, limits, handler).await;
        let mut stream = bad.stream(node.identity(), &node.network.listening()[0], FRAMES).await;
        // It asks on and on and reads nothing.
        let hog = async {
            for id in 1.. {
                if stream.write_all(&frame(1, id, b"big")).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::future::pending::<()>().await;
        };
        let work = async {
            let mut dropped_in_a_row = 0;
            while dropped_in_a_row < 100 {
                match honest.ask(&node, b"big").await {
                    Ok(_) => dropped_in_a_row = 0,
                    Err(CallError::AnswerDropped) => dropped_in_a_row += 1,
                    Err(other) => panic!("{other:?}"),
                }
                assert_eq!(honest.ask(&node, b"small").await.unwrap(), "small");
            }
        };
        tokio::select! {
            () = hog => {}
            done = tokio::time::timeout(PATIENCE, work) => assert!(done.is_ok(), "never held it all"),
        }
    }
}

/// Agrees on a protocol in the simplest case of multistream-select: the other side knows it.
async fn protocol_select<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S, protocol: &str) {
    let wanted = multistream(protocol);
    io.write_all(&wanted).await.unwrap();
    io.flush().await.unwrap();
    let mut agreed = vec![0; wanted.len()];
    io.read_exact(&mut agreed).await.unwrap();
    assert_eq!(agreed, wanted);
}

fn multistream(protocol: &str) -> Vec<u8> {
    let line = |text: &str| {
        let mut out = vec![u8::try_from(text.len() + 1).unwrap()];
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
        out
    };
    [line("/multistream/1.0.0"), line(protocol)].concat()
}

/// A yamux frame of stream 1: version 0, kind, flags, stream, and a length that counts data or credit.
fn yamux(kind: u8, flags: u8, length: usize, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0, kind, 0, flags, 0, 0, 0, 1];
    out.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// Connects over TCP as the bad member, grants the node endless credit, asks for `count` big answers and never reads
/// from its socket again, until the value is dropped.
async fn stuck_connect(node: &Node, count: u64) -> impl Sized + use<> {
    let address = node.network.listening()[0].to_string().parse().unwrap();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let mut socket = libp2p::tcp::tokio::Transport::default().dial(address, options).unwrap().await.unwrap();
    protocol_select(&mut socket, "/tls/1.0.0").await;
    let keypair = Keypair::ed25519_from_bytes([BAD; 32]).unwrap();
    let tls = libp2p::tls::Config::new(&keypair).unwrap();
    let (_, mut io) = tls.upgrade_outbound(socket, "/tls/1.0.0").await.unwrap();
    protocol_select(&mut io, "/yamux/1.0.0").await;
    let mut asked = multistream(FRAMES.as_ref());
    for id in 1..=count {
        asked.extend(frame(1, id, b"big"));
    }
    io.write_all(&yamux(1, 1, 1 << 30, b"")).await.unwrap();
    io.write_all(&yamux(0, 0, asked.len(), &asked)).await.unwrap();
    io.flush().await.unwrap();
    io
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_that_never_reads_its_socket_keeps_nothing() {
    let limits =
        Limits { write_time: Duration::from_millis(300), strikes_before_ban: u32::MAX, ..Limits::default() };
    let (asked, handler) = big(4 << 20);
    let (node, honest, _bad) = besieged(TransportKind::Tcp, limits, handler).await;
    let mut held = Vec::new();
    // More rounds than one peer may have connections, the closing ones included.
    for round in 1..=6 {
        held.push(stuck_connect(&node, 8).await);
        until("asked", || asked.load(Ordering::SeqCst) == 8 * round).await;
        until("cut off", || status_of_bad(&node).connection.is_none()).await;
        // No stream is asked for on what is being closed: there is no other way to it, and that is said at once.
        let error = node.network.call(&key(BAD).identity(), "x".into(), PATIENCE).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { reason, .. } if reason.contains("no address")),
            "{error:?}"
        );
    }
    assert_eq!(honest.ask(&node, b"honest").await.unwrap(), "honest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_during_a_shutdown_still_cuts_off() {
    for transport in BOTH {
        let (gate, handler) = crate::support::gated(|_| true);
        let (one, two) = crate::support::pair(transport, handler).await;
        let to = two.identity();
        let call = one.network.call(&to, "never answered".into(), Duration::from_secs(600));
        let stop = async {
            until("at work", || gate.begun() == 1).await;
            let shutdown = two.network.clone().shutdown(Duration::from_secs(600));
            let remove = async {
                until("closing", || {
                    two.network.call(&one.identity(), "x".into(), PATIENCE).now_or_never()
                        == Some(Err(CallError::Closed))
                })
                .await;
                two.members.send_replace(Arc::default());
            };
            tokio::join!(shutdown, remove);
        };
        let both = async { tokio::join!(call, stop).0 };
        let answer = tokio::time::timeout(PATIENCE, both).await.expect("its work ends with its membership");
        assert_eq!(answer.unwrap_err(), CallError::ConnectionLost);
        assert_eq!(gate.finished(), 0);
    }
}
