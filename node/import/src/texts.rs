//! The wording of every issue code and file error in Chinese and English: what is wrong, and what to do.
//!
//! A text may hold `{name}`, which stands for the parameter of that name. The wording lives beside the codes
//! because a new code without words in both languages must not compile.

use crate::error::ImportError;
use crate::issue::{IssueCode, RowIssue};

/// The four texts of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueTexts {
    /// What is wrong, in Chinese.
    pub message_zh: &'static str,
    /// What to do, in Chinese.
    pub fix_zh: &'static str,
    /// What is wrong, in English.
    pub message_en: &'static str,
    /// What to do, in English.
    pub fix_en: &'static str,
}

const fn texts(
    message_zh: &'static str,
    fix_zh: &'static str,
    message_en: &'static str,
    fix_en: &'static str,
) -> IssueTexts {
    IssueTexts { message_zh, fix_zh, message_en, fix_en }
}

/// The texts of a code.
pub fn issue_texts(code: IssueCode) -> IssueTexts {
    match code {
        IssueCode::RaggedRow => texts(
            "本行有 {found} 列，表头有 {expected} 列",
            "检查本行是否缺少或多出分隔符，或文件在此处被截断",
            "the row has {found} cells, the header {expected}",
            "look for a missing or extra delimiter, or a file that is cut off here",
        ),
        IssueCode::RequiredMissing => {
            texts("必填项为空", "填写该项", "the field is required and empty", "fill it in")
        }
        IssueCode::TextTooLong => texts(
            "共 {actual} 个字符，最多 {limit} 个",
            "缩短内容，或检查是否错列",
            "{actual} characters, at most {limit} are accepted",
            "shorten the text, or check whether columns are shifted",
        ),
        IssueCode::ControlCharacter => texts(
            "含有不可见的控制字符",
            "删除该字符后重新录入",
            "contains an invisible control character",
            "remove it, or type the text again",
        ),
        IssueCode::LineBreakJoined => texts(
            "名称或号码中有换行或制表符，已连成一行",
            "核对连接后的内容",
            "a line break or a tab in a name or a number: the lines were joined",
            "compare the result with the document",
        ),
        IssueCode::ValueInvalid => texts(
            "内容格式不正确",
            "对照模板填写说明修改",
            "not in the form of this field",
            "compare with the notes of the template",
        ),
        IssueCode::CodeLength => texts(
            "统一社会信用代码应为 18 位，实际 {actual} 位",
            "对照登记证书补全；没有代码的请留空",
            "a unified social credit code has 18 characters, this one {actual}",
            "complete it from the certificate; leave the cell empty when there is no code",
        ),
        IssueCode::CodeAlphabet => texts(
            "第 {position} 位不是统一社会信用代码可用的字符（不用 I、O、S、V、Z）",
            "检查是否把 0 写成 O、把 1 写成 I",
            "character {position} is not used in unified social credit codes (I, O, S, V and Z never are)",
            "look for 0 written as O and 1 written as I",
        ),
        IssueCode::CodeCheck => texts(
            "统一社会信用代码校验位不符，应为 {expected}",
            "对照登记证书核对；证书确实如此的，由经办人说明理由后接受",
            "the check character of the code should be {expected}",
            "compare with the certificate; a code that is printed so may be accepted by a named person with a reason",
        ),
        IssueCode::CodeIsPersonNumber => texts(
            "代码列中填写的是居民身份证号码",
            "移到证件号码列，并填写证件类型",
            "the code column holds a resident identity number",
            "move it to the document-number column and state the document type",
        ),
        IssueCode::CodeAmbiguous => texts(
            "该代码既是有效的统一社会信用代码，也是有效的居民身份证号码",
            "是个人的，移到证件号码列；登记证书上确是该代码的，由经办人说明理由后接受",
            "the code is valid as an organisation's and as a resident identity number",
            "move a person's number to the document-number column; a code that is printed so on the certificate may be accepted by a named person with a reason",
        ),
        IssueCode::CodeAccepted => texts(
            "未通过核对的代码已由指定人员接受",
            "无需处理；接受人和理由随记录保存",
            "a code that did not pass was accepted by a named person",
            "nothing to do; the person and the reason are kept with the record",
        ),
        IssueCode::ExceptionUnused => texts(
            "为本行登记了校验例外，但代码校验通过",
            "删除该例外",
            "an exception was given for this row, but its codes hold",
            "remove the exception",
        ),
        IssueCode::CodeUnknownPrefix => texts(
            "代码前两位不在 GB 32100 的登记管理部门和机构类别表中",
            "核对；确实如此的可保留",
            "the first two characters of the code are not in the table of GB 32100",
            "compare with the certificate; real codes can be so",
        ),
        IssueCode::CodeInnerCheck => texts(
            "代码第 9—17 位（组织机构代码）校验不符",
            "核对；确实如此的可保留",
            "characters 9 to 17 of the code fail the check of GB 11714",
            "compare with the certificate; real codes can be so",
        ),
        IssueCode::CodeRegion => texts(
            "代码第 3—8 位不是数字",
            "核对登记证书",
            "characters 3 to 8 of the code are not digits",
            "compare with the certificate",
        ),
        IssueCode::CodePlaceholder => texts(
            "代码为全零占位，按代码不详处理",
            "如已知代码请补填",
            "the code is a placeholder of zeros and counts as unknown",
            "fill in the code if it is known",
        ),
        IssueCode::SubjectIdentityWeak => texts(
            "没有可用的统一社会信用代码或证件号码，只能按名称或所填组织机构代码查到该主体",
            "如已知统一社会信用代码或证件号码请补填；看不出是法人的，按自然人保护，不公开",
            "no usable unified code or document number: the subject is found by name, or by an organisation code if the row has one, only",
            "fill in the unified code or number if it is known; a subject not stated to be an organisation is protected as a person",
        ),
        IssueCode::OrganisationCodeCheck => texts(
            "组织机构代码校验不符",
            "核对原代码证",
            "the organisation code fails the check of GB 11714",
            "compare with the certificate",
        ),
        IssueCode::NumberUnclear => texts(
            "不是有效的组织代码或编号，可能是护照或通行证号码",
            "是组织代码或编号的请核对改正；是个人证件号码的，移到证件号码列，没有该列的留空",
            "not a valid number of an organisation: it may be that of a passport or a travel permit",
            "correct an organisation's number; move a person's to the document-number column, or leave it out where there is none",
        ),
        IssueCode::TaxNumberIsPersonNumber => texts(
            "税务登记号由居民身份证号码组成，税务登记号为公开项，未保留",
            "无需处理；原文保留在来源行中",
            "the tax number is made of a resident identity number and tax numbers are public: it is left out",
            "nothing to do; the source row keeps it",
        ),
        IssueCode::NumberMayBePersons => texts(
            "该编号形如十五位居民身份证号码，本列为公开项，未保留",
            "无需处理；原文保留在来源行中",
            "the number has the form of an old resident identity number and the column is public: it is left out",
            "nothing to do; the source row keeps it",
        ),
        IssueCode::ResidentNumberCheck => texts(
            "居民身份证号码不正确（位数、日期或校验位不符）",
            "对照身份证核对；不是身份证的请改证件类型",
            "not a valid resident identity number (length, date or check character)",
            "compare with the card; for another document, change the document type",
        ),
        IssueCode::PersonNumberForm => texts(
            "证件号码中有字母、数字和连字符以外的字符",
            "只保留证件号码本身",
            "the document number holds more than letters, digits and hyphens",
            "leave only the number itself",
        ),
        IssueCode::PersonNumberMasked => texts(
            "证件号码已脱敏，不能识别主体，未保留",
            "如有权使用，请填写完整号码",
            "the document number is masked, identifies nobody and is left out",
            "give the whole number if you may",
        ),
        IssueCode::DocumentTypeMissing => texts(
            "有证件号码而没有证件类型",
            "填写证件类型",
            "a document number without a document type",
            "fill in the document type",
        ),
        IssueCode::DocumentTypeUnknown => texts(
            "证件类型代码不在代码集中",
            "填写 1 身份证、2 护照号、3 港澳居民来往内地通行证、4 台湾居民来往大陆通行证、5 外国人永久居留身份证",
            "the document type is not in the code set",
            "use 1 resident identity card, 2 passport, 3 or 4 mainland travel permit, 5 foreigner's permanent residence card",
        ),
        IssueCode::DateForm => texts(
            "无法识别的日期写法",
            "写成 YYYY-MM-DD 或 YYYY/MM/DD",
            "not a date in an accepted form",
            "write YYYY-MM-DD or YYYY/MM/DD",
        ),
        IssueCode::DateImpossible => texts(
            "该日期不存在、不在 1900—2100 年之间，或为 2099 年（表示长期）而此处须是确定的一天",
            "对照原文书改正",
            "the calendar has no such day, it is outside 1900 to 2100, or it is in 2099, which means long-term, where a day is needed",
            "correct it from the document",
        ),
        IssueCode::DateInFuture => texts(
            "该日期晚于今天，记录的事实应当已经发生",
            "对照原文书改正",
            "the day is after today, yet what is recorded has happened",
            "correct it from the document",
        ),
        IssueCode::TimeOfDayDropped => texts(
            "只保留日期，时间部分未采用",
            "无需处理；原文保留在来源行中",
            "only the day is kept, the time of day is not",
            "nothing to do; the source row keeps the text",
        ),
        IssueCode::MoneyForm => texts(
            "金额不是数字，或为负数",
            "只填不小于零的数字，例如 12.5；未知请留空",
            "the amount is not a number, or is below zero",
            "write a plain number such as 12.5, not below zero; leave it empty when unknown",
        ),
        IssueCode::MoneyUnitConflict => texts(
            "该列单位为{column_unit}，单元格中写的是{cell_unit}",
            "换算成该列的单位，只填数字",
            "the column is in {column_unit}, the cell says {cell_unit}",
            "convert to the unit of the column and write the number only",
        ),
        IssueCode::MoneyUnitMissing => texts(
            "列名和单元格都没有金额单位",
            "在列名中注明（万元）或（元）",
            "neither the header nor the cell names a unit",
            "put (万元) or (元) into the header",
        ),
        IssueCode::MoneyTooFine => texts(
            "金额精确到分以下",
            "四舍五入前请核对原文书",
            "the amount is finer than one fen",
            "compare with the document; nothing is rounded here",
        ),
        IssueCode::MoneyTooLarge => {
            texts("金额过大", "核对数值和单位", "the amount is too large", "check the number and the unit")
        }
        IssueCode::AuthorityPolluted => texts(
            "机关名称中有数字，可能混入了日期、文号或其他内容{candidate_zh}",
            "填写机关全称",
            "the authority's name holds digits: perhaps a date or a document number{candidate_en}",
            "write the full name of the authority",
        ),
        IssueCode::PenaltyCodeUnknown => texts(
            "处罚类别代码不在 0—6 之内",
            "填写代码 0—6 或处罚类别名称",
            "the penalty code is not one of 0 to 6",
            "write a code from 0 to 6, or the kind in words",
        ),
        IssueCode::TooManyTexts => texts(
            "一个单元格中有 {actual} 项，最多 {limit} 项",
            "检查分隔符",
            "{actual} entries in one cell, at most {limit} are accepted",
            "check the separators",
        ),
        IssueCode::DemonstrationRow => texts(
            "本行是演示样例，不是真实记录",
            "删除本行",
            "the row is a demonstration sample (演示样例), not a record",
            "remove the row",
        ),
        IssueCode::DuplicateIdentical => texts(
            "与第 {first_row} 行完全相同，已跳过",
            "无需处理",
            "the same as row {first_row}; skipped",
            "nothing to do",
        ),
        IssueCode::DuplicateDifferent => texts(
            "与第 {first_row} 行文书号和主体名称相同，但内容不同",
            "两行中只保留正确的一行",
            "document number and subject are those of row {first_row}, the content is not",
            "keep only the row that is right",
        ),
        IssueCode::HeldDifferently => texts(
            "本单位已有文书号和主体名称相同、内容不同的记录",
            "核对后更正本行，或先更正已有记录",
            "a record with this document number and subject is held already, with other content",
            "compare the two; correct the row here, or the record that is held",
        ),
        IssueCode::PublicityEndDiffers => texts(
            "公示截止期写为 {stated}，按决定日期和规则应为 {computed}，以后者为准",
            "核对；文件中的日期只作为原文保留",
            "the file says that publicity ends on {stated}; by the date of the decision and the rules it is {computed}, which governs",
            "compare the two; the date of the file is kept as it stands",
        ),
        IssueCode::NotPublished => texts(
            "公示截止期写为 {stated}，按规则此类信息原则上不公示，该日期只作为原文保留",
            "核对处罚种类；确需公示的按规定另行办理",
            "the file says that publicity ends on {stated}; by the rules such a record is in principle not published, and the date is kept as source text only",
            "check the kind of penalty; where publication is really necessary, it is arranged separately",
        ),
        IssueCode::FormulaCell => texts(
            "公式单元格",
            "复制后选择性粘贴为数值",
            "the cell holds a formula (公式单元格)",
            "copy it and paste values only",
        ),
        IssueCode::ErrorCell => texts(
            "单元格为错误值（如 #N/A、#REF!）",
            "填写正确内容",
            "the cell holds an error value such as #N/A",
            "write the right value",
        ),
        IssueCode::DateInTextColumn => texts(
            "文本列中的单元格是日期格式，原来录入的内容可能已被改变",
            "核对原文；把该列设为文本格式后重新录入",
            "a date cell in a text column: the spreadsheet may have changed what was typed",
            "compare with the document; set the column to text and type it again",
        ),
        IssueCode::NumberLostDigits => texts(
            "长号码以数字格式保存（如 1.5E+14），末几位已丢失",
            "把该列设为文本格式后重新填写号码",
            "a long number was stored as a number, so its last digits are lost",
            "set the column to text and type the number again",
        ),
        IssueCode::HiddenRow => texts(
            "本行在表中被隐藏，仍会导入",
            "不需要导入的请删除本行",
            "the row is hidden in the sheet and is read all the same",
            "remove the row if it is not meant",
        ),
        IssueCode::MergedCell => texts(
            "合并单元格，只有左上角的单元格有值",
            "取消合并并逐格填写",
            "a merged area: only its first cell has a value",
            "unmerge it and fill in every cell",
        ),
        IssueCode::UnmappedColumn => texts(
            "没有对应的字段，只保留在来源行中",
            "如列名有误请改正",
            "no field corresponds to the column; it is kept in the source row only",
            "correct the header if it is misspelt",
        ),
    }
}

