//! Our side of a stream that a peer opened: its requests come in, are handled side by side within bounds, and are
//! answered in the order in which they are finished.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::address::PeerIdentity;
use crate::budget::{Budget, Counter, Reservation};
use crate::error::HandlerRefusal;
use crate::frame::{Frame, FrameError, FrameKind, ReadRole, Refusal};
use crate::limits::{FRAMES_PER_TURN, Limits};
use crate::stream::{Arrival, FrameReader, Outgoing, Pace, StreamEnd, frames_write};

/// What the application does with a peer's request.
pub trait RequestHandler: Send + Sync + 'static {
    /// Answers one request of `from`, whose identity the handshake has proven.
    ///
    /// The future runs to its end even when the asker no longer waits or the connection is lost, so that an entry
    /// made durable and the work it describes stay together; then only the answer is not sent. It is dropped
    /// unfinished in two cases: the network is shut down and the deadline for that has passed, or the member was
    /// removed from the directory.
    fn handle(&self, from: PeerIdentity, request: Bytes)
    -> BoxFuture<'static, Result<Bytes, HandlerRefusal>>;
}

/// What answering one peer takes, over all its streams.
pub(crate) struct Answering {
    pub(crate) peer: PeerIdentity,
    pub(crate) handler: Arc<dyn RequestHandler>,
    /// Requests in progress.
    pub(crate) slots: Budget,
    /// Bytes of large requests and of all answers.
    pub(crate) bytes: Budget,
    pub(crate) limits: Limits,
    /// Set when the node shuts down: no request is begun any more.
    closing: Arc<AtomicBool>,
    /// Answers that have not left yet; bounded by the queues, counted for shutdown.
    sending: Budget,
    /// Answers that were given room to leave.
    answers: AtomicU64,
    /// Handlers at work; dropped, they end. Bounded by `slots`, finished ones are reaped at each new request.
    tasks: Mutex<JoinSet<()>>,
}

impl Answering {
    pub(crate) fn new(
        peer: PeerIdentity,
        handler: Arc<dyn RequestHandler>,
        slots: Budget,
        bytes: Budget,
        limits: Limits,
        closing: Arc<AtomicBool>,
        sending: Arc<Counter>,
    ) -> Self {
        let sending = Budget::new(usize::MAX, sending);
        let (answers, tasks) = (AtomicU64::new(0), Mutex::new(JoinSet::new()));
        Self { peer, handler, slots, bytes, limits, closing, sending, answers, tasks }
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many answers went out so far; a peer that does not read gets no more than its queue holds.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Ends all handlers, finished or not.
    pub(crate) fn abort(&self) {
        self.tasks().abort_all();
    }
}

/// The requests of one stream that are not answered yet, and whether the asker still waits.
type Open = Arc<Mutex<HashMap<u64, bool>>>;

/// Serves one stream until it ends.
pub(crate) async fn stream_answer<S>(stream: S, answering: Arc<Answering>) -> StreamEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (read_half, write_half) = stream.split();
    let limits = &answering.limits;
    // One place per request in progress and one per refusal that the reader is about to queue.
    let (queue, outgoing) = mpsc::channel(limits.in_flight_per_peer.saturating_add(1));
    let role = ReadRole::Answerer { request_bytes: limits.request_bytes };
    let reader = FrameReader::new(read_half, role, answering.bytes.clone(), Pace::reading(limits));
    tokio::select! {
        end = requests_read(reader, &answering, queue) => end,
        end = frames_write(write_half, outgoing, Pace::writing(limits)) => end,
    }
}

