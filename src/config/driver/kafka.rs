//! Kafka's driver file, and what stands in for it: `-b`, and the embedded broker.

use std::path::Path;

use crate::config::fields::{Fields, describe, flag, text, whole};
use crate::config::load::Overrides;
use crate::config::tree::{Entry, Line};
use crate::config::{Driver, KafkaConfig, Origin, Problem, Property, System, properties};

/// Keys of the file.
pub const KEYS: &[&str] = &[
    "name",
    "driverClass",
    "replicationFactor",
    "reset",
    "topicConfig",
    "commonConfig",
    "producerConfig",
    "consumerConfig",
];

/// Settings of the drivers without a file: those of OMB's `kafka-throughput.yaml`.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("linger.ms", "1"),
    ("batch.size", "1048576"),
];
const CONSUMER: &[(&str, &str)] = &[
    ("auto.offset.reset", "earliest"),
    ("max.partition.fetch.bytes", "10485760"),
];

/// What names the first brokers, in librdkafka's two spellings.
const SERVERS: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// What a driver file says, or without one `-b`: without both it is the embedded broker.
pub(super) fn read(
    entries: Vec<Entry>,
    file: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Driver {
    match file {
        Some(file) => from_file(entries, file, overrides, problems),
        None => without_file(overrides, problems),
    }
}

fn without_file(overrides: &Overrides, problems: &mut Vec<Problem>) -> Driver {
    let external =
        overrides.bootstrap.is_some() || overrides.extra.iter().any(|(key, _)| is_servers(key));
    let built_in = |settings: &[(&str, &str)]| {
        settings
            .iter()
            .map(|(key, value)| Property {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
                origin: Origin::CommandLine("built-in setting".to_owned()),
            })
            .collect()
    };
    let mut config = KafkaConfig {
        replication_factor: if external { -1 } else { 1 },
        producer: built_in(PRODUCER),
        consumer: built_in(CONSUMER),
        extra: extra(overrides),
        ..KafkaConfig::default()
    };
    if external {
        place_servers(&mut config, None, overrides, problems);
    }
    Driver {
        name: if external { "kafka" } else { "embedded" }.to_owned(),
        embedded: !external,
        system: System::Kafka(config),
    }
}

fn from_file(
    entries: Vec<Entry>,
    file: &Path,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Driver {
    let mut noted = Vec::new();
    let mut fields = Fields::new(entries, KEYS, file, problems);
    let name = fields.or("name", "Kafka".to_owned(), text);
    fields.entry("driverClass");
    // Kafka has nothing to reset: each run creates its own topics.
    fields.or("reset", false, flag);
    let replication_factor = fields.or("replicationFactor", -1, |value| {
        whole(-1, i64::from(i16::MAX))(value)
            .ok()
            .filter(|factor| *factor != 0)
            .ok_or_else(|| "give 1 or more, or -1 for the broker's default".to_owned())
    });
    let mut block = |key: &str| block(&mut fields, key, file, &mut noted);
    let mut config = KafkaConfig {
        replication_factor: replication_factor as i16,
        topic: block("topicConfig"),
        common: block("commonConfig"),
        producer: block("producerConfig"),
        consumer: block("consumerConfig"),
        extra: extra(overrides),
    };
    problems.append(&mut noted);
    place_servers(&mut config, Some(file), overrides, problems);
    Driver {
        name,
        system: System::Kafka(config),
        embedded: false,
    }
}

/// What `-X` says.
fn extra(overrides: &Overrides) -> Vec<Property> {
    let property = |(key, value): &(String, String)| Property {
        key: key.clone(),
        value: value.clone(),
        origin: Origin::CommandLine(format!("-X {key}")),
    };
    overrides.extra.iter().map(property).collect()
}

fn block(
    fields: &mut Fields<'_>,
    key: &str,
    file: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Property> {
    let Some(entry) = fields.entry(key) else {
        return Vec::new();
    };
    let serde_yaml::Value::String(whole_text) = &entry.value else {
        let message = format!(
            "{key} is {}; give it as a block: {key}: | and key=value lines below",
            describe(&entry.value)
        );
        problems.push(Problem {
            origin: entry.at,
            message,
        });
        return Vec::new();
    };
    let lines = if entry.lines.is_empty() {
        lines_of_text(whole_text, &entry.at)
    } else {
        entry.lines
    };
    properties::parse(&lines, file, key, problems)
}

/// Text that is no `|` block: all of it has the place of its key.
fn lines_of_text(text: &str, at: &Origin) -> Vec<Line> {
    let (number, column) = match at {
        Origin::File { line, column, .. } => (*line, *column),
        Origin::CommandLine(_) => (0, 0),
    };
    text.lines()
        .map(|line| Line {
            text: line.to_owned(),
            number,
            column,
        })
        .collect()
}

fn is_servers(key: &str) -> bool {
    SERVERS.contains(&key)
}

/// Puts `-b` in the place of the file's brokers, and checks that every client has some.
fn place_servers(
    kafka: &mut KafkaConfig,
    file: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) {
    if let Some(servers) = &overrides.bootstrap {
        for block in [
            &mut kafka.common,
            &mut kafka.producer,
            &mut kafka.consumer,
            &mut kafka.extra,
        ] {
            block.retain(|property| !is_servers(&property.key));
        }
        kafka.common.push(Property {
            key: SERVERS[0].to_owned(),
            value: servers.clone(),
            origin: Origin::CommandLine("-b".to_owned()),
        });
    }
    let has = |block: &[Property]| block.iter().any(|property| is_servers(&property.key));
    let everywhere =
        has(&kafka.common) || has(&kafka.extra) || (has(&kafka.producer) && has(&kafka.consumer));
    if !everywhere && let Some(file) = file {
        problems.push(Problem {
            origin: Origin::File {
                path: file.to_owned(),
                line: 0,
                column: 0,
            },
            message: "bootstrap.servers is missing; add bootstrap.servers=HOST:9092 to \
                      commonConfig, or give -b HOST:9092"
                .to_owned(),
        });
    }
    let all = [
        &kafka.common,
        &kafka.producer,
        &kafka.consumer,
        &kafka.extra,
    ];
    for property in all
        .into_iter()
        .flatten()
        .filter(|property| is_servers(&property.key))
    {
        if let Some(wrong) = wrong_server(&property.value) {
            problems.push(Problem {
                origin: property.origin.clone(),
                message: format!(
                    "{} holds \"{wrong}\"; give HOST:PORT, more of them divided by commas",
                    property.key
                ),
            });
        }
    }
}

/// The first of the addresses that can't be one.
fn wrong_server(servers: &str) -> Option<&str> {
    servers.split(',').map(str::trim).find(|server| {
        let host_port = server.split_once("://").map_or(*server, |(_, rest)| rest);
        match host_port.rsplit_once(':') {
            // A bare IPv6 address ends in a bracket.
            Some((host, port)) if !host_port.ends_with(']') => {
                host.is_empty() || port.parse().unwrap_or(0_u16) == 0
            }
            _ => host_port.is_empty() || host_port.contains(char::is_whitespace),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports() {
        for good in [
            "localhost",
            "a:9092",
            "a:9092,b:9093",
            "[::1]:9092",
            "SASL_SSL://a:1",
            "[::1]",
        ] {
            assert_eq!(wrong_server(good), None, "{good}");
        }
        for bad in ["", "a:9092,", "a:port", ":9092", "a:0", "a:99999"] {
            assert!(wrong_server(bad).is_some(), "{bad}");
        }
    }
}
