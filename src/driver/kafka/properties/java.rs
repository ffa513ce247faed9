//! The Java client's properties, and what becomes of each with librdkafka: one table.

use super::jaas;

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
    /// Its value decides.
    ByValue(fn(&str, Peers<'_>) -> Meaning),
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
    by_value("receive.buffer.bytes", receive_buffer),
    by_value("send.buffer.bytes", send_buffer),
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
    by_value("auto.offset.reset", offset_reset),
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
    by_value("partition.assignment.strategy", assignors),
    // Security.
    lower("security.protocol"),
    aside("security.providers", JVM),
    by_value("sasl.jaas.config", login),
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
    by_value("ssl.endpoint.identification.algorithm", endpoint_check),
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
    by_value("ssl.keystore.location", keystore),
    aside("ssl.keystore.type", "ssl.keystore.location tells it"),
    by_value("ssl.truststore.location", truststore),
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
const fn by_value(name: &'static str, read: fn(&str, Peers<'_>) -> Meaning) -> JavaName {
    JavaName {
        name,
        fate: Fate::ByValue(read),
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
        Fate::ByValue(read) => read(value, peers),
    })
}

/// A written property: the Java client's, or to be taken by its own name.
pub(super) enum Written<'a> {
    Java(Meaning),
    AsIs(&'a str),
}

fn setting(name: &'static str, value: &str) -> Meaning {
    Meaning::Settings(vec![(name, value.to_owned())])
}

/// The Java client's -1 is the system's default, which is librdkafka's 0.
fn buffer(name: &'static str, value: &str) -> Meaning {
    setting(name, if value == "-1" { "0" } else { value })
}

fn receive_buffer(value: &str, _: Peers<'_>) -> Meaning {
    buffer("socket.receive.buffer.bytes", value)
}

fn send_buffer(value: &str, _: Peers<'_>) -> Meaning {
    buffer("socket.send.buffer.bytes", value)
}

fn offset_reset(value: &str, _: Peers<'_>) -> Meaning {
    match value.to_lowercase().as_str() {
        "none" => setting("auto.offset.reset", "error"),
        duration if duration.starts_with("by_duration") => Meaning::Wrong(
            "auto.offset.reset by duration is unknown to librdkafka; give earliest or latest"
                .to_owned(),
        ),
        value => setting("auto.offset.reset", value),
    }
}

/// An empty algorithm switches the check of the host's name off.
fn endpoint_check(value: &str, _: Peers<'_>) -> Meaning {
    let algorithm = if value.is_empty() { "none" } else { value };
    setting(
        "ssl.endpoint.identification.algorithm",
        &algorithm.to_lowercase(),
    )
}

/// Classes become librdkafka's names. It can't mix eager and cooperative ones, as the Java
/// client's default does, so that the first one decides.
fn assignors(value: &str, _: Peers<'_>) -> Meaning {
    let mut names: Vec<&str> = Vec::new();
    for class in value
        .split(',')
        .map(str::trim)
        .filter(|class| !class.is_empty())
    {
        names.push(match class.rsplit('.').next().unwrap_or(class) {
            "RangeAssignor" => "range",
            "RoundRobinAssignor" => "roundrobin",
            "CooperativeStickyAssignor" => "cooperative-sticky",
            "StickyAssignor" => {
                return Meaning::Wrong(
                    "partition.assignment.strategy StickyAssignor is unknown to librdkafka; give \
                     range, roundrobin or cooperative-sticky"
                        .to_owned(),
                );
            }
            other => other,
        });
    }
    let cooperative = |name: &str| name.starts_with("cooperative");
    if let Some(first) = names.first().copied() {
        names.retain(|name| cooperative(name) == cooperative(first));
    }
    setting("partition.assignment.strategy", &names.join(","))
}

/// User and password out of the login module's line, which is never shown.
fn login(value: &str, _: Peers<'_>) -> Meaning {
    let wrong = |what: &str| Meaning::Wrong(format!("sasl.jaas.config {what}"));
    let Some(mut login) = jaas::parse(value) else {
        return wrong("can't be read; give MODULE required username=\"…\" password=\"…\";");
    };
    let wanted: &[(&str, &'static str)] = match login.module.as_str() {
        "PlainLoginModule" | "ScramLoginModule" => {
            &[("username", "sasl.username"), ("password", "sasl.password")]
        }
        "OAuthBearerLoginModule" => &[
            ("clientId", "sasl.oauthbearer.client.id"),
            ("clientSecret", "sasl.oauthbearer.client.secret"),
        ],
        "Krb5LoginModule" => {
            return wrong("asks for Kerberos, which omb is built without; use SCRAM or PLAIN");
        }
        _ => {
            return wrong(
                "names an unknown login module; use PlainLoginModule or ScramLoginModule",
            );
        }
    };
    let mut settings = Vec::new();
    for (option, name) in wanted {
        let Some(value) = login.options.remove(*option) else {
            return wrong(&format!("has no {option}; add {option}=\"…\""));
        };
        settings.push((*name, value));
    }
    if login.module == "OAuthBearerLoginModule" {
        settings.push(("sasl.oauthbearer.method", "oidc".to_owned()));
        if let Some(scope) = login.options.remove("scope") {
            settings.push(("sasl.oauthbearer.scope", scope));
        }
    }
    Meaning::Settings(settings)
}

fn ends_in(path: &str, endings: &[&str]) -> bool {
    let path = path.to_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}

const PEM: [&str; 4] = [".pem", ".crt", ".cer", ".cert"];

fn truststore(value: &str, peers: Peers<'_>) -> Meaning {
    let kind = peers("ssl.truststore.type")
        .unwrap_or_default()
        .to_uppercase();
    if kind == "PEM" || (kind.is_empty() && ends_in(value, &PEM)) {
        return setting("ssl.ca.location", value);
    }
    Meaning::Wrong(format!(
        "ssl.truststore.location {value} is a Java store, which librdkafka can't read; export it \
         with keytool -exportcert -rfc -file ca.pem, and give ssl.ca.location=ca.pem instead"
    ))
}

fn keystore(value: &str, peers: Peers<'_>) -> Meaning {
    let kind = peers("ssl.keystore.type")
        .unwrap_or_default()
        .to_uppercase();
    match kind.as_str() {
        "PKCS12" => setting("ssl.keystore.location", value),
        "" if ends_in(value, &[".p12", ".pfx"]) => setting("ssl.keystore.location", value),
        "PEM" => pem_keystore(value),
        "" if ends_in(value, &PEM) => pem_keystore(value),
        _ => Meaning::Wrong(format!(
            "ssl.keystore.location {value} is a Java store, which librdkafka can't read; convert \
             it with keytool -importkeystore -deststoretype PKCS12, and give that file with \
             ssl.keystore.type=PKCS12"
        )),
    }
}

/// One file that holds both the certificates and the key.
fn pem_keystore(value: &str) -> Meaning {
    Meaning::Settings(vec![
        ("ssl.certificate.location", value.to_owned()),
        ("ssl.key.location", value.to_owned()),
    ])
}
