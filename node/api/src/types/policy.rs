//! The policy in force: its codes, one decision explained, the whole decision table.

use chengxin_schemas::catalogue::{CatalogueItemCode, MeasureCode};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
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
    /// Items of the catalogue.
    pub catalogue: Vec<CatalogueEntry>,
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeEntry {
    /// Its code.
    pub code: PurposeCode,
    /// Its name in Chinese.
    pub name: String,
    /// The document it rests on.
    pub source: String,
}

/// A sanction measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureEntry {
    /// Its code.
    pub code: MeasureCode,
    /// Its name in Chinese.
    pub name: String,
    /// The document it rests on.
    pub source: String,
}

/// An item of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// Its code.
    pub code: CatalogueItemCode,
    /// Its name in Chinese.
    pub name: String,
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
    /// What would be shown of each field.
    pub fields: Vec<FieldExplanation>,
    /// Version of the policy.
    pub policy: String,
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
    /// The rule.
    pub rule: String,
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

/// What `GET /api/v1/policy/table` answers: every cell role × purpose × category × level.
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
    pub role: String,
    /// The purpose.
    pub purpose: String,
    /// The category.
    pub category: String,
    /// The level of the field.
    pub level: String,
    /// `show`, `mask`, `withhold` or `deny`.
    pub decision: String,
    /// The rule that decided.
    pub rule: String,
}
