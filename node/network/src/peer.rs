//! What callers, the event loop and the status page share about one member.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::address::{PeerIdentity, TransportKind};
use crate::answerer::Answering;
use crate::asker::Asker;
use crate::budget::Budget;

/// Whether a member can be asked.
#[derive(Clone, Debug)]
pub(crate) enum LinkState {
    /// Nobody asked for it, or not for long.
    Idle,
    /// An attempt is under way, or is about to be after a loss.
    Connecting,
    /// Ask.
    Ready(Asker),
    /// The last attempt failed.
    Down { reason: String, since: Instant, retry_at: Instant },
    /// No longer a member.
    Removed,
    /// The network is shut down.
    Closed,
}

/// One member at run time.
pub(crate) struct Peer {
    pub(crate) identity: PeerIdentity,
    pub(crate) link: watch::Sender<LinkState>,
    /// Our requests in progress there.
    pub(crate) asking: Budget,
    /// Bytes of our requests, and of its large answers.
    pub(crate) asking_bytes: Budget,
    pub(crate) answering: Arc<Answering>,
    book: Mutex<Book>,
}

/// What is remembered for the person who looks.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) label: String,
    pub(crate) connection: Option<(TransportKind, Instant)>,
    pub(crate) last_success: Option<Instant>,
    /// When somebody last called it, as far as there was no stream at that moment: a stream knows by itself.
    pub(crate) last_called: Option<Instant>,
    pub(crate) last_failure: Option<(Instant, String)>,
    pub(crate) banned_until: Option<Instant>,
}

impl Peer {
    pub(crate) fn new(
        identity: PeerIdentity,
        label: String,
        asking: Budget,
        asking_bytes: Budget,
        answering: Answering,
    ) -> Self {
        let (link, _) = watch::channel(LinkState::Idle);
        let book = Mutex::new(Book { label, ..Book::default() });
        Self { identity, link, asking, asking_bytes, answering: Arc::new(answering), book }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self, now: Instant) -> PeerStatus {
        let retry_in = match &*self.link.borrow() {
            LinkState::Down { retry_at, .. } => Some(retry_at.saturating_duration_since(now)),
            LinkState::Idle
            | LinkState::Connecting
            | LinkState::Ready(_)
            | LinkState::Removed
            | LinkState::Closed => None,
        };
        let book = self.book();
        let ago = |at: Instant| now.saturating_duration_since(at);
        PeerStatus {
            identity: self.identity,
            label: book.label.clone(),
            connection: book
                .connection
                .map(|(transport, since)| ConnectionStatus { transport, age: ago(since) }),
            last_success_ago: book.last_success.map(ago),
            last_failure: book
                .last_failure
                .as_ref()
                .map(|(at, reason)| FailureStatus { ago: ago(*at), reason: reason.clone() }),
            asking: self.asking.taken(),
            answering: self.answering.slots.taken(),
            retry_in,
            banned_for: book
                .banned_until
                .map(|until| until.saturating_duration_since(now))
                .filter(|left| !left.is_zero()),
        }
    }
}

/// How things stand with one member. Times are spans before or after the moment of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub identity: PeerIdentity,
    /// The agency code, as in the directory.
    pub label: String,
    /// The connection, newest first where there are two.
    pub connection: Option<ConnectionStatus>,
    /// How long ago it last answered a call.
    pub last_success_ago: Option<Duration>,
    /// The last thing that went wrong on the way to it.
    pub last_failure: Option<FailureStatus>,
    /// Our requests in progress there.
    pub asking: usize,
    /// Its requests in progress here.
    pub answering: usize,
    /// When it is dialled again, while there is no connection.
    pub retry_in: Option<Duration>,
    /// How much longer it is shut out for malformed data or for not reading.
    pub banned_for: Option<Duration>,
}

/// A live connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// QUIC or TCP.
    pub transport: TransportKind,
    /// How long it has lasted.
    pub age: Duration,
}

/// A failure in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureStatus {
    /// How long ago.
    pub ago: Duration,
    /// What happened.
    pub reason: String,
}
