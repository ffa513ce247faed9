//! The driver file, and the drivers that need none: `-b`, and the embedded broker.

mod kafka;
pub(super) mod pulsar;
mod rabbitmq;

use std::path::Path;

use super::fields::text;
use super::load::Overrides;
use super::tree::{self, Entry};
use super::{Driver, Origin, Problem};

#[cfg(test)]
pub(super) use {kafka::KEYS as KAFKA_KEYS, rabbitmq::KEYS as RABBITMQ_KEYS};

pub(super) const KAFKA: &str = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver";
pub(super) const PULSAR: &str = "io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver";
pub(super) const RABBITMQ: &str =
    "io.openmessaging.benchmark.driver.rabbitmq.RabbitMqBenchmarkDriver";

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
    "rocketmq",
    "rocketmq5",
];

/// The systems, as driver files name them.
#[derive(Clone, Copy)]
enum Class {
    Kafka,
    Pulsar,
    RabbitMq,
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
    if rabbitmq::is_address(address) {
        let here = Origin::CommandLine("-b".to_owned());
        built_in(Class::RabbitMq, &here, problems)?;
        return Some(rabbitmq::without_file(overrides, problems));
    }
    if pulsar::is_address(address) {
        let here = Origin::CommandLine("-b".to_owned());
        built_in(Class::Pulsar, &here, problems)?;
        return Some(pulsar::without_file(overrides, problems));
    }
    Some(kafka::without_file(overrides, problems))
}

fn from_file(file: &Path, overrides: &Overrides, problems: &mut Vec<Problem>) -> Option<Driver> {
    let entries = match tree::read(file) {
        Ok(entries) => entries,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    Some(match class(&entries, file, problems)? {
        Class::Kafka => kafka::from_file(entries, file, overrides, problems),
        Class::Pulsar => pulsar::from_file(entries, file, overrides, problems),
        Class::RabbitMq => rabbitmq::from_file(entries, file, overrides, problems),
    })
}

/// Which system a file is for. Of one that isn't driven nothing else is looked at.
fn class(entries: &[Entry], file: &Path, problems: &mut Vec<Problem>) -> Option<Class> {
    let advice = "this version drives Kafka, RabbitMQ and Pulsar";
    let Some(entry) = entries.iter().find(|entry| entry.key == "driverClass") else {
        let origin = Origin::File {
            path: file.to_owned(),
            line: 0,
            column: 0,
        };
        let message = format!("driverClass is missing; add driverClass: {KAFKA}");
        problems.push(Problem { origin, message });
        return Some(Class::Kafka);
    };
    let class = text(&entry.value).unwrap_or_default();
    let known = match class.as_str() {
        KAFKA => Some(Class::Kafka),
        PULSAR => Some(Class::Pulsar),
        RABBITMQ => Some(Class::RabbitMq),
        _ => None,
    };
    if let Some(known) = known {
        built_in(known, &entry.at, problems)?;
        return Some(known);
    }
    let package = class
        .strip_prefix("io.openmessaging.benchmark.driver.")
        .unwrap_or_default();
    let system = package.split('.').next().unwrap_or_default();
    let message = if NOT_DRIVEN.contains(&system) {
        format!("driverClass {class} is OMB's driver for {system}; {advice}")
    } else {
        format!(
            "driverClass {class} is unknown; {advice} (driverClass: {KAFKA}, {RABBITMQ} or {PULSAR})"
        )
    };
    problems.push(Problem {
        origin: entry.at.clone(),
        message,
    });
    None
}

/// Whether this program was built with the client of a system.
fn built_in(class: Class, origin: &Origin, problems: &mut Vec<Problem>) -> Option<()> {
    let (has, system, feature) = match class {
        Class::Kafka => (true, "Kafka", ""),
        Class::Pulsar => (cfg!(feature = "pulsar"), "Pulsar", "pulsar"),
        Class::RabbitMq => (cfg!(feature = "rabbitmq"), "RabbitMQ", "rabbitmq"),
    };
    if !has {
        let message = format!(
            "this omb was built without {system}; build it with cargo build --release --features \
             {feature}"
        );
        problems.push(Problem {
            origin: origin.clone(),
            message,
        });
    }
    has.then_some(())
}
