//! Between the network and the use cases: who a connection belongs to, and what goes to the metadata files instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chengxin_exchange::Node;
use chengxin_exchange::peers::{PeerFault, Peers};
use chengxin_exchange::policy_adoption::chain;
use chengxin_network::{HandlerRefusal, Member, Members, Network, PeerIdentity, RequestHandler};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::{DirectoryVersions, MetadataSource, SourceError, TrustStore, VerifiedDirectory};
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use crate::coordination::Coordination;

/// How long one metadata file may take.
const METADATA_DEADLINE: Duration = Duration::from_secs(10);

/// Calls peers over the network. The network starts after the node, so it is filled in once.
#[derive(Default)]
pub(crate) struct MeshPeers {
    network: OnceLock<Network>,
}

impl MeshPeers {
    pub(crate) fn start(&self, network: Network) {
        // Only the start of the program calls this; a second network would be ignored.
        let _ = self.network.set(network);
    }
}

impl Peers for MeshPeers {
    fn call<'a>(
        &'a self,
        to: &'a DirectoryEntry,
        message: Bytes,
        deadline_ms: u64,
    ) -> BoxFuture<'a, Result<Bytes, PeerFault>> {
        Box::pin(async move {
            let fault = |code, reason: String| PeerFault { code, reason };
            let network = self.network.get().ok_or_else(|| {
                fault(ErrorCode::Unavailable, "this node's network is not up yet".to_owned())
            })?;
            let identity: PeerIdentity = to.transport_identity.parse().map_err(|_| {
                fault(ErrorCode::Integrity, "the directory entry has no usable transport identity".to_owned())
            })?;
            network
                .call(&identity, message, Duration::from_millis(deadline_ms))
                .await
                .map_err(|error| fault(error.code(), error.to_string()))
        })
    }
}

/// Answers peers: metadata from the verified files, everything else by the node.
pub(crate) struct MeshHandler {
    pub(crate) node: Arc<Node>,
    pub(crate) trust: Arc<TrustStore>,
    /// At a coordinator's node: who publishes what leagues and cities send.
    pub(crate) coordination: Option<Arc<Coordination>>,
    pub(crate) directory: watch::Receiver<Arc<VerifiedDirectory>>,
    /// Told when a coordinator greets.
    pub(crate) hint: Arc<Notify>,
    /// Who is behind each identity, for the version of the directory it was filled from: an identity in text, by which
    /// the directory knows it, takes longer to write than to look up.
    pub(crate) known: Mutex<(DirectoryVersions, HashMap<PeerIdentity, MeshMember>)>,
}

/// A member behind a connection.
#[derive(Clone, Copy)]
pub(crate) struct MeshMember {
    agency: AgencyCode,
    coordinator: bool,
}

impl MeshHandler {
    /// The member who proves this identity, if the directory in force has one. No more identities are kept than it has.
    fn member(&self, identity: PeerIdentity) -> Option<MeshMember> {
        let directory = self.directory.borrow();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != directory.versions() {
            *known = (directory.versions(), HashMap::new());
        }
        if let Some(member) = known.1.get(&identity) {
            return Some(*member);
        }
        let entry = directory.by_transport_identity(&identity.to_string())?;
        let member = MeshMember { agency: entry.agency, coordinator: entry.coordinator };
        known.1.insert(identity, member);
        Some(member)
    }
}

impl RequestHandler for MeshHandler {
    fn handle(
        &self,
        from: PeerIdentity,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        let (node, trust) = (self.node.clone(), self.trust.clone());
        let member = self.member(from);
        let hint = self.hint.clone();
        let coordination = self.coordination.clone();
        Box::pin(async move {
            let Some(MeshMember { agency, coordinator }) = member else {
                return Err(HandlerRefusal {
                    code: ErrorCode::Unauthenticated,
                    text: "not in this node's member directory".to_owned(),
                });
            };
            let request = match (wire::decode::<PeerRequest>(&request), coordination) {
                (Ok(PeerRequest::Metadata(name)), _) => return metadata_answer(&trust, &agency, &name).await,
                (Ok(PeerRequest::Overlay { publication, content }), Some(coordination)) => {
                    return overlay_answer(&coordination, &node, agency, publication, content).await;
                }
                (request, _) => request,
            };
            if coordinator && matches!(request, Ok(PeerRequest::Versions)) {
                hint.notify_one();
            }
            Ok(node.peer_handle(&agency, request).await)
        })
    }
}

