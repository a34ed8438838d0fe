//! Operator accounts: which operating-system user may act as whom, in which roles.

use std::sync::PoisonError;

use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::time::UnixTime;
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::row::Row;

/// Most accounts of one node; listing and separation checks read them all.
pub const OPERATORS_LIMIT: usize = 10_000;

/// An operator account, stored form version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAccount {
    /// The account's name.
    pub name: OperatorName,
    /// The person's name, for colleagues; never sent to peers.
    pub display_name: String,
    /// The operating-system user that may act as this account.
    pub user_id: u32,
    /// What the account may be.
    pub roles: Vec<Role>,
    /// Whether it may act at all.
    pub enabled: bool,
    /// When it was made.
    pub created: UnixTime,
    /// Who made it; absent for the accounts made when the node was set up.
    pub created_by: Option<OperatorName>,
}

impl Row for OperatorAccount {
    const NAME: &'static str = "operator account";
    const VERSION: u8 = 1;
}

/// How strictly separation of duties binds operating-system users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separation {
    /// One user, one set of compatible roles, over all the user's accounts.
    Enforced,
    /// For trials on one machine: one user may hold accounts of all kinds. Every account still keeps its own roles
    /// apart, and the node says in its status that separation is off.
    Trial,
}

/// What [`Node::operator_add`] needs.
#[derive(Clone, Debug)]
pub struct OperatorDraft {
    /// The account's name.
    pub name: OperatorName,
    /// The person's name.
    pub display_name: String,
    /// The operating-system user.
    pub user_id: u32,
    /// The roles.
    pub roles: Vec<Role>,
}

impl Node {
    /// Finds the account that `user_id` acts as. With several accounts the caller must name one; with several roles
    /// the caller may name one, else the first of the account counts.
    pub async fn operation_begin(
        &self,
        user_id: u32,
        wanted: Option<&OperatorName>,
        role: Option<Role>,
    ) -> Result<Operation> {
        let mine = self.accounts_of(user_id, wanted).await?;
        self.operation_choose(&mine, role)
    }

    /// Like [`Node::operation_begin`], but picks, among the roles of the account (or accounts) the user may act as,
    /// the first that is in `allowed`. If several accounts have it, the person must say which: another role would be
    /// another act in the log. Falls back to the plain choice, so that the refusal names the role.
    pub async fn operation_begin_for(
        &self,
        user_id: u32,
        wanted: Option<&OperatorName>,
        allowed: &[Role],
    ) -> Result<Operation> {
        let mine = self.accounts_of(user_id, wanted).await?;
        let has = |role: &&Role| mine.iter().any(|account| account.roles.contains(role));
        self.operation_choose(&mine, allowed.iter().find(has).copied())
    }

    /// Like [`Node::operation_begin`], by the accounts as they were read last: for a look at the node's condition while its
    /// store cannot be read, which is when somebody has to see why.
    pub fn operation_begin_last_known(
        &self,
        user_id: u32,
        wanted: Option<&OperatorName>,
        role: Option<Role>,
    ) -> Result<Operation> {
        let mut mine = self.accounts_seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        accounts_retain(&mut mine, user_id, wanted);
        let has = |role: &&Role| mine.iter().any(|account| account.roles.contains(role));
        self.operation_choose(&mine, role.or_else(|| Role::ALL.iter().find(has).copied()))
    }

    /// The enabled accounts of a user; only the one of the wanted name, if a name is given.
    async fn accounts_of(&self, user_id: u32, wanted: Option<&OperatorName>) -> Result<Vec<OperatorAccount>> {
        let mut mine = self.operators_all().await?;
        accounts_retain(&mut mine, user_id, wanted);
        Ok(mine)
    }

