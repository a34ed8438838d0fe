//! Texts of the command line and of the local interface: what is wrong with a value that was typed.

/// English and Chinese, as the parsers of arguments and queries write them.
pub(super) const TEXTS: &[(&str, &str)] = &[
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
];
