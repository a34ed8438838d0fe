//! Commands that only read from the running node.

use chengxin_api::types::audit::{AuditEntries, AuditQuery, AuditVerification};
use chengxin_api::types::config::Config;
use chengxin_api::types::federation::Members;
use chengxin_api::types::import::{ImportReport, Imports};
use chengxin_api::types::notice::{NoticeDirection, NoticeDocument, NoticeQuery, NoticeShowQuery, Notices};
use chengxin_api::types::operator::Operators;
use chengxin_api::types::peer::Peers;
use chengxin_api::types::policy::{
    Policy, PolicyExplainRequest, PolicyExplanation, PolicyTable, PolicyTableQuery,
};
use chengxin_api::types::problem::{FieldProblem, Problem};
use chengxin_api::types::record::{RECORD_PAGE_DEFAULT, RecordDocument, RecordQuery, Records};
use chengxin_api::types::restriction::{RestrictionQuery, Restrictions};
use chengxin_api::types::status::{Health, Status};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::{BatchId, RecordId};

use super::{Context, Ended, block_on};
use crate::arguments::{
    AuditSearchArguments, AuditVerifyArguments, ConfigShowArguments, Format, ImportListArguments,
    NoticeListArguments, NoticeShowArguments, PolicyExplainArguments, PolicyTableArguments,
    RecordListArguments, RestrictionListArguments,
};
use crate::client::Client;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::config::ConfigView;
use crate::output::{Following, print_following};

/// No query string.
pub(super) const NO_QUERY: [(); 0] = [];

