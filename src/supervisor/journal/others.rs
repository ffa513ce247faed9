//! The journals of other runs, and which of these runs are dead.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::entry::{Head, Record};
use super::process::{Fate, Host};
use super::{ENDING, UNFINISHED};
use crate::clock::Instant;
use crate::plan::RunId;
use crate::supervisor::directory::directory_of;

/// Longer than any journal.
const LONGEST: u64 = 1 << 20;

/// A journal gets its name within milliseconds: what has none after this time never will.
const UNFINISHED_FOR: Duration = Duration::from_secs(3600);

/// A process is dead when its first thread is; its others may hold its descriptors a little longer.
const DYING: Duration = Duration::from_secs(1);

/// A run that is dead for certain. Nobody else takes care of it as long as this is held.
#[derive(Debug)]
pub struct Dead {
    path: PathBuf,
    /// What its journal says.
    pub record: Record,
    _lock: Flock<File>,
}

impl Dead {
    /// Nothing of it is left at the broker: its journal goes, and what is left of it here.
    pub fn bury(self) {
        if let Some(run) = RunId::parse(&self.record.head.run) {
            // After a restart of the host it is gone already.
            let _ = fs::remove_dir_all(directory_of(run));
        }
        super::remove(&self.path);
    }

    /// Where its journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal, and what can be said of its run.
#[derive(Debug)]
pub enum Standing {
    /// Dead for certain.
    Dead(Box<Dead>),
    /// There, or somebody is cleaning up behind it.
    Alive(Box<Head>),
    /// It belongs to another host, or to a container of this one: only there it can be judged.
    Elsewhere(Box<Head>),
    /// The file is no journal that can be read or locked, and why.
    Unreadable(String),
}

/// A file among the journals.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it says of its run.
    pub standing: Standing,
}

impl Found {
    /// Its run's id, as the file's name has it.
    pub fn run(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }
}

/// All journals there are, by name. No directory means that there are none.
///
/// # Errors
/// Where the directory can't be read, or this host can't be told from others.
pub fn all(place: &Path) -> io::Result<Vec<Found>> {
    let here = Host::here()?;
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ENDING) => {
                if let Some(standing) = judge(&path, &here) {
                    found.push(Found { path, standing });
                }
            }
            Some(UNFINISHED) => remove_unfinished(&path),
            _ => {}
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// `None` where the journal went while we looked.
fn judge(path: &Path, here: &Host) -> Option<Standing> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => None,
        _ => Some(Standing::Unreadable(error.to_string())),
    };
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) => return unreadable(error),
    };
    let mut text = Vec::new();
    // Read before it is locked, for those that are not ours to lock; but a lock makes it final.
    if let Err(error) = (&mut file).take(LONGEST).read_to_end(&mut text) {
        return unreadable(error);
    }
    let record = match Record::read(&text) {
        Ok(record) => record,
        Err(why) => return Some(Standing::Unreadable(why)),
    };
    if record.head.host != *here {
        return Some(Standing::Elsewhere(Box::new(record.head)));
    }
    let one_lives = fates(&record).contains(&Fate::Alive);
    let lock = match lock(file, if one_lives { Duration::ZERO } else { DYING }) {
        Ok(lock) => lock,
        Err(Errno::EWOULDBLOCK) => return Some(Standing::Alive(Box::new(record.head))),
        Err(error) => return unreadable(error.into()),
    };
    match lock.metadata() {
        // Whoever held it before has removed it.
        Ok(metadata) if metadata.nlink() == 0 => return None,
        // Something was added meanwhile: a run that did so was alive a moment ago.
        Ok(metadata) if metadata.len() != text.len() as u64 => {
            return Some(Standing::Alive(Box::new(record.head)));
        }
        Ok(_) => {}
        Err(error) => return unreadable(error),
    }
    let fates = fates(&record);
    if fates.contains(&Fate::Alive) {
        return Some(Standing::Alive(Box::new(record.head)));
    }
    if fates.contains(&Fate::Unknown) {
        return Some(Standing::Elsewhere(Box::new(record.head)));
    }
    Some(Standing::Dead(Box::new(Dead {
        path: path.to_owned(),
        record,
        _lock: lock,
    })))
}

/// What became of a run's supervisor and stewards.
fn fates(record: &Record) -> Vec<Fate> {
    let processes = record.stewards.iter().chain([&record.head.supervisor]);
    processes.map(|process| process.fate()).collect()
}

/// Locks a journal, if whoever holds it lets go within this time.
fn lock(mut file: File, within: Duration) -> Result<Flock<File>, Errno> {
    let deadline = Instant::now() + within;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
            Err((_, error)) => return Err(error),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// For writing: that is what a lock over the network takes.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        // Never waits for the other end of a pipe that somebody put there.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}

/// A run that was killed while it made its journal had created nothing.
fn remove_unfinished(path: &Path) {
    let old = fs::symlink_metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > UNFINISHED_FOR));
    if old {
        super::remove(path);
    }
}
