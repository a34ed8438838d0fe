//! A small federation in a temporary folder, and a source that lies as told.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{
    ContentName, DirectoryEditor, FolderSource, FoundParams, Lifetimes, MetadataSource, OnlineKeys,
    PolicyPart, RootFingerprint, SourceError, TrustStore, federation_found,
};
use futures::future::BoxFuture;
use serde_json::Value;
use zeroize::Zeroizing;

pub(crate) const NOW: UnixTime = UnixTime(1_795_334_400);
pub(crate) const DAY: i64 = 24 * 3600;
/// Where the federation's policy stands.
pub(crate) const POLICY: ContentName = ContentName::Policy(PolicyScope::Federation, PolicyPart::Bundle);
pub(crate) const BUNDLE: &[u8] = br#"{"schema":"chengxin/policy-bundle/v1"}"#;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([seed; 32])).expect("any seed is an Ed25519 key")
}

pub(crate) fn online(first: u8) -> OnlineKeys {
    OnlineKeys { targets: key(first), snapshot: key(first + 1), timestamp: key(first + 2) }
}

/// An agency whose code differs in its organisation part; the check character is computed here.
pub(crate) fn agency(number: u32) -> AgencyCode {
    let body = format!("11150100{number:09}");
    "0123456789ABCDEFGHJKLMNPQRTUWXY"
        .chars()
        .find_map(|check| format!("{body}{check}").parse().ok())
        .expect("one check character fits")
}

pub(crate) fn recipient(seed: u8) -> String {
    SealIdentity::from_seed(&Zeroizing::new([seed; 32])).expect("any seed").to_recipient().to_string()
}

pub(crate) fn entry(number: u32) -> DirectoryEntry {
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: agency(number),
        name: format!("测试机关{number}"),
        region: "150100".parse().expect("region"),
        functions: vec!["procurement-supervision".parse().expect("function")],
        coordinator: false,
        overlay_region: None,
        signing_keys: vec![TimedKey { jwk: *key(200).public(), not_before: UnixTime(0), not_after: None }],
        age_node_recipient: recipient(1),
        age_recovery_recipient: recipient(2),
        transport_identity: format!("12D3KooWtest{number}"),
        addresses: vec![format!("/ip4/127.0.0.1/tcp/{}", 4000 + number)],
        audit_log_key: "example.test/log+00000000+AQ==".to_owned(),
        protocol: 1,
    }
}

pub(crate) fn coordinator() -> DirectoryEntry {
    DirectoryEntry { coordinator: true, ..entry(0) }
}

pub(crate) fn lifetimes() -> Lifetimes {
    Lifetimes { root: 400 * DAY, targets: 90 * DAY, snapshot: 14 * DAY, timestamp: 2 * DAY }
}

/// A founded federation: holders 1, 2, 3 (two sign), online keys 11, 12, 13, one coordinator.
pub(crate) struct Federation {
    base: tempfile::TempDir,
    pub(crate) fingerprint: RootFingerprint,
}

impl Federation {
    pub(crate) fn found() -> Self {
        Self::found_with(lifetimes(), NOW)
    }

    pub(crate) fn found_with(lifetimes: Lifetimes, now: UnixTime) -> Self {
        let base = tempfile::tempdir().expect("folder");
        let root_keys = [key(1), key(2), key(3)];
        let founded = federation_found(
            &FoundParams {
                federation: "nmg-test".parse().expect("name"),
                root_keys: &root_keys,
                threshold: 2,
                online: &online(11),
                lifetimes,
                coordinator: coordinator(),
                contents: BTreeMap::from([
                    (POLICY, Bytes::from_static(BUNDLE)),
                    (ContentName::Calendar(2026), Bytes::from_static(b"{}")),
                ]),
            },
            &base.path().join("repository"),
            now,
        )
        .expect("founded");
        Self { base, fingerprint: founded.fingerprint }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.base.path().join("repository")
    }

    pub(crate) fn store_folder(&self) -> PathBuf {
        self.base.path().join("store")
    }

    pub(crate) fn source(&self) -> FolderSource {
        FolderSource::new(self.folder())
    }

    pub(crate) fn editor(&self) -> DirectoryEditor {
        self.editor_at(online(11), NOW)
    }

    pub(crate) fn editor_at(&self, keys: OnlineKeys, now: UnixTime) -> DirectoryEditor {
        DirectoryEditor::open(&self.folder(), keys, lifetimes(), now).expect("editor opens")
    }

    pub(crate) async fn store(&self) -> TrustStore {
        TrustStore::open(self.store_folder(), self.fingerprint).await.expect("store opens")
    }

    /// A store that has everything published so far.
    pub(crate) async fn joined(&self) -> TrustStore {
        let store = self.store().await;
        store.refresh(&self.source(), NOW).await.expect("first refresh");
        store
    }

