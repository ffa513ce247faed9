//! Administration: topics and subscription groups at the brokers, and where name servers find them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{Cluster, Names, Queue, Route, content, refused};
use super::connection::Connection;
use super::frame::{Frame, Request, ask, code};
use super::heart_beat;
use crate::clock::Instant;
use crate::driver::patience::enter;
use crate::driver::{
    Admin, DriverError, Group, Leftovers, NewTopic, SeenGroup, SeenTopic, Survey, TopicState,
    Undone,
};

/// Pause between two looks at what is not as it should be yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What brokers make for a group, and what may be left of it.
const RETRIES: &str = "%RETRY%";
const DEAD_LETTERS: &str = "%DLQ%";

/// Creates and deletes topics and groups.
pub struct RocketMqAdmin {
    cluster: Cluster,
    names: Names,
    /// By name.
    masters: BTreeMap<String, Master>,
}

struct Master {
    address: String,
    connection: Option<Connection>,
}

impl RocketMqAdmin {
    /// Not connected yet.
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            names: cluster.names(),
            masters: BTreeMap::new(),
        }
    }

    /// Finds the cluster's masters, as they are now.
    fn find(&mut self, until: Instant) -> Result<String, DriverError> {
        let (name, masters) = self.names.masters(until)?;
        if masters.is_empty() {
            return Err(DriverError(format!(
                "no broker of cluster {name} has a master now"
            )));
        }
        self.masters
            .retain(|broker, known| masters.get(broker) == Some(&known.address));
        for (broker, address) in masters {
            self.masters.entry(broker).or_insert(Master {
                address,
                connection: None,
            });
        }
        Ok(name)
    }

    /// The masters' names.
    fn brokers(&mut self, until: Instant) -> Result<Vec<String>, DriverError> {
        if self.masters.is_empty() {
            self.find(until)?;
        }
        Ok(self.masters.keys().cloned().collect())
    }

    /// Asks a master; a connection that broke is made once more.
    fn ask<T>(
        &mut self,
        broker: &str,
        request: &Request<'_>,
        until: Instant,
        mut read: impl FnMut(&Frame<'_>) -> T,
    ) -> Result<T, DriverError> {
        let gone = || DriverError(format!("there is no broker {broker} any more"));
        let master = self.masters.get_mut(broker).ok_or_else(gone)?;
        let address = master.address.clone();
        let told = |error: String| DriverError(format!("{address}: {error}"));
        if let Some(mut connection) = master.connection.take()
            && let Ok(answer) = connection.ask(request, until, &mut read)
        {
            master.connection = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.cluster.open(&address, until)?;
        let answer = connection.ask(request, until, read).map_err(told)?;
        master.connection = Some(connection);
        Ok(answer)
    }

    /// Has a master do something; `but` are answers that are as good as that it was done.
    fn order(
        &mut self,
        broker: &str,
        request: &Request<'_>,
        what: &str,
        but: &[u16],
        until: Instant,
    ) -> Result<(), Undone> {
        self.ask(broker, request, until, |frame| match frame.code {
            code::SUCCESS => Ok(()),
            other if but.contains(&other) => Ok(()),
            _ => Err(Undone::Refused(refused(what, frame))),
        })?
    }

    /// Content that a master has under a code.
    fn all(
        &mut self,
        broker: &str,
        code: u16,
        what: &str,
        until: Instant,
    ) -> Result<Value, DriverError> {
        self.ask(broker, &plain(code, &[]), until, |frame| match frame.code {
            code::SUCCESS => Ok(content(frame)),
            _ => Err(refused(what, frame)),
        })?
    }

    /// Makes a topic; its queues are shared out among the brokers.
    fn create(&mut self, topic: &NewTopic, until: Instant) -> Result<(), DriverError> {
        let brokers = self.brokers(until)?;
        let attributes = match self.cluster.config.batch_queues {
            true => "+queue.type=BatchCQ",
            false => "",
        };
        for (at, broker) in (0..).zip(&brokers) {
            let count = brokers.len() as u32;
            let queues = topic.partitions / count + u32::from(at < topic.partitions % count);
            if queues == 0 {
                continue;
            }
            let queues = queues.to_string();
            let fields = [
                ("topic", topic.name.as_str()),
                ("defaultTopic", &topic.name),
                ("readQueueNums", &queues),
                ("writeQueueNums", &queues),
                ("perm", "6"),
                ("topicFilterType", "SINGLE_TAG"),
                ("topicSysFlag", "0"),
                ("order", "false"),
                ("attributes", attributes),
            ];
            let request = plain(ask::UPDATE_AND_CREATE_TOPIC, &fields);
            let what = format!("create topic {}", topic.name);
            self.order(broker, &request, &what, &[], until)?;
        }
        Ok(())
    }

    /// Topics that the name servers or brokers know, whatever made them.
    fn topic_names(&mut self, until: Instant) -> Result<BTreeSet<String>, DriverError> {
        let request = plain(ask::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, &[]);
        let listed = self.names.ask(&request, until, |frame| match frame.code {
            code::SUCCESS => Ok(content(frame)),
            _ => Err(refused("list topics", frame)),
        })??;
        let listed = listed["topicList"].as_array().into_iter().flatten();
        let mut names: BTreeSet<String> = listed
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect();
        names.extend(self.topic_queues(until)?.into_keys());
        Ok(names)
    }

    /// Topics that brokers have, with their queues.
    fn topic_queues(&mut self, until: Instant) -> Result<BTreeMap<String, u32>, DriverError> {
        let mut topics: BTreeMap<String, u32> = BTreeMap::new();
        for broker in self.brokers(until)? {
            let all = self.all(&broker, ask::GET_ALL_TOPIC_CONFIG, "list topics", until)?;
            for (name, of) in all["topicConfigTable"].as_object().into_iter().flatten() {
                let number = |key: &str| of[key].as_u64().unwrap_or(0);
                let queues = number("readQueueNums").max(number("writeQueueNums")) as u32;
                *topics.entry(name.clone()).or_default() += queues;
            }
        }
        Ok(topics)
    }

    /// Groups that brokers have.
    fn group_names(&mut self, until: Instant) -> Result<BTreeSet<String>, DriverError> {
        let mut names = BTreeSet::new();
        for broker in self.brokers(until)? {
            let code = ask::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
            let all = self.all(&broker, code, "list groups", until)?;
            let groups = all["subscriptionGroupTable"]
                .as_object()
                .into_iter()
                .flatten();
            names.extend(groups.map(|(name, _)| name.clone()));
        }
        Ok(names)
    }

    /// How many members a group has, and what they are subscribed to.
    fn members(
        &mut self,
        group: &str,
        until: Instant,
    ) -> Result<(usize, BTreeSet<String>), DriverError> {
        let (mut count, mut topics) = (0, BTreeSet::new());
        for broker in self.brokers(until)? {
            let fields = [("consumerGroup", group)];
            let request = plain(ask::GET_CONSUMER_CONNECTION_LIST, &fields);
            let connected = self.ask(&broker, &request, until, |frame| match frame.code {
                code::SUCCESS => Ok(content(frame)),
                code::CONSUMER_NOT_ONLINE => Ok(Value::Null),
                _ => Err(refused(&format!("look at group {group}"), frame)),
            })??;
            count += connected["connectionSet"].as_array().map_or(0, Vec::len);
            let subscribed = connected["subscriptionTable"]
                .as_object()
                .into_iter()
                .flatten();
            let own = subscribed
                .map(|(topic, _)| topic)
                .filter(|topic| !topic.starts_with('%'));
            topics.extend(own.cloned());
        }
        Ok((count, topics))
    }

    /// Topics that a group has committed offsets of.
    fn committed_topics(
        &mut self,
        group: &str,
        until: Instant,
    ) -> Result<BTreeSet<String>, DriverError> {
        let mut topics = BTreeSet::new();
        for broker in self.brokers(until)? {
            let fields = [("group", group)];
            let request = plain(ask::QUERY_TOPICS_BY_CONSUMER, &fields);
            let list = self.ask(&broker, &request, until, |frame| match frame.code {
                code::SUCCESS => Ok(content(frame)),
                _ => Err(refused(&format!("look at group {group}"), frame)),
            })??;
            let list = list["topicList"].as_array().into_iter().flatten();
            topics.extend(list.filter_map(|name| Some(name.as_str()?.to_owned())));
        }
        Ok(topics)
    }

    /// The offset that each queue's next message will get.
    fn ends_of(
        &mut self,
        topic: &str,
        route: &Route,
        until: Instant,
    ) -> Result<Vec<u64>, DriverError> {
        self.brokers(until)?;
        let mut ends = Vec::with_capacity(route.queues.len());
        for queue in &route.queues {
            let (broker, _) = &route.brokers[queue.broker];
            let id = queue.id.to_string();
            let fields = [("topic", topic), ("queueId", &id)];
            let request = plain(ask::GET_MAX_OFFSET, &fields);
            ends.push(self.ask(broker, &request, until, |frame| match frame.code {
                code::SUCCESS => Ok(frame.whole("offset").unwrap_or(0)),
                _ => Err(refused(&format!("look at topic {topic}"), frame)),
            })??);
        }
        Ok(ends)
    }

    /// The same, once what was stored a moment ago can be seen: brokers number messages a moment after they
    /// have acknowledged them.
    fn settled_ends(
        &mut self,
        topic: &str,
        route: &Route,
        until: Instant,
    ) -> Result<Vec<u64>, DriverError> {
        const LOOKS: usize = 5;
        let mut ends = self.ends_of(topic, route, until)?;
        for _ in 0..LOOKS {
            std::thread::sleep(LOOK_AGAIN);
            let again = self.ends_of(topic, route, until)?;
            if std::mem::replace(&mut ends, again) == ends {
                break;
            }
        }
        Ok(ends)
    }

    /// Commits where a group begins, in one queue of each broker. Where a broker has none of a group and a topic
    /// yet, and two of its threads are to keep the first ones, it may forget one of them.
    fn prepare_commits(
        &mut self,
        group: &str,
        topic: &str,
        until: Instant,
    ) -> Result<(), DriverError> {
        let route = self.names.route(topic, until)?.unwrap_or_default();
        for (number, _) in route.brokers.iter().enumerate() {
            let mut queues = route.queues.iter();
            if let Some(queue) = queues.find(|queue| queue.broker == number) {
                self.commit(group, topic, &route, queue, 0, until)?;
            }
        }
        Ok(())
    }

    /// Has a group begin to read a queue at an offset.
    fn commit(
        &mut self,
        group: &str,
        topic: &str,
        route: &Route,
        queue: &Queue,
        offset: u64,
        until: Instant,
    ) -> Result<(), DriverError> {
        let (id, offset) = (queue.id.to_string(), offset.to_string());
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", &id),
            ("commitOffset", &offset),
        ];
        let request = plain(ask::UPDATE_CONSUMER_OFFSET, &fields);
        let what = format!("set where group {group} starts");
        self.order(&route.brokers[queue.broker].0, &request, &what, &[], until)?;
        Ok(())
    }

    /// Deletes a topic, whoever knows it.
    fn delete_topic(&mut self, topic: &str, until: Instant) -> Result<(), Undone> {
        let fields = [("topic", topic)];
        let what = format!("delete topic {topic}");
        for broker in self.brokers(until)? {
            let request = plain(ask::DELETE_TOPIC_IN_BROKER, &fields);
            let but = [code::TOPIC_NOT_EXIST];
            self.order(&broker, &request, &what, &but, until)?;
        }
        let request = plain(ask::DELETE_TOPIC_IN_NAMESRV, &fields);
        for address in self.cluster.name_servers().to_vec() {
            let mut name_server = self.cluster.open(&address, until)?;
            let done = name_server.ask(&request, until, |frame| match frame.code {
                code::SUCCESS | code::TOPIC_NOT_EXIST => Ok(()),
                _ => Err(Undone::Refused(refused(&what, frame))),
            });
            done.map_err(|error| DriverError(format!("{address}: {error}")))??;
        }
        Ok(())
    }
}

