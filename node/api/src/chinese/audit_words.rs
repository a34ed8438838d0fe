//! Words of the audit log for people: what happened and how it ended. Leaves and machine output hold codes.

use chengxin_audit_log::entry::EntryKind;

/// What happened, from the code of an entry's kind. None for a kind of a newer version.
pub fn audit_event(code: &str) -> Option<&'static str> {
    let kind: EntryKind = code.parse().ok()?;
    Some(match kind {
        EntryKind::CheckRequested => "发起核查",
        EntryKind::CheckAnswered => "核查得出结果",
        EntryKind::CheckDenied => "核查被本单位策略拒绝",
        EntryKind::ReleaseRequested => "请求放行核查",
        EntryKind::ReleaseGiven => "放行核查",
        EntryKind::ReleaseRefused => "不予放行核查",
        EntryKind::ReleaseRead => "查看放行请求",
        EntryKind::AnswerDisclosed => "答复对方",
        EntryKind::AnswerRefused => "拒绝对方",
        EntryKind::NoticeIssued => "发出通知",
        EntryKind::NoticeReceived => "收到通知",
        EntryKind::NoticeApplied => "执行通知",
        EntryKind::NoticeDeclined => "不予执行通知",
        EntryKind::ReceiptReceived => "收到回执",
        EntryKind::RecordFiled => "录入记录",
        EntryKind::RecordImported => "导入记录",
        EntryKind::RecordRead => "查看记录",
        EntryKind::RecordChanged => "变更记录状态",
        EntryKind::ImportRolledBack => "撤回导入",
        EntryKind::OperatorChanged => "变更操作员账户",
        EntryKind::MemberChanged => "变更联盟成员",
        EntryKind::PolicyChanged => "拟定或发布策略",
        EntryKind::PolicyLoaded => "策略生效",
        EntryKind::PolicyRefused => "拒绝策略",
        EntryKind::KeyChanged => "变更密钥",
        EntryKind::ConfigurationChanged => "变更配置",
        EntryKind::CertificateIssued => "出具核查凭证",
        EntryKind::LogRead => "查阅审计日志",
        EntryKind::Exported => "导出",
        EntryKind::BackupWritten => "备份",
        EntryKind::BackupRestored => "从备份恢复",
        EntryKind::BodyErased => "销毁条目内容",
        EntryKind::NodeStarted => "节点启动",
        EntryKind::NodeStopped => "节点停止",
        EntryKind::AccessRefused => "拒绝访问",
    })
}

/// How it ended, from the spelling in documents: `allowed`, `denied`, or `failed:` with the code of the failure.
pub fn audit_outcome(outcome: &str) -> Option<String> {
    match outcome.split_once(':') {
        None if outcome == "allowed" => Some("允许".to_owned()),
        None if outcome == "denied" => Some("拒绝".to_owned()),
        Some(("failed", code)) => Some(format!("失败 ({code})")),
        None | Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_outcomes_have_words_and_no_two_the_same() {
        let words: std::collections::BTreeSet<_> =
            EntryKind::ALL.iter().filter_map(|kind| audit_event(kind.as_str())).collect();
        assert_eq!(words.len(), EntryKind::ALL.len());
        assert_eq!(audit_event("of_a_newer_version"), None);
        assert_eq!(audit_outcome("failed:timeout").as_deref(), Some("失败 (timeout)"));
        assert_eq!(audit_outcome("allowed").as_deref(), Some("允许"));
        assert_eq!(audit_outcome("else"), None);
    }
}
