//! The RocketMQ driver on a real RocketMQ: the suite of all drivers, with batches and without, and what only
//! RocketMQ has.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::driver_suite::site::{
    Outcomes, Site, Told, patience, produce, refused, send, settle, system_at,
};
use common::driver_suite::{driver_suite, produce as sending};
use common::own_server::OwnServer;
use common::rocketmq::{address, variable};
use omb::config::System;
use omb::driver::rocketmq::RocketMqDriver;
use omb::driver::{Admin, Driver, NewTopic};

/// A driver with these settings for the RocketMQ at an address.
fn at(address: &str, settings: &[(&str, &str)]) -> RocketMqDriver {
    let System::RocketMq(config) = system_at(address, settings) else {
        panic!("not a RocketMQ: {address}");
    };
    RocketMqDriver::from_config(&config).unwrap()
}

fn with(settings: &[(&str, &str)]) -> RocketMqDriver {
    at(&address(), settings)
}

const ORDERED: (&str, &str) = ("ordered", "true");

/// Nothing answers there.
const NOBODY: &str = "rocketmq://127.0.0.1:1";

mod one_after_the_other {
    super::driver_suite!("RocketMQ", super::with(&[super::ORDERED]));
}

mod in_batches {
    super::driver_suite!(
        "RocketMQ",
        super::with(&[super::ORDERED, ("autoBatch", "true")])
    );
}

mod in_queues_of_batches {
    super::driver_suite!(
        "RocketMQ",
        super::with(&[
            super::ORDERED,
            ("autoBatch", "true"),
            ("batchCQ", "true"),
            ("vipChannelEnabled", "true"),
        ])
    );
}

mod side_by_side {
    super::driver_suite!("RocketMQ unordered", super::with(&[]));
}

#[test]
fn a_name_server_that_is_not_there_is_told() {
    let error = refused(&at(NOBODY, &[]));
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn a_cluster_that_is_not_there_is_told() {
    let error = refused(&with(&[("clusterName", "nowhere")]));
    assert!(
        error.contains("nowhere") && error.contains("DefaultCluster"),
        "{error}"
    );
}

#[test]
fn a_sender_is_held_back_where_nothing_goes_out() {
    sending::a_sender_is_held_back_where_nothing_goes_out(&with(&[]), &at(NOBODY, &[]));
}

#[test]
fn a_message_beyond_the_clients_own_limit_is_refused() {
    let site = Site::new(&with(&[("maxMessageSize", "1000")]), 1, 1);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    let why = send(&mut producer, &mut outcomes, 0, None, 1, 1_001).unwrap_err();
    assert!(why.contains("too large"), "{why}");
    send(&mut producer, &mut outcomes, 0, None, 2, 1_000).unwrap();
    settle(&mut producer, &mut outcomes);
    assert!(
        matches!(outcomes[&2], Told::Acknowledged(..)),
        "{outcomes:?}"
    );
}

#[test]
fn compressed_bodies_come_whole() {
    let site = Site::new(&with(&[("compressMsgBodyOverHowmuch", "1000")]), 1, 2);
    produce(&site, 0..20, 100);
    produce(&site, 20..40, 100_000);
    let mut member = site.consumer();
    member.read(40);
    assert_eq!(member.close().bytes, 20 * 100 + 20 * 100_000);
}

/// One broker for all of it: it takes a while to start.
#[test]
fn who_is_let_in_has_a_key_and_does_what_it_may() {
    let server = OwnServer::start("rocketmq", &[("OMB_ROCKETMQ_USERS", "yes")]);
    let address = format!("rocketmq://{}", server.at(0));
    let password = variable("OMB_ROCKETMQ_PASSWORD");
    let user =
        |name: &str, secret: &str| at(&address, &[("accessKey", name), ("secretKey", secret)]);

    for (driver, told) in [
        (at(&address, &[]), "username"),
        (user("omb", "not-this-one"), "signature"),
        (user("nobody", "not-this-one"), "nobody"),
    ] {
        let error = refused(&driver);
        assert!(
            error.contains(told) && error.contains("secretKey"),
            "{error}"
        );
        assert!(!error.contains("not-this-one"), "{error}");
    }

    let mut admin = user("reader", &password).admin().unwrap();
    let wanted = NewTopic {
        name: "driver-suite-of-nobody".to_owned(),
        partitions: 1,
    };
    let error = admin.create_topics(&[wanted], patience()).unwrap_err();
    assert!(error.to_string().contains("no permission"), "{error}");

    for more in [&[][..], &[("autoBatch", "true")]] {
        let keys = [("accessKey", "omb"), ("secretKey", &password)];
        let site = Site::new(&at(&address, &[&keys, more].concat()), 1, 2);
        produce(&site, 0..1_000, 100);
        produce(&site, 1_000..1_020, 10);
        let mut member = site.consumer();
        member.read(1_020);
        member.close();
    }
}
