//! Texts of `schemas`: identifiers, records and signed forms.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // agency.rs
    ("not the code of a public body", "不是行政事业单位的代码"),
    (
        "an agency has a valid unified social credit code beginning with 11 or 12",
        "行政事业单位的统一社会信用代码以 11 或 12 开头且校验码正确",
    ),
    // answer.rs
    ("signed by another agency than the one asked", "签署机关不是所询问的机关"),
    ("addressed to another agency", "收件机关不是本单位"),
    ("answers another request: a replay, or mixed up on the way", "答复的是另一请求: 重放, 或途中混淆"),
    (
        "the time of signing is not between request and now; set the clocks of both nodes by the same time server",
        "签署时间不在请求时间与现在之间; 双方节点请按同一时间服务器校时",
    ),
    ("records", "条记录"),
    ("another number of records came than was signed for", "收到的记录条数与签名所指的不同"),
    ("the records are not those that were signed for", "记录不是签名所指的记录"),
    (
        "a field said to be concealed is disclosed, or is none of the record's type",
        "所称未披露的字段已披露, 或不是此类记录的字段",
    ),
    // authorisation.rs
    (
        "a reference of 2 to 200 characters on one line is needed",
        "需要 2 到 200 个字符的单行授权书编号或名称",
    ),
    (
        "name the subject's written authorisation by its number, or by its title and date",
        "写明信用主体书面授权的编号, 或其名称和日期",
    ),
    // category.rs
    ("unknown value", "未知的值"),
    // delivery.rs
    ("items", "项"),
    ("a gap in the stream", "编号不连续"),
    ("the issuer sends from the last acknowledged number", "签发机关须从最后确认的编号起重发"),
    (
        "does not chain to the item before: the issuer's stream was rewritten",
        "与前一件衔接不上: 签发机关的通知序列被改写",
    ),
    // digest.rs
    ("not a SHA-256 digest", "不是 SHA-256 摘要"),
    ("it reads sha256: and 64 lower-case hexadecimal digits", "格式为 sha256: 加 64 位小写十六进制数"),
    // directory.rs
    ("the key is not in the signer's directory entry", "密钥不在签名方的目录条目中"),
    (
        "the signer's key was not valid yet at the time of signing; compare the signer's clock with a time server",
        "签名时该密钥尚未生效; 请将签名方时钟与时间服务器核对",
    ),
    ("the signer's key is not valid at the time of signing", "签名时该密钥不在有效期内"),
    ("the same key as the node's", "与节点密钥相同"),
    ("make a recovery key and keep it offline", "请生成恢复密钥并离线保存"),
    ("a member signs with at least one key", "成员至少须有一把签名密钥"),
    ("1 to 200 visible characters are needed", "需要 1 到 200 个可见字符"),
    ("give the body's official name", "给出单位的正式名称"),
    // error.rs
    ("{} has {} {}, at most {} are accepted", "{0:text}有 {1} {2:text}, 最多接受 {3}"),
    ("key: {}", "密钥: {0:text}"),
    // federation.rs
    ("not a label", "不是代码"),
    // identity.rs
    ("not an identifier of this kind", "不是此类编号"),
    ("a case or project number of 1 to 100 characters is needed", "需要 1 到 100 个字符的案件或项目编号"),
    ("give the number of the open file, for example CG-2026-031", "给出正在办理的编号, 例如 CG-2026-031"),
    // json.rs
    ("not a JSON object", "不是 JSON 对象"),
    (
        "not a JSON object with unique names, near character {}",
        "不是名称唯一的 JSON 对象, 位置在第 {0} 个字符附近",
    ),
    (
        "does not match the schema of this form, near character {}",
        "与此格式的规定不符, 位置在第 {0} 个字符附近",
    ),
    ("JSON with unique names", "名称唯一的 JSON"),
    ("a name occurs twice", "有名称出现两次"),
    ("a member name", "成员名称"),
    // jws.rs
    ("the claims do not serialise", "内容无法编码"),
    ("the header does not serialise", "头部无法编码"),
    ("three parts with two dots are expected", "应为以两个点分隔的三段"),
    ("the {} is not canonical base64url", "{0} 不是规范的 base64url"),
    ("the {} is not UTF-8", "{0} 不是 UTF-8"),
    ("JWS header", "JWS 头部"),
    (
        "the header is not exactly alg (EdDSA or Ed25519), typ and kid (a JWK thumbprint)",
        "头部不是恰好由 alg (EdDSA 或 Ed25519)、typ 和 kid (JWK 指纹) 组成",
    ),
    (
        "the typ is not {}: one kind of message cannot stand for another",
        "typ 不是 {0}: 一种消息不能代替另一种",
    ),
    ("JWS payload", "JWS 载荷"),
    ("signed by another key than the one expected", "签名密钥不是应有的密钥"),
    ("not the text that was parsed", "与解析时的文本不同"),
    // key.rs
    ("the seed is not an Ed25519 private key", "种子不是 Ed25519 私钥"),
    ("the key is a point of small order, for which anybody can sign", "该密钥是小阶点, 任何人都能用它签名"),
    ("the signature does not verify", "签名验证不成立"),
    ("not an Ed25519 public key", "不是 Ed25519 公钥"),
    ("give kty OKP, crv Ed25519 and a 32-byte x", "给出 kty OKP, crv Ed25519 和 32 字节的 x"),
    ("not a key id", "不是密钥编号"),
    ("it is a SHA-256 JWK thumbprint in base64url", "格式为 base64url 的 SHA-256 JWK 指纹"),
    // keyring.rs
    (
        "iss names another agency than the directory entry it was verified by",
        "iss 所指机关与验证所用的目录条目不同",
    ),
    // money.rs
    ("write a plain number such as 12.5 in the unit of the column", "按该列的单位写数字, 例如 12.5"),
    ("not a number", "不是数字"),
    ("finer than one fen", "小于一分"),
    ("larger than any amount of money", "金额过大"),
    // notice.rs
    ("versions count from 1", "版本从 1 起"),
    ("a sanction rests on a determined breach", "惩戒须以已认定的失信记录为依据"),
    (
        "name a record of general or serious breach (国办发〔2020〕49号)",
        "指明一般失信或严重失信记录 (国办发〔2020〕49号)",
    ),
    ("give the registered name", "给出登记名称"),
    ("name at least one listed measure with its legal basis", "至少给出一项清单内的措施及其法律依据"),
    ("before the first day", "早于起始日"),
    ("give a last day on or after the first", "截止日不得早于起始日"),
    (
        "addressed to another agency: it was forwarded, or misdelivered",
        "收件机关不是本单位: 被转发, 或投递有误",
    ),
    ("content does not match its digest", "内容与其摘要不符"),
    // operator.rs
    (
        "system, security and audit administrator are different people, and the audit administrator does no business",
        "系统、安全、审计管理员须由不同人员担任, 审计管理员不办理业务",
    ),
    ("give the roles to different operators", "把这些角色分给不同的操作员"),
    // purpose.rs
    ("a citation of 2 to 500 characters is needed", "需要 2 到 500 个字符的法律依据"),
    (
        "name the instrument and the article, for example 《中华人民共和国政府采购法》第二十二条",
        "写明文件和条款, 例如《中华人民共和国政府采购法》第二十二条",
    ),
    // organisation_code.rs
    ("check character 9 should be {}", "第 9 位校验码应为 {0}"),
    ("not nine digits and letters, or zeros only", "不是 9 位数字和字母, 或全为零"),
    (
        "give the organisation code with or without its hyphen, for example 10774368-0",
        "给出组织机构代码, 连字符可有可无, 例如 10774368-0",
    ),
    ("not the canonical spelling of an organisation code", "不是组织机构代码的规范写法"),
    // record.rs
    ("does not hold a list", "不能为列表"),
    ("give one text", "给出一段文本"),
    ("texts", "段"),
    ("does not hold a code", "不能为代码"),
    ("accept codes only", "只对代码作认可"),
    ("not a value of this field in its canonical spelling", "不是该字段规范写法的值"),
    ("the check character is wrong, and nobody vouches for the code", "校验码不符, 且无人认可该代码"),
    (
        "compare the code with the certificate, or name in check_exception who accepted it and why",
        "请与证照核对, 或在 check_exception 中写明认可人和理由",
    ),
    ("a person's number in a record about an organisation", "机构的记录中有自然人证件号码"),
    ("state that the subject is a person, or leave the number out", "写明主体是自然人, 或省去该号码"),
    ("the issuer must correct the record", "须由签发机关更正该记录"),
    ("a list where a text is expected, or the reverse", "应为文本却给了列表, 或相反"),
    ("the field is required", "该字段必填"),
    ("a breach needs a severity and nothing else may have one", "失信记录须有失信程度, 其他记录不得有"),
    (
        "set minor, general or serious for general_breach and serious_breach only",
        "仅 general_breach 和 serious_breach 须写 minor, general 或 serious",
    ),
    // record_type.rs
    ("not a field of this record type", "不是此类记录的字段"),
    ("see the template of the type", "参看该类型的模板"),
    ("unknown record type", "未知的记录类型"),
    ("the issuer's node may be newer: upgrade this one", "签发机关的节点可能版本较新: 请升级本节点"),
    ("leave the field out instead", "没有内容时请省去该字段"),
    ("contains a control character", "含有控制字符"),
    ("remove it", "请删除"),
    ("characters", "个字符"),
    ("not a document number", "不是证件号码"),
    ("contains a line break or a tab", "含有换行或制表符"),
    ("write it on one line", "请写成一行"),
    ("write letters, digits and hyphens only", "只写字母、数字和连字符"),
    // region.rs
    ("not a six-digit division code", "不是六位行政区划代码"),
    ("give a GB/T 2260 code such as 150100", "给出 GB/T 2260 代码, 例如 150100"),
    // request.rs
    ("the request is addressed to another agency", "请求的收件机关是另一机关"),
    ("send it to the agency it names", "请发给所指的机关"),
    ("none or too many", "没有或过多"),
    ("name one to five information categories", "给出一至五个信息类别"),
    ("longer than 200 characters", "超过 200 个字符"),
    (
        "signed {} s in the future; set the clocks of both nodes by the same time server",
        "签署时间在 {0} 秒之后; 双方节点请按同一时间服务器校时",
    ),
    ("not within the longest lifetime after iat", "不在 iat 之后的最长有效期内"),
    ("sign a shorter window", "请缩短有效期重新签署"),
    (
        "over since {} s; set the clocks of both nodes by the same time server, then ask again",
        "已过期 {0} 秒; 双方节点请按同一时间服务器校时, 再重新询问",
    ),
    // subject.rs
    ("nothing but blanks", "只有空白"),
    ("give the registered name, or leave the name out", "给出登记名称, 或不填名称"),
    // resident_id.rs
    ("18 digits, or 17 digits and X, are expected", "应为 18 位数字, 或 17 位数字加 X"),
    ("18 characters are expected", "应为 18 个字符"),
    ("digits 7 to 14 are not a date", "第 7 至 14 位不是日期"),
    ("the check character does not fit", "校验码不符"),
    ("compare the number with the identity card", "请与身份证核对"),
    ("not the canonical spelling of a resident identity number", "不是居民身份证号码的规范写法"),
    // sd_jwt.rs
    (
        "does not end with ~; a form with a key-binding JWT is verified together with that",
        "不以 ~ 结尾; 带 key-binding JWT 的须与之一并验证",
    ),
    ("does not end with ~", "不以 ~ 结尾"),
    ("the payload is not canonical base64url", "载荷不是规范的 base64url"),
    ("not sha-256", "不是 sha-256"),
    ("digest disclosures with SHA-256", "披露项的摘要用 SHA-256"),
    // sd_jwt/disclosure.rs
    ("SD-JWT payload", "SD-JWT 载荷"),
    ("a disclosure is not canonical base64url", "有披露项不是规范的 base64url"),
    (
        "a disclosure is not [salt, name, value]; array elements are not disclosed singly in records",
        "有披露项不是 [salt, name, value]; 记录中不单独披露列表元素",
    ),
    ("a disclosure uses a reserved name", "有披露项用了保留名称"),
    ("the field {} occurs twice", "字段 {0} 出现两次"),
    (
        "the field {} is neither a text nor a list of texts; nested and array-element disclosures are not used in records",
        "字段 {0} 既不是文本也不是文本列表; 记录中不用嵌套披露和列表元素披露",
    ),
    ("determined_on is another day than the document's field says", "determined_on 与文书字段所写日期不同"),
    ("digests", "个摘要"),
    ("_sd holds something else than SHA-256 digests", "_sd 含有 SHA-256 摘要以外的内容"),
    ("_sd holds a digest twice", "_sd 中有摘要出现两次"),
    ("a disclosure occurs twice", "有披露项出现两次"),
    ("a disclosure is not among those the issuer signed", "有披露项不在签发机关签署的范围内"),
    ("the payload of a record", "记录的载荷"),
    ("the fields of a record", "记录的字段"),
    ("the value of a field", "字段的值"),
    ("a value does not serialise", "有值无法编码"),
    ("the claims do not read back as they are written", "声明写出后读回不一致"),
    // sd_jwt/issue.rs
    ("claims and draft disagree", "内容与草稿不一致"),
    ("build the claims from the draft", "须由草稿生成内容"),
    // sd_jwt/key_binding.rs
    ("no key-binding JWT stands behind the last ~", "最后一个 ~ 之后没有 key-binding JWT"),
    ("key binding", "密钥绑定"),
    (
        "sd_hash is not that of this presentation: disclosures were added, removed or exchanged",
        "sd_hash 与此次出示不符: 披露项有增加、删除或调换",
    ),
    // seal.rs
    ("give the age1… line of an X25519 key", "给出 X25519 密钥的 age1… 一行"),
    ("not an age recipient", "不是 age 接收密钥"),
    ("not in lower case", "不是小写"),
    (
        "a point of small order: anybody could open what is sealed to it",
        "小阶点: 加密给它的内容任何人都能打开",
    ),
    ("the seed is not an age identity", "种子不是 age 私钥"),
    ("not an age identity (AGE-SECRET-KEY-1…)", "不是 age 私钥 (AGE-SECRET-KEY-1…)"),
    ("give the agency's node and recovery recipient", "给出单位的节点接收密钥和恢复接收密钥"),
    ("sealed file", "加密文件"),
    ("sealing failed", "加密失败"),
    ("not sealed to this key", "不是加密给此密钥的"),
    ("the header was changed after sealing", "加密后头部被改动"),
    ("the contents were changed after sealing", "加密后内容被改动"),
    ("not an age v1 file", "不是 age v1 文件"),
    ("truncated, or changed after sealing", "不完整, 或加密后被改动"),
    ("text to seal", "要加密的文本"),
    ("the padding is not that of this protocol", "填充不符合本协议"),
    // seal/header.rs
    ("the first line is not age-encryption.org/v1", "首行不是 age-encryption.org/v1"),
    ("age header", "age 头部"),
    ("stanzas", "节"),
    ("no stanza for an X25519 key", "没有 X25519 密钥的节"),
    ("a stanza's argument is empty or not visible ASCII", "有节的参数为空或不是可见 ASCII"),
    (
        "an X25519 stanza is not one share of 32 bytes and a body of 32",
        "X25519 节不是由 32 字节的公钥和 32 字节的正文组成",
    ),
    ("sealed with a passphrase, not to keys", "用口令加密, 不是用密钥加密"),
    ("a line of a stanza's body is longer than 64 columns", "有节的正文行超过 64 列"),
    (
        "a stanza's body is not canonical base64, or lacks its short last line",
        "有节的正文不是规范的 base64, 或缺少较短的末行",
    ),
    ("neither a stanza nor the line with the header's MAC", "既不是节也不是头部的 MAC 行"),
    ("the header does not end", "头部没有结束"),
    ("the header is not ASCII", "头部不是 ASCII"),
    // sealing_key.rs
    ("the bytes are not a 256-bit key", "数据不是 256 位密钥"),
    ("the value is too long to encrypt", "值过长, 无法加密"),
    ("sealed value", "加密值"),
    (
        "it does not open: damaged, moved, or sealed under another key",
        "无法打开: 已损坏、被移动, 或用另一密钥加密",
    ),
    // subject.rs
    ("the number is valid both as an organisation's and as a person's", "该号码既可为机构代码也可为身份号码"),
    ("prefix it with org: or person:", "加前缀 org: 或 person:"),
    ("the check of the code holds", "代码校验相符"),
    ("leave the acceptance (accept) out", "不要给出认可 (accept)"),
    ("the number has the form of a passport's or travel permit's", "该号码形如护照或通行证号码"),
    (
        "search for its holder by resident identity number; if it is an organisation's code, prefix it with org:",
        "请以居民身份证号码查询持证人; 如确系组织机构代码, 加前缀 org:",
    ),
    ("not a keyed hash", "不是密钥哈希"),
    ("it is 64 hexadecimal digits", "应为 64 位十六进制数"),
    // time.rs
    ("neither a date nor long-term", "既不是日期也不是长期"),
    ("write YYYY-MM-DD or long-term", "写 YYYY-MM-DD 或 长期"),
    ("not a calendar date", "不是日期"),
    (
        "it was signed {} seconds in the future; set the clocks of both nodes by the same time server",
        "签署时间在 {0} 秒之后; 双方节点请按同一时间服务器校时",
    ),
    ("write YYYY-MM-DD", "写 YYYY-MM-DD"),
    // unified_code.rs
    ("check character 18 should be {}", "第 18 位校验码应为 {0}"),
    (
        "compare the code with the certificate; a code that is printed so may be accepted by a named person with a reason (--accept)",
        "请与证照核对; 证照确系如此印制的, 可由具名人员附理由认可 (--accept)",
    ),
    (
        "character {} is not one of 0-9 and A-Y without I, O, S, V",
        "第 {0} 位不是 0-9 或 A-Y (不含 I、O、S、V)",
    ),
    ("check for 0 written as O or 1 written as I", "检查是否把 0 写成 O, 或把 1 写成 I"),
    ("longer than 18 characters", "超过 18 个字符"),
    ("give exactly 18 characters", "须为 18 个字符"),
    ("{} characters instead of 18", "有 {0} 个字符, 应为 18 个"),
    ("the person or the reason is missing or too long", "缺少认可人或理由, 或过长"),
    (
        "give the accepting operator and a reason of 2 to 200 characters on one line",
        "给出认可的操作员和一行 2 至 200 个字符的理由",
    ),
    ("not in its canonical spelling", "不是规范写法"),
    ("write 18 upper-case characters of half width", "写 18 个半角大写字符"),
    // wire.rs
    ("the message does not encode", "消息无法编码"),
    ("empty message", "消息为空"),
    ("bytes after the end of the message", "消息结尾之后还有数据"),
    ("not a message of this version", "不是本版本的消息"),
    (
        "another protocol version; both nodes need a common one: upgrade the older",
        "协议版本不同; 双方须有共同版本: 请升级较旧的一方",
    ),
    // Written in several files, or put together by macros.
    ("it reads r- and 32 lower-case hexadecimal digits", "格式为 r- 加 32 位小写十六进制数"),
    ("it reads n- and 32 lower-case hexadecimal digits", "格式为 n- 加 32 位小写十六进制数"),
    ("it reads b- and 32 lower-case hexadecimal digits", "格式为 b- 加 32 位小写十六进制数"),
    ("it reads x- and 32 lower-case hexadecimal digits", "格式为 x- 加 32 位小写十六进制数"),
    ("missing", "缺少"),
    ("empty", "为空"),
    ("none", "没有"),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 32 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 32 个字符",
    ),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 40 个字符",
    ),
    (
        "use lower-case letters, digits and hyphens, beginning with a letter, at most 60 characters",
        "用小写字母、数字和连字符, 以字母开头, 最多 60 个字符",
    ),
    ("use one of: {}", "可用: {0}"),
    // policy_version.rs
    ("not the version of a policy", "不是策略版本"),
    (
        "it reads like baseline-2026.3: a name in small letters, digits and hyphens, then one to four numbers",
        "格式如 baseline-2026.3: 小写字母、数字和连字符组成的名称, 后接一至四个数",
    ),
    // publication.rs
    ("policy schedule", "策略发布表"),
    ("line {} column {} is not what version 1 has there", "第 {0} 行第 {1} 列不符合第 1 版的格式"),
    ("it names one or two publications", "应列一项或两项发布"),
    ("a publication carries at most eight approvals", "一项发布最多八个签署"),
    ("the second publication follows nothing", "第二项发布没有所接续的版本"),
    ("both publications are the same", "两项发布相同"),
    ("the second publication takes effect before the first", "第二项发布早于第一项生效"),
    // adoption.rs
    ("not a time that is over", "不是已过的时间"),
    ("set the clocks of both nodes by the same time server", "双方节点请按同一时间服务器校时"),
    // directory.rs and publication.rs: overlays
    ("not the member's own region, or not that of a league or city", "不是成员自己的地区, 或不是盟市的地区"),
    ("delegate to the body that serves the whole league or city", "请授权服务整个盟市的单位"),
    ("publication", "发布"),
    ("it is not what version 1 has there", "内容与第 1 版格式不符"),
    ("it carries at most eight approvals", "最多带八个签署"),
    ("one publication is a bundle and the other an overlay", "一项发布是策略包, 另一项是收紧规则包"),
    // simulation.rs
    ("it has more than a node tells", "内容超过节点可告知的数量"),
    ("its counts do not add up", "计数不相符"),
    ("its time is not one that is over", "其时间不是已过去的时间"),
];
