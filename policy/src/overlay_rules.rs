//! The rules of an overlay: denials, under ids of its region, about actions that it may narrow.

use std::collections::BTreeSet;

use chengxin_schemas::federation::FunctionCode;

use crate::authoriser::Authoriser;
use crate::bundle::Bundle;
use crate::diff::{CellChange, first_wider};
use crate::error::PolicyError;
use crate::overlay::{Overlay, Reader};
use crate::overlay_files::{OverlayFiles, RULES};
use crate::request::{Action, subject_str};
use crate::rules::{Rule, RuleFault, RuleNames, Rules, Scope, rule_parse, rules_read};

/// Most rules of an overlay. The baseline decides everything with some 120; a league that says more than fifteen times as
/// much writes a policy of its own.
const RULES_LIMIT: usize = 2_000;

const PERMISSION: &str = "a permission, and an overlay only denies";
const PERMISSION_FIX: &str =
    "write deny, or remove the rule: what opens access is the federation's to decide";

/// Parses the rules of an overlay for one base.
pub(crate) fn rules_parse(
    base: &Bundle,
    files: &OverlayFiles,
    reader: &mut Reader,
) -> Result<Rules, PolicyError> {
    let text = files.text(RULES).unwrap_or_default();
    let functions: BTreeSet<FunctionCode> =
        base.functions().iter().map(|function| function.code.clone()).collect();
    let names = RuleNames::new(&functions, base.purposes());
    let prefix = format!("{}.", files.manifest()?.region);
    let file = reader.file.clone();
    rules_read(&file, text, RULES_LIMIT, |line, record| {
        // Before anything is bound: what names nothing that the base has could still be a permission.
        if !reader.strict && record.last().is_some_and(|effect| effect == "allow") {
            return Err(reader.wrong(line, PERMISSION, PERMISSION_FIX));
        }
        let rule = match rule_parse(&file, line, record, &names) {
            Ok(rule) => rule,
            Err(RuleFault::Unbound(PolicyError::File { reason, fix, .. })) => {
                reader.unfit(line, reason, fix)?;
                return Ok(None);
            }
            Err(fault) => return Err(fault.into()),
        };
        if rule.allows {
            let reason = match opened(base, files, &rule)? {
                Some(cell) => would_open(&cell),
                None => PERMISSION.to_owned(),
            };
            return Err(reader.wrong(line, reason, PERMISSION_FIX));
        }
        if !rule.id.as_str().starts_with(&prefix) {
            return Err(reader.wrong(
                line,
                "the id does not begin with the region",
                format!("begin it with {prefix} so that every decision shows whose rule it was"),
            ));
        }
        if matches!(rule.action, Scope::Every | Scope::One(Action::ReceiveNotice)) {
            return Err(reader.wrong(
                line,
                "the rule would withhold notices",
                "write one rule each for ask, answer and read: who learns of a sanction is the federation's to say",
            ));
        }
        Ok(Some(rule))
    })
}

/// The first cell that a permission opens in the base, if it opens any. Asked with this rule alone, so that no denial beside
/// it hides what it is for.
fn opened(base: &Bundle, files: &OverlayFiles, rule: &Rule) -> Result<Option<CellChange>, PolicyError> {
    let touched = base.purposes().iter().filter(|purpose| rule.concerns(purpose));
    let touched: Vec<_> = touched.map(|purpose| purpose.code.clone()).collect();
    let with_it = base.with_overlay(Overlay::of_rules(base, files, Rules::one(rule.clone()))?);
    first_wider(&Authoriser::new(base.clone())?, &Authoriser::new(with_it)?, &touched)
}

/// What a rule would let out that the base does not.
pub(crate) fn would_open(cell: &CellChange) -> String {
    let CellChange { purpose, functions, action, subject, role, category, level, from, to } = cell;
    let names: Vec<&str> = functions.iter().map(FunctionCode::as_str).collect();
    let (action, subject) = (action.as_str(), subject_str(*subject));
    let (from, to) = (from.treatment.as_str(), to.treatment.as_str());
    if names.is_empty() {
        format!(
            "it would open {category} {level} to a {role} under {purpose}, {action} about {subject}, from {from} to {to}"
        )
    } else {
        let functions = names.join("+");
        format!(
            "it would open {category} {level} to a {role} of a body with {functions} under {purpose}, {action} about {subject}, from {from} to {to}"
        )
    }
}