    /// The account among `mine` that has the role, and the role; the only account, if no role is given.
    fn operation_choose(&self, mine: &[OperatorAccount], role: Option<Role>) -> Result<Operation> {
        let with_role =
            || mine.iter().filter(|account| role.is_some_and(|role| account.roles.contains(&role)));
        let account = match mine {
            [] => {
                return Err(ExchangeError::NoAccount {
                    reason: "this user has no enabled account of that name; ask the security administrator for chengxin operator add"
                        .to_owned(),
                });
            }
            [only] => only,
            several => {
                // With a role given, exactly one account may have it; else the person must say.
                let mut candidates = with_role();
                match (candidates.next(), candidates.next()) {
                    (Some(only), None) => only,
                    (first, _) => {
                        let one_of: Vec<_> = match first {
                            Some(_) => with_role().map(|account| account.name.as_str()).collect(),
                            None => several.iter().map(|account| account.name.as_str()).collect(),
                        };
                        return Err(ExchangeError::NoAccount {
                            reason: format!(
                                "this user may act as {}; choose one with --operator",
                                one_of.join(", ")
                            ),
                        });
                    }
                }
            }
        };
        let role = match role {
            Some(role) if account.roles.contains(&role) => role,
            Some(role) => {
                return Err(ExchangeError::RoleNotHeld { account: account.name.clone(), role });
            }
            None => *account
                .roles
                .first()
                .ok_or_else(|| ExchangeError::NoAccount { reason: "the account has no role".to_owned() })?,
        };
        Ok(Operation::new(account.name.clone(), role, self.now()))
    }

    /// Makes an account. Only the security administrator may, and not for itself: under [`Separation::Enforced`] the new
    /// account's user is not the one who acts. Trying so is logged.
    pub async fn operator_add(
        &self,
        operation: &Operation,
        draft: OperatorDraft,
        separation: Separation,
    ) -> Result<OperatorAccount> {
        operation.require(&[Role::SecurityAdministrator], "add operators")?;
        self.operator_create(operation, draft, separation).await
    }

    /// Makes the first accounts of a new node, all in one write: a node without a security administrator could never get
    /// one. Refused as soon as one account exists.
    pub async fn operators_found(
        &self,
        drafts: Vec<OperatorDraft>,
        separation: Separation,
    ) -> Result<Vec<OperatorAccount>> {
        let _guard = self.operators_changing.lock().await;
        if !self.operators_all().await?.is_empty() {
            return Err(ExchangeError::Conflict {
                what: "operators",
                reason: "the node has accounts already; the security administrator adds more".to_owned(),
            });
        }
        let mut accounts = Vec::with_capacity(drafts.len());
        for draft in drafts {
            accounts.push(self.account_check(&accounts, draft, separation, None)?);
        }
        self.accounts_write(None, &accounts).await?;
        Ok(accounts)
    }

    async fn operator_create(
        &self,
        operation: &Operation,
        draft: OperatorDraft,
        separation: Separation,
    ) -> Result<OperatorAccount> {
        let _guard = self.operators_changing.lock().await;
        let existing = self.operators_all().await?;
        let own = existing.iter().find(|account| account.name == *operation.account());
        if separation == Separation::Enforced && own.is_none_or(|own| own.user_id == draft.user_id) {
            self.access_refused(operation, "operator.own-user").await?;
            return Err(ExchangeError::Conflict {
                what: "uid",
                reason: "nobody makes an account for himself; another security administrator does".to_owned(),
            });
        }
        let account = self.account_check(&existing, draft, separation, Some(operation.account()))?;
        self.accounts_write(Some(operation), std::slice::from_ref(&account)).await?;
        Ok(account)
    }

