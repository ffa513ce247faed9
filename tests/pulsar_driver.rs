//! The Pulsar driver on a real Pulsar: the suite of all drivers with batches and without, in a shared
//! subscription, through TLS with a token, and what only Pulsar has.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::driver_suite::site::{
    Outcomes, Site, Told, patience, produce, refused, send, settle, system_at, within,
};
use common::driver_suite::{driver_suite, produce as sending};
use common::pulsar::{address, variable};
use omb::clock::Instant;
use omb::config::System;
use omb::driver::pulsar::PulsarDriver;
use omb::driver::{Admin, Driver, Leftovers, NewTopic};

/// The namespace of topics that are not a run's.
const NAMESPACE: (&str, &str) = ("client.namespacePrefix", "public/omb-suite");

/// A driver with these settings for the Pulsar at an address.
fn at(address: &str, settings: &[(&str, &str)]) -> PulsarDriver {
    let http = variable("OMB_PULSAR_HTTP");
    let mut all = vec![NAMESPACE, ("client.httpUrl", http.as_str())];
    all.extend(settings);
    let System::Pulsar(config) = system_at(address, &all) else {
        panic!("not a Pulsar: {address}");
    };
    PulsarDriver::from_config(&config).unwrap()
}

fn with(settings: &[(&str, &str)]) -> PulsarDriver {
    at(&address(), settings)
}

/// With a token, through TLS.
fn secure(token: &str) -> PulsarDriver {
    let (ca, https) = (variable("OMB_PULSAR_CA"), variable("OMB_PULSAR_HTTPS"));
    let settings = [
        ("client.tlsTrustCertsFilePath", ca.as_str()),
        ("client.httpUrl", https.as_str()),
        ("client.tlsEnableHostnameVerification", "true"),
        ("client.authentication.plugin", "token"),
        ("client.authentication.data", token),
    ];
    let address = format!("pulsar+ssl://{}", variable("OMB_PULSAR_TLS"));
    at(&address, &settings)
}

/// Nothing answers there.
const NOBODY: &str = "pulsar://127.0.0.1:1";

mod in_batches {
    super::driver_suite!("Pulsar", super::with(&[]));
}

mod one_by_one {
    super::driver_suite!(
        "Pulsar",
        super::with(&[("producer.batchingEnabled", "false")])
    );
}

mod shared {
    super::driver_suite!(
        "Pulsar shared",
        super::with(&[("consumer.subscriptionType", "Shared")])
    );
}

mod through_tls {
    super::driver_suite!(
        "Pulsar",
        super::secure(&super::variable("OMB_PULSAR_TOKEN"))
    );
}

#[test]
fn a_wrong_token_is_told_and_not_shown() {
    let wrong = variable("OMB_PULSAR_TOKEN") + "x";
    let error = refused(&secure(&format!("token:{wrong}")));
    assert!(error.contains("uthenticat"), "{error}");
    assert!(!error.contains(&wrong), "{error}");
}

