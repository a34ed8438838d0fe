//! casbin behind one narrow door: rules in, one decision out, errors and doubts are denials.
//!
//! What casbin does when misused, and what stands against it here: a disabled enforcer allows (it is never disabled,
//! and the canary below would fail); an empty policy may allow (refused at load and here); a line with too few fields
//! breaks every decision (the loader counts fields); `eval` in a rule runs code (the model is compiled in and has no
//! `eval`); long role chains answer false (the loader allows one link); integers over 32 bits fail (all attributes
//! are texts).

use std::future::Future;
use std::task::{Context, Poll, Waker};

use casbin::{CoreApi as _, DefaultModel, Enforcer, EventData, Logger, Model as _, NullAdapter};

use crate::error::PolicyError;
use crate::provenance::RuleId;
use crate::rules::Rule;

/// The casbin model. Matchers are code for casbin's script engine, so a bundle may only repeat this text.
pub const MODEL: &str = include_str!("../baseline/model.conf");

/// One question to casbin, as texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) role: &'a str,
    pub(crate) functions: &'a [&'a str],
    pub(crate) purpose: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) category: &'a str,
    pub(crate) level: &'a str,
    pub(crate) action: &'a str,
    pub(crate) form: &'a str,
}

/// casbin's own logger is a thread with a queue for each enforcer, and would write to the terminal if it were switched on.
/// Decisions are logged by who asks for them.
struct NoLogger;

impl Logger for NoLogger {
    fn enable_log(&mut self, _: bool) {}

    fn is_enabled(&self) -> bool {
        false
    }

    fn print_enforce_log(&self, _: Vec<String>, _: bool, _: bool) {}

    fn print_mgmt_log(&self, _: &EventData) {}

    fn print_explain_log(&self, _: Vec<String>) {}

    fn print_status_log(&self, _: bool) {}
}

/// An enforcer with the fixed model and these links, and no rules yet.
fn enforcer_new(
    role_links: &[[String; 2]],
    purpose_links: &[[String; 2]],
    lines: Vec<Vec<String>>,
) -> Result<Enforcer, PolicyError> {
    let mut model = drive(DefaultModel::from_str(MODEL))??;
    for line in lines {
        if !model.add_policy("p", "p", line) {
            return Err(PolicyError::Unsound { reason: "a rule was not taken" });
        }
    }
    for (table, links) in [("g", role_links), ("g2", purpose_links)] {
        for link in links {
            if !model.add_policy("g", table, link.to_vec()) {
                return Err(PolicyError::Unsound { reason: "a link was not taken" });
            }
        }
    }
    // `new_raw` keeps the rules already in the model; `new` would replace them by the adapter's, which has none.
    let mut enforcer = drive(Enforcer::new_raw(model, NullAdapter))??;
    enforcer.set_logger(Box::new(NoLogger));
    enforcer.build_role_links()?;
    Ok(enforcer)
}

/// Whether the enforcer's rules allow it, and the rule that decided: the first allowing rule, or the denying one; None
/// when no rule matched.
fn enforcer_ask(enforcer: &Enforcer, question: Question<'_>) -> Result<(bool, Option<RuleId>), PolicyError> {
    let Question { role, functions, purpose, subject, category, level, action, form } = question;
    let (allowed, matched) =
        enforcer.enforce_ex((role, functions, purpose, subject, category, level, action, form))?;
    // casbin lists the allowing rules in order; a denial ends the list.
    let decisive = if allowed { matched.first() } else { matched.last() };
    let rule = decisive.and_then(|line| line.first()).map(|id| RuleId::built_in(id));
    if allowed && rule.is_none() {
        return Err(PolicyError::Unsound { reason: "an allowance without a rule" });
    }
    Ok((allowed, rule))
}

/// A casbin enforcer with the fixed model. Its rules never change after construction.
pub(crate) struct Engine {
    enforcer: Enforcer,
}

