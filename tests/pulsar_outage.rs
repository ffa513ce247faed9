//! What becomes of a run when its Pulsar is killed and comes back, with the data it had.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::own_server::OwnServer;
use common::scenarios::over_subscriptions;
use common::{Broker, pulsar};

/// What was under way is sent again, and was perhaps written before: the broker knows it then, or there are two
/// of it.
fn survives(deduplication: bool) {
    let server = OwnServer::start("pulsar", &[]);
    let http = format!("http://{}", server.at(2));
    let deduplication_enabled = format!("deduplicationEnabled={deduplication}");
    let policies = [
        "ensembleSize=1",
        "writeQuorum=1",
        "ackQuorum=1",
        &deduplication_enabled,
    ];
    let policies = policies.map(|policy| format!("client.persistence.{policy}"));
    let mut settings = vec!["-X".to_owned(), pulsar::http_of(&http)];
    settings.extend(policies.into_iter().flat_map(|one| ["-X".to_owned(), one]));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let broker = Broker::At(format!("pulsar://{}", server.at(0)));
    let note = "connection to Pulsar is lost";
    let (run, result) = server.dies_under_load(&broker, &settings, note);
    if deduplication {
        assert_eq!(over_subscriptions(&result, "duplicates"), 0);
    }
    assert_eq!(pulsar::names_through(&http, &run.id()), [""; 0]);
}

#[test]
fn what_has_a_receipt_survives_the_brokers_death() {
    survives(false);
}

#[test]
fn what_is_sent_again_is_known_to_a_broker_with_deduplication() {
    survives(true);
}
