//! Which of many rules can decide: for every cell of a profile the first rule that allows and the first that denies.
//!
//! casbin's effect is "some rule allows and none denies". It lists the allowing rules in their order and stops at the
//! first denying one, so those two rules decide alike and are named alike whether casbin is given them alone or among
//! all the others. The index finds them by what the model's matcher compares (equal texts, `*`, one link of roles or
//! purposes, membership of functions); casbin then decides over them, and its answer stands.

use std::collections::HashMap;

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;

use crate::error::PolicyError;
use crate::functions::FUNCTIONS_LIMIT;
use crate::purposes::Purpose;
use crate::request::{
    Action, CATEGORY_COUNT, LEVEL_COUNT, SUBJECT_KINDS, Treatment, category_index, level_index,
};
use crate::roles::RoleDefinition;
use crate::rules::{Rule, RuleList, Scope};

/// The forms that rules speak about, in the order in which they are asked for.
pub(crate) const FORMS: [Treatment; 2] = [Treatment::Show, Treatment::Mask];
/// Category × level × form.
const SLOT_COUNT: usize = CATEGORY_COUNT * LEVEL_COUNT * FORMS.len();
const SLOTS: u64 = (1 << SLOT_COUNT) - 1;
const SUBJECTS_AT: usize = SLOT_COUNT;
const ACTIONS_AT: usize = SUBJECTS_AT + SUBJECT_KINDS.len();
const ROLES_AT: usize = ACTIONS_AT + Action::ALL.len();
const ALLOWS_AT: usize = ROLES_AT + Role::ALL.len();
// One word holds what a rule reaches, beside its purpose and function.
const _: () = assert!(ALLOWS_AT < u64::BITS as usize, "a rule's reach fits in one word");

/// `*` among purposes, groups and functions; those named are numbered from 1.
const EVERY: u32 = 0;

/// The functions of a body that rules name, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct FunctionSet([u64; FUNCTIONS_LIMIT / 64]);

impl FunctionSet {
    fn insert(&mut self, number: u32) {
        // Numbers begin with 1 and end with the limit of `functions.toml`, so there is a word for each.
        let place = number.saturating_sub(1);
        if let Some(word) = self.0.get_mut((place / u64::BITS) as usize) {
            *word |= 1 << (place % u64::BITS);
        }
    }

    /// The numbers of the functions, ascending.
    fn numbers(self) -> impl Iterator<Item = u32> {
        (0..).zip(self.0).flat_map(|(word, bits)| ones(bits).map(move |bit| word * u64::BITS + bit + 1))
    }
}

/// The places of the bits that are set, ascending.
fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(place)
    })
}

/// One rule in a list of rules that share purpose and function.
#[derive(Clone, Copy)]
struct Entry {
    /// Position among the bundle's rules.
    rule: u32,
    /// Slots, kinds of subject, actions, asking roles, and whether it allows.
    reach: u64,
}

/// What picks a profile, for the index.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Position among the bundle's purposes.
    pub(crate) purpose: usize,
    pub(crate) functions: FunctionSet,
    pub(crate) role: Role,
    pub(crate) action: Action,
    pub(crate) subject: SubjectKind,
}

/// The rules of a bundle by purpose or group and function.
pub(crate) struct RuleIndex {
    /// Functions that rules name, with their numbers.
    functions: HashMap<FunctionCode, u32>,
    /// The same functions in the order of their numbers.
    names: Vec<FunctionCode>,
    /// For each purpose the numbers of its code and of its group; `EVERY` stands for a name that no rule has.
    purposes: Vec<[u32; 2]>,
    /// Rules by number of purpose or group, then number of function; each list in the order of the rules.
    entries: HashMap<(u32, u32), Vec<Entry>>,
}

