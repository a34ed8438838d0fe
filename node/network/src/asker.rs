//! Our side of a stream that we opened: our requests go out on it and the peer's answers come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::budget::{Budget, Reservation};
use crate::error::CallError;
use crate::frame::{Frame, FrameError, FrameKind, ReadRole, Refusal};
use crate::limits::{FRAMES_PER_TURN, Limits};
use crate::stream::{Arrival, FrameReader, Outgoing, Pace, StreamEnd, frames_write};

type Answer = Result<Received, CallError>;

/// An answer and the room that it takes until the caller has it.
#[derive(Debug)]
struct Received {
    payload: Bytes,
    _room: Option<Reservation>,
}

/// The calls of one stream that wait for an answer. Bounded by the slots that callers hold.
#[derive(Debug)]
struct Calls {
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    next_id: u64,
    closed: bool,
    last_used: Instant,
}

/// A cloneable way to ask over one stream.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    calls: Arc<Mutex<Calls>>,
    queue: mpsc::Sender<Outgoing>,
    response_bytes: usize,
}

/// The part that moves bytes; [`AskerDriver::run`] ends with the stream.
pub(crate) struct AskerDriver {
    asker: Asker,
    queue: mpsc::Receiver<Outgoing>,
    answers: Budget,
    limits: Limits,
}

/// An asker and its driver. `answers` is the room for large answers.
pub(crate) fn asker_new(limits: &Limits, answers: Budget) -> (Asker, AskerDriver) {
    // Every call has at most a request and a cancellation in the queue; one place is for pings.
    let places = limits.in_flight_per_peer.saturating_mul(2).saturating_add(1);
    let (sender, receiver) = mpsc::channel(places);
    let calls = Calls { waiting: HashMap::new(), next_id: 1, closed: false, last_used: Instant::now() };
    let asker =
        Asker { calls: Arc::new(Mutex::new(calls)), queue: sender, response_bytes: limits.response_bytes };
    (asker.clone(), AskerDriver { asker, queue: receiver, answers, limits: limits.clone() })
}

impl Asker {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Every change under this lock is complete before anything can panic.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// When the last request was made.
    pub(crate) fn last_used(&self) -> Instant {
        self.lock().last_used
    }

    /// Takes no further request if nobody has asked for `unused`; returns whether that is so. Whoever comes later
    /// knows that nothing was sent, instead of losing a call with the stream.
    fn close_unused(&self, unused: Duration) -> bool {
        let mut calls = self.lock();
        calls.closed = calls.waiting.is_empty() && calls.last_used.elapsed() >= unused;
        calls.closed
    }

    /// Sends a request and waits for its answer. Dropping the future takes the call back: the peer is told, best
    /// effort, and a late answer is ignored.
    ///
    /// `None` means that nothing was sent, because the stream had ended; then `room` is still there.
    pub(crate) async fn ask(&self, payload: Bytes, room: &mut Option<Reservation>) -> Option<Answered> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut calls = self.lock();
            if calls.closed {
                return None;
            }
            let id = calls.next_id;
            // Ids count up from one; a stream does not live for 2^64 requests.
            calls.next_id = id.wrapping_add(1);
            calls.last_used = Instant::now();
            calls.waiting.insert(id, sender);
            id
        };
        let mut waiting = Waiting { asker: self, id, answered: false };
        let frame = Frame { kind: FrameKind::Request, id, payload };
        let Ok(place) = self.queue.reserve().await else { return None };
        place.send(Outgoing { frame, room: room.take(), unsent: None });
        let answer = receiver.await.unwrap_or(Err(CallError::ConnectionLost));
        waiting.answered = true;
        Some(answer.map(|received| received.payload))
    }

    fn answered(&self, id: u64, answer: Answer) -> Result<(), FrameError> {
        let sender = {
            let mut calls = self.lock();
            if id == 0 || id >= calls.next_id {
                return Err(FrameError::Id);
            }
            // An id that is no longer waited for belongs to a call taken back: not the peer's fault.
            calls.waiting.remove(&id)
        };
        if let Some(sender) = sender {
            let _ = sender.send(answer);
        }
        Ok(())
    }

    fn close(&self) {
        let waiting = {
            let mut calls = self.lock();
            calls.closed = true;
            std::mem::take(&mut calls.waiting)
        };
        for sender in waiting.into_values() {
            let _ = sender.send(Err(CallError::ConnectionLost));
        }
    }
}

