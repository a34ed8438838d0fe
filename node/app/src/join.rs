//! `join`: how a node becomes a member, and how a member gets its directory again.
//!
//! A node that pinned a federation joins no other. The same one it may join again, while its node is stopped: where
//! `trust/` was lost or is damaged, the metadata is fetched anew, from any member, since none has to be trusted with it.
//! That needs no token while the directory lists the node's keys; a member that was removed needs one.
//!
//! What is damaged is not deleted: it is moved aside as it is, and what still holds of it goes into the new folder, above
//! all what was seen last. Where that is gone, nobody can say any more whether the state that a source shows is the newest:
//! it takes an older one that is not expired for good, until a member shows a newer one. The outcome says so.
//!
//! Crash story: the damaged folder is renamed first, and the new one is filled as at a first join, with its timestamp last.
//! A crash leaves a folder without a directory, which the next attempt fills; it then says that what was seen is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use chengxin_api::bounded_file::text_read;
use chengxin_audit_log::AuditLog;
use chengxin_network::{JoinClient, PeerAddress, TransportKey};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::time::{Clock as _, UnixTime};
use chengxin_schemas::wire::{self, JoinRequest, JoinResponse, PeerRequest, TokenText};
use chengxin_trust::{
    FolderSource, JoinApplication, MetadataSource, RootFingerprint, SourceError, TrustStore,
    VerifiedDirectory, application_sign,
};
use futures::future::BoxFuture;

use crate::clock::SystemClock;
use crate::coordination::{APPLICATION_FILE_LIMIT, ApplicationFile, ApplicationSchema, is_same_node};
use crate::error::AppError;
use crate::home::{Home, KeyRole, file_replace, folder_sync, key_read};
use crate::identity::NodeIdentity;
use crate::mesh::metadata_reply;
use crate::setup::{folder_clear, has_run, own_entry};
use crate::wiring;

/// How long joining may take at each step.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);

/// What `join` did.
pub(crate) struct JoinOutcome {
    pub(crate) federation: FederationId,
    pub(crate) fingerprint: RootFingerprint,
    pub(crate) identity: NodeIdentity,
    pub(crate) directory_version: u64,
    pub(crate) members: usize,
    /// The node's own entry in the directory.
    pub(crate) entry: Option<DirectoryEntry>,
    /// Of a node that was a member before.
    pub(crate) again: Option<FetchedAgain>,
}

/// How a member got its directory again.
pub(crate) struct FetchedAgain {
    /// When what was fetched was signed.
    pub(crate) signed_at: Option<UnixTime>,
    /// Whether it was held against what the node had seen before.
    pub(crate) is_newest_seen: bool,
    /// Where the damaged folder is.
    pub(crate) damaged: Option<PathBuf>,
}

/// What a join begins with.
struct Beginning {
    identity: NodeIdentity,
    trust: TrustStore,
    again: Option<FetchedAgain>,
    /// Keeps a member's node from running meanwhile.
    _running: Option<AuditLog>,
}

impl Beginning {
    async fn of(home: &Home, fingerprint: RootFingerprint) -> Result<Self, AppError> {
        let identity = NodeIdentity::read(home)?;
        let Some(pinned) = home.fingerprint_read()? else {
            let trust = trust_begin(home, fingerprint).await?;
            return Ok(Self { identity, trust, again: None, _running: None });
        };
        if pinned != fingerprint {
            return Err(AppError::State {
                what: "this node belongs to another federation already".to_owned(),
                fix: "a node joins one federation; use a new home for another",
                code: ErrorCode::Conflict,
            });
        }
        let running = Some(wiring::log_open(home, &identity)?);
        let (trust, again) = trust_begin_again(home, pinned).await?;
        Ok(Self { identity, trust, again: Some(again), _running: running })
    }

    /// Whether the directory lists this node under its keys.
    fn is_listed(&self, home: &Home, directory: &VerifiedDirectory) -> Result<bool, AppError> {
        let own = own_entry(home, &self.identity, false)?;
        Ok(directory.entry(&own.agency).is_some_and(|held| is_same_node(held, &own)))
    }