    /// Every file of the repository as a source that can be bent.
    pub(crate) fn copy(&self) -> Bent {
        let mut files = HashMap::new();
        for folder in ["metadata", "targets"] {
            let top = self.folder().join(folder);
            let mut waiting = vec![top.clone()];
            while let Some(next) = waiting.pop() {
                for item in std::fs::read_dir(&next).expect("listing").flatten() {
                    if item.path().is_dir() {
                        waiting.push(item.path());
                    } else {
                        let name =
                            item.path().strip_prefix(&top).expect("below").to_str().expect("text").to_owned();
                        files.insert(name, Bytes::from(std::fs::read(item.path()).expect("read")));
                    }
                }
            }
        }
        Bent { files, asked: Mutex::new(Vec::new()), is_down: false }
    }
}

/// A source under an attacker's hand: any file replaced, all requests seen.
pub(crate) struct Bent {
    pub(crate) files: HashMap<String, Bytes>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) is_down: bool,
}

impl Bent {
    pub(crate) fn with(mut self, name: &str, bytes: impl Into<Bytes>) -> Self {
        self.files.insert(name.to_owned(), bytes.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.files.remove(name).expect("there was such a file");
        self
    }

    pub(crate) fn file(&self, name: &str) -> Bytes {
        self.files.get(name).unwrap_or_else(|| panic!("{name} is in the repository")).clone()
    }

    /// Writes the metadata into a repository's folder.
    pub(crate) fn write_into(&self, folder: &std::path::Path) {
        for (name, bytes) in self.files.iter().filter(|(name, _)| !name.contains('/')) {
            std::fs::write(folder.join("metadata").join(name), bytes).expect("written");
        }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }
}

impl MetadataSource for Bent {
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let found = self.files.get(&name).cloned();
            self.asked.lock().expect("not poisoned").push(name);
            if self.is_down {
                return Err(SourceError::Failed { reason: "no route to the peer".to_owned() });
            }
            // The limit is ignored on purpose: the store must not rely on the source.
            let _ = limit;
            Ok(found)
        })
    }
}

/// A metadata file changed and signed by whoever holds `keys`, as a thief of them would.
pub(crate) fn signed_again(file: &[u8], keys: &[SigningKey], change: impl FnOnce(&mut Value)) -> Bytes {
    let mut value: Value = serde_json::from_slice(file).expect("JSON");
    change(&mut value["signed"]);
    let message = canonical(&value["signed"]);
    let signatures: Vec<Value> = keys
        .iter()
        .map(|key| serde_json::json!({ "keyid": key_id(key), "sig": hex_encode(&key.sign(message.as_bytes())) }))
        .collect();
    value["signatures"] = signatures.into();
    Bytes::from(value.to_string())
}

/// The TUF key id, computed apart from the crate under test.
pub(crate) fn key_id(key: &SigningKey) -> String {
    let public = hex_encode(key.public().bytes());
    let value =
        serde_json::json!({ "keytype": "ed25519", "keyval": { "public": public }, "scheme": "ed25519" });
    hex_encode(&Sha256::of(canonical(&value).as_bytes()).0)
}

/// Canonical JSON, sufficient for ASCII without escapes: members sorted, no spaces.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            let parts: Vec<String> =
                sorted.iter().map(|(name, value)| format!("\"{name}\":{}", canonical(value))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// How a file above names the one below it.
pub(crate) fn reference(version: u64, bytes: &[u8]) -> Value {
    serde_json::json!({ "version": version, "length": bytes.len(), "hashes": { "sha256": hex_encode(&Sha256::of(bytes).0) } })
}

/// The source after a coordinator published one more target, whatever it is: version 2 of everything.
pub(crate) fn with_target(source: Bent, path: &str, content: &[u8]) -> Bent {
    let digest = hex_encode(&Sha256::of(content).0);
    let targets = signed_again(&source.file("1.targets.json"), &[key(11)], |signed| {
        signed["version"] = 2.into();
        signed["targets"][path] =
            serde_json::json!({ "length": content.len(), "hashes": { "sha256": digest } });
    });
    let snapshot = signed_again(&source.file("1.snapshot.json"), &[key(12)], |signed| {
        signed["version"] = 2.into();
        signed["meta"]["targets.json"] = reference(2, &targets);
    });
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        signed["version"] = 2.into();
        signed["meta"]["snapshot.json"] = reference(2, &snapshot);
    });
    let (folder, file) = path.rsplit_once('/').expect("a folder");
    source
        .with(&format!("{folder}/{digest}.{file}"), content.to_vec())
        .with("2.targets.json", targets)
        .with("2.snapshot.json", snapshot)
        .with("timestamp.json", timestamp)
}
