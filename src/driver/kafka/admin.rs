//! Creates, describes and deletes, through rdkafka's safe interface.

mod members;
mod reasons;
mod start;
mod survey;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic as Creation, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::groups::GroupList;
use rdkafka::metadata::{Metadata, MetadataTopic};
use reasons::{Reasons, creation_failed};

use crate::clock::Instant;
use crate::driver::{
    Admin, DriverError, Group, Leftovers, NewTopic, SeenTopic, Survey, TopicState, Undone,
};

/// Topics created or deleted with one request.
const BATCH: usize = 200;

/// Pause between two looks at something that changes by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Administers a Kafka cluster.
pub struct KafkaAdmin {
    config: ClientConfig,
    client: AdminClient<Reasons>,
    /// A consumer of nothing: metadata, offsets and groups, and errors while connecting, which the
    /// admin client has no way to tell.
    looker: BaseConsumer<Reasons>,
    reasons: Reasons,
    topic_settings: Vec<(String, String)>,
    replication_factor: i16,
    servers: String,
}

impl KafkaAdmin {
    /// Connects, in the background.
    pub(super) fn new(
        settings: &[(String, String)],
        topic_settings: &[(String, String)],
        replication_factor: i16,
    ) -> Result<Self, DriverError> {
        let mut config = ClientConfig::new();
        for (key, value) in settings {
            config.set(key, value);
        }
        config.set("allow.auto.create.topics", "false");
        let reasons = Reasons::default();
        let refused = |error: KafkaError| DriverError(error.to_string());
        let client = config
            .create_with_context(reasons.clone())
            .map_err(refused)?;
        let looker = config
            .create_with_context(reasons.clone())
            .map_err(refused)?;
        let servers = config.get("bootstrap.servers").unwrap_or("?").to_owned();
        let topic_settings = topic_settings.to_vec();
        Ok(Self {
            config,
            client,
            looker,
            reasons,
            topic_settings,
            replication_factor,
            servers,
        })
    }

    fn metadata(&self, topic: Option<&str>, deadline: Instant) -> Result<Metadata, DriverError> {
        let wait = remaining(deadline).min(Duration::from_secs(5));
        let metadata = self
            .looker
            .fetch_metadata(topic, wait)
            .map_err(|error| self.explain(&error))?;
        self.reasons.forget();
        Ok(metadata)
    }

    fn groups(&self, deadline: Instant) -> Result<GroupList, DriverError> {
        let wait = remaining(deadline).min(Duration::from_secs(5));
        let listed = self.looker.fetch_group_list(None, wait);
        listed.map_err(|error| self.explain(&error))
    }

    /// An error of a whole request, with the reason for it where one is known.
    fn explain(&self, error: &KafkaError) -> DriverError {
        match self.reasons.last() {
            Some((_, reason)) => DriverError(format!("{error}: {reason}")),
            None => DriverError(error.to_string()),
        }
    }

    fn options(deadline: Instant) -> AdminOptions {
        let wait = remaining(deadline);
        AdminOptions::new()
            .request_timeout(Some(wait))
            .operation_timeout(Some(wait))
    }

    fn create_batch(&self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        let creations: Vec<Creation<'_>> = topics
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(i32::from(self.replication_factor));
                let creation = Creation::new(&topic.name, topic.partitions as i32, replication);
                let settings = self.topic_settings.iter();
                settings.fold(creation, |creation, (key, value)| creation.set(key, value))
            })
            .collect();
        let results = block_on(
            self.client
                .create_topics(&creations, &Self::options(deadline)),
        )
        .map_err(|error| self.explain(&error))?;
        for result in results {
            if let Err((topic, code)) = result {
                return Err(creation_failed(&topic, code));
            }
        }
        Ok(())
    }

    /// Waits until every partition of these topics has a leader.
    fn await_leaders(&self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        loop {
            let metadata = self.metadata(None, deadline)?;
            let known: HashMap<&str, bool> = metadata
                .topics()
                .iter()
                .map(|topic| {
                    let led = topic
                        .partitions()
                        .iter()
                        .all(|partition| partition.leader() >= 0);
                    (topic.name(), led && !topic.partitions().is_empty())
                })
                .collect();
            let missing = topics
                .iter()
                .find(|topic| !known.get(topic.name.as_str()).is_some_and(|&led| led));
            match missing {
                None => return Ok(()),
                Some(topic) if Instant::now() >= deadline => {
                    return Err(DriverError(format!(
                        "topic {} has no leader yet",
                        topic.name
                    )));
                }
                Some(_) => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// One attempt at topics, whatever becomes of each.
    fn delete_topics(&self, topics: &[String], deadline: Instant) -> Result<(), Undone> {
        for batch in topics.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(String::as_str).collect();
            let results = block_on(self.client.delete_topics(&names, &Self::options(deadline)))
                .map_err(|error| Undone::Unanswered(self.explain(&error)))?;
            for (topic, code) in results.into_iter().filter_map(Result::err) {
                match code {
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {}
                    code => return Err(undone("topic", &topic, code)),
                }
            }
        }
        Ok(())
    }

    /// One attempt at groups, whatever becomes of each.
    fn delete_groups(&self, groups: &[String], deadline: Instant) -> Result<(), Undone> {
        for batch in groups.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(String::as_str).collect();
            let results = block_on(self.client.delete_groups(&names, &Self::options(deadline)))
                .map_err(|error| Undone::Unanswered(self.explain(&error)))?;
            for (group, code) in results.into_iter().filter_map(Result::err) {
                match code {
                    // Members that died are members until their session has expired; the caller
                    // looks again.
                    RDKafkaErrorCode::NonEmptyGroup | RDKafkaErrorCode::GroupIdNotFound => {}
                    code => return Err(undone("group", &group, code)),
                }
            }
        }
        Ok(())
    }
}

