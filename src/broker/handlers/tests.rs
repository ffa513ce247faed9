//! Every version that is offered is understood, and answered so that a client understands it.

mod fixture;

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
    SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::broker::batch::tests::batch;
use crate::broker::wire::api::APIS;
use fixture::Fixture;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

#[test]
fn every_version_that_is_offered_is_answered() {
    let mut fixture = Fixture::new();
    about_the_cluster(&mut fixture);
    about_topics(&mut fixture);
    about_records(&mut fixture);
    about_groups(&mut fixture);
    let offered: BTreeSet<i16> = APIS.iter().map(|api| api.key as i16).collect();
    assert_eq!(fixture.asked, offered);
}

fn about_the_cluster(fixture: &mut Fixture) {
    let versions = fixture.ask(|version| {
        let named = ApiVersionsRequest::default();
        match version {
            3.. => named
                .with_client_software_name(text("a"))
                .with_client_software_version(text("1")),
            _ => named,
        }
    });
    assert_eq!(versions.api_keys.len(), APIS.len());
    let metadata = fixture.ask(|version| match version {
        // The oldest version says it with an empty list.
        0 => MetadataRequest::default().with_topics(Some(Vec::new())),
        _ => MetadataRequest::default().with_topics(None),
    });
    assert_eq!(metadata.topics[0].partitions.len(), 2);
    let named = ["t", "absent", "not a name"]
        .map(|name| MetadataRequestTopic::default().with_name(Some(topic(name))));
    let metadata = fixture.ask(|_| MetadataRequest::default().with_topics(Some(named.to_vec())));
    let errors: Vec<i16> = metadata
        .topics
        .iter()
        .map(|topic| topic.error_code)
        .collect();
    assert_eq!(errors, [0, 3, 17]);
    let cluster = fixture.ask(|_| DescribeClusterRequest::default());
    assert_eq!(cluster.brokers[0].port, 9092);
    let coordinator = fixture.ask(|_| FindCoordinatorRequest::default().with_key(text("g")));
    assert_eq!(coordinator.node_id, BrokerId(1));
    let producer = fixture.ask(|_| InitProducerIdRequest::default().with_transactional_id(None));
    assert!(producer.error_code == 0 && producer.producer_id.0 > 0);
}

fn about_topics(fixture: &mut Fixture) {
    let made = fixture.ask(|version| {
        let setting = CreatableTopicConfig::default()
            .with_name(text("max.message.bytes"))
            .with_value(Some(text("2000")));
        let wanted = CreatableTopic::default()
            .with_name(topic(&format!("new-{version}")))
            .with_num_partitions(3)
            .with_replication_factor(1)
            .with_configs(vec![setting]);
        CreateTopicsRequest::default().with_topics(vec![wanted])
    });
    assert_eq!(
        (made.topics[0].error_code, made.topics[0].num_partitions),
        (0, 3)
    );
    let more = fixture.ask(|version| {
        let wanted = CreatePartitionsTopic::default()
            .with_name(topic("new-5"))
            .with_count(i32::from(version) + 4)
            .with_assignments(None);
        CreatePartitionsRequest::default().with_topics(vec![wanted])
    });
    assert_eq!(more.results[0].error_code, 0);
    let shown = fixture.ask(|_| {
        let asked = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("new-5"))
            .with_configuration_keys(Some(vec![text("max.message.bytes")]));
        DescribeConfigsRequest::default().with_resources(vec![asked])
    });
    assert_eq!(shown.results[0].configs[0].value.as_deref(), Some("2000"));
    let deleted = fixture.ask(|version| {
        let names = vec![topic(&format!("new-{}", version + 1))];
        DeleteTopicsRequest::default().with_topic_names(names)
    });
    assert_eq!(deleted.responses[0].error_code, 0);
}

fn about_records(fixture: &mut Fixture) {
    let appended = fixture.ask(|_| {
        let data = PartitionProduceData::default()
            .with_index(1)
            .with_records(Some(Bytes::from(batch(200, None))));
        let data = TopicProduceData::default()
            .with_name(topic("t"))
            .with_partition_data(vec![data]);
        ProduceRequest::default()
            .with_acks(-1)
            .with_topic_data(vec![data])
    });
    let appended = &appended.responses[0].partition_responses[0];
    assert_eq!((appended.error_code, appended.base_offset), (0, 1200));
    let read = fixture.ask(|_| {
        let wanted = FetchPartition::default()
            .with_partition(1)
            .with_fetch_offset(200)
            .with_partition_max_bytes(1 << 20);
        let wanted = FetchTopic::default()
            .with_topic(topic("t"))
            .with_partitions(vec![wanted]);
        FetchRequest::default()
            .with_max_bytes(1 << 20)
            .with_min_bytes(1)
            .with_topics(vec![wanted])
    });
    let read = &read.responses[0].partitions[0];
    assert_eq!((read.error_code, read.high_watermark), (0, 1400));
    assert_eq!(
        read.records.as_ref().map(Bytes::len),
        Some(6 * batch(200, None).len())
    );
    let offsets = fixture.ask(|_| {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(1)
            .with_timestamp(-1);
        let asked = ListOffsetsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![asked]);
        ListOffsetsRequest::default().with_topics(vec![asked])
    });
    assert_eq!(offsets.topics[0].partitions[0].offset, 1400);
    let cut = fixture.ask(|_| {
        let wanted = DeleteRecordsPartition::default()
            .with_partition_index(1)
            .with_offset(300);
        let wanted = DeleteRecordsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![wanted]);
        DeleteRecordsRequest::default().with_topics(vec![wanted])
    });
    assert_eq!(cut.topics[0].partitions[0].low_watermark, 300);
}

