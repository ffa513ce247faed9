use super::*;
use crate::config::testing::workload;
use crate::report::fold::{End, Fold};
use crate::report::{Run, testing};
use crate::stats::delta::{ByPhase, PhaseDelta};
use crate::stats::latencies::LatencyRecorders;

const GRID: Grid = Grid {
    origin: Instant(100_000_000_000),
};

fn workload_of(seconds: u64, period: u64) -> Workload {
    Workload {
        duration: Duration::from_secs(seconds),
        report_period: Duration::from_secs(period),
        message_size: 100,
        ..workload()
    }
}

/// What comes in, and what its records come to.
struct Periods {
    incoming: super::Periods,
    fold: Fold,
}

fn periods(seconds: u64, period: u64) -> Periods {
    let workload = workload_of(seconds, period);
    Periods {
        incoming: super::Periods::new(GRID, Slot(0), &workload),
        fold: Fold::new(&workload),
    }
}

impl Periods {
    fn add(&mut self, delta: &SlotDelta, expected: u64, new: [u64; 2]) {
        self.incoming.add(delta.slot, delta, expected, new, false);
    }

    fn result(&mut self) -> Run {
        self.fold.add(&self.incoming.last_turnover());
        self.fold.result(testing::run(), &End::Orderly)
    }

    fn finish(&mut self) -> Vec<Interval> {
        self.result().periods
    }
}

/// Messages of the measured phase acknowledged in a slot.
fn delta(slot: i64, acknowledged: u64) -> SlotDelta {
    let measured = PhaseDelta {
        acknowledged,
        ..PhaseDelta::default()
    };
    SlotDelta {
        slot: Slot(slot),
        phases: ByPhase([PhaseDelta::default(), measured]),
        ..SlotDelta::default()
    }
}

fn lengths(seconds: u64, period: u64) -> Vec<f64> {
    periods(seconds, period)
        .finish()
        .iter()
        .map(|interval| interval.seconds)
        .collect()
}

#[test]
fn a_last_period_of_less_than_half_its_length_joins_the_one_before() {
    assert_eq!(lengths(30, 10), [10.0, 10.0, 10.0]);
    assert_eq!(lengths(34, 10), [10.0, 10.0, 14.0]);
    assert_eq!(lengths(35, 10), [10.0, 10.0, 10.0, 5.0]);
    assert_eq!(lengths(3, 10), [3.0]);
}

#[test]
fn what_is_acknowledged_after_the_end_joins_the_last_period() {
    let mut periods = periods(20, 10);
    for slot in 0..100 {
        periods.add(&delta(slot, 10), 10, [0, 10]);
    }
    periods.add(&delta(101, 7), 7, [0, 7]);
    let counts: Vec<u64> = periods
        .finish()
        .iter()
        .map(|interval| interval.counters.acknowledged)
        .collect();
    assert_eq!(counts, [500, 507]);
    let total = periods.result().total;
    assert_eq!(
        (total.counters.acknowledged, total.counters.received),
        (1_007, 1_007)
    );
    assert_eq!(
        (total.counters.acknowledged_bytes, total.backlog),
        (100_700, 0)
    );
}

#[test]
fn a_backlog_read_after_the_end_is_no_rate() {
    let mut periods = periods(10, 10);
    for slot in 0..50 {
        periods.add(&delta(slot, 10), 10, [0, 5]);
    }
    for slot in 50..100 {
        periods.add(&delta(slot, 0), 0, [0, 5]);
    }
    let interval = periods.finish()[0].clone();
    assert_eq!(interval.counters.acknowledged, 500);
    // 250 within the phase, and 5 in the slot that may hold its last messages.
    assert_eq!(interval.counters.received, 255);
    assert_eq!(periods.result().total.counters.received, 500);
}

#[test]
fn the_backlog_of_a_period_is_what_was_not_received_by_its_end() {
    let mut periods = periods(20, 10);
    periods.add(&delta(3, 100), 200, [0, 30]);
    periods.add(&delta(60, 0), 0, [0, 150]);
    let backlog: Vec<u64> = periods
        .finish()
        .iter()
        .map(|interval| interval.backlog)
        .collect();
    assert_eq!(backlog, [170, 20]);
}

#[test]
fn an_interrupted_phase_is_as_long_as_it_was() {
    let mut periods = periods(60, 10);
    for slot in 0..62 {
        periods.add(&delta(slot, 1), 1, [0, 1]);
    }
    periods.incoming.cut_short(Duration::from_millis(12_400));
    let intervals = periods.finish();
    assert_eq!(intervals.len(), 1, "2.4 s are less than half a period");
    assert!((intervals[0].seconds - 12.4).abs() < 1e-9);
    assert_eq!(intervals[0].counters.acknowledged, 62);
}

#[test]
fn seconds_are_shown_once_each_and_late_deltas_still_count() {
    let mut periods = periods(10, 10);
    periods.add(&delta(0, 10), 10, [0, 10]);
    let after = |millis| GRID.origin + Duration::from_millis(millis);
    assert!(periods.incoming.due_seconds(after(1_000)).is_empty());
    let first = periods.incoming.due_seconds(after(1_350));
    assert_eq!((first.len(), first[0].counters.acknowledged), (1, 10));
    periods.add(&delta(1, 5), 5, [0, 5]);
    let second = periods.incoming.due_seconds(after(2_350));
    assert_eq!((second.len(), second[0].counters.acknowledged), (1, 5));
    assert_eq!(periods.finish()[0].counters.acknowledged, 15);
}

#[test]
fn latencies_of_disturbed_slots_are_told_from_the_others() {
    let recorded = |slot, nanos| {
        let mut recorders = LatencyRecorders::default();
        recorders.publish.record(nanos);
        let mut delta = delta(slot, 1);
        delta.phases.of_mut(LoadPhase::Measure).latencies = recorders.cut();
        delta
    };
    let calm = [recorded(3, 1_000), recorded(60, 2_000)];
    let mut periods = periods(20, 10);
    for delta in &calm {
        periods.add(delta, 1, [0, 1]);
    }
    let mut undisturbed = self::periods(20, 10);
    undisturbed.add(&calm[0], 1, [0, 1]);
    assert!(undisturbed.result().undisturbed.is_none());
    periods
        .incoming
        .add(Slot(4), &recorded(4, 9_000_000), 1, [0, 1], true);
    let run = periods.result();
    let disturbed: Vec<bool> = run.periods.iter().map(|p| p.disturbed).collect();
    assert_eq!(disturbed, [true, false]);
    let calm = run.undisturbed.unwrap().publish;
    assert_eq!((calm.count, calm.max), (2, 2_000.0));
    let all = run.total.latencies.publish;
    assert_eq!((all.count, all.max), (3, 9_000_000.0));
}
