//! Turns a record and a permit into what may be shown: disclosures kept, fields masked, fields withheld.

use std::collections::BTreeMap;

use chengxin_audit_log::Disclosed;
use chengxin_policy::{Bundle, Permit, Release};
use chengxin_schemas::answer::PresentedRecord;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory, RecordState};
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::record::FieldValue;
use chengxin_schemas::record_type::{RecordType, SUBJECT_NAME};
use chengxin_schemas::sd_jwt::{Presentation, VerifiedRecord};
use chengxin_schemas::subject::{SubjectId, SubjectKind};

use crate::record::ShownField;

/// A record made ready for a peer.
pub(crate) struct PeerPresentation {
    pub(crate) presentation: Presentation,
    pub(crate) entry: PresentedRecord,
    pub(crate) disclosed: Vec<Disclosed>,
}

/// Chooses, field by field, what `permit` lets a peer see of `record`.
///
/// The field that holds what the asker asked with, the identifier `asked` or else the name, is always disclosed: the asker
/// knows it, and without it the answer could be about anybody. Asked with an organisation code, this can be the unified code
/// around it, of which the asker knows half.
pub(crate) fn present_to_peer(
    permit: &Permit,
    bundle: &Bundle,
    record: &VerifiedRecord,
    id: RecordId,
    state: RecordState,
    asked: Option<&SubjectId>,
) -> PeerPresentation {
    let claims = record.claims();
    let record_type = record.record_type();
    let person = record.subject_kind() == SubjectKind::Person;
    let asked_field = asked.and_then(|asked| record.fields().field_about(asked)).unwrap_or(SUBJECT_NAME);
    let disclosable: Vec<_> = record.sd_jwt().disclosable().collect();
    let mut masked = BTreeMap::new();
    let mut withheld = BTreeMap::new();
    let mut counts = DisclosureCounts::new(bundle, record, person);
    let mut keep = Vec::new();
    for (name, value) in record.fields().iter() {
        let name = name.as_str();
        let public = !disclosable.contains(&name);
        match permit.release(record_type, claims.category, name, person) {
            _ if public || asked_field == name => {
                keep.push(name);
                counts.shown(name);
            }
            Release::Show => {
                keep.push(name);
                counts.shown(name);
            }
            Release::Mask(rule) => {
                masked.insert(name.to_owned(), rule.apply(&value.to_text()));
                counts.masked(name);
            }
            Release::Withhold(reason) => {
                withheld.insert(name.to_owned(), reason.as_str().to_owned());
            }
        }
    }
    let presentation = record.present(&|name| keep.contains(&name));
    let entry = PresentedRecord {
        record: id,
        presented: presentation.digest(),
        state,
        name_match_only: asked.is_none(),
        masked,
        withheld,
    };
    PeerPresentation { presentation, entry, disclosed: counts.into_vec() }
}

/// A record made ready for the own staff.
pub(crate) struct OwnPresentation {
    pub(crate) fields: Vec<ShownField>,
    pub(crate) disclosed: Vec<Disclosed>,
}

/// Chooses, field by field, what `permit` lets the own staff see of `record`.
pub(crate) fn present_own(permit: &Permit, bundle: &Bundle, record: &VerifiedRecord) -> OwnPresentation {
    let claims = record.claims();
    let record_type = record.record_type();
    let person = record.subject_kind() == SubjectKind::Person;
    let mut counts = DisclosureCounts::new(bundle, record, person);
    let fields = record
        .fields()
        .iter()
        .map(|(name, value)| {
            let name = name.as_str();
            let label = field_label(record, name);
            let mut shown =
                ShownField { name: name.to_owned(), label, value: None, masked: false, withheld: None };
            match permit.release(record_type, claims.category, name, person) {
                Release::Show => {
                    shown.value = Some(value.clone());
                    counts.shown(name);
                }
                Release::Mask(rule) => {
                    shown.value = Some(FieldValue::Text(rule.apply(&value.to_text())));
                    shown.masked = true;
                    counts.masked(name);
                }
                Release::Withhold(reason) => shown.withheld = Some(reason.as_str().to_owned()),
            }
            shown
        })
        .collect();
    OwnPresentation { fields, disclosed: counts.into_vec() }
}

