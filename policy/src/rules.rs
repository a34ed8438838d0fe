//! `rules.csv`: the lines casbin decides by, each field bound to something that exists.

use std::borrow::Cow;
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeSet, HashSet};

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;

use crate::error::PolicyError;
use crate::provenance::RuleId;
use crate::purposes::Purpose;
use crate::request::{Action, SUBJECT_KINDS, Treatment, subject_str};

const FILE: &str = "rules.csv";
const HEADER: [&str; 10] =
    ["id", "role", "function", "purpose", "subject", "category", "level", "action", "form", "effect"];
/// Most rules. A province with a thousand purposes, each open to a handful of functions with its own categories and
/// levels, comes to 110,000; each takes some 400 bytes of memory, its text included.
const RULES_LIMIT: usize = 120_000;

/// One value, or every value (`*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope<T> {
    /// `*`.
    Every,
    /// Exactly this one.
    One(T),
}

impl<T: PartialEq> Scope<T> {
    /// Whether `value` is within the scope.
    pub fn holds_for(&self, value: &T) -> bool {
        match self {
            Self::Every => true,
            Self::One(one) => one == value,
        }
    }
}

/// One line of `rules.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Line in the file, counted from 1.
    pub line: usize,
    /// Name of the rule.
    pub id: RuleId,
    /// Operator's role; roles that include it are meant too.
    pub role: Scope<Role>,
    /// A function the asking body must have.
    pub function: Scope<FunctionCode>,
    /// A purpose or a group of purposes.
    pub purpose: Scope<String>,
    /// Organisation or person.
    pub subject: Scope<SubjectKind>,
    /// Information category.
    pub category: Scope<InformationCategory>,
    /// Classification level.
    pub level: Scope<ClassificationLevel>,
    /// What is done.
    pub action: Scope<Action>,
    /// `show` or `mask`.
    pub form: Scope<Treatment>,
    /// Whether the rule allows or denies; a denial beats every permission.
    pub allows: bool,
}

impl Rule {
    /// The policy line as casbin in any language takes it, without the leading `p`.
    pub fn casbin_line(&self) -> Vec<String> {
        fn text<T>(scope: &Scope<T>, name: impl Fn(&T) -> String) -> String {
            match scope {
                Scope::Every => "*".to_owned(),
                Scope::One(one) => name(one),
            }
        }
        vec![
            self.id.to_string(),
            text(&self.role, Role::to_string),
            text(&self.function, FunctionCode::to_string),
            text(&self.purpose, String::clone),
            text(&self.subject, |kind| subject_str(*kind).to_owned()),
            text(&self.category, InformationCategory::to_string),
            text(&self.level, ClassificationLevel::to_string),
            text(&self.action, |action| action.as_str().to_owned()),
            text(&self.form, |form| form.as_str().to_owned()),
            if self.allows { "allow" } else { "deny" }.to_owned(),
        ]
    }

    /// Whether the rule speaks about `purpose`, by its code, its group, or every purpose.
    pub(crate) fn concerns(&self, purpose: &Purpose) -> bool {
        match &self.purpose {
            Scope::Every => true,
            Scope::One(name) => {
                name == purpose.code.as_str() || purpose.group.as_deref().is_some_and(|group| name == group)
            }
        }
    }

    /// Where the rule has `*`, and whether it allows.
    pub(crate) fn openness(&self) -> ([bool; 8], bool) {
        let open = [
            self.role == Scope::Every,
            self.function == Scope::Every,
            self.purpose == Scope::Every,
            self.subject == Scope::Every,
            self.category == Scope::Every,
            self.level == Scope::Every,
            self.action == Scope::Every,
            self.form == Scope::Every,
        ];
        (open, self.allows)
    }
}

/// The rules of a bundle in the order of `rules.csv`, and where each stands.
#[derive(Debug)]
pub(crate) struct Rules {
    list: Vec<Rule>,
    places: HashMap<RuleId, usize>,
}

impl Rules {
    pub(crate) fn list(&self) -> &[Rule] {
        &self.list
    }

    pub(crate) fn find(&self, id: &RuleId) -> Option<&Rule> {
        self.places.get(id).and_then(|place| self.list.get(*place))
    }
}

/// Parses the rules. The header is fixed; `#` at the beginning of a line makes it a comment.
pub(crate) fn rules_parse(
    text: &str,
    functions: &BTreeSet<FunctionCode>,
    purposes: &[Purpose],
) -> Result<Rules, PolicyError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut places: HashMap<RuleId, usize> = HashMap::new();
    let names: HashSet<&str> = purposes
        .iter()
        .flat_map(|purpose| [Some(purpose.code.as_str()), purpose.group.as_deref()])
        .flatten()
        .collect();
    let mut headed = false;
    // Line by line, because a rule stands in one line and errors name it; the csv reader would count comments to the
    // record after them.
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let record = line_parse(line, text)?;
        if !headed {
            headed = true;
            if record.iter().ne(HEADER) {
                let fix = format!("the first line reads {}", HEADER.join(","));
                return Err(PolicyError::file(FILE, Some(line), "wrong header", fix));
            }
            continue;
        }
        let rule = rule_parse(line, &record, functions, &names)?;
        match places.entry(rule.id.clone()) {
            Entry::Occupied(first) => {
                let first = rules.get(*first.get()).map_or(0, |rule| rule.line);
                return Err(PolicyError::file(
                    FILE,
                    Some(line),
                    format!("rule {} stands in line {first} already", rule.id),
                    "give every rule its own id",
                ));
            }
            Entry::Vacant(place) => place.insert(rules.len()),
        };
        if rules.len() >= RULES_LIMIT {
            return Err(PolicyError::TooLarge { what: FILE.to_owned(), unit: "rules", limit: RULES_LIMIT });
        }
        rules.push(rule);
    }
    if !rules.iter().any(|rule| rule.allows) {
        return Err(PolicyError::file(
            FILE,
            None,
            "no rule that allows anything",
            "an empty policy is refused: casbin would decide by its matcher alone",
        ));
    }
    Ok(Rules { list: rules, places })
}

