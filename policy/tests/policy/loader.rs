//! What the loader refuses, by file and line: every trap of casbin and every way two files can disagree.

use std::collections::BTreeMap;

use chengxin_policy::{
    BUNDLE_LIMIT, Bundle, BundleFiles, FILE_LIMIT, FILES_LIMIT, PACKED_LIMIT, PolicyError, RULES_FILE_LIMIT,
};
use chengxin_schemas::ErrorCode;
use proptest::prelude::*;

use crate::support::{baseline_texts, changed};

/// The refusal of the baseline with `from` replaced by `to` once in `file`: its line, checked against the place of the
/// change where `located`, and its text.
fn refused(file: &str, from: &str, to: &str) -> String {
    let error = changed(file, |text| {
        assert!(text.contains(from), "{file} has no {from:?}");
        text.replacen(from, to, 1)
    })
    .expect_err("must be refused");
    assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
    error.to_string()
}

/// As [`refused`], with an error that names the line of the change.
fn refused_at(file: &str, from: &str, to: &str, reason: &str) {
    let message = refused(file, from, to);
    let before = baseline_texts().get(file).and_then(|text| text.split(from).next().map(str::to_owned));
    let offset = from.len() - from.trim_start().len();
    let skipped = from[..offset].matches('\n').count();
    let line = before.map_or(0, |text| text.matches('\n').count() + 1) + skipped;
    assert!(message.starts_with(&format!("{file} line {line}: ")), "line {line}: {message}");
    assert!(message.contains(reason), "{message}");
}

const RULE: &str = "public-money.ask.l1,clerk,*,public-money,*,*,L1,ask,show,allow";

#[test]
fn an_empty_policy_is_refused() {
    let header = "id,role,function,purpose,subject,category,level,action,form,effect\n";
    for text in [String::new(), header.to_owned(), format!("{header}# only a comment\n")] {
        let error = changed("rules.csv", |_| text.clone()).expect_err("empty");
        assert!(error.to_string().starts_with("rules.csv"), "{error}");
    }
    let denials = format!("{header}no,*,*,*,*,*,*,*,*,deny\n");
    let error = changed("rules.csv", |_| denials.clone()).expect_err("denials only");
    assert!(error.to_string().contains("no rule that allows"), "{error}");
}

#[test]
fn a_line_with_too_few_or_too_many_fields_is_refused_by_line() {
    refused_at("rules.csv", RULE, "public-money.ask.l1,clerk,*,public-money", "4 fields instead of 10");
    refused_at("rules.csv", RULE, &format!("{RULE},allow"), "11 fields instead of 10");
    refused_at("rules.csv", RULE, &RULE.replace("L1", "\"L1,L2\""), "unknown level");
    refused_at("rules.csv", "id,role", "role,id", "wrong header");
}

#[test]
fn every_field_of_a_rule_is_bound_to_something_that_exists() {
    for (from, to, what) in [
        (",clerk,", ",clerck,", "unknown role"),
        ("clerk,*,", "clerk,finanz,", "unknown function"),
        ("public-money,*,*", "public-moni,*,*", "unknown purpose or group"),
        ("*,*,L1", "firm,*,L1", "unknown subject kind"),
        ("*,*,L1", "*,gossip,L1", "unknown category"),
        (",L1,", ",L5,", "unknown level"),
        (",ask,show", ",peek,show", "unknown action"),
        (",show,", ",reveal,", "unknown form"),
        (",allow", ",perhaps", "unknown effect"),
    ] {
        refused_at("rules.csv", RULE, &RULE.replacen(from, to, 1), what);
    }
}

