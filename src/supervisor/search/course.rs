//! What piles up while a rate is tried: by slot, and in which place.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Instant;
use crate::report::search::Limit;
use crate::stats::delta::{Grid, LOAD_PHASES, SLOT, Slot, SlotDelta};
use crate::stats::latencies::Latencies;
use crate::supervisor::periods::SHOW_AFTER;

/// A client's queue, or a stream of messages, may be so many ahead or behind at any time.
const ALWAYS: f64 = 10.0;
/// More messages than this share of them without an acknowledgement, and a rate doesn't hold.
const ERRORS: f64 = 0.01;
/// What grows all the time does so over most stretches of this many slots; a pause shows in few.
const STRETCH: usize = 3;
const SLOTS_PER_SECOND: usize = 1_000 / SLOT.as_millis() as usize;

/// What was reported for one slot.
#[derive(Debug, Default)]
struct Sums {
    sent: u64,
    unsent: u64,
    acknowledged: u64,
    errors: u64,
    queue_full: u64,
    expected: u64,
    received: u64,
    latencies: Latencies,
}

/// How things stood at the end of a slot.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Instant,
    /// Due, and not sent.
    publisher: f64,
    /// Sent, without an outcome.
    broker: f64,
    /// Acknowledged, and not received, by each subscription.
    consumer: f64,
    /// Totals up to here.
    acknowledged: u64,
    errors: u64,
    queue_full: u64,
    /// Receptions that acknowledgements led to, and those that happened.
    expected: u64,
    received: u64,
}

/// What a step came to.
#[derive(Debug)]
pub(super) struct Found {
    /// What grew, if anything did.
    pub limit: Option<Limit>,
    /// Acknowledged a second.
    pub published: f64,
    /// Received a second, over all subscriptions.
    pub received: f64,
    /// What every part of the system managed.
    pub achieved: f64,
}

/// Everything reported, and the points of the current step.
#[derive(Debug)]
pub(super) struct Course {
    grid: Grid,
    slack: f64,
    /// Not all children may have reported these.
    open: BTreeMap<Slot, Sums>,
    /// The first slot that is not added up.
    next: Slot,
    /// Rates so far: from when, and how many messages were due until then.
    rates: Vec<(Instant, f64, f64)>,
    sent: u64,
    unsent: u64,
    last: Option<Point>,
    points: Vec<Point>,
    /// Of the slots of the current step, behind its first ones.
    latencies: Latencies,
}

impl Course {
    pub(super) fn new(grid: Grid, clients: usize) -> Self {
        Self {
            grid,
            slack: ALWAYS + clients as f64,
            open: BTreeMap::new(),
            next: Slot(0),
            rates: Vec::new(),
            sent: 0,
            unsent: 0,
            last: None,
            points: Vec::new(),
            latencies: Latencies::default(),
        }
    }

    /// Another rate from this instant on.
    pub(super) fn begin(&mut self, from: Instant, rate: f64) {
        if self.rates.is_empty() {
            self.next = self.grid.slot(from);
        }
        let due = self.due(from);
        self.rates.push((from, rate, due));
        self.points.clear();
        self.latencies.clear();
    }

    fn due(&self, at: Instant) -> f64 {
        let begun = |&&(from, ..): &&(Instant, f64, f64)| from <= at;
        let current = self.rates.iter().rev().find(begun);
        current.map_or(0.0, |&(from, rate, before)| {
            before + at.since(from).as_secs_f64() * rate
        })
    }

    pub(super) fn add(&mut self, delta: &SlotDelta, expected: u64, received: u64) {
        // What comes later than it may counts when it comes.
        let sums = self.open.entry(delta.slot.max(self.next)).or_default();
        for phase in LOAD_PHASES {
            let of_phase = delta.phases.of(phase);
            sums.sent += of_phase.sent;
            sums.unsent += of_phase.unsent;
            sums.acknowledged += of_phase.acknowledged;
            sums.errors += of_phase.failed + of_phase.unknown;
            sums.queue_full += of_phase.queue_full;
            // A histogram no child of ours would send is not counted.
            let _ = sums.latencies.add(&of_phase.latencies);
        }
        sums.expected += expected;
        sums.received += received;
    }

