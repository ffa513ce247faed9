//! Where things are: what the name servers know, and how brokers are reached.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::connection::Connection;
use super::frame::{Credentials, Frame, Request, ask, code, standard_json};
use crate::clock::Instant;
use crate::config::RocketMqConfig;
use crate::driver::DriverError;

/// Where a name server listens that nothing else is said of.
const PORT: u16 = 9876;

/// How long one name server may take, where there is another one.
const ONE_WITHIN: Duration = Duration::from_secs(3);

/// Bits of `perm`.
const READ: u64 = 4;
const WRITE: u64 = 2;

/// The name servers, and how clients prove who they are.
#[derive(Clone)]
pub struct Cluster {
    pub config: Arc<RocketMqConfig>,
    name_servers: Arc<[String]>,
    credentials: Option<Arc<Credentials>>,
}

/// One queue of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its broker, as an index.
    pub broker: usize,
    /// Its number there.
    pub id: u32,
    pub readable: bool,
    pub writable: bool,
}

/// Where a topic is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Names of its brokers, and where their masters are, in the order of the names.
    pub brokers: Vec<(String, Option<String>)>,
    /// Its queues: a broker's, then the next one's. Their places in here are the partitions' numbers.
    pub queues: Vec<Queue>,
}

/// What somebody answers who says no.
pub fn refused(what: &str, frame: &Frame<'_>) -> DriverError {
    // Rights are not given by asking again.
    let says = if frame.code == code::NO_PERMISSION {
        "cannot"
    } else {
        "RocketMQ does not"
    };
    DriverError(format!("{says} {what}: {}", frame.remark()))
}

/// The content of an answer; null where it is none.
pub fn content(frame: &Frame<'_>) -> Value {
    serde_json::from_slice(&standard_json(frame.body)).unwrap_or_default()
}

impl Cluster {
    /// As the file has it.
    pub fn new(config: &RocketMqConfig) -> Self {
        let address = |uri: &crate::config::Uri| match uri.port() {
            Some(_) => uri.host_port().to_owned(),
            None => format!("{}:{PORT}", uri.host_port()),
        };
        let credentials = config.credentials.as_ref();
        Self {
            name_servers: config.name_servers.iter().map(address).collect(),
            credentials: credentials
                .map(|(access, secret)| Credentials::new(access, secret).into()),
            config: Arc::new(config.clone()),
        }
    }

    /// The name servers, for people.
    pub fn shown(&self) -> String {
        self.name_servers.join(";")
    }

    /// Their addresses.
    pub fn name_servers(&self) -> &[String] {
        &self.name_servers
    }

    /// A connection to a name server or a broker.
    pub fn open(&self, address: &str, until: Instant) -> Result<Connection, DriverError> {
        Connection::open(address, self.credentials.clone(), until).map_err(DriverError)
    }

    /// Where producers go, of a broker with this address.
    pub fn for_producers(&self, address: &str) -> String {
        let parts = address.rsplit_once(':');
        let port = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        match port {
            Some((host, port)) if self.config.vip_channel => {
                format!("{host}:{}", port.saturating_sub(2))
            }
            _ => address.to_owned(),
        }
    }

    /// The name servers, not connected yet.
    pub fn names(&self) -> Names {
        Names {
            cluster: self.clone(),
            connection: None,
        }
    }
}

/// The name servers, and the connection to the one that has answered last.
pub struct Names {
    cluster: Cluster,
    connection: Option<Connection>,
}

