//! The libraries' messages in Chinese. Libraries speak English only; this is the one place that translates what they
//! say, so that the node and the command line tell the same fault in the same words.

use chengxin_schemas::SchemaError;

/// A library's message in Chinese, part by part: messages read `field: reason; fix`. None if no part is known.
pub fn message(english: &str) -> Option<String> {
    if let Some(whole) = phrase(english) {
        return Some(whole);
    }
    let (field, rest) = english.split_once(": ")?;
    // The reason ends at the first semicolon; a fix may have semicolons of its own.
    let (reason, fix) = rest.split_once("; ").map_or((rest, None), |(reason, fix)| (reason, Some(fix)));
    let (told_reason, told_fix) = (phrase(reason), fix.and_then(phrase));
    if told_reason.is_none() && told_fix.is_none() {
        return None;
    }
    let reason = told_reason.unwrap_or_else(|| reason.to_owned());
    let fix = told_fix.or_else(|| fix.map(str::to_owned));
    Some(fix.map_or_else(|| format!("{field}: {reason}"), |fix| format!("{field}: {reason}; {fix}")))
}

/// One clause in Chinese.
pub fn phrase(english: &str) -> Option<String> {
    let whole = PHRASES.iter().find(|(known, _)| *known == english).map(|(_, chinese)| (*chinese).to_owned());
    whole.or_else(|| {
        PATTERNS.iter().find_map(|(before, after, chinese)| {
            let value = english.strip_prefix(before)?.strip_suffix(after)?;
            Some(chinese.replace("{}", value))
        })
    })
}

