//! Names of the federation's files. A name is parsed into a value before it touches a disk, so a name from a peer
//! can never point outside the folder.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::{Sha256, hex_decode, hex_encode};
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::region::RegionCode;

use crate::error::TrustError;
use crate::limits;

/// The four roles of TUF metadata (TUF 1.0.34 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Names the keys of all roles; signed by k of n coordinators, offline.
    Root,
    /// Lists members and contents.
    Targets,
    /// Ties the versions together.
    Snapshot,
    /// Short-lived: says which snapshot is the current one.
    Timestamp,
}

impl Role {
    /// Largest file of the role, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Root => limits::ROOT_LIMIT,
            Self::Targets => limits::TARGETS_LIMIT,
            Self::Snapshot => limits::SNAPSHOT_LIMIT,
            Self::Timestamp => limits::TIMESTAMP_LIMIT,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        })
    }
}

/// Something published to all members beside the directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ContentName {
    /// A part of a policy: of the federation's bundle below `policy/`, of a league's or city's overlay below
    /// `policy/overlay/150100/`.
    Policy(PolicyScope, PolicyPart),
    /// The calendar of working days of a year, `calendar/2026.json`.
    Calendar(u16),
}

/// What is published of a policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PolicyPart {
    /// The one that decides until the next one takes effect, `bundle.json`.
    Bundle,
    /// The one published last, `next.json`: beside the other until it takes effect, and after.
    Next,
    /// From when each of the two decides, and who approved it, `schedule.json`.
    Schedule,
}

impl PolicyPart {
    const ALL: [Self; 3] = [Self::Bundle, Self::Next, Self::Schedule];

    fn file(self) -> &'static str {
        match self {
            Self::Bundle => "bundle.json",
            Self::Next => "next.json",
            Self::Schedule => "schedule.json",
        }
    }
}

/// A target path that this version understands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TargetPath {
    /// A member's entry, `directory/<region>/<agency>.json`.
    Entry {
        /// The region in the path; a regional coordinator will be limited to it.
        region: RegionCode,
        /// The member.
        agency: AgencyCode,
    },
    /// A published content.
    Content(ContentName),
}

impl TargetPath {
    /// Parses a target path. `Ok(None)` means a kind of target of a later version, which this one leaves alone; a
    /// broken path under `directory/` is an error, because an entry that cannot be read is a member that is missing.
    pub fn parse(text: &str) -> Result<Option<Self>, TrustError> {
        if let Some(rest) = text.strip_prefix("directory/") {
            return Self::parse_entry(rest).map(Some).ok_or_else(|| TrustError::Entry {
                path: text.chars().take(80).filter(|character| !character.is_control()).collect(),
                reason: "the path is not directory/<region>/<agency>.json".to_owned(),
            });
        }
        if let Some(name) = text.strip_prefix("policy/").and_then(Self::parse_policy) {
            return Ok(Some(Self::Content(name)));
        }
        let year =
            text.strip_prefix("calendar/").and_then(|rest| rest.strip_suffix(".json")).and_then(year_parse);
        Ok(year.map(|year| Self::Content(ContentName::Calendar(year))))
    }

    fn parse_entry(rest: &str) -> Option<Self> {
        let (region, file) = rest.split_once('/')?;
        let code = file.strip_suffix(".json")?;
        let agency = code.parse::<AgencyCode>().ok().filter(|agency| agency.as_str() == code)?;
        Some(Self::Entry { region: RegionCode::parse(region).ok()?, agency })
    }

    fn parse_policy(rest: &str) -> Option<ContentName> {
        let (scope, file) = match rest.strip_prefix("overlay/") {
            None => (PolicyScope::Federation, rest),
            Some(rest) => {
                let (region, file) = rest.split_once('/')?;
                let region = RegionCode::parse(region).ok().filter(|region| region.is_league_or_city())?;
                (PolicyScope::Region(region), file)
            }
        };
        let part = PolicyPart::ALL.into_iter().find(|part| part.file() == file)?;
        Some(ContentName::Policy(scope, part))
    }

    /// Largest file of this kind, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Entry { .. } => limits::ENTRY_LIMIT,
            Self::Content(ContentName::Policy(PolicyScope::Region(_), _)) => limits::OVERLAY_LIMIT,
            Self::Content(_) => limits::CONTENT_LIMIT,
        }
    }

    fn folder_and_file(self) -> (String, String) {
        match self {
            Self::Entry { region, agency } => (format!("directory/{region}"), format!("{agency}.json")),
            Self::Content(ContentName::Policy(scope, part)) => {
                let folder = match scope {
                    PolicyScope::Federation => "policy".to_owned(),
                    PolicyScope::Region(region) => format!("policy/overlay/{region}"),
                };
                (folder, part.file().to_owned())
            }
            Self::Content(ContentName::Calendar(year)) => ("calendar".to_owned(), format!("{year}.json")),
        }
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, file) = self.folder_and_file();
        write!(formatter, "{folder}/{file}")
    }
}