fn plain<'a>(code: u16, fields: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request {
        code,
        fields,
        body: &[],
        one_way: false,
    }
}

/// Not a person's: what brokers make for themselves and for groups.
fn is_own(topic: &str, brokers: &[String], cluster: &str) -> bool {
    const NAMES: [&str; 9] = [
        "TBW102",
        "BenchmarkTest",
        "SELF_TEST_TOPIC",
        "OFFSET_MOVED_EVENT",
        "SCHEDULE_TOPIC_XXXX",
        "TRANS_CHECK_MAX_TIME_TOPIC",
        "CHECKPOINT_TOPIC",
        "RMQ_SYS_TRACE_TOPIC",
        "SYNC_BROKER_MEMBER",
    ];
    let starts = ["%", "rmq_sys_", "RMQ_SYS_"]
        .iter()
        .any(|start| topic.starts_with(start));
    let is_reply = topic.strip_suffix("_REPLY_TOPIC") == Some(cluster);
    starts
        || is_reply
        || topic == cluster
        || NAMES.contains(&topic)
        || brokers.iter().any(|b| b == topic)
}

impl Admin for RocketMqAdmin {
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError> {
        let shown = self.cluster.shown();
        // What will not change: a name that is wrong, or a key.
        let hopeless = ["clusterName", "(code 16)", "host", "lookup", "resolve"];
        let entered = enter(deadline, &hopeless, || {
            self.find(deadline)?;
            let beat = heart_beat("omb-steward", None, None);
            for broker in self.brokers(deadline)? {
                let answer = self.ask(&broker, &beat.request(), deadline, |frame| {
                    (frame.code != code::SUCCESS).then(|| frame.remark())
                })?;
                answer.map_or(Ok(()), |refusal| Err(DriverError(refusal)))?;
            }
            Ok(())
        });
        entered.map_err(|error| {
            DriverError(format!(
                "no RocketMQ lets us in at {shown}: {error}; check -b or namesrvAddr, clusterName, \
                 accessKey and secretKey"
            ))
        })
    }

