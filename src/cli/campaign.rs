//! Several runs, one after the other, each a process of its own: what happens to one does not
//! happen to the next.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::{fs, io};

use anyhow::Context;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::iterator::Signals;

use super::files::Member;
use super::{Inputs, Settled, settle};
use crate::report::file::default_name;
use crate::report::table::{self, Outcome, Row};
use crate::supervisor::Ended;
use crate::supervisor::signals::handled;

/// Checks the files of all runs; every problem is told once.
pub fn settle_all(pairs: &[Inputs]) -> Result<Vec<Settled>, Vec<String>> {
    let mut all = Vec::new();
    let mut problems: Vec<String> = Vec::new();
    for pair in pairs {
        match settle(pair) {
            Ok(settled) => all.push(settled),
            Err(found) => {
                for problem in found.iter().map(ToString::to_string) {
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(all)
    } else {
        Err(problems)
    }
}

/// Where the results of several runs go.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, where it isn't there.
    ///
    /// # Errors
    /// Where that can't be.
    pub fn make(path: Option<&Path>) -> Result<Self, String> {
        let path = path.unwrap_or(Path::new(""));
        let shown = path.display();
        if path.as_os_str() == "-" {
            return Err("-o -: several results can't go to stdout; give a directory".to_owned());
        }
        if path.exists() && !path.is_dir() {
            return Err(format!(
                "-o {shown} is a file; several results need a directory"
            ));
        }
        if !path.as_os_str().is_empty() {
            fs::create_dir_all(path).map_err(|error| format!("-o {shown}: {error}"))?;
        }
        Ok(Self(path.to_owned()))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// OMB's name for a result, and another one where that is taken.
    fn result(&self, inputs: &Inputs, settled: &Settled) -> PathBuf {
        let stem = inputs.workload.file_stem().unwrap_or_default();
        let now = jiff::Timestamp::now().as_millisecond();
        let name = default_name(&stem.to_string_lossy(), &settled.driver.name, now);
        let stem = name.trim_end_matches(".json");
        let more = (2..).map(|number| format!("{stem}-{number}.json"));
        let mut names = [name.clone()].into_iter().chain(more);
        let free = names.find(|name| !self.file(name).exists());
        self.file(&free.unwrap_or(name))
    }
}

/// The runs so far, and signals for the one that is under way.
pub struct Campaign {
    signals: Signals,
    /// The signal that ends it.
    stopped: Option<i32>,
    /// How each ended.
    pub outcomes: Vec<Outcome>,
}

impl Campaign {
    /// Listens to signals.
    ///
    /// # Errors
    /// Where they can't be handled.
    pub fn begin() -> anyhow::Result<Self> {
        let mut handled = handled();
        handled.push(SIGCHLD);
        Ok(Self {
            signals: Signals::new(handled).context("cannot handle signals")?,
            stopped: None,
            outcomes: Vec::new(),
        })
    }

    /// Whether a signal has ended it.
    pub fn is_stopped(&mut self) -> bool {
        for signal in self.signals.pending() {
            if [SIGINT, SIGTERM, SIGHUP].contains(&signal) {
                self.stopped = Some(signal);
            }
        }
        self.stopped.is_some()
    }

    /// Runs one and waits for its end.
    ///
    /// # Errors
    /// Where no process can be started.
    pub fn run(&mut self, member: &Member, title: String) -> anyhow::Result<&Outcome> {
        let output = member.output.clone();
        let mut child = Command::new("/proc/self/exe")
            .arg0("omb")
            .args(std::env::args_os().skip(1))
            .arg(format!("--member={member}"))
            // Signals of the terminal reach us, and are handed on once.
            .process_group(0)
            .spawn()
            .context("cannot start a run as a process of its own")?;
        let code = self.wait(&mut child)?;
        let row = Row::read(&output).ok();
        let file = output.display().to_string();
        self.outcomes.push(Outcome {
            code,
            row,
            title,
            file,
        });
        Ok(&self.outcomes[self.outcomes.len() - 1])
    }

    fn wait(&mut self, child: &mut Child) -> io::Result<u8> {
        let pid = Pid::from_raw(child.id() as i32);
        // It may be dead by the time that it is sent something.
        let tell = |signal| _ = kill(pid, signal);
        loop {
            if let Some(status) = child.try_wait()? {
                let killed = status.signal().map_or(Ended::Failed.code(), |signal| {
                    eprintln!("omb: the run was killed by signal {signal}");
                    Ended::Failed.code()
                });
                return Ok(status.code().map_or(killed, |code| code as u8));
            }
            for signal in self.signals.wait() {
                match signal {
                    SIGCHLD => {}
                    SIGTSTP => {
                        tell(Signal::SIGTSTP);
                        raise(Signal::SIGSTOP)?;
                        tell(Signal::SIGCONT);
                    }
                    signal => {
                        if signal != SIGUSR1 {
                            self.stopped = Some(signal);
                        }
                        Signal::try_from(signal).into_iter().for_each(tell);
                    }
                }
            }
        }
    }

    /// The code that comes first in the order in which they are documented.
    pub fn code(&self) -> u8 {
        let codes = self.outcomes.iter().map(|outcome| outcome.code);
        let stopped = self.stopped.map(|signal| Ended::Interrupted(signal).code());
        codes
            .chain(stopped)
            .min_by_key(|&code| rank(code))
            .unwrap_or(0)
    }
}

fn rank(code: u8) -> u8 {
    let order = [Ended::Usage, Ended::Failed].map(Ended::code);
    let after = [Ended::Lost, Ended::Missed, Ended::Done].map(Ended::code);
    match code {
        code if code == order[0] => 0,
        code if code == order[1] => 1,
        code if code == after[0] => 3,
        code if code == after[1] => 4,
        code if code == after[2] => 5,
        // Signals.
        _ => 2,
    }
}

/// Runs every pair; the exit code.
///
/// # Errors
/// Where signals can't be handled, or no process can be started.
pub fn run_all(
    pairs: &[Inputs],
    settled: &[Settled],
    folder: &Folder,
    quiet: bool,
) -> anyhow::Result<u8> {
    let mut campaign = Campaign::begin()?;
    for (index, (inputs, settled)) in pairs.iter().zip(settled).enumerate() {
        if campaign.is_stopped() {
            break;
        }
        let title = format!("{} on {}", settled.workload.name, settled.driver.name);
        if !quiet {
            eprintln!("run {} of {}: {title}", index + 1, pairs.len());
        }
        let member = Member {
            parent: std::process::id(),
            index,
            rate: None,
            output: folder.result(inputs, settled),
        };
        campaign.run(&member, title)?;
        if !quiet {
            eprintln!();
        }
    }
    if !quiet {
        eprint!("{}", table::of_runs(&campaign.outcomes));
    }
    let left = pairs.len() - campaign.outcomes.len();
    if left > 0 {
        eprintln!("omb: {left} of {} runs were not started", pairs.len());
    }
    Ok(campaign.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_of_the_documented_order_wins() {
        let ranked = [2, 1, 130, 3, 4, 0];
        assert!(ranked.is_sorted_by_key(|&code| rank(code)));
        assert_eq!(rank(143), rank(129));
    }
}
