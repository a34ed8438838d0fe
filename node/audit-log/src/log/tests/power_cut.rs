//! The power goes at every step the log takes on the disk, and nothing acknowledged is lost.
//!
//! A disk in memory runs beside the real one. It knows what was synced, and before each step keeps an image of what a
//! power cut there would leave. Each image is then written out and opened. That the check can fail is shown by runs in
//! which one kind of sync is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{body_keys, options, verifier};
use crate::body::Body;
use crate::body::tests::full_body;
use crate::disk::{Disk, RealDisk};
use crate::entry::EntryIndex;
use crate::entry::tests::full_entry;
use crate::error::LogError;
use crate::journal::BLOCK_BYTES;
use crate::log::AuditLog;
use crate::verify::verify_folder;

/// Two groups fill a journal segment.
const SEGMENT: u64 = 2 * BLOCK_BYTES as u64;

/// The log's folder, on the disk.
const LOG: &str = "log";

/// What the power cut does with what was not synced.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Cut {
    /// All of it is gone.
    AllLost,
    /// Names, renames and removals had reached the disk, content had not.
    NamesKept,
    /// Content had, names had not.
    ContentKept,
    /// Removals had, and nothing else.
    RemovalsKept,
}

const CUTS: [Cut; 4] = [Cut::AllLost, Cut::NamesKept, Cut::ContentKept, Cut::RemovalsKept];

/// Says of which paths the syncs do nothing.
type LeftOut = fn(&Path) -> bool;
type Content = Arc<Vec<u8>>;
/// Files by path, each with the number of its content; folders without.
type Names = BTreeMap<PathBuf, Option<u64>>;

/// A state of the disk, as it was written and as it was synced.
#[derive(Clone, Default)]
struct Image {
    written: BTreeMap<u64, Content>,
    synced: BTreeMap<u64, Content>,
    names: Names,
    names_synced: Names,
}

impl Image {
    /// The files that a power cut leaves.
    fn after(&self, cut: Cut) -> (Names, &BTreeMap<u64, Content>) {
        let names = match cut {
            Cut::NamesKept => self.names.clone(),
            Cut::AllLost | Cut::ContentKept => self.names_synced.clone(),
            Cut::RemovalsKept => {
                let is_there = |path: &PathBuf, _: &mut Option<u64>| self.names.contains_key(path);
                let mut names = self.names_synced.clone();
                names.retain(is_there);
                names
            }
        };
        (names, if cut == Cut::ContentKept { &self.written } else { &self.synced })
    }

    /// Whether a power cut leaves the same of both.
    fn leaves_the_same(&self, other: &Self, cut: Cut) -> bool {
        let ((names, contents), (other_names, other_contents)) = (self.after(cut), other.after(cut));
        let same = |number: &u64| match (contents.get(number), other_contents.get(number)) {
            (Some(content), Some(other)) => Arc::ptr_eq(content, other),
            (content, other) => content.is_none() && other.is_none(),
        };
        names == other_names && names.values().flatten().all(same)
    }

    fn write_out(&self, cut: Cut, folder: &Path) {
        let (names, contents) = self.after(cut);
        let reachable = |path: &Path| {
            path.ancestors().skip(1).all(|above| above == Path::new("") || names.contains_key(above))
        };
        for (path, content) in names.iter().filter(|(path, _)| reachable(path)) {
            match content {
                None => std::fs::create_dir_all(folder.join(path)).expect("folder"),
                Some(content) => {
                    let bytes = contents.get(content).map_or(&[][..], |content| content.as_slice());
                    std::fs::write(folder.join(path), bytes).expect("writes");
                }
            }
        }
    }
}

/// The disk, with an image before each of its steps.
struct PowerDisk {
    root: PathBuf,
    /// Syncs of files and folders with these paths do nothing.
    left_out: LeftOut,
    model: Mutex<Model>,
}

#[derive(Default)]
struct Model {
    now: Image,
    /// Number of the content of each file that is open or has a name, by inode.
    contents: BTreeMap<u64, u64>,
    next: u64,
    images: Vec<Image>,
}

impl PowerDisk {
    /// The log's folder on this disk.
    fn log(&self) -> PathBuf {
        self.root.join(LOG)
    }

