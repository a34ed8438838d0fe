//! The failing rows of a file, as a file to correct: logged before a byte of them leaves.
//!
//! The file is read again, so the rows need not be kept anywhere besides; and rows are compared anew with the records
//! held, so the rows that contradict one are among them, however many there are. If records changed since the report
//! was made, the file says what is wrong now.

use std::io::Write;
use std::sync::Arc;

use chengxin_import::error_file::{ErrorFile, ErrorFileFormat, ErrorLanguage};
use chengxin_import::{ImportError, ImportOptions, Importer};
use chengxin_schemas::operator::Role;
use tokio::runtime::Handle;

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::import::{ImportFile, options_of, row_length_check};
use crate::node::Node;
use crate::operation::Operation;

/// Form and language of a file of failing rows.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFileForm {
    /// CSV or workbook.
    pub format: ErrorFileFormat,
    /// Language of the column that says what is wrong.
    pub language: ErrorLanguage,
}

impl Node {
    /// Writes the failing rows of `file` to `out`, on a thread that may block: `out` may wait for its reader, and ends
    /// the work by failing. Rows hold whatever the file did, persons' numbers included, so an entry with the file's
    /// digest is durable before the first byte.
    pub async fn import_errors<W: Write + Send + 'static>(
        self: &Arc<Self>,
        operation: &Operation,
        file: Arc<dyn ImportFile>,
        options: ImportOptions,
        form: ErrorFileForm,
        out: W,
    ) -> Result<()> {
        operation.require(&[Role::Clerk, Role::Reviewer], "export the failing rows of a file")?;
        // Opened first, so that the entry names the file by its digest, and a file that cannot be read has none.
        let options = options_of(operation, options);
        let opened = file.clone();
        let importer = blocking(move || {
            let reader = opened.open().map_err(ImportError::Read)?;
            Ok(Importer::open(reader, options)?)
        })
        .await?;
        let format = match form.format {
            ErrorFileFormat::CsvUtf8 => "csv",
            ErrorFileFormat::Xlsx => "xlsx",
        };
        let entry = EntryDraft::new(EntryKind::Exported)
            .request(importer.file_digest())
            .detail("exported", "failing rows of a file")
            .detail("file_name", file.name())
            .detail("format", format);
        self.audit_append(Some(operation), entry).await?;
        let (node, policy, runtime) = (self.clone(), self.policy(), Handle::current());
        let empty = self.is_empty().await?;
        blocking(move || {
            // The file is in use until its last row is read.
            let _file = file;
            let mut errors = ErrorFile::new(importer.layout(), form.format, form.language, out)?;
            for row in importer {
                let mut row = row?;
                row_length_check(&mut row);
                if !empty
                    && let Some(conflict) = runtime.block_on(node.row_conflict(&policy, &row, &mut 0))?
                {
                    row.issues.push(conflict);
                    row.fields = None;
                }
                errors.row_add(&row)?;
            }
            errors.finish()?;
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ExchangeError::Task { what: "writing the failing rows" })?
}
