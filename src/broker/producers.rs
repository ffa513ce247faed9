//! What a partition remembers of idempotent producers.
//!
//! The last five batches of each producer, as many as Kafka remembers: one sent again is answered
//! with the offset it got the first time, and one that leaves a gap is refused.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::error::ResponseError;

use super::batch::Sequence;

/// A client has at most so many batches under way that it may send again.
const REMEMBERED: usize = 5;

/// So many producers of a partition are remembered; then the one heard of least recently goes.
const PRODUCERS: usize = 4096;

/// The idempotent producers of one partition.
#[derive(Debug, Default)]
pub struct Producers {
    known: HashMap<i64, Producer>,
    clock: u64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Place>,
    heard: u64,
}

#[derive(Debug)]
struct Place {
    first: i32,
    last: i32,
    offset: i64,
}

/// What to do with a batch.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It is the next one.
    Append,
    /// It was appended before, at this offset.
    Duplicate(i64),
}

impl Producers {
    /// Whether a batch is the next of its producer. A producer that isn't known may begin
    /// anywhere, as with Kafka.
    ///
    /// # Errors
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER` for a gap, `DUPLICATE_SEQUENCE_NUMBER` for a batch from
    /// further back than is remembered, `INVALID_PRODUCER_EPOCH` for one of an older epoch.
    pub fn judge(&self, sequence: Sequence, records: i32) -> Result<Verdict, ResponseError> {
        let Some(producer) = self.known.get(&sequence.producer) else {
            return Ok(Verdict::Append);
        };
        if sequence.epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if sequence.epoch > producer.epoch {
            return match sequence.first {
                0 => Ok(Verdict::Append),
                _ => Err(ResponseError::OutOfOrderSequenceNumber),
            };
        }
        let last = step(sequence.first, records - 1);
        let again = |place: &&Place| place.first == sequence.first && place.last == last;
        if let Some(place) = producer.batches.iter().find(again) {
            return Ok(Verdict::Duplicate(place.offset));
        }
        match producer.batches.back() {
            Some(newest) if sequence.first == step(newest.last, 1) => Ok(Verdict::Append),
            Some(newest) if sequence.first <= newest.last => {
                Err(ResponseError::DuplicateSequenceNumber)
            }
            Some(_) => Err(ResponseError::OutOfOrderSequenceNumber),
            None => Ok(Verdict::Append),
        }
    }

    /// Remembers a batch that was appended.
    pub fn appended(&mut self, sequence: Sequence, records: i32, offset: i64) {
        self.clock += 1;
        if self.known.len() >= PRODUCERS && !self.known.contains_key(&sequence.producer) {
            let oldest = self.known.iter().min_by_key(|(_, producer)| producer.heard);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.known.remove(&id);
            }
        }
        let new = Producer {
            epoch: sequence.epoch,
            batches: VecDeque::new(),
            heard: 0,
        };
        let producer = self.known.entry(sequence.producer).or_insert(new);
        if producer.epoch != sequence.epoch {
            producer.epoch = sequence.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        let last = step(sequence.first, records - 1);
        producer.batches.push_back(Place {
            first: sequence.first,
            last,
            offset,
        });
        producer.heard = self.clock;
    }
}

/// Sequence numbers begin anew at zero after the highest.
fn step(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(epoch: i16, first: i32) -> Sequence {
        Sequence {
            producer: 1,
            epoch,
            first,
        }
    }

    fn after(batches: &[(i32, i32)]) -> Producers {
        let mut producers = Producers::default();
        for (offset, (first, records)) in (100..).zip(batches) {
            let verdict = producers.judge(sequence(0, *first), *records);
            assert_eq!(verdict, Ok(Verdict::Append));
            producers.appended(sequence(0, *first), *records, offset);
        }
        producers
    }

    #[test]
    fn each_of_the_last_five_batches_is_known_again() {
        let producers = after(&[(0, 1), (1, 2), (3, 1), (4, 1), (5, 1), (6, 10)]);
        let again = |first, records| producers.judge(sequence(0, first), records);
        assert_eq!(again(1, 2), Ok(Verdict::Duplicate(101)));
        assert_eq!(again(6, 10), Ok(Verdict::Duplicate(105)));
        assert_eq!(again(0, 1), Err(ResponseError::DuplicateSequenceNumber));
    }

    #[test]
    fn a_gap_is_refused() {
        let producers = after(&[(0, 3)]);
        let refused = Err(ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.judge(sequence(0, 4), 1), refused);
        assert_eq!(producers.judge(sequence(0, 3), 1), Ok(Verdict::Append));
    }

    #[test]
    fn numbers_go_on_at_zero_after_the_highest() {
        let producers = after(&[(i32::MAX - 1, 2)]);
        assert_eq!(producers.judge(sequence(0, 0), 1), Ok(Verdict::Append));
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_ends_the_old_one() {
        let mut producers = after(&[(0, 3)]);
        assert!(producers.judge(sequence(1, 3), 1).is_err());
        assert_eq!(producers.judge(sequence(1, 0), 1), Ok(Verdict::Append));
        producers.appended(sequence(1, 0), 1, 103);
        assert_eq!(
            producers.judge(sequence(0, 3), 1),
            Err(ResponseError::InvalidProducerEpoch)
        );
    }

    #[test]
    fn no_more_producers_are_remembered_than_promised() {
        let mut producers = Producers::default();
        for producer in 0..5000 {
            producers.appended(
                Sequence {
                    producer,
                    epoch: 0,
                    first: 0,
                },
                1,
                producer,
            );
        }
        assert_eq!(producers.known.len(), PRODUCERS);
        let newest = Sequence {
            producer: 4999,
            epoch: 0,
            first: 0,
        };
        assert_eq!(producers.judge(newest, 1), Ok(Verdict::Duplicate(4999)));
    }
}
