//! The Kafka driver on the embedded broker: the suite of all drivers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::mpsc::channel;

use common::driver_suite::driver_suite;
use omb::broker::{Broker, Options};
use omb::config::{KafkaConfig, Origin, Property};
use omb::driver::kafka::KafkaDriver;

/// One broker for all tests; it ends with their process.
static ADDRESS: LazyLock<SocketAddr> = LazyLock::new(|| {
    let broker = Broker::bind(&Options::default()).unwrap();
    let address = broker.address();
    std::thread::spawn(move || {
        let (sender, _notices) = channel();
        broker.serve(pending(), sender).unwrap();
    });
    address
});

fn embedded() -> KafkaDriver {
    let config = KafkaConfig {
        replication_factor: 1,
        common: vec![Property {
            key: "bootstrap.servers".to_owned(),
            value: ADDRESS.to_string(),
            origin: Origin::CommandLine("-b".to_owned()),
        }],
        producer: Vec::new(),
        consumer: Vec::new(),
        topic: Vec::new(),
        extra: Vec::new(),
    };
    KafkaDriver::from_config(&config).unwrap()
}

driver_suite!("Kafka", embedded());
