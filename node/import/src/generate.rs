//! Invented files in the real layouts, for demonstrations, tests and benchmarks: the same seed, the same bytes.
//!
//! Nothing in them is real, and it shows: every name begins with 示例, codes carry `TE` where a registration number
//! would stand, and residents are born in the nineteenth century. Checks of codes and numbers hold all the same.

use std::io::Write;

use chengxin_schemas::organisation_code::organisation_code_holds;
use chengxin_schemas::unified_code::UnifiedCode;
use encoding_rs::GB18030;

use crate::dialect::{TemplateVersion, penalty_columns};
use crate::encoding::TextEncoding;
use crate::error::ImportError;
use crate::issue::IssueCode;

/// What to generate.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// Decides every choice.
    pub seed: u64,
    /// Data rows.
    pub rows: u64,
    /// Column set.
    pub template: TemplateVersion,
    /// Keys such as `cf_xdr_mc` as headers, instead of the Chinese ones. The debtor list has none.
    pub keys: bool,
    /// Distinct subjects; rows go round them. Zero means one for each row.
    pub subjects: u64,
    /// Faults to sprinkle, in turn.
    pub traps: Vec<Trap>,
    /// Every so many rows has a fault; zero means none.
    pub trap_every: u64,
}

impl GenerateOptions {
    /// Clean rows under Chinese headers.
    pub fn new(template: TemplateVersion, rows: u64, seed: u64) -> Self {
        Self { seed, rows, template, keys: false, subjects: 0, traps: Vec::new(), trap_every: 0 }
    }
}

/// Faults of real files that can be sprinkled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `——` where an amount or a number is expected.
    NullSpelling,
    /// No code.
    MissingCode,
    /// A code of zeros.
    PlaceholderCode,
    /// A wrong check character.
    WrongCheck,
    /// The unit again in the cell.
    UnitInCell,
    /// Another unit in the cell.
    OtherUnit,
    /// 2099/12/31.
    LongTerm,
    /// The 31st of September.
    ImpossibleDate,
    /// A date as epoch milliseconds.
    EpochMilliseconds,
    /// Full-width digits and brackets.
    FullWidth,
    /// A date in the name of the authority.
    PollutedAuthority,
    /// Several penalty kinds in one cell.
    SeveralKinds,
    /// 其他 with an explanation.
    CategoryWithText,
    /// 演示样例 in a cell.
    Demonstration,
    /// The row before once more.
    DuplicateIdentical,
    /// The key of the row before with another content.
    DuplicateDifferent,
}

impl Trap {
    /// Every fault.
    pub const ALL: &'static [Self] = &[
        Self::NullSpelling,
        Self::MissingCode,
        Self::PlaceholderCode,
        Self::WrongCheck,
        Self::UnitInCell,
        Self::OtherUnit,
        Self::LongTerm,
        Self::ImpossibleDate,
        Self::EpochMilliseconds,
        Self::FullWidth,
        Self::PollutedAuthority,
        Self::SeveralKinds,
        Self::CategoryWithText,
        Self::Demonstration,
        Self::DuplicateIdentical,
        Self::DuplicateDifferent,
    ];

    /// The issue that the fault causes in a penalty file; nothing for spellings that are simply understood.
    pub fn issue(self) -> Option<IssueCode> {
        match self {
            Self::MissingCode => Some(IssueCode::SubjectIdentityWeak),
            Self::PlaceholderCode => Some(IssueCode::CodePlaceholder),
            Self::WrongCheck => Some(IssueCode::CodeCheck),
            Self::OtherUnit => Some(IssueCode::MoneyUnitConflict),
            Self::ImpossibleDate => Some(IssueCode::DateImpossible),
            Self::PollutedAuthority => Some(IssueCode::AuthorityPolluted),
            Self::Demonstration => Some(IssueCode::DemonstrationRow),
            Self::DuplicateIdentical => Some(IssueCode::DuplicateIdentical),
            Self::DuplicateDifferent => Some(IssueCode::DuplicateDifferent),
            Self::NullSpelling
            | Self::UnitInCell
            | Self::LongTerm
            | Self::EpochMilliseconds
            | Self::FullWidth
            | Self::SeveralKinds
            | Self::CategoryWithText => None,
        }
    }
}