    /// Adds up the slots that everybody has reported by now.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.grid.start(Slot(self.next.0 + 1)) + SHOW_AFTER <= now {
            let sums = self.open.remove(&self.next).unwrap_or_default();
            self.next.0 += 1;
            self.point(&sums);
        }
    }

    fn point(&mut self, sums: &Sums) {
        let at = self.grid.start(self.next);
        self.sent += sums.sent;
        self.unsent += sums.unsent;
        let before = self.last;
        let total = |of: fn(&Point) -> u64, more: u64| before.as_ref().map_or(0, of) + more;
        let acknowledged = total(|p| p.acknowledged, sums.acknowledged);
        let errors = total(|p| p.errors, sums.errors);
        let expected = total(|p| p.expected, sums.expected);
        let received = total(|p| p.received, sums.received);
        let subscriptions = (expected as f64 / acknowledged.max(1) as f64).max(1.0);
        let point = Point {
            at,
            publisher: self.due(at) - (self.sent + self.unsent) as f64,
            broker: self.sent as f64 - (acknowledged + errors) as f64,
            consumer: (expected as f64 - received as f64) / subscriptions,
            acknowledged,
            errors,
            queue_full: total(|p| p.queue_full, sums.queue_full),
            expected,
            received,
        };
        self.last = Some(point);
        let from = self.rates.last().map_or(at, |&(from, ..)| from);
        if at > from {
            self.points.push(point);
        }
        if at > from + super::SETTLE {
            self.latencies.add_latencies(&sums.latencies);
        }
    }

    /// Whether everything until `at` is added up.
    pub(super) fn is_known(&self, at: Instant) -> bool {
        self.last.is_some_and(|point| point.at >= at)
    }

    /// How many messages more than at its beginning are late in any place.
    pub(super) fn piled_up(&self) -> f64 {
        let Some((first, last)) = self.points.first().zip(self.points.last()) else {
            return 0.0;
        };
        let all = |point: &Point| point.publishing() + point.consumer;
        all(last) - all(first) - self.slack
    }

    /// Where most of them are.
    pub(super) fn largest(&self) -> Limit {
        let Some(point) = self.points.last() else {
            return Limit::Broker;
        };
        let full = self.points.first().map_or(0, |first| first.queue_full) < point.queue_full;
        limit(point.publisher, point.broker, point.consumer, full)
    }

    /// No more is under way than this.
    pub(super) fn is_drained(&self, most: f64) -> bool {
        let most = most + self.slack;
        let last = self.points.last();
        last.is_some_and(|point| point.publishing() <= most && point.consumer <= most)
    }

    /// Draining longer changes nothing: in a second not so many messages are worked off.
    pub(super) fn falls_no_more(&self, per_second: f64) -> bool {
        let Some(start) = self.points.len().checked_sub(2 * SLOTS_PER_SECOND) else {
            return false;
        };
        let (before, after) = self.points[start..].split_at(SLOTS_PER_SECOND);
        let all = |point: &Point| point.publishing().max(0.0) + point.consumer.max(0.0);
        least(before, all) - least(after, all) < per_second
    }

    /// What came of the step between these instants.
    pub(super) fn judge(&self, begin: Instant, end: Instant, tolerance: f64) -> Found {
        let within = |point: &&Point| point.at >= begin && point.at <= end + SLOT;
        let points: Vec<Point> = self.points.iter().filter(within).copied().collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Found::nothing(self.largest());
        };
        let rate = self.rates.last().map_or(0.0, |&(_, rate, _)| rate);
        let seconds = last
            .at
            .since(first.at)
            .as_secs_f64()
            .max(SLOT.as_secs_f64());
        let per_second = |of: fn(&Point) -> u64| (of(last) - of(first)) as f64 / seconds;
        let published = per_second(|point| point.acknowledged);
        let received = per_second(|point| point.received);
        let expected = per_second(|point| point.expected);
        let consumed = if expected > 0.0 {
            received * published / expected
        } else {
            published
        };

        // The least of a third of the points is free of a pause, and grows where a queue does.
        let third = (points.len() / 3).max(1);
        let (head, tail) = (&points[..third], &points[points.len() - third..]);
        let grown = |of: fn(&Point) -> f64| least(tail, of) - least(head, of);
        let span = tail[0].at.since(head[0].at);
        let allowed = tolerance * rate * span.max(Duration::from_millis(200)).as_secs_f64();
        let allowed = allowed.max(self.slack);
        let errors = (last.errors - first.errors) as f64;
        let sent = errors + (last.acknowledged - first.acknowledged) as f64;
        let usually = |of: fn(&Point) -> f64| usual_growth(&points, of) * span.as_secs_f64();
        let grows = |of: fn(&Point) -> f64| grown(of) > allowed && usually(of) > allowed / 2.0;
        let limit = if grows(Point::publishing) || grows(|p| p.consumer) {
            let full = last.queue_full > first.queue_full;
            let publisher = grown(|p| p.publisher);
            Some(limit(
                publisher,
                grown(|p| p.broker),
                grown(|p| p.consumer),
                full,
            ))
        } else if errors > ERRORS * sent {
            Some(Limit::Errors)
        } else if sent == 0.0 || last.received == first.received {
            Some(self.largest())
        } else {
            None
        };
        Found {
            limit,
            published,
            received,
            achieved: published.min(consumed),
        }
    }

    /// Latencies of the current step.
    pub(super) fn latencies(&self) -> crate::stats::latencies::LatencySummaries {
        self.latencies.summaries()
    }
}

impl Point {
    /// Due, and without an outcome.
    fn publishing(&self) -> f64 {
        self.publisher + self.broker
    }
}

impl Found {
    fn nothing(limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            published: 0.0,
            received: 0.0,
            achieved: 0.0,
        }
    }
}

fn least(points: &[Point], of: impl Fn(&Point) -> f64) -> f64 {
    points.iter().map(of).fold(f64::INFINITY, f64::min)
}

/// The median growth of a stretch of slots, per second.
fn usual_growth(points: &[Point], of: impl Fn(&Point) -> f64) -> f64 {
    let stretches = points.iter().zip(points.iter().skip(STRETCH));
    let mut growths: Vec<f64> = stretches.map(|(from, to)| of(to) - of(from)).collect();
    growths.sort_by(f64::total_cmp);
    let seconds = SLOT.as_secs_f64() * STRETCH as f64;
    // Of a step that ended early there is no stretch: it grew.
    growths
        .get(growths.len() / 2)
        .map_or(f64::INFINITY, |median| median / seconds)
}

/// Whose queue it is; a client whose queue is full waits for the broker.
fn limit(publisher: f64, broker: f64, consumer: f64, queue_full: bool) -> Limit {
    if consumer > publisher.max(broker) {
        Limit::Consumer
    } else if publisher > broker && !queue_full {
        Limit::Publisher
    } else {
        Limit::Broker
    }
}
