//! From the cells of one row to checked fields: each value under the rule of its field, each fault by column.

mod identity;

use chengxin_schemas::record::{LIST_LIMIT, RecordFields};
use chengxin_schemas::record_type::{
    FieldDefinition, FieldKind, PERSON_DOCUMENT_TYPE, PERSON_NUMBER, RecordType, SUBJECT_CODE, SUBJECT_NAME,
};
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::Day;
use chengxin_schemas::unified_code::CheckException;
use jiff::civil::Date;

use crate::cells::{CellKind, Cells, EXACT_NUMBER};
use crate::dialect::{Header, Meaning};
use crate::error_file::formula_unguard;
use crate::importer::Exceptions;
use crate::issue::{ColumnReference, IssueCode, IssueSeverity, RowIssue};
use crate::value::date::{DateProblem, ReadDate, date_parse, is_long_term, serial_date};
use crate::value::money::{MoneyProblem, money_parse, unit_name};
use crate::value::penalty_kind::penalty_kinds_parse;
use crate::value::{
    digit_count, is_null, is_space, is_spreadsheet_error, is_spreadsheet_exponent, lines_join,
};
use crate::xlsx_file::XlsxFile;
use crate::zip_guard::SheetNotes;

use identity::{SubjectEvidence, document_type_read};

/// The mark of invented rows in demonstration data.
const DEMONSTRATION: &str = "演示样例";
/// This many digits in the name of an authority mean that the cell holds something else.
const AUTHORITY_DIGITS: usize = 2;

/// Maps rows under one header.
pub(crate) struct RowMapper {
    header: Header,
    /// The field of each column, looked up once.
    definitions: Vec<Option<&'static FieldDefinition>>,
    exceptions: Exceptions,
    /// The present day, if it is known.
    today: Option<Day>,
    facts: SheetFacts,
}

/// What holds for a whole workbook sheet; for CSV nothing does.
#[derive(Default)]
pub(crate) struct SheetFacts {
    /// The workbook counts days from 1904.
    epoch_1904: bool,
    /// Rows end at their last cell that is not empty, so a short row misses nothing.
    sparse: bool,
    notes: SheetNotes,
}

impl SheetFacts {
    pub(crate) fn of(file: &XlsxFile) -> Self {
        Self { epoch_1904: file.epoch_1904, sparse: true, notes: file.notes.clone() }
    }

    fn is_hidden(&self, row: u64) -> bool {
        self.notes.hidden.binary_search(&row).is_ok()
    }

    /// The column of a merged area that reaches the row from above or beside.
    fn merged_column(&self, row: u64) -> Option<usize> {
        self.notes
            .merged
            .iter()
            .find(|area| area.first_row < row && row <= area.last_row.saturating_add(1))
            .map(|area| area.column)
    }
}

/// What came of one row.
pub(crate) struct MappedRow {
    pub(crate) fields: RecordFields,
    pub(crate) subject_kind: SubjectKind,
    pub(crate) issues: Vec<RowIssue>,
    /// How many cells held a spelling of "nothing" other than being empty.
    pub(crate) nulls: u32,
    pub(crate) exception: Option<CheckException>,
}

impl RowMapper {
    pub(crate) fn new(header: Header, exceptions: Exceptions, today: Option<Day>, facts: SheetFacts) -> Self {
        let definitions = header
            .columns
            .iter()
            .map(|column| match column.meaning {
                Some(Meaning::Field { name, .. }) => {
                    header.record_type.field(name).ok().map(|(_, definition)| definition)
                }
                Some(
                    Meaning::DebtorNumber
                    | Meaning::SecondPenaltyKind
                    | Meaning::Errors
                    | Meaning::OriginalRow,
                )
                | None => None,
            })
            .collect();
        Self { header, definitions, exceptions, today, facts }
    }

    /// The type of the records.
    pub(crate) fn record_type(&self) -> RecordType {
        self.header.record_type
    }

