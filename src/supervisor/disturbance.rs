//! Deaths, stops and pauses while there is load: how long each is felt, and what it costs.
//!
//! One begins when it happens and is over when the child concerned has had its first message after
//! it, everything due is sent again, and the backlog is back where it was. Slots in between are
//! disturbed.

use std::collections::VecDeque;

use super::event::ChildKey;
use crate::clock::Instant;
use crate::report::disturbances::{Disturbance, Disturbances, LISTED};
use crate::stats::delta::{Grid, Slot};
use crate::stats::histogram::Histogram;
use crate::stats::recorder::Recorder;
use crate::stats::summary::Summary;

/// Deltas come at most this many slots late; windows that ended before that are forgotten.
const SLOTS_LATE: i64 = 150;

/// Stretches of time in which something disturbed the run.
#[derive(Debug, Default)]
pub struct Windows {
    /// First slot, and last one if that is known.
    windows: VecDeque<(Slot, Option<Slot>)>,
}

impl Windows {
    /// Whether what happened in this slot was disturbed.
    pub fn cover(&self, slot: Slot) -> bool {
        let within = |&(first, last): &(Slot, Option<Slot>)| {
            slot >= first && last.is_none_or(|last| slot <= last)
        };
        self.windows.iter().any(within)
    }

    fn open(&mut self, slot: Slot) {
        self.windows
            .retain(|(_, last)| last.is_none_or(|last| last.0 + SLOTS_LATE > slot.0));
        self.windows.push_back((slot, None));
    }

    /// Everything open is over.
    fn close(&mut self, slot: Slot) {
        for (_, last) in &mut self.windows {
            last.get_or_insert(slot);
        }
    }
}

/// What a disturbance does to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It died.
    Death,
    /// It was stopped.
    Stop,
    /// The whole run was.
    Pause,
}

/// The figures of the moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub at: Instant,
    /// Acknowledged and not yet received.
    pub backlog: i64,
    /// Due some time ago, and not sent.
    pub behind: i64,
    /// Redelivered so far.
    pub redelivered: u64,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Whose first message ends it; its incarnation is the one after a death.
    child: Option<ChildKey>,
    since: Moment,
    peak: i64,
    /// The child runs again, as far as we know.
    resumed: bool,
    first: Option<Instant>,
    caught_up: Option<Instant>,
    cause: String,
    planned: bool,
}

/// The disturbances of one run.
#[derive(Debug)]
pub struct Observer {
    grid: Grid,
    /// Up to this much is what reports leave open, and no backlog.
    usual: i64,
    open: Vec<Open>,
    found: Disturbances,
    recovery: Recorder,
    caught_up: Recorder,
}

impl Observer {
    /// Nothing so far. `usual` messages may be acknowledged and not received at any time.
    pub fn new(grid: Grid, usual: u64) -> Self {
        Self {
            grid,
            usual: usual as i64,
            open: Vec::new(),
            found: Disturbances::default(),
            recovery: Recorder::default(),
            caught_up: Recorder::default(),
        }
    }

    /// Something happened. `child` is the one whose next message ends it, in the life it then has.
    pub fn begin(
        &mut self,
        windows: &mut Windows,
        now: Moment,
        kind: Kind,
        child: Option<ChildKey>,
        cause: String,
        planned: bool,
    ) {
        windows.open(self.grid.slot(now.at));
        self.open.push(Open {
            kind,
            child,
            since: now,
            peak: now.backlog,
            resumed: kind == Kind::Death,
            first: None,
            caught_up: None,
            cause,
            planned,
        });
    }

    /// The child runs again; with `None`: the whole run does.
    pub fn resumed(&mut self, child: Option<ChildKey>) {
        for open in &mut self.open {
            open.resumed |= open.kind != Kind::Death && open.child == child;
        }
    }

    /// The child died meanwhile: what was open for it waits for its next life.
    pub fn died(&mut self, child: ChildKey) {
        for open in &mut self.open {
            if let Some(waited) = &mut open.child
                && (waited.role, waited.id) == (child.role, child.id)
            {
                waited.incarnation = child.incarnation + 1;
                open.resumed = true;
            }
        }
    }

