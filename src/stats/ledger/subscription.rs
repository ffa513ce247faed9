//! The books of one subscription.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::partition::{PartitionBook, Waiting};
use super::{
    AckRun, ByPhase, Chunk, ConsumerDelta, LEAST_SHARE, MEMORY, Range, Rc, Slot, StreamId,
    SubscriptionCounts, TopicPartition,
};
use crate::stats::delta::{Straggler, StreamRead};
use crate::stats::examples::{Example, SubscriptionExamples};
use crate::stats::sets::ArrivalSet;

/// One stream, as one subscription sees it.
#[derive(Debug, Default)]
struct StreamBook {
    arrived: ArrivalSet,
    /// Acknowledged nobody knows where, and not seen to be received; oldest first.
    placeless: VecDeque<Range>,
}

#[derive(Debug, Default)]
pub(super) struct SubscriptionBook {
    partitions: HashMap<TopicPartition, PartitionBook>,
    streams: BTreeMap<StreamId, StreamBook>,
    counts: SubscriptionCounts,
    examples: SubscriptionExamples,
    /// Partitions that something waits for.
    waited_for: BTreeSet<TopicPartition>,
    /// Streams with placeless messages.
    placeless: BTreeSet<StreamId>,
    /// Partitions with a stretch that was skipped and may yet be reported.
    skipped: Vec<TopicPartition>,
    /// Latest slot of which something was reported.
    latest: Slot,
    /// Bytes for what each stream lost.
    share: usize,
}

/// What the messages of a delta came to.
#[derive(Default)]
struct Received {
    messages: u64,
    new: ByPhase<u64>,
    again: u64,
    /// Those of them that are known one by one: stragglers at offsets reported before, and what the
    /// broker says it has delivered before.
    told_again: u64,
    /// Known, or new in a stretch that was settled for good.
    forgotten: u64,
}

impl Received {
    /// So many known messages were delivered again, as the broker says.
    fn again_told(&mut self, messages: u64) {
        self.again += messages;
        self.told_again += messages;
    }
}

impl SubscriptionBook {
    /// Empty books of a subscription to the messages of this many logical producers.
    pub fn new(streams: usize) -> Self {
        Self {
            share: (MEMORY / streams.max(1)).max(LEAST_SHARE),
            latest: Slot(i64::MIN),
            ..Self::default()
        }
    }

    /// Takes what a member read in a slot; returns how many messages were new, by phase.
    pub fn consumed(&mut self, slot: Slot, delta: &ConsumerDelta) -> ByPhase<u64> {
        self.latest = self.latest.max(slot);
        let mut received = Received::default();
        // Whether an offset was reported before is asked of earlier deltas, whether a message is
        // known of this one, too.
        let stragglers: Vec<(&Straggler, bool)> = delta
            .stragglers
            .iter()
            .map(|straggler| (straggler, self.reported(straggler)))
            .collect();
        for &(straggler, again) in &stragglers {
            if again {
                received.told_again += 1;
                self.examples.redelivered.note(straggler.into());
            }
        }
        self.places(delta, &mut received);
        let known = self.in_order(&delta.streams, &mut received);
        let mut known_alone = Vec::new();
        for (straggler, again) in stragglers {
            known_alone.extend(self.straggler(straggler, again, &mut received));
        }
        let fresh: u64 = received.new.0.iter().sum();
        self.counts.received += fresh;
        // Every message is new, the same place again, or a known message at a new place.
        let known_ones = received.messages.saturating_sub(fresh);
        let redelivered = received.again.min(known_ones);
        let elsewhere = known_ones - redelivered;
        let late = received.forgotten.min(elsewhere);
        self.counts.redelivered += redelivered;
        self.counts.late += late;
        self.counts.duplicates += elsewhere - late;
        // One that came twice since the last delta, from the same place, is no duplicate.
        if elsewhere > late {
            let mut examples = known_alone;
            // Where some that came in order were redelivered, nobody knows which ones are duplicates.
            if received.again == received.told_again {
                examples.extend(known);
            }
            let examples = examples.into_iter();
            examples.for_each(|example| self.examples.duplicates.note(example));
        }
        self.forget_skipped();
        for read in &delta.partitions {
            self.settle(read.partition);
        }
        received.new
    }

