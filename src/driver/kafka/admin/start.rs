//! Says where a group starts to read, by a commit of somebody who never joins it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::reasons::Reasons;
use super::{LOOK_AGAIN, remaining};
use crate::clock::Instant;
use crate::driver::DriverError;

/// Commits these offsets for a group: (topic, partition, next offset to read).
///
/// The client library's synchronous commit waits without an end, and its asynchronous one has no
/// answer here: so what was committed is read back.
pub fn start_group_at(
    config: &ClientConfig,
    group: &str,
    offsets: &[(String, u32, u64)],
    deadline: Instant,
) -> Result<(), DriverError> {
    let refused =
        |error: KafkaError| DriverError(format!("cannot set where group {group} starts: {error}"));
    let mut wanted = TopicPartitionList::new();
    for (topic, partition, offset) in offsets {
        wanted
            .add_partition_offset(topic, *partition as i32, Offset::Offset(*offset as i64))
            .map_err(refused)?;
    }
    let consumer: BaseConsumer<Reasons> = config
        .clone()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create_with_context(Reasons::default())
        .map_err(refused)?;
    loop {
        consumer
            .commit(&wanted, CommitMode::Async)
            .map_err(refused)?;
        let wait = remaining(deadline).min(Duration::from_secs(1));
        match consumer.committed_offsets(wanted.clone(), wait) {
            Ok(found) if same(&found, &wanted) => return Ok(()),
            Err(error) if is_final(&error) || Instant::now() >= deadline => {
                return Err(refused(error));
            }
            Ok(_) if Instant::now() >= deadline => {
                return Err(DriverError(format!(
                    "cannot set where group {group} starts: the commit was not kept"
                )));
            }
            Ok(_) | Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

fn same(found: &TopicPartitionList, wanted: &TopicPartitionList) -> bool {
    wanted.elements().iter().all(|element| {
        found
            .find_partition(element.topic(), element.partition())
            .is_some_and(|there| there.offset() == element.offset())
    })
}

fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}
