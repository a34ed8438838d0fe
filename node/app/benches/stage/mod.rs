//! What the benchmarks share: a federation of real nodes in folders of their own, driven as a person would drive it.
//!
//! Every node is the real program, started as a process. Folders lie under `TMPDIR`, ports are free ones of the
//! loopback interface. A step that fails ends the benchmark with what the program said.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::generate::{GenerateOptions, GeneratedRows, csv_generate};
use serde_json::Value;

/// Longest wait for a node to be ready: opening a store that was not closed reads all of it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Seed of the generated rows.
const SEED: u64 = 11;
/// Key of the column that holds the subject's code.
const SUBJECT_COLUMN: &str = "cf_xdr_shxym";

/// One public body; invented, with a code that passes its checks.
#[derive(Clone, Copy)]
pub(crate) struct Body {
    pub(crate) key: &'static str,
    pub(crate) code: &'static str,
    name: &'static str,
    function: &'static str,
    place: usize,
}

/// Coordinates the federation, holds records and answers.
pub(crate) const ANSWERER: Body = Body {
    key: "answerer",
    code: "12150000DEM0000144",
    name: "示例自治区公共信用信息中心",
    function: "data-administration",
    place: 0,
};
/// Asks.
pub(crate) const ASKER: Body = Body {
    key: "asker",
    code: "11150000DEM000129D",
    name: "示例自治区财政厅",
    function: "finance",
    place: 1,
};
const REGION: &str = "150000";
const DOOR: usize = 2;

/// The folder of one federation; removed at the end unless it was named by the person.
pub(crate) struct Stage {
    folder: PathBuf,
    ports: Vec<u16>,
    temporary: Option<tempfile::TempDir>,
}

impl Stage {
    /// In a temporary folder.
    pub(crate) fn temporary() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self { folder: temporary.path().to_owned(), ports: free_ports(), temporary: Some(temporary) }
    }

    /// In a folder that stays.
    pub(crate) fn at(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self { folder: folder.to_owned(), ports: free_ports(), temporary: None }
    }

    pub(crate) fn home(&self, body: Body) -> PathBuf {
        self.folder.join(body.key)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, body: Body) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chengxin"));
        command.arg("--home").arg(self.home(body)).args(["--lang", "en"]).stdin(Stdio::null());
        for name in ["OUTPUT", "CONFIG", "SOCKET", "HOME", "OPERATOR", "ROLE"] {
            command.env_remove(format!("CHENGXIN_{name}"));
        }
        command.env("CHENGXIN_JOIN_LISTEN", format!("[\"/ip4/127.0.0.1/tcp/{}\"]", self.ports[DOOR]));
        command
    }

    fn run(&self, body: Body, arguments: &[&str]) -> String {
        let output = self.command(body).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn init(&self, body: Body) {
        let recovery = self.file(&format!("{}.recovery", body.key)).display().to_string();
        let listen = format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.ports[body.place]);
        let mut arguments = vec!["init", "--trial", "--agency", body.code, "--name", body.name];
        arguments.extend(["--region", REGION, "--function", body.function, "--listen", &listen]);
        for account in ["sys=system_administrator", "zhang=clerk", "wang=coordinator"] {
            arguments.extend(["--account", account]);
        }
        arguments.extend(["--recovery-key", &recovery]);
        self.run(body, &arguments);
    }

    /// Sets up the answering node as the founder of a federation; nothing where that was done before.
    pub(crate) fn found(&self) {
        if self.home(ANSWERER).exists() {
            return;
        }
        self.init(ANSWERER);
        let keys = self.file("root-keys").display().to_string();
        let arguments = ["--yes", "federation", "found", "--name", "bench", "--keys", "3"];
        self.run(ANSWERER, &[&arguments[..], &["--threshold", "2", "--keys-dir", &keys]].concat());
    }

    /// Sets up the asking node and lets it join. The answering node must be running.
    pub(crate) fn join(&self) {
        self.init(ASKER);
        let mut arguments = vec!["--operator", "wang", "-o", "json", "federation", "token", ASKER.code];
        arguments.extend(["--name", ASKER.name, "--region", REGION, "--function", ASKER.function]);
        let token: Value = serde_json::from_str(&self.run(ANSWERER, &arguments)).unwrap();
        let file = self.file("token");
        std::fs::write(&file, token["token"].as_str().unwrap()).unwrap();
        let mut mode = std::fs::metadata(&file).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
        std::fs::set_permissions(&file, mode).unwrap();
        let door = format!("/ip4/127.0.0.1/tcp/{}", self.ports[DOOR]);
        let (file, fingerprint) = (file.display().to_string(), token["root_fingerprint"].as_str().unwrap());
        self.run(ASKER, &["join", &door, "--fingerprint", fingerprint, "--token-file", &file]);
    }

    /// Starts a node and waits until it says that it is ready.
    pub(crate) fn start(&self, body: Body) -> Running {
        let begun = Instant::now();
        let mut child =
            self.command(body).arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, ready) = mpsc::channel();
        let mut copy = std::fs::File::create(self.file(&format!("{}.log", body.key))).unwrap();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = writeln!(copy, "{line}");
                if line.contains("ready") {
                    let _ = sender.send(begun.elapsed());
                }
            }
        });
        match ready.recv_timeout(PATIENCE) {
            Ok(ready_after) => {
                Running { child, socket: self.home(body).join("run/chengxin.sock"), ready_after }
            }
            Err(error) => {
                let _ = child.kill();
                let log = std::fs::read_to_string(self.file(&format!("{}.log", body.key)));
                panic!("{} did not start: {error}: {}", body.key, log.unwrap_or_default());
            }
        }
    }
}