    fn reported(&self, straggler: &Straggler) -> bool {
        let partition = self.partitions.get(&straggler.partition);
        let offset = straggler.offset;
        partition.is_some_and(|partition| offset.is_some_and(|at| partition.reported(at)))
    }

    fn places(&mut self, delta: &ConsumerDelta, received: &mut Received) {
        let share = (MEMORY / self.partitions.len().max(1)).max(LEAST_SHARE);
        for read in &delta.partitions {
            let book = self.partitions.entry(read.partition).or_default();
            let found = book.read(self.latest, read, share);
            received.messages += found.messages + read.unplaced;
            received.again += found.again;
            if let Some(offset) = found.first_again.filter(|_| received.told_again == 0) {
                self.examples
                    .redelivered
                    .note(Example::at(read.partition, offset));
            }
            if found.skipped {
                self.skipped.push(read.partition);
            }
            self.counts.foreign += read.foreign;
            self.counts.probes += read.probes;
            if let Some(offset) = read.first_foreign {
                self.examples
                    .foreign
                    .note(Example::at(read.partition, offset));
            }
        }
    }

    /// Takes messages that came in order; returns examples of those that are known.
    fn in_order(&mut self, streams: &[StreamRead], received: &mut Received) -> Vec<Example> {
        let mut known = Vec::new();
        for read in streams {
            let book = self.streams.entry(read.stream).or_default();
            for &range in &read.sequences {
                let first = if read.redelivered || !self.examples.duplicates.is_full() {
                    let first = book.arrived.first_of(range);
                    first.map(|sequence| Example::of(read.stream, sequence))
                } else {
                    None
                };
                let lost = book.arrived.lost(range).next();
                let insertion = book.arrived.insert(range);
                *received.new.of_mut(read.phase) += insertion.new + insertion.late;
                if read.redelivered {
                    received.again_told(range.len() - insertion.new - insertion.late);
                    first
                        .into_iter()
                        .for_each(|e| self.examples.redelivered.note(e));
                } else {
                    received.forgotten += insertion.forgotten;
                    known.extend(first);
                }
                if let Some(lost) = lost {
                    self.counts.late += insertion.late;
                    self.counts.lost -= insertion.late;
                    let example = Example::of(read.stream, lost.start);
                    self.examples.came_late(read.stream, range, example);
                }
            }
        }
        known
    }

    /// Takes a message that came out of order; returns it as an example if it is known, and not told as again.
    fn straggler(
        &mut self,
        straggler: &Straggler,
        again: bool,
        received: &mut Received,
    ) -> Option<Example> {
        let book = self.streams.entry(straggler.stream).or_default();
        let range = Range {
            start: straggler.sequence,
            end: straggler.sequence.saturating_add(1),
        };
        let insertion = book.arrived.insert(range);
        if insertion.late > 0 {
            self.counts.late += 1;
            self.counts.lost -= 1;
            self.examples
                .came_late(straggler.stream, range, straggler.into());
        }
        *received.new.of_mut(straggler.phase) += insertion.new + insertion.late;
        let fresh = insertion.new + insertion.late;
        if straggler.redelivered {
            if fresh == 0 {
                received.again_told(1);
                self.examples.redelivered.note(straggler.into());
            }
            return None;
        }
        received.forgotten += insertion.forgotten;
        match fresh {
            _ if again => {}
            0 if insertion.forgotten > 0 => self.examples.late.note(straggler.into()),
            0 => return Some(straggler.into()),
            _ => {
                self.counts.reordered += 1;
                self.examples.reordered.note(straggler.into());
            }
        }
        None
    }

    fn forget_skipped(&mut self) {
        if self.skipped.is_empty() {
            return;
        }
        for place in std::mem::take(&mut self.skipped) {
            let Some(book) = self.partitions.get_mut(&place) else {
                continue;
            };
            book.forget_skipped(self.latest);
            if book.has_skipped() {
                self.skipped.push(place);
            } else {
                self.settle(place);
            }
        }
    }

