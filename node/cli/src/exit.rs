//! Exit codes: one closed list, stable for scripts.

use chengxin_schemas::ErrorCode;

/// How a run of the program ended. Numbers are fixed for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; an empty list is success.
    Done,
    /// Failed, no closer class.
    Failed,
    /// The command line, or a value on it, is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Who is asking is not known, or it is not permitted.
    NotPermitted,
    /// The node or a peer cannot be reached, or not every agency asked has answered.
    Partial,
    /// Something changed meanwhile, or exists already.
    Conflict,
    /// A signature, hash or checksum does not hold, or a validity period is over.
    Integrity,
    /// Not finished, or working with a fault.
    Pending,
    /// Warnings and no errors.
    Warnings,
    /// A plan with changes.
    Changes,
    /// Interrupted; what was begun can be resumed.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of the numbers.
    pub const ALL: &'static [Self] = &[
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::NotPermitted,
        Self::Partial,
        Self::Conflict,
        Self::Integrity,
        Self::Pending,
        Self::Warnings,
        Self::Changes,
        Self::Interrupted,
    ];

    /// The number the operating system sees.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotPermitted => 4,
            Self::Partial => 5,
            Self::Conflict => 6,
            Self::Integrity => 7,
            Self::Pending => 8,
            Self::Warnings => 9,
            Self::Changes => 10,
            Self::Interrupted => 130,
        }
    }

    /// The meaning in Chinese and English.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("完成 (空列表也算完成)", "done (an empty list is success)"),
            Self::Failed => ("失败, 没有更具体的类别", "failed, no closer class"),
            Self::Usage => ("命令行或其中的值有误", "the command line, or a value on it, is wrong"),
            Self::NotFound => ("指定的对象不存在", "not found"),
            Self::NotPermitted => ("身份未确认或无权执行", "not identified or not permitted"),
            Self::Partial => (
                "节点或对等机关无法访问, 或联盟未全部答复",
                "node or peer unreachable, or a partial federation answer",
            ),
            Self::Conflict => ("冲突: 已变更或已存在", "conflict: changed meanwhile, or exists already"),
            Self::Integrity => (
                "签名、哈希链或校验不成立, 或不在有效期内",
                "bad signature, hash chain or checksum, or out of its validity",
            ),
            Self::Pending => ("未完成、繁忙或带故障运行", "pending, busy or degraded"),
            Self::Warnings => (
                "只有警告 (record import --dry-run; --strict 使其成为 1)",
                "warnings only (record import --dry-run; --strict makes it 1)",
            ),
            Self::Changes => ("预览: 有变更", "plan: changes exist"),
            Self::Interrupted => ("被中断, 可以继续", "interrupted; can be resumed"),
        }
    }
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Invalid | ErrorCode::TooLarge => Self::Usage,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Denied | ErrorCode::Unauthenticated => Self::NotPermitted,
            ErrorCode::Conflict => Self::Conflict,
            ErrorCode::Integrity | ErrorCode::Expired => Self::Integrity,
            ErrorCode::Busy => Self::Pending,
            ErrorCode::Unavailable | ErrorCode::Timeout => Self::Partial,
            ErrorCode::Internal => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_published_ones() {
        let numbers: Vec<_> = Exit::ALL.iter().map(|exit| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }
}
