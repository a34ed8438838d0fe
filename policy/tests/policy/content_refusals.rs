//! What the loader refuses in the list of breaches, in repair, deadlines, incentives and calendars: by file and line.

use chengxin_policy::{Bundle, BundleFiles, PolicyError};
use chengxin_schemas::ErrorCode;

use crate::support::{baseline_texts, changed};

/// The baseline with `from` replaced by `to` once in `file` is refused for `reason`, with a line at the change.
fn refused_at(file: &str, from: &str, to: &str, reason: &str) {
    let original = baseline_texts().remove(file).expect("file");
    let place = original.find(from).unwrap_or_else(|| panic!("{file} has no {from:?}"));
    let error = changed(file, |text| text.replacen(from, to, 1)).expect_err(reason);
    assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
    let message = error.to_string();
    assert!(message.contains(reason), "{message}");
    let line: usize = message
        .strip_prefix(&format!("{file} line "))
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no line: {message}"));
    // An error names the changed line, or the first line of its entry, a few lines above.
    let first = original[..place].matches('\n').count() + 1;
    let last = first + from.matches('\n').count().max(to.matches('\n').count());
    assert!((first.saturating_sub(20)..=last).contains(&line), "lines {first} to {last}: {message}");
}

const CATALOGUE: &str = "catalogue.toml";

#[test]
fn levels_of_the_list_are_three_and_have_no_cycle() {
    let item = "code = \"major-decisions\"\nclass = \"decision\"";
    for (class, reason) in [
        ("invented", "invented is not in the catalogue"),
        ("major-decisions", "major-decisions is on another level"),
        ("policy-execution", "policy-execution is on another level"),
        ("decision-error", "decision-error is on another level"),
    ] {
        refused_at(CATALOGUE, item, &item.replace("\"decision\"", &format!("\"{class}\"")), reason);
    }
    let behaviour = "code = \"decision-error\"\nitem = \"major-decisions\"";
    for (parent, reason) in [("decision", "on another level"), ("orders-not-followed", "on another level")] {
        refused_at(CATALOGUE, behaviour, &behaviour.replace("major-decisions", parent), reason);
    }
    let lonely = "[[class]]\ncode = \"decision\"";
    let text = "[[class]]\ncode = \"lonely\"\nchinese = \"孤\"\nenglish = \"Lonely\"\nsource = \"无\"\ndocument = \"无\"\nverified = true\n\n";
    refused_at(CATALOGUE, lonely, &format!("{text}{lonely}"), "nothing belongs to it");
}

#[test]
fn codes_of_the_list_stand_once() {
    for (from, to) in [
        ("[[class]]\ncode = \"performance\"", "[[class]]\ncode = \"decision\""),
        ("code = \"policy-execution\"", "code = \"major-decisions\""),
        ("code = \"orders-not-followed\"", "code = \"prohibitions-ignored\""),
        ("code = \"orders-not-followed\"", "code = \"major-decisions\""),
        ("code = \"duty-serious\"", "code = \"duty-general\""),
        ("code = \"duty-serious\"", "code = \"abuse\""),
        ("code = \"self-correction\"", "code = \"lawful-change\""),
    ] {
        let error = changed(CATALOGUE, |text| text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.starts_with("catalogue.toml line ") && error.contains("it stands twice"), "{error}");
    }
}

