//! Nodes, handlers and a way to wait for a state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chengxin_network::{
    HandlerRefusal, Limits, Member, Members, Network, NetworkConfig, NetworkTask, PeerAddress, PeerIdentity,
    RequestHandler, TransportKey, TransportKind,
};
use futures::future::BoxFuture;
use futures::{AsyncReadExt, FutureExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Long enough for the slowest machine: no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const BOTH: [TransportKind; 2] = [TransportKind::Quic, TransportKind::Tcp];

/// A handler from a closure.
pub(crate) struct Handler<F>(pub(crate) F);

impl<F> RequestHandler for Handler<F>
where
    F: Fn(PeerIdentity, Bytes) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> + Send + Sync + 'static,
{
    fn handle(
        &self,
        from: PeerIdentity,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        (self.0)(from, request)
    }
}

/// Answers with the request.
pub(crate) fn echo() -> Arc<dyn RequestHandler> {
    Arc::new(Handler(|_, request: Bytes| async move { Ok(request) }.boxed()))
}

/// Holds back the answers of the handler that [`gated`] gives, and counts what it was asked.
pub(crate) struct Gate {
    places: Semaphore,
    begun: AtomicUsize,
    finished: AtomicUsize,
}

impl Gate {
    /// Lets so many of the held answers go.
    pub(crate) fn open(&self, count: usize) {
        self.places.add_permits(count);
    }

    /// Held requests that have reached the handler.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Held requests that were let go.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }
}

/// A handler that answers with the request. One that `held` picks waits at the gate first.
pub(crate) fn gated(held: fn(&Bytes) -> bool) -> (Arc<Gate>, Arc<dyn RequestHandler>) {
    let gate = Arc::new(Gate {
        places: Semaphore::new(0),
        begun: AtomicUsize::new(0),
        finished: AtomicUsize::new(0),
    });
    let keeper = Arc::clone(&gate);
    let handler = Handler(move |_, request: Bytes| {
        let keeper = Arc::clone(&keeper);
        async move {
            if held(&request) {
                keeper.begun.fetch_add(1, Ordering::SeqCst);
                keeper.places.acquire().await.unwrap().forget();
                keeper.finished.fetch_add(1, Ordering::SeqCst);
            }
            Ok(request)
        }
        .boxed()
    });
    (gate, Arc::new(handler))
}

pub(crate) fn key(number: u8) -> TransportKey {
    TransportKey::from_seed([number; 32])
}

pub(crate) fn loopback(transport: TransportKind) -> PeerAddress {
    match transport {
        TransportKind::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        TransportKind::Tcp => "/ip4/127.0.0.1/tcp/0",
    }
    .parse()
    .unwrap()
}

/// An address where connections are taken and nothing is ever said: a firewall that swallows packets looks like it.
pub(crate) struct Blackhole {
    pub(crate) address: PeerAddress,
    _socket: Box<dyn Send>,
}

pub(crate) fn blackhole(transport: TransportKind) -> Blackhole {
    let (address, socket): (_, Box<dyn Send>) = match transport {
        TransportKind::Quic => {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            (format!("/ip4/127.0.0.1/udp/{}/quic-v1", socket.local_addr().unwrap().port()), Box::new(socket))
        }
        TransportKind::Tcp => {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            (format!("/ip4/127.0.0.1/tcp/{}", socket.local_addr().unwrap().port()), Box::new(socket))
        }
    };
    Blackhole { address: address.parse().unwrap(), _socket: socket }
}

/// A running node and the switch for its allow list.
pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) task: NetworkTask,
    pub(crate) members: watch::Sender<Arc<Members>>,
}

impl Node {
    pub(crate) fn identity(&self) -> PeerIdentity {
        self.network.identity()
    }

    pub(crate) fn member(&self) -> Member {
        Member {
            identity: self.identity(),
            addresses: self.network.listening(),
            label: self.identity().to_string(),
        }
    }

    /// Replaces the allow list and waits until it is in force.
    pub(crate) async fn knows(&self, members: impl IntoIterator<Item = Member>) {
        let members = Arc::new(Members::new(members).unwrap());
        self.members.send_replace(Arc::clone(&members));
        until("the list is in force", || {
            let known = self.network.peers();
            known.len() == members.iter().count()
                && known.iter().all(|status| members.member(&status.identity).is_some())
        })
        .await;
    }

    pub(crate) async fn ask(&self, to: &Node, payload: &[u8]) -> Result<Bytes, chengxin_network::CallError> {
        self.network.call(&to.identity(), Bytes::copy_from_slice(payload), PATIENCE).await
    }
}

