//! Signals for the run, as events.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::event::Event;
use super::processes::Happening;
use crate::child::thread;

/// What a run answers to: SIGINT and SIGTERM always, also where a shell started us with SIGINT ignored;
/// SIGHUP and SIGTSTP unless they were ignored from the start, as SIGHUP is by `nohup`; and SIGUSR1.
pub fn handled() -> Vec<i32> {
    let mut handled = vec![SIGINT, SIGTERM, SIGUSR1];
    handled.extend([SIGHUP, SIGTSTP].into_iter().filter(|&s| !ignored(s)));
    handled
}

/// Handles those. A limit on the size of files, which would end this process by SIGXFSZ, is an error
/// of the write that meets it.
///
/// # Errors
/// Where signals can't be handled.
pub fn listen(sender: Sender<Happening>) -> anyhow::Result<()> {
    let mut signals = Signals::new(handled()).context("cannot handle signals")?;
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
        .context("cannot handle signals")?;
    thread("signals", move || {
        for signal in signals.forever() {
            if sender
                .send(Happening::Event(Event::Signal(signal)))
                .is_err()
            {
                return;
            }
        }
    })
}

/// Whether this process ignores a signal.
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
