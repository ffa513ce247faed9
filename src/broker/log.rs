//! The log of one partition: batches in memory, in the order of their offsets.
//!
//! Offsets are given once and never again. The log begins at `start`, which only grows: what is
//! before it is gone, and who asks for it is told so.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::batch::{self, Batch};
use super::producers::{Producers, Verdict};

/// The log of one partition.
#[derive(Debug, Default)]
pub struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    producers: Producers,
    waiting: Vec<Rc<Notify>>,
}

/// A batch, and the memory it takes: that is given back when the batch goes.
#[derive(Debug)]
struct Stored {
    first: i64,
    last: i64,
    max_timestamp: i64,
    age: u64,
    bytes: Bytes,
    room: OwnedSemaphorePermit,
}

/// What a reader gets.
#[derive(Debug, Default, PartialEq)]
pub struct Records {
    /// Whole batches.
    pub batches: Vec<Bytes>,
    /// How many bytes they have in all.
    pub size: usize,
}

impl Log {
    /// The first offset that is still there.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Appends a batch and wakes who waits for it. A batch that was appended before gets the
    /// offset it got then.
    ///
    /// # Errors
    /// Where an idempotent producer's batch isn't its next one; see [`Producers::judge`].
    pub fn append(
        &mut self,
        batch: &Batch,
        bytes: &[u8],
        room: OwnedSemaphorePermit,
        age: u64,
    ) -> Result<i64, ResponseError> {
        match self.claim(batch)? {
            Verdict::Append => Ok(self.store(batch, bytes, room, age)),
            Verdict::Duplicate(offset) => Ok(offset),
        }
    }

