//! Where logs begin and end, and where in them a time is.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::broker::core::Core;
use crate::broker::log::Log;

/// From this version on, an offset comes with the epoch of its leader.
const EPOCH_SINCE: i16 = 4;

/// Asks for the end.
const LATEST: i64 = -1;

/// Asks for the beginning.
const EARLIEST: i64 = -2;

/// Finds the offset of each time that is asked for. A time is found as exactly as batches go: it
/// leads to the beginning of the batch that has it, as batches aren't decompressed here.
pub fn list(core: &Core, version: i16, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut state = core.state.borrow_mut();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let response =
                ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            let log = state.partition(&topic.name, asked.partition_index);
            partitions.push(match log.map(|log| find(log, asked.timestamp)) {
                Some((offset, timestamp)) => response
                    .with_offset(offset)
                    .with_timestamp(timestamp)
                    .with_leader_epoch(if version >= EPOCH_SINCE { 0 } else { -1 }),
                None => response
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code())
                    .with_offset(-1)
                    .with_timestamp(-1),
            });
        }
        topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    ListOffsetsResponse::default().with_topics(topics)
}

fn find(log: &mut Log, time: i64) -> (i64, i64) {
    match time {
        LATEST => (log.end(), -1),
        EARLIEST => (log.start(), -1),
        _ => log.at_time(time).unwrap_or((-1, -1)),
    }
}