pub(crate) async fn start_on(
    number: u8,
    listen: Vec<PeerAddress>,
    limits: Limits,
    handler: Arc<dyn RequestHandler>,
) -> Node {
    let (members, receiver) = watch::channel(Arc::default());
    let config = NetworkConfig { listen, limits, jitter_seed: u64::from(number) };
    let (network, task) = Network::start(&key(number), config, receiver, handler).await.unwrap();
    Node { network, task, members }
}

pub(crate) async fn start(number: u8, transport: TransportKind, handler: Arc<dyn RequestHandler>) -> Node {
    start_on(number, vec![loopback(transport)], Limits::default(), handler).await
}

/// Two nodes that know each other; the second has the handler.
pub(crate) async fn pair(transport: TransportKind, handler: Arc<dyn RequestHandler>) -> (Node, Node) {
    pair_with(transport, Limits::default(), handler).await
}

pub(crate) async fn pair_with(
    transport: TransportKind,
    limits: Limits,
    handler: Arc<dyn RequestHandler>,
) -> (Node, Node) {
    let one = start_on(1, vec![loopback(transport)], limits.clone(), echo()).await;
    let two = start_on(2, vec![loopback(transport)], limits, handler).await;
    one.knows([two.member()]).await;
    two.knows([one.member()]).await;
    (one, two)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never so: {what}");
}

/// A program that speaks libp2p but is not ours: a stranger, or a member that has turned bad.
pub(crate) struct Raw {
    pub(crate) control: libp2p_stream::Control,
    dials: mpsc::Sender<(Multiaddr, oneshot::Sender<bool>)>,
    task: JoinHandle<()>,
}

pub(crate) const FRAMES: StreamProtocol = StreamProtocol::new("/chengxin/frames/1");

impl Raw {
    pub(crate) fn start(number: u8) -> Self {
        let keypair = Keypair::ed25519_from_bytes([number; 32]).unwrap();
        let mut swarm = libp2p::SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(Default::default(), libp2p::tls::Config::new, libp2p::yamux::Config::default)
            .unwrap()
            .with_quic()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            // It never closes a connection by itself: when one ends, the other side has ended it.
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
            .build();
        let control = swarm.behaviour().new_control();
        let (dials, mut dialed) = mpsc::channel::<(Multiaddr, oneshot::Sender<bool>)>(16);
        let task = tokio::spawn(async move {
            let mut waiting: Option<oneshot::Sender<bool>> = None;
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => {
                        let connected = match event {
                            SwarmEvent::ConnectionEstablished { .. } => true,
                            SwarmEvent::OutgoingConnectionError { .. } => false,
                            _ => continue,
                        };
                        if let Some(waiting) = waiting.take() {
                            let _ = waiting.send(connected);
                        }
                    }
                    Some((address, reply)) = dialed.recv() => {
                        if swarm.connected_peers().next().is_some() {
                            let _ = reply.send(true);
                        } else {
                            waiting = Some(reply);
                            swarm.dial(address).unwrap();
                        }
                    }
                }
            }
        });
        Self { control, dials, task }
    }

    /// Connects where there is no connection yet and opens a stream; `None` when it comes to nothing.
    pub(crate) async fn open(
        &mut self,
        to: PeerIdentity,
        address: &PeerAddress,
        protocol: StreamProtocol,
    ) -> Option<Result<libp2p::Stream, libp2p_stream::OpenStreamError>> {
        let (reply, connected) = oneshot::channel();
        self.dials.send((address.to_string().parse().unwrap(), reply)).await.unwrap();
        if !connected.await.unwrap() {
            return None;
        }
        // The stream library can wait for ever when the connection ends at the wrong moment.
        let open = self.control.open_stream(to.to_string().parse().unwrap(), protocol);
        tokio::time::timeout(Duration::from_secs(3), open).await.ok()
    }

    /// Like [`Raw::open`], for those who count on it.
    pub(crate) async fn stream(
        &mut self,
        to: PeerIdentity,
        address: &PeerAddress,
        protocol: StreamProtocol,
    ) -> libp2p::Stream {
        let open = async {
            loop {
                if let Some(Ok(stream)) = self.open(to, address, protocol.clone()).await {
                    return stream;
                }
            }
        };
        tokio::time::timeout(PATIENCE, open).await.unwrap()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A frame as it stands on the wire.
pub(crate) fn frame(kind: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len() + 9).unwrap().to_be_bytes().to_vec();
    out.push(kind);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// The next frame's kind, id and payload.
pub(crate) async fn frame_read(stream: &mut libp2p::Stream) -> std::io::Result<(u8, u64, Vec<u8>)> {
    let mut header = [0; 13];
    stream.read_exact(&mut header).await?;
    let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize - 9;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((header[4], u64::from_be_bytes(header[5..].try_into().unwrap()), payload))
}
