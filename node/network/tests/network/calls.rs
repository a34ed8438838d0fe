//! Asking and answering between two members.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chengxin_network::{CallError, HandlerRefusal, Limits};
use chengxin_schemas::ErrorCode;
use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::Semaphore;

use crate::support::{BOTH, Handler, PATIENCE, echo, gated, pair, pair_with, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_is_answered() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        assert_eq!(one.ask(&two, b"hello").await.unwrap(), "hello");
        assert_eq!(two.ask(&one, b"and back").await.unwrap(), "and back");
        assert_eq!(one.ask(&two, b"").await.unwrap(), "");
        let status = &one.network.peers()[0];
        assert_eq!(status.connection.unwrap().transport, transport);
        assert!(status.last_success_ago.is_some() && status.retry_in.is_none(), "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn largest_frames_pass() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        let payload = Bytes::from((0..4_usize << 20).map(|at| (at % 251) as u8).collect::<Vec<_>>());
        let answer = one.network.call(&two.identity(), payload.clone(), PATIENCE).await.unwrap();
        assert!(answer == payload, "4 MiB come back as they went");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_in_the_order_they_are_ready() {
    for transport in BOTH {
        let (gate, handler) = gated(|request| request == "slow");
        let (one, two) = pair(transport, handler).await;
        let slow = one.ask(&two, b"slow");
        let fast = async {
            let answer = one.ask(&two, b"fast").await;
            gate.open(1);
            answer
        };
        let (slow, fast) = tokio::join!(slow, fast);
        assert_eq!((slow.unwrap(), fast.unwrap()), ("slow".into(), "fast".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_calls_with_256_in_flight() {
    for transport in BOTH {
        let (one, two) = pair(transport, echo()).await;
        let slots = Semaphore::new(256);
        let calls = (0..1000_u32).map(|number| {
            let (one, two, slots) = (&one, &two, &slots);
            async move {
                let _slot = slots.acquire().await.unwrap();
                let payload = number.to_be_bytes().repeat(128);
                assert_eq!(one.ask(two, &payload).await.unwrap(), payload);
            }
        });
        join_all(calls).await;
        until("nothing in flight", || {
            one.network.peers()[0].asking == 0 && two.network.peers()[0].answering == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_can_be_used_in_full() {
    for transport in BOTH {
        let limits = Limits { in_flight_per_peer: 4, ..Limits::default() };
        let (one, two) = pair_with(transport, limits, echo()).await;
        // Each asks again the moment it has its answer; its place over there must be free by then.
        let workers = (0..4).map(|_| async {
            for _ in 0..1000 {
                assert_eq!(one.ask(&two, b"x").await.unwrap(), "x");
            }
        });
        join_all(workers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_arrives_with_code_and_words() {
    for transport in BOTH {
        let handler = Handler(|_, _| {
            async { Err(HandlerRefusal { code: ErrorCode::Denied, text: "用途不符".into() }) }.boxed()
        });
        let (one, two) = pair(transport, Arc::new(handler)).await;
        let expected = CallError::Refused { code: ErrorCode::Denied, text: "用途不符".into() };
        assert_eq!(one.ask(&two, b"x").await.unwrap_err(), expected);
        assert_eq!(expected.code(), ErrorCode::Denied);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_in_a_handler_is_one_refusal() {
    let handler = Handler(|_, request: Bytes| {
        async move {
            assert_ne!(request, "panic", "asked to");
            Ok(request)
        }
        .boxed()
    });
    let (one, two) = pair(BOTH[0], Arc::new(handler)).await;
    assert_eq!(one.ask(&two, b"panic").await.unwrap_err().code(), ErrorCode::Internal);
    assert_eq!(one.ask(&two, b"on").await.unwrap(), "on");
    until("its place is free", || two.network.peers()[0].answering == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_request_and_answer_are_refused_and_the_connection_stays() {
    for transport in BOTH {
        let handler = Handler(|_, request: Bytes| {
            async move {
                match &request[..] {
                    b"large" => Ok(Bytes::from(vec![0; (4 << 20) + 1])),
                    _ => Ok(request),
                }
            }
            .boxed()
        });
        let (one, two) = pair(transport, Arc::new(handler)).await;
        one.ask(&two, b"first").await.unwrap();
        let limit = 4 << 20;
        assert_eq!(
            one.ask(&two, &vec![0; limit + 1]).await.unwrap_err(),
            CallError::TooLarge { what: "request", bytes: limit + 1, limit }
        );
        assert_eq!(
            one.ask(&two, b"large").await.unwrap_err(),
            CallError::TooLarge { what: "answer", bytes: limit + 1, limit }
        );
        assert_eq!(one.ask(&two, b"still here").await.unwrap(), "still here");
        assert_eq!(one.network.peers()[0].last_failure, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadline_is_kept_and_work_begun_is_finished() {
    for transport in BOTH {
        let (gate, handler) = gated(|request| request == "wait");
        let (one, two) = pair(transport, handler).await;
        one.ask(&two, b"connect").await.unwrap();
        let short = Duration::from_millis(50);
        let late = one.network.call(&two.identity(), "wait".into(), short).await;
        assert_eq!(late.unwrap_err(), CallError::Timeout);
        assert_eq!(one.ask(&two, b"next").await.unwrap(), "next");
        assert_eq!(two.network.peers()[0].answering, 1, "still at work");
        gate.open(1);
        until("finished", || gate.finished() == 1).await;
        // The late answer was not sent; the stream is as good as before.
        until("its place is free", || two.network.peers()[0].answering == 0).await;
        assert_eq!(one.ask(&two, b"after").await.unwrap(), "after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_the_limit_is_busy() {
    for transport in BOTH {
        let (gate, handler) = gated(|_| true);
        let limits = Limits { in_flight_per_peer: 8, ..Limits::default() };
        let (one, two) = pair_with(transport, limits, handler).await;
        let calls = join_all((0..8).map(|_| one.ask(&two, b"x")));
        let extra = async {
            until("eight at work", || two.network.peers()[0].answering == 8).await;
            let extra = one.ask(&two, b"ninth").await;
            gate.open(8);
            extra
        };
        let (answers, extra) = tokio::join!(calls, extra);
        assert_eq!(extra.unwrap_err(), CallError::Busy);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        gate.open(1);
        assert!(one.ask(&two, b"again").await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_lets_work_finish_and_refuses_new() {
    for transport in BOTH {
        let (gate, handler) = gated(|_| true);
        let (one, two) = pair(transport, handler).await;
        let call = one.ask(&two, b"last");
        let stop = async {
            until("at work", || two.network.peers()[0].answering == 1).await;
            let shutdown = two.network.clone().shutdown(PATIENCE);
            let release = async {
                until("closing", || {
                    two.network.call(&one.identity(), "x".into(), PATIENCE).now_or_never()
                        == Some(Err(CallError::Closed))
                })
                .await;
                gate.open(1);
            };
            tokio::join!(shutdown, release);
        };
        let (answer, ()) = tokio::join!(call, stop);
        assert_eq!(answer.unwrap(), "last");
        two.task.await.unwrap();
        assert!(two.network.listening().is_empty() && two.network.peers().is_empty());
    }
}
