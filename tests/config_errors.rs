//! The mistakes people make in their files: each is told with its place and with what to do, and
//! all of them at once.

// A helper of a test may end it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use omb::cli::{Inputs, settle};
use tempfile::TempDir;

const WORKLOAD: &str = "\
name: w
topics: 1
partitionsPerTopic: 1
messageSize: 1024
subscriptionsPerTopic: 1
producersPerTopic: 1
consumerPerSubscription: 1
producerRate: 100
testDuration: 5s
";
const DRIVER: &str = "\
name: d
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver
commonConfig: |
  bootstrap.servers=localhost:9092
producerConfig: |
  # as fast as it goes
  linger.ms=1
consumerConfig: |
  check.crcs=true
";

/// Both files in a folder of their own.
struct Files {
    folder: TempDir,
    inputs: Inputs,
}

fn files(workload: &str, driver: Option<&str>) -> Files {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let inputs = Inputs {
        workload: write("w.yaml", workload),
        driver: driver.map(|driver| write("d.yaml", driver)),
        ..Inputs::default()
    };
    Files { folder, inputs }
}

impl Files {
    /// What is told, with the folder's name left out.
    fn told(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let problems = settle(&self.inputs).err().unwrap_or_default();
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

/// What is told about the workload, with one line of it replaced.
fn workload(line: &str, by: &str) -> Vec<String> {
    assert!(WORKLOAD.contains(line));
    files(&WORKLOAD.replacen(line, by, 1), None).told()
}

/// What is told about the driver file, with one line of it replaced.
fn driver(line: &str, by: &str) -> Vec<String> {
    assert!(DRIVER.contains(line));
    files(WORKLOAD, Some(&DRIVER.replacen(line, by, 1))).told()
}

#[test]
fn the_files_without_a_mistake_are_accepted() {
    assert_eq!(files(WORKLOAD, Some(DRIVER)).told(), Vec::<String>::new());
}

#[test]
fn an_unknown_key_leads_to_the_nearest_one() {
    assert_eq!(
        workload("topics: 1", "topcis: 1"),
        [
            "w.yaml: topics is missing; add topics: 1",
            "w.yaml:2:1: unknown key topcis; did you mean topics?",
        ]
    );
    assert_eq!(
        workload(
            "testDuration: 5s",
            "testDuration: 5s\nrestart:\n  maxRestart: 1"
        ),
        ["w.yaml:11:3: unknown key maxRestart; did you mean maxRestarts?"]
    );
    assert_eq!(
        driver("commonConfig", "comonConfig")[1],
        "d.yaml:3:1: unknown key comonConfig; did you mean commonConfig?"
    );
}

#[test]
fn a_wrong_type_is_told_with_what_to_write() {
    assert_eq!(
        workload("1024", "abc"),
        [
            "w.yaml:4:1: messageSize is text \"abc\"; give a number of bytes, such as 1024 or 1KiB \
          (1 to 1000000000)"
        ]
    );
    assert_eq!(
        workload("topics: 1", "topics: [1]"),
        ["w.yaml:2:1: topics is a list; give a whole number of at least 1"]
    );
    assert_eq!(
        workload("5s", "5"),
        ["w.yaml:9:1: testDuration is 5; give a number with a unit, such as 30s, 1h30m or 500ms"]
    );
}

#[test]
fn a_value_out_of_bounds_is_told_with_the_bounds() {
    assert_eq!(
        workload("topics: 1", "topics: 0"),
        ["w.yaml:2:1: topics is 0; give a whole number from 1 to 2147483647"]
    );
    assert_eq!(
        workload("topics: 1", "topics: 1\ntopicPrefix: my load"),
        [
            "w.yaml:3:1: topicPrefix is text \"my load\"; give 1 to 229 letters, digits, dots, \
             underscores and hyphens, such as test-topic"
        ]
    );
    assert_eq!(
        workload(
            "testDuration: 5s",
            "testDuration: 5s\nuseRandomizedPayloads: true\n\
                  randomBytesRatio: 1.5"
        ),
        ["w.yaml:11:1: randomBytesRatio is 1.5; give a share from 0 to 1, such as 0.5"]
    );
}

#[test]
fn what_this_version_does_not_do_is_said_with_what_to_do_instead() {
    let redis = "driverClass: io.openmessaging.benchmark.driver.redis.RedisBenchmarkDriver";
    let told = files(WORKLOAD, Some(redis)).told();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("d.yaml:1:1: driverClass "), "{told:?}");
    assert!(told[0].contains("this version drives Kafka"), "{told:?}");
}

#[test]
fn variables_of_the_environment_that_are_not_there_are_told_with_all_else() {
    let driver = "name: ${OMB_NO_SUCH_NAME}\ndriverClass: \
                  io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver\ncommonConfig: |\n  \
                  bootstrap.servers=${OMB_NO_SUCH_HOST:-localhost:9092}\n  \
                  sasl.password=${OMB_NO_SUCH_PASSWORD}\n  linger.ms=$${x\n";
    let workload = WORKLOAD.replace("producerRate: 100", "producerRate: ${OMB_NO_SUCH_RATE}");
    let told = files(&workload, Some(driver)).told();
    let missing = |place: &str, key: &str, name: &str| {
        format!(
            "{place}: {key}: there is no environment variable {name}; set it, or write \
             ${{{name}:-DEFAULT}}"
        )
    };
    assert_eq!(
        told,
        [
            missing("d.yaml:1:1", "name", "OMB_NO_SUCH_NAME"),
            missing("d.yaml:5:3", "sasl.password", "OMB_NO_SUCH_PASSWORD"),
            missing("w.yaml:8:1", "producerRate", "OMB_NO_SUCH_RATE"),
        ]
    );
}

#[test]
fn a_search_for_a_rate_that_cannot_be_is_told_in_whole() {
    let search =
        "rateSearch:\n  objective: lost==0\n  start: 0\n  deadline: 0s\n  proof: 1s\n  proofs: 4";
    assert_eq!(
        workload("100", &format!("0\n{search}")),
        [
            "w.yaml:10:3: objective is text \"lost==0\"; give a latency and the time it has to stay \
             below, such as e2e.p99<10ms",
            "w.yaml:11:3: start is 0; give messages per second above 0, such as 20000",
            "w.yaml:12:3: deadline is text \"0s\"; give more than 0, such as 30s",
            "w.yaml:13:3: proof is text \"1s\"; give at least 3s",
            "w.yaml:14:3: unknown key proofs; did you mean proof?",
        ]
    );
    assert_eq!(
        workload("100", "100\nrateSearch: {proof: 10s}"),
        [
            "w.yaml:9:1: rateSearch has no effect beside a producerRate above 0; give producerRate: \
             0, or leave rateSearch out"
        ]
    );
    assert_eq!(
        workload("100", "100\nrateControl: {min: 200, step: 100}"),
        [
            "w.yaml:9:1: producerRate 100 is not between min (200) and max (10000000) of \
             rateControl; give one that is",
            "w.yaml:9:25: step is 100; give percent, such as 10",
        ]
    );
}

#[test]
fn a_backlog_that_cannot_be_is_told() {
    let backlog = |line: &str| workload("testDuration: 5s", &format!("testDuration: 5s\n{line}"));
    assert_eq!(
        backlog("consumerBacklogSizeGB: lots"),
        [
            "w.yaml:10:1: consumerBacklogSizeGB is text \"lots\"; give a number of GiB, such as 1 \
             or 0.5; 0 builds no backlog"
        ]
    );
    assert_eq!(
        backlog("consumerBacklogSizeGB: 100"),
        [
            "w.yaml:10:1: a backlog of 107374182400 bytes takes 1048576 s to build at this \
             producerRate, longer than backlogDeadline (1h); give less, or a longer deadline"
        ]
    );
    assert_eq!(
        backlog("consumerBacklogSizeGB: 1\nconsumerBacklogSize: 1GB\nbacklogDeadline: 1d"),
        [
            "w.yaml:10:1: consumerBacklogSizeGB and consumerBacklogSize exclude each other; keep \
             one of them"
        ]
    );
}

#[test]
fn a_duration_given_in_both_forms_is_told() {
    assert_eq!(
        workload(
            "testDuration: 5s",
            "testDuration: 5s\ntestDurationMinutes: 5"
        ),
        ["w.yaml:10:1: testDurationMinutes and testDuration exclude each other; keep one of them"]
    );
}

#[test]
fn a_key_given_twice_is_told() {
    assert_eq!(
        workload("topics: 1", "topics: 1\ntopics: 2"),
        ["w.yaml:3:1: topics is given twice; keep one of them"]
    );
    assert_eq!(
        driver("  linger.ms=1", "  linger.ms=1\n  linger.ms=2").len(),
        1
    );
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    let told = workload("name: w", "name: \"w");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("w.yaml:"), "{told:?}");
    let told = workload("topics: 1", "topics: 1: 2");
    assert!(told[0].starts_with("w.yaml:2:"), "{told:?}");
}

