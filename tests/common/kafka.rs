//! The Kafka that `scripts/test` has started, looked at with a client of its own.

use std::env;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::{PATIENCE, wait_for};

const TIMEOUT: Duration = Duration::from_secs(20);

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run scripts/test, or source the env file of scripts/broker kafka"
        )
    })
}

pub fn bootstrap() -> String {
    variable("OMB_KAFKA_BOOTSTRAP")
}

/// Settings that reach the SASL_SSL listener as this user.
pub fn sasl_settings(user: &str, password: &str) -> Vec<(&'static str, String)> {
    vec![
        ("bootstrap.servers", variable("OMB_KAFKA_SASL_BOOTSTRAP")),
        ("security.protocol", "SASL_SSL".to_owned()),
        ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
        ("ssl.ca.location", variable("OMB_KAFKA_CA")),
        ("sasl.username", user.to_owned()),
        ("sasl.password", password.to_owned()),
    ]
}

/// Options that reach the SASL_SSL listener as this user.
pub fn sasl(user: &str, password: &str) -> Vec<String> {
    sasl_settings(user, password)
        .into_iter()
        .flat_map(|(key, value)| match key {
            "bootstrap.servers" => ["-b".to_owned(), value],
            key => ["-X".to_owned(), format!("{key}={value}")],
        })
        .collect()
}

/// The file with the authority that the SASL_SSL listener's certificate is signed by.
pub fn ca() -> String {
    variable("OMB_KAFKA_CA")
}

pub fn user() -> (String, String) {
    (variable("OMB_KAFKA_USER"), variable("OMB_KAFKA_PASSWORD"))
}

pub fn reader() -> (String, String) {
    (
        variable("OMB_KAFKA_READER"),
        variable("OMB_KAFKA_READER_PASSWORD"),
    )
}

fn config() -> ClientConfig {
    config_at(&bootstrap())
}

fn config_at(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn looker() -> BaseConsumer {
    config().create().unwrap()
}

/// Names of all topics and groups that contain this.
pub fn names(part: &str) -> Vec<String> {
    names_at(&bootstrap(), part)
}

/// Whether all groups whose names contain this are without members, at this broker.
pub fn is_without_members(address: &str, part: &str) -> bool {
    let looker: BaseConsumer = config_at(address).create().unwrap();
    let groups = looker.fetch_group_list(None, TIMEOUT).unwrap();
    let mut named = groups.groups().iter().filter(|g| g.name().contains(part));
    named.all(|group| group.state() == "Empty" && group.members().is_empty())
}

/// As [`names`], at this broker, which may have stood still a moment ago and be closing connections.
pub fn names_at(address: &str, part: &str) -> Vec<String> {
    let mut names = wait_for("the broker's lists", PATIENCE, || listed(address).ok());
    names.retain(|name| name.contains(part));
    names
}

/// Names of all topics and groups.
fn listed(address: &str) -> KafkaResult<Vec<String>> {
    let looker: BaseConsumer = config_at(address).create()?;
    let metadata = looker.fetch_metadata(None, TIMEOUT)?;
    let groups = looker.fetch_group_list(None, TIMEOUT)?;
    let topics = metadata.topics().iter().map(|topic| topic.name());
    let names = topics.chain(groups.groups().iter().map(|group| group.name()));
    Ok(names.map(str::to_owned).collect())
}

/// Fails if a topic or group of this run is there longer than a killed run may leave it.
pub fn assert_nothing_left(run: &str) {
    wait_for("topics and groups gone", Duration::from_secs(10), || {
        names(run).is_empty().then_some(())
    });
}

/// Messages in a topic, over all partitions.
pub fn messages(topic: &str) -> u64 {
    let looker = looker();
    let metadata = looker.fetch_metadata(Some(topic), TIMEOUT).unwrap();
    let partitions = metadata.topics()[0].partitions();
    partitions
        .iter()
        .map(|partition| {
            let (low, high) = looker
                .fetch_watermarks(topic, partition.id(), TIMEOUT)
                .unwrap();
            (high - low) as u64
        })
        .sum()
}

pub fn create_topic(name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let created = admin.create_topics([&topic], &AdminOptions::new());
    block_on(created).unwrap()[0].as_ref().unwrap();
    let looker = looker();
    wait_for("a leader", PATIENCE, || {
        let metadata = looker.fetch_metadata(Some(name), TIMEOUT).ok()?;
        let known = metadata.topics()[0].partitions();
        let led = known.iter().all(|partition| partition.leader() >= 0);
        (led && known.len() == partitions as usize).then_some(())
    });
}

pub fn delete_topics(names: &[&str]) {
    let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
    block_on(admin.delete_topics(names, &AdminOptions::new())).unwrap();
}

/// Writes messages that are not omb's.
pub fn write(topic: &str, messages: usize) {
    let producer: BaseProducer = config().create().unwrap();
    for number in 0..messages {
        let text = format!("message {number} of somebody else, long enough to hold a stamp");
        producer
            .send(BaseRecord::<(), String>::to(topic).payload(&text))
            .unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// Removes everything that is in a topic now, unread as it may be.
pub fn delete_records(topic: &str) {
    let looker = looker();
    let metadata = looker.fetch_metadata(Some(topic), TIMEOUT).unwrap();
    let mut ends = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (_, end) = looker
            .fetch_watermarks(topic, partition.id(), TIMEOUT)
            .unwrap();
        ends.add_partition_offset(topic, partition.id(), Offset::Offset(end))
            .unwrap();
    }
    let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
    block_on(admin.delete_records(&ends, &AdminOptions::new())).unwrap();
}

/// Writes the first messages of a partition once more, byte for byte.
pub fn write_again(topic: &str, partition: i32, messages: usize) {
    let mut explicit = config();
    explicit
        .set("group.id", "copyist")
        .set("enable.auto.commit", "false");
    let reader: BaseConsumer = explicit.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Beginning)
        .unwrap();
    reader.assign(&from).unwrap();
    let producer: BaseProducer = config().create().unwrap();
    for _ in 0..messages {
        let message = wait_for("a message to copy", PATIENCE, || {
            reader.poll(Duration::from_millis(100)).map(Result::unwrap)
        });
        let payload = message.payload().unwrap();
        let copy = BaseRecord::<(), [u8]>::to(topic)
            .partition(partition)
            .payload(payload);
        producer.send(copy).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}
