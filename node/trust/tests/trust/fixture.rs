//! A small federation in a temporary folder, and a source that lies as told.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{
    ContentName, DirectoryEditor, FolderSource, FoundParams, Lifetimes, MetadataSource, OnlineKeys,
    RootFingerprint, SourceError, TrustStore, federation_found,
};
use futures::future::BoxFuture;
use zeroize::Zeroizing;

pub(crate) const NOW: UnixTime = UnixTime(1_795_334_400);
pub(crate) const DAY: i64 = 24 * 3600;
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

pub(crate) fn entry(number: u32) -> DirectoryEntry {
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: agency(number),
        name: format!("测试机关{number}"),
        region: "150100".parse().expect("region"),
        functions: vec!["procurement-supervision".parse().expect("function")],
        coordinator: false,
        signing_keys: vec![TimedKey { jwk: *key(200).public(), not_before: UnixTime(0), not_after: None }],
        age_node_recipient: "age1node".to_owned(),
        age_recovery_recipient: "age1recovery".to_owned(),
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
                    (ContentName::PolicyBundle, Bytes::from_static(BUNDLE)),
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
