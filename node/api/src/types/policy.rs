//! The policy in force: its codes, one decision explained, the whole decision table.

use chengxin_policy::SanctionObject;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::{BreachSeverity, ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};

use super::record::FieldShown;
use super::schema_tag;

schema_tag! {
    /// Tag of [`Policy`].
    PolicySchema = "policy/v1"
}
schema_tag! {
    /// Tag of [`PolicyExplanation`].
    PolicyExplanationSchema = "policy-explanation/v1"
}
schema_tag! {
    /// Tag of [`PolicyTable`].
    PolicyTableSchema = "policy-table/v1"
}

/// What `GET /api/v1/policy` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The tag.
    pub schema: PolicySchema,
    /// Its version.
    pub version: String,
    /// Purposes a query can have.
    pub purposes: Vec<PurposeEntry>,
    /// Measures a notice can name.
    pub measures: Vec<MeasureEntry>,
    /// Functions a body can have.
    #[serde(default)]
    pub functions: Vec<FunctionEntry>,
}

/// A function of public bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionEntry {
    /// Its code, as directory entries carry it.
    pub code: FunctionCode,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// Where it is named.
    pub source: String,
    /// Whether that was read in the text.
    pub verified: bool,
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeEntry {
    /// Its code.
    pub code: PurposeCode,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// The requirement that asks for it.
    pub requirement: String,
    /// The law a request rests on when it cites none; absent where the asker must cite one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// Roles that may act under it.
    pub roles: Vec<Role>,
    /// Whether an open file must be named.
    pub case_reference: bool,
    /// Whether the subject must have authorised the query in writing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subject_authorisation: bool,
    /// Whether another person of the asking body must have released the query.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_person: bool,
    /// How many requests one operator may make under it in one day; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_limit: Option<u32>,
    /// How many one body may make, all its operators together; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_limit_body: Option<u32>,
}

/// A sanction measure against one kind of subject; a measure that strikes several kinds has an entry for each, because
/// its basis differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureEntry {
    /// Its code.
    pub code: MeasureCode,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// Whom it strikes.
    pub object: SanctionObject,
    /// The mildest breach that can bear it.
    pub severity_floor: BreachSeverity,
    /// The law it rests on; absent where the issuer must cite one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// The document that lists it.
    pub document: String,
    /// Whether measure, kind and basis were read in the document.
    pub verified: bool,
}

/// What `POST /api/v1/policy/explain` takes: a query as it might be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyExplainRequest {
    /// In which role.
    pub role: Role,
    /// For what.
    pub purpose: PurposeCode,
    /// About which category.
    pub category: InformationCategory,
    /// About which kind of subject; without it about the only kind that the purpose concerns, else about an
    /// organisation. The answer repeats the question with the kind that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_kind: Option<SubjectKind>,
    /// About records of which type; fields are explained only when it is given.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<RecordType>,
}

/// What `POST /api/v1/policy/explain` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyExplanation {
    /// The tag.
    pub schema: PolicyExplanationSchema,
    /// What was asked.
    pub question: PolicyExplainRequest,
    /// Whether it is permitted.
    pub permitted: bool,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in Chinese.
    pub reason_zh: String,
    /// Why, in English.
    pub reason_en: String,
    /// What such a query would need: what it has to state beside role, purpose and category, which the decision above takes
    /// as stated; or, where the rules deny, which purposes would do. Absent where nothing is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Needed>,
    /// What would be shown of each field of a record about a subject of this kind.
    pub fields: Vec<FieldExplanation>,
    /// Version of the policy.
    pub policy: String,
}

/// What a query would need to be permitted. Empty where nothing that the asker may state would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// What the purpose demands: `case-reference`, `legal-basis`, `subject-authorisation`, `second-person`. Empty where the rules deny.
    pub conditions: Vec<String>,
    /// Where the rules deny: purposes under which they would permit the same query.
    pub purposes: Vec<NeededPurpose>,
    /// Whether there are more purposes than are named.
    pub more: bool,
}

/// A purpose that would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededPurpose {
    /// Its code.
    pub code: PurposeCode,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// What it demands of every query: `case-reference`, `legal-basis`, `subject-authorisation`, `second-person`.
    pub conditions: Vec<String>,
}

/// What would be shown of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldExplanation {
    /// Name in machine output.
    pub name: String,
    /// Label of the national template.
    pub label: String,
    /// Its level.
    pub level: ClassificationLevel,
    /// How much of it.
    pub shown: FieldShown,
    /// Why it is masked or withheld, in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_zh: Option<String>,
    /// Why it is masked or withheld, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_en: Option<String>,
}

/// What `GET /api/v1/policy/table` takes in its query string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTableQuery {
    /// Only this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Only this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<PurposeCode>,
}

/// What `GET /api/v1/policy/table` answers: every cell role × purpose × kind of subject × category × level for questions
/// of this node's own agency, for the kinds that each purpose concerns. The table for every kind of body is committed beside the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTable {
    /// The tag.
    pub schema: PolicyTableSchema,
    /// Version of the policy.
    pub policy: String,
    /// The cells.
    pub cells: Vec<PolicyCell>,
}

/// One cell of the decision table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyCell {
    /// The role.
    pub role: Role,
    /// The purpose.
    pub purpose: PurposeCode,
    /// The kind of subject.
    pub subject_kind: SubjectKind,
    /// The category.
    pub category: InformationCategory,
    /// The level of the field.
    pub level: ClassificationLevel,
    /// `show`, `mask` or `withhold`.
    pub decision: String,
    /// The rule that decided.
    pub rule: String,
}
