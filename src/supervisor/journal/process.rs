//! Which process, on which host: so exactly that a number given to another process later on, a
//! restart of the machine, or a directory shared between hosts can't pass a living one for dead.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// A host, as far as it can be told from others that see the same files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its machine id; empty where it has none.
    pub machine: String,
}

impl Host {
    /// The one we are on.
    ///
    /// # Errors
    /// Where it has no name: then it can't be told from others.
    pub fn here() -> io::Result<Self> {
        let read = |path| fs::read_to_string(path).map(|text| text.trim().to_owned());
        Ok(Self {
            name: read("/proc/sys/kernel/hostname")?,
            machine: read("/etc/machine-id").unwrap_or_default(),
        })
    }
}

/// A process of a host, told from all others there ever were on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the host did.
    pub started: u64,
    /// Which start of the host that was.
    pub boot: String,
    /// The namespace that its number belongs to: containers number their processes each.
    pub namespace: u64,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Alive,
    /// It is gone for certain.
    Dead,
    /// Its number means nothing here.
    Unknown,
}

impl Identity {
    /// A living process.
    ///
    /// # Errors
    /// Where there is none, or `/proc` doesn't tell.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            started: started(pid)?.ok_or(io::ErrorKind::NotFound)?,
            boot: boot()?,
            namespace: namespace()?,
        })
    }

    /// Whether a process of this host is still there.
    pub fn fate(&self) -> Fate {
        let (Ok(boot), Ok(namespace)) = (boot(), namespace()) else {
            return Fate::Unknown;
        };
        if boot != self.boot {
            return Fate::Dead;
        }
        if namespace != self.namespace {
            return Fate::Unknown;
        }
        match started(self.pid) {
            Ok(Some(started)) if started == self.started => Fate::Alive,
            Ok(_) => Fate::Dead,
            Err(_) => Fate::Unknown,
        }
    }
}

fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

fn namespace() -> io::Result<u64> {
    fs::metadata("/proc/self/ns/pid").map(|namespace| namespace.ino())
}

/// When a process started; `None` where there is none, or one that only waits to be buried.
fn started(pid: i32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // It went while it was read.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The name, in brackets, may hold anything, brackets and blanks among it.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    match (fields.first(), fields.get(19)) {
        (Some(&("Z" | "X")), _) => Ok(None),
        (Some(_), Some(started)) => started
            .parse()
            .map(Some)
            .map_err(|_| io::ErrorKind::InvalidData.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
