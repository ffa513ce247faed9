//! Creates, describes and deletes, through rdkafka's safe interface.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic as Creation, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::clock::Instant;
use crate::driver::{Admin, DriverError, Leftovers, NewTopic, TopicState};

/// Topics created or deleted with one request.
const BATCH: usize = 200;

/// Pause between two looks at something that changes by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Remembers why connections failed: the client library says only that they did.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Reasons {
    fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for Reasons {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {
        // What fails comes as an error, too.
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        // That all brokers are down follows from what was said before.
        if code != RDKafkaErrorCode::AllBrokersDown {
            let reason = (code, reason.to_owned());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }
}

impl ConsumerContext for Reasons {}

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
        self.looker
            .fetch_metadata(topic, wait)
            .map_err(|error| self.explain(&error))
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

    fn delete_topics(&self, topics: &[String], deadline: Instant) -> Result<(), DriverError> {
        for batch in topics.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(String::as_str).collect();
            let results = block_on(self.client.delete_topics(&names, &Self::options(deadline)))
                .map_err(|error| self.explain(&error))?;
            for (topic, code) in results.into_iter().filter_map(Result::err) {
                match code {
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {}
                    code => {
                        return Err(DriverError(format!("cannot delete topic {topic}: {code}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn delete_groups(&self, groups: &[String], deadline: Instant) -> Result<(), DriverError> {
        for batch in groups.chunks(BATCH) {
            let names: Vec<&str> = batch.iter().map(String::as_str).collect();
            let results = block_on(self.client.delete_groups(&names, &Self::options(deadline)))
                .map_err(|error| self.explain(&error))?;
            for (group, code) in results.into_iter().filter_map(Result::err) {
                match code {
                    // Members that died are members until their session has expired; the caller
                    // looks again.
                    RDKafkaErrorCode::NonEmptyGroup
                    | RDKafkaErrorCode::GroupIdNotFound
                    | RDKafkaErrorCode::NotCoordinator
                    | RDKafkaErrorCode::CoordinatorLoadInProgress
                    | RDKafkaErrorCode::CoordinatorNotAvailable => {}
                    code => {
                        return Err(DriverError(format!("cannot delete group {group}: {code}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn consumer(&self, group: &str) -> Result<BaseConsumer<Reasons>, DriverError> {
        let mut config = self.config.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        config
            .create_with_context(self.reasons.clone())
            .map_err(|error| DriverError(error.to_string()))
    }
}

impl Admin for KafkaAdmin {
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError> {
        let begin = Instant::now();
        loop {
            // Short, so that a reason that will not go away is seen early.
            let wait = remaining(deadline).min(Duration::from_millis(250));
            match self.looker.fetch_metadata(None, wait) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    while self.looker.poll(Duration::ZERO).is_some() {}
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
        let mut states = Vec::new();
        for name in topics {
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                return Err(DriverError(format!(
                    "there is no topic {name}: create it, or leave --topic out"
                )));
            };
            let mut ends = Vec::new();
            for partition in topic.partitions() {
                let (_, end) = self
                    .looker
                    .fetch_watermarks(name, partition.id(), remaining(deadline))
                    .map_err(|error| self.explain(&error))?;
                ends.push(end.max(0) as u64);
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
        _: Instant,
    ) -> Result<(), DriverError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            list.add_partition_offset(topic, *partition as i32, Offset::Offset(*offset as i64))
                .map_err(|error| DriverError(error.to_string()))?;
        }
        self.consumer(group)?
            .commit(&list, CommitMode::Sync)
            .map_err(|error| DriverError(format!("cannot set where group {group} starts: {error}")))
    }

    fn delete(
        &mut self,
        topics: &[String],
        groups: &[String],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        loop {
            self.delete_topics(topics, deadline)?;
            self.delete_groups(groups, deadline)?;
            let left = self.list(topics, groups, deadline)?;
            if left.is_empty() || Instant::now() >= deadline {
                return Ok(left);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn list(
        &mut self,
        topics: &[String],
        groups: &[String],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        let metadata = self.metadata(None, deadline)?;
        let known: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
        let listed = self
            .looker
            .fetch_group_list(None, remaining(deadline).min(Duration::from_secs(5)))
            .map_err(|error| self.explain(&error))?;
        let of = |names: &[String], known: &[&str]| -> Vec<String> {
            names
                .iter()
                .filter(|name| known.contains(&name.as_str()))
                .cloned()
                .collect()
        };
        let living: Vec<&str> = listed.groups().iter().map(|group| group.name()).collect();
        Ok(Leftovers {
            topics: of(topics, &known),
            groups: of(groups, &living),
        })
    }
}

fn creation_failed(topic: &str, code: RDKafkaErrorCode) -> DriverError {
    DriverError(match code {
        RDKafkaErrorCode::TopicAlreadyExists => format!(
            "topic {topic} exists already: run again, or use it as it is with --topic {topic}"
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => format!(
            "no permission to create topic {topic} ({code}): grant it, or name an existing topic \
             with --topic"
        ),
        RDKafkaErrorCode::InvalidReplicationFactor => format!(
            "the cluster has too few brokers for topic {topic} ({code}): lower replicationFactor"
        ),
        RDKafkaErrorCode::InvalidConfig => {
            format!("the broker refuses the settings of topic {topic} ({code}): check topicConfig")
        }
        code => format!("cannot create topic {topic}: {code}"),
    })
}

fn remaining(deadline: Instant) -> Duration {
    deadline.since(Instant::now()).max(Duration::from_millis(1))
}
