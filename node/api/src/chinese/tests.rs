//! What must hold of the tables as a whole, and how texts are read.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Piece, Reading, pieces};
use super::*;

fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().copied().flatten().copied()
}

fn holes(pieces: &[Piece]) -> Vec<usize> {
    let number = |piece: &Piece| match piece {
        Piece::Hole(number, _) => Some(*number),
        Piece::Literal(_) => None,
    };
    pieces.iter().filter_map(number).collect()
}

/// Something that fits a hole, with what it is in Chinese.
fn filling(number: usize, reading: Reading) -> (String, String) {
    let both = |text: String| (text.clone(), text);
    match reading {
        Reading::Same | Reading::Text => both(format!("<{number}>")),
        Reading::Word => ("unknown value".to_owned(), "未知的值".to_owned()),
        Reading::Number => both(format!("{number}7")),
        Reading::Date => both(format!("2026-11-2{number}")),
        Reading::Name(list) => {
            let (english, chinese) = lists::names()[&list][0];
            (english.to_owned(), chinese.to_owned())
        }
    }
}

/// How each hole of a text is read, by its number.
fn readings(chinese: &'static str) -> BTreeMap<usize, Reading> {
    let hole = |piece: Piece| match piece {
        Piece::Hole(number, reading) => Some((number, reading)),
        Piece::Literal(_) => None,
    };
    pieces(chinese).into_iter().filter_map(hole).collect()
}

/// A text with something fitting in each hole.
fn filled(text: &'static str, value: impl Fn(usize) -> String) -> String {
    let fill = |piece: &Piece| match piece {
        Piece::Literal(literal) => (*literal).to_owned(),
        Piece::Hole(number, _) => value(*number),
    };
    pieces(text).iter().map(fill).collect()
}

#[test]
fn every_text_stands_once_and_is_in_chinese() {
    let mut seen = BTreeSet::new();
    for (english, chinese) in texts() {
        assert!(seen.insert(english), "stands twice: {english:?}");
        assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "not Chinese: {chinese:?}");
        assert!(english.bytes().any(|byte| byte.is_ascii_alphabetic()), "only holes: {english:?}");
    }
}

#[test]
fn holes_agree_on_both_sides_and_never_touch() {
    for (english, chinese) in texts() {
        let (from, to) = (pieces(english), pieces(chinese));
        let (here, mut there) = (holes(&from), holes(&to));
        assert_eq!(here, (0..here.len()).collect::<Vec<_>>(), "numbered in order: {english:?}");
        there.sort_unstable();
        assert_eq!(here, there, "the same holes, each once: {english:?} {chinese:?}");
        let touching = |pair: &[Piece]| matches!(pair, [Piece::Hole(..), Piece::Hole(..)]);
        assert!(!from.windows(2).any(touching), "two holes touch: {english:?}");
        assert!(!chinese.contains("{}"), "a hole without a number: {chinese:?}");
    }
}

#[test]
fn no_template_takes_the_text_of_another() {
    for (english, chinese) in texts() {
        let readings = readings(chinese);
        let (from, to) = (
            filled(english, |hole| filling(hole, readings[&hole]).0),
            filled(chinese, |hole| filling(hole, readings[&hole]).1),
        );
        assert_eq!(phrase(&from), Some(to), "{english:?}");
    }
}

/// Words that any English text may hold.
const COMMON: [&str; 19] = [
    "a", "an", "and", "are", "at", "by", "for", "from", "has", "in", "is", "it", "line", "of", "or", "that",
    "the", "to", "with",
];

#[test]
fn a_template_has_words_of_its_own_or_takes_only_certain_values() {
    for (english, chinese) in texts() {
        let mut readings = readings(chinese).into_values();
        // A lead before a cause is true of whatever follows it.
        let lead = english.strip_suffix(": {}").is_some_and(|lead| !lead.contains("{}"));
        if readings.len() == 0 || lead || readings.any(|one| !matches!(one, Reading::Same | Reading::Text)) {
            continue;
        }
        let words = english.split(|c: char| !c.is_ascii_alphanumeric());
        let own = words.filter(|word| word.len() > 1 && !COMMON.contains(word)).count();
        assert!(own > 1, "any text may fit: {english:?}");
    }
}

