//! `--pidfile`: a file with this process's number, there as long as the run is.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A file with our number. It is locked, so that one that a killed run left is told from one in use.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PidFile {
    /// Writes the file.
    ///
    /// # Errors
    /// Another run holds it, or it can't be written.
    pub fn create(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let wrong = |error: std::io::Error| format!("--pidfile: cannot write {shown}: {error}");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(wrong)?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let mut lock = lock.map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => {
                let pid = fs::read_to_string(path).unwrap_or_default();
                let pid = pid.trim();
                format!("--pidfile: {shown} belongs to process {pid}, which is running")
            }
            error => wrong(error.into()),
        })?;
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(wrong)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // If it stays it is unlocked, and the next run takes it over.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_held_until_its_run_is_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("omb.pid");
        fs::write(&path, "4711111 of a run that was killed\n").unwrap();
        let held = PidFile::create(&path).unwrap();
        let ours = format!("{}\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).unwrap(), ours);
        let told = PidFile::create(&path).unwrap_err();
        assert!(told.contains(ours.trim()), "{told}");
        drop(held);
        assert!(!path.exists());
        let nowhere = PidFile::create(&place.path().join("no/omb.pid")).unwrap_err();
        assert!(nowhere.contains("no/omb.pid"), "{nowhere}");
    }
}