    fn finish(self, fingerprint: RootFingerprint, directory: &VerifiedDirectory) -> JoinOutcome {
        let again = self.again.map(|again| FetchedAgain { signed_at: directory.signed_at(), ..again });
        JoinOutcome {
            federation: directory.federation().clone(),
            fingerprint,
            entry: directory.entry(&self.identity.agency).cloned(),
            identity: self.identity,
            directory_version: directory.version(),
            members: directory.len(),
            again,
        }
    }
}

/// The trust store of a member. What does not hold is moved aside.
async fn trust_begin_again(
    home: &Home,
    pinned: RootFingerprint,
) -> Result<(TrustStore, FetchedAgain), AppError> {
    let error = match TrustStore::open(home.trust(), pinned).await {
        Ok(kept) => {
            let is_newest_seen = kept.directory().is_ok();
            return Ok((kept, FetchedAgain { signed_at: None, is_newest_seen, damaged: None }));
        }
        Err(error) => error,
    };
    // A disk that cannot be read is no damage to what it holds.
    if error.code() == ErrorCode::Internal {
        return Err(error.into());
    }
    let (place, damaged) = (home.trust(), home.trust_damaged(SystemClock.now()));
    std::fs::rename(&place, &damaged).map_err(AppError::file("rename", &place))?;
    folder_sync(home.path())?;
    let is_newest_seen = TrustStore::salvage(&place, &damaged, pinned).await?;
    let trust = TrustStore::open(&place, pinned).await?;
    Ok((trust, FetchedAgain { signed_at: None, is_newest_seen, damaged: Some(damaged) }))
}

/// The trust store to join with. What an earlier attempt verified of the same federation is kept: it need not be fetched
/// again, and nobody can show this node an older state. What does not hold under this fingerprint goes: it is of another
/// federation, or damaged, and this node has pinned none yet.
///
/// A node that ran has pinned one, and has only lost the file: in another federation it would queue its notices for that
/// one's members. Its metadata says which it was; where that is gone too, nothing here does.
async fn trust_begin(home: &Home, fingerprint: RootFingerprint) -> Result<TrustStore, AppError> {
    if let Ok(kept) = TrustStore::open(home.trust(), fingerprint).await {
        return Ok(kept);
    }
    if has_run(home) {
        return Err(AppError::State {
            what: "this node ran as a member's, and the metadata that it keeps does not hold under this fingerprint"
                .to_owned(),
            fix: "join the federation that it belongs to, or restore federation.fingerprint and trust from the backup; \
                  use a new home for another federation",
            code: ErrorCode::Integrity,
        });
    }
    folder_clear(&home.trust())?;
    Ok(TrustStore::open(home.trust(), fingerprint).await?)
}

/// Joins by a coordinator's door, with a token: verify the federation by its fingerprint, verify that the other side is a
/// coordinator of it, and only then show the token. A member whose keys are listed there shows it to nobody.
pub(crate) async fn join(
    home: &Home,
    address: &PeerAddress,
    fingerprint: RootFingerprint,
    token: &str,
) -> Result<JoinOutcome, AppError> {
    let begun = Beginning::of(home, fingerprint).await?;
    let trust = &begun.trust;
    let client = JoinClient::connect(&transport_key(home)?, address, JOIN_DEADLINE).await?;
    let source = ClientSource::new(&client, Asked::Door);
    trust.refresh(&source, SystemClock.now()).await?;
    let remote = client.remote().to_string();
    let mut directory = trust.directory()?;
    if !directory.coordinators().any(|entry| entry.transport_identity == remote) {
        return Err(AppError::State {
            what: "the node at this address is not a coordinator of the federation".to_owned(),
            fix: "ask the coordinator for the address of its own node; the token was not shown to anybody",
            code: ErrorCode::Unauthenticated,
        });
    }
    if begun.again.is_none() || !begun.is_listed(home, &directory)? {
        let application = application(home, &begun.identity, fingerprint)?;
        admit(&client, token, application).await?;
        trust.refresh(&source, SystemClock.now()).await?;
        directory = trust.directory()?;
    }
    if directory.entry(&begun.identity.agency).is_none() {
        return Err(AppError::State {
            what: "the coordinator admitted this node, but its directory does not list it".to_owned(),
            fix: "run the same join again; if it stays so, call the coordinator",
            code: ErrorCode::Integrity,
        });
    }
    home.fingerprint_write(fingerprint)?;
    Ok(begun.finish(fingerprint, &directory))
}

