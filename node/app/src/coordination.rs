//! The coordinator's part of a node: tokens, admission, the door for those who are not members yet, and signing again
//! what would expire.
//!
//! Order of an admission: application and token checked, the editor asked whether it could admit, token redeemed and the
//! book durable, audit entry durable, entry signed and published, own trust store refreshed, answer sent. An applicant that
//! did not get the answer, for whatever reason, applies again: it is recognised by its keys, in the directory or in the
//! book, and the admission goes on from where it stopped.
//!
//! What an operator asks for runs in a task of its own: who asked may be gone before it is done, and what was logged and
//! written but not taken into the own trust store would not be in force until something else refreshed it.

mod application;
mod delegation;
mod door;
mod publication;
mod removed;

use std::sync::{Arc, Mutex, PoisonError};

use chengxin_api::bounded_file::{BoundedFileError, text_read};
use chengxin_audit_log::EntryKind;
use chengxin_exchange::Node;
use chengxin_exchange::audit::EntryDraft;
use chengxin_exchange::operation::Operation;
use chengxin_network::{JoinDoor, PeerAddress, PeerIdentity};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::time::{Clock, UnixTime};
use chengxin_trust::{
    DirectoryEditor, FolderSource, Redemption, RootFingerprint, SignedWhen, Token, TokenBook, TokenGrant,
    TokenRow, TrustStore, application_check,
};
use tokio::sync::{MappedMutexGuard, MutexGuard};
use zeroize::Zeroizing;

use crate::error::AppError;
use crate::home::{Home, file_replace};

pub(crate) use application::{APPLICATION_FILE_LIMIT, ApplicationFile, ApplicationSchema, is_same_node};
use application::{application_claims, entry_check};
use removed::RemovedMembers;

/// Longest token book: 16,000 rows of up to 4 KiB. One that would be longer is not written, or it could not be read again.
const TOKENS_FILE_LIMIT: u64 = 64 * 1024 * 1024;
/// The timestamp is signed again when less than this share of its life is left: one half.
const TIMESTAMP_RENEWAL_DIVISOR: i64 = 2;

/// What a coordinator's node does beside being a node.
pub(crate) struct Coordination {
    home: Home,
    fingerprint: RootFingerprint,
    editor: Arc<Mutex<DirectoryEditor>>,
    /// The book while the node works; nothing once it stops. Who changes the directory holds it from the first question to
    /// the end, so that what the editor said is still so when it signs.
    tokens: tokio::sync::Mutex<Option<TokenBook>>,
    /// Held for a moment only, by who holds the book.
    removed: Mutex<RemovedMembers>,
    trust: Arc<TrustStore>,
    clock: Arc<dyn Clock>,
    timestamp_life: i64,
    transport_seed: Zeroizing<[u8; 32]>,
    join_listen: Vec<PeerAddress>,
    door: tokio::sync::Mutex<Option<JoinDoor>>,
    /// Told whenever the directory has changed.
    changed: Arc<tokio::sync::Notify>,
}

/// A token that was just issued.
pub(crate) struct NewToken {
    /// Its text, given out once.
    pub(crate) text: Zeroizing<String>,
    /// When the token for the same body was issued that this one makes void.
    pub(crate) replaced: Option<UnixTime>,
}

/// What opening takes.
pub(crate) struct CoordinationParts {
    pub(crate) home: Home,
    pub(crate) editor: DirectoryEditor,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timestamp_life: i64,
    pub(crate) transport_seed: Zeroizing<[u8; 32]>,
    pub(crate) join_listen: Vec<PeerAddress>,
    pub(crate) changed: Arc<tokio::sync::Notify>,
}

