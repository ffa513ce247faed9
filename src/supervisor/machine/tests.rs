//! The state machine without processes: what it orders, and that it always ends.

mod backlog;
mod random;
mod rates;
mod recovery;
mod sweeping;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::testing::workload;
use crate::config::{KafkaConfig, System};
use crate::driver::Leftovers;
use crate::plan::RunId;
use crate::supervisor::event::Death;
use crate::wire::{FromChild, Order, Reply};

const STEP: Duration = Duration::from_millis(20);

/// A machine, its time, and everything it ordered.
struct Bench {
    machine: Machine,
    now: Instant,
    alive: BTreeSet<ChildKey>,
    orders: Vec<Order>,
    told: Vec<(ChildKey, ToChild)>,
    said: Vec<String>,
    spawned: Vec<ChildKey>,
    killed: Vec<(ChildKey, i32)>,
    hanging: Vec<ChildKey>,
    buried: Vec<u32>,
    results: u32,
    ended: bool,
}

fn brief() -> Brief {
    let mut workload = workload();
    workload.consumers_per_subscription = 2;
    workload.consumer_processes = Some(2);
    // Nobody here reports five times a second.
    workload.hang_after = Duration::from_secs(86_400);
    let plan = Plan::new(&workload, RunId(7), None, 2);
    let driver = Driver {
        name: "kafka".to_owned(),
        system: System::Kafka(KafkaConfig::default()),
        embedded: false,
    };
    Brief {
        steward: StewardAssignment {
            driver: driver.clone(),
            topics: plan.topics.clone(),
            groups: plan.groups(),
            delete_topics: true,
            message_size: 1,
            compressed: false,
            directory: PathBuf::new(),
            journal: None,
            created: false,
            deadline: Duration::from_secs(15),
            delete_deadline: Duration::from_secs(15),
        },
        broker: BrokerAssignment {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            memory: None,
        },
        workload,
        driver,
        plan,
        run: 7,
        epoch: Instant(0),
        existing_topic: false,
    }
}

impl Bench {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Workload)) -> Self {
        let mut brief = brief();
        change(&mut brief.workload);
        let mut bench = Self {
            machine: Machine::new(brief),
            now: Instant(1_000_000_000),
            alive: BTreeSet::new(),
            orders: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
            spawned: Vec::new(),
            killed: Vec::new(),
            hanging: Vec::new(),
            buried: Vec::new(),
            results: 0,
            ended: false,
        };
        let actions = bench.machine.start(bench.now);
        bench.note(actions);
        bench
    }

    fn note(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.ended, "{action:?} after the end");
            match action {
                Action::Spawn(key) => {
                    assert!(self.alive.insert(key), "{key} is started twice");
                    self.spawned.push(key);
                }
                Action::Tell(key, message) => {
                    assert!(
                        self.alive.contains(&key),
                        "{key} is dead, and told {message:?}"
                    );
                    self.told.push((key, message));
                }
                Action::Order(order) => self.orders.push(order),
                Action::Say(text) => self.said.push(text),
                Action::Result => self.results += 1,
                Action::End => self.ended = true,
                Action::Kill(key, signal) => self.killed.push((key, signal)),
                Action::EndHanging(key) => self.hanging.push(key),
                Action::Pause | Action::Snapshot => self.said.push(format!("{action:?}")),
                Action::OrphanSteward | Action::Second(..) => {}
                Action::Bury(runs) => self.buried.extend(runs),
            }
        }
    }

    fn on(&mut self, event: Event) {
        if !self.ended {
            let actions = self.machine.on(self.now, event);
            self.note(actions);
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until && !self.ended {
            self.now = self.now + STEP;
            self.on(Event::Tick);
        }
    }

    fn key(&self, role: Role, id: u32) -> ChildKey {
        *self
            .alive
            .iter()
            .find(|key| key.role == role && key.id == id)
            .unwrap()
    }

    fn dies(&mut self, key: ChildKey, how: &str) {
        self.dies_having_sent(key, how, [0; 2]);
    }

    fn dies_having_sent(&mut self, key: ChildKey, how: &str, published: [u64; 2]) {
        self.alive.remove(&key);
        let how = how.to_owned();
        let last_words = Vec::new();
        let death = Death {
            how,
            last_words,
            published,
        };
        self.on(Event::Exited(key, death));
    }

    fn of(&self, role: Role) -> Vec<ChildKey> {
        self.alive
            .iter()
            .filter(|key| key.role == role)
            .copied()
            .collect()
    }

    fn join(&mut self) {
        for role in [Role::Consumer, Role::Producer] {
            for key in self.of(role) {
                self.on(Event::Joined(key));
            }
        }
    }

    fn created(&mut self) {
        self.on(Event::Reply(Reply::Connected(None)));
        self.on(Event::Reply(Reply::Created));
    }

    fn ready(&mut self) {
        for key in self.of(Role::Consumer) {
            self.on(Event::Frame(key, FromChild::ClientReady(0)));
        }
        self.on(Event::Frame(
            self.key(Role::Consumer, 0),
            FromChild::Probed(vec![(0, 0)]),
        ));
        self.on(Event::Frame(
            self.key(Role::Producer, 0),
            FromChild::ClientReady(0),
        ));
    }

    /// Up to the measured phase.
    fn loaded(&mut self) {
        self.join();
        self.created();
        self.ready();
        assert_eq!(self.machine.phase(), Phase::WarmUp);
        self.pass(Duration::from_secs(3));
        assert_eq!(self.machine.phase(), Phase::Measure);
    }

    /// Children end when told to; the steward deletes.
    fn obey(&mut self) {
        for role in [Role::Producer, Role::Consumer] {
            for key in self.of(role) {
                self.dies(key, "exit 0");
            }
        }
        if self.machine.phase() == Phase::Delete {
            self.on(Event::Reply(Reply::Deleted(Leftovers::default())));
        }
        for key in self.of(Role::Steward) {
            self.dies(key, "exit 0");
        }
    }

    /// The load that a child was told.
    fn schedule_of(&self, key: ChildKey) -> Schedule {
        let mut told = self.told.iter().filter(|(to, _)| *to == key);
        told.find_map(|(_, message)| match message {
            ToChild::Load(schedule) => Some(schedule.clone()),
            _ => None,
        })
        .unwrap()
    }

    fn deletions(&self) -> usize {
        self.orders
            .iter()
            .filter(|order| **order == Order::Delete)
            .count()
    }

    fn status(&self) -> Status {
        self.machine.verdict.status
    }

    fn reason(&self) -> &str {
        self.machine.verdict.reason.as_deref().unwrap_or_default()
    }
}

