//! Appending in a broker that lies: see [`crate::broker::liar`].

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::produce::{Placed, room, store};
use crate::broker::batch::Batch;
use crate::broker::core::Core;
use crate::broker::liar::{Liar, Piece};
use crate::broker::producers::Verdict;

/// Does with a sound batch what the liar wants.
pub async fn append(
    core: &Core,
    liar: &Liar,
    topic: &str,
    partition: i32,
    batch: &Batch,
    records: &Bytes,
) -> Result<Placed, ResponseError> {
    let plan = liar.plan(topic, partition, records)?;
    core.tell(plan.told);
    if !plan.stall.is_zero() {
        // All that the broker does is done by this thread.
        std::thread::sleep(plan.stall);
    }
    let placed = match (plan.refused, plan.instead) {
        (Some(error), _) => Err(error),
        (None, Some(pieces)) => store_instead(core, topic, partition, batch, pieces).await,
        (None, None) => store(core, topic, partition, batch, records).await,
    };
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    match plan.denied {
        Some(error) => Err(error),
        None => placed,
    }
}

/// Stores something else in place of a batch, which is answered as if it had been stored.
async fn store_instead(
    core: &Core,
    topic: &str,
    partition: i32,
    batch: &Batch,
    pieces: Vec<Piece>,
) -> Result<Placed, ResponseError> {
    let mut rooms = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        if let Piece::Batch(_, bytes) = piece {
            rooms.push(room(core, bytes).await?);
        }
    }
    let mut state = core.state.borrow_mut();
    let age = state.next_age();
    let log = state
        .partition(topic, partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let offset = match log.claim(batch)? {
        Verdict::Append => log.end(),
        Verdict::Duplicate(offset) => {
            let start = log.start();
            return Ok(Placed { offset, start });
        }
    };
    let mut rooms = rooms.into_iter();
    for piece in pieces {
        match piece {
            Piece::Gap(offsets) => log.skip(offsets),
            Piece::Batch(batch, bytes) => {
                let room = rooms.next().ok_or(ResponseError::KafkaStorageError)?;
                log.store(&batch, &bytes, room, age);
            }
        }
    }
    let start = log.start();
    Ok(Placed { offset, start })
}
