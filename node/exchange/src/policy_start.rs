//! What a node keeps of the policy it decides by, and the policy it starts with.
//!
//! The rows keep bundle and overlay themselves. The directory shows the last two publications only, so a node that refused one
//! of them would otherwise have nothing to start with. A row that cannot be read is not the end: what the federation
//! publishes for today is taken instead, with an alarm, and the row is written anew.

use chengxin_policy::{Authoriser, Bundle, OverlayFiles};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::Publication;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::Store;
use chengxin_trust::VerifiedDirectory;
use serde::{Deserialize, Serialize};

use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::policy_schedule::{PublishedPolicy, policies_published, policy_load};
use crate::row::Row;

/// Policies that a node remembers to have left: some in a year.
const FORMER_LIMIT: usize = 1_000;

/// What decides in one scope, as it is remembered and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) version: PolicyVersion,
    /// SHA-256 of the packed form.
    pub(crate) bundle: Sha256,
    /// When the node began to decide by it.
    pub(crate) since: UnixTime,
    /// When it was published; none for the program's own bundle in a federation that published none.
    pub(crate) published: Option<UnixTime>,
    /// Digests of the published ones by which this node decided before, the newest [`FORMER_LIMIT`].
    pub(crate) former: Vec<Sha256>,
}

impl Held {
    /// What this node has left once it decides by something else.
    pub(crate) fn left(&self) -> Vec<Sha256> {
        let mut former = self.former.clone();
        former.extend(self.published.map(|_| self.bundle));
        let over = former.len().saturating_sub(FORMER_LIMIT);
        former.split_off(over)
    }
}

/// The bundle in force, stored form version 2. Public within the federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) held: Held,
    /// The published form.
    pub(crate) content: Vec<u8>,
}

impl Row for PolicyRow {
    const NAME: &'static str = "policy in force";
    const VERSION: u8 = 2;
}

/// The overlay in force, stored form version 1. Public within the federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverlayRow {
    pub(crate) region: RegionCode,
    pub(crate) held: Held,
    /// The published form.
    pub(crate) content: Vec<u8>,
}

impl Row for OverlayRow {
    const NAME: &'static str = "overlay in force";
    const VERSION: u8 = 1;
}

impl PolicyRow {
    /// The bundle in it. What makes a bundle unusable for this program is found here as it was when it was adopted.
    fn load(&self) -> Result<Bundle> {
        let publication = Publication {
            version: self.held.version.clone(),
            bundle: self.held.bundle,
            effective: Day(jiff::civil::Date::MAX),
            published: self.held.since,
            base: None,
            approvals: Vec::new(),
        };
        policy_load(&self.content, &publication)
    }
}

impl OverlayRow {
    /// `base` narrowed by the overlay in it, wherever that names what the base has.
    fn load(&self, base: &Bundle) -> Result<Bundle> {
        let files = OverlayFiles::from_published(&self.content)?;
        Ok(base.overlay_apply(&files)?)
    }
}

/// What stands in a place of the store.
pub(crate) enum Kept<R> {
    Nothing,
    Row(R),
    /// Something that this program cannot read; said in the running log.
    Unreadable,
}

