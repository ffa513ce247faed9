//! The RabbitMQ driver on a real RabbitMQ: the suite of all drivers for each kind of queue, through TLS
//! and in a virtual host, and what only RabbitMQ has.

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
use common::rabbitmq::{address, variable};
use common::{PATIENCE, wait_for};
use omb::clock::Instant;
use omb::config::System;
use omb::driver::rabbitmq::RabbitMqDriver;
use omb::driver::{Admin, Consumer, Driver};

/// A driver with these settings for the RabbitMQ at an address.
fn at(address: &str, settings: &[(&str, &str)]) -> RabbitMqDriver {
    let System::RabbitMq(config) = system_at(address, settings) else {
        panic!("not a RabbitMQ: {address}");
    };
    RabbitMqDriver::from_config(&config).unwrap()
}

fn with(settings: &[(&str, &str)]) -> RabbitMqDriver {
    at(&address(), settings)
}

/// As a user with a password, in a virtual host with a blank in its name, through TLS.
fn secure() -> RabbitMqDriver {
    let (password, node) = (
        variable("OMB_RABBITMQ_PASSWORD"),
        variable("OMB_RABBITMQ_TLS"),
    );
    let (ca, http) = (variable("OMB_RABBITMQ_CA"), variable("OMB_RABBITMQ_HTTP"));
    let management = http.replace("://", &format!("://omb:{password}@"));
    let settings = [
        ("caFile", ca.as_str()),
        ("managementUri", management.as_str()),
        ("messagePersistence", "true"),
    ];
    at(
        &format!("amqps://omb:{password}@{node}/omb%20tests"),
        &settings,
    )
}

/// Nothing answers there.
const NOBODY: &str = "amqp://127.0.0.1:1";

mod classic_queues {
    super::driver_suite!("RabbitMQ", super::with(&[]));
}

mod quorum_queues {
    super::driver_suite!("RabbitMQ", super::with(&[("queueType", "QUORUM")]));
}

mod streams {
    super::driver_suite!("RabbitMQ streams", super::with(&[("queueType", "STREAM")]));
}

mod through_tls {
    super::driver_suite!("RabbitMQ", super::secure());
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let wrong = address().replace("://", "://omb:not-this-one@");
    let error = refused(&at(&wrong, &[]));
    assert!(error.contains("ACCESS_REFUSED"), "{error}");
    assert!(error.contains("password"), "{error}");
    assert!(!error.contains("not-this-one"), "{error}");
}

#[test]
fn a_virtual_host_that_is_not_there_is_told() {
    let error = refused(&at(&format!("{}/nowhere", address()), &[]));
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn a_broker_that_is_not_there_is_told() {
    let error = refused(&at(NOBODY, &[]));
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn an_authority_that_nobody_knows_is_no_authority() {
    let address = format!("amqps://guest:guest@{}", variable("OMB_RABBITMQ_TLS"));
    let error = refused(&at(&address, &[]));
    assert!(error.contains("ertificate"), "{error}");
}

#[test]
fn who_may_create_nothing_is_told() {
    let password = variable("OMB_RABBITMQ_PASSWORD");
    let reader = address().replace("://", &format!("://reader:{password}@"));
    let site = Site::new(&with(&[]), 1, 1);
    let mut wanted = site.wanted(1);
    wanted[0].name.push_str("-more");
    let mut admin = at(&reader, &[]).admin().unwrap();
    let error = admin.create_topics(&wanted, patience()).unwrap_err();
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
}

#[test]
fn a_sender_is_held_back_where_nothing_goes_out() {
    sending::a_sender_is_held_back_where_nothing_goes_out(&with(&[]), &at(NOBODY, &[]));
}

/// What the broker confirms and no queue takes is not stored.
#[test]
fn a_message_that_no_queue_takes_has_failed() {
    let mut site = Site::new(&with(&[]), 1, 1);
    let groups = site.groups();
    site.admin.delete(&[], &groups, patience()).unwrap();
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    send(&mut producer, &mut outcomes, 0, None, 1, 100).unwrap();
    settle(&mut producer, &mut outcomes);
    let Told::Failed(why) = &outcomes[&1] else {
        panic!("{outcomes:?}");
    };
    assert!(why.contains("NO_ROUTE"), "{why}");
}

#[test]
fn a_queue_that_is_deleted_ends_its_consumer() {
    let mut site = Site::new(&with(&[]), 1, 1);
    let mut member = site.consumer();
    member.own(1);
    // The driver leaves a queue with consumers alone.
    let path = format!("queues/%2F/{}-{}", site.topics[0], site.group);
    common::rabbitmq::delete(&path);
    let error = wait_for("the end of the consumer", PATIENCE, || {
        let soon = within(Duration::from_millis(100));
        member.consumer.poll(soon, &mut member.seen);
        member.consumer.complaints().err()
    });
    assert!(error.to_string().contains("was deleted"), "{error}");
    member.consumer.close(patience(), &mut member.seen);
    site.admin.delete(&[], &[], patience()).unwrap();
}

/// A consumer is sent no more than it asked for ahead of its acknowledgements.
#[test]
fn a_consumer_that_acknowledges_nothing_is_held_back() {
    let site = Site::new(&with(&[("prefetch", "100")]), 1, 1);
    produce(&site, 0..500, 100);
    let mut member = site.consumer();
    member.read(100);
    let until = within(Duration::from_secs(1));
    while Instant::now() < until {
        member.poll(Duration::from_millis(100));
    }
    assert_eq!(member.seen.messages.len(), 100);
    let positions: Vec<_> = member.seen.next.clone().into_iter().collect();
    member.consumer.commit(&positions);
    member.read(200);
    member.close();
}
