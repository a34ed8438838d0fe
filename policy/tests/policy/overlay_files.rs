//! The files of an overlay: which there are, how they are told from a bundle's, how they travel.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_policy::{
    Bundle, BundleFiles, OVERLAY_LIMIT, OVERLAY_PACKED_LIMIT, OverlayFiles, PolicyError, PolicyFiles,
    published_encode, published_unpack,
};
use chengxin_schemas::ErrorCode;
use proptest::prelude::*;

use crate::overlay_support::{baseline, example, folder, overlay, texts_of};
use crate::support::baseline_texts;

#[test]
fn a_manifest_names_a_league_or_city_and_its_instrument() {
    for (from, to, reason) in [
        ("region = \"150100\"", "region = \"150000\"", "150000 is not the code of a league or city"),
        ("region = \"150100\"", "region = \"150102\"", "150102 is not the code of a league or city"),
        ("region = \"150100\"", "region = \"150200\"", "the version does not begin with the region"),
        ("version = \"150100-", "version = \"hohhot-", "the version does not begin with the region"),
        ("policy-overlay/v1", "policy-overlay/v2", "unknown variant"),
        ("basis = ", "because = ", "unknown field"),
        ("english = \"What", "english = \"呼和浩特", "the English text is missing"),
    ] {
        let mut texts = texts_of(&example());
        texts.entry("overlay.toml".to_owned()).and_modify(|text| {
            assert!(text.contains(from), "{from}");
            *text = text.replacen(from, to, 1);
        });
        let error = OverlayFiles::new(texts).expect("files").manifest().expect_err(to).to_string();
        assert!(error.starts_with("overlay.toml") && error.contains(reason), "{error}");
    }
    let mut texts = texts_of(&example());
    texts.entry("overlay.toml".to_owned()).and_modify(|text| {
        let begin = text.find("basis = ").expect("basis");
        text.replace_range(begin.., "basis = \" \"\n");
    });
    assert!(OverlayFiles::new(texts).expect("files").manifest().is_err(), "a basis says something");
}

#[test]
fn files_are_a_closed_set_within_limits() {
    let with = |name: &str, text: String| {
        let mut texts = texts_of(&example());
        texts.insert(name.to_owned(), text);
        OverlayFiles::new(texts).map(drop)
    };
    for name in ["measures.toml", "bundle.toml", "notes.txt", "calendar/2026.toml"] {
        let error = with(name, String::new()).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: not a file of an overlay; ")), "{error}");
    }
    for name in ["overlay.toml", "rules.csv", "tests.toml"] {
        let mut texts = texts_of(&example());
        texts.remove(name);
        let error = OverlayFiles::new(texts).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: missing; every overlay has this file")), "{error}");
    }
    let error = with("rules.csv", "#".repeat(OVERLAY_LIMIT)).expect_err("too large together");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_LIMIT, .. }), "{error}");
    let error = OverlayFiles::unpack(&vec![b' '; OVERLAY_PACKED_LIMIT + 1]).expect_err("too large");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_PACKED_LIMIT, .. }), "{error}");
}

#[test]
fn bundles_and_overlays_are_told_apart_in_folders_and_packed() {
    let bundle = BundleFiles::baseline();
    assert_eq!(PolicyFiles::unpack(&bundle.pack()).expect("bundle"), PolicyFiles::Bundle(bundle.clone()));
    let overlay = PolicyFiles::unpack(&example().pack()).expect("overlay");
    assert_eq!(overlay, PolicyFiles::Overlay(example()));
    assert_eq!((overlay.pack(), overlay.digest()), (example().pack(), example().digest()));
    assert_eq!(PolicyFiles::load_directory(&folder()).expect("overlay"), PolicyFiles::Overlay(example()));
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
    assert_eq!(PolicyFiles::load_directory(&baseline).expect("bundle"), PolicyFiles::Bundle(bundle));

    let pack = |texts: &BTreeMap<String, String>| serde_json::to_vec(texts).expect("packs");
    let mut both = baseline_texts();
    both.extend(texts_of(&example()));
    let error = PolicyFiles::unpack(&pack(&both)).expect_err("both").to_string();
    assert!(error.starts_with("overlay.toml: it stands beside bundle.toml; "), "{error}");
    let error = PolicyFiles::unpack(b"{}").expect_err("neither").to_string();
    assert!(error.starts_with("bundle.toml: missing, and there is no overlay.toml either; "), "{error}");
    let empty = tempfile::tempdir().expect("folder");
    let error = PolicyFiles::load_directory(empty.path()).expect_err("neither").to_string();
    assert!(error.starts_with("bundle.toml: missing, and there is no overlay.toml either; "), "{error}");
    let error = PolicyFiles::load_directory(&empty.path().join("none")).expect_err("no folder");
    assert_eq!(error.code(), ErrorCode::NotFound);
    let spaced = String::from_utf8(example().pack()).expect("text").replacen(':', ": ", 1);
    assert!(PolicyFiles::unpack(spaced.as_bytes()).is_err(), "not canonical");
}

#[test]
fn an_overlay_travels_like_a_bundle_and_within_its_own_limit() {
    let published = published_encode(&example()).expect("bytes");
    assert_eq!(published_unpack(&published).expect("packed"), example().pack());
    assert_eq!(OverlayFiles::from_published(&published).expect("overlay"), example());
    assert_eq!(OverlayFiles::from_published(&example().pack()).expect("packed"), example());
    assert_eq!(published_encode(&PolicyFiles::Overlay(example())).expect("bytes"), published);
    let bundle = published_encode(&BundleFiles::baseline()).expect("bytes");
    assert!(OverlayFiles::from_published(&bundle).is_err(), "a bundle is none");
    let mut large = baseline_texts();
    large.insert("rules.csv".to_owned(), "#".repeat(OVERLAY_PACKED_LIMIT));
    let large = published_encode(&BundleFiles::new(large).expect("files")).expect("bytes");
    let error = OverlayFiles::from_published(&large).expect_err("a bomb");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_PACKED_LIMIT, .. }), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_overlay_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = OverlayFiles::unpack(&bytes);
        let _ = OverlayFiles::from_published(&bytes);
        let _ = PolicyFiles::unpack(&bytes);
    }

    #[test]
    fn any_texts_are_an_overlay_or_an_error(
        text in "\\PC{0,80}|(150100\\.[a-z]{1,3}(,[a-z*-]{1,9}){9}\n){0,3}|(\\[\\[(purpose|field|test)\\]\\]\n([a-z_]{1,9} = (\"[A-Za-z0-9-]{0,9}\"|[0-9]{1,3}|true|false)\n){0,4}){0,3}",
        name in "(rules\\.csv|purposes\\.toml|classification\\.toml|tests\\.toml|overlay\\.toml)",
    ) {
        let files = overlay(&[(name.as_str(), text.as_str())]);
        let base = baseline_once();
        if let Ok(both) = base.overlay_stage(&files) {
            prop_assert!(both.rules().iter().all(|rule| base.rule(&rule.id).is_some() || !rule.allows));
        }
        let _ = base.overlay_apply(&files);
    }
}

/// The baseline, loaded once for many cases.
fn baseline_once() -> Bundle {
    static BASELINE: std::sync::LazyLock<Bundle> = std::sync::LazyLock::new(baseline);
    BASELINE.clone()
}
