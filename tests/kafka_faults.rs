//! Messages removed and doubled behind omb's back are found, and counted as what they are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Broker, Run, count, first_books, kafka};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const ONE_OF_EACH: [(&str, &str); 5] = [
    ("topics", "1"),
    ("partitionsPerTopic", "2"),
    ("consumerPerSubscription", "1"),
    ("testDuration", "8s"),
    ("reportPeriod", "4s"),
];

#[test]
fn messages_removed_before_they_were_read_are_lost_and_the_exit_code_says_so() {
    let mut run = Run::start(&Broker::Kafka, &ONE_OF_EACH, &[]);
    run.wait_for_measure();
    let topic = format!("test-topic-0-{}", run.id());
    let consumer = Pid::from_raw(run.child("consumer"));
    kill(consumer, Signal::SIGSTOP).unwrap();
    // More than the client has fetched ahead is written while it can't read.
    let before = kafka::messages(&topic);
    common::wait_for("unread messages", common::PATIENCE, || {
        (kafka::messages(&topic) > before + 4_000).then_some(())
    });
    kafka::delete_records(&topic);
    kill(consumer, Signal::SIGCONT).unwrap();
    run.finish_with(3);
    let result = run.result();
    let books = first_books(&result);
    let acknowledged = count(&result["omb"]["ledger"]["acknowledged"]);
    assert!(count(&books["lost"]) > 2_000, "{books}");
    assert_eq!(
        count(&books["received"]) + count(&books["lost"]),
        acknowledged,
        "{books}"
    );
    for class in ["unread", "duplicates", "late", "reordered", "foreign"] {
        assert_eq!(books[class], 0, "{class}: {books}");
    }
    assert_named_in_full(&books["examples"]["lost"], &topic);
    let stderr = run.stderr();
    assert!(stderr.contains("e.g. lost: message "), "{stderr}");
    assert_eq!(result["omb"]["status"], "completed");
    kafka::assert_nothing_left(&run.id());
}

fn assert_named_in_full(examples: &Value, topic: &str) {
    let examples = examples.as_array().unwrap();
    assert_eq!(examples.len(), 5, "{examples:?}");
    for example in examples {
        assert_eq!(example["topic"], topic);
        for field in ["partition", "offset", "producer", "incarnation", "sequence"] {
            assert!(example[field].is_u64(), "{field}: {example}");
        }
    }
}

#[test]
fn messages_written_twice_are_duplicates_and_nothing_else() {
    let mut run = Run::start(&Broker::Kafka, &ONE_OF_EACH, &[]);
    run.wait_for_measure();
    let topic = format!("test-topic-0-{}", run.id());
    // The first of a partition may be a probe, which is no load.
    kafka::write_again(&topic, 0, 201);
    kafka::write_again(&topic, 1, 101);
    run.finish_with(0);
    let result = run.result();
    let books = first_books(&result);
    let duplicates = count(&books["duplicates"]);
    assert!((300..=302).contains(&duplicates), "{books}");
    assert_named_in_full(&books["examples"]["duplicates"], &topic);
    assert_eq!(
        books["received"], result["omb"]["ledger"]["acknowledged"],
        "{books}"
    );
    for class in [
        "lost",
        "unread",
        "late",
        "reordered",
        "redelivered",
        "foreign",
    ] {
        assert_eq!(books[class], 0, "{class}: {books}");
    }
    kafka::assert_nothing_left(&run.id());
}
