//! What the tests of overlays share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chengxin_policy::{Authoriser, Bundle, OverlayFiles};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::record_type::RecordType;

pub(crate) const HEADER: &str = "id,role,function,purpose,subject,category,level,action,form,effect\n";
pub(crate) const PENALTY: RecordType = RecordType::AdministrativePenalty;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/overlay-150100")
}

pub(crate) fn example() -> OverlayFiles {
    OverlayFiles::load_directory(&folder()).expect("the example is an overlay")
}

pub(crate) fn baseline() -> Bundle {
    Bundle::baseline().expect("baseline")
}

pub(crate) fn authoriser(bundle: &Bundle) -> Authoriser {
    Authoriser::new(bundle.clone()).expect("authoriser")
}

pub(crate) fn texts_of(files: &OverlayFiles) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// The example with only what is named here beside its manifest: a test that always holds, and no rules unless given.
pub(crate) fn overlay(files: &[(&str, &str)]) -> OverlayFiles {
    let mut texts = texts_of(&example());
    texts.retain(|name, _| name == "overlay.toml");
    texts.insert("rules.csv".to_owned(), HEADER.to_owned());
    texts.insert(
        "tests.toml".to_owned(),
        "[[test]]\nname = \"unknown\"\nrequirement = \"QU-02\"\naction = \"ask\"\nrole = \"clerk\"\n\
         purpose = \"unknown-matter\"\nfunctions = []\nsubject = \"organisation\"\ncategories = [\"basic\"]\n\
         expect = \"deny\"\n"
            .to_owned(),
    );
    for (name, text) in files {
        let text = if *name == "rules.csv" { format!("{HEADER}{text}\n") } else { (*text).to_owned() };
        texts.insert((*name).to_owned(), text);
    }
    OverlayFiles::new(texts).expect("an overlay")
}

pub(crate) fn field(name: &str, values: &str) -> String {
    format!(
        "[[field]]\nrecord_type = \"administrative-penalty\"\nname = \"{name}\"\n{values}\nsource = \"示例\"\nverified = true\n"
    )
}

pub(crate) fn purpose(code: &str, values: &str) -> String {
    format!("[[purpose]]\ncode = \"{code}\"\n{values}\n")
}

/// The error of staging these files above the baseline.
pub(crate) fn refused(files: &[(&str, &str)]) -> String {
    let error = baseline().overlay_stage(&overlay(files)).expect_err("must be refused");
    assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
    error.to_string()
}

pub(crate) fn what_is_inert(bundle: &Bundle) -> Vec<(String, usize, String)> {
    let inert = &bundle.overlay().expect("an overlay").inert;
    inert.iter().map(|one| (one.file.clone(), one.line, one.what.clone())).collect()
}
