//! Commands before a real node: what is printed, what the exit code is, what is asked before a change.

use std::path::Path;

use chengxin_cli::exit::Exit;
use chengxin_schemas::certificate::{CERTIFICATE_LIMIT, CERTIFICATE_TYP, CertificateClaims};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::UnverifiedJws;
use serde_json::Value;

use crate::runner::{Ran, chengxin_reading, chengxin_typing, chengxin_words};
use crate::support::{Served, own_uid, penalty_file, wrong_penalty_file};

/// A served node with a runtime of its own, so that commands can run on the test's thread as they do in the binary.
struct Stage {
    runtime: tokio::runtime::Runtime,
    served: Served,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
        let served = runtime.block_on(Served::start(own_uid()));
        Self { runtime, served }
    }

    /// Runs `line` as the account, in English; words with blanks are written with `_`.
    fn run(&self, account: &str, line: &str) -> Ran {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--operator", account, "--lang", "en"]);
        chengxin_words(&self.served.socket, &words, &[])
    }

    fn json(&self, account: &str, line: &str, exit: Exit) -> Value {
        let ran = self.run(account, &format!("{line} -o json"));
        assert_eq!(ran.exit, exit, "{line}: {}{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{line}: {error}: {}", ran.out))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.served.folder.path().join(name);
        std::fs::write(&path, text).expect("file");
        path.to_str().expect("path").to_owned()
    }

    fn stop(self) {
        self.runtime.block_on(self.served.stop());
    }
}

#[test]
fn reading_commands_print_documents_and_end_with_their_codes() {
    let stage = Stage::new();
    for (account, line, schema, exit) in [
        ("system", "chengxin status", "status/v1", Exit::Pending),
        ("system", "chengxin peer list", "peers/v1", Exit::Done),
        ("system", "chengxin federation members", "members/v1", Exit::Done),
        ("security", "chengxin operator list", "operators/v1", Exit::Done),
        ("clerk", "chengxin record list", "records/v1", Exit::Done),
        ("clerk", "chengxin import list", "imports/v1", Exit::Done),
        ("clerk", "chengxin notice list", "notices/v1", Exit::Done),
        ("clerk", "chengxin restriction list 91320100748204660Q", "restrictions/v1", Exit::Done),
        ("clerk", "chengxin policy show", "policy/v1", Exit::Done),
        ("clerk", "chengxin policy table --as clerk", "policy-table/v1", Exit::Done),
        ("clerk", "chengxin policy breaches", "breaches/v1", Exit::Done),
        ("clerk", "chengxin policy unverified", "unverified-values/v1", Exit::Done),
        (
            "clerk",
            "chengxin policy explain --as clerk --purpose government-procurement --category basic",
            "policy-explanation/v1",
            Exit::Done,
        ),
        ("audit", "chengxin audit search --since 7d --limit 5", "audit-entries/v1", Exit::Done),
        ("audit", "chengxin audit verify", "audit-verification/v1", Exit::Done),
        ("system", "chengxin config show --running", "config/v1", Exit::Done),
    ] {
        assert_eq!(stage.json(account, line, exit)["schema"], schema, "{line}");
        let table = stage.run(account, line);
        assert_eq!(table.exit, exit);
        assert!(!table.out.trim().is_empty(), "{line}");
    }
    stage.stop();
}

/// A copy of the baseline with one file rewritten.
fn bundle_write(folder: &Path, file: &str, change: impl Fn(&str) -> String) {
    for (name, text) in chengxin_policy::BundleFiles::baseline().iter() {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        let text = if name == file { change(text) } else { text.to_owned() };
        std::fs::write(path, text).expect("file");
    }
}

