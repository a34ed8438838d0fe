//! The file of an import: kept before the import begins, and its failing rows logged before they leave.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chengxin_audit_log::{EntryKind, Filter, LoggedEntry};
use chengxin_exchange::Node;
use chengxin_exchange::import::{ImportFile, ReadSeek};
use chengxin_exchange::import_errors::ErrorFileForm;
use chengxin_import::ImportOptions;
use chengxin_import::error_file::{ErrorFileFormat, ErrorLanguage};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::operator::Role;

use crate::hooked::{Call, commits_refuse};
use crate::support::{Federation, HEADER, MARKET, Memory, SUBJECT, as_role, penalty_file};

/// A file that notes when it is kept, and may refuse to be.
struct Noted {
    file: Arc<dyn ImportFile>,
    kept: Arc<AtomicBool>,
    refuse: bool,
}

impl ImportFile for Noted {
    fn open(&self) -> std::io::Result<Box<dyn ReadSeek>> {
        self.file.open()
    }

    fn name(&self) -> &str {
        self.file.name()
    }

    fn import_keep(&self, _: &BatchId) -> std::io::Result<()> {
        if self.refuse {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.kept.store(true, Ordering::SeqCst);
        Ok(())
    }
}

fn noted(refuse: bool) -> (Arc<dyn ImportFile>, Arc<AtomicBool>) {
    let kept = Arc::new(AtomicBool::new(false));
    let file = penalty_file(SUBJECT, "示例启明建设工程有限公司", "示市监罚〔2026〕88号", "12.5");
    (Arc::new(Noted { file, kept: kept.clone(), refuse }), kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_begins_only_after_its_file_is_kept() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let run = |file| node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {}));

    let (file, _) = noted(true);
    assert_eq!(run(file).await.expect_err("not kept").code(), ErrorCode::Unavailable);
    assert!(node.imports_unfinished().await.expect("list").is_empty(), "nothing blocks the next import");

    // A fault in between: the file is kept, and no import has begun.
    let (file, kept) = noted(false);
    federation.hook(MARKET, Some(commits_refuse(b'b')));
    assert_eq!(run(file).await.expect_err("not begun").code(), ErrorCode::Unavailable);
    federation.hook(MARKET, None);
    assert!(kept.load(Ordering::SeqCst));
    assert!(node.imports_unfinished().await.expect("list").is_empty());

    let (file, kept) = noted(false);
    let early = Arc::new(AtomicBool::new(false));
    let (seen, told) = (kept.clone(), early.clone());
    federation.hook(
        MARKET,
        Some(Arc::new(move |call| {
            if matches!(call, Call::Commit(_)) && !seen.load(Ordering::SeqCst) {
                told.store(true, Ordering::SeqCst);
            }
            Box::pin(async { true })
        })),
    );
    let (_, batch) = run(file).await.expect("imported");
    federation.hook(MARKET, None);
    assert!(
        batch.is_some() && !early.load(Ordering::SeqCst),
        "something was written before the file was kept"
    );
}

async fn exports(node: &Node) -> Vec<LoggedEntry> {
    let filter = Filter { kinds: vec![EntryKind::Exported], ..Filter::default() };
    node.log().search(filter, 10).await.expect("search").entries
}

/// Collects what is written, and how many exports the log held when the first byte came.
#[derive(Clone, Default)]
struct Watched {
    bytes: Arc<Mutex<Vec<u8>>>,
    logged: Arc<Mutex<Option<usize>>>,
    node: Option<Arc<Node>>,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(node) = &self.node {
            let mut logged = self.logged.lock().unwrap();
            if logged.is_none() {
                *logged = Some(tokio::runtime::Handle::current().block_on(exports(node)).len());
            }
        }
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_rows_leave_after_their_entry_and_hold_what_contradicts_a_record() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    // The second row is good, the third wrong in itself, the first contradicts the record held.
    let row = |name: &str, code: &str, number: &str, fine: &str| {
        format!("{name},{code},,,{number},串通投标,与他人串通,罚款,{fine},2026-09-18,示例市场监督管理局\n")
    };
    let other = chengxin_import::generate::organisation_code(5);
    let text = format!(
        "{HEADER}\n{}{}{}",
        row("示例启明建设工程有限公司", SUBJECT, "示市监罚〔2026〕88号", "99"),
        row("示例第五有限公司", &other, "示罚5号", "1"),
        row("示例第六有限公司", &other, "示罚6号", "many"),
    );
    let file = || -> Arc<dyn ImportFile> { Arc::new(Memory(text.clone().into_bytes())) };
    let form = ErrorFileForm { format: ErrorFileFormat::CsvUtf8, language: ErrorLanguage::English };
    let options = ImportOptions::default;

    let auditor = as_role(&node, Role::AuditAdministrator).await;
    let nothing = Watched::default();
    let refused = node.import_errors(&auditor, file(), options(), form, nothing.clone()).await;
    assert_eq!(refused.expect_err("not his").code(), ErrorCode::Denied);
    assert!(nothing.bytes.lock().unwrap().is_empty() && exports(&node).await.is_empty());

    let clerk = as_role(&node, Role::Clerk).await;
    let watched = Watched { node: Some(node.clone()), ..Watched::default() };
    node.import_errors(&clerk, file(), options(), form, watched.clone()).await.expect("written");
    assert_eq!(*watched.logged.lock().unwrap(), Some(1), "the entry is there before the first byte");
    let written = String::from_utf8(watched.bytes.lock().unwrap().clone()).expect("text");
    let numbers: Vec<_> = ["88号", "示罚5号", "示罚6号"].map(|number| written.contains(number)).into();
    assert_eq!(numbers, [true, false, true], "{written}");
    let (examination, _) =
        node.import_run(&clerk, file(), options(), Arc::new(|_| {})).await.expect("examined");
    assert_eq!(exports(&node).await[0].leaf.request, Some(examination.file));
    assert_eq!(examination.rejected(), 2);
}
