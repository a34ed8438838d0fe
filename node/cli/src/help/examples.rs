//! Examples of every command. Tests parse each of them, so none can rot.

use crate::language::Language;

/// One example: the command it belongs to, the line a person types, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Path of the command, empty for the first page.
    pub command: &'static str,
    /// The line.
    pub line: &'static str,
    /// What it is for, in Chinese.
    pub zh: &'static str,
    /// What it is for, in English.
    pub en: &'static str,
}

const fn example(command: &'static str, line: &'static str, zh: &'static str, en: &'static str) -> Example {
    Example { command, line, zh, en }
}

/// The examples of one command, one per two lines: what for, and the line. A group without its own shows those of
/// the commands in it.
pub(super) fn shown(path: &str, language: Language) -> String {
    let of = |wanted: &dyn Fn(&Example) -> bool| -> Vec<String> {
        EXAMPLES
            .iter()
            .filter(|example| wanted(example))
            .map(|example| format!("  # {}\n  {}", language.pick(example.zh, example.en), example.line))
            .collect()
    };
    let own = of(&|example| example.command == path);
    let shown = if own.is_empty() {
        let group = format!("{path} ");
        of(&|example| example.command.starts_with(&group))
    } else {
        own
    };
    shown.join("\n")
}

/// Every example, in the order of the grammar. Codes are made up; their check characters hold.
pub const EXAMPLES: &[Example] = &[
    example("", "chengxin demo", "在本机看完整演示", "see the whole story on this machine"),
    example(
        "",
        "chengxin check 91320100748204660Q --purpose government-procurement --ref CG-2026-031",
        "采购前核查供应商",
        "check a supplier before procurement",
    ),
    example(
        "",
        "chengxin record import 行政处罚.xlsx --dry-run",
        "导入前校验文件",
        "check a file before importing it",
    ),
    example(
        "init",
        "chengxin init --home /srv/node --agency 11152105011615449P --name 示例财政厅 --region 150000 --function procurement-supervision --listen /ip4/0.0.0.0/tcp/7800 --advertise /ip4/10.0.0.5/tcp/7800 --account zhang=clerk,reviewer --account sun@1002=security_administrator --recovery-key /media/usb/recovery.key",
        "建立节点并设首批账户",
        "set up a node with its first accounts",
    ),
    example(
        "federation found",
        "chengxin federation found --name nmg --keys 3 --threshold 2 --keys-dir /media/usb/root-keys",
        "建立联盟, 三把根密钥中两把签名有效",
        "found a federation whose root needs two of three keys",
    ),
    example(
        "federation token",
        "chengxin federation token 11152105011615449P --name 示例财政厅 --region 150000 --function procurement-supervision --valid 48h --token-file token.txt",
        "为一个单位签发两天有效的令牌",
        "issue a token that is good for two days",
    ),
    example(
        "federation enrol",
        "chengxin federation enrol application.json --fingerprint sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "核对指纹后录入成员",
        "enter a member after comparing the fingerprint",
    ),
    example(
        "federation remove",
        "chengxin federation remove 11152105011615449P --reason 节点密钥泄露",
        "移除密钥泄露的成员",
        "remove a member whose keys were stolen",
    ),
    example(
        "federation delegate",
        "chengxin federation delegate 11150100DEM0001269",
        "授权一个盟市发布本地区的收紧规则包",
        "let a league or city narrow the policy for its region",
    ),
    example(
        "federation confirm-clock",
        "chengxin federation confirm-clock --home /srv/coordinator",
        "校时后确认时钟",
        "confirm the clock after setting it",
    ),
    example(
        "federation members",
        "chengxin federation members -o wide",
        "列出成员及地址",
        "list members with addresses",
    ),
    example(
        "join",
        "chengxin join /dns4/coordinator.example/tcp/7800 --fingerprint sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --token-file token.txt",
        "凭令牌加入联盟",
        "join with a token",
    ),
    example(
        "join",
        "chengxin join /media/usb/federation --fingerprint sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "由介质上的元数据加入, 统筹员已人工录入",
        "join with metadata on a medium, entered by hand",
    ),
    example(
        "join",
        "chengxin join /dns4/market.example/udp/7400/quic-v1 --fingerprint sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "成员目录丢失或损坏: 从另一成员节点重新取得",
        "fetch a lost or damaged directory again from another member",
    ),
    example("serve", "chengxin serve --config /etc/chengxin/config.toml", "运行节点", "run the node"),
    example("status", "chengxin status", "查看节点状态", "look at the node"),
    example("status", "chengxin status -o json", "供监控程序读取", "for a monitoring program"),
    example("peer list", "chengxin peer list", "哪些成员离线, 为什么", "who is offline, and why"),
    example(
        "record template",
        "chengxin record template --type administrative-penalty 行政处罚.xlsx",
        "取行政处罚空白表",
        "get an empty penalty workbook",
    ),
    example(
        "record import",
        "chengxin record import 行政处罚.xlsx --dry-run --errors 错误行.xlsx",
        "校验并导出错误行",
        "check, and write failing rows to a file",
    ),
    example(
        "record import",
        "chengxin record import 行政处罚.csv --accept 17:证照原件核对无误",
        "导入, 对第 17 行的代码负责认可",
        "import, vouching for the code in row 17",
    ),
    example(
        "record list",
        "chengxin record list --category serious_breach --all -o csv",
        "全部严重失信记录存为 CSV",
        "all serious breaches as CSV",
    ),
    example(
        "record show",
        "chengxin record show r-0123456789abcdef0123456789abcdef",
        "查看一条记录的全部字段",
        "see all fields of a record",
    ),
    example("import list", "chengxin import list", "最近的导入", "recent imports"),
    example(
        "import show",
        "chengxin import show b-0123456789abcdef0123456789abcdef",
        "查看一个批次的报告",
        "see the report of an import",
    ),
    example(
        "import resume",
        "chengxin import resume b-0123456789abcdef0123456789abcdef",
        "中断后继续",
        "go on after an interruption",
    ),
    example(
        "import rollback",
        "chengxin import rollback b-0123456789abcdef0123456789abcdef --dry-run",
        "先看将撤回什么",
        "see first what would be taken back",
    ),
    example(
        "import errors",
        "chengxin import errors f-0123456789abcdef0123456789abcdef 错误行.xlsx",
        "取错误行改正",
        "get failing rows to correct",
    ),
    example(
        "check",
        "chengxin check 91320100748204660Q --purpose government-procurement --ref CG-2026-031 --certificate 核查凭证.jws",
        "采购前核查并留存凭证",
        "check before procurement and keep the certificate",
    ),
    example(
        "check",
        "chengxin check - --purpose civil-service-recruitment --ref ZL-2026-7 --deadline 20s",
        "录用前核查, 居民身份号码从标准输入读取, 最多等 20 秒",
        "check before recruitment, the identity number from standard input, waiting at most 20 seconds",
    ),
    example("release list", "chengxin release list", "待放行的核查", "checks that wait for a release"),
    example(
        "release give",
        "chengxin release give q-0123456789abcdef0123456789abcdef",
        "放行同事的核查",
        "release the check of a colleague",
    ),
    example(
        "release refuse",
        "chengxin release refuse q-0123456789abcdef0123456789abcdef --reason 案卷中没有投标文件",
        "不予放行, 写明理由",
        "refuse it, and say why",
    ),
    example(
        "certificate verify",
        "chengxin certificate verify 核查凭证.jws",
        "离线验证凭证",
        "verify a certificate offline",
    ),
    example(
        "notice issue",
        "chengxin notice issue --record r-0123456789abcdef0123456789abcdef --measure restrict-government-procurement --basis 《中华人民共和国政府采购法》第二十二条 --until 2027-12-31",
        "发出一项限制政府采购的通知",
        "issue a notice that restricts procurement",
    ),
    example("notice list", "chengxin notice list --received", "收到的通知", "notices received"),
    example(
        "notice show",
        "chengxin notice show n-0123456789abcdef0123456789abcdef",
        "送达到了哪些单位",
        "see who has received it",
    ),
    example(
        "restriction list",
        "chengxin restriction list 91320100748204660Q",
        "本节点所知的限制",
        "restrictions this node knows",
    ),
    example("policy show", "chengxin policy show", "有哪些用途和措施", "see purposes and measures"),
    example(
        "policy explain",
        "chengxin policy explain --as clerk --purpose government-procurement --category general_breach --type administrative-penalty",
        "经办人为采购能看到哪些字段",
        "see what a clerk may see for procurement",
    ),
    example(
        "policy table",
        "chengxin policy table --as clerk -o csv",
        "经办人的决定表",
        "the decision table of clerks",
    ),
    example(
        "policy breaches",
        "chengxin policy breaches -o wide",
        "哪些行为属于政务失信, 依据什么, 可采取哪些措施",
        "what counts as a breach, by which document, and what may follow",
    ),
    example(
        "policy unverified",
        "chengxin policy unverified -o csv",
        "交法制部门逐项核对",
        "hand the list to the legal office",
    ),
    example(
        "policy test",
        "chengxin policy test ./bundle",
        "修改策略包后先执行其决定测试",
        "run a bundle's decision tests after editing it",
    ),
    example(
        "policy diff",
        "chengxin policy diff ./bundle",
        "与生效的策略相比, 哪些角色、用途、类别、级别的决定会变",
        "see which decisions change against the policy in force",
    ),
    example(
        "policy simulate",
        "chengxin policy simulate ./bundle --since 30d",
        "近三十天的请求中, 谁将少得, 谁将多得",
        "see who would have got less or more in the last thirty days",
    ),
    example(
        "policy export",
        "chengxin policy export ./bundle",
        "取出生效的策略包以便修改",
        "take the bundle in force to edit it",
    ),
    example(
        "policy stage",
        "chengxin policy stage ./bundle",
        "修改、测试、比较之后拟定",
        "stage a bundle that was edited, tested and compared",
    ),
    example(
        "policy sign",
        "chengxin policy sign baseline-2026.9 --digest 3f9a1c20d4e55b07",
        "核对变化后签署; 另一人也须签署",
        "sign after looking at what changes; a colleague signs too",
    ),
    example(
        "policy publish",
        "chengxin policy publish baseline-2026.9 --effective 2027-01-01",
        "自 2027 年 1 月 1 日零时起在全联盟执行",
        "let it decide in the whole federation from 1 January 2027 on",
    ),
    example(
        "policy status",
        "chengxin policy status",
        "哪些成员已采用, 哪些落后, 哪些拒绝及其原因",
        "see who follows, who lags, who refused and why",
    ),
    example(
        "policy revert",
        "chengxin policy revert",
        "以新版本恢复上一版内容, 再签署发布",
        "take the former content up again; then sign and publish it",
    ),
    example(
        "policy discard",
        "chengxin policy discard baseline-2026.9",
        "不再发布时删除",
        "drop a plan that is not wanted",
    ),
    example(
        "audit search",
        "chengxin audit search --actor zhang --since 7d",
        "某操作员七天内做过什么",
        "see what an operator did in seven days",
    ),
    example(
        "audit verify",
        "chengxin audit verify",
        "验证日志未被改写",
        "verify that the log was not rewritten",
    ),
    example(
        "audit verify",
        "chengxin audit verify --offline /srv/node/audit",
        "不启动节点, 验证一份副本",
        "verify a copy without a node",
    ),
    example(
        "operator add",
        "chengxin operator add li --roles clerk --uid 1003 --display-name 李某",
        "为用户 1003 建立经办人账户",
        "make a clerk's account for user 1003",
    ),
    example("operator list", "chengxin operator list", "列出账户", "list the accounts"),
    example("operator disable", "chengxin operator disable li", "人员离岗时停用", "when a person leaves"),
    example(
        "config show",
        "chengxin config show --origin",
        "每项设置来自哪里",
        "see where each setting comes from",
    ),
    example(
        "config default",
        "chengxin config default",
        "取带说明的配置文件",
        "get a configuration file with explanations",
    ),
    example(
        "config validate",
        "chengxin config validate /etc/chengxin/config.toml",
        "重启前检查配置",
        "check before a restart",
    ),
    example("demo", "chengxin demo", "演示后保持运行, 可自行试用", "stay up afterwards, to try things"),
    example("demo", "chengxin demo --exit -o json", "供自动测试", "for automatic tests"),
    example("completion", "chengxin completion bash", "输出 bash 补全脚本", "print the script for bash"),
    example("man", "chengxin man /usr/local/share/man/man1", "安装手册页", "install the manual pages"),
    example("help", "chengxin help exit-codes", "退出码的含义", "what exit codes mean"),
    example("help", "chengxin help record import", "一个命令的帮助", "help on one command"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn every_example_parses_and_belongs_to_its_command() {
        for example in EXAMPLES {
            let words: Vec<_> = example.line.split(' ').collect();
            assert!(example.line.starts_with(format!("chengxin {}", example.command).trim()), "{example:?}");
            if let Err(error) = crate::arguments::CommandLine::try_parse_from(&words) {
                panic!("{}: {error}", example.line);
            }
        }
    }
}
