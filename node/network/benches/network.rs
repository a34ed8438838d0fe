//! Round trips between two processes over loopback, beside the same bytes echoed over a bare libp2p stream: what the
//! frames, the bounds and the bookkeeping of this crate cost.
//!
//! `cargo bench -p chengxin-network` prints a table; each figure is the median of five runs of one second each,
//! ours and the bare stream taking turns, with the least and the most in brackets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chengxin_network::{
    HandlerRefusal, Limits, Member, Members, Network, NetworkConfig, PeerAddress, PeerIdentity,
    RequestHandler, TransportKey, TransportKind,
};
use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm};
use tokio::sync::watch;

const MESSAGE: usize = 512;
const LARGE: usize = 64 << 10;
const RUN: Duration = Duration::from_secs(1);
const RUNS: usize = 5;
const IDLE_PEERS: u8 = 50;
const RAW: StreamProtocol = StreamProtocol::new("/chengxin-benchmark/echo/1");

fn key(number: u8) -> TransportKey {
    TransportKey::from_seed([number; 32])
}

fn listen(transport: &str) -> PeerAddress {
    match transport {
        "quic" => "/ip4/127.0.0.1/udp/0/quic-v1",
        _ => "/ip4/127.0.0.1/tcp/0",
    }
    .parse()
    .unwrap()
}

/// Answers `large…` with 64 KiB and everything else with itself.
struct Echo;

impl RequestHandler for Echo {
    fn handle(&self, _: PeerIdentity, request: Bytes) -> BoxFuture<'static, Result<Bytes, HandlerRefusal>> {
        Box::pin(async move {
            Ok(if request.starts_with(b"large") { Bytes::from_static(&[7; LARGE]) } else { request })
        })
    }
}

async fn network(number: u8, listen: Vec<PeerAddress>, members: Members) -> (Network, impl Sized) {
    let (sender, receiver) = watch::channel(Arc::new(members));
    let config = NetworkConfig { listen, limits: Limits::default(), jitter_seed: u64::from(number) };
    let (network, task) = Network::start(&key(number), config, receiver, Arc::new(Echo)).await.unwrap();
    (network, (task, sender))
}

fn member(number: u8, addresses: Vec<PeerAddress>) -> Member {
    Member { identity: key(number).identity(), addresses, label: number.to_string() }
}

fn raw_swarm(number: u8) -> Swarm<libp2p_stream::Behaviour> {
    libp2p::SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes([number; 32]).unwrap())
        .with_tokio()
        .with_tcp(
            libp2p::tcp::Config::default().nodelay(true),
            libp2p::tls::Config::new,
            libp2p::yamux::Config::default,
        )
        .unwrap()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

/// The other process: prints its address and serves until its standard input ends.
async fn serve(kind: &str, transport: &str) {
    let held: Box<dyn std::any::Any> = match kind {
        "ours" => {
            let members = Members::new((2..2 + IDLE_PEERS).map(|number| member(number, Vec::new()))).unwrap();
            let (network, held) = network(1, vec![listen(transport)], members).await;
            println!("{}", network.listening()[0]);
            Box::new((network, Box::new(held)))
        }
        _ => {
            let mut swarm = raw_swarm(1);
            let mut streams = swarm.behaviour().new_control().accept(RAW).unwrap();
            swarm.listen_on(listen(transport).to_string().parse().unwrap()).unwrap();
            tokio::spawn(async move {
                loop {
                    if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                        println!("{address}");
                    }
                }
            });
            tokio::spawn(async move {
                while let Some((_, mut stream)) = streams.next().await {
                    tokio::spawn(async move {
                        let mut buffer = vec![0; 64 << 10];
                        while let Ok(read) = stream.read(&mut buffer).await {
                            if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                                break;
                            }
                            let _ = stream.flush().await;
                        }
                    });
                }
            });
            Box::new(())
        }
    };
    std::io::stdout().flush().unwrap();
    let end = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    let _ = end.await;
    drop(held);
}

/// The other process, ended with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(kind: &str, transport: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", kind, transport])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Round trips per second and latencies of one run.
struct Run {
    per_second: f64,
    latencies: Vec<Duration>,
}

impl Run {
    fn new(started: Instant, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { per_second: latencies.len() as f64 / started.elapsed().as_secs_f64(), latencies }
    }

    fn percentile(&self, part: f64) -> Duration {
        self.latencies[((self.latencies.len() - 1) as f64 * part) as usize]
    }
}

