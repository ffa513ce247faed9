//! Handing out what consumers read.
//!
//! An answer waits until there is as much as the consumer asked for, or its patience is over; a
//! batch that is appended wakes it at once. Batches are written to the socket from where they lie
//! in the log: the answer is put together here and not by the encoder, which would copy them.
//! There are no fetch sessions: every request names all its partitions.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::{FetchRequest, TopicName};
use tokio::time::Instant;

use super::{Answer, code};
use crate::broker::connection::Client;
use crate::broker::log::Records;
use crate::broker::state::State;
use crate::broker::wire::{self, Fault, Head};

/// Batches smaller than this are copied, as pieces of their own cost more.
const PIECE: usize = 1024;

/// Answers when there is enough to read.
pub async fn fetch(client: &Client, head: &Head, body: Bytes) -> Result<Answer, Fault> {
    let request: FetchRequest = wire::decode(head, body)?;
    if request.session_id != 0 && request.session_epoch > 0 {
        let error = ResponseError::FetchSessionIdNotFound;
        return Ok(Some(write(head, error.code(), Vec::new())?));
    }
    let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + patience;
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let waiting = Waiting {
        client,
        request: &request,
    };
    loop {
        let found = read(&mut client.core.state.borrow_mut(), &request);
        if found.settled || found.size >= enough || Instant::now() >= deadline {
            return Ok(Some(write(head, 0, found.topics)?));
        }
        waiting.watch();
        // Whether woken or out of patience: what counts is what is there then.
        let _ = tokio::time::timeout_at(deadline, client.reader.notified()).await;
    }
}

/// What was found for a request.
struct Found {
    topics: Vec<(TopicName, Vec<Part>)>,
    size: usize,
    /// There is nothing to wait for.
    settled: bool,
}

/// What was found in one partition.
struct Part {
    partition: i32,
    error: i16,
    start: i64,
    end: i64,
    records: Records,
}

fn read(state: &mut State, request: &FetchRequest) -> Found {
    let most = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut found = Found {
        topics: Vec::new(),
        size: 0,
        settled: true,
    };
    let mut errors = false;
    for topic in &request.topics {
        let mut parts = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let left = most.saturating_sub(found.size);
            let part = part(state, &topic.topic, wanted, left, found.size == 0);
            found.size += part.records.size;
            found.settled = false;
            errors |= part.error != 0;
            parts.push(part);
        }
        found.topics.push((topic.topic.clone(), parts));
    }
    found.settled |= errors;
    found
}

fn part(state: &mut State, topic: &str, wanted: &FetchPartition, left: usize, one: bool) -> Part {
    let (partition, error) = (
        wanted.partition,
        ResponseError::UnknownTopicOrPartition.code(),
    );
    let Some(log) = state.partition(topic, partition) else {
        return Part {
            partition,
            error,
            start: -1,
            end: -1,
            records: Records::default(),
        };
    };
    let most = usize::try_from(wanted.partition_max_bytes)
        .unwrap_or(0)
        .min(left);
    let records = log.read(wanted.fetch_offset, most, one);
    Part {
        partition,
        error: code(&records),
        start: log.start(),
        end: log.end(),
        records: records.unwrap_or_default(),
    }
}

/// A request that may wait in the logs it reads; it leaves them when it goes.
struct Waiting<'a> {
    client: &'a Client,
    request: &'a FetchRequest,
}

impl Waiting<'_> {
    fn watch(&self) {
        let state = &mut *self.client.core.state.borrow_mut();
        for topic in &self.request.topics {
            for wanted in &topic.partitions {
                if let Some(log) = state.partition(&topic.topic, wanted.partition) {
                    log.watch(&self.client.reader);
                }
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Nobody else holds it: the client isn't watching anything.
        if Rc::strong_count(&self.client.reader) == 1 {
            return;
        }
        let state = &mut *self.client.core.state.borrow_mut();
        for topic in &self.request.topics {
            for wanted in &topic.partitions {
                if let Some(log) = state.partition(&topic.topic, wanted.partition) {
                    log.unwatch(&self.client.reader);
                }
            }
        }
    }
}

/// Writes the answer as versions 4 to 11 have it.
fn write(
    head: &Head,
    error: i16,
    topics: Vec<(TopicName, Vec<Part>)>,
) -> Result<VecDeque<Bytes>, Fault> {
    let mut pieces = Pieces::default();
    pieces.text.put_i32(head.correlation);
    pieces.text.put_i32(0);
    if head.version >= 7 {
        pieces.text.put_i16(error);
        pieces.text.put_i32(0);
    }
    pieces.text.put_i32(count(topics.len())?);
    for (topic, parts) in topics {
        let length = i16::try_from(topic.len()).map_err(|_| too_long())?;
        pieces.text.put_i16(length);
        pieces.text.put_slice(topic.as_bytes());
        pieces.text.put_i32(count(parts.len())?);
        for part in parts {
            write_part(&mut pieces, head.version, part)?;
        }
    }
    pieces.finish()
}

fn write_part(pieces: &mut Pieces, version: i16, part: Part) -> Result<(), Fault> {
    let text = &mut pieces.text;
    text.put_i32(part.partition);
    text.put_i16(part.error);
    text.put_i64(part.end);
    // There are no transactions: everything is stable, nothing was aborted.
    text.put_i64(part.end);
    if version >= 5 {
        text.put_i64(part.start);
    }
    text.put_i32(0);
    if version >= 11 {
        text.put_i32(-1);
    }
    text.put_i32(count(part.records.size)?);
    for batch in part.records.batches {
        pieces.put(batch);
    }
    Ok(())
}

fn count(length: usize) -> Result<i32, Fault> {
    i32::try_from(length).map_err(|_| too_long())
}

fn too_long() -> Fault {
    Fault::Encode("it is too long".to_owned())
}

/// An answer in pieces.
#[derive(Default)]
struct Pieces {
    done: VecDeque<Bytes>,
    size: usize,
    text: BytesMut,
}

impl Pieces {
    fn put(&mut self, batch: Bytes) {
        if batch.len() < PIECE {
            self.text.put_slice(&batch);
            return;
        }
        self.cut();
        self.size += batch.len();
        self.done.push_back(batch);
    }

    fn cut(&mut self) {
        if !self.text.is_empty() {
            self.size += self.text.len();
            self.done.push_back(self.text.split().freeze());
        }
    }

    fn finish(mut self) -> Result<VecDeque<Bytes>, Fault> {
        self.cut();
        let length = count(self.size)?;
        self.done
            .push_front(Bytes::copy_from_slice(&length.to_be_bytes()));
        Ok(self.done)
    }
}
