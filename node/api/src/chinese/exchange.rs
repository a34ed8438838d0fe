//! Texts of `node/exchange`: the use cases.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // answer.rs
    ("the asking agency's entry", "询问机关的条目"),
    ("request", "请求"),
    ("this request was answered before: sign a new one", "该请求已答复过: 请重新签署"),
    ("requests", "个请求"),
    ("too many requests within nine minutes: wait, then ask again", "九分钟内请求过多: 请稍后再问"),
    (
        "the node cannot serve requests at present; its administrator has been told",
        "该节点目前无法答复; 已通知其管理员",
    ),
    // answer_verify.rs
    ("it names more categories than there are", "所列类别多于全部类别"),
    ("another record than the one listed", "不是清单所列的记录"),
    ("of a category that was not asked about", "属于未询问的类别"),
    ("it lists a record twice", "同一记录列了两次"),
    ("in a state in which it does not count", "所处状态不应计入"),
    ("it shows by name what the purpose does not reach", "按名称给出了该用途不涉及的内容"),
    ("about another subject than the one asked about", "主体不是所询问的主体"),
    // asking.rs
    ("answered with another kind of message", "答复的消息种类不符"),
    // audit.rs
    ("read the audit log", "查看审计日志"),
    ("verify the audit log", "验证审计日志"),
    // backlog.rs
    ("members served", "已补发通知的成员"),
    ("queueing a backlog", "补发通知入队"),
    ("backlog of members that became entitled later", "补发给后来取得接收资格的成员"),
    // certificate.rs
    ("certificate file", "凭证文件"),
    ("bytes", "字节"),
    ("certificate", "凭证"),
    ("the member directory has changed since the check: check again", "核查之后成员目录已有变化: 请重新核查"),
    ("it does not serialise", "无法编码"),
    ("the import cannot be resumed: roll it back", "该导入无法继续: 请撤回"),
    // release.rs
    ("release", "放行"),
    ("releases", "放行"),
    ("the release", "该放行"),
    ("the purpose", "该用途"),
    ("ask for a release", "请求放行"),
    ("see releases", "查看放行"),
    ("release a check", "放行核查"),
    ("the purpose needs none: check without it", "该用途不需放行: 请直接核查"),
    (
        "too many are open or not used: use them, or wait until colleagues decided",
        "未决或未使用的放行过多: 请先使用, 或待同事决定",
    ),
    ("nobody releases a check of his own: a colleague does", "不得放行自己的核查: 请由同事放行"),
    (
        "the role may not act under this purpose: a reviewer releases it",
        "该角色不能使用此用途: 请由复核人放行",
    ),
    ("it is decided already: chengxin release list", "已作出决定: chengxin release list"),
    (
        "subject, name, purpose, case and law of the check are not those it was asked for: check those, or ask for another",
        "核查的主体、名称、用途、案件和依据与请求放行时不同: 请按原内容核查, 或另行请求放行",
    ),
    (
        "it is not decided yet: a colleague finds it in chengxin release list",
        "尚未决定: 同事可用 chengxin release list 查看",
    ),
    ("it was refused: chengxin release list says why", "已被拒绝: 用 chengxin release list 查看理由"),
    // daily_limit.rs
    ("checks of a day", "当日核查次数"),
    (
        "too many bodies asked today under purposes with a daily limit: ask again tomorrow",
        "今日在有每日限次的用途下询问的单位过多: 请明日再问",
    ),
    // certificate_verify.rs
    (
        "not a check certificate of version 2 or 3: line {} column {}",
        "不是第 2 版或第 3 版核查凭证: 第 {0} 行第 {1} 列",
    ),
    ("the signer has no directory entry in the evidence", "证据中没有签署机关的目录条目"),
    (
        "agency {}, which answered, has no directory entry in the evidence",
        "证据中没有答复机关 {0} 的目录条目",
    ),
    ("there are two answers of agency {}", "机关 {0} 有两个答复"),
    ("the request to agency {} is not {}", "发给机关 {0} 的请求与凭证不符, 不符之处是{1:text}"),
    ("about the subject of the certificate", "主体"),
    ("on the same person's word for its code", "代码的认可人或理由"),
    ("about the name it says was searched for", "所查名称"),
    ("for its purpose", "用途"),
    ("on its legal basis", "法律依据"),
    ("by the subject's authorisation", "信用主体授权"),
    ("for its case", "案件或项目编号"),
    ("by its operator", "操作员"),
    ("released by whom it says", "放行人"),
    ("about its categories", "信息类别"),
    ("under its policy version", "策略版本"),
    ("of its time", "时间"),
    ("it calls agency {} silent, whose answer is here", "称机关 {0} 未答复, 其答复却在此"),
    (
        "what it says of agency {} is not what the answer of that agency says",
        "所载机关 {0} 的情况与该机关的答复不符",
    ),
    ("the answer of agency {}, on which it rests, is missing", "缺少所依据的机关 {0} 的答复"),
    ("it does not name agency {}, whose answer is here", "没有列出机关 {0}, 其答复却在此"),
    ("it says that the check was complete, which its coverage is not", "称核查完整, 其覆盖情况却不完整"),
    ("it says that the check was not complete, which its coverage is", "称核查不完整, 其覆盖情况却完整"),
    (
        "what the issuer says of its own records does not agree with those it lists",
        "签署机关所称的本机关记录与所列记录不符",
    ),
    ("its evidence is of another version of the member directory", "所附证据属于成员目录的另一版本"),
    ("its coverage names an agency twice", "其覆盖情况将一个机关列了两次"),
    (
        "its coverage is not that of all members, agency {} is only in one of both",
        "其覆盖情况与全体成员不符, 机关 {0} 只在其中一方",
    ),
    ("it gives agency {} another name", "所载机关 {0} 的名称不符"),
    ("its records are not those of the answers", "所列记录与答复中的记录不符"),
    // check.rs
    ("check a subject", "核查信用主体"),
    ("answer", "答复"),
    // divergence.rs, delivery.rs
    ("outbox item", "待送达通知"),
    ("outbox head", "待送达队列头"),
    ("its key is not an agency's", "其键不是机关代码"),
    ("a queued item is missing", "缺少一件待送达通知"),
    ("stream", "通知序列"),
    ("the recipient's position does not fit what was sent", "接收方所报位置与已发送的不符"),
    (
        "the recipient says too often that it lost items: look into its node; what it lost is sent again tomorrow",
        "接收方过于频繁地声称丢失通知: 请检查其节点; 所丢失的明日重发",
    ),
    (
        "the recipient lost items that it had acknowledged; they are sent again",
        "接收方丢失了已确认的通知; 现予重发",
    ),
    (
        "the recipient has items that are unknown here; what waits is sent behind them",
        "接收方已有本节点不知道的通知; 待送达的排在其后",
    ),
    ("receipt", "回执"),
    ("between other agencies", "收发机关不符"),
    ("for another item", "对应另一件通知"),
    // error.rs
    ("denied by rule {}", "规则 {0} 拒绝"),
    ("the role {} may not {}; it needs {}", "角色“{0:role}”无权{1:text}; 需要 {2:role}"),
    ("the account {} does not have the role {}", "账户 {0} 没有角色“{1:role}”"),
    ("no operator account: {}", "没有操作员账户: {0:text}"),
    ("{} does not exist here", "{0:text}不存在"),
    ("the member directory expired; {}", "成员目录已过期; {0:text}"),
    ("{} rows have errors, nothing was stored", "{0} 行有错误, 没有写入"),
    ("the file cannot be imported", "该文件无法导入"),
    ("the store did not do it", "存储没有执行"),
    ("the audit log cannot be written, so nothing was done", "审计日志无法写入, 因此没有执行任何操作"),
    ("the member directory cannot be used", "成员目录无法使用"),
    ("the policy could not decide", "策略无法作出决定"),
    ("a stored {} cannot be read: {}", "无法读取所存的{0:text}: {1:text}"),
    ("a background task ended unexpectedly: {}", "后台任务意外终止: {0:text}"),
    // import.rs
    ("import records", "导入记录"),
    ("reading the file", "读取文件"),
    ("it is {}; only a staging one is resumed", "状态为“{0:import}”; 只有未完成的才能继续"),
    (
        "this is another file than the one that was begun: give the same file, or roll the import back",
        "与开始时的文件不同: 请给出同一文件, 或撤回该导入",
    ),
    ("signing", "签名"),
    (
        "row {} contradicts a record that was added meanwhile: examine the file again",
        "第 {0} 行与其间新增的记录矛盾: 请重新校验文件",
    ),
    ("show imports", "查看导入"),
    ("list imports", "列出导入"),
    ("keeping the file", "保存文件"),
    ("the import", "该导入"),
    (
        "import {} was interrupted: resume it with the same file, or roll it back, then import again",
        "导入 {0} 曾中断: 请用同一文件继续, 或先撤回, 再导入",
    ),
    (
        "the rollback of import {} was interrupted: roll it back again, then import",
        "导入 {0} 的撤回曾中断: 请再次撤回, 然后导入",
    ),
    ("keeping the rows", "保存各行"),
    // import_errors.rs
    ("export the failing rows of a file", "导出文件的错误行"),
    ("writing the failing rows", "写出错误行"),
    // import_index.rs
    ("reading records", "读取记录"),
    ("its key has no number", "其键没有序号"),
    // import_lock.rs
    (
        "another import is running: wait for its end (chengxin import list)",
        "另一导入正在进行: 请等它结束 (chengxin import list)",
    ),
    ("writing an import", "写入导入"),
    // import_rollback.rs
    ("roll an import back", "撤回导入"),
    ("it was rolled back already", "已经撤回"),
    (
        "notice {} rests on one of its records and restricts until {}: the import can be taken back after that; this version cannot withdraw a notice",
        "通知 {0} 以其中一条记录为依据, 限制至 {1}: 该日之后方可撤回该批次; 本版本不能撤销通知",
    ),
    // node.rs
    (
        "bring the coordinator's node or any member with fresh metadata into reach, then wait for the next refresh",
        "使统筹节点或任一持有新元数据的成员可达, 等待下次更新",
    ),
    ("this node's own directory entry", "本节点的目录条目"),
    // notice.rs
    ("issue a notice", "发出通知"),
    (
        "several agencies use this number: name one as issuer ({})",
        "多个机关使用该编号: 请指明其中一个为签发机关 ({0})",
    ),
    (
        "notice {} takes {} on the same record until {}; look at it with chengxin notice show",
        "通知 {0} 已就同一记录采取 {1}, 至 {2}; 用 chengxin notice show 查看",
    ),
    ("it is {}; a sanction needs a breach in force", "状态为 {0:state}; 惩戒须以有效的失信记录为依据"),
    (
        "{} members are entitled, one notice reaches at most {}",
        "有权接收的成员有 {0} 个, 一个通知最多送达 {1} 个",
    ),
    (
        "it is no determined breach; a sanction rests on one (国办发〔2020〕49号)",
        "不是已认定的失信记录; 惩戒须以此为依据 (国办发〔2020〕49号)",
    ),
    (
        "its subject has no identifier; complete the record before sanctioning anyone",
        "其主体没有代码; 惩戒前请先补全记录",
    ),
    ("the measure in the list of sanction measures", "失信惩戒措施清单中的该措施"),
    (
        "the list gives none for this measure: name the law, regulation or central policy with --basis",
        "清单没有列出该措施的依据: 用 --basis 写明法律、法规或中央政策文件",
    ),
    (
        "the record has no publicity end to take over: name the last day",
        "该记录没有可沿用的公示截止日: 请写明截止日",
    ),
    ("writing a notice", "写入通知"),
    ("its numbers are used up", "其编号已用完"),
    ("list notices", "列出通知"),
    ("show notices", "查看通知"),
    ("the notice", "该通知"),
    // operator.rs
    ("operator account", "操作员账户"),
    ("this user may act as {}; choose one with --operator", "该系统用户可用的账户: {0}; 用 --operator 选择"),
    (
        "this user has no enabled account of that name; ask the security administrator for chengxin operator add",
        "该系统用户没有此名称的启用账户; 请安全管理员执行 chengxin operator add",
    ),
    ("the account has no role", "账户没有该角色"),
    ("add operators", "添加操作员"),
    (
        "the node has accounts already; the security administrator adds more",
        "节点已有账户; 由安全管理员添加其他账户",
    ),
    ("at most {} accounts", "最多 {0} 个账户"),
    ("an account of that name exists; names are not reused", "已有此名称的账户; 名称不重复使用"),
    ("give at least one role", "至少给出一个角色"),
    ("disable operators", "停用操作员"),
    (
        "nobody disables the account he acts as; another security administrator does",
        "不能停用自己正在使用的账户; 由另一位安全管理员停用",
    ),
    (
        "nobody makes an account for himself; another security administrator does",
        "不能为自己开设账户; 由另一位安全管理员开设",
    ),
    ("the operator account", "该操作员账户"),
    // outbox.rs
    ("sealing a notice", "加密通知"),
    ("it grew while an item was staged: try again", "暂存期间序列已增长: 请重试"),
    // receive.rs
    ("inbox head", "收件队列头"),
    ("the issuing agency's entry", "签发机关的条目"),
    ("sealed payload", "加密载荷"),
    ("the payload is not the one that was signed", "载荷不是签名所指的载荷"),
    ("the receipt of a received item", "已收通知的回执"),
    (
        "another item was received under this number: the issuer's stream was rewritten",
        "该编号下已收到另一件: 签发机关的通知序列被改写",
    ),
    ("issued by another agency than the one that sent it", "签发机关不是发送机关"),
    ("the record beside it is not the determined breach it rests on", "所附记录不是该通知所依据的失信认定"),
    (
        "more items or bytes today than this node takes from one member: go on tomorrow",
        "今日件数或字节数已达本节点对单个成员的上限: 请明日继续",
    ),
    (
        "a version names another subject or record than the version before it",
        "新版本的主体或记录与前一版本不同",
    ),
    // recognition.rs
    ("recognition basis", "认可依据"),
    (
        "decided again: the policy version or this body's functions changed",
        "重新决定: 策略版本或本单位职能已变更",
    ),
    // record.rs
    ("record draft", "记录草稿"),
    ("it has no day of determination", "没有认定日期"),
    ("the record", "该记录"),
    ("list records", "列出记录"),
    ("show records", "查看记录"),
    // record_index.rs
    ("index of record identifiers", "记录编号索引"),
    ("index of subjects", "主体索引"),
    ("a block has no bound", "有块没有上界"),
    (
        "version {}, this program reads up to {}: upgrade the program",
        "版本为 {0}, 本程序最高支持 {1}: 请升级程序",
    ),
    ("a block is empty", "有块为空"),
    ("a block has a wrong length", "有块长度不符"),
    ("a block is not in order", "有块次序有误"),
    // restriction.rs
    ("list restrictions", "列出限制"),
    // row.rs
    ("the bytes are not a row", "数据不是所存的行"),
    ("it is empty", "内容为空"),
    // adoption_status.rs
    ("a coordinator's list of adopted policies", "统筹节点的策略采用清单"),
    ("adoption report", "策略采用报告"),
    // policy_adoption.rs
    ("loading a policy", "载入策略"),
    ("policy in force", "现行策略"),
    (
        "{} takes effect on {}: set the clock, or start the node when it is in force",
        "{0} 自 {1} 起生效: 请校准时钟, 或待其生效后再启动节点",
    ),
    // policy_plan.rs
    ("policy", "策略"),
    ("a staged policy of this version", "此版本的拟定策略"),
    ("an earlier version to go back to", "可恢复的早先版本"),
    ("discard a policy", "删除拟定的策略"),
    ("policy plan", "拟定的策略"),
    ("publish a policy", "发布策略"),
    ("published policy", "已发布的策略"),
    ("sign a policy", "签署策略"),
    ("stage a policy", "拟定策略"),
    ("take a policy back", "恢复早先的策略"),
    ("the federation publishes no policy yet: stage one first", "联盟尚未发布策略: 请先拟定"),
    ("the operator's account", "该操作员的账户"),
    (
        "this is not a coordinator's node: policies are published there",
        "本节点不是统筹节点: 策略在统筹节点发布",
    ),
    (
        "{} does not follow {}, which is published: give the bundle a higher version in bundle.toml",
        "{0} 不在已发布的 {1} 之后: 请在 bundle.toml 中给出更高的版本",
    ),
    (
        "{} has {} bytes when compressed and may have {}: make it smaller",
        "{0} 压缩后有 {1} 字节, 最多 {2}: 请缩小",
    ),
    (
        "{} has {} of {} signatures that hold: a colleague signs it with chengxin policy sign",
        "{0} 有效签署 {1}/{2}: 请另一人用 chengxin policy sign 签署",
    ),
    ("{} has {} signatures: publish it", "{0} 已有 {1} 个签署: 请发布"),
    ("{} is over: give today, {}, or a later day", "{0} 已过: 请给出今日 {1} 或以后的日期"),
    (
        "{} is staged with another content than the one named: look at chengxin policy diff --plan {}, then sign what it names",
        "{0} 拟定的内容与所指的不同: 请看 chengxin policy diff --plan {1}, 再按其摘要签署",
    ),
    (
        "{} may decide from {} on, as its bundle.toml says: give that day or a later one",
        "按其 bundle.toml, {0} 自 {1} 起方可执行: 请给出该日或以后的日期",
    ),
    ("{} plans are staged: discard one that is not wanted", "已拟定 {0} 个策略: 请删除不再需要的"),
    (
        "{} signed {} already, and it takes two different people: a colleague signs next",
        "{0} 已签署 {1}, 须由两个不同的人签署: 请另一人签署",
    ),
    (
        "{} waits for {}, and would never be in force: give that day or an earlier one, or publish after it",
        "{0} 待 {1} 生效, 这样将不会生效: 请给出该日或更早的日期, 或待其生效后再发布",
    ),
    (
        "{} was staged on {}, and {} has been published since: look at what it changes now and stage it again",
        "{0} 基于 {1} 拟定, 此后已发布 {2}: 请查看现在的变化后重新拟定",
    ),
    // policy_simulation.rs
    ("simulate a policy", "模拟策略"),
    // policy_schedule.rs
    ("a policy bundle that the schedule names", "发布表所列的策略包"),
    (
        "its content is another than the schedule names: the coordinator publishes it again",
        "内容与发布表所列不同: 请统筹单位重新发布",
    ),
    (
        "its version is another than the schedule names: the coordinator publishes it again",
        "版本与发布表所列不同: 请统筹单位重新发布",
    ),
    ("the coordinator whose people approved the policy", "签署该策略的统筹单位"),
    (
        "the schedule lets it decide before the day that the bundle itself allows: the coordinator publishes it for a later day",
        "发布表所定的生效日早于策略包自身所允许的日期: 请统筹单位改为较晚的日期发布",
    ),
    (
        "{} was approved by {} people and needs {}: the coordinator publishes it again with their approvals",
        "{0} 只有 {1} 人签署, 须有 {2} 人: 请统筹单位取得签署后重新发布",
    ),
    // adoption_status.rs
    ("reports", "报告"),
    ("too many in one day: tell again tomorrow", "一日内过多: 请明日再报"),
    // policy_adoption.rs
    (
        "this node decided by it before {}: the coordinator publishes a later version",
        "本节点在 {0} 之前已采用过该版本: 请统筹单位发布更新的版本",
    ),
    (
        "it does not follow {}: the coordinator publishes a later version",
        "不在 {0} 之后: 请统筹单位发布更新的版本",
    ),
    (
        "nobody approved it, and this node decides by {} already: the coordinator publishes it with approvals",
        "无人签署, 而本节点已按 {0} 执行: 请统筹单位取得签署后发布",
    ),
    // policy_plan.rs
    (
        "there is no version after the last: begin another series of versions in bundle.toml",
        "最后一个版本之后已无版本号: 请在 bundle.toml 中另起名称",
    ),
    // policy_publication.rs, policy_start.rs and overlays elsewhere
    ("no coordinator's node can be reached", "无法连通任何统筹节点"),
    ("the published policy by which this node decides", "本节点据以决定的已发布策略"),
    (
        "it was approved to follow what this node left for {}: the coordinator publishes a later version",
        "其获批准所接续的策略, 本节点已弃用而改用 {0}: 由统筹员发布更高版本",
    ),
    (
        "it was published before {}: the coordinator publishes a later version",
        "其发布早于 {0}: 由统筹员发布更高版本",
    ),
    (
        "{} was staged on another version than {}, which is published: look at what it changes now and stage it again",
        "{0} 所依据的版本不是已发布的 {1}: 请查看现在的变化, 然后重新拟定",
    ),
    (
        "{} does not follow {}, which is published: give it a higher version in {}",
        "{0} 不能接续已发布的 {1}: 请在 {2} 中改用更高的版本",
    ),
    ("a published overlay of this region", "该地区已发布的收紧规则包"),
    (
        "this node does not publish the overlay of {}: the coordinator delegates a league or city with chengxin federation delegate",
        "本节点不发布 {0} 的收紧规则包: 由统筹员用 chengxin federation delegate 授权盟市",
    ),
    ("a bundle to lay the overlay over", "收紧规则包所依附的策略包"),
    (
        "there is no version after the last: begin another series of versions",
        "最后版本之后没有可用的版本: 请另起一个版本系列",
    ),
    (
        "this node publishes no policy: coordinators' nodes do, and those of leagues and cities",
        "本节点不发布策略: 由统筹节点和获授权的盟市节点发布",
    ),
    ("no policy is published yet: stage one first", "尚未发布策略: 请先拟定"),
    ("the coordinator's node refused it: {}", "统筹节点拒绝了它: {0}"),
    (
        "a member publishes an overlay of its region, and no bundle",
        "成员只发布本地区的收紧规则包, 不发布策略包",
    ),
    (
        "{} does not publish the overlay of {}: the coordinator delegates a league or city with chengxin federation delegate",
        "{0} 不发布 {1} 的收紧规则包: 由统筹员用 chengxin federation delegate 授权盟市",
    ),
    ("overlays", "收紧规则包"),
    ("too many in one day: publish tomorrow", "当日次数过多: 请明日再发布"),
    (
        "an overlay may have {} bytes when compressed: make it smaller",
        "收紧规则包压缩后不得超过 {0} 字节: 请缩减",
    ),
    (
        "the clocks of both nodes differ by more than five minutes: set them by the same time server",
        "两个节点的时钟相差超过五分钟: 请用同一时间服务器校时",
    ),
    (
        "{} may decide from {} on, as its {} says: give that day or a later one",
        "{0} 按其 {2} 自 {1} 起方可执行: 请给出该日或更晚的日期",
    ),
    ("the schedule of a published overlay", "已发布收紧规则包的日程"),
    (
        "the schedule names a version of another scope: the coordinator publishes it again",
        "日程所列版本属于另一范围: 由统筹员重新发布",
    ),
    (
        "nobody approved the overlay: its league or city publishes it again",
        "收紧规则包无人批准: 由该盟市重新发布",
    ),
    ("the league or city whose people approved the overlay", "批准收紧规则包的盟市"),
    ("overlay in force", "生效的收紧规则包"),
    (
        "the one in force does not load in this program, and the federation publishes none any more: start the program that ran before, and tell the coordinator",
        "生效的策略无法被本程序载入, 联盟也不再发布策略: 请启动原来的程序, 并告知统筹员",
    ),
    (
        "the overlay in force does not load in this program, and no other is published for today: start the program that ran before, and tell the league or city",
        "生效的收紧规则包无法被本程序载入, 今日也无其他已发布的: 请启动原来的程序, 并告知该盟市",
    ),
    // policy_simulation_peers.rs
    ("simulation", "模拟"),
    ("simulations", "次模拟"),
    ("this body does not share counts of its requests", "该单位不提供其请求的计数"),
    ("counts are for coordinators: ask one", "计数仅供统筹员使用: 请联系统筹员"),
    ("too many in one day: ask tomorrow", "当日次数过多: 请明日再问"),
    ("another one is under way: ask again later", "另一次正在进行: 请稍后再问"),
    ("it is a policy of another scope", "该策略属于另一范围"),
    ("simulate a policy at other nodes", "在其他节点模拟策略"),
    ("not asked: others took too long", "未询问: 其他单位用时过长"),
    (
        "version {} was written by an earlier program, and this one reads {}",
        "版本 {0} 由较早的程序写入, 本程序读取版本 {1}",
    ),
];
