//! What is wrong with a row: a closed list of codes, with their parameters as data.

use std::sync::Arc;

use serde::Serialize;

use crate::cells::column_letter;

/// How much an issue matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueSeverity {
    /// The row is accepted, or skipped as a repetition; a person should know.
    Warning,
    /// The row is not accepted.
    Error,
}

macro_rules! issue_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal / $severity:ident),+ $(,)?) => {
        /// The closed list of issue codes. Their wording in two languages is in [`crate::texts`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum IssueCode {
            $($(#[$doc])* #[serde(rename = $text)] $name),+
        }

        impl IssueCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code in machine output.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// How much it matters.
            pub fn severity(self) -> IssueSeverity {
                match self { $(Self::$name => IssueSeverity::$severity),+ }
            }
        }
    };
}

issue_codes! {
    /// The row has fewer or more cells than the header. Parameters: `found`, `expected`.
    RaggedRow = "ragged_row" / Error,
    /// A field that the record cannot do without has no value.
    RequiredMissing = "required_missing" / Error,
    /// More characters than the field holds. Parameters: `actual`, `limit`.
    TextTooLong = "text_too_long" / Error,
    /// A control character in the cell, or a row full of them.
    ControlCharacter = "control_character" / Error,
    /// A line break or a tab in a name or a number; the lines were joined.
    LineBreakJoined = "line_break_joined" / Warning,
    /// The value does not have the form of its field, for a reason no other code covers.
    ValueInvalid = "value_invalid" / Error,
    /// Not 18 characters. Parameter: `actual`.
    CodeLength = "code_length" / Error,
    /// A character outside the alphabet of GB 32100. Parameter: `position`.
    CodeAlphabet = "code_alphabet" / Error,
    /// The check character is wrong. Parameter: `expected`.
    CodeCheck = "code_check" / Error,
    /// The code column holds a natural person's number.
    CodeIsPersonNumber = "code_is_person_number" / Error,
    /// The code is also a valid resident identity number.
    CodeAmbiguous = "code_ambiguous" / Error,
    /// A code with a wrong check character, or one that is also a resident number, that a named person accepted.
    CodeAccepted = "code_accepted" / Warning,
    /// An exception was given for the row, and the code needs none.
    ExceptionUnused = "exception_unused" / Warning,
    /// The first two characters are not in the table of GB 32100.
    CodeUnknownPrefix = "code_unknown_prefix" / Warning,
    /// The inner organisation code fails GB 11714; real codes do.
    CodeInnerCheck = "code_inner_check" / Warning,
    /// Characters 3 to 8 are not digits.
    CodeRegion = "code_region" / Warning,
    /// A placeholder of zeros: the code is unknown.
    CodePlaceholder = "code_placeholder" / Warning,
    /// No usable identifier: the subject can be found by name only.
    SubjectIdentityWeak = "subject_identity_weak" / Warning,
    /// The organisation code fails GB 11714.
    OrganisationCodeCheck = "organisation_code_check" / Warning,
    /// A number in a column of organisations' numbers that may be a person's passport or travel permit.
    NumberUnclear = "number_unclear" / Error,
    /// A tax number that is made of a person's resident number; left out, because tax numbers are public.
    TaxNumberIsPersonNumber = "tax_number_is_person_number" / Warning,
    /// A registration, certificate or tax number of the form of an old resident number; left out, because these numbers are
    /// public.
    NumberMayBePersons = "number_may_be_persons" / Warning,
    /// A resident identity number that does not hold.
    ResidentNumberCheck = "resident_number_check" / Error,
    /// A document number with characters no document number has.
    PersonNumberForm = "person_number_form" / Error,
    /// A masked number; it identifies nobody and is left out.
    PersonNumberMasked = "person_number_masked" / Warning,
    /// A document number without a document type.
    DocumentTypeMissing = "document_type_missing" / Warning,
    /// A document type code outside the code set.
    DocumentTypeUnknown = "document_type_unknown" / Error,
    /// A date in none of the accepted forms.
    DateForm = "date_form" / Error,
    /// A date that the calendar does not have, or outside 1900 to 2100.
    DateImpossible = "date_impossible" / Error,
    /// The day of determination is after today: mistyped, since a fact that is recorded has happened.
    DateInFuture = "date_in_future" / Error,
    /// A time of day was left out.
    TimeOfDayDropped = "time_of_day_dropped" / Warning,
    /// Not a plain number.
    MoneyForm = "money_form" / Error,
    /// The cell names a unit other than its column's. Parameters: `column_unit`, `cell_unit`.
    MoneyUnitConflict = "money_unit_conflict" / Error,
    /// Neither the column nor the cell names a unit.
    MoneyUnitMissing = "money_unit_missing" / Error,
    /// Finer than one fen.
    MoneyTooFine = "money_too_fine" / Error,
    /// Larger than any amount.
    MoneyTooLarge = "money_too_large" / Error,
    /// Two or more digits in the authority's name: the field holds something else. Parameter `candidate`, where the
    /// source unit could be meant.
    AuthorityPolluted = "authority_polluted" / Error,
    /// A penalty code outside 0 to 6.
    PenaltyCodeUnknown = "penalty_code_unknown" / Error,
    /// More texts in one cell than a list holds. Parameters: `actual`, `limit`.
    TooManyTexts = "too_many_texts" / Error,
    /// A row that a demonstration put there (演示样例).
    DemonstrationRow = "demonstration_row" / Error,
    /// The same record as an earlier row; skipped. Parameter: `first_row`.
    DuplicateIdentical = "duplicate_identical" / Warning,
    /// The duplicate key of an earlier row with other content. Parameter: `first_row`.
    DuplicateDifferent = "duplicate_different" / Error,
    /// A record with this document number and subject is held already, with other content. Found by the caller, who
    /// knows what is held.
    HeldDifferently = "held_differently" / Error,
    /// The end of publicity is not the one that the rules give. Found by the caller, who knows the rules. Parameters:
    /// `stated`, `computed`.
    PublicityEndDiffers = "publicity_end_differs" / Warning,
    /// The row states an end of publicity, and by the rules its record is in principle not published. Found by the caller,
    /// who knows the rules. Parameter: `stated`.
    NotPublished = "not_published" / Warning,
    /// A formula.
    FormulaCell = "formula_cell" / Error,
    /// A date cell under a text field: the spreadsheet may have turned a number such as `2026-5` into a day.
    DateInTextColumn = "date_in_text_column" / Warning,
    /// An error value of the spreadsheet, or its text.
    ErrorCell = "error_cell" / Error,
    /// A long number stored as a number, or written with an exponent, so its last digits are lost.
    NumberLostDigits = "number_lost_digits" / Error,
    /// The row is hidden in the sheet; it is read all the same.
    HiddenRow = "hidden_row" / Warning,
    /// The cell is part of a merged area; only its first cell has a value.
    MergedCell = "merged_cell" / Warning,
    /// A column that no field corresponds to; kept in the source row only.
    UnmappedColumn = "unmapped_column" / Warning,
}

