//! RocketMQ's driver file, and what stands in for it: `-b rocketmq://…`.

use std::path::Path;

use serde_yaml::Value;

use crate::config::fields::{Fields, flag, text, whole};
use crate::config::load::Overrides;
use crate::config::tree::Entry;
use crate::config::uri::Uri;
use crate::config::{Batching, Driver, Origin, Problem, RocketMqConfig, System};

/// Keys of the file: OMB's, and more.
pub const KEYS: &[&str] = &[
    "name",
    "driverClass",
    "namesrvAddr",
    "clusterName",
    "vipChannelEnabled",
    "maxMessageSize",
    "compressMsgBodyOverHowmuch",
    "batchCQ",
    "autoBatch",
    "batchMaxBytes",
    "batchMaxDelayMs",
    "totalBatchMaxBytes",
    "enableBackpressure",
    "backpressureConcurrency",
    "accessKey",
    "secretKey",
    "ordered",
];

const SCHEME: &str = "rocketmq";
pub(super) const SCHEMES: &[&str] = &[SCHEME];

/// Where a name server listens that says nothing else.
pub const PORT: u16 = 9876;

/// Messages that a producer sends ahead of their answers, unless a file says otherwise, as in OMB's file; and
/// bytes. A broker refuses what it has no room for: 10,000 requests of all producers.
const IN_FLIGHT: i64 = 1_024;
const IN_FLIGHT_BYTES: i64 = 64 << 20;

/// Bounds of OMB's client.
const LEAST_IN_FLIGHT: i64 = 10;
const LARGEST_BATCH: i64 = 2 << 20;
const LONGEST_DELAY_MS: i64 = 30_000;

/// What the client takes without a word on it: 4 MiB.
const LARGEST_MESSAGE: i64 = 4 << 20;

/// What a driver file says, or without one `-b`.
pub(super) fn read(
    mut entries: Vec<Entry>,
    file: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Driver {
    for (key, value) in &overrides.extra {
        entries.retain(|entry| entry.key != *key);
        let value = Value::from(value.as_str());
        entries.push(Entry::given(key, value, &format!("-X {key}")));
    }
    let place = file.unwrap_or_else(|| Path::new("-X"));
    let mut fields = Fields::new(entries, KEYS, place, problems);
    let name = fields.or("name", "RocketMQ".to_owned(), text);
    fields.entry("driverClass");
    let config = RocketMqConfig {
        name_servers: name_servers(&mut fields, file, overrides.bootstrap.as_deref()),
        cluster: filled(&mut fields, "clusterName"),
        vip_channel: fields.or("vipChannelEnabled", false, flag),
        compress_over: fields
            .optional("compressMsgBodyOverHowmuch", whole(0, i64::from(i32::MAX)))
            .ok()
            .flatten()
            .map(|bytes| bytes as usize),
        largest_message: fields.or("maxMessageSize", LARGEST_MESSAGE, whole(1, 1 << 30)) as usize,
        batch_queues: fields.or("batchCQ", false, flag),
        ordered: fields.or("ordered", false, flag),
        ..RocketMqConfig::default()
    };
    let config = RocketMqConfig {
        credentials: credentials(&mut fields),
        ..queues(&mut fields, config)
    };
    Driver {
        name,
        system: System::RocketMq(config),
        embedded: false,
    }
}

/// What producers collect, and how far they go ahead.
fn queues(fields: &mut Fields<'_>, config: RocketMqConfig) -> RocketMqConfig {
    let batching = Batching {
        delay_ms: fields.or("batchMaxDelayMs", 10, whole(1, LONGEST_DELAY_MS)) as u64,
        bytes: fields.or("batchMaxBytes", 32 << 10, whole(1, LARGEST_BATCH)) as usize,
    };
    let collects = fields.or("autoBatch", false, flag);
    let collected = fields.or("totalBatchMaxBytes", 32 << 20, whole(1, i64::MAX));
    let bounded = fields.or("enableBackpressure", false, flag);
    let most = whole(LEAST_IN_FLIGHT, 10_000_000);
    let most = fields.or("backpressureConcurrency", IN_FLIGHT, most);
    let bytes = if collects {
        collected.min(IN_FLIGHT_BYTES)
    } else {
        IN_FLIGHT_BYTES
    };
    RocketMqConfig {
        batching: collects.then_some(batching),
        in_flight: if bounded { most } else { IN_FLIGHT } as u64,
        in_flight_bytes: bytes as usize,
        ..config
    }
}

/// A text; an empty one counts as absent.
fn filled(fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let text = fields.optional(key, text).ok().flatten();
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Both of them, or none.
fn credentials(fields: &mut Fields<'_>) -> Option<(String, String)> {
    let places = ["accessKey", "secretKey"].map(|key| fields.place(key));
    match (filled(fields, "accessKey"), filled(fields, "secretKey")) {
        (Some(access), Some(secret)) => Some((access, secret)),
        (None, None) => None,
        (access, _) => {
            let (there, missing) = match access {
                Some(_) => ("accessKey", "secretKey"),
                None => ("secretKey", "accessKey"),
            };
            let place = places.into_iter().flatten().next();
            let place = place.unwrap_or_else(|| fields.whole_file());
            let message = format!("{missing} is missing; give it beside {there}");
            fields.problem(place, message);
            None
        }
    }
}

/// Where the name servers are: `-b`, in the place of the file's.
fn name_servers(fields: &mut Fields<'_>, file: Option<&Path>, bootstrap: Option<&str>) -> Vec<Uri> {
    let at = fields.place("namesrvAddr");
    let of_file = fields.optional("namesrvAddr", |value| {
        // A number is no address.
        parsed(value.as_str().unwrap_or_default())
    });
    if let Some(given) = bootstrap {
        return parsed(given).unwrap_or_else(|instead| {
            fields.problem(Origin::CommandLine("-b".to_owned()), instead);
            Vec::new()
        });
    }
    if at.is_none() && of_file.is_ok() {
        let message = format!(
            "namesrvAddr is missing; add it, such as HOST:{PORT}, or give -b {SCHEME}://HOST:{PORT}"
        );
        let place = match file {
            None => Origin::CommandLine("-X".to_owned()),
            Some(_) => fields.whole_file(),
        };
        fields.problem(place, message);
    }
    of_file.ok().flatten().unwrap_or_default()
}

/// `HOST:PORT;HOST:PORT`, as RocketMQ's clients have it, or with commas; with the scheme of `-b` or without.
fn parsed(text: &str) -> Result<Vec<Uri>, String> {
    let instead = |_| format!("give addresses such as HOST:{PORT};HOST:{PORT}");
    let one = |address: &str| match address.contains("://") {
        true => Uri::parse(address, SCHEMES).map_err(instead),
        false => Uri::parse(&format!("{SCHEME}://{}", address.trim()), SCHEMES).map_err(instead),
    };
    text.split([';', ',']).map(one).collect()
}