const REGIONS: [(&str, &str); 6] = [
    ("150102", "示例东区"),
    ("150203", "示例西区"),
    ("150402", "示例南区"),
    ("150602", "示例北区"),
    ("152201", "示例旗"),
    ("152502", "示例市"),
];
const TRADES: [&str; 8] = ["建设", "商贸", "餐饮", "运输", "物业", "农牧", "能源", "科技"];
const WORDS: [&str; 10] = ["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "壬", "癸"];
const BREACHES: [(&str, &str); 4] = [
    ("无证经营", "未取得许可证从事经营活动"),
    ("超限运输", "车辆货物总质量超过公路限载标准"),
    ("安全生产", "未按规定对从业人员进行安全生产教育和培训"),
    ("价格违法", "未按规定明码标价"),
];
const SYMBOLS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// A valid unified social credit code with both checks, different for each number below 31⁶.
pub fn organisation_code(number: u64) -> String {
    let region = REGIONS[index(number, REGIONS.len())].0;
    let mut inner = String::from("TE");
    let mut rest = number;
    for _ in 0..6 {
        inner.push(char::from(SYMBOLS[index(rest, 31)]));
        rest /= 31;
    }
    let check = ('0'..='9').chain(['X']).find(|check| organisation_code_holds(&format!("{inner}{check}")));
    let stem = format!("91{region}{inner}{}", check.unwrap_or('0'));
    SYMBOLS
        .iter()
        .map(|symbol| format!("{stem}{}", char::from(*symbol)))
        .find(|code| UnifiedCode::parse(code).is_ok())
        .unwrap_or(stem)
}

/// A resident identity number whose check holds and whose holder was born between 1800 and 1899, different for each
/// number below 33 million.
pub fn resident_number(number: u64) -> String {
    let (sequence, rest) = (number % 999 + 1, number / 999);
    let (day, rest) = (rest % 28 + 1, rest / 28);
    let (month, rest) = (rest % 12 + 1, rest / 12);
    let year = 1800 + rest % 100;
    let stem = format!("150102{year}{month:02}{day:02}{sequence:03}");
    let weights = [7_u32, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = stem.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{stem}{}", char::from(b"10X98765432"[(sum % 11) as usize]))
}

fn index(number: u64, length: usize) -> usize {
    // The remainder is below the length, which is a small array's.
    (number % length as u64) as usize
}

/// SplitMix64: a fixed, well-mixed sequence; nothing secret depends on it.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[index(self.next(), choices.len())]
    }
}

/// The rows of a generated file.
pub struct GeneratedRows {
    options: GenerateOptions,
    columns: Vec<(&'static str, &'static str)>,
    sequence: Sequence,
    number: u64,
    before: Vec<String>,
}

impl GeneratedRows {
    /// Starts at the first data row.
    pub fn new(options: GenerateOptions) -> Self {
        let columns = match options.template {
            TemplateVersion::JudgmentDebtorList => DEBTOR_COLUMNS.map(|header| (header, header)).to_vec(),
            penalty => penalty_columns(penalty),
        };
        let sequence = Sequence(options.seed);
        Self { options, columns, sequence, number: 0, before: Vec::new() }
    }

