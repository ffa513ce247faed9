//! Administration by the REST API: namespaces, topics and subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::connect::Brokers;
use super::place::{Places, is_namespace};
use super::rest::{Answer, CONFLICT, NOT_FOUND, Rest};
use crate::clock::Instant;
use crate::config::PulsarConfig;
use crate::driver::link::wait_for;
use crate::driver::patience::enter;
use crate::driver::{
    Admin, DriverError, Group, Leftovers, NewTopic, SeenGroup, SeenTopic, Survey, TopicState,
    Undone,
};

/// Pause between two looks at what is not as it should be yet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Property of a namespace that omb has made, and what it says if the tenant was made for it, too.
const MARK: &str = "omb";
const WITH_TENANT: &str = "namespace and tenant";

/// Creates and deletes topics and subscriptions, and the namespaces of runs.
pub struct PulsarAdmin {
    brokers: Brokers,
    config: Arc<PulsarConfig>,
    places: Places,
    rest: Rest,
    attempts: usize,
}

impl PulsarAdmin {
    /// Not connected yet.
    pub fn new(brokers: Brokers, config: Arc<PulsarConfig>) -> Self {
        Self {
            places: Places::new(&config),
            rest: Rest::new(&brokers, &config),
            brokers,
            config,
            attempts: 0,
        }
    }

    /// The cluster that tenants are made for.
    fn cluster_name(&self, deadline: Instant) -> Result<String, DriverError> {
        if let Some(name) = &self.config.cluster {
            return Ok(name.clone());
        }
        let clusters = good("list clusters", self.rest.get("clusters", deadline)?)?;
        let names = clusters.as_array().into_iter().flatten();
        let first = names
            .filter_map(Value::as_str)
            .find(|name| *name != "global");
        first.map(str::to_owned).ok_or_else(|| {
            DriverError("Pulsar names no cluster; set client.clusterName".to_owned())
        })
    }

    /// Whether there are as many storage nodes as topics are to have: without them nothing can be written, and
    /// a topic that was made can hardly be deleted again.
    fn check_storage(&self, deadline: Instant) -> Result<(), DriverError> {
        let Some(wanted) = self.config.persistence.filter(|_| self.config.persistent) else {
            return Ok(());
        };
        let answer = self.rest.get("bookies/all", deadline)?;
        // Not everybody may ask.
        let Some(nodes) = answer.content["bookies"].as_array() else {
            return Ok(());
        };
        if nodes.len() >= wanted.ensemble as usize {
            return Ok(());
        }
        Err(DriverError(format!(
            "client.persistence asks for {} storage nodes, and this Pulsar has {}; set ensembleSize, \
             writeQuorum and ackQuorum to no more than that",
            wanted.ensemble,
            nodes.len()
        )))
    }

    /// Makes the namespace of a run, and its tenant where there is none.
    fn create_namespace(&self, namespace: &str, deadline: Instant) -> Result<(), DriverError> {
        let path = format!("namespaces/{namespace}");
        let tenant = self.places.tenant();
        loop {
            let made = self.create_tenant(tenant, deadline)?;
            let mut policies = json!({
                "properties": {MARK: if made { WITH_TENANT } else { "namespace" }},
                "backlog_quota_map": {"destination_storage": {
                    "limitSize": -1, "limitTime": -1, "policy": "producer_exception",
                }},
            });
            if let Some(wanted) = self.config.persistence {
                policies["deduplicationEnabled"] = wanted.deduplication.into();
                policies["persistence"] = json!({
                    "bookkeeperEnsemble": wanted.ensemble,
                    "bookkeeperWriteQuorum": wanted.write_quorum,
                    "bookkeeperAckQuorum": wanted.ack_quorum,
                    "managedLedgerMaxMarkDeleteRate": 1.0,
                });
            }
            let answer = self.rest.ask("PUT", &path, Some(&policies), deadline)?;
            match answer.status {
                // Another run may have ended just now, and have taken the tenant with it.
                NOT_FOUND if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                CONFLICT => return Ok(()),
                _ => return good(&format!("create namespace {namespace}"), answer).map(drop),
            }
        }
    }

