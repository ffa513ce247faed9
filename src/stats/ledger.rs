//! The books of a run: which messages were acknowledged, and what each subscription received.
//!
//! Exact per subscription, whoever of its members read what, and however often they died: a load
//! message is known by its stream and sequence number, a place by its partition and offset.
//! - redelivered: an offset that was reported before; where the system has no offsets, a known message
//!   that the broker says it has delivered before;
//! - duplicate: a known message at a new offset;
//! - reordered: a new message behind a later one of the same stream and partition, that is not
//!   delivered for a second time;
//! - lost: acknowledged, not received, and the subscription has read past its place;
//! - late: received after it was settled as lost (and then no longer lost).
//!
//! Memory is bounded: where more is lost than `MEMORY` holds, the older half of it is settled for
//! good. A message of that stretch at a new place counts as late, and what was lost stays lost.

mod partition;
mod subscription;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::delta::{
    AckRun, ByPhase, ConsumerDelta, ProducerDelta, Range, Slot, StreamId, StreamOutcomes,
    TopicPartition,
};
use super::examples::{Example, SendExamples, SubscriptionExamples};
use subscription::SubscriptionBook;

/// Bytes that a subscription's lost messages may take, shared out among its streams, and again
/// those its missing offsets may, shared out among its partitions: above a million single ones.
const MEMORY: usize = 16 << 20;

/// Each stream and partition has this many of them, however many there are.
const LEAST_SHARE: usize = 1 << 10;

/// What one subscription received of a run's load messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Messages of one stream acknowledged in one slot and in many places: settled together, once the
/// subscription has read past all of them.
#[derive(Debug)]
struct Chunk {
    stream: StreamId,
    sequences: Vec<Range>,
    /// One past the highest offset, per partition.
    ends: Vec<(TopicPartition, u64)>,
}

impl Chunk {
    /// One of its messages.
    fn example(&self, sequence: u64) -> Example {
        let example = Example::of(self.stream, sequence);
        match self.ends[..] {
            [(only, _)] => Example {
                partition: Some(only.partition),
                ..example
            },
            _ => example,
        }
    }
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
    examples: SendExamples,
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
        let mut producers = vec![0; count];
        for &topic in &topics {
            if let Some(of_topic) = producers.get_mut(topic as usize) {
                *of_topic += 1;
            }
        }
        let streams = |of_topics: &Vec<u32>| of_topics.iter().map(|&t| producers[t as usize]).sum();
        let subscriptions = subscribed
            .iter()
            .map(|of_topics| SubscriptionBook::new(streams(of_topics)))
            .collect();
        Self {
            subscriptions,
            subscribers,
            topics,
            examples: SendExamples::default(),
        }
    }

    /// Takes what a producer client reported. Returns how many receptions its acknowledgements
    /// lead to: each message once per subscription of its topic.
    pub fn produced(&mut self, delta: &ProducerDelta) -> u64 {
        delta
            .outcomes
            .iter()
            .map(|outcomes| self.outcomes(outcomes))
            .sum()
    }

    fn outcomes(&mut self, outcomes: &StreamOutcomes) -> u64 {
        let stream = outcomes.stream;
        let Some(&topic) = self.topics.get(stream.producer as usize) else {
            return 0;
        };
        for (ranges, examples) in [
            (&outcomes.failed, &mut self.examples.failed),
            (&outcomes.unknown, &mut self.examples.unknown),
        ] {
            for &range in ranges {
                examples.note_range(range, |sequence| Example {
                    topic: Some(topic),
                    ..Example::of(stream, sequence)
                });
            }
        }
        let Some(subscribers) = self.subscribers.get(topic as usize) else {
            return 0;
        };
        let somewhere = !outcomes.scattered.is_empty() && !outcomes.ends.is_empty();
        let chunk = somewhere.then(|| {
            Rc::new(Chunk {
                stream,
                sequences: outcomes.scattered.clone(),
                ends: outcomes.ends.clone(),
            })
        });
        let anywhere = if somewhere {
            &[]
        } else {
            &outcomes.scattered[..]
        };
        for &subscription in subscribers {
            let book = &mut self.subscriptions[subscription as usize];
            for &run in &outcomes.runs {
                book.await_run(stream, run);
            }
            if let Some(chunk) = &chunk {
                book.await_chunk(chunk.clone(), 0);
            }
            for &range in outcomes.placeless.iter().chain(anywhere) {
                book.await_anywhere(stream, range);
            }
            for &range in outcomes.failed.iter().chain(&outcomes.unknown) {
                book.give_up(stream, range);
            }
        }
        outcomes.acknowledged() * subscribers.len() as u64
    }

    /// Takes what a consumer client reported of a slot. Returns how many messages were new to
    /// their subscription, by phase.
    pub fn consumed(&mut self, slot: Slot, delta: &ConsumerDelta) -> ByPhase<u64> {
        match self.subscriptions.get_mut(delta.subscription as usize) {
            Some(book) => book.consumed(slot, delta),
            None => ByPhase::default(),
        }
    }

    /// Every acknowledged message is received, or settled as lost, by every subscription.
    pub fn is_drained(&mut self) -> bool {
        self.subscriptions
            .iter_mut()
            .all(SubscriptionBook::is_drained)
    }

    /// What each subscription received; what is still pending counts as unread, but for what has
    /// been read past.
    pub fn counts(&self) -> Vec<SubscriptionCounts> {
        let books = self.subscriptions.iter();
        books.map(|book| book.report().0).collect()
    }

    /// The first few messages of each class, by subscription.
    pub fn examples(&self) -> Vec<SubscriptionExamples> {
        let topic_of = |stream: StreamId| self.topics.get(stream.producer as usize).copied();
        let books = self.subscriptions.iter();
        let mut examples: Vec<_> = books.map(|book| book.report().1).collect();
        let classes = examples.iter_mut().flat_map(|e| e.each_mut());
        for example in classes.flat_map(|few| few.as_mut_slice()) {
            example.topic = example.topic.or_else(|| topic_of(example.stream?));
        }
        examples
    }

    /// The first few messages that failed, or whose outcome is unknown.
    pub fn send_examples(&self) -> &SendExamples {
        &self.examples
    }
}

#[cfg(test)]
mod tests;
