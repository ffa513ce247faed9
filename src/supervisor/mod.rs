//! `omb run`: owns a run from its first process to its report.
//!
//! One event loop on the main thread: what happens comes in on one channel, the state machine
//! decides, and the actions are carried out here. The main thread is also the one that starts the
//! children, because they die with the thread that started them.

pub mod desk;
pub mod event;
pub mod journal;
mod journaling;
pub mod machine;
pub mod periods;
pub mod processes;
pub mod restart;
pub mod signals;
pub mod tally;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use desk::Desk;
use event::{Action, ChildKey, Event};
use journal::entry::Access;
use journal::keeper::Keeper;
use journaling::keeper;
use machine::{Brief, Machine};
use processes::{Happening, Processes};
use watch::Watch;

use crate::clock::Instant;
use crate::config::{Driver, Workload};
use crate::plan::{Plan, RunId};
use crate::report::provenance::Provenance;
use crate::report::{LedgerReport, Run, Status};
use crate::wire::{BrokerAssignment, Reply, Role, StewardAssignment};

/// How often the state machine looks at the clock.
const TICK: Duration = Duration::from_millis(20);

/// How long the steward's orders may take, but for deletion.
const ORDER_WITHIN: Duration = Duration::from_secs(15);

/// What the user asked for, complete and checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The workload.
    pub workload: Workload,
    /// The driver.
    pub driver: Driver,
    /// Stem of the workload file, as OMB's result names have it.
    pub workload_stem: String,
    /// How the broker is reached, as the journal has it.
    pub access: Access,
    /// `--topic`: an existing topic.
    pub topic: Option<String>,
    /// `--keep-topics`.
    pub keep_topics: bool,
    /// Producers compress.
    pub compressed: bool,
    /// How the driver's settings were understood.
    pub notes: Vec<String>,
    /// `-o`: where the result goes; `-` is stdout.
    pub output: Option<PathBuf>,
    /// `--samples`: where samples go.
    pub samples: Option<PathBuf>,
    /// `--hlog`: a histogram log is wanted, and where; `Some(None)` is beside the result.
    pub hlog: Option<Option<PathBuf>>,
    /// What makes the figures.
    pub provenance: Provenance,
}

/// How a run ended, for the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All phases came to their end, and nothing was lost.
    Done,
    /// The command line or the files ask for what can't be.
    Usage,
    /// It could not go on, or what it found is no result.
    Failed,
    /// This signal ended it.
    Interrupted(i32),
    /// Acknowledged messages were lost.
    Lost,
}

impl Ended {
    /// The exit code that says so.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Lost => 3,
            Self::Interrupted(signal) => 128_u8.saturating_add(signal as u8),
        }
    }
}

/// Runs a workload against a broker and writes the result.
///
/// # Errors
/// Where the run can't begin: no room for a socket, a thread, a process.
pub fn run(options: Options) -> anyhow::Result<Ended> {
    let id = RunId::random();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan::new(&options.workload, id, options.topic.as_deref(), cores);
    let mut desk = match Desk::open(&options, id) {
        Ok(desk) => desk,
        Err(error) => {
            eprintln!("omb: {error:#}");
            return Ok(Ended::Usage);
        }
    };
    close_inherited();
    let directory = private_directory(id)?;
    let (sender, happenings) = channel();
    signals::listen(sender.clone())?;
    let mut processes = Processes::open(&directory.path().join("s"), sender)?;
    desk.begin(&options, &plan);
    let keeper = keeper(&options, id, &mut desk);
    processes.keep_in_stewards(keeper.descriptor());
    let mut brief = brief(&options, plan, id, directory.path().to_owned());
    brief.steward.journal = keeper.path().map(std::path::Path::to_owned);
    let mut machine = Machine::new(brief);
    machine.tally.log_periods = options.hlog.is_some();
    let mut run = Supervisor {
        machine,
        processes,
        keeper,
        untold_steward: None,
        desk,
        options,
        id,
        started_unix_ms: jiff::Timestamp::now().as_millisecond(),
        watch: Watch::default(),
        ended: false,
    };
    if let Err(error) = run.serve(&happenings) {
        run.end_journal();
        return Err(error);
    }
    Ok(run.finish())
}

/// Whether the topics go when the run ends.
fn deletes_topics(options: &Options) -> bool {
    options.topic.is_none() && !options.keep_topics
}

/// Descriptors that we inherited stay with us: a lock in one of them must not live on in a child.
fn close_inherited() {
    // SAFETY: changes a flag on descriptors of this process; no memory is involved. Kernels before
    // 5.11 don't know the call and leave everything as it is.
    unsafe {
        libc::close_range(
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_int,
        );
    }
}

/// The directory of a run's socket, removed when dropped.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // The steward removes it where we could not.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A directory that only we may enter. `/tmp` and not `$TMPDIR`: a socket's path holds 108 bytes.
fn private_directory(id: RunId) -> anyhow::Result<PrivateDirectory> {
    let path = PathBuf::from(format!("/tmp/omb-{id}"));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .with_context(|| format!("cannot create {} for the run's socket", path.display()))?;
    Ok(PrivateDirectory(path))
}

