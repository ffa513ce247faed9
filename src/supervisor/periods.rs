//! The measured phase cut into reporting periods, and the warm-up and it into seconds for the eye.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::config::Workload;
use crate::report::hlog::LoggedPeriod;
use crate::report::{Counters, Interval};
use crate::stats::delta::{Grid, LOAD_PHASES, LoadPhase, SLOT, Slot, SlotDelta};
use crate::stats::latencies::{Latencies, LatencySummaries};

/// Seconds are shown this long after their end, so that the deltas of their last slot are in.
pub const SHOW_AFTER: Duration = Duration::from_millis(350);

/// Periods keep their histograms this long after their end, then only summaries.
const OPEN_PERIODS: usize = 2;

/// What came in for one stretch of time.
#[derive(Default)]
struct Bucket {
    counters: Counters,
    /// Of messages that nothing disturbed.
    calm: Latencies,
    /// Of the others.
    disturbed: Latencies,
    /// Receptions that acknowledgements of this stretch lead to, less those that happened in it.
    backlog_change: i64,
}

impl Bucket {
    fn add(&mut self, delta: &SlotDelta, phase: LoadPhase, message_size: u64, disturbed: bool) {
        let from = delta.phases.of(phase);
        let to = &mut self.counters;
        to.sent += from.sent;
        to.acknowledged += from.acknowledged;
        to.failed += from.failed;
        to.unknown += from.unknown;
        to.acknowledged_bytes += from.acknowledged * message_size;
        // A histogram no child of ours would send is not counted; its counters are.
        let latencies = if disturbed {
            &mut self.disturbed
        } else {
            &mut self.calm
        };
        let _ = latencies.add(&from.latencies);
    }

    fn join(&mut self, other: &Self) {
        self.counters = sum(self.counters, other.counters);
        self.calm.add_latencies(&other.calm);
        self.disturbed.add_latencies(&other.disturbed);
        self.backlog_change += other.backlog_change;
    }

    fn is_disturbed(&self) -> bool {
        self.disturbed
            .each()
            .into_iter()
            .any(|histogram| !histogram.is_empty())
    }

    /// All latencies, disturbed or not.
    fn latencies(self) -> Latencies {
        let mut all = self.calm;
        all.add_latencies(&self.disturbed);
        all
    }

    fn received(&mut self, messages: u64, message_size: u64) {
        self.counters.received += messages;
        self.counters.received_bytes += messages * message_size;
    }
}

/// The measured phase as a whole.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Its figures.
    pub interval: Interval,
    /// Its histograms.
    pub latencies: Latencies,
    /// Latencies of messages that nothing disturbed; `None` where nothing was.
    pub undisturbed: Option<LatencySummaries>,
}

/// Which stretch of the measured phase each slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cuts {
    /// Slots of the measured phase, a last one that is not whole included.
    slots: i64,
    /// Slots per period.
    period: i64,
    length: Duration,
}

impl Cuts {
    fn new(length: Duration, period: Duration) -> Self {
        let slots = length.as_nanos().div_ceil(SLOT.as_nanos()) as i64;
        Self {
            slots,
            period: (period.as_nanos() / SLOT.as_nanos()).max(1) as i64,
            length,
        }
    }

    /// How many periods; a last one of less than half the length joins the one before.
    fn count(self) -> usize {
        let whole = self.slots / self.period;
        let rest = self.slots % self.period;
        (whole + i64::from(rest * 2 >= self.period && rest > 0)).max(1) as usize
    }

    fn of(self, slot: Slot) -> usize {
        ((slot.0.max(0) / self.period) as usize).min(self.count() - 1)
    }

    /// (start, length) in seconds.
    fn span(self, index: usize) -> (f64, f64) {
        let at = |index: usize| SLOT.as_secs_f64() * (index as i64 * self.period) as f64;
        let end = if index + 1 == self.count() {
            self.length.as_secs_f64()
        } else {
            at(index + 1)
        };
        (at(index), (end - at(index)).max(1e-9))
    }
}

