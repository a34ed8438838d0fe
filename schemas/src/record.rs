//! A credit record: the fact before it is signed, and the claims of its signed form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::category::{BreachSeverity, InformationCategory};
use crate::error::SchemaError;
use crate::identity::RecordId;
use crate::key::Jwk;
use crate::organisation_code::OrganisationCode;
use crate::record_type::{
    FieldDefinition, FieldKind, FieldName, ORGANISATION_CODE, PERSON_NUMBER, RecordType, SUBJECT_CODE,
    SUBJECT_NAME, resident_id_from_field,
};
use crate::resident_id::ResidentId;
use crate::subject::{SubjectId, SubjectKind};
use crate::time::{Day, PeriodEnd, UnixTime};
use crate::unified_code::{CheckException, UnifiedCode};

/// Most texts in one list field.
pub const LIST_LIMIT: usize = 32;

/// The value of a field in its canonical spelling.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum FieldValue {
    /// One text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

impl FieldValue {
    /// The text, or the texts joined with 、 for people.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(texts) => texts.join("、"),
        }
    }
}

/// Shows the form only: the value may be a person's number.
impl std::fmt::Debug for FieldValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text(..)"),
            Self::List(texts) => write!(formatter, "List({} texts)", texts.len()),
        }
    }
}

/// The fields of one record, checked against the dictionary of its type.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordFields {
    record_type: RecordType,
    values: BTreeMap<&'static str, FieldValue>,
}

impl RecordFields {
    /// No fields yet.
    pub fn new(record_type: RecordType) -> Self {
        Self { record_type, values: BTreeMap::new() }
    }

    /// The type whose dictionary applies.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Sets a field of one text.
    pub fn text_insert(&mut self, name: &str, text: &str) -> Result<(), SchemaError> {
        let (name, definition) = self.record_type.field(name)?;
        let value = definition.value_parse(text)?;
        let value = match definition.kind {
            FieldKind::TextList => FieldValue::List(vec![value]),
            _ => FieldValue::Text(value),
        };
        self.values.insert(name.as_str(), value);
        Ok(())
    }

    /// Sets a field of several texts.
    pub fn list_insert(&mut self, name: &str, texts: &[String]) -> Result<(), SchemaError> {
        let (name, definition) = self.record_type.field(name)?;
        list_check(definition, texts)?;
        let values = texts.iter().map(|text| definition.value_parse(text)).collect::<Result<_, _>>()?;
        self.values.insert(name.as_str(), FieldValue::List(values));
        Ok(())
    }

    /// Sets a code whose check character a named person accepted.
    pub fn code_accept(
        &mut self,
        name: &str,
        text: &str,
        exception: &CheckException,
    ) -> Result<(), SchemaError> {
        let (name, definition) = self.record_type.field(name)?;
        if definition.kind != FieldKind::UnifiedCode {
            return Err(SchemaError::field(definition.name, "does not hold a code", "accept codes only"));
        }
        let code = UnifiedCode::accept(text, exception)?;
        self.values.insert(name.as_str(), FieldValue::Text(code.to_string()));
        Ok(())
    }

