//! What the broker knows: topics, groups, and which numbers it has given out.

use std::collections::BTreeMap;

use super::groups::Groups;
use super::log::Log;
use super::topics::Topic;

/// No more partitions than this are created, in all topics together.
pub const MOST_PARTITIONS: usize = 100_000;

/// What the broker knows.
#[derive(Debug, Default)]
pub struct State {
    /// The topics, by name.
    pub topics: BTreeMap<String, Topic>,
    /// The groups.
    pub groups: Groups,
    batches: u64,
    producers: i64,
}

impl State {
    /// A partition.
    pub fn partition(&mut self, topic: &str, number: i32) -> Option<&mut Log> {
        self.topics.get_mut(topic)?.partition(number)
    }

    /// How many partitions there are in all.
    pub fn partitions(&self) -> usize {
        self.topics
            .values()
            .map(|topic| topic.partitions.len())
            .sum()
    }

    /// Deletes a topic, and what groups have committed to it; readers that wait are told.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        let Some(mut topic) = self.topics.remove(name) else {
            return false;
        };
        topic.partitions.iter_mut().for_each(Log::wake);
        self.groups.forget_topic(name);
        true
    }

    /// The age of the next batch: one more than that of the last.
    pub fn next_age(&mut self) -> u64 {
        self.batches += 1;
        self.batches
    }

    /// A number for an idempotent producer.
    pub fn next_producer(&mut self) -> i64 {
        self.producers += 1;
        self.producers
    }
}
