//! The driver file, and the drivers that need none: `-b`, and the embedded broker.

pub(super) mod kafka;
pub(super) mod pulsar;
pub(super) mod rabbitmq;
pub(super) mod rocketmq;

use std::path::Path;

use super::fields::text;
use super::load::Overrides;
use super::tree::{self, Entry};
use super::{Driver, Origin, Problem, environment};

pub(super) const KAFKA: &str = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver";
pub(super) const PULSAR: &str = "io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver";
pub(super) const RABBITMQ: &str =
    "io.openmessaging.benchmark.driver.rabbitmq.RabbitMqBenchmarkDriver";
pub(super) const ROCKETMQ: &str =
    "io.openmessaging.benchmark.driver.rocketmq.RocketMQBenchmarkDriver";

/// OMB's driver classes that are not driven here, by the last part of their package.
const NOT_DRIVEN: &[&str] = &[
    "artemis",
    "bookkeeper",
    "jms",
    "kop",
    "mqtt5",
    "nats",
    "natsStreaming",
    "nsq",
    "pravega",
    "redis",
];

/// A system that is driven here.
struct Known {
    name: &'static str,
    /// As driver files name it.
    class: &'static str,
    /// What it is built in by, and whether it is.
    feature: &'static str,
    built_in: bool,
    /// Keys of `-X` by which brokers are reached, by the beginnings of their names.
    reach: &'static [&'static str],
    /// How addresses of `-b` begin that are of it.
    schemes: &'static [&'static str],
    /// Keys of its file whose variables of the environment it sees to itself.
    kept: fn(&str) -> bool,
    /// What a driver file says, or without one `-b` and `-X`.
    read: fn(Vec<Entry>, Option<&Path>, &Overrides, &mut Vec<Problem>) -> Driver,
}

/// All of them. The first one is what an address without a scheme is of.
const SYSTEMS: [Known; 4] = [
    Known {
        name: "Kafka",
        class: KAFKA,
        feature: "",
        built_in: true,
        reach: &[
            "bootstrap.servers",
            "metadata.broker.list",
            "security.",
            "sasl.",
            "ssl.",
            "enable.ssl.",
            "broker.address.",
        ],
        schemes: &[],
        // Blocks have their variables replaced line by line, each in its place.
        kept: |key| key.ends_with("Config"),
        read: kafka::read,
    },
    Known {
        name: "RabbitMQ",
        class: RABBITMQ,
        feature: "rabbitmq",
        built_in: cfg!(feature = "rabbitmq"),
        reach: &["amqpUris", "managementUri", "caFile"],
        schemes: rabbitmq::SCHEMES,
        kept: |_| false,
        read: rabbitmq::read,
    },
    Known {
        name: "Pulsar",
        class: PULSAR,
        feature: "pulsar",
        built_in: cfg!(feature = "pulsar"),
        reach: &[
            "client.serviceUrl",
            "client.httpUrl",
            "client.namespacePrefix",
            "client.tls",
        ],
        schemes: pulsar::SCHEMES,
        kept: |_| false,
        read: pulsar::read,
    },
    Known {
        name: "RocketMQ",
        class: ROCKETMQ,
        feature: "rocketmq",
        built_in: cfg!(feature = "rocketmq"),
        reach: &["namesrvAddr", "clusterName", "accessKey", "secretKey"],
        schemes: rocketmq::SCHEMES,
        kept: |_| false,
        read: rocketmq::read,
    },
];

/// Whether a key of `-X` says how brokers are reached, of whatever system.
pub fn is_of_reach(key: &str) -> bool {
    let mut all = SYSTEMS.iter().flat_map(|known| known.reach);
    all.any(|start| key.starts_with(start))
}

/// Names or classes as a list for people: `a, b or c`.
fn listed(what: fn(&Known) -> &'static str, word: &str) -> String {
    let [rest @ .., last] = SYSTEMS.map(|known| what(&known));
    format!("{} {word} {last}", rest.join(", "))
}

/// Reads and checks a driver file; without one, `-b` names an external broker, and without both
/// the broker is the embedded one.
pub(super) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Driver, Vec<Problem>> {
    let mut problems = Vec::new();
    let driver = match file {
        Some(file) => from_file(file, overrides, &mut problems),
        None => without_file(overrides, &mut problems),
    };
    match driver {
        Some(driver) if problems.is_empty() => Ok(driver),
        _ => Err(problems),
    }
}

fn without_file(overrides: &Overrides, problems: &mut Vec<Problem>) -> Option<Driver> {
    let address = overrides.bootstrap.as_deref().unwrap_or_default();
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let named = SYSTEMS.iter().find(|known| known.schemes.contains(&scheme));
    let system = named.unwrap_or(&SYSTEMS[0]);
    built_in(system, &Origin::CommandLine("-b".to_owned()), problems)?;
    Some((system.read)(Vec::new(), None, overrides, problems))
}

fn from_file(file: &Path, overrides: &Overrides, problems: &mut Vec<Problem>) -> Option<Driver> {
    let mut entries = match tree::read(file) {
        Ok(entries) => entries,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let system = class(&entries, file, problems)?;
    environment::resolve(&mut entries, &system.kept, problems);
    Some((system.read)(entries, Some(file), overrides, problems))
}

/// Which system a file is for. Of one that isn't driven nothing else is looked at.
fn class(entries: &[Entry], file: &Path, problems: &mut Vec<Problem>) -> Option<&'static Known> {
    const KNOWN: &[Known] = &SYSTEMS;
    let Some(entry) = entries.iter().find(|entry| entry.key == "driverClass") else {
        let origin = Origin::File {
            path: file.to_owned(),
            line: 0,
            column: 0,
        };
        let message = format!("driverClass is missing; add driverClass: {KAFKA}");
        problems.push(Problem { origin, message });
        return Some(&KNOWN[0]);
    };
    let class = text(&entry.value).unwrap_or_default();
    if let Some(known) = KNOWN.iter().find(|known| known.class == class) {
        built_in(known, &entry.at, problems)?;
        return Some(known);
    }
    let package = class
        .strip_prefix("io.openmessaging.benchmark.driver.")
        .unwrap_or_default();
    let system = package.split('.').next().unwrap_or_default();
    let advice = format!("this version drives {}", listed(|known| known.name, "and"));
    let message = if NOT_DRIVEN.contains(&system) {
        format!("driverClass {class} is OMB's driver for {system}; {advice}")
    } else {
        let classes = listed(|known| known.class, "or");
        format!("driverClass {class} is unknown; {advice} (driverClass: {classes})")
    };
    problems.push(Problem {
        origin: entry.at.clone(),
        message,
    });
    None
}

/// Whether this program was built with the client of a system.
fn built_in(system: &Known, origin: &Origin, problems: &mut Vec<Problem>) -> Option<()> {
    if !system.built_in {
        let message = format!(
            "this omb was built without {}; build it with cargo build --release --features {}",
            system.name, system.feature
        );
        problems.push(Problem {
            origin: origin.clone(),
            message,
        });
    }
    system.built_in.then_some(())
}