async fn metadata_answer(trust: &TrustStore, from: &AgencyCode, name: &str) -> Result<Bytes, HandlerRefusal> {
    let bytes = trust.serve(name).await.map(|bytes| bytes.to_vec());
    tracing::debug!(peer = %from, found = bytes.is_some(), "metadata served");
    wire::encode(&PeerResponse::Metadata(bytes))
        .map(Bytes::from)
        .map_err(|_| HandlerRefusal { code: ErrorCode::Internal, text: "the file cannot be sent".to_owned() })
}

/// Publishes an overlay that a member sent, or says why not: with all causes, since the member's people have to mend it. What
/// is wrong at this node is not theirs to know.
async fn overlay_answer(
    coordination: &Arc<Coordination>,
    node: &Arc<Node>,
    from: AgencyCode,
    publication: String,
    content: Vec<u8>,
) -> Result<Bytes, HandlerRefusal> {
    let response = match coordination.overlay_accept(node, from, publication, content).await {
        Ok(()) => PeerResponse::Noted,
        Err(error) => {
            let reason = chain(&error);
            tracing::warn!(peer = %from, reason, "an overlay was not published");
            let code = error.code();
            let is_own = matches!(code, ErrorCode::Unavailable | ErrorCode::Timeout | ErrorCode::Internal);
            let own = "the node cannot serve requests at present; its administrator has been told";
            PeerResponse::Failed { code, reason: if is_own { own.to_owned() } else { reason } }
        }
    };
    let unsendable =
        |_| HandlerRefusal { code: ErrorCode::Internal, text: "the answer cannot be sent".to_owned() };
    wire::encode(&response).map(Bytes::from).map_err(unsendable)
}

/// Fetches metadata from one member.
pub(crate) struct PeerSource {
    pub(crate) network: Network,
    pub(crate) peer: PeerIdentity,
}

impl MetadataSource for PeerSource {
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let failed = |reason: String| SourceError::Failed { reason };
            let message =
                wire::encode(&PeerRequest::Metadata(name)).map_err(|error| failed(error.to_string()))?;
            let reply = self
                .network
                .call(&self.peer, Bytes::from(message), METADATA_DEADLINE)
                .await
                .map_err(|error| failed(error.to_string()))?;
            metadata_reply(&reply, limit)
        })
    }
}

/// The file in a member's answer.
pub(crate) fn metadata_reply(reply: &[u8], limit: usize) -> Result<Option<Bytes>, SourceError> {
    let failed = |reason: String| SourceError::Failed { reason };
    match wire::decode::<PeerResponse>(reply).map_err(|error| failed(error.to_string()))? {
        PeerResponse::Metadata(Some(bytes)) if bytes.len() > limit => Err(SourceError::TooLarge { limit }),
        PeerResponse::Metadata(bytes) => Ok(bytes.map(Bytes::from)),
        PeerResponse::Check { .. }
        | PeerResponse::Receipt(_)
        | PeerResponse::Gap { .. }
        | PeerResponse::Diverged { .. }
        | PeerResponse::Noted
        | PeerResponse::Simulated(_)
        | PeerResponse::Versions { .. }
        | PeerResponse::Failed { .. } => Err(failed("the peer answered something else".to_owned())),
    }
}

/// The network's allow list from a verified directory, without the own entry.
pub(crate) fn members_of(directory: &VerifiedDirectory, own: &AgencyCode) -> Members {
    let members = directory.entries().filter(|entry| entry.agency != *own).filter_map(|entry| {
        // A coordinator's node admits only entries whose identity and addresses parse; one that a newer program wrote
        // in a form unknown here is left out, and shows as unreachable.
        Some(Member {
            identity: entry.transport_identity.parse().ok()?,
            addresses: entry.addresses.iter().filter_map(|address| address.parse().ok()).collect(),
            label: entry.agency.to_string(),
        })
    });
    Members::new(members).unwrap_or_else(|error| {
        tracing::error!(%error, "the directory cannot be used as a list of members; nobody is admitted");
        Members::default()
    })
}
