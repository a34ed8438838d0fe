//! Own credit records: signed once, kept encrypted, listed and shown to the own staff.

use std::sync::Arc;

use chengxin_policy::{
    AccessRequest, Action, AskerContext, Authoriser, Bundle, Decision, Publicity, SeverityRuling,
};
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::{BatchId, RecordId};
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record::{
    Confirmation, FieldValue, RecordClaims, RecordDraft, RecordFields, StatusClaim, StatusReference,
};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::sd_jwt::{self, SdJwt, VerifiedRecord};
use chengxin_schemas::subject::{SubjectId, SubjectKey, SubjectKind};
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_schemas::unified_code::CheckException;
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::record_index::{self, RecordEntries};
use crate::row::Row;

/// Records of one status list; a list of this length is 32 KiB at two bits each before compression.
const STATUS_LIST_LENGTH: u64 = 1 << 17;
/// Most records in one page of a list.
pub const RECORD_PAGE_LIMIT: usize = 1_000;
/// Most records looked through for one page: a filter that matches nothing must not read a whole store in one call.
const RECORD_SCAN_LIMIT: usize = 20_000;
/// Records read at once for a list, at least and at most: a short list reads little, a long search takes few steps of
/// about a megabyte.
const STRETCH_SHORTEST: usize = 16;
const STRETCH_LONGEST: usize = 256;

/// A record as stored, version 1. Encrypted: it holds every field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) id: RecordId,
    pub(crate) batch: BatchId,
    pub(crate) state: RecordState,
    pub(crate) changed: UnixTime,
    /// Keyed hash of the content, repeated here so that index entries can be derived from rows.
    pub(crate) content: [u8; 16],
    /// The complete SD-JWT with all disclosures.
    pub(crate) sd_jwt: String,
    /// The row as it stood in the file, unchanged.
    pub(crate) source: SourceReference,
}

impl Row for RecordRow {
    const NAME: &'static str = "record";
    const VERSION: u8 = 1;
}