#[test]
fn a_payload_file_must_be_there_and_of_the_messages_size() {
    let told = workload(
        "testDuration: 5s",
        "testDuration: 5s\npayloadFile: no/such.data",
    );
    assert!(
        told[0].starts_with("w.yaml:10:1: payloadFile no/such.data can't be read"),
        "{told:?}"
    );

    let here = files(WORKLOAD, None);
    let payload = here.folder.path().join("payload");
    fs::write(&payload, [7; 100]).unwrap();
    let text = format!("{WORKLOAD}payloadFile: {}\n", payload.display());
    fs::write(&here.inputs.workload, text).unwrap();
    let told = here.told();
    assert!(
        told[0].starts_with("w.yaml:4:1: messageSize is 1024, but payloadFile"),
        "{told:?}"
    );
    assert!(told[0].contains("holds 100 bytes"), "{told:?}");
    let mut right = here;
    right.inputs.message_size = Some(100);
    assert_eq!(right.told(), Vec::<String>::new());
}

#[test]
fn missing_brokers_are_told_unless_the_command_line_names_them() {
    let text = DRIVER.replace(
        "  bootstrap.servers=localhost:9092\n",
        "  check.crcs=true\n",
    );
    let mut files = files(WORKLOAD, Some(&text));
    assert_eq!(
        files.told(),
        [
            "d.yaml: bootstrap.servers is missing; add bootstrap.servers=HOST:9092 to commonConfig, \
          or give -b HOST:9092"
        ]
    );
    files.inputs.bootstrap = Some("localhost:9092".to_owned());
    assert_eq!(files.told(), Vec::<String>::new());
}

