//! Defaults in which a client of omb differs from the Java client: who compares figures of both has
//! to know them.

use super::{Client, Role, Setting, known};
use crate::config::Origin;
use crate::driver::systems::Differing;

/// How the Java client says what librdkafka says otherwise.
#[derive(Clone, Copy)]
enum As {
    Is,
    Kibibytes,
}

/// librdkafka's name, the Java client's, and its default: `defaultValues()` of `ProducerConfig` and
/// `ConsumerConfig` of Kafka 4.2.
type Default = (&'static str, &'static str, As, &'static str);

const PRODUCER: &[Default] = &[
    ("acks", "acks", As::Is, "-1"),
    ("linger.ms", "linger.ms", As::Is, "5"),
    ("batch.size", "batch.size", As::Is, "16384"),
    ("compression.type", "compression.type", As::Is, "none"),
    ("enable.idempotence", "enable.idempotence", As::Is, "true"),
    (
        "max.in.flight.requests.per.connection",
        "max.in.flight.requests.per.connection",
        As::Is,
        "5",
    ),
    (
        "message.timeout.ms",
        "delivery.timeout.ms",
        As::Is,
        "120000",
    ),
    ("request.timeout.ms", "request.timeout.ms", As::Is, "30000"),
    (
        "queue.buffering.max.kbytes",
        "buffer.memory",
        As::Kibibytes,
        "33554432",
    ),
    ("message.max.bytes", "max.request.size", As::Is, "1048576"),
    ("retries", "retries", As::Is, "2147483647"),
];

const CONSUMER: &[Default] = &[
    ("auto.offset.reset", "auto.offset.reset", As::Is, "latest"),
    ("fetch.min.bytes", "fetch.min.bytes", As::Is, "1"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms", As::Is, "500"),
    ("fetch.max.bytes", "fetch.max.bytes", As::Is, "52428800"),
    (
        "max.partition.fetch.bytes",
        "max.partition.fetch.bytes",
        As::Is,
        "1048576",
    ),
    (
        "isolation.level",
        "isolation.level",
        As::Is,
        "read_uncommitted",
    ),
    ("check.crcs", "check.crcs", As::Is, "true"),
    ("session.timeout.ms", "session.timeout.ms", As::Is, "45000"),
    (
        "heartbeat.interval.ms",
        "heartbeat.interval.ms",
        As::Is,
        "3000",
    ),
    (
        "partition.assignment.strategy",
        "partition.assignment.strategy",
        As::Is,
        "range,cooperative-sticky",
    ),
];

const BOTH: &[Default] = &[
    (
        "metadata.max.age.ms",
        "metadata.max.age.ms",
        As::Is,
        "300000",
    ),
    ("reconnect.backoff.ms", "reconnect.backoff.ms", As::Is, "50"),
    (
        "reconnect.backoff.max.ms",
        "reconnect.backoff.max.ms",
        As::Is,
        "1000",
    ),
    (
        "connections.max.idle.ms",
        "connections.max.idle.ms",
        As::Is,
        "540000",
    ),
];

/// Where the settings of drivers without a file come from.
const BUILT_IN: &str = "built-in setting";

/// What differs in one client.
pub(super) fn of(client: &Client) -> Vec<Differing> {
    let (role, own) = match client.role {
        Role::Producer => ("producer", PRODUCER),
        Role::Consumer => ("consumer", CONSUMER),
        Role::Admin => return Vec::new(),
    };
    let effective = super::effective::of(client.role, &client.pairs());
    let differing = own
        .iter()
        .chain(BOTH)
        .filter_map(|&(name, java_name, form, java)| {
            let canonical = known::canonical(name);
            let given = |setting: &Setting| {
                known::canonical(&setting.key) == canonical && was_written(setting.origin.as_ref())
            };
            if client.settings.iter().any(given) {
                return None;
            }
            let (_, ours) = effective.iter().find(|(key, _)| key == canonical)?;
            let ours = match form {
                As::Is => ours.clone(),
                As::Kibibytes => (ours.parse::<u64>().ok()? * 1024).to_string(),
            };
            (ours != java).then(|| Differing {
                role: role.to_owned(),
                name: java_name.to_owned(),
                ours,
                java: java.to_owned(),
            })
        });
    differing.collect()
}

/// By a person, that is.
fn was_written(origin: Option<&Origin>) -> bool {
    match origin {
        None => false,
        Some(Origin::CommandLine(option)) => option != BUILT_IN,
        Some(Origin::File { .. }) => true,
    }
}
