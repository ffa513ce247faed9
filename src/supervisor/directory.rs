//! The directory of a run's socket and pages, `/tmp/omb-RUN`.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::plan::RunId;

/// Where they are. Not `$TMPDIR`: a socket's path holds 108 bytes.
const PLACE: &str = "/tmp";
const START: &str = "omb-";
const SOCKET: &str = "s";

/// A run opens its socket at once: a directory that has had none for this long never will.
const WITHOUT_SOCKET: Duration = Duration::from_secs(60);

/// Where that of a run is.
pub fn directory_of(id: RunId) -> PathBuf {
    Path::new(PLACE).join(format!("{START}{id}"))
}

/// A run's directory, removed when dropped.
pub struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// A directory that only we may enter.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn create(id: RunId) -> anyhow::Result<Self> {
        let path = directory_of(id);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot create {} for the run's socket", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the socket goes.
    pub fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // The steward removes it where we could not.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what runs have left that were killed before anybody was told to clean up behind them.
pub fn remove_dead() {
    let Ok(entries) = fs::read_dir(PLACE) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let id = name.and_then(|name| RunId::parse(name.strip_prefix(START)?));
        if id.is_some() && is_dead(&path) {
            // Somebody else may be at it, too.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether a directory is ours, and nobody listens in it any more.
fn is_dead(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        return false;
    }
    match UnixStream::connect(path.join(SOCKET)) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => true,
        Err(error) if error.kind() == ErrorKind::NotFound => metadata
            .modified()
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > WITHOUT_SOCKET)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_directory_is_dead_when_nobody_listens_in_it_any_more() {
        let place = tempfile::tempdir().unwrap();
        assert!(!is_dead(place.path()), "its socket may be on the way");
        let listener = UnixListener::bind(place.path().join(SOCKET)).unwrap();
        assert!(!is_dead(place.path()));
        drop(listener);
        assert!(is_dead(place.path()));
        assert!(!is_dead(&place.path().join("nowhere")));
    }
}