/// What a schema error says: detail, field and fix in English and Chinese.
#[derive(Clone, Debug)]
pub struct SchemaWords {
    /// What is wrong, in English and Chinese.
    pub detail: (String, String),
    /// The field.
    pub field: Option<&'static str>,
    /// What to do, in English and Chinese.
    pub fix: Option<(&'static str, String)>,
}

/// Takes a schema error apart.
pub fn schema_words(error: &SchemaError) -> SchemaWords {
    let told = |form: &str, reason: &str| {
        (
            format!("{form}: {reason}"),
            format!("{form}: {}", phrase(reason).unwrap_or_else(|| reason.to_owned())),
        )
    };
    match error {
        SchemaError::Field { field, reason, fix } => SchemaWords {
            detail: told(field, reason),
            field: Some(field),
            fix: Some((fix, phrase(fix).unwrap_or_else(|| (*fix).to_owned()))),
        },
        SchemaError::TooLarge { what, unit, actual, limit } => SchemaWords {
            detail: (
                format!("{what} has {actual} {unit}, at most {limit} are accepted"),
                format!(
                    "{what} 有 {actual} {}, 最多接受 {limit}",
                    phrase(unit).unwrap_or_else(|| (*unit).to_owned())
                ),
            ),
            field: Some(what),
            fix: None,
        },
        SchemaError::Malformed { form, reason }
        | SchemaError::Integrity { form, reason }
        | SchemaError::Expired { form, reason } => {
            SchemaWords { detail: told(form, reason), field: None, fix: None }
        }
        SchemaError::Key { reason } => SchemaWords { detail: told("key", reason), field: None, fix: None },
    }
}

/// Clauses with one changing part: what stands before and after it, and the whole in Chinese.
const PATTERNS: &[(&str, &str, &str)] = &[
    ("check character 18 should be ", "", "第 18 位校验码应为 {}"),
    ("the node of ", " runs already", "{} 的节点已在运行"),
    (
        "character ",
        " is not one of 0-9 and A-Y without I, O, S, V",
        "第 {} 位不是 0-9 或 A-Y (不含 I、O、S、V)",
    ),
    ("", " characters instead of 18", "有 {} 个字符, 应为 18 个"),
    ("use one of: ", "", "可用: {}"),
];

/// Clauses as the libraries write them, and in Chinese.
const PHRASES: &[(&str, &str)] = &[
    ("the record", "该记录"),
    ("the notice", "该通知"),
    ("the import", "该导入"),
    ("the operator account", "该操作员账户"),
    ("the measure in the list of sanction measures", "失信惩戒措施清单中的该措施"),
    ("this node's own directory entry", "本节点的目录条目"),
    ("this node belongs to a federation already", "本节点已属于一个联盟"),
    (
        "stop the other process first; another node needs a home of its own",
        "先停止另一个进程; 另一个节点请用它自己的数据目录",
    ),
    (
        "a node joins once; use a new home for another federation",
        "一个节点只加入一次; 另一个联盟请用新的数据目录",
    ),
    (
        "a node founds or joins once; use a new home for another federation",
        "一个节点只建立或加入一次; 另一个联盟请用新的数据目录",
    ),
    ("this node belongs to no federation yet", "本节点尚未加入任何联盟"),
    (
        "join one with chengxin join, or found one with chengxin federation found",
        "用 chengxin join 加入, 或用 chengxin federation found 建立",
    ),
    (
        "make one with chengxin init, or name its folder with --home",
        "用 chengxin init 建立节点, 或用 --home 指明其目录",
    ),
    (
        "name a new folder with --home; an existing node is never overwritten",
        "用 --home 指明新目录; 已有节点绝不会被覆盖",
    ),
    ("the node at this address is not a coordinator of the federation", "该地址的节点不是本联盟的统筹节点"),
    (
        "ask the coordinator for the address of its own node; the token was not shown to anybody",
        "请向统筹员索取其节点地址; 令牌未向任何人出示",
    ),
    (
        "correct what it names, then join again; ask the coordinator for a new token if this one is used up",
        "按提示更正后重新加入; 令牌已用过时请向统筹员索取新令牌",
    ),
    ("not the code of a public body", "不是公共机构的代码"),
    (
        "an agency has a valid unified social credit code beginning with 11 or 12",
        "机关的统一社会信用代码以 11 或 12 开头且校验码正确",
    ),
    ("not a SHA-256 digest", "不是 SHA-256 摘要"),
    ("it reads sha256: and 64 lower-case hexadecimal digits", "格式为 sha256: 加 64 位小写十六进制数"),
    ("not an identifier of this kind", "不是此类编号"),
    ("it reads r- and 32 lower-case hexadecimal digits", "格式为 r- 加 32 位小写十六进制数"),
    ("it reads n- and 32 lower-case hexadecimal digits", "格式为 n- 加 32 位小写十六进制数"),
    ("it reads b- and 32 lower-case hexadecimal digits", "格式为 b- 加 32 位小写十六进制数"),
    ("it reads x- and 32 lower-case hexadecimal digits", "格式为 x- 加 32 位小写十六进制数"),
    ("a case or project number of 1 to 100 characters is needed", "需要 1 到 100 个字符的案件或项目编号"),
    ("give the number of the open file, for example CG-2026-031", "给出正在办理的编号, 例如 CG-2026-031"),
    ("write a plain number such as 12.5 in the unit of the column", "按该列的单位写数字, 例如 12.5"),
    ("not a number", "不是数字"),
    ("finer than one fen", "小于一分"),
    ("larger than any amount of money", "金额过大"),
    ("a sanction rests on a determined breach", "惩戒须以已认定的失信记录为依据"),
    (
        "name a record of general or serious breach (国办发〔2020〕49号)",
        "指明一般失信或严重失信记录 (国办发〔2020〕49号)",
    ),
    ("name at least one listed measure with its legal basis", "至少给出一项清单内的措施及其法律依据"),
    ("before the first day", "早于起始日"),
    ("give a last day on or after the first", "截止日不得早于起始日"),
    (
        "system, security and audit administrator are different people, and the audit administrator does no business",
        "系统、安全、审计管理员须由不同人员担任, 审计管理员不办理业务",
    ),
    ("give the roles to different operators", "把这些角色分给不同的操作员"),
    ("a citation of 2 to 500 characters is needed", "需要 2 到 500 个字符的法律依据"),
    (
        "name the instrument and the article, for example 《中华人民共和国政府采购法》第二十二条",
        "写明文件和条款, 例如《中华人民共和国政府采购法》第二十二条",
    ),
    ("not a field of this record type", "不是此类记录的字段"),
    ("see the template of the type", "参看该类型的模板"),
    ("unknown record type", "未知的记录类型"),
    ("contains a control character", "含有控制字符"),
    ("remove it", "请删除"),
    ("not a document number", "不是证件号码"),
    ("write letters, digits and hyphens only", "只写字母、数字和连字符"),
    ("not a six-digit division code", "不是六位行政区划代码"),
    ("give a GB/T 2260 code such as 150100", "给出 GB/T 2260 代码, 例如 150100"),
    ("none or too many", "没有或过多"),
    ("name one to five information categories", "给出一至五个信息类别"),
    ("longer than 200 characters", "超过 200 个字符"),
    ("give the registered name", "给出登记名称"),
    ("the number is valid both as an organisation's and as a person's", "该号码既可为机构代码也可为身份号码"),
    ("prefix it with org: or person:", "加前缀 org: 或 person:"),
    ("neither a date nor long-term", "既不是日期也不是长期"),
    ("write YYYY-MM-DD or long-term", "写 YYYY-MM-DD 或 长期"),
    ("not a calendar date", "不是日期"),
    ("write YYYY-MM-DD", "写 YYYY-MM-DD"),
    (
        "compare the code with the certificate; a code that is printed so may be accepted by a named person with a reason",
        "请与证照核对; 证照确系如此印制的, 可由具名人员附理由认可",
    ),
    ("check for 0 written as O or 1 written as I", "检查是否把 0 写成 O, 或把 1 写成 I"),
    ("18 digits, or 17 digits and X, are expected", "应为 18 位数字, 或 17 位数字加 X"),
    ("18 characters are expected", "应为 18 个字符"),
    ("digits 7 to 14 are not a date", "第 7 至 14 位不是日期"),
    ("the check character does not fit", "校验码不符"),
    ("compare the number with the identity card", "请与身份证核对"),
    ("longer than 18 characters", "超过 18 个字符"),
    ("give exactly 18 characters", "须为 18 个字符"),
    ("not a label", "不是代码"),
    ("unknown value", "未知的值"),
    ("missing", "缺少"),
    ("empty", "为空"),
    ("none", "没有"),
    ("the field is required", "该字段必填"),
    ("a breach needs a severity and nothing else may have one", "失信记录须有失信程度, 其他记录不得有"),
    ("characters", "个字符"),
    ("items", "项"),
    ("bytes", "字节"),
    ("texts", "段"),
    ("write a number and a unit: 500ms, 5s, 10m, 24h or 7d", "写数字和单位: 500ms, 5s, 10m, 24h 或 7d"),
    (
        "write a span such as 7d or 12h, or a time such as 2026-11-22T08:00:00+08:00",
        "写时长如 7d 或 12h, 或时间如 2026-11-22T08:00:00+08:00",
    ),
    (
        "an exception reads ROW:REASON, for example 17:证照原件核对无误; the reason is 2 to 200 characters",
        "例外写作 行号:理由, 例如 17:证照原件核对无误; 理由 2 到 200 个字符",
    ),
    (
        "write NAME[@UID]=ROLE[,ROLE], for example zhang@1001=clerk,reviewer",
        "写 账户名[@系统用户号]=角色[,角色], 例如 zhang@1001=clerk,reviewer",
    ),
    (
        "not a time; write RFC 3339, for example 2026-11-22T08:00:00Z",
        "不是时间; 按 RFC 3339 写, 例如 2026-11-22T08:00:00Z",
    ),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 32 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 32 个字符",
    ),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 40 个字符",
    ),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 60 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 60 个字符",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_translated_part_by_part() {
        let error = chengxin_schemas::subject::SubjectId::parse("123").expect_err("too short");
        let words = schema_words(&error);
        assert_ne!(words.detail.0, words.detail.1, "{}", words.detail.0);
        assert!(message(&error.to_string()).expect("known").starts_with(words.field.expect("field")));
        assert_eq!(message("something nobody translated"), None);
    }

    #[test]
    fn no_clause_stands_twice() {
        let mut known: Vec<_> = PHRASES.iter().map(|(english, _)| english).collect();
        known.sort_unstable();
        let count = known.len();
        known.dedup();
        assert_eq!(known.len(), count);
    }
}
