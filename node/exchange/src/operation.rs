//! The context of everything an operator does: who, in which role, when.

use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::time::{Day, UnixTime};

use crate::error::{ExchangeError, Result};

/// Who does something, established by the layer that met the person, and when.
#[derive(Clone, Debug)]
pub struct Operation {
    account: OperatorName,
    role: Role,
    now: UnixTime,
}

impl Operation {
    /// Only [`crate::operator`] makes these: holding one means that the account exists, is enabled and has the role.
    pub(crate) fn new(account: OperatorName, role: Role, now: UnixTime) -> Self {
        Self { account, role, now }
    }

    /// The account.
    pub fn account(&self) -> &OperatorName {
        &self.account
    }

    /// The role the operator acts in.
    pub fn role(&self) -> Role {
        self.role
    }

    /// When the operation began; everything in it uses this time.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The day on which the operation began.
    pub fn today(&self) -> Day {
        Day(self.now.shanghai_date())
    }

    /// Refuses unless the acting role is one of `allowed`.
    pub fn require(&self, allowed: &'static [Role], act: &'static str) -> Result<()> {
        if allowed.contains(&self.role) {
            Ok(())
        } else {
            Err(ExchangeError::Role { role: self.role, act, needed: allowed })
        }
    }
}
