//! What decisions cost with 10, 1,000 and 110,000 rules: loading a bundle, warm (cached), cold (the index and casbin for a
//! whole profile of 20 cells), plain casbin with all rules, an overlay above the bundle, and a bare hash lookup with the same key material, side by side
//! with their ratios. Then two bad cases for the index: one purpose that has nearly all rules, asked by a body with every
//! function, and rules that differ in nothing but their ids. casbin's own cache is not among them: it keeps 200 answers
//! under a hash of the question alone, and a kept answer has no rule. Run with `cargo bench -p chengxin-policy`;
//! `-- 10 1000` takes only those numbers of rules and leaves the bad cases out.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark stops when its setting is wrong")]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/policy/province.rs"]
mod province;

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::time::{Duration, Instant};

use chengxin_policy::{
    AccessRequest, Action, AskerContext, Authoriser, Bundle, BundleFiles, Decision, OverlayFiles, PolicyDiff,
    Scope, published_encode,
};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;

use crate::province::{Dice, Spread, province};

/// Each figure is the median of so many rounds.
const ROUNDS: usize = 9;
/// Distinct requests of a round. The decision cache holds them all.
const REQUESTS: usize = 2_000;
/// Rounds repeat what is too short to time alone.
const LOOPS: usize = 20;
const SEED: u64 = 20_261_122;

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let all = sizes.is_empty();
    if all {
        sizes = vec![10, 1_000, 110_000];
    }
    println!("median of {ROUNDS} rounds (fastest to slowest)");
    for rules in sizes {
        size(rules, Spread::Province);
    }
    if all {
        size(110_000, Spread::OnePurpose);
        size(110_000, Spread::Alike);
        release();
    }
}

fn size(rules: usize, spread: Spread) {
    let files = province(rules, spread, SEED).expect("within the limits");
    let packed = files.pack();
    let before = resident();
    let bundle = Bundle::from_packed(&packed).expect("loads");
    let authoriser = Authoriser::new(bundle.clone()).expect("authoriser");
    let held = resident().saturating_sub(before);
    println!(
        "\n{} rules ({spread:?}), {} purposes, {} functions, {} decision tests, {:.1} MB packed, {held} MB resident with its authoriser",
        bundle.rules().len(),
        bundle.purposes().len(),
        bundle.functions().len(),
        bundle.decision_test_count(),
        megabytes(packed.len()),
    );
    print_line(
        "load: unpack, parse, bind, test",
        measure(1, || drop(black_box(Bundle::from_packed(&packed)))),
    );
    print_line("build an authoriser", measure(1, || drop(black_box(Authoriser::new(bundle.clone())))));

    let requests = requests(&bundle, spread);
    let permitted =
        requests.iter().filter(|one| matches!(authoriser.authorize(one), Decision::Permit(_))).count();
    let cold = measure_with(
        requests.len(),
        || Authoriser::new(bundle.clone()).expect("authoriser"),
        |fresh| {
            for request in &requests {
                black_box(fresh.authorize(request));
            }
        },
    );
    let slowest = slowest_cold(&bundle, &requests);
    let warm = measure(requests.len() * LOOPS, || {
        for _ in 0..LOOPS {
            for request in &requests {
                black_box(authoriser.authorize(request));
            }
        }
    });
    let lookup = lookup(&requests);
    // Plain casbin takes a tenth of a second for a question over 110,000 rules, so few are asked.
    let few = &requests[..(200_000 / rules).clamp(3, requests.len())];
    let begun = Instant::now();
    let before = resident();
    plain(&authoriser, &few[..1]);
    let (first, held) = (begun.elapsed(), resident().saturating_sub(before));
    let plain = measure(few.len(), || plain(&authoriser, few));

    print_line(&format!("warm decision of 20 cells ({permitted} of {} permit)", requests.len()), warm);
    print_line("cold decision of 20 cells", cold);
    println!("{:<52} {slowest:>12.3?}", "slowest cold decision of one round");
    print_line("plain casbin, one cell", plain);
    println!("{:<52} {first:>12.3?}  and {held} MB", "plain casbin: take all rules and decide one cell");
    print_line("one hash lookup", lookup);
    travel_and_diff(&files, &authoriser, spread);
    if spread == Spread::Province {
        overlay_cost(&authoriser, &requests);
    }
    println!(
        "warm is {:.1} hash lookups; one cell by plain casbin is {:.0} warm and {:.2} cold decisions of 20 cells",
        ratio(warm, lookup),
        ratio(plain, warm),
        ratio(plain, cold),
    );
}

