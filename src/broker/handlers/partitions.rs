//! Adding partitions to topics, and cutting off the beginning of their logs.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::NODE;
use super::code;
use super::topics::{Refusal, room_for};
use crate::broker::core::Core;
use crate::broker::log::Log;
use crate::broker::state::State;

/// Asks for everything to be cut off.
const ALL: i64 = -1;

/// Adds partitions to topics.
pub fn add(core: &Core, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut state = core.state.borrow_mut();
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in request.topics {
        let added = add_to(&mut state, &wanted, request.validate_only);
        let result = CreatePartitionsTopicResult::default().with_name(wanted.name);
        results.push(match added {
            Ok(()) => result,
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

fn add_to(state: &mut State, wanted: &CreatePartitionsTopic, dry: bool) -> Result<(), Refusal> {
    let name: &str = &wanted.name;
    let Some(topic) = state.topics.get(name) else {
        let why = format!("there is no topic {name}");
        return Err((ResponseError::UnknownTopicOrPartition, why));
    };
    let (have, want) = (
        topic.partitions.len(),
        usize::try_from(wanted.count).unwrap_or(0),
    );
    if want <= have {
        let why = format!("topic {name} has {have} partitions, and can only get more");
        return Err((ResponseError::InvalidPartitions, why));
    }
    let elsewhere = |brokers: &[_]| brokers != [NODE];
    if let Some(assigned) = &wanted.assignments
        && (assigned.len() != want - have || assigned.iter().any(|one| elsewhere(&one.broker_ids)))
    {
        let why = "there is one broker: every new partition can only be on broker 1".to_owned();
        return Err((ResponseError::InvalidReplicaAssignment, why));
    }
    room_for(state, want - have)?;
    if let Some(topic) = state.topics.get_mut(name)
        && !dry
    {
        topic.partitions.resize_with(want, Log::default);
    }
    Ok(())
}

/// Cuts off the beginning of logs, as an administrator asks.
pub fn cut(core: &Core, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut state = core.state.borrow_mut();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let number = wanted.partition_index;
            let start = cut_one(state.partition(&topic.name, number), wanted.offset);
            partitions.push(
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(number)
                    .with_error_code(code(&start))
                    .with_low_watermark(start.unwrap_or(-1)),
            );
        }
        topics.push(
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

fn cut_one(log: Option<&mut Log>, offset: i64) -> Result<i64, ResponseError> {
    let log = log.ok_or(ResponseError::UnknownTopicOrPartition)?;
    match offset {
        ALL => log.begin_at(log.end()),
        offset if offset >= 0 && offset <= log.end() => log.begin_at(offset),
        _ => return Err(ResponseError::OffsetOutOfRange),
    }
    Ok(log.start())
}