/// Everything that came in, by second, by period and in total.
pub struct Periods {
    grid: Grid,
    /// Payload bytes of each message.
    message_size: u64,
    cuts: Cuts,
    /// Seconds not shown yet, by number, with both phases.
    seconds: BTreeMap<i64, Bucket>,
    next_second: i64,
    /// Periods with histograms, by index.
    open: BTreeMap<usize, Bucket>,
    finished: Vec<Interval>,
    /// All finished periods.
    total: Bucket,
    /// Messages of the measured phase received, whenever that was.
    received: u64,
    /// Finished periods with their histograms, if somebody wants them.
    logged: Option<Vec<LoggedPeriod>>,
    /// Backlog at the end of the seconds shown, and of the periods finished.
    backlog_shown: i64,
    backlog_finished: i64,
    /// First slot in which a message of the measured phase was received.
    first_received: Option<i64>,
    unsent: u64,
    queue_full: u64,
}

impl Periods {
    /// For a measured phase that begins at the grid's origin; the warm-up began at slot `first`.
    pub fn new(grid: Grid, first: Slot, workload: &Workload) -> Self {
        Self {
            grid,
            message_size: workload.message_size as u64,
            cuts: Cuts::new(workload.duration, workload.report_period),
            seconds: BTreeMap::new(),
            next_second: second(first),
            open: BTreeMap::new(),
            finished: Vec::new(),
            total: Bucket::default(),
            received: 0,
            logged: None,
            backlog_shown: 0,
            backlog_finished: 0,
            first_received: None,
            unsent: 0,
            queue_full: 0,
        }
    }

    /// Keeps the histograms of periods that end from now on for [`Periods::logged`].
    pub fn log(&mut self) {
        self.logged = Some(Vec::new());
    }

    /// Takes the periods that ended since the last call, and says when the measured phase began.
    pub fn logged(&mut self) -> (Instant, Vec<LoggedPeriod>) {
        let logged = self.logged.as_mut().map(std::mem::take);
        (self.grid.start(Slot(0)), logged.unwrap_or_default())
    }

    /// The measured phase ends earlier than planned (zero: it never began).
    pub fn cut_short(&mut self, length: Duration) {
        let cuts = Cuts {
            length,
            ..Cuts::new(length, SLOT * self.cuts.period as u32)
        };
        // What is finished stays so: a period can't be taken back once it is on disk.
        if cuts.slots < self.cuts.slots {
            self.cuts = cuts;
            let count = self.cuts.count().max(self.finished.len());
            let beyond = self.open.split_off(&count);
            for bucket in beyond.into_values() {
                self.open.entry(count - 1).or_default().join(&bucket);
            }
        }
    }

    /// Adds what one child learnt in one slot. `expected` receptions follow from its
    /// acknowledgements; `new` messages were received for the first time, by phase. Latencies of a
    /// `disturbed` slot are told from the others.
    pub fn add(&mut self, delta: &SlotDelta, expected: u64, new: [u64; 2], disturbed: bool) {
        let unsent = |phase| delta.phases.of(phase).unsent;
        self.unsent += LOAD_PHASES.into_iter().map(unsent).sum::<u64>();
        self.queue_full += delta.phases.of(LoadPhase::Measure).queue_full;
        let change = expected as i64 - new.iter().sum::<u64>() as i64;
        let size = self.message_size;

        let shown = self.next_second.max(second(delta.slot));
        let bucket = self.seconds.entry(shown).or_default();
        for phase in LOAD_PHASES {
            bucket.add(delta, phase, size, disturbed);
            bucket.received(new[phase as usize], size);
        }
        bucket.backlog_change += change;

        let received = new[LoadPhase::Measure as usize];
        let mut counted = received;
        if received > 0 {
            let first = *self.first_received.get_or_insert(delta.slot.0);
            // The load of the measured phase is read within an equal stretch of time that begins
            // with its first message; what comes later is backlog, not a rate.
            if delta.slot.0 > self.cuts.slots + first.max(0) {
                counted = 0;
            }
        }
        let index = self.cuts.of(delta.slot).max(self.finished.len());
        let index = index.min(self.cuts.count().max(self.finished.len() + 1) - 1);
        let bucket = self.open.entry(index).or_default();
        bucket.add(delta, LoadPhase::Measure, size, disturbed);
        bucket.received(counted, size);
        bucket.backlog_change += change;
        self.received += received;
        while self.open.len() > OPEN_PERIODS {
            self.finish_one();
        }
    }