impl Context<'_> {
    pub(super) fn status(&mut self) -> Ended {
        let client = self.client()?;
        let status: Status = block_on(client.document_fetch("/api/v1/status", &NO_QUERY))?;
        let exit = match status.health {
            Health::Ok => Exit::Done,
            Health::Degraded => Exit::Pending,
        };
        self.print_next(status)?;
        Ok(exit)
    }

    pub(super) fn peer_list(&mut self) -> Ended {
        let client = self.client()?;
        let peers: Peers = block_on(client.document_fetch("/api/v1/peers", &NO_QUERY))?;
        self.printed(&peers)
    }

    pub(super) fn federation_members(&mut self) -> Ended {
        let client = self.client()?;
        let members: Members = block_on(client.document_fetch("/api/v1/federation/members", &NO_QUERY))?;
        self.printed(&members)
    }

    pub(super) fn operator_list(&mut self) -> Ended {
        let client = self.client()?;
        let operators: Operators = block_on(client.document_fetch("/api/v1/operators", &NO_QUERY))?;
        self.printed(&operators)
    }

    /// The node looks through a limited number of records for one page, so a page may have few records or none while
    /// there are more: it is filled up from the next ones. With `--all`, pages are printed as they arrive, so memory does
    /// not grow with the number of records.
    pub(super) fn record_list(&mut self, arguments: RecordListArguments) -> Ended {
        if arguments.all && self.settings.format == Format::Json {
            return Err(CliError::usage(
                "--all",
                "json is one document, and all pages are many",
                "json 只有一份文档, 而全部页有多份",
                "give -o jsonl, a line for each record",
                "改用 -o jsonl, 每条记录一行",
            ));
        }
        let client = self.client()?;
        let subject = arguments.subject.map(|subject| self.subject(subject)).transpose()?;
        let mut query = RecordQuery {
            record_type: arguments.record_type,
            category: arguments.category,
            batch: arguments.batch,
            state: arguments.state,
            subject,
            accept: arguments.accept,
            cursor: arguments.cursor,
            limit: arguments.limit.map(usize::from),
        };
        let mut following = Following::default();
        loop {
            let records = records_fill(&client, &mut query)?;
            // A last page without records says that there is nothing only if it is the first.
            if !(records.records.is_empty() && following.is_begun()) {
                print_following(&records, self.settings, self.console, &mut following)?;
            }
            match (&records.next, arguments.all) {
                (Some(next), true) => query.cursor = Some(next.clone()),
                (next, _) => {
                    self.next_page_hint(next.as_deref());
                    return Ok(Exit::Done);
                }
            }
        }
    }

    pub(super) fn record_show(&mut self, record: RecordId) -> Ended {
        let client = self.client()?;
        let document: RecordDocument =
            block_on(client.document_fetch(&format!("/api/v1/records/{record}"), &NO_QUERY))?;
        self.printed(&document)
    }

    pub(super) fn import_list(&mut self, arguments: ImportListArguments) -> Ended {
        let client = self.client()?;
        let query = chengxin_api::types::import::ImportListQuery {
            cursor: arguments.cursor,
            limit: arguments.limit.map(usize::from),
        };
        let imports: Imports = block_on(client.document_fetch("/api/v1/imports", &query))?;
        self.print(&imports)?;
        self.next_page_hint(imports.next.as_deref());
        Ok(Exit::Done)
    }

    pub(super) fn import_show(&mut self, batch: BatchId) -> Ended {
        let client = self.client()?;
        let report: ImportReport =
            block_on(client.document_fetch(&format!("/api/v1/imports/{batch}"), &NO_QUERY))?;
        self.printed(&report)
    }

    pub(super) fn notice_list(&mut self, arguments: NoticeListArguments) -> Ended {
        let client = self.client()?;
        let direction = match (arguments.issued, arguments.received) {
            (true, _) => Some(NoticeDirection::Issued),
            (false, true) => Some(NoticeDirection::Received),
            (false, false) => None,
        };
        let query =
            NoticeQuery { direction, cursor: arguments.cursor, limit: arguments.limit.map(usize::from) };
        let notices: Notices = block_on(client.document_fetch("/api/v1/notices", &query))?;
        self.print(&notices)?;
        self.next_page_hint(notices.next.as_deref());
        Ok(Exit::Done)
    }

    pub(super) fn notice_show(&mut self, arguments: NoticeShowArguments) -> Ended {
        let client = self.client()?;
        let path = format!("/api/v1/notices/{}", arguments.notice);
        let query = NoticeShowQuery { issuer: arguments.issuer };
        let document: NoticeDocument = block_on(client.document_fetch(&path, &query))?;
        self.printed(&document)
    }

    pub(super) fn restriction_list(&mut self, arguments: RestrictionListArguments) -> Ended {
        let subject = self.subject(arguments.subject)?;
        let client = self.client()?;
        let query = RestrictionQuery { subject, accept: arguments.accept };
        let restrictions: Restrictions = block_on(client.document_fetch("/api/v1/restrictions", &query))?;
        self.printed(&restrictions)
    }

    pub(super) fn policy_show(&mut self) -> Ended {
        let client = self.client()?;
        let policy: Policy = block_on(client.document_fetch("/api/v1/policy", &NO_QUERY))?;
        self.printed(&policy)
    }

    pub(super) fn policy_explain(&mut self, arguments: PolicyExplainArguments) -> Ended {
        let client = self.client()?;
        let question = PolicyExplainRequest {
            role: arguments.asking,
            purpose: arguments.purpose,
            category: arguments.category,
            subject_kind: arguments.subject_kind,
            record_type: arguments.record_type,
        };
        let explanation: PolicyExplanation =
            block_on(client.document_post("/api/v1/policy/explain", &question))?;
        self.printed(&explanation)
    }

    pub(super) fn policy_table(&mut self, arguments: PolicyTableArguments) -> Ended {
        let client = self.client()?;
        let query = PolicyTableQuery { role: arguments.asking, purpose: arguments.purpose };
        let table: PolicyTable = block_on(client.document_fetch("/api/v1/policy/table", &query))?;
        self.printed(&table)
    }

    pub(super) fn audit_search(&mut self, arguments: AuditSearchArguments) -> Ended {
        let client = self.client()?;
        let subject = arguments.subject.map(|subject| self.subject(subject)).transpose()?;
        let query = AuditQuery {
            actor: arguments.actor,
            subject,
            accept: arguments.accept,
            name: arguments.name,
            event: arguments.event,
            since: arguments.since.map(|since| since.moment(self.now)),
            until: arguments.until.map(|until| until.moment(self.now)),
            cursor: arguments.cursor,
            limit: arguments.limit.map(usize::from),
        };
        let entries: AuditEntries = block_on(client.document_fetch("/api/v1/audit", &query))?;
        self.print(&entries)?;
        self.next_page_hint(entries.next.as_deref());
        Ok(Exit::Done)
    }

    pub(super) fn audit_verify(&mut self, arguments: &AuditVerifyArguments) -> Ended {
        let verification: AuditVerification = match &arguments.offline {
            Some(folder) => self.host.audit_verify_offline(self.settings, folder)?,
            None => {
                let client = self.client()?;
                block_on(client.document_post("/api/v1/audit/verify", &serde_json::json!({})))?
            }
        };
        self.print(&verification)?;
        Ok(if verification.holds { Exit::Done } else { Exit::Integrity })
    }

    pub(super) fn config_show(&mut self, arguments: ConfigShowArguments) -> Ended {
        let config: Config = if arguments.running {
            let client = self.client()?;
            block_on(client.document_fetch("/api/v1/config", &NO_QUERY))?
        } else {
            self.host.config_show(self.settings)?
        };
        self.print(&ConfigView { config: &config, origin: arguments.origin })?;
        if arguments.running {
            return Ok(Exit::Done);
        }
        // What is shown is no configuration that a node would start with: say so, and why.
        let faults = self.host.config_validate(self.settings, None)?.faults;
        if faults.is_empty() {
            return Ok(Exit::Done);
        }
        let mut problem = Problem::new(ErrorCode::Invalid, "the configuration is not valid", "配置无效")
            .with_fix(
                "correct what is named; chengxin config validate checks again",
                "按所列更正; 用 chengxin config validate 再次检查",
            );
        problem.errors = faults
            .into_iter()
            .map(|fault| FieldProblem {
                field: format!("{} ({})", fault.key, fault.place),
                detail_en: fault.detail_en,
                detail_zh: fault.detail_zh,
            })
            .collect();
        Err(CliError::problem(problem))
    }
}

/// A page of records, as full as the node's pages can make it.
fn records_fill(client: &Client, query: &mut RecordQuery) -> Result<Records, CliError> {
    let limit = query.limit.unwrap_or(RECORD_PAGE_DEFAULT);
    let mut wanted = query.clone();
    wanted.limit = Some(limit);
    let mut records: Records = block_on(client.document_fetch("/api/v1/records", &wanted))?;
    while let (Some(next), true) = (&records.next, records.records.len() < limit) {
        wanted.cursor = Some(next.clone());
        wanted.limit = Some(limit - records.records.len());
        let page: Records = block_on(client.document_fetch("/api/v1/records", &wanted))?;
        records.records.extend(page.records);
        records.next = page.next;
    }
    Ok(records)
}