#[test]
fn a_client_setting_is_told_with_its_line_inside_the_block() {
    assert_eq!(
        driver("  linger.ms=1", "  acks=all\n  linger.mss=1"),
        ["d.yaml:8:3: no Kafka client knows linger.mss; did you mean linger.ms?"]
    );
    assert_eq!(
        driver("check.crcs=true", "linger.ms=1"),
        ["d.yaml:9:3: linger.ms is a setting of producers; move it to producerConfig"]
    );
    let told = driver("linger.ms=1", "linger.ms=soon");
    assert!(
        told[0].starts_with("d.yaml:7:3: ") && told[0].contains("linger.ms"),
        "{told:?}"
    );
}

#[test]
fn a_setting_on_the_command_line_that_no_client_knows_is_told() {
    let mut files = files(WORKLOAD, None);
    files.inputs.extra = vec![("lingerms".to_owned(), "1".to_owned())];
    assert_eq!(
        files.told(),
        ["-X lingerms: no Kafka client knows lingerms; did you mean linger.ms?"]
    );
}

#[test]
fn every_mistake_of_both_files_is_told_at_once_in_the_order_of_the_lines() {
    let workload = WORKLOAD
        .replace("1024", "big")
        .replace("topics: 1", "topics: none");
    let driver = DRIVER
        .replace("linger.ms=1", "linger.mss=1\n  batch.sze=1")
        .replace("check.crcs=true", "acks=all");
    let told = files(&workload, Some(&driver)).told();
    let places: Vec<&str> = told
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "d.yaml:7:3",
            "d.yaml:8:3",
            "d.yaml:10:3",
            "w.yaml:2:1",
            "w.yaml:4:1"
        ]
    );
}

