//! The state of the node, with hints for what needs attention.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengxin_exchange::clock_doubt::ClockStatus;
use chengxin_exchange::operator::Separation;
use chengxin_exchange::status::NodeStatus;
use chengxin_schemas::adoption::{RefusedPolicy, ScheduleFault};
use chengxin_trust::{Freshness as Trusted, VerifiedDirectory};

use super::Answer;
use crate::chinese::message_or_same;
use crate::services::Services;
use crate::types::status::{
    AuditStatus, FederationStatus, Freshness, Health, Hint, Holdings, NodeStatus as NodeFacts, PeerCounts,
    PolicyStatus, Status, StatusSchema,
};
use crate::types::time::Moment;

/// Members named that differ in their clocks; the number says how many there are.
const CLOCKS_NAMED: usize = 5;
/// The hint that is no fault.
const SEPARATION_OFF: &str = "separation_off";

pub(crate) async fn status_show(State(services): State<Arc<Services>>) -> Answer<Status> {
    let status = services.node.status().await?;
    let directory = services.node.directory()?;
    let own = directory.entry(&status.agency);
    let others = directory.entries().filter(|entry| entry.agency != status.agency);
    let links = services.links.links();
    let (mut online, mut total) = (0_usize, 0_usize);
    for entry in others {
        total = total.saturating_add(1);
        online = online.saturating_add(usize::from(links.get(&entry.agency).is_some_and(|link| link.online)));
    }
    let peers = PeerCounts { online, total };
    let hints = hints(&services, &status, peers);
    Ok(Json(Status {
        schema: StatusSchema::V1,
        // That a trial is a trial is worth saying and is no fault.
        health: if hints.iter().all(|hint| hint.code == SEPARATION_OFF) {
            Health::Ok
        } else {
            Health::Degraded
        },
        hints,
        node: NodeFacts {
            agency: status.agency,
            name: status.name.clone(),
            region: own.map(|entry| entry.region),
            coordinator: own.is_some_and(|entry| entry.coordinator),
            version: services.version.clone(),
            started_at: services.started.into(),
            now: status.now.into(),
        },
        federation: Some(federation(&services, &status, &directory)),
        policy: PolicyStatus { version: status.policy.clone() },
        audit: AuditStatus {
            origin: services.node.log().origin().to_string(),
            fault: status.audit_fault.clone(),
            entries: status.audit_entries,
            writable: status.audit_healthy,
        },
        peers,
        holdings: Holdings {
            deliveries_pending: status.deliveries_owed as u64,
            imports_open: status.imports_open as u64,
            store_bytes: status.store.bytes_on_disk,
        },
    }))
}

fn federation(services: &Services, status: &NodeStatus, directory: &VerifiedDirectory) -> FederationStatus {
    FederationStatus {
        federation: directory.federation().clone(),
        root_fingerprint: services.root_fingerprint.clone(),
        directory_version: status.directory,
        members: status.members,
        expires_at: directory.expires().into(),
        freshness: match status.directory_freshness {
            Trusted::Current => Freshness::Fresh,
            Trusted::Grace { .. } => Freshness::Grace,
            Trusted::Expired => Freshness::Expired,
        },
    }
}

fn hint(code: &str, zh: impl Into<String>, en: impl Into<String>, command: Option<&str>) -> Hint {
    Hint {
        code: code.to_owned(),
        text_zh: zh.into(),
        text_en: en.into(),
        command: command.map(ToOwned::to_owned),
    }
}

/// The federation goes on to a policy that this node cannot decide by.
fn policy_refused(refused: &RefusedPolicy) -> Hint {
    let RefusedPolicy { version, reason, .. } = refused;
    hint(
        "policy_refused",
        format!(
            "拒绝采用已发布的策略 {version}, 现行策略继续执行: {}; 请告知统筹员",
            message_or_same(reason)
        ),
        format!(
            "the published policy {version} was refused, the one in force goes on: {reason}; tell the coordinator"
        ),
        None,
    )
}

/// What the federation publishes as policy cannot be read.
fn schedule_fault(fault: &ScheduleFault) -> Hint {
    hint(
        "policy_unreadable",
        format!("联盟发布的策略无法读取, 现行策略继续执行: {}; 请告知统筹员", message_or_same(&fault.reason)),
        format!(
            "what the federation publishes as policy cannot be read, the one in force goes on: {}; tell the coordinator",
            fault.reason
        ),
        None,
    )
}

/// Some of what the store holds cannot be read.
fn values_damaged(files: u64) -> Option<Hint> {
    (files > 0).then(|| {
        hint(
            "store_values_damaged",
            format!("存储中 {files} 个文件已损坏, 其中部分内容无法读取: 请检查磁盘, 并用备份恢复无法读取的内容"),
            format!(
                "{files} of the store's files are damaged, and some of what they hold cannot be read: check the disk, and restore that from a backup"
            ),
            None,
        )
    })
}

/// The store takes and gives nothing any more.
fn store_stopped(why: &str) -> Hint {
    hint(
        "store_stopped",
        format!("存储已停止, 节点拒绝一切业务: {}; 处理后重新启动节点", message_or_same(why)),
        format!("the store stopped, so the node refuses all work: {why}; then restart the node"),
        None,
    )
}