impl Coordination {
    pub(crate) fn open(parts: CoordinationParts) -> Result<Arc<Self>, AppError> {
        let path = parts.home.tokens();
        let rows: Vec<TokenRow> = if path.exists() {
            let text = text_read(&path, TOKENS_FILE_LIMIT)?;
            serde_json::from_str(&text).map_err(|error| AppError::FileContent {
                path,
                reason: format!("not a token book: {error}"),
            })?
        } else {
            Vec::new()
        };
        Ok(Arc::new(Self {
            fingerprint: parts.editor.fingerprint(),
            removed: Mutex::new(RemovedMembers::read(&parts.home)?),
            home: parts.home,
            editor: Arc::new(Mutex::new(parts.editor)),
            tokens: tokio::sync::Mutex::new(Some(TokenBook::from_rows(rows)?)),
            trust: parts.trust,
            clock: parts.clock,
            timestamp_life: parts.timestamp_life,
            transport_seed: parts.transport_seed,
            join_listen: parts.join_listen,
            door: tokio::sync::Mutex::new(None),
            changed: parts.changed,
        }))
    }

    /// The token book, for one piece of work at a time.
    async fn book(&self) -> Result<MappedMutexGuard<'_, TokenBook>, AppError> {
        MutexGuard::try_map(self.tokens.lock().await, Option::as_mut).map_err(|_| AppError::State {
            what: "the node is stopping".to_owned(),
            fix: "ask again when it runs",
            code: ErrorCode::Unavailable,
        })
    }

    /// Waits for the work in progress, begins none any more and closes the door: nothing is logged from here behind the
    /// log's last entry.
    pub(crate) async fn stop(&self) {
        self.tokens.lock().await.take();
        self.door_close().await;
    }

    /// The fingerprint to give to those who join.
    pub(crate) fn fingerprint(&self) -> RootFingerprint {
        self.fingerprint
    }

    /// Issues a one-time token. The text is given out once and kept nowhere.
    pub(crate) async fn token_issue(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        grant: TokenGrant,
    ) -> Result<NewToken, AppError> {
        let (own, node, operation) = (self.clone(), node.clone(), operation.clone());
        to_its_end(async move { own.token_issue_here(&node, &operation, grant).await }).await
    }

    async fn token_issue_here(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        grant: TokenGrant,
    ) -> Result<NewToken, AppError> {
        operation.require(&[Role::Coordinator], "issue tokens")?;
        functions_check(node, &grant.functions)?;
        let mut random = Zeroizing::new([0_u8; 20]);
        chengxin_schemas::random::fill(random.as_mut());
        let token = Token::generate(random);
        let entry = EntryDraft::new(EntryKind::MemberChanged)
            .detail("step", "token_issued")
            .detail("agency", grant.agency.as_str())
            .detail("token", &token.digest().to_string());
        let entry = former_keys_named(entry, grant.former_keys);
        let mut held = self.book().await?;
        let mut book = held.clone();
        book.expire(self.clock.now());
        let issued = book.issue(&token, grant, self.clock.now())?;
        node.audit_append(Some(operation), entry).await?;
        self.book_write(&book).await?;
        *held = book;
        drop(held);
        self.door_adjust(node).await?;
        let replaced = issued.replaced.last().map(|row| row.issued_at);
        Ok(NewToken { text: token.reveal(), replaced })
    }

    /// Enters a member by hand from its application, whose fingerprint a person compared by another way.
    pub(crate) async fn member_enrol(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        text: &str,
        fingerprint: &str,
        former_keys: bool,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        let (own, node, operation) = (self.clone(), node.clone(), operation.clone());
        let (text, fingerprint) = (text.to_owned(), fingerprint.to_owned());
        to_its_end(
            async move { own.member_enrol_here(&node, &operation, &text, &fingerprint, former_keys).await },
        )
        .await
    }

    async fn member_enrol_here(
        &self,
        node: &Node,
        operation: &Operation,
        text: &str,
        fingerprint: &str,
        former_keys: bool,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        operation.require(&[Role::Coordinator], "enrol members")?;
        if Sha256::of(text.as_bytes()) != fingerprint.trim().parse()? {
            return Err(AppError::State {
                what: "the application's fingerprint is another than the one given".to_owned(),
                fix: "compare with the body again, by telephone or letter; somebody may have exchanged the file",
                code: ErrorCode::Integrity,
            });
        }
        let file: ApplicationFile = serde_json::from_str(text).map_err(|error| AppError::State {
            what: format!("not an application file: line {} column {}", error.line(), error.column()),
            fix: "give the file that chengxin join wrote at the body",
            code: ErrorCode::Invalid,
        })?;
        let claims = application_claims(&file.application)?;
        let grant = TokenGrant {
            agency: claims.agency,
            name: file.name,
            region: file.region,
            functions: file.functions,
            expires: claims.iat.plus(1),
            former_keys,
        };
        functions_check(node, &grant.functions)?;
        // The file may be days old: a person vouches for it.
        let checked = application_check(
            &file.application,
            &grant,
            &self.fingerprint,
            &claims.transport_identity,
            SignedWhen::AnyTime,
            self.clock.now(),
        )?;
        entry_check(&checked.entry)?;
        let _one_at_a_time = self.book().await?;
        if let Some(version) = self.admission_check(&checked.entry, DirectoryEntry::eq).await? {
            return Ok((checked.entry, version));
        }
        self.former_keys_check(&grant, &checked.entry)?;
        let entry = EntryDraft::new(EntryKind::MemberChanged)
            .detail("step", "enrolled")
            .detail("agency", grant.agency.as_str())
            .request(checked.digest);
        let entry = former_keys_named(entry, former_keys);
        node.audit_append(Some(operation), entry).await?;
        let version = self.entry_publish(checked.entry.clone()).await?;
        Ok((checked.entry, version))
    }

    /// Takes a member out of the directory: every node cuts it off when it sees the new version. What it signed before
    /// stays signed; its keys, in other hands, open no door any more. One that was published and not taken into the own
    /// trust store is finished by the next attempt.
    pub(crate) async fn member_remove(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        agency: AgencyCode,
        reason: &str,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        let (own, node, operation) = (self.clone(), node.clone(), operation.clone());
        let reason = reason.to_owned();
        to_its_end(async move { own.member_remove_here(&node, &operation, agency, &reason).await }).await
    }

    async fn member_remove_here(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        agency: AgencyCode,
        reason: &str,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        operation.require(&[Role::Coordinator], "remove members")?;
        let mut tokens = self.book().await?;
        let held = self.trust.directory()?.entry(&agency).cloned();
        let held =
            held.ok_or_else(|| chengxin_trust::TrustError::NotMember { agency: agency.to_string() })?;
        let now = self.clock.now();
        let published = self
            .edit(move |editor, _| {
                if !editor.entries().any(|entry| entry.agency == agency) {
                    return Ok(Some(editor.versions().directory));
                }
                editor.remove_check(&agency, now).map(|()| None)
            })
            .await?;
        if let Some(directory) = published {
            self.own_refresh().await?;
            return Ok((held, directory));
        }
        let entry = EntryDraft::new(EntryKind::MemberChanged)
            .detail("step", "removed")
            .detail("agency", agency.as_str())
            .detail("reason", reason);
        node.audit_append(Some(operation), entry).await?;
        // First its tokens, durably: with the one it joined by, it would be taken for an applicant whose admission stopped
        // half-way, and be back. A crash here leaves a member to be removed again.
        let mut book = tokens.clone();
        if book.withdraw(&agency) {
            self.book_write(&book).await?;
            *tokens = book;
        }
        self.removed_note(&held).await?;
        let versions = self.edit(move |editor, _| editor.member_remove(&agency, now)).await?;
        self.own_refresh().await?;
        drop(tokens);
        self.door_adjust_or_log(node).await;
        Ok((held, versions.directory))
    }

    /// Signs the timestamp again when half of its life is over. Returns whether it did.
    pub(crate) async fn timestamp_tend(&self) -> Result<bool, AppError> {
        let now = self.clock.now();
        let renewed = self
            .edit(move |editor, life| {
                let left = editor.versions().expires.since(now);
                if left > life / TIMESTAMP_RENEWAL_DIVISOR {
                    return Ok(false);
                }
                editor.timestamp_refresh(now).map(|_| true)
            })
            .await?;
        if renewed {
            self.own_refresh().await?;
        }
        Ok(renewed)
    }

    async fn edit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut DirectoryEditor, i64) -> Result<T, chengxin_trust::TrustError> + Send + 'static,
    ) -> Result<T, AppError> {
        let (editor, life) = (self.editor.clone(), self.timestamp_life);
        let done = tokio::task::spawn_blocking(move || {
            let mut editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut editor, life)
        });
        match done.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(AppError::State {
                what: "signing the directory ended unexpectedly".to_owned(),
                fix: "restart the node; the editor verifies the repository when it opens",
                code: ErrorCode::Internal,
            }),
        }
    }

    /// Refuses what the editor would not admit. Gives the directory's version if it lists the body already, as `is_same`
    /// has it: something failed between publishing and answering, and what is left of that is done here.
    async fn admission_check(
        &self,
        entry: &DirectoryEntry,
        is_same: fn(&DirectoryEntry, &DirectoryEntry) -> bool,
    ) -> Result<Option<u64>, AppError> {
        let (entry, now) = (entry.clone(), self.clock.now());
        let published = self
            .edit(move |editor, _| {
                if editor.entries().any(|held| is_same(held, &entry)) {
                    return Ok(Some(editor.versions().directory));
                }
                editor.admit_check(entry, now).map(|()| None)
            })
            .await?;
        if published.is_some() {
            self.own_refresh().await?;
        }
        Ok(published)
    }

    async fn entry_publish(&self, entry: DirectoryEntry) -> Result<u64, AppError> {
        let now = self.clock.now();
        let versions = self.edit(move |editor, _| editor.member_admit(entry, now)).await?;
        self.own_refresh().await?;
        Ok(versions.directory)
    }

    /// Takes what was just signed into the own verified metadata, from where peers fetch it.
    async fn own_refresh(&self) -> Result<(), AppError> {
        self.trust.refresh(&FolderSource::new(self.home.repository()), self.clock.now()).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Refuses keys of a removed member, unless the coordinator said otherwise.
    fn former_keys_check(&self, grant: &TokenGrant, applied: &DirectoryEntry) -> Result<(), AppError> {
        if grant.former_keys {
            return Ok(());
        }
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).check(applied)
    }

    /// Writes down which keys a member has that is being removed.
    async fn removed_note(&self, entry: &DirectoryEntry) -> Result<(), AppError> {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        removed.note(entry, self.clock.now());
        let home = self.home.clone();
        let written = tokio::task::spawn_blocking(move || removed.write(&home).map(|()| removed));
        let written = written.await.unwrap_or_else(|_| {
            Err(AppError::State {
                what: "writing the list of removed members ended unexpectedly".to_owned(),
                fix: "restart the node; it reads the list again when it opens",
                code: ErrorCode::Internal,
            })
        })?;
        *self.removed.lock().unwrap_or_else(PoisonError::into_inner) = written;
        Ok(())
    }

    /// Puts the book on disk, on a thread that may wait for it.
    async fn book_write(&self, book: &TokenBook) -> Result<(), AppError> {
        let (path, rows) = (self.home.tokens(), book.rows().to_vec());
        let written = tokio::task::spawn_blocking(move || {
            let text = serde_json::to_vec(&rows)
                .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
            if u64::try_from(text.len()).is_ok_and(|length| length > TOKENS_FILE_LIMIT) {
                return Err(BoundedFileError::TooLong { path, limit: TOKENS_FILE_LIMIT }.into());
            }
            file_replace(&path, 0o600, &text)
        });
        written.await.unwrap_or_else(|_| {
            Err(AppError::State {
                what: "writing the token book ended unexpectedly".to_owned(),
                fix: "restart the node; it reads the book again when it opens",
                code: ErrorCode::Internal,
            })
        })
    }

    /// The directory's version, if it lists the body under the very keys it applies with.
    fn is_admitted(&self, applied: &DirectoryEntry) -> Option<u64> {
        let directory = self.trust.directory().ok()?;
        let held = directory.entry(&applied.agency)?;
        is_same_node(held, applied).then(|| directory.version())
    }

    async fn admit(
        self: &Arc<Self>,
        node: &Arc<Node>,
        from: PeerIdentity,
        token: &str,
        application: &str,
    ) -> Result<u64, AppError> {
        let token: Token = token.parse()?;
        let now = self.clock.now();
        let mut tokens = self.book().await?;
        let grant = tokens.grant(&token, now)?.clone();
        let signed = if tokens.is_redeemed(&token) { SignedWhen::AnyTime } else { SignedWhen::Lately };
        let checked =
            application_check(application, &grant, &self.fingerprint, &from.to_string(), signed, now)?;
        if let Some(version) = self.is_admitted(&checked.entry) {
            return Ok(version);
        }
        // Before the editor is asked: it would say of a body that is a member with other keys that its entry is to be
        // updated, where the body must learn that somebody else used its token.
        let mut book = tokens.clone();
        let redemption = book.redeem(&token, &checked, now)?;
        entry_check(&checked.entry)?;
        if let Some(version) = self.admission_check(&checked.entry, is_same_node).await? {
            return Ok(version);
        }
        self.former_keys_check(&grant, &checked.entry)?;
        match redemption {
            Redemption::First(_) => self.book_write(&book).await?,
            Redemption::Repeated(_) => {}
        }
        *tokens = book;
        let entry = EntryDraft::new(EntryKind::MemberChanged)
            .detail("step", "admitted_by_token")
            .detail("agency", grant.agency.as_str())
            .detail("token", &token.digest().to_string())
            .request(checked.digest);
        let entry = former_keys_named(entry, grant.former_keys);
        node.audit_append(None, entry).await?;
        let version = self.entry_publish(checked.entry).await?;
        drop(tokens);
        self.door_adjust_later(node);
        tracing::info!(agency = %grant.agency, peer = %from, "admitted by token");
        Ok(version)
    }
}