    /// Whether the tenant is omb's own.
    fn create_tenant(&self, tenant: &str, deadline: Instant) -> Result<bool, DriverError> {
        let listed = self.rest.get(&format!("namespaces/{tenant}"), deadline)?;
        if listed.status != NOT_FOUND {
            // It goes with the last of the runs that use it.
            return Ok(texts(&listed.content)
                .iter()
                .filter(|namespace| self.places.is_a_runs(namespace))
                .any(|namespace| self.mark(namespace, deadline).as_deref() == Some(WITH_TENANT)));
        }
        let content = json!({"allowedClusters": [self.cluster_name(deadline)?]});
        let path = format!("tenants/{tenant}");
        let answer = self.rest.ask("PUT", &path, Some(&content), deadline)?;
        match answer.status {
            CONFLICT => Ok(true),
            _ => good(&format!("create tenant {tenant}"), answer).map(|_| true),
        }
    }

    fn mark(&self, namespace: &str, deadline: Instant) -> Option<String> {
        let path = format!("namespaces/{namespace}/properties");
        let answer = self.rest.get(&path, deadline).ok()?;
        answer.content[MARK].as_str().map(str::to_owned)
    }

    /// Deletes a run's namespace once it is empty, and a tenant that was made for omb's runs.
    fn delete_namespace(&self, namespace: &str, deadline: Instant) -> Result<(), Undone> {
        let Some(mark) = self.mark(namespace, deadline) else {
            return Ok(());
        };
        let path = format!("namespaces/{namespace}");
        let answer = self.rest.ask("DELETE", &path, None, deadline)?;
        if mark == WITH_TENANT && (answer.is_good() || answer.status == NOT_FOUND) {
            let tenant = self.places.tenant();
            let listed = self.rest.get(&format!("namespaces/{tenant}"), deadline)?;
            if listed.is_good() && texts(&listed.content).is_empty() {
                let path = format!("tenants/{tenant}");
                self.rest.ask("DELETE", &path, None, deadline)?;
            }
        }
        refused(&format!("delete namespace {namespace}"), answer)
    }

    /// How many partitions a topic has; 0 for a plain one, `None` where it isn't there.
    fn partitions(&self, topic: &str, deadline: Instant) -> Result<Option<u32>, DriverError> {
        let path = format!("{}/partitions", self.places.path(topic));
        let answer = self.rest.get(&path, deadline)?;
        if answer.status == NOT_FOUND {
            return Ok(None);
        }
        let content = good(&format!("find topic {topic}"), answer)?;
        let partitions = content["partitions"].as_u64().unwrap_or(0);
        Ok(Some(partitions as u32))
    }

    /// What the broker knows of a topic as a whole, and of its partitions.
    fn stats(&self, topic: &str, deadline: Instant) -> Result<Option<Value>, DriverError> {
        let path = self.places.path(topic);
        let Some(partitions) = self.partitions(topic, deadline)? else {
            return Ok(None);
        };
        let kind = match partitions {
            0 => "stats",
            _ => "partitioned-stats?perPartition=true",
        };
        let answer = self.rest.get(&format!("{path}/{kind}"), deadline)?;
        if answer.status == NOT_FOUND {
            return Ok(None);
        }
        let mut content = good(&format!("look at topic {topic}"), answer)?;
        if partitions == 0 {
            content["partitions"] = json!({});
        }
        Ok(Some(content))
    }

    /// Messages that came to each partition since its broker has it.
    fn ends_of(&self, topic: &str, deadline: Instant) -> Result<Option<Vec<u64>>, DriverError> {
        let Some(stats) = self.stats(topic, deadline)? else {
            return Ok(None);
        };
        let count = |of: &Value| of["msgInCounter"].as_u64().unwrap_or(0);
        let numbered = |(name, of): (&String, &Value)| {
            let (_, number) = name.rsplit_once("-partition-")?;
            Some((number.parse::<u32>().ok()?, count(of)))
        };
        let partitions = stats["partitions"].as_object().into_iter().flatten();
        let partitions: BTreeMap<u32, u64> = partitions.filter_map(numbered).collect();
        let number = self.partitions(topic, deadline)?.unwrap_or(0);
        Ok(Some(match number {
            0 => vec![count(&stats)],
            // One that no broker has yet is empty.
            _ => (0..number)
                .map(|n| partitions.get(&n).copied().unwrap_or(0))
                .collect(),
        }))
    }

