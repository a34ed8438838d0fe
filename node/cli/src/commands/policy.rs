//! Commands about the content of the policy, and about bundles on their way into force.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_api::chinese::message_or_same;
use chengxin_api::failure::policy_problem;
use chengxin_api::types::policy_content::{Breaches, UnverifiedValues};
use chengxin_api::types::policy_diff::{PolicyChanges, PolicyTest};
use chengxin_api::types::problem::Problem;
use chengxin_policy::{Authoriser, Bundle, BundleFiles, PolicyDiff, PolicyError, PolicyFiles};
use chengxin_schemas::ErrorCode;

use super::reading::NO_QUERY;
use super::{Context, Ended, block_on};
use crate::arguments::{PolicyDiffArguments, PolicyTestArguments};
use crate::error::CliError;
use crate::shell::path_word;

impl Context<'_> {
    pub(super) fn policy_breaches(&mut self) -> Ended {
        let breaches: Breaches =
            block_on(self.client()?.document_fetch("/api/v1/policy/breaches", &NO_QUERY))?;
        self.printed(&breaches)
    }

    pub(super) fn policy_unverified(&mut self) -> Ended {
        let values: UnverifiedValues =
            block_on(self.client()?.document_fetch("/api/v1/policy/unverified", &NO_QUERY))?;
        self.printed(&values)
    }

    /// A bundle that loads has passed its tests, so there is nothing else to run; an overlay is laid over a bundle.
    pub(super) fn policy_test(&mut self, arguments: &PolicyTestArguments) -> Ended {
        let files = files_load(&arguments.directory)?;
        let bundle = self.candidate_load(&files, arguments.with.as_deref())?;
        let next = format!("chengxin policy diff {}", path_word(&arguments.directory));
        self.printed_next(PolicyTest::new(&bundle, vec![next]))
    }

    /// With the bundle in force at the node, or of two directories without any node.
    pub(super) fn policy_diff(&mut self, arguments: &PolicyDiffArguments) -> Ended {
        let Some(directory) = &arguments.directory else {
            return self.policy_plan_diff(arguments.plan.as_ref());
        };
        let files = files_load(directory)?;
        let mut changes: PolicyChanges = match &arguments.with {
            Some(with) => {
                let old = bundle_load(with)?;
                let new = self.candidate_load(&files, Some(with))?;
                changes(&old, &new).map_err(|error| told(&error))?
            }
            None => block_on(self.client()?.bytes_post("/api/v1/policy/diff", self.packed_checked(&files)?))?,
        };
        let place = path_word(directory);
        changes.next.extend([
            format!("chengxin policy simulate {place} --since 30d"),
            format!("chengxin policy stage {place}"),
        ]);
        self.printed_next(changes)
    }
}

impl Context<'_> {
    /// The files' packed form, once what can be found wrong here is found: a bundle is loaded, an overlay by the node.
    pub(super) fn packed_checked(&self, files: &PolicyFiles) -> Result<Vec<u8>, CliError> {
        match files {
            PolicyFiles::Bundle(files) => {
                Bundle::from_files(files.clone()).map_err(|error| told(&error))?;
                Ok(files.pack())
            }
            PolicyFiles::Overlay(files) => Ok(files.pack()),
        }
    }

    /// Loads files with their tests, an overlay over the bundle in a directory or over the one published last.
    pub(super) fn candidate_load(
        &mut self,
        files: &PolicyFiles,
        with: Option<&Path>,
    ) -> Result<Bundle, CliError> {
        match (files, with) {
            (PolicyFiles::Bundle(files), _) => Bundle::from_files(files.clone()),
            (PolicyFiles::Overlay(files), Some(base)) => bundle_load(base)?.overlay_stage(files),
            (PolicyFiles::Overlay(files), None) => {
                Bundle::from_files(self.bundle_texts()?).and_then(|base| base.overlay_stage(files))
            }
        }
        .map_err(|error| told(&error))
    }

    /// The bundle published last, from the node; not loaded.
    pub(super) fn bundle_texts(&mut self) -> Result<BundleFiles, CliError> {
        let texts: BTreeMap<String, String> =
            block_on(self.client()?.document_fetch("/api/v1/policy/bundle", &NO_QUERY))?;
        BundleFiles::new(texts).map_err(|error| told(&error))
    }
}

fn changes(old: &Bundle, new: &Bundle) -> Result<PolicyChanges, PolicyError> {
    let [before, after] = [old, new].map(|bundle| Authoriser::new(bundle.clone()));
    let diff = PolicyDiff::new(&before?, &after?)?;
    Ok(PolicyChanges::new(&diff, old, new, Vec::new()))
}

fn bundle_load(directory: &Path) -> Result<Bundle, CliError> {
    Bundle::load_directory(directory).map_err(|error| directory_told(directory, &error))
}

/// The files of a bundle or an overlay, not looked at yet.
pub(super) fn files_load(directory: &Path) -> Result<PolicyFiles, CliError> {
    PolicyFiles::load_directory(directory).map_err(|error| directory_told(directory, &error))
}

fn directory_told(directory: &Path, error: &PolicyError) -> CliError {
    match error {
        PolicyError::Read { file, source } if file == "." => {
            CliError::problem(directory_problem(directory, error.code(), source))
        }
        _ => told(error),
    }
}

/// The directory itself cannot be read. The bundle does not know its path; the person who typed it does.
fn directory_problem(directory: &Path, code: ErrorCode, source: &std::io::Error) -> Problem {
    let place = directory.display();
    let problem = Problem::new(
        code,
        format!("DIR: {place} cannot be read: {source}"),
        format!("DIR: 无法读取 {place}: {}", message_or_same(&source.to_string())),
    );
    let (en, zh) = if code == ErrorCode::Denied {
        ("let this user read the directory", "使当前系统用户可读该目录")
    } else {
        (
            "give the directory of a bundle or overlay, in which bundle.toml or overlay.toml lies",
            "给出策略包或收紧规则包的目录, 即 bundle.toml 或 overlay.toml 所在的目录",
        )
    };
    problem.with_field("DIR").with_fix(en, zh)
}

pub(super) fn told(error: &PolicyError) -> CliError {
    CliError::problem(policy_problem(error))
}