/// A column of the sheet, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnReference {
    /// Letters as spreadsheets show them.
    pub letter: String,
    /// The header as it stands in the file.
    #[serde(serialize_with = "header_serialize")]
    pub header: Arc<str>,
}

fn header_serialize<S: serde::Serializer>(header: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(header)
}

impl ColumnReference {
    pub(crate) fn new(index: usize, header: &Arc<str>) -> Self {
        Self { letter: column_letter(index), header: Arc::clone(header) }
    }
}

/// One thing wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowIssue {
    /// Sheet row, counted from 1.
    pub row: u64,
    /// The column, unless the whole row is meant.
    pub column: Option<ColumnReference>,
    /// What is wrong.
    pub code: IssueCode,
    /// How much it matters.
    pub severity: IssueSeverity,
    /// Values for the texts: counts, limits, row numbers, check characters, units. Never a cell, with two exceptions:
    /// the candidate of [`IssueCode::AuthorityPolluted`], which holds fewer than two digits, and the day of
    /// [`IssueCode::PublicityEndDiffers`] and [`IssueCode::NotPublished`].
    #[serde(serialize_with = "params_serialize")]
    pub params: Vec<(&'static str, String)>,
}

fn params_serialize<S: serde::Serializer>(
    params: &[(&'static str, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(params.iter().map(|(name, value)| (name, value)))
}

impl RowIssue {
    pub(crate) fn new(
        row: u64,
        column: Option<ColumnReference>,
        code: IssueCode,
        params: Vec<(&'static str, String)>,
    ) -> Self {
        Self { row, column, code, severity: code.severity(), params }
    }

    /// The row holds so many control characters that it cannot be kept as it stands.
    pub fn control_characters(row: u64) -> Self {
        Self::new(row, None, IssueCode::ControlCharacter, Vec::new())
    }

    /// The row contradicts a record that is held already.
    pub fn held_differently(row: u64) -> Self {
        Self::new(row, None, IssueCode::HeldDifferently, Vec::new())
    }

    /// The row states another end of publicity than the rules give; both as a day or `long-term`.
    pub fn publicity_end_differs(row: u64, stated: &str, computed: &str) -> Self {
        let params = vec![("stated", stated.to_owned()), ("computed", computed.to_owned())];
        Self::new(row, None, IssueCode::PublicityEndDiffers, params)
    }

    /// The row states an end of publicity, a day or `long-term`, of a record that is in principle not published.
    pub fn not_published(row: u64, stated: &str) -> Self {
        Self::new(row, None, IssueCode::NotPublished, vec![("stated", stated.to_owned())])
    }

    /// A parameter by name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}
