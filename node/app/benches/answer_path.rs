//! The answer path between two nodes over loopback QUIC, beside the same bytes and signatures without a node.
//!
//! `cargo bench -p chengxin --bench answer_path` prints a table: requests per second with the least and the most of
//! all rounds, latencies of the middle round, and processor time per request on either side.
//!
//! Ours: the asker signs a request, the real node (a process of its own, founded and joined as in practice, with
//! 1,000 records about 500 bodies) verifies it, authorises, reads, redacts, signs, logs durably and answers; the asker
//! verifies the answer and each record. The limit: an echoing process that verifies as many signatures over as many
//! bytes, signs one answer, and sends as many bytes back, with no policy, no store, no log, no JSON. Both go through
//! chengxin-network and take turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot go on stops with what it found, and it stands where the program does: at the clock"
)]

mod stage;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chengxin_network::{
    HandlerRefusal, Limits, Member, Members, Network, NetworkConfig, NetworkTask, PeerIdentity,
    RequestHandler, TransportKey,
};
use chengxin_policy::Bundle;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome};
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::Nonce;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::keyring::{record_verify_from, verify_from};
use chengxin_schemas::operator::Role;
use chengxin_schemas::request::{OperatorReference, REQUEST_TYP, RequestClaims};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, presentations_digest};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::{TrustStore, key_file_read};
use futures::future::BoxFuture;
use stage::{ANSWERER, ASKER, Stage, option, penalties, processor_time, spread};
use tokio::sync::watch;
use zeroize::Zeroizing;

const RECORDS: u64 = 1_000;
const SUBJECTS: u64 = 500;
const ROUNDS: usize = 5;
const RUN: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(20);
const IN_FLIGHT: [usize; 3] = [1, 64, 256];
/// Bytes of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// As in the program: both ends of an exchange are nodes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Call = Arc<dyn Fn(usize) -> BoxFuture<'static, ()> + Send + Sync>;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match option("--echo") {
        Some(shape) => runtime.block_on(echo_answer(&Shape::parse(&shape))),
        None => runtime.block_on(compare()),
    }
}

async fn compare() {
    let stage = Stage::temporary();
    let file = stage.file("penalties.csv");
    let subjects = penalties(&file, RECORDS, SUBJECTS);
    stage.found();
    let node = stage.start(ANSWERER);
    node.import(&file);
    stage.join();
    let asker = Arc::new(Asker::open(&stage, &subjects).await);
    let shape = asker.ask(0).await;
    println!(
        "request {} bytes; answer {} bytes; {} records of {} bytes, {} of them signed",
        shape.request,
        shape.answer,
        shape.records.len(),
        shape.records[0].1,
        shape.records[0].0
    );
    let (echo, echo_process) = EchoAsker::open(shape).await;
    let echo = Arc::new(echo);
    let ours: Call = {
        let asker = asker.clone();
        Arc::new(move |number| {
            let asker = asker.clone();
            Box::pin(async move { drop(asker.ask(number).await) })
        })
    };
    let limit: Call = Arc::new(move |_| {
        let echo = echo.clone();
        Box::pin(async move { echo.ask().await })
    });
    println!("in flight          req/s (least-most)   p50 ms   p99 ms   CPU us/req answering, asking");
    for in_flight in IN_FLIGHT {
        let (mut nodes, mut echoes) = (Vec::new(), Vec::new());
        measure(in_flight, &ours, node.process()).await;
        for _ in 0..ROUNDS {
            echoes.push(measure(in_flight, &limit, echo_process.id()).await);
            nodes.push(measure(in_flight, &ours, node.process()).await);
        }
        let echoed = print(in_flight, "echo", &mut echoes);
        let answered = print(in_flight, "node", &mut nodes);
        println!("{in_flight:>9}  ratio  {:.2}", answered / echoed);
    }
    node.stop();
}

/// One round.
struct Measured {
    rate: f64,
    /// Microseconds, in order.
    latencies: Vec<u64>,
    answering: f64,
    asking: f64,
}

/// Prints the round in the middle. Gives its rate.
fn print(in_flight: usize, name: &str, rounds: &mut [Measured]) -> f64 {
    rounds.sort_by(|one, two| one.rate.total_cmp(&two.rate));
    let (median, least, most) = spread(rounds.iter().map(|round| round.rate).collect());
    let middle = &rounds[rounds.len() / 2];
    let at = |part: f64| {
        let place = (middle.latencies.len() as f64 * part) as usize;
        middle.latencies[place.min(middle.latencies.len() - 1)] as f64 / 1_000.0
    };
    println!(
        "{in_flight:>9}  {name}  {median:>7.0} ({least:.0}-{most:.0})  {:>7.2}  {:>7.2}   {:>6.0} {:>6.0}",
        at(0.5),
        at(0.99),
        middle.answering,
        middle.asking
    );
    median
}

