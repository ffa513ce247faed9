//! The state machine of a run: phase × child states. Takes an event, returns actions, does no I/O.
//!
//! Phases come in order and each has a deadline, so a run ends in bounded time whatever happens:
//! connect, create, ready, search where it is wanted, warm-up, measure, drain, then leave and
//! delete, which clean up.

mod backlog;
mod children;
mod control;
mod deaths;
mod ending;
mod faults;
mod hang;
mod load;
mod phases;
mod search;
mod sweeping;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::disturbance::Observer;
use super::event::{Action, ChildKey, Event};
use super::restart::Restarts;
use super::search::Search;
use super::tally::Tally;
use crate::clock::Instant;
use crate::config::{Driver, Workload};
use crate::plan::Plan;
use crate::report::Status;
use crate::schedule::Schedule;
use crate::wire::{BrokerAssignment, Role, StewardAssignment, ToChild};
use backlog::Building;
use control::Controlled;
use deaths::Reported;
use faults::FaultPlan;

/// How long the broker may take to answer, and the embedded one to start.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long children may take to report, leave their groups and end.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);
/// The load is announced this long ahead, so that all clients know it before it begins.
const ANNOUNCE_AHEAD: Duration = Duration::from_millis(150);
/// A probe may be lost with a leader election: it is sent again after this time.
const PROBE_AGAIN: Duration = Duration::from_secs(1);
/// A producer that was started again goes on with its schedule this long after it was told.
const RESUME_AHEAD: Duration = Duration::from_millis(50);
/// An interrupted load ends this long after the signal, at one instant for all clients.
const INTERRUPT_AHEAD: Duration = Duration::from_millis(50);
/// The same signal within this time is the same signal: `timeout` and terminals send it twice.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The embedded broker starts, the steward connects.
    Connect,
    /// The steward creates the topics.
    Create,
    /// Clients connect, join their groups, and prove their paths with probes.
    Ready,
    /// Load, at one rate after the other, to find the highest that holds.
    Search,
    /// Load, not measured.
    WarmUp,
    /// Load, measured.
    Measure,
    /// Consumers read what is left.
    Drain,
    /// Children report what is left, leave their groups, and end.
    Leave,
    /// The steward deletes topics and groups.
    Delete,
    /// The steward and the embedded broker end.
    Close,
    /// All is done.
    Ended,
}

impl Phase {
    /// The word for it on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Create => "create",
            Self::Ready => "ready",
            Self::Search => "search",
            Self::WarmUp => "warm-up",
            Self::Measure => "measure",
            Self::Drain => "drain",
            Self::Leave | Self::Delete | Self::Close | Self::Ended => "report",
        }
    }
}

/// What the machine has to know of a run.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The workload.
    pub workload: Workload,
    /// The driver; the embedded broker's address is filled in when it is known.
    pub driver: Driver,
    /// Who does what.
    pub plan: Plan,
    /// The run's id.
    pub run: u32,
    /// Zero of the times in stamps.
    pub epoch: Instant,
    /// `--topic` named a topic: it is neither created nor deleted.
    pub existing_topic: bool,
    /// What the steward has to know.
    pub steward: StewardAssignment,
    /// Memory of the embedded broker.
    pub broker: BrokerAssignment,
}

/// One child, over all its lives.
#[derive(Debug, Default)]
struct Child {
    incarnation: u16,
    alive: bool,
    joined: bool,
    assigned: bool,
    ready: BTreeSet<u32>,
    load_done: bool,
    /// When it said something last, or was started.
    heard: Instant,
    /// It hangs: since when, or when that was last told it.
    hung: Option<Instant>,
    /// A fault stopped it.
    stopped: bool,
    /// A fault killed it.
    death_planned: bool,
    /// What it said of its load messages in this life, by phase.
    reported: [Reported; 2],
    /// How far earlier lives got with the schedule: messages sent, or given up as unsent.
    position: [u64; 2],
    /// Lives that ended without a message, up to this one.
    fruitless: u32,
    respawn_at: Option<Instant>,
}

/// How a run went, so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub status: Status,
    /// Why, where it is not `Completed`.
    pub reason: Option<String>,
    /// The signal that interrupted it.
    pub signal: Option<i32>,
}

/// The state of one run.
pub struct Machine {
    brief: Brief,
    /// Everything counted so far.
    pub tally: Tally,
    /// How the run went so far.
    pub verdict: Verdict,
    phase: Phase,
    deadline: Instant,
    children: BTreeMap<(Role, u32), Child>,
    restarts: Restarts,
    faults: FaultPlan,
    /// What disturbs the load, once there is one.
    observer: Option<Observer>,
    /// The backlog that is built, once the measured phase has begun.
    backlog: Option<Building>,
    /// When the last event came.
    last_on: Instant,
    /// Until when the load waits for what dead runs have left to be deleted.
    sweep_until: Option<Instant>,
    /// The steward died, and another one was started to clean up.
    steward_replaced: bool,
    /// This steward was told to delete.
    deleting: bool,
    /// When, as long as nobody has looked what keeps it.
    deleting_since: Option<Instant>,
    /// The steward may have created something that is not deleted yet.
    to_delete: bool,
    topics_exist: bool,
    probed: BTreeSet<(u32, u32)>,
    probe_at: Instant,
    schedule: Option<Schedule>,
    /// When the measured phase begins, once that is known; before, when the load did.
    origin: Instant,
    /// What the rate follows, once the measured phase has begun.
    controlled: Option<Controlled>,
    /// The search for a rate, also when it is over.
    search: Option<Search>,
    last_signal: Option<(i32, Instant)>,
    last_note: Option<String>,
    said: VecDeque<(String, Instant)>,
    actions: Vec<Action>,
}