    /// Sets a field from its signed form, which must be the canonical spelling: a value that reads differently from what
    /// the issuer signed would be this node's word. A record signed with a line break in a short text stays readable.
    /// Whether a code's check character may be wrong is asked of the whole
    /// record, where the exception stands.
    pub fn signed_insert(&mut self, name: &str, value: FieldValue) -> Result<(), SchemaError> {
        let (name, definition) = self.record_type.field(name)?;
        let wrong = |reason: &'static str| {
            SchemaError::field(definition.name, reason, "the issuer must correct the record")
        };
        let canonical = |text: &str| match definition.kind {
            FieldKind::UnifiedCode => UnifiedCode::signed(text).is_ok(),
            _ => definition.signed_parse(text).is_ok_and(|value| value == text),
        };
        let texts = match (definition.kind, &value) {
            (FieldKind::TextList, FieldValue::List(texts)) if texts.len() > LIST_LIMIT => {
                return Err(SchemaError::TooLarge {
                    what: definition.name,
                    unit: "texts",
                    actual: texts.len(),
                    limit: LIST_LIMIT,
                });
            }
            (FieldKind::TextList, FieldValue::List(texts)) => texts.as_slice(),
            (FieldKind::TextList, FieldValue::Text(_)) | (_, FieldValue::List(_)) => {
                return Err(wrong("a list where a text is expected, or the reverse"));
            }
            (_, FieldValue::Text(text)) => std::slice::from_ref(text),
        };
        if !texts.iter().all(|text| canonical(text)) {
            return Err(wrong("not a value of this field in its canonical spelling"));
        }
        self.values.insert(name.as_str(), value);
        Ok(())
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<&FieldValue> {
        self.values.get(name)
    }

    /// The text of a field that holds one text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(FieldValue::Text(text)) => Some(text),
            Some(FieldValue::List(_)) | None => None,
        }
    }

    /// All fields in the order of the dictionary.
    pub fn iter(&self) -> impl Iterator<Item = (FieldName, &FieldValue)> + '_ {
        self.record_type.fields().iter().filter_map(|definition| {
            self.values.get(definition.name).map(|value| (definition.field_name(), value))
        })
    }

    /// How many fields are set.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The identifier that names the subject, if the record has one that holds: the unified code before the person's number
    /// before the organisation code, which a person's row may name the employer or former business by. An organisation code whose check fails finds records and names nobody: a notice on it
    /// would bind nobody where it is mistyped.
    pub fn subject(&self) -> Option<SubjectId> {
        self.subjects().find(|one| !matches!(one, SubjectId::OrganisationCode(code) if !code.check_holds()))
    }

    /// Every identifier the subject can be looked up by, three at most: a sole trader (个体工商户) has a code and is a
    /// person. An organisation code that stands in the unified code is not named beside it.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectId> + use<> {
        let unified = self.unified_code();
        let code = self
            .organisation_code()
            .filter(|code| unified.is_none_or(|unified| unified.organisation_code() != *code));
        let number = self.person_number().map(SubjectId::Person);
        let code = code.map(SubjectId::OrganisationCode);
        unified.map(SubjectId::Organisation).into_iter().chain(number).chain(code)
    }

    fn unified_code(&self) -> Option<UnifiedCode> {
        self.text(SUBJECT_CODE).and_then(|text| UnifiedCode::signed(text).ok())
    }

    fn organisation_code(&self) -> Option<OrganisationCode> {
        self.text(ORGANISATION_CODE).and_then(|text| OrganisationCode::read(text).ok())
    }

    fn person_number(&self) -> Option<ResidentId> {
        self.text(PERSON_NUMBER).and_then(resident_id_from_field)
    }

    /// Whether the record is about `subject`, by any of its identifiers.
    pub fn is_about(&self, subject: &SubjectId) -> bool {
        self.field_about(subject).is_some()
    }

    /// The field by which the record is about `subject`. A check character that was accepted as it is printed makes no other
    /// subject. A unified code is asked for a record without one by its organisation
    /// code; a record with another unified code is another subject's.
    pub fn field_about(&self, subject: &SubjectId) -> Option<&'static str> {
        let (unified, code) = (self.unified_code(), self.organisation_code());
        match subject {
            SubjectId::Organisation(wanted) => match unified {
                Some(own) => own.is_same_but_for_check(wanted).then_some(SUBJECT_CODE),
                None => (code == Some(wanted.organisation_code())).then_some(ORGANISATION_CODE),
            },
            SubjectId::OrganisationCode(wanted) if code == Some(*wanted) => Some(ORGANISATION_CODE),
            SubjectId::OrganisationCode(wanted) => {
                unified.is_some_and(|own| own.organisation_code() == *wanted).then_some(SUBJECT_CODE)
            }
            SubjectId::Person(wanted) => {
                self.person_number().is_some_and(|own| own == *wanted).then_some(PERSON_NUMBER)
            }
        }
    }

    /// The subject's other identifiers, if the record is about `subject`.
    pub fn other_subjects(&self, subject: &SubjectId) -> impl Iterator<Item = SubjectId> {
        let about = self.is_about(subject);
        self.subjects().filter(move |one| about && one != subject)
    }

    /// Whether the record is found by the subject's name as well: it has neither a unified code nor a person's number. An
    /// organisation code alone may be a former one, which today's unified code does not contain.
    pub fn is_found_by_name(&self) -> bool {
        self.unified_code().is_none() && self.person_number().is_none()
    }

    /// The subject's name.
    pub fn subject_name(&self) -> Option<&str> {
        self.text(SUBJECT_NAME)
    }

    /// The day the fact was determined on, as far as these fields say.
    pub fn determined_on(&self) -> Option<Day> {
        let stated = self.record_type.determination_fields().iter().find_map(|name| self.text(name));
        stated.and_then(|text| text.parse().ok())
    }
}

