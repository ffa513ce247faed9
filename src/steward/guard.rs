//! What a steward becomes when its supervisor is gone: a guard, which has no client library in it, and
//! has a process of its own do the deleting.
//!
//! The client library may abort the process that it is in: librdkafka 2.12 does so where a request to
//! delete groups fails because the broker stood still
//! (<https://github.com/confluentinc/librdkafka/issues/4605>). Then the next process tries.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use super::{Steward, Traces};
use crate::clock::Instant;
use crate::driver::systems::with_driver;
use crate::wire::{Order, StewardAssignment, write_frame};

/// How long a guard keeps trying where the broker can't be reached.
pub const TRIES: Duration = Duration::from_secs(120);

/// Pause after a process that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// This executable in the steward's role, with this order to begin with.
fn steward(order: &Order) -> io::Result<Command> {
    let mut orders = File::from(memfd_create(c"orders", MFdFlags::MFD_CLOEXEC)?);
    write_frame(&orders, order)?;
    orders.seek(SeekFrom::Start(0))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("omb").arg("steward");
    command
        .stdin(Stdio::from(orders))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// Becomes a guard: the same process, which keeps the journal's lock, with nothing of what it was
/// doing. Returns only where that can't be.
pub fn become_one(assignment: &StewardAssignment) -> io::Error {
    match steward(&Order::Guard(Box::new(assignment.clone()))) {
        Ok(mut command) => {
            // The client library's descriptors would come along.
            let kept = keep_only(assignment.journal.as_deref());
            kept.err().unwrap_or_else(|| command.exec())
        }
        Err(error) => error,
    }
}

/// Has all descriptors closed when this process becomes another program, but for the standard ones
/// and the one with the journal's lock.
fn keep_only(journal: Option<&Path>) -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let is_journal = journal.is_some_and(|journal| {
            let target = fs::read_link(&path).unwrap_or_default();
            // The file may have been removed.
            target
                .to_string_lossy()
                .starts_with(&*journal.to_string_lossy())
        });
        if let Some(number @ 3..) = number
            && !is_journal
        {
            // SAFETY: changes a flag of a descriptor of this process; no memory is involved.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Has everything deleted, however often who does it dies.
pub fn guard(assignment: &StewardAssignment) {
    let give_up = Instant::now() + TRIES;
    let order = Order::Clear(Box::new(assignment.clone()));
    while Instant::now() < give_up {
        if clear_elsewhere(&order).is_ok_and(|cleared| cleared) {
            return Traces::of(assignment).remove_journal();
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether a process of its own found everything deleted for certain.
fn clear_elsewhere(order: &Order) -> io::Result<bool> {
    let mut command = steward(order)?;
    // SAFETY: prctl is async-signal-safe and touches nothing of ours.
    unsafe {
        command
            .pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
    Ok(command.status()?.success())
}

/// Deletes, and looks until all has stayed absent.
///
/// # Errors
/// What is left, or why that is not known.
pub fn clear(assignment: StewardAssignment) -> anyhow::Result<()> {
    let give_up = Instant::now() + TRIES;
    let left = with_driver!(&assignment.driver.system, |driver| {
        Steward::new(assignment, driver, super::Created::default())?.clear(give_up)?
    });
    if left.is_empty() {
        Ok(())
    } else {
        Err(anyhow::anyhow!("{left} left")).context("not all was deleted")
    }
}
