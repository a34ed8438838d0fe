//! The stage of a scenario: folders, ports, processes and commands, removed when the scenario ends.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for a state. Generous, because it only decides how long a broken state takes to be called broken.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a state.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much of a node's log a failing scenario prints.
const LOG_TAIL: usize = 4_000;

/// A body: folder, code, name, function.
pub(crate) type Body = (&'static str, &'static str, &'static str, &'static str);
pub(crate) const COORDINATOR: Body =
    ("coordinator", "12150000DEM0000144", "示例自治区公共信用信息中心", "data-administration");
pub(crate) const FINANCE: Body = ("finance", "11150000DEM000129D", "示例自治区财政厅", "finance");
pub(crate) const MARKET: Body =
    ("market", "11150000DEM000233H", "示例自治区市场监督管理局", "market-regulation");
/// A league, which has coordinators of its own, and a body of one of its banners.
pub(crate) const LEAGUE: Body = ("league", "11152500DEM000452E", "示例盟行政公署", "regional-government");
pub(crate) const BANNER: Body = ("banner", "11150000DEM000065F", "示例旗财政局", "finance");
pub(crate) const BODIES: [Body; 3] = [COORDINATOR, FINANCE, MARKET];
/// An invented company.
pub(crate) const SUBJECT: &str = "91150100DEM000567Y";

/// The region that a body serves.
fn region(body: Body) -> &'static str {
    match body {
        LEAGUE => "152500",
        BANNER => "152502",
        _ => "150000",
    }
}

/// The product's binary: `CHENGXIN_BINARY`, or the one beside this test; built when it is not there.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("CHENGXIN_BINARY") {
            return PathBuf::from(named);
        }
        let test = std::env::current_exe().expect("the test knows where it lies");
        let program = test.parent().and_then(Path::parent).expect("deps folder").join("chengxin");
        if !program.exists() {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--locked", "-p", "chengxin"])
                .status()
                .expect("cargo starts");
            assert!(built.success() && program.exists(), "cargo build -p chengxin gave no {program:?}");
        }
        program
    })
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Asserts the exit code and that the error says each of `words`.
    pub(crate) fn refused(&self, exit: i32, words: &[&str]) {
        assert_eq!(self.exit, exit, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
    }

    pub(crate) fn good(self) -> Self {
        assert_eq!(self.exit, 0, "{self:?}");
        self
    }
}

