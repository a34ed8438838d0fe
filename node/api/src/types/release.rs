//! Releases of checks by another person of the body.

use chengxin_schemas::identity::{CaseReference, ReleaseId};
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Releases`].
    ReleaseListSchema = "releases/v1"
}
schema_tag! {
    /// Tag of [`ReleaseDocument`].
    ReleaseSchema = "release/v1"
}

/// What `POST /api/v1/releases` takes: the check to be released, as it will be made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// About whom, as a clerk types it.
    pub subject: String,
    /// Why a code whose check character is wrong is taken all the same, as in the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The subject's name, if it is to be searched for as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file.
    pub case_reference: CaseReference,
    /// Under which law, where the purpose alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
}

/// Shows purpose and case only: the subject may be a person.
impl std::fmt::Debug for ReleaseRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReleaseRequest")
            .field("purpose", &self.purpose)
            .field("case_reference", &self.case_reference)
            .finish_non_exhaustive()
    }
}

/// What `POST /api/v1/releases/{release}/decision` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDecisionRequest {
    /// Why it is refused, 2 to 200 characters on one line; absent to give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What `GET /api/v1/releases` answers: the caller's own and those that the caller may decide, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// The tag.
    pub schema: ReleaseListSchema,
    /// The releases that are open, or decided and not over.
    pub releases: Vec<Release>,
}

/// What asking for a release and deciding one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDocument {
    /// The tag.
    pub schema: ReleaseSchema,
    /// The release as it is after that.
    #[serde(flatten)]
    pub release: Release,
}

/// Where a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Nobody has decided.
    Open,
    /// One check can be made with it.
    Given,
    /// It was refused.
    Refused,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its number.
    pub release: ReleaseId,
    /// Where it is.
    pub state: ReleaseState,
    /// About whom the check is, a person's number masked.
    pub subject: String,
    /// The name that is to be searched for as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The purpose's name in Chinese, if the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_name: Option<String>,
    /// The purpose's name in English, if the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_name_en: Option<String>,
    /// The open file.
    pub case_reference: CaseReference,
    /// Under which law, where the purpose alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// Who wants to check.
    pub asked_by: OperatorName,
    /// Since when.
    pub asked_at: Moment,
    /// When it ends, whatever its state.
    pub until: Moment,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<OperatorName>,
    /// In which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_as: Option<Role>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Moment>,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
