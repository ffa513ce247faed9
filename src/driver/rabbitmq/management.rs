//! What AMQP has no words for: which exchanges and queues there are, by the management plugin's HTTP API.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lapin::uri::{AMQPScheme, AMQPUri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::clock::Instant;
use crate::config::RabbitMqConfig;
use crate::driver::{DriverError, SeenGroup, SeenTopic, Survey};

/// The plugin's port is AMQP's and so much: 15672 beside 5672, and 15671 beside 5671, over TLS.
const PORT_AFTER: u16 = 10_000;

/// What was published is counted every 5 s.
const COUNTED_AFTER: Duration = Duration::from_millis(5_500);

/// Largest answer that is read.
const LARGEST: u64 = 256 << 20;

/// The management plugin of a node.
pub struct Management {
    /// `http://HOST:PORT`.
    base: String,
    authorization: String,
    virtual_host: String,
}

#[derive(Deserialize)]
struct Overview {
    cluster_name: String,
}

#[derive(Deserialize)]
struct Exchange {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    message_stats: Option<MessageStats>,
}

#[derive(Deserialize)]
struct MessageStats {
    #[serde(default)]
    publish_in: u64,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
}

/// A consumer, as it was known up to 5 s ago.
#[derive(Deserialize)]
struct Consumer {
    queue: Queue,
}