async fn measure(in_flight: usize, call: &Call, answering: u32) -> Measured {
    let own = std::process::id();
    let (answering_before, asking_before) = (processor_time(answering), processor_time(own));
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (call, next) = (call.clone(), next.clone());
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < RUN {
                let asked = Instant::now();
                call(next.fetch_add(1, Ordering::Relaxed)).await;
                latencies.push(asked.elapsed().as_micros() as u64);
            }
            latencies
        });
    }
    let mut latencies = tasks.join_all().await.concat();
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / latencies.len() as f64;
    Measured {
        rate: latencies.len() as f64 / elapsed.as_secs_f64(),
        answering: each(processor_time(answering) - answering_before),
        asking: each(processor_time(own) - asking_before),
        latencies,
    }
}

/// The joined node's side, from its own keys and its verified directory.
struct Asker {
    network: Network,
    _task: NetworkTask,
    peer: PeerIdentity,
    entry: DirectoryEntry,
    own: AgencyCode,
    signing: SigningKey,
    policy: String,
    subjects: Vec<SubjectId>,
}

impl Asker {
    async fn open(stage: &Stage, subjects: &[String]) -> Self {
        let home = stage.home(ASKER);
        let key = |name: &str| key_file_read(&home.join("keys").join(format!("{name}.key"))).unwrap();
        let fingerprint = std::fs::read_to_string(home.join("federation.fingerprint")).unwrap();
        let trust = TrustStore::open(home.join("trust"), fingerprint.trim().parse().unwrap()).await.unwrap();
        let directory = trust.directory().unwrap();
        let entry = directory.entry(&ANSWERER.code.parse().unwrap()).unwrap().clone();
        let peer: PeerIdentity = entry.transport_identity.parse().unwrap();
        let transport = TransportKey::from_seed(**key("transport").seed());
        let addresses = entry.addresses.iter().map(|address| address.parse().unwrap()).collect();
        let member = Member { identity: peer, addresses, label: entry.agency.to_string() };
        let (network, task) = network(&transport, Vec::new(), member, Arc::new(Nobody)).await;
        Self {
            network,
            _task: task,
            peer,
            entry,
            own: ASKER.code.parse().unwrap(),
            signing: key("signing").into_signing_key(),
            policy: Bundle::baseline().unwrap().rules_version().to_owned(),
            subjects: subjects.iter().map(|code| SubjectId::parse(code).unwrap()).collect(),
        }
    }

    /// One signed request, its answer verified as a check verifies it. Gives the sizes.
    async fn ask(&self, number: usize) -> Shape {
        let mut nonce = Nonce([0; 16]);
        chengxin_schemas::random::fill(&mut nonce.0);
        let subject = self.subjects[number % self.subjects.len()].clone();
        let iat = now();
        let request = RequestClaims {
            iss: self.own,
            aud: self.entry.agency,
            iat,
            exp: iat.plus(60),
            nonce,
            subject,
            subject_name: None,
            check_exception: None,
            purpose: "government-procurement".parse().unwrap(),
            legal_basis: None,
            authorisation: None,
            released_by: None,
            case_reference: "CG-2026-031".parse().unwrap(),
            categories: InformationCategory::ALL.to_vec(),
            operator: OperatorReference { account: "zhang".parse().unwrap(), role: Role::Clerk },
            policy: self.policy.clone(),
        };
        let text = jws_sign(REQUEST_TYP, &request, &self.signing).unwrap();
        let digest = Sha256::of(text.as_bytes());
        let message = Bytes::from(wire::encode(&PeerRequest::Check(text)).unwrap());
        let length = message.len();
        let reply = self.network.call(&self.peer, message, DEADLINE).await.unwrap();
        match wire::decode::<PeerResponse>(&reply).unwrap() {
            PeerResponse::Check { answer, presentations } => {
                let records = self.answer_verify(&request, digest, &answer, &presentations);
                Shape { request: length, answer: answer.len(), records }
            }
            PeerResponse::Failed { code, reason } => panic!("{code:?}: {reason}"),
            _ => panic!("answered something else"),
        }
    }

    fn answer_verify(
        &self,
        request: &RequestClaims,
        digest: Sha256,
        answer: &str,
        presentations: &[String],
    ) -> Vec<(usize, usize)> {
        let unverified = UnverifiedJws::parse(answer, ANSWER_TYP, JWS_LIMIT).unwrap();
        let alleged: AnswerClaims = unverified.claims_unverified().unwrap();
        let claims = verify_from::<AnswerClaims>(unverified, &self.entry, alleged.iat).unwrap().into_claims();
        claims.check(request, digest, now()).unwrap();
        assert_eq!(claims.sd_hash, presentations_digest(presentations));
        let AnswerOutcome::Answered { records, .. } = claims.outcome else { panic!("{:?}", claims.outcome) };
        assert_eq!(records.len(), presentations.len());
        assert_eq!(records.len(), (RECORDS / SUBJECTS) as usize, "every subject has its records");
        let verified = records.iter().zip(presentations).map(|(listed, text)| {
            let record =
                record_verify_from(SdJwt::parse(text, SD_JWT_LIMIT).unwrap(), &self.entry, alleged.iat)
                    .unwrap();
            assert_eq!(record.claims().jti, listed.record);
            assert_eq!(record.present(&|_| true).digest(), listed.presented);
            assert_eq!(record.fields().subject().as_ref(), Some(&request.subject));
            (text.find('~').unwrap(), text.len())
        });
        verified.collect()
    }
}

