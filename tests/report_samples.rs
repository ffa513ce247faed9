//! Samples survive what a result does not: `omb report` makes the result of them.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output};

use common::{Broker, Run, count, first_books, omb};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

const BROKER: Broker = Broker::Embedded;

fn report(directory: &Path, args: &[&str]) -> Output {
    let mut command = omb();
    command.current_dir(directory).arg("report").args(args);
    command.output().unwrap()
}

/// Fails unless the report was refused with one line, which has these words.
fn assert_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// All whole lines of this type.
fn lines(samples: &str, kind: &str) -> Vec<Value> {
    let whole = samples.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let values = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value["type"] == kind).collect()
}

/// What the records count of something in the measured phase.
fn recorded(records: &[Value], counter: &str) -> u64 {
    let periods = records
        .iter()
        .filter_map(|record| record["turnover"]["periods"].as_array());
    let buckets = periods.flatten().map(|period| &period[1]);
    buckets
        .map(|bucket| count(&bucket["counters"][counter]))
        .sum()
}

#[test]
fn the_samples_of_a_whole_run_give_its_result_to_the_last_byte() {
    let mut run = Run::start(&BROKER, &[("subscriptionsPerTopic", "2")], &[]);
    run.finish_with(0);
    let directory = run.directory.path();
    let output = report(
        directory,
        &["--from", "result.samples.jsonl", "-o", "again.json"],
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let text = |name| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(text("again.json"), text("result.json"));
    // What was summed up at the end of the run is summed up again.
    let summary = stderr.replace("again.json", "result.json");
    assert!(summary.starts_with("workload on embedded"), "{stderr}");
    assert!(run.stderr().ends_with(&summary), "{stderr}");
    let to_stdout = report(directory, &["--from", "result.samples.jsonl", "-o", "-"]);
    assert_eq!(
        String::from_utf8(to_stdout.stdout).unwrap(),
        text("result.json")
    );
}

#[test]
fn an_interrupted_run_is_reported_as_it_reported_itself() {
    let mut run = Run::start(&BROKER, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    let directory = run.directory.path();
    let output = report(
        directory,
        &["--from", "result.samples.jsonl", "-o", "again.json"],
    );
    assert!(output.status.success());
    let text = |name| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(text("again.json"), text("result.json"));
}

#[test]
fn a_killed_supervisor_leaves_samples_that_give_a_result_up_to_the_last_record() {
    let mut run = Run::start(&BROKER, &[("testDuration", "1m")], &["-o", "killed.json"]);
    let directory = run.directory.path().to_owned();
    let samples = directory.join("killed.samples.jsonl");
    let read_samples = || fs::read_to_string(&samples).unwrap_or_default();
    common::wait_for(
        "two records of the measured phase",
        common::PATIENCE,
        || {
            let records = lines(&read_samples(), "record");
            (recorded(&records, "acknowledged") > 3_000).then_some(())
        },
    );
    run.signal(Signal::SIGKILL);
    run.finish();
    assert!(!directory.join("killed.json").exists());
    // Wherever the kill fell: here it falls into a line.
    let mut torn = read_samples();
    torn.truncate(torn.rfind('\n').unwrap() + 1);
    let records = lines(&torn, "record");
    torn.push_str(r#"{"type":"record","t":"20"#);
    fs::write(&samples, torn).unwrap();

    let output = report(&directory, &["--from", "killed.samples.jsonl"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("note: killed.samples.jsonl:"), "{stderr}");
    assert!(stderr.contains("left out"), "{stderr}");
    // It has the name that the run would have given it.
    let result = read(&directory.join("killed.json"));
    let own = &result["omb"];
    assert_eq!(own["status"], "interrupted");
    let reason = own["reason"].as_str().unwrap();
    assert!(reason.contains("supervisor was killed"), "{reason}");
    assert_eq!(own["runId"], run.id().as_str());
    for counter in ["sent", "acknowledged"] {
        assert_eq!(own[counter], recorded(&records, counter), "{counter}");
    }
    let last = &records.last().unwrap();
    let covered = count(&last["turnover"]["covered"]["secs"]);
    assert_eq!(own["measuredSeconds"], json!(covered as f64));
    let rates = result["publishRate"].as_array().unwrap();
    assert_eq!(rates.len() as u64, covered, "periods of a second");
    let sum: f64 = rates.iter().map(|rate| rate.as_f64().unwrap()).sum();
    assert_eq!(sum, recorded(&records, "acknowledged") as f64);
    // The ledger is that of the last record that changed it.
    let ledger = &last["facts"]["ledger"];
    assert_eq!(own["ledger"]["sent"], ledger["sent"]);
    let settled = ["acknowledged", "failed", "unknown"].map(|name| count(&own["ledger"][name]));
    assert_eq!(settled.iter().sum::<u64>(), count(&ledger["sent"]));
    let received = &ledger["subscriptions"][0][1]["received"];
    assert_eq!(first_books(&result)["received"], *received);
    let living = own["processes"].as_array().unwrap();
    assert!(living.iter().all(|process| process["ended"] == Value::Null));

    let again = report(&directory, &["--from", "killed.samples.jsonl"]);
    assert_refused(&again, &["killed.json", "is there already", "--output"]);
}

#[test]
fn a_supervisor_killed_in_the_warm_up_leaves_a_result_of_nothing_measured() {
    let mut run = Run::start(&BROKER, &[("warmupDuration", "1m")], &[]);
    common::wait_for("a record of the warm-up", common::PATIENCE, || {
        (!lines(&run.samples(), "record").is_empty()).then_some(())
    });
    run.signal(Signal::SIGKILL);
    run.finish();
    let output = report(run.directory.path(), &["--from", "result.samples.jsonl"]);
    assert!(output.status.success());
    let result = run.result();
    assert_eq!(result["omb"]["status"], "interrupted");
    assert_eq!(result["omb"]["sent"], 0);
    assert_eq!(result["publishRate"], json!([0.0]));
    assert!(count(&result["omb"]["ledger"]["sent"]) > 0);
}

#[test]
fn samples_on_a_full_disk_are_lost_and_the_run_goes_on() {
    let mut run = Run::start(&BROKER, &[], &["--samples", "/dev/full"]);
    run.finish_with(1);
    let told = run.stderr().matches("samples can't be written").count();
    assert_eq!(told, 1, "{}", run.stderr());
    let result = run.result();
    assert_eq!(result["omb"]["status"], "completed");
    assert!(count(&result["omb"]["samplesLost"]) > 3);
    assert!(count(&result["omb"]["acknowledged"]) > 0);
}

#[test]
fn samples_that_meet_a_limit_end_torn_and_are_still_good_for_a_result() {
    // The result goes through a pipe, which has no limit.
    let args = ["-o", "pipe", "--samples", "s.jsonl"];
    let mut run = Run::prepare(&BROKER, &[("testDuration", "4s")], &args, |command| {
        let pipe = command.get_current_dir().unwrap().join("pipe");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    });
    let directory = run.directory.path().to_owned();
    let pipe = directory.join("pipe");
    // Open for writing, too: it then has no end before the line that the test writes.
    let pipe = File::options().read(true).write(true).open(pipe).unwrap();
    let mut end = pipe.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map(Result::unwrap);
        lines.take_while(|line| line != "end").collect::<String>()
    });
    let read_samples = || fs::read_to_string(directory.join("s.jsonl")).unwrap_or_default();
    let so_far = common::wait_for("a record of the measured phase", common::PATIENCE, || {
        let samples = read_samples();
        (recorded(&lines(&samples, "record"), "acknowledged") > 0).then_some(samples.len())
    });
    // Room for less than a record.
    let limit = so_far + 2_000;
    let limited = Command::new("prlimit")
        .args(["--pid", &run.pid().to_string()])
        .arg(format!("--fsize={limit}"))
        .status()
        .unwrap();
    assert!(
        limited.success(),
        "prlimit of util-linux can't limit the run"
    );
    run.finish_with(1);
    let told = run.stderr().matches("samples can't be written").count();
    assert_eq!(told, 1, "{}", run.stderr());
    end.write_all(b"end\n").unwrap();
    // It is written twice.
    let results = reader.join().unwrap();
    let results = serde_json::Deserializer::from_str(&results).into_iter::<Value>();
    let result = results.last().unwrap().unwrap();
    assert_eq!(result["omb"]["status"], "completed");
    assert!(count(&result["omb"]["samplesLost"]) > 0);

    let samples = read_samples();
    assert_eq!(samples.len(), limit);
    let output = report(&directory, &["--from", "s.jsonl", "-o", "r.json"]);
    assert!(output.status.success(), "{output:?}");
    let rebuilt = read(&directory.join("r.json"));
    assert_eq!(rebuilt["omb"]["status"], "interrupted");
    let acknowledged = recorded(&lines(&samples, "record"), "acknowledged");
    assert_eq!(rebuilt["omb"]["acknowledged"], acknowledged);
    assert_eq!(rebuilt["omb"]["samplesLost"], 0);
}

#[test]
fn what_is_no_samples_file_is_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let head = json!({
        "type": "run", "t": "2023-11-14T22:13:20.123Z", "version": "9.0.0", "format": 2,
        "part": 0, "runId": "1", "result": "r.json", "facts": {},
    });
    write("newer.jsonl", &format!("{head}\n"));
    write("empty.jsonl", "");
    write("result.json", "{\n  \"workload\": \"w\"\n}\n");
    let refused = |name, words: &[&str]| {
        assert_refused(&report(directory.path(), &["--from", name]), words);
    };
    refused("none.jsonl", &["none.jsonl", "No such file"]);
    refused("newer.jsonl", &["omb 9.0.0", "format 2", "up to 1"]);
    refused(
        "empty.jsonl",
        &["empty.jsonl", "nothing to make a result of"],
    );
    refused("result.json", &["result.json", "no samples file"]);
    refused(".", &["can't be read"]);
}
