//! Being process 1 of a container: the run goes into a child of ours, and we do what an init does.
//! Nobody else would bury orphans, and what 1 does not handle the system keeps from it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::clock::Instant;

/// How long orphans may take when the run is over: the steward may be deleting.
const ORPHANS_WITHIN: Duration = Duration::from_secs(30);

/// Whether this process has to be an init.
pub fn is_due() -> bool {
    std::process::id() == 1
}

/// Runs the same command line as a child, hands signals on to it, buries everybody, and returns the
/// child's exit code.
///
/// # Errors
/// Where no child can be started.
pub fn run() -> anyhow::Result<u8> {
    let handled = [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGTSTP, SIGCONT];
    let mut signals = Signals::new(handled).context("cannot handle signals")?;
    let child = Command::new("/proc/self/exe")
        .arg0("omb")
        .args(std::env::args_os().skip(1))
        .spawn()
        .context("cannot start the run as a process of its own")?;
    let child = Pid::from_raw(child.id() as i32);
    let mut code = None;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            let signal = Signal::try_from(signal).context("an unknown signal")?;
            // It may be dead by now.
            let _ = kill(child, signal);
            continue;
        }
        while let Some((pid, ended)) = bury(WaitPidFlag::WNOHANG)? {
            if pid == child {
                code = Some(ended);
            }
        }
        if let Some(code) = code {
            await_orphans();
            return Ok(code);
        }
    }
    Ok(1)
}

/// The next of the dead, with its exit code.
fn bury(flag: WaitPidFlag) -> io::Result<Option<(Pid, u8)>> {
    loop {
        return match waitpid(None, Some(flag)) {
            Ok(WaitStatus::Exited(pid, code)) => Ok(Some((pid, code as u8))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                Ok(Some((pid, 128_u8.saturating_add(signal as u8))))
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => Ok(None),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => Err(error.into()),
        };
    }
}

/// Our end is the end of everything in the container, so a steward at work is waited for.
fn await_orphans() {
    let deadline = Instant::now() + ORPHANS_WITHIN;
    while Instant::now() < deadline {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(50)),
            _ => {}
        }
    }
}
