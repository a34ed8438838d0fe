//! Bundles that nobody wrote: a province of any size, bad cases for an index, and small random ones. Seeded, so that a
//! failure comes again. Shared by the tests and the benchmark.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chengxin_policy::{BundleFiles, PolicyError};

/// A generator of numbers that is the same on every machine (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("small")).expect("small")
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const CATEGORIES: [&str; 5] = ["basic", "enhancing", "general_breach", "serious_breach", "risk_warning"];
const LEVELS: [&str; 4] = ["L1", "L2", "L3", "L4"];
const SUBJECTS: [&str; 2] = ["organisation", "person"];
const ACTIONS: [&str; 4] = ["ask", "answer", "read", "receive-notice"];
const FORMS: [&str; 2] = ["show", "mask"];
const ROLES: [&str; 6] = [
    "clerk",
    "reviewer",
    "coordinator",
    "system_administrator",
    "security_administrator",
    "audit_administrator",
];

/// How rules lie over purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// As a province would write them: about 110 a purpose, part of them for its group, some for every body, denials of
    /// categories for groups and purposes, and three for every purpose.
    Province,
    /// One purpose has all but a few: every function, role, category and level of its own.
    OnePurpose,
    /// One purpose has all but a few, and they differ in nothing but their ids.
    Alike,
}

/// A rule without its id: role, function, purpose, subject, category, level, action, form.
struct Line {
    fields: [String; 8],
    allows: bool,
}

fn line(fields: [&str; 8], allows: bool) -> Line {
    Line { fields: fields.map(str::to_owned), allows }
}

struct Draft {
    purposes: Vec<(String, Option<String>)>,
    functions: Vec<String>,
    /// Role and the role it includes.
    includes: Vec<(&'static str, &'static str)>,
    lines: Vec<Line>,
}

/// The files of a bundle with exactly `rules` rules.
pub(crate) fn province(rules: usize, spread: Spread, seed: u64) -> Result<BundleFiles, PolicyError> {
    let mut dice = Dice::new(seed);
    let mut lines = Vec::new();
    let mut purposes = Vec::new();
    // Forty departments of a province and what differs in its cities.
    let functions: Vec<String> = (0..120).map(|number| format!("duty-{number}")).collect();
    for action in ["answer", "ask", "receive-notice"] {
        lines.push(line(["*", "*", "*", "*", "*", "L4", action, "show"], false));
    }
    let mut number = 0;
    while lines.len() < rules {
        let code = format!("matter-{number}");
        let group = format!("field-{}", number / 20);
        // The first purpose of a group carries the group's rules.
        let first = number % 20 == 0;
        number += 1;
        match spread {
            Spread::Province => {
                if first {
                    department(&mut dice, &group, "*", &mut lines);
                    lines.push(line(["*", "*", &group, "*", "risk_warning", "*", "*", "*"], false));
                }
                for _ in 0..dice.below(6) + 4 {
                    let function = functions[dice.below(functions.len())].clone();
                    department(&mut dice, &code, &function, &mut lines);
                }
                for _ in 0..dice.below(3) {
                    let function = functions[dice.below(functions.len())].clone();
                    let category = dice.pick(&CATEGORIES);
                    lines.push(line(["*", &function, &code, "*", category, "L3", "*", "*"], false));
                }
                lines.push(line(["clerk", "*", &code, "*", "basic", "L1", "ask", "show"], true));
            }
            Spread::OnePurpose => everything(&functions, &code, &mut lines, rules),
            Spread::Alike => {
                while lines.len() < rules {
                    lines.push(line(["clerk", "*", &code, "*", "basic", "L1", "ask", "show"], true));
                }
            }
        }
        purposes.push((code, (spread == Spread::Province).then_some(group)));
    }
    lines.truncate(rules);
    if spread == Spread::Province {
        // The last purpose may have lost its rules to the exact number.
        let code = purposes.last().map(|last| last.0.clone()).unwrap_or_default();
        lines.pop();
        lines.push(line(["clerk", "*", &code, "*", "basic", "L1", "ask", "show"], true));
    }
    files(&Draft { purposes, functions, includes: vec![("reviewer", "clerk")], lines })
}

/// What one department may see under a purpose: levels graded, asking and answering alike.
fn department(dice: &mut Dice, purpose: &str, function: &str, lines: &mut Vec<Line>) {
    let role = if dice.chance(10) { "reviewer" } else { "clerk" };
    let subject = if dice.chance(30) { dice.pick(&SUBJECTS) } else { "*" };
    let whole = dice.chance(40);
    let categories: Vec<&str> =
        if whole { vec!["*"] } else { CATEGORIES.into_iter().filter(|_| dice.chance(60)).collect() };
    let highest = dice.below(3) + 2;
    for category in categories {
        for (place, level) in LEVELS.iter().enumerate().take(highest) {
            let form = if place + 1 == highest { "mask" } else { "show" };
            for action in ["ask", "answer"] {
                lines.push(line([role, function, purpose, subject, category, level, action, form], true));
            }
        }
        if dice.chance(10) {
            lines.push(line(
                ["*", function, purpose, subject, category, "L1", "receive-notice", "show"],
                true,
            ));
        }
    }
}

