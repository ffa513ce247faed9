//! Keys of driver files.

use super::keys::{Key, Kind};
use crate::config::driver::{KAFKA, PULSAR, RABBITMQ};

/// Of a driver file for Kafka.
pub const DRIVER_KAFKA: &[Key] = &[
    (
        "name",
        false,
        Kind::Text,
        "Name in the result. Default: Kafka.",
    ),
    (
        "driverClass",
        true,
        Kind::OneOf(&[KAFKA]),
        "The messaging system, by OMB's class.",
    ),
    (
        "replicationFactor",
        false,
        Kind::Whole(-1, Some(i16::MAX as i64)),
        "Replicas of the run's topics; -1 is the broker's default, and ours.",
    ),
    (
        "reset",
        false,
        Kind::Flag,
        "OMB's wish to delete topics first; without effect, for each run has topics of its own.",
    ),
    (
        "topicConfig",
        false,
        Kind::Text,
        "Settings of the run's topics: KEY=VALUE lines.",
    ),
    (
        "commonConfig",
        false,
        Kind::Text,
        "Settings of all clients, bootstrap.servers among them: KEY=VALUE lines.",
    ),
    (
        "producerConfig",
        false,
        Kind::Text,
        "Settings of producers: KEY=VALUE lines. Names are librdkafka's; the Java client's are translated.",
    ),
    (
        "consumerConfig",
        false,
        Kind::Text,
        "Settings of consumers: KEY=VALUE lines. Names are librdkafka's; the Java client's are translated.",
    ),
];

/// Of a driver file for Pulsar.
pub const DRIVER_PULSAR: &[Key] = &[
    (
        "name",
        false,
        Kind::Text,
        "Name in the result. Default: Pulsar.",
    ),
    (
        "driverClass",
        true,
        Kind::OneOf(&[PULSAR]),
        "The messaging system, by OMB's class.",
    ),
    (
        "client",
        false,
        Kind::Mapping(PULSAR_CLIENT),
        "Where the brokers are, and where topics are put.",
    ),
    (
        "producer",
        false,
        Kind::Mapping(PULSAR_PRODUCER),
        "Settings of producers.",
    ),
    (
        "consumer",
        false,
        Kind::Mapping(PULSAR_CONSUMER),
        "Settings of consumers.",
    ),
];

/// Below `client`.
pub const PULSAR_CLIENT: &[Key] = &[
    (
        "serviceUrl",
        false,
        Kind::Like(
            "^\\s*pulsar(\\+ssl)?://[^\\s:/?@,]+(:[0-9]+)?(\\s*,\\s*[^\\s:/?@,]+(:[0-9]+)?)*([/?].*)?$",
        ),
        "Addresses of the brokers, as pulsar://HOST:PORT,HOST:PORT or, over TLS, pulsar+ssl://HOST:PORT. Clients begin with different ones.",
    ),
    (
        "httpUrl",
        false,
        Kind::Uri("https?"),
        "Where the REST API answers. Default: the first broker, at port 8080, or 8443 over TLS.",
    ),
    (
        "ioThreads",
        false,
        PACING,
        "Threads of OMB's client; without effect.",
    ),
    (
        "connectionsPerBroker",
        false,
        PACING,
        "Connections of OMB's client; without effect: each client has one.",
    ),
    (
        "maxConcurrentLookupRequests",
        false,
        PACING,
        "Bounds OMB's client; without effect.",
    ),
    (
        "clientMemoryLimitMB",
        false,
        PACING,
        "Bounds OMB's client; without effect: a producer has 64 MiB under way at most.",
    ),
    (
        "clusterName",
        false,
        Kind::Text,
        "The cluster that a tenant is made for. Default: the first that the broker names.",
    ),
    (
        "namespacePrefix",
        false,
        Kind::Like("^[A-Za-z0-9._=:-]+/[A-Za-z0-9._=:-]+$"),
        "TENANT/NAMESPACE, which the name of a run's namespace begins with. Default: public/omb.",
    ),
    (
        "topicType",
        false,
        Kind::OneOf(&["persistent", "non_persistent", "non-persistent"]),
        "Whether topics are written to disk. Default: persistent.",
    ),
    (
        "persistence",
        false,
        Kind::Mapping(PULSAR_PERSISTENCE),
        "How often messages are stored. Default: as the broker has it.",
    ),
    (
        "tlsAllowInsecureConnection",
        false,
        Kind::Flag,
        "Certificates are not looked at. Default: false.",
    ),
    (
        "tlsEnableHostnameVerification",
        false,
        Kind::Flag,
        "A certificate has to be one of the broker's host. Default: false.",
    ),
    (
        "tlsTrustCertsFilePath",
        false,
        Kind::Text,
        "Certificates, as PEM, of the authorities that brokers' certificates are signed by. Default: the system's.",
    ),
    (
        "authentication",
        false,
        Kind::Mapping(PULSAR_AUTHENTICATION),
        "What clients prove who they are with. Default: nothing.",
    ),
];

