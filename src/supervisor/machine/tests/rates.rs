//! Rates that change while there is load.

use super::*;
use crate::config::{RateControl, RateSearch, parse_objective};
use crate::stats::delta::{ByPhase, LoadPhase, PhaseDelta, Slot, SlotDelta};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn search() -> RateSearch {
    RateSearch {
        objectives: Vec::new(),
        start: 1_000.0,
        deadline: seconds(300),
        proof: seconds(3),
    }
}

fn control() -> RateControl {
    RateControl {
        objectives: vec![parse_objective("response.p99<100ms").unwrap()],
        errors: 0.01,
        step: 0.1,
        period: seconds(2),
        min: 1.0,
        max: 1e6,
    }
}

impl Bench {
    /// Up to the search.
    fn searching() -> Self {
        let mut bench = Self::with(|workload| {
            workload.rate = 0.0;
            workload.search = Some(search());
            workload.restart.producers = true;
        });
        bench.join();
        bench.created();
        bench.ready();
        assert_eq!(bench.machine.phase(), Phase::Search);
        bench
    }

    /// The last segment that the producer was told of, and when the one before ended.
    fn rescheduled(&self) -> Option<(Instant, crate::schedule::Segment)> {
        self.told
            .iter()
            .rev()
            .find_map(|(_, message)| match message {
                ToChild::Reschedule(at, segments) => Some((*at, segments[0])),
                _ => None,
            })
    }

    /// A slot in which this many messages were acknowledged, and this many failed.
    fn report(&mut self, slot: i64, phase: LoadPhase, acknowledged: u64, failed: u64) {
        let mut phases = ByPhase::<PhaseDelta>::default();
        let of_phase = phases.of_mut(phase);
        of_phase.sent = acknowledged + failed;
        of_phase.acknowledged = acknowledged;
        of_phase.failed = failed;
        let mut recorder = crate::stats::recorder::Recorder::default();
        recorder.record(1_000_000);
        of_phase.latencies.response = recorder.cut();
        let delta = SlotDelta {
            slot: Slot(slot),
            phases,
            ..SlotDelta::default()
        };
        let key = self.key(Role::Producer, 0);
        self.on(Event::Frame(key, FromChild::Deltas(vec![delta])));
    }
}

#[test]
fn a_rate_that_does_not_hold_is_followed_by_a_low_one_and_an_interrupted_search_measures_nothing() {
    let mut bench = Bench::searching();
    // Nothing is acknowledged.
    bench.pass(seconds(4));
    let (at, low) = bench.rescheduled().unwrap();
    assert!(low.rate < 1_000.0 && low.from == at, "{low:?}");
    let segments = &bench.machine.schedule.as_ref().unwrap().segments;
    assert_eq!((segments.len(), segments[0].to), (2, at));
    assert_eq!(bench.machine.workload().rate, 0.0);

    bench.on(Event::Signal(libc::SIGINT));
    assert_eq!(bench.machine.phase(), Phase::Drain);
    assert!(matches!(bench.told.last(), Some((_, ToChild::EndLoad(_)))));
    assert!(bench.machine.tally.periods.is_none());
    assert_eq!(bench.status(), Status::Interrupted);
}

#[test]
fn what_a_producer_missed_of_several_rates_is_unsent() {
    let mut bench = Bench::searching();
    let began = bench.machine.origin;
    let key = bench.key(Role::Producer, 0);
    bench.pass(seconds(1));
    bench.dies_having_sent(key, "signal 9", [500, 0]);
    // It was in the way of the search: the step is made again, at first at a low rate.
    bench.pass(Duration::from_millis(100));
    let [first, low] = bench.machine.schedule.as_ref().unwrap().segments[..] else {
        panic!("{:?}", bench.machine.schedule);
    };
    let at = first.to;
    bench.pass(seconds(1));
    let second = bench.rejoin(Role::Producer, 0);
    let resume = bench.schedule_of(second).resume;
    let of_first = at.since(began).as_secs_f64() * 1_000.0;
    let of_second = resume.since(at).as_secs_f64() * low.rate;
    let unsent = bench.machine.tally.load.unsent as f64;
    assert!(
        (unsent - (of_first - 500.0 + of_second)).abs() <= 2.0,
        "{unsent}"
    );
}

#[test]
fn the_rate_found_is_that_of_a_run_which_begins_with_a_slot_of_the_same_grid() {
    let mut bench = Bench::searching();
    let grid = bench.machine.schedule.as_ref().unwrap().grid;
    bench.now = bench.now + seconds(301);
    // Out of time: what held is taken, but nothing did.
    bench.on(Event::Tick);
    assert_eq!(bench.status(), Status::Failed);

    let mut bench = Bench::searching();
    let at = bench.now + ANNOUNCE_AHEAD;
    bench.machine.brief.workload.rate = 700.0;
    bench.machine.found(bench.now, at, 700.0);
    assert_eq!(bench.machine.phase(), Phase::WarmUp);
    let schedule = bench.machine.schedule.clone().unwrap();
    let [_, warm_up, measure] = schedule.segments[..] else {
        panic!("{schedule:?}");
    };
    assert_eq!((warm_up.rate, measure.rate), (700.0, 700.0));
    assert_eq!(warm_up.to.since(warm_up.from), seconds(2));
    assert_eq!(schedule.grid, grid, "clients count on");
    assert_eq!(grid.start(grid.slot(measure.from)), measure.from);
    assert_eq!(bench.machine.origin, measure.from);
    // What is reported for a slot of the clients lies where it belongs in the run.
    let slot = grid.slot(measure.from).0;
    bench.report(slot, LoadPhase::Measure, 140, 0);
    let turnover = bench
        .machine
        .tally
        .periods
        .as_mut()
        .unwrap()
        .last_turnover();
    let (index, bucket) = &turnover.periods[0];
    assert_eq!((*index, bucket.counters.acknowledged), (0, 140));
}

#[test]
fn a_controlled_rate_changes_once_a_period_and_within_its_bounds() {
    let mut bench = Bench::with(|workload| {
        workload.control = Some(RateControl {
            max: 1_050.0,
            ..control()
        });
    });
    bench.loaded();
    let began = bench.machine.origin;
    let rate = |bench: &Bench| bench.rescheduled().map(|(_, segment)| segment.rate);
    bench.report(3, LoadPhase::Measure, 1_000, 0);
    bench.pass(seconds(2));
    assert_eq!(
        rate(&bench),
        Some(1_050.0),
        "10 % more is above the maximum"
    );
    let (at, segment) = bench.rescheduled().unwrap();
    let end = began + bench.machine.workload().duration;
    assert_eq!(
        (segment.from, segment.to, segment.phase),
        (at, end, LoadPhase::Measure)
    );
    // What was measured at the old rate says nothing of the new one.
    let slot = bench.machine.schedule.as_ref().unwrap().grid.slot(at).0;
    bench.report(slot - 1, LoadPhase::Measure, 10, 90);
    bench.report(slot + 1, LoadPhase::Measure, 980, 20);
    bench.pass(Duration::from_millis(2_700));
    assert_eq!(rate(&bench), Some(1_050.0 * 0.9));
    // Nothing measured, nothing changed.
    bench.pass(Duration::from_millis(2_700));
    assert_eq!(rate(&bench), Some(1_050.0 * 0.9));
    let turnover = bench
        .machine
        .tally
        .periods
        .as_mut()
        .unwrap()
        .last_turnover();
    let rates: Vec<f64> = turnover.rates.iter().map(|change| change.rate).collect();
    assert_eq!(rates, [1_050.0, 945.0]);
}
