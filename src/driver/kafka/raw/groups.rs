//! What a group does to its members: partitions given and taken, positions committed.

use std::collections::HashSet;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as ErrorCode;

use super::{c_string, error_text, from_c};
use crate::driver::complaints::Complaints;
use crate::driver::{ConsumerEvents, DriverError, Partition};

/// How long a commit may keep a revocation waiting.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);

/// What callbacks find behind their opaque pointer.
#[repr(C)]
pub(super) struct Shared {
    pub(super) complaints: Complaints,
    pub(super) topics: Vec<String>,
    pub(super) owned: HashSet<Partition>,
    /// Partitions were taken away while the current batch was put together.
    pub(super) revoked: bool,
    /// Anything was given or taken in the poll under way.
    pub(super) rebalanced: bool,
    pub(super) paused: bool,
    /// It was paused at some time: the library may hold partitions paused since then that it was not
    /// given when it was told to go on.
    pub(super) was_paused: bool,
    pub(super) fatal: Option<String>,
    /// Who wants to know what happens, while a poll is under way.
    pub(super) events: Option<*mut (dyn ConsumerEvents + 'static)>,
}

impl Shared {
    /// A consumer of these topics that has no partition yet.
    pub(super) fn new(topics: &[String]) -> Self {
        Self {
            complaints: Complaints::default(),
            topics: topics.to_vec(),
            owned: HashSet::new(),
            revoked: false,
            rebalanced: false,
            paused: false,
            was_paused: false,
            fatal: None,
            events: None,
        }
    }

    /// Notes an error; one after which nothing will be received any more is fatal.
    pub(super) fn complain(&mut self, error: ErrorCode, text: &str) {
        let text = format!("{} {text}", error_text(error));
        let fatal = matches!(
            error,
            ErrorCode::RD_KAFKA_RESP_ERR__FATAL
                | ErrorCode::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
                | ErrorCode::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        );
        if fatal {
            self.fatal = Some(text);
        } else {
            self.complaints.add(text);
        }
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<Partition> {
        let topic = self.topics.iter().position(|name| name == topic)? as u32;
        Some(Partition {
            topic,
            partition: u32::try_from(partition).ok()?,
        })
    }
}

/// A list of partitions in the library's form.
pub(super) struct List(pub(super) *mut sys::rd_kafka_topic_partition_list_t);

impl List {
    pub(super) fn new(size: usize) -> Self {
        // SAFETY: any size is fine: the list grows.
        Self(unsafe { sys::rd_kafka_topic_partition_list_new(size as i32) })
    }

    pub(super) fn of(
        topics: &[String],
        positions: &[(Partition, u64)],
    ) -> Result<Self, DriverError> {
        let list = Self::new(positions.len());
        for (partition, position) in positions {
            if let Some(topic) = topics.get(partition.topic as usize) {
                list.add(topic, partition.partition as i32, Some(*position))?;
            }
        }
        Ok(list)
    }

    pub(super) fn add(
        &self,
        topic: &str,
        partition: i32,
        offset: Option<u64>,
    ) -> Result<(), DriverError> {
        let name = c_string(topic)?;
        // SAFETY: the list is live, the name is copied, and the entry returned lies in the list.
        unsafe {
            let entry = sys::rd_kafka_topic_partition_list_add(self.0, name.as_ptr(), partition);
            if let Some(offset) = offset {
                (*entry).offset = offset as i64;
            }
        }
        Ok(())
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list is ours, and given back once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0) };
    }
}

