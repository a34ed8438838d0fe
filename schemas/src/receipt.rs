//! A signed receipt: what the recipient of a notice did with it.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::catalogue::MeasureCode;
use crate::digest::Sha256;
use crate::identity::NoticeId;
use crate::time::UnixTime;

/// JOSE `typ` of a receipt.
pub const RECEIPT_TYP: &str = "chengxin-receipt+jwt";

/// Claims of a receipt JWS, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptClaims {
    /// The recipient of the notice, which signs.
    pub iss: AgencyCode,
    /// The issuer of the notice.
    pub aud: AgencyCode,
    /// When it was signed.
    pub iat: UnixTime,
    /// Position in the stream from issuer to recipient.
    pub sequence: u64,
    /// Digest of the delivered item.
    pub item: Sha256,
    /// Version of the policy that recognised or declined.
    pub policy: String,
    /// What was done.
    pub outcome: ReceiptOutcome,
}

/// What the recipient did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReceiptOutcome {
    /// Opened, verified and decided, measure by measure.
    Processed {
        /// The notice.
        notice: NoticeId,
        /// Its version.
        version: u32,
        /// The decision on each measure, in the notice's order.
        measures: Vec<MeasureOutcome>,
    },
    /// Kept, but not a notice this node can accept.
    Rejected {
        /// Why, in words.
        reason: String,
    },
}

/// The decision on one measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureOutcome {
    /// The measure.
    pub measure: MeasureCode,
    /// What was decided.
    pub decision: MeasureDecision,
}

/// Applied, lifted, or not. The kinds without content are empty structures: serde refuses unknown members only there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MeasureDecision {
    /// In force at the recipient.
    Applied {},
    /// No longer in force at the recipient.
    Lifted {},
    /// Known and lawful, but not among what this body does.
    NotApplicable {
        /// Which rule says so.
        reason: String,
    },
    /// Refused; the reason goes back to the issuer.
    Declined {
        /// Why.
        reason: String,
    },
    /// A newer version of the notice was already there.
    Superseded {},
}
