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

pub(crate) const FILE: &str = "rules.csv";
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

/// One line of `rules.csv`, the bundle's or an overlay's ([`crate::Bundle::rule_place`]).
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

/// The rules of one file in its order, and where each stands.
#[derive(Debug)]
pub(crate) struct Rules {
    list: Vec<Rule>,
    places: HashMap<RuleId, usize>,
}

impl Rules {
    /// A single rule.
    pub(crate) fn one(rule: Rule) -> Self {
        Self { places: HashMap::from([(rule.id.clone(), 0)]), list: vec![rule] }
    }

    pub(crate) fn list(&self) -> &[Rule] {
        &self.list
    }

    pub(crate) fn find(&self, id: &RuleId) -> Option<&Rule> {
        self.places.get(id).and_then(|place| self.list.get(*place))
    }
}

/// The rules that decide: those of the bundle in the order of its `rules.csv`, then those of an overlay in the order of its
/// own.
#[derive(Clone, Copy, Debug)]
pub struct RuleList<'a> {
    base: &'a [Rule],
    overlay: &'a [Rule],
}

impl<'a> RuleList<'a> {
    pub(crate) fn new(base: &'a [Rule], overlay: &'a [Rule]) -> Self {
        Self { base, overlay }
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.base.len().saturating_add(self.overlay.len())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.base.is_empty() && self.overlay.is_empty()
    }

    /// The rule at a position, counted from 0.
    pub fn get(self, place: usize) -> Option<&'a Rule> {
        self.base.get(place).or_else(|| self.overlay.get(place.checked_sub(self.base.len())?))
    }

    /// All of them in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a Rule> + Clone {
        self.base.iter().chain(self.overlay)
    }
}

/// The names that rules may use.
pub(crate) struct RuleNames<'a> {
    functions: &'a BTreeSet<FunctionCode>,
    /// Codes and groups.
    purposes: HashSet<&'a str>,
}

impl<'a> RuleNames<'a> {
    pub(crate) fn new(functions: &'a BTreeSet<FunctionCode>, purposes: &'a [Purpose]) -> Self {
        let names =
            purposes.iter().flat_map(|purpose| [Some(purpose.code.as_str()), purpose.group.as_deref()]);
        Self { functions, purposes: names.flatten().collect() }
    }
}

/// Why a line is not a rule.
pub(crate) enum RuleFault {
    /// It names a function or a purpose that the bundle does not have.
    Unbound(PolicyError),
    /// Anything else.
    Wrong(PolicyError),
}

impl From<RuleFault> for PolicyError {
    fn from(fault: RuleFault) -> Self {
        match fault {
            RuleFault::Unbound(error) | RuleFault::Wrong(error) => error,
        }
    }
}

/// Parses the rules of a bundle.
pub(crate) fn rules_parse(
    text: &str,
    functions: &BTreeSet<FunctionCode>,
    purposes: &[Purpose],
) -> Result<Rules, PolicyError> {
    let names = RuleNames::new(functions, purposes);
    let rules = rules_read(FILE, text, RULES_LIMIT, |line, record| {
        let rule = rule_parse(FILE, line, record, &names)?;
        if rule.id.is_overlays() {
            return Err(PolicyError::file(
                FILE,
                Some(line),
                "an id that begins like those of an overlay",
                "begin it otherwise than with six digits and a dot",
            ));
        }
        Ok(Some(rule))
    })?;
    if !rules.list.iter().any(|rule| rule.allows) {
        return Err(PolicyError::file(
            FILE,
            None,
            "no rule that allows anything",
            "an empty policy is refused: casbin would decide by its matcher alone",
        ));
    }
    Ok(rules)
}