impl Management {
    /// That of the first node, unless the file says where it is.
    pub fn new(config: &RabbitMqConfig) -> Self {
        let first = config.uris.first();
        let first: AMQPUri = first
            .and_then(|uri| uri.secret().parse().ok())
            .unwrap_or_default();
        let user = &first.authority.userinfo;
        let (user, password) = (&user.username, &user.password);
        let scheme = match first.scheme {
            AMQPScheme::AMQP => "http",
            AMQPScheme::AMQPS => "https",
        };
        let host = first.authority.host.as_str();
        let port = first.authority.port.saturating_add(PORT_AFTER);
        let (base, credentials) = match &config.management {
            Some(uri) => (
                uri.to_string().trim_end_matches('/').to_owned(),
                uri.user_info().map(str::to_owned),
            ),
            None if host.contains(':') && !host.starts_with('[') => {
                (format!("{scheme}://[{host}]:{port}"), None)
            }
            None => (format!("{scheme}://{host}:{port}"), None),
        };
        let credentials = credentials.unwrap_or_else(|| format!("{user}:{password}"));
        Self {
            base,
            authorization: format!("Basic {}", BASE64_STANDARD.encode(credentials)),
            virtual_host: encoded(&first.vhost),
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str, deadline: Instant) -> Result<T, DriverError> {
        let time = deadline.since(Instant::now()).max(Duration::from_millis(1));
        let config = Agent::config_builder().timeout_global(Some(time)).build();
        let url = format!("{}{path}", self.base);
        let answer = Agent::new_with_config(config)
            .get(&url)
            .header("authorization", &self.authorization)
            .call();
        let read = answer.and_then(|mut answer| {
            let body = answer.body_mut().with_config().limit(LARGEST);
            body.read_json()
        });
        read.map_err(|error| {
            DriverError(format!(
                "RabbitMQ's management plugin does not answer at {url}: {error}; enable \
                 rabbitmq_management, or set managementUri in the driver file"
            ))
        })
    }

    /// The cluster's name.
    pub fn cluster(&self, deadline: Instant) -> Option<String> {
        let soon = deadline.min(Instant::now() + Duration::from_secs(3));
        let overview: Overview = self.get("/api/overview", soon).ok()?;
        Some(overview.cluster_name)
    }

    fn exchanges(&self, columns: &str, deadline: Instant) -> Result<Vec<Exchange>, DriverError> {
        let path = format!("/api/exchanges/{}?columns={columns}", self.virtual_host);
        self.get(&path, deadline)
    }

    /// Fanout exchanges of the virtual host, and queues that are named after one.
    pub fn survey(&self, deadline: Instant) -> Result<Survey, DriverError> {
        let exchanges = self.exchanges("name,type", deadline)?;
        let path = format!("/api/queues/{}?columns=name", self.virtual_host);
        let queues: Vec<Queue> = self.get(&path, deadline)?;
        let path = format!("/api/consumers/{}", self.virtual_host);
        let consumers: Vec<Consumer> = self.get(&path, deadline)?;
        let read = consumers.into_iter().map(|c| c.queue.name).collect();
        let names = exchanges
            .into_iter()
            .filter(|exchange| exchange.kind == "fanout" && !exchange.name.starts_with("amq."))
            .map(|exchange| exchange.name);
        Ok(survey(names.collect(), queues, &read))
    }

    /// Messages published to exchanges so far; waits until nothing before the call is missing.
    pub fn published(&self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>> {
        std::thread::sleep(COUNTED_AFTER);
        let Ok(exchanges) = self.exchanges("name,type,message_stats.publish_in", deadline) else {
            return vec![None; topics.len()];
        };
        let published: HashMap<String, u64> = exchanges
            .into_iter()
            .map(|e| (e.name, e.message_stats.map_or(0, |stats| stats.publish_in)))
            .collect();
        let of = |topic: &SeenTopic| published.get(&topic.name).map(|&count| vec![count]);
        topics.iter().map(of).collect()
    }
}

/// Groups are what comes behind the longest name of an exchange that a queue's name begins with; where
/// the exchange is gone, behind omb's own kind of topic.
fn survey(mut exchanges: Vec<String>, queues: Vec<Queue>, read: &HashSet<String>) -> Survey {
    exchanges.sort();
    let mut groups: BTreeMap<String, SeenGroup> = BTreeMap::new();
    for queue in queues {
        let Some((topic, name)) = parted(&queue.name, &exchanges) else {
            continue;
        };
        let group = groups.entry(name.clone()).or_insert_with(|| SeenGroup {
            name,
            empty: true,
            topics: Some(Vec::new()),
        });
        group.empty &= !read.contains(&queue.name);
        group.topics.get_or_insert_default().push(topic);
    }
    let topic = |name| SeenTopic {
        name,
        partitions: 1,
    };
    Survey {
        topics: exchanges.into_iter().map(topic).collect(),
        groups: groups.into_values().collect(),
    }
}

/// A queue's topic and group.
fn parted(queue: &str, exchanges: &[String]) -> Option<(String, String)> {
    let hyphens = queue.match_indices('-').map(|(at, _)| at);
    let known = |&at: &usize| {
        exchanges
            .binary_search_by(|e| e.as_str().cmp(&queue[..at]))
            .is_ok()
    };
    let of_omb = |&at: &usize| queue[at + 1..].starts_with("sub-");
    let at = hyphens
        .clone()
        .rfind(known)
        .or_else(|| hyphens.clone().rfind(of_omb))?;
    Some((queue[..at].to_owned(), queue[at + 1..].to_owned()))
}

/// A part of a URL's path.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let byte = |byte: u8| match byte {
        byte if keep(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_told_apart_by_the_exchanges_they_are_named_after() {
        let exchanges = ["a", "a-b", "test-topic-0-0000000a"].map(str::to_owned);
        let queues = [
            "a-b-mine",
            "a-c",
            "a-mine",
            "test-topic-0-0000000a-sub-000-0000000a",
            // Its exchange is gone.
            "test-topic-0-0000000c-sub-000-0000000c",
            "somebody-elses",
        ];
        let queues = queues.map(|name| Queue {
            name: name.to_owned(),
        });
        let read = ["a-c", "a-mine"].map(str::to_owned).into();
        let survey = survey(exchanges.to_vec(), queues.into(), &read);
        let groups: Vec<_> = survey
            .groups
            .iter()
            .map(|g| {
                (
                    g.name.as_str(),
                    g.empty,
                    g.topics.clone().unwrap().join(","),
                )
            })
            .collect();
        let expected = [
            ("c", false, "a"),
            ("mine", false, "a-b,a"),
            ("sub-000-0000000a", true, "test-topic-0-0000000a"),
            ("sub-000-0000000c", true, "test-topic-0-0000000c"),
        ];
        assert_eq!(groups, expected.map(|(n, e, t)| (n, e, t.to_owned())));
    }

    #[test]
    fn virtual_hosts_are_encoded() {
        assert_eq!(encoded("/"), "%2F");
        assert_eq!(encoded("my_host ü"), "my_host%20%C3%BC");
    }
}
