//! The door for those who are not members yet: when it is open, where applicants find it, and what it answers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use chengxin_exchange::Node;
use chengxin_network::{
    HandlerRefusal, JoinDoor, LogLimit, PeerAddress, PeerIdentity, RequestHandler, TransportKey,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::wire::{self, JoinRequest, JoinResponse};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Coordination;
use crate::error::AppError;

/// How long requests in progress may take when the door closes.
const DOOR_DRAIN: Duration = Duration::from_secs(2);

/// How long the door stays open behind an admission, in seconds: who was admitted still fetches the directory that lists
/// it, and one that did not get its answer comes again with the same token. As long as the longest visit.
const REPEAT_TIME: i64 = 600;

impl Coordination {
    /// Addresses at which applicants find the door, while it is open; the first is the one to name to them.
    pub(crate) async fn door_addresses(&self) -> Vec<PeerAddress> {
        let listening = self.door.lock().await.as_ref().map(JoinDoor::listening).unwrap_or_default();
        applicants_addresses(&self.join_listen, listening, &self.advertised())
    }

    /// The addresses that the directory lists for this node.
    fn advertised(&self) -> Vec<PeerAddress> {
        let identity = TransportKey::from_seed(*self.transport_seed).identity().to_string();
        let Ok(directory) = self.trust.directory() else { return Vec::new() };
        let entry = directory.by_transport_identity(&identity);
        entry.map_or_else(Vec::new, |entry| {
            entry.addresses.iter().filter_map(|address| address.parse().ok()).collect()
        })
    }

    /// Opens the door while tokens are outstanding, and closes it when none is. One that was redeemed is outstanding too for
    /// [`REPEAT_TIME`], and while its agency is not in the directory for a token's longest life: something failed between,
    /// and the applicant comes again.
    pub(crate) async fn door_adjust(self: &Arc<Self>, node: &Arc<Node>) -> Result<(), AppError> {
        // Held over the question too, so that of two adjustments the later one asked last.
        let mut door = self.door.lock().await;
        let is_wanted = self.door_is_wanted().await;
        if let Some(ended) = door.take_if(|door| door.is_finished()) {
            let cause = ended.close(DOOR_DRAIN).await.err().map(|error| error.to_string());
            tracing::error!(cause, "the join door had ended");
        }
        match (is_wanted, door.take()) {
            (true, None) => {
                let key = TransportKey::from_seed(*self.transport_seed);
                let handler = DoorHandler {
                    coordination: self.clone(),
                    node: Arc::downgrade(node),
                    refused: Arc::default(),
                };
                let opened = JoinDoor::start(&key, &self.join_listen, Arc::new(handler)).await?;
                for address in opened.listening() {
                    tracing::info!(%address, "the join door is open");
                }
                *door = Some(opened);
            }
            (false, Some(open)) => {
                tracing::info!("no token is outstanding, the join door closes");
                open.close(DOOR_DRAIN).await?;
            }
            (_, same) => *door = same,
        }
        Ok(())
    }

    async fn door_is_wanted(&self) -> bool {
        // A node that stops wants no door.
        let Ok(mut book) = self.book().await.map(|book| book.clone()) else { return false };
        let now = self.clock.now();
        book.expire(now);
        let directory = self.trust.directory().ok();
        let is_listed = |agency| directory.as_ref().is_some_and(|held| held.entry(agency).is_some());
        book.rows().iter().any(|row| match &row.redeemed {
            None => true,
            Some(by) => now.since(by.at) < REPEAT_TIME || !is_listed(&row.grant.agency),
        })
    }

    /// Adjusts the door when the token that was just redeemed is no longer outstanding.
    pub(super) fn door_adjust_later(self: &Arc<Self>, node: &Arc<Node>) {
        // Weak: the node may stop meanwhile.
        let (own, node) = (Arc::downgrade(self), Arc::downgrade(node));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(REPEAT_TIME.unsigned_abs())).await;
            let (Some(own), Some(node)) = (own.upgrade(), node.upgrade()) else { return };
            own.door_adjust_or_log(&node).await;
        });
    }

    /// Where the work that moved the door is done whatever becomes of the door; it is adjusted again from time to time.
    pub(crate) async fn door_adjust_or_log(self: &Arc<Self>, node: &Arc<Node>) {
        if let Err(error) = self.door_adjust(node).await {
            tracing::error!(error = error.chain(), "the join door could not be adjusted");
        }
    }

    /// Closes the door, whoever is outstanding.
    pub(super) async fn door_close(&self) {
        let Some(open) = self.door.lock().await.take() else { return };
        if let Err(error) = open.close(DOOR_DRAIN).await {
            tracing::warn!(%error, "the join door did not close well");
        }
    }
}

/// Answers at the door.
struct DoorHandler {
    coordination: Arc<Coordination>,
    /// Weak: the door would otherwise keep the node, which keeps the store open.
    node: Weak<Node>,
    /// Strangers cause these lines, as fast as they can ask.
    refused: Arc<Mutex<LogLimit>>,
}

fn refusal_log(refused: &Mutex<LogLimit>, from: PeerIdentity, error: &AppError) {
    let due = refused.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now());
    if let Some(unlogged) = due {
        let (code, error) = (error.code().as_str(), error.chain());
        tracing::warn!(peer = %from, code, error, unlogged, "not admitted");
    }
}

