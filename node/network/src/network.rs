//! The handle that the rest of the node holds: ask a member, look at the connections, shut down.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::address::{PeerAddress, PeerIdentity};
use crate::answerer::{Answering, RequestHandler};
use crate::asker::Asker;
use crate::budget::{Budget, Counter, Reservation};
use crate::error::{CallError, NetworkError};
use crate::event_loop::EventLoop;
use crate::key::TransportKey;
use crate::limits::{DEADLINE_LONGEST, Limits, SMALL_KEPT};
use crate::members::{Member, Members};
use crate::peer::{LinkState, Peer, PeerStatus};

/// Requests to the event loop that may wait; there is at most one per caller and member, and callers wait.
const COMMANDS: usize = 64;

/// What a network needs besides its key and its members.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Where to listen; port 0 lets the system choose. Empty for a node that only dials out.
    pub listen: Vec<PeerAddress>,
    /// Bounds.
    pub limits: Limits,
    /// Seed of the random pauses before dialling again. Protects nothing; differs from node to node.
    pub jitter_seed: u64,
}

/// A running network. Clones share it.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

/// What the handle and the event loop share.
pub(crate) struct Shared {
    pub(crate) identity: PeerIdentity,
    pub(crate) limits: Limits,
    pub(crate) handler: Arc<dyn RequestHandler>,
    pub(crate) peers: RwLock<HashMap<PeerIdentity, Arc<Peer>>>,
    pub(crate) listening: Mutex<Vec<PeerAddress>>,
    pub(crate) closing: Arc<AtomicBool>,
    pub(crate) asking: Arc<Counter>,
    asking_bytes: Arc<Counter>,
    pub(crate) answering: Arc<Counter>,
    /// Answers that have not left yet.
    pub(crate) sending: Arc<Counter>,
    answering_bytes: Arc<Counter>,
    commands: mpsc::Sender<Command>,
}

/// What the handle asks of the event loop.
pub(crate) enum Command {
    Connect(PeerIdentity),
    Shutdown { deadline: Instant, done: oneshot::Sender<()> },
}

impl Network {
    /// Starts listening and connecting, and returns when every address is listened on.
    ///
    /// `members` is the allow list, now and as it changes: who is missing from a new list is cut off (its streams at
    /// once, its connections within a second even if it does not read), and a newcomer can be called a moment later.
    /// When its sender is dropped, the last list stays in force. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`NetworkError::Listen`] when an address is in use or not this machine's; [`NetworkError::Transport`].
    pub async fn start(
        key: &TransportKey,
        config: NetworkConfig,
        members: watch::Receiver<Arc<Members>>,
        handler: Arc<dyn RequestHandler>,
    ) -> Result<(Network, NetworkTask), NetworkError> {
        let (commands, received) = mpsc::channel(COMMANDS);
        let limits = config.limits;
        let shared = Arc::new(Shared {
            identity: key.identity(),
            handler,
            peers: RwLock::default(),
            listening: Mutex::default(),
            closing: Arc::default(),
            // Our own callers bound what we ask in total; the share per peer is what matters.
            asking: Counter::new(usize::MAX),
            asking_bytes: Counter::new(limits.bytes_total),
            answering: Counter::new(limits.in_flight_total),
            sending: Counter::new(usize::MAX),
            answering_bytes: Counter::new(limits.bytes_total),
            limits,
            commands,
        });
        let mut event_loop = EventLoop::new(key, Arc::clone(&shared), received, members, config.jitter_seed)?;
        event_loop.listen(&config.listen).await?;
        let handle = tokio::spawn(event_loop.run());
        Ok((Network { shared }, NetworkTask { handle }))
    }