/// Fetches the directory of a member again, from any other member's node.
pub(crate) async fn join_again(
    home: &Home,
    address: &PeerAddress,
    fingerprint: RootFingerprint,
) -> Result<JoinOutcome, AppError> {
    let begun = Beginning::of(home, fingerprint).await?;
    let client = JoinClient::connect_to_member(&transport_key(home)?, address, JOIN_DEADLINE).await?;
    let source = ClientSource::new(&client, Asked::Member);
    begun.trust.refresh(&source, SystemClock.now()).await?;
    let directory = begun.trust.directory()?;
    if !begun.is_listed(home, &directory)? {
        return Err(AppError::State {
            what: format!("version {} of the directory does not list this node's keys", directory.version()),
            fix: "ask a coordinator for a new token and join with it",
            code: ErrorCode::Denied,
        });
    }
    Ok(begun.finish(fingerprint, &directory))
}

/// Joins with a copy of the federation's metadata in `folder`. A body that a coordinator has not entered yet gets its
/// application written instead, to be carried there.
pub(crate) async fn join_by_hand(
    home: &Home,
    folder: &Path,
    fingerprint: RootFingerprint,
) -> Result<JoinOutcome, AppError> {
    let begun = Beginning::of(home, fingerprint).await?;
    begun.trust.refresh(&FolderSource::new(folder), SystemClock.now()).await?;
    let directory = begun.trust.directory()?;
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let entered = directory
        .entry(&begun.identity.agency)
        .is_some_and(|entry| entry.signing_keys.iter().any(|timed| timed.jwk == *signing.public()));
    if !entered {
        let digest = application_write(home, &begun.identity, fingerprint)?;
        return Err(AppError::State {
            what: format!(
                "not entered in this directory yet; the application is in {}, its fingerprint is {digest}",
                home.application().display()
            ),
            fix: "carry it to a coordinator (chengxin federation enrol), tell the fingerprint by telephone, \
                  then join again with a newer copy of the metadata",
            code: ErrorCode::Busy,
        });
    }
    home.fingerprint_write(fingerprint)?;
    Ok(begun.finish(fingerprint, &directory))
}

fn transport_key(home: &Home) -> Result<TransportKey, AppError> {
    Ok(TransportKey::from_seed(*key_read(&home.key(KeyRole::Transport), KeyRole::Transport)?))
}

/// Writes the application for a coordinator who enters this body by hand. Returns the fingerprint of the file: the
/// SHA-256 of its bytes, which any tool computes again.
///
/// An application that says the same already stays as it is: it may be on its way, and its fingerprint told.
fn application_write(
    home: &Home,
    identity: &NodeIdentity,
    fingerprint: RootFingerprint,
) -> Result<Sha256, AppError> {
    let path = home.application();
    let file = ApplicationFile {
        schema: ApplicationSchema::V1,
        name: identity.name.clone(),
        region: identity.region,
        functions: identity.functions.clone(),
        application: application(home, identity, fingerprint)?,
    };
    if let Ok(text) = text_read(&path, APPLICATION_FILE_LIMIT)
        && serde_json::from_str(&text).is_ok_and(|kept| file.says_the_same(&kept))
    {
        return Ok(Sha256::of(text.as_bytes()));
    }
    let mut text = serde_json::to_string(&file)
        .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
    text.push('\n');
    file_replace(&path, 0o644, text.as_bytes())?;
    Ok(Sha256::of(text.as_bytes()))
}