fn list_check(definition: &FieldDefinition, texts: &[String]) -> Result<(), SchemaError> {
    if definition.kind != FieldKind::TextList {
        return Err(SchemaError::field(definition.name, "does not hold a list", "give one text"));
    }
    if texts.len() > LIST_LIMIT {
        return Err(SchemaError::TooLarge {
            what: definition.name,
            unit: "texts",
            actual: texts.len(),
            limit: LIST_LIMIT,
        });
    }
    Ok(())
}

/// Shows names of fields only: values may be personal.
impl std::fmt::Debug for RecordFields {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RecordFields({}, {:?})", self.record_type, self.values.keys().collect::<Vec<_>>())
    }
}

/// A complete fact that can be signed: required fields are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDraft {
    fields: RecordFields,
    subject_kind: SubjectKind,
    category: InformationCategory,
    severity: Option<BreachSeverity>,
    exception: Option<CheckException>,
}

impl RecordDraft {
    /// Checks that required fields are present, that a breach, and only a breach, has a severity, that a person vouches
    /// for a code whose check character is wrong, and that a record with a person's number is about a person.
    ///
    /// `subject_kind` is what the source states. It decides which fields the signature makes public for ever, so who
    /// does not know it says [`SubjectKind::Person`].
    pub fn new(
        fields: RecordFields,
        subject_kind: SubjectKind,
        category: InformationCategory,
        severity: Option<BreachSeverity>,
        exception: Option<CheckException>,
    ) -> Result<Self, SchemaError> {
        for definition in fields.record_type.fields() {
            if definition.required && fields.value(definition.name).is_none() {
                return Err(SchemaError::field(definition.name, "missing", "the field is required"));
            }
        }
        severity_check(category, severity)?;
        codes_check(&fields, exception.as_ref())?;
        if subject_kind == SubjectKind::Organisation && fields.value(PERSON_NUMBER).is_some() {
            return Err(SchemaError::field(
                PERSON_NUMBER,
                "a person's number in a record about an organisation",
                "state that the subject is a person, or leave the number out",
            ));
        }
        Ok(Self { fields, subject_kind, category, severity, exception })
    }

    /// The fields.
    pub fn fields(&self) -> &RecordFields {
        &self.fields
    }

    /// Whether the record is about an organisation or about a natural person.
    pub fn subject_kind(&self) -> SubjectKind {
        self.subject_kind
    }

    /// The category.
    pub fn category(&self) -> InformationCategory {
        self.category
    }

    /// The severity of a breach.
    pub fn severity(&self) -> Option<BreachSeverity> {
        self.severity
    }

    /// Who accepted a code whose check does not hold, or that is a resident number as well.
    pub fn exception(&self) -> Option<&CheckException> {
        self.exception.as_ref()
    }

