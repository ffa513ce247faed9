//! Creating and deleting topics.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::NODE;
use super::configs;
use crate::broker::core::Core;
use crate::broker::state::{MOST_PARTITIONS, State};
use crate::broker::topics::{Topic, is_name, longest_batch};

/// Why something can't be done: a code for the client, a sentence for the person.
pub type Refusal = (ResponseError, String);

/// Creates topics.
pub fn create(core: &Core, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut state = core.state.borrow_mut();
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in request.topics {
        let made = check(&state, &wanted);
        let result = CreatableTopicResult::default().with_name(wanted.name.clone());
        results.push(match made {
            Ok(topic) => {
                let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                let configs = settings(&topic);
                if !request.validate_only {
                    state.topics.insert(wanted.name.to_string(), topic);
                }
                result
                    .with_num_partitions(partitions)
                    .with_replication_factor(1)
                    .with_configs(Some(configs))
            }
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why)))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn check(state: &State, wanted: &CreatableTopic) -> Result<Topic, Refusal> {
    let name: &str = &wanted.name;
    if !is_name(name) {
        let why = "a topic's name has 1 to 249 letters, digits, dots, dashes and underscores";
        return Err((ResponseError::InvalidTopicException, why.to_owned()));
    }
    if state.topics.contains_key(name) {
        let why = format!("there is a topic {name} already");
        return Err((ResponseError::TopicAlreadyExists, why));
    }
    let partitions = if wanted.assignments.is_empty() {
        if ![-1, 1].contains(&wanted.replication_factor) {
            let why = "there is one broker: the replication factor can only be 1".to_owned();
            return Err((ResponseError::InvalidReplicationFactor, why));
        }
        match wanted.num_partitions {
            -1 => 1,
            number => usize::try_from(number).unwrap_or(0),
        }
    } else {
        let mut numbers: Vec<i32> = wanted
            .assignments
            .iter()
            .map(|one| one.partition_index)
            .collect();
        numbers.sort_unstable();
        let counted = (0..)
            .zip(&numbers)
            .all(|(expected, number)| expected == *number);
        if !counted
            || wanted
                .assignments
                .iter()
                .any(|one| one.broker_ids != [NODE])
        {
            let why = "there is one broker: every partition can only be on broker 1".to_owned();
            return Err((ResponseError::InvalidReplicaAssignment, why));
        }
        numbers.len()
    };
    room_for(state, partitions)?;
    let given = wanted.configs.iter();
    let longest = longest_batch(given.map(|one| (&*one.name, one.value.as_deref())))
        .map_err(|why| (ResponseError::InvalidConfig, why))?;
    Ok(Topic::new(partitions, longest))
}

/// Whether there can be so many more partitions.
pub fn room_for(state: &State, partitions: usize) -> Result<(), Refusal> {
    if partitions < 1 || partitions.saturating_add(state.partitions()) > MOST_PARTITIONS {
        let why = format!(
            "a topic needs one partition at least, and there can be {MOST_PARTITIONS} in all"
        );
        return Err((ResponseError::InvalidPartitions, why));
    }
    Ok(())
}

fn settings(topic: &Topic) -> Vec<CreatableTopicConfigs> {
    let settings = configs::of_topic(topic).into_iter();
    let setting = |setting: configs::Setting| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(setting.key))
            .with_value(Some(StrBytes::from_string(setting.value)))
            .with_read_only(true)
            .with_config_source(setting.source)
    };
    settings.map(setting).collect()
}

/// Deletes topics, and what groups have committed to them.
pub fn delete(core: &Core, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    // What was dropped from them is said while they are there.
    core.tell_dropped(true);
    let mut state = core.state.borrow_mut();
    let mut results = Vec::with_capacity(request.topic_names.len());
    for name in request.topic_names {
        let error = match state.delete_topic(&name) {
            true => 0,
            false => ResponseError::UnknownTopicOrPartition.code(),
        };
        results.push(
            DeletableTopicResult::default()
                .with_name(Some(name))
                .with_error_code(error),
        );
    }
    DeleteTopicsResponse::default().with_responses(results)
}
