//! What the tests share: requests, the whole grid, and a baseline with one file changed.

use std::collections::BTreeMap;

use chengxin_policy::{AccessRequest, Action, AskerContext, Bundle, BundleFiles, PolicyError};
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectKind;

/// A request that fits `purpose` in everything but what a test changes.
pub(crate) fn request(purpose: &str, functions: &[&str], subject_kind: SubjectKind) -> AccessRequest {
    AccessRequest {
        asker: AskerContext {
            agency: "11152105011615449P".parse().expect("agency"),
            functions: functions.iter().map(|function| function.parse().expect("function")).collect(),
            region: "150000".parse().expect("region"),
        },
        role: Role::Clerk,
        purpose: purpose.parse().expect("purpose"),
        case_reference: Some("CG-2026-031".parse().expect("case")),
        legal_basis: None,
        authorisation: None,
        second_person: None,
        subject_kind,
        own_records: false,
        categories: InformationCategory::ALL.to_vec(),
        action: Action::Answer,
    }
}

/// Every purpose × role × action × subject kind, asked by a body with `functions`, all conditions met.
pub(crate) fn grid(bundle: &Bundle, functions: &[&str]) -> Vec<AccessRequest> {
    let mut requests = Vec::new();
    for purpose in bundle.purposes() {
        for role in Role::ALL {
            for action in Action::ALL {
                for subject in [SubjectKind::Organisation, SubjectKind::Person] {
                    let mut one = request(purpose.code.as_str(), functions, subject);
                    one.role = *role;
                    one.action = action;
                    one.own_records = true;
                    one.legal_basis = Some("《行政许可法》第六十九条".parse::<LegalBasis>().expect("basis"));
                    requests.push(one);
                }
            }
        }
    }
    requests
}

/// The baseline's texts.
pub(crate) fn baseline_texts() -> BTreeMap<String, String> {
    BundleFiles::baseline().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// Loads the baseline with one file rewritten.
pub(crate) fn changed(file: &str, change: impl Fn(&str) -> String) -> Result<Bundle, PolicyError> {
    let mut texts = baseline_texts();
    let text = change(texts.get(file).map_or("", String::as_str));
    texts.insert(file.to_owned(), text);
    BundleFiles::new(texts).and_then(Bundle::from_files)
}