#[test]
fn script_text_in_a_rule_or_model_is_refused() {
    refused_at("rules.csv", RULE, &RULE.replace("public-money,*", "eval(loop {}),*"), "unknown purpose");
    refused_at("rules.csv", "public-money.ask.l1,", "loop {},", "a rule id has");
    for change in ["eval(p.id) && (p.action", "(true || p.action"] {
        let message = refused("model.conf", "(p.action", change);
        assert!(
            message.starts_with("model.conf line 15: ") && message.contains("cannot carry matcher code"),
            "{message}"
        );
    }
    // A matcher that does not compile, or never ends, is a text that is not the model's like any other.
    for matcher in ["m = r.role ==", "m = loop {}"] {
        let error =
            changed("model.conf", |text| format!("{}{matcher}\n", &text[..text.find("m = ").expect("m")]));
        let message = error.expect_err("another matcher").to_string();
        assert!(message.starts_with("model.conf line 15: differs from the model"), "{message}");
    }
    let message = changed("model.conf", |text| format!("{text}m2 = true\n")).expect_err("more").to_string();
    assert!(message.starts_with("model.conf line 16: "), "{message}");
}

#[test]
fn permissions_may_not_be_open_and_ids_are_unique_and_not_reserved() {
    for (from, to) in [(",L1,", ",*,"), (",show,", ",*,"), (",ask,", ",*,"), ("*,public-money", "*,*")] {
        refused_at("rules.csv", RULE, &RULE.replacen(from, to, 1), "a permission with *");
    }
    refused_at("rules.csv", RULE, &RULE.replacen(",clerk,", ",*,", 1), "wrong kind of role");
    refused_at("rules.csv", "public-money.ask.l2,", "public-money.ask.l1,", "stands in line 3 already");
    for id in ["default-deny,", "unknown-purpose,", "purpose.bidding.roles,"] {
        refused_at("rules.csv", "public-money.ask.l1,", id, "the id is reserved");
    }
}

#[test]
fn role_chains_and_cycles_are_refused() {
    let includes = "includes = [\"clerk\"]";
    let english = "english = \"Clerk\"";
    let message = refused("roles.toml", english, &format!("{english}\nincludes = [\"reviewer\"]"));
    assert!(
        message.starts_with("roles.toml line 8: role clerk may not include reviewer"),
        "a cycle, refused where the first of the two includes the other: {message}"
    );
    let message = refused("roles.toml", english, &format!("{english}\nincludes = [\"clerk\"]"));
    assert!(message.starts_with("roles.toml line 8: role clerk may not include clerk"), "itself: {message}");
    let message = refused("roles.toml", english, &format!("{english}\nincludes = [\"coordinator\"]"));
    assert!(message.contains("may not include"), "a chain: {message}");
    refused_at("roles.toml", includes, "includes = [\"chief\"]", "unknown variant");
    let message = refused("roles.toml", includes, "includes = [\"system_administrator\"]");
    assert!(message.contains("may not include"), "administrators stay apart: {message}");
    let message = refused("roles.toml", "code = \"coordinator\"", "code = \"clerk\"");
    assert!(message.contains("twice"), "{message}");
}

#[test]
fn a_purpose_says_exactly_what_its_rules_grant() {
    for (from, to, what) in [
        ("functions = [\"*\"]", "functions = [\"finance\"]", "functions of government-procurement"),
        ("subjects = [\"organisation\", \"person\"]", "subjects = [\"person\"]", "subjects of"),
        ("\"serious_breach\", \"risk_warning\"]", "\"serious_breach\"]", "categories of"),
        ("actions = [\"ask\", \"answer\"]", "actions = [\"ask\"]", "actions of"),
        ("roles = [\"clerk\", \"reviewer\"]", "roles = [\"clerk\"]", "roles of"),
    ] {
        let message = refused("purposes.toml", from, to);
        assert!(message.contains(what) && message.contains("rules.csv"), "{message}");
    }
    let message = refused("purposes.toml", "code = \"bidding\"", "code = \"public-money\"");
    assert!(message.contains("the name of a purpose"), "{message}");
    let message = refused("purposes.toml", "code = \"bidding\"", "code = \"clerk\"");
    assert!(message.contains("the name of a role"), "casbin has one graph for both: {message}");
    let message =
        refused("purposes.toml", "functions = [\"securities-regulation\"]", "functions = [\"banks\"]");
    assert!(message.contains("unknown function \"banks\""), "{message}");
}

