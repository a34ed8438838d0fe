//! The decision table: the whole grid as text, committed beside the bundle, so that a change of policy is a diff.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;

use crate::authoriser::{Authoriser, Profile};
use crate::bundle::Bundle;
use crate::functions::FunctionScope;
use crate::purposes::Purpose;
use crate::request::{Action, SUBJECT_KINDS, Treatment, subject_str};
use crate::rules::rule_function;

/// Role × purpose × category × level, with action, kind of subject and the bodies concerned. Written through casbin,
/// one block per purpose; combinations that let nothing out are left out.
pub fn decision_table(authoriser: &Authoriser) -> String {
    let bundle = authoriser.bundle();
    let mut table = format!(
        "Decision table of {}. Generated; do not edit.\n\n\
         Each group of four letters stands for the levels L1 L2 L3 L4: S shown, M masked, - withheld.\n\
         What is not listed is denied.\n",
        bundle.rules_version()
    );
    for purpose in bundle.purposes() {
        let case = if purpose.case_reference { "case needed" } else { "no case needed" };
        let basis =
            if purpose.legal_basis.is_some() { "own legal basis" } else { "legal basis must be cited" };
        let subject = if purpose.subject_authorisation { ", the subject's authorisation needed" } else { "" };
        let second = if purpose.second_person { ", another person's release needed" } else { "" };
        let limit = |limit: Option<u32>, of| limit.map(|limit| format!(", {of} at most {limit} a day"));
        let operator = limit(purpose.daily_limit, "one operator").unwrap_or_default();
        let body = limit(purpose.daily_limit_body, "one body").unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "\n{} {} ({case}, {basis}{subject}{second}{operator}{body})",
            purpose.code, purpose.chinese
        );
        for (body, functions) in bodies(bundle, purpose) {
            rows_write(authoriser, purpose, &body, &functions, &mut table);
        }
    }
    table
}

/// The kinds of body worth a row: those with each function the purpose names, and one with none; each of them also together
/// with a function that a denial names.
fn bodies(bundle: &Bundle, purpose: &Purpose) -> Vec<(String, Vec<FunctionCode>)> {
    let mut bodies: Vec<(String, Vec<FunctionCode>)> = match &purpose.functions {
        FunctionScope::Every => vec![("every body".to_owned(), Vec::new())],
        FunctionScope::Having(functions) => functions
            .iter()
            .map(|function| (function.to_string(), vec![function.clone()]))
            .chain([("other bodies".to_owned(), Vec::new())])
            .collect(),
    };
    let denying = bundle.rules().iter().filter(|rule| !rule.allows && rule.concerns(purpose));
    let denied: BTreeSet<&FunctionCode> = denying.filter_map(rule_function).collect();
    let both: Vec<_> = bodies
        .iter()
        .flat_map(|(_, functions)| {
            let others = denied.iter().filter(|function| !functions.contains(function));
            others.map(|function| [functions.as_slice(), &[(*function).clone()]].concat())
        })
        .collect();
    bodies.extend(both.into_iter().map(|functions| {
        let names: Vec<&str> = functions.iter().map(FunctionCode::as_str).collect();
        (names.join("+"), functions)
    }));
    bodies
}

fn rows_write(
    authoriser: &Authoriser,
    purpose: &Purpose,
    body: &str,
    functions: &[FunctionCode],
    table: &mut String,
) {
    let mut any = false;
    for action in Action::ALL {
        for subject in SUBJECT_KINDS {
            let mut rows: Vec<(String, Vec<Role>)> = Vec::new();
            for role in Role::ALL {
                let Ok(profile) = authoriser.profile_at(purpose, functions, *role, action, subject) else {
                    continue;
                };
                let cells = cells_text(&profile);
                if !cells.contains(['S', 'M']) {
                    continue;
                }
                match rows.iter_mut().find(|row| row.0 == cells) {
                    Some(row) => row.1.push(*role),
                    None => rows.push((cells, vec![*role])),
                }
            }
            for (cells, roles) in rows {
                any = true;
                row_write(body, action, subject, &roles, &cells, table);
            }
        }
    }
    if !any {
        let _ = writeln!(table, "  {body}: denied");
    }
}

fn row_write(
    body: &str,
    action: Action,
    subject: SubjectKind,
    roles: &[Role],
    cells: &str,
    table: &mut String,
) {
    let names = if roles.len() == Role::ALL.len() {
        "any role".to_owned()
    } else {
        roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("+")
    };
    let (action, subject) = (action.as_str(), subject_str(subject));
    let _ = writeln!(table, "  {body:<22} {names:<16} {action:<14} {subject:<12} {cells}");
}

fn cells_text(profile: &Profile) -> String {
    let groups = InformationCategory::ALL.iter().map(|category| {
        let letters: String = ClassificationLevel::ALL
            .iter()
            .map(|level| match profile.cell(*category, *level).treatment {
                Treatment::Show => 'S',
                Treatment::Mask => 'M',
                Treatment::Withhold => '-',
            })
            .collect();
        format!("{category} {letters}")
    });
    groups.collect::<Vec<_>>().join("  ")
}
