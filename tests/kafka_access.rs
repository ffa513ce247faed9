//! Reaching a real Kafka, or being told why not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use common::{Broker, Run, assert_accounted_for, first_books, kafka};
use nix::sys::signal::Signal;

/// Runs with these options, and fails with code 1 and one line that contains these words.
fn refused(args: &[String], changes: &[(&str, &str)], words: &[&str]) -> Run {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut run = Run::start(&Broker::Embedded, changes, &args);
    run.finish_with(1);
    let stderr = run.stderr();
    let told: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("omb: "))
        .collect();
    assert_eq!(told.len(), 1, "{stderr}");
    for word in words {
        assert!(told[0].contains(word), "{word} in {}", told[0]);
    }
    assert_eq!(run.result()["omb"]["status"], "failed");
    run.assert_nothing_left();
    run
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

#[test]
fn a_run_goes_through_sasl_and_tls() {
    let (user, password) = kafka::user();
    // The file has no secret, only the environment does.
    let settings: String = kafka::sasl_settings(&user, "${OMB_KAFKA_PASSWORD}")
        .into_iter()
        .map(|(key, value)| format!("  {key}={value}\n"))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let driver = directory.path().join("secured.yaml");
    let class = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver";
    let text = format!("driverClass: {class}\nreplicationFactor: 1\ncommonConfig: |\n{settings}");
    std::fs::write(&driver, text).unwrap();
    let driver = driver.display().to_string();
    let mut run = Run::start(&Broker::Embedded, &[], &["-d", &driver]);
    let shown: Vec<String> = run
        .children()
        .into_iter()
        .map(|(pid, ..)| pid.to_string())
        .chain([run.pid().to_string()])
        .collect();
    for pid in shown {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(
            !line.contains(&password),
            "a secret on a command line: {line}"
        );
    }
    run.finish_with(0);
    let result = run.result();
    assert_accounted_for(&result, 6_000);
    assert!(
        !result.to_string().contains(&password),
        "a secret in the result"
    );
    assert!(!run.stderr().contains(&password), "a secret on the screen");
    kafka::assert_nothing_left(&run.id());
}

#[test]
fn a_wrong_password_is_told() {
    let (user, _) = kafka::user();
    refused(
        &kafka::sasl(&user, "wrong"),
        &[],
        &["authentication", "check -b"],
    );
}

#[test]
fn who_may_not_create_topics_is_told_what_to_do() {
    let (reader, password) = kafka::reader();
    let run = refused(
        &kafka::sasl(&reader, &password),
        &[],
        &["no permission", "--topic"],
    );
    kafka::assert_nothing_left(&run.id());
}

#[test]
fn a_broker_that_is_not_there_is_told_within_seconds() {
    let begin = Instant::now();
    refused(
        &owned(&["-b", "127.0.0.1:1"]),
        &[],
        &["127.0.0.1:1", "Connection refused"],
    );
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_run_that_waits_for_a_silent_broker_can_be_interrupted() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut run = Run::start(&Broker::Embedded, &[], &["-b", &address]);
    run.child("steward");
    let _connection = silent.accept().unwrap();
    run.signal(Signal::SIGINT);
    let begin = Instant::now();
    run.finish_with(130);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(run.result()["omb"]["status"], "interrupted");
    run.assert_nothing_left();
}

#[test]
fn sigint_is_handled_where_a_shell_had_it_ignored() {
    let mut run = Run::prepare(&Broker::Kafka, &[("testDuration", "1m")], &[], |command| {
        // SAFETY: signal is async-signal-safe, and SIG_IGN is no code of ours.
        unsafe {
            command.pre_exec(|| {
                let ignore = nix::sys::signal::SigHandler::SigIgn;
                nix::sys::signal::signal(Signal::SIGINT, ignore)?;
                Ok(())
            });
        }
    });
    run.wait_for_measure();
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    kafka::assert_nothing_left(&run.id());
}

#[test]
fn a_message_larger_than_the_broker_takes_is_told_before_any_load() {
    let args = [kafka_args(), owned(&["-X", "message.max.bytes=5000000"])].concat();
    let changes = [("messageSize", "2000000"), ("producerRate", "1")];
    let run = refused(&args, &changes, &["2000000 bytes", "max.message.bytes"]);
    assert_eq!(run.result()["omb"]["ledger"]["sent"], 0);
    kafka::assert_nothing_left(&run.id());
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let args = [kafka_args(), owned(&["--topic", "nobody-made-this"])].concat();
    refused(&args, &[], &["nobody-made-this"]);
}

#[test]
fn an_existing_topic_is_read_from_its_end_and_never_deleted() {
    let topic = format!("theirs-{}", std::process::id());
    kafka::create_topic(&topic, 3);
    kafka::write(&topic, 500);
    let mut run = Run::start(&Broker::Kafka, &[], &["--topic", &topic]);
    run.wait_for_measure();
    kafka::write(&topic, 7);
    run.finish_with(0);
    let result = run.result();
    let books = first_books(&result);
    assert_accounted_for(&result, 6_000);
    let acknowledged = &result["omb"]["ledger"]["acknowledged"];
    assert_eq!(
        (&books["received"], &books["lost"]),
        (acknowledged, &0.into()),
        "{books}"
    );
    assert_eq!(
        books["foreign"], 7,
        "those before the run are not read: {books}"
    );
    assert_eq!(
        (&result["topics"], &result["partitions"]),
        (&1.into(), &3.into())
    );
    kafka::assert_nothing_left(&run.id());
    assert_eq!(kafka::names(&topic), std::slice::from_ref(&topic));
    kafka::delete_topics(&[&topic]);
}

fn kafka_args() -> Vec<String> {
    vec!["-b".to_owned(), kafka::bootstrap()]
}