impl Machine {
    /// A run that is about to start.
    pub fn new(brief: Brief) -> Self {
        Self {
            tally: Tally::new(&brief.plan),
            verdict: Verdict {
                status: Status::Completed,
                reason: None,
                signal: None,
            },
            phase: Phase::Connect,
            deadline: Instant::NEVER,
            children: BTreeMap::new(),
            restarts: Restarts::new(brief.workload.restart, u64::from(brief.run)),
            faults: FaultPlan::new(brief.workload.faults.clone(), brief.workload.seed),
            observer: None,
            backlog: None,
            last_on: Instant::default(),
            sweep_until: None,
            steward_replaced: false,
            deleting: false,
            deleting_since: None,
            to_delete: false,
            topics_exist: false,
            probed: BTreeSet::new(),
            probe_at: Instant::NEVER,
            schedule: None,
            origin: Instant::default(),
            controlled: None,
            search: None,
            last_signal: None,
            last_note: None,
            said: VecDeque::new(),
            actions: Vec::new(),
            brief,
        }
    }

    /// Where the run is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The driver, with the embedded broker's address once it is known.
    pub fn driver(&self) -> &Driver {
        &self.brief.driver
    }

    /// The workload, with the partitions that the topic of `--topic` really has.
    pub fn workload(&self) -> &Workload {
        &self.brief.workload
    }

    /// What a reader of the figures has to know of the plan.
    pub fn plan_notes(&self) -> &[String] {
        &self.brief.plan.notes
    }

    /// Names of the topics, by number.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let topics = self.brief.plan.topics.iter();
        topics.map(|topic| topic.name.as_str())
    }

    /// Names of the groups, by number of the subscription.
    pub fn groups(&self) -> &[String] {
        &self.brief.plan.groups
    }

    /// Restarts of children so far.
    pub fn restarts(&self) -> u32 {
        self.restarts.total()
    }

    /// Whether something that the run created may still be at the broker.
    pub fn may_have_left(&self) -> bool {
        self.to_delete && !self.brief.driver.embedded
    }

    /// (alive, expected) children.
    pub fn children(&self) -> (usize, usize) {
        (
            self.children.values().filter(|child| child.alive).count(),
            self.children.len(),
        )
    }

    /// What has to be done to begin.
    pub fn start(&mut self, now: Instant) -> Vec<Action> {
        self.last_on = now;
        self.deadline = now + CONNECT_WITHIN;
        if self.brief.driver.embedded {
            self.spawn(now, Role::Broker, 0);
        }
        self.spawn(now, Role::Steward, 0);
        for id in 0..self.brief.plan.consumers.len() as u32 {
            self.spawn(now, Role::Consumer, id);
        }
        for id in 0..self.brief.plan.producers.len() as u32 {
            self.spawn(now, Role::Producer, id);
        }
        if !self.brief.driver.embedded {
            self.connect_steward();
        }
        std::mem::take(&mut self.actions)
    }

    /// What has to be done now that this has happened.
    pub fn on(&mut self, now: Instant, event: Event) -> Vec<Action> {
        self.forgive_own_absence(now);
        match event {
            Event::Joined(key) => {
                self.child(key, |child| {
                    child.joined = true;
                    child.heard = now;
                });
                self.assign(now, key);
            }
            Event::Frame(key, frame) => self.frame(now, key, frame),
            Event::Exited(key, death) => self.exited(now, key, death),
            Event::Reply(reply) => self.reply(now, reply),
            Event::DeadRuns(runs) => self.sweep(now, runs),
            Event::Signal(signal) => self.signal(now, signal),
            Event::Resumed(away) => self.resumed(now, away),
            Event::Tick => {}
        }
        self.tick(now);
        std::mem::take(&mut self.actions)
    }

    fn spawn(&mut self, now: Instant, role: Role, id: u32) {
        let child = self.children.entry((role, id)).or_default();
        child.respawn_at = None;
        child.alive = true;
        child.heard = now;
        let key = ChildKey {
            role,
            id,
            incarnation: child.incarnation,
        };
        self.actions.push(Action::Spawn(key));
    }

    fn child(&mut self, key: ChildKey, change: impl FnOnce(&mut Child)) {
        if let Some(child) = self.children.get_mut(&(key.role, key.id))
            && child.incarnation == key.incarnation
        {
            change(child);
        }
    }

    fn keys(&self, role: Role) -> Vec<ChildKey> {
        let of_role = self
            .children
            .iter()
            .filter(|((r, _), child)| *r == role && child.alive);
        of_role
            .map(|(&(role, id), child)| ChildKey {
                role,
                id,
                incarnation: child.incarnation,
            })
            .collect()
    }

    fn tell_all(&mut self, role: Role, message: &ToChild) {
        for key in self.keys(role) {
            self.actions.push(Action::Tell(key, message.clone()));
        }
    }

    /// Shows something, but the same at most once in 10 s.
    fn say(&mut self, now: Instant, text: String) {
        while self
            .said
            .front()
            .is_some_and(|(_, at)| now.since(*at) > Duration::from_secs(10))
        {
            self.said.pop_front();
        }
        if !self.said.iter().any(|(said, _)| *said == text) {
            self.said.push_back((text.clone(), now));
            self.actions.push(Action::Say(text));
        }
    }
}

/// `SIGINT` for 2, and so on.
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |known| known.as_str().to_owned(),
    )
}