    /// Sends a request to a member and waits for its answer, connecting first where there is no connection.
    ///
    /// `deadline` covers everything, also waiting for a turn to be dialled, and is cut to one hour. While the next
    /// attempt to connect is due later, the call fails at once, so that a question to many members does not wait for
    /// those that are down. Dropping the future takes the call back. Requests of one caller may be handled in any
    /// order.
    ///
    /// # Errors
    /// [`CallError`]: see there which of them leave open whether the peer acted.
    pub async fn call(
        &self,
        to: &PeerIdentity,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(CallError::Closed);
        }
        let peer = self.shared.peer(to).ok_or(CallError::NotMember)?;
        let limit = self.shared.limits.request_bytes;
        if payload.len() > limit {
            return Err(CallError::TooLarge { what: "request", bytes: payload.len(), limit });
        }
        let slot = peer.asking.reserve(1).ok_or(CallError::Busy)?;
        let mut room = Some(peer.asking_bytes.reserve(payload.len()).ok_or(CallError::Busy)?);
        let ends_at = Instant::now() + deadline.min(DEADLINE_LONGEST);
        // The slot outlives the asking: it is the bound on callers that wait for this peer.
        let result = timeout_at(ends_at, self.call_when_ready(&peer, payload, &mut room)).await;
        drop(slot);
        let result = result.unwrap_or(Err(CallError::Timeout));
        match &result {
            // It waited for a connection all the time, perhaps for its turn: the event loop notes what the link met.
            Err(CallError::Timeout) if room.is_some() => {}
            Ok(_) | Err(CallError::Refused { .. }) => peer.book().last_success = Some(Instant::now()),
            Err(
                error @ (CallError::Timeout
                | CallError::ConnectionLost
                | CallError::Busy
                | CallError::AnswerDropped),
            ) => {
                peer.book().last_failure = Some((Instant::now(), error.to_string()));
            }
            // The event loop noted why there is no connection; the others are not the link's fault.
            Err(
                CallError::NotMember
                | CallError::Unreachable { .. }
                | CallError::TooLarge { .. }
                | CallError::Closed,
            ) => {}
        }
        result
    }

    async fn call_when_ready(
        &self,
        peer: &Peer,
        payload: Bytes,
        room: &mut Option<Reservation>,
    ) -> Result<Bytes, CallError> {
        let mut state = peer.link.subscribe();
        loop {
            let asker = self.asker(peer, &mut state).await?;
            // Nothing was sent over a stream that ended meanwhile, so another may be tried.
            if let Some(answer) = asker.ask(payload.clone(), room).await {
                return answer;
            }
            state.changed().await.map_err(|_| CallError::Closed)?;
        }
    }

    /// Waits until the member can be asked.
    async fn asker(&self, peer: &Peer, state: &mut watch::Receiver<LinkState>) -> Result<Asker, CallError> {
        let mut requested = false;
        loop {
            let seen = state.borrow_and_update().clone();
            let request = match seen {
                LinkState::Ready(asker) if !asker.is_closed() => return Ok(asker),
                // The loop is about to hear of the end of that stream.
                LinkState::Ready(_) => false,
                LinkState::Idle => true,
                // Also where an attempt is on its way: one that nobody waits for comes after those that are waited for.
                LinkState::Connecting => !requested,
                LinkState::Down { reason, since, retry_at } => {
                    let now = Instant::now();
                    let retry_in = retry_at.saturating_duration_since(now);
                    if !retry_in.is_zero() {
                        peer.book().last_called = Some(now);
                        let down_for = now.saturating_duration_since(since);
                        return Err(CallError::Unreachable { reason, down_for, retry_in });
                    }
                    !requested
                }
                LinkState::Removed => return Err(CallError::NotMember),
                LinkState::Closed => return Err(CallError::Closed),
            };
            if request {
                requested = true;
                peer.book().last_called = Some(Instant::now());
                let command = Command::Connect(peer.identity);
                self.shared.commands.send(command).await.map_err(|_| CallError::Closed)?;
            }
            state.changed().await.map_err(|_| CallError::Closed)?;
        }
    }

    /// This node's own identity.
    pub fn identity(&self) -> PeerIdentity {
        self.shared.identity
    }

    /// How things stand with every member but this node, ordered by label.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = Instant::now();
        let peers = self.shared.peers.read().unwrap_or_else(PoisonError::into_inner);
        let mut statuses: Vec<_> = peers.values().map(|peer| peer.status(now)).collect();
        drop(peers);
        statuses.sort_by(|one, two| (&one.label, one.identity).cmp(&(&two.label, two.identity)));
        statuses
    }

    /// Where this node really listens: port 0 and wildcard addresses resolved, as far as known.
    pub fn listening(&self) -> Vec<PeerAddress> {
        self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the network in order: no new calls and requests, and calls that wait for a connection fail with
    /// [`CallError::Closed`]; then what is in progress finishes and is sent, then connections close. What is unfinished
    /// at the deadline is dropped. [`NetworkTask`] resolves with `Ok`.
    pub async fn shutdown(self, deadline: Duration) {
        self.shared.closing.store(true, Ordering::Release);
        let (done, finished) = oneshot::channel();
        let command = Command::Shutdown { deadline: Instant::now() + deadline.min(DEADLINE_LONGEST), done };
        // An error either way means that it has ended already.
        if self.shared.commands.send(command).await.is_ok() {
            let _ = finished.await;
        }
    }
}

impl Shared {
    fn peer(&self, identity: &PeerIdentity) -> Option<Arc<Peer>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).get(identity).cloned()
    }

    /// A member's run-time part, with its shares of the whole.
    pub(crate) fn peer_new(&self, member: &Member) -> Arc<Peer> {
        let limits = &self.limits;
        let share = |limit, whole: &Arc<Counter>| Budget::new(limit, Arc::clone(whole));
        let answering = Answering::new(
            member.identity,
            Arc::clone(&self.handler),
            share(limits.in_flight_per_peer, &self.answering),
            share(limits.bytes_per_peer, &self.answering_bytes).with_small(SMALL_KEPT),
            limits.clone(),
            Arc::clone(&self.closing),
            Arc::clone(&self.sending),
        );
        Arc::new(Peer::new(
            member.identity,
            member.label.clone(),
            share(limits.in_flight_per_peer, &self.asking),
            share(limits.bytes_per_peer, &self.asking_bytes).with_small(SMALL_KEPT),
            answering,
        ))
    }
}

/// The running event loop. Resolves when the network has ended: `Ok` after [`Network::shutdown`], an error when it
/// must be started again, a panic included. Dropping it ends the network at once.
///
/// Watch it: a node whose network has ended silently would look alive and reach nobody.
#[must_use = "dropping it ends the network"]
pub struct NetworkTask {
    handle: JoinHandle<Result<(), NetworkError>>,
}

impl Future for NetworkTask {
    type Output = Result<(), NetworkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(context).map(|joined| joined.unwrap_or(Err(NetworkError::Panicked)))
    }
}

impl Drop for NetworkTask {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_ends_the_task_with_an_error() {
        let task = NetworkTask { handle: tokio::spawn(async { panic!("a fault in the event loop") }) };
        assert!(matches!(task.await, Err(NetworkError::Panicked)));
    }
}
