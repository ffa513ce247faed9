//! The systems that this program drives: which driver a configuration is for, and what can be known of
//! it before the first connection.

use serde_json::{Map, Value};

use super::Admin;
#[cfg(feature = "pulsar")]
use super::pulsar;
#[cfg(feature = "rabbitmq")]
use super::rabbitmq;
#[cfg(feature = "rocketmq")]
use super::rocketmq;
use super::{Driver, DriverError, kafka};
use crate::config::{Problem, System};

/// Does something with the driver of a system, whichever it is: `body` is compiled once for each.
macro_rules! with_driver {
    ($system:expr, |$driver:ident| $body:expr) => {
        match $system {
            $crate::config::System::Kafka(config) => {
                let $driver = $crate::driver::kafka::KafkaDriver::from_config(config)?;
                $body
            }
            #[cfg(feature = "pulsar")]
            $crate::config::System::Pulsar(config) => {
                let $driver = $crate::driver::pulsar::PulsarDriver::from_config(config)?;
                $body
            }
            #[cfg(feature = "rabbitmq")]
            $crate::config::System::RabbitMq(config) => {
                let $driver = $crate::driver::rabbitmq::RabbitMqDriver::from_config(config)?;
                $body
            }
            #[cfg(feature = "rocketmq")]
            $crate::config::System::RocketMq(config) => {
                let $driver = $crate::driver::rocketmq::RocketMqDriver::from_config(config)?;
                $body
            }
            #[cfg(not(all(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq")))]
            other => Err($crate::driver::systems::not_built_in(other))?,
        }
    };
}
pub(crate) use with_driver;

/// The command line refuses such files; nobody comes here.
#[cfg(not(all(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq")))]
pub(crate) fn not_built_in(system: &System) -> DriverError {
    DriverError(format!("this omb was built without {}", system.name()))
}

/// What a client takes of this host while its queues are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientCost {
    /// Threads, its own among them, beside one for each broker that it is connected to.
    pub threads: usize,
    /// Connections beside those.
    pub further_connections: usize,
    /// Descriptors: pipes by which threads wake each other, and a connection.
    pub files: u64,
    /// Resident memory.
    pub bytes: u64,
}

/// What a system's settings come to, free of mistakes.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Addresses of the first brokers, as `HOST:PORT`.
    pub servers: Vec<String>,
    /// Brokers that a client is connected to, of those.
    pub connected_to: usize,
    /// What a producer takes, and a consumer.
    pub clients: [ClientCost; 2],
    /// Threads that the clients of a process share.
    pub shared_threads: usize,
    /// What was set aside or changed, and why: one sentence each.
    pub notes: Vec<String>,
    /// Producers compress.
    pub compressed: bool,
    /// Largest message that producers take, key and headers included, and what to do about it.
    pub largest_message: Option<(usize, &'static str)>,
    /// Topics have so many partitions at most, and why.
    pub most_partitions: Option<(u32, &'static str)>,
    /// Members that share a subscription, at most, and why.
    pub most_members: Option<(u32, &'static str)>,
    /// A character that names of topics can't have, and why.
    pub unnameable: Option<(char, &'static str)>,
    /// Copies of each message in the cluster.
    pub replication: u64,
    /// Bytes that the queues of a producer and of a consumer hold, at most.
    pub queues: [u64; 2],
    /// The client library and its version.
    pub library: String,
    /// Settings of the clients by role, secrets replaced.
    pub configuration: Map<String, Value>,
    /// Defaults in which our clients differ from OMB's.
    pub differing: Vec<Differing>,
}

/// A default of ours that is not that of OMB's client, and that nobody has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// `producer` or `consumer`.
    pub role: String,
    /// Its name in OMB's client.
    pub name: String,
    /// What omb runs with, in that client's unit.
    pub ours: String,
    /// What OMB's client would have run with.
    pub java: String,
}

/// Checks the settings of a system; everything that is wrong with them is told at once.
pub fn check(system: &System) -> Result<Checked, Vec<Problem>> {
    match system {
        System::Kafka(config) => kafka::check(config),
        #[cfg(feature = "pulsar")]
        System::Pulsar(config) => pulsar::check(config),
        #[cfg(feature = "rabbitmq")]
        System::RabbitMq(config) => rabbitmq::check(config),
        #[cfg(feature = "rocketmq")]
        System::RocketMq(config) => rocketmq::check(config),
        // Files for it are refused when they are read.
        #[cfg(not(all(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq")))]
        _ => Ok(Checked::default()),
    }
}

/// An administrator that is not connected yet.
pub fn admin(system: &System) -> Result<Box<dyn Admin>, DriverError> {
    Ok(with_driver!(system, |driver| Box::new(driver.admin()?)))
}

/// The version of a package that this program was built with.
#[cfg(any(feature = "pulsar", feature = "rabbitmq"))]
pub(crate) fn locked_version(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let mut lines = LOCK.lines();
    let wanted = format!("name = \"{package}\"");
    lines.find(|line| *line == wanted);
    let version = lines.next().unwrap_or_default();
    version.trim_start_matches("version = ").trim_matches('"')
}