#[test]
fn a_bundle_is_tested_without_a_node_and_compared_with_the_one_in_force() {
    let stage = Stage::new();
    let folder = stage.served.folder.path().join("bundle");
    let place = folder.to_str().expect("path");
    // What is in the bundle's directory is what the node has: nothing changes.
    bundle_write(&folder, "", str::to_owned);
    let tested = stage.json("clerk", &format!("chengxin policy test {place}"), Exit::Done);
    assert_eq!(tested["schema"], "policy-test/v1");
    assert!(tested["decision_tests"].as_u64().expect("number") > 20);
    let diff = stage.json("coordinator", &format!("chengxin policy diff {place}"), Exit::Done);
    assert_eq!((&diff["cells_wider"], &diff["values"]), (&Value::from(0), &Value::Array(Vec::new())));
    let refused = stage.run("clerk", &format!("chengxin policy diff {place}"));
    assert_eq!(refused.exit, Exit::NotPermitted, "{}", refused.err);

    // A denial that no decision test speaks about.
    let denial = "court.no-public-money,*,court,public-money,*,*,*,ask,*,deny\n";
    bundle_write(&folder, "rules.csv", |text| format!("{text}{denial}"));
    let line = format!("chengxin policy diff {place}");
    let diff = stage.json("coordinator", &line, Exit::Done);
    assert_eq!(diff["cells_wider"], 0);
    assert!(diff["cells_narrower"].as_u64().expect("number") > 0);
    assert!(diff["decisions"].as_array().expect("list").iter().all(|one| one["functions"][0] == "court"));
    let page = stage.run("coordinator", &line);
    assert!(page.out.contains("let out less") && page.out.contains("court.no-public-money"), "{}", page.out);
    // The other way round, without the node: the court's bodies would see more.
    let other = stage.served.folder.path().join("other");
    bundle_write(&other, "", str::to_owned);
    let back = stage.json(
        "clerk",
        &format!("chengxin policy diff {} --with {place}", other.to_str().expect("path")),
        Exit::Done,
    );
    assert_eq!(back["cells_wider"], diff["cells_narrower"]);
    stage.stop();
}

#[test]
fn a_bundle_that_does_not_hold_is_refused_with_file_and_line() {
    let folder = tempfile::tempdir().expect("folder");
    let place = folder.path().to_str().expect("path");
    let test =
        || chengxin_words(Path::new("/nowhere"), &["chengxin", "policy", "test", place, "--lang", "en"], &[]);
    bundle_write(folder.path(), "rules.csv", |text| text.replacen(",clerk,", ",clark,", 1));
    let ran = test();
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("rules.csv line 3: unknown role \"clark\""), "{}", ran.err);
    // A test that the rules fail is named by its line too.
    bundle_write(folder.path(), "tests.toml", |text| text.replacen("\"permit\"", "\"deny\"", 1));
    let ran = test();
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("tests.toml line "), "{}", ran.err);
    std::fs::write(folder.path().join("notes.txt"), "x").expect("file");
    assert!(test().err.contains("notes.txt: not a file of a bundle"));
    std::fs::remove_file(folder.path().join("notes.txt")).expect("removed");
    let mut bytes = std::fs::read(folder.path().join("roles.toml")).expect("file");
    bytes.extend(b"# \xff\n");
    let line = bytes.iter().filter(|byte| **byte == b'\n').count();
    std::fs::write(folder.path().join("roles.toml"), bytes).expect("file");
    let ran = test();
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains(&format!("roles.toml line {line}: not UTF-8")), "{}", ran.err);

    // The directory itself: what is not there, and what is none.
    let file = folder.path().join("rules.csv");
    for (place, exit) in [("/nowhere/bundle", Exit::NotFound), (file.to_str().expect("path"), Exit::Usage)] {
        for (language, fix) in
            [("en", "give the directory of a bundle"), ("zh", "给出策略包或收紧规则包的目录")]
        {
            let words = ["chengxin", "policy", "test", place, "--lang", language];
            let ran = chengxin_words(Path::new("/nowhere"), &words, &[]);
            assert_eq!(ran.exit, exit, "{}", ran.err);
            for part in [place, "DIR", fix] {
                assert!(ran.err.contains(part), "{part}: {}", ran.err);
            }
        }
    }
}

