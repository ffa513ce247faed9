//! What `omb check` foresees is what a run takes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Broker, Run, omb, workload};

/// Numbers of a line of the plan.
fn numbers(plan: &str, line: &str) -> Vec<f64> {
    let line = plan.lines().find(|found| found.starts_with(line)).unwrap();
    line.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn processes_threads_connections_and_memory_are_as_foreseen() {
    let changes = [
        ("topics", "60"),
        ("partitionsPerTopic", "2"),
        ("consumerPerSubscription", "1"),
        ("producerRate", "600"),
        ("messageSize", "1024"),
        ("randomizedPayloadPoolSize", "1000"),
        ("testDuration", "3s"),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = workload(directory.path(), &changes);
    let checked = omb().arg("check").arg(path).output().unwrap();
    assert_eq!(String::from_utf8(checked.stderr).unwrap(), "");
    let plan = String::from_utf8(checked.stdout).unwrap();

    let mut run = Run::start(&Broker::Embedded, &changes, &[]);
    run.wait_for_measure();
    let of_run = run.processes();
    let count = |what: &str| -> usize {
        let each = of_run.iter().map(|(pid, _)| format!("/proc/{pid}/{what}"));
        each.map(|path| fs::read_dir(path).map_or(0, Iterator::count))
            .sum()
    };
    let processes = numbers(&plan, "processes");
    assert_eq!(processes[0] as usize, of_run.len(), "{plan}");
    let threads = count("task") as f64;
    let foreseen = processes[processes.len() - 1];
    assert!(
        (foreseen / threads - 1.0).abs() < 0.1,
        "{threads} threads: {plan}"
    );
    // The broker's side of all connections, and of the steward's.
    let broker = of_run
        .iter()
        .find(|(_, args)| args.get(1).is_some_and(|role| role == "broker"));
    let descriptors = fs::read_dir(format!("/proc/{}/fd", broker.unwrap().0)).unwrap();
    let sockets = descriptors.filter(|entry| {
        let target = fs::read_link(entry.as_ref().unwrap().path()).unwrap_or_default();
        target.display().to_string().starts_with("socket:")
    });
    let connections = sockets.count() as f64;
    let foreseen = numbers(&plan, "connects")[0];
    assert!(
        (connections - foreseen).abs() <= 6.0,
        "{connections} connections: {plan}"
    );
    run.finish_with(0);
    let result = run.result();
    let used: u64 = result["omb"]["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| process["maxRssBytes"].as_u64().unwrap())
        .sum();
    let foreseen = numbers(&plan, "memory")[0] * 1e6;
    // The supervisor is not among the processes of the result.
    let off = foreseen / used as f64;
    assert!((0.75..1.35).contains(&off), "{used} bytes: {plan}");
}