    /// Judges a batch and, if it is to be appended, remembers it as if it were.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn claim(&mut self, batch: &Batch) -> Result<Verdict, ResponseError> {
        let Some(sequence) = batch.sequence else {
            return Ok(Verdict::Append);
        };
        let verdict = self.producers.judge(sequence, batch.records)?;
        if verdict == Verdict::Append {
            self.producers.appended(sequence, batch.records, self.end);
        }
        Ok(verdict)
    }

    /// Stores a batch at the end, whoever sent it, and wakes who waits for it; its first offset.
    pub fn store(
        &mut self,
        batch: &Batch,
        bytes: &[u8],
        room: OwnedSemaphorePermit,
        age: u64,
    ) -> i64 {
        let first = self.end;
        self.end += i64::from(batch.records);
        self.batches.push_back(Stored {
            first,
            last: self.end - 1,
            max_timestamp: batch.max_timestamp,
            age,
            bytes: batch::place(bytes, first),
            room,
        });
        self.wake();
        first
    }

    /// Gives offsets to nobody, as if what they had was compacted away.
    pub fn skip(&mut self, offsets: i64) {
        self.end += offsets;
    }

    /// The batches from the one that has `offset`, as many as fit in `most` bytes. Where `one` is
    /// set, the first comes even if it doesn't fit.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` before the start and behind the end.
    pub fn read(&self, offset: i64, most: usize, one: bool) -> Result<Records, ResponseError> {
        if offset < self.start || offset > self.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let mut records = Records::default();
        let from = self.batches.partition_point(|batch| batch.last < offset);
        for stored in self.batches.range(from..) {
            let size = records.size + stored.bytes.len();
            if size > most && !(one && records.batches.is_empty()) {
                break;
            }
            records.size = size;
            records.batches.push(stored.bytes.clone());
        }
        Ok(records)
    }

    /// Where to begin reading so as to miss nothing of this time or later: the first offset of
    /// the batch that has the first such record, and the batch's newest time.
    pub fn at_time(&self, time: i64) -> Option<(i64, i64)> {
        let stored = self
            .batches
            .iter()
            .find(|batch| batch.max_timestamp >= time)?;
        Some((stored.first.max(self.start), stored.max_timestamp))
    }

    /// Lets the log begin at `offset`, or at its end if that comes first.
    pub fn begin_at(&mut self, offset: i64) {
        self.start = offset.min(self.end).max(self.start);
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.last < self.start)
        {
            self.batches.pop_front();
        }
    }

    /// How old the oldest batch is, if all of it is before `floor`.
    pub fn oldest_below(&self, floor: i64) -> Option<u64> {
        let oldest = self.batches.front()?;
        (oldest.last < floor).then_some(oldest.age)
    }

    /// Drops the oldest batch: how many records and bytes of memory that was.
    pub fn drop_oldest(&mut self) -> (u64, u64) {
        let Some(oldest) = self.batches.pop_front() else {
            return (0, 0);
        };
        let records = (oldest.last + 1 - self.start).unsigned_abs();
        self.start = oldest.last + 1;
        (records, oldest.room.num_permits() as u64)
    }

    /// Notifies `reader` of the next batch, unless it is to be notified already.
    pub fn watch(&mut self, reader: &Rc<Notify>) {
        if !self
            .waiting
            .iter()
            .any(|waiting| Rc::ptr_eq(waiting, reader))
        {
            self.waiting.push(Rc::clone(reader));
        }
    }

    /// Doesn't notify `reader` any more.
    pub fn unwatch(&mut self, reader: &Rc<Notify>) {
        self.waiting.retain(|waiting| !Rc::ptr_eq(waiting, reader));
    }

    /// Notifies everyone who waits, once.
    pub fn wake(&mut self) {
        for reader in self.waiting.drain(..) {
            reader.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::super::batch::Sequence;
    use super::super::batch::tests::batch;
    use super::*;

    struct Fixture {
        log: Log,
        room: Arc<Semaphore>,
    }

    impl Fixture {
        fn new() -> Fixture {
            Fixture {
                log: Log::default(),
                room: Arc::new(Semaphore::new(10_000)),
            }
        }

        fn append(
            &mut self,
            records: i32,
            sequence: Option<Sequence>,
        ) -> Result<i64, ResponseError> {
            let bytes = batch(records, sequence);
            let room = Arc::clone(&self.room).try_acquire_many_owned(100).unwrap();
            self.log
                .append(&Batch::check(&bytes).unwrap(), &bytes, room, 0)
        }
    }

    fn offsets(records: &Records) -> Vec<i64> {
        let base = |bytes: &Bytes| i64::from_be_bytes(*bytes.first_chunk().unwrap());
        records.batches.iter().map(base).collect()
    }

    #[test]
    fn a_reader_gets_whole_batches_from_its_offset_on() {
        let mut fixture = Fixture::new();
        for records in [3, 1, 2] {
            fixture.append(records, None).unwrap();
        }
        let log = &fixture.log;
        let read = |offset, most, one| offsets(&log.read(offset, most, one).unwrap());
        assert_eq!(read(0, 10_000, true), [0, 3, 4]);
        assert_eq!(read(1, 10_000, true), [0, 3, 4]);
        assert_eq!(read(5, 10_000, true), [4]);
        assert!(read(6, 10_000, true).is_empty());
        assert_eq!(read(3, 75, true), [3]);
        assert_eq!(read(0, 1, true), [0]);
        assert!(read(0, 1, false).is_empty());
    }

    #[test]
    fn what_is_gone_is_told_apart_from_what_is_not_there_yet() {
        let mut fixture = Fixture::new();
        fixture.append(3, None).unwrap();
        fixture.append(3, None).unwrap();
        fixture.log.begin_at(4);
        let log = &fixture.log;
        assert_eq!(log.read(3, 100, true), Err(ResponseError::OffsetOutOfRange));
        assert_eq!(offsets(&log.read(4, 100, true).unwrap()), [3]);
        assert_eq!(log.read(6, 100, true), Ok(Records::default()));
        assert_eq!(log.read(7, 100, true), Err(ResponseError::OffsetOutOfRange));
    }

    #[test]
    fn offsets_that_nobody_has_are_read_over() {
        let mut fixture = Fixture::new();
        fixture.append(2, None).unwrap();
        fixture.log.skip(3);
        assert_eq!(fixture.log.read(3, 100, true), Ok(Records::default()));
        assert_eq!(fixture.append(1, None), Ok(5));
        assert_eq!(offsets(&fixture.log.read(3, 100, true).unwrap()), [5]);
        assert_eq!(offsets(&fixture.log.read(0, 10_000, true).unwrap()), [0, 5]);
    }

    #[test]
    fn a_batch_sent_again_gets_its_first_offset_and_is_there_once() {
        let mut fixture = Fixture::new();
        let sequence = |first| {
            Some(Sequence {
                producer: 7,
                epoch: 0,
                first,
            })
        };
        assert_eq!(fixture.append(2, sequence(0)), Ok(0));
        assert_eq!(fixture.append(2, sequence(2)), Ok(2));
        assert_eq!(fixture.append(2, sequence(0)), Ok(0));
        assert_eq!(
            fixture.append(2, sequence(5)),
            Err(ResponseError::OutOfOrderSequenceNumber)
        );
        assert_eq!(fixture.log.end(), 4);
        assert_eq!(offsets(&fixture.log.read(0, 10_000, true).unwrap()), [0, 2]);
        assert_eq!(fixture.room.available_permits(), 10_000 - 200);
    }

    #[test]
    fn dropped_batches_give_their_memory_back() {
        let mut fixture = Fixture::new();
        fixture.append(3, None).unwrap();
        fixture.append(2, None).unwrap();
        assert_eq!(fixture.log.oldest_below(2), None);
        assert_eq!(fixture.log.oldest_below(3), Some(0));
        assert_eq!(fixture.log.drop_oldest(), (3, 100));
        assert_eq!(fixture.log.start(), 3);
        fixture.log.begin_at(4);
        assert_eq!(fixture.log.drop_oldest(), (1, 100));
        assert_eq!(fixture.log.drop_oldest(), (0, 0));
        assert_eq!(fixture.room.available_permits(), 10_000);
    }

    #[test]
    fn a_time_leads_to_the_batch_that_has_it() {
        let mut fixture = Fixture::new();
        fixture.append(3, None).unwrap();
        assert_eq!(fixture.log.at_time(1234), Some((0, 1234)));
        assert_eq!(fixture.log.at_time(1235), None);
    }
}
