//! What runs leave in a file in case they can't clean up: one journal for each, in
//! `$XDG_STATE_HOME/omb/runs`, there before anything is created on a broker, and gone when
//! everything has been deleted for certain.
//!
//! A journal is locked as long as its run's supervisor or steward is there. The steward inherits the
//! descriptor, and the lock with it. Nothing in a run depends on its journal: one that can't be
//! written, or that somebody removes, costs only what it is for.

pub mod entry;
pub mod keeper;
pub mod others;
pub mod process;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use entry::{Head, Line};
use nix::fcntl::{Flock, FlockArg};
use process::Identity;

/// How a journal's name ends.
const ENDING: &str = "jsonl";

/// How it ends while the file is being made.
const UNFINISHED: &str = "new";

/// Where journals are.
///
/// # Errors
/// Where the environment names no such place.
pub fn place() -> anyhow::Result<PathBuf> {
    place_of(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
        .context("neither XDG_STATE_HOME nor HOME names a directory; set one of them")
}

/// Relative paths mean nothing there, as the XDG specification has it.
fn place_of(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let state = state
        .and_then(absolute)
        .or_else(|| Some(home.and_then(absolute)?.join(".local/state")))?;
    Some(state.join("omb/runs"))
}

/// The journal of a run under way.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Never dropped: that would unlock it for the steward, too. The process's end closes it.
    file: ManuallyDrop<Flock<File>>,
    /// Bytes written.
    length: u64,
}

impl Journal {
    /// Begins a journal, on disk and locked before it has its name.
    ///
    /// # Errors
    /// What the system refuses, and where.
    pub fn begin(place: &Path, head: Head) -> anyhow::Result<Self> {
        let whole = place.join(&head.run).with_extension(ENDING);
        let unfinished = whole.with_extension(UNFINISHED);
        let begun = Self::write_first(place, &unfinished, head).and_then(|mut journal| {
            fs::rename(&unfinished, &whole)?;
            journal.path.clone_from(&whole);
            // The name has to last, too.
            File::open(place)?.sync_all()?;
            Ok(journal)
        });
        begun.map_err(|error| {
            // What can't be removed can't be used for anything either.
            let _ = fs::remove_file(&unfinished);
            let _ = fs::remove_file(&whole);
            anyhow!("cannot write {}: {error}", whole.display())
        })
    }

    fn write_first(place: &Path, path: &Path, head: Head) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(place)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| e)?;
        let mut journal = Self {
            path: path.to_owned(),
            file: ManuallyDrop::new(file),
            length: 0,
        };
        journal.add(&Line::Run(Box::new(head)))?;
        Ok(journal)
    }

    /// A steward was started.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn steward(&mut self, pid: i32) -> io::Result<()> {
        let steward = Identity::of(pid)?;
        self.add(&Line::Steward(steward))
    }

    /// The cluster answered: things may be created on it once this is on disk.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn cluster(&mut self, id: Option<&str>) -> io::Result<()> {
        let id = id.map(str::to_owned);
        self.add(&Line::Cluster { id })
    }

    fn add(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let mut file: &File = &self.file;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        if written.is_err() {
            // A line in pieces must not be in front of the next one; where it stays it is torn.
            let _ = file.set_len(self.length);
        } else {
            self.length += text.len() as u64;
        }
        written
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor for the steward, with the same lock.
    ///
    /// # Errors
    /// Where there is no room for another one.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// The run has left nothing.
    pub fn remove(&self) {
        remove(&self.path);
    }
}

/// Removes a journal; somebody else may have done so.
fn remove(path: &Path) {
    // If it stays, the next run finds that there is nothing to delete, and removes it.
    let _ = fs::remove_file(path);
}