    fn steps(&self) -> usize {
        self.model.lock().expect("lock").images.len()
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).expect("on the disk").to_owned()
    }

    /// Does a step, on the real disk and in the model.
    fn step<T>(
        &self,
        work: impl FnOnce() -> io::Result<T>,
        model: impl FnOnce(&mut Model, &T),
    ) -> io::Result<T> {
        let mut state = self.model.lock().expect("lock");
        let image = state.now.clone();
        state.images.push(image);
        let done = work()?;
        model(&mut state, &done);
        Ok(done)
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().expect("metadata").ino()
}

impl Model {
    fn content(&mut self, file: &File) -> (u64, &mut Vec<u8>) {
        let number = self.contents[&inode(file)];
        (number, Arc::make_mut(self.now.written.entry(number).or_default()))
    }
}

impl Disk for PowerDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let name = self.relative(path);
        self.step(
            || RealDisk.create_folder(path),
            |model, ()| {
                model.now.names.insert(name, None);
            },
        )
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let name = self.relative(path);
        self.step(
            || RealDisk.create(path),
            |model, file| {
                // The same inode can be a new file, after the last of that number was removed.
                let number = match model.now.names.get(&name) {
                    Some(Some(number)) => *number,
                    _ => {
                        model.next += 1;
                        model.next
                    }
                };
                model.contents.insert(inode(file), number);
                model.now.names.insert(name, Some(number));
                model.content(file).1.clear();
            },
        )
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step(
            || RealDisk.write(file, bytes, offset),
            |model, ()| {
                let (_, content) = model.content(file);
                let start = usize::try_from(offset).expect("fits");
                content.resize(content.len().max(start + bytes.len()), 0);
                content[start..start + bytes.len()].copy_from_slice(bytes);
            },
        )
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.step(
            || RealDisk.cut(file, length),
            |model, ()| model.content(file).1.resize(usize::try_from(length).expect("fits"), 0),
        )
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let left_out = (self.left_out)(&self.relative(&path));
        self.step(
            || Ok(()),
            |model, ()| {
                let (number, _) = model.content(file);
                if !left_out {
                    let content = Arc::clone(&model.now.written[&number]);
                    model.now.synced.insert(number, content);
                }
            },
        )
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let folder = self.relative(path);
        let left_out = (self.left_out)(&folder);
        self.step(
            || Ok(()),
            |model, ()| {
                if !left_out {
                    let within = |path: &Path| path.parent() == Some(folder.as_path());
                    model.now.names_synced.retain(|path, _| !within(path));
                    let Image { names, names_synced, .. } = &mut model.now;
                    names_synced.extend(
                        names
                            .iter()
                            .filter(|(path, _)| within(path))
                            .map(|(path, content)| (path.clone(), *content)),
                    );
                }
            },
        )
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (name, target) = (self.relative(from), self.relative(to));
        self.step(
            || RealDisk.rename(from, to),
            |model, ()| {
                let content = model.now.names.remove(&name).flatten();
                model.now.names.insert(target, content);
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let name = self.relative(path);
        self.step(
            || RealDisk.remove(path),
            |model, ()| {
                model.now.names.remove(&name);
            },
        )
    }
}

/// What was acknowledged, each with the number of steps the disk had begun by then.
#[derive(Default)]
struct Acknowledged {
    entries: Vec<(EntryIndex, usize)>,
    /// The body that was erased.
    erased: Option<(EntryIndex, usize)>,
}

/// From creating the log on: first files of each kind, journal segments begun and removed, a tile that gets full,
/// checkpoints, an erasure.
async fn work(disk: &Arc<PowerDisk>) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let log = AuditLog::create_on(disk.clone(), &disk.log(), options(), SEGMENT).expect("creates");
    let log = Arc::new(log);
    for number in 0..5 {
        let index = log.append(full_entry(number), full_body()).await.expect("appends");
        acknowledged.entries.push((index, disk.steps()));
    }
    log.checkpoint_now().await.expect("checkpoint");
    let tasks: Vec<_> = (0..249)
        .map(|_| {
            let (log, disk) = (Arc::clone(&log), Arc::clone(disk));
            tokio::spawn(async move {
                let index = log.append(full_entry(9), full_body()).await.expect("appends");
                (index, disk.steps())
            })
        })
        .collect();
    for task in tasks {
        acknowledged.entries.push(task.await.expect("task"));
    }
    let index = log.body_erase(EntryIndex(2), full_entry(10), Body::default()).await.expect("erases");
    acknowledged.entries.push((index, disk.steps()));
    acknowledged.erased = Some((EntryIndex(2), disk.steps()));
    for number in 0..4 {
        let index = log.append(full_entry(20 + number), full_body()).await.expect("appends");
        acknowledged.entries.push((index, disk.steps()));
    }
    log.checkpoint_now().await.expect("checkpoint");
    let index = log.append(full_entry(30), full_body()).await.expect("appends");
    acknowledged.entries.push((index, disk.steps()));
    super::close(log);
    acknowledged
}