    /// The header row.
    pub fn header(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(key, header)| if self.options.keys { *key } else { *header }).collect()
    }

    fn subject(&self, number: u64) -> u64 {
        let offset = self.options.seed.wrapping_mul(1_000_003) % 10_000_000;
        offset + if self.options.subjects == 0 { number } else { number % self.options.subjects }
    }

    fn is_person(&self, number: u64) -> bool {
        match self.options.template {
            TemplateVersion::PenaltyNaturalPersons2018 => true,
            TemplateVersion::PenaltyUnified | TemplateVersion::JudgmentDebtorList => number % 5 == 4,
            TemplateVersion::PenaltyLegalPersons2018 | TemplateVersion::PenaltyPartial => false,
        }
    }

    fn row_make(&mut self, number: u64) -> Vec<String> {
        let facts = Facts::new(self, number);
        self.columns
            .iter()
            .map(|(key, _)| match self.options.template {
                TemplateVersion::JudgmentDebtorList => facts.debtor_value(key),
                _ => facts.penalty_value(key),
            })
            .collect()
    }

    fn set(&self, row: &mut [String], keys: [&str; 2], value: &str) {
        if let Some(place) = self.columns.iter().position(|(key, _)| keys.contains(key)) {
            row[place] = value.to_owned();
        }
    }

    fn value(&self, row: &[String], keys: [&str; 2]) -> String {
        self.columns
            .iter()
            .position(|(key, _)| keys.contains(key))
            .map(|place| row[place].clone())
            .unwrap_or_default()
    }

    fn trap_apply(&self, trap: Trap, row: &mut Vec<String>) {
        let code = ["cf_xdr_shxym", "身份证号码/组织机构代码"];
        let date = ["cf_jdrq", "立案时间"];
        let fine = ["cf_nr_fk", "已履行部分"];
        let remark = ["bz", "未履行部分"];
        match trap {
            Trap::NullSpelling => self.set(row, fine, "— —"),
            Trap::MissingCode => self.set(row, code, "——"),
            Trap::PlaceholderCode => self.set(row, code, "00000000000000000X"),
            Trap::WrongCheck => {
                let mut wrong = self.value(row, code);
                let last = wrong.pop();
                wrong.push(if last == Some('0') { '1' } else { '0' });
                self.set(row, code, &wrong);
            }
            Trap::UnitInCell => self.set(row, fine, "1.5万元"),
            Trap::OtherUnit => self.set(row, fine, "15000元"),
            Trap::LongTerm => self.set(row, ["cf_gsjzq", "cf_yxq"], "2099/12/31"),
            Trap::ImpossibleDate => self.set(row, date, "2025-09-31"),
            Trap::EpochMilliseconds => self.set(row, date, "1777824000000"),
            Trap::FullWidth => {
                let wide: String = self
                    .value(row, code)
                    .chars()
                    .map(|symbol| char::from_u32(u32::from(symbol) + 0xFEE0).unwrap_or(symbol))
                    .collect();
                self.set(row, code, &wide);
            }
            Trap::PollutedAuthority => self.set(row, ["cf_cfjg", ""], "处罚日期：2022-09-31"),
            Trap::SeveralKinds => self.set(row, ["cf_cflb", ""], "警告、罚款"),
            Trap::CategoryWithText => self.set(row, ["cf_cflb", ""], "其他（责令限期改正）"),
            Trap::Demonstration => self.set(row, remark, "演示样例"),
            Trap::DuplicateIdentical => row.clone_from(&self.before),
            Trap::DuplicateDifferent => {
                row.clone_from(&self.before);
                self.set(row, remark, "更正");
            }
        }
    }
}

impl Iterator for GeneratedRows {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        if self.number >= self.options.rows {
            return None;
        }
        let number = self.number;
        self.number += 1;
        let mut row = self.row_make(number);
        let every = self.options.trap_every;
        // The first row has no row before it to repeat.
        if every > 0 && number > 0 && number.is_multiple_of(every) && !self.options.traps.is_empty() {
            let trap = self.options.traps[index(number / every, self.options.traps.len())];
            self.trap_apply(trap, &mut row);
        }
        self.before.clone_from(&row);
        Some(row)
    }
}

