//! The dictionary of record types: which fields a record of each type has, in what form, under which Chinese label.
//!
//! Foreign key names never enter here; importers map them. Classification of the fields is policy, not schema.

use crate::category::vocabulary;
use crate::error::SchemaError;
use crate::money::Yuan;
use crate::resident_id::ResidentId;
use crate::time::{Day, PeriodEnd};
use crate::unified_code::UnifiedCode;
use serde::{Deserialize, Serialize};

vocabulary! {
    /// Types of credit record.
    RecordType, "record_type" {
        /// 行政处罚 of the double-publicity template (双公示).
        AdministrativePenalty = "administrative-penalty" / "行政处罚",
        /// 失信被执行人.
        JudgmentDebtor = "judgment-debtor" / "失信被执行人",
    }
}

/// The form of a field's value. In JSON every value is a string, or a list of strings for [`FieldKind::TextList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text of at most so many characters.
    Text(usize),
    /// Several texts, each of at most 200 characters, at most 32 of them.
    TextList,
    /// A unified social credit code.
    UnifiedCode,
    /// A natural person's document number of any kind: personal data.
    PersonNumber,
    /// A calendar day.
    Day,
    /// A day or long-term.
    PeriodEnd,
    /// An amount in yuan.
    Yuan,
}

/// One field of a record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDefinition {
    /// The name in signed forms, policy and machine output.
    pub name: &'static str,
    /// The label for people, as in the national template.
    pub chinese: &'static str,
    /// The form of the value.
    pub kind: FieldKind,
    /// Whether a record of the type cannot do without it.
    pub required: bool,
}

/// A field name that exists in the dictionary of some record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(&'static str);

impl FieldName {
    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for FieldName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Serialize for FieldName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

const fn field(
    name: &'static str,
    chinese: &'static str,
    kind: FieldKind,
    required: bool,
) -> FieldDefinition {
    FieldDefinition { name, chinese, kind, required }
}

/// Name of the field that holds an organisation's code, in every record type.
pub const SUBJECT_CODE: &str = "subject_code";
/// Name of the field that holds an organisation's code of before the unified one (GB 11714), in every record type.
pub const ORGANISATION_CODE: &str = "organisation_code";
/// Name of the field that holds the subject's name, in every record type.
pub const SUBJECT_NAME: &str = "subject_name";
/// Name of the field that holds the category of the subject (行政相对人类别), in the record types that have one.
pub const SUBJECT_CATEGORY: &str = "subject_category";
/// Name of the field that holds the type of a natural person's document, in the record types that have one.
pub const PERSON_DOCUMENT_TYPE: &str = "person_document_type";
/// Name of the field that holds a natural person's document number, in every record type.
pub const PERSON_NUMBER: &str = "person_number";

/// Texts that may be this long are prose and may have several lines; shorter ones are names, numbers and words.
const LINES_FROM: usize = 2000;

/// Longest free text of a record; the column type of the national store is `text`.
const LONG: FieldKind = FieldKind::Text(4000);

/// The union of the 26-column, 20-column and 30-column layouts of the national penalty template.
const ADMINISTRATIVE_PENALTY: &[FieldDefinition] = &[
    field(SUBJECT_NAME, "行政相对人名称", FieldKind::Text(200), true),
    field(SUBJECT_CATEGORY, "行政相对人类别", FieldKind::Text(100), false),
    field(SUBJECT_CODE, "统一社会信用代码", FieldKind::UnifiedCode, false),
    field("registration_number", "工商注册号", FieldKind::Text(50), false),
    field(ORGANISATION_CODE, "组织机构代码", FieldKind::Text(32), false),
    field("tax_registration_number", "税务登记号", FieldKind::Text(32), false),
    field("public_institution_certificate", "事业单位证书号", FieldKind::Text(120), false),
    field("social_organisation_certificate", "社会组织登记证号", FieldKind::Text(64), false),
    field("legal_representative", "法定代表人", FieldKind::Text(50), false),
    field("legal_representative_document_type", "法定代表人证件类型", FieldKind::Text(64), false),
    field("legal_representative_number", "法定代表人证件号码", FieldKind::PersonNumber, false),
    field(PERSON_DOCUMENT_TYPE, "自然人证件类型", FieldKind::Text(64), false),
    field(PERSON_NUMBER, "自然人证件号码", FieldKind::PersonNumber, false),
    field("decision_number", "行政处罚决定书文号", FieldKind::Text(128), true),
    field("breach_type", "违法行为类型", FieldKind::Text(2000), false),
    field("facts", "违法事实", LONG, false),
    field("basis", "处罚依据", LONG, false),
    field("penalty_kinds", "处罚类别", FieldKind::TextList, false),
    field("penalty_content", "处罚内容", LONG, false),
    field("fine", "罚款金额", FieldKind::Yuan, false),
    field("confiscated", "没收违法所得、没收非法财物的金额", FieldKind::Yuan, false),
    field("licence_affected", "暂扣或吊销证照名称及编号", FieldKind::Text(200), false),
    field("decision_date", "处罚决定日期", FieldKind::Day, true),
    field("valid_until", "处罚有效期", FieldKind::PeriodEnd, false),
    field("publicity_end", "公示截止期", FieldKind::PeriodEnd, false),
    field("authority_name", "处罚机关", FieldKind::Text(200), true),
    field("authority_code", "处罚机关统一社会信用代码", FieldKind::UnifiedCode, false),
    field("source_unit_name", "数据来源单位", FieldKind::Text(200), false),
    field("source_unit_code", "数据来源单位统一社会信用代码", FieldKind::UnifiedCode, false),
    field("remark", "备注", LONG, false),
];

/// Labels of the judgment-debtor list as published reports print them (formats reference, dialect P).
const JUDGMENT_DEBTOR: &[FieldDefinition] = &[
    field(SUBJECT_NAME, "失信被执行人姓名/名称", FieldKind::Text(200), true),
    field(SUBJECT_CODE, "统一社会信用代码", FieldKind::UnifiedCode, false),
    field(ORGANISATION_CODE, "组织机构代码", FieldKind::Text(32), false),
    field(PERSON_NUMBER, "身份证号码", FieldKind::PersonNumber, false),
    field("enforcing_court", "执行法院", FieldKind::Text(200), true),
    field("province", "省份", FieldKind::Text(50), false),
    field("basis_document_number", "执行依据文号", FieldKind::Text(128), false),
    field("filing_date", "立案时间", FieldKind::Day, true),
    field("case_number", "案号", FieldKind::Text(128), true),
    field("basis_document_maker", "做出执行依据单位", FieldKind::Text(200), false),
    field("obligation", "生效法律文书确定的义务", LONG, false),
    field("performance_state", "被执行人的履行情况", FieldKind::Text(200), false),
    field("circumstances", "失信被执行人行为具体情形", FieldKind::Text(2000), false),
    field("publication_date", "发布时间", FieldKind::Day, false),
    field("performed_part", "已履行部分", FieldKind::Text(2000), false),
    field("unperformed_part", "未履行部分", FieldKind::Text(2000), false),
    field("source_unit_name", "数据来源", FieldKind::Text(200), false),
];

impl RecordType {
    /// The fields of the type, in the order of its template.
    pub fn fields(self) -> &'static [FieldDefinition] {
        match self {
            Self::AdministrativePenalty => ADMINISTRATIVE_PENALTY,
            Self::JudgmentDebtor => JUDGMENT_DEBTOR,
        }
    }