    /// The day the fact was determined on.
    pub fn determined_on(&self) -> Option<Day> {
        self.fields.determined_on()
    }
}

/// A breach, and only a breach, has a severity.
pub(crate) fn severity_check(
    category: InformationCategory,
    severity: Option<BreachSeverity>,
) -> Result<(), SchemaError> {
    let breach = matches!(category, InformationCategory::GeneralBreach | InformationCategory::SeriousBreach);
    if breach != severity.is_some() {
        return Err(SchemaError::field(
            "severity",
            "a breach needs a severity and nothing else may have one",
            "set minor, general or serious for general_breach and serious_breach only",
        ));
    }
    Ok(())
}

/// A code whose check character is wrong needs the person who accepted it.
pub(crate) fn codes_check(
    fields: &RecordFields,
    exception: Option<&CheckException>,
) -> Result<(), SchemaError> {
    if let Some(exception) = exception {
        return exception.check();
    }
    let of_codes =
        |definition: &&crate::record_type::FieldDefinition| definition.kind == FieldKind::UnifiedCode;
    for definition in fields.record_type.fields().iter().filter(of_codes) {
        let code = fields.text(definition.name).and_then(|text| UnifiedCode::signed(text).ok());
        if code.is_some_and(|code| !code.check_holds()) {
            return Err(SchemaError::field(
                definition.name,
                "the check character is wrong, and nobody vouches for the code",
                "compare the code with the certificate, or name in check_exception who accepted it and why",
            ));
        }
    }
    Ok(())
}

/// The claims of a record's SD-JWT (RFC 9901) beside its fields: always disclosed, so nothing personal belongs into them.
/// The one free text, the reason of `check_exception`, is short, and its writer is told that everybody reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordClaims {
    /// The determining authority that signs.
    pub iss: AgencyCode,
    /// When it was signed.
    pub iat: UnixTime,
    /// The record.
    pub jti: RecordId,
    /// The type: `urn:chengxin:record:<type>:1`.
    pub vct: String,
    /// Whether the subject is an organisation or a natural person. Absent in records signed before the claim was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_kind: Option<SubjectKind>,
    /// The information category.
    pub category: InformationCategory,
    /// The severity of a breach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<BreachSeverity>,
    /// The day the fact was determined on.
    pub determined_on: Day,
    /// When publicity ends by rule or by the document, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publicity_end: Option<PeriodEnd>,
    /// Version of the rules that govern the record for its life.
    pub rules: String,
    /// Who accepted a code whose check does not hold, or that is a resident number as well, with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_exception: Option<CheckException>,
    /// Where the record's present status is published (Token Status List).
    pub status: StatusClaim,
    /// The key that answers about the record (RFC 7800): the node that holds it.
    pub cnf: Confirmation,
    /// Digest algorithm of the disclosures: always `sha-256`.
    #[serde(rename = "_sd_alg")]
    pub sd_alg: String,
}

/// The `status` claim of draft-ietf-oauth-status-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusClaim {
    /// Which bit pair of which list.
    pub status_list: StatusReference,
}

/// A place in an issuer's status list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusReference {
    /// Index in the list.
    pub idx: u64,
    /// Name of the list: `urn:chengxin:status:<agency>:<list number>`.
    pub uri: String,
}