/// The published form, and the comparison with a bundle that has one denial more.
fn travel_and_diff(files: &BundleFiles, authoriser: &Authoriser, spread: Spread) {
    let begun = Instant::now();
    let published = published_encode(files).expect("compresses");
    println!(
        "{:<52} {:>12.3?}  and {:.2} MB (a published content has at most 2 MiB)",
        "published form: compress",
        begun.elapsed(),
        megabytes(published.len()),
    );
    if spread != Spread::Province {
        return;
    }
    let mut texts: BTreeMap<String, String> =
        files.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let purpose = &authoriser.bundle().purposes()[0].code;
    texts
        .get_mut("rules.csv")
        .expect("rules")
        .push_str(&format!("bench.one-more,*,*,{purpose},*,*,L3,ask,*,deny\n"));
    let changed = BundleFiles::new(texts).and_then(Bundle::from_files).and_then(Authoriser::new);
    let changed = changed.expect("loads");
    let begun = Instant::now();
    let diff = PolicyDiff::new(authoriser, &changed).expect("compared");
    println!(
        "{:<52} {:>12.3?}  and {} cells differ",
        "what one denial more changes: the whole comparison",
        begun.elapsed(),
        diff.cells.len(),
    );
}

/// What a league's overlay costs above the bundle: putting it there, staging it, and a warm decision under it. The first
/// denies under two hundred purposes, the second under every purpose.
fn overlay_cost(authoriser: &Authoriser, requests: &[AccessRequest]) {
    let bundle = authoriser.bundle();
    let named: String = bundle
        .purposes()
        .iter()
        .take(200)
        .enumerate()
        .map(|(number, purpose)| {
            format!("150100.r{number},*,*,{},*,risk_warning,L3,ask,*,deny\n", purpose.code)
        })
        .collect();
    let every = "150100.every,*,*,*,*,risk_warning,*,ask,*,deny\n".to_owned();
    for (name, denials) in [("200 denials", named), ("one denial for every purpose", every)] {
        let files = overlay_files(&denials);
        let combined = bundle.overlay_apply(&files).expect("applies");
        print_line(
            &format!("overlay of {name}: put above the bundle"),
            measure(1, || drop(black_box(bundle.overlay_apply(&files)))),
        );
        print_line(
            "overlay: build an authoriser of both",
            measure(1, || drop(black_box(Authoriser::new(combined.clone())))),
        );
        let begun = Instant::now();
        black_box(bundle.overlay_stage(&files)).expect("stages");
        println!("{:<52} {:>12.3?}", "overlay: stage", begun.elapsed());
        let both = Authoriser::new(combined).expect("authoriser");
        let warm = measure(requests.len() * LOOPS, || {
            for _ in 0..LOOPS {
                for request in requests {
                    black_box(both.authorize(request));
                }
            }
        });
        print_line("overlay: warm decision of 20 cells", warm);
    }
}

fn overlay_files(denials: &str) -> OverlayFiles {
    let manifest = "schema = \"chengxin/policy-overlay/v1\"\nregion = \"150100\"\nversion = \"150100-2026.1\"\n\
                    effective = \"2026-07-01\"\nchinese = \"示例\"\nenglish = \"Example\"\nbasis = \"示例\"\n";
    let rules = format!("id,role,function,purpose,subject,category,level,action,form,effect\n{denials}");
    let test = "[[test]]\nname = \"unknown\"\nrequirement = \"QU-02\"\naction = \"ask\"\nrole = \"clerk\"\n\
                purpose = \"unknown-matter\"\nfunctions = []\nsubject = \"organisation\"\n\
                categories = [\"basic\"]\nexpect = \"deny\"\n";
    let texts = [("overlay.toml", manifest), ("rules.csv", rules.as_str()), ("tests.toml", test)];
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    OverlayFiles::new(BTreeMap::from(texts)).expect("an overlay")
}

/// The longest of all first decisions.
fn slowest_cold(bundle: &Bundle, requests: &[AccessRequest]) -> Duration {
    let fresh = Authoriser::new(bundle.clone()).expect("authoriser");
    let times = requests.iter().map(|request| {
        let begun = Instant::now();
        black_box(fresh.authorize(request));
        begun.elapsed()
    });
    times.max().unwrap_or_default()
}

fn plain(authoriser: &Authoriser, requests: &[AccessRequest]) {
    for request in requests {
        let cell =
            authoriser.cell_uncached(request, InformationCategory::GeneralBreach, ClassificationLevel::L2);
        black_box(cell.expect("casbin decides"));
    }
}

