//! What is done with each kind of request.

mod cluster;
mod commits;
mod configs;
mod fetch;
mod groups;
mod lie;
mod offsets;
mod partitions;
mod produce;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, DescribeClusterRequest};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use super::connection::Client;
use super::wire::{self, Fault, Head};

/// What a client gets, in pieces; some requests have no answer.
pub type Answer = Option<VecDeque<Bytes>>;

/// Answers one request.
///
/// # Errors
/// Where the connection has to be closed.
pub async fn answer(client: &Client, mut frame: Bytes) -> Result<Answer, Fault> {
    let head = wire::head(&mut frame)?;
    if !(head.api.min..=head.api.max).contains(&head.version) {
        return cluster::not_offered(&head).map(one);
    }
    match head.api.key {
        ApiKey::Produce => produce::produce(client, &head, frame).await,
        ApiKey::Fetch => fetch::fetch(client, &head, frame).await,
        _ => other(client, &head, frame).await.map(one),
    }
}

fn one(whole: Bytes) -> Answer {
    Some(VecDeque::from([whole]))
}

/// Requests that come rarely, and have an answer in one piece.
async fn other(client: &Client, head: &Head, body: Bytes) -> Result<Bytes, Fault> {
    let core = &*client.core;
    let answer = match head.api.key {
        ApiKey::ApiVersions => reply(head, body, |_: ApiVersionsRequest| cluster::versions()),
        ApiKey::Metadata => reply(head, body, |request| cluster::metadata(core, request)),
        ApiKey::DescribeCluster => reply(head, body, |_: DescribeClusterRequest| {
            cluster::describe(core)
        }),
        ApiKey::FindCoordinator => reply(head, body, |request| cluster::find(core, &request)),
        ApiKey::InitProducerId => reply(head, body, |request| produce::number(core, &request)),
        ApiKey::ListOffsets => reply(head, body, |request| {
            offsets::list(core, head.version, request)
        }),
        ApiKey::CreateTopics => reply(head, body, |request| topics::create(core, request)),
        ApiKey::DeleteTopics => reply(head, body, |request| topics::delete(core, request)),
        ApiKey::CreatePartitions => reply(head, body, |request| partitions::add(core, request)),
        ApiKey::DeleteRecords => reply(head, body, |request| partitions::cut(core, request)),
        ApiKey::DescribeConfigs => reply(head, body, |request| configs::describe(core, request)),
        ApiKey::JoinGroup => {
            let joined = groups::join(client, head, wire::decode(head, body)?).await;
            wire::encode(head.correlation, head.version, &joined)
        }
        ApiKey::SyncGroup => {
            let synced = groups::sync(core, wire::decode(head, body)?).await;
            wire::encode(head.correlation, head.version, &synced)
        }
        ApiKey::Heartbeat => reply(head, body, |request| groups::heartbeat(core, &request)),
        ApiKey::LeaveGroup => reply(head, body, |request| {
            groups::leave(core, head.version, request)
        }),
        ApiKey::DescribeGroups => reply(head, body, |request| groups::describe(core, request)),
        ApiKey::ListGroups => reply(head, body, |request| groups::list(core, head, &request)),
        ApiKey::DeleteGroups => reply(head, body, |request| groups::delete(core, request)),
        ApiKey::OffsetCommit => reply(head, body, |request| commits::commit(core, request)),
        ApiKey::OffsetFetch => reply(head, body, |request| commits::fetch(core, request)),
        key => Err(Fault::Kind(key as i16)),
    };
    core.changed();
    answer
}

fn reply<Q: Decodable, A: Encodable + HeaderVersion>(
    head: &Head,
    body: Bytes,
    handler: impl FnOnce(Q) -> A,
) -> Result<Bytes, Fault> {
    let request = wire::decode(head, body)?;
    wire::encode(head.correlation, head.version, &handler(request))
}

/// The code that says how something went.
fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    match outcome {
        Ok(_) => 0,
        Err(error) => error.code(),
    }
}
