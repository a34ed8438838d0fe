//! Texts of the command line and of the local interface: what is wrong with a value that was typed.

/// English and Chinese, as the parsers of arguments and queries write them.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // The local socket.
    (
        "another node answers on {}; stop it, or choose another socket",
        "{0} 上已有另一节点应答; 停止它, 或换用其他套接字",
    ),
    ("{} is not a socket; remove it, or choose another place", "{0} 不是套接字; 请删除, 或换用其他位置"),
    ("the socket {} cannot be made", "无法建立套接字 {0}"),
    ("a line of the event stream is too long", "事件流中有一行过长"),
    ("HTTP status {} without a reason", "HTTP 状态 {0}, 没有说明原因"),
    // Files that are read whole.
    ("longer than {} bytes", "超过 {0} 字节"),
    (
        "it is no file of this kind, or it is damaged: name the right file or restore it from its copy",
        "不是此类文件, 或已损坏: 请指明正确的文件, 或用副本恢复",
    ),
    // What an audit log's verification notes.
    ("{} bodies are to be erased when the log is next opened", "有 {0} 份正文将在下次打开日志时删除"),
    ("the copy has no bodies", "副本不含正文"),
    ("{} ends in something incomplete at byte {}", "{0} 在第 {1} 字节处不完整"),
    ("{} does not belong to a log", "{0} 不属于日志"),
    // Values that were typed.
    ("not the name of a file with failing rows", "不是错误行文件的编号"),
    (
        "it reads f- and 32 lower-case hexadecimal digits; the report of the dry run or the refused import gives it",
        "格式为 f- 加 32 位小写十六进制数; 试运行或被拒导入的报告中给出",
    ),
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
    // What the standard library and the parser of arguments say of a number.
    ("invalid digit found in string", "不是数字, 或含有其他字符"),
    ("cannot parse integer from empty string", "没有写数字"),
    ("number too large to fit in target type", "数字过大"),
    ("number too small to fit in target type", "数字过小"),
    ("{} is not in {}..={}", "{0:number} 不在 {1:number} 到 {2:number} 之间"),
    // cli/commands/writing.rs
    ("no {} in it", "其中没有 {0:part}"),
];
