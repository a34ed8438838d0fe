//! An old content under a new version: what taking a policy back means. A version is never used twice, and nodes go
//! forward only, so that who asks which policy decided gets one answer for ever.

use std::collections::BTreeMap;

use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::toml_parse;
use crate::error::PolicyError;
use crate::files::BundleFiles;
use crate::overlay_files::{MANIFEST as OVERLAY, OverlayFiles};

const BUNDLE: &str = "bundle.toml";

/// Where the values stand that a new version changes.
#[derive(Deserialize)]
struct Places {
    /// Absent in an overlay, whose series is its region.
    id: Option<Spanned<String>>,
    version: Spanned<String>,
    effective: Spanned<String>,
}

impl BundleFiles {
    /// The same texts under another version and day; nothing else of them changes, comments included.
    pub fn reissue(&self, version: &PolicyVersion, effective: Day) -> Result<Self, PolicyError> {
        Self::new(texts_reissue(BUNDLE, self.iter(), version, effective)?)
    }
}

impl OverlayFiles {
    /// The same texts under another version of the same region and another day.
    pub fn reissue(&self, version: &PolicyVersion, effective: Day) -> Result<Self, PolicyError> {
        Self::new(texts_reissue(OVERLAY, self.iter(), version, effective)?)
    }

    /// An overlay to begin with, for a region that has none: the example under the region's code, to be edited.
    pub fn sample(region: RegionCode, effective: Day) -> Result<Self, PolicyError> {
        let example = [
            ("classification.toml", include_str!("../examples/overlay-150100/classification.toml")),
            ("overlay.toml", include_str!("../examples/overlay-150100/overlay.toml")),
            ("purposes.toml", include_str!("../examples/overlay-150100/purposes.toml")),
            ("rules.csv", include_str!("../examples/overlay-150100/rules.csv")),
            ("tests.toml", include_str!("../examples/overlay-150100/tests.toml")),
        ];
        let code = region.to_string();
        let renamed = example.map(|(name, text)| (name.to_owned(), text.replace("150100", &code)));
        let files = Self::new(renamed.into_iter().collect())?;
        let version = files.manifest()?.version;
        files.reissue(&version, effective)
    }
}

fn texts_reissue<'a>(
    file: &str,
    texts: impl Iterator<Item = (&'a str, &'a str)>,
    version: &PolicyVersion,
    effective: Day,
) -> Result<BTreeMap<String, String>, PolicyError> {
    let mut texts: BTreeMap<String, String> =
        texts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let manifest = texts.entry(file.to_owned()).or_default();
    let places: Places = toml_parse(file, manifest)?;
    let mut changes =
        vec![(places.version.span(), version.to_string()), (places.effective.span(), effective.to_string())];
    changes.extend(places.id.map(|id| (id.span(), version.series().to_owned())));
    changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, value) in changes {
        // A version and a day have no character that a TOML string would escape.
        manifest.replace_range(span, &format!("\"{value}\""));
    }
    Ok(texts)
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
        let differs = |(one, other): &((&str, &str), (&str, &str))| one.0 != BUNDLE && one.1 != other.1;
        assert!(!old.files().iter().zip(new.files().iter()).any(|pair| differs(&pair)));
        assert!(new.files().text(BUNDLE).starts_with("# What this bundle is."));
    }

    #[test]
    fn every_region_can_begin_with_the_sample() {
        let bundle = Bundle::baseline().expect("loads");
        for region in ["152500", "150100"] {
            let region: RegionCode = region.parse().expect("region");
            let files = OverlayFiles::sample(region, "2026-11-22".parse().expect("day")).expect("files");
            assert_eq!(files.manifest().expect("manifest").version.to_string(), format!("{region}-2026.1"));
            assert_eq!(files.manifest().expect("manifest").effective.to_string(), "2026-11-22");
            bundle.overlay_stage(&files).expect("fits");
        }
    }
}