#[test]
fn titles_stand_in_both_languages() {
    for (file, from, to, reason) in [
        (CATALOGUE, "chinese = \"决策失误\"", "chinese = \"\"", "the Chinese text is missing"),
        (CATALOGUE, "chinese = \"决策失误\"", "chinese = \"Wrong decision\"", "the Chinese text is missing"),
        (CATALOGUE, "english = \"Wrong decision\"", "english = \" \"", "the English text is missing"),
        (CATALOGUE, "english = \"Wrong decision\"", "english = \"决策失误\"", "the English text is missing"),
        (CATALOGUE, "english = \"Wrong decision\"\n", "", "missing field `english`"),
        ("measures.toml", "english = \"Commendation and reward\"", "english = \"\"", "the English text"),
        ("measures.toml", "chinese = \"公开通报\"", "chinese = \"\"", "the Chinese text"),
        ("functions.toml", "chinese = \"审计监督\"", "chinese = \"audit\"", "the Chinese text"),
        ("roles.toml", "english = \"Clerk\"", "english = \"\"", "the English text"),
        ("repair.toml", "english = \"Authorisation\"", "english = \"\"", "the English text"),
        ("deadlines.toml", "chinese = \"收到修复申请至反馈结果\"", "chinese = \"-\"", "the Chinese text"),
    ] {
        refused_at(file, from, to, reason);
    }
    let error =
        changed("bundle.toml", |text| text.replacen("政务诚信基线策略", "", 1)).expect_err("untitled");
    assert!(error.to_string().contains("the Chinese text is missing"), "{error}");
}

#[test]
fn texts_and_lists_have_limits() {
    let title = "chinese = \"决策失误\"";
    let long = format!("chinese = \"{}\"", "误".repeat(101));
    refused_at(CATALOGUE, title, &long, "more than 100 characters");
    let source = "source = \"二（三）2 列明并要求依法依规问责\"";
    refused_at(
        CATALOGUE,
        source,
        &format!("source = \"{}\"", "长".repeat(1001)),
        "more than 1000 characters",
    );
    refused_at(CATALOGUE, source, "source = \"a\\u0007b\"", "control characters");
    refused_at(CATALOGUE, source, "source = \" \"", "source or document is empty");
    for (file, entry) in [
        (
            CATALOGUE,
            "\n[[item]]\ncode = \"x-{}\"\nclass = \"decision\"\nchinese = \"项\"\nenglish = \"Item\"\n",
        ),
        (
            "deadlines.toml",
            "\n[[deadline]]\nid = \"x.{}\"\nkey = \"x.{}\"\nmatter = \"repair\"\nchinese = \"项\"\nenglish = \"Item\"\nbinding = \"model\"\nsource = \"无\"\ndocument = \"无\"\nverified = false\nmissing = [\"value\"]\n",
        ),
    ] {
        let many: String = (0..1001).map(|number| entry.replace("{}", &number.to_string())).collect();
        let error = changed(file, |text| format!("{text}{many}")).expect_err("too many");
        assert!(matches!(error, PolicyError::TooLarge { .. }), "{error}");
        assert!(error.to_string().starts_with(file), "{error}");
    }
}

#[test]
fn grades_are_bound_to_lawful_measures_and_known_repair() {
    let general = "public_body = [\"written-explanation\", \"rectification-in-time\", \"enter-breach-record\", \"cancel-award-eligibility\", \"public-notice\"]";
    for (to, reason) in [
        ("public_body = [\"invented\"]", "unknown measure invented"),
        ("public_body = [\"restrict-exit\"]", "measure restrict-exit has no ground for public_body"),
        ("public_body = [\"publish-typical-case\"]", "needs a breach that is serious"),
        ("public_body = [\"commendation\"]", "unknown measure commendation"),
        ("public_body = [\"public-notice\", \"public-notice\"]", "stands twice"),
        ("public_body = []", "no measure for public_body"),
        ("everybody = [\"public-notice\"]", "everybody"),
    ] {
        refused_at(CATALOGUE, general, to, reason);
    }
    refused_at(
        CATALOGUE,
        "repair = \"public-body.duty\"",
        "repair = \"public-body.x\"",
        "unknown repair rule",
    );
    let category = "severity = \"general\"\ncategory = \"general_breach\"";
    let basic = category.replace("general_breach", "basic");
    refused_at(CATALOGUE, category, &basic, "its category is not one of breaches");
    refused_at(CATALOGUE, category, &category.replace("\"general\"", "\"bad\""), "unknown variant");
}

