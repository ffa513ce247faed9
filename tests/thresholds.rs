//! What a run has to reach: said in the workload file or by options, told with what was measured,
//! and a miss is an exit code of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Broker, Run, omb, workload};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const BROKER: Broker = Broker::Embedded;

/// In a file as people write it.
const MET: &str = r#"{"publish.p99": "<1m", e2e.max: "<=1m", publishRate: [">=1", "<1e9"], lost: "==0", errors: "<1%", "recovery.max": "<5s"}"#;

fn thresholds(run: &Run) -> Vec<Value> {
    let result = run.result();
    result["omb"]["thresholds"].as_array().unwrap().clone()
}

#[test]
fn a_run_that_reaches_its_thresholds_says_what_it_measured() {
    let changes = [("testDuration", "1s"), ("thresholds", MET)];
    let mut run = Run::start(&BROKER, &changes, &[]);
    run.finish_with(0);
    let found = thresholds(&run);
    let names: Vec<&str> = found
        .iter()
        .map(|of| of["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "publish.p99",
            "endToEnd.max",
            "publishRate",
            "publishRate",
            "lost",
            "errors",
            "recovery.max"
        ]
    );
    assert!(found.iter().all(|of| of["met"] == true), "{found:?}");
    let p99 = &run.result()["aggregatedPublishLatency99pct"];
    assert_eq!(&found[0]["measured"], p99);
    assert_eq!(found[6]["measured"], Value::Null);
    assert_eq!(found[6]["note"], "nothing disturbed the run");
    let summary = run.stderr();
    assert!(
        summary.contains("threshold   lost ==0: 0, met"),
        "{summary}"
    );
}

#[test]
fn a_missed_threshold_is_exit_code_4_and_the_option_comes_before_the_file() {
    let changes = [
        ("testDuration", "1s"),
        ("thresholds", r#"{publishRate: ">=1", lost: "==0"}"#),
    ];
    let args = ["--quiet", "--threshold", "publishRate>=1000000"];
    let mut run = Run::start(&BROKER, &changes, &args);
    run.finish_with(4);
    let found = thresholds(&run);
    assert_eq!(found.len(), 2, "{found:?}");
    let missed = &found[1];
    assert_eq!(missed["name"], "publishRate");
    assert_eq!(
        (&missed["bound"], &missed["met"]),
        (&json!(">=1000000"), &json!(false))
    );
    assert!(missed["measured"].as_f64().unwrap() > 1.0, "{missed}");
    assert_eq!(run.result()["omb"]["status"], "completed");
    let told = run.stderr();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.starts_with("omb: threshold missed: publishRate >=1000000: "),
        "{told}"
    );
}

#[test]
fn a_signal_comes_before_a_missed_threshold() {
    let args = ["--threshold", "publishRate>=1000000"];
    let mut run = Run::start(&BROKER, &[("testDuration", "1m")], &args);
    run.wait_for_measure();
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    assert_eq!(thresholds(&run)[0]["met"], false);
}

#[test]
fn wrong_thresholds_are_told_with_their_places_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let file = workload(directory.path(), &[("testDuration", "1s")]);
    let mut text = fs::read_to_string(&file).unwrap();
    let first = text.lines().count() + 2;
    text.push_str(
        "thresholds:\n  publish.p98: \"<1s\"\n  lost: 0\n  publish.p99: \"<50\"\n  e2e.max: []\n  \
         unread: \"==0\"\n  errors: {a: 1}\n",
    );
    fs::write(&file, text).unwrap();
    let told = omb().arg("check").arg(&file).output().unwrap();
    assert_eq!(told.status.code(), Some(2));
    let told = String::from_utf8(told.stderr).unwrap();
    let places = [
        (0, "did you mean publish.p"),
        (1, "lost is 0; give <"),
        (2, "publish.p99 is text \"<50\""),
    ];
    let more = [
        (3, "e2e.max is an empty list"),
        (5, "errors is a mapping; give <"),
    ];
    assert_eq!(told.lines().count(), places.len() + more.len(), "{told}");
    for (line, words) in places.into_iter().chain(more) {
        let place = format!("workload.yaml:{}:3: ", first + line);
        let found = told.lines().find(|line| line.contains(&place));
        assert!(
            found.is_some_and(|found| found.contains(words)),
            "{place}{words}: {told}"
        );
    }
    let option = omb()
        .arg("check")
        .arg(&file)
        .args(["--threshold", "publsh.p99<1s"])
        .output();
    let option = option.unwrap();
    assert_eq!(option.status.code(), Some(2));
    let told = String::from_utf8(option.stderr).unwrap();
    assert!(told.contains("did you mean publish.p99?"), "{told}");
}

#[test]
fn a_check_shows_what_a_run_has_to_reach() {
    let directory = tempfile::tempdir().unwrap();
    let file = workload(directory.path(), &[("thresholds", r#"{e2e.p99: "<1s"}"#)]);
    let told = omb()
        .arg("check")
        .arg(&file)
        .args(["--threshold", "lost==0"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("bounds    endToEnd.p99<1s, lost==0"),
        "{told}"
    );
}
