//! Checks that owe something: an authorisation, at both ends.

use chengxin_policy::{Authoriser, Bundle, BundleFiles, DenialReason, ReplayOutcome};
use chengxin_schemas::authorisation::SubjectAuthorisation;

use super::*;
use crate::support::{FINANCE, Federation, MARKET, SUBJECT, agency, as_role};

const PURPOSE: &str = "bidding";
const REFERENCE: &str = "授权书〔2026〕15号";

/// The baseline in which a purpose needs the subject's authorisation.
fn authorised_only() -> Arc<Authoriser> {
    let files = BundleFiles::baseline();
    let texts = files.iter().map(|(name, text)| {
        let text = match name {
            "purposes.toml" => {
                let code = format!("code = \"{PURPOSE}\"\n");
                text.replacen(&code, &format!("{code}subject_authorisation = true\n"), 1)
            }
            "tests.toml" => {
                let purpose = format!("purpose = \"{PURPOSE}\"\n");
                text.replace(&purpose, &format!("{purpose}authorisation = \"{REFERENCE}\"\n"))
            }
            _ => text.to_owned(),
        };
        (name.to_owned(), text)
    });
    let bundle = BundleFiles::new(texts.collect()).and_then(Bundle::from_files).expect("bundle");
    Arc::new(Authoriser::new(bundle).expect("policy"))
}

fn wanted(authorisation: Option<SubjectAuthorisation>) -> CheckRequest {
    CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
        check_exception: None,
        subject_name: None,
        purpose: PURPOSE.parse().expect("purpose"),
        case_reference: "ZB-2026-007".parse().expect("case"),
        legal_basis: None,
        authorisation,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_subjects_authorisation_is_needed_it_is_needed_at_both_ends() {
    let federation = Federation::new().await;
    let (node, market) = (federation.node(FINANCE), federation.node(MARKET));
    let clerk = as_role(&node, Role::Clerk).await;
    let stated = || {
        let reference = REFERENCE.parse().expect("reference");
        Some(SubjectAuthorisation { reference, document: None })
    };
    let of_market = |result: &CheckResult| {
        let entry = result.coverage.iter().find(|entry| entry.agency == agency(MARKET));
        entry.expect("asked").outcome.clone()
    };
    // Only the peer's policy needs one.
    market.policy.send_replace(authorised_only());
    let result = node.check_run(&clerk, wanted(None)).await.expect("check");
    let CoverageOutcome::Refused { rule, .. } = of_market(&result) else { panic!("answered without one") };
    assert_eq!(rule.as_deref(), Some("purpose.bidding.subject-authorisation"));
    let result = node.check_run(&clerk, wanted(stated())).await.expect("check");
    assert!(matches!(of_market(&result), CoverageOutcome::Answered { .. }) && result.complete);
    // What would have become of both under that policy.
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let seen = node
        .policy_simulate(&security, [&node.policy(), &authorised_only()], UnixTime(0))
        .await
        .expect("simulated");
    assert_eq!((seen.requests, seen.unchanged), (2, 1));
    assert_eq!((seen.lines[0].outcome, seen.lines[0].requests), (ReplayOutcome::Denied, 1));
    // The own policy needs one.
    node.policy.send_replace(authorised_only());
    let error = node.check_run(&clerk, wanted(None)).await.expect_err("denied");
    let ExchangeError::Denied(denied) = error else { panic!("{error}") };
    assert_eq!(denied.reason, DenialReason::SubjectAuthorisation);
    assert!(node.check_run(&clerk, wanted(stated())).await.expect("check").complete);
}
