//! A broker that stands still, dies, comes back or doesn't, in every phase; topics and disks that go
//! away. The run goes on with exact books, or ends in time and says why.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::kafka::names_at;
use common::own_kafka::OwnKafka;
use common::scenarios::{assert_all_received, assert_balanced, over_subscriptions};
use common::{Broker, PATIENCE, Run, count, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn start(kafka: &OwnKafka, changes: &[(&str, &str)]) -> Run {
    Run::start(&Broker::At(kafka.address()), changes, &[])
}

/// Topics, groups and processes go, now that the broker answers again.
fn assert_gone(kafka: &OwnKafka, run: &Run) {
    wait_for("topics and groups gone", PATIENCE, || {
        names_at(&kafka.address(), &run.id())
            .is_empty()
            .then_some(())
    });
    run.assert_nothing_left();
}

fn reason(result: &Value) -> &str {
    result["omb"]["reason"].as_str().unwrap()
}

#[test]
fn a_broker_that_stands_still_costs_time_and_no_message() {
    let kafka = OwnKafka::start();
    let mut run = start(&kafka, &[("testDuration", "8s")]);
    run.wait_for_measure();
    kafka.stop();
    std::thread::sleep(Duration::from_secs(3));
    kafka.go_on();
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 1);
    let longest = result["omb"]["responseLatency"]["max"].as_f64().unwrap();
    assert!(longest > 2_900.0, "{longest}");
    run.assert_nothing_left();
}

#[test]
fn a_broker_that_is_killed_and_comes_back_loses_nothing() {
    let mut kafka = OwnKafka::start();
    let mut run = start(&kafka, &[("testDuration", "20s"), ("reportPeriod", "5s")]);
    run.wait_for_measure();
    kafka.kill();
    kafka.start_again();
    run.finish_with(0);
    let result = run.result();
    assert_balanced(&result);
    let ledger = &result["omb"]["ledger"];
    // What was sent again without an answer may be there twice.
    for class in ["lost", "unread", "late", "foreign"] {
        assert_eq!(over_subscriptions(&result, class), 0, "{class}: {ledger}");
    }
    assert!(over_subscriptions(&result, "received") >= count(&ledger["acknowledged"]));
    // What happened, and when.
    let events = result["omb"]["events"].as_array().unwrap();
    let refused = |event: &&Value| event["text"].as_str().unwrap().contains("refused");
    assert!(events.iter().any(|event| refused(&event)), "{events:?}");
    run.assert_nothing_left();
}

#[test]
fn a_broker_that_is_away_from_the_start_ends_the_run_with_a_line() {
    let kafka = OwnKafka::start();
    kafka.stop();
    let since = Instant::now();
    let mut run = start(&kafka, &[]);
    run.finish_with(1);
    assert!(
        since.elapsed() < Duration::from_secs(45),
        "{:?}",
        since.elapsed()
    );
    let result = run.result();
    assert_eq!(result["omb"]["status"], "failed");
    assert!(
        reason(&result).contains(&kafka.address()),
        "{}",
        reason(&result)
    );
    run.assert_nothing_left();
}

#[test]
fn a_broker_that_dies_for_good_ends_the_run_and_what_it_has_left_is_cleaned_up_later() {
    let mut kafka = OwnKafka::start();
    let state = tempfile::tempdir().unwrap();
    let broker = Broker::At(kafka.address());
    let changes = [("testDuration", "4s"), ("drainDeadline", "3s")];
    let mut run = Run::prepare(&broker, &changes, &[], |command| {
        command.env("XDG_STATE_HOME", state.path());
    });
    run.wait_for_measure();
    kafka.kill();
    let since = Instant::now();
    run.finish_with(1);
    assert!(
        since.elapsed() < Duration::from_secs(60),
        "{:?}",
        since.elapsed()
    );
    let result = run.result();
    assert_eq!(result["omb"]["status"], "failed");
    assert_balanced(&result);
    assert!(run.stderr().contains("omb clean"), "{}", run.stderr());
    // Its steward goes on trying, for two minutes; as if they were over:
    wait_for("its guard, and who deletes", PATIENCE, || {
        (run.processes().len() == 2).then_some(())
    });
    wait_for("both dead", PATIENCE, || {
        for (pid, _) in run.processes() {
            // Who deletes dies with the guard, perhaps by now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        run.processes().is_empty().then_some(())
    });
    kafka.start_again();
    let clean = || {
        let output = common::omb()
            .env("XDG_STATE_HOME", state.path())
            .args(["clean", "--yes"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(clean().contains(&run.id()));
    assert_eq!(clean(), "");
}

#[test]
fn a_broker_that_dies_before_anybody_is_ready_ends_the_run() {
    let mut kafka = OwnKafka::start();
    let mut run = start(&kafka, &[("readyDeadline", "3s")]);
    run.wait_for_stderr("  result ");
    kafka.kill();
    run.finish_with(1);
    assert_eq!(run.result()["omb"]["status"], "failed");
    // Its steward goes on trying.
    kafka.start_again();
    assert_gone(&kafka, &run);
}

#[test]
fn a_broker_that_stands_still_while_the_rest_is_read_is_waited_for() {
    let kafka = OwnKafka::start();
    let changes = [("testDuration", "3s"), ("reportPeriod", "1s")];
    let mut run = start(&kafka, &changes);
    run.wait_for_measure();
    // It stands still over the end of the load.
    kafka.stop();
    run.wait_for_stderr("drain");
    kafka.go_on();
    run.finish_with(0);
    assert_all_received(&run.result(), 1);
    run.assert_nothing_left();
}

#[test]
fn a_topic_deleted_behind_its_back_ends_the_run_in_time() {
    let kafka = OwnKafka::start();
    let changes = [
        ("testDuration", "6s"),
        ("drainDeadline", "3s"),
        ("topics", "1"),
    ];
    let mut run = start(&kafka, &changes);
    run.wait_for_measure();
    kafka.delete_topic(&format!("test-topic-0-{}", run.id()));
    let since = Instant::now();
    let status = run.finish();
    assert!(
        since.elapsed() < Duration::from_secs(40),
        "{:?}",
        since.elapsed()
    );
    let result = run.result();
    assert_balanced(&result);
    assert!(
        matches!(status.code(), Some(1 | 3)),
        "{status}: {}",
        run.stderr()
    );
    run.assert_nothing_left();
}

#[test]
fn a_signal_while_the_broker_stands_still_ends_the_run() {
    let kafka = OwnKafka::start();
    let changes = [("testDuration", "1m"), ("drainDeadline", "2s")];
    let mut run = start(&kafka, &changes);
    run.wait_for_measure();
    kafka.stop();
    run.signal(Signal::SIGTERM);
    let since = Instant::now();
    let status = run.finish();
    assert!(
        since.elapsed() < Duration::from_secs(40),
        "{:?}",
        since.elapsed()
    );
    assert!(
        matches!(status.code(), Some(1 | 143)),
        "{status}: {}",
        run.stderr()
    );
    assert_balanced(&run.result());
    // Its steward goes on trying.
    kafka.go_on();
    assert_gone(&kafka, &run);
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_that_says_so() {
    let mut run = Run::start(
        &Broker::Embedded,
        &[("testDuration", "1s")],
        &["-o", "/dev/full"],
    );
    run.finish_with(1);
    assert!(run.stderr().contains("/dev/full"), "{}", run.stderr());
    run.assert_nothing_left();
}
