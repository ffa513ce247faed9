//! Everything a cluster lists, and what can be seen of its use.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::groups::{GroupInfo, GroupList};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::reasons::Reasons;
use super::{LOOK_AGAIN, members, remaining};
use crate::clock::Instant;
use crate::driver::{DriverError, SeenGroup, SeenTopic, Survey};

/// How long one partition may keep the others waiting, and leaders that change all of them.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the cluster lists.
pub fn survey(metadata: &Metadata, groups: &GroupList) -> Survey {
    let topics = metadata.topics().iter().map(|topic| SeenTopic {
        name: topic.name().to_owned(),
        partitions: topic.partitions().len() as u32,
    });
    Survey {
        topics: topics.collect(),
        groups: groups.groups().iter().map(group).collect(),
    }
}

fn group(group: &GroupInfo) -> SeenGroup {
    // Groups of Kafka's newer kinds are listed, but described as dead, and without their members.
    let empty = group.state() == "Empty" && group.members().is_empty();
    let topics = if empty {
        Some(Vec::new())
    } else if group.members().is_empty() || group.protocol_type() != "consumer" {
        None
    } else {
        let of_members = group.members().iter().map(|member| {
            let mut topics = members::subscribed(member.metadata()?)?;
            topics.extend(members::assigned(member.assignment().unwrap_or_default())?);
            Some(topics)
        });
        let all: Option<Vec<Vec<String>>> = of_members.collect();
        all.map(|topics| {
            let mut topics = topics.concat();
            topics.sort();
            topics.dedup();
            topics
        })
    };
    SeenGroup {
        name: group.name().to_owned(),
        empty,
        topics,
    }
}

/// Whether this is the state of a partition whose leader is new or changes.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}

/// Where the partitions of these topics end.
pub fn ends<C: ConsumerContext>(
    looker: &BaseConsumer<C>,
    topics: &[SeenTopic],
    deadline: Instant,
) -> Vec<Option<Vec<u64>>> {
    let end = |topic: &SeenTopic, partition: u32| {
        let partition = i32::try_from(partition).ok()?;
        if Instant::now() >= deadline {
            return None;
        }
        end(looker, &topic.name, partition, deadline).ok()
    };
    topics
        .iter()
        .map(|topic| (0..topic.partitions).map(|p| end(topic, p)).collect())
        .collect()
}

/// Where a partition ends. A leader that is new or changes gets some time.
pub fn end<C: ConsumerContext>(
    looker: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    deadline: Instant,
) -> Result<u64, KafkaError> {
    let again_until = deadline.min(Instant::now() + PATIENCE);
    loop {
        let wait = remaining(deadline).min(PATIENCE);
        match looker.fetch_watermarks(topic, partition, wait) {
            Ok((_, end)) => return Ok(end.max(0) as u64),
            Err(error) if passes(&error) && Instant::now() < again_until => {
                std::thread::sleep(LOOK_AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

/// In which of these topics a group has committed offsets.
pub fn committed(
    config: &ClientConfig,
    group: &str,
    topics: &[SeenTopic],
    deadline: Instant,
) -> Result<Vec<String>, DriverError> {
    let failed = |error| {
        DriverError(format!(
            "cannot look at the offsets of group {group}: {error}"
        ))
    };
    let mut asked = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..topic.partitions {
            asked.add_partition(&topic.name, partition as i32);
        }
    }
    let looker: BaseConsumer<Reasons> = config
        .clone()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create_with_context(Reasons::default())
        .map_err(failed)?;
    let found = looker
        .committed_offsets(asked, remaining(deadline))
        .map_err(failed)?;
    let mut names: Vec<String> = found
        .elements()
        .iter()
        .filter(|element| matches!(element.offset(), Offset::Offset(_)))
        .map(|element| element.topic().to_owned())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
