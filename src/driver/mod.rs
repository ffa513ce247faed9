//! What omb needs of a messaging system, and the systems that give it.
//!
//! The message path is generic over [`Driver`], so each system gets its own compiled loops: no
//! dynamic call, no lock and no allocation per message between omb and the client library.
//! A system is registered in [`crate::config::System`] and in [`systems`].

pub mod bell;
pub mod complaints;
#[cfg(any(feature = "pulsar", feature = "rabbitmq"))]
pub mod flights;
pub mod kafka;
#[cfg(any(feature = "pulsar", feature = "rocketmq"))]
pub mod keys;
#[cfg(any(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq"))]
pub mod link;
pub mod patience;
#[cfg(feature = "pulsar")]
pub mod pulsar;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "rocketmq")]
pub mod rocketmq;
pub mod systems;

use std::fmt;
use std::os::fd::RawFd;

use crate::clock::Instant;

/// Bytes of the stamp that messages carry: at the front of the payload, or in a header.
pub const STAMP_LEN: usize = 32;

/// Name of the header that carries the stamp of small messages.
pub const STAMP_HEADER: &str = "omb";

/// A messaging system, configured.
pub trait Driver: Clone + Send + 'static {
    /// Sends messages; owned by one thread.
    type Producer: Producer;
    /// Receives messages; owned by one thread.
    type Consumer: Consumer;
    /// Creates, describes and deletes; owned by the steward.
    type Admin: Admin;

    /// Connects a producer that will send to `topics`; indexes into that list name them from then
    /// on. `wake` becomes readable when [`Producer::poll`] has to return early.
    fn producer(&self, options: &ProducerOptions<'_>) -> Result<Self::Producer, DriverError>;

    /// Connects a consumer in a group.
    fn consumer(&self, options: &ConsumerOptions<'_>) -> Result<Self::Consumer, DriverError>;

    /// Connects an administrator.
    fn admin(&self) -> Result<Self::Admin, DriverError>;
}

/// How to connect a producer.
#[derive(Clone, Copy, Debug)]
pub struct ProducerOptions<'a> {
    /// Name the broker sees in its logs.
    pub client_id: &'a str,
    /// Topics it sends to.
    pub topics: &'a [String],
    /// Partitions of each of them.
    pub partitions: u32,
    /// A descriptor that ends a wait when it is readable. The driver does not read from it.
    pub wake: RawFd,
}

/// How to connect a consumer.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerOptions<'a> {
    /// Name the broker sees in its logs.
    pub client_id: &'a str,
    /// The subscription it is a member of.
    pub group: &'a str,
    /// Topics it subscribes to.
    pub topics: &'a [String],
    /// Partitions of each of them.
    pub partitions: u32,
    /// Bytes of the messages that will come.
    pub message_size: usize,
    /// A descriptor that ends a wait when it is readable. The driver does not read from it.
    pub wake: RawFd,
}

/// What a client library or a broker refused, as one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DriverError(pub String);

/// One message on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Index into the producer's topics.
    pub topic: u32,
    /// Key that selects the partition, if any.
    pub key: Option<&'a [u8]>,
    /// The payload; the stamp is at its front unless `header` has it.
    pub payload: &'a [u8],
    /// The stamp, where the payload is too small for it; travels as a record header.
    pub header: Option<&'a [u8]>,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The client's queue is full: poll, then try again.
    Full,
    /// The client library will never take this message: it is certainly not persisted.
    Rejected(String),
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Acknowledged, at this place of its topic.
    Acknowledged {
        /// Partition.
        partition: u32,
        /// Offset in the partition; `None` where the acknowledgement names none (acks=0).
        offset: Option<u64>,
    },
    /// Certainly not persisted.
    Failed(&'a str),
    /// Not acknowledged, and it may or may not have been persisted.
    Unknown(&'a str),
}

/// Sends messages over one connection object, from one thread.
pub trait Producer {
    /// Hands a message to the client library. Never blocks; the payload is copied.
    fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError>;

    /// Serves outcomes, each with the stamp of its message (the first bytes of the payload, or
    /// the header), until the first ones were served, `until` has come, or the wake descriptor is
    /// readable. Returns at once after serving what is there if `until` lies in the past.
    fn poll(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8], Outcome<'_>));

    /// Messages taken by [`Producer::send`] whose outcome was not served yet.
    fn in_flight(&self) -> u64;

    /// Gives up all messages in flight: their outcomes (failed or unknown) are served by the next
    /// polls, at once where the client library allows.
    fn abandon(&mut self);

    /// Takes what the client library complained of since the last call: connection errors and the
    /// like, not outcomes of messages.
    fn complaints(&mut self) -> Vec<String>;
}

/// One partition of one of a consumer's topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Index into the consumer's topics.
    pub topic: u32,
    /// Number of the partition.
    pub partition: u32,
}

