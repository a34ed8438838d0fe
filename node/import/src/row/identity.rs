//! The columns that identify somebody: codes, document numbers, and what the row says about the kind of its subject.
//!
//! A code is public and a person's number is not, and what is signed as public stays public. So a text that can be a
//! person's number never goes into a code's field unless a named person says that it is a code.

use chengxin_schemas::organisation_code::{is_travel_document_shaped, organisation_code_holds};
use chengxin_schemas::record_type::{
    FieldDefinition, ORGANISATION_CODE, PERSON_DOCUMENT_TYPE, PERSON_NUMBER, SUBJECT_CATEGORY, SUBJECT_CODE,
};
use chengxin_schemas::resident_id::ResidentId;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::unified_code::{UnifiedCode, UnifiedCodeWarning};

use super::RowWork;
use crate::dialect::TemplateVersion;
use crate::issue::IssueCode;
use crate::value::person::{
    is_company_tax_number, is_masked_resident, is_old_resident_shaped, is_resident_shaped,
    is_resident_tax_number,
};
use crate::value::{is_null, is_space, text_fold};

/// What every word for the category of sole traders (个体工商户, 个体户, 个体经营户) has in it.
const SOLE_TRADER_WORD: &str = "个体";
/// The numbers of that category in the code sets of the national store: of commitments and directories, and of subjects.
const SOLE_TRADER_NUMBERS: [&str; 2] = ["4", "98"];
/// How the unified codes of sole traders begin (GB 32100-2015).
const SOLE_TRADER_PREFIX: &str = "92";
/// Where a row has its unified code: it took the place of the registration number, so clerks write it there too.
const UNIFIED_CODE_COLUMNS: [&str; 2] = [SUBJECT_CODE, "registration_number"];
/// The type of the document that a resident number is of.
const RESIDENT_CARD: &str = "身份证";
/// The category of natural persons in the national store.
const NATURAL_PERSON: &str = "自然人";

/// What a row says about the kind of its subject.
///
/// Only the row itself counts for an organisation: clerks also enter persons into the template of legal persons, where
/// the row then has no code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SubjectEvidence {
    person: bool,
    organisation: bool,
    /// The row has a number of a natural person that is masked and of a resident number's form.
    resident_masked: bool,
}

impl SubjectEvidence {
    /// What holds for every row of a template.
    pub(super) fn of_template(template: TemplateVersion) -> Self {
        Self { person: template == TemplateVersion::PenaltyNaturalPersons2018, ..Self::default() }
    }

    /// What a filled column says, whatever came of its value: who has a document number is a person, also when the
    /// number is masked or wrong.
    pub(super) fn column_add(&mut self, name: &str, text: &str) {
        match name {
            PERSON_NUMBER | PERSON_DOCUMENT_TYPE => self.person = true,
            SUBJECT_CATEGORY => match SubjectKind::of_category(text) {
                Some(SubjectKind::Person) => self.person = true,
                Some(SubjectKind::Organisation) => self.organisation = true,
                None => {}
            },
            _ => {}
        }
    }

    /// One sign of a person outweighs every other (就高从严), and a row that says nothing is about a person: an
    /// organisation's record that is disclosed too little can be signed again, a person's that is public cannot be
    /// taken back.
    pub(super) fn kind(self) -> SubjectKind {
        if self.organisation && !self.person { SubjectKind::Organisation } else { SubjectKind::Person }
    }
}

