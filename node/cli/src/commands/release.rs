//! Releases of checks: asked for, given, refused.

use chengxin_api::types::release::{ReleaseDecisionRequest, ReleaseDocument, ReleaseRequest, Releases};
use chengxin_schemas::identity::ReleaseId;

use super::{Context, Ended, block_on};
use crate::arguments::CheckArguments;
use crate::exit::Exit;
use crate::texts::Key;

impl Context<'_> {
    /// Asks for the release of the check that the arguments describe.
    pub(super) fn release_request(&mut self, arguments: CheckArguments) -> Ended {
        let request = ReleaseRequest {
            subject: self.subject(arguments.subject)?,
            accept: arguments.accept,
            name: arguments.name,
            purpose: arguments.purpose,
            case_reference: arguments.reference,
            legal_basis: arguments.basis,
        };
        let client = self.client()?;
        let asked: ReleaseDocument = block_on(client.document_post("/api/v1/releases", &request))?;
        self.print(&asked)?;
        self.hint(Key::ReleaseAsked, &[&asked.release.release.to_string()]);
        Ok(Exit::Done)
    }

    pub(super) fn release_list(&mut self) -> Ended {
        let releases: Releases = block_on(self.client()?.document_fetch("/api/v1/releases", &[(); 0]))?;
        self.printed(&releases)
    }

    /// Gives the release, or refuses it with the reason.
    pub(super) fn release_decide(&mut self, release: ReleaseId, refusal: Option<String>) -> Ended {
        let path = format!("/api/v1/releases/{release}/decision");
        let request = ReleaseDecisionRequest { refusal };
        let decided: ReleaseDocument = block_on(self.client()?.document_post(&path, &request))?;
        self.printed(&decided)
    }
}