    /// Messages were acknowledged, here.
    pub fn await_run(&mut self, stream: StreamId, run: AckRun) {
        let place = run.partition;
        let passed = self.partitions.get(&place).map_or(0, PartitionBook::passed);
        if run.end() <= passed {
            self.lose(&Waiting::Run(stream, run));
        } else {
            self.put(place, Waiting::Run(stream, run));
        }
    }

    /// Messages were acknowledged, in these places. Those up to the `from`-th were passed.
    pub fn await_chunk(&mut self, chunk: Rc<Chunk>, from: usize) {
        for (index, (place, end)) in chunk.ends.iter().enumerate().skip(from) {
            let book = self.partitions.get(place);
            if book.is_none_or(|book| book.passed() < *end) {
                return self.put(*place, Waiting::Chunk(chunk.clone(), index));
            }
        }
        self.lose(&Waiting::Chunk(chunk, from));
    }

    /// Messages were acknowledged, nobody knows where.
    pub fn await_anywhere(&mut self, stream: StreamId, range: Range) {
        self.placeless.insert(stream);
        let book = self.streams.entry(stream).or_default();
        // What came in the meantime, in order, is waited for no longer.
        while let Some(&first) = book.placeless.front()
            && book.arrived.missing(first).next().is_none()
        {
            book.placeless.pop_front();
        }
        match book.placeless.back_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => book.placeless.push_back(range),
        }
    }

    /// Messages need not come.
    pub fn give_up(&mut self, stream: StreamId, range: Range) {
        let book = self.streams.entry(stream).or_default();
        book.arrived.give_up(range);
        book.arrived.settle_for_good(self.share);
    }

    fn put(&mut self, place: TopicPartition, waiting: Waiting) {
        self.waited_for.insert(place);
        self.streams.entry(waiting.stream()).or_default();
        let book = self.partitions.entry(place).or_default();
        book.put(waiting);
    }

    /// Settles what waited for a partition and has been passed.
    fn settle(&mut self, place: TopicPartition) {
        while let Some(book) = self.partitions.get_mut(&place) {
            match book.pop_passed() {
                Some(Waiting::Chunk(chunk, index)) => self.await_chunk(chunk, index + 1),
                Some(run) => self.lose(&run),
                None if book.waiting().is_empty() => {
                    self.waited_for.remove(&place);
                    return;
                }
                None => return,
            }
        }
    }

    /// What is missing of messages that have been passed is lost.
    fn lose(&mut self, passed: &Waiting) {
        let book = self.streams.entry(passed.stream()).or_default();
        for &range in passed.sequences() {
            for lost in book.arrived.lose(range) {
                self.counts.lost += lost.len();
                self.examples.lost.note_range(lost, |at| passed.example(at));
            }
        }
        book.arrived.settle_for_good(self.share);
    }

    /// Nothing waits any more but what is received in whole.
    pub fn is_drained(&mut self) -> bool {
        let (partitions, streams) = (&mut self.partitions, &mut self.streams);
        while let Some(&place) = self.waited_for.first() {
            if let Some(book) = partitions.get_mut(&place) {
                while let Some(first) = book.waiting().front() {
                    let missing = |stream: &StreamBook| {
                        let ranges = first.sequences().iter();
                        let mut missing = ranges.flat_map(|&r| stream.arrived.missing(r));
                        missing.next().is_some()
                    };
                    if streams.get(&first.stream()).is_none_or(missing) {
                        return false;
                    }
                    book.pop();
                }
            }
            self.waited_for.remove(&place);
        }
        while let Some(&id) = self.placeless.first() {
            if let Some(stream) = streams.get_mut(&id) {
                while let Some(&range) = stream.placeless.front() {
                    if stream.arrived.missing(range).next().is_some() {
                        return false;
                    }
                    stream.placeless.pop_front();
                }
            }
            self.placeless.remove(&id);
        }
        true
    }
}