/// Opens what a power cut left, and says what is lost.
async fn image_check(folder: &Path, step: usize, acknowledged: &Acknowledged) -> Result<(), String> {
    let entries: BTreeSet<_> =
        acknowledged.entries.iter().filter(|(_, by)| *by <= step).map(|(index, _)| *index).collect();
    let log = match AuditLog::open_on(Arc::new(RealDisk), folder, options(), SEGMENT) {
        Ok(log) => log,
        Err(LogError::Missing { .. }) if entries.is_empty() => {
            // Creating it can be taken up again.
            AuditLog::create_on(Arc::new(RealDisk), folder, options(), SEGMENT)
                .map_err(|error| error.to_string())?
        }
        Err(error) => return Err(format!("does not open: {error}")),
    };
    let size = log.tree_size();
    if let Some(lost) = entries.iter().find(|index| index.0 >= size) {
        return Err(format!("entry {lost} was acknowledged and is lost, the log has {size}"));
    }
    if let Some((erased, by)) = acknowledged.erased
        && by <= step
        && !matches!(log.read_body(erased).await, Err(LogError::Erased { .. }))
    {
        return Err(format!("the body of entry {erased} is back"));
    }
    let next = log.append(full_entry(40), full_body()).await.map_err(|error| error.to_string())?;
    assert_eq!(next.0, size);
    log.close().map_err(|error| error.to_string())?;
    let report =
        verify_folder(folder, &[verifier()], Some(&body_keys())).map_err(|error| error.to_string())?;
    assert_eq!((report.size, report.incomplete, report.erasures_unfinished), (size + 1, None, 0));
    Ok(())
}

/// Cuts the power at every step of the work; gives the number of images, and the first loss.
async fn cuts(left_out: LeftOut) -> (usize, Option<String>) {
    let parent = tempfile::tempdir().expect("folder");
    let root = parent.path().to_owned();
    let disk = Arc::new(PowerDisk { root, left_out, model: Mutex::default() });
    let acknowledged = work(&disk).await;
    let images = std::mem::take(&mut disk.model.lock().expect("lock").images);
    for (step, image) in images.iter().enumerate() {
        for cut in CUTS {
            // The same is left after a later step, by when more was acknowledged.
            if images.get(step + 1).is_some_and(|next| image.leaves_the_same(next, cut)) {
                continue;
            }
            let folder = tempfile::tempdir().expect("folder");
            image.write_out(cut, folder.path());
            if let Err(lost) = image_check(&folder.path().join(LOG), step, &acknowledged).await {
                return (images.len(), Some(format!("step {step} of {}, {cut:?}: {lost}", images.len())));
            }
        }
    }
    (images.len(), None)
}

#[tokio::test]
async fn a_power_cut_at_any_step_loses_nothing_acknowledged() {
    let (images, lost) = cuts(|_| false).await;
    assert_eq!(lost, None);
    assert!(images > 100, "{images}");
}

/// The test above can fail: whichever kind of sync is left out, it does.
#[tokio::test]
async fn without_any_one_of_the_syncs_a_power_cut_loses_something() {
    let controls: [(&str, LeftOut); 8] = [
        ("the name of the log", |path| path == Path::new("")),
        ("names in the log", |path| path == Path::new(LOG)),
        ("the journal", |path| path.extension().is_some_and(|extension| extension == "journal")),
        ("names in the journal", |path| path.ends_with("journal")),
        ("bodies", |path| path.extension().is_some_and(|extension| extension == "bodies")),
        ("names of bodies", |path| path.ends_with("bodies")),
        ("tiles and checkpoints", |path| path.ends_with("temporary")),
        ("names of tiles", |path| path.starts_with("log/tile")),
    ];
    for (name, left_out) in controls {
        let (_, lost) = cuts(left_out).await;
        assert!(lost.is_some(), "nothing is lost without syncing {name}: this test cannot see it");
    }
}