    /// The field called `name`.
    pub fn field(self, name: &str) -> Result<(FieldName, &'static FieldDefinition), SchemaError> {
        self.fields()
            .iter()
            .find(|definition| definition.name == name)
            .map(|definition| (FieldName(definition.name), definition))
            .ok_or_else(|| {
                SchemaError::field("field", "not a field of this record type", "see the template of the type")
            })
    }

    /// The SD-JWT VC type of the record (`vct`).
    pub fn vct(self) -> String {
        format!("urn:chengxin:record:{}:1", self.as_str())
    }

    /// The type a `vct` names.
    pub fn from_vct(vct: &str) -> Result<Self, SchemaError> {
        Self::ALL.iter().copied().find(|kind| kind.vct() == vct).ok_or_else(|| {
            SchemaError::field(
                "vct",
                "unknown record type",
                "the issuer's node may be newer: upgrade this one",
            )
        })
    }

    /// The fields that may carry the day on which the breach was determined, from which publicity periods run; the first
    /// that a record has does. A debtor is put on the list after the case was filed, and published then; a list without
    /// days of publication leaves the day of filing, the only one it has.
    pub fn determination_fields(self) -> &'static [&'static str] {
        match self {
            Self::AdministrativePenalty => &["decision_date"],
            Self::JudgmentDebtor => &["publication_date", "filing_date"],
        }
    }

    /// The fields whose values together with the subject's name make two rows the same record (the duplicate key of
    /// the national reporting system).
    pub fn duplicate_fields(self) -> &'static [&'static str] {
        match self {
            Self::AdministrativePenalty => &["decision_number", SUBJECT_NAME],
            Self::JudgmentDebtor => &["case_number", SUBJECT_NAME],
        }
    }
}

impl FieldDefinition {
    /// The name as a value that is known to exist in a dictionary.
    pub fn field_name(&self) -> FieldName {
        FieldName(self.name)
    }

    /// Whether the field holds text of several lines: facts, bases, remarks. Names and numbers stand on one line in every
    /// document and list, and a line break in one comes from a spreadsheet's cell.
    pub fn has_lines(&self) -> bool {
        matches!(self.kind, FieldKind::Text(limit) if limit >= LINES_FROM)
    }

