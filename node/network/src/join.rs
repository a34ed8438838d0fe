//! The door for those who are not members yet: a listener of its own, open only while somebody is expected, and the
//! client that knocks.
//!
//! Both sides prove their transport keys in the handshake. The client sees the coordinator's identity before it sends
//! anything, so it can compare it with what it already trusts; the coordinator sees the identity that it may enrol.
//! A stranger gets few connections, short visits and one stream, and can never speak the members' protocol here.
//!
//! The client also reaches a member's node, by the members' protocol: for a member that lost its list of members and so
//! cannot say who has to answer there.
//!
//! Not solved: strangers that fill the few places keep others out while they do. The door is open as long as a token
//! is outstanding, which is a day unless the coordinator says otherwise, and a month at most; a firewall rule for the
//! expected address helps.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, Stream, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::address::{PeerAddress, PeerIdentity};
use crate::answerer::{Answering, RequestHandler, stream_answer};
use crate::asker::{Asker, AskerDriver, asker_new};
use crate::budget::{Budget, Counter};
use crate::error::{CallError, NetworkError};
use crate::event_loop::{FRAMES_PROTOCOL, dial_reason};
use crate::key::TransportKey;
use crate::limits::{DEADLINE_LONGEST, Limits};
use crate::links::{LinkEvent, StreamNews};
use crate::listening::{LISTEN_TIME, Listening, unconfirmed};
use crate::log_limit::LogLimit;
use crate::stream::StreamEnd;
use crate::swarm::{Behaviour, BehaviourEvent, SwarmConfig, swarm_new};

/// The protocol of the door; the only one that it speaks.
const JOIN_PROTOCOL: StreamProtocol = StreamProtocol::new("/chengxin/join/1");

/// Bytes of a stranger's request: a token, a public key and a signature are below 4 KiB.
pub const JOIN_REQUEST_BYTES: usize = 64 << 10;

/// Bytes of an answer: the federation's metadata.
pub const JOIN_RESPONSE_BYTES: usize = 4 << 20;

/// Connections at the door at once.
const VISITORS: u32 = 16;

/// Handshakes at the door at once.
const HANDSHAKES: u32 = 16;

/// How long a visit may go on without an answer: who is here for nothing keeps its place no longer.
const VISIT_TIME: Duration = Duration::from_secs(60);

/// Longest stay of a connection, whatever it does. Ten thousand members' entries, one file each and four at a time, take
/// four minutes over a link on which an answer takes a tenth of a second; on a slower one a few thousand still come.
const VISIT_LONGEST: Duration = Duration::from_secs(600);

/// A visitor that says nothing for so long is shown out.
const VISITOR_SILENCE: Duration = Duration::from_secs(15);

/// Requests of one visitor at once: fetching metadata needs no more.
const VISITOR_REQUESTS: usize = 4;

fn door_limits() -> Limits {
    Limits {
        request_bytes: JOIN_REQUEST_BYTES,
        response_bytes: JOIN_RESPONSE_BYTES,
        in_flight_per_peer: VISITOR_REQUESTS,
        in_flight_total: VISITOR_REQUESTS * VISITORS as usize,
        bytes_per_peer: 2 * JOIN_RESPONSE_BYTES,
        bytes_total: 8 * JOIN_RESPONSE_BYTES,
        silence: VISITOR_SILENCE,
        // A third of the silence, so that a client that waits for an answer is not taken for gone.
        ping_after: Duration::from_secs(5),
        write_time: VISITOR_SILENCE,
        idle_connection: Duration::from_secs(5),
        ..Limits::default()
    }
}

fn door_swarm(key: &TransportKey, protocol: StreamProtocol) -> Result<Swarm<Behaviour>, NetworkError> {
    let limits = door_limits();
    swarm_new(
        key,
        SwarmConfig {
            protocol,
            members_only: false,
            handshakes: HANDSHAKES,
            handshake_time: limits.handshake_time,
            connections_total: VISITORS,
            connections_per_peer: 1,
            idle_connection: limits.idle_connection,
        },
    )
}

