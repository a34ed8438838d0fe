//! Texts of `node/app`: setting up, serving and coordinating.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // config.rs: what the TOML parser says of a line that is no setting.
    ("key with no value, expected `=`", "只有键而没有值, 缺少 `=`"),
    // coordination.rs
    ("not a token book: {}", "不是令牌簿: {0:text}"),
    ("issue tokens", "签发令牌"),
    ("the policy in force knows no function {}; it knows {}", "现行策略中没有职能 {0}; 已有职能: {1}"),
    (
        "name functions that it knows; chengxin policy show says what they are called",
        "请给出策略中已有的职能; 用 chengxin policy show 查看各职能的名称",
    ),
    // coordination/removed.rs
    ("not a list of removed members: {}", "不是被移除成员的清单: {0:text}"),
    (
        "the application has a key that member {} had when it was removed on {}",
        "申请所用的密钥属于已于 {1:date} 被移除的成员 {0}",
    ),
    (
        "make the node anew with chengxin init, so that it has keys of its own; if the former ones are in no other hands, the coordinator admits them with --former-keys",
        "用 chengxin init 重建节点以换用新密钥; 原密钥确未落入他人之手的, 由统筹员加 --former-keys 接纳",
    ),
    ("writing the list of removed members ended unexpectedly", "写被移除成员清单的任务意外终止"),
    ("restart the node; it reads the list again when it opens", "重新启动节点; 打开时会重新读取清单"),
    ("enrol members", "录入成员"),
    ("remove members", "移除成员"),
    ("writing the token book ended unexpectedly", "写令牌簿的任务意外终止"),
    ("restart the node; it reads the book again when it opens", "重新启动节点; 打开时会重新读取令牌簿"),
    (
        "give the verifier key of the node's audit log (name+id+key)",
        "给出该节点审计日志的验证公钥 (name+id+key)",
    ),
    ("the node is stopping", "节点正在停止"),
    (
        "this node ran as a coordinator's, and the file of its federation's fingerprint is gone",
        "本节点曾作为统筹节点运行, 但其联盟指纹文件已不存在",
    ),
    (
        "restore federation.fingerprint from the backup; founding anew would destroy what the node has signed",
        "从备份恢复 federation.fingerprint; 重新创建会毁掉本节点已签署的内容",
    ),
    (
        "this node ran as a member's, and the file of its federation's fingerprint is gone",
        "本节点曾作为成员节点运行, 但其联盟指纹文件已不存在",
    ),
    (
        "restore federation.fingerprint from the backup, or join the same federation again; use a new home to found another",
        "从备份恢复 federation.fingerprint, 或重新加入同一联盟; 创建另一联盟须用新的节点目录",
    ),
    (
        "this node ran as a member's, and the metadata that it keeps does not hold under this fingerprint",
        "本节点曾作为成员节点运行, 其保存的元数据与此指纹不符",
    ),
    (
        "join the federation that it belongs to, or restore federation.fingerprint and trust from the backup; use a new home for another federation",
        "加入其原属联盟, 或从备份恢复 federation.fingerprint 和 trust; 加入另一联盟须用新的节点目录",
    ),
    ("ask again when it runs", "待其运行后再次请求"),
    ("this node is not a coordinator's and signs no directory", "本节点不是统筹节点, 不签署目录"),
    ("confirm the clock where the federation's coordinator runs its node", "请在联盟的统筹节点上确认时钟"),
    ("the application's fingerprint is another than the one given", "申请文件的指纹与给出的不同"),
    (
        "compare with the body again, by telephone or letter; somebody may have exchanged the file",
        "再次通过电话或信函与对方单位核对; 文件可能已被调换",
    ),
    ("not an application file: line {} column {}", "不是申请文件: 第 {0} 行第 {1} 列"),
    ("give the file that chengxin join wrote at the body", "给出对方单位用 chengxin join 写出的文件"),
    ("signing the directory ended unexpectedly", "签署目录的任务意外终止"),
    ("changing the federation ended unexpectedly", "变更联盟的任务意外终止"),
    (
        "look at the members, and do it again if it is not done; the running log may say why",
        "查看成员列表, 若尚未完成则重新执行; 运行日志可能说明原因",
    ),
    (
        "restart the node; the editor verifies the repository when it opens",
        "重新启动节点; 打开时会检验元数据库",
    ),
    ("the answer cannot be sent", "无法发送应答"),
    // error.rs
    ("the store in {} cannot be opened", "无法打开 {0} 中的存储"),
    ("the audit log in {} cannot be opened", "无法打开 {0} 中的审计日志"),
    // home.rs
    ("{} does not hold the fingerprint of a federation's root", "{0} 中不是联盟根的指纹"),
    (
        "restore the file from the backup; without one, remove it and join again",
        "从备份恢复该文件; 没有备份的, 删除它后重新加入",
    ),
    ("holds a key for another use than {}", "保存的不是 {0} 用途的密钥"),
    // host.rs
    ("the runtime cannot be started", "无法启动运行环境"),
    // identity.rs
    ("{} holds no node", "{0} 中没有节点"),
    (
        "make one with chengxin init, or name its folder with --home",
        "用 chengxin init 建立节点, 或用 --home 指明其目录",
    ),
    // mesh.rs
    ("this node's network is not up yet", "本节点的网络尚未就绪"),
    ("the directory entry has no usable transport identity", "目录条目中没有可用的传输身份"),
    ("not in this node's member directory", "不在本节点的成员目录中"),
    ("the file cannot be sent", "无法发送该文件"),
    ("the peer answered something else", "对方节点的应答不是所问的内容"),
    // offline.rs
    (
        "{} holds no audit log: there is no file named checkpoint",
        "{0} 中没有审计日志: 缺少名为 checkpoint 的文件",
    ),
    ("foreign file: {}", "不属于日志的文件: {0}"),
    (
        "{} ends incompletely at byte {}: a crash, or an append going on",
        "{0} 在第 {1} 字节处不完整: 发生过中断, 或正在写入",
    ),
    ("the copy has no bodies; what they say was not checked", "副本不含正文; 正文所述内容未验证"),
    (
        "no audit log key is known here; name the home of a node of the federation with --home",
        "本机没有可用的审计日志公钥; 用 --home 指明联盟成员节点的数据目录",
    ),
    // serve.rs
    ("the network", "网络"),
    ("{} ended unexpectedly", "{0:text}意外终止"),
    (
        "see the running log; the service manager starts the node again",
        "见运行日志; 服务管理器会重新启动节点",
    ),
    ("signals cannot be received", "无法接收系统信号"),
    // setup.rs
    ("the recovery key file {} exists", "恢复密钥文件 {0} 已存在"),
    (
        "name a new file with --recovery-key; remove the old one only if it belongs to an init that did not end",
        "用 --recovery-key 指明新文件; 旧文件只有属于一次未完成的 init 时才可删除",
    ),
    ("{} is not empty", "{0} 不是空目录"),
    (
        "name a new folder with --home; an existing node is never overwritten",
        "用 --home 指明新目录; 已有节点绝不会被覆盖",
    ),
    ("this node belongs to a federation already", "本节点已属于一个联盟"),
    (
        "a node founds or joins once; use a new home for another federation",
        "一个节点只建立或加入一次; 另一个联盟请用新的数据目录",
    ),
    ("this node belongs to another federation already", "本节点已属于另一个联盟"),
    (
        "a node joins one federation; use a new home for another",
        "一个节点只加入一个联盟; 另一个联盟请用新的数据目录",
    ),
    (
        "version {} of the directory does not list this node's keys",
        "版本 {0:number} 的目录中没有本节点的密钥",
    ),
    ("ask a coordinator for a new token and join with it", "请向统筹员索取新令牌, 再凭令牌加入"),
    ("the node at this address is not a coordinator of the federation", "该地址的节点不是本联盟的统筹节点"),
    (
        "ask the coordinator for the address of its own node; the token was not shown to anybody",
        "请向统筹员索取其节点地址; 令牌未向任何人出示",
    ),
    (
        "the coordinator admitted this node, but its directory does not list it",
        "统筹节点已接纳本节点, 但其目录中没有本节点",
    ),
    (
        "run the same join again; if it stays so, call the coordinator",
        "重新执行同一 join; 仍然如此时请联系统筹员",
    ),
    (
        "not entered in this directory yet; the application is in {}, its fingerprint is {}",
        "目录中尚无本单位; 申请文件已写入 {0}, 其指纹为 {1}",
    ),
    (
        "carry it to a coordinator (chengxin federation enrol), tell the fingerprint by telephone, then join again with a newer copy of the metadata",
        "把文件送交统筹员 (chengxin federation enrol), 用电话告知指纹, 然后用较新的元数据副本重新加入",
    ),
    (
        "correct what it names, then join again; ask the coordinator for a new token if this one is used up",
        "按提示更正后重新加入; 令牌已用过时请向统筹员索取新令牌",
    ),
    ("the coordinator's node did not answer: {}", "统筹节点没有应答: {0:text}"),
    ("not admitted: {}", "未被接纳: {0:text}"),
    ("the coordinator's node answered something else", "统筹节点的应答不是所问的内容"),
    ("the other side answered something else", "对方的应答不是所问的内容"),
    // wiring.rs
    ("the member directory in {} does not hold: {}", "{0} 中的成员目录已损坏: {1:text}"),
    ("the member directory in {} is lost", "{0} 中的成员目录已丢失"),
    (
        "fetch it again from another member's node, without a token: chengxin join ADDRESS --fingerprint FINGERPRINT",
        "从另一成员节点重新取得, 不需要令牌: chengxin join ADDRESS --fingerprint FINGERPRINT",
    ),
    ("this node belongs to no federation yet", "本节点尚未加入任何联盟"),
    (
        "join one with chengxin join, or found one with chengxin federation found",
        "用 chengxin join 加入, 或用 chengxin federation found 建立",
    ),
    ("the node of {} runs already", "{0} 的节点已在运行"),
    (
        "stop the other process first; another node needs a home of its own",
        "先停止另一个进程; 另一个节点请用它自己的数据目录",
    ),
    // demo/stage.rs
    ("the program does not know where it lies", "程序无法得知自身所在位置"),
    ("no free ports on the loopback interface", "本机回环接口没有空闲端口"),
    ("the program cannot be started: {}", "无法启动程序: {0:text}"),
    ("the node cannot be started: {}", "无法启动节点: {0:text}"),
    ("the node of {} answers", "{0} 的节点应答"),
    ("{} ended at its start ({}), see {}", "{0} 启动时退出 ({1}), 见 {2}"),
    ("waited {} s in vain: {}", "等待 {0} 秒未果: {1:text}"),
    // demo/story.rs
    ("no token for {}: {}", "没有得到 {0} 的令牌: {1:text}"),
    ("{} did not join: {}", "{0} 没有加入: {1:text}"),
    ("every node knows every other and is connected", "各节点互相知晓并已连接"),
    ("the record is not listed: {}", "记录没有列出: {0:text}"),
    ("the restriction is in force", "限制已生效"),
    ("the league has the restriction", "盟单位已有该限制"),
    ("the notice is not listed: {}", "通知没有列出: {0:text}"),
    ("every recipient has sent a receipt", "各接收机关均已回执"),
    // wiring.rs: when a policy begins
    ("policy {} takes effect on {}", "策略 {0} 自 {1} 起生效"),
    ("set the clock, or start the node when the policy is in force", "校准时钟, 或在策略生效后启动节点"),
    // coordination/delegation.rs
    ("delegate overlays", "授权发布收紧规则包"),
    ("{} publishes the overlay of {} already", "{0} 已获授权发布 {1} 的收紧规则包"),
    (
        "take it back first, with chengxin federation delegate AGENCY --withdraw",
        "请先用 chengxin federation delegate AGENCY --withdraw 收回",
    ),
];
