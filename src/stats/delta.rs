//! What a client learnt since its last delta: counters, histogram counts, ledger ranges.
//!
//! Deltas are cut on one grid that all processes of a run share: slot k begins k × [`SLOT`] after
//! the measured phase does (slots of the warm-up are negative), so each reporting period is an
//! exact number of slots, whoever measured them and whenever they arrive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latencies::LatenciesDelta;
use crate::clock::Instant;

/// Length of one slot, and the interval at which children report.
pub const SLOT: Duration = Duration::from_millis(200);

/// Number of a slot, counted from the start of the measured phase.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Slot(pub i64);

/// The grid of slots of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Where slot 0 begins: the start of the measured phase.
    pub origin: Instant,
}

impl Grid {
    /// The same grid, its slots numbered from one that was number `slots`.
    pub fn renumbered(self, slots: i64) -> Self {
        Self {
            origin: self.start(Slot(slots)),
        }
    }

    /// The slot that holds this instant.
    pub fn slot(self, at: Instant) -> Slot {
        let since = i128::from(at.0) - i128::from(self.origin.0);
        Slot(since.div_euclid(SLOT.as_nanos() as i128) as i64)
    }

    /// The first instant of a slot.
    pub fn start(self, slot: Slot) -> Instant {
        let offset = i128::from(slot.0) * SLOT.as_nanos() as i128;
        Instant((i128::from(self.origin.0) + offset).clamp(0, i128::from(u64::MAX)) as u64)
    }
}

/// The part of the schedule that a load message was due in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LoadPhase {
    /// Due before the measured phase.
    WarmUp,
    /// Due within it.
    Measure,
}

/// Both phases, in the order of [`ByPhase`].
pub const LOAD_PHASES: [LoadPhase; 2] = [LoadPhase::WarmUp, LoadPhase::Measure];

/// One value for each load phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByPhase<T>(pub [T; 2]);

impl<T> ByPhase<T> {
    /// The value of a phase.
    #[inline]
    pub fn of(&self, phase: LoadPhase) -> &T {
        &self.0[phase as usize]
    }

    /// The value of a phase, to be changed.
    #[inline]
    pub fn of_mut(&mut self, phase: LoadPhase) -> &mut T {
        &mut self.0[phase as usize]
    }
}

/// What happened to load messages of one phase in one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseDelta {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged by the broker.
    pub acknowledged: u64,
    /// Certainly not persisted.
    pub failed: u64,
    /// Neither acknowledged nor certainly failed.
    pub unknown: u64,
    /// Due within the phase, and never sent because the phase was over.
    pub unsent: u64,
    /// How often the client's queue was full when a message was due.
    pub queue_full: u64,
    /// Latencies of these messages.
    pub latencies: LatenciesDelta,
}

impl PhaseDelta {
    /// Adds another delta of the same slot and phase.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.unsent += other.unsent;
        self.queue_full += other.queue_full;
        self.latencies.merge(&other.latencies);
    }
}

/// A logical producer in one life of its process: the messages of a stream are numbered from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct StreamId {
    /// Number of the logical producer within the run.
    pub producer: u32,
    /// Which life of its process.
    pub incarnation: u16,
}

/// A partition of one of the run's topics.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct TopicPartition {
    /// Number of the topic within the run.
    pub topic: u32,
    /// Number of the partition.
    pub partition: u32,
}

/// Consecutive numbers, `end` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// First number.
    pub start: u64,
    /// One past the last number.
    pub end: u64,
}

impl Range {
    /// How many numbers.
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// None at all.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// Consecutive messages of one stream whose acknowledgements name evenly spaced offsets of one
/// partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckRun {
    /// Where they are.
    pub partition: TopicPartition,
    /// Their sequence numbers.
    pub sequences: Range,
    /// Offset of the first one.
    pub offset: u64,
    /// From one offset to the next: more than 1 where other streams share the batches.
    pub stride: u32,
}

impl AckRun {
    /// Offset of one of its messages.
    pub fn offset_of(&self, sequence: u64) -> u64 {
        let index = sequence.saturating_sub(self.sequences.start);
        self.offset
            .saturating_add(index.saturating_mul(self.stride.into()))
    }

    /// One past the highest offset.
    pub fn end(&self) -> u64 {
        self.offset_of(self.sequences.end.saturating_sub(1))
            .saturating_add(1)
    }

    /// Sequence numbers of its messages before an offset, and of the rest.
    pub fn split(&self, position: u64) -> (Range, Range) {
        let stride = u64::from(self.stride.max(1));
        let before = position.saturating_sub(self.offset).div_ceil(stride);
        let Range { start, end } = self.sequences;
        let middle = start.saturating_add(before).min(end);
        (Range { start, end: middle }, Range { start: middle, end })
    }
}

