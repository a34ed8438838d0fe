//! What a document looks like to people: a page of lines, pairs and tables, independent of where it is shown.

use chengxin_api::types::time::Moment;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::{BreachSeverity, InformationCategory, RecordState, SharingAttribute};
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::PeriodEnd;

use super::sanitise::clean;
use crate::language::Language;
use crate::texts::{Key, fill, text};

/// For whom a page is made.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The language.
    pub language: Language,
    /// Whether values are for programs: codes instead of terms, UTC instead of local time.
    pub machine: bool,
}

/// What a value means to the reader's eye. Colour only repeats what the text says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Not as it should be, or a fact against the subject.
    Bad,
    /// Less important.
    Dim,
}

/// A harmless text with its tone. There is no other way to put text on a page than through [`clean`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A plain text.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()), tone: Tone::Plain }
    }

    /// Anything that can be shown, plain.
    pub fn of(value: impl std::fmt::Display) -> Self {
        Self::new(value.to_string())
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A value that may be absent.
    pub fn optional(value: Option<impl std::fmt::Display>) -> Self {
        value.map_or_else(Self::empty, Self::of)
    }

    /// With a tone.
    pub fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tone.
    pub fn tone(&self) -> Tone {
        self.tone
    }
}

/// A column: its name for programs, its title for people.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in CSV.
    pub id: &'static str,
    /// Title in tables.
    pub title: Key,
    /// Shown in wide tables and CSV only.
    pub wide: bool,
}

/// A column of every table.
pub const fn column(id: &'static str, title: Key) -> Column {
    Column { id, title, wide: false }
}

/// A column of wide tables and CSV.
pub const fn wide(id: &'static str, title: Key) -> Column {
    Column { id, title, wide: true }
}

/// Rows under columns.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }
}

/// A piece of a page.
#[derive(Clone, Debug)]
pub enum Block {
    /// A line of several cells, one after the other with two blanks between.
    Line(Vec<Cell>),
    /// A title over what follows.
    Heading(String),
    /// Names and values, aligned.
    Pairs(Vec<(Key, Cell)>),
    /// A table.
    Table(Table),
    /// An empty line.
    Gap,
}

/// What a document looks like.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The pieces, from top to bottom.
    pub blocks: Vec<Block>,
}

impl Page {
    /// A page of one table, or of one line that says there is nothing.
    pub fn of_table(table: Table, view: View) -> Self {
        let mut page = Self::default();
        if table.rows.is_empty() {
            page.line([Cell::new(view.text(Key::ListEmpty)).toned(Tone::Dim)]);
        } else {
            page.blocks.push(Block::Table(table));
        }
        page
    }

    /// Adds a line.
    pub fn line<const N: usize>(&mut self, cells: [Cell; N]) {
        self.blocks.push(Block::Line(cells.into()));
    }

    /// Adds a title after an empty line.
    pub fn heading(&mut self, title: impl AsRef<str>) {
        self.blocks.push(Block::Gap);
        self.blocks.push(Block::Heading(clean(title.as_ref())));
    }

    /// Adds names and values.
    pub fn pairs(&mut self, pairs: Vec<(Key, Cell)>) {
        self.blocks.push(Block::Pairs(pairs));
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.blocks.push(Block::Table(table));
    }
}

/// A closed list with a machine spelling and a Chinese term; English terms are spelled here because signed forms
/// have no use for them.
macro_rules! terms {
    ($($method:ident: $kind:ty { $($value:ident => $english:literal),+ $(,)? })+) => {
        impl View {
            $(
                /// The term for people, or the code for programs.
                pub fn $method(self, value: $kind) -> &'static str {
                    if self.machine { return value.as_str(); }
                    match self.language {
                        Language::Zh => value.chinese(),
                        Language::En => match value { $(<$kind>::$value => $english),+ },
                    }
                }
            )+
        }
    };
}

terms! {
    category: InformationCategory {
        Basic => "basic", Enhancing => "credit-enhancing", GeneralBreach => "general breach",
        SeriousBreach => "serious breach", RiskWarning => "risk warning",
    }
    severity: BreachSeverity { Minor => "minor", General => "general", Serious => "serious" }
    record_state: RecordState {
        Effective => "effective", UnderObjection => "under objection", Suspended => "suspended",
        Corrected => "corrected", Repaired => "repaired", Withdrawn => "withdrawn", Expired => "expired",
    }
    record_type: RecordType {
        AdministrativePenalty => "administrative penalty", JudgmentDebtor => "dishonest judgment debtor",
    }
    notice_state: NoticeState {
        InForce => "in force", Suspended => "suspended", Repaired => "repaired", Withdrawn => "withdrawn",
    }
    sharing: SharingAttribute {
        Unconditional => "unconditional", Conditional => "conditional", NotShared => "not shared",
    }
    role: Role {
        Clerk => "clerk", Reviewer => "reviewer", Coordinator => "coordinator",
        SystemAdministrator => "system administrator", SecurityAdministrator => "security administrator",
        AuditAdministrator => "audit administrator",
    }
}

