//! The list of notices: newest first, a page at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::identity::NoticeId;
use chengxin_schemas::operator::Role;
use chengxin_schemas::time::UnixTime;
use chengxin_store::KeyRange;

use super::{NOTICE_PAGE_LIMIT, NoticeRow, NoticeSummary, notice_summary};
use crate::audit::{EntryDraft, EntryKind};
use crate::error::Result;
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::row::Row;

/// Notices read at once.
const NOTICES_AT_ONCE: usize = 100;

/// Which notices a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoticeFilter {
    /// Only those issued here, or only those received.
    pub issued_here: Option<bool>,
    /// Only those behind this one (from [`NoticePage::next`]).
    pub behind: Option<NoticePlace>,
    /// At most so many.
    pub limit: usize,
}

/// Where a notice stands in the list: newest first, those of one second by number and issuer. Written as the three with
/// a full stop between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticePlace {
    at: Reverse<UnixTime>,
    notice: NoticeId,
    issuer: AgencyCode,
}

impl fmt::Display for NoticePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at: Reverse(at), notice, issuer } = self;
        write!(formatter, "{}.{notice}.{issuer}", at.0)
    }
}

impl NoticePlace {
    /// Reads what was written.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let at = UnixTime(parts.next()?.parse().ok()?);
        let (notice, issuer) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { at: Reverse(at), notice, issuer })
    }
}

/// A page of notices.
#[derive(Clone, Debug)]
pub struct NoticePage {
    /// The notices, newest first.
    pub notices: Vec<NoticeSummary>,
    /// Where to go on; absent at the end.
    pub next: Option<NoticePlace>,
}

impl Node {
    /// Lists notices issued here and received, newest first.
    ///
    /// Every notice is read for each page, since their keys are numbers drawn at random; only those of the page are kept.
    pub async fn notice_list(&self, operation: &Operation, filter: NoticeFilter) -> Result<NoticePage> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list notices")?;
        self.audit_append(Some(operation), EntryDraft::new(EntryKind::RecordRead).detail("read", "notices"))
            .await?;
        let limit = filter.limit.clamp(1, NOTICE_PAGE_LIMIT);
        let mut range = KeyRange::prefix(&keyspace::notices());
        let (mut notices, mut more) = (BTreeMap::new(), false);
        loop {
            let page = self.parts.store.scan(range.clone(), NOTICES_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (key, bytes) in &page {
                let row = NoticeRow::open(bytes, key, &self.parts.keys.data)?;
                let place = NoticePlace { at: Reverse(row.at), notice: row.content.id, issuer: row.issuer };
                let wanted = filter.issued_here.is_none_or(|issued_here| issued_here == row.issued_here)
                    && filter.behind.is_none_or(|behind| place > behind);
                if wanted {
                    notices.insert(place, row);
                }
                if notices.len() > limit {
                    notices.pop_last();
                    more = true;
                }
            }
        }
        let next = notices.last_key_value().map(|(place, _)| *place).filter(|_| more);
        let mut summaries = Vec::with_capacity(notices.len());
        let mut acknowledged = BTreeMap::new();
        for row in notices.values() {
            let receipts = self.receipts_count(row, &mut acknowledged).await?;
            summaries.push(notice_summary(row, row.recipients.len(), receipts));
        }
        Ok(NoticePage { notices: summaries, next })
    }
}
