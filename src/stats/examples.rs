//! The first few messages of each class of trouble, so that a person can go and look.

use serde::{Deserialize, Serialize};

use super::delta::{Range, Straggler, StreamId, TopicPartition};

/// Examples kept of each class.
pub const EXAMPLES: usize = 5;

/// One message, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Number of its topic within the run.
    pub topic: Option<u32>,
    /// Its partition.
    pub partition: Option<u32>,
    /// Its offset there.
    pub offset: Option<u64>,
    /// Who sent it.
    pub stream: Option<StreamId>,
    /// Its number among that stream's messages.
    pub sequence: Option<u64>,
}

impl Example {
    /// A place in a partition.
    pub fn at(place: TopicPartition, offset: u64) -> Self {
        Self {
            topic: Some(place.topic),
            partition: Some(place.partition),
            offset: Some(offset),
            ..Self::default()
        }
    }

    /// A message of a stream, somewhere in its topic.
    pub fn of(stream: StreamId, sequence: u64) -> Self {
        Self::default().sent_by(stream, sequence)
    }

    /// The same one, sent by this stream under this number.
    pub fn sent_by(self, stream: StreamId, sequence: u64) -> Self {
        Self {
            stream: Some(stream),
            sequence: Some(sequence),
            ..self
        }
    }
}

impl From<&Straggler> for Example {
    fn from(from: &Straggler) -> Self {
        Self {
            topic: Some(from.partition.topic),
            partition: Some(from.partition.partition),
            offset: from.offset,
            ..Self::of(from.stream, from.sequence)
        }
    }
}

/// The first few of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Few(Vec<Example>);

impl Few {
    /// More are not kept.
    pub fn is_full(&self) -> bool {
        self.0.len() >= EXAMPLES
    }

    /// Keeps an example, if there is room.
    pub fn note(&mut self, example: Example) {
        if !self.is_full() {
            self.0.push(example);
        }
    }

    /// Keeps the first ones of these messages.
    pub fn note_range(&mut self, range: Range, example: impl Fn(u64) -> Example) {
        for sequence in range.start..range.end {
            if self.is_full() {
                return;
            }
            self.0.push(example(sequence));
        }
    }

    /// Drops those that are among these messages.
    pub fn drop_range(&mut self, stream: StreamId, range: Range) {
        self.0.retain(|example| {
            let among = |sequence| range.start <= sequence && sequence < range.end;
            example.stream != Some(stream) || !example.sequence.is_some_and(among)
        });
    }

    /// This message is among them.
    pub fn has(&self, stream: StreamId, sequence: u64) -> bool {
        self.0
            .iter()
            .any(|e| e.stream == Some(stream) && e.sequence == Some(sequence))
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Example] {
        &self.0
    }

    /// All of them, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [Example] {
        &mut self.0
    }
}

/// Examples of what one subscription received, or did not, by the counts of the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is named as the count it belongs to")]
pub struct SubscriptionExamples {
    pub lost: Few,
    pub unread: Few,
    pub duplicates: Few,
    pub redelivered: Few,
    pub late: Few,
    pub reordered: Few,
    pub foreign: Few,
}

impl SubscriptionExamples {
    /// The classes with their names, in the order of the counts.
    pub fn each(&self) -> [(&'static str, &Few); 7] {
        [
            ("lost", &self.lost),
            ("unread", &self.unread),
            ("duplicates", &self.duplicates),
            ("redelivered", &self.redelivered),
            ("late", &self.late),
            ("reordered", &self.reordered),
            ("foreign", &self.foreign),
        ]
    }

    /// These messages had been settled as lost.
    pub(super) fn came_late(&mut self, stream: StreamId, range: Range, example: Example) {
        self.late.note(example);
        self.lost.drop_range(stream, range);
    }

    pub(super) fn each_mut(&mut self) -> [&mut Few; 7] {
        [
            &mut self.lost,
            &mut self.unread,
            &mut self.duplicates,
            &mut self.redelivered,
            &mut self.late,
            &mut self.reordered,
            &mut self.foreign,
        ]
    }
}

/// Examples of what became of messages before they reached the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendExamples {
    /// Certainly not persisted.
    pub failed: Few,
    /// Neither acknowledged nor certainly failed.
    pub unknown: Few,
}
