//! Which layout a header belongs to, and what each of its columns means.
//!
//! Recognition is by the set of headers. Headers compare after folding width, brackets, case, space and line
//! breaks, so `罚款金额 (万元)` and `罚款金额（万元）` are one. Keys are trusted over labels; a foreign key name never
//! leaves this module.

mod judgment_debtor;
mod near;
mod penalty;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use chengxin_schemas::money::MoneyUnit;
use chengxin_schemas::record_type::RecordType;
use serde::Serialize;

use crate::cells::{Cells, column_letter};
use crate::error::{ImportError, UnclearColumn};
use crate::value::{fold, is_space};

/// Whose names the columns carry (formats reference, key dialects).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// N: keys of the national double-publicity template, `cf_xdr_mc`, `cfXdrMc` or `CF_XDR_MC`.
    NationalKeys,
    /// The Chinese headers of the national template, or the labels of published reports (P).
    ChineseLabels,
    /// E: the English-name store, `ADM_COUNTERPART`.
    EnglishStore,
    /// X: data-element keys, `xy010101`.
    DataElementKeys,
    /// C: rows of the Credit China query interface, `cf_cflb1`, mixed with keys of N.
    CreditChina,
    /// Columns of several dialects.
    Mixed,
}

/// Which column set the header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateVersion {
    /// 2018 penalty template for legal persons and unincorporated organisations: 26 columns.
    PenaltyLegalPersons2018,
    /// 2018 penalty template for natural persons: 20 columns.
    PenaltyNaturalPersons2018,
    /// The newer penalty layout for every kind of counterpart: 30 columns.
    PenaltyUnified,
    /// A penalty list with some of the columns, as reports print them.
    PenaltyPartial,
    /// The list of judgment debtors.
    JudgmentDebtorList,
}

impl TemplateVersion {
    /// The name kept beside every source row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PenaltyLegalPersons2018 => "penalty-2018-legal-persons",
            Self::PenaltyNaturalPersons2018 => "penalty-2018-natural-persons",
            Self::PenaltyUnified => "penalty-unified",
            Self::PenaltyPartial => "penalty-partial",
            Self::JudgmentDebtorList => "judgment-debtor-list",
        }
    }

    /// Whose name it is, for people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::PenaltyLegalPersons2018 => "双公示行政处罚（法人及非法人组织，2018 版 26 列）",
            Self::PenaltyNaturalPersons2018 => "双公示行政处罚（自然人，2018 版 20 列）",
            Self::PenaltyUnified => "双公示行政处罚（新版 30 列）",
            Self::PenaltyPartial => "行政处罚（部分列）",
            Self::JudgmentDebtorList => "失信被执行人名单",
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A field of the record. Money columns carry the unit their header names.
    Field {
        /// Name in the record type's dictionary.
        name: &'static str,
        /// Unit of a money column.
        unit: Option<MoneyUnit>,
    },
    /// 身份证号码/组织机构代码 of the judgment-debtor list: a person's number, an organisation code or a unified code.
    DebtorNumber,
    /// 处罚类别2, which explains 其他.
    SecondPenaltyKind,
    /// The column of errors that this crate's error files add; ignored when the corrected file comes back.
    Errors,
    /// The column of row numbers that error files add; ignored like the errors.
    OriginalRow,
}

/// One line of a synonym table.
pub(crate) struct Synonym {
    pub(crate) dialect: Dialect,
    pub(crate) header: &'static str,
    pub(crate) meaning: Meaning,
}

pub(crate) const fn synonym(dialect: Dialect, header: &'static str, name: &'static str) -> Synonym {
    Synonym { dialect, header, meaning: Meaning::Field { name, unit: None } }
}

pub(crate) const fn money(
    dialect: Dialect,
    header: &'static str,
    name: &'static str,
    unit: MoneyUnit,
) -> Synonym {
    Synonym { dialect, header, meaning: Meaning::Field { name, unit: Some(unit) } }
}