#[test]
fn behaviours_are_bound_to_grades_that_speak_of_their_subjects() {
    let grades = "grades = [\"duty-general\", \"duty-serious\"]";
    for (to, reason) in [
        ("grades = []", "it has no grade"),
        ("grades = [\"invented\"]", "unknown grade invented"),
        ("grades = [\"duty-serious\", \"duty-general\"]", "is not graver than the one before"),
        ("grades = [\"duty-general\", \"debt-general\"]", "is not graver than the one before"),
    ] {
        refused_at(CATALOGUE, grades, to, reason);
    }
    let error = changed(CATALOGUE, |text| {
        let place = text.find("code = \"rent-seeking\"").expect("entry");
        let (before, after) = text.split_at(place);
        format!("{before}{}", after.replacen("[\"public_body\", \"person\"]", "[\"organisation\"]", 1))
    })
    .expect_err("no measure against organisations");
    assert!(error.to_string().contains("has no measure for organisation"), "{error}");
    let objects = "objects = [\"public_body\", \"person\"]";
    refused_at(CATALOGUE, objects, "objects = []", "objects are empty or repeated");
    refused_at(CATALOGUE, objects, "objects = [\"person\", \"person\"]", "objects are empty or repeated");
    refused_at(CATALOGUE, objects, "objects = [\"official\"]", "unknown variant");
    refused_at(CATALOGUE, "\"ppp-default\", ", "\"ppp\", ", "unknown behaviour ppp");
    let error = changed(CATALOGUE, |text| text.replace("[\"judgment-debtor\"]", "[\"duty-serious\"]"));
    let error = error.expect_err("an idle grade").to_string();
    assert!(error.contains("grade judgment-debtor is no behaviour's"), "{error}");
}

#[test]
fn what_is_missing_is_said_exactly_when_something_is() {
    for (file, from) in [
        (CATALOGUE, "verified = false\nmissing = [\"criteria\"]"),
        ("measures.toml", "verified = false\nmissing = [\"legal_basis\"]"),
        ("functions.toml", "verified = false\nmissing = [\"wording\"]"),
        ("categories.toml", "verified = false\nmissing = [\"category\"]"),
        ("classification.toml", "verified = false\nmissing = [\"placing\"]"),
        ("periods.toml", "verified = false\nmissing = [\"severity_line\", \"transition\"]"),
        ("repair.toml", "verified = false\nmissing = [\"legal_basis\"]"),
        ("deadlines.toml", "verified = false\nmissing = [\"regional_value\"]"),
    ] {
        let reason = "not said what is missing";
        refused_at(file, from, "verified = false", reason);
        refused_at(file, from, &from.replace("false", "true"), "yet something is missing");
        refused_at(file, from, "verified = false\nmissing = [\"courage\"]", "unknown variant");
    }
}

#[test]
fn versions_of_a_rule_neither_overlap_nor_leave_a_gap() {
    for file in ["periods.toml", "repair.toml"] {
        for (day, reason) in [
            ("2026-04-01", "overlaps another version"),
            ("2026-03-30", "a gap lies between"),
            ("2023-04-30", "it ends before it begins"),
        ] {
            let error = changed(file, |text| {
                text.replacen("effective_to = \"2026-03-31\"", &format!("effective_to = \"{day}\""), 1)
            });
            let error = error.expect_err(day).to_string();
            assert!(error.starts_with(&format!("{file} line ")) && error.contains(reason), "{error}");
        }
        let error = changed(file, |text| text.replacen("effective_to = \"2026-03-31\"\n", "", 1));
        assert!(error.expect_err("no end").to_string().contains("overlaps"));
    }
    let twice = "key = \"repair.decide\"";
    refused_at("deadlines.toml", twice, "key = \"repair.result\"", "overlaps another version");
    refused_at(
        "deadlines.toml",
        "id = \"repair.decide.order-36\"",
        "id = \"repair.accept.22-2025\"",
        "twice",
    );
    let error =
        changed("periods.toml", |text| text.replace("severity = \"minor\"", "severity = \"general\""));
    assert!(error.is_err());
}

