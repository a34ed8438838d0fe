//! The steps that change what is on disk, as a seam for tests: they record the order of the steps, or let the disk stop
//! before one, which leaves what a kill at that moment leaves. Outside this crate's own tests a step does nothing.

/// What is about to be done to a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Writing a file beside the one it will replace.
    FileWrite,
    /// Syncing what was written beside.
    FileSync,
    /// Putting it in place.
    Rename,
    /// Removing a file.
    Remove,
    /// Making the names in a folder durable.
    FolderSync,
}

#[cfg(not(test))]
pub(crate) fn step(_: Step, _: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use recorded::{Disk, step};

#[cfg(test)]
mod recorded {
    use std::collections::HashMap;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::Step;

    /// The disks under observation by the folder they hold: tests run side by side, and a change writes in threads.
    static DISKS: Mutex<Option<HashMap<PathBuf, Observed>>> = Mutex::new(None);

    #[derive(Default)]
    struct Observed {
        steps: Vec<(Step, PathBuf)>,
        stops_before: Option<usize>,
    }

    /// Observes everything below a folder for as long as it lives.
    pub(crate) struct Disk(PathBuf);

    impl Disk {
        /// A disk that works.
        pub(crate) fn observe(folder: &Path) -> Self {
            Self::start(folder, None)
        }

        /// A disk on which the step of this number, counted from 0, and every later one fails without effect.
        pub(crate) fn stops_before(folder: &Path, number: usize) -> Self {
            Self::start(folder, Some(number))
        }

        /// The steps so far, with paths below the folder. One that failed is not among them.
        pub(crate) fn steps(&self) -> Vec<(Step, PathBuf)> {
            disks().get_or_insert_default().get(&self.0).map(|disk| disk.steps.clone()).unwrap_or_default()
        }

        fn start(folder: &Path, stops_before: Option<usize>) -> Self {
            let observed = Observed { steps: Vec::new(), stops_before };
            disks().get_or_insert_default().insert(folder.to_owned(), observed);
            Self(folder.to_owned())
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            disks().get_or_insert_default().remove(&self.0);
        }
    }

    pub(crate) fn step(step: Step, path: &Path) -> io::Result<()> {
        let mut disks = disks();
        let disks = disks.get_or_insert_default();
        let Some((folder, disk)) = disks.iter_mut().find(|(folder, _)| path.starts_with(folder)) else {
            return Ok(());
        };
        if disk.stops_before.is_some_and(|number| disk.steps.len() >= number) {
            return Err(io::Error::other("the disk has stopped"));
        }
        disk.steps.push((step, path.strip_prefix(folder).unwrap_or(path).to_owned()));
        Ok(())
    }

    fn disks() -> MutexGuard<'static, Option<HashMap<PathBuf, Observed>>> {
        DISKS.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
