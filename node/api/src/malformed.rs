//! What is wrong with a document or a query string that does not parse: where, and what kind of fault.
//!
//! The parser's own message repeats what it met, which may be a person's number in the wrong place. Only what this
//! program wrote passes from it: names of fields that are missing or given twice, and what was expected instead.

use axum::extract::rejection::QueryRejection;
use chengxin_schemas::ErrorCode;

use crate::failure::Failure;
use crate::types::problem::Problem;

/// The request's document does not parse.
pub(crate) fn document_fault(error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    let fault = match error.classify() {
        serde_json::error::Category::Data => Fault::of(&error.to_string()),
        serde_json::error::Category::Syntax => Fault::new("no valid JSON", "不是有效的 JSON"),
        serde_json::error::Category::Eof => Fault::new("it ends too early", "内容不完整"),
        serde_json::error::Category::Io => Fault::new("it was cut off", "传送中断"),
    };
    fault.failure(
        "body",
        format!("body, line {line}, column {column}"),
        format!("body 第 {line} 行第 {column} 列"),
        (
            "correct the document there; the types are those of the chengxin of the node's version",
            "改正该处; 字段以与节点同版本的 chengxin 为准",
        ),
    )
}

/// The query string does not parse.
pub(crate) fn query_fault(rejection: &QueryRejection) -> Failure {
    // The rejection's text is a lead, the name at fault where there is one, and the parser's message.
    let text = rejection.body_text();
    let text = text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest);
    let mut fault = Fault::of(text);
    if fault.kind == Kind::Other
        && let Some((name, rest)) = text.split_once(": ")
    {
        fault = Fault::of(rest);
        // Unless the fault is the name itself, it is one of ours.
        if fault.kind != Kind::UnknownField && is_name(name) {
            fault.field = Some(name.to_owned());
        }
    }
    fault.failure(
        "query",
        "query".to_owned(),
        "query".to_owned(),
        ("correct the query string", "改正查询参数"),
    )
}

/// A name in a query string that the route does not have.
pub(crate) fn query_name_fault(known: &[&str]) -> Failure {
    let mut fault = Fault::new("a field that is not known", "有未知的字段");
    fault.expected = Some((known.join(", "), known.join(", ")));
    fault.failure(
        "query",
        "query".to_owned(),
        "query".to_owned(),
        ("correct the query string", "改正查询参数"),
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    UnknownField,
    Known,
    Other,
}

/// One fault in words of this program.
#[derive(Debug)]
struct Fault {
    kind: Kind,
    english: &'static str,
    chinese: &'static str,
    field: Option<String>,
    /// What should stand there, in English and Chinese.
    expected: Option<(String, String)>,
}

impl Fault {
    fn new(english: &'static str, chinese: &'static str) -> Self {
        Self { kind: Kind::Known, english, chinese, field: None, expected: None }
    }

    /// Takes serde's message apart. Its leads are fixed texts; what follows them is ours or is left out.
    fn of(message: &str) -> Self {
        let quoted = |lead: &str| {
            let name = message.strip_prefix(lead)?.split('`').next()?;
            is_name(name).then(|| name.to_owned())
        };
        if let Some(field) = quoted("missing field `") {
            return Self { field: Some(field), ..Self::new("a field is missing", "缺少字段") };
        }
        if let Some(field) = quoted("duplicate field `") {
            return Self { field: Some(field), ..Self::new("a field is given twice", "字段重复") };
        }
        let expected = message.rsplit_once(", expected ").and_then(|(_, expected)| expectation(expected));
        if message.starts_with("unknown field ") {
            let fault = Self::new("a field that is not known", "有未知的字段");
            return Self { kind: Kind::UnknownField, expected, ..fault };
        }
        if message.starts_with("unknown variant ") {
            let fault = Self::new("a value that is none of those possible", "取值不在允许范围内");
            return Self { expected, ..fault };
        }
        if message.starts_with("invalid type: ") {
            return Self { expected, ..Self::new("a value of the wrong type", "值的类型不对") };
        }
        let fault = Self::new("a value that does not have the form of its field", "值不符合该字段的格式");
        Self { kind: Kind::Other, ..fault }
    }

    fn failure(self, part: &str, en: String, zh: String, fix: (&'static str, &'static str)) -> Failure {
        let mut english = format!("{en}: {}", self.english);
        let mut chinese = format!("{zh}: {}", self.chinese);
        if let Some(field) = &self.field {
            english.push_str(&format!(": {field}"));
            chinese.push_str(&format!(": {field}"));
        }
        if let Some((en, zh)) = &self.expected {
            english.push_str(&format!("; expected {en}"));
            chinese.push_str(&format!("; 应为 {zh}"));
        }
        Problem::new(ErrorCode::Invalid, english, chinese)
            .with_field(self.field.unwrap_or_else(|| part.to_owned()))
            .with_fix(fix.0, fix.1)
            .into()
    }
}

/// Whether a text can be a name of ours: a field or a value of a closed list.
fn is_name(text: &str) -> bool {
    let of_ours = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    text.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) && text.bytes().all(of_ours)
}

