//! Whether rules that were added to a bundle let anything out: the question an overlay is put.
//!
//! **Which bodies are asked about.** The new rules hold the old ones and more. A body gets something new only where a
//! permission matches it that the old rules do not have, and such a permission asks for one function or none; of a body with
//! that function alone no more denials are true. So bodies with no function, and with one that a permission names, show
//! every widening that there is.
//!
//! **Who answers.** The index: where it says that nothing widens, casbin says so too or nothing is decided, because each
//! decision is refused in which casbin does not confirm it. Where it says that something does, casbin is asked. To ask
//! casbin about all cells of a thousand purposes would take minutes.

use std::collections::BTreeSet;

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;

use crate::authoriser::Authoriser;
use crate::error::PolicyError;
use crate::request::{Action, SUBJECT_KINDS};
use crate::rules::rule_function;

use super::{CellChange, Direction, RulesByName, body_compare};

/// The first cell of `purposes` that `new` lets out more of than `old`. `new` has the purposes, roles and rules of `old`,
/// and more rules.
pub(crate) fn first_wider(
    old: &Authoriser,
    new: &Authoriser,
    purposes: &[PurposeCode],
) -> Result<Option<CellChange>, PolicyError> {
    let rules = RulesByName::new(new.bundle());
    for code in purposes {
        let Some(purpose) = new.bundle().purpose(code) else { continue };
        let named: BTreeSet<FunctionCode> =
            rules.about(purpose).filter(|rule| rule.allows).filter_map(rule_function).cloned().collect();
        let bodies = std::iter::once(Vec::new()).chain(named.into_iter().map(|function| vec![function]));
        for functions in bodies {
            if !widens(old, new, code, &functions)? {
                continue;
            }
            let changes = body_compare(old, new, code, &functions)?;
            if let Some(cell) = changes.into_iter().find(|cell| cell.direction() == Direction::Wider) {
                return Ok(Some(cell));
            }
        }
    }
    Ok(None)
}

/// Whether the index says that a body gets more of some cell.
fn widens(
    old: &Authoriser,
    new: &Authoriser,
    code: &PurposeCode,
    functions: &[FunctionCode],
) -> Result<bool, PolicyError> {
    for action in Action::ALL {
        for subject in SUBJECT_KINDS {
            for role in Role::ALL {
                let [before, after] =
                    [old, new].map(|side| side.indexed_at(code, functions, *role, action, subject));
                let (before, after) = (before?, after?);
                let wider = InformationCategory::ALL.iter().any(|category| {
                    ClassificationLevel::ALL
                        .iter()
                        .any(|level| after.treatment(*category, *level) < before.treatment(*category, *level))
                });
                if wider {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
