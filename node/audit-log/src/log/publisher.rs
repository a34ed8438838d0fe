//! Derives tiles, bundles and checkpoints from durable entries, and removes what they make superfluous.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::state::{PanicGuard, Published, Shared, lock};
use crate::checkpoint::Checkpoint;
use crate::disk::Publication;
use crate::error::LogError;
use crate::folder::CHECKPOINT_FILE;
use crate::journal::segment_path;
use crate::merkle::leaf_hash;
use crate::tile::{TILE_WIDTH, TileKind, TilePath, bundle_append, hashes_write};
use crate::tree::TileEdge;

/// The thread: publishes when asked, and otherwise once per interval while there is something new.
pub(super) fn run(shared: &Arc<Shared>) {
    let _guard = PanicGuard { shared: Arc::clone(shared), closes: false };
    loop {
        let state = lock(&shared.state);
        let idle = |state: &mut super::state::State| {
            !state.closing
                && !state.checkpoint_wanted
                && (state.stopped.is_some() || state.durable == state.published.size)
        };
        let state = shared.publisher_wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let (state, _) = shared
            .publisher_wake
            .wait_timeout_while(state, shared.checkpoint_interval, |state| {
                !state.closing && !state.checkpoint_wanted && state.stopped.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let closing = state.closing;
        let runs = state.stopped.is_none();
        drop(state);
        if runs {
            publish(shared);
        }
        let mut state = lock(&shared.state);
        if state.stopped.is_some() {
            state.checkpoint_wanted = false;
        }
        if closing {
            return;
        }
    }
}

/// Publishes everything that is durable now. On an error the files may be anywhere between two checkpoints, and the tree
/// ahead of them; the log stops before anybody else gets the tree, and recovery derives all of it anew.
fn publish(shared: &Shared) {
    let mut edge = lock(&shared.edge);
    // It may have stopped while this waited.
    if lock(&shared.state).stopped.is_some() {
        return;
    }
    let publication = Publication::new(shared.disk.as_ref(), &shared.folder);
    if let Err(error) = publish_through(shared, &mut edge, publication) {
        shared.stop(&error);
    }
}

/// The same after recovery, which hands over the tree, so that no other publication comes before this one: only this one
/// makes the names of folders durable that an interrupted one had made. The log runs again once it has succeeded.
pub(super) fn publish_recovered(shared: &Shared, mut edge: MutexGuard<'_, TileEdge>) -> Result<(), LogError> {
    let publication = Publication::after_interruption(shared.disk.as_ref(), &shared.folder);
    let result = publish_through(shared, &mut edge, publication);
    match &result {
        Ok(()) => lock(&shared.state).stopped = None,
        Err(error) => shared.stop(error),
    }
    result
}

fn publish_through(
    shared: &Shared,
    edge: &mut TileEdge,
    mut publication: Publication<'_>,
) -> Result<(), LogError> {
    let (leaves, first) = {
        let mut state = lock(&shared.state);
        state.checkpoint_wanted = false;
        (state.tail.iter().cloned().collect::<Vec<_>>(), state.tail_start)
    };
    let size = first + leaves.len() as u64;
    let mut full = Vec::new();
    for bundle in
        leaves.chunks(TILE_WIDTH as usize).zip(first / TILE_WIDTH..).map(|(leaves, index)| (index, leaves))
    {
        let (index, leaves) = bundle;
        let mut bytes = Vec::new();
        leaves.iter().try_for_each(|leaf| bundle_append(&mut bytes, leaf))?;
        let path = match TilePath::partial(TileKind::Entries, size) {
            Some(partial) if partial.index == index => partial,
            Some(_) | None => TilePath::full(TileKind::Entries, index),
        };
        if path.width.is_none() {
            full.push(path);
        }
        publication.file(&path.to_string(), &bytes)?;
    }
    // The tree has taken in what an earlier call saw; the tail may begin before that.
    let seen = usize::try_from(edge.size() - first).unwrap_or(usize::MAX);
    let mut tiles = Vec::new();
    for leaf in leaves.iter().skip(seen) {
        edge.push(leaf_hash(leaf), |path, hashes| tiles.push((path, hashes_write(hashes))));
    }
    full.extend(tiles.iter().map(|(path, _)| *path));
    for (path, bytes) in tiles.into_iter().chain(edge.partial_tiles()) {
        publication.file(&path.to_string(), &bytes)?;
    }
    publication.finish()?;

    let checkpoint = Checkpoint { origin: shared.origin.clone(), size, root: edge.root() };
    let note = checkpoint.sign(&shared.keys);
    let mut publication = Publication::new(shared.disk.as_ref(), &shared.folder);
    publication.file(CHECKPOINT_FILE, note.as_bytes())?;
    publication.finish()?;

    let superfluous = published(shared, Published { size, note, edge: edge.clone() }, full);
    remove_superfluous(shared, &superfluous);
    shared.announce();
    Ok(())
}

/// What a checkpoint makes superfluous.
#[derive(Default)]
struct Superfluous {
    /// Journal segments, oldest first.
    segments: Vec<u64>,
    /// Full tiles that have partial ones.
    partials: Vec<TilePath>,
}

/// Makes a checkpoint known within the process, forgets entries that full tiles hold, and gives what is no longer needed:
/// nothing while somebody reads it.
fn published(shared: &Shared, published: Published, full: Vec<TilePath>) -> Superfluous {
    let mut state = lock(&shared.state);
    let tail_start = published.size - published.size % TILE_WIDTH;
    while state.tail_start < tail_start
        && let Some(leaf) = state.tail.pop_front()
    {
        state.tail_bytes -= leaf.len();
        state.tail_start += 1;
    }
    state.published = published;
    state.partials_left.extend(full);
    if state.removals_paused > 0 {
        return Superfluous::default();
    }
    let mut segments = Vec::new();
    // A segment ends where the next one begins; the last is being written.
    while let Some(&next) = state.segments.get(1)
        && next <= tail_start
    {
        segments.extend(state.segments.pop_front());
    }
    Superfluous { segments, partials: std::mem::take(&mut state.partials_left) }
}

/// Removes journal segments and partial tiles whose content stands in full tiles. What cannot be removed stays, is
/// verified like everything else, and does no harm. The caller holds `edge`, so that no verification begins meanwhile.
fn remove_superfluous(shared: &Shared, Superfluous { segments, partials }: &Superfluous) {
    for (place, first) in segments.iter().enumerate() {
        let path = segment_path(&shared.folder, *first);
        if let Err(error) = shared.disk.remove(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a journal segment that is no longer needed cannot be removed; it is tried again after the next checkpoint");
            // Later ones stay too, so that no segment is missing between two that are there.
            let mut state = lock(&shared.state);
            segments[place..].iter().rev().for_each(|first| state.segments.push_front(*first));
            break;
        }
    }
    for tile in partials {
        let folder = shared.folder.join(tile.partial_folder());
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %folder.display(), %error, "partial tiles that are no longer needed cannot be removed");
            }
        }
    }
}