impl Engine {
    /// Builds the enforcer from policy lines, role links and purpose links, and proves it denies a canary.
    pub(crate) fn new(
        lines: Vec<Vec<String>>,
        role_links: &[[String; 2]],
        purpose_links: &[[String; 2]],
    ) -> Result<Self, PolicyError> {
        let count = lines.len();
        if count == 0 {
            return Err(PolicyError::Unsound { reason: "an empty policy" });
        }
        let engine = Self { enforcer: enforcer_new(role_links, purpose_links, lines)? };
        engine.soundness_check(count)?;
        Ok(engine)
    }

    /// The enforcer is enabled, holds every rule, and denies what no rule can name.
    fn soundness_check(&self, count: usize) -> Result<(), PolicyError> {
        if !self.enforcer.is_enabled() {
            return Err(PolicyError::Unsound { reason: "the enforcer is disabled" });
        }
        let held = self.enforcer.get_model().get_policy("p", "p");
        if held.len() != count || held.iter().any(|line| line.len() != 10) {
            return Err(PolicyError::Unsound { reason: "rules were lost or broken" });
        }
        let canary = Question {
            role: "",
            functions: &[],
            purpose: "",
            subject: "",
            category: "",
            level: "",
            action: "",
            form: "",
        };
        match self.decide(canary)? {
            (false, _) => Ok(()),
            (true, _) => Err(PolicyError::Unsound { reason: "the canary was allowed" }),
        }
    }

    /// What casbin says over every rule.
    pub(crate) fn decide(&self, question: Question<'_>) -> Result<(bool, Option<RuleId>), PolicyError> {
        enforcer_ask(&self.enforcer, question)
    }
}

/// casbin over the few rules that can decide one question, given with each question. An enforcer scans its rules one by
/// one, some microseconds each, and holds them as texts; this one has the links of the bundle and no rules of its own.
pub(crate) struct Judge {
    enforcer: Enforcer,
}

impl Judge {
    pub(crate) fn new(
        role_links: &[[String; 2]],
        purpose_links: &[[String; 2]],
    ) -> Result<Self, PolicyError> {
        Ok(Self { enforcer: enforcer_new(role_links, purpose_links, Vec::new())? })
    }

    /// What casbin says when `rules`, in the order of `rules.csv`, are all there are. None at all is an error: casbin
    /// decides an empty policy by its matcher alone.
    pub(crate) fn decide(
        &mut self,
        rules: &[&Rule],
        question: Question<'_>,
    ) -> Result<(bool, Option<RuleId>), PolicyError> {
        if !self.enforcer.is_enabled() {
            return Err(PolicyError::Unsound { reason: "the enforcer is disabled" });
        }
        let model = self.enforcer.get_mut_model().get_mut_model();
        let policy = model
            .get_mut("p")
            .and_then(|section| section.get_mut("p"))
            .ok_or(PolicyError::Unsound { reason: "a model without policy" })?
            .get_mut_policy();
        policy.clear();
        for rule in rules {
            policy.insert(rule.casbin_line());
        }
        if policy.is_empty() || policy.len() != rules.len() {
            return Err(PolicyError::Unsound { reason: "a rule was not taken" });
        }
        enforcer_ask(&self.enforcer, question)
    }
}

/// How often a constructor of casbin is polled. With the model and the rules in memory there is nothing to wait for:
/// the first poll finishes.
const POLL_LIMIT: usize = 16;

