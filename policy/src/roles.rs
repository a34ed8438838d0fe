//! `roles.toml`: names of the roles and which role includes which.

use chengxin_schemas::operator::Role;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::entries::Entry;
use crate::error::PolicyError;

const FILE: &str = "roles.toml";

/// A role as the bundle knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The role.
    pub role: Role,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// Roles whose rules hold for this one too.
    pub includes: Vec<Role>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    role: Vec<RawRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    code: Spanned<Role>,
    chinese: String,
    english: String,
    #[serde(default)]
    includes: Vec<Spanned<Role>>,
}

/// Every role of the vocabulary exactly once. A role that is included includes nothing: casbin answers false without
/// a word for chains of ten links, and a cycle would make roles equal.
pub(crate) fn roles_parse(text: &str) -> Result<Vec<RoleDefinition>, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    let mut roles: Vec<RoleDefinition> = Vec::new();
    for entry in &raw.role {
        let role = *entry.code.get_ref();
        Entry::new(FILE, text, "role", role.as_str(), &entry.code).titles(&entry.chinese, &entry.english)?;
        if roles.iter().any(|known| known.role == role) {
            return Err(error_at(FILE, text, &entry.code, format!("role {role} stands twice"), "keep one"));
        }
        for included in &entry.includes {
            let other = *included.get_ref();
            let chained =
                raw.role.iter().any(|next| *next.code.get_ref() == other && !next.includes.is_empty());
            if other == role || chained || role.is_administrator() || other.is_administrator() {
                return Err(error_at(
                    FILE,
                    text,
                    included,
                    format!("role {role} may not include {other}"),
                    "include roles that include nothing themselves; administrators include nobody and are included by nobody",
                ));
            }
        }
        roles.push(RoleDefinition {
            role,
            chinese: entry.chinese.clone(),
            english: entry.english.clone(),
            includes: entry.includes.iter().map(|included| *included.get_ref()).collect(),
        });
    }
    match Role::ALL.iter().find(|role| !roles.iter().any(|known| known.role == **role)) {
        Some(missing) => Err(PolicyError::file(FILE, None, format!("role {missing} is missing"), "add it")),
        None => Ok(roles),
    }
}
