//! A backlog is built, drained, given up.

use std::time::Duration;

use super::Bench;
use crate::clock::Instant;
use crate::config::Backlog;
use crate::report::Status;
use crate::supervisor::event::Event;
use crate::supervisor::machine::{INTERRUPT_AHEAD, Phase};
use crate::wire::{Role, ToChild};

const MESSAGES: u64 = 100_000;

/// A run of 10 s whose consumers stand still: the measured phase began just now.
fn building() -> Bench {
    let mut bench = Bench::with(|workload| {
        workload.backlog = Some(Backlog {
            bytes: MESSAGES * workload.message_size as u64,
            drain_ratio: 0.9,
            deadline: Duration::from_secs(60),
        });
    });
    bench.loaded();
    bench
}

impl Bench {
    fn waiting(&mut self, messages: u64) {
        self.machine.tally.outstanding = messages as i64;
        self.on(Event::Tick);
    }

    /// What consumers were told of standing still, in order.
    fn pauses(&self) -> Vec<bool> {
        let told = self.told.iter().filter_map(|(key, message)| match message {
            ToChild::Pause(paused) => Some((key.role, *paused)),
            _ => None,
        });
        told.map(|(role, paused)| {
            assert_eq!(role, Role::Consumer);
            paused
        })
        .collect()
    }

    fn load_ends(&self) -> Vec<Instant> {
        let ends = self.told.iter().filter_map(|(_, message)| match message {
            ToChild::EndLoad(at) => Some(*at),
            _ => None,
        });
        ends.collect()
    }

    fn origin(&self) -> Instant {
        self.machine.schedule.as_ref().unwrap().grid.origin
    }
}

#[test]
fn consumers_stand_still_until_it_is_built() {
    let mut bench = building();
    assert_eq!(bench.pauses(), [true, true]);
    bench.waiting(MESSAGES - 1);
    assert_eq!(bench.pauses(), [true, true]);
    bench.waiting(MESSAGES + 5);
    assert_eq!(bench.pauses(), [true, true, false, false]);
    let found = bench.machine.backlog().unwrap();
    assert_eq!(found.messages, MESSAGES + 5);
    assert!(found.built.is_some() && found.drained.is_none());
}

#[test]
fn a_run_lasts_until_it_is_drained_and_as_long_as_asked_for_at_least() {
    let mut bench = building();
    bench.waiting(MESSAGES);
    bench.pass(Duration::from_secs(2));
    bench.machine.tally.received += 90_000;
    bench.waiting(10_001);
    assert!(bench.load_ends().is_empty());
    bench.waiting(10_000);
    let length = bench.machine.workload().duration;
    assert_eq!(bench.load_ends(), [bench.origin() + length]);
    let found = bench.machine.backlog().unwrap();
    assert!((found.rate() - 45_000.0).abs() < 500.0, "{found:?}");

    let mut bench = building();
    bench.waiting(MESSAGES);
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.machine.phase(), Phase::Measure);
    bench.waiting(0);
    assert_eq!(bench.load_ends(), [bench.now + INTERRUPT_AHEAD]);
    bench.pass(Duration::from_millis(100));
    assert!(bench.machine.phase() > Phase::Measure);
    assert_eq!(bench.machine.verdict.status, Status::Completed);
}

#[test]
fn a_consumer_that_is_started_again_stands_still_too() {
    let mut bench = building();
    let dead = bench.key(Role::Consumer, 1);
    bench.dies(dead, "signal 9 (SIGKILL)");
    bench.pass(Duration::from_secs(1));
    let next = bench.key(Role::Consumer, 1);
    bench.on(Event::Joined(next));
    let last = bench.told.iter().rfind(|(key, _)| *key == next).unwrap();
    assert_eq!(last.1, ToChild::Pause(true));
}

#[test]
fn what_is_not_drained_in_time_fails_the_run_and_is_read() {
    let mut bench = building();
    bench.pass(Duration::from_secs(61));
    assert_eq!(bench.pauses(), [true, true, false, false]);
    assert_eq!(bench.machine.verdict.status, Status::Failed);
    let reason = bench.machine.verdict.reason.clone().unwrap();
    assert!(reason.contains("not built within 60 s"), "{reason}");
    assert!(bench.machine.phase() > Phase::Measure);
}

#[test]
fn after_a_signal_consumers_read_what_there_is() {
    let mut bench = building();
    bench.on(Event::Signal(libc::SIGINT));
    assert_eq!(bench.pauses(), [true, true, false, false]);
    assert_eq!(bench.machine.phase(), Phase::Drain);
}
