//! Apache Kafka, and what speaks its protocol, through librdkafka.
//!
//! The message path talks to the C library directly (`raw` holds what is unsafe); everything else
//! goes through rdkafka's safe interface.

pub mod admin;
pub mod properties;
mod raw;

use admin::KafkaAdmin;
use raw::consumer::RawConsumer;
use raw::producer::RawProducer;

use serde_json::Value;

use super::systems::{Checked, ClientCost};
use super::{
    Consumer, ConsumerEvents, ConsumerOptions, Driver, DriverError, Outcome, Outgoing, Partition,
    Producer, ProducerOptions, SendError,
};
use crate::clock::Instant;
use crate::config::{KafkaConfig, Problem};
use properties::Prepared;
use properties::effective::effective;

/// What a producer takes: threads of its own, of the library's and for what it has no broker for; and a
/// consumer: one more, for the coordinator of its group.
pub(crate) const CLIENTS: [ClientCost; 2] = [
    ClientCost {
        threads: 3,
        further_connections: 0,
        files: 7,
        bytes: 400 << 10,
    },
    ClientCost {
        threads: 4,
        further_connections: 1,
        files: 10,
        bytes: 380 << 10,
    },
];

/// The client library and its version.
fn client_library() -> String {
    format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1)
}

/// Checks settings; everything that is wrong with them is told at once.
///
/// # Errors
/// What is wrong, each with its place.
pub fn check(config: &KafkaConfig) -> Result<Checked, Vec<Problem>> {
    let prepared = properties::prepare(config)?;
    let clients = &prepared.clients;
    let setting = |settings: &[(String, String)], name: &str| {
        let found = settings.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let kbytes = |settings, name| {
        let given = setting(settings, name).and_then(|kbytes| kbytes.parse::<u64>().ok());
        given.unwrap_or(0).saturating_mul(1024)
    };
    let servers = setting(&clients.producer, "bootstrap.servers");
    let is_compression =
        |(key, value): &(String, String)| key.starts_with("compression") && value != "none";
    let configuration = effective(clients).map(|(role, settings)| {
        let settings = settings.into_iter().map(|(key, value)| (key, value.into()));
        (role.to_owned(), Value::Object(settings.collect()))
    });
    const RAISE: &str = "set message.max.bytes={} in commonConfig or by -X, and for the broker \
                         max.message.bytes in topicConfig";
    let servers: Vec<String> = servers
        .iter()
        .flat_map(|servers| servers.split(','))
        .map(|server| server.trim().to_owned())
        .collect();
    Ok(Checked {
        connected_to: servers.len(),
        servers,
        clients: CLIENTS,
        compressed: clients.producer.iter().any(is_compression),
        largest_message: Some((prepared.largest_message(), RAISE)),
        replication: u64::try_from(config.replication_factor).unwrap_or(1),
        queues: [
            kbytes(&clients.producer, "queue.buffering.max.kbytes"),
            kbytes(&clients.consumer, "queued.max.messages.kbytes"),
        ],
        library: client_library(),
        configuration: configuration.into_iter().collect(),
        notes: prepared.notes,
        differing: prepared.differing,
        ..Checked::default()
    })
}

/// Kafka, configured.
#[derive(Clone)]
pub struct KafkaDriver {
    prepared: Prepared,
    replication_factor: i16,
}

impl KafkaDriver {
    /// A driver with the settings of a driver file.
    ///
    /// # Errors
    /// All settings that are wrong, in one text; the command line has checked them before.
    pub fn from_config(config: &KafkaConfig) -> Result<Self, DriverError> {
        let prepared = properties::prepare(config).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            DriverError(texts.join("; "))
        })?;
        Ok(Self {
            prepared,
            replication_factor: config.replication_factor,
        })
    }
}

/// Settings with the client's name among them.
fn named(settings: &[(String, String)], client_id: &str) -> Vec<(String, String)> {
    let mut settings = settings.to_vec();
    settings.push(("client.id".to_owned(), client_id.to_owned()));
    settings
}

impl Driver for KafkaDriver {
    type Producer = KafkaProducer;
    type Consumer = KafkaConsumer;
    type Admin = KafkaAdmin;

    fn producer(&self, options: &ProducerOptions<'_>) -> Result<KafkaProducer, DriverError> {
        let settings = named(&self.prepared.clients.producer, options.client_id);
        RawProducer::new(&settings, options).map(KafkaProducer)
    }

    fn consumer(&self, options: &ConsumerOptions<'_>) -> Result<KafkaConsumer, DriverError> {
        let settings = named(&self.prepared.clients.consumer, options.client_id);
        RawConsumer::new(&settings, options).map(KafkaConsumer)
    }

    fn admin(&self) -> Result<KafkaAdmin, DriverError> {
        let settings = named(&self.prepared.clients.admin, "omb-steward");
        KafkaAdmin::new(&settings, &self.prepared.topic, self.replication_factor)
    }
}

/// Sends messages.
pub struct KafkaProducer(RawProducer);

impl Producer for KafkaProducer {
    #[inline]
    fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        self.0.send(message)
    }

    fn poll(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) {
        self.0.poll(until, sink);
    }

    fn in_flight(&self) -> u64 {
        self.0.in_flight()
    }

    fn abandon(&mut self) {
        self.0.abandon();
    }

    fn complaints(&mut self) -> Vec<String> {
        self.0.complaints()
    }
}

/// Receives messages.
pub struct KafkaConsumer(RawConsumer);

impl Consumer for KafkaConsumer {
    fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        self.0.poll(until, events);
    }

    fn commit(&mut self, positions: &[(Partition, u64)]) {
        self.0.commit(positions);
    }

    fn pause(&mut self, paused: bool) -> Result<(), DriverError> {
        self.0.pause(paused)
    }

    fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        self.0.close(until, events);
    }

    fn complaints(&mut self) -> Result<Vec<String>, DriverError> {
        self.0.complaints()
    }
}
