//! How long a federation of 3,000 members takes: to admit them, to add one, to join, to follow a change, to start again.
//! The limit measured beside joining is writing and syncing the same files with nothing verified.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{
    DirectoryEditor, FolderSource, FoundParams, Lifetimes, MemberChange, OnlineKeys, TrustStore,
    federation_found, limits,
};
use zeroize::Zeroizing;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const MEMBERS: u32 = 3_000;
const NOW: UnixTime = UnixTime(1_795_334_400);
const ROUNDS: usize = 5;

fn key(seed: u8) -> Outcome<SigningKey> {
    Ok(SigningKey::from_seed(&Zeroizing::new([seed; 32]))?)
}

fn online() -> Outcome<OnlineKeys> {
    Ok(OnlineKeys { targets: key(11)?, snapshot: key(12)?, timestamp: key(13)? })
}

fn entry(number: u32) -> Outcome<DirectoryEntry> {
    let body = format!("11150100{number:09}");
    let agency = "0123456789ABCDEFGHJKLMNPQRTUWXY"
        .chars()
        .find_map(|check| format!("{body}{check}").parse().ok())
        .ok_or("no check character fits")?;
    let recipient =
        |seed| SealIdentity::from_seed(&Zeroizing::new([seed; 32])).map(|key| key.to_recipient().to_string());
    Ok(DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency,
        name: format!("测试机关{number}"),
        region: "150100".parse()?,
        functions: vec!["procurement-supervision".parse()?],
        coordinator: number == 0,
        overlay_region: None,
        signing_keys: vec![TimedKey { jwk: *key(200)?.public(), not_before: NOW, not_after: None }],
        age_node_recipient: recipient(1)?,
        age_recovery_recipient: recipient(2)?,
        transport_identity: format!("12D3KooWbench{number}"),
        addresses: vec!["/dns4/node.example/tcp/4001".to_owned()],
        audit_log_key: "example.test/log+00000000+AQ==".to_owned(),
        protocol: 1,
    })
}

fn main() -> Outcome<()> {
    let base = tempfile::tempdir()?;
    let repository = base.path().join("repository");
    let root_keys = [key(1)?, key(2)?, key(3)?];
    let founded = federation_found(
        &FoundParams {
            federation: "bench".parse()?,
            root_keys: &root_keys,
            threshold: 2,
            online: &online()?,
            lifetimes: Lifetimes::default(),
            coordinator: entry(0)?,
            contents: BTreeMap::new(),
        },
        &repository,
        NOW,
    )?;
    let mut editor = DirectoryEditor::open(&repository, online()?, Lifetimes::default(), NOW)?;
    let changes = (1..MEMBERS)
        .map(|number| Ok(MemberChange::Admit(Box::new(entry(number)?))))
        .collect::<Outcome<Vec<_>>>()?;
    let (_, admission) = timed(|| Ok(editor.members_change(changes, NOW)?))?;
    println!("admit {MEMBERS} members in one change   {admission:>10.1?}");
    let source = FolderSource::new(&repository);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut one, mut join, mut limit, mut follow, mut again) = (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let folder = base.path().join(format!("store-{round}"));
        let open = || runtime.block_on(TrustStore::open(&folder, founded.fingerprint));
        let store = open()?;
        join.push(timed(|| Ok(runtime.block_on(store.refresh(&source, NOW))?))?.1);
        limit.push(timed(|| files_write(&repository, &base.path().join(format!("plain-{round}"))))?.1);
        let number = MEMBERS + u32::try_from(round)?;
        let admitted = entry(number)?;
        one.push(timed(|| Ok(editor.member_admit(admitted, NOW)?))?.1);
        follow.push(timed(|| Ok(runtime.block_on(store.refresh(&source, NOW))?))?.1);
        again.push(timed(|| Ok(open()?))?.1);
    }
    report("admit one more", &mut one);
    let joined = report("join: fetch, verify, write, sync", &mut join);
    let written = report("limit: write and sync the same files", &mut limit);
    report("follow one admission", &mut follow);
    report("start again: verify what is held", &mut again);
    println!("join is {:.0} % of the limit", 100.0 * written.as_secs_f64() / joined.as_secs_f64());
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Duration)> {
    let start = Instant::now();
    let value = work()?;
    Ok((value, start.elapsed()))
}

fn report(what: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("{what:<38} {median:>10.1?}  ({:.1?} to {:.1?})", times[0], times[times.len() - 1]);
    median
}

/// Copies the repository, each file and folder synced, as many at once as the store writes: what a store has to do at
/// the least.
fn files_write(from: &Path, to: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    let mut folders = vec![from.to_owned()];
    let mut place = 0;
    while let Some(folder) = folders.get(place).cloned() {
        place += 1;
        std::fs::create_dir_all(to.join(folder.strip_prefix(from)?))?;
        for item in std::fs::read_dir(&folder)? {
            let path = item?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let write = |part: &[PathBuf]| -> std::io::Result<()> {
        for path in part {
            let target = to.join(path.strip_prefix(from).map_err(std::io::Error::other)?);
            let mut file = std::fs::File::create(&target)?;
            std::io::Write::write_all(&mut file, &std::fs::read(path)?)?;
            file.sync_all()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(limits::WRITES_AT_ONCE));
        let writers: Vec<_> = parts.map(|part| scope.spawn(move || write(part))).collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().map_err(|_| "a writer stopped")?.map_err(Box::from))
    })
    .map_err(|error: Box<dyn std::error::Error>| error)?;
    for folder in folders {
        std::fs::File::open(to.join(folder.strip_prefix(from)?))?.sync_all()?;
    }
    Ok(())
}
