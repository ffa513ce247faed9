//! What the user wrote, turned into what it means: driver file, workload file, command line.
//!
//! Everything wrong with them is found here, all at once, before the first connection. The types
//! below are complete and valid: no other room checks them again.

mod backlog;
mod driver;
mod environment;
mod faults;
mod fields;
mod load;
mod names;
mod payload;
mod properties;
pub mod schema;
mod search;
mod systems;
mod thresholds;
mod tree;
mod units;
mod uri;
mod workload;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use backlog::Backlog;
pub use driver::is_of_reach;
pub use faults::{Fault, FaultAction, FaultTarget, FaultTimes, parse_fault};
pub use load::{Overrides, RestartOverrides, load, load_driver, load_workload, sort_problems};
pub use names::{file_stem, is_secret, nearest};
pub use search::{RateControl, RateSearch, parse_objective};
pub use systems::{
    Batching, Driver, KafkaConfig, Persistence, PulsarConfig, QueueType, RabbitMqConfig,
    RocketMqConfig, Subscription, System,
};
pub use thresholds::{
    Count, Latency, Measure, Relation, Statistic, Threshold, measures, parse_threshold,
};
pub use units::{parse_count, parse_duration, parse_memory, parse_rate, parse_size, show_duration};
pub use uri::{Uri, without_users};
pub use workload::{check_hang_after, check_topic_prefix};

/// One workload, complete and within bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// `name:` of the file, or the file's stem where it has none.
    pub name: String,
    /// Number of topics; with `--topic NAME` it is 1.
    pub topics: u32,
    /// What the names of topics begin with.
    #[serde(default = "workload::usual_prefix")]
    pub topic_prefix: String,
    /// Partitions of each topic.
    pub partitions_per_topic: u32,
    /// Logical producers of each topic.
    pub producers_per_topic: u32,
    /// Subscriptions (consumer groups) of each topic.
    pub subscriptions_per_topic: u32,
    /// Logical consumers in each subscription of each topic.
    pub consumers_per_subscription: u32,
    /// Bytes of a message's payload, the stamp included.
    pub message_size: usize,
    /// What the payload is filled with.
    pub payload: Payload,
    /// What random payloads are made with.
    pub seed: u64,
    /// How messages get their keys.
    pub keys: KeyDistributor,
    /// Messages per second, summed over all producers; finite, and above 0 unless it is searched.
    pub rate: f64,
    /// How the rate is looked for.
    #[serde(default)]
    pub search: Option<RateSearch>,
    /// How the rate follows what is measured.
    #[serde(default)]
    pub control: Option<RateControl>,
    /// Time under load before the measured phase.
    pub warmup: Duration,
    /// Length of the measured phase; with a backlog, its least length.
    pub duration: Duration,
    /// What consumers let build up before they read it.
    pub backlog: Option<Backlog>,
    /// Producer processes; `None`: the plan decides by the number of cores.
    pub producer_processes: Option<u32>,
    /// Consumer processes; `None`: the plan decides by the number of cores.
    pub consumer_processes: Option<u32>,
    /// Length of one entry of the result's arrays.
    pub report_period: Duration,
    /// Which children are restarted, and how often.
    pub restart: RestartPolicy,
    /// Faults that the run brings about itself.
    pub faults: Vec<Fault>,
    /// What the run has to reach.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// A child that has said nothing for this long hangs, and is ended.
    pub hang_after: Duration,
    /// How long consumers may take to read what is left after the load has ended.
    pub drain_deadline: Duration,
    /// How long clients may take to connect and to see the first probe messages.
    pub ready_deadline: Duration,
}

/// What a message's payload is filled with, behind the stamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Payload {
    /// The file's bytes, exactly `message_size` of them.
    File(PathBuf),
    /// `pool` different payloads, each with `random_ratio` of its bytes random and the rest zero.
    Random {
        /// Share of random bytes, 0 to 1.
        random_ratio: f64,
        /// Number of different payloads.
        pool: u32,
    },
}

/// How messages get their keys, as in OMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyDistributor {
    /// No key: the client library spreads messages over partitions.
    None,
    /// One of 10,000 keys after the other.
    RoundRobin,
    /// One of 10,000 keys, picked by the clock's nanoseconds.
    RandomNano,
}

/// Which children that died are started again, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartPolicy {
    /// Consumer processes are.
    pub consumers: bool,
    /// Producer processes are.
    pub producers: bool,
    /// Restarts allowed within the window; one more fails the run.
    pub max_restarts: u32,
    /// The window that `max_restarts` counts in.
    pub window: Duration,
    /// Pause before a restart, give or take a quarter; it doubles with each life that came to
    /// nothing.
    pub backoff: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            consumers: true,
            producers: false,
            max_restarts: 3,
            window: Duration::from_secs(300),
            backoff: Duration::from_millis(250),
        }
    }
}

/// One `key=value` a person wrote.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// The name, as written.
    pub key: String,
    /// The value, as written.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

impl fmt::Debug for Property {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if is_secret(&self.key) {
            "***"
        } else {
            &self.value
        };
        write!(f, "{}={value} ({})", self.key, self.origin)
    }
}

/// Where a person wrote something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A line of a file, counted from 1, and a column, counted from 1 (0: the line as a whole).
    File {
        /// The file, as named by the person.
        path: PathBuf,
        /// Line, from 1; 0 where the file as a whole is meant.
        line: usize,
        /// Column, from 1; 0 where the line as a whole is meant.
        column: usize,
    },
    /// The command line: the option, such as `-X linger.ms`.
    CommandLine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Origin::File {
                path,
                line,
                column: 0,
            } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Origin::CommandLine(option) => write!(f, "{option}"),
        }
    }
}

/// One thing that is wrong with what a person wrote: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong and what to do, in one sentence without a line break.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Values for tests of other rooms.
#[cfg(test)]
pub mod testing {
    use super::*;

    /// A small valid workload: one topic, one partition, one client of each kind.
    pub fn workload() -> Workload {
        Workload {
            name: "test".to_owned(),
            topics: 1,
            topic_prefix: "test-topic".to_owned(),
            partitions_per_topic: 1,
            producers_per_topic: 1,
            subscriptions_per_topic: 1,
            consumers_per_subscription: 1,
            message_size: 1024,
            payload: Payload::Random {
                random_ratio: 0.0,
                pool: 1,
            },
            seed: 0,
            keys: KeyDistributor::None,
            rate: 1_000.0,
            search: None,
            control: None,
            warmup: Duration::from_secs(2),
            duration: Duration::from_secs(10),
            backlog: None,
            producer_processes: None,
            consumer_processes: None,
            report_period: Duration::from_secs(10),
            restart: RestartPolicy::default(),
            faults: Vec::new(),
            thresholds: Vec::new(),
            hang_after: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(60),
            ready_deadline: Duration::from_secs(60),
        }
    }
}
