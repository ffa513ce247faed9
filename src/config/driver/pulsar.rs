//! Pulsar's driver file, and what stands in for it: `-b pulsar://…`.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::config::fields::{Fields, flag, text, whole};
use crate::config::load::Overrides;
use crate::config::tree::Entry;
use crate::config::uri::Uri;
use crate::config::{
    Batching, Driver, Origin, Persistence, Problem, PulsarConfig, Subscription, System, nearest,
};

/// Keys of the file: OMB's, and more.
pub const KEYS: &[&str] = &["name", "driverClass", "client", "producer", "consumer"];

/// Keys below `client`.
pub const CLIENT_KEYS: &[&str] = &[
    "serviceUrl",
    "httpUrl",
    "ioThreads",
    "connectionsPerBroker",
    "maxConcurrentLookupRequests",
    "clientMemoryLimitMB",
    "clusterName",
    "namespacePrefix",
    "topicType",
    "persistence",
    "tlsAllowInsecureConnection",
    "tlsEnableHostnameVerification",
    "tlsTrustCertsFilePath",
    "authentication",
];

/// Keys below `client.persistence`.
pub const PERSISTENCE_KEYS: &[&str] = &[
    "ensembleSize",
    "writeQuorum",
    "ackQuorum",
    "deduplicationEnabled",
];

/// Keys below `client.authentication`.
pub const AUTHENTICATION_KEYS: &[&str] = &["plugin", "data"];

/// Keys below `producer`.
pub const PRODUCER_KEYS: &[&str] = &[
    "batchingEnabled",
    "batchingMaxPublishDelayMs",
    "batchingMaxBytes",
    "blockIfQueueFull",
    "pendingQueueSize",
];

/// Keys below `consumer`.
pub const CONSUMER_KEYS: &[&str] = &["receiverQueueSize", "subscriptionType"];

/// What OMB's clients have and ours have no use for, below `client`.
const SET_ASIDE: [&str; 4] = [
    "ioThreads",
    "connectionsPerBroker",
    "maxConcurrentLookupRequests",
    "clientMemoryLimitMB",
];

pub(super) const SCHEMES: &[&str] = &["pulsar", "pulsar+ssl"];

/// Where topics are, without a word on it.
const NAMESPACE: &str = "public/omb";

/// Messages that a producer has under way, unless a file says otherwise.
const PENDING: u64 = 100_000;

/// The Java client's plugin for tokens.
const TOKENS: &str = "org.apache.pulsar.client.impl.auth.AuthenticationToken";

/// Puts the value of `-X a.b.c=…` in its place.
fn give(entries: &mut Vec<Entry>, path: &str, value: &str, option: &str) {
    let Some((first, rest)) = path.split_once('.') else {
        entries.retain(|entry| entry.key != path);
        entries.push(Entry::given(path, Value::from(value), option));
        return;
    };
    let index = entries.iter().position(|entry| entry.key == first);
    let index = index.unwrap_or_else(|| {
        entries.push(Entry::given(first, Value::Null, option));
        entries.len() - 1
    });
    if entries[index].value.is_null() {
        entries[index].value = Value::Mapping(serde_yaml::Mapping::new());
    }
    give(&mut entries[index].children, rest, value, option);
}

