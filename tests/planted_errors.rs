//! Errors planted in a broker's answers: what each implies is what the result says.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;
#[path = "common/lying.rs"]
mod lying;

use lying::{Books, Lying, ONE_IN_A_BATCH, Told};

/// A message is handed to the client library when the last one has its outcome. Less is not enough
/// to keep the order: with one request in flight, the library has put together the next already,
/// and sends that before it tries again.
const ONE_BY_ONE: &str = "batch.num.messages=1\nqueue.buffering.max.messages=1";

/// 200 messages in a second.
const SHORT: [(&str, &str); 3] = [
    ("producerRate", "200"),
    ("warmupDuration", "0s"),
    ("testDuration", "1s"),
];

/// A run of a second in which an error is answered twice, to one message or to two.
fn answered(error: &str, producer: &str) -> Told {
    let fault = format!("error:at=50,count=2,code={error}");
    Lying {
        faults: &[&fault],
        producer: &format!("{ONE_BY_ONE}\n{producer}"),
        workload: &SHORT,
        messages: 200,
    }
    .run(0)
}

/// The client sends it again until it is acknowledged. Errors that come after the batch was stored
/// leave it in the log each time.
#[test]
fn what_can_be_tried_again_is_acknowledged() {
    for (error, duplicates) in [
        ("CORRUPT_MESSAGE", 0),
        ("UNKNOWN_TOPIC_OR_PARTITION", 0),
        ("LEADER_NOT_AVAILABLE", 0),
        ("NOT_LEADER_OR_FOLLOWER", 0),
        ("REQUEST_TIMED_OUT", 2),
        ("BROKER_NOT_AVAILABLE", 0),
        ("REPLICA_NOT_AVAILABLE", 0),
        ("COORDINATOR_LOAD_IN_PROGRESS", 0),
        ("COORDINATOR_NOT_AVAILABLE", 0),
        ("NOT_COORDINATOR", 0),
        ("NOT_ENOUGH_REPLICAS", 0),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", 2),
        ("KAFKA_STORAGE_ERROR", 0),
    ] {
        let expected = Books {
            duplicates,
            ..Books::default()
        };
        answered(error, "").assert_books(error, expected, 0);
    }
}

/// The client takes these for the last word, and for a sign that nothing was stored. Two messages
/// get one each.
#[test]
fn what_cannot_be_tried_again_has_failed() {
    for error in [
        "UNKNOWN_SERVER_ERROR",
        "MESSAGE_TOO_LARGE",
        "NETWORK_EXCEPTION",
        "INVALID_TOPIC_EXCEPTION",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_REQUIRED_ACKS",
        "CLUSTER_AUTHORIZATION_FAILED",
        "INVALID_TIMESTAMP",
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "POLICY_VIOLATION",
        "INVALID_PRODUCER_EPOCH",
        "UNKNOWN_PRODUCER_ID",
        "FENCED_LEADER_EPOCH",
        "UNSUPPORTED_COMPRESSION_TYPE",
        "INVALID_RECORD",
        "THROTTLING_QUOTA_EXCEEDED",
    ] {
        let expected = Books {
            failed: 2,
            ..Books::default()
        };
        answered(error, "").assert_books(error, expected, 0);
    }
}

/// It says so of everything else, and where it may not try again what may have been stored.
#[test]
fn what_may_have_been_stored_is_unknown() {
    for (error, producer, failed, unknown, stored) in [
        ("OUT_OF_ORDER_SEQUENCE_NUMBER", "", 0, 2, 0),
        ("DUPLICATE_SEQUENCE_NUMBER", "", 0, 2, 0),
        ("DUPLICATE_SEQUENCE_NUMBER,stored=yes", "", 0, 2, 2),
        ("REQUEST_TIMED_OUT", "retries=0", 0, 2, 2),
        ("REQUEST_TIMED_OUT,stored=no", "retries=0", 0, 2, 0),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "retries=0", 0, 2, 2),
        ("NOT_ENOUGH_REPLICAS", "retries=0", 2, 0, 0),
        ("CORRUPT_MESSAGE", "retries=0", 2, 0, 0),
    ] {
        let expected = Books {
            failed,
            unknown,
            ..Books::default()
        };
        let what = format!("{error}, {producer}");
        answered(error, producer).assert_books(&what, expected, stored);
    }
}

/// What the client library believes not to be there is no foreign message, and isn't lost: it is
/// received, and failed.
#[test]
fn a_message_that_was_stored_against_what_the_error_says_is_received() {
    let error = "INVALID_RECORD,stored=yes";
    let expected = Books {
        failed: 2,
        ..Books::default()
    };
    answered(error, "").assert_books(error, expected, 2);
}

/// The broker knows them again by their numbers.
#[test]
fn an_idempotent_producer_leaves_no_duplicates() {
    for error in ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "REQUEST_TIMED_OUT"] {
        let told = answered(error, "enable.idempotence=true");
        told.assert_books(error, Books::default(), 0);
    }
}

/// The client then refuses the topic's messages by itself, until it has heard of the topic again.
#[test]
fn a_producer_that_loses_its_rights_fails_until_it_hears_of_the_topic_again() {
    let fault = "error:at=100,code=TOPIC_AUTHORIZATION_FAILED";
    let told = Lying {
        faults: &[fault],
        producer: &format!("{ONE_BY_ONE}\ntopic.metadata.refresh.interval.ms=200"),
        ..Lying::default()
    }
    .run(0);
    let failed = told.ledger("failed");
    assert!((1..900).contains(&failed), "{failed}");
    let expected = Books {
        failed,
        ..Books::default()
    };
    told.assert_books("rights", expected, 0);
}

/// Its successors were under way, so it comes behind them; behind one of them even where only one
/// request may be. An idempotent producer's successors have to be sent again with it.
#[test]
fn a_message_sent_again_is_reordered_unless_the_producer_is_idempotent() {
    for (setting, reordered) in [
        ("max.in.flight=1000", 1),
        ("max.in.flight=1", 1),
        ("enable.idempotence=true", 0),
    ] {
        let told = Lying {
            faults: &[
                "delay:at=300,for=200ms",
                "error:at=300,code=NOT_ENOUGH_REPLICAS",
            ],
            producer: &format!("{ONE_IN_A_BATCH}\n{setting}"),
            ..Lying::default()
        }
        .run(0);
        let expected = Books {
            reordered,
            ..Books::default()
        };
        told.assert_books(setting, expected, 0);
    }
}
