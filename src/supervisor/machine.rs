//! The state machine of a run: phase × child states. Takes an event, returns actions, does no I/O.
//!
//! Phases come in order and each has a deadline, so a run ends in bounded time whatever happens:
//! connect, create, ready, warm-up, measure, drain, then leave and delete, which clean up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::event::{Action, ChildKey, Death, Event};
use super::periods::SHOW_AFTER;
use super::restart::Restarts;
use super::tally::Tally;
use crate::clock::Instant;
use crate::config::{Driver, Workload};
use crate::plan::Plan;
use crate::report::Status;
use crate::stats::delta::{Grid, LoadPhase};
use crate::wire::{
    BrokerAssignment, ConsumerAssignment, FromChild, Order, ProducerAssignment, Reply, Role,
    RunContext, Schedule, Segment, StewardAssignment, ToChild,
};

/// How long the broker may take to answer, and the embedded one to start.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long children may take to report, leave their groups and end.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);
/// The load is announced this long ahead, so that all clients know it before it begins.
const ANNOUNCE_AHEAD: Duration = Duration::from_millis(150);
/// A probe may be lost with a leader election: it is sent again after this time.
const PROBE_AGAIN: Duration = Duration::from_secs(1);
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
    /// What a reader of the figures has to know.
    pub notes: Vec<String>,
    phase: Phase,
    deadline: Instant,
    children: BTreeMap<(Role, u32), Child>,
    restarts: Restarts,
    steward_up: bool,
    /// The steward died, and another one was started to clean up.
    steward_replaced: bool,
    /// The steward may have created something that is not deleted yet.
    to_delete: bool,
    topics_exist: bool,
    probed: BTreeSet<(u32, u32)>,
    probe_at: Instant,
    schedule: Option<Schedule>,
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
            notes: brief.plan.notes.clone(),
            phase: Phase::Connect,
            deadline: Instant::NEVER,
            children: BTreeMap::new(),
            restarts: Restarts::new(brief.workload.restart),
            steward_up: false,
            steward_replaced: false,
            to_delete: false,
            topics_exist: false,
            probed: BTreeSet::new(),
            probe_at: Instant::NEVER,
            schedule: None,
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

    /// Names of the groups, by number of the subscription.
    pub fn groups(&self) -> &[String] {
        &self.brief.plan.groups
    }

    /// Restarts of children so far.
    pub fn restarts(&self) -> u32 {
        self.restarts.total()
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
        self.deadline = now + CONNECT_WITHIN;
        if self.brief.driver.embedded {
            self.spawn(Role::Broker, 0);
        }
        self.spawn(Role::Steward, 0);
        for id in 0..self.brief.plan.consumers.len() as u32 {
            self.spawn(Role::Consumer, id);
        }
        for id in 0..self.brief.plan.producers.len() as u32 {
            self.spawn(Role::Producer, id);
        }
        if !self.brief.driver.embedded {
            self.connect_steward();
        }
        std::mem::take(&mut self.actions)
    }

    /// What has to be done now that this has happened.
    pub fn on(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Joined(key) => {
                self.child(key, |child| child.joined = true);
                self.assign(now, key);
            }
            Event::Frame(key, frame) => self.frame(now, key, frame),
            Event::Exited(key, death) => self.exited(now, key, &death),
            Event::Reply(reply) => self.reply(now, reply),
            Event::Signal(signal) => self.signal(now, signal),
            Event::Tick => {}
        }
        self.tick(now);
        std::mem::take(&mut self.actions)
    }

    fn spawn(&mut self, role: Role, id: u32) {
        let child = self.children.entry((role, id)).or_default();
        child.alive = true;
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

    fn connect_steward(&mut self) {
        self.brief.steward.driver = self.brief.driver.clone();
        let assignment = Box::new(self.brief.steward.clone());
        self.actions.push(Action::Order(Order::Connect(assignment)));
    }

    /// Gives a child its work, once it is there and the topics are.
    fn assign(&mut self, now: Instant, key: ChildKey) {
        let Some(child) = self.children.get_mut(&(key.role, key.id)) else {
            return;
        };
        if self.phase >= Phase::Leave {
            // It came too late to be told with the others.
            self.actions.push(Action::Tell(key, ToChild::Finish));
            return;
        }
        let may = key.role == Role::Broker || self.topics_exist;
        if !child.joined || child.assigned || !may {
            return;
        }
        child.assigned = true;
        let context = RunContext {
            run: self.brief.run,
            epoch: self.brief.epoch,
            driver: self.brief.driver.clone(),
        };
        let plan = &self.brief.plan;
        let work = match key.role {
            Role::Broker => ToChild::Serve(self.brief.broker),
            Role::Producer => ToChild::Produce(Box::new(ProducerAssignment {
                context,
                clients: plan.producers[key.id as usize].clone(),
                message_size: self.brief.workload.message_size,
                payload: self.brief.workload.payload.clone(),
                keys: self.brief.workload.keys,
            })),
            Role::Consumer => ToChild::Consume(Box::new(ConsumerAssignment {
                context,
                clients: plan.consumers[key.id as usize].clone(),
            })),
            Role::Steward => return,
        };
        self.actions.push(Action::Tell(key, work));
        if key.role == Role::Producer {
            self.actions.push(Action::Tell(key, ToChild::Probe));
            self.probe_at = now + PROBE_AGAIN;
        }
        if let Some(schedule) = &self.schedule {
            self.actions
                .push(Action::Tell(key, ToChild::Load(schedule.clone())));
        }
    }

    fn frame(&mut self, now: Instant, key: ChildKey, frame: FromChild) {
        match frame {
            FromChild::Deltas(deltas) => deltas.iter().for_each(|delta| self.tally.add(delta)),
            FromChild::ClientReady(client) => self.child(key, |child| {
                child.ready.insert(client);
            }),
            FromChild::Probed(probed) => self.probed.extend(probed),
            FromChild::LoadDone => self.child(key, |child| child.load_done = true),
            FromChild::Note(text) => {
                self.last_note = Some(format!("{key}: {text}"));
                self.say(now, format!("{key}: {text}"));
            }
            FromChild::Failed(text) => self.child_failed(now, key, &text),
            FromChild::Listening(address) => {
                self.brief.driver.point_at(&address.to_string());
                self.connect_steward();
            }
            FromChild::Hello(_) | FromChild::Finished => {}
        }
    }

    /// A child can't go on. A consumer may start anew; the others end the run.
    fn child_failed(&mut self, now: Instant, key: ChildKey, text: &str) {
        if key.role == Role::Consumer && self.schedule.is_some() && self.phase < Phase::Leave {
            self.say(now, format!("{key}: {text}"));
            self.actions.push(Action::Kill(key, libc::SIGTERM));
        } else {
            self.fail(now, format!("{key}: {text}"));
        }
    }

    fn exited(&mut self, now: Instant, key: ChildKey, death: &Death) {
        let mut known = false;
        self.child(key, |child| {
            known = child.alive;
            (child.alive, child.joined, child.assigned) = (false, false, false);
            child.ready.clear();
        });
        if !known || self.phase >= Phase::Close {
            return;
        }
        let stopping = self.phase >= Phase::Leave;
        match key.role {
            Role::Producer | Role::Consumer if stopping => {}
            Role::Consumer => self.restart(now, key, death),
            Role::Producer => self.fail(now, format!("{key} died: {death}")),
            Role::Broker => self.fail(now, format!("the embedded broker died: {death}")),
            Role::Steward => {
                self.steward_up = false;
                self.fail(now, format!("the steward died: {death}"));
                if self.phase == Phase::Delete {
                    self.replace_steward(now);
                }
            }
        }
    }

    fn restart(&mut self, now: Instant, key: ChildKey, death: &Death) {
        match self.restarts.next(now) {
            Some(pause) => {
                let at = now + pause;
                self.say(
                    now,
                    format!(
                        "{key} died: {death}; it starts again in {} ms",
                        pause.as_millis()
                    ),
                );
                self.child(key, |child| {
                    child.respawn_at = Some(at);
                    child.incarnation += 1;
                });
            }
            None => {
                let allowed = self.brief.workload.restart.max_restarts;
                let window = self.brief.workload.restart.window.as_secs();
                self.fail(
                    now,
                    format!(
                        "{key} died: {death}; it is not started again after {allowed} restarts \
                         within {window} s (maxRestarts)"
                    ),
                );
            }
        }
    }

    fn reply(&mut self, now: Instant, reply: Reply) {
        match reply {
            Reply::Connected => {
                self.steward_up = true;
                match self.phase {
                    Phase::Connect => self.enter(now, Phase::Create),
                    Phase::Delete => self.actions.push(Action::Order(Order::Delete)),
                    _ => {}
                }
            }
            Reply::Created => self.topics_ready(now),
            Reply::Adopted(state) => {
                let partitions = state.ends.len() as u32;
                self.brief.workload.partitions_per_topic = partitions;
                for topic in &mut self.brief.plan.topics {
                    topic.partitions = partitions;
                }
                self.topics_ready(now);
            }
            Reply::Deleted(leftovers) => {
                if leftovers.is_empty() {
                    self.to_delete = false;
                } else {
                    let mut names = leftovers.topics;
                    names.extend(leftovers.groups);
                    let text = format!("still at the broker: {}", names.join(", "));
                    self.downgrade(text);
                }
                if self.phase == Phase::Delete {
                    self.enter(now, Phase::Close);
                }
            }
            Reply::Failed(text) if self.phase == Phase::Delete => {
                self.downgrade(format!("could not delete topics and groups: {text}"));
                self.enter(now, Phase::Close);
            }
            Reply::Failed(text) => self.fail(now, text),
        }
    }

    fn topics_ready(&mut self, now: Instant) {
        self.topics_exist = true;
        if self.phase == Phase::Create {
            self.enter(now, Phase::Ready);
        }
    }

    /// The first failure is the reason; what is left is cleaned up.
    fn fail(&mut self, now: Instant, reason: String) {
        self.say(now, reason.clone());
        self.downgrade(reason);
        if self.phase < Phase::Leave {
            self.close_load(now);
            self.enter(now, Phase::Leave);
        }
    }

    fn downgrade(&mut self, reason: String) {
        if self.verdict.status != Status::Failed {
            // What happens while an interrupted run cleans up does not change what ended it, but
            // it has to be told.
            self.verdict.status = Status::Failed;
            self.verdict.reason = Some(match self.verdict.reason.take() {
                Some(earlier) => format!("{earlier}; {reason}"),
                None => reason,
            });
        }
    }

    fn signal(&mut self, now: Instant, signal: i32) {
        if let Some((last, at)) = self.last_signal
            && last == signal
            && now.since(at) < SAME_SIGNAL
        {
            return;
        }
        let second = self.last_signal.replace((signal, now)).is_some();
        let name = signal_name(signal);
        if second {
            self.say(now, format!("{name} again: ending at once"));
            self.end_at_once(now);
            return;
        }
        self.verdict.signal = Some(signal);
        if self.verdict.status == Status::Completed {
            self.verdict.status = Status::Interrupted;
            self.verdict.reason = Some(format!("{name} in phase {}", self.phase.name()));
        }
        self.say(now, format!("{name}: stopping; once more ends at once"));
        match self.phase {
            Phase::Connect | Phase::Create | Phase::Ready => self.enter(now, Phase::Leave),
            Phase::WarmUp | Phase::Measure => {
                self.close_load(now + INTERRUPT_AHEAD);
                self.enter(now, Phase::Drain);
            }
            _ => {}
        }
    }

    /// No drain, no goodbye: children are killed, the steward cleans up on its own.
    fn end_at_once(&mut self, now: Instant) {
        self.close_load(now);
        for role in [Role::Producer, Role::Consumer] {
            for key in self.keys(role) {
                self.actions.push(Action::Kill(key, libc::SIGKILL));
            }
        }
        self.actions.push(Action::OrphanSteward);
        if self.phase < Phase::Delete {
            self.actions.push(Action::Result);
        }
        for key in self.keys(Role::Broker) {
            self.actions.push(Action::Kill(key, libc::SIGKILL));
        }
        self.phase = Phase::Ended;
        self.actions.push(Action::End);
    }

    /// No message due from `at` on is sent, and the measured phase ends there at the latest.
    fn close_load(&mut self, at: Instant) {
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        let end = schedule.segments.last().map_or(at, |segment| segment.to);
        if at >= end {
            return;
        }
        let origin = schedule.grid.origin;
        for segment in &mut schedule.segments {
            segment.from = segment.from.min(at);
            segment.to = segment.to.min(at);
        }
        if let Some(periods) = &mut self.tally.periods {
            periods.cut_short(at.since(origin));
        }
        self.tell_all(Role::Producer, &ToChild::EndLoad(at));
    }

    fn enter(&mut self, now: Instant, phase: Phase) {
        self.phase = phase;
        match phase {
            Phase::Create => {
                self.deadline = now + self.brief.steward.deadline + Duration::from_secs(5);
                self.to_delete = true;
                let adopt = self.brief.existing_topic;
                let order = if adopt { Order::Adopt } else { Order::Create };
                self.actions.push(Action::Order(order));
            }
            Phase::Ready => {
                self.deadline = now + self.brief.workload.ready_deadline;
                for role in [Role::Consumer, Role::Producer] {
                    for key in self.keys(role) {
                        self.assign(now, key);
                    }
                }
            }
            Phase::Drain => self.deadline = now + self.brief.workload.drain_deadline,
            Phase::Leave => {
                self.deadline = now + LEAVE_WITHIN;
                for role in [Role::Producer, Role::Consumer] {
                    self.tell_all(role, &ToChild::Finish);
                }
                for child in self.children.values_mut() {
                    child.respawn_at = None;
                }
                self.show_last_seconds();
            }
            Phase::Delete => self.delete(now),
            Phase::Close => {
                self.deadline = now + Duration::from_secs(2);
                if !self.to_delete || !self.steward_up {
                    self.actions.push(Action::Order(Order::Goodbye));
                } else {
                    self.actions.push(Action::OrphanSteward);
                }
                for key in self.keys(Role::Broker) {
                    self.actions.push(Action::Kill(key, libc::SIGTERM));
                }
            }
            Phase::Ended => self.actions.push(Action::End),
            Phase::Connect | Phase::WarmUp | Phase::Measure => {}
        }
    }

    /// Shows the seconds up to the end of the load that are not shown yet.
    fn show_last_seconds(&mut self) {
        if let Some(end) = self.segment_end(LoadPhase::Measure) {
            self.show_seconds(end + SHOW_AFTER);
        }
    }

    /// Shows the seconds that are over.
    fn show_seconds(&mut self, now: Instant) {
        let (Some(periods), Some(schedule)) = (&mut self.tally.periods, &self.schedule) else {
            return;
        };
        let end = schedule
            .segments
            .last()
            .map_or(schedule.grid.origin, |segment| segment.to);
        let measured = end.since(schedule.grid.origin).as_secs_f64();
        for second in periods.due_seconds(now) {
            let phase = match second.start {
                start if start < 0.0 => Phase::WarmUp,
                start if start < measured => Phase::Measure,
                _ => Phase::Drain,
            };
            self.actions.push(Action::Second(Box::new(second), phase));
        }
    }

    fn delete(&mut self, now: Instant) {
        self.actions.push(Action::Result);
        // An embedded broker takes its topics with it.
        if self.to_delete && !self.brief.driver.embedded {
            self.deadline = now + self.brief.steward.delete_deadline + Duration::from_secs(5);
            if self.steward_up {
                self.actions.push(Action::Order(Order::Delete));
            } else {
                self.replace_steward(now);
            }
        } else {
            self.to_delete = false;
            self.enter(now, Phase::Close);
        }
    }

    /// A steward that died has a successor, but only one, which deletes what the run created.
    fn replace_steward(&mut self, now: Instant) {
        if std::mem::replace(&mut self.steward_replaced, true) {
            self.downgrade("topics and groups were not deleted: the steward died twice".to_owned());
            self.to_delete = false;
            self.enter(now, Phase::Close);
            return;
        }
        self.child(self.steward(), |child| child.incarnation += 1);
        self.spawn(Role::Steward, 0);
        self.connect_steward();
    }

    fn steward(&self) -> ChildKey {
        let incarnation = self
            .children
            .get(&(Role::Steward, 0))
            .map_or(0, |child| child.incarnation);
        ChildKey {
            role: Role::Steward,
            id: 0,
            incarnation,
        }
    }

    /// Whatever time brings: restarts, the next phase, deadlines, seconds to show.
    fn tick(&mut self, now: Instant) {
        self.respawn(now);
        if self.phase <= Phase::Drain {
            self.show_seconds(now);
        }
        loop {
            let phase = self.phase;
            self.step(now);
            if self.phase == phase {
                break;
            }
        }
        if now >= self.deadline {
            self.deadline = Instant::NEVER;
            self.too_late(now);
        }
    }

    fn respawn(&mut self, now: Instant) {
        let due = |child: &Child| child.respawn_at.is_some_and(|at| now >= at);
        let keys: Vec<(Role, u32)> = self
            .children
            .iter()
            .filter(|(_, child)| due(child))
            .map(|(key, _)| *key)
            .collect();
        for (role, id) in keys {
            if let Some(child) = self.children.get_mut(&(role, id)) {
                child.respawn_at = None;
            }
            self.spawn(role, id);
        }
    }

    /// Goes on to the next phase where this one has reached its end.
    fn step(&mut self, now: Instant) {
        match self.phase {
            Phase::Ready if self.all_ready() => self.announce(now),
            Phase::Ready if now >= self.probe_at => {
                self.probe_at = now + PROBE_AGAIN;
                self.tell_all(Role::Producer, &ToChild::Probe);
            }
            Phase::WarmUp
                if self
                    .segment_end(LoadPhase::WarmUp)
                    .is_none_or(|end| now >= end) =>
            {
                self.enter(now, Phase::Measure);
            }
            Phase::Measure
                if self
                    .segment_end(LoadPhase::Measure)
                    .is_none_or(|end| now >= end) =>
            {
                self.enter(now, Phase::Drain);
            }
            Phase::Drain if self.all_sent() && self.tally.ledger.is_drained() => {
                self.enter(now, Phase::Leave);
            }
            Phase::Leave => {
                let gone = |role| self.keys(role).is_empty();
                if gone(Role::Producer) && gone(Role::Consumer) {
                    self.enter(now, Phase::Delete);
                }
            }
            Phase::Close if self.children.values().all(|child| !child.alive) => {
                self.enter(now, Phase::Ended);
            }
            _ => {}
        }
    }

    fn segment_end(&self, phase: LoadPhase) -> Option<Instant> {
        let segments = &self.schedule.as_ref()?.segments;
        segments
            .iter()
            .find(|segment| segment.phase == phase)
            .map(|segment| segment.to)
    }

    fn all_ready(&self) -> bool {
        self.unready().is_empty()
    }

    fn all_sent(&self) -> bool {
        let mut producers = self
            .children
            .iter()
            .filter(|((role, _), _)| *role == Role::Producer);
        producers.all(|(_, child)| child.load_done)
    }

    /// Who is not ready, in words.
    fn unready(&self) -> Vec<String> {
        let plan = &self.brief.plan;
        let ready = |role| -> usize {
            let of_role = self.children.iter().filter(|((r, _), _)| *r == role);
            of_role.map(|(_, child)| child.ready.len()).sum()
        };
        let mut unready = Vec::new();
        let (joined, members) = (ready(Role::Consumer), plan.consumer_clients());
        if joined < members {
            unready.push(format!(
                "{} of {members} consumers not in their group",
                members - joined
            ));
        }
        let (proved, senders) = (ready(Role::Producer), plan.producer_clients());
        if proved < senders {
            unready.push(format!(
                "{} of {senders} producers without an acknowledged probe",
                senders - proved
            ));
        }
        for (subscription, topics) in plan.subscribed.iter().enumerate() {
            let missing = topics
                .iter()
                .find(|&&topic| !self.probed.contains(&(subscription as u32, topic)));
            if let Some(&topic) = missing {
                unready.push(format!(
                    "{} has received no probe from {}",
                    plan.groups[subscription], plan.topics[topic as usize].name
                ));
                break;
            }
        }
        unready
    }

    /// Announces the load to all clients.
    fn announce(&mut self, now: Instant) {
        let workload = &self.brief.workload;
        let begin = now + ANNOUNCE_AHEAD;
        let origin = begin + workload.warmup;
        let rate = workload.rate;
        let mut segments = Vec::new();
        if !workload.warmup.is_zero() {
            segments.push(Segment {
                phase: LoadPhase::WarmUp,
                from: begin,
                to: origin,
                rate,
            });
        }
        let to = origin + workload.duration;
        segments.push(Segment {
            phase: LoadPhase::Measure,
            from: origin,
            to,
            rate,
        });
        let grid = Grid { origin };
        self.tally.start(grid, grid.slot(begin), workload);
        let schedule = Schedule { grid, segments };
        for role in [Role::Consumer, Role::Producer] {
            self.tell_all(role, &ToChild::Load(schedule.clone()));
        }
        self.schedule = Some(schedule);
        self.deadline = Instant::NEVER;
        self.enter(now, Phase::WarmUp);
    }

    /// The deadline of the phase has come.
    fn too_late(&mut self, now: Instant) {
        match self.phase {
            Phase::Connect => {
                let who = if self.brief.driver.embedded {
                    "the embedded broker"
                } else {
                    "a broker"
                };
                self.fail(
                    now,
                    format!("no answer from {who} within {CONNECT_WITHIN:?}"),
                );
            }
            Phase::Create => self.fail(now, "the topics were not created in time".to_owned()),
            Phase::Ready => {
                let last = self.last_note.as_ref();
                let cause = last.map_or(String::new(), |note| format!("; last heard: {note}"));
                let deadline = self.brief.workload.ready_deadline.as_secs_f64();
                let who = self.unready().join("; ");
                self.fail(
                    now,
                    format!("not ready within {deadline} s (readyDeadline): {who}{cause}"),
                );
            }
            Phase::Drain => {
                let unread: u64 = self.tally.ledger.counts().iter().map(|c| c.unread).sum();
                let deadline = self.brief.workload.drain_deadline.as_secs_f64();
                let in_flight = if self.all_sent() {
                    ""
                } else {
                    " and messages without an outcome in flight"
                };
                self.tell_all(Role::Producer, &ToChild::Abandon);
                let text = format!(
                    "{unread} messages unread{in_flight} {deadline} s after the load (drainDeadline)"
                );
                self.fail(now, text);
            }
            Phase::Leave => {
                for role in [Role::Producer, Role::Consumer] {
                    for key in self.keys(role) {
                        self.say(now, format!("{key} does not end: killed"));
                        self.actions.push(Action::Kill(key, libc::SIGKILL));
                    }
                }
            }
            Phase::Delete => {
                self.downgrade("topics and groups were not deleted in time".to_owned());
                self.enter(now, Phase::Close);
            }
            Phase::Close => {
                for role in [Role::Steward, Role::Broker] {
                    // An orphaned steward goes on deleting; it is left to its work.
                    if role == Role::Broker || !self.to_delete {
                        for key in self.keys(role) {
                            self.actions.push(Action::Kill(key, libc::SIGKILL));
                        }
                    }
                }
                if self.to_delete {
                    self.enter(now, Phase::Ended);
                } else {
                    self.deadline = now + Duration::from_secs(2);
                }
            }
            Phase::WarmUp | Phase::Measure | Phase::Ended => {}
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