impl RowWork<'_> {
    /// Text columns for numbers of organisations other than the unified code. They have no common form, but all are
    /// public. Only a text of the column's form says that the row is about an organisation: clerks write words into these
    /// columns, and numbers of persons.
    pub(super) fn organisation_number_map(&mut self, index: usize, name: &str, text: &str) {
        let plain = number_plain(text);
        if name == "tax_registration_number" && is_resident_tax_number(&plain) {
            // The number is right and in its own column, so there is nothing for a clerk to correct. The record does
            // without it; the source row, which is kept encrypted, has it.
            return self.issue(index, IssueCode::TaxNumberIsPersonNumber);
        }
        if is_resident_shaped(&plain) {
            return self.issue(index, IssueCode::CodeIsPersonNumber);
        }
        if name == ORGANISATION_CODE {
            return self.organisation_code_map(index, &plain);
        }
        if is_travel_document_shaped(&plain) {
            return self.issue(index, IssueCode::NumberUnclear);
        }
        // Old resident numbers have the fifteen digits of a registration number, of which one in thirty has a day of birth
        // in it as well. The record does without it. Every company's old tax number has as many digits: its region and its
        // organisation code, whose check tells it from a person's number in ten of eleven cases. In the eleventh it stays,
        // unless the row is a sole trader's, whose old tax number is the owner's own number.
        let is_companys =
            || name == "tax_registration_number" && is_company_tax_number(&plain) && !self.says_sole_trader();
        if is_old_resident_shaped(&plain) && !is_companys() {
            return self.issue(index, IssueCode::NumberMayBePersons);
        }
        self.insert(index, name, text);
        self.evidence.organisation |= is_organisation_number(name, &plain);
    }

    /// Whether the row is a sole trader's by its category or its unified code, whose columns may stand behind the one that
    /// is being read. What only resembles either counts too: a number that is left out stands in the source row.
    fn says_sole_trader(&self) -> bool {
        let text = |name| self.mapper.header.column_of(name).map(|column| self.cells.text(column));
        let category = text(SUBJECT_CATEGORY).map(|text| text_fold(text).replace(is_space, ""));
        category.is_some_and(|category| {
            category.contains(SOLE_TRADER_WORD) || SOLE_TRADER_NUMBERS.contains(&category.as_str())
        }) || UNIFIED_CODE_COLUMNS
            .into_iter()
            .filter_map(text)
            .map(number_plain)
            .any(|code| code.chars().count() == 18 && code.starts_with(SOLE_TRADER_PREFIX))
    }

    fn organisation_code_map(&mut self, index: usize, code: &str) {
        if code_is_placeholder(code) {
            return self.issue(index, IssueCode::CodePlaceholder);
        }
        // The form before the check, which one number of a passport in eleven passes: it would stand in the public part, and
        // be listed as whom the record is about.
        if is_travel_document_shaped(code) {
            return self.issue(index, IssueCode::NumberUnclear);
        }
        if organisation_code_holds(code) {
            self.evidence.organisation = true;
        } else {
            self.issue(index, IssueCode::OrganisationCodeCheck);
        }
        self.insert(index, ORGANISATION_CODE, code);
    }

    pub(super) fn code_map(&mut self, index: usize, definition: &'static FieldDefinition, text: &str) {
        if self.digits_lost(index) {
            return;
        }
        let folded = upper_fold(text);
        if code_is_placeholder(&folded) {
            return self.issue(index, IssueCode::CodePlaceholder);
        }
        match (UnifiedCode::parse(&folded), ResidentId::parse(&folded)) {
            (Ok(code), Err(_)) => {
                self.code_warn(index, &code);
                self.code_insert(index, definition, &code);
            }
            // About one valid resident number in thirty of some regions is a valid code as well.
            (Ok(code), Ok(_)) => {
                let Some(exception) = self.mapper.exceptions.find(self.row, &folded) else {
                    return self.issue(index, IssueCode::CodeAmbiguous);
                };
                self.mapped.exception = Some(exception.clone());
                self.issue(index, IssueCode::CodeAccepted);
                self.code_insert(index, definition, &code);
            }
            (Err(_), Ok(_)) => self.issue(index, IssueCode::CodeIsPersonNumber),
            (Err(_), Err(_)) => self.code_refuse(index, definition, &folded),
        }
    }

    fn code_insert(&mut self, index: usize, definition: &'static FieldDefinition, code: &UnifiedCode) {
        self.evidence.organisation |= definition.name == SUBJECT_CODE;
        self.insert(index, definition.name, code.as_str());
    }

    fn code_warn(&mut self, index: usize, code: &UnifiedCode) {
        for warning in code.warnings() {
            self.issue(
                index,
                match warning {
                    UnifiedCodeWarning::InnerCheck => IssueCode::CodeInnerCheck,
                    UnifiedCodeWarning::UnknownPrefix => IssueCode::CodeUnknownPrefix,
                    UnifiedCodeWarning::RegionNotNumeric => IssueCode::CodeRegion,
                },
            );
        }
    }

    /// Says what is wrong with a code, or takes it on the word of a named person when only its check is wrong.
    fn code_refuse(&mut self, index: usize, definition: &'static FieldDefinition, code: &str) {
        let length = code.chars().count();
        if length != 18 {
            return self.issue_with(index, IssueCode::CodeLength, vec![("actual", length.to_string())]);
        }
        let allowed =
            |symbol: char| symbol.is_ascii_alphanumeric() && !matches!(symbol, 'I' | 'O' | 'S' | 'V' | 'Z');
        if let Some(position) = code.chars().position(|symbol| !allowed(symbol)) {
            let position = vec![("position", position.saturating_add(1).to_string())];
            return self.issue_with(index, IssueCode::CodeAlphabet, position);
        }
        if let Some(exception) = self.mapper.exceptions.find(self.row, code)
            && self.mapped.fields.code_accept(definition.name, code, exception).is_ok()
        {
            self.mapped.exception = Some(exception.clone());
            self.evidence.organisation |= definition.name == SUBJECT_CODE;
            return self.issue(index, IssueCode::CodeAccepted);
        }
        let expected = code_expected_check(code).map(|check| ("expected", check.to_string()));
        self.issue_with(index, IssueCode::CodeCheck, expected.into_iter().collect());
    }

    pub(super) fn person_number_map(
        &mut self,
        index: usize,
        definition: &'static FieldDefinition,
        text: &str,
    ) {
        if self.digits_lost(index) {
            return;
        }
        let folded: String = text_fold(text).chars().filter(|symbol| !is_space(*symbol)).collect();
        if folded.contains('*') {
            self.evidence.resident_masked |= definition.name == PERSON_NUMBER && is_masked_resident(&folded);
            return self.issue(index, IssueCode::PersonNumberMasked);
        }
        if folded.len() > 64 || !folded.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return self.issue(index, IssueCode::PersonNumberForm);
        }
        let type_field = match definition.name {
            PERSON_NUMBER => PERSON_DOCUMENT_TYPE,
            _ => "legal_representative_document_type",
        };
        // Layouts without a column for the type hold resident numbers (法定代表人身份证号, 身份证号码).
        let (resident, typed) =
            match self.mapper.header.column_of(type_field).map(|column| self.cells.text(column)) {
                None => (true, true),
                Some(text) if is_null(text) => (folded.len() == 18, false),
                Some(text) => (document_type_read(text).is_some_and(is_resident_card), true),
            };
        if resident && ResidentId::parse(&folded).is_err() {
            return self.issue(index, IssueCode::ResidentNumberCheck);
        }
        if !typed {
            self.issue(index, IssueCode::DocumentTypeMissing);
        }
        self.insert(index, definition.name, &folded.to_ascii_uppercase());
    }

    /// The one column of the debtor list for persons and organisations, told apart by form and check.
    pub(super) fn debtor_number_map(&mut self, index: usize, text: &str) {
        if self.digits_lost(index) {
            return;
        }
        let folded = upper_fold(text);
        let plain = number_plain(&folded);
        if folded.contains('*') {
            // Published lists mask the numbers of persons and print those of organisations in full.
            self.evidence.person = true;
            self.issue(index, IssueCode::PersonNumberMasked);
        } else if plain.chars().count() == 9 {
            // A foreign passport of nine digits that passes the check cannot be told from a code.
            if code_is_placeholder(&plain) {
                self.issue(index, IssueCode::CodePlaceholder);
            } else if organisation_code_holds(&plain) && !is_travel_document_shaped(&plain) {
                self.organisation_code_map(index, &plain);
            } else {
                self.issue(index, IssueCode::NumberUnclear);
            }
        } else if ResidentId::parse(&folded).is_ok() {
            self.evidence.person = true;
            self.insert(index, PERSON_NUMBER, &folded);
        } else if folded.len() == 18
            && folded.bytes().take(17).all(|byte| byte.is_ascii_digit())
            && UnifiedCode::parse(&folded).is_err()
        {
            // Seventeen digits and a wrong check: which of the two it was meant to be cannot be known. The text says
            // nothing about either, because it may be a person's.
            self.issue(index, IssueCode::ResidentNumberCheck);
        } else if let Ok((_, definition)) = self.mapper.header.record_type.field(SUBJECT_CODE) {
            self.code_map(index, definition, &folded);
        }
    }

    /// Keeps in a field that the row states a natural person, if no field says so: a record is ruled by its fields, and the
    /// number that would have said it is masked or missing. A resident number, masked or not, is a resident card's. What
    /// only the template or the mask of another document says becomes the category, if the row states none and has no sign
    /// of an organisation. Not solved: such a row with a category of unknown words is ruled as one that says nothing.
    pub(super) fn stated_person_keep(&mut self) {
        let fields = &self.mapped.fields;
        let holds = |name| fields.value(name).is_some();
        if holds(PERSON_NUMBER) || holds(PERSON_DOCUMENT_TYPE) {
            return;
        }
        let (name, text) = if self.evidence.resident_masked {
            (PERSON_DOCUMENT_TYPE, RESIDENT_CARD)
        } else if self.evidence.person && !self.evidence.organisation && !holds(SUBJECT_CATEGORY) {
            (SUBJECT_CATEGORY, NATURAL_PERSON)
        } else {
            return;
        };
        // Record types without these fields have no ruling that asks for them.
        let _ = self.mapped.fields.text_insert(name, text);
    }

    /// Whether an identifier is there and was refused: then it is wrong, not weak.
    pub(super) fn identity_refused(&self) -> bool {
        self.mapped.issues.iter().any(|issue| {
            matches!(
                issue.code,
                IssueCode::CodeLength
                    | IssueCode::CodeAlphabet
                    | IssueCode::CodeCheck
                    | IssueCode::CodeIsPersonNumber
                    | IssueCode::CodeAmbiguous
                    | IssueCode::NumberUnclear
                    | IssueCode::ResidentNumberCheck
                    | IssueCode::PersonNumberForm
                    | IssueCode::NumberLostDigits
                    | IssueCode::FormulaCell
            )
        })
    }
}

