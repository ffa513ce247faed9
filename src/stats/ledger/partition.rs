//! One partition, as one subscription reads it: how far, and what waits for it to be read further.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{AckRun, Chunk, Range, Slot, StreamId};
use crate::stats::delta::PartitionRead;
use crate::stats::examples::Example;
use crate::stats::sets::{ArrivalSet, IntervalSet};

/// For so many slots what a consumer skipped may still be reported by the one that had the
/// partition before: its last report was written before, and may be read after.
const SKIPPED_FOR: i64 = 10;

/// Acknowledged messages that are settled once a partition was read to a place.
#[derive(Debug)]
pub(super) enum Waiting {
    /// They are all here.
    Run(StreamId, AckRun),
    /// The `usize`-th end of the chunk is here; those before it were passed.
    Chunk(Rc<Chunk>, usize),
}

impl Waiting {
    /// Where the partition has to be read to.
    fn end(&self) -> u64 {
        match self {
            Self::Run(_, run) => run.end(),
            Self::Chunk(chunk, index) => chunk.ends.get(*index).map_or(0, |&(_, end)| end),
        }
    }

    /// Whose messages.
    pub fn stream(&self) -> StreamId {
        match self {
            Self::Run(stream, _) => *stream,
            Self::Chunk(chunk, _) => chunk.stream,
        }
    }

    /// Sequence numbers of its messages.
    pub fn sequences(&self) -> &[Range] {
        match self {
            Self::Run(_, run) => std::slice::from_ref(&run.sequences),
            Self::Chunk(chunk, _) => &chunk.sequences,
        }
    }

    /// One of its messages.
    pub fn example(&self, sequence: u64) -> Example {
        match self {
            Self::Run(stream, run) => {
                Example::at(run.partition, run.offset_of(sequence)).sent_by(*stream, sequence)
            }
            Self::Chunk(chunk, _) => chunk.example(sequence),
        }
    }
}

/// A stretch between two places that were read.
#[derive(Debug)]
struct Skipped {
    range: Range,
    since: Slot,
}

/// What a partition's reader reported of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    /// Load messages.
    pub messages: u64,
    /// How many of them were at offsets reported before.
    pub again: u64,
    /// The first of those.
    pub first_again: Option<u64>,
    /// A stretch was skipped.
    pub skipped: bool,
}

/// Offsets that were reported.
#[derive(Debug)]
enum Reported {
    /// They are numbered one after the other.
    Dense(ArrivalSet),
    /// They are numbered by so many for each entry. Who was given one of them was given those before it,
    /// so the numbers that the entry does not use are taken in with its first: there is no hole then.
    ByEntries(IntervalSet, u64),
}

impl Default for Reported {
    fn default() -> Self {
        Self::Dense(ArrivalSet::default())
    }
}

impl Reported {
    fn beginning_with(read: &PartitionRead) -> Self {
        match read.entry {
            0 => Self::Dense(ArrivalSet::starting_at(read.from)),
            entry => Self::ByEntries(IntervalSet::default(), entry),
        }
    }

    /// Adds offsets; returns the first one that was in already, and how many were.
    fn insert(&mut self, range: Range) -> (Option<u64>, u64) {
        match self {
            Self::Dense(set) => {
                let first = set.first_of(range);
                let new = set.insert(range).new;
                (first, range.len() - new.min(range.len()))
            }
            Self::ByEntries(set, entry) => {
                let first = set.within(range).next().map(|known| known.start);
                let again = set.overlap(range);
                set.insert(Range {
                    start: range.start - range.start % *entry,
                    end: range.end,
                });
                (first, again)
            }
        }
    }

    fn contains(&self, offset: u64) -> bool {
        match self {
            Self::Dense(set) => set.contains(offset),
            Self::ByEntries(set, _) => set.contains(offset),
        }
    }

    /// Keeps missing offsets to so many bytes. By entries they are few: each is on its way to somebody.
    fn bound(&mut self, bytes: usize) {
        if let Self::Dense(set) = self {
            set.fill(bytes);
        }
    }
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct PartitionBook {
    /// Something was read.
    begun: bool,
    /// Offsets of load messages reported so far.
    reported: Reported,
    /// Next offset to read of whoever is furthest.
    position: u64,
    /// Stretches before it that nobody reported as read, ascending.
    skipped: Vec<Skipped>,
    /// By where the partition has to be read to.
    waiting: VecDeque<Waiting>,
}

impl PartitionBook {
    /// This offset was reported before.
    pub fn reported(&self, offset: u64) -> bool {
        self.reported.contains(offset)
    }

    /// Takes a report; `share` bounds what missing offsets may take.
    pub fn read(&mut self, slot: Slot, read: &PartitionRead, share: usize) -> Read {
        let mut found = Read::default();
        if !std::mem::replace(&mut self.begun, true) {
            self.reported = Reported::beginning_with(read);
        }
        for &range in &read.load {
            let (first_again, again) = self.reported.insert(range);
            found.messages += range.len();
            found.again += again;
            found.first_again = found.first_again.or(first_again);
        }
        self.reported.bound(share);
        if read.from > self.position {
            let range = Range {
                start: self.position,
                end: read.from,
            };
            self.skipped.push(Skipped { range, since: slot });
            found.skipped = true;
        } else if !self.skipped.is_empty() && read.from < read.position {
            self.fill_skipped(Range {
                start: read.from,
                end: read.position,
            });
        }
        self.position = self.position.max(read.position);
        found
    }

    fn fill_skipped(&mut self, read: Range) {
        let skipped = std::mem::take(&mut self.skipped);
        for Skipped { range, since } in skipped {
            let before = Range {
                end: range.end.min(read.start.max(range.start)),
                ..range
            };
            let after = Range {
                start: range.start.max(read.end.min(range.end)),
                ..range
            };
            for range in [before, after] {
                if !range.is_empty() {
                    self.skipped.push(Skipped { range, since });
                }
            }
        }
    }

    /// What was skipped long enough ago was skipped for good.
    pub fn forget_skipped(&mut self, now: Slot) {
        self.skipped
            .retain(|skipped| now.0 < skipped.since.0.saturating_add(SKIPPED_FOR));
    }

    /// A stretch was skipped that may yet be reported.
    pub fn has_skipped(&self) -> bool {
        !self.skipped.is_empty()
    }

    /// Everything before this was read, or skipped for good.
    pub fn passed(&self) -> u64 {
        self.skipped
            .first()
            .map_or(self.position, |skipped| skipped.range.start)
    }

    /// These wait to be passed.
    pub fn put(&mut self, waiting: Waiting) {
        let end = waiting.end();
        let at = match self.waiting.back() {
            Some(last) if last.end() > end => self.waiting.partition_point(|w| w.end() <= end),
            _ => self.waiting.len(),
        };
        self.waiting.insert(at, waiting);
    }

    /// Takes out the first that has been passed.
    pub fn pop_passed(&mut self) -> Option<Waiting> {
        let passed = self.passed();
        let first = self.waiting.front()?;
        if first.end() > passed {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Takes out the first.
    pub fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// All that wait.
    pub fn waiting(&self) -> &VecDeque<Waiting> {
        &self.waiting
    }
}
