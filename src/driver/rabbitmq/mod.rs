//! RabbitMQ by AMQP 0-9-1, through lapin.
//!
//! As in OMB a topic is a durable fanout exchange, and a subscription to it a durable queue that is
//! bound to it, named `TOPIC-GROUP`. Confirms name no place, and only streams have offsets: elsewhere
//! positions are numbers in the order of receipt, and the broker's redelivered flag tells what comes again.

mod admin;
mod connect;
mod consumer;
mod management;
mod producer;

use std::sync::Arc;

use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::json;

use super::link::SHARED_THREADS;
use super::systems::{Checked, ClientCost, Differing, locked_version};
use super::{ConsumerOptions, Driver, DriverError, ProducerOptions};
use crate::config::{Origin, Problem, QueueType, RabbitMqConfig};
use admin::RabbitMqAdmin;
use connect::Nodes;
use consumer::RabbitMqConsumer;
use producer::RabbitMqProducer;

/// Bytes that a consumer is sent ahead of its acknowledgements, unless the file says how many messages.
const AHEAD: usize = 64 << 20;

/// What a client takes: its thread, and mostly the library's two buffers of 4 MiB.
const CLIENT: ClientCost = ClientCost {
    threads: 1,
    further_connections: 0,
    files: 5,
    bytes: 8 << 20,
};

/// RabbitMQ, configured.
#[derive(Clone)]
pub struct RabbitMqDriver {
    config: Arc<RabbitMqConfig>,
    nodes: Nodes,
}

impl RabbitMqDriver {
    /// A driver with the settings of a driver file.
    ///
    /// # Errors
    /// What is wrong with them; the command line has checked them before.
    pub fn from_config(config: &RabbitMqConfig) -> Result<Self, DriverError> {
        Ok(Self {
            nodes: Nodes::new(config)?,
            config: Arc::new(config.clone()),
        })
    }
}

impl Driver for RabbitMqDriver {
    type Producer = RabbitMqProducer;
    type Consumer = RabbitMqConsumer;
    type Admin = RabbitMqAdmin;

    fn producer(&self, options: &ProducerOptions<'_>) -> Result<RabbitMqProducer, DriverError> {
        RabbitMqProducer::new(&self.nodes, &self.config, options)
    }

    fn consumer(&self, options: &ConsumerOptions<'_>) -> Result<RabbitMqConsumer, DriverError> {
        RabbitMqConsumer::new(&self.nodes, &self.config, options)
    }

    fn admin(&self) -> Result<RabbitMqAdmin, DriverError> {
        Ok(RabbitMqAdmin::new(self.nodes.clone(), self.config.clone()))
    }
}

/// Checks settings; everything that is wrong with them is told at once.
///
/// # Errors
/// What is wrong, each with its place.
pub fn check(config: &RabbitMqConfig) -> Result<Checked, Vec<Problem>> {
    if let Err(error) = Nodes::new(config) {
        return Err(vec![Problem {
            origin: Origin::CommandLine("RabbitMQ".to_owned()),
            message: error.to_string(),
        }]);
    }
    let mut notes: Vec<String> = config
        .set_aside
        .iter()
        .map(|key| format!("{key} is set aside: clients connect side by side, in processes"))
        .collect();
    if config.queue != QueueType::Classic && !config.persistent {
        let queue = config.queue.name().to_lowercase();
        notes.push(format!(
            "messagePersistence: false has no effect: a {queue} queue writes every message"
        ));
    }
    let uris: Vec<String> = config.uris.iter().map(ToString::to_string).collect();
    let prefetch = match config.prefetch {
        Some(prefetch) => prefetch.to_string(),
        None => "64 MiB of messages, at most 20000".to_owned(),
    };
    let producer = json!({
        "amqpUris": uris,
        "messagePersistence": config.persistent,
        "maxInFlight": config.max_in_flight,
        "mandatory": true,
    });
    let consumer = json!({
        "amqpUris": uris,
        "queueType": config.queue.name(),
        "prefetch": prefetch,
        "autoAck": false,
    });
    let differing = |name: &str, ours: &str, java: &str| Differing {
        role: "consumer".to_owned(),
        name: name.to_owned(),
        ours: ours.to_owned(),
        java: java.to_owned(),
    };
    Ok(Checked {
        servers: config
            .uris
            .iter()
            .map(|uri| uri.host_port().to_owned())
            .collect(),
        connected_to: 1,
        clients: [CLIENT; 2],
        shared_threads: SHARED_THREADS,
        notes,
        most_partitions: Some((
            1,
            "a topic of RabbitMQ is an exchange, which has no partitions",
        )),
        most_members: (config.queue == QueueType::Stream)
            .then_some((1, "every consumer of a stream reads all of it")),
        replication: 1,
        queues: [AHEAD as u64; 2],
        library: format!("lapin {}", locked_version("lapin")),
        configuration: [
            ("producer".to_owned(), producer),
            ("consumer".to_owned(), consumer),
        ]
        .into_iter()
        .collect(),
        differing: vec![
            differing("autoAck", "false", "true"),
            differing("prefetch", &prefetch, "unlimited"),
        ],
        ..Checked::default()
    })
}

/// Name of the queue that is a group's subscription to a topic.
fn queue_name(topic: &str, group: &str) -> String {
    format!("{topic}-{group}")
}

/// A name as AMQP has it, of at most 255 bytes.
fn short(name: &str) -> Result<ShortString, DriverError> {
    ShortString::try_new(name)
        .map_err(|_| DriverError(format!("{name} is longer than AMQP's 255 bytes")))
}

/// How queues of this type are declared.
fn queue_arguments(queue: QueueType) -> FieldTable {
    let mut arguments = FieldTable::default();
    if queue != QueueType::Classic {
        let kind = queue.name().to_lowercase();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    }
    arguments
}
