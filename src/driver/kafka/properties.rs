//! Kafka client properties: what a person wrote, turned into what librdkafka takes.
//!
//! Names and ranges come from librdkafka itself; names of the Java client are translated or set
//! aside by one table. Everything wrong is found here, before the first connection, and no value
//! of a secret is ever part of a message.

mod check;
mod defaults;
mod differing;
pub mod effective;
mod jaas;
pub mod java;
mod known;
mod values;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::{KafkaConfig, Origin, Problem, Property, is_secret, nearest};
use crate::driver::systems::Differing;
use java::{Meaning, Written};
use known::{Known, Scope};

/// Settings of each kind of client, ready for librdkafka.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientProperties {
    /// For producers.
    pub producer: Vec<(String, String)>,
    /// For consumers; `group.id` is added by whoever makes one.
    pub consumer: Vec<(String, String)>,
    /// For the steward's administration client.
    pub admin: Vec<(String, String)>,
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientProperties")
            .field("producer", &shown(&self.producer))
            .field("consumer", &shown(&self.consumer))
            .field("admin", &shown(&self.admin))
            .finish()
    }
}

/// The settings without the values of secrets: fit for logs and results.
pub fn shown(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    let shown = |(key, value)| (key, if is_secret(key) { "***" } else { value });
    settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .map(shown)
        .collect()
}

/// What [`prepare`] brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Settings of each kind of client.
    pub clients: ClientProperties,
    /// Settings of the topics that are created; the broker checks them.
    pub topic: Vec<(String, String)>,
    /// What was set aside or changed, and why: one sentence each, to be shown and reported.
    pub notes: Vec<String>,
    /// Defaults in which our clients differ from the Java client.
    pub differing: Vec<Differing>,
}

/// The kinds of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
    Admin,
}

/// The settings of one kind of client while they are gathered.
struct Client {
    role: Role,
    settings: Vec<Setting>,
}

/// One setting, under librdkafka's name.
#[derive(Clone, Debug)]
struct Setting {
    key: String,
    value: String,
    /// Who wrote it; `None`: omb.
    origin: Option<Origin>,
}

impl Client {
    fn new(role: Role) -> Self {
        Self {
            role,
            settings: Vec::new(),
        }
    }

    /// Replaces what is set under this name or one of its aliases.
    fn set(&mut self, key: &str, value: &str, origin: Option<Origin>) {
        let name = known::canonical(key);
        self.settings
            .retain(|setting| known::canonical(&setting.key) != name);
        self.settings.push(Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            origin,
        });
    }

    /// What is set under this name or one of its aliases.
    fn get(&self, key: &str) -> Option<&str> {
        let name = known::canonical(key);
        let found = self
            .settings
            .iter()
            .find(|setting| known::canonical(&setting.key) == name);
        found.map(|setting| setting.value.as_str())
    }

    /// Every setting, as librdkafka takes it.
    fn pairs(&self) -> Vec<(String, String)> {
        self.settings
            .iter()
            .map(|s| (s.key.clone(), s.value.clone()))
            .collect()
    }
}

/// The blocks a property can be written in, and the clients each of them speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Common,
    Producer,
    Consumer,
    Extra,
}

impl Block {
    fn speaks_to(self, role: Role) -> bool {
        match self {
            Block::Common | Block::Extra => true,
            Block::Producer => role == Role::Producer,
            Block::Consumer => role == Role::Consumer,
        }
    }
}

