//! The workload and driver files that OMB comes with are taken as they are.
//!
//! `data/` has their settings as tables; each row, or group of rows, becomes a file again here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const WORKLOADS: &str = include_str!("data/omb-workloads.tsv");
const DRIVERS: &str = include_str!("data/omb-drivers.tsv");

/// Whatever a load needs, for checking drivers.
const SOME_LOAD: &str = "\
name: some
topics: 1
partitionsPerTopic: 1
messageSize: 1024
subscriptionsPerTopic: 1
producersPerTopic: 1
consumerPerSubscription: 1
producerRate: 100
testDurationMinutes: 1
";

/// A table's rows, each cell with the name of its column.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<(&'static str, &'static str)>> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines.map(move |line| {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        names.iter().copied().zip(cells).collect()
    })
}

/// Runs `omb check` where OMB's scripts run, beside its payloads: what went to stdout, to stderr.
fn check(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_omb"))
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}");
    // What this machine has too little of says nothing of the files.
    let notes = told
        .lines()
        .filter(|line| !line.starts_with("omb: warning: "));
    let notes: String = notes.map(|line| format!("{line}\n")).collect();
    (String::from_utf8(output.stdout).unwrap(), notes)
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("payload")).unwrap();
    for (name, bytes) in [("100b", 100), ("1Kb", 1024), ("64Kb", 65_536)] {
        let file = folder.path().join(format!("payload/payload-{name}.data"));
        fs::write(file, vec![b'x'; bytes]).unwrap();
    }
    folder
}

#[test]
fn every_workload_is_accepted_and_means_what_it_says() {
    let folder = folder();
    let mut seen = 0;
    for row in rows(WORKLOADS) {
        let cell = |name: &str| row.iter().find(|(column, _)| *column == name).unwrap().1;
        let mut text = String::new();
        for (key, value) in row.iter().skip(1).filter(|(_, value)| !value.is_empty()) {
            writeln!(text, "{key}: {value}").unwrap();
        }
        fs::write(folder.path().join(cell("file")), text).unwrap();
        let (plan, notes) = check(folder.path(), &["-b", "localhost:9092", cell("file")]);
        assert_eq!(notes, "", "{}", cell("file"));
        let topics = format!("{} × {} ", cell("topics"), cell("partitionsPerTopic"));
        assert!(plan.contains(&topics), "{}: {plan}", cell("file"));
        let size = format!("of {} bytes", cell("messageSize"));
        assert!(plan.contains(&size), "{}: {plan}", cell("file"));
        seen += 1;
    }
    assert_eq!(seen, 130);
}

#[test]
fn the_rabbitmq_driver_is_accepted_and_notes_say_what_has_no_effect() {
    let folder = folder();
    fs::write(folder.path().join("some.yaml"), SOME_LOAD).unwrap();
    let pacing = ["producer", "consumer"]
        .map(|role| format!("{role}CreationDelay: 100\n{role}CreationBatchSize: 5\n"));
    let text = format!(
        "name: RabbitMQ\n\
         driverClass: io.openmessaging.benchmark.driver.rabbitmq.RabbitMqBenchmarkDriver\n\
         {}amqpUris:\n  - amqp://localhost\nmessagePersistence: false\nqueueType: QUORUM\n",
        pacing.concat()
    );
    fs::write(folder.path().join("rabbitmq.yaml"), text).unwrap();
    let (plan, notes) = check(folder.path(), &["-d", "rabbitmq.yaml", "some.yaml"]);
    assert!(plan.contains("RabbitMQ (localhost)"), "{plan}");
    assert_eq!(notes.matches("is set aside").count(), 4, "{notes}");
    assert!(notes.contains("messagePersistence"), "{notes}");
    assert_eq!(notes.lines().count(), 5, "{notes}");
}