/// An open door. Dropping it closes it at once.
#[derive(Debug)]
pub struct JoinDoor {
    listening: Arc<Mutex<Vec<PeerAddress>>>,
    closing: Arc<AtomicBool>,
    close: watch::Sender<Option<Instant>>,
    task: JoinHandle<Result<(), NetworkError>>,
}

impl JoinDoor {
    /// Opens the door at these addresses, which must not be those of the [`Network`](crate::Network).
    ///
    /// `handler` is asked by identities that nobody vouches for: it must check the one-time token first.
    ///
    /// # Errors
    /// [`NetworkError::Listen`] when an address cannot be listened on; [`NetworkError::Transport`].
    pub async fn start(
        key: &TransportKey,
        listen: &[PeerAddress],
        handler: Arc<dyn RequestHandler>,
    ) -> Result<Self, NetworkError> {
        let mut swarm = door_swarm(key, JOIN_PROTOCOL)?;
        let listening = Listening::begin(&mut swarm, listen).await?;
        let (close, closed) = watch::channel(None);
        let closing = Arc::<AtomicBool>::default();
        let limits = door_limits();
        let told = Arc::<Mutex<Vec<PeerAddress>>>::default();
        let mut keeper = DoorKeeper {
            swarm,
            listening,
            told: Arc::clone(&told),
            handler,
            answering: Counter::new(limits.in_flight_total),
            sending: Counter::new(usize::MAX),
            bytes: Counter::new(limits.bytes_total),
            limits,
            closing: Arc::clone(&closing),
            visits: HashMap::new(),
            visits_end: VecDeque::new(),
            streams: JoinSet::new(),
            entered: LogLimit::default(),
            left: LogLimit::default(),
        };
        keeper.listen(listen).await?;
        let task = tokio::spawn(keeper.run(closed));
        Ok(Self { listening: told, closing, close, task })
    }

    /// Where the door really is, as far as known at this moment: a wildcard address is resolved interface by interface.
    /// Addresses that only this machine can dial come last.
    pub fn listening(&self) -> Vec<PeerAddress> {
        let mut addresses = self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone();
        addresses.sort_by_key(PeerAddress::is_loopback);
        addresses
    }

    /// Whether the door has ended by itself: nobody gets in, and [`JoinDoor::close`] says why.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Closes the door: nobody new, then what is in progress finishes until the deadline.
    ///
    /// # Errors
    /// What ended the door before, if it was not open any more.
    pub async fn close(mut self, deadline: Duration) -> Result<(), NetworkError> {
        self.closing.store(true, Ordering::Release);
        self.close.send_replace(Some(Instant::now() + deadline.min(DEADLINE_LONGEST)));
        (&mut self.task).await.unwrap_or(Err(NetworkError::Panicked))
    }
}

impl Drop for JoinDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One visitor's connection. At most [`VISITORS`] of them.
struct Visit {
    /// The one stream that a visit may have.
    stream: Option<AbortHandle>,
    answering: Arc<Answering>,
    stay: Stay,
}

/// How long a visit may go on: while it gets answers, up to [`VISIT_LONGEST`].
struct Stay {
    ends_at: Instant,
    /// Answers when it was last looked at.
    answers: u64,
}

impl Stay {
    fn begin(now: Instant) -> Self {
        Self { ends_at: now + VISIT_LONGEST, answers: 0 }
    }

    /// Looks at a visit that has had `answers` so far, [`VISIT_TIME`] after the last look: whether it goes on.
    fn goes_on(&mut self, answers: u64, now: Instant) -> bool {
        let is_served = answers > self.answers;
        self.answers = answers;
        is_served && now + VISIT_TIME <= self.ends_at
    }
}

struct DoorKeeper {
    swarm: Swarm<Behaviour>,
    listening: Listening,
    /// What the door's owner is told of `listening`.
    told: Arc<Mutex<Vec<PeerAddress>>>,
    handler: Arc<dyn RequestHandler>,
    limits: Limits,
    answering: Arc<Counter>,
    /// Answers that have not left yet.
    sending: Arc<Counter>,
    bytes: Arc<Counter>,
    closing: Arc<AtomicBool>,
    visits: HashMap<ConnectionId, Visit>,
    /// When each visit is looked at; in order, because it is equally long to every look.
    visits_end: VecDeque<(Instant, ConnectionId)>,
    streams: JoinSet<VisitEnd>,
    entered: LogLimit,
    left: LogLimit,
}