/// Requests by bodies that some rule is about, each with up to a dozen functions; with one purpose for all rules, by a body
/// that has every function.
fn requests(bundle: &Bundle, spread: Spread) -> Vec<AccessRequest> {
    let mut dice = Dice::new(SEED);
    let generated = bundle.functions().iter().filter(|function| function.code.as_str().starts_with("duty-"));
    let generated: Vec<_> = generated.map(|function| function.code.clone()).collect();
    (0..REQUESTS)
        .map(|_| {
            let rule = bundle.rules().get(dice.below(bundle.rules().len())).expect("a rule");
            let aimed = bundle.purposes().iter().find(|purpose| match &rule.purpose {
                Scope::Every => true,
                Scope::One(name) => purpose.code.as_str() == name || purpose.group.as_ref() == Some(name),
            });
            let mut functions: Vec<_> = match spread {
                Spread::OnePurpose => generated.clone(),
                _ => (0..dice.below(12)).map(|_| generated[dice.below(generated.len())].clone()).collect(),
            };
            if let Scope::One(function) = &rule.function {
                functions.push(function.clone());
            }
            AccessRequest {
                asker: AskerContext {
                    agency: "11152105011615449P".parse().expect("agency"),
                    functions,
                    region: "150000".parse().expect("region"),
                },
                role: [Role::Clerk, Role::Reviewer][dice.below(2)],
                purpose: aimed.expect("every rule is about a purpose").code.clone(),
                case_reference: "CG-2026-031".parse().ok(),
                legal_basis: "《行政许可法》第六十九条".parse().ok(),
                authorisation: None,
                second_person: None,
                subject_kind: [SubjectKind::Organisation, SubjectKind::Person][dice.below(2)],
                own_records: false,
                categories: InformationCategory::ALL.to_vec(),
                action: [Action::Ask, Action::Answer][dice.below(2)],
            }
        })
        .collect()
}

fn lookup(requests: &[AccessRequest]) -> Spread3 {
    let key = |one: &AccessRequest| (one.purpose.to_string(), one.action.as_str(), one.role);
    let table: HashMap<(String, &str, Role), u32> =
        requests.iter().zip(0..).map(|(one, number)| (key(one), number)).collect();
    let keys: Vec<_> = requests.iter().map(key).collect();
    measure(keys.len() * LOOPS, || {
        for _ in 0..LOOPS {
            for key in &keys {
                black_box(table.get(key));
            }
        }
    })
}

fn release() {
    let bundle = Bundle::baseline().expect("baseline");
    let authoriser = Authoriser::new(bundle.clone()).expect("authoriser");
    println!("\nthe baseline, {} rules", bundle.rules().len());
    print_line("load and test the baseline", measure(1, || drop(black_box(Bundle::baseline()))));
    let one = AccessRequest {
        purpose: "government-procurement".parse().expect("purpose"),
        subject_kind: SubjectKind::Organisation,
        role: Role::Clerk,
        action: Action::Ask,
        ..requests(&bundle_small(), Spread::Province).swap_remove(0)
    };
    let Decision::Permit(permit) = authoriser.authorize(&one) else { panic!("permitted") };
    let fields = RecordType::AdministrativePenalty.fields();
    let loops = 200;
    let release = measure(fields.len() * loops, || {
        for _ in 0..loops {
            for field in fields {
                black_box(permit.release(
                    RecordType::AdministrativePenalty,
                    InformationCategory::GeneralBreach,
                    field.name,
                    false,
                ));
            }
        }
    });
    print_line("release of one field", release);
}

fn bundle_small() -> Bundle {
    Bundle::from_files(province(10, Spread::Province, SEED).expect("files")).expect("loads")
}

/// Fastest, median and slowest time of one item.
type Spread3 = [Duration; 3];

fn measure(items: usize, mut work: impl FnMut()) -> Spread3 {
    measure_with(items, || (), |()| work())
}

fn measure_with<T>(items: usize, mut prepare: impl FnMut() -> T, mut work: impl FnMut(&T)) -> Spread3 {
    let items = u32::try_from(items).expect("few items");
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let prepared = prepare();
            let start = Instant::now();
            work(&prepared);
            start.elapsed() / items
        })
        .collect();
    times.sort_unstable();
    [times[0], times[ROUNDS / 2], times[ROUNDS - 1]]
}

fn print_line(name: &str, [fastest, median, slowest]: Spread3) {
    let rate = 1.0 / median.as_secs_f64().max(1e-12);
    println!("{name:<52} {median:>12.3?}  ({fastest:.3?} to {slowest:.3?})  {rate:>12.0}/s");
}

fn ratio(one: Spread3, other: Spread3) -> f64 {
    one[1].as_secs_f64() / other[1].as_secs_f64().max(1e-12)
}

/// Resident memory of this process in megabytes; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok());
    kilobytes.unwrap_or(0_u64) / 1_000
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).expect("limited")) / 1e6
}
