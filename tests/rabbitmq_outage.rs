//! What becomes of a run when its RabbitMQ is killed and comes back, with the data it had.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::own_server::OwnServer;
use common::{Broker, rabbitmq};

fn survives(queue: &str) {
    let server = OwnServer::start("rabbitmq", &[]);
    let queue = format!("queueType={queue}");
    let settings = ["-X", &queue, "-X", "messagePersistence=true"];
    let broker = Broker::At(format!("amqp://{}", server.at(0)));
    let (run, _) = server.dies_under_load(&broker, &settings, "the connection to RabbitMQ is lost");
    let left = rabbitmq::names_through(&format!("http://{}", server.at(10_000)), &run.id());
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_a_classic_queue_confirmed_survives_the_brokers_death() {
    survives("CLASSIC");
}

#[test]
fn what_a_quorum_queue_confirmed_survives_the_brokers_death() {
    survives("QUORUM");
}