#[test]
fn what_a_query_owes_is_asked_of_queries_only() {
    let case = "case_reference = true\n";
    for limit in ["0", "100001"] {
        for field in ["daily_limit", "daily_limit_body"] {
            let message = refused("purposes.toml", case, &format!("{case}{field} = {limit}\n"));
            assert!(message.contains("not between 1 and 100000"), "{message}");
            assert!(message.contains(&format!("correct {field}, ")), "{message}");
        }
    }
    let message = refused("purposes.toml", case, &format!("{case}daily_limit = 21\ndaily_limit_body = 20\n"));
    assert!(message.contains("less often in a day than one of its operators"), "{message}");
    for limit in ["-1", "\"many\""] {
        let message = refused("purposes.toml", case, &format!("{case}daily_limit = {limit}\n"));
        assert!(message.starts_with("purposes.toml line "), "{message}");
    }
    let read = "actions = [\"read\"]\n";
    for field in ["daily_limit", "daily_limit_body"] {
        let message = refused("purposes.toml", read, &format!("{read}{field} = 5\n"));
        assert!(message.contains("counts queries"), "{message}");
    }
    let message = refused("purposes.toml", read, &format!("{read}subject_authorisation = true\n"));
    assert!(message.contains("comes with a query"), "{message}");
    let message = refused("purposes.toml", read, &format!("{read}second_person = true\n"));
    assert!(message.contains("the release of another person comes with a query"), "{message}");
}

