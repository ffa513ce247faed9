//! Children that hang, faults that are asked for, pauses, and what is known of recovery.

use std::time::Duration;

use super::Bench;
use crate::clock::Instant;
use crate::config::parse_fault;
use crate::driver::Leftovers;
use crate::report::Status;
use crate::stats::delta::{ByPhase, PhaseDelta, SlotDelta};
use crate::supervisor::event::{ChildKey, Event};
use crate::supervisor::machine::Phase;
use crate::wire::{FromChild, Reply, Role};

const KILLED: &str = "signal 9 (SIGKILL)";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Bench {
    /// Everybody but `silent` reports for a while.
    fn talk(&mut self, time: Duration, silent: Option<ChildKey>) {
        let until = self.now + time;
        while self.now < until {
            self.pass(Duration::from_millis(200));
            for role in [Role::Consumer, Role::Producer] {
                for key in self.of(role) {
                    if Some(key) != silent {
                        self.on(Event::Frame(key, FromChild::Deltas(Vec::new())));
                    }
                }
            }
        }
    }

    fn faults(faults: &[&str]) -> Self {
        let mut bench = Self::with(|workload| {
            workload.faults = faults
                .iter()
                .map(|text| parse_fault(text).unwrap())
                .collect();
            workload.restart.producers = true;
        });
        bench.loaded();
        bench
    }

    /// From now on a child hangs after this time.
    fn impatient(&mut self, hang_after: Duration) {
        self.talk(Duration::from_millis(200), None);
        self.machine.brief.workload.hang_after = hang_after;
    }

    pub(super) fn rejoin(&mut self, role: Role, id: u32) -> ChildKey {
        let key = self.key(role, id);
        self.on(Event::Joined(key));
        key
    }
}

#[test]
fn a_child_that_says_nothing_is_asked_to_end_and_then_killed() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.impatient(seconds(3));
    let silent = bench.key(Role::Consumer, 1);
    bench.talk(seconds(2), Some(silent));
    assert!(bench.hanging.is_empty());
    bench.talk(Duration::from_millis(1_400), Some(silent));
    assert_eq!(bench.hanging, [silent]);
    assert!(bench.killed.is_empty());
    bench.talk(seconds(1), Some(silent));
    assert_eq!(bench.killed, [(silent, libc::SIGKILL)]);
    bench.dies(silent, KILLED);
    let said = bench.said.last().unwrap();
    assert!(said.contains("it said nothing for 3s"), "{said}");
    assert_eq!(bench.machine.restarts(), 1);
}

#[test]
fn who_was_stopped_ourselves_blames_nobody() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.impatient(seconds(3));
    bench.talk(seconds(1), None);
    bench.now = bench.now + seconds(60);
    bench.pass(seconds(1));
    assert!(bench.hanging.is_empty(), "{:?}", bench.hanging);
}

#[test]
fn a_fault_kills_as_often_as_it_says_and_no_limit_counts_it() {
    let mut bench = Bench::faults(&["kill consumer 1 every 2s"]);
    for n in 1..=4 {
        bench.pass(seconds(2));
        assert_eq!(bench.killed.len(), n);
        let (victim, signal) = bench.killed[n - 1];
        assert_eq!(
            (victim.role, victim.id, signal),
            (Role::Consumer, 1, libc::SIGKILL)
        );
        bench.dies(victim, KILLED);
        bench.pass(Duration::from_millis(400));
        let next = bench.rejoin(Role::Consumer, 1);
        bench.on(Event::Frame(next, FromChild::FirstMessage(bench.now)));
        bench.on(Event::Frame(next, FromChild::Deltas(Vec::new())));
        bench.now = Instant(bench.now.0 - 400_000_000);
    }
    let found = bench.machine.disturbances();
    assert_eq!((found.count, found.unrecovered), (4, 0));
    assert!(
        found
            .list
            .iter()
            .all(|one| one.planned && one.what == "death")
    );
    assert_eq!(
        (bench.machine.restarts(), bench.status()),
        (4, Status::Completed)
    );
}

#[test]
fn a_stop_ends_after_its_time_and_is_no_hang() {
    let mut bench = Bench::faults(&["stop consumer 0 at 1s for 4s"]);
    bench.impatient(seconds(2));
    let victim = bench.key(Role::Consumer, 0);
    bench.talk(seconds(2), None);
    assert_eq!(bench.killed, [(victim, libc::SIGSTOP)]);
    bench.talk(Duration::from_millis(3_600), Some(victim));
    assert_eq!(bench.killed.last(), Some(&(victim, libc::SIGCONT)));
    assert!(bench.hanging.is_empty());
    bench.on(Event::Frame(
        victim,
        FromChild::Deltas(vec![SlotDelta::default()]),
    ));
    let found = bench.machine.disturbances();
    assert_eq!((found.count, found.unrecovered), (1, 0));
    assert_eq!(found.list[0].what, "stop");
}

