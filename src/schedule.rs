//! When load is due: announced ahead as instants, and the same for everybody who reckons with it.

use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::stats::delta::{Grid, LoadPhase};

/// A stretch of the schedule: `rate` messages a second over all clients, from `from` until `to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Which phase its messages belong to.
    pub phase: LoadPhase,
    /// When it begins.
    pub from: Instant,
    /// When it ends, however many messages are left.
    pub to: Instant,
    /// Messages per second, over all clients.
    pub rate: f64,
}

impl Segment {
    /// Nanoseconds between two messages of a client with this share of all messages.
    pub fn gap(&self, share: f64) -> f64 {
        1e9 / (self.rate * share)
    }

    /// How many messages of a client, numbered from 0, are due before `at`, and so before the end:
    /// number k is due `(k + stagger) * gap` after the start.
    pub fn due_before(&self, gap: f64, stagger: f64, at: Instant) -> u64 {
        let span = self.to.min(at).0.saturating_sub(self.from.0);
        let due = |k: u64| nanos_until(k, stagger, gap) < span;
        let mut count = (span as f64 / gap - stagger).max(0.0) as u64;
        while due(count) {
            count += 1;
        }
        while count > 0 && !due(count - 1) {
            count -= 1;
        }
        count
    }
}

/// Nanoseconds from the start of a segment until message `k` is due. Times of a run stay far below
/// 2^53 ns, so this is exact to 1 ns.
#[inline]
pub fn nanos_until(k: u64, stagger: f64, gap: f64) -> u64 {
    ((k as f64 + stagger) * gap) as u64
}

/// The whole load of a run, announced ahead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The grid on which deltas are cut.
    pub grid: Grid,
    /// Segments, one after the other.
    pub segments: Vec<Segment>,
    /// What was due before this is not sent: a producer that was started again goes on from here.
    pub resume: Instant,
}