    /// Makes a subscription, at the beginning of its topics or at their end.
    fn subscribe(
        &self,
        group: &Group,
        at_the_end: bool,
        deadline: Instant,
    ) -> Result<(), DriverError> {
        // What isn't written has readers only while they are there.
        if !self.config.persistent {
            return Ok(());
        }
        let place = if at_the_end { i64::MAX } else { -1 };
        let content = json!({"ledgerId": place, "entryId": place, "partitionIndex": -1});
        self.rest.each(&group.topics, |rest, topic| {
            let path = format!("{}/subscription/{}", self.places.path(topic), group.name);
            let answer = rest.ask("PUT", &path, Some(&content), deadline)?;
            match answer.status {
                CONFLICT => Ok(()),
                _ => {
                    good(&format!("create subscription {}", group.name), answer)?;
                    Ok(())
                }
            }
        })?;
        Ok(())
    }

    /// Whether a subscription is on any of its topics.
    fn has_subscription(&self, group: &Group, deadline: Instant) -> Result<bool, DriverError> {
        let found = self.rest.each(&group.topics, |rest, topic| {
            let path = format!("{}/subscriptions", self.places.path(topic));
            let answer = rest.get(&path, deadline)?;
            if answer.status == NOT_FOUND {
                return Ok(false);
            }
            let names = good(&format!("look at topic {topic}"), answer)?;
            Ok(texts(&names).contains(&group.name))
        })?;
        Ok(found.contains(&true))
    }

    /// Namespaces that these topics' runs have made.
    fn namespaces_of(&self, topics: &[String]) -> BTreeSet<String> {
        let namespaces = topics.iter().map(|topic| self.places.namespace(topic));
        namespaces
            .filter(|namespace| self.places.is_a_runs(namespace))
            .collect()
    }

    fn survey_namespace(
        &self,
        namespace: &str,
        deadline: Instant,
    ) -> Result<Vec<SeenTopic>, DriverError> {
        let path = format!("{}/{namespace}", self.places.domain());
        let answer = self.rest.get(&path, deadline)?;
        if answer.status == NOT_FOUND {
            return Ok(Vec::new());
        }
        let all = texts(&good(&format!("list topics of {namespace}"), answer)?);
        let mut topics: BTreeMap<String, u32> = BTreeMap::new();
        for name in all {
            let (name, partitions) = match name.rsplit_once("-partition-") {
                Some((name, number)) => (name, number.parse().unwrap_or(0) + 1),
                None => (name.as_str(), 1),
            };
            let seen = topics.entry(self.places.short(name)).or_default();
            *seen = partitions.max(*seen);
        }
        let seen = topics
            .into_iter()
            .map(|(name, partitions)| SeenTopic { name, partitions });
        Ok(seen.collect())
    }
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What was found, or an error where it wasn't done.
fn good(what: &str, answer: Answer) -> Result<Value, DriverError> {
    if answer.is_good() {
        return Ok(answer.content);
    }
    Err(DriverError(format!(
        "Pulsar does not {what}: {}",
        answer.reason()
    )))
}

/// An error where a deletion will never be done. What is used, or not there, is none.
fn refused(what: &str, answer: Answer) -> Result<(), Undone> {
    match answer.status {
        401 | 403 | 405 => {
            let reason = answer.reason();
            Err(Undone::Refused(DriverError(format!(
                "cannot {what}: {reason}"
            ))))
        }
        _ => Ok(()),
    }
}

impl Admin for PulsarAdmin {
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError> {
        const HOPELESS: [&str; 5] = ["uthenticat", "uthoriz", "ertificate", "resolve", "lookup"];
        let entered = enter(deadline, &HOPELESS, || {
            let number = self.attempts;
            self.attempts += 1;
            let brokers = self.brokers.clone();
            let connecting = async move { brokers.connect(number).await.map(drop) };
            wait_for(deadline, "no answer", connecting)?;
            let answer = self.rest.get("clusters", deadline)?;
            match answer.is_good() {
                true => Ok(()),
                false => Err(DriverError(answer.reason())),
            }
        });
        entered.map_err(|error| {
            DriverError(format!(
                "no Pulsar lets us in at {}: {error}; check -b or client.serviceUrl, \
                 client.httpUrl and client.authentication",
                self.brokers.shown()
            ))
        })
    }