impl RuleIndex {
    pub(crate) fn new(
        rules: RuleList<'_>,
        purposes: &[Purpose],
        roles: &[RoleDefinition],
    ) -> Result<Self, PolicyError> {
        let mut names: HashMap<&str, u32> = HashMap::new();
        let mut functions: HashMap<FunctionCode, u32> = HashMap::new();
        let mut entries: HashMap<(u32, u32), Vec<Entry>> = HashMap::new();
        for (number, rule) in (0..).zip(rules.iter()) {
            let purpose = match &rule.purpose {
                Scope::Every => EVERY,
                Scope::One(name) => numbered(&mut names, name.as_str()),
            };
            let function = match &rule.function {
                Scope::Every => EVERY,
                Scope::One(function) => numbered(&mut functions, function.clone()),
            };
            let entry = Entry { rule: number, reach: reach(rule, roles) };
            entries.entry((purpose, function)).or_default().push(entry);
        }
        if functions.len() > FUNCTIONS_LIMIT {
            return Err(PolicyError::Unsound { reason: "more functions than the key of a profile holds" });
        }
        for list in entries.values_mut() {
            list.shrink_to_fit();
        }
        let number = |name: &str| names.get(name).copied().unwrap_or(EVERY);
        let purposes = purposes
            .iter()
            .map(|purpose| [number(purpose.code.as_str()), purpose.group.as_deref().map_or(EVERY, number)])
            .collect();
        let mut ordered: Vec<_> = functions.iter().collect();
        ordered.sort_unstable_by_key(|(_, number)| **number);
        let names = ordered.into_iter().map(|(function, _)| function.clone()).collect();
        Ok(Self { functions, names, purposes, entries })
    }

    /// Of `functions` those that rules name; no rule looks at the others.
    pub(crate) fn functions(&self, functions: &[FunctionCode]) -> FunctionSet {
        let mut set = FunctionSet::default();
        for number in functions.iter().filter_map(|function| self.functions.get(function)) {
            set.insert(*number);
        }
        set
    }

    /// The codes of the functions in a set.
    pub(crate) fn function_names(&self, set: FunctionSet) -> Vec<&str> {
        set.numbers()
            .filter_map(|number| self.names.get(number as usize - 1))
            .map(FunctionCode::as_str)
            .collect()
    }

    /// The rules that decide each cell at `place`.
    pub(crate) fn candidates(&self, place: &Place) -> Candidates {
        let mut found = Candidates { allowing: [None; SLOT_COUNT], denying: [None; SLOT_COUNT] };
        let Some([code, group]) = self.purposes.get(place.purpose).copied() else {
            return found;
        };
        let wanted = bit(SUBJECTS_AT, &SUBJECT_KINDS, place.subject)
            | bit(ACTIONS_AT, &Action::ALL, place.action)
            | bit(ROLES_AT, Role::ALL, place.role);
        let named = [code, group].into_iter().filter(|number| *number != EVERY);
        for purpose in named.chain([EVERY]) {
            for function in [EVERY].into_iter().chain(place.functions.numbers()) {
                if let Some(list) = self.entries.get(&(purpose, function)) {
                    found.take(list, wanted);
                }
            }
        }
        found
    }
}

fn numbered<T: std::hash::Hash + Eq>(numbers: &mut HashMap<T, u32>, name: T) -> u32 {
    // A bundle has fewer rules than a `u32` counts, and each names one purpose and one function.
    let next = u32::try_from(numbers.len()).map_or(u32::MAX, |count| count.saturating_add(1));
    *numbers.entry(name).or_insert(next)
}

/// The bit of `value` among `all`, whose bits begin at `offset`.
fn bit<T: PartialEq>(offset: usize, all: &[T], value: T) -> u64 {
    all.iter().position(|known| *known == value).map_or(0, |place| 1 << (offset + place))
}

/// The bits of every value within a scope.
fn bits<T: PartialEq + Copy>(offset: usize, all: &[T], scope: &Scope<T>) -> u64 {
    all.iter().filter(|value| scope.holds_for(value)).map(|value| bit(offset, all, *value)).sum()
}