impl<R> Kept<R> {
    pub(crate) fn row(self) -> Option<R> {
        match self {
            Self::Row(row) => Some(row),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

/// Reads a row. A store that fails is an error.
async fn row_read<R: Row>(store: &dyn Store, key: Vec<u8>) -> Result<Kept<R>> {
    let read = async {
        let bytes = store.get(&key).await?;
        bytes.map(|bytes| R::decode(&bytes)).transpose()
    };
    match read.await {
        Ok(row) => Ok(row.map_or(Kept::Nothing, Kept::Row)),
        Err(error) if error.is_of_one_row() => {
            tracing::error!(
                row = R::NAME,
                error = &error as &dyn std::error::Error,
                "what this node decided by cannot be read; what is published for today is taken instead"
            );
            Ok(Kept::Unreadable)
        }
        Err(error) => Err(error),
    }
}

pub(crate) async fn policy_row_read(store: &dyn Store) -> Result<Kept<PolicyRow>> {
    row_read(store, keyspace::policy_in_force()).await
}

pub(crate) async fn overlay_row_read(store: &dyn Store) -> Result<Kept<OverlayRow>> {
    row_read(store, keyspace::overlay_in_force()).await
}

/// The policy a node starts with: the one it decided by last; before it ever decided, the one that is in force in the
/// federation, or the baseline of this program for a federation that publishes none. Where the node's league or city has
/// an overlay, the bundle narrowed by it.
///
/// A bundle kept by an earlier program may not load in this one. Then what the federation publishes for today is tried; if
/// that does not load either, the node does not start: no policy decides nothing. The same holds for an overlay.
pub async fn policy_at_start(
    store: &dyn Store,
    directory: &VerifiedDirectory,
    agency: &AgencyCode,
    now: UnixTime,
) -> Result<Authoriser> {
    let base = bundle_at_start(store, directory, now).await?;
    let region = directory.entry(agency).and_then(|entry| entry.region.league_or_city());
    let bundle = match region {
        Some(region) => overlay_at_start(store, directory, (region, now), base).await?,
        None => base,
    };
    Ok(Authoriser::new(bundle)?)
}

async fn bundle_at_start(store: &dyn Store, directory: &VerifiedDirectory, now: UnixTime) -> Result<Bundle> {
    // One that cannot be read is no reason not to start with what is kept.
    let published = policies_published(directory, PolicyScope::Federation);
    let row = policy_row_read(store).await?.row();
    let is_published = row.as_ref().is_some_and(|row| row.held.published.is_some());
    if !is_published && published.as_ref().is_ok_and(Vec::is_empty) {
        return Ok(Bundle::baseline()?);
    }
    if let Some(row) = &row {
        match row.load() {
            Ok(bundle) => return Ok(bundle),
            Err(error) => {
                tracing::error!(policy = %row.held.version, error = &error as &dyn std::error::Error, "the policy in force does not load in this program");
            }
        }
    }
    let published = published?;
    let due = due_today(&published, now)?;
    let is_another =
        |row: &PolicyRow| due.publication.base.is_none() && row.held.bundle != due.publication.bundle;
    if let Some(row) = row.filter(is_another) {
        return Err(conflict(unapproved(&row.held.version)));
    }
    due.approvals_check(directory)?;
    due.load()
}

/// What is due, for a node that has nothing else.
fn due_today(published: &[PublishedPolicy], now: UnixTime) -> Result<&PublishedPolicy> {
    let today = Day(now.shanghai_date());
    let due = published.iter().rev().find(|policy| policy.publication.effective <= today);
    due.ok_or_else(|| match published.last() {
        Some(last) => conflict(format!(
            "{} takes effect on {}: set the clock, or start the node when it is in force",
            last.publication.version, last.publication.effective
        )),
        None => conflict(
            "the one in force does not load in this program, and the federation publishes none any more: start the program that ran before, and tell the coordinator"
                .to_owned(),
        ),
    })
}

async fn overlay_at_start(
    store: &dyn Store,
    directory: &VerifiedDirectory,
    (region, now): (RegionCode, UnixTime),
    base: Bundle,
) -> Result<Bundle> {
    let (row, is_unreadable) = match overlay_row_read(store).await? {
        Kept::Row(row) => (Some(row).filter(|row| row.region == region), false),
        Kept::Nothing => (None, false),
        Kept::Unreadable => (None, true),
    };
    if let Some(row) = &row {
        match row.load(&base) {
            Ok(narrowed) => return Ok(narrowed),
            Err(error) => {
                tracing::error!(overlay = %row.held.version, error = &error as &dyn std::error::Error, "the overlay in force does not load in this program");
            }
        }
    }
    let today = Day(now.shanghai_date());
    let taken = policies_published(directory, PolicyScope::Region(region)).and_then(|published| {
        let due = published.iter().rev().find(|policy| policy.publication.effective <= today);
        due.map(|due| due.approvals_check(directory).and_then(|()| due.overlay_load(&base))).transpose()
    });
    let has_decided = row.is_some() || is_unreadable;
    match taken {
        Ok(Some(narrowed)) => Ok(narrowed),
        // Without the overlay by which it decided, the node would let out more than it may.
        Ok(None) if has_decided => Err(conflict(
            "the overlay in force does not load in this program, and no other is published for today: start the program that ran before, and tell the league or city"
                .to_owned(),
        )),
        Err(error) if has_decided => Err(error),
        Ok(None) => Ok(base),
        // It never decided by one. Why this one is not taken is told by the first look at what is published.
        Err(error) => {
            tracing::error!(%region, error = &error as &dyn std::error::Error, "the published overlay is not taken");
            Ok(base)
        }
    }
}

pub(crate) fn unapproved(present: &PolicyVersion) -> String {
    format!(
        "nobody approved it, and this node decides by {present} already: the coordinator publishes it with approvals"
    )
}

fn conflict(reason: String) -> ExchangeError {
    ExchangeError::Conflict { what: "policy", reason }
}
