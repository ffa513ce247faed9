//! The books of a run: which messages were acknowledged, and what each subscription received.
//!
//! Exact per subscription, whoever of its members read what, and however often they died: a load
//! message is known by its stream and sequence number, a place by its partition and offset.
//! - redelivered: an offset that was reported before;
//! - duplicate: a known message at a new offset;
//! - reordered: a new message behind a later one of the same stream and partition;
//! - lost: acknowledged, not received, and the subscription has read past its place;
//! - late: received after it was settled as lost (and then no longer lost).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::delta::{
    ByPhase, ConsumerDelta, PartitionRead, ProducerDelta, Range, Straggler, StreamId,
    StreamOutcomes, TopicPartition,
};
use super::sets::IntervalSet;

/// What one subscription received of a run's load messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionCounts {
    /// Different messages received.
    pub received: u64,
    /// Acknowledged, not received, and the subscription has read past the place.
    pub lost: u64,
    /// Acknowledged, not received, and not read past the place.
    pub unread: u64,
    /// The same message at a further offset.
    pub duplicates: u64,
    /// The same offset again.
    pub redelivered: u64,
    /// Received after it had been settled as lost.
    pub late: u64,
    /// Received behind a later message of the same stream and partition.
    pub reordered: u64,
    /// Messages without this run's stamp.
    pub foreign: u64,
    /// Probe messages, each counted as often as it came.
    pub probes: u64,
}

/// Messages of one stream acknowledged in one slot: settled together, once the subscription has
/// read past all their places.
#[derive(Debug)]
struct Chunk {
    sequences: Vec<Range>,
    /// One past the highest offset, per partition; empty where acknowledgements name no offsets.
    ends: Vec<(TopicPartition, u64)>,
}

#[derive(Debug, Default)]
struct PartitionBook {
    /// Offsets of load messages reported so far.
    reported: IntervalSet,
    /// Everything before it was read.
    position: u64,
}

/// One stream, as one subscription sees it.
#[derive(Debug, Default)]
struct StreamBook {
    received: IntervalSet,
    /// Settled as lost, at some time.
    lost: IntervalSet,
    /// Acknowledged, and not read past yet; oldest first.
    pending: VecDeque<Rc<Chunk>>,
}

#[derive(Debug, Default)]
struct SubscriptionBook {
    partitions: HashMap<TopicPartition, PartitionBook>,
    streams: BTreeMap<StreamId, StreamBook>,
    counts: SubscriptionCounts,
}

/// The books of one run.
#[derive(Debug)]
pub struct Ledger {
    /// By number of the subscription.
    subscriptions: Vec<SubscriptionBook>,
    /// By number of the topic: its subscriptions.
    subscribers: Vec<Vec<u32>>,
    /// By number of the logical producer: its topic.
    topics: Vec<u32>,
}

impl Ledger {
    /// Empty books. `subscribed`: topics of each subscription; `topics`: topic of each logical
    /// producer.
    pub fn new(subscribed: &[Vec<u32>], topics: Vec<u32>) -> Self {
        let count = subscribed
            .iter()
            .flatten()
            .max()
            .map_or(0, |&topic| topic as usize + 1);
        let mut subscribers = vec![Vec::new(); count];
        for (subscription, of_topics) in subscribed.iter().enumerate() {
            for &topic in of_topics {
                subscribers[topic as usize].push(subscription as u32);
            }
        }
        let subscriptions = subscribed
            .iter()
            .map(|_| SubscriptionBook::default())
            .collect();
        Self {
            subscriptions,
            subscribers,
            topics,
        }
    }

    /// Takes what a producer client reported. Returns how many receptions its acknowledgements
    /// lead to: each message once per subscription of its topic.
    pub fn produced(&mut self, delta: &ProducerDelta) -> u64 {
        delta
            .outcomes
            .iter()
            .map(|outcomes| self.acknowledged(outcomes))
            .sum()
    }

    fn acknowledged(&mut self, outcomes: &StreamOutcomes) -> u64 {
        let messages: u64 = outcomes.acknowledged.iter().map(|range| range.len()).sum();
        let topic = self.topics.get(outcomes.stream.producer as usize);
        let Some(subscribers) = topic.and_then(|&t| self.subscribers.get(t as usize)) else {
            return 0;
        };
        if messages == 0 {
            return 0;
        }
        let chunk = Rc::new(Chunk {
            sequences: outcomes.acknowledged.clone(),
            ends: outcomes.ends.clone(),
        });
        for &subscription in subscribers {
            let book = &mut self.subscriptions[subscription as usize];
            let stream = book.streams.entry(outcomes.stream).or_default();
            stream.pending.push_back(chunk.clone());
            book.settle(outcomes.stream);
        }
        messages * subscribers.len() as u64
    }

    /// Takes what a consumer client reported. Returns how many messages were new to their
    /// subscription, by phase.
    pub fn consumed(&mut self, delta: &ConsumerDelta) -> ByPhase<u64> {
        match self.subscriptions.get_mut(delta.subscription as usize) {
            Some(book) => book.consumed(delta),
            None => ByPhase::default(),
        }
    }

