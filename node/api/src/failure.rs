//! How causes become problem documents. Internals (paths, keys, source errors of the store) stay in the journal.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chengxin_exchange::ExchangeError;
use chengxin_policy::{DenialReason, Denied, PolicyError};
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::{ErrorCode, SchemaError};

use crate::chinese::{message_or_same as chinese, schema_words};
use crate::types::problem::{PROBLEM_MEDIA_TYPE, Problem};

/// Why a handler did not answer with its document.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Box<Problem>);

impl Failure {
    /// A field of the request is wrong.
    pub(crate) fn field(field: &str, en: &str, zh: &str) -> Self {
        Problem::new(ErrorCode::Invalid, format!("{field}: {en}"), format!("{field}: {zh}"))
            .with_field(field)
            .into()
    }

    /// A file of the spool could not be read or written.
    pub(crate) fn spool(error: &std::io::Error) -> Self {
        tracing::error!(%error, "spool folder");
        Problem::new(
            ErrorCode::Unavailable,
            "the node cannot keep the file while it is read",
            "节点无法暂存该文件",
        )
        .with_fix("free disk space on the node, then try again", "清理节点磁盘空间后重试")
        .into()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        schema_problem(&error).into()
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        exchange_problem(&error).into()
    }
}

/// What a use case refused or could not do, in both languages. A fault of the node itself goes to the journal with its
/// causes; the person is told only what it is about.
pub fn exchange_problem(error: &ExchangeError) -> Problem {
    let code = error.code();
    let said = error.to_string();
    match error {
            ExchangeError::Schema(error) => schema_problem(error),
            ExchangeError::Denied(denied) => {
                let (en, zh) = denial_fix(denied);
                Problem::new(code, denied.english(), denied.chinese())
                    .with_rule(Some(denied.rule.as_str().to_owned()))
                    .with_fix(en, zh)
            }
            ExchangeError::Role { .. } | ExchangeError::RoleNotHeld { .. } => {
                Problem::new(code, said.as_str(), chinese(&said))
                    .with_fix("act in another role with --role", "用 --role 换用有权的角色")
            }
            ExchangeError::NoAccount { .. } => {
                Problem::new(code, said.as_str(), chinese(&said)).with_fix(
                    "name one of your accounts with --operator, or ask the security administrator for chengxin operator add",
                    "用 --operator 指明账户, 或请安全管理员执行 chengxin operator add",
                )
            }
            ExchangeError::NotFound { .. } | ExchangeError::ImportRefused { .. } => {
                Problem::new(code, said.as_str(), chinese(&said))
            }
            ExchangeError::Conflict { what, .. } | ExchangeError::Busy { what, .. } => {
                Problem::new(code, said.as_str(), chinese(&said)).with_field(*what)
            }
            ExchangeError::DirectoryExpired { fix } => {
                Problem::new(code, "the member directory expired", "成员目录已过期").with_fix(*fix, chinese(fix))
            }
            ExchangeError::Import(import) => {
                Problem::new(code, import.to_string(), import.message_zh()).with_field("file")
            }
            // Whoever stages a policy is told the file and the line.
            ExchangeError::Policy(error) if error.code() != ErrorCode::Internal => policy_problem(error),
            ExchangeError::Unreachable { .. } => Problem::new(code, said.as_str(), chinese(&said))
                .with_fix("try again when it runs and can be reached", "待其运行且可连通后重试"),
            ExchangeError::Policy(_)
            | ExchangeError::Trust(_)
            | ExchangeError::Store(_)
            | ExchangeError::Log(_)
            | ExchangeError::Stored { .. }
            | ExchangeError::Task { .. } => {
                tracing::error!(error = error as &dyn std::error::Error, "use case failed");
                Problem::new(code, said.as_str(), chinese(&said)).with_fix(
                    "see the node's journal, then chengxin status",
                    "查看节点日志和 chengxin status",
                )
            }
    }
}

