//! Several runs in one call, sweeps of a rate, and results as CSV.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Broker, PATIENCE, Run, omb, wait_for, workload};
use embedded::Embedded;
use nix::sys::signal::Signal;
use omb::broker::Options;
use serde_json::Value;
use tempfile::TempDir;

/// A second workload file.
struct Second(TempDir);

impl Second {
    fn with(changes: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = workload(directory.path(), changes);
        fs::rename(path, directory.path().join("second.yaml")).unwrap();
        Self(directory)
    }

    fn path(&self) -> String {
        self.0.path().join("second.yaml").display().to_string()
    }
}

fn start(changes: &[(&str, &str)], second: &Second, args: &[&str]) -> Run {
    let second = second.path();
    let all = [&[second.as_str(), "-o", "results"], args].concat();
    Run::start(&Broker::Embedded, changes, &all)
}

fn results(run: &Run, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(run.directory.path().join(folder)) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().unwrap() == "json")
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn assert_all_gone(run: &Run) {
    wait_for("all processes gone", PATIENCE, || {
        run.processes().is_empty().then_some(())
    });
}

const SHORT: [(&str, &str); 2] = [("testDuration", "1s"), ("warmupDuration", "0")];

#[test]
fn every_run_has_its_result_and_one_that_misses_its_aim_shows_in_the_exit_code() {
    let slow = [&SHORT[..], &[("producerRate", "500")]].concat();
    let second = Second::with(&slow);
    let mut run = start(&SHORT, &second, &["--threshold", "publishRate>=1000", "-x"]);
    run.finish_with(4);
    let found = results(&run, "results");
    assert_eq!(found.len(), 2, "{found:?}");
    let names = found
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    for (name, start) in names.zip(["second-embedded-", "workload-embedded-"]) {
        assert!(name.starts_with(start), "{name}");
    }
    let rates: Vec<f64> = found
        .iter()
        .map(|path| read(path)["omb"]["targetRate"].as_f64().unwrap())
        .collect();
    assert_eq!(rates, [500.0, 2_000.0]);
    let command = read(&found[0])["omb"]["provenance"]["commandLine"].to_string();
    assert!(!command.contains("member"), "{command}");
    let told = run.stderr();
    let table: Vec<&str> = told.lines().rev().take(3).collect();
    assert!(
        table[2].starts_with("workload") && table[2].contains("response p99"),
        "{told}"
    );
    assert!(
        table[1].contains("2,000") && table[1].contains("  0  results/workload-"),
        "{told}"
    );
    assert!(
        table[0].contains("500") && table[0].contains("  4  results/second-"),
        "{told}"
    );
    assert!(told.contains("note: -x changes nothing"), "{told}");
    assert_all_gone(&run);

    // As OMB's --csv has them.
    let csv = omb()
        .current_dir(run.directory.path())
        .args(["csv", "results"])
        .output()
        .unwrap();
    let csv = String::from_utf8(csv.stdout).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("topics,partitions,message-size,producers-per-topic"));
    assert!(
        lines[1..]
            .iter()
            .any(|line| line.starts_with("2,2,200,1,2,500,500,0,500,")),
        "{csv}"
    );
}

#[test]
fn a_mistake_in_any_file_is_told_before_the_first_run() {
    let second = Second::with(&[("producerRate", "often"), ("topics", "0")]);
    let mut run = start(&SHORT, &second, &[]);
    run.finish_with(2);
    let told = run.stderr();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("second.yaml:1:1: topics is 0"), "{told}");
    assert!(told.contains("producerRate is text \"often\""), "{told}");
    assert!(results(&run, "results").is_empty());

    let second = Second::with(&SHORT);
    for (args, words) in [
        (
            &["--samples", "s.jsonl"][..],
            "--samples FILE belongs to one run",
        ),
        (&["--hlog=h.hlog"], "--hlog=FILE belongs to one run"),
    ] {
        let mut run = start(&SHORT, &second, args);
        run.finish_with(2);
        assert!(run.stderr().contains(words), "{}", run.stderr());
    }
}

#[test]
fn a_signal_ends_the_run_under_way_and_starts_no_other() {
    let second = Second::with(&SHORT);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut run = start(&[("testDuration", "1h")], &second, &[]);
        run.wait_for_stderr("0:01 measure");
        run.signal(signal);
        run.finish_with(128 + signal as i32);
        let told = run.stderr();
        assert!(
            told.ends_with("omb: 1 of 2 runs were not started\n"),
            "{told}"
        );
        let found = results(&run, "results");
        assert_eq!(found.len(), 1);
        assert_eq!(read(&found[0])["omb"]["status"], "interrupted");
        assert_all_gone(&run);
    }
}