fn brief(options: &Options, plan: Plan, id: RunId, directory: PathBuf) -> Brief {
    let names = (plan.topics.len() + plan.groups.len()) as u64;
    Brief {
        workload: options.workload.clone(),
        driver: options.driver.clone(),
        run: id.0,
        epoch: Instant::now(),
        existing_topic: options.topic.is_some(),
        steward: StewardAssignment {
            driver: options.driver.clone(),
            topics: plan.topics.clone(),
            groups: plan.groups.clone(),
            delete_topics: deletes_topics(options),
            message_size: options.workload.message_size,
            compressed: options.compressed,
            directory,
            journal: None,
            created: false,
            deadline: ORDER_WITHIN + Duration::from_millis(20 * names),
            delete_deadline: Duration::from_secs(15) + Duration::from_millis(20 * names),
        },
        broker: BrokerAssignment {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            memory: None,
        },
        plan,
    }
}

struct Supervisor {
    machine: Machine,
    processes: Processes,
    keeper: Keeper,
    /// A steward that was started, and not told yet for whom.
    untold_steward: Option<i32>,
    desk: Desk,
    options: Options,
    id: RunId,
    started_unix_ms: i64,
    watch: Watch,
    ended: bool,
}

impl Supervisor {
    /// The event loop.
    fn serve(&mut self, happenings: &Receiver<Happening>) -> anyhow::Result<()> {
        let actions = self.machine.start(Instant::now());
        self.carry_out(actions)?;
        while !self.ended {
            let event = match happenings.recv_timeout(TICK) {
                Ok(happening) => self.processes.digest(happening),
                Err(RecvTimeoutError::Timeout) => Some(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Some(event) = event {
                if let Event::Reply(Reply::Connected(cluster)) = &event {
                    let cluster = cluster.clone();
                    self.connected(cluster.as_deref())?;
                }
                let actions = self.machine.on(Instant::now(), event);
                self.carry_out(actions)?;
            }
        }
        Ok(())
    }

    fn spawn(&mut self, key: ChildKey) -> anyhow::Result<()> {
        let pid = self
            .processes
            .spawn(key)
            .with_context(|| format!("cannot start {key} as a process"))?;
        if key.role == Role::Steward {
            self.untold_steward = Some(pid);
        }
        Ok(())
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> anyhow::Result<()> {
        for action in actions {
            match action {
                Action::Spawn(key) => self.spawn(key)?,
                Action::Bury(runs) => {
                    self.keeper.bury(&runs);
                    self.keeper.let_go();
                }
                Action::Tell(key, message) => self.processes.tell(key, &message),
                Action::Order(order) => self.order(&order),
                Action::OrphanSteward => self.processes.orphan_steward(),
                Action::Kill(key, signal) => self.processes.kill(key, signal),
                Action::Second(second, phase) => {
                    self.desk
                        .second(&second, phase.name(), self.machine.children());
                    self.watch.look(phase);
                    self.log_periods();
                }
                Action::Say(text) => self.desk.say(&text),
                Action::Result => {
                    let run = self.report();
                    self.desk.result(&run);
                }
                Action::End => self.ended = true,
            }
        }
        Ok(())
    }

    /// The last words, and what to tell the shell.
    fn finish(mut self) -> Ended {
        self.end_journal();
        let run = self.report();
        let begun = self.machine.tally.periods.is_some();
        let written = self.desk.end(&run, begun);
        let lost = run
            .ledger
            .subscriptions
            .iter()
            .any(|(_, books)| books.lost > 0);
        match (run.status, self.machine.verdict.signal) {
            _ if !written => Ended::Failed,
            (Status::Failed, _) => Ended::Failed,
            (_, Some(signal)) => Ended::Interrupted(signal),
            _ if lost => Ended::Lost,
            _ => Ended::Done,
        }
    }

    /// Everything found so far.
    fn report(&mut self) -> Run {
        let mut notes = self.options.notes.clone();
        notes.extend(self.machine.plan_notes().iter().cloned());
        let ledger = self.ledger();
        let processes = self.processes.records().to_vec();
        let tally = &mut self.machine.tally;
        let errors: Vec<String> = tally
            .errors
            .iter()
            .map(|(text, count)| format!("{count} × {text}"))
            .collect();
        if !errors.is_empty() {
            notes.push(format!("errors of producers: {}", errors.join(", ")));
        }
        let (periods, total, latencies) = desk::figures(tally, &self.options.workload);
        self.log_periods();
        Run {
            id: self.id.to_string(),
            workload: self.machine.workload().clone(),
            driver: self.machine.driver().clone(),
            status: self.machine.verdict.status,
            reason: self.machine.verdict.reason.clone(),
            notes,
            periods,
            total,
            latencies,
            cpu_seconds: processes.iter().map(|p| p.cpu_seconds).sum::<f64>() + own_cpu_seconds(),
            processes,
            restarts: self.machine.restarts(),
            started_unix_ms: self.started_unix_ms,
            ledger,
            busy: self.watch.busy(),
            provenance: self.options.provenance.clone(),
        }
    }

    fn log_periods(&mut self) {
        if let Some(periods) = &mut self.machine.tally.periods {
            let (began, logged) = periods.logged();
            self.desk.log(began, &logged);
        }
    }

    fn ledger(&self) -> LedgerReport {
        let tally = &self.machine.tally;
        let names = self.machine.groups().iter().cloned();
        LedgerReport {
            sent: tally.load.sent,
            acknowledged: tally.load.acknowledged,
            failed: tally.load.failed,
            unknown: tally.load.unknown,
            queue_full: tally
                .periods
                .as_ref()
                .map_or(0, periods::Periods::queue_full),
            unsent: tally.periods.as_ref().map_or(0, periods::Periods::unsent),
            subscriptions: names.zip(tally.ledger.counts()).collect(),
            examples: tally.ledger.examples(),
            send_examples: tally.ledger.send_examples().clone(),
            topics: self.machine.topics().map(str::to_owned).collect(),
        }
    }
}

fn own_cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}
