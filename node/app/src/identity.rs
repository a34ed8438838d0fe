//! Who the node is, as `init` wrote it down: agency, name, region, functions, addresses.

use chengxin_api::bounded_file::text_read;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::region::RegionCode;
use serde::{Deserialize, Serialize};

use crate::error::AppError;
use crate::home::{Home, file_create};

/// Longest identity file: a name, a few functions and addresses come to less than 4 KiB.
const IDENTITY_LIMIT: u64 = 64 * 1024;

/// The content of `node.toml`, version 1. What counts for peers is the directory entry; this is what the node applies
/// for membership with, and how it recognises its own entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeIdentity {
    pub(crate) schema: IdentitySchema,
    pub(crate) agency: AgencyCode,
    pub(crate) name: String,
    pub(crate) region: RegionCode,
    pub(crate) functions: Vec<FunctionCode>,
    /// Addresses peers reach the node under.
    pub(crate) advertise: Vec<String>,
    /// age recipient of the offline recovery key.
    pub(crate) recovery_recipient: String,
}

/// The version tag of [`NodeIdentity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IdentitySchema {
    #[serde(rename = "chengxin/node/v1")]
    V1,
}

impl NodeIdentity {
    pub(crate) fn create(&self, home: &Home) -> Result<(), AppError> {
        let path = home.identity();
        let text = toml::to_string(self)
            .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
        file_create(&path, 0o644, text.as_bytes())
    }

    pub(crate) fn read(home: &Home) -> Result<Self, AppError> {
        let path = home.identity();
        if !path.exists() {
            return Err(AppError::State {
                what: format!("{} holds no node", home.path().display()),
                fix: "make one with chengxin init, or name its folder with --home",
                code: chengxin_schemas::ErrorCode::NotFound,
            });
        }
        let text = text_read(&path, IDENTITY_LIMIT)?;
        toml::from_str(&text)
            .map_err(|error| AppError::FileContent { path, reason: error.message().to_owned() })
    }
}