/// A node at work; killed when dropped.
pub(crate) struct Running {
    child: Child,
    socket: PathBuf,
    /// From starting the process until it was ready.
    pub(crate) ready_after: Duration,
}

impl Running {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells the node to stop and waits for its end.
    pub(crate) fn stop(mut self) {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success(), "the node did not stop in order");
    }

    /// Imports a CSV file as the clerk, and notes when each phase ended.
    pub(crate) fn import(&self, file: &Path) -> ImportTimes {
        let body = std::fs::File::open(file).unwrap();
        let length = body.metadata().unwrap().len();
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let head = format!(
            "POST /api/v1/imports?file_name=bench.csv HTTP/1.1\r\nHost: chengxin\r\n\
             x-chengxin-operator: zhang\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        std::io::copy(&mut body.take(length), &mut stream).unwrap();
        let mut times = ImportTimes::default();
        let begun = Instant::now();
        let mut examined = None;
        let mut memory_at = 0;
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            let rows = event["rows"].as_u64().unwrap_or_default();
            match (event["event"].as_str(), event["phase"].as_str()) {
                (Some("progress"), phase) => {
                    if phase == Some("writing") && examined.is_none() {
                        times.examine = begun.elapsed();
                        examined = Some(Instant::now());
                        memory_at = 0;
                    }
                    if rows >= memory_at {
                        times.memory.push((
                            phase.unwrap_or_default().to_owned(),
                            rows,
                            memory(self.process()).0,
                        ));
                        memory_at = rows + MEMORY_EVERY;
                    }
                }
                (Some("finished"), _) => {
                    let rows = &event["report"]["rows"];
                    assert_eq!(event["report"]["state"], "committed", "{line}");
                    times.rows = rows["new"].as_u64().unwrap_or_default();
                    times.keep = examined.map_or_else(|| begun.elapsed(), |from| from.elapsed());
                    times.memory_peak = memory(self.process()).1;
                    return times;
                }
                (Some("failed"), _) => panic!("the import failed: {line}"),
                (Some(_), _) | (None, _) => {}
            }
        }
        panic!("the import's answer broke off");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows between two looks at the memory.
const MEMORY_EVERY: u64 = 25_000;

/// What an import took.
#[derive(Default)]
pub(crate) struct ImportTimes {
    pub(crate) rows: u64,
    /// Reading and checking every row.
    pub(crate) examine: Duration,
    /// Signing, sealing and keeping every row, until the import is visible.
    pub(crate) keep: Duration,
    /// Phase, rows, resident bytes.
    pub(crate) memory: Vec<(String, u64, u64)>,
    pub(crate) memory_peak: u64,
}

/// Writes penalties against `subjects` bodies (0: one each), and gives the bodies' codes.
pub(crate) fn penalties(path: &Path, rows: u64, subjects: u64) -> Vec<String> {
    let mut options = GenerateOptions::new(TemplateVersion::PenaltyLegalPersons2018, rows, SEED);
    options.subjects = subjects;
    let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    csv_generate(options.clone(), TextEncoding::Gb18030, file).unwrap();
    options.keys = true;
    let generated = GeneratedRows::new(options);
    let column = generated.header().iter().position(|key| *key == SUBJECT_COLUMN).unwrap();
    generated.take(usize::try_from(subjects).unwrap()).map(|row| row[column].clone()).collect()
}

/// Resident bytes of a process, now and at most.
pub(crate) fn memory(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Processor time of a process so far. The kernel counts in hundredths of a second.
pub(crate) fn processor_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// The value after an option of the command line.
pub(crate) fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    Some(arguments.next().unwrap_or_else(|| panic!("a value follows {name}")))
}

/// The one in the middle, the least and the most.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Three ports that are free for UDP and for TCP.
fn free_ports() -> Vec<u16> {
    let mut held = Vec::new();
    while held.len() < 3 {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            held.push((port, tcp, udp));
        }
    }
    held.into_iter().map(|(port, _, _)| port).collect()
}
