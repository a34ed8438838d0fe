//! An old content under a new version: what taking a policy back means. A version is never used twice, and nodes go
//! forward only, so that who asks which policy decided gets one answer for ever.

use std::collections::BTreeMap;

use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::toml_parse;
use crate::error::PolicyError;
use crate::files::BundleFiles;

const MANIFEST: &str = "bundle.toml";

/// Where the two values stand that a new version changes.
#[derive(Deserialize)]
struct Places {
    id: Spanned<String>,
    version: Spanned<String>,
    effective: Spanned<String>,
}

impl BundleFiles {
    /// The same texts under another version and day; nothing else of them changes, comments included.
    pub fn reissue(&self, version: &PolicyVersion, effective: Day) -> Result<Self, PolicyError> {
        let manifest = self.text(MANIFEST);
        let places: Places = toml_parse(MANIFEST, manifest)?;
        let mut changes = [
            (places.id.span(), version.series().to_owned()),
            (places.version.span(), version.to_string()),
            (places.effective.span(), effective.to_string()),
        ];
        changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut text = manifest.to_owned();
        for (span, value) in changes {
            // A version and a day have no character that a TOML string would escape.
            text.replace_range(span, &format!("\"{value}\""));
        }
        let mut texts: BTreeMap<String, String> =
            self.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        texts.insert(MANIFEST.to_owned(), text);
        Self::new(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    #[test]
    fn only_version_and_day_change() {
        let old = Bundle::baseline().expect("loads");
        let version: PolicyVersion = "nei-menggu-2027.1".parse().expect("version");
        let files = old.files().reissue(&version, "2027-01-04".parse().expect("day")).expect("reissued");
        let new = Bundle::from_files(files).expect("loads");
        assert_eq!(new.rules_version(), "nei-menggu-2027.1");
        assert_eq!(new.manifest().effective.to_string(), "2027-01-04");
        assert_eq!(new.manifest().chinese, old.manifest().chinese);
        let differs = |(one, other): &((&str, &str), (&str, &str))| one.0 != MANIFEST && one.1 != other.1;
        assert!(!old.files().iter().zip(new.files().iter()).any(|pair| differs(&pair)));
        assert!(new.files().text(MANIFEST).starts_with("# What this bundle is."));
    }
}
