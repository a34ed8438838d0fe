//! Operator accounts: who of the operating system's users may act, in which roles.

use chengxin_schemas::operator::{OperatorName, Role};
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Operators`].
    OperatorListSchema = "operators/v1"
}
schema_tag! {
    /// Tag of [`OperatorDocument`].
    OperatorSchema = "operator/v1"
}

/// What `GET /api/v1/operators` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operators {
    /// The tag.
    pub schema: OperatorListSchema,
    /// The accounts by name.
    pub operators: Vec<Operator>,
}

/// What adding or disabling an account answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDocument {
    /// The tag.
    pub schema: OperatorSchema,
    /// The account as it now is.
    #[serde(flatten)]
    pub operator: Operator,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Its name.
    pub name: OperatorName,
    /// The person's name, for colleagues; never sent to peers.
    pub display_name: String,
    /// Number of the operating system's user who may act under it.
    pub uid: u32,
    /// What it may be.
    pub roles: Vec<Role>,
    /// Whether it may act.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Moment,
    /// Who made it; absent for the accounts made when the node was set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<OperatorName>,
}

/// What `POST /api/v1/operators` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorAddRequest {
    /// The account's name.
    pub name: OperatorName,
    /// The person's name, for colleagues.
    pub display_name: String,
    /// Number of the operating system's user.
    pub uid: u32,
    /// One to six roles that one person may hold together (三员分立).
    pub roles: Vec<Role>,
}