/// The commands that come next, if any.
pub(crate) fn next_lines(page: &mut Page, next: &[String], view: View) {
    if !next.is_empty() {
        page.heading(view.text(Key::NextCommands));
        for command in next {
            page.line([Cell::of(format!("  {command}"))]);
        }
    }
}

impl View {
    /// A text of the catalogue.
    pub fn text(self, key: Key) -> &'static str {
        text(key, self.language)
    }

    /// A text of the catalogue with its places filled.
    pub fn fill(self, key: Key, values: &[&str]) -> String {
        fill(key, self.language, values)
    }

    /// The text of the language, where a document brings both. For programs always the Chinese one: names and messages
    /// are written in Chinese first, and machine output must not depend on who runs the command; codes stand beside.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        if self.machine { zh } else { self.language.pick(zh, en) }
    }

    /// A reason that a library or another node gave in one language, in the language of the person as far as it is
    /// known. For programs always as it came.
    pub fn told<'a>(self, reason: &'a str) -> std::borrow::Cow<'a, str> {
        let told = match (self.machine, self.language) {
            (true, _) => None,
            (false, Language::Zh) => chengxin_api::chinese::message(reason),
            (false, Language::En) => chengxin_api::chinese::english(reason),
        };
        told.map_or(std::borrow::Cow::Borrowed(reason), std::borrow::Cow::Owned)
    }

    /// A reason that came as a code, in the words that the document brings beside it; without words as any other reason,
    /// since members have sent words in place of codes. For programs the code.
    pub fn coded<'a>(
        self,
        code: &'a str,
        zh: Option<&'a str>,
        en: Option<&'a str>,
    ) -> std::borrow::Cow<'a, str> {
        let words = match self.language {
            Language::Zh => zh,
            Language::En => en,
        };
        match words {
            Some(words) if !self.machine => std::borrow::Cow::Borrowed(words),
            Some(_) | None => self.told(code),
        }
    }

    /// A time: Asia/Shanghai for people, RFC 3339 in UTC for programs.
    pub fn time(self, moment: Moment) -> String {
        if self.machine { moment.to_string() } else { moment.0.to_shanghai() }
    }

    /// The end of a period.
    pub fn period_end(self, end: PeriodEnd) -> String {
        match end {
            PeriodEnd::LongTerm if !self.machine => self.text(Key::LongTerm).to_owned(),
            PeriodEnd::LongTerm | PeriodEnd::On(_) => end.to_string(),
        }
    }

    /// The value of a field: one that means that a period has no end is told in words.
    pub fn field_value(self, value: &str) -> String {
        if value == PeriodEnd::LongTerm.to_string() {
            self.period_end(PeriodEnd::LongTerm)
        } else {
            value.to_owned()
        }
    }

    /// The class of an error.
    pub fn error_code(self, code: ErrorCode) -> &'static str {
        if self.machine || self.language == Language::En {
            return code.as_str();
        }
        match code {
            ErrorCode::Invalid => "无效",
            ErrorCode::NotFound => "不存在",
            ErrorCode::Denied => "不允许",
            ErrorCode::Unauthenticated => "身份未确认",
            ErrorCode::Conflict => "冲突",
            ErrorCode::Integrity => "校验不成立",
            ErrorCode::Expired => "不在有效期内",
            ErrorCode::TooLarge => "过大",
            ErrorCode::Busy => "繁忙",
            ErrorCode::Unavailable => "无法访问",
            ErrorCode::Timeout => "超时",
            ErrorCode::Internal => "内部错误",
        }
    }

    /// Yes or no.
    pub fn yes_no(self, value: bool) -> &'static str {
        match (self.machine, value) {
            (true, true) => "true",
            (true, false) => "false",
            (false, true) => self.text(Key::Yes),
            (false, false) => self.text(Key::No),
        }
    }

    /// Several texts in one.
    pub fn join<'a>(self, texts: impl IntoIterator<Item = &'a str>) -> String {
        let separator = if self.machine { ";" } else { self.language.pick("、", ", ") };
        texts.into_iter().collect::<Vec<_>>().join(separator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_the_language_of_the_person_and_to_programs_as_it_came() {
        let view = |language, machine| View { language, machine };
        for (written, zh, en) in [
            ("the peer did not answer in time", "对方节点没有及时应答", "the peer did not answer in time"),
            ("没有规则允许", "没有规则允许", "no rule allows it"),
            ("words of a stranger", "words of a stranger", "words of a stranger"),
        ] {
            assert_eq!(view(Language::Zh, false).told(written), zh);
            assert_eq!(view(Language::En, false).told(written), en);
            assert_eq!(view(Language::Zh, true).told(written), written);
            assert_eq!(view(Language::En, true).told(written), written);
        }
    }
}