#[test]
fn a_run_goes_through_its_phases_and_ends() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.machine.phase(), Phase::Drain);
    bench.on(Event::Frame(
        bench.key(Role::Producer, 0),
        FromChild::LoadDone,
    ));
    assert_eq!(bench.machine.phase(), Phase::Leave);
    bench.obey();
    assert!(bench.ended);
    assert_eq!(
        (bench.status(), bench.deletions(), bench.results),
        (Status::Completed, 1, 1)
    );
    assert_eq!(bench.orders.last(), Some(&Order::Goodbye));
}

#[test]
fn a_signal_in_any_phase_ends_the_run_with_a_deletion_where_something_was_created() {
    type Reach = fn(&mut Bench);
    let steps: [(Phase, Reach); 5] = [
        (Phase::Connect, |_| {}),
        (Phase::Create, |bench| {
            bench.on(Event::Reply(Reply::Connected(None)));
        }),
        (Phase::Ready, Bench::created),
        (Phase::WarmUp, |bench| {
            bench.join();
            bench.created();
            bench.ready();
        }),
        (Phase::Measure, Bench::loaded),
    ];
    for (phase, reach) in steps {
        let mut bench = Bench::start();
        reach(&mut bench);
        assert_eq!(bench.machine.phase(), phase);
        bench.on(Event::Signal(libc::SIGTERM));
        for key in bench.of(Role::Producer) {
            bench.on(Event::Frame(key, FromChild::LoadDone));
        }
        bench.obey();
        assert!(bench.ended, "{phase:?}");
        assert_eq!(bench.status(), Status::Interrupted, "{phase:?}");
        assert_eq!(bench.machine.verdict.signal, Some(libc::SIGTERM));
        assert_eq!(
            bench.deletions(),
            usize::from(phase > Phase::Connect),
            "{phase:?}"
        );
    }
}

#[test]
fn the_same_signal_at_once_is_one_and_another_one_ends_the_run() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.on(Event::Signal(libc::SIGINT));
    bench.on(Event::Signal(libc::SIGINT));
    assert!(!bench.ended);
    bench.now = bench.now + SAME_SIGNAL;
    bench.on(Event::Signal(libc::SIGINT));
    assert!(bench.ended);
    assert_eq!(bench.results, 1);
}

#[test]
fn a_consumer_that_dies_gets_another_life_and_the_same_schedule() {
    let mut bench = Bench::start();
    bench.loaded();
    let first = bench.key(Role::Consumer, 1);
    bench.dies(first, "signal 9 (SIGKILL)");
    bench.pass(Duration::from_secs(1));
    let second = bench.key(Role::Consumer, 1);
    assert_eq!(second.incarnation, 1);
    bench.on(Event::Joined(second));
    let schedule = |key| {
        let Schedule { grid, segments, .. } = bench.schedule_of(key);
        (grid, segments)
    };
    assert_eq!(schedule(second), schedule(first));
    assert_eq!(
        (bench.status(), bench.machine.restarts()),
        (Status::Completed, 1)
    );
}

