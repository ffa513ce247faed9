//! What becomes of a run when its RocketMQ is killed and comes back, with the data it had.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::own_server::OwnServer;
use common::scenarios::over_subscriptions;
use common::{Broker, rocketmq};

fn survives(settings: &[&str]) {
    let server = OwnServer::start("rocketmq", &[]);
    let broker = Broker::At(format!("rocketmq://{}", server.at(0)));
    let note = "the connection to RocketMQ's broker broker-a is lost";
    let (run, result) = server.dies_under_load(&broker, settings, note);
    // Nothing is sent for a second time, and a consumer goes on where it was.
    let ledger = &result["omb"]["ledger"];
    assert_eq!(over_subscriptions(&result, "duplicates"), 0, "{ledger}");
    assert_eq!(over_subscriptions(&result, "redelivered"), 0, "{ledger}");
    let left = rocketmq::names_at(&server.at(0), &server.at(10), &run.id());
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_was_acknowledged_survives_the_brokers_death() {
    survives(&[]);
}

#[test]
fn what_was_acknowledged_in_batches_survives_the_brokers_death() {
    survives(&["-X", "autoBatch=true", "-X", "batchCQ=true"]);
}