#[test]
fn the_command_that_comes_next_can_be_typed_as_it_stands() {
    let folder = tempfile::tempdir().expect("folder");
    let bundle = folder.path().join("the next policy");
    bundle_write(&bundle, "", str::to_owned);
    let words = ["chengxin", "policy", "test", bundle.to_str().expect("path"), "-o", "json"];
    let ran = chengxin_words(Path::new("/nowhere"), &words, &[]);
    let tested: Value = serde_json::from_str(&ran.out).expect("json");
    assert_eq!(tested["next"][0], format!("chengxin policy diff '{}'", bundle.display()));
    // With the flags of the command before it, whoever made the list, and in every form.
    let flags =
        ["--socket", "/srv/the socket", "--operator", "wang", "--role", "coordinator", "--lang", "en"];
    let flagged = "chengxin --socket '/srv/the socket' --operator wang --role coordinator";
    for form in ["json", "table"] {
        let words = [&words[..4], &["-o", form], &flags[..]].concat();
        let ran = chengxin_words(Path::new("/nowhere"), &words, &[]);
        assert!(ran.out.contains(&format!("{flagged} policy diff ")), "{}", ran.out);
    }
}

#[test]
fn refusals_end_with_their_codes_and_say_what_to_do() {
    let stage = Stage::new();
    let zeros = "0".repeat(32);
    for (account, line, exit, words) in [
        ("clerk", "chengxin audit search".to_owned(), Exit::NotPermitted, "audit_administrator"),
        ("nobody", "chengxin status".to_owned(), Exit::NotPermitted, "operator add"),
        ("clerk", format!("chengxin record show r-{zeros}"), Exit::NotFound, "does not exist"),
        ("clerk", "chengxin import errors f-00 e.xlsx".to_owned(), Exit::Usage, "id"),
        ("clerk", format!("chengxin notice list --cursor 1.n-{zeros}"), Exit::Usage, "cursor"),
        (
            "clerk",
            "chengxin check 91320100748204660Q --purpose curiosity --ref A-1".to_owned(),
            Exit::NotPermitted,
            "rule: ",
        ),
        (
            "clerk",
            "chengxin check 91320100748204660A --purpose government-procurement --ref A-1".to_owned(),
            Exit::Usage,
            "check character 18",
        ),
        (
            "coordinator",
            format!("chengxin federation token {} --name x --region 150000", crate::support::OTHER),
            Exit::NotFound,
            "not a coordinator",
        ),
    ] {
        let ran = stage.run(account, &line);
        assert_eq!(ran.exit, exit, "{line}: {}", ran.err);
        assert!(ran.err.contains(words), "{line}: {}", ran.err);
        assert!(ran.out.is_empty() && ran.err.contains("class: "), "{line}: {}", ran.err);
        assert!(!ran.err.contains("91320100748204660"), "{line}: {}", ran.err);
    }
    stage.stop();
}