/// Whether a text has the form that its column's numbers have, and no person's number has: 13 or 15 digits of the business
/// register; the certificate of a public institution (事证第 and twelve digits) or of a social organisation (社证字,
/// 民证字 or 基证字, before it the place); or, as certificates since 2016 have it, a unified code.
fn is_organisation_number(name: &str, plain: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = plain.strip_suffix('号').unwrap_or(plain);
    let formed = match name {
        "registration_number" => digits(plain) && matches!(plain.len(), 13 | 15),
        "public_institution_certificate" => {
            let number = bare.strip_prefix("事证第").unwrap_or(bare);
            digits(number) && number.len() == 12
        }
        "social_organisation_certificate" => ["社证字第", "民证字第", "基证字第"]
            .iter()
            .any(|words| bare.split_once(words).is_some_and(|(_, number)| digits(number))),
        _ => return false,
    };
    formed || UnifiedCode::parse(plain).is_ok_and(|code| code.has_known_prefix())
}

/// Half-width capitals without space.
fn upper_fold(text: &str) -> String {
    let folded: String = text_fold(text).chars().filter(|symbol| !is_space(*symbol)).collect();
    folded.to_ascii_uppercase()
}

/// The same without hyphens.
fn number_plain(text: &str) -> String {
    upper_fold(text).chars().filter(|symbol| *symbol != '-').collect()
}

