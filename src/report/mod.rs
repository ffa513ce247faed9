//! What a run found, written down for people and programs: OMB's result JSON, samples, terminal.
//!
//! The types here are what the supervisor hands over; each writer turns them into its own form.

pub mod backlog;
pub mod csv;
pub mod disturbances;
mod examples;
pub mod file;
pub mod fold;
pub mod hlog;
pub mod limits;
mod numbers;
pub mod provenance;
pub mod rebuild;
pub mod record;
pub mod result;
pub mod samples;
pub mod schema;
pub mod search;
pub mod table;
pub mod terminal;
pub mod thresholds;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Driver, Workload};
use crate::host::Busy;
use crate::stats::examples::{SendExamples, SubscriptionExamples};
use crate::stats::latencies::{Latencies, LatencySummaries};
use crate::stats::ledger::SubscriptionCounts;
use backlog::BacklogDrain;
use disturbances::Disturbances;
use provenance::Provenance;
use search::{RateChange, SearchReport};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// All phases came to their end.
    Completed,
    /// A signal ended it.
    Interrupted,
    /// It could not go on, or what it found is no result.
    Failed,
}

impl Status {
    /// The word for it in results and samples.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// Counters of messages within a stretch of time of the measured phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged by the broker.
    pub acknowledged: u64,
    /// Certainly not persisted.
    pub failed: u64,
    /// Neither acknowledged nor certainly failed.
    pub unknown: u64,
    /// Received, summed over subscriptions, each message once per subscription.
    pub received: u64,
    /// Payload bytes acknowledged.
    pub acknowledged_bytes: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
}

impl Counters {
    /// Adds those of another stretch of time.
    pub fn add(&mut self, other: Self) {
        let add = |to: &mut u64, more| *to = to.saturating_add(more);
        add(&mut self.sent, other.sent);
        add(&mut self.acknowledged, other.acknowledged);
        add(&mut self.failed, other.failed);
        add(&mut self.unknown, other.unknown);
        add(&mut self.received, other.received);
        add(&mut self.acknowledged_bytes, other.acknowledged_bytes);
        add(&mut self.received_bytes, other.received_bytes);
    }
}

/// One stretch of the measured phase: a reporting period or a second of the live view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Start, in seconds since the measured phase began (negative: during warm-up).
    pub start: f64,
    /// Length in seconds, above 0.
    pub seconds: f64,
    /// Messages in this stretch.
    pub counters: Counters,
    /// Acknowledged and not yet received at its end, summed over subscriptions.
    pub backlog: u64,
    /// Something happened that is in `omb.disturbances`: these latencies tell of it, too.
    pub disturbed: bool,
    /// Latencies of messages in this stretch.
    pub latencies: LatencySummaries,
}

/// One child process in one of its lives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// `producer`, `consumer`, `steward` or `broker`.
    pub role: Cow<'static, str>,
    /// Number of the child within its role, from 0.
    pub id: u32,
    /// Which life of the child, from 0.
    pub incarnation: u32,
    /// Process id it had.
    pub pid: i32,
    /// How it ended: `exit 0`, `signal 9 (SIGKILL)`, …; `None`: still alive when this was written.
    pub ended: Option<String>,
    /// Processor time, user and system.
    pub cpu_seconds: f64,
    /// Largest resident set.
    pub max_rss_bytes: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, by the wall clock.
    pub t: String,
    /// What.
    pub text: String,
}

/// What happened in a run, as it was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The first ones; samples have all of them.
    pub list: Vec<Event>,
    /// How many came after those.
    pub unlisted: u64,
}

impl Events {
    /// Of a run of days not everything is in its result.
    const LISTED: usize = 200;

    /// Something happened.
    pub fn add(&mut self, unix_ms: i64, text: &str) {
        if self.list.len() == Self::LISTED {
            self.unlisted += 1;
            return;
        }
        self.list.push(Event {
            t: numbers::rfc3339(unix_ms),
            text: text.to_owned(),
        });
    }
}

/// The driver, as far as a result names it: its settings may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverName {
    /// Its name.
    pub name: String,
    /// Whether the broker under test is ours, started for this run.
    pub embedded: bool,
}

impl From<&Driver> for DriverName {
    fn from(driver: &Driver) -> Self {
        Self {
            name: driver.name.clone(),
            embedded: driver.embedded,
        }
    }
}

/// A whole run. As JSON, its facts alone: what it measured is in [records](record) and is folded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The run's id, as in its topic names.
    pub id: String,
    /// The workload as it was run.
    pub workload: Workload,
    /// The driver.
    pub driver: DriverName,
    /// How it ended.
    pub status: Status,
    /// Why, in a sentence, where the status is not `Completed`.
    pub reason: Option<String>,
    /// What a reader of the figures has to know: several topics per client, stamps in headers, ….
    pub notes: Vec<String>,
    /// What happened when.
    pub events: Events,
    /// All reporting periods; at least one.
    #[serde(skip)]
    pub periods: Vec<Interval>,
    /// The measured phase as a whole.
    #[serde(skip)]
    pub total: Interval,
    /// Its histograms.
    #[serde(skip)]
    pub latencies: Latencies,
    /// Latencies of messages that nothing disturbed; `None` where nothing was.
    #[serde(skip)]
    pub undisturbed: Option<LatencySummaries>,
    /// Deaths, stops and pauses while there was load, and how the run recovered.
    pub disturbances: Disturbances,
    /// How the backlog that the workload asks for was built and drained.
    pub backlog_drain: Option<BacklogDrain>,
    /// How the rate was looked for.
    #[serde(default)]
    pub rate_search: Option<SearchReport>,
    /// How the rate changed while it was measured.
    #[serde(skip)]
    pub rates: Vec<RateChange>,
    /// Every process, in the order of their starts.
    pub processes: Vec<Process>,
    /// Restarts of children.
    pub restarts: u32,
    /// Processor time of all children and the supervisor.
    pub cpu_seconds: f64,
    /// Wall clock at the start of the run, as Unix time in milliseconds.
    pub started_unix_ms: i64,
    /// Books over every load message, warm-up included, by subscription.
    pub ledger: LedgerReport,
    /// How busy this host was during the measured phase, where it tells.
    pub busy: Option<Busy>,
    /// What made these figures.
    pub provenance: Provenance,
    /// Lines of the samples file that could not be written.
    #[serde(skip)]
    pub samples_lost: u64,
}

/// The books of a run over every load message, warm-up included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerReport {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged by the broker.
    pub acknowledged: u64,
    /// Certainly not persisted.
    pub failed: u64,
    /// Neither acknowledged nor certainly failed.
    pub unknown: u64,
    /// Due within the run's schedule and never sent: the clients could not keep up.
    pub unsent: u64,
    /// How often a client's queue was full when a message was due.
    pub queue_full: u64,
    /// What each subscription received, by its name.
    pub subscriptions: Vec<(String, SubscriptionCounts)>,
    /// The first few messages of each class of trouble, in the order of the subscriptions.
    pub examples: Vec<SubscriptionExamples>,
    /// The first few that failed, or whose outcome is unknown.
    pub send_examples: SendExamples,
    /// Names of the run's topics, by number.
    pub topics: Vec<String>,
}

/// Runs for the writers' tests.
#[cfg(test)]
pub(crate) mod testing;