/// At a node of its own place, and by a user with several accounts, a command works with the flags of the denied one only.
#[test]
fn a_denial_gives_the_command_that_explains_it_as_it_has_to_be_typed() {
    let stage = Stage::new();
    let link = stage.served.folder.path().join("the socket");
    std::os::unix::fs::symlink(&stage.served.socket, &link).expect("link");
    let socket = link.to_str().expect("path");
    let check = [
        "chengxin",
        "check",
        "91320100748204660Q",
        "--purpose",
        "securities-issuance",
        "--ref",
        "A-1",
        "--socket",
        socket,
        "--operator",
        "clerk",
        "--role",
        "clerk",
    ];
    for (language, before, after) in [("en", "what to do: ", " says"), ("zh", "用 ", " 查看")] {
        let words = [&check[..], &["--lang", language]].concat();
        let denied = chengxin_words(Path::new("/nowhere"), &words, &[]);
        assert_eq!(denied.exit, Exit::NotPermitted, "{}", denied.err);
        let start = denied.err.find("chengxin ").unwrap_or_else(|| panic!("{}", denied.err));
        assert!(denied.err[..start].ends_with(before), "{}", denied.err);
        let command = &denied.err[start..start + denied.err[start..].find(after).expect("an end")];
        let flags =
            format!("chengxin --socket '{socket}' --operator clerk --role clerk policy explain --as clerk ");
        assert!(command.starts_with(&flags), "{command}");
        // What a shell makes of it does what it says.
        let split = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf '%s\\n' {command}"))
            .output()
            .expect("a shell");
        let words = String::from_utf8(split.stdout).expect("text");
        let explained = chengxin_words(Path::new("/nowhere"), &words.lines().collect::<Vec<_>>(), &[]);
        assert_eq!(explained.exit, Exit::Done, "{command}: {}", explained.err);
    }
    let json = chengxin_words(Path::new("/nowhere"), &[&check[..], &["-o", "json"]].concat(), &[]);
    let told: Value = serde_json::from_str(&json.err).expect("json");
    for fix in ["fix_en", "fix_zh"] {
        assert!(
            told[fix].as_str().expect(fix).contains("--operator clerk --role clerk policy explain"),
            "{told}"
        );
    }
    // Without flags the command has none.
    let denied = chengxin_words(
        &stage.served.socket,
        &check[..7],
        &[("CHENGXIN_OPERATOR", "clerk"), ("CHENGXIN_LANG", "en")],
    );
    assert!(denied.err.contains("what to do: chengxin policy explain --as clerk "), "{}", denied.err);
    stage.stop();
}

/// Answers so many requests, each on its connection, with these documents.
fn answering(socket: &Path, documents: Vec<Value>) -> std::thread::JoinHandle<Vec<String>> {
    use std::io::{BufRead as _, Write as _};
    let listener = std::os::unix::net::UnixListener::bind(socket).expect("socket");
    std::thread::spawn(move || {
        let answer = |document: Value| {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut line = String::new();
            let mut reader = std::io::BufReader::new(stream.try_clone().expect("stream"));
            reader.read_line(&mut line).expect("a request line");
            let body = document.to_string();
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").expect("answered");
            line
        };
        documents.into_iter().map(answer).collect()
    })
}

/// The node looks through so many records for a page and gives what it found: nothing, with more behind it.
#[test]
fn a_list_with_a_filter_is_filled_from_the_pages_behind_and_has_one_header() {
    let folder = tempfile::tempdir().expect("folder");
    let socket = folder.path().join("socket");
    let record = |name: &str| {
        serde_json::json!({"record": format!("r-{}", "0".repeat(32)), "type": "judgment-debtor",
            "category": "serious_breach", "severity": "serious", "state": "effective", "subject": null,
            "subject_name": name, "determined_on": "2026-09-18", "batch": format!("b-{}", "0".repeat(32))})
    };
    let page = |records: Vec<Value>, next: Option<&str>| {
        let mut page = serde_json::json!({"schema": "records/v1", "records": records});
        if let Some(next) = next {
            page["next"] = next.into();
        }
        page
    };
    let list = |line: &str, pages: Vec<Value>| {
        let node = answering(&socket, pages);
        let ran = chengxin_words(&socket, &line.split(' ').collect::<Vec<_>>(), &[("CHENGXIN_LANG", "en")]);
        std::fs::remove_file(&socket).expect("removed");
        assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
        (ran, node.join().expect("no panic"))
    };
    let line = "chengxin record list --category serious_breach";
    let found = vec![
        page(vec![], Some("500")),
        page(vec![record("甲")], Some("300")),
        page(vec![record("乙")], None),
    ];
    let (ran, asked) = list(line, found.clone());
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (3, ""), "{}", ran.out);
    assert!(asked[1].contains("cursor=500") && asked[2].contains("cursor=300&limit=49"), "{asked:?}");
    let (ran, _) = list(&format!("{line} --limit 1"), found[..2].to_vec());
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    assert!(ran.err.contains("--cursor 300"), "{}", ran.err);
    // All pages: one header, and columns that do not move without need.
    let pages = vec![
        page(vec![record("示例启明建设工程有限公司")], Some("500")),
        page(vec![record("甲")], Some("300")),
        page(vec![], None),
    ];
    let (ran, _) = list(&format!("{line} --all --limit 1"), pages);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert_eq!(ran.out.matches("Record").count(), 1, "{}", ran.out);
    let column = |line: &str| {
        let before = &line[..line.find("2026-09-18").expect("a day")];
        before.chars().map(|one| if one.is_ascii() { 1 } else { 2 }).sum::<usize>()
    };
    assert_eq!(column(lines[1]), column(lines[2]), "{}", ran.out);
    let (ran, _) = list(&format!("{line} --all"), vec![page(vec![], None)]);
    assert_eq!(ran.out.trim(), "(none)", "{}", ran.out);
}