/// Where a broker stores messages in batches, entries, offsets are numbered by so many for each: the last
/// message of an entry has the last of its entry's numbers, and those before it the ones before that.
pub const ENTRY: u64 = 1 << 10;

/// What the number of a message is, and what a position in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// Its offset: messages have one after the other. A position is the next offset to read.
    Densely,
    /// Its offset, by entries of [`ENTRY`] numbers. A position is the next offset to read.
    ByEntries,
    /// Its offset, by entries, in a partition that several members read at the same time. A position is
    /// how many messages this one has received of it since it was assigned.
    Shared,
    /// In the order of receipt, for the system has no offsets; it says whether it has delivered the
    /// message before. A position is the next of these numbers.
    Receipts {
        /// What it says.
        redelivered: bool,
    },
}

/// One message that came in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Where it lay.
    pub partition: Partition,
    /// Its number there.
    pub offset: u64,
    /// What that number is.
    pub numbered: Numbered,
    /// Its payload.
    pub payload: &'a [u8],
    /// The stamp header, where it has one. Looked up only if the payload is too short for a stamp.
    pub header: Option<&'a [u8]>,
}

/// What a consumer tells its owner, in the order in which it happened.
pub trait ConsumerEvents {
    /// Messages of one poll follow, all received at this instant.
    fn batch(&mut self, received: Instant);
    /// A message of the current batch.
    fn message(&mut self, message: &Incoming<'_>);
    /// The group gave these partitions to this consumer (in addition to those it has).
    fn assigned(&mut self, partitions: &[Partition]);
    /// The group is about to take these partitions away. What is returned is committed before
    /// they are given up: (partition, position) of what has been reported.
    fn revoked(&mut self, partitions: &[Partition]) -> Vec<(Partition, u64)>;
    /// These partitions are gone already (the session expired): nothing can be committed.
    fn lost(&mut self, partitions: &[Partition]);
}

/// Receives messages over one connection object, from one thread.
pub trait Consumer {
    /// Serves messages and group changes until the first ones were served, `until` has come, or
    /// the wake descriptor is readable. Returns at once after serving what is there if `until`
    /// lies in the past.
    fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents);

    /// Commits positions (see [`Numbered`]) without waiting. Failures come up in
    /// [`Consumer::complaints`] unless a later commit or a rebalance makes up for them.
    fn commit(&mut self, positions: &[(Partition, u64)]);

    /// Stops or restarts delivery of all partitions, current and future, keeping the membership.
    fn pause(&mut self, paused: bool) -> Result<(), DriverError>;

    /// Leaves the group: serves the final revocation through `events` and returns when the group
    /// has been told or at `until`, whichever is first.
    fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents);

    /// Takes what the client library complained of since the last call. `Err` is fatal: the
    /// consumer will receive nothing any more.
    fn complaints(&mut self) -> Result<Vec<String>, DriverError>;
}

/// A topic that is to be created.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
}

/// What the broker knows of a topic.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Per partition: the offset the next message will get.
    pub ends: Vec<u64>,
}

/// A subscription as the broker has it, and the topics that it is to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its topics.
    pub topics: Vec<String>,
}

impl Group {
    /// Those of `names` that a survey has, with their topics.
    pub fn surveyed(names: &[String], survey: &Survey) -> Vec<Self> {
        let known = |name: &String| {
            let seen = survey.groups.iter().find(|group| group.name == *name);
            Self {
                name: name.clone(),
                topics: seen.and_then(|g| g.topics.clone()).unwrap_or_default(),
            }
        };
        names.iter().map(known).collect()
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Nobody answered, or somebody who can't at present: it is tried again.
    Unanswered(DriverError),
    /// It will not be done.
    Refused(DriverError),
}

impl From<DriverError> for Undone {
    fn from(error: DriverError) -> Self {
        Self::Unanswered(error)
    }
}

impl From<Undone> for DriverError {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Unanswered(error) | Undone::Refused(error) => error,
        }
    }
}

