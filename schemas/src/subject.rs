//! The credit subject (信用主体): whom a record is about.

use serde::{Deserialize, Serialize};

use crate::digest::HmacKey;
use crate::error::SchemaError;
use crate::organisation_code::{OrganisationCode, is_travel_document_shaped};
use crate::resident_id::ResidentId;
use crate::unified_code::{CheckException, UnifiedCode, normalise};

/// Longest name of a subject, in characters: that of the registered name in every record type.
pub const SUBJECT_NAME_LIMIT: usize = 200;

/// The identifier under which a subject is looked up.
///
/// Serialises in the clear: only signed and encrypted forms may hold it. Indexes, logs and metrics hold a keyed hash of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SubjectId {
    /// A legal person or unincorporated organisation, an individual business included.
    Organisation(UnifiedCode),
    /// A natural person.
    Person(ResidentId),
    /// An organisation by its code of before the unified one, which stands in characters 9–17 of its unified code. Stored
    /// forms know the kinds by their place, so it comes last.
    OrganisationCode(OrganisationCode),
}

/// The kind of a subject.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// 法人及非法人组织, 个体工商户.
    Organisation,
    /// 自然人.
    Person,
}

impl SubjectKind {
    /// The kind that a category of subjects (行政相对人类别) names: the values of the national store, and spellings of
    /// them. Other words say nothing.
    pub fn of_category(category: &str) -> Option<Self> {
        let zero_width = |symbol: &char| matches!(symbol, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}');
        let folded: String = normalise(category).filter(|symbol| !zero_width(symbol)).collect();
        match folded.as_str() {
            "自然人" | "个人" | "公民" => Some(Self::Person),
            "法人及非法人组织"
            | "法人和非法人组织"
            | "法人或非法人组织"
            | "法人及其他组织"
            | "法人和其他组织"
            | "法人或其他组织"
            | "法人"
            | "非法人组织"
            | "其他组织"
            | "企业"
            | "企业法人"
            | "机关法人"
            | "事业单位法人"
            | "社会团体法人"
            | "其他法人"
            | "个体工商户"
            | "个体户"
            | "个体经营户" => Some(Self::Organisation),
            _ => None,
        }
    }
}