/// Below `client.persistence`.
pub const PULSAR_PERSISTENCE: &[Key] = &[
    (
        "ensembleSize",
        false,
        COPIES,
        "Storage nodes of a topic. Default: 3.",
    ),
    (
        "writeQuorum",
        false,
        COPIES,
        "Copies of each message. Default: 3.",
    ),
    (
        "ackQuorum",
        false,
        COPIES,
        "Copies that a receipt waits for. Default: 2.",
    ),
    (
        "deduplicationEnabled",
        false,
        Kind::Flag,
        "The broker drops what a producer sends for a second time. Default: false.",
    ),
];

/// Below `client.authentication`.
pub const PULSAR_AUTHENTICATION: &[Key] = &[
    (
        "plugin",
        false,
        Kind::OneOf(&[
            "token",
            "org.apache.pulsar.client.impl.auth.AuthenticationToken",
        ]),
        "The Java client's plugin; tokens are known here.",
    ),
    (
        "data",
        false,
        Kind::Text,
        "token:TOKEN, or file:///PATH of a file that holds one.",
    ),
];

/// Below `producer`.
pub const PULSAR_PRODUCER: &[Key] = &[
    (
        "batchingEnabled",
        false,
        Kind::Flag,
        "Messages are sent several at a time, 1,024 at most. Default: true.",
    ),
    (
        "batchingMaxPublishDelayMs",
        false,
        Kind::Whole(1, Some(60_000)),
        "A batch is collected for so many milliseconds. Default: 1.",
    ),
    (
        "batchingMaxBytes",
        false,
        Kind::Whole(1, Some(5 << 20)),
        "Or to so many bytes. Default: 1048576.",
    ),
    (
        "blockIfQueueFull",
        false,
        Kind::Flag,
        "Without effect: what is due while the queue is full is sent late.",
    ),
    (
        "pendingQueueSize",
        false,
        Kind::Whole(0, Some(10_000_000)),
        "Messages a producer has under way. Default, and for 0: 100,000, and 64 MiB at most.",
    ),
];

/// Below `consumer`.
pub const PULSAR_CONSUMER: &[Key] = &[
    (
        "receiverQueueSize",
        false,
        Kind::Whole(1, Some(1_000_000)),
        "Messages of a partition that a consumer holds. Default: 10,000.",
    ),
    (
        "subscriptionType",
        false,
        Kind::OneOf(&["Failover", "Exclusive", "Shared", "Key_Shared"]),
        "How members share a subscription. Default: Failover.",
    ),
];

const COPIES: Kind = Kind::Whole(1, Some(100));

/// Of a driver file for RabbitMQ.
pub const DRIVER_RABBITMQ: &[Key] = &[
    (
        "name",
        false,
        Kind::Text,
        "Name in the result. Default: RabbitMQ.",
    ),
    (
        "driverClass",
        true,
        Kind::OneOf(&[RABBITMQ]),
        "The messaging system, by OMB's class.",
    ),
    (
        "amqpUris",
        false,
        Kind::Uris("amqps?"),
        "Addresses of the nodes, as amqp://USER:PASSWORD@HOST:PORT/VHOST. Clients begin with different ones.",
    ),
    (
        "messagePersistence",
        false,
        Kind::Flag,
        "Messages are written to disk. Default: false. Quorum queues and streams always write them.",
    ),
    (
        "queueType",
        false,
        Kind::OneOf(&["CLASSIC", "QUORUM", "STREAM"]),
        "What the queues are. Default: CLASSIC.",
    ),
    (
        "producerCreationDelay",
        false,
        PACING,
        "Paces OMB's creation of producers; without effect.",
    ),
    (
        "producerCreationBatchSize",
        false,
        PACING,
        "Paces OMB's creation of producers; without effect.",
    ),
    (
        "consumerCreationDelay",
        false,
        PACING,
        "Paces OMB's creation of consumers; without effect.",
    ),
    (
        "consumerCreationBatchSize",
        false,
        PACING,
        "Paces OMB's creation of consumers; without effect.",
    ),
    (
        "prefetch",
        false,
        Kind::Whole(1, Some(u16::MAX as i64)),
        "Messages a consumer is sent ahead of its acknowledgements, which follow its reports, 0.2 s apart. Default: 64 MiB of them, at most 20,000.",
    ),
    (
        "maxInFlight",
        false,
        Kind::Whole(1, Some(10_000_000)),
        "Messages a producer sends ahead of their confirms. Default: 10,000, and 64 MiB at most.",
    ),
    (
        "managementUri",
        false,
        Kind::Uri("https?"),
        "Where the management plugin answers. Default: the first node, at its port and 10,000.",
    ),
    (
        "caFile",
        false,
        Kind::Text,
        "Certificates, as PEM, of the authorities that nodes' certificates are signed by. Default: the system's.",
    ),
];

const PACING: Kind = Kind::Whole(0, Some(i32::MAX as i64));