#[test]
fn the_death_of_the_caller_ends_the_run_under_way() {
    let second = Second::with(&SHORT);
    let mut run = start(&[("testDuration", "1h")], &second, &[]);
    run.wait_for_stderr("0:01 measure");
    run.signal(Signal::SIGKILL);
    run.finish();
    assert_all_gone(&run);
    let found = results(&run, "results");
    assert_eq!(read(&found[0])["omb"]["status"], "interrupted");
}

#[test]
fn a_pause_of_the_caller_is_one_of_the_run() {
    let second = Second::with(&SHORT);
    let mut run = start(&[("testDuration", "3s")], &second, &[]);
    run.wait_for_stderr("0:01 measure");
    run.signal(Signal::SIGTSTP);
    let state = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next())
    };
    wait_for("all stopped but the steward", PATIENCE, || {
        let all = run.processes();
        let mut stoppable = all
            .iter()
            .filter(|(_, args)| args.get(1).is_none_or(|role| role != "steward"));
        stoppable
            .all(|(pid, _)| state(*pid) == Some('T'))
            .then_some(())
    });
    run.signal(Signal::SIGCONT);
    run.finish_with(0);
    let told = run.stderr();
    assert!(told.contains("goes on after a pause"), "{told}");
    assert_eq!(results(&run, "results").len(), 2);
}

fn sweep(broker: &Broker, changes: &[(&str, &str)], args: &[&str]) -> Run {
    Run::prepare(broker, changes, &[], |command| {
        let mut changed = omb();
        changed.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            changed.env(name, value.unwrap());
        }
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        changed.arg("sweep").args(&words[1..]).args(args);
        let stderr = fs::File::create(Path::new(command.get_current_dir().unwrap()).join("stderr"));
        changed.stderr(stderr.unwrap());
        *command = changed;
    })
}

#[test]
fn a_sweep_has_a_result_for_each_rate_and_a_curve() {
    let mut run = sweep(
        &Broker::Embedded,
        &SHORT,
        &["--rates", "1500,10%..30%/2", "--max", "5000"],
    );
    run.finish_with(0);
    // The option of `Run` for a result names the directory here.
    let folder = run.directory.path().join("result.json");
    let curve = read(&folder.join("sweep.json"));
    let steps = curve.as_array().unwrap();
    let rates: Vec<f64> = steps
        .iter()
        .map(|step| step["rate"].as_f64().unwrap())
        .collect();
    assert_eq!(rates, [500.0, 1_500.0]);
    for step in steps {
        let result = read(&run.directory.path().join(step["result"].as_str().unwrap()));
        assert_eq!(result["omb"]["targetRate"], step["rate"]);
        assert_eq!(
            result["aggregatedPublishLatency99pct"],
            step["publishLatency"]["p99"]
        );
        assert_eq!(step["exitCode"], 0);
    }
    let csv = fs::read_to_string(folder.join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3);
    assert!(
        csv.lines().nth(2).unwrap().starts_with("1500,1500,1500,"),
        "{csv}"
    );
    assert!(run.stderr().contains("end-to-end p50"), "{}", run.stderr());
    assert_all_gone(&run);
}

#[test]
fn percent_of_a_sweep_are_of_the_highest_rate_that_holds() {
    let broker = Embedded::with(Options {
        faults: vec!["capacity:rate=4000".parse().unwrap()],
        ..Options::default()
    });
    let address = Broker::At(broker.address().to_string());
    let changes = [
        &SHORT[..],
        &[
            ("rateSearch", "{start: 3000, proof: 3s}"),
            ("producerRate", "0"),
        ],
    ]
    .concat();
    let mut run = sweep(&address, &changes, &["--rates", "50%,90%"]);
    run.finish_with(0);
    let folder = run.directory.path().join("result.json");
    let found = read(&folder.join("max.json"))["omb"]["rateSearch"]["rate"]
        .as_f64()
        .unwrap();
    assert!((found / 4_000.0 - 1.0).abs() <= 0.03, "{found}");
    let curve = read(&folder.join("sweep.json"));
    for (step, share) in curve.as_array().unwrap().iter().zip([0.5, 0.9]) {
        let rate = step["rate"].as_f64().unwrap();
        assert!((rate / found - share).abs() < 1e-9, "{curve}");
        let published = step["published"].as_f64().unwrap();
        assert!((published / rate - 1.0).abs() < 0.02, "{curve}");
    }
    assert_all_gone(&run);
}

#[test]
fn a_sweep_that_cannot_be_is_told() {
    for (args, words) in [
        (
            &["--rate", "5"][..],
            "--rate: a sweep has the rates of --rates",
        ),
        (
            &["--rates", "5,6", "--find-rate", "e2e.p99<1s"],
            "--find-rate: nothing is searched",
        ),
        (&["--rates", "9..5"], "a range goes from a lower"),
    ] {
        let mut run = sweep(&Broker::Embedded, &SHORT, args);
        run.finish_with(2);
        assert!(run.stderr().contains(words), "{}", run.stderr());
    }
}
