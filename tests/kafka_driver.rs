//! The Kafka driver on a real Kafka: the suite of all drivers, in plain text and through SASL and
//! TLS, with each of the group protocols, and what only Kafka has.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::os::fd::AsRawFd;
use std::time::Duration;

use common::driver_suite::site::{Outcomes, Seen, Site, Told, send, settle, within};
use common::driver_suite::{driver_suite, members, produce};
use common::{PATIENCE, kafka, wait_for};
use omb::clock::Instant;
use omb::config::{KafkaConfig, Origin, Property};
use omb::driver::kafka::KafkaDriver;
use omb::driver::{Admin, Consumer, ConsumerOptions, Driver, Producer};

/// A driver with these settings, of whichever client knows them.
fn with(settings: &[(&str, &str)]) -> KafkaDriver {
    let property = |&(key, value): &(&str, &str)| Property {
        key: key.to_owned(),
        value: value.to_owned(),
        origin: Origin::CommandLine(format!("-X {key}")),
    };
    let config = KafkaConfig {
        replication_factor: 1,
        common: Vec::new(),
        producer: Vec::new(),
        consumer: Vec::new(),
        topic: Vec::new(),
        extra: settings.iter().map(property).collect(),
    };
    KafkaDriver::from_config(&config).unwrap()
}

fn plain(settings: &[(&str, &str)]) -> KafkaDriver {
    let address = kafka::bootstrap();
    let all = [&[("bootstrap.servers", address.as_str())], settings].concat();
    with(&all)
}

fn secure((user, password): (String, String)) -> KafkaDriver {
    let settings = kafka::sasl_settings(&user, &password);
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    with(&settings)
}

/// Nothing answers there.
const NOBODY: &str = "127.0.0.1:1";

mod in_plain_text {
    super::driver_suite!("Kafka", super::plain(&[]));
}

mod through_sasl_and_tls {
    super::driver_suite!("Kafka", super::secure(super::kafka::user()));
}

#[test]
fn partitions_move_when_members_cooperate() {
    let driver = plain(&[("partition.assignment.strategy", "cooperative-sticky")]);
    members::partitions_move_with_their_positions(&driver);
}

#[test]
fn partitions_move_when_the_broker_assigns() {
    let driver = plain(&[("group.protocol", "consumer")]);
    members::partitions_move_with_their_positions(&driver);
}

#[test]
fn a_message_too_large_for_the_broker_alone_is_refused_with_its_reason() {
    let driver = plain(&[("message.max.bytes", "5000000")]);
    produce::a_message_that_is_too_large_is_refused_with_its_reason(&driver);
}

#[test]
fn an_acknowledgement_nobody_asked_for_names_no_offset() {
    let site = Site::new(&plain(&[("acks", "0")]), 1, 1);
    let outcomes = produce_one(&site);
    assert_eq!(outcomes[&1], Told::Acknowledged(0, None));
}

#[test]
fn who_wants_to_hear_of_errors_only_hears_of_everything() {
    let site = Site::new(&plain(&[("delivery.report.only.error", "true")]), 1, 1);
    let outcomes = produce_one(&site);
    assert_eq!(outcomes[&1], Told::Acknowledged(0, Some(0)));
}

fn produce_one(site: &Site<KafkaDriver>) -> Outcomes {
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    send(&mut producer, &mut outcomes, 0, None, 1, 100).unwrap();
    settle(&mut producer, &mut outcomes);
    outcomes
}

