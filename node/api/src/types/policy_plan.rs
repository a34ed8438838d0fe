//! Plans for the policy and its adoption: what a coordinator staged and who signed it, what is published, who follows.

use chengxin_exchange::adoption_status::{AdoptionState, AdoptionStatus, MemberAdoption, ScopeStatus};
use chengxin_exchange::policy_plan::PolicyPlan;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_schemas::adoption::{AdoptedPolicy, AdoptionReport, ReadyPolicy, RefusedPolicy, ScheduleFault};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::publication::{APPROVALS_NEEDED, Publication};
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::Day;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`PlanDocument`].
    PlanSchema = "policy-plan/v1"
}
schema_tag! {
    /// Tag of [`Published`].
    PublishedSchema = "policy-published/v1"
}
schema_tag! {
    /// Tag of [`PolicyStatus`].
    PolicyStatusSchema = "policy-status/v1"
}

/// Hexadecimal digits of a digest in commands that name a content.
const DIGITS: usize = 16;

/// What staging, signing and taking back answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// The tag.
    pub schema: PlanSchema,
    /// The plan.
    pub plan: Plan,
    /// The commands that come next.
    pub next: Vec<String>,
}

/// A staged bundle or overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the bundle.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form.
    pub digest: Sha256,
    /// The version it was made on.
    pub base: PolicyVersion,
    /// Whether that is still the one published last; else it has to be staged again.
    pub current: bool,
    /// Who staged it.
    pub staged_by: OperatorName,
    /// When.
    pub staged_at: Moment,
    /// Who signed it.
    pub signatures: Vec<Signature>,
    /// How many different people have to sign.
    pub signatures_needed: usize,
}

/// A signature under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Who.
    pub account: OperatorName,
    /// When.
    pub at: Moment,
}

impl From<PolicyPlan> for Plan {
    fn from(plan: PolicyPlan) -> Self {
        Self {
            version: plan.version,
            digest: plan.bundle,
            base: plan.base_version,
            current: plan.is_current,
            staged_by: plan.staged_by,
            staged_at: plan.staged.into(),
            signatures: plan
                .approvals
                .into_iter()
                .map(|(account, at)| Signature { account, at: at.into() })
                .collect(),
            signatures_needed: APPROVALS_NEEDED,
        }
    }
}

impl PlanDocument {
    /// The plan with what comes next: a look at it and a signature, or publishing.
    pub fn new(plan: PolicyPlan) -> Self {
        let plan = Plan::from(plan);
        let next = plan.next();
        Self { schema: PlanSchema::V1, plan, next }
    }
}

impl Plan {
    fn next(&self) -> Vec<String> {
        let Self { version, digest, .. } = self;
        if !self.current {
            return vec!["chengxin policy stage DIR".to_owned()];
        }
        if self.signatures.len() >= self.signatures_needed {
            return vec![format!("chengxin policy publish {version} --effective YYYY-MM-DD")];
        }
        let digest: String = hex_encode(&digest.0).chars().take(DIGITS).collect();
        vec![
            format!("chengxin policy diff --plan {version}"),
            format!("chengxin policy simulate --plan {version} --since 30d"),
            format!("chengxin policy sign {version} --digest {digest}"),
        ]
    }
}

/// What `POST /api/v1/policy/plans/{version}/signatures` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The first hexadecimal digits of the digest of the content that was looked at; at least eight.
    pub digest: String,
}

/// What `POST /api/v1/policy/plans/{version}/publication` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The day, in Asia/Shanghai, from whose beginning it decides.
    pub effective: Day,
}

/// What `POST /api/v1/policy/reversions` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevertRequest {
    /// The version whose content is taken up again; the one before the last if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PolicyVersion>,
}

/// What publishing answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The tag.
    pub schema: PublishedSchema,
    /// What was published.
    pub publication: PublicationEntry,
    /// A version that waited for its day and is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<PolicyVersion>,
    /// The commands that come next.
    pub next: Vec<String>,
}

impl From<PreparedPublication> for Published {
    fn from(prepared: PreparedPublication) -> Self {
        Self {
            schema: PublishedSchema::V1,
            publication: PublicationEntry::new(&prepared.publication, false),
            replaced: prepared.replaced,
            next: vec!["chengxin policy status".to_owned()],
        }
    }
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationEntry {
    /// Version of the bundle.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form.
    pub digest: Sha256,
    /// From when it decides.
    pub effective: Day,
    /// When it was published.
    pub published_at: Moment,
    /// Whether it is the one due today.
    pub due: bool,
}

impl PublicationEntry {
    fn new(publication: &Publication, due: bool) -> Self {
        Self {
            version: publication.version.clone(),
            digest: publication.bundle,
            effective: publication.effective,
            published_at: publication.published.into(),
            due,
        }
    }
}

/// What `GET /api/v1/policy/status` answers: what is published, who follows, and the plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// The tag.
    pub schema: PolicyStatusSchema,
    /// In the order in which they decide.
    pub published: Vec<PublicationEntry>,
    /// Why what is published cannot be read, in English. Publishing again mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Members that decide by what is due, and are ready for what follows.
    pub adopted: usize,
    /// The members of which this node is told: all at a coordinator's node, those of its region at a league's or city's,
    /// elsewhere itself.
    pub members: Vec<MemberStatus>,
    /// The overlays of leagues and cities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<OverlayStatus>,
    /// Staged bundles and overlays.
    pub plans: Vec<Plan>,
    /// The commands that come next.
    pub next: Vec<String>,
}