/// What a visit's task reports.
struct VisitEnd {
    connection: ConnectionId,
    peer: PeerIdentity,
    end: StreamEnd,
}

impl DoorKeeper {
    /// Waits until the system has confirmed the addresses, serving from the first moment.
    async fn listen(&mut self, addresses: &[PeerAddress]) -> Result<(), NetworkError> {
        let deadline = Instant::now() + LISTEN_TIME;
        while !self.listening.is_complete() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                () = sleep_until(deadline) => return Err(unconfirmed(addresses)),
            }
        }
        Ok(())
    }

    async fn run(mut self, mut closed: watch::Receiver<Option<Instant>>) -> Result<(), NetworkError> {
        loop {
            let next_end = self.visits_end.front().map(|(at, _)| *at);
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                Some(ended) = self.streams.join_next() => match ended {
                    Ok(ended) => self.visit_ended(ended),
                    Err(error) if error.is_cancelled() => {}
                    Err(_) => return Err(NetworkError::Panicked),
                },
                () = visit_end(next_end) => self.visits_show_out(),
                changed = closed.changed() => {
                    let deadline = *closed.borrow();
                    if let (Ok(()), Some(deadline)) = (changed, deadline) {
                        self.drain(deadline).await?;
                    }
                    return Ok(());
                }
            }
        }
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) -> Result<(), NetworkError> {
        if self.listening.event(&event)? {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = self.listening.addresses().to_vec();
        }
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                self.visit_begin(peer_id, connection_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.visits_end.retain(|(_, connection)| *connection != connection_id);
                if let Some(visit) = self.visits.remove(&connection_id)
                    && let Some(stream) = visit.stream
                {
                    stream.abort();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Links(LinkEvent {
                connection,
                news: StreamNews::Inbound(stream),
                ..
            })) => self.stream_begin(connection, stream),
            // Progress notes without consequence here.
            _ => {}
        }
        Ok(())
    }

    fn visit_begin(&mut self, peer: PeerId, connection: ConnectionId) {
        let Ok(identity) = PeerIdentity::from_peer_id(peer) else {
            self.swarm.close_connection(connection);
            return;
        };
        if let Some(unlogged) = self.entered.due(Instant::now()) {
            tracing::info!(peer = %identity, unlogged, "a visitor at the join door");
        }
        let limits = &self.limits;
        let answering = Answering::new(
            identity,
            Arc::clone(&self.handler),
            Budget::new(limits.in_flight_per_peer, Arc::clone(&self.answering)),
            Budget::new(limits.bytes_per_peer, Arc::clone(&self.bytes)),
            limits.clone(),
            Arc::clone(&self.closing),
            Arc::clone(&self.sending),
        );
        let now = Instant::now();
        let visit = Visit { stream: None, answering: Arc::new(answering), stay: Stay::begin(now) };
        self.visits.insert(connection, visit);
        self.visits_end.push_back((now + VISIT_TIME, connection));
    }

    fn stream_begin(&mut self, connection: ConnectionId, stream: Stream) {
        let Some(visit) = self.visits.get_mut(&connection) else { return };
        if visit.stream.is_some() {
            self.swarm.close_connection(connection);
            return;
        }
        let answering = Arc::clone(&visit.answering);
        visit.stream = Some(self.streams.spawn(async move {
            let peer = answering.peer;
            let end = stream_answer(stream, answering).await;
            VisitEnd { connection, peer, end }
        }));
    }

    /// A visit ends with its stream.
    fn visit_ended(&mut self, VisitEnd { connection, peer, end }: VisitEnd) {
        if let Some(unlogged) = self.left.due(Instant::now()) {
            tracing::info!(%peer, %end, unlogged, "a visit at the join door ended");
        }
        self.swarm.close_connection(connection);
    }

    fn visits_show_out(&mut self) {
        let now = Instant::now();
        while let Some((at, connection)) = self.visits_end.front().copied()
            && at <= now
        {
            self.visits_end.pop_front();
            let goes_on = self
                .visits
                .get_mut(&connection)
                .is_some_and(|visit| visit.stay.goes_on(visit.answering.answers(), now));
            if goes_on {
                self.visits_end.push_back((now + VISIT_TIME, connection));
            } else {
                self.swarm.close_connection(connection);
            }
        }
    }

    async fn drain(&mut self, deadline: Instant) -> Result<(), NetworkError> {
        while self.answering.taken() > 0 || self.sending.taken() > 0 {
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                // The condition is looked at again.
                () = sleep(Duration::from_millis(10)) => {}
                () = sleep_until(deadline) => break,
            }
        }
        Ok(())
    }
}

