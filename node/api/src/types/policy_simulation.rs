//! What would have become of the requests of the last days under another policy.

use chengxin_exchange::policy_simulation::{Simulation, SimulationLine};
use chengxin_exchange::policy_simulation_peers::{PeerSimulation, outcome};
use chengxin_policy::{Action, FieldChange, FieldForm, MaskRule};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory, SharingAttribute};
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
pub use chengxin_schemas::simulation::SimulatedOutcome;
use chengxin_schemas::simulation::{CountedLine, SimulationCounts};
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`PolicySimulation`].
    PolicySimulationSchema = "policy-simulation/v1"
}

/// The query of a simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationQuery {
    /// From when on requests are replayed.
    pub since: Moment,
    /// Whether the members are asked for counts of theirs.
    #[serde(default)]
    pub peers: bool,
}

/// What a simulation answers: counts of requests in this node's audit log. Nothing about any subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySimulation {
    /// The tag.
    pub schema: PolicySimulationSchema,
    /// The policy in force.
    pub from: String,
    /// The other one.
    pub to: String,
    /// From when on requests were replayed; later than asked for if there were too many.
    pub since: Moment,
    /// Whether everything asked for was replayed and stands here.
    pub complete: bool,
    /// Requests replayed.
    pub requests: u64,
    /// Of these, those that would get the same at every category and level.
    pub unchanged: u64,
    /// Requests that cannot be replayed, since their body was erased or the asker is no member.
    pub skipped: u64,
    /// What would change, the losses first.
    pub lines: Vec<SimulatedLine>,
    /// What the members asked told of their own logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberSimulation>,
    /// Fields that the other policy classifies otherwise. Every answer with one of them may show it otherwise; neither
    /// `unchanged` nor the lines take account of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields_changed: Vec<SimulatedField>,
    /// The commands that come next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// What one member told of its log: counts, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSimulation {
    /// The member.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// Its counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<MemberCounts>,
    /// Why it told none, in English or in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Counts of a member's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCounts {
    /// The policy by which it decides.
    pub from: String,
    /// From the beginning of which day requests were replayed.
    pub since: Moment,
    /// Whether everything asked for was replayed.
    pub complete: bool,
    /// Requests replayed.
    pub requests: u64,
    /// Of these, those that would change and stand in no line, rounded down to a multiple of five.
    pub others: u64,
    /// What would change.
    pub lines: Vec<MemberLine>,
}

/// Requests in one member's log that would end otherwise alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// What would become of them.
    pub outcome: SimulatedOutcome,
    /// Whose requests.
    pub asker: AgencyCode,
    /// `ask` for the member's own checks, `answer` for requests it answered.
    pub action: String,
    /// For what.
    pub purpose: PurposeCode,
    /// In which role.
    pub role: Role,
    /// About which kind of subject.
    pub subject_kind: SubjectKind,
    /// How many.
    pub requests: u64,
}

impl From<PeerSimulation> for MemberSimulation {
    fn from(told: PeerSimulation) -> Self {
        let (counts, reason) = match told.counts {
            Ok(counts) => (Some(counts.into()), None),
            Err(reason) => (None, Some(reason)),
        };
        Self { agency: told.agency, name: told.name, counts, reason }
    }
}

impl From<SimulationCounts> for MemberCounts {
    fn from(counts: SimulationCounts) -> Self {
        Self {
            from: counts.from,
            since: counts.since.into(),
            complete: counts.complete,
            requests: counts.requests,
            others: counts.others,
            lines: counts.lines.into_iter().map(MemberLine::from).collect(),
        }
    }
}

impl From<CountedLine> for MemberLine {
    fn from(line: CountedLine) -> Self {
        let action = if line.own { Action::Ask } else { Action::Answer };
        Self {
            outcome: line.outcome,
            asker: line.asker,
            action: action.as_str().to_owned(),
            purpose: line.purpose,
            role: line.role,
            subject_kind: line.subject_kind,
            requests: line.requests,
        }
    }
}