    /// Seconds that are over and have not been shown, as of `since` the grid's origin.
    pub fn due_seconds(&mut self, now: Instant) -> Vec<Interval> {
        let mut due = Vec::new();
        loop {
            let end = self
                .grid
                .start(Slot((self.next_second + 1) * SLOTS_PER_SECOND));
            if now < end + SHOW_AFTER {
                return due;
            }
            due.push(self.show_second());
        }
    }

    /// The second that is running, for the last line of a run.
    pub fn show_second(&mut self) -> Interval {
        let number = self.next_second;
        self.next_second += 1;
        let bucket = self.seconds.remove(&number).unwrap_or_default();
        self.backlog_shown += bucket.backlog_change;
        Interval {
            start: number as f64,
            seconds: 1.0,
            counters: bucket.counters,
            backlog: self.backlog_shown.max(0) as u64,
            disturbed: bucket.is_disturbed(),
            latencies: bucket.latencies().summaries(),
        }
    }

    fn finish_one(&mut self) {
        let index = self.finished.len();
        let bucket = self.open.remove(&index).unwrap_or_default();
        self.backlog_finished += bucket.backlog_change;
        let (start, seconds) = self.cuts.span(index);
        self.total.join(&bucket);
        let (counters, disturbed) = (bucket.counters, bucket.is_disturbed());
        let latencies = bucket.latencies();
        self.finished.push(Interval {
            start,
            seconds,
            counters,
            backlog: self.backlog_finished.max(0) as u64,
            disturbed,
            latencies: latencies.summaries(),
        });
        if let Some(logged) = &mut self.logged {
            logged.push(LoggedPeriod {
                start: Duration::from_secs_f64(start),
                length: Duration::from_secs_f64(seconds),
                latencies,
            });
        }
    }

    /// All periods, finished; at least one.
    pub fn finish(&mut self) -> &[Interval] {
        while self.finished.len() < self.cuts.count() || !self.open.is_empty() {
            self.finish_one();
        }
        &self.finished
    }

    /// The measured phase as a whole.
    pub fn total(&self) -> Measured {
        let mut total = Bucket::default();
        total.join(&self.total);
        self.open.values().for_each(|bucket| total.join(bucket));
        total.counters.received = self.received;
        total.counters.received_bytes = self.received * self.message_size;
        let (counters, disturbed) = (total.counters, total.is_disturbed());
        let backlog = total.backlog_change.max(0) as u64;
        let undisturbed = disturbed.then(|| total.calm.summaries());
        let latencies = total.latencies();
        Measured {
            interval: Interval {
                start: 0.0,
                seconds: self.cuts.length.as_secs_f64().max(1e-9),
                counters,
                backlog,
                disturbed,
                latencies: latencies.summaries(),
            },
            latencies,
            undisturbed,
        }
    }

    /// How often a client's queue was full when a message of the measured phase was due.
    pub fn queue_full(&self) -> u64 {
        self.queue_full
    }

    /// Messages due and never sent, warm-up included.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }
}

const SLOTS_PER_SECOND: i64 = 1_000 / SLOT.as_millis() as i64;

fn second(slot: Slot) -> i64 {
    slot.0.div_euclid(SLOTS_PER_SECOND)
}

