//! The settings of a node and where each comes from. Secrets are file paths and therefore can be shown.

use serde::{Deserialize, Serialize};

use super::schema_tag;

schema_tag! {
    /// Tag of [`Config`].
    ConfigSchema = "config/v1"
}

/// What `GET /api/v1/config` answers, and what `config show` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The tag.
    pub schema: ConfigSchema,
    /// Every setting, by key.
    pub settings: Vec<Setting>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Dotted key, as in the file.
    pub key: String,
    /// Its value, as TOML would spell it.
    pub value: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where a setting comes from. A later kind in this list is beaten by an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "origin", content = "where", rename_all = "snake_case")]
pub enum Origin {
    /// A flag of the command.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A file, with the line if known.
    File(String),
    /// Built in.
    Default,
}
