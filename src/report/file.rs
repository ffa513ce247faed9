//! Where results go: a file that is there as a whole or not at all, or stdout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Run, result};

/// Where a result is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, for `-o -`.
    Stdout,
    /// A file; one that exists is replaced.
    File(PathBuf),
}

impl Destination {
    /// What goes beside the result: `X.json` → `X.EXTENSION`. None beside stdout.
    pub fn beside(&self, extension: &str) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::File(path) if is_special(path) => None,
            Self::File(path) => Some(match path.extension() {
                Some(json) if json == "json" => path.with_extension(extension),
                _ => {
                    let mut name = path.clone().into_os_string();
                    name.push(".");
                    name.push(extension);
                    name.into()
                }
            }),
        }
    }

    /// The name of the file; none if it is no file of its own.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::File(path) if !is_special(path) => {
                let name = path.file_name()?;
                Some(name.to_string_lossy().into_owned())
            }
            _ => None,
        }
    }

    /// Something is there that would be replaced.
    pub fn exists(&self) -> bool {
        match self {
            Self::Stdout => false,
            Self::File(path) => !is_special(path) && fs::symlink_metadata(path).is_ok(),
        }
    }

    /// Checks up front, in one line, whether a result can be written; leaves nothing behind.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn probe(&self) -> Result<(), String> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => probe_writable(path),
        }
    }

    /// Writes the result. That nobody reads stdout any more is no error.
    ///
    /// # Errors
    /// Where the file can't be written; no part of it is left then.
    pub fn write(&self, run: &Run) -> anyhow::Result<()> {
        let text = result::to_json(run).context("cannot put the result into JSON")?;
        match self {
            Self::Stdout => to_stdout(text.as_bytes()).context("cannot write to stdout"),
            Self::File(path) => replace(path, text.as_bytes())
                .with_context(|| format!("cannot write the result to {}", path.display())),
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => write!(f, "stdout"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// OMB's name for a result: `{workload}-{driver}-{yyyy-MM-dd-HH-mm-ss}.json`, in local time, with
/// what does not belong into a file's name replaced.
pub fn default_name(workload: &str, driver: &str, unix_ms: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    let local = timestamp.to_zoned(jiff::tz::TimeZone::system());
    let time = local.strftime("%Y-%m-%d-%H-%M-%S");
    format!("{}-{}-{time}.json", safe(workload), safe(driver))
}

/// At most 80 bytes that mean nothing to a shell or a file system.
fn safe(name: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || "-_.+=@,".contains(c);
    let mut text: String = name
        .chars()
        .map(|c| if kept(c) { c } else { '_' })
        .collect();
    while text.len() > 80 {
        text.pop();
    }
    let start = text.len() - text.trim_start_matches(['.', '-']).len();
    text.replace_range(..start, &"_".repeat(start));
    text
}

/// Checks up front whether [`Destination::write`] could write this file; leaves nothing behind.
///
/// # Errors
/// What is wrong and what to do, in one line.
pub fn probe_writable(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if path.file_name().is_none() || path.is_dir() {
        return Err(format!("{shown} is a directory; name a file in it"));
    }
    if is_special(path) {
        // Asked, not tried: opening a pipe and closing it is an end of file to its reader.
        let allowed = nix::unistd::access(path, nix::unistd::AccessFlags::W_OK);
        return allowed.map_err(|error| format!("cannot write to {shown}: {}", error.desc()));
    }
    let directory = directory_of(path);
    if !directory.is_dir() {
        let directory = directory.display();
        return Err(format!(
            "cannot write {shown}: there is no directory {directory}"
        ));
    }
    let temporary = temporary_name(path);
    let _ = fs::remove_file(&temporary);
    let created = File::create_new(&temporary);
    let _ = fs::remove_file(&temporary);
    created.map(drop).map_err(|error| {
        format!("cannot write {shown}: no file can be created in its directory ({error})")
    })
}

/// A device, pipe or socket: to be written to, not to be replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A name may be as long as file systems allow: this one is no longer.
    let short: String = name.chars().take(40).collect();
    directory_of(path).join(format!(".{short}.{}.tmp", std::process::id()))
}

/// Writes beside the file, then puts it into its place at once.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_special(path) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    // Where the name is a link, what it links to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = temporary_name(path);
    // Left by a process that had this number before.
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The name is durable once its directory is; not every file system can do that.
    let _ = File::open(directory_of(path)).and_then(|directory| directory.sync_all());
    Ok(())
}

fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::report::testing;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_result_replaces_an_older_one_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("result.json");
        fs::write(&path, "old").unwrap();
        Destination::File(path.clone())
            .write(&testing::run())
            .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with('{') && text.ends_with("}\n"));
        assert_eq!(names(directory.path()), ["result.json"]);
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let null = Path::new("/dev/null");
        assert_eq!(probe_writable(null), Ok(()));
        replace(null, b"new").unwrap();
        assert!(is_special(null));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_before_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "").unwrap();
        for (path, problem) in [
            (directory.path().to_owned(), "is a directory"),
            (at("no/result.json"), "there is no directory"),
            (at("file/result.json"), "there is no directory"),
            (PathBuf::from("/proc/result.json"), "no file can be created"),
        ] {
            let error = probe_writable(&path).unwrap_err();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert_eq!(probe_writable(&at("result.json")), Ok(()));
        assert_eq!(probe_writable(&at("file")), Ok(()));
        assert_eq!(names(directory.path()), ["file"]);
        let failed = Destination::File(at("no/result.json")).write(&testing::run());
        assert!(failed.is_err());
    }

    #[test]
    fn results_are_named_as_omb_names_them_whatever_a_workload_is_called() {
        let name = default_name("1-topic 1KB/µ", "Kafka", 1_700_000_000_000);
        let rest = name.strip_prefix("1-topic_1KB_µ-Kafka-2023-11-1").unwrap();
        assert_eq!(rest.len(), "4-22-13-20.json".len());
        assert!(default_name("../../etc", &"é".repeat(300), 0).starts_with("__"));
        assert!(default_name("a", &"é".repeat(300), 0).len() < 200);
        assert!(!default_name("-x", "y", 0).starts_with('-'));
    }

    #[test]
    fn samples_lie_beside_the_result() {
        let beside = |path: &str| Destination::File(path.into()).beside("samples.jsonl");
        assert_eq!(beside("out/X.json"), Some("out/X.samples.jsonl".into()));
        assert_eq!(beside("X"), Some("X.samples.jsonl".into()));
        assert_eq!(beside("/dev/null"), None);
        assert_eq!(Destination::Stdout.beside("hlog"), None);
    }
}