#[test]
fn words_of_outside_crates_are_left_alone() {
    for text in [
        "closed by peer: 0",
        "connection closed by shutdown",
        "aborted by peer: the application or application protocol caused the connection to be closed",
        "handshake failed",
        "invalid peer certificate: certificate not valid for name \"x\"",
        "received fatal alert: HandshakeFailure",
        "expected value at line 1 column 1",
        "trailing characters at line 1 column 9",
        "missing field `role`",
        "unknown variant `x`, expected one of `a`, `b`",
        "unknown field `x`",
        "x is not in y",
        "5000 is not in 1..",
        "there are more than enough",
        "found in record",
        "a value is required",
    ] {
        assert_eq!(message(text), None, "{text}");
    }
    for (text, told) in [
        ("5000 is not in 1..=200", "5000 不在 1 到 200 之间"),
        ("invalid digit found in string", "不是数字, 或含有其他字符"),
        ("number too large to fit in target type", "数字过大"),
        ("2026-02-03 is not in 2025", "2026-02-03 不在 2025 年内"),
        (
            "decision test a fails: denied by default-deny",
            "决定测试 a 不通过: 拒绝, 由规则 default-deny 决定",
        ),
        ("inclusion proof: the path is empty", "包含证明: 路径为空"),
        (
            "import: it is committed; only a staging one is resumed",
            "import: 状态为“已导入”; 只有未完成的才能继续",
        ),
    ] {
        assert_eq!(message(text).as_deref(), Some(told), "{text}");
    }
}

#[test]
fn names_that_people_chose_stay_as_they_are() {
    for (text, told) in [
        ("the account clerk does not have the role reviewer", "账户 clerk 没有角色“复核人”"),
        (
            "no operator account: this user may act as clerk, reviewer; choose one with --operator",
            "没有操作员账户: 该系统用户可用的账户: clerk, reviewer; 用 --operator 选择",
        ),
        (
            "checkpoint: the file is missing; keep the folder as it is, verify it, and restore it from a copy that verifies",
            "checkpoint: 缺少该文件; 保持该目录原样, 加以验证, 并用验证成立的副本恢复",
        ),
        ("checkpoint: the file is missing", "checkpoint: 缺少该文件"),
        ("cannot read tokens", "无法读取 tokens"),
        ("checkpoint does not belong to a log", "checkpoint 不属于日志"),
    ] {
        assert_eq!(message(text).as_deref(), Some(told), "{text}");
    }
}

#[test]
fn a_message_is_translated_link_by_link() {
    let error = chengxin_schemas::subject::SubjectId::parse("123").expect_err("too short");
    let words = schema_words(&error);
    assert_ne!(words.detail.0, words.detail.1, "{}", words.detail.0);
    assert!(message(&error.to_string()).expect("known").starts_with(words.field.expect("field")));
    assert_eq!(message("something nobody translated"), None);
    assert_eq!(message("field: something nobody translated"), None);
    for (english, chinese) in [
        ("field: unknown value; use one of: a b", "field: 未知的值; 可用: a b"),
        (
            "overlay/150100/rules.csv line 2: it would open basic L4 to a clerk of a body with finance under bidding, \
             ask about person, from withhold to mask; write deny, or remove the rule: what opens access is the \
             federation's to decide",
            "overlay/150100/rules.csv 第 2 行: 用途 bidding 下将对承担 finance 职能的单位的经办人放宽基础信息 L4 \
             (发起核查, 关于自然人), 由“不提供”改为“脱敏”; 写 deny 或删除该规则: 放宽由联盟决定",
        ),
        (
            "the store in /x cannot be opened: locking the store's folder failed: Permission denied (os error 13)",
            "无法打开 /x 中的存储: 锁定存储目录失败: 没有权限 (os error 13)",
        ),
        (
            "cannot read /x: No such file or directory (os error 2)",
            "无法读取 /x: 没有该文件或目录 (os error 2)",
        ),
        ("not admitted: token: nobody knows; unknown value", "未被接纳: 令牌: nobody knows; 未知的值"),
        (
            "rules.csv line 7: unknown purpose or group \"x\"; correct the line",
            "rules.csv 第 7 行: 未知的用途或组 \"x\"; 请更正该行",
        ),
        (
            "the role clerk may not verify the audit log; it needs audit_administrator or system_administrator",
            "角色“经办人”无权验证审计日志; 需要 审计管理员、系统管理员",
        ),
        (
            "timestamp metadata is not the file that the signed metadata names; refresh again, or from another peer",
            "timestamp 元数据 不是签名元数据所指的文件; 重新更新, 或改从其他成员更新",
        ),
        (
            "1.root.json is longer than 9 bytes; refresh from another peer and report this one",
            "1.root.json 超过 9 字节; 请改从其他成员更新, 并将提供该元数据的成员报告统筹员",
        ),
        ("root metadata is missing; refresh from another peer", "缺少 root 元数据; 改从其他成员更新"),
        ("measure m-1 needs a breach that is serious", "措施 m-1 只适用于程度为“严重”及以上的失信"),
        (
            "periods.toml: no period for minor breaches of administrative_penalty; give every severity that categories.toml rules for a record type one",
            "periods.toml: administrative_penalty 中程度为“轻微”的失信没有公示期; categories.toml 对某记录类型所定的每种程度都须有",
        ),
        // The first hole ends where the next literal first stands.
        ("no stream: nothing arrived for 5 s", "无法建立通道: 5 秒内没有收到数据"),
    ] {
        assert_eq!(message(english).as_deref(), Some(chinese), "{english}");
    }
}