impl RecordRow {
    /// The record. The row was authenticated under the node's own data key when it was opened, so neither
    /// signature nor digests are checked again on the way out; the asker checks them.
    pub(crate) fn sd_jwt_parse(&self) -> Result<VerifiedRecord> {
        Ok(SdJwt::stored(&self.sd_jwt)?)
    }
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReference {
    /// Digest of the file.
    pub file: Sha256,
    /// Row in the file, from 1, the header counted.
    pub row: u64,
    /// The row's text.
    pub text: String,
}

/// A record ready to be numbered and signed.
#[derive(Clone)]
pub(crate) struct NewRecord {
    /// The policy that gave `draft` its category and severity. The record is signed by it and names its version, whichever
    /// is in force by then.
    policy: Arc<Authoriser>,
    pub(crate) id: RecordId,
    pub(crate) content: [u8; 16],
    pub(crate) draft: RecordDraft,
    pub(crate) source: SourceReference,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct RecordPage {
    /// The records, newest first.
    pub records: Vec<RecordSummary>,
    /// Where to go on; absent at the end.
    pub next: Option<u64>,
}

/// A record in a list.
#[derive(Clone, Debug)]
pub struct RecordSummary {
    /// The record.
    pub id: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// Its category.
    pub category: InformationCategory,
    /// Its severity.
    pub severity: Option<chengxin_schemas::category::BreachSeverity>,
    /// Its state.
    pub state: RecordState,
    /// The day of determination.
    pub determined_on: Day,
    /// The subject's name.
    pub subject_name: String,
    /// The subject's identifier with a person's number masked; absent if there is none.
    pub subject: Option<String>,
    /// The import it came with.
    pub batch: BatchId,
}

/// A record with its fields, for the own staff.
#[derive(Clone, Debug)]
pub struct RecordDetail {
    /// What a list shows.
    pub summary: RecordSummary,
    /// Its claims.
    pub claims: RecordClaims,
    /// What the rules of the policy in force say about it. None if other rules govern the record.
    pub rulings: Option<RecordRulings>,
    /// Fields in the order of the dictionary: name, label, what may be shown, and why not if less than all.
    pub fields: Vec<ShownField>,
    /// Where it came from; the text only for those who may see every field.
    pub source_file: Sha256,
    /// Row in the file.
    pub source_row: u64,
}

/// The rules behind a record's severity and publicity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRulings {
    /// By which rule it has its category and severity.
    pub severity: SeverityRuling,
    /// By which rule its publicity ends. None if no rule is loaded for the type and the day.
    pub publicity: Option<Publicity>,
}

/// One field as policy lets the reader see it.
#[derive(Clone, Debug)]
pub struct ShownField {
    /// Name in machine output.
    pub name: String,
    /// Label for people.
    pub label: &'static str,
    /// The value, in full or masked; absent if withheld.
    pub value: Option<FieldValue>,
    /// Whether the value is masked.
    pub masked: bool,
    /// Why it is withheld.
    pub withheld: Option<String>,
}

/// Which records a list shows.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Of this type.
    pub record_type: Option<RecordType>,
    /// In this category.
    pub category: Option<InformationCategory>,
    /// From this import.
    pub batch: Option<BatchId>,
    /// In this state.
    pub state: Option<RecordState>,
    /// About this subject.
    pub subject: Option<SubjectId>,
    /// Who vouches for the subject's code, where its check is wrong.
    pub check_exception: Option<CheckException>,
    /// Only below this number (from [`RecordPage::next`]).
    pub below: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl RecordFilter {
    fn wants(&self, record: &RecordSummary) -> bool {
        self.record_type.is_none_or(|wanted| wanted == record.record_type)
            && self.category.is_none_or(|wanted| wanted == record.category)
            && self.state.is_none_or(|wanted| wanted == record.state)
            && self.batch.is_none_or(|wanted| wanted == record.batch)
    }
}

impl Node {
    /// Derives identifier and content hash of a draft that `policy` ruled. The same duplicate key gives the same identifier on
    /// this node for ever; nobody without the node's key can compute it.
    pub(crate) fn record_prepare(
        &self,
        policy: Arc<Authoriser>,
        draft: RecordDraft,
        source: SourceReference,
    ) -> NewRecord {
        let fields = draft.fields();
        let record_type = fields.record_type();
        let agency = self.parts.agency.as_str().as_bytes();
        let mut parts: Vec<Vec<u8>> = vec![b"id".to_vec(), agency.to_vec(), record_type.as_str().into()];
        for name in record_type.duplicate_fields() {
            let text = fields.text(name).unwrap_or_default();
            parts.push(chengxin_schemas::subject::name_normalise(text).into_bytes());
        }
        let id = self.parts.keys.record.hash(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let content = self.content_hash(fields, draft.category());
        NewRecord { policy, id: RecordId(first_half(&id)), content, draft, source }
    }

    fn content_hash(&self, fields: &RecordFields, category: InformationCategory) -> [u8; 16] {
        let mut content: Vec<Vec<u8>> = vec![b"content".to_vec(), category.as_str().into()];
        for (name, value) in fields.iter() {
            content.push(name.as_str().into());
            content.push(value.to_text().into_bytes());
        }
        first_half(&self.parts.keys.record.hash(&content.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }

    /// Whether a record says what the one held under this content hash says. The category in the hash is a policy's ruling
    /// and not what the source says: another policy may rule the same row otherwise, and the record keeps the ruling that
    /// it was signed with.
    pub(crate) fn content_is_held(&self, new: &NewRecord, held: &[u8; 16]) -> bool {
        let other = |category: &InformationCategory| {
            *category != new.draft.category() && self.content_hash(new.draft.fields(), *category) == *held
        };
        new.content == *held || InformationCategory::ALL.iter().any(other)
    }

    /// Signs a record under its number, adds its row to `batch` and returns its index entries.
    pub(crate) fn record_sign(
        &self,
        new: NewRecord,
        number: u64,
        batch_id: BatchId,
        now: UnixTime,
        salt: &mut dyn FnMut(&mut [u8; 16]),
        batch: &mut Batch,
    ) -> Result<RecordEntries> {
        let bundle = new.policy.bundle();
        let fields = new.draft.fields();
        let record_type = fields.record_type();
        let person = new.draft.subject_kind() == SubjectKind::Person;
        let determined_on = new.draft.determined_on().ok_or(ExchangeError::Stored {
            what: "record draft",
            reason: "it has no day of determination".to_owned(),
        })?;
        let claims = RecordClaims {
            iss: self.parts.agency,
            iat: now,
            jti: new.id,
            vct: record_type.vct(),
            subject_kind: Some(new.draft.subject_kind()),
            category: new.draft.category(),
            severity: new.draft.severity(),
            determined_on,
            publicity_end: new
                .draft
                .severity()
                .and_then(|severity| bundle.publicity_end(record_type, severity, determined_on))
                .and_then(|ruling| ruling.signed_end()),
            rules: bundle.rules_version().to_owned(),
            check_exception: new.draft.exception().cloned(),
            status: StatusClaim {
                status_list: StatusReference {
                    idx: number % STATUS_LIST_LENGTH,
                    uri: format!("urn:chengxin:status:{}:{}", self.parts.agency, number / STATUS_LIST_LENGTH),
                },
            },
            cnf: Confirmation { jwk: self.parts.keys.signing.public().to_jwk() },
            sd_alg: "sha-256".to_owned(),
        };
        let sd_jwt = sd_jwt::record_issue(
            &new.draft,
            claims,
            &self.parts.keys.signing,
            &|field| bundle.is_public_field(record_type, field.as_str(), person),
            salt,
        )?;
        let row = RecordRow {
            id: new.id,
            batch: batch_id,
            state: RecordState::Effective,
            changed: now,
            content: new.content,
            sd_jwt: sd_jwt.into_text(),
            source: new.source,
        };
        let key = keyspace::record(number);
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key, sealed);
        Ok(self.record_entries(&row, fields, number))
    }

    /// The index entries of a record, from its row, its fields and its number: the one place that says under which key
    /// a record is found. That is each of its subject's identifiers, the unified code by the organisation code within it
    /// ([`SubjectId::index_key`]), and the name of a subject that may be known by that alone.
    pub(crate) fn record_entries(
        &self,
        row: &RecordRow,
        fields: &RecordFields,
        number: u64,
    ) -> RecordEntries {
        let subjects = fields.subjects().map(|subject| self.index_key(&subject));
        let name =
            fields.is_found_by_name().then(|| self.name_key(fields.subject_name().unwrap_or_default()));
        RecordEntries::new(&row.id, number, &row.content, subjects.chain(name))
    }

    /// Where a former version of this program entered a record and this one does not: under the unified code itself.
    pub(crate) fn record_entry_former(
        &self,
        fields: &RecordFields,
        number: u64,
    ) -> Option<(SubjectKey, u64)> {
        let unified = |one: &SubjectId| one.organisation_code().is_some();
        fields.subjects().find(unified).map(|code| (self.subject_key(&code), number))
    }

    /// Reads a record by number. `None` if it does not exist for readers.
    pub(crate) async fn record_read(&self, number: u64) -> Result<Option<(RecordRow, VerifiedRecord)>> {
        if self.number_is_hidden(number) {
            return Ok(None);
        }
        let key = keyspace::record(number);
        let Some(bytes) = self.parts.store.get(&key).await? else { return Ok(None) };
        self.record_open(&key, &bytes).map(Some)
    }

    pub(crate) fn record_open(&self, key: &[u8], bytes: &[u8]) -> Result<(RecordRow, VerifiedRecord)> {
        let row = RecordRow::open(bytes, key, &self.parts.keys.data)?;
        let record = row.sd_jwt_parse()?;
        Ok((row, record))
    }

    /// The numbers of the visible records of a name, newest first, at most `limit`.
    pub(crate) async fn record_numbers_named(&self, key: &SubjectKey, limit: usize) -> Result<Vec<u64>> {
        let visible = |number| !self.number_is_hidden(number);
        record_index::numbers_of(self.parts.store.as_ref(), key, limit, visible).await
    }

    /// The numbers below `below` of the visible records that may be about `subject`, newest first, at most `limit`: whether
    /// one is, its fields say ([`RecordFields::is_about`]), since records of other unified codes can stand under the same
    /// organisation code.
    ///
    /// A record that a former version of this program entered under the unified code itself, and that could not be read
    /// when the others were entered anew, is among them: who asks for it by that code meets an error and not nothing.
    pub(crate) async fn record_numbers_about(
        &self,
        subject: &SubjectId,
        below: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>> {
        let store = self.parts.store.as_ref();
        let wanted = |number| below.is_none_or(|below| number < below) && !self.number_is_hidden(number);
        let mut numbers = record_index::numbers_of(store, &self.index_key(subject), limit, wanted).await?;
        if subject.organisation_code().is_some() {
            let former = record_index::numbers_of(store, &self.subject_key(subject), limit, wanted).await?;
            if !former.is_empty() {
                numbers.extend(former);
                numbers.sort_unstable_by(|one, two| two.cmp(one));
                numbers.dedup();
                numbers.truncate(limit);
            }
        }
        Ok(numbers)
    }

    /// Reads a record by identifier.
    pub(crate) async fn record_find(&self, id: &RecordId) -> Result<(u64, RecordRow, VerifiedRecord)> {
        let missing = ExchangeError::NotFound { what: "the record" };
        let Some(pointer) = record_index::pointer_find(self.parts.store.as_ref(), id).await? else {
            return Err(missing);
        };
        match self.record_read(pointer.number).await? {
            Some((row, sd_jwt)) => Ok((pointer.number, row, sd_jwt)),
            None => Err(missing),
        }
    }

    /// Lists own records, newest first.
    pub async fn record_list(&self, operation: &Operation, filter: RecordFilter) -> Result<RecordPage> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list records")?;
        let exception = filter.check_exception.as_ref();
        filter.subject.as_ref().map_or(Ok(()), |subject| subject.vouched_check(exception))?;
        let mut others = Vec::new();
        let page = self.record_page(&filter, &mut others).await?;
        let mut entry = EntryDraft::new(EntryKind::RecordRead).policy(&self.policy_version());
        if let Some(subject) = &filter.subject {
            entry = entry.subject(subject).check_exception(exception);
        }
        self.audit_append_each(Some(operation), entry, others.into_iter()).await?;
        Ok(page)
    }

    /// The page of a list. Where it is of one subject, other identifiers of the subject in its records go to `others`.
    async fn record_page(&self, filter: &RecordFilter, others: &mut Vec<SubjectId>) -> Result<RecordPage> {
        let limit = filter.limit.clamp(1, RECORD_PAGE_LIMIT);
        let stretch = limit.saturating_add(1).clamp(STRETCH_SHORTEST, STRETCH_LONGEST);
        let subject = filter.subject.as_ref();
        let mut records = Vec::new();
        let (mut below, mut looked_at) = (filter.below, 0_usize);
        while looked_at < RECORD_SCAN_LIMIT {
            let found = self.records_below(subject, below, stretch).await?;
            if found.is_empty() {
                return Ok(RecordPage { records, next: None });
            }
            for (number, record) in found {
                if records.len() == limit {
                    return Ok(RecordPage { records, next: below });
                }
                below = Some(number);
                looked_at = looked_at.saturating_add(1);
                let Some((row, sd_jwt)) = record else { continue };
                if subject.is_some_and(|subject| !sd_jwt.fields().is_about(subject)) {
                    continue;
                }
                let summary = record_summary(&row, &sd_jwt)?;
                if filter.wants(&summary) {
                    others
                        .extend(subject.into_iter().flat_map(|asked| sd_jwt.fields().other_subjects(asked)));
                    records.push(summary);
                }
            }
        }
        Ok(RecordPage { records, next: below })
    }

    /// The next records with a smaller number than `below`, of one subject or of all, newest first, at most `most`; each
    /// with its number, and nothing else where readers may not see it. Empty at the end only.
    async fn records_below(
        &self,
        subject: Option<&SubjectId>,
        below: Option<u64>,
        most: usize,
    ) -> Result<Vec<(u64, Option<(RecordRow, VerifiedRecord)>)>> {
        let mut found = Vec::new();
        if let Some(subject) = subject {
            for number in self.record_numbers_about(subject, below, most).await? {
                found.push((number, self.record_read(number).await?));
            }
            return Ok(found);
        }
        let end = keyspace::record(below.unwrap_or(u64::MAX));
        let range = KeyRange::between(&keyspace::records(), &end).descending();
        for (key, bytes) in self.parts.store.scan(range, most).await? {
            let Some(number) = keyspace::record_number(&key) else { continue };
            let visible = !self.number_is_hidden(number);
            let record = if visible { Some(self.record_open(&key, &bytes)?) } else { None };
            found.push((number, record));
        }
        Ok(found)
    }

    /// Shows one own record as policy lets its reader see it.
    pub async fn record_show(&self, operation: &Operation, id: &RecordId) -> Result<RecordDetail> {
        operation.require(&[Role::Clerk, Role::Reviewer], "show records")?;
        let (_, row, sd_jwt) = self.record_find(id).await?;
        let authoriser = self.policy();
        let subject = sd_jwt.fields().subject();
        let own = self.own_entry()?;
        let request = AccessRequest {
            asker: AskerContext { agency: self.parts.agency, functions: own.functions, region: own.region },
            role: operation.role(),
            purpose: own_records_purpose()?,
            case_reference: None,
            legal_basis: None,
            authorisation: None,
            second_person: None,
            subject_kind: sd_jwt.subject_kind(),
            own_records: true,
            categories: vec![sd_jwt.claims().category],
            action: Action::Read,
        };
        let mut entry = EntryDraft::new(EntryKind::RecordRead).detail("record", &id.to_string());
        match &subject {
            Some(subject) => entry = entry.subject(subject),
            None => entry = entry.subject_name(sd_jwt.fields().subject_name()),
        }
        let permit = match authoriser.authorize(&request) {
            Decision::Permit(permit) => permit,
            Decision::Denied(denied) => {
                let entry = entry.denied().rule(denied.rule.as_str(), authoriser.bundle().rules_version());
                self.audit_append_each(Some(operation), entry, sd_jwt.fields().subjects()).await?;
                return Err(denied.into());
            }
        };
        let presented = crate::presentation::present_own(&permit, authoriser.bundle(), &sd_jwt);
        let entry = entry
            .rule(permit.rule().as_str(), authoriser.bundle().rules_version())
            .disclosed(presented.disclosed);
        self.audit_append_each(Some(operation), entry, sd_jwt.fields().subjects()).await?;
        Ok(RecordDetail {
            summary: record_summary(&row, &sd_jwt)?,
            claims: sd_jwt.claims().clone(),
            rulings: rulings(authoriser.bundle(), &sd_jwt),
            fields: presented.fields,
            source_file: row.source.file,
            source_row: row.source.row,
        })
    }
}

/// The purpose under which a body keeps its own records; every bundle has it, as the loader checks.
fn own_records_purpose() -> Result<PurposeCode> {
    Ok("own-records".parse()?)
}

/// What a list shows of a record.
fn record_summary(row: &RecordRow, sd_jwt: &VerifiedRecord) -> Result<RecordSummary> {
    let claims = sd_jwt.claims();
    Ok(RecordSummary {
        id: row.id,
        record_type: RecordType::from_vct(&claims.vct)?,
        category: claims.category,
        severity: claims.severity,
        state: row.state,
        determined_on: claims.determined_on,
        subject_name: sd_jwt.fields().subject_name().unwrap_or_default().to_owned(),
        subject: sd_jwt.fields().subject().map(|subject| subject.masked()),
        batch: row.batch,
    })
}

fn first_half(hash: &[u8; 32]) -> [u8; 16] {
    let mut half = [0_u8; 16];
    half.copy_from_slice(&hash[..16]);
    half
}
/// A record keeps the version of the rules that governed it when it was signed; those of another version may say otherwise.
/// Severity and publicity are the federation's alone, so an overlay of then or now, after the plus sign, does not matter.
fn rulings(bundle: &Bundle, record: &VerifiedRecord) -> Option<RecordRulings> {
    let claims = record.claims();
    let base = claims.rules.split('+').next().unwrap_or_default();
    if base != bundle.base().rules_version() {
        return None;
    }
    let severity = bundle.severity_for(record.fields(), record.subject_kind());
    let publicity = bundle.publicity_ruled(record.record_type(), &severity, claims.determined_on);
    Some(RecordRulings { severity, publicity })
}