/// The partitions of a list that are of topics we know.
///
/// # Safety
/// `list` is valid.
unsafe fn partitions(
    shared: &Shared,
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> Vec<Partition> {
    // SAFETY: the list has `cnt` valid elements.
    unsafe {
        (0..(*list).cnt as usize)
            .filter_map(|index| {
                let element = &*(*list).elems.add(index);
                shared.partition(&from_c(element.topic), element.partition)
            })
            .collect()
    }
}

/// Served by our polls: the group gives or takes partitions.
pub(super) unsafe extern "C" fn on_rebalance(
    client: *mut sys::rd_kafka_t,
    error: ErrorCode,
    list: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer is our `Shared`, which outlives the client; list and client are
    // valid for the length of this call; `events` is set for the length of the poll we are called
    // from, and nothing else uses it meanwhile.
    unsafe {
        let shared = opaque.cast::<Shared>();
        (*shared).rebalanced = true;
        let events = (*shared).events;
        let partitions = partitions(&*shared, list);
        let protocol = sys::rd_kafka_rebalance_protocol(client);
        let cooperative = !protocol.is_null() && CStr::from_ptr(protocol) == c"COOPERATIVE";
        if error == ErrorCode::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            (*shared).owned.extend(&partitions);
            if let Some(events) = events {
                (*events).assigned(&partitions);
            }
            let assigned = if cooperative {
                failure(sys::rd_kafka_incremental_assign(client, list))
            } else {
                code(sys::rd_kafka_assign(client, list))
            };
            note(&mut *shared, "cannot take partitions", assigned);
            if (*shared).paused {
                sys::rd_kafka_pause_partitions(client, list);
            } else if (*shared).was_paused {
                sys::rd_kafka_resume_partitions(client, list);
            }
            return;
        }
        (*shared).revoked = true;
        for partition in &partitions {
            (*shared).owned.remove(partition);
        }
        if let Some(events) = events {
            if sys::rd_kafka_assignment_lost(client) != 0 {
                (*events).lost(&partitions);
            } else {
                let positions = (*events).revoked(&partitions);
                let committed = commit_now(client, &(*shared).topics, &positions);
                note(&mut *shared, "cannot commit what is revoked", committed);
            }
        }
        let unassigned = if cooperative {
            failure(sys::rd_kafka_incremental_unassign(client, list))
        } else {
            code(sys::rd_kafka_assign(client, ptr::null()))
        };
        note(&mut *shared, "cannot give up partitions", unassigned);
    }
}

/// Commits and waits for the answer, but not for ever.
///
/// # Safety
/// `client` is valid.
unsafe fn commit_now(
    client: *mut sys::rd_kafka_t,
    topics: &[String],
    positions: &[(Partition, u64)],
) -> Option<String> {
    if positions.is_empty() {
        return None;
    }
    let list = match List::of(topics, positions) {
        Ok(list) => list,
        Err(error) => return Some(error.to_string()),
    };
    // SAFETY: client, list and queue are live; the answer comes as an event on our queue, and
    // queue and event are given back.
    unsafe {
        let queue = sys::rd_kafka_queue_new(client);
        let asked = sys::rd_kafka_commit_queue(client, list.0, queue, None, ptr::null_mut());
        let mut result = code(asked);
        if result.is_none() {
            let event = sys::rd_kafka_queue_poll(queue, COMMIT_WITHIN.as_millis() as i32);
            if event.is_null() {
                result = Some(format!("no answer within {} s", COMMIT_WITHIN.as_secs()));
            } else {
                result = code(sys::rd_kafka_event_error(event));
                sys::rd_kafka_event_destroy(event);
            }
        }
        sys::rd_kafka_queue_destroy(queue);
        result
    }
}

/// Served by our polls: what became of a commit.
pub(super) unsafe extern "C" fn on_commit(
    _: *mut sys::rd_kafka_t,
    error: ErrorCode,
    _: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // A rebalance in between makes commits void: the new owner reads again what was not committed.
    let expected = matches!(
        error,
        ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR
            | ErrorCode::RD_KAFKA_RESP_ERR__NO_OFFSET
            | ErrorCode::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
            | ErrorCode::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
            | ErrorCode::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
    );
    if !expected {
        // SAFETY: the opaque pointer is our `Shared`, which outlives the client.
        let shared = unsafe { &mut *opaque.cast::<Shared>() };
        note(shared, "a commit failed", code(error));
    }
}

fn note(shared: &mut Shared, what: &str, failure: Option<String>) {
    if let Some(failure) = failure {
        shared.complaints.add(format!("{what}: {failure}"));
    }
}

fn code(error: ErrorCode) -> Option<String> {
    (error != ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error_text(error))
}

/// The text of an error object, which is destroyed.
///
/// # Safety
/// `error` is null or valid, and not used any more.
unsafe fn failure(error: *mut sys::rd_kafka_error_t) -> Option<String> {
    if error.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    unsafe {
        let text = from_c(sys::rd_kafka_error_string(error));
        sys::rd_kafka_error_destroy(error);
        Some(text)
    }
}
