//! Why a command did not do its work, and how that is told: what, field, fix, class.

use std::path::{Path, PathBuf};

use chengxin_api::bounded_file::BoundedFileError;
use chengxin_api::chinese::message_or_same;
use chengxin_api::types::problem::{FieldProblem, Problem};
use chengxin_schemas::ErrorCode;
use serde::Serialize;

use crate::exit::Exit;
use crate::language::Language;
use crate::shell::CallerFlags;

/// Every way in which a command fails. `Display` is English; [`CliError::told`] speaks both languages.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The node, or a part of the program, says why; in both languages.
    #[error("{}", .0.detail_en)]
    Problem(Box<Problem>),
    /// The node's socket does not answer.
    #[error("no node answers on {}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// What came over the socket is not what this program understands.
    #[error("the node's answer cannot be read: {reason}")]
    Protocol {
        /// Where it went wrong.
        reason: String,
    },
    /// The node did not answer in time.
    #[error("the node did not answer within {seconds} s")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// What becomes of the request.
        outcome: Unanswered,
    },
    /// The connection ended before the answer was whole: the node stopped.
    #[error("the node went away before it had answered")]
    CutOff {
        /// What became of the request.
        outcome: Unanswered,
    },
    /// A file of the person who typed could not be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The output could not be written.
    #[error("the output cannot be written")]
    Output(#[source] std::io::Error),
    /// Standard input could not be read.
    #[error("standard input cannot be read")]
    Input(#[source] std::io::Error),
    /// The question before a dangerous change was not answered with yes.
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    /// Interrupted by the person; `resume` is the command that goes on.
    #[error("interrupted")]
    Interrupted {
        /// How to go on, if something was begun.
        resume: Option<String>,
    },
}

/// What is known of a request that has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It changes nothing.
    Nothing,
    /// Whether it was done is not known, and does not matter: doing it again replaces it.
    Again,
    /// Whether it was done is not known; the command shows.
    Unknown {
        /// The command.
        look: String,
    },
}

/// An error as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened, with its causes.
    pub what: String,
    /// The field that is wrong.
    pub field: Option<String>,
    /// What to do.
    pub fix: Option<String>,
    /// The policy rule that decided.
    pub rule: Option<String>,
    /// Several faults at once.
    pub more: Vec<String>,
    /// The class as a code.
    pub code: &'static str,
    /// Finds the request in the node's journal.
    pub trace_id: Option<String>,
}

/// An error for programs, in one line on standard error when the form of the output is JSON: the class and the number
/// of the exit, and the words of both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDocument {
    schema: &'static str,
    /// The class.
    code: &'static str,
    /// How the program ends.
    exit: u8,
    detail_en: String,
    detail_zh: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix_en: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix_zh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Several faults at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Unanswered {
    /// What is known, in Chinese and English.
    fn said(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("没有作任何更改", "nothing was changed"),
            Self::Again | Self::Unknown { .. } => ("是否已执行尚不清楚", "whether it was done is not known"),
        }
    }

    /// What to do, in Chinese and English.
    fn fix(&self) -> (String, String) {
        match self {
            Self::Nothing => ("重新执行".to_owned(), "type it again".to_owned()),
            Self::Again => (
                "重新执行, 新结果取代可能已有的结果".to_owned(),
                "type it again: what may have been done is replaced".to_owned(),
            ),
            Self::Unknown { look } => (
                format!("先用 {look} 查明, 再决定是否重新执行"),
                format!("find out with {look} before you type it again"),
            ),
        }
    }
}

/// A file that is too long is told with the limit and the fix; what the operating system says stays what it says.
impl From<BoundedFileError> for CliError {
    fn from(error: BoundedFileError) -> Self {
        match error {
            BoundedFileError::Read { path, source } => Self::File { path, source },
            BoundedFileError::TooLong { .. } => Self::problem(error.problem()),
        }
    }
}

impl CliError {
    /// A problem that the program itself found, in both languages.
    pub fn problem(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }

    /// The error as it is told to whoever called with these flags: what it says to type has them too.
    #[must_use]
    pub fn with_caller_flags(mut self, flags: &CallerFlags) -> Self {
        match &mut self {
            Self::Problem(problem) => {
                for fix in [&mut problem.fix_en, &mut problem.fix_zh].into_iter().flatten() {
                    *fix = flags.sentence(fix);
                }
            }
            Self::Timeout { outcome: Unanswered::Unknown { look }, .. }
            | Self::CutOff { outcome: Unanswered::Unknown { look } } => *look = flags.command(look),
            _ => {}
        }
        self
    }

    /// A value on the command line is wrong in a way that the grammar cannot say.
    pub fn usage(field: &str, en: &str, zh: &str, fix_en: &str, fix_zh: &str) -> Self {
        Self::problem(
            Problem::new(ErrorCode::Invalid, format!("{field}: {en}"), format!("{field}: {zh}"))
                .with_field(field)
                .with_fix(fix_en, fix_zh),
        )
    }

    /// An environment variable is wrong.
    pub fn variable(name: &str, zh: &str, en: &str, accepted: &str) -> Self {
        Self::usage(name, en, zh, &format!("set it to {accepted}"), &format!("设为 {accepted}"))
    }