async fn visit_end(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Where a client asks, and with that which protocol it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// A coordinator's door.
    Door,
    /// A member's node.
    Member,
}

impl Side {
    fn protocol(self) -> StreamProtocol {
        match self {
            Self::Door => JOIN_PROTOCOL,
            Self::Member => FRAMES_PROTOCOL,
        }
    }

    /// The reason when the other side does not speak the protocol.
    fn other_protocol(self, reason: &str) -> String {
        match self {
            Self::Door => format!("it is no join door of this version ({reason})"),
            // A member that does not know this node may hang up before or while the stream opens.
            Self::Member => format!(
                "it is no member's node of this version, or its directory does not list this node's transport key ({reason})"
            ),
        }
    }

    /// The reason when the other side hangs up.
    fn hung_up(self) -> &'static str {
        match self {
            Self::Door => "the connection was closed: the door is full or does not admit this node",
            Self::Member => {
                "the connection was closed: its directory does not list this node's transport key, or it is full"
            }
        }
    }
}

/// A connection to a coordinator's door, or to a member's node. Dropping it closes the connection.
#[derive(Debug)]
pub struct JoinClient {
    remote: PeerIdentity,
    asker: Asker,
    asking: Budget,
    bytes: Budget,
    task: JoinHandle<()>,
}

impl JoinClient {
    /// Connects and opens the stream. Nothing but the handshake and the protocol's name is sent: compare
    /// [`JoinClient::remote`] with the verified directory before calling.
    ///
    /// # Errors
    /// [`NetworkError::JoinUnreachable`] with the reason, also when another program answers at the address.
    pub async fn connect(
        key: &TransportKey,
        address: &PeerAddress,
        deadline: Duration,
    ) -> Result<Self, NetworkError> {
        Self::connect_to(Side::Door, key, address, deadline).await
    }

    /// As [`JoinClient::connect`], to a member's node: it lets in who is in its directory. Whoever answers may be anybody,
    /// so nothing may be believed that is not verified by itself, as the federation's metadata is.
    ///
    /// # Errors
    /// [`NetworkError::MemberUnreachable`] with the reason, also when another program answers at the address.
    pub async fn connect_to_member(
        key: &TransportKey,
        address: &PeerAddress,
        deadline: Duration,
    ) -> Result<Self, NetworkError> {
        Self::connect_to(Side::Member, key, address, deadline).await
    }

    async fn connect_to(
        side: Side,
        key: &TransportKey,
        address: &PeerAddress,
        deadline: Duration,
    ) -> Result<Self, NetworkError> {
        let unreachable = |reason: String| {
            let address = address.to_string();
            match side {
                Side::Door => NetworkError::JoinUnreachable { address, reason },
                Side::Member => NetworkError::MemberUnreachable { address, reason },
            }
        };
        let mut swarm = door_swarm(key, side.protocol())?;
        swarm
            .dial(DialOpts::unknown_peer_id().address(address.multiaddr()).build())
            .map_err(|error| unreachable(dial_reason(&error)))?;
        let limits = door_limits();
        let whole = Counter::new(limits.bytes_total);
        let bytes = Budget::new(limits.bytes_total, Arc::clone(&whole));
        let asking = Budget::new(limits.in_flight_per_peer, Counter::new(limits.in_flight_per_peer));
        let (asker, driver) = asker_new(&limits, bytes.clone());
        let (opened, result) = oneshot::channel();
        let task = AbortOnDrop(Some(tokio::spawn(client_drive(side, swarm, driver, opened))));
        let ends_at = Instant::now() + deadline.min(DEADLINE_LONGEST);
        match timeout_at(ends_at, result).await {
            Ok(Ok(Ok(remote))) => match task.keep() {
                Some(task) => Ok(Self { remote, asker, asking, bytes, task }),
                None => Err(NetworkError::Panicked),
            },
            Ok(Ok(Err(reason))) => Err(unreachable(reason)),
            Ok(Err(_)) => Err(NetworkError::Panicked),
            Err(_) => Err(unreachable("no answer in time".into())),
        }
    }

