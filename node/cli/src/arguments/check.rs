//! Checking a subject and verifying the certificate of a check.

use std::path::PathBuf;

use chengxin_schemas::authorisation::AuthorisationReference;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::identity::{CaseReference, ReleaseId};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use clap::{Args, Subcommand};

use super::duration::Span;
use super::subject::SubjectArgument;

/// What is checked, for what.
#[derive(Clone, Args)]
pub struct CheckArguments {
    /// Unified social credit code, organisation code or resident identity number; - reads it from standard input
    #[arg(value_name = "SUBJECT")]
    pub subject: SubjectArgument,
    /// Vouch for a code whose check character fails, with the reason; named, logged, and told to the agencies asked
    #[arg(long, value_name = "REASON")]
    pub accept: Option<String>,
    /// Why: a purpose that policy knows; chengxin policy show lists them
    #[arg(long, value_name = "CODE")]
    pub purpose: PurposeCode,
    /// Number of the open file or project
    #[arg(long = "ref", value_name = "CASE")]
    pub reference: CaseReference,
    /// Name of the subject, for records that carry neither a unified code nor a number
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only these categories; repeat for several
    #[arg(long = "category", value_name = "CATEGORY")]
    pub categories: Vec<InformationCategory>,
    /// The law that permits the query, where the purpose alone does not say
    #[arg(long, value_name = "CITATION")]
    pub basis: Option<LegalBasis>,
    /// The subject's written authorisation, where the purpose needs one: its number, or its title and date
    #[arg(long, value_name = "REFERENCE")]
    pub authorisation: Option<AuthorisationReference>,
    /// The scan of the authorisation; its digest is stated and logged, the file is not sent
    #[arg(long, value_name = "FILE", requires = "authorisation")]
    pub authorisation_file: Option<PathBuf>,
    /// Ask a colleague to release the check, and do not make it yet
    #[arg(long, conflicts_with_all = ["release", "categories", "authorisation", "deadline", "certificate"])]
    pub request_release: bool,
    /// The release that a colleague gave, where the purpose needs one: q- and 32 hexadecimal digits
    #[arg(long, value_name = "RELEASE")]
    pub release: Option<ReleaseId>,
    /// How long to wait for the other agencies
    #[arg(long, value_name = "SPAN")]
    pub deadline: Option<Span>,
    /// Write the signed check certificate into this file
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
}

/// Leaves subject and name out: they may be a person's.
impl std::fmt::Debug for CheckArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CheckArguments")
            .field("purpose", &self.purpose)
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

/// What is done with certificates.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Verify a check certificate without asking anybody
    Verify(CertificateVerifyArguments),
}

/// Which certificate, against which directory.
#[derive(Clone, Debug, Args)]
pub struct CertificateVerifyArguments {
    /// The certificate
    #[arg(value_name = "FILE")]
    pub certificate: PathBuf,
    /// Fingerprint of the federation's root; the own node's federation when absent
    #[arg(long, value_name = "FINGERPRINT")]
    pub root_fingerprint: Option<String>,
}
