//! Errors as RFC 9457 problem documents, in both languages, with the field and the fix.

use chengxin_schemas::ErrorCode;
use serde::{Deserialize, Serialize};

/// Media type of a [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done. Never holds a subject's identifier, a key or a file path of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URN that names the class: `urn:chengxin:error:<code>`.
    #[serde(rename = "type")]
    pub type_urn: String,
    /// The class in English; the same for every problem of the class.
    pub title: String,
    /// The class in Chinese.
    pub title_zh: String,
    /// The HTTP status.
    pub status: u16,
    /// The class as a code; exit codes of the command line derive from it.
    pub code: ErrorCode,
    /// What happened here, in English.
    pub detail_en: String,
    /// What happened here, in Chinese where a translation exists, else as in English.
    pub detail_zh: String,
    /// The field that is wrong, as the caller wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_en: Option<String>,
    /// What to do, in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_zh: Option<String>,
    /// The policy rule that decided, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Several faults at once, for example in a form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Finds the request in the node's journal.
    pub trace_id: String,
}

/// One of several faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field.
    pub field: String,
    /// What is wrong, in English.
    pub detail_en: String,
    /// What is wrong, in Chinese.
    pub detail_zh: String,
}

/// The HTTP status of a code.
pub fn status_of(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::Invalid => 400,
        ErrorCode::NotFound => 404,
        ErrorCode::Denied => 403,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Conflict => 409,
        ErrorCode::Integrity => 422,
        ErrorCode::Expired => 410,
        ErrorCode::TooLarge => 413,
        ErrorCode::Busy => 429,
        ErrorCode::Unavailable => 503,
        ErrorCode::Timeout => 504,
        ErrorCode::Internal => 500,
    }
}

/// The class in English and Chinese.
pub fn titles_of(code: ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::Invalid => ("The input is wrong", "输入有误"),
        ErrorCode::NotFound => ("Not found", "未找到"),
        ErrorCode::Denied => ("Not permitted", "无权执行"),
        ErrorCode::Unauthenticated => ("Who is asking is not known", "身份未确认"),
        ErrorCode::Conflict => ("Conflict", "冲突"),
        ErrorCode::Integrity => ("A signature or checksum does not hold", "签名或校验不成立"),
        ErrorCode::Expired => ("Out of its period of validity", "不在有效期内"),
        ErrorCode::TooLarge => ("Over a limit", "超出限额"),
        ErrorCode::Busy => ("Busy", "繁忙"),
        ErrorCode::Unavailable => ("A needed part does not answer", "所需部分无应答"),
        ErrorCode::Timeout => ("The deadline passed", "超过时限"),
        ErrorCode::Internal => ("A fault of the node", "节点内部故障"),
    }
}

impl Problem {
    /// A problem of the class `code` with its details in both languages.
    pub fn new(code: ErrorCode, detail_en: impl Into<String>, detail_zh: impl Into<String>) -> Self {
        let (title, title_zh) = titles_of(code);
        Self {
            type_urn: format!("urn:chengxin:error:{}", code.as_str()),
            title: title.to_owned(),
            title_zh: title_zh.to_owned(),
            status: status_of(code),
            code,
            detail_en: detail_en.into(),
            detail_zh: detail_zh.into(),
            field: None,
            fix_en: None,
            fix_zh: None,
            rule: None,
            errors: Vec::new(),
            trace_id: String::new(),
        }
    }

    /// Names the field.
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says what to do.
    pub fn with_fix(mut self, fix_en: impl Into<String>, fix_zh: impl Into<String>) -> Self {
        self.fix_en = Some(fix_en.into());
        self.fix_zh = Some(fix_zh.into());
        self
    }

    /// Names the rule that decided.
    pub fn with_rule(mut self, rule: Option<String>) -> Self {
        self.rule = rule;
        self
    }
}