/// Reads a file of rules line by line. The header is fixed; `#` at the beginning of a line makes it a comment. `take` says
/// what a line is; None passes it over.
pub(crate) fn rules_read(
    file: &str,
    text: &str,
    limit: usize,
    mut take: impl FnMut(usize, &[Cow<'_, str>]) -> Result<Option<Rule>, PolicyError>,
) -> Result<Rules, PolicyError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut places: HashMap<RuleId, usize> = HashMap::new();
    let mut headed = false;
    let header = || format!("the first line reads {}", HEADER.join(","));
    // Line by line, because a rule stands in one line and errors name it; the csv reader would count comments to the
    // record after them.
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let record = line_parse(file, line, text)?;
        if !headed {
            headed = true;
            if record.iter().ne(HEADER) {
                return Err(PolicyError::file(file, Some(line), "wrong header", header()));
            }
            continue;
        }
        let Some(rule) = take(line, &record)? else { continue };
        match places.entry(rule.id.clone()) {
            Entry::Occupied(first) => {
                let first = rules.get(*first.get()).map_or(0, |rule| rule.line);
                return Err(PolicyError::file(
                    file,
                    Some(line),
                    format!("rule {} stands in line {first} already", rule.id),
                    "give every rule its own id",
                ));
            }
            Entry::Vacant(place) => place.insert(rules.len()),
        };
        if rules.len() >= limit {
            return Err(PolicyError::TooLarge { what: file.to_owned(), unit: "rules", limit });
        }
        rules.push(rule);
    }
    if !headed {
        return Err(PolicyError::file(file, None, "wrong header", header()));
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
fn line_parse<'a>(file: &str, line: usize, text: &'a str) -> Result<Vec<Cow<'a, str>>, PolicyError> {
    if !text.contains('"') {
        return Ok(text.split(',').map(Cow::Borrowed).collect());
    }
    // A reader of the whole file would take the next lines into a field that nothing closes.
    let is_closed = text.matches('"').count().is_multiple_of(2);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        _ if !is_closed => {
            Err(PolicyError::file(file, Some(line), "not readable as CSV", "check quotes and encoding"))
        }
        Ok(true) => Ok(record.iter().map(|field| Cow::Owned(field.to_owned())).collect()),
        Ok(false) | Err(_) => {
            Err(PolicyError::file(file, Some(line), "not readable as CSV", "check quotes and encoding"))
        }
    }
}

/// One line, each of its names bound.
pub(crate) fn rule_parse(
    file: &str,
    line: usize,
    record: &[Cow<'_, str>],
    names: &RuleNames<'_>,
) -> Result<Rule, RuleFault> {
    let error = |reason: String, fix: &str| PolicyError::file(file, Some(line), reason, fix);
    let wrong = |reason: String, fix: &str| RuleFault::Wrong(error(reason, fix));
    // casbin accepts a line with too few fields and then fails every later decision.
    let fields: &[Cow<'_, str>; 10] = record.try_into().map_err(|_| {
        wrong(format!("{} fields instead of {}", record.len(), HEADER.len()), "fill every column, * for any")
    })?;
    let [id, role, function, purpose, subject, category, level, action, form, effect] =
        fields.each_ref().map(|field| field.as_ref());
    let missing = |what: &str, value: &str| {
        error(format!("unknown {what} {value:?}"), "use a value the bundle or the vocabulary defines, or *")
    };
    let unknown = |what: &str, value: &str| RuleFault::Wrong(missing(what, value));
    let rule = Rule {
        line,
        id: RuleId::try_from(id.to_owned()).map_err(|reason| wrong(reason, "write a plain id"))?,
        role: scope(role, |text| Role::ALL.iter().copied().find(|known| known.as_str() == text))
            .ok_or_else(|| unknown("role", role))?,
        function: scope(function, |text| text.parse().ok().filter(|code| names.functions.contains(code)))
            .ok_or_else(|| RuleFault::Unbound(missing("function", function)))?,
        purpose: scope(purpose, |text| names.purposes.contains(text).then(|| text.to_owned()))
            .ok_or_else(|| RuleFault::Unbound(missing("purpose or group", purpose)))?,
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