/// A header in the form in which variants compare equal.
pub fn header_normalise(header: &str) -> String {
    let folded: String = header
        .chars()
        .map(|symbol| match fold(symbol) {
            '〔' | '【' | '[' => '(',
            '〕' | '】' | ']' => ')',
            other => other.to_ascii_lowercase(),
        })
        .filter(|symbol| !is_space(*symbol) && !matches!(symbol, '_' | '*'))
        .collect();
    let folded = folded.replace("(必填)", "").replace("(选填)", "").replace("(单位:", "(");
    folded.trim_end_matches(':').to_owned()
}

type Table = HashMap<String, (Dialect, Meaning)>;

fn table(record_type: RecordType) -> &'static Table {
    static PENALTY: OnceLock<Table> = OnceLock::new();
    static JUDGMENT: OnceLock<Table> = OnceLock::new();
    let build = |synonyms: &[Synonym]| {
        let mut table: Table = synonyms
            .iter()
            .map(|entry| (header_normalise(entry.header), (entry.dialect, entry.meaning)))
            .collect();
        for header in ERROR_HEADERS {
            table.insert(header_normalise(header), (Dialect::ChineseLabels, Meaning::Errors));
        }
        for header in ROW_HEADERS {
            table.insert(header_normalise(header), (Dialect::ChineseLabels, Meaning::OriginalRow));
        }
        table
    };
    match record_type {
        RecordType::AdministrativePenalty => PENALTY.get_or_init(|| build(synonyms(record_type))),
        RecordType::JudgmentDebtor => JUDGMENT.get_or_init(|| build(synonyms(record_type))),
    }
}

fn synonyms(record_type: RecordType) -> &'static [Synonym] {
    match record_type {
        RecordType::AdministrativePenalty => penalty::SYNONYMS,
        RecordType::JudgmentDebtor => judgment_debtor::SYNONYMS,
    }
}

/// Header of the column that error files add.
pub const ERROR_HEADER: &str = "错误/Errors";
const ERROR_HEADERS: [&str; 3] = [ERROR_HEADER, "错误", "Errors"];
/// Header of the column of row numbers that error files add.
pub const ROW_HEADER: &str = "原行号/Row";
const ROW_HEADERS: [&str; 2] = [ROW_HEADER, "原行号"];

/// The headers of a template, in its order.
pub fn template_headers(record_type: RecordType) -> &'static [(&'static str, &'static str)] {
    match record_type {
        RecordType::AdministrativePenalty => penalty::TEMPLATE,
        RecordType::JudgmentDebtor => judgment_debtor::TEMPLATE,
    }
}

/// Headers with their keys of one of the penalty layouts, in order: `(key, header)`.
pub fn penalty_columns(version: TemplateVersion) -> Vec<(&'static str, &'static str)> {
    penalty::columns(version)
}

/// One column of the file.
#[derive(Clone, Debug)]
pub struct Column {
    /// The header as it stands in the file.
    pub header: Arc<str>,
    /// What it holds; nothing for a column no field corresponds to.
    pub meaning: Option<Meaning>,
}

/// What a header row means.
#[derive(Clone, Debug)]
pub struct Header {
    /// The type of the records below it.
    pub record_type: RecordType,
    /// Whose names the columns carry.
    pub dialect: Dialect,
    /// Which column set it is.
    pub template: TemplateVersion,
    /// All columns, in file order.
    pub columns: Vec<Column>,
}

impl Header {
    /// The column that holds `field`.
    pub fn column_of(&self, field: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| matches!(column.meaning, Some(Meaning::Field { name, .. }) if name == field))
    }

    /// Letters and headers of the columns that no field corresponds to.
    pub fn unmapped(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.meaning.is_none() && !column.header.trim().is_empty())
    }
}

/// How well a row fits a type's headers: how many of its cells are known.
pub(crate) fn header_score(cells: &Cells, record_type: RecordType) -> usize {
    let table = table(record_type);
    cells.iter().filter(|cell| table.contains_key(&header_normalise(cell))).count()
}