/// Turns the driver file's blocks, and `-X`, into what each client gets.
///
/// Later blocks win over earlier ones: common, then the client's own, then `-X`.
pub fn prepare(config: &KafkaConfig) -> Result<Prepared, Vec<Problem>> {
    let mut gathering = Gathering {
        clients: [Role::Producer, Role::Consumer, Role::Admin].map(Client::new),
        notes: Vec::new(),
        problems: Vec::new(),
    };
    for (block, properties) in [
        (Block::Common, &config.common),
        (Block::Producer, &config.producer),
        (Block::Consumer, &config.consumer),
        (Block::Extra, &config.extra),
    ] {
        for property in properties {
            gathering.take(
                block,
                property,
                &[properties, &config.common, &config.extra],
            );
        }
    }
    let Gathering {
        mut clients,
        notes,
        mut problems,
    } = gathering;
    admin_finds_the_brokers(&mut clients);
    clients.iter_mut().for_each(defaults::apply);
    if problems.is_empty() {
        // What contradicts itself, a certificate that can't be read: the library tells.
        clients
            .iter()
            .for_each(|client| check::whole(client, &mut problems));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let differing = clients.iter().flat_map(differing::of).collect();
    let [producer, consumer, admin] = clients.map(|client| client.pairs());
    let topic = config
        .topic
        .iter()
        .map(|p| (p.key.clone(), p.value.clone()))
        .collect();
    Ok(Prepared {
        clients: ClientProperties {
            producer,
            consumer,
            admin,
        },
        topic,
        notes,
        differing,
    })
}

/// Where only producers and consumers are told where the brokers are, the administrator goes to
/// the producers' ones.
fn admin_finds_the_brokers(clients: &mut [Client; 3]) {
    let [producer, _, admin] = clients;
    if admin.get("bootstrap.servers").is_none()
        && let Some(servers) = producer.get("bootstrap.servers")
    {
        admin.set("bootstrap.servers", servers, None);
    }
}

struct Gathering {
    clients: [Client; 3],
    notes: Vec<String>,
    problems: Vec<Problem>,
}

impl Prepared {
    /// The largest message, key included, that producers take: librdkafka's `message.max.bytes`.
    pub fn largest_message(&self) -> usize {
        const DEFAULT: usize = 1_000_000;
        let limit = self
            .clients
            .producer
            .iter()
            .find(|(key, _)| key == "message.max.bytes");
        limit
            .and_then(|(_, bytes)| bytes.parse().ok())
            .unwrap_or(DEFAULT)
    }
}

impl Gathering {
    /// Takes one property as written; `peers` are the blocks that may hold what belongs to it.
    fn take(&mut self, block: Block, property: &Property, peers: &[&[Property]]) {
        let peer = |key: &str| {
            let mut all = peers.iter().flat_map(|block| block.iter());
            all.find(|property| property.key == key)
                .map(|property| property.value.as_str())
        };
        let key = property.key.as_str();
        let meaning = match java::meaning(key, &property.value, &peer) {
            Written::AsIs(name) => {
                return self.give(block, property, name, property.value.clone());
            }
            Written::Java(meaning) => meaning,
        };
        match meaning {
            Meaning::Settings(settings) => {
                for (name, value) in settings {
                    self.give(block, property, name, value);
                }
            }
            Meaning::SetAside(None) => {}
            Meaning::SetAside(Some(why)) => {
                self.notes
                    .push(format!("{}: {key} is set aside: {why}", property.origin));
            }
            Meaning::Wrong(message) => self.problem(property, message),
        }
    }

    /// Gives one setting of librdkafka to the clients that the block speaks to and that know it.
    fn give(&mut self, block: Block, property: &Property, name: &str, value: String) {
        let Some(known) = known::find(name) else {
            return self.problem(property, unknown(name));
        };
        if known.program_only {
            let message = format!("{name} can't be set from a file; remove it");
            return self.problem(property, message);
        }
        let suits = |role: Role| block.speaks_to(role) && known.scope.includes(role);
        if !self.clients.iter().any(|client| suits(client.role)) {
            if block == Block::Consumer && name == "request.timeout.ms" {
                let why = "librdkafka has it for producers only; consumers have socket.timeout.ms";
                self.notes
                    .push(format!("{}: {name} is set aside: {why}", property.origin));
                return;
            }
            return self.problem(property, misplaced(name, known));
        }
        let value = match clamped(known, &value, java::shared(&property.key)) {
            Some(bound) => {
                self.notes.push(format!(
                    "{}: {}={} is outside librdkafka's range {}; {name}={bound} is used",
                    property.origin, property.key, property.value, known.range
                ));
                bound
            }
            None => value,
        };
        if let Err(reason) = check::one(name, &value) {
            let message = match property.key.as_str() {
                key if key == name => reason,
                key => format!("{key}: {reason}"),
            };
            return self.problem(property, message);
        }
        for client in self.clients.iter_mut().filter(|client| suits(client.role)) {
            client.set(name, &value, Some(property.origin.clone()));
        }
    }

    fn problem(&mut self, property: &Property, message: String) {
        self.problems.push(Problem {
            origin: property.origin.clone(),
            message,
        });
    }
}

fn unknown(name: &str) -> String {
    let advice = match nearest(name, known::names().chain(java::names())) {
        Some(near) => format!("did you mean {near}?"),
        None => "remove it, or see librdkafka's CONFIGURATION.md for the names".to_owned(),
    };
    format!("no Kafka client knows {name}; {advice}")
}

fn misplaced(name: &str, known: &Known) -> String {
    match known.scope {
        Scope::Producer => {
            format!("{name} is a setting of producers; move it to producerConfig")
        }
        Scope::Consumer => {
            format!("{name} is a setting of consumers; move it to consumerConfig")
        }
        Scope::Both => format!("{name} does not belong here; move it to commonConfig"),
    }
}

/// The nearest bound, for a number that is fine for the Java client but not for librdkafka.
fn clamped(known: &Known, value: &str, shared: bool) -> Option<String> {
    let (low, high) = known.bounds()?;
    let number: i64 = value.trim().parse().ok()?;
    let outside = shared && number >= 0 && !(low..=high).contains(&number);
    outside.then(|| number.clamp(low, high).to_string())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod document_tests;