#[test]
fn a_broker_that_is_not_there_is_told_within_the_deadline() {
    let mut admin = with(&[("bootstrap.servers", NOBODY)]).admin().unwrap();
    let begin = Instant::now();
    let error = admin.connect(within(Duration::from_secs(2))).unwrap_err();
    let took = Instant::now().since(begin);
    let text = error.to_string();
    assert!(text.contains(NOBODY), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_name_that_means_nothing_is_told() {
    let mut admin = with(&[("bootstrap.servers", "nobody.invalid:9092")])
        .admin()
        .unwrap();
    let error = admin.connect(within(PATIENCE)).unwrap_err().to_string();
    assert!(error.contains("Failed to resolve"), "{error}");
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let (user, _) = kafka::user();
    let driver = secure((user, "wrong".to_owned()));
    let begin = Instant::now();
    let error = driver.admin().unwrap().connect(within(PATIENCE));
    let text = error.unwrap_err().to_string();
    let took = Instant::now().since(begin);
    assert!(text.contains("authentication"), "{text}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_listener_without_tls_is_no_place_for_tls() {
    let ca = kafka::ca();
    let driver = plain(&[("security.protocol", "ssl"), ("ssl.ca.location", &ca)]);
    let error = driver.admin().unwrap().connect(within(PATIENCE));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("SSL"), "{text}");
}

#[test]
fn who_may_not_create_topics_is_told_what_to_do() {
    let site = Site::new(&plain(&[]), 1, 1);
    let mut wanted = site.wanted(1);
    wanted[0].name.push_str("-more");
    let mut admin = secure(kafka::reader()).admin().unwrap();
    let error = admin.create_topics(&wanted, within(PATIENCE)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no permission to create"), "{text}");
    assert!(text.contains("--topic"), "{text}");
}

#[test]
fn who_may_not_write_is_told_with_every_message() {
    let site = Site::new(&plain(&[]), 1, 1);
    let mut producer = site.producer_of(&secure(kafka::reader()));
    let mut outcomes = Outcomes::new();
    let why = match send(&mut producer, &mut outcomes, 0, None, 1, 100) {
        Err(why) => why,
        Ok(()) => {
            settle(&mut producer, &mut outcomes);
            match &outcomes[&1] {
                Told::Failed(why) => why.clone(),
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(why.contains("TOPIC_AUTHORIZATION_FAILED"), "{why}");
}

#[test]
fn who_may_not_read_is_told_that_nothing_will_come() {
    let site = Site::new(&plain(&[]), 1, 1);
    let options = ConsumerOptions {
        client_id: "driver-suite",
        group: &site.group,
        topics: &site.topics,
        partitions: 1,
        message_size: 100,
        wake: site.wake.as_raw_fd(),
    };
    let mut consumer = secure(kafka::reader()).consumer(&options).unwrap();
    let text = wait_for("a refusal", PATIENCE, || {
        consumer.poll(within(Duration::from_millis(100)), &mut Seen::default());
        consumer.complaints().err()
    });
    assert!(text.to_string().contains("AUTHORIZATION_FAILED"), "{text}");
}

#[test]
fn what_no_broker_took_has_certainly_failed() {
    let site = Site::new(&plain(&[]), 1, 1);
    let mut producer = site.producer_of(&with(&[("bootstrap.servers", NOBODY)]));
    let mut outcomes = Outcomes::new();
    for number in 0..1_000 {
        send(&mut producer, &mut outcomes, 0, None, number, 100).unwrap();
    }
    wait_for("a complaint", PATIENCE, || {
        producer.poll(within(Duration::from_millis(100)), &mut |_, _| {});
        let complaints = producer.complaints();
        let refused = |text: &String| text.contains("Connection refused");
        complaints.iter().any(refused).then_some(())
    });
    let begin = Instant::now();
    producer.abandon();
    settle(&mut producer, &mut outcomes);
    let took = Instant::now().since(begin);
    assert_eq!(outcomes.len(), 1_000);
    let failed = |told: &Told| matches!(told, Told::Failed(why) if why.contains("PURGE_QUEUE"));
    assert!(outcomes.values().all(failed), "{:?}", outcomes[&0]);
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[test]
fn a_sender_is_held_back_where_nothing_goes_out() {
    let nowhere = with(&[("bootstrap.servers", NOBODY)]);
    produce::a_sender_is_held_back_where_nothing_goes_out(&plain(&[]), &nowhere);
}

#[test]
fn clients_of_a_broker_that_is_not_there_are_gone_at_once() {
    let site = Site::new(&plain(&[]), 1, 1);
    let nowhere = with(&[("bootstrap.servers", NOBODY)]);
    let mut producer = site.producer_of(&nowhere);
    send(&mut producer, &mut Outcomes::new(), 0, None, 1, 100).unwrap();
    let options = ConsumerOptions {
        client_id: "driver-suite",
        group: &site.group,
        topics: &site.topics,
        partitions: 1,
        message_size: 100,
        wake: site.wake.as_raw_fd(),
    };
    let consumer = nowhere.consumer(&options).unwrap();
    let begin = Instant::now();
    drop(producer);
    drop(consumer);
    let took = Instant::now().since(begin);
    assert!(took < Duration::from_secs(3), "{took:?}");
}