/// What a driver file says, or without one `-b`.
pub(super) fn read(
    mut entries: Vec<Entry>,
    file: Option<&Path>,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Driver {
    for (key, value) in &overrides.extra {
        give(&mut entries, key, value, &format!("-X {key}"));
    }
    let place = file.unwrap_or_else(|| Path::new("-X"));
    let mut fields = Fields::new(entries, KEYS, place, problems);
    let name = fields.or("name", "Pulsar".to_owned(), text);
    fields.entry("driverClass");
    let mut config = PulsarConfig::default();
    let bootstrap = overrides.bootstrap.as_deref();
    let mut client = fields.section("client", CLIENT_KEYS);
    read_client(&mut client, file, bootstrap, &mut config);
    if let Some(mut persistence) = client.inner("persistence", PERSISTENCE_KEYS) {
        config.persistence = Some(read_persistence(&mut persistence));
    }
    config.token = token(&mut client.section("authentication", AUTHENTICATION_KEYS));
    read_producer(&mut fields.section("producer", PRODUCER_KEYS), &mut config);
    let mut consumer = fields.section("consumer", CONSUMER_KEYS);
    config.receiver_queue = consumer.or("receiverQueueSize", 10_000, whole(1, 1_000_000)) as u32;
    config.subscription = consumer.or("subscriptionType", Subscription::Failover, subscription);
    Driver {
        name,
        system: System::Pulsar(config),
        embedded: false,
    }
}

fn read_client(
    fields: &mut Fields<'_>,
    file: Option<&Path>,
    bootstrap: Option<&str>,
    config: &mut PulsarConfig,
) {
    for key in SET_ASIDE {
        if fields.place(key).is_some() {
            config.set_aside.push(format!("client.{key}"));
        }
        fields.or(key, 0, whole(0, i64::from(i32::MAX)));
    }
    config.brokers = brokers(fields, file, bootstrap);
    config.http = fields
        .optional("httpUrl", |value| {
            text(value)
                .and_then(|uri| Uri::parse(&uri, &["http", "https"]))
                .map_err(|_| "give http://HOST:8080".to_owned())
        })
        .ok()
        .flatten();
    config.cluster = fields.optional("clusterName", text).ok().flatten();
    config.namespace = fields.or("namespacePrefix", NAMESPACE.to_owned(), namespace);
    config.persistent = fields.or("topicType", true, |value| match text(value)?.as_str() {
        "persistent" => Ok(true),
        "non_persistent" | "non-persistent" => Ok(false),
        _ => Err("give persistent or non_persistent".to_owned()),
    });
    config.insecure = fields.or("tlsAllowInsecureConnection", false, flag);
    config.verify_host = fields.or("tlsEnableHostnameVerification", false, flag);
    config.ca_file = fields
        .optional("tlsTrustCertsFilePath", text)
        .ok()
        .flatten()
        .map(PathBuf::from);
}

fn read_persistence(fields: &mut Fields<'_>) -> Persistence {
    let copies = || whole(1, 100);
    let names = ["ensembleSize", "writeQuorum", "ackQuorum"];
    let places = names.map(|name| fields.place(name));
    let [ensemble, write_quorum, ack_quorum] =
        [(0, 3), (1, 3), (2, 2)].map(|(at, usual)| fields.or(names[at], usual, copies()) as u32);
    for (at, larger, smaller) in [(1, ensemble, write_quorum), (2, write_quorum, ack_quorum)] {
        if smaller > larger {
            let place = places[at].clone().or_else(|| places[at - 1].clone());
            let place = place.unwrap_or_else(|| fields.whole_file());
            let (less, more) = (names[at], names[at - 1]);
            let message =
                format!("{less} is {smaller}, and {more} {larger}; give {less} of at most {more}");
            fields.problem(place, message);
        }
    }
    Persistence {
        ensemble,
        write_quorum,
        ack_quorum,
        deduplication: fields.or("deduplicationEnabled", false, flag),
    }
}

fn read_producer(fields: &mut Fields<'_>, config: &mut PulsarConfig) {
    let batching = Batching {
        delay_ms: fields.or("batchingMaxPublishDelayMs", 1, whole(1, 60_000)) as u64,
        bytes: fields.or("batchingMaxBytes", 1 << 20, whole(1, 5 << 20)) as usize,
    };
    let enabled = fields.or("batchingEnabled", true, flag);
    config.batching = enabled.then_some(batching);
    if !fields.or("blockIfQueueFull", true, flag) {
        config
            .set_aside
            .push("producer.blockIfQueueFull: false".to_owned());
    }
    let pending = fields.or("pendingQueueSize", 0, whole(0, 10_000_000)) as u64;
    config.pending = if pending == 0 { PENDING } else { pending };
}

/// Where the brokers are: `-b`, in the place of the file's.
fn brokers(fields: &mut Fields<'_>, file: Option<&Path>, bootstrap: Option<&str>) -> Vec<Uri> {
    let at = fields.place("serviceUrl");
    let parsed = |url: &str| -> Result<Vec<Uri>, String> {
        // One scheme for all: pulsar://HOST:PORT,HOST:PORT.
        let scheme = url
            .trim()
            .split_once("://")
            .map_or("", |(scheme, _)| scheme);
        let hosts = url.split(',').map(|one| match one.contains("://") {
            true => Uri::parse(one, SCHEMES),
            false => Uri::parse(&format!("{scheme}://{}", one.trim()), SCHEMES),
        });
        let hosts: Result<Vec<Uri>, String> = hosts.collect();
        let hosts = hosts.map_err(|_| "give an address such as pulsar://HOST:6650".to_owned())?;
        match hosts.iter().any(|uri| uri.user_info().is_some()) {
            true => Err("give users in client.authentication".to_owned()),
            false => Ok(hosts),
        }
    };
    let of_file = fields.optional("serviceUrl", |value| parsed(&text(value)?));
    let Some(given) = bootstrap else {
        if at.is_none() && of_file.is_ok() {
            let message = "client.serviceUrl is missing; add it, such as pulsar://HOST:6650, or give \
                           -b pulsar://HOST:6650";
            let place = file.map_or_else(
                || Origin::CommandLine("-X".to_owned()),
                |_| fields.whole_file(),
            );
            fields.problem(place, message.to_owned());
        }
        return of_file.ok().flatten().unwrap_or_default();
    };
    // A bare host is reached as the one of the file is.
    let of_file = of_file.ok().flatten().unwrap_or_default();
    let given = match of_file.first() {
        Some(like) if !given.contains("://") => format!("{}://{given}", like.scheme()),
        None if !given.contains("://") => format!("pulsar://{given}"),
        _ => given.to_owned(),
    };
    parsed(&given).unwrap_or_else(|instead| {
        fields.problem(Origin::CommandLine("-b".to_owned()), instead);
        Vec::new()
    })
}

/// `TENANT/NAMESPACE`.
fn namespace(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let known = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-=:".contains(c))
    };
    match name.split_once('/') {
        Some((tenant, namespace)) if known(tenant) && known(namespace) => Ok(name),
        _ => Err(format!("give TENANT/NAMESPACE, such as {NAMESPACE}")),
    }
}

