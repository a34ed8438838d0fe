//! What the binary does itself, without a running node: the port that the program's main crate implements, and the
//! documents it answers with.

use std::path::{Path, PathBuf};

use chengxin_api::types::audit::AuditVerification;
use chengxin_api::types::check::Coverage;
use chengxin_api::types::config::Config;
use chengxin_api::types::time::Moment;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::certificate::{CertificateRecord, CertificateRestriction};
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::identity::CaseReference;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::unified_code::CheckException;
use serde::{Deserialize, Serialize};

use crate::arguments::{
    CertificateVerifyArguments, DemoArguments, FoundArguments, InitArguments, JoinArguments,
};
use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use crate::exit::Exit;

/// What the main crate does for the command line. Each method corresponds to one command and is called at most once
/// in a run; it must not write to standard output, because the answer is printed by the command line in the form the
/// person chose.
pub trait HostCommands {
    /// Where the running node listens: `--socket`, else the configuration that `settings` select.
    fn socket_path(&self, settings: &Settings) -> Result<PathBuf, CliError>;

    /// `init`: writes configuration, keys and first accounts; with `dry_run` only says what it would write. Refuses a
    /// folder that already holds a node.
    fn init(&self, settings: &Settings, arguments: &InitArguments) -> Result<InitOutcome, CliError>;

    /// `federation found`: makes root keys and metadata with this node as first coordinator.
    fn federation_found(
        &self,
        settings: &Settings,
        arguments: &FoundArguments,
    ) -> Result<FederationFounded, CliError>;

    /// What this machine's clock says.
    fn clock_now(&self) -> Moment;

    /// `federation confirm-clock`: signs the directory again by this machine's clock.
    fn federation_confirm_clock(&self, settings: &Settings) -> Result<ClockConfirmation, CliError>;

    /// `join`: fetches and verifies the federation's root by its fingerprint and redeems `token`. Without one, fetches the
    /// directory of a node again that is a member already.
    fn join(
        &self,
        settings: &Settings,
        arguments: &JoinArguments,
        token: Option<&JoinSecret>,
    ) -> Result<Joined, CliError>;

    /// `join FOLDER`: joins with metadata carried on a medium, after a coordinator entered this body by hand. Before
    /// that, writes the application that the coordinator enters and says so.
    fn join_by_hand(&self, settings: &Settings, arguments: &JoinArguments) -> Result<Joined, CliError>;

    /// `serve`: runs the node until it is told to stop. Returns when it has drained.
    fn serve(&self, settings: &Settings, console: &mut Console) -> Result<Exit, CliError>;

    /// `demo`: runs the story, narrating on the console.
    fn demo(
        &self,
        settings: &Settings,
        arguments: &DemoArguments,
        console: &mut Console,
    ) -> Result<Exit, CliError>;

    /// `certificate verify`: verifies offline against the federation metadata on disk.
    fn certificate_verify(
        &self,
        settings: &Settings,
        arguments: &CertificateVerifyArguments,
    ) -> Result<CertificateVerification, CliError>;

    /// `audit verify --offline`: verifies the log in `folder` without a node.
    fn audit_verify_offline(&self, settings: &Settings, folder: &Path)
    -> Result<AuditVerification, CliError>;

    /// `config show`: every setting with its origin, from flags, environment, files and defaults.
    fn config_show(&self, settings: &Settings) -> Result<Config, CliError>;

    /// `config default`: a commented configuration file with every default, as TOML.
    fn config_default(&self, settings: &Settings) -> Result<String, CliError>;

    /// `config validate`: parses and checks `file`, or what would be used without it. An invalid file is an answer with
    /// faults, not an error.
    fn config_validate(&self, settings: &Settings, file: Option<&Path>)
    -> Result<ConfigValidation, CliError>;

    /// `record template`: an empty file of the type's columns.
    fn record_template(&self, record_type: RecordType, form: TemplateForm) -> Result<Vec<u8>, CliError>;
}

/// Form of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateForm {
    /// Workbook with drop-down lists.
    Xlsx,
    /// UTF-8 with byte order mark.
    Csv,
}

/// A one-time token read from its file. Never printed.
pub struct JoinSecret(String);

impl JoinSecret {
    /// A token as its file holds it, without surrounding blanks.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The token.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for JoinSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JoinSecret(..)")
    }
}

/// A marker that serialises as one fixed text.
macro_rules! schema_tag {
    ($name:ident = $text:literal) => {
        #[doc = concat!("The tag `", $text, "`.")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            /// Version 1.
            #[default]
            #[serde(rename = $text)]
            V1,
        }
    };
}
schema_tag!(InitSchema = "init/v1");
schema_tag!(FederationSchema = "federation/v1");
schema_tag!(ClockSchema = "clock-confirmation/v1");
schema_tag!(JoinSchema = "join/v1");
schema_tag!(CertificateSchema = "certificate/v1");
schema_tag!(ConfigValidationSchema = "config-validation/v1");

/// What `init` did, or with `--dry-run` would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitOutcome {
    /// The tag.
    pub schema: InitSchema,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The body.
    pub agency: AgencyCode,
    /// Folder of the node's data.
    pub home: PathBuf,
    /// Every file written, in order.
    pub files: Vec<WrittenFile>,
    /// The accounts made.
    pub accounts: Vec<MadeAccount>,
    /// Commands that come next.
    pub next: Vec<String>,
}

