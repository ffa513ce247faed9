//! Records → result: the one way to it, in a run that goes on as from the samples of one that was
//! killed.
//!
//! Periods keep their histograms while they are open, then summaries: a period takes half a KiB
//! (4 MB a day where it is 10 s long), and everything else stays as large as it is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::hlog::LoggedPeriod;
use super::record::{Bucket, Turnover};
use super::search::RateChange;
use super::{Interval, Run, Status};
use crate::config::Workload;
use crate::stats::delta::{SLOT, Slot};

/// Periods keep their histograms this long after their end, then only summaries.
const OPEN_PERIODS: usize = 2;

/// Which stretch of the measured phase each slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Slots of the measured phase, a last one that is not whole included.
    slots: i64,
    /// Slots per period.
    period: i64,
    length: Duration,
}

impl Cuts {
    /// As the workload has them.
    pub fn new(workload: &Workload) -> Self {
        let period = (workload.report_period.as_nanos() / SLOT.as_nanos()).max(1) as i64;
        Self::of_length(workload.longest(), period)
    }

    fn of_length(length: Duration, period: i64) -> Self {
        let slots = length.as_nanos().div_ceil(SLOT.as_nanos()) as i64;
        Self {
            slots,
            period,
            length,
        }
    }

    /// The measured phase ends earlier than planned (zero: it never began). False if it doesn't.
    pub fn cut_short(&mut self, length: Duration) -> bool {
        let cuts = Self::of_length(length, self.period);
        let shorter = cuts.slots < self.slots;
        if shorter {
            *self = cuts;
        }
        shorter
    }

    /// Slots of the measured phase, a last one that is not whole included.
    pub fn slots(self) -> i64 {
        self.slots
    }

    /// Length of the measured phase.
    pub fn length(self) -> Duration {
        self.length
    }

    /// How many periods; a last one of less than half the length joins the one before.
    fn count(self) -> usize {
        let whole = self.slots / self.period;
        let rest = self.slots % self.period;
        (whole + i64::from(rest * 2 >= self.period && rest > 0)).max(1) as usize
    }

    /// The period that a slot belongs to: the first or the last one, if it lies outside of all.
    pub fn of(self, slot: Slot) -> usize {
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

/// How the records end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the run.
    Orderly,
    /// Before it: nothing was written after `at`, and this many seconds were shown after the last
    /// record.
    Torn {
        /// The wall clock.
        at: String,
        /// Seconds that are in no record.
        uncounted: u64,
    },
}

/// Everything the records so far come to.
#[derive(Clone, Debug)]
pub struct Fold {
    cuts: Cuts,
    message_size: u64,
    /// The load was announced.
    begun: bool,
    covered: Duration,
    /// Periods with histograms, by index.
    open: BTreeMap<usize, Bucket>,
    finished: Vec<Interval>,
    /// All finished periods.
    total: Bucket,
    /// Messages of the measured phase received, whenever that was.
    received: u64,
    /// Backlog at the end of the periods finished.
    backlog: i64,
    /// How the rate changed.
    rates: Vec<RateChange>,
    /// Finished periods with their histograms, if somebody wants them.
    logged: Option<Vec<LoggedPeriod>>,
}

impl Fold {
    /// No record yet.
    pub fn new(workload: &Workload) -> Self {
        Self {
            cuts: Cuts::new(workload),
            message_size: workload.message_size as u64,
            begun: false,
            covered: Duration::ZERO,
            open: BTreeMap::new(),
            finished: Vec::new(),
            total: Bucket::default(),
            received: 0,
            backlog: 0,
            rates: Vec::new(),
            logged: None,
        }
    }

    /// Keeps the histograms of periods that end from now on for [`Fold::logged`].
    pub fn log(&mut self) {
        self.logged = Some(Vec::new());
    }

    /// Takes the periods that ended since the last call.
    pub fn logged(&mut self) -> Vec<LoggedPeriod> {
        let logged = self.logged.as_mut().map(std::mem::take);
        logged.unwrap_or_default()
    }