#[test]
fn deadlines_are_bounded_bound_and_spelled_with_their_unit() {
    let file = "deadlines.toml";
    let length = "length = { working_days = 3 }";
    for (to, reason) in [
        ("length = { working_days = 0 }", "the length is nothing"),
        ("length = { working_days = 501 }", "longer than any law's"),
        ("length = { calendar_days = 3661 }", "longer than any law's"),
        ("length = { months = 601 }", "longer than any law's"),
        ("length = { days = 3 }", "unknown variant"),
        ("length = { working_days = -3 }", "invalid value"),
        ("length = 3", "wanted string or table"),
        ("", "verified without a length"),
    ] {
        refused_at(file, length, to, reason);
    }
    let extension = "extension = \"repair.result-extension\"";
    refused_at(file, extension, "extension = \"repair.long\"", "unknown extension repair.long");
    refused_at(file, extension, "extension = \"repair.result\"", "is extended itself");
    let model = "binding = \"model\"\nsource = \"参照《河南省社会信用条例》第四十三条，一个工作日\"\ndocument = \"河南省社会信用条例\"\nverified = false\nmissing = [\"regional_value\"]";
    let verified = model.replace("verified = false\nmissing = [\"regional_value\"]", "verified = true");
    refused_at(file, model, &verified, "another region's value cannot be verified");
}

#[test]
fn repair_rules_are_bound_to_their_terms() {
    let file = "repair.toml";
    let conditions = "conditions = [\"duties-performed\"]";
    refused_at(file, conditions, "conditions = []", "without a condition or an effect");
    refused_at(file, conditions, "conditions = [\"good-will\"]", "unknown term of repair good-will");
    refused_at(file, conditions, "conditions = [\"commitment-letter\"]", "unknown term of repair");
    let repeated = "conditions = [\"duties-performed\", \"duties-performed\"]";
    refused_at(file, conditions, repeated, "stands twice");
    refused_at(file, "code = \"public-commitment\"", "code = \"duties-performed\"", "it stands twice");
    refused_at(file, "\"lift_sanctions\"", "\"forget\"", "unknown variant");
}

#[test]
fn shared_fields_that_harm_have_a_mask() {
    let entry = "mask = { left = 12, right = 0 }\n";
    refused_at("classification.toml", entry, "", "is shared, above L2, and has no mask");
}

#[test]
fn incentives_are_granted_to_somebody_on_a_basis() {
    let file = "measures.toml";
    let code = "code = \"priority-in-awards\"";
    refused_at(file, code, "code = \"commendation\"", "it stands twice");
    refused_at(file, code, "code = \"public-notice\"", "it stands twice");
    refused_at(file, code, &format!("{code}\nseverity_floor = \"minor\""), "unknown field");
    let error = changed(file, |text| {
        let place = text.find(code).expect("entry");
        let (before, after) = text.split_at(place);
        format!("{before}{}", after.replacen("object = \"person\"", "object = \"public_body\"", 1))
    });
    assert!(error.expect_err("twice").to_string().contains("two grounds for public_body"));
    let error = changed(file, |text| {
        let place = text.find(code).expect("entry");
        let (before, after) = text.split_at(place);
        format!(
            "{before}{}",
            after.replacen("verified = false\nmissing = [\"legal_basis\"]", "verified = true", 1)
        )
    });
    assert!(error.expect_err("baseless").to_string().contains("verified without a basis"));
}

#[test]
fn a_calendar_may_not_be_missing_between_two_others() {
    let without = |years: &[&str]| {
        let mut texts = baseline_texts();
        for year in years {
            texts.remove(&format!("calendar/{year}.toml"));
        }
        BundleFiles::new(texts).and_then(Bundle::from_files)
    };
    let error = without(&["2025"]).expect_err("a gap").to_string();
    assert!(error.starts_with("calendar/2025.toml: missing"), "{error}");
    let error = without(&["2024", "2025", "2026"]).expect_err("none").to_string();
    assert!(error.starts_with("calendar: no year has a calendar"), "{error}");
    let file = "calendar/2026.toml";
    refused_at(file, "year = 2026", "year = 2027", "says year 2027");
    refused_at(file, "\"2026-10-01\"", "\"2025-10-01\"", "2025-10-01 is not in 2026");
    refused_at(file, "\"2026-10-01\"", "\"2026-10-02\"", "2026-10-02 stands twice");
    refused_at(file, "\"2026-01-04\"", "\"2026-01-03\"", "2026-01-03 is both off and worked");
    refused_at(file, "\"2026-01-04\"", "\"2026-13-04\"", "not a calendar date");
    refused_at(file, "verified = true", "verified = false", "not said what is missing");
}

