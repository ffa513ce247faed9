//! `omb run`: owns a run from its first process to its report.
//!
//! One event loop on the main thread: what happens comes in on one channel, the state machine
//! decides, and the actions are carried out here. The main thread is also the one that starts the
//! children, because they die with the thread that started them.

pub mod desk;
pub mod directory;
pub mod disturbance;
pub mod event;
mod facts;
pub mod journal;
mod journaling;
pub mod machine;
pub mod periods;
pub mod processes;
#[cfg(test)]
mod rebuild_tests;
pub mod restart;
pub mod search;
pub mod signals;
pub mod tally;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use desk::Desk;
use directory::PrivateDirectory;
use event::{Action, ChildKey, Event};
use journal::entry::Access;
use journal::keeper::Keeper;
use journaling::keeper;
use machine::{Brief, Machine};
use nix::sys::signal::Signal;
use periods::Periods;
use processes::{Happening, Processes};
use watch::Watch;

use crate::clock::Instant;
use crate::config::{Driver, Workload};
use crate::plan::{Plan, RunId};
use crate::report::fold::{End, Fold};
use crate::report::provenance::Provenance;
use crate::report::record::Turnover;
use crate::report::thresholds::verdicts;
use crate::report::{Run, Status};
use crate::stats::ledger::SubscriptionCounts;
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
    /// Where the broker is, for people; empty for the embedded one.
    pub broker: String,
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
    /// `--quiet`: only what goes wrong is shown.
    pub quiet: bool,
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
    /// A threshold was missed.
    Missed,
}

impl Ended {
    /// The exit code that says so.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Lost => 3,
            Self::Missed => 4,
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
    directory::remove_dead();
    let directory = PrivateDirectory::create(id)?;
    let (sender, happenings) = channel();
    signals::listen(sender.clone())?;
    let mut processes = Processes::open(&directory.socket(), sender)?;
    desk.begin(&options, &plan);
    let keeper = keeper(&options, id, &mut desk);
    processes.keep_in_stewards(keeper.descriptor());
    let mut brief = brief(&options, plan, id, directory.path().to_owned());
    brief.steward.journal = keeper.path().map(std::path::Path::to_owned);
    let mut fold = Fold::new(&options.workload);
    if options.hlog.is_some() {
        fold.log();
    }
    let mut run = Supervisor {
        machine: Machine::new(brief),
        fold,
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
    run.desk.head(&run.facts());
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
            groups: plan.groups(),
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
    /// What the result is made of, as far as it is recorded.
    fold: Fold,
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
                Action::EndHanging(key) => self.processes.end_hanging(key),
                Action::Pause => self.pause()?,
                Action::Snapshot => {
                    let text = self.snapshot();
                    self.desk.say(&text);
                }
                Action::Second(second, phase) => {
                    self.desk
                        .second(&second, phase.name(), self.machine.children());
                    self.watch.look(phase);
                    self.record_due();
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

    /// Stops until somebody continues us, as SIGTSTP would have.
    fn pause(&mut self) -> anyhow::Result<()> {
        let since = Instant::now();
        nix::sys::signal::raise(Signal::SIGSTOP).context("cannot stop")?;
        let now = Instant::now();
        let actions = self.machine.on(now, Event::Resumed(now.since(since)));
        self.carry_out(actions)
    }

    /// How things are, in a few words, for SIGUSR1.
    fn snapshot(&self) -> String {
        let machine = &self.machine;
        let load = machine.tally.load;
        let books = machine.tally.ledger.counts();
        let sum = |of: fn(&SubscriptionCounts) -> u64| books.iter().map(of).sum::<u64>();
        let (alive, expected) = machine.children();
        format!(
            "status: run {}, phase {}, {} sent, {} acknowledged, {} failed, {} unknown, {} received, \
             {} lost, {} unread, {} redelivered, {alive} of {expected} processes alive, {} restarts",
            self.id,
            machine.phase().name(),
            load.sent,
            load.acknowledged,
            load.failed,
            load.unknown,
            sum(|books| books.received),
            sum(|books| books.lost),
            sum(|books| books.unread),
            sum(|books| books.redelivered),
            machine.restarts(),
        )
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
            _ if verdicts(&run).iter().any(|verdict| !verdict.met) => Ended::Missed,
            _ => Ended::Done,
        }
    }

    /// Everything found so far, its last record included.
    fn report(&mut self) -> Run {
        let facts = self.facts();
        let periods = &mut self.machine.tally.periods;
        let turnover = periods.as_mut().map(Periods::last_turnover);
        self.record(&facts, turnover.as_ref());
        let mut run = self.fold.result(facts, &End::Orderly);
        run.samples_lost = self.desk.samples_lost();
        run
    }

    /// Stores what came in since the last record, if a record is due.
    fn record_due(&mut self) {
        let due = |run: &mut Self| run.machine.tally.periods.as_mut()?.due_turnover();
        while let Some(turnover) = due(self) {
            let facts = self.facts();
            self.record(&facts, Some(&turnover));
        }
    }

    fn record(&mut self, facts: &Run, turnover: Option<&Turnover>) {
        self.desk.record(facts, turnover);
        if let (Some(turnover), Some(periods)) = (turnover, &self.machine.tally.periods) {
            self.fold.add(turnover);
            self.desk.log(periods.began(), &self.fold.logged());
        }
    }
}
