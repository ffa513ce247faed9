//! Keys of driver files.

pub mod pulsar;

use super::keys::{Key, Kind};
use crate::config::driver::{KAFKA, RABBITMQ, ROCKETMQ};

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

/// Of a driver file for RocketMQ.
pub const DRIVER_ROCKETMQ: &[Key] = &[
    (
        "name",
        false,
        Kind::Text,
        "Name in the result. Default: RocketMQ.",
    ),
    (
        "driverClass",
        true,
        Kind::OneOf(&[ROCKETMQ]),
        "The messaging system, by OMB's class.",
    ),
    (
        "namesrvAddr",
        false,
        Kind::Like(
            "^\\s*(rocketmq://)?[^\\s:/?@,;]+(:[0-9]+)?(\\s*[,;]\\s*(rocketmq://)?[^\\s:/?@,;]+(:[0-9]+)?)*\\s*$",
        ),
        "Addresses of the name servers, as HOST:PORT;HOST:PORT.",
    ),
    (
        "clusterName",
        false,
        Kind::Text,
        "The cluster that topics are made in. Default: the only one there is.",
    ),
    (
        "vipChannelEnabled",
        false,
        Kind::Flag,
        "Producers go to the port two below that of a broker. Default: false.",
    ),
    (
        "maxMessageSize",
        false,
        Kind::Whole(1, Some(1 << 30)),
        "Larger messages are not sent. Default: 4194304.",
    ),
    (
        "compressMsgBodyOverHowmuch",
        false,
        Kind::Whole(0, Some(i32::MAX as i64)),
        "Bodies larger than this are compressed, by zlib. Default: none is.",
    ),
    (
        "batchCQ",
        false,
        Kind::Flag,
        "A topic's queues keep a batch as one entry. Default: false.",
    ),
    (
        "autoBatch",
        false,
        Kind::Flag,
        "Messages of a queue are sent several at a time. Default: false.",
    ),
    (
        "batchMaxBytes",
        false,
        Kind::Whole(1, Some(2 << 20)),
        "A batch is collected to so many bytes. Default: 32768.",
    ),
    (
        "batchMaxDelayMs",
        false,
        Kind::Whole(1, Some(30_000)),
        "Or for so many milliseconds. Default: 10.",
    ),
    (
        "totalBatchMaxBytes",
        false,
        Kind::Whole(1, None),
        "Bytes that a producer with batches has under way. Default: 33554432; 64 MiB at most.",
    ),
    (
        "enableBackpressure",
        false,
        Kind::Flag,
        "backpressureConcurrency counts. Default: false.",
    ),
    (
        "backpressureConcurrency",
        false,
        Kind::Whole(10, Some(10_000_000)),
        "Messages a producer sends ahead of their answers. Default: 1,024, and 64 MiB at most.",
    ),
    (
        "accessKey",
        false,
        Kind::Text,
        "Who clients are. Default: nobody.",
    ),
    (
        "secretKey",
        false,
        Kind::Text,
        "What they prove it with; together with accessKey.",
    ),
    (
        "ordered",
        false,
        Kind::Flag,
        "A producer has one request of a queue under way at a time, so that messages are stored in its order. Default: false.",
    ),
];

const PACING: Kind = Kind::Whole(0, Some(i32::MAX as i64));
