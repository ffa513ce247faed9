//! Appending what producers send, and numbering the producers.
//!
//! A request is answered when all its batches are in their logs; while memory is full, that is
//! when there is room, and nothing more is read from that producer until then. There are no
//! replicas, so `acks=1` and `acks=all` are the same.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{Answer, lie, one};
use crate::broker::batch::Batch;
use crate::broker::connection::Client;
use crate::broker::core::Core;
use crate::broker::wire::{self, Fault, Head};

/// Where a batch went.
pub(super) struct Placed {
    pub offset: i64,
    pub start: i64,
}

/// Appends the batches of a request.
pub async fn produce(client: &Client, head: &Head, body: Bytes) -> Result<Answer, Fault> {
    let request: ProduceRequest = wire::decode(head, body)?;
    let refused = match request.acks {
        // There are no transactions here, and who wants one must not believe to have it.
        _ if request.transactional_id.is_some() => {
            Some(ResponseError::TransactionalIdAuthorizationFailed)
        }
        -1..=1 => None,
        _ => Some(ResponseError::InvalidRequiredAcks),
    };
    let mut topics = Vec::with_capacity(request.topic_data.len());
    let mut error = 0;
    for topic in request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let placed = match refused {
                None => append(&client.core, &topic.name, data.index, data.records).await,
                Some(refused) => Err(refused),
            };
            let response = answer(data.index, placed);
            error = error.max(response.error_code);
            partitions.push(response);
        }
        topics.push(
            TopicProduceResponse::default()
                .with_name(topic.name)
                .with_partition_responses(partitions),
        );
    }
    match (request.acks, error) {
        (0, 0) => Ok(None),
        (0, error) => Err(Fault::Unheard(error)),
        _ => {
            let response = ProduceResponse::default().with_responses(topics);
            wire::encode(head.correlation, head.version, &response).map(one)
        }
    }
}

async fn append(
    core: &Core,
    topic: &str,
    partition: i32,
    records: Option<Bytes>,
) -> Result<Placed, ResponseError> {
    let records = records.ok_or(ResponseError::InvalidRecord)?;
    let longest = core
        .state
        .borrow()
        .topics
        .get(topic)
        .filter(|topic| topic.has(partition))
        .map(|topic| topic.longest_batch)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if records.len() > longest {
        return Err(ResponseError::MessageTooLarge);
    }
    let batch = Batch::check(&records)?;
    match &core.liar {
        None => store(core, topic, partition, &batch, &records).await,
        Some(liar) => lie::append(core, liar, topic, partition, &batch, &records).await,
    }
}

/// Stores a sound batch.
pub(super) async fn store(
    core: &Core,
    topic: &str,
    partition: i32,
    batch: &Batch,
    records: &Bytes,
) -> Result<Placed, ResponseError> {
    let room = room(core, records).await?;
    let mut state = core.state.borrow_mut();
    let age = state.next_age();
    // The topic may have been deleted while there was no room.
    let log = state
        .partition(topic, partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let offset = log.append(batch, records, room, age)?;
    Ok(Placed {
        offset,
        start: log.start(),
    })
}

/// Room for a batch in memory.
pub(super) async fn room(core: &Core, batch: &[u8]) -> Result<OwnedSemaphorePermit, ResponseError> {
    let charge = core
        .memory
        .charge(batch.len())
        .ok_or(ResponseError::MessageTooLarge)?;
    core.room(charge)
        .await
        .ok_or(ResponseError::KafkaStorageError)
}

fn answer(partition: i32, placed: Result<Placed, ResponseError>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(partition);
    match placed {
        Ok(Placed { offset, start }) => response
            .with_base_offset(offset)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(start),
        Err(error) => response.with_error_code(error.code()).with_base_offset(-1),
    }
}

/// Gives an idempotent producer its number. A transactional one gets none.
pub fn number(core: &Core, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default();
    if request.transactional_id.is_some() {
        let error = ResponseError::TransactionalIdAuthorizationFailed;
        return response
            .with_error_code(error.code())
            .with_producer_epoch(-1);
    }
    let producer = core.state.borrow_mut().next_producer();
    response
        .with_producer_id(ProducerId(producer))
        .with_producer_epoch(0)
}