    /// Adds what a record has.
    pub fn add(&mut self, turnover: &Turnover) {
        self.begun = true;
        self.covered = turnover.covered;
        self.cut_short(turnover.length);
        self.received = self.received.saturating_add(turnover.received);
        self.rates.extend_from_slice(&turnover.rates);
        for (index, bucket) in &turnover.periods {
            // What comes for a period that is finished joins the next one.
            let done = self.finished.len();
            let last = self.cuts.count().max(done + 1) - 1;
            let index = (*index).max(done).min(last);
            self.open.entry(index).or_default().join(bucket);
        }
        while self.open.len() > OPEN_PERIODS {
            self.finish_one();
        }
        if turnover.closed {
            self.finish();
        }
    }

    fn cut_short(&mut self, length: Duration) {
        if self.cuts.cut_short(length) {
            // What is finished stays so: a period can't be taken back once it is on disk.
            let count = self.cuts.count().max(self.finished.len() + 1);
            let beyond = self.open.split_off(&count);
            for bucket in beyond.into_values() {
                self.open.entry(count - 1).or_default().join(&bucket);
            }
        }
    }

    fn finish_one(&mut self) {
        let index = self.finished.len();
        let bucket = self.open.remove(&index).unwrap_or_default();
        self.backlog = self.backlog.saturating_add(bucket.backlog_change);
        let (start, seconds) = self.cuts.span(index);
        self.total.join(&bucket);
        let (counters, disturbed) = (bucket.counters, !bucket.disturbed.is_empty());
        let latencies = bucket.all_latencies();
        self.finished.push(Interval {
            start,
            seconds,
            counters,
            backlog: self.backlog.max(0) as u64,
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

    fn finish(&mut self) {
        while self.finished.len() < self.cuts.count() || !self.open.is_empty() {
            self.finish_one();
        }
    }

    /// The result, given the facts of the run as of the last record.
    pub fn result(&self, facts: Run, end: &End) -> Run {
        let mut run = facts;
        let mut fold = self.clone();
        if let End::Torn { at, uncounted } = end {
            fold.cut_short(self.covered);
            torn(&mut run, at, self.covered, *uncounted);
        }
        run.rates = std::mem::take(&mut fold.rates);
        fold.figures(&mut run);
        run
    }

    /// All periods (at least one), the measured phase as a whole, and its histograms.
    fn figures(mut self, run: &mut Run) {
        let seconds = self.cuts.length.as_secs_f64().max(1e-9);
        if !self.begun {
            let nothing = Interval {
                seconds,
                ..Interval::default()
            };
            run.periods = vec![nothing.clone()];
            run.total = nothing;
            return;
        }
        self.finish();
        let mut counters = self.total.counters;
        counters.received = self.received;
        counters.received_bytes = self.received.saturating_mul(self.message_size);
        let disturbed = !self.total.disturbed.is_empty();
        run.undisturbed = disturbed.then(|| self.total.latencies.summaries());
        run.latencies = self.total.all_latencies();
        run.total = Interval {
            start: 0.0,
            seconds,
            counters,
            backlog: self.backlog.max(0) as u64,
            disturbed,
            latencies: run.latencies.summaries(),
        };
        run.periods = self.finished;
    }
}

/// A run whose records end before it did was interrupted, unless it had failed before.
fn torn(run: &mut Run, at: &str, covered: Duration, uncounted: u64) {
    let text = format!("the supervisor was killed, or could not write on: its samples end at {at}");
    if run.status == Status::Completed {
        run.status = Status::Interrupted;
    }
    run.reason = Some(match run.reason.take() {
        Some(earlier) => format!("{earlier}; {text}"),
        None => text,
    });
    let mut note = format!(
        "put together from samples: their last record is {} s into the measured phase",
        covered.as_secs_f64()
    );
    if uncounted > 0 {
        let _ = write!(note, "; {uncounted} s shown after it are in no figure");
    }
    // Nobody heard what became of the messages in flight.
    let books = &mut run.ledger;
    let settled = books.acknowledged.saturating_add(books.failed);
    let in_flight = books
        .sent
        .saturating_sub(settled.saturating_add(books.unknown));
    if in_flight > 0 {
        books.unknown += in_flight;
        let _ = write!(
            note,
            "; the ledger has {in_flight} messages then in flight as unknown"
        );
    }
    run.notes.push(note);
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
