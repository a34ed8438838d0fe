//! Setting a node up and showing the product: `init`, `join`, `demo`, `man`.

use std::path::PathBuf;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::region::RegionCode;
use clap::Args;

/// What a new node must know. Nothing is asked interactively: every value is a flag, so that the command can be
/// written down and repeated.
#[derive(Clone, Debug, Args)]
pub struct InitArguments {
    /// Unified social credit code of the body, beginning with 11 or 12
    #[arg(long, value_name = "CODE")]
    pub agency: AgencyCode,
    /// Official name of the body
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Division code of the region it serves
    #[arg(long, value_name = "CODE")]
    pub region: RegionCode,
    /// What the body does by law, as policy names it; repeat for several
    #[arg(long = "function", value_name = "CODE")]
    pub functions: Vec<FunctionCode>,
    /// Address to listen on for other members; repeat for several
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Address under which other members reach this node, where it differs from --listen; repeat for several
    #[arg(long, value_name = "MULTIADDR")]
    pub advertise: Vec<String>,
    /// First operator accounts, NAME[@UID]=ROLE[,ROLE]; without UID it is the user who types; repeat for several
    #[arg(long = "account", value_name = "ACCOUNT")]
    pub accounts: Vec<FirstAccount>,
    /// Where to write the recovery key, which then belongs into a safe and not on this machine
    #[arg(long, value_name = "FILE")]
    pub recovery_key: Option<PathBuf>,
    /// For a trial on one machine: one user may hold accounts that different people should hold
    #[arg(long)]
    pub trial: bool,
    /// Show what would be written and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// One account to make with `init`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAccount {
    /// Its name.
    pub name: OperatorName,
    /// The operating system's user; the one who types when absent.
    pub uid: Option<u32>,
    /// Its roles.
    pub roles: Vec<Role>,
}

impl std::str::FromStr for FirstAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "write NAME[@UID]=ROLE[,ROLE], for example zhang@1001=clerk,reviewer";
        let (who, roles) = text.split_once('=').ok_or(wrong)?;
        let (name, uid) = match who.split_once('@') {
            Some((name, uid)) => (name, Some(uid.parse().map_err(|_| wrong)?)),
            None => (who, None),
        };
        let roles = roles
            .split(',')
            .map(|role| role.trim().parse::<Role>().map_err(|error| error.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        Role::check_separation(&roles).map_err(|error| error.to_string())?;
        Ok(Self {
            name: name.parse().map_err(|error: chengxin_schemas::SchemaError| error.to_string())?,
            uid,
            roles,
        })
    }
}

/// How to find and trust a federation.
#[derive(Clone, Debug, Args)]
pub struct JoinArguments {
    /// Address of a coordinator's door, or a folder with a copy of the federation's metadata; of a member's node, to fetch the
    /// directory again that this member lost
    #[arg(value_name = "MULTIADDR|DIR")]
    pub address: String,
    /// Fingerprint of the federation's root, received by another way than the token
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: String,
    /// File with the one-time token, which a member whose keys are listed does not need; a token on the command line would stand in the shell's history (CHENGXIN_TOKEN_FILE)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// How to show the product.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArguments {
    /// Stop after the story; exit code 0 only if every step held
    #[arg(long)]
    pub exit: bool,
}

/// Where manual pages go.
#[derive(Clone, Debug, Args)]
pub struct ManArguments {
    /// Folder for the pages; it is made if it does not exist
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_account_has_a_name_and_roles_that_go_together() {
        let account: FirstAccount = "zhang@1001=clerk,reviewer".parse().expect("account");
        assert_eq!(account.uid, Some(1001));
        assert_eq!(account.roles, [Role::Clerk, Role::Reviewer]);
        assert_eq!(
            "li=审计管理员".parse::<FirstAccount>().expect("chinese").roles,
            [Role::AuditAdministrator]
        );
        for bad in
            ["zhang", "zhang=", "zhang@x=clerk", "Zhang=clerk", "zhang=king", "a=audit_administrator,clerk"]
        {
            assert!(bad.parse::<FirstAccount>().is_err(), "{bad}");
        }
    }
}