    /// Its name, and where its masters are reached.
    fn cluster(&mut self, deadline: Instant) -> Option<String> {
        let name = self.find(deadline).ok()?;
        let masters = self
            .masters
            .iter()
            .map(|(broker, of)| format!(" {broker}@{}", of.address));
        Some(masters.fold(name, |all, one| all + &one))
    }

    fn create_topics(&mut self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        let there = self.topic_names(deadline)?;
        if let Some(topic) = topics.iter().find(|topic| there.contains(&topic.name)) {
            let name = &topic.name;
            return Err(DriverError(format!(
                "topic {name} exists already: delete it, or use it with --topic {name}"
            )));
        }
        for topic in topics {
            self.create(topic, deadline)?;
        }
        // Brokers tell the name servers by and by.
        for topic in topics {
            loop {
                let route = self.names.route(&topic.name, deadline)?.unwrap_or_default();
                if route.queues.len() >= topic.partitions as usize {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(DriverError(format!(
                        "the name servers know {} of the {} queues of topic {}",
                        route.queues.len(),
                        topic.partitions,
                        topic.name
                    )));
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        Ok(())
    }

    fn create_groups(&mut self, groups: &[Group], deadline: Instant) -> Result<(), DriverError> {
        for group in groups {
            let body = json!({"groupName": group.name, "consumeEnable": true}).to_string();
            let request = Request {
                body: body.as_bytes(),
                ..plain(ask::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[])
            };
            let what = format!("create group {}", group.name);
            for broker in self.brokers(deadline)? {
                self.order(&broker, &request, &what, &[], deadline)?;
            }
            for topic in &group.topics {
                self.prepare_commits(&group.name, topic, deadline)?;
            }
        }
        Ok(())
    }

    /// What all brokers take.
    fn largest_message(&mut self, _topic: &str, deadline: Instant) -> Option<u64> {
        let mut largest: Option<u64> = None;
        for broker in self.brokers(deadline).ok()? {
            let request = plain(ask::GET_BROKER_CONFIG, &[]);
            let of_broker = self.ask(&broker, &request, deadline, |frame| {
                let settings = String::from_utf8_lossy(frame.body).into_owned();
                let mut lines = settings.lines();
                lines.find_map(|line| line.strip_prefix("maxMessageSize=")?.trim().parse().ok())
            });
            let of_broker = of_broker.ok()??;
            largest = Some(largest.map_or(of_broker, |least: u64| least.min(of_broker)));
        }
        largest
    }

    fn describe(
        &mut self,
        topics: &[String],
        deadline: Instant,
    ) -> Result<Vec<TopicState>, DriverError> {
        let mut states = Vec::with_capacity(topics.len());
        for topic in topics {
            let route = self.names.route(topic, deadline)?.ok_or_else(|| {
                DriverError(format!(
                    "there is no topic {topic}: create it, or leave --topic out"
                ))
            })?;
            states.push(TopicState {
                name: topic.clone(),
                ends: self.settled_ends(topic, &route, deadline)?,
            });
        }
        Ok(states)
    }

    fn start_group_at(
        &mut self,
        group: &str,
        offsets: &[(String, u32, u64)],
        deadline: Instant,
    ) -> Result<(), DriverError> {
        let topics: BTreeSet<String> = offsets.iter().map(|(topic, ..)| topic.clone()).collect();
        let new = Group {
            name: group.to_owned(),
            topics: topics.iter().cloned().collect(),
        };
        self.create_groups(&[new], deadline)?;
        for topic in &topics {
            let route = self.names.route(topic, deadline)?.unwrap_or_default();
            for (_, partition, offset) in offsets.iter().filter(|(of, ..)| of == topic) {
                if let Some(queue) = route.queues.get(*partition as usize) {
                    self.commit(group, topic, &route, queue, *offset, deadline)?;
                }
            }
        }
        Ok(())
    }

    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        until: Instant,
    ) -> Result<(), Undone> {
        // A broker may have come or gone.
        self.find(until)?;
        let (names, known) = (self.topic_names(until)?, self.group_names(until)?);
        for group in groups {
            let name = &group.name;
            let of_it = [RETRIES, DEAD_LETTERS].map(|of| format!("{of}{name}"));
            let remains = of_it.iter().filter(|topic| names.contains(*topic));
            if self.members(name, until)?.0 > 0 {
                continue;
            }
            if known.contains(name) {
                let fields = [("groupName", name.as_str()), ("cleanOffset", "true")];
                let request = plain(ask::DELETE_SUBSCRIPTIONGROUP, &fields);
                let what = format!("delete group {name}");
                for broker in self.brokers(until)? {
                    self.order(&broker, &request, &what, &[], until)?;
                }
            }
            for topic in remains {
                self.delete_topic(topic, until)?;
            }
        }
        for topic in topics.iter().filter(|topic| names.contains(*topic)) {
            self.delete_topic(topic, until)?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        topics: &[String],
        groups: &[Group],
        until: Instant,
    ) -> Result<Leftovers, DriverError> {
        let (names, known) = (self.topic_names(until)?, self.group_names(until)?);
        let there = |group: &&Group| {
            let of_it = [RETRIES, DEAD_LETTERS].map(|of| format!("{of}{}", group.name));
            known.contains(&group.name) || of_it.iter().any(|topic| names.contains(topic))
        };
        Ok(Leftovers {
            topics: topics
                .iter()
                .filter(|topic| names.contains(*topic))
                .cloned()
                .collect(),
            groups: groups
                .iter()
                .filter(there)
                .map(|group| group.name.clone())
                .collect(),
        })
    }

    fn survey(&mut self, deadline: Instant) -> Result<Survey, DriverError> {
        let cluster = self.find(deadline)?;
        let brokers = self.brokers(deadline)?;
        let topics = self.topic_queues(deadline)?.into_iter();
        let topics = topics
            .filter(|(name, _)| !is_own(name, &brokers, &cluster))
            .map(|(name, partitions)| SeenTopic { name, partitions });
        let mut groups = Vec::new();
        for name in self.group_names(deadline)? {
            let (members, mut topics) = self.members(&name, deadline)?;
            topics.extend(self.committed_topics(&name, deadline)?);
            groups.push(SeenGroup {
                name,
                empty: members == 0,
                topics: Some(topics.into_iter().collect()),
            });
        }
        Ok(Survey {
            topics: topics.collect(),
            groups,
        })
    }

    fn ends(&mut self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>> {
        let mut ends = Vec::with_capacity(topics.len());
        for topic in topics {
            let route = self.names.route(&topic.name, deadline).ok().flatten();
            ends.push(route.and_then(|route| self.ends_of(&topic.name, &route, deadline).ok()));
        }
        ends
    }

    fn committed(
        &mut self,
        group: &str,
        topics: &[SeenTopic],
        deadline: Instant,
    ) -> Result<Vec<String>, DriverError> {
        let committed = self.committed_topics(group, deadline)?;
        let asked = topics.iter().map(|topic| topic.name.clone());
        Ok(asked.filter(|name| committed.contains(name)).collect())
    }
}