    /// The identity that the other side has proven.
    pub fn remote(&self) -> PeerIdentity {
        self.remote
    }

    /// Sends a request of at most [`JOIN_REQUEST_BYTES`] and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`]; the connection is not restored: connect again.
    pub async fn call(&self, payload: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        if payload.len() > JOIN_REQUEST_BYTES {
            let bytes = payload.len();
            return Err(CallError::TooLarge { what: "request", bytes, limit: JOIN_REQUEST_BYTES });
        }
        let _slot = self.asking.reserve(1).ok_or(CallError::Busy)?;
        let mut room = Some(self.bytes.reserve(payload.len()).ok_or(CallError::Busy)?);
        let ends_at = Instant::now() + deadline.min(DEADLINE_LONGEST);
        match timeout_at(ends_at, self.asker.ask(payload, &mut room)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(CallError::ConnectionLost),
            Err(_) => Err(CallError::Timeout),
        }
    }
}

impl Drop for JoinClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends a task unless it is kept.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl AbortOnDrop {
    fn keep(mut self) -> Option<JoinHandle<()>> {
        self.0.take()
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Dials, opens the stream, says how that went, and moves bytes until the stream ends.
async fn client_drive(
    side: Side,
    mut swarm: Swarm<Behaviour>,
    driver: AskerDriver,
    opened: oneshot::Sender<Result<PeerIdentity, String>>,
) {
    let (stream, remote) = match client_stream(side, &mut swarm).await {
        Ok(found) => found,
        Err(reason) => {
            let _ = opened.send(Err(reason));
            return;
        }
    };
    if opened.send(Ok(remote)).is_err() {
        return;
    }
    let swarm_run = async {
        loop {
            swarm.select_next_some().await;
        }
    };
    tokio::select! {
        _ = driver.run(stream, || ()) => {}
        () = swarm_run => {}
    }
}

async fn client_stream(side: Side, swarm: &mut Swarm<Behaviour>) -> Result<(Stream, PeerIdentity), String> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                swarm.behaviour_mut().links.stream_open(peer_id, connection_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Links(LinkEvent { peer, news, .. })) => match news {
                StreamNews::Outbound(stream) => {
                    let remote = PeerIdentity::from_peer_id(peer).map_err(|error| error.to_string())?;
                    return Ok((stream, remote));
                }
                StreamNews::Failed(reason) => return Err(side.other_protocol(&reason.to_string())),
                // A door has no reason to open a stream to a client, and what a member asks here nobody can answer.
                StreamNews::Inbound(stream) => drop(stream),
            },
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(dial_reason(&error)),
            SwarmEvent::ConnectionClosed { .. } => return Err(side.hung_up().into()),
            // Progress notes without consequence here.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(answers: impl IntoIterator<Item = u64>) -> usize {
        let start = Instant::now();
        let mut stay = Stay::begin(start);
        let looks = (1_u32..).zip(answers);
        looks.take_while(|(look, answers)| stay.goes_on(*answers, start + VISIT_TIME * *look)).count()
    }

    #[test]
    fn a_visit_goes_on_while_it_is_served_and_not_for_ever() {
        assert_eq!(looks([0]), 0, "said nothing for a visit's time");
        assert_eq!(looks([3, 700, 700]), 2, "stopped asking");
        assert_eq!(looks(1..1_000), 9, "ends at its longest stay");
    }
}