    /// A child had its first message in this life.
    pub fn first_message(&mut self, child: ChildKey, at: Instant) {
        for open in &mut self.open {
            if open.child == Some(child) && open.kind == Kind::Death {
                open.first.get_or_insert(at.max(open.since.at));
            }
        }
    }

    /// A child reported that it got on with its work: a stopped one does so when it runs again.
    pub fn at_work(&mut self, child: ChildKey, at: Instant) {
        for open in &mut self.open {
            if open.child == Some(child) && open.kind == Kind::Stop && open.resumed {
                open.first.get_or_insert(at);
            }
        }
    }

    /// Whether something is going on.
    pub fn is_calm(&self) -> bool {
        self.open.is_empty()
    }

    /// Looks at the backlog; what is over is noted.
    pub fn look(&mut self, windows: &mut Windows, now: Moment) {
        for open in &mut self.open {
            open.peak = open.peak.max(now.backlog);
            let level = open.since.backlog.max(self.usual);
            let running = open.first.is_some() || open.kind == Kind::Pause;
            // Who could not keep up before need not do so now.
            let on_schedule = now.behind <= self.usual || open.since.behind > self.usual;
            if open.resumed && running && on_schedule && now.backlog <= level {
                open.caught_up.get_or_insert(now.at);
            }
        }
        let over = |open: &mut Open| open.caught_up.is_some();
        let over: Vec<Open> = self.open.extract_if(.., over).collect();
        over.into_iter().for_each(|open| self.note(open, now));
        if self.open.is_empty() {
            windows.close(self.grid.slot(now.at));
        }
    }

    /// The load is over and read: what is still open never ends.
    pub fn end(&mut self, windows: &mut Windows, now: Moment) {
        self.look(windows, now);
        for open in std::mem::take(&mut self.open) {
            self.note(open, now);
        }
        windows.close(self.grid.slot(now.at));
    }

    /// A fault found nobody to do something to.
    pub fn missed(&mut self) {
        self.found.missed_faults += 1;
    }

    fn note(&mut self, open: Open, now: Moment) {
        let since = open.since.at;
        let found = &mut self.found;
        let (peak, redelivered) = (
            open.peak.max(0) as u64,
            now.redelivered - open.since.redelivered.min(now.redelivered),
        );
        found.count += 1;
        found.backlog_peak = found.backlog_peak.max(peak);
        found.redelivered += redelivered;
        found.unrecovered += u64::from(open.caught_up.is_none());
        for (end, recorder) in [
            (open.first, &mut self.recovery),
            (open.caught_up, &mut self.caught_up),
        ] {
            if let Some(end) = end {
                recorder.record(end.nanos_since(since));
            }
        }
        if found.list.len() < LISTED {
            let seconds = |end: Option<Instant>| Some(end?.nanos_since(since) as f64 / 1e9);
            let at = since.0 as f64 - self.grid.origin.0 as f64;
            found.list.push(Disturbance {
                what: match open.kind {
                    Kind::Death => "death",
                    Kind::Stop => "stop",
                    Kind::Pause => "pause",
                }
                .into(),
                child: open.child.map(|child| child.to_string()),
                cause: open.cause,
                planned: open.planned,
                at: at / 1e9,
                recovery_seconds: seconds(open.first),
                caught_up_seconds: seconds(open.caught_up),
                backlog_peak: peak,
                redelivered,
            });
        }
    }

    /// What is known by now. Those that are not over count as not recovered from.
    pub fn found(&self) -> Disturbances {
        let mut found = self.found.clone();
        found.list.sort_by(|a, b| a.at.total_cmp(&b.at));
        found.count += self.open.len() as u64;
        found.unrecovered += self.open.len() as u64;
        found.recovery = summary(&self.recovery);
        found.caught_up = summary(&self.caught_up);
        found
    }
}

fn summary(recorder: &Recorder) -> Summary {
    let mut histogram = Histogram::default();
    // What our own recorder made is never refused.
    let _ = histogram.add(&recorder.clone().cut());
    Summary::from(&histogram)
}

#[cfg(test)]
#[path = "disturbance_tests.rs"]
mod tests;