#[cfg(feature = "rocketmq")]
#[test]
fn the_rocketmq_driver_is_accepted_without_a_note() {
    let folder = folder();
    fs::write(folder.path().join("some.yaml"), SOME_LOAD).unwrap();
    let text = "name: RocketMQ\n\
         driverClass: io.openmessaging.benchmark.driver.rocketmq.RocketMQBenchmarkDriver\n\
         clusterName: DefaultCluster\nnamesrvAddr: 127.0.0.1:9876\nvipChannelEnabled: false\n\
         batchCQ: true\nautoBatch: true\nenableBackpressure: true\nbackpressureConcurrency: 1024\n\
         accessKey:\nsecretKey:\n";
    fs::write(folder.path().join("rocketmq.yaml"), text).unwrap();
    let (plan, notes) = check(folder.path(), &["-d", "rocketmq.yaml", "some.yaml"]);
    assert!(plan.contains("RocketMQ (127.0.0.1:9876)"), "{plan}");
    assert_eq!(notes, "");
}

#[cfg(feature = "pulsar")]
/// The driver file of OMB, with this in place of what its two files differ in.
fn pulsar_driver(deduplication: &str, producer: &str, consumer: &str) -> String {
    format!(
        "name: Pulsar\n\
         driverClass: io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver\n\
         client:\n  serviceUrl: pulsar://localhost:6650\n  httpUrl: http://localhost:8080\n  \
         ioThreads: 16\n  connectionsPerBroker: 8\n  clusterName: local\n  \
         namespacePrefix: benchmark/ns\n  topicType: persistent\n  persistence:\n    \
         ensembleSize: 3\n    writeQuorum: 3\n    ackQuorum: 2\n    \
         deduplicationEnabled: {deduplication}\n  tlsAllowInsecureConnection: false\n  \
         tlsEnableHostnameVerification: false\n  tlsTrustCertsFilePath:\n  authentication:\n    \
         plugin:\n    data:\n\
         producer:\n  batchingEnabled: true\n  batchingMaxPublishDelayMs: 1\n  \
         blockIfQueueFull: true\n{producer}\
         consumer:\n  receiverQueueSize: 10000\n{consumer}"
    )
}

#[cfg(feature = "pulsar")]
#[test]
fn the_pulsar_drivers_are_accepted_and_notes_say_what_has_no_effect() {
    let folder = folder();
    fs::write(folder.path().join("some.yaml"), SOME_LOAD).unwrap();
    let more = "  batchingMaxBytes: 131072\n  pendingQueueSize: 0\n";
    for text in [
        pulsar_driver("false", more, "  subscriptionType: Failover\n"),
        pulsar_driver("true", "", ""),
    ] {
        fs::write(folder.path().join("pulsar.yaml"), text).unwrap();
        let (plan, notes) = check(folder.path(), &["-d", "pulsar.yaml", "some.yaml"]);
        assert!(plan.contains("Pulsar (localhost:6650)"), "{plan}");
        for key in ["client.ioThreads", "client.connectionsPerBroker"] {
            assert!(notes.contains(&format!("{key} is set aside")), "{notes}");
        }
        assert_eq!(notes.lines().count(), 2, "{notes}");
    }
}

#[test]
fn every_kafka_driver_is_accepted_and_notes_say_what_differs() {
    let folder = folder();
    fs::write(folder.path().join("some.yaml"), SOME_LOAD).unwrap();
    let mut files: BTreeMap<&str, (String, &str)> = BTreeMap::new();
    for row in rows(DRIVERS) {
        let [(_, file), (_, block), (_, key), (_, value)] = row[..] else {
            panic!("{row:?}");
        };
        let (text, open) = files.entry(file).or_default();
        if block.is_empty() {
            writeln!(text, "{key}: {value}").unwrap();
            continue;
        }
        if *open != block {
            writeln!(text, "{block}: |").unwrap();
            *open = block;
        }
        writeln!(text, "  {key}={value}").unwrap();
    }
    assert_eq!(files.len(), 14);
    for (file, (text, _)) in files {
        fs::write(folder.path().join(file), text).unwrap();
        let (plan, notes) = check(folder.path(), &["-d", file, "some.yaml"]);
        assert!(plan.contains("(localhost:9092)"), "{file}: {plan}");
        // Only one file has settings that librdkafka takes otherwise than the Java client.
        let differ: &[&str] = match file {
            "kafka-throughput.yaml" => &[
                "request.timeout.ms=900000 is used",
                "default.api.timeout.ms",
            ],
            _ => &[],
        };
        assert_eq!(notes.lines().count(), differ.len(), "{file}: {notes}");
        for note in differ {
            assert!(notes.contains(note), "{file}: {notes}");
        }
    }
}