    /// A file could not be read or written.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// The class of the error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Problem(problem) => problem.code,
            Self::Unreachable { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorCode::Denied
            }
            Self::Unreachable { .. } => ErrorCode::Unavailable,
            Self::Protocol { .. } | Self::Output(_) | Self::Input(_) => ErrorCode::Internal,
            Self::Timeout { .. } => ErrorCode::Timeout,
            Self::CutOff { .. } => ErrorCode::Unavailable,
            Self::File { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorCode::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorCode::Denied,
                std::io::ErrorKind::AlreadyExists => ErrorCode::Conflict,
                // The operating system's list is open; what is not named above has no closer class.
                _ => ErrorCode::Internal,
            },
            Self::NotConfirmed => ErrorCode::Conflict,
            Self::Interrupted { .. } => ErrorCode::Busy,
        }
    }

    /// How the program ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Interrupted { .. } | Self::NotConfirmed => Exit::Interrupted,
            Self::Problem(_)
            | Self::Unreachable { .. }
            | Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::CutOff { .. }
            | Self::File { .. }
            | Self::Output(_)
            | Self::Input(_) => self.code().into(),
        }
    }

    /// The error for programs.
    pub fn document(&self) -> ErrorDocument {
        let (en, zh) = (self.told(Language::En), self.told(Language::Zh));
        let errors = if let Self::Problem(problem) = self { problem.errors.clone() } else { Vec::new() };
        ErrorDocument {
            schema: "error/v1",
            code: en.code,
            exit: self.exit().number(),
            detail_en: en.what,
            detail_zh: zh.what,
            field: en.field,
            fix_en: en.fix,
            fix_zh: zh.fix,
            rule: en.rule,
            errors,
            trace_id: en.trace_id,
        }
    }

    /// The error in the language of the person.
    pub fn told(&self, language: Language) -> Told {
        let pick = |zh: String, en: String| match language {
            Language::Zh => zh,
            Language::En => en,
        };
        let system = |source: &std::io::Error| message_or_same(&source.to_string());
        let mut told = Told {
            what: String::new(),
            field: None,
            fix: None,
            rule: None,
            more: Vec::new(),
            code: self.code().as_str(),
            trace_id: None,
        };
        match self {
            Self::Problem(problem) => {
                told.what = pick(problem.detail_zh.clone(), problem.detail_en.clone());
                told.field.clone_from(&problem.field);
                told.fix = match language {
                    Language::Zh => problem.fix_zh.clone(),
                    Language::En => problem.fix_en.clone(),
                };
                told.rule.clone_from(&problem.rule);
                told.more = problem
                    .errors
                    .iter()
                    .map(|fault| {
                        format!("{}: {}", fault.field, pick(fault.detail_zh.clone(), fault.detail_en.clone()))
                    })
                    .collect();
                told.trace_id = Some(problem.trace_id.clone()).filter(|trace| !trace.is_empty());
            }
            Self::Unreachable { socket, source } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                told.what = pick(
                    format!("当前系统用户不得使用套接字 {}", socket.display()),
                    format!("this user may not use the socket {}", socket.display()),
                );
                told.fix = Some(pick(
                    "请系统管理员把该用户加入套接字所属的组 (安装包为 chengxin-operators), 重新登录后再试".to_owned(),
                    "ask the system administrator to add the user to the socket's group (chengxin-operators in \
                     the packages), then log in again"
                        .to_owned(),
                ));
            }
            Self::Unreachable { socket, source } => {
                told.what = pick(
                    format!("套接字 {} 上没有节点应答: {}", socket.display(), system(source)),
                    format!("no node answers on {}: {source}", socket.display()),
                );
                told.fix = Some(pick(
                    "用 chengxin serve 启动节点, 或用 --socket 指出正确的套接字".to_owned(),
                    "start the node with chengxin serve, or name the right socket with --socket".to_owned(),
                ));
            }
            Self::Protocol { reason } => {
                told.what = pick(
                    format!("无法读懂节点的应答: {}", message_or_same(reason)),
                    format!("the node's answer cannot be read: {reason}"),
                );
                told.fix = Some(pick(
                    "使用与节点相同版本的 chengxin".to_owned(),
                    "use the chengxin of the same version as the node".to_owned(),
                ));
            }
            Self::Timeout { seconds, outcome } => {
                told.what = pick(
                    format!("节点在 {seconds} 秒内没有应答; {}", outcome.said().0),
                    format!("the node did not answer within {seconds} s; {}", outcome.said().1),
                );
                let (zh, en) = outcome.fix();
                told.fix = Some(pick(
                    format!("用 chengxin status 查看节点状态; {zh}"),
                    format!("look at chengxin status; {en}"),
                ));
            }
            Self::CutOff { outcome } => {
                told.what = pick(
                    format!("节点在应答之前停止; {}", outcome.said().0),
                    format!("the node went away before it had answered; {}", outcome.said().1),
                );
                let (zh, en) = outcome.fix();
                told.fix =
                    Some(pick(format!("待节点恢复运行后, {zh}"), format!("when the node runs again, {en}")));
            }
            Self::File { path, source } => {
                told.what = pick(
                    format!("{}: {}", path.display(), system(source)),
                    format!("{}: {source}", path.display()),
                );
                told.field = Some(path.display().to_string());
            }
            Self::Output(source) => {
                told.what = pick(
                    format!("无法写出结果: {}", system(source)),
                    format!("the output cannot be written: {source}"),
                );
            }
            Self::Input(source) => {
                told.what = pick(
                    format!("无法读取标准输入: {}", system(source)),
                    format!("standard input cannot be read: {source}"),
                );
            }
            Self::NotConfirmed => {
                told.what = pick(
                    "未确认, 没有作任何更改".to_owned(),
                    "not confirmed; nothing was changed".to_owned(),
                );
                told.fix = Some(pick("加 --yes 表示确认".to_owned(), "confirm with --yes".to_owned()));
            }
            Self::Interrupted { resume } => {
                told.what = pick("已中断".to_owned(), "interrupted".to_owned());
                told.fix = resume
                    .as_ref()
                    .map(|command| pick(format!("继续: {command}"), format!("to go on: {command}")));
            }
        }
        told
    }
}
