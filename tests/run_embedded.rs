//! Runs against the embedded broker, as in the first try.

#[macro_use]
mod common;

use base64::Engine;
use common::{Broker, Run, count, omb, workload};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use nix::sys::signal::Signal;

const BROKER: Broker = Broker::Embedded;

on! { BROKER =>
    a_run_keeps_its_rate_and_its_books,
    every_subscription_gets_every_small_message,
    a_backlog_is_built_and_drained,
    a_killed_consumer_comes_back,
    a_consumer_that_keeps_dying_ends_the_run,
    a_killed_producer_ends_the_run,
    sigint_stops_a_run_in_good_order,
    a_signal_in_the_warm_up_leaves_a_valid_result,
    a_second_signal_ends_a_run_at_once,
    a_killed_supervisor_leaves_nothing,
}

#[test]
fn a_killed_embedded_broker_ends_the_run() {
    let mut run = Run::start(&BROKER, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    let victim = nix::unistd::Pid::from_raw(run.child("broker"));
    nix::sys::signal::kill(victim, Signal::SIGKILL).unwrap();
    run.finish_with(1);
    let reason = run.result()["omb"]["reason"].to_string();
    assert!(
        reason.contains("embedded broker died: signal 9"),
        "{reason}"
    );
    run.assert_nothing_left();
}

#[test]
fn stdout_holds_the_result_and_nothing_else() {
    let mut run = Run::start(&BROKER, &[("testDuration", "1s")], &["-o", "-"]);
    run.finish_with(0);
    let result: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(result["omb"]["status"], "completed");
    let here: Vec<String> = std::fs::read_dir(run.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("json"))
        .collect();
    assert_eq!(here, Vec::<String>::new(), "files nobody asked for");
}

#[test]
fn the_result_gets_the_name_that_omb_gives_it() {
    let directory = tempfile::tempdir().unwrap();
    let workload = workload(
        directory.path(),
        &[("testDuration", "1s"), ("warmupDuration", "0s")],
    );
    let status = omb()
        .current_dir(&directory)
        .arg("run")
        .arg(workload)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    let names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let result = names.iter().find(|name| name.ends_with(".json")).unwrap();
    let date = result.strip_prefix("workload-embedded-").unwrap();
    let shape: String = date
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "9999-99-99-99-99-99.json");
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_starts() {
    let mut run = Run::start(&BROKER, &[], &["-o", "/no/such/directory/result.json"]);
    run.finish_with(2);
    let stderr = run.stderr();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("/no/such/directory"), "{stderr}");
}

#[test]
fn the_help_names_the_exit_codes() {
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["clean", "--help"],
    ] {
        let output = omb().args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("128 + n"), "{args:?}: {text}");
    }
}

#[test]
fn a_histogram_log_has_every_value_of_the_measured_phase() {
    let mut run = Run::start(
        &BROKER,
        &[("testDuration", "2s"), ("reportPeriod", "1s")],
        &["--hlog=periods.hlog"],
    );
    run.finish_with(0);
    let log = std::fs::read(run.directory.path().join("periods.hlog")).unwrap();
    let mut acknowledged = 0;
    let mut periods = 0;
    for entry in IntervalLogIterator::new(&log) {
        let Ok(LogEntry::Interval(line)) = entry else {
            continue;
        };
        if line.tag().unwrap().as_str() == "publishLatency" {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(line.encoded_histogram())
                .unwrap();
            let histogram = Deserializer::new().deserialize(&mut &bytes[..]);
            acknowledged += histogram.map(|h: Histogram<u64>| h.len()).unwrap();
            periods += 1;
        }
    }
    let result = run.result();
    let measured = count(&result["omb"]["acknowledged"]);
    assert_eq!((acknowledged, periods), (measured, 2));
}

#[test]
fn a_histogram_log_beside_stdout_needs_a_name() {
    let mut run = Run::start(&BROKER, &[], &["-o", "-", "--hlog"]);
    run.finish_with(2);
    run.wait_for_stderr("--hlog=FILE");
}

#[test]
fn a_result_says_what_made_it() {
    let mut run = Run::start(
        &BROKER,
        &[("testDuration", "2s"), ("seed", "7")],
        &["-X", "sasl.password=not-for-the-result"],
    );
    run.finish_with(0);
    let result = run.result();
    let provenance = &result["omb"]["provenance"];
    assert!(!result.to_string().contains("not-for-the-result"));
    assert_eq!(provenance["seed"], 7);
    assert_eq!(provenance["versions"]["omb"], env!("CARGO_PKG_VERSION"));
    let client = provenance["versions"]["client"].as_str().unwrap();
    assert!(client.starts_with("librdkafka 2."), "{client}");
    assert!(provenance["host"]["memoryBytes"].as_u64() > Some(0));
    let command: Vec<&str> = provenance["commandLine"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|word| word.as_str())
        .collect();
    assert!(command.contains(&"sasl.password=***"), "{command:?}");
    let clients = &provenance["clientConfiguration"];
    assert_eq!(clients["producer"]["request.required.acks"], "-1");
    assert_eq!(clients["consumer"]["enable.auto.commit"], "false");
}

#[test]
fn a_load_that_the_clients_cannot_make_names_their_limit() {
    let mut run = Run::start(
        &BROKER,
        &[("testDuration", "2s"), ("producerRate", "10000000")],
        &["-X", "queue.buffering.max.messages=1000"],
    );
    run.finish_with(0);
    let result = run.result();
    let limits = result["omb"]["hostLimits"].to_string();
    assert!(limits.contains("client queues were full"), "{limits}");
    assert!(count(&result["omb"]["ledger"]["queueFull"]) > 0);
    assert!(run.stderr().contains("client queues were full"));
}