/// Refuses functions that the policy in force does not know: by none of its rules would the body be asked, entitled or
/// bound, and nobody would see why.
fn functions_check(node: &Node, functions: &[FunctionCode]) -> Result<(), AppError> {
    let policy = node.policy();
    let known = || policy.bundle().functions().iter().map(|function| &function.code);
    let Some(unknown) = functions.iter().find(|code| !known().any(|one| one == *code)) else { return Ok(()) };
    let list: Vec<_> = known().map(FunctionCode::as_str).collect();
    Err(AppError::State {
        what: format!("the policy in force knows no function {unknown}; it knows {}", list.join(", ")),
        fix: "name functions that it knows; chengxin policy show says what they are called",
        code: ErrorCode::Invalid,
    })
}

/// An entry that says that keys of a removed member are taken.
fn former_keys_named(entry: EntryDraft, former_keys: bool) -> EntryDraft {
    if former_keys { entry.detail("former_keys", "admitted") } else { entry }
}

/// Runs a piece of work to its end, whether or not somebody still waits for it.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, AppError>> + Send + 'static,
) -> Result<T, AppError> {
    tokio::spawn(work).await.unwrap_or_else(|_| {
        Err(AppError::State {
            what: "changing the federation ended unexpectedly".to_owned(),
            fix: "look at the members, and do it again if it is not done; the running log may say why",
            code: ErrorCode::Internal,
        })
    })
}

/// How long until the timestamp should be looked at again, in seconds.
pub(crate) fn tend_interval(timestamp_life: i64) -> u64 {
    u64::try_from((timestamp_life / 8).clamp(5, 3_600)).unwrap_or(60)
}

#[cfg(test)]
mod tests;