    /// Every acknowledged message is received, or settled as lost, by every subscription.
    pub fn is_drained(&mut self) -> bool {
        self.subscriptions
            .iter_mut()
            .all(SubscriptionBook::is_drained)
    }

    /// What each subscription received; what is still pending counts as unread.
    pub fn counts(&self) -> Vec<SubscriptionCounts> {
        self.subscriptions
            .iter()
            .map(SubscriptionBook::counts)
            .collect()
    }
}

impl SubscriptionBook {
    fn consumed(&mut self, delta: &ConsumerDelta) -> ByPhase<u64> {
        let mut new = ByPhase::default();
        let mut messages = 0;
        let mut redelivered = 0;
        // Whether an offset was reported before is asked of earlier deltas, whether a message is
        // known of this one, too.
        let stragglers: Vec<(&Straggler, bool)> = delta
            .stragglers
            .iter()
            .map(|straggler| (straggler, self.reported(straggler)))
            .collect();
        for read in &delta.partitions {
            let (read_messages, again) = self.read(read);
            messages += read_messages;
            redelivered += again;
        }
        for read in &delta.streams {
            let stream = self.streams.entry(read.stream).or_default();
            for range in &read.sequences {
                let (fresh, late) = stream.insert(*range);
                *new.of_mut(read.phase) += fresh;
                self.counts.late += late;
                self.counts.lost -= late;
            }
        }
        for (straggler, reported) in stragglers {
            *new.of_mut(straggler.phase) += self.straggler(straggler, reported);
        }
        let received: u64 = new.0.iter().sum();
        self.counts.received += received;
        self.counts.redelivered += redelivered;
        // Every message is new, the same place again, or a known message at a new place.
        self.counts.duplicates += messages.saturating_sub(redelivered + received);
        for read in &delta.streams {
            self.settle(read.stream);
        }
        new
    }

    fn reported(&self, straggler: &Straggler) -> bool {
        let partition = self.partitions.get(&straggler.partition);
        partition.is_some_and(|partition| partition.reported.contains(straggler.offset))
    }

    /// 1 if the message is new.
    fn straggler(&mut self, straggler: &Straggler, reported: bool) -> u64 {
        let stream = self.streams.entry(straggler.stream).or_default();
        let at = straggler.sequence;
        let (fresh, late) = stream.insert(Range {
            start: at,
            end: at + 1,
        });
        self.counts.late += late;
        self.counts.lost -= late;
        if fresh > 0 && !reported {
            self.counts.reordered += 1;
        }
        fresh
    }

    /// (messages, how many of them at offsets reported before)
    fn read(&mut self, read: &PartitionRead) -> (u64, u64) {
        let partition = self.partitions.entry(read.partition).or_default();
        let (mut messages, mut again) = (0, 0);
        for range in &read.load {
            let new = partition.reported.insert(*range);
            messages += range.len();
            again += range.len() - new.min(range.len());
        }
        partition.position = partition.position.max(read.position);
        self.counts.foreign += read.foreign;
        self.counts.probes += read.probes;
        (messages, again)
    }

    /// Settles the oldest chunks of a stream: those read past, and those received in whole.
    fn settle(&mut self, stream: StreamId) {
        let Some(book) = self.streams.get_mut(&stream) else {
            return;
        };
        while let Some(chunk) = book.pending.front() {
            let passed = |(partition, end): &(TopicPartition, u64)| {
                self.partitions
                    .get(partition)
                    .is_some_and(|book| book.position >= *end)
            };
            let settled = !chunk.ends.is_empty() && chunk.ends.iter().all(passed);
            if !settled && book.missing(chunk) > 0 {
                break;
            }
            let Some(chunk) = book.pending.pop_front() else {
                break;
            };
            for range in &chunk.sequences {
                for missing in book.received.gaps(*range) {
                    self.counts.lost += book.lost.insert(missing);
                }
            }
        }
    }

    /// Settles all streams: what others' messages moved the position past, too.
    fn is_drained(&mut self) -> bool {
        let streams: Vec<StreamId> = self.streams.keys().copied().collect();
        streams.into_iter().for_each(|stream| self.settle(stream));
        self.streams
            .values()
            .all(|stream| stream.pending.is_empty())
    }

    fn counts(&self) -> SubscriptionCounts {
        let pending = |book: &StreamBook| book.pending.iter().map(|c| book.missing(c)).sum::<u64>();
        let unread = self.streams.values().map(pending).sum();
        SubscriptionCounts {
            unread,
            ..self.counts
        }
    }
}

impl StreamBook {
    /// Receives messages: (how many are new, how many of those were settled as lost).
    fn insert(&mut self, range: Range) -> (u64, u64) {
        let mut late = 0;
        if !self.lost.is_empty() {
            for new in self.received.gaps(range) {
                late += self.lost.overlap(new);
            }
        }
        (self.received.insert(range), late)
    }

    /// Messages of a chunk not received yet.
    fn missing(&self, chunk: &Chunk) -> u64 {
        let of_range = |range: &Range| range.len() - self.received.overlap(*range);
        chunk.sequences.iter().map(of_range).sum()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
