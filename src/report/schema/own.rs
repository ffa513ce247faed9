//! `omb` in the result, as `report/result.rs` puts it together.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::host::Busy;
use crate::report::disturbances::Disturbance;
use crate::report::numbers::Millis;
use crate::report::provenance::Provenance;
use crate::report::search::{RateChange, SearchSchema};
use crate::report::{Event, Process, Status};

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
pub(super) struct Own {
    /// The version of omb.
    version: String,
    /// The run's id, as in its topic names.
    run_id: String,
    /// How the run ended.
    status: Status,
    /// Why, where it did not complete.
    reason: Option<String>,
    /// Whose broker it was.
    broker: Broker,
    /// What a reader of the figures has to know.
    notes: Vec<String>,
    /// What happened when.
    events: Vec<Event>,
    /// How many events came after those listed.
    events_unlisted: u64,
    /// When the run began, by the wall clock.
    started: String,
    /// Messages per second that were asked for.
    target_rate: f64,
    /// Length of the measured phase.
    measured_seconds: f64,
    /// Messages of the measured phase handed to the client library.
    sent: u64,
    /// Of these, acknowledged by the broker.
    acknowledged: u64,
    /// Of these, certainly not persisted.
    failed: u64,
    /// Of these, neither acknowledged nor certainly failed.
    unknown: u64,
    /// Messages of the measured phase received, summed over subscriptions.
    received: u64,
    /// Due to acknowledgement, ms.
    response_latency: Millis,
    /// Due to received, ms.
    end_to_end_response_latency: Millis,
    /// Latencies of messages that no disturbance delayed, ms; null where there was none.
    undisturbed: Option<PerLatency<Millis>>,
    /// Deaths, stops and pauses under load.
    disturbances: Disturbances,
    /// By period: a disturbance is in its figures.
    disturbed_periods: Vec<bool>,
    /// How a backlog was built and drained; null where none was asked for.
    backlog_drain: Option<BacklogDrain>,
    /// How the rate was looked for; null where it was given.
    rate_search: Option<SearchSchema>,
    /// How the rate changed while it was measured.
    rates: Vec<RateChange>,
    /// Values that latencies have no place for.
    out_of_range: PerLatency<OutOfRange>,
    /// The books over all load messages, warm-up included.
    ledger: Ledger,
    /// What the run had to reach.
    thresholds: Vec<Threshold>,
    /// Signs that this host was the limit, and not the broker.
    host_limits: Vec<String>,
    /// How busy this host was during the measured phase, where it tells.
    host_busy: Option<Busy>,
    /// Lines of the samples that could not be written.
    samples_lost: u64,
    /// What made the figures.
    provenance: Provenance,
    /// Restarts of children.
    restarts: u32,
    /// Processor time of all processes.
    cpu_seconds: f64,
    /// Every process, in the order of their starts.
    processes: Vec<Process>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
enum Broker {
    /// omb's own, in memory: its figures are not a real broker's.
    Embedded,
    /// Another one.
    External,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct PerLatency<T> {
    /// Send to acknowledgement.
    publish_latency: T,
    /// Due to send.
    publish_delay_latency: T,
    /// Due to acknowledgement.
    response_latency: T,
    /// Send to received.
    end_to_end_latency: T,
    /// Due to received.
    end_to_end_response_latency: T,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct OutOfRange {
    /// Above an hour, and counted as an hour.
    saturated: u64,
    /// Below zero, and counted nowhere else.
    negative: u64,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Disturbances {
    /// How many there were.
    count: u64,
    /// Of these, not recovered from before the load was over.
    unrecovered: u64,
    /// Faults that found no child to do something to.
    missed_faults: u64,
    /// Until the child's first message after it.
    recovery_seconds: Seconds,
    /// Until everything due was sent and the backlog was back where it had been.
    caught_up_seconds: Seconds,
    /// Highest backlog in any.
    backlog_peak: u64,
    /// Messages redelivered in all of them.
    redelivered: u64,
    /// The first ones.
    list: Vec<Disturbance>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct BacklogDrain {
    /// Messages asked for, over all subscriptions.
    requested: u64,
    /// It counts as drained when no more than this many are left.
    level: u64,
    /// Messages waiting when consumers were let go.
    messages: u64,
    /// From the start of the measured phase until it was built; null where it was not.
    built_seconds: Option<f64>,
    /// How long it took to drain; null where it was not.
    drained_seconds: Option<f64>,
    /// Messages received until it was drained, or until nobody waited any longer.
    received: u64,
    /// Messages received a second meanwhile.
    drain_rate: f64,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Seconds {
    count: u64,
    avg: f64,
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Ledger {
    /// Handed to the client library.
    sent: u64,
    /// Acknowledged by the broker.
    acknowledged: u64,
    /// Certainly not persisted.
    failed: u64,
    /// Neither acknowledged nor certainly failed.
    unknown: u64,
    /// Due and never sent.
    unsent: u64,
    /// How often a client's queue was full when a message was due.
    queue_full: u64,
    /// The first few messages of each class.
    examples: SendExamples,
    /// What each subscription received, by its name.
    subscriptions: BTreeMap<String, Subscription>,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct SendExamples {
    failed: Vec<Example>,
    unknown: Vec<Example>,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Subscription {
    /// Different messages received.
    received: u64,
    /// Acknowledged, not received, and the subscription has read past the place.
    lost: u64,
    /// Acknowledged, not received, and not reached in time.
    unread: u64,
    /// The same message at a further offset.
    duplicates: u64,
    /// The same offset again.
    redelivered: u64,
    /// Received after it had been settled as lost.
    late: u64,
    /// Received behind a later message of the same stream and partition.
    reordered: u64,
    /// Messages without this run's stamp.
    foreign: u64,
    /// The first few messages of each class.
    examples: SubscriptionExamples,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct SubscriptionExamples {
    lost: Vec<Example>,
    unread: Vec<Example>,
    duplicates: Vec<Example>,
    redelivered: Vec<Example>,
    late: Vec<Example>,
    reordered: Vec<Example>,
    foreign: Vec<Example>,
}

/// A message, as far as it is known.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Example {
    #[schemars(with = "String", default)]
    topic: Option<String>,
    #[schemars(with = "u32", default)]
    partition: Option<u32>,
    #[schemars(with = "u64", default)]
    offset: Option<u64>,
    /// Number of the logical producer.
    #[schemars(with = "u32", default)]
    producer: Option<u32>,
    /// Which of its process's lives.
    #[schemars(with = "u32", default)]
    incarnation: Option<u32>,
    /// Its number among those of this producer.
    #[schemars(with = "u64", default)]
    sequence: Option<u64>,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct Threshold {
    /// What is bounded, as `publish.p99`.
    name: String,
    /// How, as `<50ms`.
    bound: String,
    /// Of what was measured; empty for counts.
    unit: String,
    /// What was measured; null where nothing could be.
    measured: Option<f64>,
    /// It was reached, or nothing could be measured.
    met: bool,
    /// Why nothing was measured.
    note: Option<String>,
}
