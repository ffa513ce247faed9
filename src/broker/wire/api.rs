//! Which requests are understood, in which versions, and how they are written.
//!
//! The newest versions offered stay below the ones that name topics by id (Fetch 13, Metadata 10)
//! and that ask for coordinators in bulk (FindCoordinator 4). The oldest are the oldest that the
//! decoder has.

use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::api_versions_response::ApiVersion;

use super::shape::Kind::{Blob, Fixed, List, Structs, Text};
use super::shape::{Field, always, since, within};

/// A kind of request that is understood.
#[derive(Debug)]
pub struct Api {
    /// Its number.
    pub key: ApiKey,
    /// The oldest version.
    pub min: i16,
    /// The newest version.
    pub max: i16,
    /// How its body is written.
    pub shape: &'static [Field],
}

/// Every kind of request that is understood.
pub static APIS: [Api; 22] = [
    Api {
        key: ApiKey::Produce,
        min: 3,
        max: 9,
        shape: PRODUCE,
    },
    Api {
        key: ApiKey::Fetch,
        min: 4,
        max: 11,
        shape: FETCH,
    },
    Api {
        key: ApiKey::ListOffsets,
        min: 1,
        max: 6,
        shape: LIST_OFFSETS,
    },
    Api {
        key: ApiKey::Metadata,
        min: 0,
        // In version 9 librdkafka's request for all topics has three bytes too many.
        max: 8,
        shape: METADATA,
    },
    Api {
        key: ApiKey::OffsetCommit,
        min: 2,
        max: 8,
        shape: OFFSET_COMMIT,
    },
    Api {
        key: ApiKey::OffsetFetch,
        min: 1,
        max: 7,
        shape: OFFSET_FETCH,
    },
    Api {
        key: ApiKey::FindCoordinator,
        min: 0,
        max: 3,
        shape: FIND_COORDINATOR,
    },
    Api {
        key: ApiKey::JoinGroup,
        min: 0,
        max: 5,
        shape: JOIN_GROUP,
    },
    Api {
        key: ApiKey::Heartbeat,
        min: 0,
        max: 4,
        shape: HEARTBEAT,
    },
    Api {
        key: ApiKey::LeaveGroup,
        min: 0,
        max: 4,
        shape: LEAVE_GROUP,
    },
    Api {
        key: ApiKey::SyncGroup,
        min: 0,
        max: 4,
        shape: SYNC_GROUP,
    },
    Api {
        key: ApiKey::DescribeGroups,
        min: 0,
        max: 5,
        shape: DESCRIBE_GROUPS,
    },
    Api {
        key: ApiKey::ListGroups,
        min: 0,
        max: 4,
        shape: LIST_GROUPS,
    },
    Api {
        key: ApiKey::ApiVersions,
        min: 0,
        max: 3,
        shape: API_VERSIONS,
    },
    Api {
        key: ApiKey::CreateTopics,
        min: 2,
        max: 5,
        shape: CREATE_TOPICS,
    },
    Api {
        key: ApiKey::DeleteTopics,
        min: 1,
        max: 4,
        shape: DELETE_TOPICS,
    },
    Api {
        key: ApiKey::DeleteRecords,
        min: 0,
        max: 2,
        shape: DELETE_RECORDS,
    },
    Api {
        key: ApiKey::InitProducerId,
        min: 0,
        max: 4,
        shape: INIT_PRODUCER_ID,
    },
    Api {
        key: ApiKey::DescribeConfigs,
        min: 1,
        max: 4,
        shape: DESCRIBE_CONFIGS,
    },
    Api {
        key: ApiKey::CreatePartitions,
        min: 0,
        max: 3,
        shape: CREATE_PARTITIONS,
    },
    Api {
        key: ApiKey::DeleteGroups,
        min: 0,
        max: 2,
        shape: DELETE_GROUPS,
    },
    Api {
        key: ApiKey::DescribeCluster,
        min: 0,
        max: 0,
        shape: DESCRIBE_CLUSTER,
    },
];

/// The kind of request that this number stands for.
pub fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