impl RequestHandler for DoorHandler {
    fn handle(
        &self,
        from: PeerIdentity,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        let (coordination, node) = (self.coordination.clone(), self.node.upgrade());
        let refused = self.refused.clone();
        Box::pin(async move {
            let response = match wire::decode::<JoinRequest>(&request) {
                Ok(JoinRequest::Metadata(name)) => {
                    JoinResponse::Metadata(coordination.trust.serve(&name).await.map(|bytes| bytes.to_vec()))
                }
                Ok(JoinRequest::Admit { token, application }) => {
                    let Some(node) = node else {
                        return Err(HandlerRefusal {
                            code: ErrorCode::Unavailable,
                            text: "the node is stopping".to_owned(),
                        });
                    };
                    match coordination.admit(&node, from, token.expose(), &application).await {
                        Ok(directory) => JoinResponse::Admitted { directory },
                        Err(error) => {
                            refusal_log(&refused, from, &error);
                            JoinResponse::Failed { code: error.code(), reason: error.to_string() }
                        }
                    }
                }
                Err(error) => JoinResponse::Failed { code: error.code(), reason: error.to_string() },
            };
            wire::encode(&response).map(Bytes::from).map_err(|_| HandlerRefusal {
                code: ErrorCode::Internal,
                text: "the answer cannot be sent".to_owned(),
            })
        })
    }
}

/// Where applicants find a door that listens where it is `listening`. A door at all of the machine's addresses knows
/// only those of its interfaces, of which some lead nowhere from outside; members dial the hosts that the directory
/// lists for the node, so applicants are sent there first, to the door's port.
fn applicants_addresses(
    configured: &[PeerAddress],
    listening: Vec<PeerAddress>,
    advertised: &[PeerAddress],
) -> Vec<PeerAddress> {
    let mut addresses = Vec::new();
    let is_everywhere = |door: &&PeerAddress| configured.iter().any(|one| one.stands_for(door));
    for host in advertised.iter().filter(|host| !host.is_wildcard()) {
        let doors = listening.iter().filter(is_everywhere);
        addresses.extend(doors.filter_map(|door| door.at_host_of(host)));
    }
    addresses.extend(listening);
    addresses.sort_by_key(PeerAddress::is_loopback);
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(address.clone()));
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_applicants_addresses(
        configured: &[&str],
        listening: &[&str],
        advertised: &[&str],
        expected: &[&str],
    ) {
        let parse = |texts: &[&str]| -> Vec<PeerAddress> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        assert_eq!(
            applicants_addresses(&parse(configured), parse(listening), &parse(advertised)),
            parse(expected),
            "{configured:?}"
        );
    }

    #[test]
    fn applicants_are_sent_where_members_dial() {
        let interfaces = ["/ip4/127.0.0.1/tcp/7401", "/ip4/10.0.0.5/tcp/7401", "/ip4/172.17.0.1/tcp/7401"];
        check_applicants_addresses(
            &["/ip4/0.0.0.0/tcp/7401"],
            &interfaces,
            &["/dns4/node.czt.example/udp/7400/quic-v1", "/ip4/10.0.0.5/tcp/7400"],
            &[
                "/dns4/node.czt.example/tcp/7401",
                "/ip4/10.0.0.5/tcp/7401",
                "/ip4/172.17.0.1/tcp/7401",
                "/ip4/127.0.0.1/tcp/7401",
            ],
        );
        // Nothing usable is advertised: the interfaces, those of this machine alone last.
        check_applicants_addresses(
            &["/ip4/0.0.0.0/tcp/7401"],
            &interfaces,
            &["/ip4/127.0.0.1/tcp/7400", "/ip4/0.0.0.0/tcp/7400"],
            &["/ip4/10.0.0.5/tcp/7401", "/ip4/172.17.0.1/tcp/7401", "/ip4/127.0.0.1/tcp/7401"],
        );
        // A door at an address of its own is just there.
        check_applicants_addresses(
            &["/ip4/10.0.0.9/tcp/7401"],
            &["/ip4/10.0.0.9/tcp/7401"],
            &["/dns4/node.czt.example/tcp/7400"],
            &["/ip4/10.0.0.9/tcp/7401"],
        );
        // Everywhere in one family, and at one address beside: nobody is sent where nobody listens.
        check_applicants_addresses(
            &["/ip6/::/tcp/7401", "/ip4/10.0.0.9/tcp/7402"],
            &["/ip6/2001:db8::5/tcp/7401", "/ip6/::1/tcp/7401", "/ip4/10.0.0.9/tcp/7402"],
            &["/ip4/10.0.0.9/tcp/7400", "/ip6/2001:db8::9/tcp/7400", "/dns/node.czt.example/tcp/7400"],
            &[
                "/ip6/2001:db8::9/tcp/7401",
                "/dns/node.czt.example/tcp/7401",
                "/ip6/2001:db8::5/tcp/7401",
                "/ip4/10.0.0.9/tcp/7402",
                "/ip6/::1/tcp/7401",
            ],
        );
    }
}