async fn requests_read<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    answering: &Arc<Answering>,
    queue: mpsc::Sender<Outgoing>,
) -> StreamEnd {
    let open: Open = Arc::default();
    let mut turn = 0;
    loop {
        let arrival = match reader.next().await {
            Ok(arrival) => arrival,
            Err(end) => return end,
        };
        let reply = match request_take(arrival, answering, &open, &queue) {
            Ok(reply) => reply,
            Err(error) => return StreamEnd::Malformed(error),
        };
        // Waiting for a place here is back-pressure: a peer that floods and does not read is not read either,
        // until the writer's deadline ends the stream.
        if let Some(reply) = reply
            && queue.send(reply).await.is_err()
        {
            return StreamEnd::Closed;
        }
        turn += 1;
        if turn >= FRAMES_PER_TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Acts on a frame. Returns what the reader itself has to reply.
fn request_take(
    arrival: Arrival,
    answering: &Arc<Answering>,
    open: &Open,
    queue: &mpsc::Sender<Outgoing>,
) -> Result<Option<Outgoing>, FrameError> {
    let (frame, room) = match arrival {
        Arrival::Frame(frame, room) => (frame, room),
        Arrival::Dropped(header) => return Ok(Some(refusal(header.id, &Refusal::Busy))),
    };
    match frame.kind {
        FrameKind::Request => request_start(frame, room, answering, open, queue),
        FrameKind::Cancel => {
            if let Some(wanted) = lock(open).get_mut(&frame.id) {
                *wanted = false;
            }
            Ok(None)
        }
        FrameKind::Ping => Ok(Some(Outgoing::bare(FrameKind::Pong, frame.id))),
        // The reader's role lets none of these through.
        FrameKind::Response | FrameKind::Refusal | FrameKind::Pong => Err(FrameError::Id),
    }
}

fn request_start(
    frame: Frame,
    room: Option<Reservation>,
    answering: &Arc<Answering>,
    open: &Open,
    queue: &mpsc::Sender<Outgoing>,
) -> Result<Option<Outgoing>, FrameError> {
    let id = frame.id;
    if id == 0 || lock(open).contains_key(&id) {
        return Err(FrameError::Id);
    }
    let slot = match answering.closing.load(Ordering::Acquire) {
        true => None,
        false => answering.slots.reserve(1),
    };
    let Some(slot) = slot else { return Ok(Some(refusal(id, &Refusal::Busy))) };
    lock(open).insert(id, true);
    let mut work = Work {
        id,
        open: Arc::clone(open),
        queue: queue.clone(),
        finished: false,
        answering: Arc::clone(answering),
    };
    let mut tasks = answering.tasks();
    while tasks.try_join_next().is_some() {}
    tasks.spawn(async move {
        let answer = work.answering.handler.handle(work.answering.peer, frame.payload).await;
        drop(room);
        let Some(outgoing) = work.finish(answer) else { return };
        // Those that wait here for a place still hold their slots, so they are counted. The slot is free before the
        // answer leaves: a peer that asks again as soon as it has the answer must not find itself busy.
        if let Ok(place) = work.queue.reserve().await {
            drop(slot);
            work.answering.answers.fetch_add(1, Ordering::Relaxed);
            place.send(outgoing);
        }
    });
    Ok(None)
}

/// A request in progress; dropped without an answer (a panic in the handler), it is answered with an internal error.
struct Work {
    id: u64,
    open: Open,
    queue: mpsc::Sender<Outgoing>,
    finished: bool,
    answering: Arc<Answering>,
}

impl Work {
    /// The frame to send, unless nobody waits for it.
    fn finish(&mut self, answer: Result<Bytes, HandlerRefusal>) -> Option<Outgoing> {
        if std::mem::replace(&mut self.finished, true) {
            return None;
        }
        let wanted = lock(&self.open).remove(&self.id).unwrap_or(false);
        (wanted && !self.queue.is_closed()).then(|| self.outgoing(answer))
    }

    fn outgoing(&self, answer: Result<Bytes, HandlerRefusal>) -> Outgoing {
        let unsent = self.answering.sending.reserve(1);
        let limit = self.answering.limits.response_bytes;
        let refused = match answer {
            Ok(payload) if payload.len() > limit => Refusal::AnswerTooLarge {
                bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                limit: u32::try_from(limit).unwrap_or(u32::MAX),
            },
            Ok(payload) => match self.answering.bytes.reserve(payload.len()) {
                Some(room) => {
                    let frame = Frame { kind: FrameKind::Response, id: self.id, payload };
                    return Outgoing { frame, room: Some(room), unsent };
                }
                // The peer asks for more than it reads, or others do and this answer is large. It is dropped, not
                // kept; what the handler did stays done.
                None => Refusal::AnswerDropped,
            },
            Err(HandlerRefusal { code, text }) => Refusal::Application { code, text },
        };
        let frame = Frame { kind: FrameKind::Refusal, id: self.id, payload: refused.encode() };
        Outgoing { frame, room: None, unsent }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let unfinished = Err(HandlerRefusal {
            code: chengxin_schemas::ErrorCode::Internal,
            text: "the node could not finish the request".into(),
        });
        if let Some(outgoing) = self.finish(unfinished) {
            // Best effort: with a full queue the asker's deadline tells it.
            let _ = self.queue.try_send(outgoing);
        }
    }
}

fn refusal(id: u64, refusal: &Refusal) -> Outgoing {
    Outgoing {
        frame: Frame { kind: FrameKind::Refusal, id, payload: refusal.encode() },
        room: None,
        unsent: None,
    }
}

fn lock(open: &Open) -> MutexGuard<'_, HashMap<u64, bool>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
