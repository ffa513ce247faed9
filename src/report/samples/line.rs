//! What a line of the samples looks like.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Children;
use crate::report::Status;
use crate::report::numbers::Millis;
use crate::report::record::Record;

/// A line of the samples.
#[derive(Serialize, JsonSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Line<'a> {
    /// The first line of each part: what run this is.
    Run {
        /// The wall clock.
        t: String,
        /// The version of omb.
        version: &'a str,
        /// Of the records.
        format: u32,
        /// Number of the part, from 0.
        part: u32,
        /// The run's id, as in its topic names.
        #[schemars(with = "String")]
        run_id: &'a Value,
        /// The workload's name.
        #[schemars(with = "String")]
        workload: &'a Value,
        /// The driver's name.
        #[schemars(with = "String")]
        driver: &'a Value,
        /// `embedded` or `external`.
        broker: &'a str,
        /// What the numbers of a sample mean.
        units: Units,
        /// The file name of the result.
        result: &'a str,
        /// The run as far as it is known, for `omb report`; its form is that of the version.
        #[schemars(with = "Map<String, Value>")]
        facts: &'a Value,
    },
    /// A second of the run.
    Sample(Box<Sample<'a>>),
    /// What the result is made of, for `omb report`.
    Record(Stamped<'a>),
    /// Something that happened.
    Event {
        /// The wall clock.
        t: String,
        /// What.
        text: &'a str,
    },
    /// The last line.
    End {
        /// The wall clock.
        t: String,
        /// How the run ended.
        #[schemars(with = "Status")]
        status: &'a str,
        /// Why, where it did not complete.
        reason: Option<&'a str>,
    },
}

/// A record with the time it was written.
#[derive(Serialize, JsonSchema)]
pub struct Stamped<'a> {
    /// The wall clock.
    pub t: String,
    /// It.
    #[serde(flatten)]
    pub record: &'a Record,
}

/// What the numbers of a sample mean, for who finds the file alone.
#[derive(Serialize, JsonSchema)]
pub struct Units {
    latencies: &'static str,
    start: &'static str,
    counters: &'static str,
}

/// Of every sample.
pub const UNITS: Units = Units {
    latencies: "ms",
    start: "seconds since the measured phase began",
    counters: "messages or bytes within the sample's seconds",
};

/// A second of the run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sample<'a> {
    /// The wall clock.
    pub t: String,
    /// Seconds since the measured phase began; negative during warm-up.
    pub start: f64,
    /// Length in seconds.
    pub seconds: f64,
    /// The phase of the run.
    pub phase: &'a str,
    /// Messages handed to the client library.
    pub sent: u64,
    /// Messages acknowledged by the broker.
    pub acknowledged: u64,
    /// Messages certainly not persisted.
    pub failed: u64,
    /// Messages neither acknowledged nor certainly failed.
    pub unknown: u64,
    /// Messages received, summed over subscriptions.
    pub received: u64,
    /// Payload bytes acknowledged.
    pub acknowledged_bytes: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
    /// Messages acknowledged and not yet received at its end.
    pub backlog: u64,
    /// Something happened that is in `omb.disturbances`.
    pub disturbed: bool,
    /// Send to acknowledgement.
    pub publish_latency: Millis,
    /// Due to send.
    pub publish_delay_latency: Millis,
    /// Due to acknowledgement.
    pub response_latency: Millis,
    /// Send to received.
    pub end_to_end_latency: Millis,
    /// Due to received.
    pub end_to_end_response_latency: Millis,
    /// Producers and consumers.
    pub children: Children,
}