    /// Its name, and where it is reached.
    fn cluster(&mut self, deadline: Instant) -> Option<String> {
        let soon = deadline.min(Instant::now() + Duration::from_secs(3));
        let name = self.cluster_name(soon).ok()?;
        let answer = self.rest.get(&format!("clusters/{name}"), soon).ok()?;
        let address = answer.content["brokerServiceUrl"].as_str()?;
        Some(format!("{name} {address}"))
    }

    fn create_topics(&mut self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        self.check_storage(deadline)?;
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        for namespace in self.namespaces_of(&names) {
            self.create_namespace(&namespace, deadline)?;
        }
        let places = &self.places;
        self.rest.each(topics, |rest, topic| {
            let path = places.path(&topic.name);
            let answer = match topic.partitions {
                1 => rest.ask("PUT", &path, None, deadline)?,
                more => {
                    let path = format!("{path}/partitions");
                    rest.ask("PUT", &path, Some(&more.into()), deadline)?
                }
            };
            if answer.status == CONFLICT {
                let name = &topic.name;
                return Err(Undone::Refused(DriverError(format!(
                    "topic {name} exists already: delete it, or use it with --topic {name}"
                ))));
            }
            good(&format!("create topic {}", topic.name), answer)?;
            Ok(())
        })?;
        Ok(())
    }

    fn create_groups(&mut self, groups: &[Group], deadline: Instant) -> Result<(), DriverError> {
        groups
            .iter()
            .try_for_each(|group| self.subscribe(group, false, deadline))
    }

    fn largest_message(&mut self, _topic: &str, deadline: Instant) -> Option<u64> {
        let path = "brokers/configuration/runtime";
        let answer = self.rest.get(path, deadline).ok()?;
        answer.content["maxMessageSize"].as_str()?.parse().ok()
    }

    fn describe(
        &mut self,
        topics: &[String],
        deadline: Instant,
    ) -> Result<Vec<TopicState>, DriverError> {
        let states = self.rest.each(topics, |_, topic| {
            let ends = self.ends_of(topic, deadline)?.ok_or_else(|| {
                let full = self.places.full(topic);
                DriverError(format!(
                    "there is no topic {full}: create it, or leave --topic out"
                ))
            })?;
            let name = topic.clone();
            Ok(TopicState { name, ends })
        })?;
        Ok(states)
    }

    /// A subscription is made at the end.
    fn start_group_at(
        &mut self,
        group: &str,
        offsets: &[(String, u32, u64)],
        deadline: Instant,
    ) -> Result<(), DriverError> {
        let topics: BTreeSet<String> = offsets.iter().map(|(topic, ..)| topic.clone()).collect();
        let group = Group {
            name: group.to_owned(),
            topics: topics.into_iter().collect(),
        };
        self.subscribe(&group, true, deadline)
    }

