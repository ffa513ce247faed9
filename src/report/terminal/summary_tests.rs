use super::*;
use crate::report::testing;

#[test]
fn the_banner_says_what_is_going_to_happen_and_whose_broker_it_is() {
    let run = testing::run();
    let mut driver = run.driver.clone();
    let text = |driver: &DriverName| {
        banner(&Banner {
            run_id: &run.id,
            workload: &run.workload,
            driver,
            broker: "127.0.0.1:9092",
            producers: (1, 1),
            consumers: (2, 4),
            result: "out.json",
        })
    };
    let embedded = text(&driver);
    for part in [
        "embedded broker",
        "1 topic × 1 partition",
        "1,000 msg/s of 1,024 bytes",
        "2s warm-up, 10s measured",
        "1 producer process with 1 client, 2 consumer processes with 4 clients",
        "out.json",
    ] {
        assert!(embedded.contains(part), "{part}: {embedded}");
    }
    assert!(
        embedded.lines().all(|line| line.chars().count() <= 120),
        "{embedded}"
    );
    driver.embedded = false;
    assert!(!text(&driver).contains("embedded"));
}

#[test]
fn the_summary_names_rates_latencies_books_and_where_the_result_is() {
    let text = summary(&testing::run(), Some("out.json"));
    for part in [
        "test on Kafka (embedded broker): completed",
        "1,000 msg/s, 1.0 MiB/s (100.00 % of 1,000 msg/s)",
        "response (due to ack)",
        "5.112",
        "122,000 sent = 122,000 acknowledged + 0 failed + 0 unknown",
        "122,000 received, 0 lost (1 subscription, warm-up included)",
        "2 logical producers share 1 client",
        "out.json",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("restart") && !text.contains("unread"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
}

#[test]
fn processes_that_had_not_ended_are_no_effort_per_message() {
    let mut run = testing::run();
    assert!(summary(&run, None).contains("µs per message"));
    run.processes[0].ended = None;
    let text = summary(&run, None);
    assert!(
        text.contains("without 1 process that had not ended"),
        "{text}"
    );
    assert!(!text.contains("µs per message"), "{text}");
}

#[test]
fn trouble_is_named_in_the_summary() {
    let mut run = testing::nothing_measured();
    run.restarts = 2;
    run.ledger.unsent = 7;
    let books = SubscriptionCounts {
        unread: 5,
        ..Default::default()
    };
    run.ledger.subscriptions = vec![("s".to_owned(), books)];
    let text = summary(&run, None);
    for part in [
        "failed, no broker at",
        "2 restarts",
        "7 due and never sent",
        "5 unread",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn every_threshold_is_in_the_summary_with_what_was_measured() {
    let mut run = testing::run();
    run.workload.thresholds = ["publish.max<5ms", "lost==0", "recovery.max<5s"]
        .map(|text| crate::config::parse_threshold(text).unwrap())
        .to_vec();
    let text = summary(&run, None);
    for line in [
        "  threshold   publish.max <5ms: 5.100 ms, MISSED",
        "  threshold   lost ==0: 0, met",
        "  threshold   recovery.max <5s: nothing disturbed the run, met",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}
