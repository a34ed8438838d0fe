//! What the libraries say, in Chinese. Libraries speak English only; this is the one place that translates their
//! words, so that the node and the command line tell the same fault in the same words.
//!
//! A table holds templates: an English text with holes `{}`, and its Chinese with the same holes numbered `{0}`, `{1}`
//! in the order of the English. A hole that holds words of the program says which; how a text is read against the
//! templates stands in `template.rs`. A test (`sources/`) reads the sources and fails for each text that no table knows.

use std::sync::LazyLock;

use chengxin_schemas::SchemaError;

mod app;
mod audit_log;
mod audit_words;
mod exchange;
mod lists;
mod network;
mod policy;
mod policy_reasons;
mod schemas;
mod shared;
#[cfg(test)]
mod sources;
mod store;
mod surface;
mod system;
mod template;
mod trust;

pub use audit_words::{audit_event, audit_outcome};
pub(crate) use lists::import_state;
use template::Dictionary;

/// One table for each crate that speaks, and those that several share.
const TABLES: &[&[(&str, &str)]] = &[
    app::TEXTS,
    audit_log::TEXTS,
    exchange::TEXTS,
    network::TEXTS,
    policy::TEXTS,
    policy_reasons::TEXTS,
    schemas::TEXTS,
    shared::TEXTS,
    store::TEXTS,
    surface::TEXTS,
    system::TEXTS,
    trust::TEXTS,
];

static TO_CHINESE: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::new(TABLES.iter().copied().flatten().copied(), lists::names()));

/// Only what a policy decides travels between nodes in Chinese, so only that is ever told the other way round.
static TO_ENGLISH: LazyLock<Dictionary> = LazyLock::new(|| {
    let swapped = |(english, chinese)| (chinese, english);
    Dictionary::new(
        policy_reasons::TEXTS.iter().copied().map(swapped),
        lists::names()
            .into_iter()
            .map(|(list, names)| (list, names.into_iter().map(swapped).collect()))
            .collect(),
    )
});

/// A library's message in Chinese, link by link: messages read `field: reason; fix` or `what: cause: cause`. None if
/// no link is known; a link that is not known stays as it is.
pub fn message(english: &str) -> Option<String> {
    TO_CHINESE.message(english)
}

/// One text in Chinese, if the whole of it is known.
pub fn phrase(english: &str) -> Option<String> {
    TO_CHINESE.whole(english)
}

/// A reason that another node gave in Chinese, in English. None if no link is known.
pub fn english(chinese: &str) -> Option<String> {
    TO_ENGLISH.message(chinese)
}

/// A message in Chinese as far as it is known, else as it is.
pub fn message_or_same(english: &str) -> String {
    message(english).unwrap_or_else(|| english.to_owned())
}

/// What a schema error says: detail, field and fix in English and Chinese.
#[derive(Clone, Debug)]
pub struct SchemaWords {
    /// What is wrong, in English and Chinese.
    pub detail: (String, String),
    /// The field.
    pub field: Option<&'static str>,
    /// What to do, in English and Chinese.
    pub fix: Option<(&'static str, String)>,
}

/// Takes a schema error apart. A field keeps its name: people typed it so.
pub fn schema_words(error: &SchemaError) -> SchemaWords {
    match error {
        SchemaError::Field { field, reason, fix } => SchemaWords {
            detail: (format!("{field}: {reason}"), format!("{field}: {}", message_or_same(reason))),
            field: Some(field),
            fix: Some((fix, message_or_same(fix))),
        },
        SchemaError::TooLarge { what, .. } => {
            let english = error.to_string();
            SchemaWords { detail: (english.clone(), message_or_same(&english)), field: Some(what), fix: None }
        }
        SchemaError::Malformed { .. }
        | SchemaError::Integrity { .. }
        | SchemaError::Expired { .. }
        | SchemaError::Key { .. } => {
            let english = error.to_string();
            SchemaWords { detail: (english.clone(), message_or_same(&english)), field: None, fix: None }
        }
    }
}

#[cfg(test)]
mod tests;