    /// What somebody uses stays.
    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<(), Undone> {
        for group in groups {
            self.rest.each(&group.topics, |rest, topic| {
                let path = format!("{}/subscription/{}", self.places.path(topic), group.name);
                let answer = rest.ask("DELETE", &path, None, deadline)?;
                refused(&format!("delete subscription {}", group.name), answer)
            })?;
        }
        let (namespaces, topics): (Vec<String>, Vec<String>) =
            topics.iter().cloned().partition(|name| is_namespace(name));
        self.rest.each(&topics, |rest, topic| {
            let path = self.places.path(topic);
            let path = match self.partitions(topic, deadline)? {
                None => return Ok(()),
                Some(0) => path,
                Some(_) => format!("{path}/partitions"),
            };
            let mut answer = rest.ask("DELETE", &path, None, deadline)?;
            if answer.status >= 500 {
                // It can't be opened: then its entry is deleted, and storage by and by.
                answer = rest.ask("DELETE", &format!("{path}?force=true"), None, deadline)?;
            }
            refused(&format!("delete topic {topic}"), answer)
        })?;
        for namespace in self.namespaces_of(&topics).into_iter().chain(namespaces) {
            self.delete_namespace(&namespace, deadline)?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        let named = topics.iter().filter(|name| is_namespace(name)).cloned();
        let namespaces: Vec<String> = named.chain(self.namespaces_of(topics)).collect();
        let topics: Vec<String> = topics
            .iter()
            .filter(|name| !is_namespace(name))
            .cloned()
            .collect();
        let there = self.rest.each(&topics, |_, name| {
            Ok(self.partitions(name, deadline)?.is_some())
        })?;
        let there = topics.iter().zip(there).filter(|(_, there)| *there);
        let mut left = Leftovers {
            topics: there.map(|(name, _)| name.clone()).collect(),
            groups: Vec::new(),
        };
        let empty = self.rest.each(&namespaces, |rest, name| {
            let path = format!("namespaces/{name}/properties");
            let there = rest.get(&path, deadline)?.status != NOT_FOUND;
            Ok(there && self.survey_namespace(name, deadline)?.is_empty())
        })?;
        // One with topics goes with the last of them.
        let empty = namespaces
            .into_iter()
            .zip(empty)
            .filter(|(_, empty)| *empty);
        left.topics.extend(empty.map(|(name, _)| name));
        for group in groups {
            if self.has_subscription(group, deadline)? {
                left.groups.push(group.name.clone());
            }
        }
        Ok(left)
    }

    fn survey(&mut self, deadline: Instant) -> Result<Survey, DriverError> {
        let path = format!("namespaces/{}", self.places.tenant());
        let answer = self.rest.get(&path, deadline)?;
        if answer.status == NOT_FOUND {
            return Ok(Survey::default());
        }
        let namespaces = texts(&good("list namespaces", answer)?);
        let (mut topics, mut empty) = (Vec::new(), Vec::new());
        for name in namespaces {
            if self.places.is_ours(&name) {
                let of_it = self.survey_namespace(&name, deadline)?;
                if of_it.is_empty() && self.places.is_a_runs(&name) {
                    empty.push(SeenTopic {
                        name,
                        partitions: 0,
                    });
                }
                topics.extend(of_it);
            }
        }
        let stats = self.rest.each(&topics, |_, topic| {
            let stats = self.stats(&topic.name, deadline)?;
            Ok((topic.name.clone(), stats))
        })?;
        let mut groups: BTreeMap<String, SeenGroup> = BTreeMap::new();
        for (topic, stats) in stats {
            let Some(Value::Object(of_topic)) = stats.map(|mut s| s["subscriptions"].take()) else {
                continue;
            };
            for (name, subscription) in of_topic {
                let group = groups.entry(name.clone()).or_insert_with(|| SeenGroup {
                    name,
                    empty: true,
                    topics: Some(Vec::new()),
                });
                let consumers = subscription["consumers"].as_array();
                group.empty &= consumers.is_none_or(Vec::is_empty);
                group.topics.get_or_insert_default().push(topic.clone());
            }
        }
        // All that is left of its run.
        topics.extend(empty);
        Ok(Survey {
            topics,
            groups: groups.into_values().collect(),
        })
    }

    fn ends(&mut self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>> {
        let ends = self
            .rest
            .each(topics, |_, topic| match is_namespace(&topic.name) {
                // Nobody writes to a namespace.
                true => Ok(Some(Vec::new())),
                false => Ok(self.ends_of(&topic.name, deadline).unwrap_or_default()),
            });
        ends.unwrap_or_else(|_| vec![None; topics.len()])
    }

    /// A survey tells what each group reads.
    fn committed(
        &mut self,
        _group: &str,
        _topics: &[SeenTopic],
        _deadline: Instant,
    ) -> Result<Vec<String>, DriverError> {
        Ok(Vec::new())
    }
}
