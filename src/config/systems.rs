//! The messaging systems, and what their driver files say.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Origin, Property, Uri};

/// One messaging system, and how to reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Driver {
    /// `name:` of the driver file, or the system's name where it has none.
    pub name: String,
    /// The system and its settings.
    pub system: System,
    /// Whether the broker under test is ours, started for this run.
    pub embedded: bool,
}

impl Driver {
    /// Points all clients of a Kafka at this address, in place of any other.
    pub fn point_at(&mut self, address: &str) {
        let System::Kafka(config) = &mut self.system else {
            return;
        };
        config
            .common
            .retain(|property| property.key != "bootstrap.servers");
        config.common.push(Property {
            key: "bootstrap.servers".to_owned(),
            value: address.to_owned(),
            origin: Origin::CommandLine("the embedded broker".to_owned()),
        });
    }
}

/// The messaging systems omb knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum System {
    /// Apache Kafka, or anything that speaks its protocol.
    Kafka(KafkaConfig),
    /// Apache Pulsar.
    Pulsar(PulsarConfig),
    /// RabbitMQ, by AMQP 0-9-1.
    RabbitMq(RabbitMqConfig),
    /// Apache RocketMQ.
    RocketMq(RocketMqConfig),
}

impl System {
    /// Its name in journals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka",
            Self::Pulsar(_) => "pulsar",
            Self::RabbitMq(_) => "rabbitmq",
            Self::RocketMq(_) => "rocketmq",
        }
    }
}

/// A Pulsar driver file, with the command line's `-b` and `-X` merged in.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PulsarConfig {
    /// The first brokers; never empty.
    pub brokers: Vec<Uri>,
    /// Where the REST API answers; `None`: at the first broker, at its usual port.
    pub http: Option<Uri>,
    /// The cluster that a tenant is made for; `None`: the first that the broker names.
    pub cluster: Option<String>,
    /// `TENANT/NAMESPACE`, which the names of runs' namespaces begin with.
    pub namespace: String,
    /// Topics are written to disk.
    pub persistent: bool,
    /// Policies of a run's namespace; `None`: the broker's.
    pub persistence: Option<Persistence>,
    /// Certificates are not looked at.
    pub insecure: bool,
    /// A certificate has to be one of the host's.
    pub verify_host: bool,
    /// Certificates of the authorities that brokers' certificates are signed by; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// What clients prove who they are with.
    pub token: Option<String>,
    /// How producers put messages together; `None`: each goes by itself.
    pub batching: Option<Batching>,
    /// Messages that a producer sends ahead of their receipts.
    pub pending: u64,
    /// Messages of a partition that a consumer holds.
    pub receiver_queue: u32,
    /// How members share a subscription.
    pub subscription: Subscription,
    /// Keys of the file that mean nothing here.
    pub set_aside: Vec<String>,
}

impl fmt::Debug for PulsarConfig {
    /// Shows no token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pulsar at {:?} in {}", self.brokers, self.namespace)
    }
}

/// How often messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// Storage nodes of a topic.
    pub ensemble: u32,
    /// Copies of a message.
    pub write_quorum: u32,
    /// Copies that are waited for.
    pub ack_quorum: u32,
    /// The broker drops what a producer sends for a second time.
    pub deduplication: bool,
}

/// How long messages are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batching {
    /// For so many milliseconds.
    pub delay_ms: u64,
    /// Or to so many bytes.
    pub bytes: usize,
}

/// How members share a subscription of Pulsar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subscription {
    /// Each partition has one reader, and others stand by.
    #[default]
    Failover,
    /// There is one member.
    Exclusive,
    /// Each message goes to one of them.
    Shared,
    /// Messages of a key go to the same one.
    KeyShared,
}

impl Subscription {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Failover,
        Self::Exclusive,
        Self::Shared,
        Self::KeyShared,
    ];

    /// Its name in OMB's driver files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failover => "Failover",
            Self::Exclusive => "Exclusive",
            Self::Shared => "Shared",
            Self::KeyShared => "Key_Shared",
        }
    }

    /// Several members read a partition at the same time.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::KeyShared)
    }
}

/// A RabbitMQ driver file, with the command line's `-b` and `-X` merged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RabbitMqConfig {
    /// The nodes; never empty.
    pub uris: Vec<Uri>,
    /// Messages are written to disk.
    pub persistent: bool,
    /// What the queues are.
    pub queue: QueueType,
    /// Messages a consumer is sent ahead of its acknowledgements; `None`: by their size.
    pub prefetch: Option<u16>,
    /// Messages a producer sends ahead of their confirms.
    pub max_in_flight: u64,
    /// Where the management plugin answers; `None`: at the first node, its port and 10,000.
    pub management: Option<Uri>,
    /// Certificates of the authorities that nodes' certificates are signed by; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Keys of the file that mean nothing here.
    pub set_aside: Vec<String>,
}

/// What a queue of RabbitMQ is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueType {
    /// On one node.
    Classic,
    /// Replicated by Raft.
    Quorum,
    /// A log that each consumer reads for itself.
    Stream,
}

impl QueueType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Quorum, Self::Stream];

    /// Its name in OMB's driver files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "CLASSIC",
            Self::Quorum => "QUORUM",
            Self::Stream => "STREAM",
        }
    }
}

/// A Kafka driver file, with the command line's `-b` and `-X` merged in.
///
/// Property names and values are checked by the driver against the client library itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KafkaConfig {
    /// Replicas of each topic; -1 is the broker's default.
    pub replication_factor: i16,
    /// Settings of every client.
    pub common: Vec<Property>,
    /// Settings of producers.
    pub producer: Vec<Property>,
    /// Settings of consumers.
    pub consumer: Vec<Property>,
    /// Settings of the topics that are created.
    pub topic: Vec<Property>,
    /// `-X key=value`: goes to whichever client knows the key.
    pub extra: Vec<Property>,
}

/// A RocketMQ driver file, with the command line's `-b` and `-X` merged in.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RocketMqConfig {
    /// The name servers; never empty.
    pub name_servers: Vec<Uri>,
    /// The cluster that topics are made in; `None`: the only one there is.
    pub cluster: Option<String>,
    /// Producers go to the port two below that of a broker.
    pub vip_channel: bool,
    /// Bodies larger than this are compressed; `None`: never.
    pub compress_over: Option<usize>,
    /// Larger messages are not sent.
    pub largest_message: usize,
    /// A topic's queues keep a batch as one entry.
    pub batch_queues: bool,
    /// How producers put messages together; `None`: each goes by itself.
    pub batching: Option<Batching>,
    /// A producer has one request of a queue under way at a time.
    pub ordered: bool,
    /// Messages that a producer sends ahead of their answers.
    pub in_flight: u64,
    /// Bytes of those messages.
    pub in_flight_bytes: usize,
    /// Who clients are, and what they prove it with.
    pub credentials: Option<(String, String)>,
}

impl fmt::Debug for RocketMqConfig {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RocketMQ at {:?}", self.name_servers)
    }
}