/// A folder with homes and the nodes that run in them.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    door: u16,
    ports: Vec<u16>,
    children: Vec<(String, Child)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut ports = free_ports(6);
        let door = ports.pop().expect("ports");
        Self { folder: tempfile::tempdir().expect("tempdir"), door, ports, children: Vec::new() }
    }

    /// A founded federation whose nodes `BODIES` run and see each other.
    pub(crate) fn federation() -> Self {
        let mut stage = Self::new();
        stage.found();
        for body in [FINANCE, MARKET] {
            stage.init(body);
            let token = stage.token(body);
            stage.join(body, &token, &stage.fingerprint()).good();
            stage.start(body);
        }
        stage.until("everybody is connected", |stage| BODIES.iter().all(|body| stage.online(*body) == 2));
        stage
    }

    /// A coordinator alone, running.
    pub(crate) fn found(&mut self) {
        self.init(COORDINATOR);
        self.found_with("root-keys").good();
        self.start(COORDINATOR);
    }

    /// Founds with root keys in the folder of this name.
    pub(crate) fn found_with(&self, keys: &str) -> Ran {
        let keys = self.file(keys).display().to_string();
        let mut all =
            vec!["--yes", "federation", "found", "--name", "trial", "--keys", "3", "--threshold", "2"];
        all.extend(["--keys-dir", keys.as_str()]);
        self.run(COORDINATOR, None, &all)
    }

    pub(crate) fn init(&mut self, body: Body) {
        let port = self.ports.pop().expect("a port for each node");
        let udp = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
        let tcp = format!("/ip4/127.0.0.1/tcp/{port}");
        let recovery = self.file(&format!("{}.recovery-key", body.0)).display().to_string();
        let mut all = vec!["init", "--trial", "--agency", body.1, "--name", body.2];
        all.extend(["--region", region(body)]);
        all.extend(["--function", body.3, "--listen", &udp, "--listen", &tcp, "--recovery-key", &recovery]);
        for account in [
            "sys=system_administrator",
            "sec=security_administrator",
            "aud=audit_administrator",
            "zhang=clerk",
            "li=reviewer",
        ] {
            all.extend(["--account", account]);
        }
        if [COORDINATOR, LEAGUE].contains(&body) {
            all.extend(["--account", "wang=coordinator", "--account", "he=coordinator"]);
        }
        self.run(body, None, &all).good();
    }

    pub(crate) fn token(&self, body: Body) -> String {
        self.token_with(body, &[])
    }

    /// A token with flags of its own.
    pub(crate) fn token_with(&self, body: Body, flags: &[&str]) -> String {
        let all = ["-o", "json", "federation", "token", body.1, "--name", body.2, "--region", region(body)];
        let mut all = all.to_vec();
        all.extend(["--function", body.3]);
        all.extend(flags);
        let token = self.run(COORDINATOR, Some("wang"), &all).good().json();
        token["token"].as_str().expect("token").to_owned()
    }

    /// Where the other members' nodes reach a body's.
    pub(crate) fn address(&self, body: Body) -> String {
        let members =
            self.run(COORDINATOR, Some("sys"), &["-o", "json", "federation", "members"]).good().json();
        let members = members["members"].as_array().expect("members").clone();
        let entry = members.iter().find(|member| member["agency"] == body.1).expect("a member");
        entry["addresses"][0].as_str().expect("address").to_owned()
    }

    pub(crate) fn fingerprint(&self) -> String {
        let path = self.home(COORDINATOR).join("federation.fingerprint");
        std::fs::read_to_string(path).expect("fingerprint").trim().to_owned()
    }

    pub(crate) fn join(&self, body: Body, token: &str, fingerprint: &str) -> Ran {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(&format!("{}.token", body.0), token.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let door = format!("/ip4/127.0.0.1/tcp/{}", self.door);
        self.run(body, None, &["join", &door, "--fingerprint", fingerprint, "--token-file", &path])
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path as an argument.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.file(name);
        std::fs::write(&path, bytes).expect("write");
        path.display().to_string()
    }

    pub(crate) fn home(&self, body: Body) -> PathBuf {
        self.file(body.0)
    }

    pub(crate) fn command(&self, body: Body, operator: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        for name in ["CHENGXIN_OUTPUT", "CHENGXIN_CONFIG", "CHENGXIN_SOCKET", "CHENGXIN_HOME"] {
            command.env_remove(name);
        }
        command.env("CHENGXIN_JOIN_LISTEN", format!("[\"/ip4/127.0.0.1/tcp/{}\"]", self.door));
        command.arg("--home").arg(self.home(body)).args(["--lang", "en"]).stdin(Stdio::null());
        if let Some(operator) = operator {
            command.args(["--operator", operator]);
        }
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, body: Body, operator: Option<&str>, arguments: &[&str]) -> Ran {
        let output = self.command(body, operator, arguments).output().expect("the program starts");
        Ran {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a node and waits until it answers.
    pub(crate) fn start(&mut self, body: Body) {
        let log = File::options().create(true).append(true).open(self.file(&format!("{}.log", body.0)));
        let child = self
            .command(body, None, &["serve"])
            .stdout(Stdio::null())
            .stderr(log.expect("log"))
            .spawn()
            .expect("the node starts");
        self.children.push((body.0.to_owned(), child));
        self.until("the node answers", |stage| {
            let ran = stage.run(body, Some("sys"), &["-o", "json", "status"]);
            serde_json::from_str::<Value>(&ran.stdout).is_ok_and(|status| status["node"]["agency"] == body.1)
        });
    }

    /// Ends a node with SIGKILL: no handler runs.
    pub(crate) fn kill(&mut self, body: Body) {
        let place = self.children.iter().position(|(name, _)| name == body.0).expect("it runs");
        let (_, mut child) = self.children.swap_remove(place);
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    pub(crate) fn online(&self, body: Body) -> usize {
        let peers = self.run(body, Some("sys"), &["-o", "json", "peer", "list"]).good().json();
        let peers = peers["peers"].as_array().expect("peers").clone();
        peers.iter().filter(|peer| peer["online"] == true).count()
    }

    /// Waits until `held`; the wait ends with a failure and the logs.
    pub(crate) fn until(&self, what: &str, mut held: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !held(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (name, child) in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                let path = self.folder.path().join(format!("{name}.log"));
                let log = std::fs::read(path).unwrap_or_default();
                let tail = &log[log.len().saturating_sub(LOG_TAIL)..];
                eprintln!("--- log of {name}\n{}", String::from_utf8_lossy(tail));
            }
        }
    }
}

/// Ports free for TCP and UDP alike. A port must stay free from here until its node binds it, and while the node is
/// down. So they lie below the range from which Linux serves everybody who names no port (32768 and above), and no two
/// stages of a run are given the same; two runs on one machine begin at different places.
fn free_ports(count: usize) -> Vec<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let place = std::process::id().wrapping_mul(61);
    let mut ports = Vec::new();
    while ports.len() < count {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        assert!(given < COUNT, "no ports are left");
        let port = u16::try_from(FIRST + place.wrapping_add(given) % COUNT).expect("below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports
}

/// A file in the national layout with `rows` invented penalties of [`MARKET`] against [`SUBJECT`].
pub(crate) fn penalties(rows: usize) -> String {
    let mut text = String::from(
        "行政相对人名称,行政相对人代码_1 (统一社会信用代码),法定代表人,法定代表人身份证号,行政处罚决定书文号,违法行为类型,违法事实,处罚依据,处罚类别,处罚内容,罚款金额 (万元),处罚决定日期,处罚有效期,公示截止期,处罚机关,处罚机关统一社会信用代码\n",
    );
    for row in 1..=rows {
        text.push_str(&format!(
            "示例启明建设工程有限公司,{SUBJECT},示例甲,,示市监罚〔2026〕{row}号,串通投标,在示例项目招标中与他人串通,《中华人民共和国招标投标法》第五十三条,罚款,罚款,12.5,2026-09-18,2099/12/31,2027-09-18,{},{}\n",
            MARKET.2, MARKET.1
        ));
    }
    text
}
