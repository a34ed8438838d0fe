//! What a decision costs: warm (cached), cold (casbin for a whole profile), one plain casbin question, and a bare hash
//! lookup with the same key material, side by side with their ratios. Run with `cargo bench -p chengxin-policy`.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark stops when its setting is wrong")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use chengxin_policy::{AccessRequest, Action, AskerContext, Authoriser, Bundle, Decision};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;

/// Each figure is the median of so many rounds.
const ROUNDS: usize = 9;

fn main() {
    let load = measure(1, || {
        black_box(Bundle::baseline().expect("baseline"));
    });
    let bundle = Bundle::baseline().expect("baseline");
    let build = measure(1, || {
        black_box(Authoriser::new(bundle.clone()).expect("authoriser"));
    });
    let requests = requests(&bundle);
    let authoriser = Authoriser::new(bundle.clone()).expect("authoriser");
    let count = requests.len();
    println!(
        "{count} distinct requests, {} rules, median of {ROUNDS} rounds (fastest to slowest)",
        bundle.rules().len()
    );
    print_line("load and test the baseline", load);
    print_line("build an authoriser", build);

    let cold = measure_with(
        count,
        || Authoriser::new(bundle.clone()).expect("authoriser"),
        |fresh| {
            for request in &requests {
                black_box(fresh.authorize(request));
            }
        },
    );
    let plain = measure(count, || {
        for request in &requests {
            let cell = authoriser.cell_uncached(
                request,
                InformationCategory::GeneralBreach,
                ClassificationLevel::L2,
            );
            black_box(cell.expect("casbin decides"));
        }
    });
    let loops = 200;
    let warm = measure(count * loops, || {
        for _ in 0..loops {
            for request in &requests {
                black_box(authoriser.authorize(request));
            }
        }
    });
    let table: HashMap<(String, &str, Role), u32> =
        requests.iter().zip(0..).map(|(one, number)| (key(one), number)).collect();
    let keys: Vec<_> = requests.iter().map(key).collect();
    let lookup = measure(count * loops, || {
        for _ in 0..loops {
            for key in &keys {
                black_box(table.get(key));
            }
        }
    });
    let Decision::Permit(permit) = authoriser.authorize(&requests[0]) else { panic!("permitted") };
    let fields = RecordType::AdministrativePenalty.fields();
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
    print_line("warm decision (20 cells, cached)", warm);
    print_line("cold decision (20 cells, casbin)", cold);
    print_line("one cell by plain casbin", plain);
    print_line("one hash lookup", lookup);
    print_line("release of one field", release);
    println!(
        "warm is {:.1} hash lookups; one plain casbin cell is {:.0} warm decisions of 20 cells",
        ratio(warm, lookup),
        ratio(plain, warm)
    );
}

fn key(request: &AccessRequest) -> (String, &'static str, Role) {
    (request.purpose.to_string(), request.action.as_str(), request.role)
}

fn requests(bundle: &Bundle) -> Vec<AccessRequest> {
    let functions = ["finance", "market-regulation", "procurement-supervision"];
    let mut requests = Vec::new();
    for purpose in bundle.purposes() {
        for role in [Role::Clerk, Role::Reviewer] {
            for action in [Action::Ask, Action::Answer] {
                requests.push(AccessRequest {
                    asker: AskerContext {
                        agency: "11152105011615449P".parse().expect("agency"),
                        functions: functions.iter().map(|code| code.parse().expect("function")).collect(),
                        region: "150000".parse().expect("region"),
                    },
                    role,
                    purpose: purpose.code.clone(),
                    case_reference: "CG-2026-031".parse().ok(),
                    legal_basis: None,
                    subject_kind: SubjectKind::Organisation,
                    own_records: false,
                    categories: InformationCategory::ALL.to_vec(),
                    action,
                });
            }
        }
    }
    requests
}

/// Fastest, median and slowest time of one item.
type Spread = [Duration; 3];

fn measure(items: usize, mut work: impl FnMut()) -> Spread {
    measure_with(items, || (), |()| work())
}

fn measure_with<T>(items: usize, mut prepare: impl FnMut() -> T, mut work: impl FnMut(T)) -> Spread {
    let items = u32::try_from(items).expect("few items");
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let prepared = prepare();
            let start = Instant::now();
            work(prepared);
            start.elapsed() / items
        })
        .collect();
    times.sort_unstable();
    [times[0], times[ROUNDS / 2], times[ROUNDS - 1]]
}

fn print_line(name: &str, [fastest, median, slowest]: Spread) {
    let rate = 1.0 / median.as_secs_f64().max(1e-12);
    println!("{name:<36} {median:>12.3?}  ({fastest:.3?} to {slowest:.3?})  {rate:>12.0}/s");
}

fn ratio(one: Spread, other: Spread) -> f64 {
    one[1].as_secs_f64() / other[1].as_secs_f64().max(1e-12)
}
