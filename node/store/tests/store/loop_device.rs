//! A small file system of its own in an image file, mounted over a loop device; needs root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::writer::PATIENCE;

/// Why a mount could not be had.
#[derive(Debug)]
pub(crate) struct NotAvailable(pub(crate) String);

/// A mounted image; unmounted when dropped.
pub(crate) struct Mounted {
    image: PathBuf,
    folder: PathBuf,
}

impl Mounted {
    /// Makes an ext4 file system of `bytes` in a new, sparse image and mounts it.
    pub(crate) fn create(parent: &Path, name: &str, bytes: u64) -> Result<Self, NotAvailable> {
        let image = parent.join(format!("{name}.img"));
        File::create(&image).unwrap().set_len(bytes).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        Self::mount(parent, name, image)
    }

    /// Mounts an image. The journal is committed only when somebody syncs (or after five minutes), so that
    /// nothing becomes durable by the passing of time.
    fn mount(parent: &Path, name: &str, image: PathBuf) -> Result<Self, NotAvailable> {
        let folder = parent.join(name);
        fs::create_dir_all(&folder).unwrap();
        run(Command::new("mount").args(["-o", "loop,commit=300"]).arg(&image).arg(&folder))?;
        Ok(Self { image, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the disk would hold if the power went now: a copy of the raw image, mounted beside.
    pub(crate) fn power_cut_copy(&self, parent: &Path, name: &str) -> Mounted {
        let image = parent.join(format!("{name}.img"));
        run(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(&image)).unwrap();
        Self::mount(parent, name, image).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Files of the store are closed by background threads a moment after the store is dropped.
        let started = Instant::now();
        while let Err(error) = run(Command::new("umount").arg(&self.folder)) {
            if started.elapsed() > PATIENCE || std::thread::panicking() {
                eprintln!("unmounting lazily: {error:?}");
                let _ = run(Command::new("umount").arg("-l").arg(&self.folder));
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_file(&self.image);
    }
}

fn run(command: &mut Command) -> Result<(), NotAvailable> {
    let output = command.output().map_err(|error| NotAvailable(format!("{command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(NotAvailable(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