    /// Checks one text against the field's kind and returns its canonical spelling. Errors name this field.
    pub fn value_parse(&self, text: &str) -> Result<String, SchemaError> {
        if !self.has_lines() && text.trim().contains(['\n', '\t']) {
            return Err(SchemaError::field(
                self.name,
                "contains a line break or a tab",
                "write it on one line",
            ));
        }
        self.signed_parse(text)
    }

    /// As [`Self::value_parse`], for the signed form, in which a short text may have line breaks and tabs.
    pub(crate) fn signed_parse(&self, text: &str) -> Result<String, SchemaError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SchemaError::field(self.name, "empty", "leave the field out instead"));
        }
        if trimmed.chars().any(|symbol| symbol.is_control() && symbol != '\n' && symbol != '\t') {
            return Err(SchemaError::field(self.name, "contains a control character", "remove it"));
        }
        let within = |limit: usize| {
            let actual = trimmed.chars().count();
            if actual > limit {
                Err(SchemaError::TooLarge { what: self.name, unit: "characters", actual, limit })
            } else {
                Ok(trimmed.to_owned())
            }
        };
        match self.kind {
            FieldKind::Text(limit) => within(limit),
            FieldKind::TextList => within(200),
            FieldKind::UnifiedCode => UnifiedCode::parse(trimmed)
                .map(|code| code.to_string())
                .map_err(|error| error.in_field(self.name)),
            // Passports and permits have no common check: length and alphabet only. Eighteen-character numbers of
            // residents are checked where the document type says so, by the importer.
            FieldKind::PersonNumber => {
                let number: String = crate::unified_code::normalise(trimmed).collect();
                if number.len() > 64
                    || !number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                {
                    return Err(SchemaError::field(
                        self.name,
                        "not a document number",
                        "write letters, digits and hyphens only",
                    ));
                }
                Ok(number)
            }
            FieldKind::Day => {
                trimmed.parse::<Day>().map(|day| day.to_string()).map_err(|error| error.in_field(self.name))
            }
            FieldKind::PeriodEnd => trimmed
                .parse::<PeriodEnd>()
                .map(|end| end.to_string())
                .map_err(|error| error.in_field(self.name)),
            FieldKind::Yuan => trimmed
                .parse::<Yuan>()
                .map(|amount| amount.to_string())
                .map_err(|error| error.in_field(self.name)),
        }
    }

    /// Whether the field holds what only its subject or an authorised body may know: a document number of a person.
    pub fn is_personal_number(&self) -> bool {
        self.kind == FieldKind::PersonNumber
    }
}

/// A resident identity number from a person-number field, if it is one.
pub fn resident_id_from_field(text: &str) -> Option<ResidentId> {
    ResidentId::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_type_has_its_special_fields() {
        for kind in RecordType::ALL {
            let mut names: Vec<_> = kind.fields().iter().map(|definition| definition.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), kind.fields().len());
            for special in [SUBJECT_CODE, ORGANISATION_CODE, SUBJECT_NAME, PERSON_NUMBER]
                .iter()
                .chain(kind.determination_fields())
            {
                assert!(kind.field(special).is_ok(), "{kind} lacks {special}");
            }
            let required = |name: &&&str| kind.field(name).is_ok_and(|(_, definition)| definition.required);
            assert!(kind.determination_fields().last().is_some_and(|name| required(&name)), "always a day");
            for name in kind.duplicate_fields() {
                assert!(kind.field(name).is_ok_and(|(_, definition)| definition.required), "{kind} {name}");
            }
            assert_eq!(RecordType::from_vct(&kind.vct()).expect("own vct"), *kind);
        }
    }

    #[test]
    fn values_become_canonical_or_are_refused_by_field_name() {
        let (_, fine) = RecordType::AdministrativePenalty.field("fine").expect("field");
        assert_eq!(fine.value_parse(" 5 ").expect("amount"), "5.00");
        let (_, date) = RecordType::AdministrativePenalty.field("decision_date").expect("field");
        assert!(date.value_parse("2022-09-31").is_err());
        let (_, name) = RecordType::AdministrativePenalty.field("subject_name").expect("field");
        assert!(name.value_parse(&"长".repeat(201)).is_err());
        assert!(RecordType::AdministrativePenalty.field("cf_wsh").is_err(), "foreign names stay outside");
        for (name, bad) in [
            ("fine", "five"),
            ("confiscated", "1,2"),
            ("decision_date", "2022-09-31"),
            ("publicity_end", "soon"),
            ("valid_until", "2022-9-1"),
            ("subject_code", "91320100748204660R"),
            ("authority_code", "1"),
            ("person_number", "？"),
            ("subject_name", " "),
        ] {
            let (_, field) = RecordType::AdministrativePenalty.field(name).expect("field");
            let error = field.value_parse(bad).expect_err(name).to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
        let error = "fine".parse::<RecordType>().expect_err("unknown").to_string();
        assert!(error.starts_with("record_type: "), "{error}");
    }
}