/// Finishes a future that never waits, without a runtime: callers may be inside or outside of one.
fn drive<T>(future: impl Future<Output = T>) -> Result<T, PolicyError> {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLL_LIMIT {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
    }
    Err(PolicyError::Unsound { reason: "casbin waits for something" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: [&str; 10]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    fn question<'a>(role: &'a str, functions: &'a [&'a str], form: &'a str) -> Question<'a> {
        Question {
            role,
            functions,
            purpose: "a",
            subject: "person",
            category: "basic",
            level: "L1",
            action: "ask",
            form,
        }
    }

    fn engine(lines: Vec<Vec<String>>) -> Result<Engine, PolicyError> {
        let link = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
        Engine::new(lines, &[link("reviewer", "clerk")], &[link("a", "group")])
    }

    #[test]
    fn roles_groups_functions_and_denials_are_casbins() {
        let engine = engine(vec![
            line(["one", "clerk", "finance", "group", "*", "basic", "L1", "ask", "show", "allow"]),
            line(["two", "clerk", "*", "a", "*", "*", "L1", "ask", "mask", "allow"]),
            line(["no", "*", "audit", "*", "*", "*", "*", "*", "show", "deny"]),
        ])
        .expect("sound");
        let decide = |role, functions: &[&str], form| {
            let (allowed, rule) = engine.decide(question(role, functions, form)).expect("decision");
            (allowed, rule.map(|id| id.to_string()))
        };
        assert_eq!(decide("reviewer", &["court", "finance"], "show"), (true, Some("one".to_owned())));
        assert_eq!(decide("clerk", &["court"], "show"), (false, None));
        assert_eq!(decide("clerk", &[], "mask"), (true, Some("two".to_owned())));
        assert_eq!(decide("clerk", &["finance", "audit"], "show"), (false, Some("no".to_owned())));
        assert_eq!(decide("coordinator", &["finance"], "show"), (false, None));
    }

    #[test]
    fn an_empty_policy_a_short_line_and_an_open_rule_are_refused() {
        assert!(matches!(engine(vec![]), Err(PolicyError::Unsound { .. })));
        let short = vec![vec!["one".to_owned(), "clerk".to_owned()]];
        assert!(matches!(engine(short), Err(PolicyError::Unsound { .. })));
        let open = vec![line(["all", "*", "*", "*", "*", "*", "*", "*", "*", "allow"])];
        assert!(matches!(engine(open), Err(PolicyError::Unsound { reason: "the canary was allowed" })));
        let twice = line(["one", "clerk", "*", "a", "*", "*", "L1", "ask", "show", "allow"]);
        assert!(matches!(engine(vec![twice.clone(), twice]), Err(PolicyError::Unsound { .. })));
    }

    #[test]
    fn a_judge_decides_by_the_rules_of_each_question_alone() {
        let bundle = crate::bundle::Bundle::baseline().expect("baseline");
        let rule = |id: &str| bundle.rule(&RuleId::built_in(id)).expect("a rule of the baseline");
        let (allowing, denying) = (rule("awards.ask.l1"), rule("awards.no-risk-warning"));
        let question =
            Question { purpose: "awards", category: "risk_warning", ..question("clerk", &[], "show") };
        let mut judge = Judge::new(&[], &[]).expect("sound");
        let mut decide = |rules: &[&Rule]| judge.decide(rules, question).map(|(allowed, _)| allowed);
        assert!(matches!(decide(&[allowing]), Ok(true)));
        assert!(matches!(decide(&[allowing, denying]), Ok(false)));
        assert!(matches!(decide(&[allowing]), Ok(true)), "the denial is gone");
        assert!(matches!(decide(&[rule("own-records.l1")]), Ok(false)), "and so is the permission");
        assert!(matches!(decide(&[]), Err(PolicyError::Unsound { .. })), "never by the matcher alone");
        assert!(matches!(decide(&[allowing, allowing]), Err(PolicyError::Unsound { .. })));
        judge.enforcer.enable_enforce(false);
        assert!(matches!(judge.decide(&[allowing], question), Err(PolicyError::Unsound { .. })));
    }

    #[test]
    fn a_disabled_enforcer_is_noticed() {
        let mut engine =
            engine(vec![line(["one", "clerk", "*", "a", "*", "*", "L1", "ask", "show", "allow"])])
                .expect("sound");
        engine.enforcer.enable_enforce(false);
        assert!(engine.soundness_check(1).is_err());
        // casbin itself says yes to everything now, without naming a rule: that is an error, not a permission.
        assert!(matches!(engine.decide(question("nobody", &[], "show")), Err(PolicyError::Unsound { .. })));
    }
}