    /// Maps one row. `fields` of the result is complete only if no issue is an error.
    pub(crate) fn row_map(&self, row: u64, cells: &Cells) -> MappedRow {
        let mut work = RowWork {
            mapper: self,
            row,
            cells,
            evidence: SubjectEvidence::of_template(self.header.template),
            mapped: MappedRow {
                fields: RecordFields::new(self.header.record_type),
                subject_kind: SubjectKind::Person,
                issues: Vec::new(),
                nulls: 0,
                exception: None,
            },
        };
        if cells.contains(DEMONSTRATION) {
            work.row_issue(IssueCode::DemonstrationRow, Vec::new());
            return work.mapped;
        }
        if !work.shape_check() {
            return work.mapped;
        }
        if self.facts.is_hidden(row) {
            work.row_issue(IssueCode::HiddenRow, Vec::new());
        }
        if let Some(column) = self.facts.merged_column(row) {
            work.issue(column, IssueCode::MergedCell);
        }
        for index in 0..self.header.columns.len() {
            work.column_map(index);
        }
        work.whole_check();
        work.stated_person_keep();
        work.mapped.subject_kind = work.evidence.kind();
        work.mapped
    }

    fn column_reference(&self, index: usize) -> Option<ColumnReference> {
        self.header.columns.get(index).map(|column| ColumnReference::new(index, &column.header))
    }
}

struct RowWork<'a> {
    mapper: &'a RowMapper,
    row: u64,
    cells: &'a Cells,
    evidence: SubjectEvidence,
    mapped: MappedRow,
}

