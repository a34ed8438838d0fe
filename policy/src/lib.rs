//! Who may: bundle format, casbin authoriser, classification and redaction.
//!
//! A [`Bundle`] is data, loaded whole or not at all; an [`Overlay`] of a league or city narrows it; an [`Authoriser`]
//! decides by both. Reading shared data takes a [`Permit`], which only [`Authoriser::authorize`] builds and which names the
//! rule that allowed. This crate does no input or output of its own except reading a policy's directory on request, and it
//! has no clock: days are arguments.

mod authoriser;
mod bundle;
mod calendar;
mod catalogue;
mod classification;
mod content_tests;
mod deadlines;
mod decision_tests;
mod denial;
mod diff;
mod engine;
mod entries;
mod error;
mod explain;
mod field_change;
mod files;
mod functions;
mod incentives;
mod index;
mod measures;
mod overlay;
mod overlay_files;
mod overlay_rules;
mod overlay_values;
mod periods;
mod permit;
mod policy_files;
mod provenance;
mod published;
mod purposes;
mod reissue;
mod repair;
mod replay;
mod request;
mod roles;
mod rules;
mod severity;
mod table;
mod texts;
mod verification;

pub use authoriser::{Authoriser, Decision, PROFILE_LIMIT};
pub use bundle::{Bundle, Manifest};
pub use calendar::{Calendars, YearCalendar};
pub use catalogue::{Behaviour, BehaviourClass, BehaviourItem, BreachGrade, Catalogue, Criteria, Exemption};
pub use classification::{FieldClass, MaskRule};
pub use deadlines::{Binding, Counting, Deadline, DeadlineMatter, Deadlines, Due, TermLength};
pub use denial::{DenialReason, Denied, DeniedQuestion};
pub use diff::{
    CellChange, ChangeGroup, Demand, DemandChange, Direction, PolicyDiff, ValueChange, ValueChangeKind,
};
pub use engine::MODEL;
pub use error::{LookupError, PolicyError};
pub use explain::{CellExplanation, Explanation, NEEDED_LIMIT, Needed, NeededPurpose};
pub use field_change::{FieldChange, FieldForm};
pub use files::{BUNDLE_LIMIT, BundleFiles, FILE_LIMIT, FILES_LIMIT, PACKED_LIMIT, RULES_FILE_LIMIT};
pub use functions::{Function, FunctionScope};
pub use incentives::{Incentive, IncentiveGround};
pub use measures::{
    Applicability, DeclineReason, Measure, MeasureGround, NotApplicableReason, SanctionObject,
};
pub use overlay::{Inert, Overlay};
pub use overlay_files::{OVERLAY_LIMIT, OVERLAY_PACKED_LIMIT, OverlayFiles, OverlayManifest};
pub use periods::{Period, Publicity};
pub use permit::{Obligations, Permit, Release, WithholdReason};
pub use policy_files::PolicyFiles;
pub use provenance::{Provenance, RuleId};
pub use published::{PackedForm, published_encode, published_unpack};
pub use purposes::{Condition, Purpose};
pub use repair::{ConditionsNeeded, RepairEffect, RepairRule, RepairRules, RepairTerm, RepairTermKind};
pub use replay::{ReplayOutcome, Replayed, ReplayedCell};
pub use request::{AccessRequest, Action, AskerContext, Cell, SecondPerson, Treatment};
pub use roles::RoleDefinition;
pub use rules::{Rule, RuleList, Scope};
pub use severity::SeverityRuling;
pub use table::decision_table;
pub use verification::{MissingFact, Unverified};