/// The name under which a file is fetched, served and stored (TUF consistent snapshots, §6.2): versions stand before
/// the names of metadata, hashes before the names of targets, so every file but the timestamp never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FileName {
    /// `timestamp.json`
    Timestamp,
    /// `<version>.root.json`
    Root(u64),
    /// `<version>.snapshot.json`
    Snapshot(u64),
    /// `<version>.targets.json`
    Targets(u64),
    /// `<folder>/<sha256>.<file>`
    Target(TargetPath, Sha256),
}

impl FileName {
    /// Largest file of this kind, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Timestamp => Role::Timestamp.limit(),
            Self::Root(_) => Role::Root.limit(),
            Self::Snapshot(_) => Role::Snapshot.limit(),
            Self::Targets(_) => Role::Targets.limit(),
            Self::Target(path, _) => path.limit(),
        }
    }

    /// Where the file lies below a repository's or a trust store's folder.
    pub(crate) fn relative_path(self) -> PathBuf {
        let folder = match self {
            Self::Target(..) => "targets",
            Self::Timestamp | Self::Root(_) | Self::Snapshot(_) | Self::Targets(_) => "metadata",
        };
        PathBuf::from(folder).join(self.to_string())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp => formatter.write_str("timestamp.json"),
            Self::Root(version) => write!(formatter, "{version}.root.json"),
            Self::Snapshot(version) => write!(formatter, "{version}.snapshot.json"),
            Self::Targets(version) => write!(formatter, "{version}.targets.json"),
            Self::Target(path, digest) => {
                let (folder, file) = path.folder_and_file();
                write!(formatter, "{folder}/{}.{file}", hex_encode(&digest.0))
            }
        }
    }
}

impl FromStr for FileName {
    type Err = TrustError;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, TrustError> {
        parse_file_name(text)
            .ok_or_else(|| TrustError::malformed("a file name", "no file of a federation is called so"))
    }
}

fn parse_file_name(text: &str) -> Option<FileName> {
    if let Some((folder, file)) = text.rsplit_once('/') {
        let (digest, file) = file.split_once('.')?;
        let path = TargetPath::parse(&format!("{folder}/{file}")).ok()??;
        return Some(FileName::Target(path, Sha256(hex_decode::<32>(digest)?)));
    }
    if text == "timestamp.json" {
        return Some(FileName::Timestamp);
    }
    let (version, role) = text.split_once('.')?;
    let version = version_parse(version)?;
    match role {
        "root.json" => Some(FileName::Root(version)),
        "snapshot.json" => Some(FileName::Snapshot(version)),
        "targets.json" => Some(FileName::Targets(version)),
        _ => None,
    }
}

/// A decimal number from 1 without leading zeros.
fn version_parse(text: &str) -> Option<u64> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn year_parse(text: &str) -> Option<u16> {
    version_parse(text).and_then(|year| u16::try_from(year).ok()).filter(|year| (1949..=2999).contains(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [
            "timestamp.json".to_owned(),
            "1.root.json".to_owned(),
            "18446744073709551615.targets.json".to_owned(),
            "7.snapshot.json".to_owned(),
            format!("directory/150100/{DIGEST}.11152105011615449P.json"),
            format!("policy/{DIGEST}.bundle.json"),
            format!("policy/{DIGEST}.next.json"),
            format!("policy/{DIGEST}.schedule.json"),
            format!("policy/overlay/150100/{DIGEST}.bundle.json"),
            format!("policy/overlay/150100/{DIGEST}.schedule.json"),
            format!("calendar/{DIGEST}.2026.json"),
        ] {
            assert_eq!(name.parse::<FileName>().expect("a known name").to_string(), name);
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        for name in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "../timestamp.json",
            "metadata/timestamp.json",
            "timestamp.json/",
            "0.root.json",
            "01.root.json",
            "+1.root.json",
            "1.root.json.tmp",
            "18446744073709551616.targets.json",
            "directory/150100/../../timestamp.json",
            "directory/150100/11152105011615449P.json",
            "calendar/2026.json",
            "policy/x.bundle.json",
            "policy/overlay/150100/bundle.json",
            "policy/overlay/../bundle.json",
        ] {
            assert!(name.parse::<FileName>().is_err(), "{name}");
        }
        for code in
            ["11152105011615449p", "１1152105011615449P", "../1152105011615449P", "91320100748204660Q"]
        {
            assert!(format!("directory/150100/{DIGEST}.{code}.json").parse::<FileName>().is_err(), "{code}");
        }
    }

    #[test]
    fn targets_of_later_versions_are_left_alone_but_broken_entries_are_not() {
        for text in [
            "policy/overlay/150100/x.json",
            "policy/overlay/150000/bundle.json",
            "policy/overlay/150102/bundle.json",
            "policy/overlay/bundle.json",
            "policy/overlay/150100/more/bundle.json",
        ] {
            assert_eq!(TargetPath::parse(text).expect("unknown kind"), None, "{text}");
        }
        assert_eq!(TargetPath::parse("calendar/../x.json").expect("unknown kind"), None);
        assert!(TargetPath::parse("directory/150100/x.json").is_err());
        assert!(TargetPath::parse("directory/11152105011615449P.json").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_that_parses_is_written_back_the_same(text in "[./0-9a-z]{0,40}|\\PC{0,30}") {
            if let Ok(name) = text.parse::<FileName>() {
                proptest::prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
