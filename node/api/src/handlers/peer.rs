//! The other members and how they can be reached.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Answer;
use crate::services::Services;
use crate::types::peer::{Peer, PeerListSchema, Peers};

pub(crate) async fn peer_list(State(services): State<Arc<Services>>) -> Answer<Peers> {
    let directory = services.node.directory()?;
    let mut links = services.links.links();
    let mut peers: Vec<_> = directory
        .entries()
        .filter(|entry| entry.agency != *services.node.agency())
        .map(|entry| {
            let link = links.remove(&entry.agency).unwrap_or_default();
            Peer {
                agency: entry.agency,
                name: entry.name.clone(),
                region: entry.region,
                coordinator: entry.coordinator,
                functions: entry.functions.clone(),
                online: link.online,
                since: link.since.map(Into::into),
                failure: link.failure,
                addresses: entry.addresses.clone(),
            }
        })
        .collect();
    peers.sort_by_key(|peer| (peer.online, peer.agency));
    Ok(Json(Peers { schema: PeerListSchema::V1, peers }))
}