/// Requests of one asker that would end otherwise alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedLine {
    /// What would become of them.
    pub outcome: SimulatedOutcome,
    /// Whose requests.
    pub asker: AgencyCode,
    /// Its name.
    pub asker_name: String,
    /// `ask` for this body's own checks, `answer` for a peer's request answered here.
    pub action: String,
    /// For what.
    pub purpose: PurposeCode,
    /// In which role.
    pub role: Role,
    /// About which kind of subject.
    pub subject_kind: SubjectKind,
    /// How many.
    pub requests: u64,
    /// Where the two policies differ.
    pub changes: Vec<SimulatedChange>,
    /// At most so many fields that were shown whole would be masked, or withheld for want of a mask. The log does not tell
    /// the fields that are shown whatever the policy says, those of a record's public part and the one asked with, from
    /// the others.
    pub fields_masked: u64,
    /// At most so many fields that were shown or masked would be withheld.
    pub fields_withheld: u64,
}

/// A field that would be classified otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedField {
    /// The record type.
    pub record_type: RecordType,
    /// The field's name.
    pub field: String,
    /// Its name for people.
    pub label: String,
    /// As it is.
    pub from: SimulatedForm,
    /// As it would be.
    pub to: SimulatedForm,
}

/// What decides in which form a field leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedForm {
    /// Level in a record about an organisation.
    pub level: ClassificationLevel,
    /// Level in a record about a natural person.
    pub person_level: ClassificationLevel,
    /// Sharing attribute.
    pub sharing: SharingAttribute,
    /// Characters that remain at the beginning and at the end when it is masked; absent: it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<[u16; 2]>,
}

/// What would be let out otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedChange {
    /// The category.
    pub category: InformationCategory,
    /// The levels at which it is so.
    pub levels: Vec<ClassificationLevel>,
    /// `show`, `mask` or `withhold`, as it is.
    pub from: String,
    /// And as it would be.
    pub to: String,
}

impl PolicySimulation {
    /// A simulation as a document.
    pub fn new(simulation: Simulation, next: Vec<String>) -> Self {
        Self {
            schema: PolicySimulationSchema::V1,
            from: simulation.from,
            to: simulation.to,
            since: simulation.since.into(),
            complete: simulation.complete,
            requests: simulation.requests,
            unchanged: simulation.unchanged,
            skipped: simulation.skipped,
            members: Vec::new(),
            lines: simulation.lines.into_iter().map(SimulatedLine::from).collect(),
            fields_changed: simulation.fields_changed.into_iter().map(SimulatedField::from).collect(),
            next,
        }
    }
}

impl From<FieldChange> for SimulatedField {
    fn from(change: FieldChange) -> Self {
        let label = change.record_type.field(change.field).map_or("", |(_, definition)| definition.chinese);
        Self {
            record_type: change.record_type,
            field: change.field.to_owned(),
            label: label.to_owned(),
            from: change.from.into(),
            to: change.to.into(),
        }
    }
}

impl From<FieldForm> for SimulatedForm {
    fn from(form: FieldForm) -> Self {
        Self {
            level: form.level,
            person_level: form.person_level,
            sharing: form.sharing,
            mask: form.mask.map(MaskRule::ends),
        }
    }
}

impl From<SimulationLine> for SimulatedLine {
    fn from(line: SimulationLine) -> Self {
        let mut changes: Vec<SimulatedChange> = Vec::new();
        for cell in line.cells {
            let (from, to) = (cell.from.as_str(), cell.to.as_str());
            let alike = |change: &&mut SimulatedChange| {
                change.category == cell.category && change.from == from && change.to == to
            };
            match changes.iter_mut().find(alike) {
                Some(change) => change.levels.push(cell.level),
                None => changes.push(SimulatedChange {
                    category: cell.category,
                    levels: vec![cell.level],
                    from: from.to_owned(),
                    to: to.to_owned(),
                }),
            }
        }
        Self {
            outcome: outcome(line.outcome),
            asker: line.asker,
            asker_name: line.asker_name,
            action: line.action.as_str().to_owned(),
            purpose: line.purpose,
            role: line.role,
            subject_kind: line.subject_kind,
            requests: line.requests,
            changes,
            fields_masked: line.fields_masked,
            fields_withheld: line.fields_withheld,
        }
    }
}
