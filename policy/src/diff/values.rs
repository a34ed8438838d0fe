//! Values of two bundles' files side by side. The files are read as tables, not as what they mean, so that a kind of file
//! of a later format is compared too; what a change of a rule or a purpose decides stands in the cells.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Bundle;
use crate::error::PolicyError;

/// An entry of a bundle's file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueChange {
    /// Name of the file within the bundle.
    pub file: String,
    /// The entry by its code, id or name; empty for what stands in the file itself.
    pub entry: String,
    /// How it differs.
    pub kind: ValueChangeKind,
}

/// How an entry differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// One of its values differs; of a list, what was taken out and what came in.
    Changed {
        /// The value's name, a dotted path.
        field: String,
        /// Before; None if it was not there.
        from: Option<String>,
        /// After; None if it is not there any longer.
        to: Option<String>,
    },
}

/// Files that say how the bundle is called or prove it, and so differ without anything being decided otherwise.
const ASIDE: [&str; 1] = ["bundle.toml"];
/// How the name of an overlay's manifest ends, beside those of the bundle's files, and its one value that is compared.
const MANIFEST_END: &str = "/overlay.toml";
const BASIS: &str = "basis";
/// Keys that say on what an entry rests.
const PROOFS: [&str; 3] = ["source", "verified", "missing"];
/// Between parts of a path and between the keys of an entry.
const DOT: &str = ".";
/// Keys that name an entry, the first ones there are; two of them where one is not enough.
const NAMES: [&[&str]; 6] = [&["record_type", "name"], &["code"], &["id"], &["name"], &["object"], &["year"]];

/// A value of a file: one text, or a list of texts.
#[derive(Clone, PartialEq, Eq)]
enum Value {
    One(String),
    List(BTreeSet<String>),
}

/// Entries of a file with their values by path.
type Entries = BTreeMap<String, BTreeMap<String, Value>>;

pub(super) fn values_compare(old: &Bundle, new: &Bundle) -> Result<Vec<ValueChange>, PolicyError> {
    let [old, new] = [texts(old), texts(new)];
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for name in names.into_iter().filter(|name| !ASIDE.contains(&name.as_str())) {
        let [before, after] = [&old, &new].map(|side| side.get(name).copied().unwrap_or_default());
        if before != after {
            let (before, after) = (entries(name, before)?, entries(name, after)?);
            let before = match base_name(name) {
                None => before,
                Some(base) => {
                    base_fill(before, &after, &entries(base, new.get(base).copied().unwrap_or_default())?)
                }
            };
            entries_compare(name, &before, &after, &mut changes);
        }
    }
    Ok(changes)
}

/// The file of the bundle whose entries one of an overlay's changes.
fn base_name(name: &str) -> Option<&'static str> {
    let of_overlay = name.strip_prefix("overlay/")?;
    ["purposes.toml", "classification.toml"].into_iter().find(|base| of_overlay.ends_with(base))
}

/// What an overlay's entries stand for where there was none before: the values of the bundle that they take the place of.
/// What proves an entry is not compared with what proves another.
fn base_fill(mut before: Entries, after: &Entries, base: &Entries) -> Entries {
    for (entry, values) in after {
        if before.contains_key(entry) {
            continue;
        }
        let Some(held) = base.get(entry) else { continue };
        let own = values.iter().map(|(field, value)| match PROOFS.contains(&field.as_str()) {
            true => Some((field.clone(), value.clone())),
            false => held.get(field).map(|value| (field.clone(), value.clone())),
        });
        before.insert(entry.clone(), own.flatten().collect());
    }
    before
}

/// The files of a bundle, and those of an overlay under the names that set them apart.
fn texts(bundle: &Bundle) -> BTreeMap<String, &str> {
    let mut texts: BTreeMap<String, &str> =
        bundle.files().iter().map(|(name, text)| (name.to_owned(), text)).collect();
    if let Some(overlay) = bundle.overlay() {
        texts.extend(overlay.files.iter().map(|(name, text)| (overlay.file_name(name), text)));
    }
    texts
}