/// The label of a field for people.
pub(crate) fn field_label(record: &VerifiedRecord, name: &str) -> &'static str {
    record.record_type().field(name).map_or("", |(_, definition)| definition.chinese)
}

/// Counts the fields of one record by level, for the audit entry.
struct DisclosureCounts<'a> {
    bundle: &'a Bundle,
    record_type: RecordType,
    category: InformationCategory,
    person: bool,
    /// Fields shown and masked.
    levels: BTreeMap<ClassificationLevel, (u32, u32)>,
}

impl<'a> DisclosureCounts<'a> {
    fn new(bundle: &'a Bundle, record: &VerifiedRecord, person: bool) -> Self {
        Self {
            bundle,
            record_type: record.record_type(),
            category: record.claims().category,
            person,
            levels: BTreeMap::new(),
        }
    }

    fn count(&mut self, name: &str) -> &mut (u32, u32) {
        // A field without a class is withheld, so what is counted has one; the strictest level is the safe default.
        let level = self
            .bundle
            .field_class(self.record_type, name)
            .map_or(ClassificationLevel::L4, |class| class.level_for(self.person));
        self.levels.entry(level).or_default()
    }

    fn shown(&mut self, name: &str) {
        let count = self.count(name);
        count.0 = count.0.saturating_add(1);
    }

    fn masked(&mut self, name: &str) {
        let count = self.count(name);
        count.1 = count.1.saturating_add(1);
    }

    fn into_vec(self) -> Vec<Disclosed> {
        let category = self.category;
        self.levels
            .into_iter()
            .map(|(level, (shown, masked))| Disclosed { category, level, shown, masked })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chengxin_import::ImportOptions;
    use chengxin_policy::{AccessRequest, Action, AskerContext, Authoriser, BundleFiles, Decision};
    use chengxin_schemas::operator::Role;
    use chengxin_schemas::sd_jwt::SdJwt;

    use super::*;
    use crate::support::{Federation, MARKET, Memory, as_role, nameless_debtor};

    /// The asker compares the name: masked, every record found by name would be refused as somebody else's.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_name_asked_with_is_shown_even_where_names_are_masked() {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let file = Arc::new(Memory(nameless_debtor("示例甲").into_bytes()));
        let (_, batch) =
            node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
        let first = batch.expect("batch").first;
        let (row, record) = node.record_read(first).await.expect("read").expect("record");

        let mut texts: BTreeMap<String, String> =
            BundleFiles::baseline().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        // Names of persons rise to a level that is masked; the decision tests that speak of it go.
        texts.entry("classification.toml".to_owned()).and_modify(|text| {
            let names =
                |level: &str| format!("name = \"subject_name\"\nlevel = \"L1\"\nperson_level = \"{level}\"");
            *text = text.replace(&names("L2"), &names("L3"));
        });
        texts.entry("tests.toml".to_owned()).and_modify(|text| {
            let second = text.match_indices("[[test]]").nth(1).expect("more than one test").0;
            text.truncate(second);
        });
        let strict = BundleFiles::new(texts).and_then(Bundle::from_files).expect("bundle");
        let authoriser = Authoriser::new(strict).expect("policy");
        let own = node.own_entry().expect("entry");
        let request = AccessRequest {
            asker: AskerContext { agency: own.agency, functions: own.functions, region: own.region },
            role: Role::Clerk,
            purpose: "bidding".parse().expect("purpose"),
            case_reference: Some("ZB-2026-007".parse().expect("case")),
            legal_basis: None,
            authorisation: None,
            second_person: None,
            subject_kind: SubjectKind::Person,
            own_records: false,
            categories: vec![record.claims().category],
            action: Action::Answer,
        };
        let Decision::Permit(permit) = authoriser.authorize(&request) else { panic!("permitted") };
        let release = permit.release(record.record_type(), record.claims().category, SUBJECT_NAME, true);
        assert!(matches!(release, Release::Mask(_)), "{release:?}");
        let presented = present_to_peer(&permit, authoriser.bundle(), &record, row.id, row.state, None);
        let shown = SdJwt::stored(presented.presentation.text()).expect("reads");
        assert_eq!(shown.fields().subject_name(), Some("示例甲"));
        assert!(presented.entry.name_match_only && !presented.entry.masked.contains_key(SUBJECT_NAME));
        presented.entry.check_record(&shown).expect("what is listed");
    }
}
