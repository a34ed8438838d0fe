//! A permission, and what it lets out of a record field by field.

use std::sync::Arc;

use chengxin_schemas::category::{ClassificationLevel, InformationCategory, SharingAttribute};
use chengxin_schemas::record_type::RecordType;

use crate::authoriser::Profile;
use crate::bundle::Bundle;
use crate::classification::MaskRule;
use crate::field_change::FieldForm;
use crate::provenance::RuleId;
use crate::request::{Action, CATEGORY_COUNT, Cell, Treatment};

/// A decision to permit. Only [`crate::Authoriser::authorize`] builds one; reading shared data takes one.
#[derive(Clone)]
pub struct Permit {
    bundle: Bundle,
    profile: Arc<Profile>,
    action: Action,
    obligations: Obligations,
    categories: [InformationCategory; CATEGORY_COUNT],
    category_count: usize,
    refused: [InformationCategory; CATEGORY_COUNT],
    refused_count: usize,
}

/// What is owed by whoever acts on a permit. Deciding takes neither a clock nor a memory, so these are not decided here:
/// the caller fulfils them before anything is asked, read or shown, and denies where it cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// How many requests under this purpose one operator may make in one calendar day of Asia/Shanghai, this one counted.
    /// The asking node owes it, which alone knows its operators. None for any number.
    pub daily_limit: Option<u32>,
    /// How many one body may make, all its operators together. Both nodes owe it: the asking one so that nobody is asked in
    /// vain, the answering one because another's count is not its own. None for any number.
    pub daily_limit_body: Option<u32>,
}

/// What may leave of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The value as it is.
    Show,
    /// Each text of the value after [`MaskRule::apply`].
    Mask(MaskRule),
    /// Nothing.
    Withhold(WithholdReason),
}

/// Why a field is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithholdReason {
    /// The permit does not cover the record's category.
    Category,
    /// The purpose does not reach the field's level.
    Level(ClassificationLevel),
    /// The field may be released in part only, and has no masking rule.
    Unmaskable,
    /// The field is not shared with other bodies (不予共享).
    NotShared,
    /// The field is not in the classification.
    Unclassified,
}

impl WithholdReason {
    /// The reason that [`Self::as_str`] spells so, as it comes from another node; of a level, which the spelling does not
    /// hold, the highest.
    pub fn from_code(code: &str) -> Option<Self> {
        let highest = ClassificationLevel::L4;
        [Self::Category, Self::Level(highest), Self::Unmaskable, Self::NotShared, Self::Unclassified]
            .into_iter()
            .find(|reason| reason.as_str() == code)
    }

    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Level(_) => "level",
            Self::Unmaskable => "unmaskable",
            Self::NotShared => "not-shared",
            Self::Unclassified => "unclassified",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Category => "本次许可不含该信息类别",
            Self::Level(_) => "数据级别高于该用途可见的级别",
            Self::Unmaskable => "该字段只能部分提供，且无法脱敏",
            Self::NotShared => "不予共享",
            Self::Unclassified => "未分类分级",
        }
    }

    /// For people.
    pub fn english(self) -> &'static str {
        match self {
            Self::Category => "the permit does not cover this category",
            Self::Level(_) => "the level is above what the purpose may see",
            Self::Unmaskable => "only part may be released, and the field cannot be masked",
            Self::NotShared => "not shared with other bodies",
            Self::Unclassified => "not classified",
        }
    }
}

impl Permit {
    /// None when the profile lets nothing out of any of the categories.
    pub(crate) fn new(
        bundle: Bundle,
        profile: Arc<Profile>,
        (action, obligations): (Action, Obligations),
        wanted: &[InformationCategory],
    ) -> Option<Self> {
        let mut categories = [InformationCategory::Basic; CATEGORY_COUNT];
        let mut refused = [InformationCategory::Basic; CATEGORY_COUNT];
        let (mut count, mut refused_count) = (0, 0);
        for (place, category) in wanted.iter().enumerate() {
            if wanted.iter().take(place).any(|earlier| earlier == category) {
                continue;
            }
            if profile.is_open(*category) {
                *categories.get_mut(count)? = *category;
                count += 1;
            } else {
                *refused.get_mut(refused_count)? = *category;
                refused_count += 1;
            }
        }
        let permit = Self {
            bundle,
            profile,
            action,
            obligations,
            categories,
            category_count: count,
            refused,
            refused_count,
        };
        (count > 0).then_some(permit)
    }