/// Creates, describes and deletes. All calls block, and give up at their deadline.
pub trait Admin {
    /// Proves that the broker answers, with the credentials given; the error says why it doesn't.
    fn connect(&mut self, deadline: Instant) -> Result<(), DriverError>;
    /// The id of the cluster, where it has one.
    fn cluster(&mut self, deadline: Instant) -> Option<String>;
    /// Creates topics, in batches, and waits until each partition has a leader. A topic that
    /// exists, a missing right, or a setting the broker refuses is an error that names it.
    fn create_topics(&mut self, topics: &[NewTopic], deadline: Instant) -> Result<(), DriverError>;
    /// Makes subscriptions, where the broker has to know them before anybody reads.
    fn create_groups(&mut self, _groups: &[Group], _deadline: Instant) -> Result<(), DriverError> {
        Ok(())
    }
    /// Largest message that the topics take, in bytes, where the broker tells.
    fn largest_message(&mut self, topic: &str, deadline: Instant) -> Option<u64>;
    /// Partitions and end offsets of topics that exist.
    fn describe(
        &mut self,
        topics: &[String],
        deadline: Instant,
    ) -> Result<Vec<TopicState>, DriverError>;
    /// Makes a group that nobody joined yet start at these offsets: (topic, partition, offset).
    fn start_group_at(
        &mut self,
        group: &str,
        offsets: &[(String, u32, u64)],
        deadline: Instant,
    ) -> Result<(), DriverError>;
    /// One attempt to delete topics and groups, whatever becomes of each; those that do not exist are no
    /// error, and a group with members stays.
    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<(), Undone>;
    /// Deletes topics and groups. A group with members that died is retried until their session has
    /// expired. Returns what is still there.
    fn delete(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError> {
        let (mut names, mut alive) = (topics.to_vec(), groups.to_vec());
        patience::delete_until(deadline, || {
            self.delete_once(&names, &alive, deadline)?;
            let left = self.list(topics, groups, deadline)?;
            names.clone_from(&left.topics);
            alive = groups.to_vec();
            alive.retain(|group| left.groups.contains(&group.name));
            Ok(left)
        })
    }
    /// Which of these topics and groups the broker still lists.
    fn list(
        &mut self,
        topics: &[String],
        groups: &[Group],
        deadline: Instant,
    ) -> Result<Leftovers, DriverError>;
    /// All topics and groups that this user may see.
    fn survey(&mut self, deadline: Instant) -> Result<Survey, DriverError>;
    /// Per topic and partition: the offset the next message will get; `None` for a topic of which
    /// it can't be told.
    fn ends(&mut self, topics: &[SeenTopic], deadline: Instant) -> Vec<Option<Vec<u64>>>;
    /// In which of these topics a group has committed offsets.
    fn committed(
        &mut self,
        group: &str,
        topics: &[SeenTopic],
        deadline: Instant,
    ) -> Result<Vec<String>, DriverError>;
}

/// Everything a broker lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Topics.
    pub topics: Vec<SeenTopic>,
    /// Groups.
    pub groups: Vec<SeenGroup>,
}

/// A topic that a broker lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
}

/// A group that a broker lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenGroup {
    /// Its name.
    pub name: String,
    /// It has no members for certain.
    pub empty: bool,
    /// Topics that it is to, as far as its members or the broker tell; `None` where they don't.
    pub topics: Option<Vec<String>>,
}

/// Topics and groups of a run that the broker still has.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Leftovers {
    /// Topics.
    pub topics: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
}

impl Leftovers {
    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.groups.is_empty()
    }
}

impl fmt::Display for Leftovers {
    /// `2 topics and 1 group`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{count} {word}s")),
        };
        let topics = counted(self.topics.len(), "topic");
        let groups = counted(self.groups.len(), "group");
        let parts: Vec<String> = topics.into_iter().chain(groups).collect();
        if parts.is_empty() {
            write!(f, "nothing")
        } else {
            write!(f, "{}", parts.join(" and "))
        }
    }
}