impl SubjectId {
    /// Parses what a clerk types: an 18-character unified social credit code or resident identity number, a nine-character
    /// organisation code, or any of them behind `org:` or `person:`. A resident number and a unified code can be confused
    /// only in digits: one in 31 valid resident numbers has the check character of a code too, and is refused until the
    /// caller says which, unless no code begins so. A mistyped resident number is never taken for a code, nor its error for
    /// a code's: that one advises to accept the number as it is. A number of a passport's form is refused as an
    /// organisation code until the caller says so: what a search for it does not find says nothing about the person.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        match text.trim().split_once(':') {
            Some(("org", rest)) if OrganisationCode::is_meant_by(rest) => {
                return OrganisationCode::parse(rest).map(Self::OrganisationCode);
            }
            Some(("org", rest)) => return UnifiedCode::parse(rest).map(Self::Organisation),
            Some(("person", rest)) => return ResidentId::parse(rest).map(Self::Person),
            _ => {}
        }
        if OrganisationCode::is_meant_by(text) {
            if OrganisationCode::read(text).is_ok_and(|code| is_travel_document_shaped(code.as_str())) {
                return Err(SchemaError::field(
                    "subject",
                    "the number has the form of a passport's or travel permit's",
                    "search for its holder by resident identity number; if it is an organisation's code, prefix it with org:",
                ));
            }
            return OrganisationCode::parse(text).map(Self::OrganisationCode);
        }
        match (UnifiedCode::parse(text), ResidentId::parse(text)) {
            (Ok(code), Ok(_)) if code.has_known_prefix() => Err(SchemaError::field(
                "subject",
                "the number is valid both as an organisation's and as a person's",
                "prefix it with org: or person:",
            )),
            (_, Ok(number)) => Ok(Self::Person(number)),
            (Ok(code), Err(_)) if code.has_known_prefix() || !ResidentId::is_meant_by(text) => {
                Ok(Self::Organisation(code))
            }
            (Err(code), Err(_)) if !ResidentId::is_meant_by(text) => Err(code),
            (_, Err(number)) => Err(number),
        }
    }

    /// Parses what a clerk types as [`SubjectId::parse`] does, and takes a code whose check is wrong on the word of the person
    /// that `exception` names. Nothing else is taken so: a mistyped resident number is no code, and a code that holds needs
    /// nobody's word.
    pub fn accept(text: &str, exception: &CheckException) -> Result<Self, SchemaError> {
        exception.check()?;
        let Err(fault) = Self::parse(text) else {
            return Err(SchemaError::field(
                "subject",
                "the check of the code holds",
                "leave the acceptance (accept) out",
            ));
        };
        let (stated, code) = match text.trim().split_once(':') {
            Some(("org", code)) => (true, code),
            Some(_) => return Err(fault),
            None => (false, text),
        };
        let may_be_persons = ResidentId::is_meant_by(code)
            || OrganisationCode::read(code).is_ok_and(|code| is_travel_document_shaped(code.as_str()));
        if may_be_persons && !stated {
            return Err(fault);
        }
        if OrganisationCode::is_meant_by(code) {
            return OrganisationCode::accept(code, exception).map(Self::OrganisationCode);
        }
        UnifiedCode::accept(code, exception).map(Self::Organisation)
    }

    /// Refuses a code whose check is wrong and for which nobody vouches: most of these are mistyped, and of what is then not
    /// found nothing would follow.
    pub fn vouched_check(&self, exception: Option<&CheckException>) -> Result<(), SchemaError> {
        let holds = match self {
            Self::Organisation(code) => code.check_holds(),
            Self::OrganisationCode(code) => code.check_holds(),
            Self::Person(_) => true,
        };
        match exception {
            Some(exception) => exception.check(),
            None if holds => Ok(()),
            None => Err(SchemaError::field(
                "subject",
                "the check character is wrong, and nobody vouches for the code",
                "compare the code with the certificate, or name in check_exception who accepted it and why",
            )),
        }
    }

    /// Organisation or person.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Organisation(_) | Self::OrganisationCode(_) => SubjectKind::Organisation,
            Self::Person(_) => SubjectKind::Person,
        }
    }

    /// The organisation code that names the same organisation as a unified code does.
    pub fn organisation_code(&self) -> Option<Self> {
        match self {
            Self::Organisation(code) => Some(Self::OrganisationCode(code.organisation_code())),
            Self::Person(_) | Self::OrganisationCode(_) => None,
        }
    }

    /// Whether what names `named` is about the subject that is asked about by this identifier, as far as the two tell: they
    /// are the same, but for a check character that was accepted; or one is a unified code and the other the organisation
    /// code within it. Two unified codes around one organisation code are two identifiers, and each covers that code.
    pub fn covers(&self, named: &Self) -> bool {
        let is_same_code = match (self, named) {
            (Self::Organisation(own), Self::Organisation(other)) => own.is_same_but_for_check(other),
            _ => self == named,
        };
        is_same_code
            || self.organisation_code().is_some_and(|own| own == *named)
            || named.organisation_code().is_some_and(|own| own == *self)
    }

    /// The keyed hash for logs and metrics. Each node has its own key, so two nodes' keys for one subject do not match.
    pub fn key(&self, secret: &HmacKey) -> SubjectKey {
        match self {
            Self::Organisation(code) => SubjectKey(secret.hash(&[b"organisation", code.as_str().as_bytes()])),
            Self::Person(number) => SubjectKey(secret.hash(&[b"person", number.expose().as_bytes()])),
            Self::OrganisationCode(code) => {
                SubjectKey(secret.hash(&[b"organisation_code", code.as_str().as_bytes()]))
            }
        }
    }

    /// The keyed hash for indexes: that of the organisation code where there is one, so that one look-up finds what names
    /// an organisation by either of its codes. What it finds is told apart by [`SubjectId::covers`].
    pub fn index_key(&self, secret: &HmacKey) -> SubjectKey {
        self.organisation_code().as_ref().unwrap_or(self).key(secret)
    }

    /// What may be shown of it to someone who did not type it: organisations' codes are public, a person's number
    /// keeps its first six and last two characters.
    pub fn masked(&self) -> String {
        match self {
            Self::Organisation(code) => code.to_string(),
            Self::OrganisationCode(code) => code.to_string(),
            Self::Person(number) => format!("{}**********{}", &number.expose()[..6], &number.expose()[16..]),
        }
    }
}

/// The keyed hash of a subject identifier or of a normalised name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey(pub [u8; 32]);

impl SubjectKey {
    /// The key of a name, for records whose subject has no usable code. Names compare after folding width, case,
    /// spaces and brackets.
    pub fn of_name(name: &str, secret: &HmacKey) -> Self {
        Self(secret.hash(&[b"name", name_normalise(name).as_bytes()]))
    }
}

impl std::fmt::Display for SubjectKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::digest::hex_write(&self.0, formatter)
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SubjectKey({self})")
    }
}

impl std::str::FromStr for SubjectKey {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        crate::digest::hex_decode(text).map(Self).ok_or_else(|| {
            SchemaError::field("subject_key", "not a keyed hash", "it is 64 hexadecimal digits")
        })
    }
}