/// Why the broker has not deleted something.
fn undone(kind: &str, name: &str, code: RDKafkaErrorCode) -> Undone {
    let error = DriverError(format!("cannot delete {kind} {name}: {code}"));
    match code {
        RDKafkaErrorCode::NotCoordinator
        | RDKafkaErrorCode::CoordinatorLoadInProgress
        | RDKafkaErrorCode::CoordinatorNotAvailable
        | RDKafkaErrorCode::NotController
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::RequestTimedOut
        | RDKafkaErrorCode::BrokerTransportFailure => Undone::Unanswered(error),
        _ => Undone::Refused(error),
    }
}

impl Admin for KafkaAdmin {
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError> {
        let begin = Instant::now();
        // Short, so that a reason that will not go away is seen early; then longer, for each is a
        // request of its own, and a broker that is far away needs its time for one.
        let mut patience = Duration::from_millis(250);
        loop {
            let wait = remaining(deadline).min(patience);
            patience = (patience * 2).min(Duration::from_secs(5));
            match self.looker.fetch_metadata(None, wait) {
                Ok(_) => {
                    self.reasons.forget();
                    return Ok(());
                }
                Err(error) => {
                    // Without a millisecond to spend, it would come back after each line of log.
                    while self.looker.poll(Duration::from_millis(1)).is_some() {}
                    let reason = self.reasons.last();
                    let hopeless = reason.as_ref().is_some_and(|(code, _)| {
                        matches!(
                            code,
                            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL
                        )
                    });
                    // A refused connection may be a broker that is starting: it gets 5 s.
                    let answered =
                        reason.is_some() && Instant::now().since(begin) >= Duration::from_secs(5);
                    if hopeless || answered || Instant::now() >= deadline {
                        let why = reason.map_or_else(|| error.to_string(), |(_, reason)| reason);
                        return Err(DriverError(format!(
                            "no Kafka answers at {}: {why}; check -b or bootstrap.servers, and the \
                             security settings",
                            self.servers
                        )));
                    }
                }
            }
        }
    }

    fn cluster(&mut self, deadline: Instant) -> Option<String> {
        self.looker.client().fetch_cluster_id(remaining(deadline))
    }

    fn create_topics(&mut self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError> {
        for batch in topics.chunks(BATCH) {
            self.create_batch(batch, deadline)?;
        }
        self.await_leaders(topics, deadline)
    }

    fn largest_message(&mut self, topic: &str, deadline: Instant) -> Option<u64> {
        let specifier = ResourceSpecifier::Topic(topic);
        let described = block_on(
            self.client
                .describe_configs([&specifier], &Self::options(deadline)),
        )
        .ok()?;
        let resource = described.into_iter().next()?.ok()?;
        resource
            .get("max.message.bytes")?
            .value
            .as_ref()?
            .parse()
            .ok()
    }

    fn describe(
        &mut self,
        topics: &[String],
        deadline: Instant,
    ) -> Result<Vec<TopicState>, DriverError> {
        let metadata = self.metadata(None, deadline)?;
        let known: HashMap<&str, &MetadataTopic> = metadata
            .topics()
            .iter()
            .map(|topic| (topic.name(), topic))
            .collect();
        let mut states = Vec::new();
        for name in topics {
            let topic = known.get(name.as_str());
            let Some(topic) = topic.filter(|topic| !topic.partitions().is_empty()) else {
                return Err(DriverError(format!(
                    "there is no topic {name} that this user may see: create it, or leave --topic out"
                )));
            };
            let mut ends = vec![0; topic.partitions().len()];
            for (partition, end) in (0..).zip(&mut ends) {
                let found = survey::end(&self.looker, name, partition, deadline);
                *end = found.map_err(|error| self.explain(&error))?;
            }
            states.push(TopicState {
                name: name.clone(),
                ends,
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
        start::start_group_at(&self.config, group, offsets, deadline)
    }

    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<(), Undone> {
        // A group can be deleted by who may not delete topics, and the other way round.
        let topics = self.delete_topics(topics, deadline);
        let groups = self.delete_groups(&names(groups), deadline);
        topics.and(groups)
    }

    fn list(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        let of = |names: &[String], known: &HashSet<&str>| -> Vec<String> {
            let known = names.iter().filter(|name| known.contains(name.as_str()));
            known.cloned().collect()
        };
        let mut left = Leftovers::default();
        if !topics.is_empty() {
            let metadata = self.metadata(None, deadline)?;
            let known = metadata.topics().iter().map(|topic| topic.name());
            left.topics = of(topics, &known.collect());
        }
        if !groups.is_empty() {
            let listed = self.groups(deadline)?;
            let known = listed.groups().iter().map(|group| group.name());
            left.groups = of(&names(groups), &known.collect());
        }
        Ok(left)
    }

    fn survey(&mut self, deadline: Instant) -> Result<Survey, DriverError> {
        let metadata = self.metadata(None, deadline)?;
        let groups = self.groups(deadline)?;
        Ok(survey::survey(&metadata, &groups))
    }

    fn ends(&mut self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>> {
        survey::ends(&self.looker, topics, deadline)
    }

    fn committed(
        &mut self,
        group: &str,
        topics: &[SeenTopic],
        deadline: Instant,
    ) -> Result<Vec<String>, DriverError> {
        survey::committed(&self.config, group, topics, deadline)
    }
}

fn names(groups: &[Group]) -> Vec<String> {
    groups.iter().map(|group| group.name.clone()).collect()
}

fn remaining(deadline: Instant) -> Duration {
    deadline.since(Instant::now()).max(Duration::from_millis(1))
}