#[test]
fn every_field_is_classified_once_and_strictly() {
    let entry = "[[field]]\nrecord_type = \"administrative-penalty\"\nname = \"remark\"";
    let message = refused("classification.toml", entry, &entry.replace("remark", "remarks"));
    assert!(message.contains("has no field \"remarks\""), "{message}");
    let message = refused("classification.toml", entry, &entry.replace("remark", "facts"));
    assert!(message.contains("twice"), "{message}");
    let error = changed("classification.toml", |text| {
        let start = text.find(entry).expect("entry");
        let end = text[start + 2..].find("[[field]]").map_or(text.len(), |place| start + 2 + place);
        format!("{}{}", &text[..start], &text[end..])
    })
    .expect_err("a field is missing");
    assert!(error.to_string().contains("remark of administrative-penalty is not classified"), "{error}");
    let message = refused("classification.toml", "level = \"L4\"", "level = \"L2\"");
    assert!(message.contains("document number but not L4"), "{message}");
    let message = refused("classification.toml", "level = \"L1\"", "level = \"L3\"");
    assert!(message.contains("lower for a person") || message.contains("above L1"), "{message}");
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_by_line_in_every_file() {
    for file in [
        "bundle.toml",
        "roles.toml",
        "functions.toml",
        "purposes.toml",
        "classification.toml",
        "categories.toml",
        "measures.toml",
        "periods.toml",
        "tests.toml",
        "calendar/2026.toml",
    ] {
        let error = changed(file, |text| format!("surprise = 1\n{text}")).expect_err(file).to_string();
        assert!(error.starts_with(&format!("{file} line 1: unknown field")), "{error}");
    }
    refused_at(
        "measures.toml",
        "severity_floor = \"general\"",
        "severity_floor = \"mild\"",
        "unknown variant",
    );
    let message = refused(
        "classification.toml",
        "name = \"organisation_code\"\nlevel = \"L1\"\nperson_level = \"L2\"\nsharing = \"unconditional\"",
        "name = \"organisation_code\"\nlevel = \"L1\"\nperson_level = \"L2\"\nsharing = \"not_shared\"",
    );
    assert!(message.contains("not shared unconditionally"), "{message}");
    let message = refused(
        "classification.toml",
        "sharing = \"conditional\"\ndisclosure = \"shared_among_government\"\nmask = { left = 0, right = 0 }",
        "sharing = \"not_shared\"\ndisclosure = \"shared_among_government\"\nmask = { left = 0, right = 0 }",
    );
    assert!(message.contains("remark is not shared, and no law is cited"), "{message}");
    let limits = "at_most = 3000, person_at_most = 200 }";
    let message =
        refused("categories.toml", limits, "at_most = 3000, person_at_most = 200, texts = [\"x\"] }");
    assert!(message.contains("a condition without fields or texts"), "{message}");
    for wrong in ["at_most = 3000, person_at_most = 3001 }", "at_most = 0, person_at_most = 200 }"] {
        let message = refused("categories.toml", limits, wrong);
        assert!(message.contains("person_at_most is above at_most"), "{message}");
    }
    let message = refused("categories.toml", limits, "person_at_most = 200 }");
    assert!(message.contains("fields of money"), "{message}");
    let message = refused("categories.toml", "texts = [\"警告\"", "person_at_most = 0, texts = [\"警告\"");
    assert!(message.contains("stands without it"), "{message}");
    let message = refused(
        "categories.toml",
        "{ fields = [\"fine\"], match = \"amount\"",
        "{ fields = [\"remark\"], match = \"amount\"",
    );
    assert!(message.contains("fields of money"), "{message}");
    let message = refused(
        "periods.toml",
        "record_types = [\"judgment-debtor\"]\nseverity = \"serious\"\n",
        "record_types = [\"judgment-debtor\"]\nseverity = \"general\"\n",
    );
    assert!(message.contains("no period for serious breaches of judgment-debtor"), "{message}");
    let message = refused("measures.toml", "object = \"organisation\"", "object = \"public_body\"");
    assert!(message.contains("two grounds for public_body"), "{message}");
    refused_at("periods.toml", "maximum_months = 3\n", "maximum_months = -3\n", "invalid value");
    let message = refused("categories.toml", "fields = [\"penalty_kinds\"]", "fields = [\"penalty_kind\"]");
    assert!(message.contains("has no field \"penalty_kind\""), "{message}");
    let message = refused("categories.toml", "id = \"penalty.minor-kinds\"", "id = \"penalty.other\"");
    assert!(message.contains("twice"), "{message}");
    let message = refused("periods.toml", "effective_to = \"2026-03-31\"", "effective_to = \"2026-04-01\"");
    assert!(message.contains("overlaps"), "{message}");
    let message = refused("calendar/2026.toml", "\"2026-01-04\"", "\"2026-01-05\"");
    assert!(message.contains("no Saturday or Sunday"), "{message}");
    let message = refused("bundle.toml", "baseline-2026.4", "2026.1");
    assert!(message.contains("not the version of a policy"), "{message}");
    let message = refused("bundle.toml", "baseline-2026.4", "other-2026.4");
    assert!(message.contains("does not begin with the id"), "{message}");
}

#[test]
fn a_failing_decision_test_refuses_the_bundle_and_says_what_was_decided() {
    for (from, to, reason) in [
        ("expect = \"permit\"", "expect = \"deny\"", "a denial permits nothing"),
        (
            "rule = \"public-money.ask.l1\"",
            "rule = \"public-money.ask.l2\"",
            "decided by public-money.ask.l1",
        ),
        ("\"general_breach/L3\" = \"mask\"", "\"general_breach/L3\" = \"show\"", "general_breach/L3 is mask"),
        ("\"general_breach/L3\"", "\"general_breach/L9\"", "unknown cell"),
    ] {
        let message = refused("tests.toml", from, to);
        assert!(message.starts_with("tests.toml line ") && message.contains(reason), "{message}");
    }
    let message = refused("rules.csv", "entry.no-risk-warning", "entry.no-warning");
    assert!(message.contains("decided by entry.no-warning"), "{message}");
    let message = refused("tests.toml", "[[test]]", "[[tests]]");
    assert!(message.contains("unknown field"), "{message}");
}

#[test]
fn names_and_sizes_are_limited_before_anything_is_parsed() {
    let with = |name: &str, text: String| {
        let mut texts = baseline_texts();
        texts.insert(name.to_owned(), text);
        BundleFiles::new(texts)
    };
    for name in
        ["../escape", "calendar/../x", "calendar/26.toml", "calendar/1999.toml", "notes.txt", "", "/etc"]
    {
        assert!(with(name, String::new()).is_err(), "{name:?}");
    }
    assert!(with("calendar/2027.toml", String::new()).is_ok(), "a known name, not yet parsed");
    let big = with("tests.toml", "#".repeat(FILE_LIMIT + 1)).expect_err("too large");
    assert_eq!(big.code(), ErrorCode::TooLarge);
    let big = with("rules.csv", "#".repeat(RULES_FILE_LIMIT + 1)).expect_err("too large");
    assert_eq!(big.to_string(), "rules.csv is over the limit of 16777216 bytes");
    let mut texts = baseline_texts();
    for name in ["tests.toml", "measures.toml", "periods.toml"] {
        texts.insert(name.to_owned(), "#".repeat(FILE_LIMIT));
    }
    texts.insert("rules.csv".to_owned(), "#".repeat(BUNDLE_LIMIT - 3 * FILE_LIMIT));
    let big = BundleFiles::new(texts).expect_err("too large together");
    assert_eq!(big.to_string(), format!("the bundle is over the limit of {BUNDLE_LIMIT} bytes"));
    let many: BTreeMap<_, _> =
        (0..=FILES_LIMIT).map(|number| (format!("calendar/{}.toml", 2000 + number), String::new())).collect();
    assert_eq!(BundleFiles::new(many).expect_err("too many").code(), ErrorCode::TooLarge);
    let mut texts = baseline_texts();
    texts.remove("rules.csv");
    let missing = BundleFiles::new(texts).expect_err("missing").to_string();
    assert!(missing.starts_with("rules.csv: missing"), "{missing}");
}

#[test]
fn what_a_bundle_may_hold_is_counted() {
    let functions: String = (0..257)
        .map(|number| {
            format!("[[function]]\ncode = \"f-{number}\"\nchinese = \"职能\"\nenglish = \"f\"\nsource = \"\"\nverified = false\n")
        })
        .collect();
    let purpose = "chinese = \"用途\"\nenglish = \"p\"\nrequirement = \"QU-02\"\nverified = false\n\
                   roles = []\nfunctions = [\"*\"]\nsubjects = []\ncategories = []\nactions = []\n\
                   case_reference = true\nnote = \"\"\n";
    let purposes: String =
        (0..2_001).map(|number| format!("[[purpose]]\ncode = \"p-{number}\"\n{purpose}")).collect();
    let rules: String =
        (0..120_001).map(|number| format!("{}\n", RULE.replacen(".l1", &format!(".n{number}"), 1))).collect();
    let header = baseline_texts()["rules.csv"].lines().next().expect("a header").to_owned();
    for (file, text, limit) in [
        ("functions.toml", functions, "256 functions"),
        ("purposes.toml", purposes, "2000 purposes"),
        ("rules.csv", format!("{header}\n{rules}"), "120000 rules"),
    ] {
        let error = changed(file, |_| text.clone()).expect_err(file);
        assert_eq!(error.code(), ErrorCode::TooLarge, "{error}");
        assert_eq!(error.to_string(), format!("{file} is over the limit of {limit}"));
    }
}

#[test]
fn the_packed_form_is_canonical_or_refused() {
    let packed = BundleFiles::baseline().pack();
    assert_eq!(BundleFiles::unpack(&packed).expect("canonical").pack(), packed);
    let mut spaced = packed.clone();
    spaced.push(b'\n');
    assert!(matches!(BundleFiles::unpack(&spaced), Err(PolicyError::Packed { .. })));
    let text = String::from_utf8(packed.clone()).expect("text");
    let twice = text.replacen('{', "{\"bundle.toml\":\"\",", 1);
    assert!(matches!(BundleFiles::unpack(twice.as_bytes()), Err(PolicyError::Packed { .. })));
    let large = BundleFiles::unpack(&vec![b' '; PACKED_LIMIT + 1]).expect_err("large");
    assert_eq!(large.code(), ErrorCode::TooLarge);
    for cut in [0, 1, packed.len() / 2, packed.len() - 1] {
        assert!(BundleFiles::unpack(&packed[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_directory_holds_the_bundles_own_plain_files_only() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    for (name, text) in baseline_texts() {
        write(&name, &text);
    }
    write("decision-table.txt", "generated, not read");
    let loaded = BundleFiles::load_directory(folder.path()).expect("clean");
    assert_eq!(loaded.digest(), BundleFiles::baseline().digest());

    write("extra.toml", "");
    assert!(BundleFiles::load_directory(folder.path()).is_err(), "an unknown file");
    std::fs::remove_file(folder.path().join("extra.toml")).expect("remove");
    std::fs::write(folder.path().join("tests.toml"), [0xff, 0xfe]).expect("bytes");
    let error = BundleFiles::load_directory(folder.path()).expect_err("not UTF-8");
    assert!(error.to_string().contains("tests.toml"), "{error}");
    std::fs::remove_file(folder.path().join("tests.toml")).expect("remove");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("tests.toml")).expect("link");
        assert!(BundleFiles::load_directory(folder.path()).is_err(), "a link to an endless file");
    }
    let nowhere = Bundle::load_directory(&folder.path().join("nowhere")).expect_err("no directory");
    assert_eq!(nowhere.code(), ErrorCode::NotFound);
}

#[test]
fn a_directory_of_a_gigabyte_is_refused_without_being_read() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, text) in baseline_texts() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    }
    // Files with a hole, which take no room on the disk; reading one whole would take a gigabyte of memory.
    let grow = |name: &str, length: u64| {
        let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(name)).expect("open");
        file.set_len(length).expect("length");
    };
    grow("rules.csv", 1 << 30);
    let error = Bundle::load_directory(folder.path()).expect_err("too large");
    assert_eq!(error.code(), ErrorCode::TooLarge);
    assert_eq!(error.to_string(), format!("rules.csv is over the limit of {RULES_FILE_LIMIT} bytes"));
    // Each file within its limit, all of them over the bundle's.
    for name in ["rules.csv", "tests.toml", "measures.toml", "periods.toml"] {
        grow(name, if name == "rules.csv" { RULES_FILE_LIMIT } else { FILE_LIMIT } as u64);
    }
    let error = Bundle::load_directory(folder.path()).expect_err("too large together");
    assert_eq!(error.to_string(), format!("the bundle is over the limit of {BUNDLE_LIMIT} bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_text_in_any_file_is_an_error_and_never_a_panic(text in "\\PC{1,200}", place in 0_usize..1000) {
        for (name, original) in baseline_texts() {
            let whole = changed(&name, |_| text.clone());
            prop_assert!(whole.is_err(), "{} accepted as {}", text, name);
            let mut cut = place % (original.len() + 1);
            while !original.is_char_boundary(cut) {
                cut -= 1;
            }
            // A cut file is refused, or the cut fell where a complete bundle ends (a comment, a whole entry): then it
            // is parsed like any other, which is enough here. Texts that still load are too slow to try each time.
            let half = changed(&name, |_| format!("{}\n\u{7}{text}", &original[..cut]));
            prop_assert!(half.is_err(), "{} cut at {}", name, cut);
        }
    }

    #[test]
    fn random_bytes_never_unpack(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(BundleFiles::unpack(&bytes).is_err());
    }
}