async fn ours_run(network: &Network, in_flight: usize, request: &Bytes) -> Run {
    let started = Instant::now();
    let workers = (0..in_flight).map(|_| {
        let (network, request) = (network.clone(), request.clone());
        tokio::spawn(async move {
            let server = key(1).identity();
            let mut latencies = Vec::new();
            while started.elapsed() < RUN {
                let asked = Instant::now();
                network.call(&server, request.clone(), Duration::from_secs(30)).await.unwrap();
                latencies.push(asked.elapsed());
            }
            latencies
        })
    });
    let latencies = futures::future::join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    Run::new(started, latencies)
}

async fn raw_run(stream: &mut libp2p::Stream, in_flight: usize) -> Run {
    let message = [1; MESSAGE];
    let started = Instant::now();
    let mut sent = VecDeque::new();
    let mut latencies = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    stream.write_all(&message.repeat(in_flight)).await.unwrap();
    stream.flush().await.unwrap();
    sent.extend(std::iter::repeat_n(Instant::now(), in_flight));
    let mut partial = 0;
    while !sent.is_empty() {
        partial += stream.read(&mut buffer).await.unwrap();
        let now = Instant::now();
        let whole = partial / MESSAGE;
        partial %= MESSAGE;
        for _ in 0..whole {
            latencies.push(now - sent.pop_front().unwrap());
        }
        if started.elapsed() < RUN && whole > 0 {
            stream.write_all(&message.repeat(whole)).await.unwrap();
            stream.flush().await.unwrap();
            sent.extend(std::iter::repeat_n(now, whole));
        }
    }
    Run::new(started, latencies)
}

async fn raw_stream(address: &str) -> libp2p::Stream {
    let mut swarm = raw_swarm(2);
    let mut control = swarm.behaviour().new_control();
    swarm.dial(address.parse::<Multiaddr>().unwrap()).unwrap();
    loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            tokio::spawn(async move {
                loop {
                    swarm.select_next_some().await;
                }
            });
            return control.open_stream(peer_id, RAW).await.unwrap();
        }
    }
}

/// The run with the median rate, and the spread of all.
fn median(mut runs: Vec<Run>) -> (Run, f64, f64) {
    runs.sort_by(|one, two| one.per_second.total_cmp(&two.per_second));
    let (least, most) = (runs[0].per_second, runs[runs.len() - 1].per_second);
    (runs.swap_remove(RUNS / 2), least, most)
}

fn print(name: &str, (run, least, most): &(Run, f64, f64)) {
    println!(
        "{name:<44} {:>8.0}/s ({least:.0}–{most:.0})   p50 {:>6} µs   p99 {:>6} µs",
        run.per_second,
        run.percentile(0.5).as_micros(),
        run.percentile(0.99).as_micros(),
    );
}

async fn compare(transport: &str) {
    let (ours, raw) = (Server::start("ours", transport), Server::start("raw", transport));
    let members = Members::new([member(1, vec![ours.address.parse().unwrap()])]).unwrap();
    let (network, _held) = network(2, Vec::new(), members).await;
    let mut stream = raw_stream(&raw.address).await;
    let request = Bytes::from_static(&[1; MESSAGE]);
    for in_flight in [1, 64, 256] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            with.push(ours_run(&network, in_flight, &request).await);
            without.push(raw_run(&mut stream, in_flight).await);
        }
        let (with, without) = (median(with), median(without));
        print(&format!("{transport}, {in_flight} in flight, calls"), &with);
        print(&format!("{transport}, {in_flight} in flight, bytes echoed"), &without);
        println!("{:<44} {:>8.2}", "  ratio", with.0.per_second / without.0.per_second);
    }
    let large = Bytes::from_static(b"large");
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(ours_run(&network, 64, &large).await);
    }
    print(&format!("{transport}, 64 in flight, 64 KiB answers"), &median(runs));
}

/// Resident memory of a server process with fifty connected members that say nothing.
async fn idle_memory(transport: &str) {
    let server = Server::start("ours", transport);
    let resident = || {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let before = resident();
    let mut clients = Vec::new();
    for number in 2..2 + IDLE_PEERS {
        let members = Members::new([member(1, vec![server.address.parse().unwrap()])]).unwrap();
        let (network, held) = network(number, Vec::new(), members).await;
        network.call(&key(1).identity(), Bytes::new(), Duration::from_secs(30)).await.unwrap();
        clients.push((network, held));
    }
    println!(
        "{transport}: process with {IDLE_PEERS} connected members {:.1} MiB, before {:.1} MiB",
        resident() as f64 / f64::from(1 << 20),
        before as f64 / f64::from(1 << 20),
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match arguments.get(1).map(String::as_str) {
            Some("serve") => serve(&arguments[2], &arguments[3]).await,
            _ => {
                for transport in [TransportKind::Quic, TransportKind::Tcp] {
                    compare(&transport.to_string()).await;
                    idle_memory(&transport.to_string()).await;
                }
            }
        }
    });
}
