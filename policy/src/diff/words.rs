//! A diff in words: cells that change alike are told in one sentence.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;

use super::{CellChange, Direction, PolicyDiff, ValueChange, ValueChangeKind, direction};
use crate::bundle::Bundle;
use crate::provenance::RuleId;
use crate::request::{Action, Treatment};

/// Cells of one purpose, body and action that change alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeGroup {
    /// For what.
    pub purpose: PurposeCode,
    /// The functions of the asking body that matter; empty for every body.
    pub functions: Vec<FunctionCode>,
    /// What is done.
    pub action: Action,
    /// About whom.
    pub subjects: BTreeSet<SubjectKind>,
    /// In which roles.
    pub roles: BTreeSet<Role>,
    /// Where, with the levels of each category.
    pub places: BTreeMap<InformationCategory, BTreeSet<ClassificationLevel>>,
    /// Before.
    pub from: Treatment,
    /// After.
    pub to: Treatment,
    /// The rules that decided before.
    pub from_rules: BTreeSet<RuleId>,
    /// The rules that decide after.
    pub to_rules: BTreeSet<RuleId>,
}

impl ChangeGroup {
    /// Whether more or less is let out.
    pub fn direction(&self) -> Direction {
        direction(self.from, self.to)
    }

    /// The change as a sentence, with names from the bundles compared.
    pub fn chinese(&self, old: &Bundle, new: &Bundle) -> String {
        let function = |function: &FunctionCode| {
            let known = [new, old]
                .into_iter()
                .find_map(|bundle| bundle.functions().iter().find(|known| known.code == *function));
            known.map_or_else(|| function.to_string(), |known| known.chinese.clone())
        };
        let body = if self.functions.is_empty() {
            "任何单位".to_owned()
        } else {
            let names: Vec<_> = self.functions.iter().map(function).collect();
            format!("承担{}职能的单位", names.join("、"))
        };
        let purpose = [new, old].into_iter().find_map(|bundle| bundle.purpose(&self.purpose));
        let purpose = purpose.map_or_else(|| self.purpose.to_string(), |known| known.chinese.clone());
        let roles = self.roles.iter().map(|role| role_name(new, *role, |role| &role.chinese));
        let roles = roles.collect::<Vec<_>>().join("、");
        let subjects = match (self.subjects.len(), self.subjects.first()) {
            (1, Some(SubjectKind::Organisation)) => "法人和非法人组织",
            (1, Some(SubjectKind::Person)) => "自然人",
            _ => "各类主体",
        };
        let places = self
            .places
            .iter()
            .map(|(category, levels)| format!("{}{}", category.chinese(), levels_text(levels, " ")));
        format!(
            "{purpose}: {body}的{roles}{}, 关于{subjects}, {}由“{}”改为“{}”",
            self.action.chinese(),
            places.collect::<Vec<_>>().join("、"),
            self.from.chinese(),
            self.to.chinese()
        )
    }

    /// The change as a sentence, with names from the bundles compared.
    pub fn english(&self, old: &Bundle, new: &Bundle) -> String {
        let body = if self.functions.is_empty() {
            "any body".to_owned()
        } else {
            let names: Vec<_> = self.functions.iter().map(FunctionCode::as_str).collect();
            format!("a body with the function {}", names.join(" and "))
        };
        let purpose = [new, old].into_iter().find_map(|bundle| bundle.purpose(&self.purpose));
        let purpose = purpose.map_or_else(|| self.purpose.to_string(), |known| known.english.clone());
        let roles = self.roles.iter().map(|role| role_name(new, *role, |role| &role.english));
        let roles = roles.collect::<Vec<_>>().join(", ");
        let subjects = match (self.subjects.len(), self.subjects.first()) {
            (1, Some(SubjectKind::Organisation)) => "organisations",
            (1, Some(SubjectKind::Person)) => "persons",
            _ => "every subject",
        };
        let places = self.places.iter().map(|(category, levels)| {
            format!("{}{}", category.as_str().replace('_', " "), levels_text(levels, " "))
        });
        format!(
            "{purpose}: {body}, {roles}, {}, about {subjects}: {} changes from {} to {}",
            self.action.as_str(),
            places.collect::<Vec<_>>().join(", "),
            self.from.as_str(),
            self.to.as_str()
        )
    }
}

fn role_name(bundle: &Bundle, role: Role, name: impl Fn(&crate::roles::RoleDefinition) -> &String) -> String {
    let known = bundle.roles().iter().find(|known| known.role == role);
    known.map_or_else(|| role.to_string(), |known| name(known).clone())
}

/// Nothing where every level is meant.
fn levels_text(levels: &BTreeSet<ClassificationLevel>, before: &str) -> String {
    if levels.len() == ClassificationLevel::ALL.len() {
        return String::new();
    }
    let names: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
    format!("{before}{}", names.join("/"))
}

/// What cells must share to be told together.
type GroupKey = (usize, Vec<FunctionCode>, Action, Treatment, Treatment);
/// Where they change, for one subject kind and role.
type Places = BTreeMap<InformationCategory, BTreeSet<ClassificationLevel>>;

#[derive(Default)]
struct Member {
    places: Places,
    from_rules: BTreeSet<RuleId>,
    to_rules: BTreeSet<RuleId>,
}