/// What a client is told about the requests that are understood.
pub fn offered() -> Vec<ApiVersion> {
    let offer = |api: &Api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.min)
            .with_max_version(api.max)
    };
    APIS.iter().map(offer).collect()
}

const FLAG: Field = always(Fixed(1));
const INT: Field = always(Fixed(4));
const LONG: Field = always(Fixed(8));
const TEXT: Field = always(Text);
const TEXTS: Field = always(List(&Text));

const PRODUCE: &[Field] = &[
    TEXT,
    always(Fixed(2)),
    INT,
    always(Structs(&[TEXT, always(Structs(&[INT, always(Blob)]))])),
];

const FETCH: &[Field] = &[
    always(Fixed(17)),
    since(7, Fixed(8)),
    always(Structs(&[
        TEXT,
        always(Structs(&[
            INT,
            since(9, Fixed(4)),
            LONG,
            since(5, Fixed(8)),
            INT,
        ])),
    ])),
    since(7, Structs(&[TEXT, always(List(&Fixed(4)))])),
    since(11, Text),
];

const LIST_OFFSETS: &[Field] = &[
    INT,
    since(2, Fixed(1)),
    always(Structs(&[
        TEXT,
        always(Structs(&[INT, since(4, Fixed(4)), LONG])),
    ])),
];

const METADATA: &[Field] = &[
    always(Structs(&[TEXT])),
    since(4, Fixed(1)),
    since(8, Fixed(2)),
];

const OFFSET_COMMIT: &[Field] = &[
    TEXT,
    INT,
    TEXT,
    since(7, Text),
    within(2, 4, Fixed(8)),
    always(Structs(&[
        TEXT,
        always(Structs(&[INT, LONG, since(6, Fixed(4)), TEXT])),
    ])),
];

const OFFSET_FETCH: &[Field] = &[
    TEXT,
    always(Structs(&[TEXT, always(List(&Fixed(4)))])),
    since(7, Fixed(1)),
];

const FIND_COORDINATOR: &[Field] = &[TEXT, since(1, Fixed(1))];

const JOIN_GROUP: &[Field] = &[
    TEXT,
    INT,
    since(1, Fixed(4)),
    TEXT,
    since(5, Text),
    TEXT,
    always(Structs(&[TEXT, always(Blob)])),
];

const HEARTBEAT: &[Field] = &[TEXT, INT, TEXT, since(3, Text)];

const LEAVE_GROUP: &[Field] = &[TEXT, within(0, 2, Text), since(3, Structs(&[TEXT, TEXT]))];

const SYNC_GROUP: &[Field] = &[
    TEXT,
    INT,
    TEXT,
    since(3, Text),
    always(Structs(&[TEXT, always(Blob)])),
];

const DESCRIBE_GROUPS: &[Field] = &[TEXTS, since(3, Fixed(1))];

const LIST_GROUPS: &[Field] = &[since(4, List(&Text))];

const API_VERSIONS: &[Field] = &[since(3, Text), since(3, Text)];

const CREATE_TOPICS: &[Field] = &[
    always(Structs(&[
        TEXT,
        INT,
        always(Fixed(2)),
        always(Structs(&[INT, always(List(&Fixed(4)))])),
        always(Structs(&[TEXT, TEXT])),
    ])),
    INT,
    FLAG,
];

const DELETE_TOPICS: &[Field] = &[TEXTS, INT];

const DELETE_RECORDS: &[Field] = &[always(Structs(&[TEXT, always(Structs(&[INT, LONG]))])), INT];

const INIT_PRODUCER_ID: &[Field] = &[TEXT, INT, since(3, Fixed(10))];

const DESCRIBE_CONFIGS: &[Field] = &[
    always(Structs(&[FLAG, TEXT, TEXTS])),
    FLAG,
    since(3, Fixed(1)),
];

const CREATE_PARTITIONS: &[Field] = &[
    always(Structs(&[
        TEXT,
        INT,
        always(Structs(&[always(List(&Fixed(4)))])),
    ])),
    INT,
    FLAG,
];

const DELETE_GROUPS: &[Field] = &[TEXTS];

const DESCRIBE_CLUSTER: &[Field] = &[FLAG];
