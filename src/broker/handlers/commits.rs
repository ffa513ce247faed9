//! Committing offsets, and asking for them.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::topic_name;
use super::code;
use crate::broker::core::Core;
use crate::broker::groups::{Committed, Group};
use crate::broker::liar::Liar;
use crate::broker::state::State;

/// Commits the offsets of a group.
pub fn commit(core: &Core, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let state = &mut *core.state.borrow_mut();
    let allowed = may_commit(state, &request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let number = wanted.partition_index;
            let done = allowed.and_then(|()| note(state, &request.group_id, &topic.name, wanted));
            partitions.push(
                OffsetCommitResponsePartition::default()
                    .with_partition_index(number)
                    .with_error_code(code(&done)),
            );
        }
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    state.groups.sweep();
    OffsetCommitResponse::default().with_topics(topics)
}

fn may_commit(state: &mut State, request: &OffsetCommitRequest) -> Result<(), ResponseError> {
    let generation = request.generation_id_or_member_epoch;
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    match state.groups.get(&request.group_id) {
        Some(group) => group.may_commit(&request.member_id, generation, std::time::Instant::now()),
        None if generation < 0 => Ok(()),
        None => Err(ResponseError::IllegalGeneration),
    }
}

fn note(
    state: &mut State,
    group: &str,
    topic: &str,
    wanted: OffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    let number = wanted.partition_index;
    state
        .partition(topic, number)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if wanted.committed_offset < 0 {
        return Err(ResponseError::OffsetOutOfRange);
    }
    let committed = Committed {
        offset: wanted.committed_offset,
        epoch: wanted.committed_leader_epoch,
        note: wanted
            .committed_metadata
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
    };
    let offsets = &mut state.groups.get_or_create(group).offsets;
    offsets
        .entry(topic.to_owned())
        .or_default()
        .insert(number, committed);
    Ok(())
}

/// Says what a group has committed: for some partitions, or for all.
pub fn fetch(core: &Core, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let state = &mut *core.state.borrow_mut();
    let group = state.groups.get(&request.group_id).map(|group| &*group);
    let topics = match request.topics {
        Some(asked) => asked
            .into_iter()
            .map(|topic| answer(group, topic.name, &topic.partition_indexes))
            .collect(),
        None => group.map(everything).unwrap_or_default(),
    };
    let topics = match &core.liar {
        Some(liar) => older(liar, &request.group_id, topics),
        None => topics,
    };
    OffsetFetchResponse::default().with_topics(topics)
}

/// What the liar makes of the offsets that a group has committed.
fn older(
    liar: &Liar,
    group: &str,
    mut topics: Vec<OffsetFetchResponseTopic>,
) -> Vec<OffsetFetchResponseTopic> {
    for topic in &mut topics {
        let committed = |one: &&mut OffsetFetchResponsePartition| one.committed_offset >= 0;
        for one in topic.partitions.iter_mut().filter(committed) {
            one.committed_offset = liar.committed(
                &topic.name,
                one.partition_index,
                group,
                one.committed_offset,
            );
        }
    }
    topics
}

fn everything(group: &Group) -> Vec<OffsetFetchResponseTopic> {
    let of_topic = |(topic, offsets): (&String, &std::collections::BTreeMap<i32, Committed>)| {
        let numbers: Vec<i32> = offsets.keys().copied().collect();
        answer(Some(group), topic_name(topic), &numbers)
    };
    group.offsets.iter().map(of_topic).collect()
}

fn answer(group: Option<&Group>, topic: TopicName, numbers: &[i32]) -> OffsetFetchResponseTopic {
    let offsets = group.and_then(|group| group.offsets.get(&**topic));
    let partition = |&number: &i32| {
        let response = OffsetFetchResponsePartition::default().with_partition_index(number);
        match offsets.and_then(|offsets| offsets.get(&number)) {
            Some(committed) => response
                .with_committed_offset(committed.offset)
                .with_committed_leader_epoch(committed.epoch)
                .with_metadata(Some(StrBytes::from_string(committed.note.clone()))),
            None => response
                .with_committed_offset(-1)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(StrBytes::new())),
        }
    };
    let partitions = numbers.iter().map(partition).collect();
    OffsetFetchResponseTopic::default()
        .with_name(topic)
        .with_partitions(partitions)
}
