//! Apache Pulsar, through the crate pulsar for messages and the REST API for everything else.
//!
//! A batch is one entry of a ledger, and what the broker acknowledges: so offsets are numbered by entries
//! ([`super::ENTRY`]), and a consumer acknowledges an entry once all of it was reported. The library has one
//! batch of a partition under way at a time, and connects again by itself; messages under way are sent again
//! then, under their old sequence ids, which a broker with deduplication knows.

mod admin;
mod connect;
mod consumer;
mod heard;
mod place;
mod producer;
mod rest;

use std::sync::Arc;

use serde_json::json;

use super::link::SHARED_THREADS;
use super::systems::{Checked, ClientCost, Differing, locked_version};
use super::{ConsumerOptions, Driver, DriverError, ProducerOptions};
use crate::config::{Origin, Problem, PulsarConfig, Subscription};
use admin::PulsarAdmin;
use connect::Brokers;
use consumer::PulsarConsumer;
use producer::{LARGEST_MESSAGE, PulsarProducer};

/// What a client takes: its thread, and the library's client.
const CLIENT: ClientCost = ClientCost {
    threads: 1,
    further_connections: 0,
    files: 4,
    bytes: 1 << 20,
};

/// Bytes that the queue of a producer holds, at most.
const UNDER_WAY: u64 = 64 << 20;

/// Pulsar, configured.
#[derive(Clone)]
pub struct PulsarDriver {
    config: Arc<PulsarConfig>,
    brokers: Brokers,
}

impl PulsarDriver {
    /// A driver with the settings of a driver file.
    ///
    /// # Errors
    /// What is wrong with them; the command line has checked them before.
    pub fn from_config(config: &PulsarConfig) -> Result<Self, DriverError> {
        heard::listen();
        let config = Arc::new(config.clone());
        Ok(Self {
            brokers: Brokers::new(&config)?,
            config,
        })
    }
}

impl Driver for PulsarDriver {
    type Producer = PulsarProducer;
    type Consumer = PulsarConsumer;
    type Admin = PulsarAdmin;

    fn producer(&self, options: &ProducerOptions<'_>) -> Result<PulsarProducer, DriverError> {
        PulsarProducer::new(&self.brokers, &self.config, options)
    }

    fn consumer(&self, options: &ConsumerOptions<'_>) -> Result<PulsarConsumer, DriverError> {
        PulsarConsumer::new(&self.brokers, &self.config, options)
    }

    fn admin(&self) -> Result<PulsarAdmin, DriverError> {
        Ok(PulsarAdmin::new(self.brokers.clone(), self.config.clone()))
    }
}

/// Checks settings; everything that is wrong with them is told at once.
///
/// # Errors
/// What is wrong, each with its place.
pub fn check(config: &PulsarConfig) -> Result<Checked, Vec<Problem>> {
    if let Err(error) = Brokers::new(&Arc::new(config.clone())) {
        return Err(vec![Problem {
            origin: Origin::CommandLine("Pulsar".to_owned()),
            message: error.to_string(),
        }]);
    }
    let notes = config
        .set_aside
        .iter()
        .map(|key| match key.starts_with("client") {
            true => {
                format!("{key} is set aside: each client has a thread and a connection of its own")
            }
            false => format!("{key} is set aside: what is due while a queue is full is sent late"),
        });
    let by_first_key = (config.subscription == Subscription::KeyShared
        && config.batching.is_some())
    .then(|| {
        "Key_Shared gives a batch to the reader of its first key; for each message to go by its own, set \
         producer.batchingEnabled: false"
            .to_owned()
    });
    let notes = notes.chain(by_first_key);
    let uris: Vec<String> = config.brokers.iter().map(ToString::to_string).collect();
    let (delay, bytes) = match config.batching {
        Some(batching) => (batching.delay_ms, batching.bytes),
        None => (0, 0),
    };
    let producer = json!({
        "serviceUrl": uris,
        "batchingEnabled": config.batching.is_some(),
        "batchingMaxPublishDelayMs": delay,
        "batchingMaxBytes": bytes,
        "batchingMaxMessages": super::ENTRY,
        "pendingQueueSize": config.pending,
        "persistence": config.persistence,
        "sendTimeoutMs": 30_000,
    });
    let consumer = json!({
        "serviceUrl": uris,
        "receiverQueueSize": config.receiver_queue,
        "subscriptionType": config.subscription.name(),
    });
    let differing = |name: &str, ours: String, java: &str| Differing {
        role: "producer".to_owned(),
        name: name.to_owned(),
        ours,
        java: java.to_owned(),
    };
    let mut all_differing = vec![differing("sendTimeoutMs", "30000".to_owned(), "0")];
    if config.batching.is_some() {
        let most = super::ENTRY.to_string();
        all_differing.push(differing("batchingMaxMessages", most, "2147483647"));
    }
    if config.persistence.is_none() {
        let brokers = "the broker's".to_owned();
        all_differing.push(differing("persistence", brokers, "3, 3, 2"));
    }
    const ADVICE: &str = "give smaller messages: Pulsar takes 5 MiB";
    Ok(Checked {
        servers: config
            .brokers
            .iter()
            .map(|uri| uri.host_port().to_owned())
            .collect(),
        connected_to: 1,
        clients: [CLIENT; 2],
        shared_threads: SHARED_THREADS,
        notes: notes.collect(),
        largest_message: Some((LARGEST_MESSAGE, ADVICE)),
        most_members: (config.subscription == Subscription::Exclusive)
            .then_some((1, "an Exclusive subscription has one consumer")),
        replication: config
            .persistence
            .map_or(1, |persistence| persistence.write_quorum.into()),
        queues: [UNDER_WAY, UNDER_WAY],
        library: format!("pulsar {}", locked_version("pulsar")),
        configuration: [
            ("producer".to_owned(), producer),
            ("consumer".to_owned(), consumer),
        ]
        .into_iter()
        .collect(),
        differing: all_differing,
        ..Checked::default()
    })
}
