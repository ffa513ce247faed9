//! The table: every property of the Java client of Kafka 4.2 that librdkafka does not simply share.

use super::super::values::{
    assignors, endpoint_check, keystore, login, offset_reset, receive_buffer, send_buffer,
    truststore,
};
use super::{Fate, JavaName, Meaning, Peers};

const JVM: &str = "it is a matter of the Java runtime";
const METRICS: &str = "omb measures by itself";
const BYTES: &str = "omb sends and receives bytes";
const COMMITS: &str = "omb commits offsets itself, after it has reported what was read";
const OWN_LOOP: &str = "librdkafka has no such limit in its loop";
const LOGIN: &str = "librdkafka logs in by itself";
const TOKENS: &str = "librdkafka leaves it to the broker to look into tokens";
const NO_SHARES: &str = "omb's consumers are members of consumer groups, not of share groups";
const NO_TRANSACTIONS: &str = "omb sends no transactions; remove it";

/// Every property of the Java clients that librdkafka does not simply share, and those it shares
/// with other bounds.
pub const TABLE: &[JavaName] = &[
    // All clients.
    same("bootstrap.servers"),
    aside(
        "bootstrap.controllers",
        "omb asks brokers, which ask their controllers",
    ),
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
    aside("internal.throw.on.fetch.stable.offset.unsupported", JVM),
    aside("share.acknowledgement.mode", NO_SHARES),
    aside("share.acquire.mode", NO_SHARES),
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
    renamed(
        "sasl.oauthbearer.assertion.template.file",
        "sasl.oauthbearer.assertion.jwt.template.file",
    ),
    aside("sasl.oauthbearer.clock.skew.seconds", TOKENS),
    aside("sasl.oauthbearer.expected.audience", TOKENS),
    aside("sasl.oauthbearer.expected.issuer", TOKENS),
    aside("sasl.oauthbearer.header.urlencode", LOGIN),
    aside("sasl.oauthbearer.jwks.endpoint.refresh.ms", TOKENS),
    aside(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        TOKENS,
    ),
    aside("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", TOKENS),
    aside("sasl.oauthbearer.jwks.endpoint.url", TOKENS),
    aside("sasl.oauthbearer.jwt.retriever.class", LOGIN),
    aside("sasl.oauthbearer.jwt.validator.class", TOKENS),
    aside("sasl.oauthbearer.scope.claim.name", TOKENS),
    aside("sasl.oauthbearer.sub.claim.name", TOKENS),
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
