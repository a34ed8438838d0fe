//! What earlier programs published. A node that joins, or whose store is lost, has nothing else to decide by; so what was
//! published once loads in every later program, whatever a bundle has learned to say since.

use std::path::{Path, PathBuf};

use chengxin_policy::{Authoriser, Bundle, OverlayFiles, PolicyFiles, published_unpack};

/// Files are added to this folder with each form that is released, and none of them is changed.
fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(folder).expect("the folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn what_was_published_loads_for_ever() {
    let (mut bundles, mut overlays) = (Vec::new(), Vec::new());
    for path in golden() {
        let bytes = std::fs::read(&path).expect("the file");
        match PolicyFiles::unpack(&published_unpack(&bytes).expect("unpacks")).expect("files") {
            PolicyFiles::Bundle(files) => {
                let bundle = Bundle::from_files(files).unwrap_or_else(|error| panic!("{path:?}: {error}"));
                Authoriser::new(bundle.clone()).expect("decides");
                bundles.push(bundle);
            }
            PolicyFiles::Overlay(_) => {
                overlays.push(OverlayFiles::from_published(&bytes).expect("an overlay"))
            }
        }
    }
    assert!(!bundles.is_empty() && !overlays.is_empty());
    for bundle in bundles.iter().chain([&Bundle::baseline().expect("loads")]) {
        for overlay in &overlays {
            let narrowed = bundle.overlay_apply(overlay).expect("lies over every bundle");
            Authoriser::new(narrowed).expect("decides");
        }
    }
}