#[test]
fn a_hole_at_the_beginning_takes_no_link_that_came_before() {
    assert_eq!(message("one: /x is not empty").as_deref(), Some("one: /x 不是空目录"));
    assert_eq!(message("; : ").as_deref(), None);
    assert_eq!(message("").as_deref(), None);
    assert_eq!(message("empty; ").as_deref(), Some("为空; "));
}

#[test]
fn a_long_text_of_a_peer_costs_little() {
    for link in ["the peer refused: ", "a: ", "; ", "cannot read ", "{} ", "not admitted: unknown "] {
        let text = link.repeat(4_000);
        // Without the bounds on links and depth these do not end.
        let _ = (message(&text), english(&text));
    }
}

#[test]
fn what_a_policy_decided_reads_in_both_languages() {
    use chengxin_policy::{
        DeclineReason, DenialReason, Denied, DeniedQuestion, Function, NotApplicableReason, RuleId,
    };
    use chengxin_schemas::category::InformationCategory as Category;
    use chengxin_schemas::operator::Role;
    use chengxin_schemas::subject::SubjectKind;
    // A name in a hole is carried over as it is: the bundle has both, a text has one.
    let function = Function {
        code: "procurement-supervision".parse().expect("code"),
        chinese: "政府采购监管".to_owned(),
        english: "政府采购监管".to_owned(),
        source: String::new(),
        verified: true,
    };
    let reasons = [
        DenialReason::UnknownPurpose,
        DenialReason::NoCategories,
        DenialReason::Rule,
        DenialReason::Action { allowed: vec![chengxin_policy::Action::Read] },
        DenialReason::Role { allowed: vec![Role::Clerk, Role::Reviewer] },
        DenialReason::Function { allowed: vec![function] },
        DenialReason::SubjectKind { allowed: vec![SubjectKind::Organisation, SubjectKind::Person] },
        DenialReason::Categories { allowed: vec![Category::Basic, Category::SeriousBreach] },
        DenialReason::CaseReference,
        DenialReason::LegalBasis,
        DenialReason::SubjectAuthorisation,
        DenialReason::SecondPerson,
        DenialReason::OwnRecordsOnly,
        DenialReason::DailyLimit { limit: 20 },
        DenialReason::DailyLimitBody { limit: 60 },
        DenialReason::NoRule,
        DenialReason::EngineFailure,
    ];
    for reason in reasons {
        let rule = RuleId::try_from("default-deny".to_owned()).expect("rule");
        let question = DeniedQuestion {
            role: Role::Clerk,
            purpose: "bidding".parse().expect("code"),
            subject_kind: SubjectKind::Organisation,
            category: Some(Category::Basic),
        };
        let denied = Denied { rule, reason, question, policy_version: String::new() };
        assert_eq!(english(&denied.chinese()).as_deref(), Some(denied.english().as_str()));
        assert_eq!(message(&denied.english()).as_deref(), Some(denied.chinese().as_str()));
    }
    let measures = [DeclineReason::UnknownMeasure, DeclineReason::SubjectKind, DeclineReason::Severity];
    let mut pairs: Vec<_> = measures.iter().map(|one| (one.chinese(), one.english())).collect();
    pairs.push((NotApplicableReason::Function.chinese(), NotApplicableReason::Function.english()));
    for (chinese, english_text) in pairs {
        assert_eq!(english(chinese).as_deref(), Some(english_text));
    }
}