/// The `cnf` claim of RFC 7800.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The holder's public key.
    pub jwk: Jwk,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn penalty() -> RecordFields {
        let mut fields = RecordFields::new(RecordType::AdministrativePenalty);
        for (name, text) in [
            ("subject_name", "示例建设有限公司"),
            ("subject_code", "91320100748204660Q"),
            ("decision_number", "蒙市监罚〔2026〕1号"),
            ("decision_date", "2026-05-04"),
            ("authority_name", "示例市场监督管理局"),
        ] {
            fields.text_insert(name, text).expect(name);
        }
        fields
    }

    #[test]
    fn a_draft_is_complete_or_names_what_is_missing() {
        let severity = Some(BreachSeverity::General);
        assert!(
            RecordDraft::new(
                penalty(),
                SubjectKind::Organisation,
                InformationCategory::GeneralBreach,
                severity,
                None
            )
            .is_ok()
        );
        assert!(
            RecordDraft::new(
                penalty(),
                SubjectKind::Organisation,
                InformationCategory::GeneralBreach,
                None,
                None
            )
            .is_err()
        );
        assert!(
            RecordDraft::new(
                penalty(),
                SubjectKind::Organisation,
                InformationCategory::Basic,
                severity,
                None
            )
            .is_err()
        );
        let mut incomplete = RecordFields::new(RecordType::AdministrativePenalty);
        incomplete.text_insert("subject_name", "示例").expect("name");
        let error = RecordDraft::new(incomplete, SubjectKind::Person, InformationCategory::Basic, None, None)
            .expect_err("incomplete");
        assert!(error.to_string().starts_with("decision_number"), "{error}");
    }

    #[test]
    fn a_persons_number_makes_the_subject_a_person() {
        let mut fields = penalty();
        fields.text_insert("person_number", "E12345678").expect("number");
        let draft = |kind| {
            let (category, severity) = (InformationCategory::GeneralBreach, Some(BreachSeverity::General));
            RecordDraft::new(fields.clone(), kind, category, severity, None)
        };
        assert!(draft(SubjectKind::Organisation).is_err());
        assert_eq!(draft(SubjectKind::Person).expect("a person").subject_kind(), SubjectKind::Person);
    }

    #[test]
    fn lines_break_in_long_texts_only_and_signed_ones_stay_readable() {
        let broken = "示例建设\n有限公司";
        let mut fields = penalty();
        assert!(fields.text_insert("subject_name", broken).is_err());
        assert!(fields.text_insert("decision_number", "蒙\t1号").is_err());
        assert!(fields.list_insert("penalty_kinds", &["罚\n款".to_owned()]).is_err());
        assert!(fields.text_insert("facts", broken).is_ok());
        for name in ["subject_name", "penalty_kinds"] {
            let value = match name {
                "penalty_kinds" => FieldValue::List(vec![broken.to_owned()]),
                _ => FieldValue::Text(broken.to_owned()),
            };
            fields.signed_insert(name, value).expect(name);
        }
    }

    #[test]
    fn the_subject_is_the_code_or_the_resident_number_or_nobody() {
        assert_eq!(penalty().subject(), SubjectId::parse("91320100748204660Q").ok());
        let mut person = RecordFields::new(RecordType::JudgmentDebtor);
        person.text_insert("person_number", "11010519491231002X").expect("number");
        assert!(matches!(person.subject(), Some(SubjectId::Person(_))));
        assert_eq!(RecordFields::new(RecordType::JudgmentDebtor).subject(), None);
        let mut trader = penalty();
        trader.text_insert("person_number", "11010519491231002X").expect("number");
        let subjects: Vec<_> = trader.subjects().collect();
        assert_eq!(subjects.len(), 2);
        assert_eq!(trader.subject().as_ref(), subjects.first());
        assert!(subjects.iter().all(|subject| trader.is_about(subject)));
        assert!(!penalty().is_about(&subjects[1]));
    }

    #[test]
    fn an_organisation_code_names_its_subject_where_no_unified_code_does() {
        let subject = |text| SubjectId::parse(text).expect("subject");
        let (unified, code) = (subject("91320100748204660Q"), subject("74820466-0"));
        let mut debtor = RecordFields::new(RecordType::JudgmentDebtor);
        debtor.text_insert("organisation_code", "74820466-0").expect("code");
        assert_eq!(debtor.subject().as_ref(), Some(&code));
        for asked in [&unified, &code] {
            assert_eq!(debtor.field_about(asked), Some("organisation_code"));
        }
        assert!(debtor.other_subjects(&unified).eq(std::iter::once(code.clone())));
        assert_eq!(debtor.other_subjects(&code).count(), 0);
        assert!(debtor.is_found_by_name());
        // Asked by the organisation code, records with the unified code are found as well.
        assert_eq!(penalty().field_about(&code), Some("subject_code"));
        assert!(penalty().other_subjects(&code).eq(std::iter::once(unified.clone())));
        assert!(!penalty().is_found_by_name());
        // A record with a unified code is no other unified code's, whatever stands beside it.
        debtor.text_insert("subject_code", "91360000625912173B").expect("code");
        assert!(!debtor.is_about(&unified) && debtor.is_about(&code));
        assert_eq!(debtor.subjects().count(), 2);
        let mut both = penalty();
        both.text_insert("organisation_code", "748204660").expect("code");
        assert_eq!(both.subjects().collect::<Vec<_>>(), [unified]);
    }

    #[test]
    fn an_organisation_code_that_fails_its_check_finds_and_names_nobody() {
        let mut debtor = RecordFields::new(RecordType::JudgmentDebtor);
        debtor.text_insert("organisation_code", "132204105").expect("unchecked text");
        assert_eq!(debtor.subject(), None);
        assert!(debtor.is_about(&SubjectId::parse("913100001322041051").expect("its outer check holds")));
        assert!(debtor.is_found_by_name());
        debtor.text_insert("person_number", "11010519491231002X").expect("number");
        assert_eq!(debtor.subject(), SubjectId::parse("11010519491231002X").ok());
        debtor.text_insert("organisation_code", "无").expect("unchecked text");
        assert_eq!(debtor.subjects().count(), 1);
    }

    #[test]
    fn a_wrong_check_character_needs_a_persons_word() {
        let exception = CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
        let mut fields = penalty();
        fields.code_accept("subject_code", "913101150607311257", &exception).expect("accepted");
        let draft = |exception| {
            let severity = Some(BreachSeverity::General);
            RecordDraft::new(
                fields.clone(),
                SubjectKind::Organisation,
                InformationCategory::GeneralBreach,
                severity,
                exception,
            )
        };
        let error = draft(None).expect_err("nobody's word").to_string();
        assert!(error.starts_with("subject_code: "), "{error}");
        assert!(draft(Some(exception.clone())).is_ok());
        assert!(draft(Some(CheckException { reason: "长".repeat(201), ..exception })).is_err());
    }

    #[test]
    fn a_signed_value_is_kept_to_the_letter_or_refused() {
        let signed = |name: &str, value: FieldValue| {
            let mut fields = penalty();
            fields.signed_insert(name, value.clone())?;
            assert_eq!(fields.value(name), Some(&value));
            Ok::<_, SchemaError>(())
        };
        let text = |text: &str| FieldValue::Text(text.to_owned());
        for (name, good) in [
            ("fine", "12.50"),
            ("valid_until", "long-term"),
            ("subject_code", "913101150607311257"),
            ("remark", "一\n二"),
        ] {
            signed(name, text(good)).expect(name);
        }
        for (name, bad) in [
            ("fine", "12,5"),
            ("fine", "12.5"),
            ("fine", "1,234.00"),
            ("valid_until", "2099-12-31"),
            ("valid_until", "长期"),
            ("subject_code", "91320100748204660q"),
            ("person_number", "11010519491231002x"),
            ("remark", " 一"),
            ("penalty_kinds", "罚款"),
        ] {
            let error = signed(name, text(bad)).expect_err(bad).to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
        assert!(signed("penalty_kinds", FieldValue::List(vec!["罚款".into()])).is_ok());
        assert!(signed("penalty_kinds", FieldValue::List(vec!["罚款 ".into()])).is_err());
        assert!(signed("penalty_kinds", FieldValue::List(vec!["罚款".into(); LIST_LIMIT + 1])).is_err());
    }

    #[test]
    fn debug_shows_no_values() {
        assert!(!format!("{:?}", penalty()).contains("示例"));
    }
}