/// The columns of the published debtor list, in its order. Tests take them from [`GeneratedRows::header`].
const DEBTOR_COLUMNS: [&str; 15] = [
    "失信被执行人姓名/名称",
    "身份证号码/组织机构代码",
    "执行法院",
    "省份",
    "执行依据文号",
    "立案时间",
    "案号",
    "做出执行依据单位",
    "生效法律文书确定的义务",
    "被执行人的履行情况",
    "失信被执行人行为具体情形",
    "发布时间",
    "已履行部分",
    "未履行部分",
    "数据来源",
];

/// The choices of one row.
struct Facts {
    number: u64,
    subject: u64,
    person: bool,
    place: &'static str,
    trade: &'static str,
    breach: (&'static str, &'static str),
    year: u64,
    date: String,
    fine: String,
    /// Differs between seeds, so that two generated files do not share document numbers.
    case_base: u64,
}

impl Facts {
    fn new(rows: &mut GeneratedRows, number: u64) -> Self {
        let subject = rows.subject(number);
        let sequence = &mut rows.sequence;
        let (year, month, day) =
            (2024 + sequence.next() % 2, sequence.next() % 12 + 1, sequence.next() % 28 + 1);
        let date = match sequence.next() % 4 {
            0 => format!("{year}-{month:02}-{day:02}"),
            1 => format!("{year}/{month:02}/{day:02}"),
            2 => format!("{year}年{month}月{day}日"),
            _ => format!("{year}-{month:02}-{day:02} 00:00:00"),
        };
        let fine = format!("{}.{:02}", sequence.next() % 90, sequence.next() % 100);
        let place = sequence.pick(&REGIONS).1;
        let breach = *sequence.pick(&BREACHES);
        let trade = TRADES[index(subject, TRADES.len())];
        let person = rows.is_person(number);
        Self {
            number,
            subject,
            person,
            place,
            trade,
            breach,
            year,
            date,
            fine,
            case_base: rows.options.seed % 9000 + 1000,
        }
    }

    fn name(&self) -> String {
        let word = |shift: u64| WORDS[index(self.subject / shift, WORDS.len())];
        let letters = format!("{}{}{}", word(1), word(10), word(100));
        if self.person {
            format!("示例{letters}")
        } else {
            format!("示例{letters}{}{}有限公司", self.trade, self.subject)
        }
    }

    fn authority(&self) -> String {
        format!("{}市场监督管理局", self.place)
    }

    fn penalty_value(&self, key: &str) -> String {
        let organisation = |text: String| if self.person { String::new() } else { text };
        let person = |text: String| if self.person { text } else { String::new() };
        match key {
            "cf_xdr_mc" => self.name(),
            "cf_xdr_lb" => if self.person { "自然人" } else { "法人及非法人组织" }.to_owned(),
            "cf_xdr_shxym" => organisation(organisation_code(self.subject)),
            "cf_frdb" => organisation(format!("示例{}", WORDS[index(self.subject, WORDS.len())])),
            "cf_fr_zjlx" => organisation("身份证".to_owned()),
            "cf_fr_sfzh" => organisation(resident_number(self.subject + 500_000)),
            "cf_xdr_zjlx" => person("1".to_owned()),
            "cf_xdr_zjhm" => person(resident_number(self.subject)),
            "cf_wsh" => format!("蒙示{}罚〔{}〕{}号", self.case_base, self.year, self.number + 1),
            "cf_wfxw" => self.breach.0.to_owned(),
            "cf_sy" => format!("当事人于检查之日{}，证据确凿", self.breach.1),
            "cf_yj" => "《示例管理条例》第十二条、第四十五条".to_owned(),
            "cf_cflb" => "罚款".to_owned(),
            "cf_nr" => format!("罚款{}万元", self.fine),
            "cf_nr_fk" => self.fine.clone(),
            "cf_jdrq" => self.date.clone(),
            "cf_gsjzq" => "2028-12-31".to_owned(),
            "cf_cfjg" | "cf_sjly" => self.authority(),
            _ => String::new(),
        }
    }

