//! Topics: their names, their partitions, and which settings of Kafka's they honour.
//!
//! A setting that would change what a client sees is honoured or refused. Settings that say how
//! Kafka stores and cleans up are accepted without effect, and are never shown as if they had one.

use std::collections::BTreeMap;

use super::log::Log;

/// The longest batch a topic takes, where it isn't told otherwise: Kafka's own figure.
pub const LONGEST_BATCH: usize = 1_048_588;

/// The setting that says how long a batch may be.
pub const LONGEST_BATCH_KEY: &str = "max.message.bytes";

/// A topic.
#[derive(Debug)]
pub struct Topic {
    /// The longest batch it takes, in bytes.
    pub longest_batch: usize,
    /// Its partitions, by number.
    pub partitions: Vec<Log>,
    /// How many messages of which partition were dropped unread, and weren't told of yet.
    pub dropped: BTreeMap<usize, u64>,
}

impl Topic {
    /// A topic with so many empty partitions.
    pub fn new(partitions: usize, longest_batch: usize) -> Topic {
        let partitions = std::iter::repeat_with(Log::default)
            .take(partitions)
            .collect();
        Topic {
            longest_batch,
            partitions,
            dropped: BTreeMap::new(),
        }
    }

    /// Whether it has a partition of this number.
    pub fn has(&self, number: i32) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.partitions.len())
    }

    /// A partition.
    pub fn partition(&mut self, number: i32) -> Option<&mut Log> {
        self.partitions.get_mut(usize::try_from(number).ok()?)
    }
}

/// Whether a topic may have this name.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed)
}

/// Settings with the only values that they can have here.
pub const FIXED: [(&str, &str); 5] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("message.timestamp.type", "CreateTime"),
    ("retention.bytes", "-1"),
    ("retention.ms", "-1"),
];

/// Settings that say how Kafka stores and cleans up: of no effect here, where the log is in memory
/// and makes room when that is full.
const WITHOUT_EFFECT: [&str; 21] = [
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
];

/// The longest batch, as a new topic's settings have it.
///
/// # Errors
/// What is wrong with a setting, as a sentence.
pub fn longest_batch<'a>(
    settings: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<usize, String> {
    let mut longest = LONGEST_BATCH;
    for (key, value) in settings {
        let value = value.unwrap_or_default();
        if key == LONGEST_BATCH_KEY {
            longest = value
                .parse::<i32>()
                .ok()
                .and_then(|value| usize::try_from(value).ok())
                .ok_or_else(|| format!("{key} has to be a number of bytes, not \"{value}\""))?;
        } else if WITHOUT_EFFECT.contains(&key) {
            tracing::debug!(key, value, "a setting of a topic has no effect here");
        } else if let Some((_, only)) = FIXED.iter().find(|(fixed, _)| *fixed == key) {
            if value != *only {
                return Err(format!(
                    "{key} can only be \"{only}\" here, not \"{value}\""
                ));
            }
        } else {
            return Err(format!("there is no setting {key} here"));
        }
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_refuses_are_refused() {
        for name in ["a", "A-b_c.9", &"x".repeat(249)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn settings_are_honoured_or_refused_or_of_no_visible_effect() {
        let read = |key, value| longest_batch([(key, Some(value))].into_iter());
        assert_eq!(read("max.message.bytes", "2000"), Ok(2000));
        assert_eq!(read("retention.ms", "600000"), Ok(LONGEST_BATCH));
        assert_eq!(read("compression.type", "producer"), Ok(LONGEST_BATCH));
        assert!(read("compression.type", "gzip").is_err());
        assert!(read("max.message.bytes", "many").is_err());
        assert!(read("max.message.bytes", "-1").is_err());
        assert!(read("retention.m", "1").is_err());
    }
}
