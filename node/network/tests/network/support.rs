//! Nodes, handlers and a way to wait for a state.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chengxin_network::{
    HandlerRefusal, Limits, Member, Members, Network, NetworkConfig, NetworkTask, PeerAddress, PeerIdentity,
    RequestHandler, TransportKey, TransportKind,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// Long enough for the slowest machine: no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