impl RowIssue {
    /// What is wrong, in Chinese.
    pub fn message_zh(&self) -> String {
        self.fill(issue_texts(self.code).message_zh)
    }

    /// What is wrong, in English.
    pub fn message_en(&self) -> String {
        self.fill(issue_texts(self.code).message_en)
    }

    /// What to do, in Chinese.
    pub fn fix_zh(&self) -> &'static str {
        issue_texts(self.code).fix_zh
    }

    /// What to do, in English.
    pub fn fix_en(&self) -> &'static str {
        issue_texts(self.code).fix_en
    }

    fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (name, value) in &self.params {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        let (zh, en) = match self.param("candidate") {
            Some(candidate) => {
                (format!("；数据来源单位为“{candidate}”"), format!("; the source unit is “{candidate}”"))
            }
            None => (String::new(), String::new()),
        };
        text.replace("{candidate_zh}", &zh).replace("{candidate_en}", &en)
    }
}

/// A format by the name that [`ImportError::UnsupportedFormat`] has for it.
fn format_zh(name: &str) -> String {
    match name {
        "binary or UTF-16" => "二进制文件或 UTF-16 文本".to_owned(),
        "compressed" => "压缩文件".to_owned(),
        "HTML or XML" => "网页（HTML）或 XML 文件".to_owned(),
        "ZIP or other office" => "压缩文件（ZIP）或其他办公文档".to_owned(),
        ".xls or .et" => " .xls、.et 格式".to_owned(),
        extension => format!(" {extension} 格式"),
    }
}