type Answered = Result<Bytes, CallError>;

/// Takes a call back when its future is dropped before the answer came.
struct Waiting<'asker> {
    asker: &'asker Asker,
    id: u64,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered && self.asker.lock().waiting.remove(&self.id).is_some() {
            let _ = self.asker.queue.try_send(Outgoing::bare(FrameKind::Cancel, self.id));
        }
    }
}

impl Drop for AskerDriver {
    /// Runs also when the task is aborted: nobody waits for a stream that is gone.
    fn drop(&mut self) {
        self.asker.close();
    }
}

impl AskerDriver {
    /// Moves bytes until the stream ends. `heard` is called at the first answer of any kind.
    pub(crate) async fn run<S>(mut self, stream: S, heard: impl Fn()) -> StreamEnd
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (read_half, write_half) = stream.split();
        // The driver keeps a sender, so the queue closes only when it is swapped for a closed one here.
        let (_, closed) = mpsc::channel(1);
        let queue = std::mem::replace(&mut self.queue, closed);
        let role = ReadRole::Asker { response_bytes: self.limits.response_bytes };
        let reader = FrameReader::new(read_half, role, self.answers.clone(), Pace::reading(&self.limits));
        tokio::select! {
            end = self.answers_read(reader, heard) => end,
            end = frames_write(write_half, queue, Pace::writing(&self.limits)) => end,
            end = self.pings_send() => end,
        }
    }

    async fn answers_read<R: AsyncRead + Unpin>(
        &self,
        mut reader: FrameReader<R>,
        heard: impl Fn(),
    ) -> StreamEnd {
        let mut heard = Some(heard);
        let mut turn = 0;
        loop {
            let arrival = match reader.next().await {
                Ok(arrival) => arrival,
                Err(end) => return end,
            };
            if let Some(heard) = heard.take() {
                heard();
            }
            if let Err(error) = self.answer_take(arrival) {
                return StreamEnd::Malformed(error);
            }
            turn += 1;
            if turn >= FRAMES_PER_TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn answer_take(&self, arrival: Arrival) -> Result<(), FrameError> {
        let (frame, room) = match arrival {
            Arrival::Frame(frame, room) => (frame, room),
            Arrival::Dropped(header) => {
                return self.asker.answered(header.id, Err(CallError::AnswerDropped));
            }
        };
        match frame.kind {
            FrameKind::Response => {
                self.asker.answered(frame.id, Ok(Received { payload: frame.payload, _room: room }))
            }
            FrameKind::Refusal => {
                let error = match Refusal::decode(&frame.payload)? {
                    Refusal::Busy => CallError::Busy,
                    Refusal::AnswerDropped => CallError::AnswerDropped,
                    Refusal::AnswerTooLarge { bytes, limit } => CallError::TooLarge {
                        what: "answer",
                        bytes: bytes as usize,
                        limit: (limit as usize).min(self.asker.response_bytes),
                    },
                    // Internal, because nobody knows what became of the request.
                    Refusal::Unknown { number } => CallError::Refused {
                        code: ErrorCode::Internal,
                        text: format!("for a reason that this version does not know ({number})"),
                    },
                    Refusal::Application { code, text } => CallError::Refused { code, text },
                };
                self.asker.answered(frame.id, Err(error))
            }
            FrameKind::Pong => Ok(()),
            // The reader's role lets none of these through.
            FrameKind::Request | FrameKind::Cancel | FrameKind::Ping => Err(FrameError::Id),
        }
    }

    /// Probes the peer and ends a stream that nobody uses. The first ping goes out at once: its answer proves that
    /// the peer serves this stream.
    async fn pings_send(&self) -> StreamEnd {
        let mut id = 0_u64;
        loop {
            // A full queue is traffic enough.
            let _ = self.asker.queue.try_send(Outgoing::bare(FrameKind::Ping, id));
            id = id.wrapping_add(1);
            tokio::time::sleep(self.limits.ping_after).await;
            if self.asker.close_unused(self.limits.unused) {
                return StreamEnd::Unused(self.limits.unused);
            }
        }
    }
}