/// One file that `init` or `federation found` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Where.
    pub path: PathBuf,
    /// What it is, in Chinese.
    pub purpose_zh: String,
    /// What it is, in English.
    pub purpose_en: String,
}

/// One account that `init` makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeAccount {
    /// Its name.
    pub name: OperatorName,
    /// The operating system's user.
    pub uid: u32,
    /// Its roles.
    pub roles: Vec<Role>,
}

/// What `federation found` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederationFounded {
    /// The tag.
    pub schema: FederationSchema,
    /// The federation.
    pub federation: FederationId,
    /// Fingerprint of the root: what members compare.
    pub root_fingerprint: String,
    /// How many root keys must sign.
    pub threshold: u8,
    /// The root keys' files, which belong into different safes.
    pub files: Vec<WrittenFile>,
    /// When the metadata must have been renewed.
    pub expires_at: Moment,
    /// Commands that come next.
    pub next: Vec<String>,
}

/// What `federation confirm-clock` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConfirmation {
    /// The tag.
    pub schema: ClockSchema,
    /// What the clock says; the directory is signed as of then.
    pub clock: Moment,
    /// When the directory was signed before that.
    pub signed_before: Option<Moment>,
    /// Commands that come next.
    pub next: Vec<String>,
}

/// What `join` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The tag.
    pub schema: JoinSchema,
    /// The federation.
    pub federation: FederationId,
    /// Fingerprint of the root, as verified.
    pub root_fingerprint: String,
    /// The own agency.
    pub agency: AgencyCode,
    /// Version of the directory that has it.
    pub directory_version: u64,
    /// Members in the directory.
    pub members: usize,
    /// Where the directory has the body otherwise than `init` was told; the directory counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<EntryDifference>,
    /// How a node that was a member before got its directory again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<FetchedAgain>,
    /// Commands that come next.
    pub next: Vec<String>,
}

/// A part of a body's entry in the directory that is not as the node has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDifference {
    /// Which part: name, region or functions.
    pub field: String,
    /// What `init` was told.
    pub here: String,
    /// What the coordinator entered.
    pub entered: String,
}

/// How a member got its directory again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedAgain {
    /// When what was fetched was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Moment>,
    /// Whether it was held against what the node had seen before; if not, it may be an older state that is still valid.
    pub newest_seen: bool,
    /// Where the damaged folder is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<PathBuf>,
}

/// What a check certificate says, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateVerification {
    /// The tag.
    pub schema: CertificateSchema,
    /// Whether the signature holds and the signer was a member when it signed.
    pub holds: bool,
    /// What does not hold, in Chinese and English; empty exactly when `holds`.
    pub faults: Vec<(String, String)>,
    /// What the certificate claims; believe it only if `holds`. Absent when it cannot be read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<CertificateContent>,
}

/// The content of a check certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateContent {
    /// Who was asked and what came of it.
    pub coverage: Coverage,
    /// Number of the check.
    pub check: String,
    /// The agency that checked.
    pub agency: AgencyCode,
    /// Its name, if the directory has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_name: Option<String>,
    /// The subject, a person's number masked.
    pub subject: String,
    /// Who vouched for the subject's code, and why, if its check is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_exception: Option<CheckException>,
    /// The name that was searched for as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// The certificate is of a form that does not say whether a name was searched for: nothing follows from its absence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub name_not_stated: bool,
    /// For what.
    pub purpose: PurposeCode,
    /// Under which law, where the purpose alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// By which authorisation of the subject, where one was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<SubjectAuthorisation>,
    /// The purpose's name in Chinese and English, if the policy built into this program knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_name: Option<(String, String)>,
    /// The open file.
    pub case_reference: CaseReference,
    /// The categories asked about.
    pub categories: Vec<InformationCategory>,
    /// The account that checked.
    pub operator: OperatorName,
    /// Its role.
    pub role: Role,
    /// The account that released the check and its role, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<OperatorReference>,
    /// Records found.
    pub records: Vec<CertificateRecord>,
    /// Restrictions in force.
    pub restrictions: Vec<CertifiedRestriction>,
    /// Version of the policy.
    pub policy: String,
    /// Index of the check's entry in the agency's audit log.
    pub audit_entry: u64,
}

/// A restriction as a certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedRestriction {
    /// What the certificate says.
    #[serde(flatten)]
    pub restriction: CertificateRestriction,
    /// The measure's name in Chinese and English, if the policy built into this program knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_name: Option<(String, String)>,
}

/// Whether a configuration is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigValidation {
    /// The tag.
    pub schema: ConfigValidationSchema,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// What is wrong; empty when the configuration is good.
    pub faults: Vec<ConfigFault>,
}

/// One fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFault {
    /// Dotted key, or empty for the file as a whole.
    pub key: String,
    /// Where it stands: a file with line, a variable or a flag.
    pub place: String,
    /// What is wrong, in Chinese.
    pub detail_zh: String,
    /// What is wrong, in English.
    pub detail_en: String,
}