fn reach(rule: &Rule, roles: &[RoleDefinition]) -> u64 {
    let mut slots = 0;
    for category in InformationCategory::ALL.iter().filter(|category| rule.category.holds_for(category)) {
        for level in ClassificationLevel::ALL.iter().filter(|level| rule.level.holds_for(level)) {
            for form in FORMS.iter().filter(|form| rule.form.holds_for(form)) {
                slots |= 1 << slot(*category, *level, *form);
            }
        }
    }
    // A role is meant by its own name and by the roles it includes; the loader allows one link and no chains.
    let meant = |role: &Role| {
        rule.role.holds_for(role)
            || roles
                .iter()
                .filter(|definition| definition.role == *role)
                .flat_map(|definition| &definition.includes)
                .any(|included| rule.role.holds_for(included))
    };
    let asking: u64 =
        Role::ALL.iter().filter(|role| meant(role)).map(|role| bit(ROLES_AT, Role::ALL, *role)).sum();
    slots
        | bits(SUBJECTS_AT, &SUBJECT_KINDS, &rule.subject)
        | bits(ACTIONS_AT, &Action::ALL, &rule.action)
        | asking
        | (u64::from(rule.allows) << ALLOWS_AT)
}

fn slot(category: InformationCategory, level: ClassificationLevel, form: Treatment) -> usize {
    let cell = category_index(category) * LEVEL_COUNT + level_index(level);
    cell * FORMS.len() + usize::from(form == Treatment::Mask)
}

/// For each cell and form, the positions of the first rule that allows and of the first that denies.
pub(crate) struct Candidates {
    allowing: [Option<u32>; SLOT_COUNT],
    denying: [Option<u32>; SLOT_COUNT],
}

impl Candidates {
    /// Whether no rule speaks about any cell.
    pub(crate) fn is_empty(&self) -> bool {
        self.allowing.iter().chain(&self.denying).all(Option::is_none)
    }

    /// The first allowing and the first denying rule for one question.
    pub(crate) fn of(
        &self,
        category: InformationCategory,
        level: ClassificationLevel,
        form: Treatment,
    ) -> (Option<u32>, Option<u32>) {
        let slot = slot(category, level, form);
        let at = |side: &[Option<u32>; SLOT_COUNT]| side.get(slot).copied().flatten();
        (at(&self.allowing), at(&self.denying))
    }

    /// What these rules mean together, before casbin confirms it.
    pub(crate) fn treatment(&self, category: InformationCategory, level: ClassificationLevel) -> Treatment {
        let allowed = |form: &Treatment| {
            let (allowing, denying) = self.of(category, level, *form);
            allowing.is_some() && denying.is_none()
        };
        FORMS.into_iter().find(allowed).unwrap_or(Treatment::Withhold)
    }

    /// Takes from a list, whose rules ascend, what comes before the rules found in other lists.
    fn take(&mut self, list: &[Entry], wanted: u64) {
        // Slots whose first allowing and first denying rule of this list are not known yet.
        let (mut allowing, mut denying) = (SLOTS, SLOTS);
        for entry in list.iter().filter(|entry| entry.reach & wanted == wanted) {
            let allows = entry.reach >> ALLOWS_AT & 1 == 1;
            let (open, side) =
                if allows { (&mut allowing, &mut self.allowing) } else { (&mut denying, &mut self.denying) };
            let fresh = entry.reach & *open;
            *open &= !fresh;
            for place in ones(fresh) {
                if let Some(first) = side.get_mut(place as usize) {
                    *first = Some(first.map_or(entry.rule, |earlier| earlier.min(entry.rule)));
                }
            }
            if allowing | denying == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_functions_gives_back_what_it_was_given() {
        let mut set = FunctionSet::default();
        let last = u32::try_from(FUNCTIONS_LIMIT).expect("small");
        for number in [1, 64, 65, last] {
            set.insert(number);
        }
        assert_eq!(set.numbers().collect::<Vec<_>>(), [1, 64, 65, last]);
        assert_eq!(FunctionSet::default().numbers().count(), 0);
    }
}
