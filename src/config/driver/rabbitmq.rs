//! RabbitMQ's driver file, and what stands in for it: `-b amqp://…`.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::config::fields::{Fields, flag, text, whole};
use crate::config::load::Overrides;
use crate::config::tree::Entry;
use crate::config::uri::Uri;
use crate::config::{Driver, Origin, Problem, QueueType, RabbitMqConfig, System};

/// Keys of the file: OMB's, and more.
pub const KEYS: &[&str] = &[
    "name",
    "driverClass",
    "amqpUris",
    "messagePersistence",
    "queueType",
    "producerCreationDelay",
    "producerCreationBatchSize",
    "consumerCreationDelay",
    "consumerCreationBatchSize",
    "prefetch",
    "maxInFlight",
    "managementUri",
    "caFile",
];

/// What paces the creation of OMB's clients. Here they connect side by side, in processes.
const PACING: [&str; 4] = [
    "producerCreationDelay",
    "producerCreationBatchSize",
    "consumerCreationDelay",
    "consumerCreationBatchSize",
];

pub(super) const SCHEMES: &[&str] = &["amqp", "amqps"];

/// Messages that a producer sends ahead of their confirms, unless a file says otherwise.
const IN_FLIGHT: i64 = 10_000;

/// What a driver file says, or without one `-b`.
pub(super) fn read(
    mut entries: Vec<Entry>,
    file: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Driver {
    for (key, value) in &overrides.extra {
        entries.retain(|entry| entry.key != *key);
        let value = match key.as_str() {
            "amqpUris" => Value::Sequence(value.split(',').map(Value::from).collect()),
            _ => Value::from(value.as_str()),
        };
        entries.push(Entry::given(key, value, &format!("-X {key}")));
    }
    let mut fields = Fields::new(
        entries,
        KEYS,
        file.unwrap_or_else(|| Path::new("-X")),
        problems,
    );
    let name = fields.or("name", "RabbitMQ".to_owned(), text);
    fields.entry("driverClass");
    let mut set_aside = Vec::new();
    for key in PACING {
        if fields.place(key).is_some() {
            set_aside.push(key.to_owned());
        }
        fields.or(key, 0, whole(0, i64::from(i32::MAX)));
    }
    let uris = uris(&mut fields, file, overrides.bootstrap.as_deref());
    let config = RabbitMqConfig {
        uris,
        persistent: fields.or("messagePersistence", false, flag),
        queue: fields.or("queueType", QueueType::Classic, queue_type),
        prefetch: fields
            .optional("prefetch", whole(1, i64::from(u16::MAX)))
            .ok()
            .flatten()
            .map(|prefetch| prefetch as u16),
        max_in_flight: fields.or("maxInFlight", IN_FLIGHT, whole(1, 10_000_000)) as u64,
        management: fields
            .optional("managementUri", |value| {
                text(value)
                    .and_then(|uri| Uri::parse(&uri, &["http", "https"]))
                    .map_err(|_| "give http://HOST:15672".to_owned())
            })
            .ok()
            .flatten(),
        ca_file: fields
            .optional("caFile", text)
            .ok()
            .flatten()
            .map(PathBuf::from),
        set_aside,
    };
    Driver {
        name,
        system: System::RabbitMq(config),
        embedded: false,
    }
}

/// Where the nodes are: `-b`, in the place of the file's.
fn uris(fields: &mut Fields<'_>, file: Option<&Path>, bootstrap: Option<&str>) -> Vec<Uri> {
    let at = fields.place("amqpUris");
    let of_file = fields.optional("amqpUris", |value| {
        let example = || "give a list of addresses such as amqp://HOST:5672".to_owned();
        let all = value.as_sequence().ok_or_else(example)?;
        let uris = all.iter().map(|one| Uri::parse(&text(one)?, SCHEMES));
        let uris: Vec<Uri> = uris.collect::<Result<_, String>>()?;
        if uris.is_empty() {
            return Err(example());
        }
        Ok(uris)
    });
    let Some(given) = bootstrap else {
        if of_file.as_ref().is_ok_and(Option::is_none) && at.is_none() {
            let message = "amqpUris is missing; add it, as a list of addresses such as \
                           amqp://HOST:5672, or give -b HOST:5672";
            let place = file.map_or_else(
                || Origin::CommandLine("-X".to_owned()),
                |_| fields.whole_file(),
            );
            fields.problem(place, message.to_owned());
        }
        return of_file.ok().flatten().unwrap_or_default();
    };
    let like = of_file
        .ok()
        .flatten()
        .unwrap_or_default()
        .into_iter()
        .next();
    let mut uris = Vec::new();
    for one in given.split(',').map(str::trim) {
        // A bare host is reached as the first one of the file is.
        let read = match &like {
            Some(like) if !one.contains("://") => like.at(one),
            _ if !one.contains("://") => Uri::parse(&format!("amqp://{one}"), SCHEMES),
            _ => Uri::parse(one, SCHEMES),
        };
        match read {
            Ok(uri) => uris.push(uri),
            Err(instead) => {
                fields.problem(Origin::CommandLine("-b".to_owned()), instead);
            }
        }
    }
    uris
}

fn queue_type(value: &Value) -> Result<QueueType, String> {
    let name = text(value)?;
    QueueType::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| "give CLASSIC, QUORUM or STREAM".to_owned())
}