/// What serde says was expected, if it is one of the kinds of JSON or a list of names.
fn expectation(text: &str) -> Option<(String, String)> {
    // JSON messages end in their place.
    let text = text.split(" at line ").next().unwrap_or_default();
    let told = |en: &str, zh: &str| Some((en.to_owned(), zh.to_owned()));
    match text {
        "a string" | "a borrowed string" | "string" => return told("a text", "文本"),
        "a boolean" => return told("true or false", "true 或 false"),
        "a sequence" => return told("a list", "列表"),
        "a map" => return told("an object", "对象"),
        "u8" | "u16" | "u32" | "u64" | "usize" => return told("a number without a sign", "非负整数"),
        "i8" | "i16" | "i32" | "i64" | "isize" => return told("a number", "整数"),
        _ if text.starts_with("struct ") => return told("an object", "对象"),
        _ => {}
    }
    let names: Vec<_> = text.split('`').skip(1).step_by(2).collect();
    (!names.is_empty() && names.iter().all(|name| is_name(name)))
        .then(|| (names.join(", "), names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::check::CheckRequest;
    use crate::types::record::RecordQuery;
    use axum::extract::Query;

    const NUMBER: &str = "440524188001010014";

    fn document(text: &str) -> Problem {
        let error = serde_json::from_str::<CheckRequest>(text).map(|_| ()).expect_err("refused");
        *document_fault(&error).0
    }

    #[test]
    fn a_number_in_the_wrong_place_of_a_document_is_not_repeated() {
        for (text, field, words) in [
            (format!(r#"{{"subject":{NUMBER}}}"#), "body", "wrong type; expected a text"),
            (
                format!(r#"{{"subject":"x","categories":["{NUMBER}"]}}"#),
                "body",
                "none of those possible; expected ",
            ),
            (format!(r#"{{"{NUMBER}":1}}"#), "body", "not known; expected subject"),
            (format!(r#"{{"x":"a, expected `{NUMBER}`"}}"#), "body", "not known; expected subject"),
            (format!(r#"{{"subject":"{NUMBER}"}}"#), "purpose", "a field is missing: purpose"),
            (format!(r#"{{"subject":"x","subject":"{NUMBER}"}}"#), "subject", "given twice: subject"),
            (format!(r#"{{"purpose":"{NUMBER} {NUMBER}"}}"#), "body", "form of its field"),
            (format!(r#"["a, expected `{NUMBER}`"]"#), "body", ""),
            (format!("{{\n  {NUMBER}"), "body", "line 2, column"),
            (format!(r#"{{"subject":"{NUMBER}"#), "body", "ends too early"),
        ] {
            let problem = document(&text);
            let told = serde_json::to_string(&problem).expect("json");
            assert!(!told.contains(NUMBER), "{told}");
            assert_eq!(problem.field.as_deref(), Some(field), "{told}");
            assert!(problem.detail_en.contains(words), "{told}");
            assert!(problem.detail_zh.starts_with("body 第 ") && problem.fix_zh.is_some(), "{told}");
        }
    }

    #[test]
    fn a_number_in_the_wrong_place_of_a_query_is_not_repeated() {
        for (query, field, words) in [
            (format!("limit={NUMBER}x"), "limit", "form of its field: limit"),
            (format!("state={NUMBER}"), "state", "none of those possible"),
            (format!("{NUMBER}=1"), "query", "not known; expected type"),
            ("subjekt=1".to_owned(), "query", "not known; expected type"),
            (format!("subject={NUMBER}&subject={NUMBER}"), "subject", "given twice"),
        ] {
            let uri = format!("http://node/?{query}").parse().expect("uri");
            let rejection = Query::<RecordQuery>::try_from_uri(&uri).map(|_| ()).expect_err("refused");
            let problem = *query_fault(&rejection).0;
            let told = serde_json::to_string(&problem).expect("json");
            assert!(!told.contains(NUMBER) && !told.contains("subjekt"), "{told} {}", rejection.body_text());
            assert_eq!(problem.field.as_deref(), Some(field), "{told} {}", rejection.body_text());
            assert!(problem.detail_en.contains(words), "{told}");
        }
    }
}