/// A limit or a part of a file by the name that the errors have for it. A test holds the sources against this list.
fn part_zh(name: &'static str) -> &'static str {
    match name {
        "data rows" => "数据行数",
        "columns" => "列数",
        "bytes of an XLSX file" => "XLSX 文件字节数",
        "bytes of a CSV file" => "CSV 文件字节数",
        "rows in a workbook of errors (choose CSV)" => "错误行工作簿的行数（可改选 CSV）",
        "bytes in a workbook of errors (choose CSV)" => "错误行工作簿的字节数（可改选 CSV）",
        "number of parts" => "部件过多",
        "declared size" => "声明的大小",
        "declared compression ratio" => "声明的压缩比",
        "a part larger than declared" => "部件比声明的大",
        "compression ratio" => "压缩比",
        "number of XML tags" => "XML 标记过多",
        "one endless text" => "一段文本过长",
        "one endless cell" => "一个单元格过长",
        "archive directory" => "压缩包目录",
        "archive part" => "压缩包部件",
        "archive part name" => "压缩包部件名",
        "compressed data" => "压缩数据",
        "an empty archive" => "空压缩包",
        "a part shorter than declared" => "部件比声明的短",
        "a comment, CDATA or document type" => "含注释、CDATA 或文档类型声明",
        "a processing instruction" => "含处理指令",
        "UTF-16 text" => "UTF-16 文本",
        "sheet" => "工作表",
        "shared texts" => "共享文本",
        "styles" => "样式",
        "workbook" => "工作簿目录",
        "relationships" => "部件关系",
        "another part" => "其他部件",
        "row order" => "行的顺序",
        "cell order" => "单元格的顺序",
        other => other,
    }
}

impl ImportError {
    /// What is wrong with the file and what to do, in Chinese. `Display` is the English text.
    pub fn message_zh(&self) -> String {
        match self {
            Self::Read(_) => "文件无法读取".to_owned(),
            Self::Write(_) => "输出无法写入".to_owned(),
            Self::Scratch(_) => "查找重复行所用的临时文件出错；请检查节点所在磁盘的空间".to_owned(),
            Self::WorkbookWrite(_) => "工作簿无法写入".to_owned(),
            Self::Empty => "文件为空；请选择导出的文件".to_owned(),
            Self::NoRows => "文件只有表头，没有数据行；请在表头下填写数据行，或选择导出的文件".to_owned(),
            Self::UnsupportedFormat { name } => format!("不支持{}；请另存为 xlsx 后导入", format_zh(name)),
            Self::Utf16 => "文件为 UTF-16 编码；请另存为 CSV UTF-8 或 xlsx".to_owned(),
            Self::Undecodable { encoding, line, offset } => {
                format!("第 {line} 行（第 {offset} 字节）不是有效的 {encoding} 编码；请重新导出为 CSV UTF-8")
            }
            Self::UnclosedQuote { row } => {
                format!("第 {row} 行的引号没有结束：文件可能在此被截断，或单元格内的引号没有成对；请重新导出")
            }
            Self::TooLarge { what, limit } => format!("{}超过上限 {limit}；请拆分文件", part_zh(what)),
            Self::RowTooLarge { row, limit } => {
                format!("第 {row} 行超过 {limit} 字节；请检查是否有未结束的引号")
            }
            Self::ZipBomb { what } => {
                format!("工作簿解压后异常庞大（{}），疑似压缩炸弹，已拒绝", part_zh(what))
            }
            Self::WorkbookDamaged { part, .. } => {
                format!("工作簿已损坏或不完整（{}）；请重新复制或下载", part_zh(part))
            }
            Self::WorkbookEncrypted => "工作簿有密码；请取消密码后另存".to_owned(),
            Self::SheetNotFound { names } => format!("没有该工作表；现有工作表：{}", names.join("、")),
            Self::SheetAmbiguous { names } => {
                format!("多个工作表含有记录，请指定其中一个：{}", names.join("、"))
            }
            Self::HeaderNotFound { rows } => {
                format!("前 {rows} 行中没有可识别的表头；请对照模板核对列名")
            }
            Self::ColumnsMissing { record_type, columns } => {
                format!("{}缺少必需的列：{}", record_type.chinese(), columns.join("、"))
            }
            Self::HeaderUnclear { columns } => {
                let columns: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{} 列“{}”与“{}”相近", column.letter, column.header, column.known))
                    .collect();
                format!("{}；请改正列名，确是其他内容的请改用别的列名", columns.join("，"))
            }
            Self::ColumnTwice { field, first, second } => {
                format!("{first} 列和 {second} 列都对应字段 {field}；请删除或改名其中一列")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_four_texts_without_a_final_stop() {
        for code in IssueCode::ALL {
            let texts = issue_texts(*code);
            for text in [texts.message_zh, texts.fix_zh, texts.message_en, texts.fix_en] {
                assert!(!text.is_empty() && !text.ends_with(['。', '.']), "{code:?}: {text}");
            }
        }
    }

    /// The literal that stands behind each lead in a source.
    fn literals<'s>(source: &'s str, lead: &'s str) -> impl Iterator<Item = &'s str> {
        source.split(lead).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_limit_and_part_has_its_chinese() {
        let sources = [
            include_str!("csv_file.rs"),
            include_str!("encoding.rs"),
            include_str!("error_file.rs"),
            include_str!("format.rs"),
            include_str!("importer.rs"),
            include_str!("xlsx_file.rs"),
            include_str!("xml_scan.rs"),
            include_str!("zip_guard.rs"),
        ];
        let leads = [
            "what: \"",
            "part: \"",
            "damaged(\"",
            "workbook_error(\"",
            "Endless(\"",
            "Foreign(\"",
            "Self::Sheet => \"",
            "Self::SharedStrings => \"",
            "Self::Styles => \"",
            "Self::Workbook => \"",
            "Self::Relationships => \"",
            "Self::Theme | Self::Other => \"",
        ];
        let mut found = 0;
        for name in sources.iter().flat_map(|source| leads.iter().flat_map(|lead| literals(source, lead))) {
            found += 1;
            assert!(!part_zh(name).is_ascii(), "without Chinese: {name:?}");
        }
        assert!(found > 30, "only {found} were found");
        let error = ImportError::TooLarge { what: "data rows", limit: 2_000_000 };
        assert_eq!(error.message_zh(), "数据行数超过上限 2000000；请拆分文件");
    }

    #[test]
    fn parameters_are_filled_in() {
        let issue = RowIssue::new(
            7,
            None,
            IssueCode::AuthorityPolluted,
            vec![("candidate", "示例市林业局".to_owned())],
        );
        assert!(issue.message_zh().ends_with("数据来源单位为“示例市林业局”"));
        let issue = RowIssue::new(7, None, IssueCode::AuthorityPolluted, Vec::new());
        assert!(issue.message_en().ends_with("document number"));
        let issue =
            RowIssue::new(7, None, IssueCode::DuplicateDifferent, vec![("first_row", "3".to_owned())]);
        assert!(issue.message_zh().contains("第 3 行"));
    }
}