/// Sizes of one exchange, in bytes.
struct Shape {
    request: usize,
    answer: usize,
    /// Of each record: how much its signature covers, and all of it.
    records: Vec<(usize, usize)>,
}

impl Shape {
    fn parse(text: &str) -> Self {
        let numbers: Vec<usize> = text.split(',').map(|number| number.parse().unwrap()).collect();
        let records = numbers[2..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
        Self { request: numbers[0], answer: numbers[1], records }
    }

    fn to_text(&self) -> String {
        let records = self.records.iter().flat_map(|(signed, all)| [*signed, *all]);
        let numbers = [self.request, self.answer].into_iter().chain(records);
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    }
}

fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64)
}

async fn network(
    key: &TransportKey,
    listen: Vec<chengxin_network::PeerAddress>,
    member: Member,
    handler: Arc<dyn RequestHandler>,
) -> (Network, NetworkTask) {
    let (_, members) = watch::channel(Arc::new(Members::new([member]).unwrap()));
    let config = NetworkConfig { listen, limits: Limits::default(), jitter_seed: 1 };
    Network::start(key, config, members, handler).await.unwrap()
}

/// Answers nothing: the asking side is only asked by mistake.
struct Nobody;

impl RequestHandler for Nobody {
    fn handle(&self, _: PeerIdentity, _: Bytes) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        let text = "the asking side of a benchmark".to_owned();
        Box::pin(async move { Err(HandlerRefusal { code: ErrorCode::Unavailable, text }) })
    }
}

fn asking_key() -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([3; 32])).unwrap()
}

fn answering_key() -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([4; 32])).unwrap()
}

/// `length` bytes of which the last are the signature over the others.
fn sealed(length: usize, key: &SigningKey) -> Vec<u8> {
    let mut bytes = vec![0x61; length - SIGNATURE];
    chengxin_schemas::random::fill(&mut bytes[..16]);
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(&signature);
    bytes
}

fn unsealed(bytes: &[u8], key: &SigningKey) {
    let (message, signature) = bytes.split_at(bytes.len() - SIGNATURE);
    key.public().verify(message, signature).unwrap();
}

/// The limit's asking side.
struct EchoAsker {
    network: Network,
    _task: NetworkTask,
    peer: PeerIdentity,
    shape: Shape,
    asking: SigningKey,
    answering: SigningKey,
}

/// The limit's answering process; killed when dropped.
struct EchoProcess(Child);

impl EchoProcess {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for EchoProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl EchoAsker {
    async fn open(shape: Shape) -> (Self, EchoProcess) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--echo", &shape.to_text()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let peer = TransportKey::from_seed([2; 32]).identity();
        let member = Member {
            identity: peer,
            addresses: vec![address.trim().parse().unwrap()],
            label: "echo".to_owned(),
        };
        let (network, task) =
            network(&TransportKey::from_seed([1; 32]), Vec::new(), member, Arc::new(Nobody)).await;
        let asker =
            Self { network, _task: task, peer, shape, asking: asking_key(), answering: answering_key() };
        (asker, EchoProcess(child))
    }

    async fn ask(&self) {
        let message = Bytes::from(sealed(self.shape.request, &self.asking));
        let reply = self.network.call(&self.peer, message, DEADLINE).await.unwrap();
        let (answer, mut rest) = reply.split_at(self.shape.answer);
        unsealed(answer, &self.answering);
        for (signed, all) in &self.shape.records {
            let (record, after) = rest.split_at(*all);
            unsealed(&record[..*signed], &self.answering);
            rest = after;
        }
    }
}

/// The limit's answering side: records are signed beforehand, as a node's are.
struct Echo {
    asking: SigningKey,
    answering: SigningKey,
    answer: usize,
    records: Vec<u8>,
}

impl RequestHandler for Shared<Echo> {
    fn handle(&self, _: PeerIdentity, request: Bytes) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        let echo = self.0.clone();
        Box::pin(async move {
            unsealed(&request, &echo.asking);
            let mut reply = sealed(echo.answer, &echo.answering);
            reply.extend_from_slice(&echo.records);
            Ok(Bytes::from(reply))
        })
    }
}

/// Shares a handler with the futures it makes.
struct Shared<T>(Arc<T>);

async fn echo_answer(shape: &Shape) {
    let answering = answering_key();
    let mut records = Vec::new();
    for (signed, all) in &shape.records {
        let mut record = sealed(*signed, &answering);
        record.resize(*all, 0x62);
        records.extend_from_slice(&record);
    }
    let echo = Shared(Arc::new(Echo { asking: asking_key(), answering, answer: shape.answer, records }));
    let asker = TransportKey::from_seed([1; 32]).identity();
    let member = Member { identity: asker, addresses: Vec::new(), label: "asker".to_owned() };
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let (network, task) = network(&TransportKey::from_seed([2; 32]), listen, member, Arc::new(echo)).await;
    let mut out = std::io::stdout();
    writeln!(out, "{}", network.listening()[0]).unwrap();
    out.flush().unwrap();
    task.await.unwrap();
}
