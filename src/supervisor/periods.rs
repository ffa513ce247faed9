//! What came in, cut into reporting periods for the records, and into seconds for the eye.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::config::Workload;
use crate::report::Interval;
use crate::report::fold::Cuts;
use crate::report::record::{Bucket, Turnover};
use crate::report::search::RateChange;
use crate::stats::delta::{Grid, LOAD_PHASES, LoadPhase, SLOT, Slot, SlotDelta};

/// Seconds are shown this long after their end, so that the deltas of their last slot are in.
pub const SHOW_AFTER: Duration = Duration::from_millis(350);

/// Seconds from record to record: as many as a period has, but not more than this, which is what
/// a run can lose whose supervisor is killed.
const RECORD_SECONDS: u64 = 10;

/// What came in between two records.
#[derive(Default)]
struct Window {
    /// By index of the period.
    periods: BTreeMap<usize, Bucket>,
    /// Messages of the measured phase received, whenever that was.
    received: u64,
}

/// Everything that came in: by second, and by period within what is going to be a record.
pub struct Periods {
    grid: Grid,
    /// Payload bytes of each message.
    message_size: u64,
    cuts: Cuts,
    /// Seconds not shown yet, by number, with both phases.
    seconds: BTreeMap<i64, Bucket>,
    next_second: i64,
    /// What is in no record yet, by number; each is `window_seconds` long.
    windows: BTreeMap<i64, Window>,
    window_seconds: i64,
    next_window: i64,
    /// How the rate changed, as far as that is in no record yet.
    rates: Vec<RateChange>,
    /// Backlog at the end of the seconds shown.
    backlog_shown: i64,
    /// First slot in which a message of the measured phase was received.
    first_received: Option<i64>,
    queue_full: u64,
}

impl Periods {
    /// For a measured phase that begins at the grid's origin; the warm-up began at slot `first`.
    pub fn new(grid: Grid, first: Slot, workload: &Workload) -> Self {
        let window_seconds = workload.report_period.as_secs().clamp(1, RECORD_SECONDS) as i64;
        Self {
            grid,
            message_size: workload.message_size as u64,
            cuts: Cuts::new(workload),
            seconds: BTreeMap::new(),
            next_second: second(first),
            windows: BTreeMap::new(),
            window_seconds,
            next_window: second(first).div_euclid(window_seconds),
            rates: Vec::new(),
            backlog_shown: 0,
            first_received: None,
            queue_full: 0,
        }
    }

    /// So many messages are acknowledged and not received from the start.
    pub fn carry(&mut self, backlog: i64) {
        let second = self.seconds.entry(self.next_second).or_default();
        second.backlog_change += backlog;
        let window = self.windows.entry(self.next_window).or_default();
        window.periods.entry(0).or_default().backlog_change += backlog;
    }

    /// The rate changed.
    pub fn rate(&mut self, change: RateChange) {
        self.rates.push(change);
    }

    /// When the measured phase began.
    pub fn began(&self) -> Instant {
        self.grid.start(Slot(0))
    }

    /// The measured phase ends earlier than planned (zero: it never began).
    pub fn cut_short(&mut self, length: Duration) {
        self.cuts.cut_short(length);
    }

    /// Adds what one child learnt in one slot, which has this number here. `expected` receptions follow from its
    /// acknowledgements; `new` messages were received for the first time, by phase. Latencies of a
    /// `disturbed` slot are told from the others.
    pub fn add(
        &mut self,
        slot: Slot,
        delta: &SlotDelta,
        expected: u64,
        new: [u64; 2],
        disturbed: bool,
    ) {
        self.queue_full += delta.phases.of(LoadPhase::Measure).queue_full;
        let change = expected as i64 - new.iter().sum::<u64>() as i64;
        let size = self.message_size;

        let shown = self.next_second.max(second(slot));
        let bucket = self.seconds.entry(shown).or_default();
        for phase in LOAD_PHASES {
            bucket.add(delta, phase, size, disturbed);
            bucket.received(new[phase as usize], size);
        }
        bucket.backlog_change += change;

        let received = new[LoadPhase::Measure as usize];
        let mut counted = received;
        if received > 0 {
            let first = *self.first_received.get_or_insert(slot.0);
            // The load of the measured phase is read within an equal stretch of time that begins
            // with its first message; what comes later is backlog, not a rate.
            if slot.0 > self.cuts.slots() + first.max(0) {
                counted = 0;
            }
        }
        let number = second(slot).div_euclid(self.window_seconds);
        let window = self
            .windows
            .entry(self.next_window.max(number))
            .or_default();
        window.received += received;
        let index = self.cuts.of(slot);
        let bucket = window.periods.entry(index).or_default();
        bucket.add(delta, LoadPhase::Measure, size, disturbed);
        bucket.received(counted, size);
        bucket.backlog_change += change;
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
            disturbed: !bucket.disturbed.is_empty(),
            latencies: bucket.all_latencies().summaries(),
        }
    }

    /// The next record's share of what came in, once all its seconds are shown.
    pub fn due_turnover(&mut self) -> Option<Turnover> {
        let end = (self.next_window + 1) * self.window_seconds;
        if self.next_second < end {
            return None;
        }
        let window = self.windows.remove(&self.next_window).unwrap_or_default();
        self.next_window += 1;
        let covered = Duration::from_secs(end.max(0) as u64);
        Some(self.turnover(window, covered, false))
    }

    /// All that is in no record yet, now that the books are closed.
    pub fn last_turnover(&mut self) -> Turnover {
        let mut all = Window::default();
        for window in std::mem::take(&mut self.windows).into_values() {
            all.received += window.received;
            for (index, bucket) in window.periods {
                all.periods.entry(index).or_default().join(&bucket);
            }
        }
        self.turnover(all, self.cuts.length(), true)
    }

    fn turnover(&mut self, window: Window, covered: Duration, closed: bool) -> Turnover {
        let length = self.cuts.length();
        Turnover {
            covered: covered.min(length),
            length,
            received: window.received,
            periods: window.periods.into_iter().collect(),
            rates: std::mem::take(&mut self.rates),
            closed,
        }
    }

    /// How often a client's queue was full when a message of the measured phase was due.
    pub fn queue_full(&self) -> u64 {
        self.queue_full
    }
}

const SLOTS_PER_SECOND: i64 = 1_000 / SLOT.as_millis() as i64;

fn second(slot: Slot) -> i64 {
    slot.0.div_euclid(SLOTS_PER_SECOND)
}

#[cfg(test)]
#[path = "periods_tests.rs"]
mod tests;