#[test]
fn a_fault_that_finds_nobody_is_told_and_counted() {
    let mut bench = Bench::faults(&["continue consumer at 1s"]);
    bench.pass(seconds(2));
    assert_eq!(bench.machine.disturbances().missed_faults, 1);
    assert!(bench.said.iter().any(|said| said.contains("no such child")));
}

#[test]
fn nobody_stays_stopped_when_the_load_is_over() {
    let mut bench = Bench::faults(&["stop producer at 9s"]);
    bench.pass(seconds(9));
    let victim = bench.key(Role::Producer, 0);
    assert_eq!(bench.killed, [(victim, libc::SIGSTOP)]);
    bench.pass(seconds(2));
    assert!(bench.machine.phase() >= Phase::Drain);
    assert_eq!(bench.killed.last(), Some(&(victim, libc::SIGCONT)));
}

#[test]
fn a_producer_that_comes_back_goes_on_with_its_schedule_and_what_it_missed_is_unsent() {
    let mut bench = Bench::with(|workload| workload.restart.producers = true);
    bench.loaded();
    bench.pass(seconds(1));
    let first = bench.key(Role::Producer, 0);
    // 1,000 a second: the warm-up's 2,000 are sent, and 900 of the measured phase.
    bench.dies_having_sent(first, KILLED, [2_000, 900]);
    bench.pass(seconds(1));
    let second = bench.rejoin(Role::Producer, 0);
    let schedule = bench.schedule_of(second);
    let due = schedule.resume.since(schedule.grid.origin).as_millis() as u64;
    let unsent = |bench: &Bench| bench.machine.tally.load.unsent;
    assert_eq!(unsent(&bench), due - 900);
    assert_eq!(bench.machine.tally.load.unknown, 2_900);
    // The second life sends 300 more and says so, then dies in its turn; there is no third one.
    bench.pass(Duration::from_millis(500));
    let measured = PhaseDelta {
        sent: 300,
        acknowledged: 300,
        ..PhaseDelta::default()
    };
    let delta = SlotDelta {
        phases: ByPhase([PhaseDelta::default(), measured]),
        ..SlotDelta::default()
    };
    bench.on(Event::Frame(second, FromChild::Deltas(vec![delta])));
    bench.on(Event::Signal(libc::SIGTERM));
    bench.dies_having_sent(second, KILLED, [0, 300]);
    let end = bench.machine.schedule.as_ref().unwrap().segments[1].to;
    let all = end.since(schedule.grid.origin).as_millis() as u64;
    assert_eq!(unsent(&bench), all - 900 - 300);
    assert_eq!(bench.status(), Status::Interrupted, "it was allowed to die");
}

#[test]
fn a_pause_stops_everybody_and_stretches_deadlines() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.pass(seconds(9));
    bench.on(Event::Signal(libc::SIGTSTP));
    let signals: Vec<i32> = bench.killed.iter().map(|(_, signal)| *signal).collect();
    assert_eq!(signals, [libc::SIGSTOP; 3]);
    assert_eq!(bench.said.last().unwrap(), "Pause");
    bench.now = bench.now + seconds(100);
    bench.on(Event::Resumed(seconds(100)));
    let signals: Vec<i32> = bench.killed[3..]
        .iter()
        .map(|(_, signal)| *signal)
        .collect();
    assert_eq!(signals, [libc::SIGCONT; 3]);
    let consumer = bench.key(Role::Consumer, 0);
    bench.on(Event::Frame(consumer, FromChild::Deltas(Vec::new())));
    let found = bench.machine.disturbances();
    assert_eq!((&*found.list[0].what, found.unrecovered), ("pause", 0));
    assert_eq!(found.list[0].caught_up_seconds, Some(100.0));
    assert_eq!(bench.status(), Status::Completed);
}

#[test]
fn a_steward_that_was_stopped_makes_room_for_one_that_deletes() {
    let mut bench = Bench::start();
    bench.loaded();
    bench.impatient(seconds(3));
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
    assert_eq!(bench.machine.phase(), Phase::Delete);
    let stopped = bench.key(Role::Steward, 0);
    bench.pass(seconds(4));
    assert_eq!(bench.hanging, [stopped]);
    bench.dies(stopped, KILLED);
    assert_eq!(bench.deletions(), 2);
    bench.on(Event::Reply(Reply::Deleted(Leftovers::default())));
    bench.obey();
    assert!(bench.ended);
}
