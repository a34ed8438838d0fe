//! Texts of `node/audit-log`: the log, its proofs and its verification.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // bodies.rs
    ("an audit body", "审计正文"),
    ("audit body", "审计正文"),
    ("entry {}: {}", "条目 {0:number}: {1:text}"),
    ("the content is too short", "内容过短"),
    ("the body is not the one that the entry commits to", "正文不是条目所指的正文"),
    ("the head of the file does not fit its name", "文件头与文件名不符"),
    ("no body for entry {} at offset {}", "第 {1} 字节处没有条目 {0} 的正文"),
    // body.rs
    ("it does not encode", "无法编码"),
    ("not a body that this version knows", "不是本版本支持的正文"),
    // checkpoint.rs
    ("the last line has no end", "最后一行没有结束"),
    ("it has the lines origin, size and root hash", "应有日志名、条数和根哈希三行"),
    ("an extension line is empty", "有扩展行为空"),
    ("the size is not a decimal number", "条数不是十进制数"),
    ("the root hash is not base64 of 32 bytes", "根哈希不是 32 字节的 base64"),
    ("a log without entries has the empty root", "没有条目的日志其根为空根"),
    ("it is signed by the key of another log", "签名密钥属于另一日志"),
    // cosignature.rs
    ("the time lies before 1970; set the clock", "时间早于 1970 年; 请校正时钟"),
    ("the line by {} {}", "{0} {1:word} 的签名行"),
    ("is too short for a time", "过短, 不含时间"),
    ("has a time beyond 2^63", "时间超过 2^63"),
    ("does not verify", "验证不成立"),
    // entry.rs
    ("entry kind", "条目种类"),
    ("audit entry", "审计条目"),
    ("it does not encode: {}", "无法编码: {0:text}"),
    ("an audit entry", "审计条目"),
    (
        "not an entry that this version knows, at column {}; a newer version may have written it",
        "不是本版本支持的条目, 位置在第 {0} 列; 可能由较新版本写入",
    ),
    ("it is not written in the one form", "不是规定的唯一写法"),
    ("not a leaf, at column {}", "不是叶节点, 位置在第 {0} 列"),
    ("disclosed: join the counts of one class into one line", "disclosed: 同一级别的计数须合为一行"),
    ("{}: 1 to 256 bytes without control characters", "{0}: 1 到 256 字节, 不含控制字符"),
    // error.rs
    ("{} has {} bytes, at most {} are accepted", "{0:text} 有 {1} 字节, 最多接受 {2}"),
    ("{} proof: {}", "{0:proof}证明: {1:text}"),
    (
        "{} holds an audit log already; open it, or choose an empty folder",
        "{0} 中已有审计日志; 打开它, 或选择空目录",
    ),
    (
        "{} holds no audit log; create one explicitly, or correct the path",
        "{0} 中没有审计日志; 明确新建, 或更正路径",
    ),
    (
        "{} is open in another process; a log has one writer: stop the other process",
        "{0} 已被另一进程打开; 一个日志只能由一个进程写入: 停止另一进程",
    ),
    (
        "{}: {}; keep the folder as it is, verify it, and restore it from a copy that verifies",
        "{0}: {1:text}; 保持该目录原样, 加以验证, 并用验证成立的副本恢复",
    ),
    ("{}, offset {}: {}", "{0}, 位置 {1:number}: {2:text}"),
    (
        "the audit log has stopped after an error ({}); remove the cause and reopen it",
        "审计日志因错误停止 ({0:text}); 消除原因后重新打开",
    ),
    ("entry {} does not exist; the log has {} entries", "条目 {0} 不存在; 日志共有 {1} 条"),
    (
        "entry {} is not covered by a checkpoint yet; the last covers {} entries: ask for a checkpoint first",
        "条目 {0} 尚无检查点; 最近的检查点含 {1} 条: 请先取得检查点",
    ),
    ("the body of entry {} was erased; the entry itself stays", "条目 {0} 的正文已删除; 条目本身保留"),
    (
        "the body of entry {} was sealed with a key that is not at hand; give the older body keys too",
        "条目 {0} 的正文所用密钥不在手边; 请一并给出较早的正文密钥",
    ),
    ("the audit log is closed", "审计日志已关闭"),
    ("the entry is refused", "条目被拒绝"),
    // folder.rs
    ("not the identity of a log that this version knows", "不是本版本支持的日志标识"),
    // journal.rs
    ("a group of entries", "一组条目"),
    ("the head of the segment does not fit its name", "段的文件头与文件名不符"),
    ("a group does not follow the one before", "有一组与前一组不衔接"),
    ("a group in the middle is damaged", "中间有一组已损坏"),
    ("there are bytes between two groups", "两组之间有多余字节"),
    // log/mod.rs
    ("kind: use body_erase, which writes this kind itself", "kind: 请用 body_erase, 由它写入此类条目"),
    // log/read.rs
    ("entry {} does not have the hash in the tile", "条目 {0} 与数据块中的哈希不符"),
    ("the body of entry {} at offset {} is damaged", "条目 {0} 在第 {1} 字节处的正文已损坏"),
    ("the proof of entry {} does not hold: {}", "条目 {0} 的证明不成立: {1:text}"),
    // log/recovery.rs
    ("the folder holds another log than {}", "目录中的日志不是 {0}"),
    (
        "it holds the entries {} to {}, and the checkpoint covers {} entries, of which those from {} on must be there",
        "其中有条目 {0} 至 {1}, 检查点含 {2} 条, 其中自 {3} 起的必须在内",
    ),
    (
        "its entries from {} on, with the tiles before, lead to another root than the checkpoint of {} entries",
        "自条目 {0} 起, 连同之前的数据块, 得出的根与含 {1} 条的检查点不同",
    ),
    (
        "it ends before entry {}, and {} entries were acknowledged",
        "在条目 {0} 之前结束, 而已确认的条目有 {1} 条",
    ),
    ("it is the checkpoint of another log", "是另一日志的检查点"),
    ("it is not UTF-8", "不是 UTF-8"),
    ("offset {}: {}", "位置 {0:number}: {1:text}"),
    ("entry {} should follow", "其后应为条目 {0}"),
    ("it is longer than {} bytes", "超过 {0} 字节"),
    ("a file that the log did not write", "不是日志写入的文件"),
    // log/state.rs
    ("no signing key was given", "没有给出签名密钥"),
    ("a thread of the audit log panicked: restart the node", "审计日志线程异常终止: 请重新启动节点"),
    // log/writer.rs
    ("the body of entry {} has another length than its entry says", "条目 {0} 的正文长度与条目所写不同"),
    ("the entry of the erasure does not encode", "记录删除的条目无法编码"),
    // merkle.rs
    ("the index lies outside of the tree", "序号在树之外"),
    ("the path is longer than the tree is high", "路径比树高更长"),
    ("the path is shorter than the tree is high", "路径比树高更短"),
    ("the path leads to another root", "路径得出另一个根"),
    ("the older tree is larger than the newer", "较旧的树比较新的大"),
    ("the path should be empty", "路径应为空"),
    ("the same size with another root", "大小相同而根不同"),
    ("an empty tree with a root that is not the empty root", "空树的根不是空根"),
    ("the path is empty", "路径为空"),
    ("the path leads to another root of the older tree", "路径得出旧树的另一个根"),
    ("the path leads to another root of the newer tree", "路径得出新树的另一个根"),
    // note.rs
    ("key name", "密钥名称"),
    (
        "the name in a signature line is not empty and has no space and no +",
        "签名行中的名称不得为空, 不得含空格或 +",
    ),
    (
        "use 1 to 255 bytes without spaces and without +, for example audit.example.gov.cn/log",
        "用 1 到 255 字节, 不含空格和 +, 例如 audit.example.gov.cn/log",
    ),
    ("write <name>+<key ID>+<base64 of the key>", "写作 <name>+<key ID>+<base64 of the key>"),
    ("the key ID is 8 lower-case hexadecimal digits", "密钥编号为 8 位小写十六进制数"),
    ("the key is not base64", "密钥不是 base64"),
    (
        "only the key types 1 (Ed25519) and 4 (Ed25519 cosignature) are supported",
        "只支持密钥类型 1 (Ed25519) 和 4 (Ed25519 cosignature)",
    ),
    ("an Ed25519 key has 32 bytes", "Ed25519 密钥为 32 字节"),
    (
        "the key ID does not belong to this name and key; copy the whole line again",
        "密钥编号与名称和密钥不符; 请重新复制整行",
    ),
    (
        "a signature line reads: em dash, space, name, space, base64",
        "签名行的格式为: 破折号, 空格, 名称, 空格, base64",
    ),
    ("a signature is not base64", "有签名不是 base64"),
    ("a signature is shorter than its key ID", "有签名比密钥编号短"),
    ("a note", "签名文本"),
    ("it contains a control character", "含有控制字符"),
    ("no empty line separates text and signatures", "正文与签名之间没有空行"),
    ("it has more than 100 signatures", "签名超过 100 个"),
    ("the signature by {} does not verify", "{0} 的签名验证不成立"),
    ("no trusted key signed it", "没有受信任的密钥签名"),
    // policy.rs
    ("the quorum {} of witnesses is not met", "没有达到见证方的法定数 {0}"),
    ("a tlog-policy", "tlog-policy 文件"),
    ("line {}: {}", "第 {0:number} 行: {1:text}"),
    ("no line gives the quorum; write quorum none or a name", "没有写明法定数; 写 quorum none 或名称"),
    ("more than 4096 logs, witnesses and groups", "日志、见证方和组超过 4096 个"),
    ("the quorum names no earlier witness or group", "法定数所指不是前面的见证方或组"),
    ("a second quorum line", "有第二行 quorum"),
    ("write log, witness, group or quorum with its values", "写 log, witness, group 或 quorum 及其值"),
    ("the key has type {}, here stands type {}", "密钥类型为 {0}, 此处应为类型 {1}"),
    ("the same public key stands on an earlier line", "同一公钥已在前面出现"),
    ("the name is reserved or taken", "名称已保留或已占用"),
    (
        "the threshold is all, any, or a number from 1 to the number of members",
        "阈值为 all, any, 或 1 到成员数之间的数",
    ),
    ("a member names no earlier witness or group", "有成员不是前面的见证方或组"),
    ("a name is a member of two groups, or twice of one", "同一名称属于两个组, 或在一个组中出现两次"),
    // proof.rs
    ("a tlog-proof", "tlog-proof 文件"),
    ("the first line is not c2sp.org/tlog-proof@v1", "首行不是 c2sp.org/tlog-proof@v1"),
    ("no empty line precedes the checkpoint", "检查点之前没有空行"),
    ("the extra line is not base64", "extra 行不是 base64"),
    ("no line gives the index", "没有写明序号"),
    ("a hash is not base64 of 32 bytes", "有哈希不是 32 字节的 base64"),
    ("it has more than 63 hashes", "哈希超过 63 个"),
    // tile.rs
    ("tile path", "数据块路径"),
    (
        "write tile/<level or entries>/<number>[.p/<width>]",
        "写作 tile/<level or entries>/<number>[.p/<width>]",
    ),
    ("{} bytes where {} hashes should stand", "有 {0} 字节, 应为 {1} 个哈希"),
    ("entry bundle", "条目包"),
    ("bytes after the last entry", "最后一条之后还有数据"),
    ("it ends within a length", "在长度处中断"),
    ("it ends within an entry", "在条目中间中断"),
    ("it holds too few entries", "条目过少"),
    // tree.rs
    ("level {} has not {} hashes", "第 {0} 层没有 {1} 个哈希"),
    // verify.rs
    ("the lock file should be empty", "锁文件应为空"),
    ("it names another log than the checkpoint", "所写日志与检查点不同"),
    ("the file is missing", "缺少该文件"),
    ("a hash is not that of its entry", "有哈希与其条目不符"),
    ("entry {} does not have the hash that the tree has for it", "条目 {0} 与树中的哈希不符"),
    ("a hash is not the root of the tile below", "有哈希不是下层数据块的根"),
    ("a partial tile is not the beginning of the tile", "不完整的数据块不是该数据块的开头"),
    (
        "entries and tiles agree with each other, but not with the root that was signed: the log was rewritten",
        "条目与数据块相符, 但与签名的根不符: 日志被改写",
    ),
    ("the entries from {} on are missing", "缺少自 {0} 起的条目"),
    ("entry {} should follow; the checkpoint covers it", "其后应为检查点所含的条目 {0}"),
    ("entry {} differs from the one in the tiles", "条目 {0} 与数据块中的不同"),
    // verify/bodies_walk.rs
    ("the file ends early: {}", "文件提前结束: {0:text}"),
    ("cannot be read: {}", "无法读取: {0:text}"),
    ("not the slot of entry {}", "不是条目 {0} 的位置"),
    ("entry {}: bytes in an erased body", "条目 {0}: 已删除的正文中有数据"),
    ("the body is not the one that the entry names", "正文不是条目所指的正文"),
    ("bytes after the last body", "最后一份正文之后还有数据"),
    ("the body of entry {} was erased, and no entry says so", "条目 {0} 的正文已删除, 而没有条目记录此事"),
    // verify/source.rs
    ("the file is longer than such a file can be", "文件超过此类文件可能的长度"),
];
