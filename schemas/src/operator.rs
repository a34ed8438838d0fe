//! Operators: the accounts of a node, and the roles that policy knows.

use serde::{Deserialize, Serialize};

use crate::category::vocabulary;
use crate::error::SchemaError;
use crate::federation::label;

label! {
    /// Account name of an operator within one node. Pseudonymous towards peers: they see it with the agency's name,
    /// never the person's.
    OperatorName, "operator", 32, "^[a-z][a-z0-9-]{0,31}$"
}
vocabulary! {
    /// What an operator may be. The three administrators are kept apart (三员分立): nobody holds two of them.
    Role, "role" {
        /// Checks counterparties, files records.
        Clerk = "clerk" / "经办人",
        /// Confirms what a clerk prepared.
        Reviewer = "reviewer" / "复核人",
        /// Issues members, policy and catalogue for a federation or a region.
        Coordinator = "coordinator" / "统筹员",
        /// Runs the node.
        SystemAdministrator = "system_administrator" / "系统管理员",
        /// Grants roles and watches access.
        SecurityAdministrator = "security_administrator" / "安全管理员",
        /// Reads and verifies the audit log.
        AuditAdministrator = "audit_administrator" / "审计管理员",
    }
}

impl Role {
    /// Whether the role is one of the three that must be different people.
    pub fn is_administrator(self) -> bool {
        match self {
            Self::SystemAdministrator | Self::SecurityAdministrator | Self::AuditAdministrator => true,
            Self::Clerk | Self::Reviewer | Self::Coordinator => false,
        }
    }

    /// Refuses a set of roles in which one person would administer what another is to watch: two administrators in
    /// one, or the audit administrator doing business.
    pub fn check_separation(roles: &[Self]) -> Result<(), SchemaError> {
        let administrators = roles.iter().filter(|role| role.is_administrator()).count();
        let business = roles.iter().any(|role| !role.is_administrator());
        let auditor = roles.contains(&Self::AuditAdministrator);
        if administrators > 1 || (auditor && business) {
            return Err(SchemaError::field(
                "roles",
                "system, security and audit administrator are different people, and the audit administrator does no business",
                "give the roles to different operators",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_watches_himself() {
        use Role::*;
        assert!(Role::check_separation(&[Clerk, Reviewer]).is_ok());
        assert!(Role::check_separation(&[SystemAdministrator, SecurityAdministrator]).is_err());
        assert!(Role::check_separation(&[AuditAdministrator, Clerk]).is_err());
        assert!(Role::check_separation(&[SecurityAdministrator]).is_ok());
    }
}