impl Names {
    /// Asks that one, or else one after the other until one answers.
    pub fn ask<T>(
        &mut self,
        request: &Request<'_>,
        until: Instant,
        mut read: impl FnMut(&Frame<'_>) -> T,
    ) -> Result<T, DriverError> {
        if let Some(mut connection) = self.connection.take()
            && let Ok(answer) = connection.ask(request, until, &mut read)
        {
            self.connection = Some(connection);
            return Ok(answer);
        }
        let mut failed = Vec::new();
        let addresses = self.cluster.name_servers.clone();
        for (number, address) in addresses.iter().enumerate() {
            let last = number + 1 == addresses.len();
            let until = if last {
                until
            } else {
                until.min(Instant::now() + ONE_WITHIN)
            };
            let answered = self
                .cluster
                .open(address, until)
                .and_then(|mut connection| {
                    let answer = connection.ask(request, until, &mut read);
                    let answer =
                        answer.map_err(|error| DriverError(format!("{address}: {error}")))?;
                    Ok((connection, answer))
                });
            match answered {
                Ok((connection, answer)) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
                Err(error) => failed.push(error.0),
            }
        }
        Err(DriverError(failed.join("; ")))
    }

    /// Where a topic is; `None` where it isn't.
    pub fn route(&mut self, topic: &str, until: Instant) -> Result<Option<Route>, DriverError> {
        let request = Request {
            code: ask::GET_ROUTEINFO_BY_TOPIC,
            fields: &[("topic", topic), ("acceptStandardJsonOnly", "true")],
            body: &[],
            one_way: false,
        };
        self.ask(&request, until, |frame| match frame.code {
            code::SUCCESS => Ok(Some(Route::read(&content(frame)))),
            code::TOPIC_NOT_EXIST => Ok(None),
            _ => Err(refused(&format!("find topic {topic}"), frame)),
        })?
    }

    /// The cluster that the file names, or the only one there is: its name, and its masters with their
    /// addresses.
    pub fn masters(
        &mut self,
        until: Instant,
    ) -> Result<(String, BTreeMap<String, String>), DriverError> {
        let request = Request {
            code: ask::GET_BROKER_CLUSTER_INFO,
            fields: &[],
            body: &[],
            one_way: false,
        };
        let info = self.ask(&request, until, |frame| match frame.code {
            code::SUCCESS => Ok(content(frame)),
            _ => Err(refused("tell of its brokers", frame)),
        })??;
        let names = info["clusterAddrTable"].as_object().into_iter().flatten();
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        let name = chosen(self.cluster.config.cluster.as_deref(), &names)?;
        let brokers = info["brokerAddrTable"].as_object().into_iter().flatten();
        let masters = brokers.filter_map(|(broker, of_it)| {
            let address = of_it["brokerAddrs"]["0"].as_str()?;
            (of_it["cluster"] == name).then(|| (broker.clone(), address.to_owned()))
        });
        Ok((name.to_owned(), masters.collect()))
    }
}

/// Which of these clusters is meant.
fn chosen<'a>(wanted: Option<&'a str>, names: &[&'a str]) -> Result<&'a str, DriverError> {
    let choice = || format!("set clusterName to one of {}", names.join(", "));
    match (wanted, names) {
        (_, []) => Err(DriverError("the name servers know no broker".to_owned())),
        (Some(wanted), _) if names.contains(&wanted) => Ok(wanted),
        (Some(wanted), _) => Err(DriverError(format!(
            "there is no cluster {wanted}; {}",
            choice()
        ))),
        (None, [only]) => Ok(only),
        (None, _) => Err(DriverError(format!(
            "there are several clusters; {}",
            choice()
        ))),
    }
}

impl Route {
    fn read(content: &Value) -> Self {
        let list = |name: &str| content[name].as_array().cloned().unwrap_or_default();
        let name = |of: &Value| of["brokerName"].as_str().unwrap_or_default().to_owned();
        let masters: BTreeMap<String, String> = list("brokerDatas")
            .iter()
            .filter_map(|of| Some((name(of), of["brokerAddrs"]["0"].as_str()?.to_owned())))
            .collect();
        let mut of_brokers: Vec<Value> = list("queueDatas");
        of_brokers.sort_by_key(&name);
        of_brokers.dedup_by_key(|of| name(of));
        let mut route = Self::default();
        for of in &of_brokers {
            let number = |key: &str| of[key].as_u64().unwrap_or(0);
            let (reads, writes) = (number("readQueueNums"), number("writeQueueNums"));
            let perm = number("perm");
            let queue = |id: u64| Queue {
                broker: route.brokers.len(),
                id: id as u32,
                readable: id < reads && perm & READ != 0,
                writable: id < writes && perm & WRITE != 0,
            };
            let queues: Vec<Queue> = (0..reads.max(writes)).map(queue).collect();
            route.queues.extend(queues);
            route
                .brokers
                .push((name(of), masters.get(&name(of)).cloned()));
        }
        route
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Uri;

    #[test]
    fn queues_are_numbered_by_their_brokers_names() {
        let content = json!({
            "brokerDatas": [
                {"brokerName": "a", "brokerAddrs": {"0": "h:1", "1": "h:2"}, "cluster": "c"},
                {"brokerName": "b", "brokerAddrs": {"1": "h:3"}, "cluster": "c"},
            ],
            "queueDatas": [
                {"brokerName": "b", "perm": 4, "readQueueNums": 1, "writeQueueNums": 1},
                {"brokerName": "a", "perm": 6, "readQueueNums": 1, "writeQueueNums": 2},
            ],
        });
        let route = Route::read(&content);
        let queue = |broker, id, readable, writable| Queue {
            broker,
            id,
            readable,
            writable,
        };
        let queues = [
            queue(0, 0, true, true),
            queue(0, 1, false, true),
            queue(1, 0, true, false),
        ];
        assert_eq!(route.queues, queues);
        // The second one has no master now.
        let brokers = [
            ("a".to_owned(), Some("h:1".to_owned())),
            ("b".to_owned(), None),
        ];
        assert_eq!(route.brokers, brokers);
    }

    #[test]
    fn a_cluster_is_chosen_by_its_name_or_by_being_alone() {
        assert_eq!(chosen(Some("b"), &["a", "b"]), Ok("b"));
        assert_eq!(chosen(None, &["a"]), Ok("a"));
        for (wanted, names) in [(Some("c"), &["a", "b"][..]), (None, &["a", "b"])] {
            let told = chosen(wanted, names).unwrap_err().to_string();
            assert!(told.contains("clusterName to one of a, b"), "{told}");
        }
        assert!(chosen(Some("a"), &[]).is_err());
    }

    #[test]
    fn name_servers_have_a_usual_port_and_brokers_one_for_producers() {
        let uri = |text: &str| Uri::parse(text, &["rocketmq"]).unwrap();
        let mut config = RocketMqConfig {
            name_servers: vec![uri("rocketmq://a"), uri("rocketmq://[::1]:7")],
            ..RocketMqConfig::default()
        };
        let cluster = Cluster::new(&config);
        assert_eq!(cluster.shown(), "a:9876;[::1]:7");
        assert_eq!(cluster.for_producers("h:10911"), "h:10911");
        config.vip_channel = true;
        assert_eq!(
            Cluster::new(&config).for_producers("[::1]:10911"),
            "[::1]:10909"
        );
    }
}