    fn debtor_value(&self, header: &str) -> String {
        match header {
            "失信被执行人姓名/名称" => self.name(),
            "身份证号码/组织机构代码" if self.person => resident_number(self.subject),
            "身份证号码/组织机构代码" => organisation_code(self.subject),
            "执行法院" | "数据来源" => format!("{}人民法院", self.place),
            "省份" => "内蒙古".to_owned(),
            "执行依据文号" => format!("(2024)示01民初{}号", self.number + 1),
            "立案时间" => self.date.clone(),
            "案号" => format!("({})示{}执{}号", self.year, self.case_base, self.number + 1),
            "做出执行依据单位" => format!("{}人民法院", self.place),
            "生效法律文书确定的义务" => format!("支付货款{}万元及利息", self.fine),
            "被执行人的履行情况" => "全部未履行".to_owned(),
            "失信被执行人行为具体情形" => "有履行能力而拒不履行生效法律文书确定义务".to_owned(),
            "发布时间" => self.date.clone(),
            "已履行部分" | "未履行部分" => "— —".to_owned(),
            _ => String::new(),
        }
    }
}

/// Writes a generated file as CSV, row by row.
pub fn csv_generate(
    options: GenerateOptions,
    encoding: TextEncoding,
    mut out: impl Write,
) -> Result<(), ImportError> {
    if encoding == TextEncoding::Utf8Bom {
        out.write_all(&[0xEF, 0xBB, 0xBF]).map_err(ImportError::Write)?;
    }
    let rows = GeneratedRows::new(options);
    let header: Vec<String> = rows.header().into_iter().map(str::to_owned).collect();
    for row in std::iter::once(header).chain(rows) {
        let line = csv_line(&row)?;
        let bytes = match encoding {
            TextEncoding::Gb18030 => GB18030.encode(&line).0.into_owned(),
            TextEncoding::Utf8 | TextEncoding::Utf8Bom => line.into_bytes(),
        };
        out.write_all(&bytes).map_err(ImportError::Write)?;
    }
    out.flush().map_err(ImportError::Write)
}

/// One record as text, ending in a line end.
pub(crate) fn csv_line<T: AsRef<[u8]>>(cells: &[T]) -> Result<String, ImportError> {
    let wrong = |message: String| ImportError::Write(std::io::Error::other(message));
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| wrong(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| wrong("a cell is not text".to_owned()))
}

/// Writes a generated file as a workbook. It is built in memory: for small files.
pub fn xlsx_generate(options: GenerateOptions, mut out: impl Write) -> Result<(), ImportError> {
    let mut workbook = crate::template::workbook_new()?;
    let sheet = workbook.add_worksheet();
    let rows = GeneratedRows::new(options);
    let header: Vec<String> = rows.header().into_iter().map(str::to_owned).collect();
    for (row, cells) in std::iter::once(header).chain(rows).enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let (row, column) =
                (u32::try_from(row).unwrap_or(u32::MAX), u16::try_from(column).unwrap_or(u16::MAX));
            sheet.write_string(row, column, cell).map_err(ImportError::WorkbookWrite)?;
        }
    }
    let bytes = workbook.save_to_buffer().map_err(ImportError::WorkbookWrite)?;
    out.write_all(&bytes).map_err(ImportError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengxin_schemas::resident_id::ResidentId;

    #[test]
    fn codes_and_numbers_hold_and_differ() {
        let mut codes = std::collections::BTreeSet::new();
        for number in (0..2000).chain([887_503_680, 31]) {
            let code = organisation_code(number);
            assert_eq!(UnifiedCode::parse(&code).expect("holds").warnings(), [], "{code}");
            codes.insert(code);
            let person = resident_number(number);
            assert!(ResidentId::parse(&person).is_ok() && person[6..].starts_with("18"));
        }
        assert_eq!(codes.len(), 2001);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let mut out = Vec::new();
            let options = GenerateOptions::new(TemplateVersion::PenaltyUnified, 20, seed);
            csv_generate(options, TextEncoding::Utf8, &mut out).expect("memory");
            out
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}