fn everything(functions: &[String], purpose: &str, lines: &mut Vec<Line>, rules: usize) {
    for function in functions {
        for role in ["clerk", "reviewer", "coordinator"] {
            for category in CATEGORIES {
                for level in LEVELS {
                    for subject in SUBJECTS {
                        for action in ["ask", "answer", "read"] {
                            for form in FORMS {
                                if lines.len() >= rules {
                                    return;
                                }
                                let fields =
                                    [role, function, purpose, subject, category, level, action, form];
                                // One denial among a hundred.
                                lines.push(line(fields, !lines.len().is_multiple_of(100)));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A small bundle drawn from the whole vocabulary: wildcards, groups, denials, other inclusions of roles.
pub(crate) fn random(seed: u64) -> Result<BundleFiles, PolicyError> {
    let mut dice = Dice::new(seed);
    let groups = ["group-a", "group-b"];
    let purposes: Vec<_> = (0..dice.below(4) + 1)
        .map(|number| (format!("purpose-{number}"), dice.chance(60).then(|| dice.pick(&groups).to_owned())))
        .collect();
    let functions: Vec<String> = (0..dice.below(4) + 1).map(|number| format!("function-{number}")).collect();
    let all = [("reviewer", "clerk"), ("coordinator", "clerk"), ("reviewer", "coordinator")];
    // A role that is included includes nothing.
    let includes = match dice.below(4) {
        0 => vec![],
        1 => vec![all[0]],
        2 => vec![all[0], all[1]],
        _ => vec![all[2]],
    };
    let names: Vec<&str> =
        purposes.iter().flat_map(|(code, group)| [Some(code.as_str()), group.as_deref()]).flatten().collect();
    let duties: Vec<&str> = functions.iter().map(String::as_str).collect();
    let mut lines = Vec::new();
    if dice.chance(15) {
        // Everything is allowed before the first denial comes.
        for level in LEVELS {
            for form in FORMS {
                lines.push(line(["clerk", "*", names[0], "*", "*", level, "ask", form], true));
            }
        }
    }
    for _ in 0..dice.below(20) + 1 {
        let allows = dice.chance(65);
        let mut either = |all: &[&str], percent| {
            if dice.chance(percent) { "*".to_owned() } else { dice.pick(all).to_owned() }
        };
        let open = if allows { 0 } else { 40 };
        let action = either(&ACTIONS, open);
        let role = match (allows, action.as_str()) {
            (true, "receive-notice") => "*".to_owned(),
            (true, _) => either(&ROLES[..3], 0),
            (false, _) => either(&ROLES, 50),
        };
        let fields = [
            role,
            either(&duties, 50),
            either(&names, open / 2),
            either(&SUBJECTS, 50),
            either(&CATEGORIES, 40),
            either(&LEVELS, open),
            action,
            either(&FORMS, open),
        ];
        lines.push(Line { fields, allows });
    }
    let mut draft = Draft { purposes, functions, includes, lines };
    draft.purposes.retain(|purpose| !granted(&draft.lines, purpose).is_empty());
    let bound = |name: &str| {
        name == "*"
            || draft.purposes.iter().any(|(code, group)| code == name || group.as_deref() == Some(name))
    };
    draft.lines.retain(|line| bound(&line.fields[2]));
    if draft.purposes.is_empty() {
        return random(seed.wrapping_add(1 << 32));
    }
    files(&draft)
}

fn concerns(line: &Line, (code, group): &(String, Option<String>)) -> bool {
    let name = line.fields[2].as_str();
    name == "*" || name == code || group.as_deref() == Some(name)
}

/// Category, subject and action that rules leave to a purpose after the denials of whole ones.
fn granted<'a>(
    lines: impl IntoIterator<Item = &'a Line> + Clone,
    purpose: &(String, Option<String>),
) -> BTreeSet<[&'static str; 3]> {
    let mut places = BTreeSet::new();
    for allows in [true, false] {
        for line in lines.clone().into_iter().filter(|line| line.allows == allows && concerns(line, purpose))
        {
            let [role, function, _, subject, category, level, action, form] =
                line.fields.each_ref().map(String::as_str);
            if !allows && [role, function, level, form] != ["*"; 4] {
                continue;
            }
            for one in CATEGORIES.into_iter().filter(|one| category == "*" || category == *one) {
                for two in SUBJECTS.into_iter().filter(|two| subject == "*" || subject == *two) {
                    for three in ACTIONS.into_iter().filter(|three| action == "*" || action == *three) {
                        if allows {
                            places.insert([one, two, three]);
                        } else {
                            places.remove(&[one, two, three]);
                        }
                    }
                }
            }
        }
    }
    places
}

/// The texts: the baseline's, with purposes, functions, roles, rules and tests of the draft.
fn files(draft: &Draft) -> Result<BundleFiles, PolicyError> {
    let mut texts: BTreeMap<String, String> =
        BundleFiles::baseline().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let mut functions = texts.remove("functions.toml").unwrap_or_default();
    for code in &draft.functions {
        let _ = write!(
            functions,
            "\n[[function]]\ncode = \"{code}\"\nchinese = \"职能\"\nenglish = \"Function\"\nsource = \"生成\"\nverified = false\nmissing = [\"wording\"]\n"
        );
    }
    texts.insert("functions.toml".to_owned(), functions);
    texts.insert("roles.toml".to_owned(), roles_text(&draft.includes));
    let mut rules = "id,role,function,purpose,subject,category,level,action,form,effect\n".to_owned();
    let mut by_name: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for (number, line) in draft.lines.iter().enumerate() {
        let effect = if line.allows { "allow" } else { "deny" };
        let _ = writeln!(
            rules,
            "{}.r{number},{},{effect}",
            line.fields[2].replace('*', "all"),
            line.fields.join(",")
        );
        by_name.entry(&line.fields[2]).or_default().push(line);
    }
    texts.insert("rules.csv".to_owned(), rules);
    let mut purposes = String::new();
    for purpose in &draft.purposes {
        let names = [Some(purpose.0.as_str()), purpose.1.as_deref(), Some("*")];
        let lines: Vec<&Line> =
            names.into_iter().flatten().filter_map(|name| by_name.get(name)).flatten().copied().collect();
        purpose_write(purpose, &lines, &draft.includes, &mut purposes);
    }
    texts.insert("purposes.toml".to_owned(), purposes);
    texts.insert("tests.toml".to_owned(), tests_text(draft));
    BundleFiles::new(texts)
}

fn roles_text(includes: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for role in ROLES {
        let _ = write!(text, "[[role]]\ncode = \"{role}\"\nchinese = \"角色\"\nenglish = \"Role\"\n");
        let included: Vec<&str> =
            includes.iter().filter(|include| include.0 == role).map(|include| include.1).collect();
        if !included.is_empty() {
            let _ = writeln!(text, "includes = {included:?}");
        }
    }
    text
}

fn purpose_write(
    purpose: &(String, Option<String>),
    lines: &[&Line],
    includes: &[(&str, &str)],
    text: &mut String,
) {
    let places = granted(lines.iter().copied(), purpose);
    let allowing: Vec<&&Line> = lines.iter().filter(|line| line.allows).collect();
    let mut roles: BTreeSet<&str> =
        allowing.iter().map(|line| line.fields[0].as_str()).filter(|role| *role != "*").collect();
    for (role, included) in includes {
        if allowing.iter().any(|line| line.fields[0] == *included) {
            roles.insert(role);
        }
    }
    let mut functions: BTreeSet<&str> = allowing.iter().map(|line| line.fields[1].as_str()).collect();
    if functions.contains("*") {
        functions = BTreeSet::from(["*"]);
    }
    let list = |set: BTreeSet<&str>| format!("{:?}", set.into_iter().collect::<Vec<_>>());
    let column = |place: usize| list(places.iter().map(|cell| cell[place]).collect());
    let group = purpose.1.as_ref().map(|group| format!("group = \"{group}\"\n")).unwrap_or_default();
    let _ = write!(
        text,
        "[[purpose]]\ncode = \"{}\"\nchinese = \"用途\"\nenglish = \"Purpose\"\nrequirement = \"QU-02\"\n{group}\
         verified = false\nroles = {}\nfunctions = {}\nsubjects = {}\ncategories = {}\n\
         actions = {}\ncase_reference = true\nnote = \"\"\n\n",
        purpose.0,
        list(roles),
        list(functions),
        column(1),
        column(0),
        column(2),
    );
}

/// One decision for every other purpose, up to a thousand: a body that no rule names asks without an open file.
fn tests_text(draft: &Draft) -> String {
    let mut text = String::new();
    let codes = draft.purposes.iter().map(|purpose| purpose.0.as_str()).step_by(2).take(999);
    for (number, code) in codes.chain(["unknown-matter"]).enumerate() {
        let _ = write!(
            text,
            "[[test]]\nname = \"test {number}\"\nrequirement = \"QU-02\"\naction = \"ask\"\nrole = \"clerk\"\n\
             purpose = \"{code}\"\nfunctions = [\"finance\"]\nsubject = \"organisation\"\n\
             categories = [\"basic\"]\nexpect = \"deny\"\n\n"
        );
    }
    text
}