/// Zeros, or zeros and a letter at the end: what systems write when a code is unknown.
fn code_is_placeholder(code: &str) -> bool {
    let zeros = code.bytes().take_while(|byte| *byte == b'0').count();
    zeros >= 8 && code.len().saturating_sub(zeros) <= 1
}

/// The check character that would make the code hold.
fn code_expected_check(code: &str) -> Option<char> {
    let stem = code.get(..17)?;
    ('0'..='9').chain('A'..='Y').find(|check| UnifiedCode::parse(&format!("{stem}{check}")).is_ok())
}

/// The name of a document type in words, or of a code of the double-publicity set; of the two other sets (formats
/// reference, document types) only the codes that name the same documents or resident cards are known.
pub(super) fn document_type_read(text: &str) -> Option<&str> {
    let folded = text_fold(text);
    if folded.is_empty() || !folded.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text);
    }
    Some(match folded.as_str() {
        "1" | "10" | "111" => RESIDENT_CARD,
        "2" | "50" | "414" => "护照号",
        "3" | "30" => "港澳居民来往内地通行证",
        "4" | "40" => "台湾居民来往大陆通行证",
        "5" => "外国人永久居留身份证",
        "20" => "军人身份有效证件",
        "90" => "其他法定认可的证件",
        "112" => "临时居民身份证",
        _ => return None,
    })
}

/// Whether the document carries a resident identity number. The foreigner's card has 18 characters of another rule.
fn is_resident_card(kind: &str) -> bool {
    kind.contains("身份证") && !kind.contains("外国人")
}