/// A node that dies may have done what was asked, or not.
#[test]
fn what_became_of_a_request_that_was_cut_off_is_not_known_and_where_to_look_is_said() {
    use std::io::Read as _;
    let folder = tempfile::tempdir().expect("folder");
    let record = format!("r-{}", "0".repeat(32));
    let issue = format!("notice issue --record {record} --measure no-inspection-exemption --yes");
    for (line, answered, looked) in [
        (issue.as_str(), "", Some("chengxin --operator li notice list --issued")),
        (issue.as_str(), "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", Some("notice list --issued")),
        ("operator disable zhang --yes", "", Some("operator list")),
        ("policy show", "", None),
        ("check 91320100748204660Q --purpose government-procurement --ref A-1", "", None),
    ] {
        let socket = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("socket");
        let dying = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a request");
            let read = stream.read(&mut [0; 64 << 10]).expect("read");
            assert!(read > 0);
            std::io::Write::write_all(&mut stream, answered.as_bytes()).expect("written");
        });
        let words: Vec<&str> =
            ["chengxin", "--operator", "li", "--lang", "en"].into_iter().chain(line.split(' ')).collect();
        let ran = chengxin_words(&socket, &words, &[]);
        dying.join().expect("no panic");
        assert_eq!(ran.exit, Exit::Partial, "{line}: {}", ran.err);
        assert!(!ran.err.contains("same version"), "{line}: {}", ran.err);
        match looked {
            Some(command) => {
                assert!(ran.err.contains("whether it was done is not known"), "{}", ran.err);
                assert!(
                    ran.err.contains(command) && ran.err.contains("before you type it again"),
                    "{}",
                    ran.err
                );
            }
            None => assert!(
                ran.err.contains("nothing was changed") && ran.err.contains("type it again"),
                "{}",
                ran.err
            ),
        }
        std::fs::remove_file(&socket).expect("removed");
    }
}

#[test]
fn a_subject_is_read_from_standard_input() {
    let stage = Stage::new();
    for line in [
        "chengxin check - --purpose government-procurement --ref CG-1",
        "chengxin restriction list -",
        "chengxin record list --subject -",
    ] {
        let words: Vec<&str> = line.split(' ').chain(["--operator", "clerk", "--lang", "en"]).collect();
        let run = |input| chengxin_reading(&stage.served.socket, &words, &[], input);
        let good = run(" 91320100748204660Q\n11010519491231002X\n");
        assert!(matches!(good.exit, Exit::Done | Exit::Partial), "{line}: {}", good.err);
        for nothing in ["", "\n91320100748204660Q\n"] {
            let ran = run(nothing);
            assert_eq!(ran.exit, Exit::Usage, "{line}: {}", ran.err);
            assert!(ran.err.contains("SUBJECT") && !ran.err.contains("748204660"), "{line}: {}", ran.err);
        }
        let wrong = run("11010519491231002Y\n");
        assert_eq!(wrong.exit, Exit::Usage, "{line}: {}", wrong.err);
        assert!(!wrong.err.contains("19491231"), "{line}: {}", wrong.err);
    }
    stage.stop();
}