/// What somebody who was denied can do: the command that says what would be needed, as it has to be typed.
fn denial_fix(denied: &Denied) -> (String, String) {
    let question = &denied.question;
    let Some(category) = question.category else {
        return (
            "name a category; chengxin policy explain says what would be permitted".to_owned(),
            "请指明信息类别; 用 chengxin policy explain 查看可获允许的内容".to_owned(),
        );
    };
    let kind = match question.subject_kind {
        SubjectKind::Organisation => "organisation",
        SubjectKind::Person => "person",
    };
    let command = format!(
        "chengxin policy explain --as {} --purpose {} --category {category} --subject-kind {kind}",
        question.role, question.purpose
    );
    match denied.reason {
        DenialReason::UnknownPurpose => (
            format!("{command} names the purposes that would do; chengxin policy show lists all"),
            format!("用 {command} 查看可用的用途; 用 chengxin policy show 查看全部用途"),
        ),
        DenialReason::SubjectAuthorisation => (
            format!("state it with --authorisation; {command} says what else would be needed"),
            format!("用 --authorisation 写明书面授权; 用 {command} 查看其他所需条件"),
        ),
        DenialReason::SecondPerson => (
            "make the same check with --request-release; when a colleague gave the release, make it with --release"
                .to_owned(),
            "用同样的核查命令加 --request-release 请求放行; 同事放行后, 加 --release 再核查".to_owned(),
        ),
        DenialReason::DailyLimit { .. } | DenialReason::DailyLimitBody { .. } => (
            "ask again tomorrow; chengxin policy show -o wide lists the limits, the coordinator changes them"
                .to_owned(),
            "请明日再核查; 用 chengxin policy show -o wide 查看各用途限次, 限次由统筹员修改".to_owned(),
        ),
        _ => (
            format!("{command} says what would be needed; the coordinator changes policy"),
            format!("用 {command} 查看所需条件; 策略由统筹员修改"),
        ),
    }
}

/// What is wrong with a policy bundle, in both languages, with the file, the line and the fix.
pub fn policy_problem(error: &PolicyError) -> Problem {
    match error {
        PolicyError::File { file, line, reason, fix } => {
            let (en, zh) = match line {
                Some(line) => (format!("{file} line {line}"), format!("{file} 第 {line} 行")),
                None => (file.clone(), file.clone()),
            };
            Problem::new(error.code(), format!("{en}: {reason}"), format!("{zh}: {}", chinese(reason)))
                .with_field(file)
                .with_fix(fix, chinese(fix))
        }
        PolicyError::Read { file, source } => {
            let said = format!("{error}: {source}");
            Problem::new(error.code(), said.as_str(), chinese(&said)).with_field(file).with_fix(
                "let this user read the directory and every file in it",
                "使当前系统用户可读该目录及其中每个文件",
            )
        }
        PolicyError::TooLarge { what, .. } => {
            let said = error.to_string();
            Problem::new(error.code(), said.as_str(), chinese(&said))
                .with_field(what)
                .with_fix("shorten it; the limit is the same at every node", "请缩减; 各节点的上限相同")
        }
        PolicyError::Packed { .. } => {
            let said = error.to_string();
            Problem::new(error.code(), said.as_str(), chinese(&said)).with_fix(
                "let chengxin pack the bundle's directory: a bundle has one packed form",
                "由 chengxin 打包策略包目录: 一个策略包只有一种打包形式",
            )
        }
        // The engine's own words belong to the report that the fix asks for.
        PolicyError::Engine(source) => {
            let said = format!("{error}: {source}");
            engine_fix(Problem::new(error.code(), said.as_str(), chinese(&said)))
        }
        PolicyError::Unsound { .. } => {
            let said = error.to_string();
            engine_fix(Problem::new(error.code(), said.as_str(), chinese(&said)))
        }
        PolicyError::NoCalendar { .. } => {
            let said = error.to_string();
            Problem::new(error.code(), said.as_str(), chinese(&said))
        }
    }
}

/// A bundle's own rules cannot make the engine fail, since it loads only what was checked: the program is at fault.
fn engine_fix(problem: Problem) -> Problem {
    problem.with_fix(
        "do not put this bundle in force; report it, with the bundle, to whoever maintains the program",
        "不要启用该策略包; 请连同策略包报告程序维护者",
    )
}

