//! Texts of `node/trust`: the federation's metadata, joining and key files.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // directory.rs
    ("it does not parse: {}", "无法解析: {0:text}"),
    ("the path names another agency or region than the entry", "路径所指的机关或区划与条目不同"),
    ("it has no transport identity", "没有传输身份"),
    (
        "its transport identity is already that of agency {}; every node needs a transport key of its own",
        "其传输身份已属于机关 {0}; 每个节点须有自己的传输密钥",
    ),
    ("the agency has an entry already", "该机关已有条目"),
    // editor.rs
    (
        "they must grow from timestamp (at least a minute) over snapshot and targets to root (at most ten years)",
        "有效期须由 timestamp (至少一分钟) 经 snapshot 和 targets 到 root (最多十年) 依次增大",
    ),
    (
        "no coordinator would be left to sign the directory; admit another coordinator first",
        "将没有统筹节点签署目录; 请先接纳另一个统筹节点",
    ),
    ("members", "成员"),
    (
        "an earlier change could not be written to the end; open the repository again",
        "先前的更改未能完整写入; 请重新打开元数据库",
    ),
    ("agency {} is a member already; update its entry instead", "机关 {0} 已是成员; 请改为更新其条目"),
    ("there is no federation here; found one first", "此处没有联盟; 请先建立"),
    (
        "another process is changing this directory; use that one, or stop it",
        "另一进程正在更改此目录; 用该进程, 或停止它",
    ),
    // error.rs
    (
        "the root offered has the fingerprint {}, the one expected is {}; ask the coordinator to read it out again, and do not join if they still differ",
        "对方提供的根指纹是 {0}, 应为 {1}; 请统筹员重新读出指纹, 仍不一致时不要加入",
    ),
    (
        "{} metadata expired at {}; a coordinator's node must sign it again, and this node's clock must be right",
        "{0} 元数据已于 {1} 过期; 须由统筹节点重新签署, 且本节点时钟须准确",
    ),
    (
        "{} metadata went back from version {} to {}; refresh from another peer and report this one",
        "{0} 元数据从版本 {1} 退回到版本 {2}; 请改从其他成员更新, 并将提供该元数据的成员报告统筹员",
    ),
    (
        "two different {} files with version {} are properly signed; the other one is kept in the folder conflict: call the coordinators, one of their keys is misused",
        "两个内容不同的 {0} 文件版本同为 {1}, 且签名均有效; 另一个保存在 conflict 目录: 立即联系各统筹员, 其中有密钥被盗用",
    ),
    (
        "{} metadata has {} valid signatures and needs {}; refresh from another peer and report this one",
        "{0} 元数据有 {1} 个有效签名, 需要 {2} 个; 请改从其他成员更新, 并将提供该元数据的成员报告统筹员",
    ),
    (
        "{} metadata lists a key's signature twice; refresh from another peer and report this one",
        "{0} 元数据中同一密钥的签名列了两次; 请改从其他成员更新, 并将提供该元数据的成员报告统筹员",
    ),
    (
        "{} is longer than {} bytes; refresh from another peer and report this one",
        "{0:text} 超过 {1} 字节; 请改从其他成员更新, 并将提供该元数据的成员报告统筹员",
    ),
    ("there are {} {}, at most {} are accepted", "有 {0} 个{1:text}, 最多接受 {2} 个"),
    (
        "{} is not the file that the signed metadata names; refresh again, or from another peer",
        "{0:text} 不是签名元数据所指的文件; 重新更新, 或改从其他成员更新",
    ),
    ("{} is missing; refresh from another peer", "缺少 {0:text}; 改从其他成员更新"),
    ("{} is not well formed: {}", "{0:text}格式有误: {1:text}"),
    (
        "the directory entry {} is refused: {}; the coordinator must correct it",
        "目录条目 {0} 被拒绝: {1:text}; 须由统筹员更正",
    ),
    ("the metadata source cannot be reached; try another peer", "无法取得元数据; 请换其他成员"),
    ("no verified directory is held; join the federation first", "没有经过验证的目录; 请先加入联盟"),
    (
        "the directory expired at {} and the grace after it is over; refresh from a peer that reaches a coordinator",
        "目录已于 {0} 过期且宽限期已满; 请从能连到统筹节点的成员更新",
    ),
    (
        "the evidence was signed at {}, after the time it is offered for; ask for the evidence exported at that time",
        "该证据签署于 {0}, 晚于所要证明的时间; 请索取当时导出的证据",
    ),
    (
        "agency {} is not in the directory; compare the code with chengxin peer list",
        "机关 {0} 不在目录中; 请用 chengxin peer list 核对代码",
    ),
    (
        "this machine's clock says {}, and the directory was signed last at {}; set the clock by a time server, and if it is right, confirm it with chengxin federation confirm-clock",
        "本机时钟为 {0}, 而目录上次签署于 {1}; 请按时间服务器校时; 时钟无误时, 用 chengxin federation confirm-clock 确认",
    ),
    (
        "the key given for {} is not the one the root of trust names; use the key file made at founding or at the last rotation",
        "为 {0} 给出的密钥不是信任根所列的密钥; 请用建立联盟或上次轮换时生成的密钥文件",
    ),
    ("token: {}", "令牌: {0:text}"),
    ("application to join: {}: {}", "加入申请: {0}: {1:text}"),
    ("key file {}: {}", "密钥文件 {0}: {1:text}"),
    ("verification could not be carried out: {}", "无法进行验证: {0:text}"),
    // evidence.rs
    ("directory evidence", "目录证据"),
    ("agencies in one evidence bundle", "同一证据包中的机关"),
    ("it is not text", "不是文本"),
    ("roots of evidence", "证据中的根"),
    ("entries of evidence", "证据中的条目"),
    ("an entry of the evidence", "证据中的条目"),
    ("timestamp metadata", "timestamp 元数据"),
    ("it does not say when it was signed", "没有写明签署时间"),
    // fingerprint.rs
    (
        "it reads sha256: and 64 hexadecimal digits; the short form is only for comparing",
        "格式为 sha256: 加 64 位十六进制数; 短格式仅供核对",
    ),
    // folder.rs
    ("a writer of files stopped half-way", "写文件的任务中途停止"),
    // found.rs
    ("{} is not empty; a federation is founded into a new folder", "{0} 不是空目录; 建立联盟须用新目录"),
    ("1 to 32 holders are needed; 3 to 5 are usual", "需要 1 到 32 位保管人; 一般为 3 到 5 位"),
    ("it must lie between 1 and the number of root keys", "须在 1 与根密钥数量之间"),
    (
        "each holder and each role needs a key of its own; the same key was given twice",
        "每位保管人和每种用途须各有自己的密钥; 同一密钥给出了两次",
    ),
    (
        "the first member must be a coordinator, else nobody can admit others",
        "首个成员须为统筹节点, 否则无人能接纳其他成员",
    ),
    ("a published content", "已发布的内容"),
    // gather.rs
    ("file work was cut short by the end of the program", "程序结束, 文件读写中断"),
    // generation.rs
    ("targets metadata", "targets 元数据"),
    // join.rs
    ("it must be the key that signs the application", "须为签署该申请的密钥"),
    (
        "it is addressed to another federation; join with this one's fingerprint",
        "申请的对象是另一个联盟; 请用本联盟的指纹加入",
    ),
    (
        "the token was issued to another agency; use the token of this one",
        "令牌是签发给另一单位的; 请用签发给本单位的令牌",
    ),
    (
        "it is not the identity of the node that sent it; apply from the node itself",
        "不是发出申请的节点的身份; 请由该节点自行申请",
    ),
    (
        "the applicant's clock differs from ours by {} seconds; set both by a time server",
        "申请方时钟与本方相差 {0} 秒; 双方均请按时间服务器校时",
    ),
    ("it lies in the future; give the time the key was made", "时间在将来; 请给出密钥的生成时间"),
    ("it is not a peer id", "不是节点身份 (peer id)"),
    ("it is not a verifier key (name+id+key)", "不是验证公钥 (name+id+key)"),
    (
        "1 to 8 addresses are needed, where other members reach the node",
        "需要 1 到 8 个供其他成员访问本节点的地址",
    ),
    ("an address reads like /dns4/node.example/tcp/4001", "地址格式如 /dns4/node.example/tcp/4001"),
    ("versions begin with 1", "版本从 1 起"),
    // key_file.rs
    (
        "the comment must have at most 200 characters and no control characters",
        "备注最多 200 个字符, 不得有控制字符",
    ),
    ("its content does not serialise", "其内容无法编码"),
    (
        "it exists already; move it away first, keys are never written over",
        "文件已存在; 请先移走, 密钥绝不会被覆盖",
    ),
    ("it is not a file", "不是文件"),
    (
        "others can read it; set its mode to 0600 and consider the key as seen by them",
        "其他用户可读; 把权限设为 0600, 并视该密钥已泄露",
    ),
    ("it is too long for a key file", "超过密钥文件应有的长度"),
    (
        "it is not a key file of this program; give the path of the .key file",
        "不是本程序的密钥文件; 请给出 .key 文件的路径",
    ),
    ("it has another format; upgrade this program", "格式版本不同; 请升级本程序"),
    ("its seed is not 32 bytes; restore the file from its copy", "其种子不是 32 字节; 请用副本恢复该文件"),
    (
        "its public name does not fit its seed; restore the file from its copy",
        "其公钥名称与种子不符; 请用副本恢复该文件",
    ),
    // metadata.rs
    ("{} metadata", "{0:word} 元数据"),
    ("its SHA-256 is not 32 bytes", "其 SHA-256 不是 32 字节"),
    ("root metadata", "root 元数据"),
    ("it does not name its federation", "没有写明所属联盟"),
    ("a key is not 32 bytes", "有密钥不是 32 字节"),
    ("a key is not an Ed25519 key", "有密钥不是 Ed25519 密钥"),
    ("the time is beyond the calendar; check the clock", "时间超出日历范围; 请检查时钟"),
    // name.rs
    ("the path is not directory/<region>/<agency>.json", "路径不是 directory/<region>/<agency>.json"),
    ("a file name", "文件名"),
    ("no file of a federation is called so", "联盟中没有这样命名的文件"),
    // repository.rs
    ("it names no snapshot", "没有指明 snapshot"),
    ("snapshot metadata", "snapshot 元数据"),
    ("it names no targets", "没有指明 targets"),
    (
        "a later version of this program published more into it; upgrade this one",
        "较新版本的程序在其中发布过更多内容; 请升级本程序",
    ),
    ("the repository", "元数据库"),
    // root_change.rs
    ("it names no key for {}", "没有列出 {0} 的密钥"),
    ("root draft", "根更改草案"),
    ("signatures on the root draft", "个根更改草案的签名"),
    ("the threshold must lie between 1 and the number of holders", "所需签名数须在 1 与保管人数之间"),
    // source.rs
    ("the file is longer than {} bytes", "文件超过 {0} 字节"),
    ("the read was cancelled", "读取已取消"),
    // store.rs
    ("versions of the root", "个根版本"),
    ("it names another federation than the root before it", "所写联盟与前一版根不同"),
    // token.rs
    (
        "this is too long for a token; it begins with cxjoin- and has nine groups of four",
        "超过令牌应有的长度; 令牌以 cxjoin- 开头, 后接九组, 每组四个字符",
    ),
    ("this is not a token to join with; it begins with cxjoin-", "不是加入令牌; 令牌以 cxjoin- 开头"),
    (
        "characters are missing or too many; nine groups of four follow cxjoin-",
        "字符缺少或过多; cxjoin- 之后为九组, 每组四个字符",
    ),
    (
        "it holds a character that tokens do not use; compare it with the letter",
        "含有令牌不用的字符; 请与函件核对",
    ),
    ("a character is mistyped; compare it with the letter group by group", "有字符输错; 请与函件逐组核对"),
    ("tokens", "个令牌"),
    ("a token is valid for at least a moment and at most 30 days", "令牌有效期须大于零, 最多 30 天"),
    ("this token is in the book already; draw new random bytes", "该令牌已在令牌簿中; 请重新生成随机数"),
    ("it is no longer valid; ask the coordinator for a new one", "已失效; 请向统筹员索取新令牌"),
    (
        "it was redeemed already; if that was not you, call the coordinator at once",
        "已被使用; 如非本单位所为, 请立即联系统筹员",
    ),
    (
        "it is not in the coordinator's book; ask whether it was withdrawn or replaced",
        "不在统筹员的令牌簿中; 请询问是否已撤回或更换",
    ),
    // verify.rs
    ("the first root does not have version 1", "首个根的版本不是 1"),
    ("it follows another TUF specification; upgrade this node", "所依据的 TUF 规范版本不同; 请升级本节点"),
    (
        "it has regional delegations, which this version does not know; upgrade this node",
        "含有本版本不支持的区域委托; 请升级本节点",
    ),
    ("consistent snapshots are off; they must be on", "未启用 consistent snapshots; 必须启用"),
    ("new roots", "个新的根版本"),
    ("it must name snapshot.json and nothing else", "只能列出 snapshot.json, 不得有其他"),
    ("a file that it has to name is missing from it", "缺少必须列出的文件"),
    // store.rs, token.rs
    ("it was cut short by the end of the program", "程序结束, 验证中断"),
    ("tokens waiting", "待用的令牌"),
];