/// What became of one stream's messages in one slot. Each acknowledged message is once in `runs`,
/// `scattered` or `placeless`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamOutcomes {
    /// Whose messages.
    pub stream: StreamId,
    /// Acknowledged, and where exactly.
    pub runs: Vec<AckRun>,
    /// Acknowledged in so many places that they are not told one by one: somewhere below `ends`.
    pub scattered: Vec<Range>,
    /// One past the highest offset of the scattered ones, per partition.
    pub ends: Vec<(TopicPartition, u64)>,
    /// Acknowledged without an offset: nobody knows where they are.
    pub placeless: Vec<Range>,
    /// Sequence numbers certainly not persisted.
    pub failed: Vec<Range>,
    /// Sequence numbers neither acknowledged nor certainly failed.
    pub unknown: Vec<Range>,
}

impl StreamOutcomes {
    /// How many messages were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let ranges = self.runs.iter().map(|run| run.sequences);
        let ranges = ranges.chain(self.scattered.iter().copied());
        ranges
            .chain(self.placeless.iter().copied())
            .map(Range::len)
            .sum()
    }
}

/// What one producer client learnt in one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProducerDelta {
    /// Its streams' outcomes; streams without any are left out.
    pub outcomes: Vec<StreamOutcomes>,
    /// Texts of errors, each with how often it came.
    pub errors: Vec<(String, u64)>,
}

/// What one consumer client read from one partition in one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionRead {
    /// The partition.
    pub partition: TopicPartition,
    /// Where reading began: everything from here to `position` was passed.
    pub from: u64,
    /// Next offset to read.
    pub position: u64,
    /// Offsets of the load messages, in the order read; the same ones twice if read twice.
    pub load: Vec<Range>,
    /// Offsets are numbered by so many for each entry, of which the last ones are used; 0 where they are
    /// numbered one after the other.
    #[serde(default)]
    pub entry: u64,
    /// Messages without this run's stamp.
    pub foreign: u64,
    /// Offset of the first of them.
    pub first_foreign: Option<u64>,
    /// Probe messages.
    pub probes: u64,
    /// Load messages that have no offset, because the system has none: they are in no range.
    #[serde(default)]
    pub unplaced: u64,
}

/// Load messages of one stream and phase that one consumer client received in one slot, but for
/// the [`Straggler`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamRead {
    /// Whose messages.
    pub stream: StreamId,
    /// When they were due.
    pub phase: LoadPhase,
    /// Their sequence numbers.
    pub sequences: Vec<Range>,
    /// They have no offset, and the broker says that it has delivered them before.
    #[serde(default)]
    pub redelivered: bool,
}

/// A message that came after one of the same stream and partition with the same or a higher
/// sequence number. Only the supervisor can tell whether it is new, a duplicate or a redelivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straggler {
    /// Whose message.
    pub stream: StreamId,
    /// When it was due.
    pub phase: LoadPhase,
    /// Its sequence number.
    pub sequence: u64,
    /// Where it lay.
    pub partition: TopicPartition,
    /// Its offset there; `None` where the system has none.
    pub offset: Option<u64>,
    /// It has no offset, and the broker says that it has delivered it before.
    #[serde(default)]
    pub redelivered: bool,
}

/// What one consumer client learnt in one slot. Every load message it received is once in
/// `partitions`, and once in either `streams` or `stragglers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsumerDelta {
    /// Number of the subscription within the run.
    pub subscription: u32,
    /// Places read.
    pub partitions: Vec<PartitionRead>,
    /// Messages received in order.
    pub streams: Vec<StreamRead>,
    /// Messages received out of order.
    pub stragglers: Vec<Straggler>,
}

/// Everything the clients of one child learnt in one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotDelta {
    /// Which slot.
    pub slot: Slot,
    /// Counters and latencies of all clients together.
    pub phases: ByPhase<PhaseDelta>,
    /// Ledger entries of each producer client.
    pub producers: Vec<ProducerDelta>,
    /// Ledger entries of each consumer client.
    pub consumers: Vec<ConsumerDelta>,
}

impl SlotDelta {
    /// Adds what another client of the same child learnt in the same slot.
    pub fn merge(&mut self, other: Self) {
        for phase in LOAD_PHASES {
            self.phases.of_mut(phase).merge(other.phases.of(phase));
        }
        self.producers.extend(other.producers);
        self.consumers.extend(other.consumers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_before_the_measured_phase_are_negative_and_all_have_the_same_length() {
        let grid = Grid {
            origin: Instant(1_000_000_000),
        };
        assert_eq!(grid.slot(Instant(1_000_000_000)), Slot(0));
        assert_eq!(grid.slot(Instant(1_199_999_999)), Slot(0));
        assert_eq!(grid.slot(Instant(1_200_000_000)), Slot(1));
        assert_eq!(grid.slot(Instant(999_999_999)), Slot(-1));
        for slot in [-3, -1, 0, 7] {
            assert_eq!(grid.slot(grid.start(Slot(slot))), Slot(slot));
        }
    }
}