#[test]
fn a_broker_that_is_not_there_is_told() {
    let error = refused(&at(NOBODY, &[]));
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn a_rest_api_that_is_not_there_is_told() {
    let error = refused(&with(&[("client.httpUrl", "http://127.0.0.1:1")]));
    assert!(error.contains("http://127.0.0.1:1"), "{error}");
    assert!(error.contains("client.httpUrl"), "{error}");
}

#[test]
fn an_authority_that_nobody_knows_is_no_authority() {
    let address = format!("pulsar+ssl://{}", variable("OMB_PULSAR_TLS"));
    let error = refused(&at(&address, &[]));
    assert!(error.contains("ertificate"), "{error}");
}

#[test]
fn who_may_create_nothing_is_told() {
    let mut admin = secure(&variable("OMB_PULSAR_READER_TOKEN"))
        .admin()
        .unwrap();
    let wanted = NewTopic {
        name: "driver-suite-of-nobody".to_owned(),
        partitions: 1,
    };
    let error = admin.create_topics(&[wanted], patience()).unwrap_err();
    assert!(error.to_string().contains("uthorized"), "{error}");
}

#[test]
fn a_sender_is_held_back_where_nothing_goes_out() {
    sending::a_sender_is_held_back_where_nothing_goes_out(&with(&[]), &at(NOBODY, &[]));
}

#[test]
fn a_message_beyond_the_brokers_limit_is_refused_and_the_connection_stays() {
    let mut site = Site::new(&with(&[]), 1, 1);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    let why = send(&mut producer, &mut outcomes, 0, None, 1, 6_000_000).unwrap_err();
    assert!(why.contains("too large"), "{why}");
    send(&mut producer, &mut outcomes, 0, None, 2, 5_000_000).unwrap();
    settle(&mut producer, &mut outcomes);
    assert!(
        matches!(outcomes[&2], Told::Acknowledged(..)),
        "{outcomes:?}"
    );
    assert_eq!(site.stored(), 1);
}

#[test]
fn an_exclusive_subscription_has_one_reader() {
    let site = Site::new(&with(&[("consumer.subscriptionType", "Exclusive")]), 1, 2);
    produce(&site, 0..100, 100);
    let mut first = site.consumer();
    first.read(100);
    let mut second = site.consumer();
    let until = within(Duration::from_secs(1));
    while Instant::now() < until {
        second.poll(Duration::from_millis(100));
    }
    assert!(second.seen.owned.is_empty(), "two have it");
    first.close();
    second.own(2);
    second.close();
}

#[test]
fn more_copies_than_storage_nodes_are_told_before_anything_is_made() {
    let settings = [
        ("client.namespacePrefix", "omb-tests/ns"),
        ("client.persistence.ensembleSize", "3"),
    ];
    let mut admin = with(&settings).admin().unwrap();
    let wanted = NewTopic {
        name: "test-topic-0-00000003".to_owned(),
        partitions: 1,
    };
    let error = admin.create_topics(&[wanted], patience()).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("3 storage nodes") && told.contains("has 1"),
        "{told}"
    );
    assert_eq!(admin.survey(patience()).unwrap().topics, []);
}

/// A run's topics are in a namespace that is made for them and goes with them, its tenant, too, where there was none.
#[test]
fn a_runs_namespace_and_tenant_go_with_its_last_topic() {
    let settings = [
        ("client.namespacePrefix", "omb-made-here/ns"),
        ("client.persistence.ensembleSize", "1"),
        ("client.persistence.writeQuorum", "1"),
        ("client.persistence.ackQuorum", "1"),
        ("client.persistence.deduplicationEnabled", "true"),
    ];
    let mut admin = with(&settings).admin().unwrap();
    admin.connect(patience()).unwrap();
    let topic = |run: &str, number: u32| NewTopic {
        name: format!("test-topic-{number}-{run}"),
        partitions: number + 1,
    };
    let of_first = [topic("00000001", 0), topic("00000001", 1)];
    let of_other = [topic("00000002", 0)];
    admin.create_topics(&of_first, patience()).unwrap();
    admin.create_topics(&of_other, patience()).unwrap();
    let names = |admin: &mut <PulsarDriver as Driver>::Admin| -> Vec<String> {
        let survey = admin.survey(patience()).unwrap();
        survey.topics.into_iter().map(|topic| topic.name).collect()
    };
    let made = of_first.iter().chain(&of_other);
    let made: Vec<String> = made.map(|topic| topic.name.clone()).collect();
    assert_eq!(names(&mut admin), made);
    for one in of_first.iter().chain(&of_other) {
        let gone = [one.name.clone()];
        let left = admin.delete(&gone, &[], patience()).unwrap();
        assert_eq!(left, Leftovers::default());
    }
    assert_eq!(names(&mut admin), [""; 0]);
    let path = format!("{}/admin/v2/tenants", variable("OMB_PULSAR_HTTP"));
    let mut answer = ureq::get(&path).call().unwrap();
    let tenants = answer.body_mut().read_to_string().unwrap();
    assert!(!tenants.contains("omb-made-here"), "{tenants}");
    assert!(tenants.contains("omb-tests"), "{tenants}");
}