/// The node's signed application to the federation of `fingerprint`.
pub(crate) fn application(
    home: &Home,
    identity: &NodeIdentity,
    fingerprint: RootFingerprint,
) -> Result<String, AppError> {
    let entry = own_entry(home, identity, false)?;
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let now = SystemClock.now();
    let claims = JoinApplication {
        aud: fingerprint.to_string(),
        iat: now,
        agency: identity.agency,
        signing_key: *signing.public(),
        signing_key_since: now,
        age_node_recipient: entry.age_node_recipient,
        age_recovery_recipient: entry.age_recovery_recipient,
        transport_identity: entry.transport_identity,
        addresses: entry.addresses,
        audit_log_key: entry.audit_log_key,
        protocol: entry.protocol,
    };
    Ok(application_sign(&claims, &signing)?)
}

async fn admit(client: &JoinClient, token: &str, application: String) -> Result<(), AppError> {
    let message = wire::encode(&JoinRequest::Admit { token: TokenText::new(token), application })?;
    let refused = |code, what: String| AppError::State {
        what,
        fix: "correct what it names, then join again; ask the coordinator for a new token if this one is used up",
        code,
    };
    let reply = client
        .call(Bytes::from(message), JOIN_DEADLINE)
        .await
        .map_err(|error| refused(error.code(), format!("the coordinator's node did not answer: {error}")))?;
    match wire::decode::<JoinResponse>(&reply)? {
        JoinResponse::Admitted { .. } => Ok(()),
        JoinResponse::Failed { code, reason } => Err(refused(code, format!("not admitted: {reason}"))),
        JoinResponse::Metadata(_) => {
            Err(refused(ErrorCode::Integrity, "the coordinator's node answered something else".to_owned()))
        }
    }
}

/// Whom a client asks, and with that in which form.
#[derive(Clone, Copy)]
enum Asked {
    Door,
    Member,
}

/// Metadata through a client's connection.
struct ClientSource<'a> {
    client: &'a JoinClient,
    asked: Asked,
    /// The door lets a visitor ask a few things at a time and answers busy beyond; the verifier fetches many at once.
    turns: tokio::sync::Semaphore,
}

/// Requests in progress at the door: as many as it allows one visitor.
const DOOR_REQUESTS: usize = 4;
/// How long one file may take. The longest, of 4 MiB, needs half a megabit in a second.
const FILE_DEADLINE: Duration = Duration::from_secs(60);

impl<'a> ClientSource<'a> {
    fn new(client: &'a JoinClient, asked: Asked) -> Self {
        Self { client, asked, turns: tokio::sync::Semaphore::new(DOOR_REQUESTS) }
    }
}

impl MetadataSource for ClientSource<'_> {
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let failed = |reason: String| SourceError::Failed { reason };
            let message = match self.asked {
                Asked::Door => wire::encode(&JoinRequest::Metadata(name)),
                Asked::Member => wire::encode(&PeerRequest::Metadata(name)),
            };
            let message = message.map_err(|error| failed(error.to_string()))?;
            let _turn = self.turns.acquire().await.map_err(|error| failed(error.to_string()))?;
            let reply = self
                .client
                .call(Bytes::from(message), FILE_DEADLINE)
                .await
                .map_err(|error| failed(error.to_string()))?;
            match self.asked {
                Asked::Door => door_reply(&reply, limit),
                Asked::Member => metadata_reply(&reply, limit),
            }
        })
    }
}

/// The file in a door's answer.
fn door_reply(reply: &[u8], limit: usize) -> Result<Option<Bytes>, SourceError> {
    let failed = |reason: String| SourceError::Failed { reason };
    match wire::decode::<JoinResponse>(reply).map_err(|error| failed(error.to_string()))? {
        JoinResponse::Metadata(Some(bytes)) if bytes.len() > limit => Err(SourceError::TooLarge { limit }),
        JoinResponse::Metadata(bytes) => Ok(bytes.map(Bytes::from)),
        JoinResponse::Admitted { .. } | JoinResponse::Failed { .. } => {
            Err(failed("the other side answered something else".to_owned()))
        }
    }
}