/// The clock of this machine and others differ: what they sign for each other is refused.
fn clock_differs(clock: &ClockStatus) -> Vec<Hint> {
    let behind = clock.behind_directory.map(|seconds| {
        hint(
            "clock_behind",
            format!("本机时钟比成员目录最近一次签署慢 {seconds} 秒: 请按时间服务器校时"),
            format!(
                "this machine's clock is {seconds} s behind the last signature of the member directory: set it by a time server"
            ),
            None,
        )
    });
    let (count, named) = (clock.differing.len(), clock.differing.iter().take(CLOCKS_NAMED));
    let named = named.map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let differs = (count > 0).then(|| {
        hint(
            "clock_differs",
            format!(
                "一小时内与 {count} 个成员 ({named}) 之间有消息因时间不符被拒: 双方时钟不一致, 请将本机与时间服务器核对"
            ),
            format!(
                "within the last hour messages between this node and {count} members ({named}) were refused because of their times: the clocks differ; compare this machine's with a time server"
            ),
            None,
        )
    });
    behind.into_iter().chain(differs).collect()
}

/// What needs attention, the most urgent first.
fn hints(services: &Services, status: &NodeStatus, peers: PeerCounts) -> Vec<Hint> {
    let mut hints = Vec::new();
    hints.extend(status.store_fault.as_deref().map(store_stopped));
    if !status.audit_healthy {
        let why = status.audit_fault.clone().unwrap_or_default();
        hints.push(hint(
            "audit_not_writable",
            format!("审计日志无法写入, 节点拒绝一切披露: {}", message_or_same(&why)),
            format!("the audit log cannot be written, so the node discloses nothing: {why}"),
            None,
        ));
    }
    hints.extend(clock_differs(&status.clock));
    match status.directory_freshness {
        Trusted::Current => {}
        Trusted::Grace { until } => hints.push(hint(
            "directory_grace",
            format!("成员目录已过有效期, 宽限至 {}", until.to_shanghai()),
            format!("the member directory is past its validity, in grace until {}", Moment(until)),
            Some("chengxin peer list"),
        )),
        Trusted::Expired => hints.push(hint(
            "directory_expired",
            "成员目录已过期, 不能核查也不能答复",
            "the member directory expired: no checks, no answers",
            Some("chengxin peer list"),
        )),
    }
    if let Some(adoption) = services.node.policy_adoption() {
        hints.extend(adoption.refused.as_ref().map(policy_refused));
        hints.extend(adoption.fault.as_ref().map(schedule_fault));
    }
    hints.extend(values_damaged(status.store.value_files_damaged));
    if peers.online < peers.total {
        hints.push(hint(
            "peers_offline",
            format!("{} 个成员未连接", peers.total.saturating_sub(peers.online)),
            format!("{} members are not connected", peers.total.saturating_sub(peers.online)),
            Some("chengxin peer list"),
        ));
    }
    if status.imports_open > 0 {
        hints.push(hint(
            "imports_open",
            format!("{} 个导入未完成", status.imports_open),
            format!("{} imports are neither finished nor taken back", status.imports_open),
            Some("chengxin import list"),
        ));
    }
    if services.separation == Separation::Trial {
        hints.push(hint(
            SEPARATION_OFF,
            "试用模式: 三员分立未对系统用户强制执行",
            "on trial: separation of duties is not enforced on users of the operating system",
            None,
        ));
    }
    hints
}

#[cfg(test)]
mod tests {
    use chengxin_schemas::digest::Sha256;
    use chengxin_schemas::time::UnixTime;

    use super::*;

    #[test]
    fn a_refused_policy_is_told_in_both_languages() {
        let version = "baseline-2026.9".parse().expect("version");
        let reason = "the compressed form is damaged";
        let refused = RefusedPolicy::new(version, Sha256([1; 32]), UnixTime(1), reason);
        let told = policy_refused(&refused);
        assert!(told.text_en.contains("baseline-2026.9") && told.text_en.contains(reason));
        assert!(told.text_zh.contains("baseline-2026.9") && told.text_zh.contains("压缩数据已损坏"));
    }

    #[test]
    fn a_clock_that_differs_is_told_in_both_languages_and_a_fault() {
        assert!(clock_differs(&ClockStatus::default()).is_empty());
        let member = "11150000DEM000129D".parse().expect("code");
        let told = clock_differs(&ClockStatus { differing: vec![member; 9], behind_directory: Some(3_600) });
        assert_eq!(
            told.iter().map(|hint| hint.code.as_str()).collect::<Vec<_>>(),
            ["clock_behind", "clock_differs"]
        );
        assert!(
            told[0].text_zh.contains("3600 秒")
                && told[1].text_en.contains("9 members (11150000DEM000129D, ")
        );
        assert_eq!(told[1].text_zh.matches("11150000DEM000129D").count(), CLOCKS_NAMED);
    }

    #[test]
    fn a_store_that_stopped_says_why_in_both_languages() {
        let reason = "the store stopped after a failed write (No space left on device (os error 28)): free space or repair the disk, then open it again";
        let told = store_stopped(reason);
        assert!(told.text_en.contains(reason) && told.text_zh.contains("写入失败后存储已停止"), "{told:?}");
        assert_ne!(told.code, SEPARATION_OFF, "it is a fault");
    }

    #[test]
    fn damaged_files_of_the_store_are_told_in_both_languages() {
        assert!(values_damaged(0).is_none());
        let told = values_damaged(3).expect("a hint");
        assert!(told.text_zh.contains("3 个文件") && told.text_en.starts_with("3 of the store's files"));
        assert_ne!(told.code, SEPARATION_OFF, "it is a fault");
    }
}