impl RowWork<'_> {
    fn row_issue(&mut self, code: IssueCode, params: Vec<(&'static str, String)>) {
        self.mapped.issues.push(RowIssue::new(self.row, None, code, params));
    }

    fn issue(&mut self, index: usize, code: IssueCode) {
        self.issue_with(index, code, Vec::new());
    }

    fn issue_with(&mut self, index: usize, code: IssueCode, params: Vec<(&'static str, String)>) {
        let column = self.mapper.column_reference(index);
        self.mapped.issues.push(RowIssue::new(self.row, column, code, params));
    }

    /// Whether the row has the cells that the header announces. Empty cells beyond the header are nothing.
    fn shape_check(&mut self) -> bool {
        let expected = self.mapper.header.columns.len();
        let found = self.cells.len();
        let beyond = (expected..found).any(|index| !self.cells.text(index).trim().is_empty());
        if (found < expected && !self.mapper.facts.sparse) || beyond {
            self.row_issue(
                IssueCode::RaggedRow,
                vec![("found", found.to_string()), ("expected", expected.to_string())],
            );
            return false;
        }
        true
    }

    fn column_map(&mut self, index: usize) {
        let Some(meaning) = self.mapper.header.columns.get(index).and_then(|column| column.meaning) else {
            return;
        };
        if matches!(meaning, Meaning::Errors | Meaning::OriginalRow) {
            return;
        }
        match self.cells.kind(index) {
            Some(CellKind::Formula) => return self.issue(index, IssueCode::FormulaCell),
            Some(CellKind::Error) => return self.issue(index, IssueCode::ErrorCell),
            Some(CellKind::Number(_) | CellKind::Date) | None => {}
        }
        let cells = self.cells;
        let text = formula_unguard(cells.text(index)).trim_matches(is_space);
        if is_null(text) {
            self.mapped.nulls += u32::from(!text.is_empty());
            return;
        }
        if let Meaning::Field { name, .. } = meaning {
            self.evidence.column_add(name, text);
        }
        // Text that a spreadsheet program wrote where it had lost what was typed; CSV has no other trace of that.
        if is_spreadsheet_error(text) {
            return self.issue(index, IssueCode::ErrorCell);
        }
        if is_spreadsheet_exponent(text) {
            return self.issue(index, IssueCode::NumberLostDigits);
        }
        match meaning {
            Meaning::Errors | Meaning::OriginalRow => {}
            Meaning::DebtorNumber => self.debtor_number_map(index, text),
            Meaning::SecondPenaltyKind => self.penalty_kinds_map(index, text),
            Meaning::Field { unit, .. } => {
                let Some(definition) = self.mapper.definitions.get(index).copied().flatten() else { return };
                match definition.kind {
                    FieldKind::Text(limit) => self.text_map(index, definition, limit, text),
                    FieldKind::TextList => self.penalty_kinds_map(index, text),
                    FieldKind::UnifiedCode => self.code_map(index, definition, text),
                    FieldKind::PersonNumber => self.person_number_map(index, definition, text),
                    FieldKind::Day | FieldKind::PeriodEnd => self.date_map(index, definition, text),
                    FieldKind::Yuan => match money_parse(text, unit) {
                        Ok(amount) => self.insert(index, definition.name, &amount.to_string()),
                        Err(problem) => self.money_issue(index, unit.map(unit_name), problem),
                    },
                }
            }
        }
    }

    /// A number cell that cannot be the number that was typed.
    fn digits_lost(&mut self, index: usize) -> bool {
        let lost =
            matches!(self.cells.kind(index), Some(CellKind::Number(number)) if number.abs() >= EXACT_NUMBER);
        if lost {
            self.issue(index, IssueCode::NumberLostDigits);
        }
        lost
    }

    fn insert(&mut self, index: usize, name: &str, text: &str) {
        if self.mapped.fields.text_insert(name, text).is_err() {
            self.issue(index, IssueCode::ValueInvalid);
        }
    }

    fn text_map(&mut self, index: usize, definition: &'static FieldDefinition, limit: usize, text: &str) {
        if self.digits_lost(index) {
            return;
        }
        if self.cells.kind(index) == Some(CellKind::Date) {
            self.issue(index, IssueCode::DateInTextColumn);
        }
        let joined;
        let mut text = text;
        if !definition.has_lines() && text.contains(['\n', '\r', '\t']) {
            joined = lines_join(text);
            text = &joined;
            self.issue(index, IssueCode::LineBreakJoined);
        } else if text.contains('\r') {
            joined = text.replace("\r\n", "\n").replace('\r', "\n");
            text = &joined;
        }
        let actual = text.chars().count();
        if actual > limit {
            return self.issue_with(
                index,
                IssueCode::TextTooLong,
                vec![("actual", actual.to_string()), ("limit", limit.to_string())],
            );
        }
        if text.chars().any(|symbol| symbol.is_control() && symbol != '\n' && symbol != '\t') {
            return self.issue(index, IssueCode::ControlCharacter);
        }
        match definition.name {
            "authority_name" if digit_count(text) >= AUTHORITY_DIGITS => self.authority_issue(index),
            name @ ("organisation_code"
            | "registration_number"
            | "tax_registration_number"
            | "public_institution_certificate"
            | "social_organisation_certificate") => self.organisation_number_map(index, name, text),
            PERSON_DOCUMENT_TYPE | "legal_representative_document_type" => match document_type_read(text) {
                Some(kind) => self.insert(index, definition.name, kind),
                None => self.issue(index, IssueCode::DocumentTypeUnknown),
            },
            name => self.insert(index, name, text),
        }
    }

    /// The candidate is the source unit, if that looks like a name. It is offered and never put in its place.
    fn authority_issue(&mut self, index: usize) {
        let candidate = self
            .mapper
            .header
            .column_of("source_unit_name")
            .map(|column| self.cells.text(column).trim())
            .filter(|text| {
                !is_null(text) && digit_count(text) < AUTHORITY_DIGITS && text.chars().count() <= 200
            });
        let params = candidate.map(|text| ("candidate", text.to_owned())).into_iter().collect();
        self.issue_with(index, IssueCode::AuthorityPolluted, params);
    }

    fn date_map(&mut self, index: usize, definition: &'static FieldDefinition, text: &str) {
        let period = definition.kind == FieldKind::PeriodEnd;
        if period && is_long_term(text) {
            return self.insert(index, definition.name, "long-term");
        }
        let read = match self.cells.kind(index) {
            // A plain number of five digits is a day of this or the last century; 2026 or 5.4 is something typed in a form
            // the spreadsheet program did not understand.
            Some(CellKind::Number(serial)) if (10_000.0..100_000.0).contains(&serial) => {
                serial_date(serial, self.mapper.facts.epoch_1904)
            }
            _ => date_parse(text, self.mapper.facts.epoch_1904),
        };
        match read {
            // A year of 2099 spells "no end"; a thing that happened has no such day.
            Ok(ReadDate { date, .. }) if !period && date.year() == 2099 => {
                self.issue(index, IssueCode::DateImpossible);
            }
            Ok(ReadDate { date, .. }) if self.is_ahead(definition, date) => {
                self.issue(index, IssueCode::DateInFuture);
            }
            Ok(ReadDate { date, time_dropped }) => {
                if time_dropped {
                    self.issue(index, IssueCode::TimeOfDayDropped);
                }
                self.insert(index, definition.name, &date.to_string());
            }
            Err(DateProblem::Form) => self.issue(index, IssueCode::DateForm),
            Err(DateProblem::Impossible) => self.issue(index, IssueCode::DateImpossible),
        }
    }

    /// Whether a fact would have been determined after the present day. Documents name later days for other things.
    fn is_ahead(&self, definition: &FieldDefinition, date: Date) -> bool {
        self.mapper.header.record_type.determination_fields().contains(&definition.name)
            && self.mapper.today.is_some_and(|today| date > today.0)
    }

    fn money_issue(&mut self, index: usize, column: Option<&'static str>, problem: MoneyProblem) {
        match problem {
            MoneyProblem::Form => self.issue(index, IssueCode::MoneyForm),
            MoneyProblem::UnitMissing => self.issue(index, IssueCode::MoneyUnitMissing),
            MoneyProblem::TooFine => self.issue(index, IssueCode::MoneyTooFine),
            MoneyProblem::TooLarge => self.issue(index, IssueCode::MoneyTooLarge),
            MoneyProblem::UnitConflict(cell) => self.issue_with(
                index,
                IssueCode::MoneyUnitConflict,
                vec![("column_unit", column.unwrap_or("元/万元").to_owned()), ("cell_unit", cell.to_owned())],
            ),
        }
    }

    /// Adds the kinds of one cell to those of the row: 处罚类别 and 处罚类别2 make one set.
    fn penalty_kinds_map(&mut self, index: usize, text: &str) {
        let Ok(mut found) = penalty_kinds_parse(text) else {
            return self.issue(index, IssueCode::PenaltyCodeUnknown);
        };
        // Line ends separate kinds, but not inside brackets.
        if found.iter().any(|kind| kind.contains(['\n', '\r', '\t'])) {
            found.iter_mut().for_each(|kind| *kind = lines_join(kind));
            self.issue(index, IssueCode::LineBreakJoined);
        }
        let mut kinds = match self.mapped.fields.value("penalty_kinds") {
            Some(chengxin_schemas::record::FieldValue::List(kinds)) => kinds.clone(),
            _ => Vec::new(),
        };
        for kind in found {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.len() > LIST_LIMIT {
            let params = vec![("actual", kinds.len().to_string()), ("limit", LIST_LIMIT.to_string())];
            return self.issue_with(index, IssueCode::TooManyTexts, params);
        }
        if let Some(long) = kinds.iter().map(|kind| kind.chars().count()).find(|count| *count > 200) {
            let params = vec![("actual", long.to_string()), ("limit", "200".to_owned())];
            return self.issue_with(index, IssueCode::TextTooLong, params);
        }
        if !kinds.is_empty() && self.mapped.fields.list_insert("penalty_kinds", &kinds).is_err() {
            self.issue(index, IssueCode::ControlCharacter);
        }
    }

    /// What only the whole row tells: required fields, the subject's identity, exceptions that nothing needed.
    fn whole_check(&mut self) {
        let header = &self.mapper.header;
        for definition in header.record_type.fields().iter().filter(|definition| definition.required) {
            let column = header.column_of(definition.name);
            let refused = column.is_some_and(|index| self.column_has_issue(index));
            if let Some(index) = column
                && self.mapped.fields.value(definition.name).is_none()
                && !refused
            {
                self.issue(index, IssueCode::RequiredMissing);
            }
        }
        if self.mapped.fields.is_found_by_name() && !self.identity_refused() {
            let column = match header.record_type {
                RecordType::AdministrativePenalty | RecordType::JudgmentDebtor => header
                    .column_of(SUBJECT_CODE)
                    .or_else(|| header.column_of(PERSON_NUMBER))
                    .or_else(|| {
                        header.columns.iter().position(|column| column.meaning == Some(Meaning::DebtorNumber))
                    })
                    .or_else(|| header.column_of(SUBJECT_NAME)),
            };
            if let Some(index) = column {
                self.issue(index, IssueCode::SubjectIdentityWeak);
            }
        }
        if self.mapped.exception.is_none() && self.mapper.exceptions.names_row(self.row) {
            self.row_issue(IssueCode::ExceptionUnused, Vec::new());
        }
    }

    fn column_has_issue(&self, index: usize) -> bool {
        let letter = crate::cells::column_letter(index);
        self.mapped
            .issues
            .iter()
            .filter(|issue| issue.severity == IssueSeverity::Error)
            .any(|issue| issue.column.as_ref().is_some_and(|column| column.letter == letter))
    }
}