fn entries_compare(file: &str, before: &Entries, after: &Entries, changes: &mut Vec<ValueChange>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for entry in names {
        let mut push = |kind| changes.push(ValueChange { file: file.to_owned(), entry: entry.clone(), kind });
        match (before.get(entry), after.get(entry)) {
            (Some(_), None) => push(ValueChangeKind::Removed),
            (None, Some(_)) => push(ValueChangeKind::Added),
            (None, None) => {}
            (Some(old), Some(new)) => {
                let fields: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for field in fields.into_iter().filter(|field| old.get(*field) != new.get(*field)) {
                    let (from, to) = sides(old.get(field), new.get(field));
                    push(ValueChangeKind::Changed { field: field.clone(), from, to });
                }
            }
        }
    }
}

/// Of two lists only what differs.
fn sides(old: Option<&Value>, new: Option<&Value>) -> (Option<String>, Option<String>) {
    let whole = |value: &Value| match value {
        Value::One(text) => text.clone(),
        Value::List(texts) => texts.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    match (old, new) {
        (Some(Value::List(old)), Some(Value::List(new))) => {
            let without = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                let texts: Vec<String> = one.difference(other).cloned().collect();
                (!texts.is_empty()).then(|| texts.join(", "))
            };
            (without(old, new), without(new, old))
        }
        (old, new) => (old.map(whole), new.map(whole)),
    }
}

fn entries(name: &str, text: &str) -> Result<Entries, PolicyError> {
    let mut entries = Entries::new();
    if text.is_empty() {
        return Ok(entries);
    }
    let unreadable =
        || PolicyError::file(name, None, "not readable", "load the bundle before it is compared");
    if name.ends_with(".toml") {
        // How an overlay is called stands aside as for a bundle; what it rests on does not.
        let is_manifest = name.ends_with(MANIFEST_END);
        let table: toml::Table = text.parse().map_err(|_| unreadable())?;
        for (key, value) in table {
            if is_manifest && key != BASIS {
                continue;
            }
            match value {
                toml::Value::Array(items) if items.iter().all(toml::Value::is_table) => {
                    for (place, item) in items.into_iter().enumerate() {
                        if let toml::Value::Table(item) = item {
                            let values = entries.entry(entry_name(&item, place)).or_default();
                            table_flatten(item, "", values);
                        }
                    }
                }
                other => value_flatten(other, &key, entries.entry(String::new()).or_default()),
            }
        }
    } else if name.ends_with(".csv") {
        rules_flatten(text, &mut entries).ok_or_else(unreadable)?;
    } else {
        let lines = Value::One(text.to_owned());
        entries.entry(String::new()).or_default().insert("text".to_owned(), lines);
    }
    Ok(entries)
}

/// One entry a line, called by its first field.
fn rules_flatten(text: &str, entries: &mut Entries) -> Option<()> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().ok()?.clone();
    for record in reader.records() {
        let record = record.ok()?;
        let values = entries.entry(record.get(0)?.to_owned()).or_default();
        for (field, value) in header.iter().zip(record.iter()).skip(1) {
            values.insert(field.to_owned(), Value::One(value.to_owned()));
        }
    }
    Some(())
}

fn entry_name(item: &toml::Table, place: usize) -> String {
    for keys in NAMES {
        let texts: Vec<String> = keys.iter().filter_map(|key| item.get(*key).map(scalar)).collect();
        if texts.len() == keys.len() {
            return texts.join(DOT);
        }
    }
    format!("#{}", place.saturating_add(1))
}

fn table_flatten(table: toml::Table, path: &str, values: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if path.is_empty() { key } else { format!("{path}{DOT}{key}") };
        value_flatten(value, &path, values);
    }
}

fn value_flatten(value: toml::Value, path: &str, values: &mut BTreeMap<String, Value>) {
    match value {
        toml::Value::Table(table) => table_flatten(table, path, values),
        toml::Value::Array(items) if !items.is_empty() && items.iter().all(toml::Value::is_table) => {
            for (place, item) in items.into_iter().enumerate() {
                if let toml::Value::Table(item) = item {
                    let path = format!("{path}{DOT}{}", entry_name(&item, place));
                    table_flatten(item, &path, values);
                }
            }
        }
        toml::Value::Array(items) => {
            values.insert(path.to_owned(), Value::List(items.iter().map(scalar).collect()));
        }
        other => {
            values.insert(path.to_owned(), Value::One(scalar(&other)));
        }
    }
}

/// A text without its quotes, anything else as TOML writes it.
fn scalar(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
