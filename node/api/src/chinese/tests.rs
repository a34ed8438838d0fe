//! What must hold of the tables as a whole, and how texts are read.

use std::collections::BTreeSet;

use super::template::{Piece, pieces};
use super::*;

fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().copied().flatten().copied()
}

fn holes(pieces: &[Piece]) -> Vec<usize> {
    let number = |piece: &Piece| match piece {
        Piece::Hole(number) => Some(*number),
        Piece::Literal(_) => None,
    };
    pieces.iter().filter_map(number).collect()
}

/// A text with something in each hole that is in no table.
fn filled(english: &'static str) -> String {
    let fill = |piece: &Piece| match piece {
        Piece::Literal(literal) => (*literal).to_owned(),
        Piece::Hole(number) => format!("<{number}>"),
    };
    pieces(english).iter().map(fill).collect()
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
        let touching = |pair: &[Piece]| matches!(pair, [Piece::Hole(_), Piece::Hole(_)]);
        assert!(!from.windows(2).any(touching), "two holes touch: {english:?}");
        assert!(!chinese.contains("{}"), "a hole without a number: {chinese:?}");
    }
}

#[test]
fn no_template_takes_the_text_of_another() {
    for (english, chinese) in texts() {
        let values = |text: &str| {
            (0..9).fold(text.to_owned(), |text, hole| {
                text.replace(&format!("{{{hole}}}"), &format!("<{hole}>"))
            })
        };
        assert_eq!(phrase(&filled(english)).as_deref(), Some(values(chinese).as_str()), "{english:?}");
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
    use chengxin_policy::{DeclineReason, DenialReason, Denied, Function, NotApplicableReason, RuleId};
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
        DenialReason::OwnRecordsOnly,
        DenialReason::NoRule,
        DenialReason::EngineFailure,
    ];
    for reason in reasons {
        let rule = RuleId::try_from("default-deny".to_owned()).expect("rule");
        let denied = Denied { rule, reason, policy_version: String::new() };
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