fn subscription(value: &Value) -> Result<Subscription, String> {
    let name = text(value)?;
    Subscription::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| "give Failover, Exclusive, Shared or Key_Shared".to_owned())
}

/// The token, read from its file where it is in one.
fn token(fields: &mut Fields<'_>) -> Option<String> {
    let plugin_at = fields.place("plugin");
    let plugin = fields
        .optional("plugin", text)
        .ok()
        .flatten()
        .filter(|plugin| !plugin.is_empty());
    let data_at = fields.place("data");
    let data = fields
        .optional("data", text)
        .ok()
        .flatten()
        .filter(|data| !data.is_empty());
    let place = |at: Option<Origin>| at.unwrap_or_else(|| Origin::CommandLine("-X".to_owned()));
    match (plugin, data) {
        (None, None) => None,
        (None, Some(_)) => {
            let message = format!("client.authentication.plugin is missing; give {TOKENS}");
            fields.problem(place(data_at), message);
            None
        }
        (Some(plugin), _) if plugin != TOKENS && plugin != "token" => {
            let advice = match nearest(&plugin, [TOKENS]) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("only tokens are known here: {TOKENS}"),
            };
            let message = format!("client.authentication.plugin is {plugin}; {advice}");
            fields.problem(place(plugin_at), message);
            None
        }
        (Some(_), None) => {
            let message = "client.authentication.data is missing; give token:TOKEN or file:///PATH";
            fields.problem(place(plugin_at), message.to_owned());
            None
        }
        (Some(_), Some(data)) => match token_of(&data) {
            Ok(token) => Some(token),
            Err(message) => {
                fields.problem(place(data_at), message);
                None
            }
        },
    }
}

fn token_of(data: &str) -> Result<String, String> {
    let token = match data.strip_prefix("file://") {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            format!("client.authentication.data: {path}: {error}; give the path of a token's file")
        })?,
        None => data.strip_prefix("token:").unwrap_or(data).to_owned(),
    };
    let token = token.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(
            "client.authentication.data holds no token; give token:TOKEN or file:///PATH"
                .to_owned(),
        );
    }
    Ok(token.to_owned())
}