#[test]
fn a_message_that_producers_would_refuse_is_told() {
    let mut files = files(&WORKLOAD.replace("1024", "2MiB"), None);
    let told = files.told();
    assert!(
        told[0].contains("set message.max.bytes=2097664 in commonConfig or by -X"),
        "{told:?}"
    );
    files.inputs.extra = vec![("message.max.bytes".to_owned(), "2097664".to_owned())];
    assert_eq!(files.told(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let mut files = files(WORKLOAD, None);
    files.inputs.workload = files.folder.path().join("other.yaml");
    assert_eq!(
        files.told(),
        ["other.yaml: there is no such file; check its path"]
    );
}

#[cfg(feature = "pulsar")]
#[test]
fn what_is_wrong_below_a_key_is_told_with_its_place() {
    let driver = "\
driverClass: io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver
client:
  serviceUrl: localhost:6650
  persistnce: 3
  namespacePrefix: mine
  persistence:
    writeQuorum: 2
    ackQuorum: 3
  authentication:
    plugin: org.apache.pulsar.client.impl.auth.AuthenticationTls
producer:
  batchingMaxPublishDelayMs: 0
consumer:
  subscriptionType: shared
";
    assert_eq!(
        files(WORKLOAD, Some(driver)).told(),
        [
            "d.yaml:3:3: serviceUrl is text \"localhost:6650\"; give an address such as \
             pulsar://HOST:6650",
            "d.yaml:4:3: unknown key persistnce; did you mean persistence?",
            "d.yaml:5:3: namespacePrefix is text \"mine\"; give TENANT/NAMESPACE, such as public/omb",
            "d.yaml:8:5: ackQuorum is 3, and writeQuorum 2; give ackQuorum of at most writeQuorum",
            "d.yaml:10:5: client.authentication.plugin is \
             org.apache.pulsar.client.impl.auth.AuthenticationTls; did you mean \
             org.apache.pulsar.client.impl.auth.AuthenticationToken?",
            "d.yaml:12:3: batchingMaxPublishDelayMs is 0; give a whole number from 1 to 60000",
            "d.yaml:14:3: subscriptionType is text \"shared\"; give Failover, Exclusive, Shared or \
             Key_Shared",
        ]
    );
}

#[cfg(feature = "rocketmq")]
#[test]
fn what_is_wrong_in_a_file_for_rocketmq_is_told_with_its_place() {
    let driver = "\
driverClass: io.openmessaging.benchmark.driver.rocketmq.RocketMQBenchmarkDriver
namesrvAddr: localhost:9876;localhost:0
clusterNam: mine
batchMaxBytes: 4194304
backpressureConcurrency: 1
accessKey: me
";
    assert_eq!(
        files(WORKLOAD, Some(driver)).told(),
        [
            "d.yaml:2:1: namesrvAddr is text \"localhost:9876;localhost:0\"; give addresses such as \
             HOST:9876;HOST:9876",
            "d.yaml:3:1: unknown key clusterNam; did you mean clusterName?",
            "d.yaml:4:1: batchMaxBytes is 4194304; give a whole number from 1 to 2097152",
            "d.yaml:5:1: backpressureConcurrency is 1; give a whole number from 10 to 10000000",
            "d.yaml:6:1: secretKey is missing; give it beside accessKey",
        ]
    );
    let workload = WORKLOAD.to_owned() + "topicPrefix: my.topic\n";
    let driver = "\
driverClass: io.openmessaging.benchmark.driver.rocketmq.RocketMQBenchmarkDriver
namesrvAddr: localhost
";
    assert_eq!(
        files(&workload, Some(driver)).told(),
        [
            "w.yaml: topicPrefix is my.topic; leave . out of it: names of RocketMQ's topics have letters, \
          digits, - and _"
        ]
    );
}