/// The overlay of a league or city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayStatus {
    /// Which.
    pub region: RegionCode,
    /// In the order in which they decide.
    pub published: Vec<PublicationEntry>,
    /// Why what is published cannot be read, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Members there that decide by what is due, and are ready for what follows.
    pub adopted: usize,
    /// The members there, with their versions of the overlay.
    pub members: Vec<MemberStatus>,
}

/// One member's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The member.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: AdoptionWord,
    /// The version it decides by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<PolicyVersion>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// The version that it has loaded and that waits for its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<PolicyVersion>,
    /// The version it cannot take over; absent if it cannot read what is published at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<PolicyVersion>,
    /// Why not, in English; of an overlay that decides, the first thing that does not fit the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an overlay: how many of its entries narrow nothing, because they name what the bundle in force does not have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inert: u32,
    /// When it told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Moment>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How a member stands to what is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptionWord {
    /// Decides by what is due, and is ready for what follows.
    Adopted,
    /// Decides by what is due, and has not said that it is ready for what follows.
    Pending,
    /// Still decides by an earlier version.
    Lagging,
    /// Cannot take over what was published.
    Refused,
    /// Never told.
    Silent,
}

impl AdoptionWord {
    /// As it stands in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Pending => "pending",
            Self::Lagging => "lagging",
            Self::Refused => "refused",
            Self::Silent => "silent",
        }
    }
}

impl From<AdoptionState> for AdoptionWord {
    fn from(state: AdoptionState) -> Self {
        match state {
            AdoptionState::Adopted => Self::Adopted,
            AdoptionState::Pending => Self::Pending,
            AdoptionState::Lagging => Self::Lagging,
            AdoptionState::Refused => Self::Refused,
            AdoptionState::Silent => Self::Silent,
        }
    }
}

/// What a report says of one scope.
#[derive(Default)]
struct Told {
    in_force: Option<AdoptedPolicy>,
    ready: Option<ReadyPolicy>,
    refused: Option<RefusedPolicy>,
    fault: Option<ScheduleFault>,
    inert: u32,
    remark: Option<String>,
}

impl Told {
    fn of_bundle(report: AdoptionReport) -> Self {
        let AdoptionReport { in_force, ready, refused, fault, overlay: _ } = report;
        Self { in_force: Some(in_force), ready, refused, fault, inert: 0, remark: None }
    }

    fn of_overlay(report: AdoptionReport) -> Self {
        report.overlay.map_or_else(Self::default, |overlay| Self {
            in_force: overlay.in_force,
            ready: overlay.ready,
            refused: overlay.refused,
            fault: overlay.fault,
            inert: overlay.inert,
            remark: overlay.remark,
        })
    }
}

impl MemberStatus {
    fn new(member: MemberAdoption, told: fn(AdoptionReport) -> Told) -> Self {
        let (report, told_at) = member.report.unzip();
        let Told { in_force, ready, refused, fault, inert, remark } = report.map(told).unwrap_or_default();
        Self {
            agency: member.agency,
            name: member.name,
            state: member.state.into(),
            since: in_force.as_ref().map(|policy| policy.since.into()),
            version: in_force.map(|policy| policy.version),
            ready: ready.map(|policy| policy.version),
            reason: refused
                .as_ref()
                .map(|policy| policy.reason.clone())
                .or(fault.map(|fault| fault.reason))
                .or(remark),
            refused: refused.map(|policy| policy.version),
            inert,
            told_at: told_at.map(Moment::from),
        }
    }
}

fn published(status: &ScopeStatus) -> Vec<PublicationEntry> {
    let entry = |(place, publication)| PublicationEntry::new(publication, status.due == Some(place));
    status.published.iter().enumerate().map(entry).collect()
}

fn adopted(members: &[MemberStatus]) -> usize {
    members.iter().filter(|member| member.state == AdoptionWord::Adopted).count()
}

impl PolicyStatus {
    /// The state of the federation, with the plans.
    pub fn new(status: AdoptionStatus, plans: Vec<PolicyPlan>) -> Self {
        let overlays = status.overlays.into_iter().map(|(region, status)| {
            let published = published(&status);
            let of = |member| MemberStatus::new(member, Told::of_overlay);
            let members: Vec<MemberStatus> = status.members.into_iter().map(of).collect();
            OverlayStatus { region, published, fault: status.fault, adopted: adopted(&members), members }
        });
        let overlays = overlays.collect();
        let published = published(&status.bundle);
        let of = |member| MemberStatus::new(member, Told::of_bundle);
        let members: Vec<MemberStatus> = status.bundle.members.into_iter().map(of).collect();
        let plans: Vec<Plan> = plans.into_iter().map(Plan::from).collect();
        Self {
            schema: PolicyStatusSchema::V1,
            published,
            fault: status.bundle.fault,
            adopted: adopted(&members),
            overlays,
            next: plans.iter().flat_map(Plan::next).collect(),
            members,
            plans,
        }
    }
}