fn about_groups(fixture: &mut Fixture) {
    let joined = fixture.ask(|version| {
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
        let request = JoinGroupRequest::default()
            .with_group_id(group(&format!("g-{version}")))
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        // Version 0 doesn't have the second time.
        if version >= 1 {
            request.with_rebalance_timeout_ms(10_000)
        } else {
            request
        }
    });
    assert_eq!(joined.error_code, ResponseError::MemberIdRequired.code());
    assert!(!joined.member_id.is_empty());
    let unknown = ResponseError::UnknownMemberId.code();
    let synced = fixture.ask(|_| {
        let assigned = SyncGroupRequestAssignment::default()
            .with_member_id(text("m"))
            .with_assignment(Bytes::from_static(b"x"));
        SyncGroupRequest::default()
            .with_group_id(group("g"))
            .with_assignments(vec![assigned])
    });
    assert_eq!(synced.error_code, unknown);
    let alive = fixture.ask(|_| HeartbeatRequest::default().with_group_id(group("g")));
    assert_eq!(alive.error_code, unknown);
    let left = fixture.ask(|version| {
        let request = LeaveGroupRequest::default().with_group_id(group("g"));
        let member = MemberIdentity::default().with_member_id(text("m"));
        if version >= 3 {
            request.with_members(vec![member])
        } else {
            request
        }
    });
    assert_eq!(left.members[0].error_code, unknown);
    let committed = fixture.ask(|_| {
        let offset = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(5)
            .with_committed_metadata(Some(text("note")));
        let offset = OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![offset]);
        OffsetCommitRequest::default()
            .with_group_id(group("g"))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![offset])
    });
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    let asked = vec![
        OffsetFetchRequestTopic::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0, 1]),
    ];
    let offsets = fixture.ask(|_| {
        OffsetFetchRequest::default()
            .with_group_id(group("g"))
            .with_topics(Some(asked.clone()))
    });
    let offsets: Vec<i64> = offsets.topics[0]
        .partitions
        .iter()
        .map(|one| one.committed_offset)
        .collect();
    assert_eq!(offsets, [5, -1]);
    let described = fixture.ask(|_| DescribeGroupsRequest::default().with_groups(vec![group("g")]));
    assert_eq!(described.groups[0].group_state.as_str(), "Empty");
    let listed = fixture.ask(|_| ListGroupsRequest::default());
    assert!(listed.groups.iter().any(|one| one.group_id == group("g")));
    let deleted =
        fixture.ask(|_| DeleteGroupsRequest::default().with_groups_names(vec![group("g")]));
    assert_eq!(
        deleted.results[0].error_code,
        ResponseError::GroupIdNotFound.code()
    );
}

#[test]
fn a_client_of_times_to_come_is_told_in_the_oldest_version() {
    let fixture = Fixture::new();
    let frame = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x4dand whatever comes then");
    let answer = fixture
        .runtime
        .block_on(answer(&fixture.client, frame))
        .unwrap()
        .unwrap();
    let mut bytes = answer[0].slice(8..);
    let told = ApiVersionsResponse::decode(&mut bytes, 0).unwrap();
    assert_eq!(told.error_code, ResponseError::UnsupportedVersion.code());
    assert_eq!(told.api_keys.len(), APIS.len());
}

#[test]
fn other_versions_than_those_offered_end_the_connection() {
    let fixture = Fixture::new();
    for frame in [
        &b"\0\x01\0\x0c\0\0\0\x01\xff\xff\0"[..],
        b"\0\x00\0\x02\0\0\0\x01\xff\xff",
    ] {
        let answer = answer(&fixture.client, Bytes::copy_from_slice(frame));
        let fault = fixture.runtime.block_on(answer).unwrap_err();
        assert!(matches!(fault, Fault::Version { .. }), "{fault}");
    }
}

#[test]
fn garbage_is_never_more_than_a_fault() {
    let fixture = Fixture::new();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let api = &APIS[random.usize(..APIS.len())];
        let version = random.i16(api.min..=api.max);
        let mut frame = [(api.key as i16).to_be_bytes(), version.to_be_bytes()].concat();
        frame.extend_from_slice(b"\0\0\0\x01\xff\xff");
        let junk = random.usize(..40);
        // Small numbers make lengths that are nearly right.
        frame.extend((0..junk).map(|_| {
            if random.bool() {
                random.u8(..4)
            } else {
                random.u8(..)
            }
        }));
        let answer = answer(&fixture.client, Bytes::from(frame));
        let patience = std::time::Duration::from_millis(1);
        // What can be understood by chance may also have to wait.
        let _ = fixture
            .runtime
            .block_on(async { tokio::time::timeout(patience, answer).await });
    }
}