crate::identity::string_serde!(SubjectKey, "keyed hash of a subject identifier", "^[0-9a-f]{64}$");

/// Refuses a name that no subject has. Whoever searches by a name says that records without an identifier were looked for,
/// so a blank one would claim a search that finds nothing. `field` is what the caller calls it.
pub fn searched_name_check(name: &str, field: &'static str) -> Result<(), SchemaError> {
    if name.chars().count() > SUBJECT_NAME_LIMIT {
        return Err(SchemaError::field(field, "longer than 200 characters", "give the registered name"));
    }
    if name_normalise(name).is_empty() {
        return Err(SchemaError::field(
            field,
            "nothing but blanks",
            "give the registered name, or leave the name out",
        ));
    }
    Ok(())
}

/// The form in which two spellings of a name compare equal: width, case, spaces and bracket shapes folded.
pub fn name_normalise(name: &str) -> String {
    normalise(name)
        .map(|symbol| match symbol {
            '〔' | '【' | '［' => '(',
            '〕' | '】' | '］' => ')',
            '[' => '(',
            ']' => ')',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn what_a_clerk_types_becomes_one_kind() {
        assert_eq!(SubjectId::parse("91320100748204660Q").expect("code").kind(), SubjectKind::Organisation);
        assert_eq!(SubjectId::parse("11010519491231002X").expect("number").kind(), SubjectKind::Person);
        assert_eq!(
            SubjectId::parse("person:11010519491231002X").expect("number").kind(),
            SubjectKind::Person
        );
        assert!(SubjectId::parse("123").is_err());
    }

    #[test]
    fn an_organisation_code_is_told_by_its_length() {
        for text in ["10774368-0", "107743680", " １０７７４３６８－０", "org:10774368-0"] {
            let subject = SubjectId::parse(text).expect(text);
            assert_eq!(subject.kind(), SubjectKind::Organisation);
            assert_eq!(subject.masked(), "107743680");
        }
        let refused = |text: &str| SubjectId::parse(text).expect_err(text).to_string();
        assert!(refused("107743681").starts_with("organisation_code: check character 9 should be 0"));
        // Of the form of a passport; the check of a code holds in one of them.
        assert!(refused("E12345673").contains("org:") && refused("E12345674").contains("org:"));
        assert!(SubjectId::parse("org:E12345673").is_ok());
        assert!(refused("person:107743680").starts_with("resident_id: "));
    }

    #[test]
    fn a_code_that_fails_its_check_is_taken_on_a_persons_word_and_nothing_else_is() {
        let exception = CheckException { accepted_by: "li".into(), reason: "证照如此".into() };
        let accept = |text: &str| SubjectId::accept(text, &exception);
        for text in ["913101150607311257", "org:913101150607311257", "13220410-5", "org:E12345674"] {
            let subject = accept(text).expect(text);
            assert_eq!(subject.kind(), SubjectKind::Organisation);
            let error = subject.vouched_check(None).expect_err("nobody's word").to_string();
            assert!(error.starts_with("subject: "), "{error}");
            assert!(subject.vouched_check(Some(&exception)).is_ok());
        }
        let refused = |text: &str| accept(text).expect_err(text).to_string();
        for text in ["91320100748204660Q", "10774368-0", "11010519491231002X", "org:10774368-0"] {
            assert!(refused(text).contains("leave the acceptance"), "{text}");
            assert!(SubjectId::parse(text).expect(text).vouched_check(None).is_ok());
        }
        // Mistyped numbers of persons, a number that is one of both, and what is no code at all.
        for text in ["110105194912310021", "person:110105194912310021", "person:913101150607311257"] {
            assert!(refused(text).starts_with("resident_id: "), "{text}");
        }
        assert!(refused("E12345674").contains("org:") && refused("913101150607").contains("18"));
        let both = residents("110105").into_iter().find(|text| SubjectId::parse(text).is_err());
        assert!(refused(&both.expect("one of both")).contains("person:"));
        let nobody = CheckException { accepted_by: " ".into(), ..exception.clone() };
        assert!(SubjectId::accept("913101150607311257", &nobody).is_err());
        let subject = accept("913101150607311257").expect("accepted");
        assert!(subject.vouched_check(Some(&nobody)).is_err());
        // Whoever corrects the character finds what was recorded as printed, and the other way round.
        let corrected = SubjectId::parse("91310115060731125W").expect("corrected");
        assert!(subject.covers(&corrected) && corrected.covers(&subject) && subject != corrected);
    }

    #[test]
    fn an_organisation_is_found_by_either_code_and_by_no_other() {
        let subject = |text| SubjectId::parse(text).expect("subject");
        let (unified, code) = (subject("91320100748204660Q"), subject("74820466-0"));
        let key = HmacKey::new(&Zeroizing::new([1; 32]));
        assert!(unified.covers(&code) && code.covers(&unified) && unified.covers(&unified));
        assert_eq!(unified.index_key(&key), code.index_key(&key));
        assert_ne!(unified.key(&key), code.key(&key), "the log tells them apart");
        // The same organisation code in another unified code.
        let other = subject("93150100748204660H");
        assert!(code.covers(&other) && !unified.covers(&other));
        let person = subject("11010519491231002X");
        assert!(!person.covers(&code) && !code.covers(&person) && !unified.covers(&subject("10774368-0")));
        assert_eq!(person.index_key(&key), person.key(&key));
    }

    /// Valid resident numbers of one region and day, by their three-digit order.
    fn residents(region: &str) -> Vec<String> {
        (0..1000)
            .flat_map(|order| {
                "0123456789X".chars().map(move |check| format!("{region}19900310{order:03}{check}"))
            })
            .filter(|text| ResidentId::parse(text).is_ok())
            .collect()
    }

    #[test]
    fn a_persons_number_is_a_persons_whatever_it_is_valid_as_too() {
        // No code begins with 15, so none of these is ambiguous; 11 is also that of administrative organs.
        assert!(residents("150105").iter().all(|text| {
            SubjectId::parse(text).is_ok_and(|subject| subject.kind() == SubjectKind::Person)
        }));
        let (mut persons, mut ambiguous) = (0, 0);
        for text in residents("110105") {
            match SubjectId::parse(&text) {
                Ok(subject) => {
                    assert_eq!(subject.kind(), SubjectKind::Person);
                    persons += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("person:"), "{error}");
                    assert_eq!(UnifiedCode::parse(&text).expect("valid as a code").to_string(), text);
                    ambiguous += 1;
                }
            }
            assert!(SubjectId::parse(&format!("person:{text}")).is_ok());
        }
        assert!(persons > 900 && (10..60).contains(&ambiguous), "{persons} {ambiguous}");
    }

    #[test]
    fn what_was_mistyped_is_named() {
        let refused = |text: &str| SubjectId::parse(text).expect_err(text).to_string();
        // One digit wrong, two exchanged, an impossible month; even where a code's check happens to fit.
        for text in residents("150105") {
            let last = if text.ends_with('0') { '1' } else { '0' };
            let mistyped = format!("{}{last}", &text[..17]);
            let error = refused(&mistyped);
            assert!(error.starts_with("resident_id: ") && error.contains("identity card"), "{error}");
            assert!(!error.contains("1990"), "{error}");
        }
        assert!(refused("110105194912310021").starts_with("resident_id: "));
        assert!(refused("150105194913310023").starts_with("resident_id: "));
        assert!(refused("person:91320100748204660Q").starts_with("resident_id: "));
        for text in ["91320100748204660R", "913101150607311257", "9132010074820466", "org:11010519491231002X"]
        {
            let error = refused(text);
            assert!(error.starts_with("unified_code: "), "{error}");
        }
    }

    #[test]
    fn keys_differ_between_nodes_and_kinds() {
        let (one, two) = (HmacKey::new(&Zeroizing::new([1; 32])), HmacKey::new(&Zeroizing::new([2; 32])));
        let subject = SubjectId::parse("91320100748204660Q").expect("code");
        assert_eq!(subject.key(&one), subject.key(&one));
        assert_ne!(subject.key(&one), subject.key(&two));
    }

    #[test]
    fn bracket_shapes_and_width_do_not_make_two_names() {
        assert_eq!(name_normalise("某某（内蒙古） 有限公司"), name_normalise("某某(内蒙古)有限公司"));
        let key = HmacKey::new(&Zeroizing::new([1; 32]));
        assert_eq!(SubjectKey::of_name("ＡＢ厂", &key), SubjectKey::of_name("ab厂", &key));
    }

    #[test]
    fn a_name_to_search_for_is_not_blank() {
        assert!(searched_name_check("示例", "name").is_ok());
        assert!(searched_name_check(&"长".repeat(SUBJECT_NAME_LIMIT), "name").is_ok());
        for name in ["", " ", "\u{3000}\t\n", &"长".repeat(SUBJECT_NAME_LIMIT + 1)] {
            let error = searched_name_check(name, "name").expect_err("refused").to_string();
            assert!(error.starts_with("name: "), "{error}");
        }
    }

    #[test]
    fn a_persons_number_is_masked() {
        let subject = SubjectId::parse("11010519491231002X").expect("number");
        assert_eq!(subject.masked(), "110105**********2X");
    }
}