    /// Turns a draft into an account, if it is whole and leaves the administrators apart.
    fn account_check(
        &self,
        existing: &[OperatorAccount],
        draft: OperatorDraft,
        separation: Separation,
        created_by: Option<&OperatorName>,
    ) -> Result<OperatorAccount> {
        if existing.len() >= OPERATORS_LIMIT {
            return Err(ExchangeError::Busy {
                what: "operators",
                reason: format!("at most {OPERATORS_LIMIT} accounts"),
            });
        }
        if existing.iter().any(|account| account.name == draft.name) {
            return Err(ExchangeError::Conflict {
                what: "operator",
                reason: "an account of that name exists; names are not reused".to_owned(),
            });
        }
        let mut roles = draft.roles;
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(ExchangeError::Conflict {
                what: "roles",
                reason: "give at least one role".to_owned(),
            });
        }
        Role::check_separation(&roles)?;
        if separation == Separation::Enforced {
            let mut held: Vec<Role> = existing
                .iter()
                .filter(|account| account.user_id == draft.user_id && account.enabled)
                .flat_map(|account| account.roles.iter().copied())
                .chain(roles.iter().copied())
                .collect();
            held.sort_unstable();
            held.dedup();
            Role::check_separation(&held)?;
        }
        Ok(OperatorAccount {
            name: draft.name,
            display_name: draft.display_name,
            user_id: draft.user_id,
            roles,
            enabled: true,
            created: self.now(),
            created_by: created_by.cloned(),
        })
    }

    /// Logs and keeps new accounts, all of them or none.
    async fn accounts_write(
        &self,
        operation: Option<&Operation>,
        accounts: &[OperatorAccount],
    ) -> Result<()> {
        let mut batch = Batch::new();
        for account in accounts {
            let roles: Vec<_> = account.roles.iter().map(|role| role.as_str()).collect();
            let entry = EntryDraft::new(EntryKind::OperatorChanged)
                .detail("operator", account.name.as_str())
                .detail("roles", &roles.join(","));
            self.audit_append(operation, entry).await?;
            let key = keyspace::operator(account.name.as_str());
            batch.expect_absent(key.clone());
            batch.put(key, account.encode()?);
        }
        self.parts.store.commit(batch).await.map_err(|error| match error {
            chengxin_store::StoreError::Conflict { .. } => ExchangeError::Conflict {
                what: "operator",
                reason: "an account of that name exists; names are not reused".to_owned(),
            },
            other => other.into(),
        })?;
        self.accounts_forget();
        Ok(())
    }

    /// Disables an account for good; its name stays taken, because the log refers to it.
    pub async fn operator_disable(
        &self,
        operation: &Operation,
        name: &OperatorName,
    ) -> Result<OperatorAccount> {
        operation.require(&[Role::SecurityAdministrator], "disable operators")?;
        let _guard = self.operators_changing.lock().await;
        if operation.account() == name {
            return Err(ExchangeError::Conflict {
                what: "operator",
                reason: "nobody disables the account he acts as; another security administrator does"
                    .to_owned(),
            });
        }
        let key = keyspace::operator(name.as_str());
        let bytes = self
            .parts
            .store
            .get(&key)
            .await?
            .ok_or(ExchangeError::NotFound { what: "the operator account" })?;
        let mut account = OperatorAccount::decode(&bytes)?;
        account.enabled = false;
        let entry = EntryDraft::new(EntryKind::OperatorChanged)
            .detail("operator", name.as_str())
            .detail("enabled", "false");
        self.audit_append(Some(operation), entry).await?;
        let mut batch = Batch::new();
        batch.expect(key.clone(), Some(bytes));
        batch.put(key, account.encode()?);
        self.parts.store.commit(batch).await?;
        self.accounts_forget();
        Ok(account)
    }

    /// What was read before a change is known no more.
    fn accounts_forget(&self) {
        self.accounts_seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All accounts, by name.
    pub async fn operators_list(&self, _operation: &Operation) -> Result<Vec<OperatorAccount>> {
        self.operators_all().await
    }

    pub(crate) async fn operators_all(&self) -> Result<Vec<OperatorAccount>> {
        let mut range = KeyRange::prefix(&keyspace::operators());
        let mut accounts = Vec::new();
        loop {
            let page = self.parts.store.scan(range.clone(), 1_000).await?;
            let Some((last, _)) = page.last() else {
                *self.accounts_seen.lock().unwrap_or_else(PoisonError::into_inner) = accounts.clone();
                return Ok(accounts);
            };
            range = range.after(last);
            for (_, bytes) in &page {
                accounts.push(OperatorAccount::decode(bytes)?);
            }
        }
    }
}

/// Leaves the enabled accounts of a user; only the one of the wanted name, if a name is given.
fn accounts_retain(accounts: &mut Vec<OperatorAccount>, user_id: u32, wanted: Option<&OperatorName>) {
    accounts.retain(|account| account.user_id == user_id && account.enabled);
    accounts.retain(|account| wanted.is_none_or(|name| account.name == *name));
}