#[test]
fn a_failing_content_test_refuses_the_bundle_and_says_what_came_out() {
    let file = "tests.toml";
    refused_at(file, "last_day = \"2026-05-08\"", "last_day = \"2026-05-07\"", "the last day is 2026-05-08");
    let none = "none = \"no-rule\"";
    refused_at(file, "last_day = \"2026-05-08\"", none, "the last day is 2026-05-08");
    let consequence = "measures = [\"written-explanation\", \"rectification-in-time\", ";
    refused_at(file, consequence, "measures = [\"rectification-in-time\", ", "the catalogue's measures are");
    let repair = "repair = \"public-body.performance\"";
    refused_at(
        file,
        repair,
        "repair = \"judgment-debtor\"",
        "the catalogue has repair rule public-body.performance",
    );
}

/// A test that expects nothing holds only for the reason it states, and only about what the bundle has.
#[test]
fn a_test_of_nothing_states_the_reason_and_names_what_is_there() {
    let file = "tests.toml";
    let either = "a test expects either a value or none";
    refused_at(file, "last_day = \"2026-05-08\"\n", "", either);
    refused_at(file, "last_day = \"2026-05-08\"", "last_day = \"2026-05-08\"\nnone = \"no-rule\"", either);
    for key in ["objection.mark", "objection.handle"] {
        let misspelt = key.replace("le", "el").replace("mark", "marc");
        let reason = format!("unknown deadline {misspelt}");
        refused_at(file, &format!("key = \"{key}\""), &format!("key = \"{misspelt}\""), &reason);
    }
    let open = "event = \"2026-05-04\"\nnone = \"no-value\"";
    for wrong in ["no-rule", "no-calendar"] {
        refused_at(file, open, &open.replace("no-value", wrong), "objection.handle.inner-mongolia");
    }
    refused_at(file, "none = \"no-rule\"", "none = \"no-value\"", "has no repair.result in force");
    refused_at(file, "none = \"no-calendar\"", "none = \"no-rule\"", "no working-day calendar for 2099");
    let behaviour = "behaviour = \"investment-promise-broken\"";
    let misspelt = "behaviour = \"investment-promise-brokken\"";
    refused_at(file, behaviour, misspelt, "unknown behaviour investment-promise-brokken");
    let object = "none = \"no-object\"";
    refused_at(file, object, "none = \"no-severity\"", "no subject of the kind can commit the breach");
    refused_at(
        file,
        object,
        "measures = [\"public-notice\"]",
        "no subject of the kind can commit the breach",
    );
    let severity = "none = \"no-severity\"";
    refused_at(file, severity, "none = \"no-object\"", "the breach is never of that severity");
    refused_at(file, severity, "", either);
    let repaired = "none = \"no-object\"\nrepair = \"judgment-debtor\"";
    refused_at(file, object, repaired, "where nothing follows there is nothing to repair");
    // Whoever takes a deadline out is told which test spoke of it.
    let error = changed("deadlines.toml", |text| {
        let place = text.find("[[deadline]]\nid = \"objection.handle.inner-mongolia\"").expect("deadline");
        let (before, from) = text.split_at(place);
        let end = from.find("\n\n").expect("another follows");
        [before, &from[end + 2..]].concat()
    })
    .expect_err("a test speaks of it")
    .to_string();
    assert!(
        error.starts_with("tests.toml line ") && error.contains("unknown deadline objection.handle"),
        "{error}"
    );
}