#[test]
fn a_file_goes_in_and_comes_out_again() {
    let stage = Stage::new();
    let wrong = stage.file("wrong.csv", &wrong_penalty_file());
    let errors = stage.served.folder.path().join("errors.csv");
    let line = format!("chengxin record import {wrong} --dry-run --errors {}", errors.display());
    let report = stage.json("clerk", &line, Exit::Failed);
    assert_eq!(report["state"], "checked");
    let rows = report["rows"]["wrong"].as_u64().expect("count");
    assert!(rows > 0);
    let text = std::fs::read_to_string(&errors).expect("errors file");
    assert_eq!(text.lines().count() as u64, rows + 1, "{text}");
    // What exists stays, the file to import above all; nothing is sent, and nothing is exported.
    let template = format!("chengxin record template --type administrative-penalty {wrong}");
    let export = format!("chengxin import errors {} {wrong}", report["errors_id"].as_str().expect("id"));
    for line in [format!("chengxin record import {wrong} --dry-run --errors {wrong}"), line, export, template]
    {
        let refused = stage.run("clerk", &line);
        assert_eq!(refused.exit, Exit::Conflict, "{line}: {}", refused.err);
        assert!(refused.out.is_empty() && refused.err.contains("never written over"), "{}", refused.err);
        assert!(refused.err.contains("what to do: name a new file"), "{}", refused.err);
    }
    assert_eq!(std::fs::read_to_string(&wrong).expect("the file"), wrong_penalty_file());
    assert_eq!(std::fs::read_to_string(&errors).expect("errors file"), text);
    assert_eq!(stage.run("clerk", &format!("chengxin record import {wrong}")).exit, Exit::Failed);

    let good = stage.file("good.csv", &penalty_file());
    let checked = stage.run("clerk", &format!("chengxin record import {good} --dry-run"));
    assert!(matches!(checked.exit, Exit::Done | Exit::Warnings), "{}", checked.out);
    if checked.exit == Exit::Warnings {
        let strict = stage.run("clerk", &format!("chengxin record import {good} --dry-run --strict"));
        assert_eq!(strict.exit, Exit::Failed);
    }
    let folder = stage.served.folder.path().to_str().expect("path").to_owned();
    let wrong_kind = stage.run("clerk", &format!("chengxin record import {folder}"));
    assert!(wrong_kind.err.contains(&folder) && !wrong_kind.err.contains("version"), "{}", wrong_kind.err);
    let refused = stage.run("clerk", &format!("chengxin record import {wrong} -o csv"));
    assert!(refused.out.lines().nth(1).is_some_and(|row| row.contains(",refused,")), "{}", refused.out);
    let report = stage.json("clerk", &format!("chengxin record import {good}"), Exit::Done);
    let batch = report["batch"].as_str().expect("batch").to_owned();
    let all = stage.run("clerk", "chengxin record list --limit 1 --all -o csv");
    assert_eq!(all.out.lines().count(), 3, "one header, two rows: {}", all.out);
    assert_eq!(all.out.matches('\u{FEFF}').count(), 1);
    let many = stage.run("clerk", "chengxin record list --all -o json");
    assert_eq!(many.exit, Exit::Usage, "json is one document");
    assert!(many.err.contains("jsonl"), "{}", many.err);
    let lines = stage.run("clerk", "chengxin record list --all -o jsonl");
    assert!(
        lines.out.lines().all(|line| line.starts_with(r#"{"schema":"records/v1","record":"#)),
        "{}",
        lines.out
    );

    let asked = stage.run("reviewer", &format!("chengxin import rollback {batch}"));
    assert_eq!(asked.exit, Exit::Interrupted, "without a terminal silence is no consent: {}", asked.err);
    assert!(asked.err.contains("--yes"));
    let preview = stage.json("reviewer", &format!("chengxin import rollback {batch} --dry-run"), Exit::Done);
    assert_eq!((&preview["state"], &preview["rows"]["new"]), (&"committed".into(), &2.into()), "{preview}");
    let page = stage.run("reviewer", &format!("chengxin import rollback {batch} --dry-run"));
    assert!(page.out.contains("would remove 2 records") && !page.out.contains("refused"), "{}", page.out);
    for line in ["--dry-run", "--yes", ""] {
        let denied = stage.run("clerk", format!("chengxin import rollback {batch} {line}").trim());
        assert_eq!(denied.exit, Exit::NotPermitted, "{line}: {}", denied.err);
    }
    let done = stage.json("reviewer", &format!("chengxin import rollback {batch} --yes"), Exit::Done);
    assert_eq!(done["state"], "rolled_back");

    // What is said to type next is typed at the same node by the same person.
    let flags = format!("chengxin --socket {} --operator clerk", stage.served.socket.display());
    let at = |line: String| stage.run("clerk", &format!("{line} --socket {}", stage.served.socket.display()));
    let again = at(format!("chengxin record import {good}"));
    assert!(again.err.contains(&format!("after an interruption: {flags} import resume b-")), "{}", again.err);
    let batch = again.err.split("import resume ").nth(1).and_then(|rest| rest.get(..34)).expect("batch");
    let finished = at(format!("chengxin import resume {batch}"));
    assert_eq!(finished.exit, Exit::Conflict);
    assert!(finished.err.contains(&format!("see {flags} import show {batch}")), "{}", finished.err);
    let refused = at(format!("chengxin record import {wrong}"));
    assert!(refused.err.contains(&format!("{flags} import errors f-")), "{}", refused.err);
    stage.stop();
}

#[test]
fn an_incomplete_check_ends_with_5_and_leaves_a_certificate() {
    let stage = Stage::new();
    let good = stage.file("good.csv", &penalty_file());
    stage.json("clerk", &format!("chengxin record import {good}"), Exit::Done);
    let records = stage.json("clerk", "chengxin record list", Exit::Done);
    let breach = records["records"]
        .as_array()
        .expect("records")
        .iter()
        .find(|record| record.get("severity").is_some())
        .expect("a breach");
    let (subject, record) =
        (breach["subject"].as_str().expect("code"), breach["record"].as_str().expect("id"));
    let certificate = stage.served.folder.path().join("certificate.json");
    let scan = stage.file("scan.pdf", "the scan");
    let stated = format!("--authorisation 授权书〔2026〕15号 --authorisation-file {scan}");
    let line = format!(
        "chengxin check {subject} --purpose government-procurement --ref CG-1 {stated} --certificate {}",
        certificate.display()
    );
    let only_a_scan = line.replace("--authorisation 授权书〔2026〕15号 ", "");
    assert_eq!(stage.run("clerk", &only_a_scan).exit, Exit::Usage);
    let nowhere = line.replace("certificate.json", "nowhere/certificate.json");
    let asked = || {
        let entries = stage.json("audit", "chengxin audit search --actor clerk --limit 200", Exit::Done);
        entries["entries"].as_array().expect("entries").len()
    };
    let before = asked();
    assert_eq!(stage.run("clerk", &nowhere).exit, Exit::NotFound);
    assert_eq!(asked(), before, "nobody was asked");
    let page = stage.run("clerk", &line);
    assert_eq!(page.exit, Exit::Partial, "{}", page.err);
    assert!(page.out.starts_with("Incomplete  2 asked: 1 answered, 0 refused, 1 silent"), "{}", page.out);
    assert!(!page.out.contains("Nothing found:"));
    assert!(page.err.contains("certificate.json"), "{}", page.err);
    let file: Value = serde_json::from_slice(&std::fs::read(&certificate).expect("file")).expect("json");
    assert_eq!(file["schema"], "chengxin/check-certificate/v3");
    let signed = file["certificate"].as_str().expect("signed");
    let claims: CertificateClaims = UnverifiedJws::parse(signed, CERTIFICATE_TYP, CERTIFICATE_LIMIT)
        .expect("jws")
        .claims_unverified()
        .expect("claims");
    let authorisation = claims.authorisation.expect("stated");
    assert_eq!(authorisation.reference.as_str(), "授权书〔2026〕15号");
    assert_eq!(authorisation.document, Some(Sha256::of(b"the scan")));
    assert!(!Path::new(&format!("{}.part", certificate.display())).exists());

    let issue = format!(
        "chengxin notice issue --record {record} --measure restrict-government-procurement --until 2027-12-31"
    );
    // Who may not issue it is not asked, and who may is asked what it would do.
    let answered = |account, answer| {
        let words: Vec<&str> = issue.split(' ').chain(["--operator", account, "--lang", "en"]).collect();
        chengxin_typing(&stage.served.socket, &words, answer)
    };
    let denied = answered("clerk", "y\n");
    assert_eq!(denied.exit, Exit::NotPermitted, "{}", denied.err);
    assert!(!denied.err.contains("[y/N]"), "{}", denied.err);
    let asked = answered("reviewer", "n\n");
    assert_eq!(asked.exit, Exit::Interrupted, "{}", asked.err);
    let question = asked.err.lines().find(|line| line.contains("[y/N]")).expect("a question");
    for part in ["restrict-government-procurement), until 2027-12-31, by ", "not verified", record] {
        assert!(question.contains(part), "{part}: {question}");
    }
    assert!(!question.contains(subject) && asked.err.contains(subject), "{}", asked.err);
    assert_eq!(stage.run("reviewer", &issue).exit, Exit::Interrupted, "silence is no consent");
    let issued = stage.json("reviewer", &format!("{issue} --yes"), Exit::Done);
    let notice = issued["notice"].as_str().expect("notice");
    let again = stage.run("reviewer", &format!("{issue} --yes"));
    assert_eq!(again.exit, Exit::Conflict, "{}", again.err);
    assert!(again.err.contains(notice), "{}", again.err);
    let shown = stage.run("clerk", &format!("chengxin notice show {notice}"));
    assert!(shown.out.contains("queued"), "{}", shown.out);
    // What keeps the import from being taken back is said before anybody tries.
    let batch = breach["batch"].as_str().expect("batch");
    let blocked = stage.run("reviewer", &format!("chengxin import rollback {batch} --dry-run"));
    assert_eq!(blocked.exit, Exit::Conflict, "{}", blocked.err);
    for part in ["would be refused", notice, "2027-12-31"] {
        assert!(blocked.out.contains(part), "{part}: {}", blocked.out);
    }
    let refused = stage.run("reviewer", &format!("chengxin import rollback {batch}"));
    assert_eq!(refused.exit, Exit::Conflict, "nothing is asked: {}", refused.err);
    let restricted = stage.run("clerk", &format!("chengxin restriction list {subject}"));
    assert!(restricted.out.contains("2027-12-31"), "{}", restricted.out);
    stage.stop();
}

#[test]
fn every_purpose_and_measure_in_the_examples_exists_in_the_baseline() {
    let bundle = chengxin_policy::Bundle::baseline().expect("baseline");
    for example in chengxin_cli::help::EXAMPLES {
        let words: Vec<_> = example.line.split(' ').collect();
        for pair in words.windows(2) {
            let known = match pair[0] {
                "--purpose" => bundle.purposes().iter().any(|purpose| purpose.code.as_str() == pair[1]),
                "--measure" => bundle.measures().iter().any(|measure| measure.code.as_str() == pair[1]),
                "--function" => bundle.functions().iter().any(|function| function.code.as_str() == pair[1]),
                _ => true,
            };
            assert!(known, "{}", example.line);
        }
    }
}
