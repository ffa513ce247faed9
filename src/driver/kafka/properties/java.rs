//! The Java client's properties, and what becomes of each with librdkafka: one table.

use super::values::{
    assignors, endpoint_check, keystore, login, offset_reset, receive_buffer, send_buffer, setting,
    truststore,
};

/// One property of the Java client, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct JavaName {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a property of the Java client.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// librdkafka has it under the same name; numbers outside its range are clamped.
    Same,
    /// The same, with the value in lower case.
    Lower,
    /// librdkafka has it under this name; numbers outside its range are clamped.
    Renamed(&'static str),
    /// librdkafka has it under this name, in KiB instead of bytes.
    Kibibytes(&'static str),
    /// It has no counterpart and none is needed: a note says why.
    SetAside(&'static str),
    /// Set aside; a note only where the value is not the one that omb uses anyway.
    Owned {
        /// The value that omb uses.
        omb: &'static str,
        /// Why a person can't change it.
        why: &'static str,
    },
    /// It can't be honoured: an error says what to do.
    Refused(&'static str),
    /// Its value decides; in words, for the documentation.
    ByValue(fn(&str, Peers<'_>) -> Meaning, &'static str),
}

/// Values of the properties that were written beside this one.
pub type Peers<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What one written property comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// These settings of librdkafka.
    Settings(Vec<(&'static str, String)>),
    /// Nothing; with a note, where one is due.
    SetAside(Option<&'static str>),
    /// A mistake, and what to do.
    Wrong(String),
}

const JVM: &str = "it is a matter of the Java runtime";
const METRICS: &str = "omb measures by itself";
const BYTES: &str = "omb sends and receives bytes";
const COMMITS: &str = "omb commits offsets itself, after it has reported what was read";
const OWN_LOOP: &str = "librdkafka has no such limit in its loop";
const LOGIN: &str = "librdkafka logs in by itself";
const NO_TRANSACTIONS: &str = "omb sends no transactions; remove it";

/// Every property of the Java clients that librdkafka does not simply share, and those it shares
/// with other bounds.
pub const TABLE: &[JavaName] = &[
    // All clients.
    same("bootstrap.servers"),
    owned(
        "client.id",
        "",
        "omb names its clients, so that the broker's logs tell them apart",
    ),
    same("connections.max.idle.ms"),
    same("metadata.max.age.ms"),
    aside("metric.reporters", METRICS),
    aside("metrics.num.samples", METRICS),
    aside("metrics.recording.level", METRICS),
    aside("metrics.sample.window.ms", METRICS),
    aside("auto.include.jmx.reporter", METRICS),
    by_value(
        "receive.buffer.bytes",
        receive_buffer,
        "`socket.receive.buffer.bytes`; -1 becomes 0, the system's default",
    ),
    by_value(
        "send.buffer.bytes",
        send_buffer,
        "`socket.send.buffer.bytes`; -1 becomes 0, the system's default",
    ),
    same("reconnect.backoff.ms"),
    same("reconnect.backoff.max.ms"),
    same("request.timeout.ms"),
    same("retries"),
    same("retry.backoff.ms"),
    same("retry.backoff.max.ms"),
    same("socket.connection.setup.timeout.ms"),
    aside(
        "socket.connection.setup.timeout.max.ms",
        "librdkafka does not lengthen that timeout",
    ),
    aside(
        "default.api.timeout.ms",
        "each phase of a run has its own deadline",
    ),
    aside("config.providers", JVM),
    // Producers.
    same("batch.size"),
    same("linger.ms"),
    same("delivery.timeout.ms"),
    same("max.in.flight.requests.per.connection"),
    lower("compression.type"),
    aside(
        "compression.gzip.level",
        "librdkafka has compression.level for every type",
    ),
    aside(
        "compression.lz4.level",
        "librdkafka has compression.level for every type",
    ),
    aside(
        "compression.zstd.level",
        "librdkafka has compression.level for every type",
    ),
    JavaName {
        name: "buffer.memory",
        fate: Fate::Kibibytes("queue.buffering.max.kbytes"),
    },
    renamed("max.request.size", "message.max.bytes"),
    aside(
        "max.block.ms",
        "omb never waits inside a send; lateness is measured instead",
    ),
    aside(
        "metadata.max.idle.ms",
        "librdkafka forgets unused topics by itself",
    ),
    aside("key.serializer", BYTES),
    aside("value.serializer", BYTES),
    aside("interceptor.classes", JVM),
    aside(
        "partitioner.class",
        "librdkafka's partitioner is set with partitioner",
    ),
    aside(
        "partitioner.adaptive.partitioning.enable",
        "librdkafka's partitioner does not adapt",
    ),
    aside(
        "partitioner.availability.timeout.ms",
        "librdkafka's partitioner does not adapt",
    ),
    aside(
        "partitioner.ignore.keys",
        "librdkafka's partitioner is set with partitioner",
    ),
    refused("transactional.id", NO_TRANSACTIONS),
    aside(
        "transaction.two.phase.commit.enable",
        "omb sends no transactions",
    ),
    // Consumers.
    owned(
        "group.id",
        "",
        "omb names one group for each subscription of a run",
    ),
    refused(
        "group.instance.id",
        "consumers of a group can't share it; remove it",
    ),
    owned("enable.auto.commit", "false", COMMITS),
    owned("enable.auto.offset.store", "false", COMMITS),
    owned(
        "enable.partition.eof",
        "",
        "omb decides whether it wants to hear of a partition's end",
    ),
    aside("auto.commit.interval.ms", COMMITS),
    by_value(
        "auto.offset.reset",
        offset_reset,
        "the same; `none` becomes `error`; refused: `by_duration`",
    ),
    renamed("fetch.max.wait.ms", "fetch.wait.max.ms"),
    same("fetch.min.bytes"),
    same("fetch.max.bytes"),
    same("max.partition.fetch.bytes"),
    same("session.timeout.ms"),
    same("heartbeat.interval.ms"),
    same("max.poll.interval.ms"),
    aside("max.poll.records", OWN_LOOP),
    aside(
        "exclude.internal.topics",
        "omb subscribes to topics by name",
    ),
    aside("key.deserializer", BYTES),
    aside("value.deserializer", BYTES),
    lower("isolation.level"),
    lower("group.protocol"),
    by_value(
        "partition.assignment.strategy",
        assignors,
        "classes become `range`, `roundrobin`, `cooperative-sticky`; of eager and cooperative ones, the first one's kind is kept; refused: `StickyAssignor`",
    ),
    // Security.
    lower("security.protocol"),
    aside("security.providers", JVM),
    by_value(
        "sasl.jaas.config",
        login,
        "user and password, or client and secret, as `sasl.username`, `sasl.password` or `sasl.oauthbearer.…`; refused: Kerberos",
    ),
    aside("sasl.client.callback.handler.class", LOGIN),
    aside("sasl.login.callback.handler.class", LOGIN),
    aside("sasl.login.class", LOGIN),
    aside("sasl.login.connect.timeout.ms", LOGIN),
    aside("sasl.login.read.timeout.ms", LOGIN),
    aside("sasl.login.refresh.buffer.seconds", LOGIN),
    aside("sasl.login.refresh.min.period.seconds", LOGIN),
    aside("sasl.login.refresh.window.factor", LOGIN),
    aside("sasl.login.refresh.window.jitter", LOGIN),
    aside("sasl.login.retry.backoff.max.ms", LOGIN),
    aside("sasl.login.retry.backoff.ms", LOGIN),
    aside("sasl.kerberos.ticket.renew.jitter", LOGIN),
    aside("sasl.kerberos.ticket.renew.window.factor", LOGIN),
    by_value(
        "ssl.endpoint.identification.algorithm",
        endpoint_check,
        "the same; empty becomes `none`",
    ),
    aside(
        "ssl.enabled.protocols",
        "OpenSSL settles the version with the broker",
    ),
    aside(
        "ssl.protocol",
        "OpenSSL settles the version with the broker",
    ),
    aside("ssl.provider", JVM),
    aside("ssl.engine.factory.class", JVM),
    aside("ssl.keymanager.algorithm", JVM),
    aside("ssl.trustmanager.algorithm", JVM),
    aside("ssl.secure.random.implementation", JVM),
    renamed("ssl.keystore.key", "ssl.key.pem"),
    renamed("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    renamed("ssl.truststore.certificates", "ssl.ca.pem"),
    by_value(
        "ssl.keystore.location",
        keystore,
        "the same for PKCS12; PEM files become `ssl.certificate.location` and `ssl.key.location`; refused: Java stores",
    ),
    aside("ssl.keystore.type", "ssl.keystore.location tells it"),
    by_value(
        "ssl.truststore.location",
        truststore,
        "`ssl.ca.location` for PEM files; refused: Java stores",
    ),
    aside(
        "ssl.truststore.password",
        "certificates in PEM form have none",
    ),
    aside("ssl.truststore.type", "ssl.truststore.location tells it"),
];

const fn same(name: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::Same,
    }
}
const fn lower(name: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::Lower,
    }
}
const fn renamed(name: &'static str, to: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::Renamed(to),
    }
}
const fn aside(name: &'static str, why: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::SetAside(why),
    }
}
const fn owned(name: &'static str, omb: &'static str, why: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::Owned { omb, why },
    }
}
const fn refused(name: &'static str, why: &'static str) -> JavaName {
    JavaName {
        name,
        fate: Fate::Refused(why),
    }
}
const fn by_value(
    name: &'static str,
    read: fn(&str, Peers<'_>) -> Meaning,
    words: &'static str,
) -> JavaName {
    JavaName {
        name,
        fate: Fate::ByValue(read, words),
    }
}

/// The names of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// Whether the Java client has a number of this name with bounds of its own.
pub(super) fn shared(key: &str) -> bool {
    let entry = TABLE.iter().find(|entry| entry.name == key);
    entry.is_some_and(|e| matches!(e.fate, Fate::Same | Fate::Renamed(_) | Fate::Kibibytes(_)))
}

/// What a written property comes to; a name that is not in the table stands for itself.
pub(super) fn meaning<'a>(key: &'a str, value: &str, peers: Peers<'_>) -> Written<'a> {
    let Some(entry) = TABLE.iter().find(|entry| entry.name == key) else {
        return Written::AsIs(key);
    };
    Written::Java(match entry.fate {
        Fate::Same => setting(entry.name, value),
        Fate::Lower => setting(entry.name, &value.to_lowercase()),
        Fate::Renamed(to) => setting(to, value),
        Fate::Kibibytes(to) => match value.parse::<u64>() {
            Ok(bytes) => setting(to, &bytes.div_ceil(1024).to_string()),
            Err(_) => Meaning::Wrong(format!("{key} is not a number of bytes; correct it")),
        },
        Fate::SetAside(why) => Meaning::SetAside(Some(why)),
        Fate::Owned { omb, why } => {
            Meaning::SetAside((!value.eq_ignore_ascii_case(omb)).then_some(why))
        }
        Fate::Refused(why) => Meaning::Wrong(format!("{key} can't be used: {why}")),
        Fate::ByValue(read, _) => read(value, peers),
    })
}

/// A written property: the Java client's, or to be taken by its own name.
pub(super) enum Written<'a> {
    Java(Meaning),
    AsIs(&'a str),
}
