//! The schemas are those of what is really written, to the last field, and the committed ones are
//! current.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;

use common::{Broker, Run, omb};
use jsonschema::Validator;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const BROKER: Broker = Broker::Embedded;

fn schema(of: &str) -> Value {
    let printed = omb().args(["schema", of]).output().unwrap();
    assert_eq!(printed.status.code(), Some(0));
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Allows no field that the schema does not name.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            let names = fields.get("properties").is_some_and(Value::is_object);
            if names && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields
                .values_mut()
                .for_each(|part| *part = closed(part.take()));
        }
        Value::Array(parts) => parts
            .iter_mut()
            .for_each(|part| *part = closed(part.take())),
        _ => {}
    }
    schema
}

fn strict(of: &str) -> Validator {
    let schema = schema(of);
    jsonschema::draft7::meta::validate(&schema).unwrap();
    jsonschema::draft7::new(&closed(schema)).unwrap()
}

fn assert_valid(validator: &Validator, document: &Value) {
    let errors = validator.iter_errors(document);
    let errors: Vec<String> = errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The result and every line of the samples.
fn assert_files_are_valid(run: &Run) {
    assert_valid(&strict("result"), &run.result());
    let samples = strict("samples");
    for line in run.samples().lines() {
        assert_valid(&samples, &serde_json::from_str(line).unwrap());
    }
}

/// Something of everything: a disturbance, events, redelivered messages with examples, thresholds.
fn disturbed() -> Run {
    let changes = [
        ("testDuration", "4s"),
        (
            "thresholds",
            r#"{publish.p99: "<1m", recovery.max: "<1m", lost: "==0"}"#,
        ),
    ];
    let args = ["--fault", "kill consumer 0 at 1s"];
    let mut run = Run::start(&BROKER, &changes, &args);
    run.finish_with(0);
    run
}

#[test]
fn a_disturbed_run_writes_what_the_schemas_say() {
    let run = disturbed();
    let result = run.result();
    let own = &result["omb"];
    for (what, list) in [
        ("events", &own["events"]),
        ("disturbances", &own["disturbances"]["list"]),
        ("thresholds", &own["thresholds"]),
        ("processes", &own["processes"]),
    ] {
        assert!(!list.as_array().unwrap().is_empty(), "no {what}: {own}");
    }
    assert!(own["undisturbed"].is_object());
    assert_files_are_valid(&run);
    let kinds = ["run", "sample", "record", "event", "end"];
    for kind in kinds {
        let begin = format!(r#"{{"type":"{kind}""#);
        assert!(
            run.samples().lines().any(|line| line.starts_with(&begin)),
            "{kind}"
        );
    }
}

#[test]
fn a_run_that_was_interrupted_or_failed_writes_what_the_schemas_say() {
    let mut interrupted = Run::start(&BROKER, &[("testDuration", "1m")], &[]);
    interrupted.wait_for_measure();
    interrupted.signal(Signal::SIGINT);
    interrupted.finish_with(130);
    assert_files_are_valid(&interrupted);
    let nobody = Broker::At("127.0.0.1:1".to_owned());
    let mut failed = Run::start(&nobody, &[("readyDeadline", "1s")], &[]);
    failed.finish_with(1);
    assert_eq!(failed.result()["omb"]["status"], "failed");
    assert_files_are_valid(&failed);
}

#[test]
fn a_run_with_a_backlog_writes_what_the_schemas_say() {
    let changes = [("testDuration", "3s"), ("consumerBacklogSize", "200kB")];
    let mut run = Run::start(&BROKER, &changes, &[]);
    run.finish_with(0);
    assert!(run.result()["omb"]["backlogDrain"].is_object());
    assert_files_are_valid(&run);
}

/// Every object within a document, by the path to it.
fn objects(document: &Value, path: String, found: &mut Vec<String>) {
    match document {
        Value::Object(fields) => {
            for (name, part) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects(part, format!("{path}/{name}"), found);
            }
            found.push(path);
        }
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                objects(part, format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_field_that_a_schema_does_not_know_or_misses_is_found_wherever_it_is() {
    let run = disturbed();
    let result = strict("result");
    let original = run.result();
    let mut paths = Vec::new();
    objects(&original, String::new(), &mut paths);
    // Those whose names are data.
    let free = [
        "/omb/ledger/subscriptions",
        "clientConfiguration",
        "Quantiles",
    ];
    let is_free = |path: &String| {
        path.ends_with(free[0]) || path.contains(free[1]) || path.ends_with(free[2])
    };
    let fixed: Vec<&String> = paths.iter().filter(|path| !is_free(path)).collect();
    assert!(fixed.len() > 20, "{fixed:?}");
    for path in fixed {
        let mut more = original.clone();
        more.pointer_mut(path).unwrap()["somethingNew"] = json!(1);
        assert!(!result.is_valid(&more), "a new field in {path}/ is valid");
        // Examples have what is known of a message.
        if path.contains("/examples/") {
            continue;
        }
        let names = original.pointer(path).unwrap().as_object().unwrap().keys();
        for name in names {
            let mut less = original.clone();
            less.pointer_mut(path)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            assert!(!result.is_valid(&less), "{path} without {name} is valid");
        }
    }
    let samples = strict("samples");
    for line in run.samples().lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["somethingNew"] = json!(1);
        assert!(!samples.is_valid(&line), "{line}");
    }
}

#[test]
fn the_committed_schemas_are_current() {
    for of in ["result", "samples", "workload", "driver"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{of}.json"));
        let committed = fs::read_to_string(&file).unwrap();
        let printed = omb().args(["schema", of]).output().unwrap().stdout;
        let current = committed.as_bytes() == printed;
        assert!(
            current,
            "schemas/{of}.json is old: omb schema {of} >schemas/{of}.json"
        );
    }
}

#[test]
fn without_a_name_every_schema_is_listed() {
    let listed = omb().arg("schema").output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["result", "samples", "workload", "driver"]);
    let unknown = omb().args(["schema", "results"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
