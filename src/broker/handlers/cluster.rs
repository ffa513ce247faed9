//! What a client asks first: what is understood here, and who is here.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::core::Core;
use crate::broker::topics::{Topic, is_name};
use crate::broker::wire::{self, Fault, Head, api};

/// The one broker there is.
pub const NODE: BrokerId = BrokerId(1);

/// Coordinators of transactions are asked for by this number.
const TRANSACTION: i8 = 1;

/// Says which requests are understood.
pub fn versions() -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(api::offered())
}

/// Answers a request of a version that isn't offered: a client that asks what is, in a version to
/// come, is told in the oldest one, which every client understands.
pub fn not_offered(head: &Head) -> Result<Bytes, Fault> {
    if head.api.key == ApiKey::ApiVersions && head.version > 0 {
        let error = ResponseError::UnsupportedVersion.code();
        return wire::encode(head.correlation, 0, &versions().with_error_code(error));
    }
    Err(Fault::Version {
        name: format!("{:?}", head.api.key),
        version: head.version,
    })
}

/// Says which topics there are and that they are all here. Topics are never created by asking.
pub fn metadata(core: &Core, request: MetadataRequest) -> MetadataResponse {
    let state = core.state.borrow();
    let topics = match request.topics {
        None => state
            .topics
            .iter()
            .map(|(name, topic)| describe_topic(name, Some(topic)))
            .collect(),
        Some(asked) => {
            let names = asked.into_iter().filter_map(|topic| topic.name);
            names
                .map(|name| describe_topic(&name, state.topics.get(&**name)))
                .collect()
        }
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE)
        .with_host(host(core))
        .with_port(i32::from(core.address.port()));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(core.cluster.clone()))
        .with_controller_id(NODE)
        .with_topics(topics)
}

fn describe_topic(name: &str, topic: Option<&Topic>) -> MetadataResponseTopic {
    let response = MetadataResponseTopic::default().with_name(Some(topic_name(name)));
    let partition = |number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(NODE)
            .with_leader_epoch(0)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    };
    match topic {
        Some(topic) => {
            let numbers = (0..).zip(&topic.partitions).map(|(number, _)| number);
            response.with_partitions(numbers.map(partition).collect())
        }
        None if is_name(name) => {
            response.with_error_code(ResponseError::UnknownTopicOrPartition.code())
        }
        None => response.with_error_code(ResponseError::InvalidTopicException.code()),
    }
}

/// Says which broker there is.
pub fn describe(core: &Core) -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(NODE)
        .with_host(host(core))
        .with_port(i32::from(core.address.port()));
    DescribeClusterResponse::default()
        .with_cluster_id(core.cluster.clone())
        .with_controller_id(NODE)
        .with_brokers(vec![broker])
}

/// Says who coordinates a group: the one broker. Nobody coordinates transactions.
pub fn find(core: &Core, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    if request.key_type == TRANSACTION {
        let error = ResponseError::TransactionalIdAuthorizationFailed;
        return response
            .with_error_code(error.code())
            .with_node_id(BrokerId(-1))
            .with_port(-1);
    }
    response
        .with_node_id(NODE)
        .with_host(host(core))
        .with_port(i32::from(core.address.port()))
}

fn host(core: &Core) -> StrBytes {
    StrBytes::from_string(core.address.ip().to_string())
}

/// A name as a response has it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