impl PolicyDiff {
    /// The cells, those that change alike together, in the order of purposes.
    pub fn groups(&self) -> Vec<ChangeGroup> {
        let mut order: Vec<&PurposeCode> = Vec::new();
        let mut keyed: BTreeMap<GroupKey, BTreeMap<(SubjectKind, Role), Member>> = BTreeMap::new();
        for change in &self.cells {
            let place = order.iter().position(|code| **code == change.purpose).unwrap_or_else(|| {
                order.push(&change.purpose);
                order.len().saturating_sub(1)
            });
            let key =
                (place, change.functions.clone(), change.action, change.from.treatment, change.to.treatment);
            keyed.entry(key).or_default().entry((change.subject, change.role)).or_default().add(change);
        }
        let mut groups: Vec<ChangeGroup> = Vec::new();
        for ((place, functions, action, from, to), members) in keyed {
            let Some(purpose) = order.get(place) else { continue };
            for (roles, subjects, member) in merged(members) {
                groups.push(ChangeGroup {
                    purpose: (*purpose).clone(),
                    functions: functions.clone(),
                    action,
                    subjects,
                    roles,
                    places: member.places,
                    from,
                    to,
                    from_rules: member.from_rules,
                    to_rules: member.to_rules,
                });
            }
        }
        groups
    }
}

impl Member {
    fn add(&mut self, change: &CellChange) {
        self.places.entry(change.category).or_default().insert(change.level);
        self.from_rules.insert(change.from.rule.clone());
        self.to_rules.insert(change.to.rule.clone());
    }

    fn join(&mut self, other: Self) {
        self.from_rules.extend(other.from_rules);
        self.to_rules.extend(other.to_rules);
    }
}

/// Roles with the same places together, then subjects with the same roles and places.
fn merged(
    members: BTreeMap<(SubjectKind, Role), Member>,
) -> Vec<(BTreeSet<Role>, BTreeSet<SubjectKind>, Member)> {
    let mut by_subject: Vec<(SubjectKind, BTreeSet<Role>, Member)> = Vec::new();
    for ((subject, role), member) in members {
        let same = by_subject
            .iter_mut()
            .find(|(other, _, known)| *other == subject && known.places == member.places);
        match same {
            Some((_, roles, known)) => {
                roles.insert(role);
                known.join(member);
            }
            None => by_subject.push((subject, BTreeSet::from([role]), member)),
        }
    }
    let mut all: Vec<(BTreeSet<Role>, BTreeSet<SubjectKind>, Member)> = Vec::new();
    for (subject, roles, member) in by_subject {
        let same = all.iter_mut().find(|(other, _, known)| *other == roles && known.places == member.places);
        match same {
            Some((_, subjects, known)) => {
                subjects.insert(subject);
                known.join(member);
            }
            None => all.push((roles, BTreeSet::from([subject]), member)),
        }
    }
    all
}

/// What a file is about, in Chinese and English, those of an overlay with its region; the name of the file where it is not
/// known.
fn file_title(file: &str) -> (String, String) {
    let overlay = file.strip_prefix("overlay/").and_then(|rest| rest.split_once('/'));
    let (chinese, english) = match overlay.map_or(file, |(_, name)| name) {
        "bundle.toml" => ("策略包", "bundle"),
        "catalogue.toml" => ("失信行为清单", "breach catalogue"),
        "categories.toml" => ("类别与失信程度", "categories and severity"),
        "classification.toml" => ("分类分级", "classification"),
        "deadlines.toml" => ("办理期限", "deadlines"),
        "functions.toml" => ("单位职能", "functions"),
        "measures.toml" => ("惩戒和激励措施", "sanction measures and incentives"),
        "overlay.toml" => ("收紧规则包", "overlay"),
        "periods.toml" => ("公示期限", "publicity periods"),
        "purposes.toml" => ("用途", "purposes"),
        "repair.toml" => ("信用修复", "repair"),
        "roles.toml" => ("角色", "roles"),
        "rules.csv" => ("访问规则", "access rules"),
        "tests.toml" => ("决定测试", "decision tests"),
        name if name.starts_with("calendar/") => ("工作日历", "working-day calendar"),
        name => (name, name),
    };
    match overlay {
        Some((region, _)) => (format!("{region} {chinese}"), format!("{region} {english}")),
        None => (chinese.to_owned(), english.to_owned()),
    }
}

impl ValueChange {
    /// The change as a sentence.
    pub fn chinese(&self) -> String {
        let place = self.place(file_title(&self.file).0);
        match &self.kind {
            ValueChangeKind::Added => format!("{place}: 新增"),
            ValueChangeKind::Removed => format!("{place}: 删除"),
            ValueChangeKind::Changed { field, from: Some(from), to: Some(to) } => {
                format!("{place}: {field} 由“{from}”改为“{to}”")
            }
            ValueChangeKind::Changed { field, from: None, to } => {
                format!("{place}: {field} 增加“{}”", to.as_deref().unwrap_or(""))
            }
            ValueChangeKind::Changed { field, from: Some(from), to: None } => {
                format!("{place}: {field} 去掉“{from}”")
            }
        }
    }

    /// The change as a sentence.
    pub fn english(&self) -> String {
        let place = self.place(file_title(&self.file).1);
        match &self.kind {
            ValueChangeKind::Added => format!("{place}: added"),
            ValueChangeKind::Removed => format!("{place}: removed"),
            ValueChangeKind::Changed { field, from: Some(from), to: Some(to) } => {
                format!("{place}: {field} changes from {from:?} to {to:?}")
            }
            ValueChangeKind::Changed { field, from: None, to } => {
                format!("{place}: {field} gains {:?}", to.as_deref().unwrap_or(""))
            }
            ValueChangeKind::Changed { field, from: Some(from), to: None } => {
                format!("{place}: {field} loses {from:?}")
            }
        }
    }

    fn place(&self, title: String) -> String {
        if self.entry.is_empty() { title } else { format!("{title} {}", self.entry) }
    }
}
