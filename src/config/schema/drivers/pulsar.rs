//! Keys of driver files for Pulsar.

use super::PACING;
use crate::config::driver::PULSAR;
use crate::config::schema::keys::{Key, Kind};

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