/// Whether every filled cell of a row is a known header. The first one decides for nearly all rows.
pub(crate) fn header_is_repeated(cells: &Cells, record_type: RecordType) -> bool {
    let table = table(record_type);
    let mut filled = cells.iter().filter(|cell| !cell.trim().is_empty()).peekable();
    filled.peek().is_some()
        && filled.all(|cell| table.contains_key(&header_normalise(cell)))
        && header_score(cells, record_type) >= HEADER_EVIDENCE
}

/// Least number of known headers that make a row a header: titles and data rows have none or one by accident.
const HEADER_EVIDENCE: usize = 3;

/// The best record type for a row, if the row is a header at all. Ties go to the type whose required columns are
/// there, then to the first.
pub(crate) fn header_type(cells: &Cells, wanted: Option<RecordType>) -> Option<(RecordType, usize)> {
    RecordType::ALL
        .iter()
        .copied()
        .filter(|kind| wanted.is_none_or(|wanted| wanted == *kind))
        .map(|kind| (kind, header_score(cells, kind), columns_missing(cells, kind).len()))
        .filter(|(_, score, _)| *score >= HEADER_EVIDENCE)
        .max_by_key(|(_, score, missing)| (usize::MAX - missing, *score))
        .map(|(kind, score, _)| (kind, score))
}

fn columns_missing(cells: &Cells, record_type: RecordType) -> Vec<&'static str> {
    let table = table(record_type);
    let present: Vec<&'static str> = cells
        .iter()
        .filter_map(|cell| match table.get(&header_normalise(cell)) {
            Some((_, Meaning::Field { name, .. })) => Some(*name),
            Some((
                _,
                Meaning::DebtorNumber | Meaning::SecondPenaltyKind | Meaning::Errors | Meaning::OriginalRow,
            ))
            | None => None,
        })
        .collect();
    record_type
        .fields()
        .iter()
        .filter(|definition| definition.required && !present.contains(&definition.name))
        .map(|definition| definition.chinese)
        .collect()
}

/// Reads a header row of a known type.
///
/// # Errors
/// [`ImportError::HeaderUnclear`] lists headers that are nearly known ones, [`ImportError::ColumnsMissing`] what a record
/// cannot do without; [`ImportError::ColumnTwice`] names two columns for one field.
pub(crate) fn header_read(cells: &Cells, record_type: RecordType) -> Result<Header, ImportError> {
    let table = table(record_type);
    let mut columns: Vec<Column> = Vec::with_capacity(cells.len());
    let mut dialects: Vec<Dialect> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let entry = table.get(&header_normalise(cell)).copied();
        let meaning = entry.map(|(_, meaning)| meaning);
        if let Some((dialect, meaning)) = entry {
            if !is_own_column(meaning) && !dialects.contains(&dialect) {
                dialects.push(dialect);
            }
            twice_refuse(&columns, index, meaning)?;
        }
        columns.push(Column { header: Arc::from(cell.trim()), meaning });
    }
    let unclear = columns_unclear(&columns, record_type);
    if !unclear.is_empty() {
        return Err(ImportError::HeaderUnclear { columns: unclear });
    }
    let missing = columns_missing(cells, record_type);
    if !missing.is_empty() {
        return Err(ImportError::ColumnsMissing { record_type, columns: missing });
    }
    let dialect = match dialects[..] {
        [one] => one,
        // Most keys of C are those of N.
        [Dialect::NationalKeys, Dialect::CreditChina] | [Dialect::CreditChina, Dialect::NationalKeys] => {
            Dialect::CreditChina
        }
        _ => Dialect::Mixed,
    };
    let mut header = Header { record_type, dialect, template: TemplateVersion::JudgmentDebtorList, columns };
    if record_type == RecordType::AdministrativePenalty {
        header.template = penalty::version(&header);
    }
    Ok(header)
}

