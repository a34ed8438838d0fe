//! The coordinator's way from an edited bundle to one in force: export, stage, sign, publish, watch, take back.

use std::collections::BTreeMap;

use chengxin_api::types::policy_diff::{PolicyChanges, PolicyTest};
use chengxin_api::types::policy_plan::{
    PlanDocument, PolicyStatus, PublishRequest, Published, RevertRequest, SignRequest,
};
use chengxin_api::types::policy_simulation::{PolicySimulation, SimulationQuery};
use chengxin_policy::{OverlayFiles, PolicyFiles};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::Day;

use super::policy::{files_load, told};
use super::reading::NO_QUERY;
use super::{Context, Ended, block_on};
use crate::arguments::{
    PolicyExportArguments, PolicyPublishArguments, PolicyRevertArguments, PolicySignArguments,
    PolicySimulateArguments, PolicyStageArguments,
};
use crate::client::with_query;
use crate::error::CliError;
use crate::shell::path_word;
use crate::texts::{Key, fill};

impl Context<'_> {
    /// The node replays its own log; a directory is sent as it is, a plan is there already.
    pub(super) fn policy_simulate(&mut self, arguments: &PolicySimulateArguments) -> Ended {
        let query = SimulationQuery { since: arguments.since.moment(self.now), peers: arguments.peers };
        let (path, packed, next) = match (&arguments.plan, &arguments.directory) {
            (Some(version), _) => (
                format!("/api/v1/policy/plans/{version}/simulations"),
                Vec::new(),
                "chengxin policy status".to_owned(),
            ),
            (None, Some(directory)) => (
                "/api/v1/policy/simulations".to_owned(),
                self.packed_checked(&files_load(directory)?)?,
                format!("chengxin policy stage {}", path_word(directory)),
            ),
            // The parser asks for one of the two.
            (None, None) => return Err(neither()),
        };
        let path = with_query(&path, &query)?;
        let mut simulation: PolicySimulation = block_on(self.client()?.bytes_post(&path, packed))?;
        simulation.next.push(next);
        self.printed_next(simulation)
    }

    /// Writes the files into a directory that does not exist yet, so that nobody's edits are lost.
    pub(super) fn policy_export(&mut self, arguments: &PolicyExportArguments) -> Ended {
        let directory = &arguments.directory;
        let files = match arguments.overlay {
            None => PolicyFiles::Bundle(self.bundle_texts()?),
            Some(region) => PolicyFiles::Overlay(self.overlay_texts(region)?),
        };
        std::fs::create_dir(directory).map_err(|source| CliError::file(directory, source))?;
        for (name, text) in files.iter() {
            let path = directory.join(name);
            if let Some(folder) = path.parent().filter(|folder| folder != directory) {
                std::fs::create_dir_all(folder).map_err(|source| CliError::file(folder, source))?;
            }
            std::fs::write(&path, text).map_err(|source| CliError::file(&path, source))?;
        }
        let version = files.version().map_err(|error| told(&error))?.to_string();
        self.hint(Key::BundleExported, &[&version, &directory.display().to_string()]);
        // Afterwards: one that does not load is exported to be mended.
        let bundle = self.candidate_load(&files, None)?;
        let next = format!("chengxin policy test {}", path_word(directory));
        self.printed_next(PolicyTest::new(&bundle, vec![next]))
    }

    /// The overlay of a region that was published last, or a sample for the first one.
    fn overlay_texts(&mut self, region: RegionCode) -> Result<OverlayFiles, CliError> {
        let path = format!("/api/v1/policy/overlays/{region}");
        let fetched: Result<BTreeMap<String, String>, CliError> =
            block_on(self.client()?.document_fetch(&path, &NO_QUERY));
        let files = match fetched {
            Ok(texts) => OverlayFiles::new(texts),
            Err(CliError::Problem(problem)) if problem.code == ErrorCode::NotFound => {
                OverlayFiles::sample(region, Day(self.now.shanghai_date()))
            }
            Err(error) => return Err(error),
        };
        files.map_err(|error| told(&error))
    }

    /// What is wrong with a bundle is found here, before anything is sent.
    pub(super) fn policy_stage(&mut self, arguments: &PolicyStageArguments) -> Ended {
        let packed = self.packed_checked(&files_load(&arguments.directory)?)?;
        let staged: PlanDocument = block_on(self.client()?.bytes_post("/api/v1/policy/plans", packed))?;
        self.printed_next(staged)
    }

    pub(super) fn policy_plan_diff(&mut self, plan: Option<&PolicyVersion>) -> Ended {
        let path = match plan {
            Some(version) => format!("/api/v1/policy/plans/{version}/diff"),
            // The parser asks for one of the two.
            None => return Err(neither()),
        };
        let changes: PolicyChanges = block_on(self.client()?.document_fetch(&path, &NO_QUERY))?;
        self.printed_next(changes)
    }

    pub(super) fn policy_sign(&mut self, arguments: PolicySignArguments) -> Ended {
        let path = format!("/api/v1/policy/plans/{}/signatures", arguments.version);
        let request = SignRequest { digest: arguments.digest };
        let signed: PlanDocument = block_on(self.client()?.document_post(&path, &request))?;
        self.printed_next(signed)
    }

    /// Every member follows a publication, and none can be withdrawn: only followed by another.
    pub(super) fn policy_publish(&mut self, arguments: &PolicyPublishArguments) -> Ended {
        let (version, effective) = (arguments.version.to_string(), arguments.effective.to_string());
        let question = fill(Key::PublishQuestion, self.settings.language, &[&version, &effective]);
        self.console.confirm(self.settings, &question)?;
        let path = format!("/api/v1/policy/plans/{version}/publication");
        let request = PublishRequest { effective: arguments.effective };
        let published: Published = block_on(self.client()?.document_post(&path, &request))?;
        self.printed_next(published)
    }

    pub(super) fn policy_status(&mut self) -> Ended {
        let status: PolicyStatus =
            block_on(self.client()?.document_fetch("/api/v1/policy/status", &NO_QUERY))?;
        self.printed_next(status)
    }

    pub(super) fn policy_revert(&mut self, arguments: PolicyRevertArguments) -> Ended {
        let request = RevertRequest { to: arguments.to };
        let staged: PlanDocument =
            block_on(self.client()?.document_post("/api/v1/policy/reversions", &request))?;
        self.printed_next(staged)
    }

    pub(super) fn policy_discard(&mut self, version: &PolicyVersion) -> Ended {
        let question = fill(Key::DiscardQuestion, self.settings.language, &[&version.to_string()]);
        self.console.confirm(self.settings, &question)?;
        let path = format!("/api/v1/policy/plans/{version}/removal");
        let status: PolicyStatus = block_on(self.client()?.document_post(&path, &serde_json::json!({})))?;
        self.printed_next(status)
    }
}

fn neither() -> CliError {
    CliError::usage("DIR", "missing", "缺少", "give a directory or --plan", "给出目录或 --plan")
}
