//! Restrictions in force against one subject.

use serde::{Deserialize, Serialize};

use super::check::Restriction;
use super::schema_tag;

schema_tag! {
    /// Tag of [`Restrictions`].
    RestrictionListSchema = "restrictions/v1"
}

/// What `GET /api/v1/restrictions` takes in its query string.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestrictionQuery {
    /// About whom, as a clerk types it.
    pub subject: String,
    /// Why the subject's code is right although its check is not, in the caller's words, who vouches for it so: a code that is
    /// printed so on the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
}

/// What `GET /api/v1/restrictions` answers: what this node holds, issued or received. It asks nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restrictions {
    /// The tag.
    pub schema: RestrictionListSchema,
    /// The subject, a person's number masked.
    pub subject: String,
    /// The restrictions.
    pub restrictions: Vec<Restriction>,
    /// Whether there are too many notices about the subject to look at or to list: there may be more restrictions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}
