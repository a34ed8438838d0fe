//! The orderly end: what is in progress finishes, what waits for a connection is told at once.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::PeerId;
use tokio::time::{Instant, sleep_until, timeout};

use super::EventLoop;
use crate::error::NetworkError;
use crate::link::Outbound;
use crate::network::Command;
use crate::peer::LinkState;

/// How often a drain looks whether everything is finished.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// How long closed connections may take to say goodbye.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

impl EventLoop {
    /// Lets what is in progress finish, then says goodbye. `Shared::closing` is set: nothing new begins.
    ///
    /// Nothing is dialled or opened from here on, so a call without a live stream cannot be sent any more and fails
    /// now instead of at its deadline. Who is removed from the directory meanwhile is cut off as ever.
    pub(super) async fn drain(&mut self, deadline: Instant) -> Result<(), NetworkError> {
        self.draining = true;
        for link in self.links.values().filter(|link| !matches!(link.outbound, Outbound::Live { .. })) {
            link.state_set(LinkState::Closed);
        }
        let mut look = tokio::time::interval(DRAIN_LOOK);
        let counters = [&self.shared.answering, &self.shared.sending, &self.shared.asking].map(Arc::clone);
        while counters.iter().any(|counter| counter.taken() > 0) {
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                Some(ended) = self.streams.join_next() => if let Ok(report) = ended { self.stream_ended(report) },
                Some(command) = self.commands.recv() => match command {
                    // Its sender sees that the network is closed.
                    Command::Connect(_) => {}
                    Command::Shutdown { done, .. } => self.ended.push(done),
                },
                changed = self.members.changed(), if !self.members_end => self.members_changed(changed.is_ok()),
                // The loop's condition is looked at again.
                _ = look.tick() => {}
                () = sleep_until(deadline) => break,
            }
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        // Not answered in time: the peer notices by itself.
        let _ = timeout(GOODBYE_TIME, goodbye).await;
        Ok(())
    }
}