fn sum(a: Counters, b: Counters) -> Counters {
    Counters {
        sent: a.sent + b.sent,
        acknowledged: a.acknowledged + b.acknowledged,
        failed: a.failed + b.failed,
        unknown: a.unknown + b.unknown,
        received: a.received + b.received,
        acknowledged_bytes: a.acknowledged_bytes + b.acknowledged_bytes,
        received_bytes: a.received_bytes + b.received_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::workload;
    use crate::stats::delta::{ByPhase, PhaseDelta};
    use crate::stats::latencies::LatencyRecorders;

    const GRID: Grid = Grid {
        origin: Instant(100_000_000_000),
    };

    fn periods(seconds: u64, period: u64) -> Periods {
        let mut workload = workload();
        workload.duration = Duration::from_secs(seconds);
        workload.report_period = Duration::from_secs(period);
        workload.message_size = 100;
        Periods::new(GRID, Slot(0), &workload)
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
            periods.add(&delta(slot, 10), 10, [0, 10], false);
        }
        periods.add(&delta(101, 7), 7, [0, 7], false);
        let counts: Vec<u64> = periods
            .finish()
            .iter()
            .map(|interval| interval.counters.acknowledged)
            .collect();
        assert_eq!(counts, [500, 507]);
        let total = periods.total().interval;
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
            periods.add(&delta(slot, 10), 10, [0, 5], false);
        }
        for slot in 50..100 {
            periods.add(&delta(slot, 0), 0, [0, 5], false);
        }
        let interval = periods.finish()[0].clone();
        assert_eq!(interval.counters.acknowledged, 500);
        // 250 within the phase, and 5 in the slot that may hold its last messages.
        assert_eq!(interval.counters.received, 255);
        assert_eq!(periods.total().interval.counters.received, 500);
    }

    #[test]
    fn the_backlog_of_a_period_is_what_was_not_received_by_its_end() {
        let mut periods = periods(20, 10);
        periods.add(&delta(3, 100), 200, [0, 30], false);
        periods.add(&delta(60, 0), 0, [0, 150], false);
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
            periods.add(&delta(slot, 1), 1, [0, 1], false);
        }
        periods.cut_short(Duration::from_millis(12_400));
        let intervals = periods.finish();
        assert_eq!(intervals.len(), 1, "2.4 s are less than half a period");
        assert!((intervals[0].seconds - 12.4).abs() < 1e-9);
        assert_eq!(intervals[0].counters.acknowledged, 62);
    }

    #[test]
    fn seconds_are_shown_once_each_and_late_deltas_still_count() {
        let mut periods = periods(10, 10);
        periods.add(&delta(0, 10), 10, [0, 10], false);
        let after = |millis| GRID.origin + Duration::from_millis(millis);
        assert!(periods.due_seconds(after(1_000)).is_empty());
        let first = periods.due_seconds(after(1_350));
        assert_eq!((first.len(), first[0].counters.acknowledged), (1, 10));
        periods.add(&delta(1, 5), 5, [0, 5], false);
        let second = periods.due_seconds(after(2_350));
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
        let mut periods = periods(20, 10);
        periods.add(&recorded(3, 1_000), 1, [0, 1], false);
        assert!(periods.total().undisturbed.is_none());
        periods.add(&recorded(4, 9_000_000), 1, [0, 1], true);
        periods.add(&recorded(60, 2_000), 1, [0, 1], false);
        let disturbed: Vec<bool> = periods.finish().iter().map(|p| p.disturbed).collect();
        assert_eq!(disturbed, [true, false]);
        let total = periods.total();
        let undisturbed = total.undisturbed.unwrap().publish;
        assert_eq!((undisturbed.count, undisturbed.max), (2, 2_000.0));
        let all = total.interval.latencies.publish;
        assert_eq!((all.count, all.max), (3, 9_000_000.0));
    }
}