/// Whether the column is one that error files add.
fn is_own_column(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Errors | Meaning::OriginalRow)
}

/// Unknown headers that are nearly a known one whose field has no column yet. What has its field already is another
/// column of a similar name, such as an amount in words.
fn columns_unclear(columns: &[Column], record_type: RecordType) -> Vec<UnclearColumn> {
    let has = |meaning: Meaning| {
        columns.iter().filter_map(|column| column.meaning).any(|there| match (there, meaning) {
            (Meaning::Field { name: one, .. }, Meaning::Field { name: other, .. }) => one == other,
            (one, other) => one == other,
        })
    };
    let unknown = |column: &Column| column.meaning.is_none() && !column.header.is_empty();
    columns
        .iter()
        .enumerate()
        .filter(|(_, column)| unknown(column))
        .filter_map(|(index, column)| {
            let near = synonyms(record_type)
                .iter()
                .find(|entry| near::header_is_near(&column.header, entry.header) && !has(entry.meaning))?;
            Some(UnclearColumn {
                letter: column_letter(index),
                header: column.header.to_string(),
                known: near.header,
            })
        })
        .collect()
}

fn twice_refuse(columns: &[Column], index: usize, meaning: Meaning) -> Result<(), ImportError> {
    let same = |other: &Column| match (other.meaning, meaning) {
        (Some(Meaning::Field { name: one, .. }), Meaning::Field { name: other, .. }) => one == other,
        (Some(one), other) => one == other,
        (None, _) => false,
    };
    let field = match meaning {
        Meaning::Field { name, .. } => name,
        Meaning::DebtorNumber => "person_number",
        Meaning::SecondPenaltyKind => "penalty_kinds",
        Meaning::Errors | Meaning::OriginalRow => return Ok(()),
    };
    match columns.iter().position(same) {
        Some(first) => {
            Err(ImportError::ColumnTwice { field, first: column_letter(first), second: column_letter(index) })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(headers: &[&str]) -> Cells {
        let mut cells = Cells::default();
        headers.iter().for_each(|header| cells.push(header));
        cells
    }

    #[test]
    fn synonyms_name_fields_that_exist_and_do_not_contradict() {
        for (kind, synonyms) in [
            (RecordType::AdministrativePenalty, penalty::SYNONYMS),
            (RecordType::JudgmentDebtor, judgment_debtor::SYNONYMS),
        ] {
            let mut seen: HashMap<String, Meaning> = HashMap::new();
            for entry in synonyms {
                if let Meaning::Field { name, unit } = entry.meaning {
                    let (_, definition) = kind.field(name).expect(name);
                    let is_money = definition.kind == chengxin_schemas::record_type::FieldKind::Yuan;
                    assert!(is_money || unit.is_none(), "{name}");
                }
                let key = header_normalise(entry.header);
                assert_eq!(*seen.entry(key).or_insert(entry.meaning), entry.meaning, "{}", entry.header);
            }
            for definition in kind.fields() {
                assert!(
                    synonyms.iter().any(|entry| matches!(entry.meaning, Meaning::Field { name, .. } if name == definition.name)),
                    "no header means {}",
                    definition.name
                );
            }
        }
    }

    #[test]
    fn header_variants_are_one() {
        for header in [
            "罚款金额 (万元)",
            "罚款金额(万元)",
            "罚款金额（万元）",
            "罚款\n金额（万元）：",
            "*罚款金额【万元】",
        ] {
            assert_eq!(header_normalise(header), "罚款金额(万元)", "{header}");
        }
        for header in ["cf_xdr_mc", "cfXdrMc", "CF_XDR_MC"] {
            assert_eq!(header_normalise(header), "cfxdrmc");
        }
    }

    #[test]
    fn layouts_are_told_by_their_columns() {
        for version in [
            TemplateVersion::PenaltyLegalPersons2018,
            TemplateVersion::PenaltyNaturalPersons2018,
            TemplateVersion::PenaltyUnified,
        ] {
            let columns = penalty_columns(version);
            let keys: Vec<&str> = columns.iter().map(|(key, _)| *key).collect();
            let labels: Vec<&str> = columns.iter().map(|(_, label)| *label).collect();
            for (headers, dialect) in [(keys, Dialect::NationalKeys), (labels, Dialect::ChineseLabels)] {
                let row = cells(&headers);
                let (kind, score) = header_type(&row, None).expect("a header");
                assert_eq!((kind, score), (RecordType::AdministrativePenalty, headers.len()));
                let header = header_read(&row, kind).expect("complete");
                assert_eq!((header.template, header.dialect), (version, dialect));
                assert_eq!(header.unmapped().count(), 0);
            }
        }
        let row =
            cells(&["失信被执行人姓名/名称", "身份证号码/组织机构代码", "执行法院", "案号", "立案时间"]);
        let (kind, _) = header_type(&row, None).expect("a header");
        assert_eq!(header_read(&row, kind).expect("complete").template, TemplateVersion::JudgmentDebtorList);
    }

    #[test]
    fn rows_of_the_query_interface_have_their_own_keys() {
        let row = cells(&[
            "cf_xdr_mc",
            "cf_xdr_shxym",
            "cf_fr",
            "cf_wsh",
            "cf_cfmc",
            "cf_sy",
            "cf_yj",
            "cf_cflb1",
            "cf_jg",
            "cf_jdrq",
            "cf_qx",
            "cf_cfjg",
            "cf_sjc",
        ]);
        let (kind, _) = header_type(&row, None).expect("a header");
        let header = header_read(&row, kind).expect("complete");
        assert_eq!(header.dialect, Dialect::CreditChina);
        for (field, column) in [
            ("legal_representative", 2),
            ("penalty_kinds", 7),
            ("penalty_content", 8),
            ("valid_until", 10),
            ("authority_name", 11),
        ] {
            assert_eq!(header.column_of(field), Some(column), "{field}");
        }
        let unmapped: Vec<_> = header.unmapped().map(|(_, column)| column.header.to_string()).collect();
        assert_eq!(unmapped, ["cf_cfmc", "cf_sjc"]);
    }

    #[test]
    fn misspelt_headers_are_named_with_what_they_may_mean() {
        let known = ["行政相对人名称", "行政处罚决定书文号", "处罚决定日期", "处罚机关"];
        let read = |more: &[&str]| {
            header_read(&cells(&[&known[..], more].concat()), RecordType::AdministrativePenalty)
        };
        match read(&["公示截至期", "罚款金额(人民币)"]) {
            Err(ImportError::HeaderUnclear { columns }) => {
                let found: Vec<_> =
                    columns.iter().map(|column| (column.letter.as_str(), column.known)).collect();
                assert_eq!(found, [("E", "公示截止期"), ("F", "罚款金额")]);
            }
            other => panic!("{other:?}"),
        }
        let header = read(&["罚款金额（单位：万元）", "罚款金额（大写）"]).expect("clear");
        assert_eq!(header.column_of("fine"), Some(4));
        assert_eq!(header.unmapped().count(), 1);
    }

    #[test]
    fn missing_and_doubled_columns_are_named() {
        let row = cells(&["行政相对人名称", "处罚机关", "处罚依据"]);
        match header_read(&row, RecordType::AdministrativePenalty) {
            Err(ImportError::ColumnsMissing { columns, .. }) => {
                assert_eq!(columns, ["行政处罚决定书文号", "处罚决定日期"]);
            }
            other => panic!("{other:?}"),
        }
        let row = cells(&["行政相对人名称", "处罚机关", "cf_cfjg"]);
        match header_read(&row, RecordType::AdministrativePenalty) {
            Err(ImportError::ColumnTwice { first, second, field: "authority_name" }) => {
                assert_eq!((first.as_str(), second.as_str()), ("B", "C"));
            }
            other => panic!("{other:?}"),
        }
    }
}