/// The function a rule names.
pub(crate) fn rule_function(rule: &Rule) -> Option<&FunctionCode> {
    match &rule.function {
        Scope::Every => None,
        Scope::One(function) => Some(function),
    }
}

/// The fields of a line. No value of a rule needs quotes, so a line without them is cut at its commas; the csv reader,
/// which takes ten microseconds to build, reads the others.
fn line_parse(line: usize, text: &str) -> Result<Vec<Cow<'_, str>>, PolicyError> {
    if !text.contains('"') {
        return Ok(text.split(',').map(Cow::Borrowed).collect());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record.iter().map(|field| Cow::Owned(field.to_owned())).collect()),
        Ok(false) | Err(_) => {
            Err(PolicyError::file(FILE, Some(line), "not readable as CSV", "check quotes and encoding"))
        }
    }
}

fn rule_parse(
    line: usize,
    record: &[Cow<'_, str>],
    functions: &BTreeSet<FunctionCode>,
    names: &HashSet<&str>,
) -> Result<Rule, PolicyError> {
    let wrong = |reason: String, fix: &str| PolicyError::file(FILE, Some(line), reason, fix);
    // casbin accepts a line with too few fields and then fails every later decision.
    let fields: &[Cow<'_, str>; 10] = record.try_into().map_err(|_| {
        wrong(format!("{} fields instead of {}", record.len(), HEADER.len()), "fill every column, * for any")
    })?;
    let [id, role, function, purpose, subject, category, level, action, form, effect] =
        fields.each_ref().map(|field| field.as_ref());
    let unknown = |what: &str, value: &str| {
        wrong(format!("unknown {what} {value:?}"), "use a value the bundle or the vocabulary defines, or *")
    };
    let rule = Rule {
        line,
        id: RuleId::try_from(id.to_owned()).map_err(|reason| wrong(reason, "write a plain id"))?,
        role: scope(role, |text| Role::ALL.iter().copied().find(|known| known.as_str() == text))
            .ok_or_else(|| unknown("role", role))?,
        function: scope(function, |text| text.parse().ok().filter(|code| functions.contains(code)))
            .ok_or_else(|| unknown("function", function))?,
        purpose: scope(purpose, |text| names.contains(text).then(|| text.to_owned()))
            .ok_or_else(|| unknown("purpose or group", purpose))?,
        subject: scope(subject, |text| SUBJECT_KINDS.into_iter().find(|kind| subject_str(*kind) == text))
            .ok_or_else(|| unknown("subject kind", subject))?,
        category: scope(category, |text| {
            InformationCategory::ALL.iter().copied().find(|known| known.as_str() == text)
        })
        .ok_or_else(|| unknown("category", category))?,
        level: scope(level, |text| {
            ClassificationLevel::ALL.iter().copied().find(|known| known.as_str() == text)
        })
        .ok_or_else(|| unknown("level", level))?,
        action: scope(action, |text| text.parse().ok()).ok_or_else(|| unknown("action", action))?,
        form: scope(form, |text| {
            [Treatment::Show, Treatment::Mask].into_iter().find(|known| known.as_str() == text)
        })
        .ok_or_else(|| unknown("form", form))?,
        allows: match effect {
            "allow" => true,
            "deny" => false,
            _ => return Err(unknown("effect", effect)),
        },
    };
    rule_check(&rule).map_err(|(reason, fix)| wrong(reason.to_owned(), fix))?;
    Ok(rule)
}

fn scope<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Scope<T>> {
    if text == "*" { Some(Scope::Every) } else { one(text).map(Scope::One) }
}

/// A permission names what it permits: no wildcard may open a level, a form, an action, a purpose or a role by
/// accident. Only a body receives a notice, so there the role must be open; everywhere else it may not be.
fn rule_check(rule: &Rule) -> Result<(), (&'static str, &'static str)> {
    if rule.id.is_reserved() {
        return Err((
            "the id is reserved",
            "choose an id that does not begin with purpose. and is not built in",
        ));
    }
    if !rule.allows {
        return Ok(());
    }
    let open = rule.level == Scope::Every
        || rule.form == Scope::Every
        || rule.action == Scope::Every
        || rule.purpose == Scope::Every;
    if open {
        return Err((
            "a permission with * for purpose, level, action or form",
            "name each of them; only denials may use * there",
        ));
    }
    let body = rule.action == Scope::One(Action::ReceiveNotice);
    if body != (rule.role == Scope::Every) {
        return Err((
            "a permission with the wrong kind of role",
            "write * for receive-notice, which concerns a body, and a role for every other action",
        ));
    }
    Ok(())
}