#[test]
fn one_death_too_many_fails_the_run_and_names_the_cause() {
    let mut bench = Bench::start();
    bench.loaded();
    for _ in 0..4 {
        let key = bench.key(Role::Consumer, 0);
        bench.dies(key, "signal 11 (SIGSEGV)");
        bench.pass(Duration::from_millis(2_100));
    }
    assert_eq!(bench.machine.phase(), Phase::Leave);
    assert!(bench.reason().contains("SIGSEGV"), "{}", bench.reason());
    bench.obey();
    assert!(bench.ended);
    assert_eq!((bench.status(), bench.deletions()), (Status::Failed, 1));
}

#[test]
fn a_producer_that_dies_fails_the_run_once_what_it_sent_is_read() {
    let mut bench = Bench::start();
    bench.loaded();
    let key = bench.key(Role::Producer, 0);
    bench.dies_having_sent(key, "signal 9 (SIGKILL)", [1_000, 500]);
    // Nothing it sent was acknowledged, so there is nothing to wait for.
    assert_eq!(bench.machine.phase(), Phase::Leave);
    let load = bench.machine.tally.load;
    assert_eq!((load.sent, load.unknown), (1_500, 1_500));
    bench.obey();
    assert!(bench.ended);
    assert_eq!(bench.status(), Status::Failed);
    assert!(
        bench.reason().contains("producer 0 died: signal 9"),
        "{}",
        bench.reason()
    );
}

#[test]
fn a_steward_that_dies_under_load_has_a_successor_and_the_run_goes_on() {
    let mut bench = Bench::start();
    bench.loaded();
    for incarnation in 1..=3 {
        bench.dies(bench.key(Role::Steward, 0), "signal 9 (SIGKILL)");
        assert_eq!(bench.key(Role::Steward, 0).incarnation, incarnation);
    }
    bench.on(Event::Reply(Reply::Failed("no broker".to_owned())));
    assert_eq!(
        (bench.machine.phase(), bench.status()),
        (Phase::Measure, Status::Completed)
    );
    // That was as often as others may die, too.
    bench.dies(bench.key(Role::Steward, 0), "signal 9 (SIGKILL)");
    assert_eq!(bench.status(), Status::Failed);
    bench.obey();
    assert!(bench.ended);
    assert_eq!(bench.deletions(), 1);
}

#[test]
fn a_steward_that_dies_deleting_has_one_successor_which_deletes() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.on(Event::Signal(libc::SIGINT));
    bench.on(Event::Frame(
        bench.key(Role::Producer, 0),
        FromChild::LoadDone,
    ));
    for role in [Role::Producer, Role::Consumer] {
        for key in bench.of(role) {
            bench.dies(key, "exit 0");
        }
    }
    assert_eq!(bench.deletions(), 1);
    bench.dies(bench.key(Role::Steward, 0), "signal 9 (SIGKILL)");
    let successor = bench.key(Role::Steward, 0);
    assert_eq!((successor.incarnation, bench.deletions()), (1, 2));
    bench.on(Event::Reply(Reply::Connected(None)));
    bench.on(Event::Reply(Reply::Deleted(Leftovers::default())));
    bench.dies(successor, "exit 0");
    assert!(bench.ended);
    assert_eq!(bench.status(), Status::Failed);
}

#[test]
fn who_is_not_ready_in_time_is_named() {
    let mut bench = Bench::start();
    bench.join();
    bench.created();
    let consumer = bench.key(Role::Consumer, 0);
    bench.on(Event::Frame(consumer, FromChild::ClientReady(0)));
    bench.on(Event::Frame(
        consumer,
        FromChild::Note("no route to host".to_owned()),
    ));
    bench.pass(Duration::from_secs(61));
    assert_eq!(bench.status(), Status::Failed);
    for word in [
        "1 of 2 consumers",
        "1 of 1 producers",
        "sub-000",
        "no route to host",
    ] {
        assert!(
            bench.reason().contains(word),
            "{word} in {}",
            bench.reason()
        );
    }
}

#[test]
fn what_is_still_at_the_broker_fails_the_run() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.on(Event::Signal(libc::SIGINT));
    bench.on(Event::Frame(
        bench.key(Role::Producer, 0),
        FromChild::LoadDone,
    ));
    for role in [Role::Producer, Role::Consumer] {
        for key in bench.of(role) {
            bench.dies(key, "exit 0");
        }
    }
    let left = Leftovers {
        topics: vec!["test-topic-0-x".to_owned()],
        groups: Vec::new(),
    };
    bench.on(Event::Reply(Reply::Deleted(left)));
    bench.pass(Duration::from_secs(5));
    assert!(bench.ended);
    assert_eq!(bench.status(), Status::Failed);
    assert!(bench.reason().contains("SIGINT") && bench.reason().contains("test-topic-0-x"));
}