/// What is wrong with a value, in both languages, with the field and the fix.
pub fn schema_problem(error: &SchemaError) -> Problem {
    let words = schema_words(error);
    let problem = Problem::new(error.code(), words.detail.0, words.detail.1);
    let problem = match words.field {
        Some(field) => problem.with_field(field),
        None => problem,
    };
    match words.fix {
        Some((en, zh)) => problem.with_fix(en, zh),
        None => problem,
    }
}

/// The body is written by the gate, which knows the trace id; until then the problem rides along.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Carried(self.0));
        response
    }
}

/// A problem on its way from a handler to the gate.
#[derive(Clone, Debug)]
struct Carried(Box<Problem>);

/// Gives a response that carries a problem its status, its body and the trace id.
pub(crate) fn problem_write(mut response: Response, trace: &str) -> Response {
    match response.extensions_mut().remove::<Carried>() {
        None => response,
        Some(Carried(mut problem)) => {
            trace.clone_into(&mut problem.trace_id);
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            // A structure of texts and numbers always serialises.
            let body = serde_json::to_vec(&problem).unwrap_or_default();
            let media_type = HeaderValue::from_static(PROBLEM_MEDIA_TYPE);
            (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use chengxin_policy::{DeniedQuestion, RuleId};

    use super::*;

    #[test]
    fn a_denial_says_the_command_that_explains_it() {
        let denied = |reason, category| Denied {
            rule: RuleId::try_from("default-deny".to_owned()).expect("rule"),
            reason,
            question: DeniedQuestion {
                role: chengxin_schemas::operator::Role::AuditAdministrator,
                purpose: "market-access".parse().expect("code"),
                subject_kind: SubjectKind::Person,
                category,
            },
            policy_version: String::new(),
        };
        let category = Some(chengxin_schemas::category::InformationCategory::RiskWarning);
        let command = "chengxin policy explain --as audit_administrator --purpose market-access --category risk_warning --subject-kind person";
        for (reason, category, command) in [
            (DenialReason::Rule, category, command),
            (DenialReason::UnknownPurpose, category, command),
            (DenialReason::NoCategories, None, "chengxin policy explain"),
            (DenialReason::SubjectAuthorisation, category, command),
            (DenialReason::SecondPerson, category, "--request-release"),
            (DenialReason::DailyLimit { limit: 3 }, category, "chengxin policy show -o wide"),
            (DenialReason::DailyLimitBody { limit: 9 }, category, "chengxin policy show -o wide"),
        ] {
            let problem = exchange_problem(&ExchangeError::Denied(Box::new(denied(reason, category))));
            for fix in [problem.fix_en, problem.fix_zh] {
                assert!(fix.as_deref().is_some_and(|fix| fix.contains(command)), "{fix:?}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_bundle_has_a_fix_and_the_class_of_its_cause() {
        let read = |kind| PolicyError::Read { file: "rules.csv".to_owned(), source: Error::from(kind) };
        for (error, code, field) in [
            (read(ErrorKind::NotFound), ErrorCode::NotFound, Some("rules.csv")),
            (read(ErrorKind::PermissionDenied), ErrorCode::Denied, Some("rules.csv")),
            (read(ErrorKind::NotADirectory), ErrorCode::Invalid, Some("rules.csv")),
            (read(ErrorKind::StorageFull), ErrorCode::Unavailable, Some("rules.csv")),
            (
                PolicyError::TooLarge { what: "tests.toml".to_owned(), unit: "bytes", limit: 1 },
                ErrorCode::TooLarge,
                Some("tests.toml"),
            ),
            (PolicyError::Packed { reason: "empty".to_owned() }, ErrorCode::Invalid, None),
            (PolicyError::Unsound { reason: "the canary was allowed" }, ErrorCode::Internal, None),
        ] {
            let problem = policy_problem(&error);
            assert_eq!((problem.code, problem.field.as_deref()), (code, field), "{error}");
            assert!(problem.fix_en.is_some() && problem.fix_zh.is_some(), "{error}");
        }
    }
}