    /// The rule that allowed the first permitted category at its lowest level.
    pub fn rule(&self) -> &RuleId {
        &self.profile.deciding(self.categories[0]).rule
    }

    /// The version of the policy that decided.
    pub fn policy_version(&self) -> &str {
        self.bundle.rules_version()
    }

    /// What is permitted of what was asked for: at least one category, none twice.
    pub fn categories(&self) -> &[InformationCategory] {
        self.categories.get(..self.category_count).unwrap_or_default()
    }

    /// What was asked for and is not permitted, with the rule.
    pub fn refused(&self) -> impl Iterator<Item = (InformationCategory, &RuleId)> {
        self.refused.iter().take(self.refused_count).map(|category| {
            let cell = self.profile.deciding(*category);
            (*category, &cell.rule)
        })
    }

    /// What is permitted to be done.
    pub fn action(&self) -> Action {
        self.action
    }

    /// What is owed before the permit is made use of.
    pub fn obligations(&self) -> Obligations {
        self.obligations
    }

    /// What happens at one category and level, whether or not the category was asked for.
    pub fn cell(&self, category: InformationCategory, level: ClassificationLevel) -> &Cell {
        self.profile.cell(category, level)
    }

    /// What may leave of one field of a record. A field that is queried by authorisation (授权查询) needs no condition of
    /// its own here: there is no permit without a legal basis, and the purpose's rules grade its level; whether
    /// the subject itself must have authorised the query is a condition of the purpose. `is_person` says whether the record's subject is a natural person.
    pub fn release(
        &self,
        record_type: RecordType,
        category: InformationCategory,
        field: &str,
        is_person: bool,
    ) -> Release {
        if !self.categories().contains(&category) {
            return Release::Withhold(WithholdReason::Category);
        }
        let Some(class) = self.bundle.field_class(record_type, field) else {
            return Release::Withhold(WithholdReason::Unclassified);
        };
        let narrowed = self.release_as(class.into(), category, is_person);
        match class.base {
            None => narrowed,
            // What a recipient needs to apply a notice is the federation's to say, as is who receives it.
            Some(base) if self.action == Action::ReceiveNotice => self.release_as(base, category, is_person),
            // Rules may let out more at a higher level than at a lower one, so a field that an overlay grades higher is
            // looked at where the bundle has it, too.
            Some(base) => self.release_as(base, category, is_person).and(narrowed),
        }
    }

    /// What may leave of a field that is placed so.
    fn release_as(&self, form: FieldForm, category: InformationCategory, is_person: bool) -> Release {
        if form.sharing == SharingAttribute::NotShared && self.action != Action::Read {
            return Release::Withhold(WithholdReason::NotShared);
        }
        let level = if is_person { form.person_level } else { form.level };
        match self.profile.cell(category, level).treatment {
            Treatment::Show => Release::Show,
            Treatment::Mask => form.mask.map_or(Release::Withhold(WithholdReason::Unmaskable), Release::Mask),
            Treatment::Withhold => Release::Withhold(WithholdReason::Level(level)),
        }
    }
}

impl Release {
    /// What both let out.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Withhold(_), Self::Show | Self::Mask(_)) => self,
            (_, Self::Withhold(_)) => other,
            (Self::Mask(one), Self::Mask(other)) => Self::Mask(one.both(other)),
            (Self::Mask(rule), Self::Show) | (Self::Show, Self::Mask(rule)) => Self::Mask(rule),
            (Self::Show, Self::Show) => Self::Show,
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Permit")
            .field("rule", self.rule())
            .field("policy", &self.policy_version())
            .field("action", &self.action)
            .field("categories", &self.categories())
            .finish()
    }
}
