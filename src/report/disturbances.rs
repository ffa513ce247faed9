//! What disturbed a run while there was load: deaths, stops and pauses of its own processes, and how
//! it recovered from each.

use std::borrow::Cow;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::numbers::{finite, grouped};
use crate::stats::summary::Summary;

/// Of a run of days not every disturbance is listed; the sums have all of them.
pub const LISTED: usize = 1_000;

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disturbance {
    /// `death`, `stop` (SIGSTOP), or `pause` of the whole run (SIGTSTP).
    pub what: Cow<'static, str>,
    /// Which child, as `consumer 1`; `None`: all of them.
    pub child: Option<String>,
    /// Why, for people.
    pub cause: String,
    /// The workload asked for it.
    pub planned: bool,
    /// When, in seconds since the measured phase began.
    pub at: f64,
    /// Seconds until the child's first message after it: received, or acknowledged. `None` where
    /// there was none.
    pub recovery_seconds: Option<f64>,
    /// Seconds until the backlog was back where it had been, to a report's interval of 0.2 s. `None`
    /// where it never was.
    pub caught_up_seconds: Option<f64>,
    /// Highest backlog meanwhile.
    pub backlog_peak: u64,
    /// Messages redelivered meanwhile; to whichever consumer.
    pub redelivered: u64,
}

/// All of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disturbances {
    /// The first ones, up to [`LISTED`].
    pub list: Vec<Disturbance>,
    /// How many there were.
    pub count: u64,
    /// How many of them the run did not recover from before its load was over.
    pub unrecovered: u64,
    /// Recovery, in nanoseconds.
    pub recovery: Summary,
    /// Catching up, in nanoseconds.
    pub caught_up: Summary,
    /// Highest backlog in any.
    pub backlog_peak: u64,
    /// Messages redelivered in all of them; where two overlap, in both.
    pub redelivered: u64,
    /// Faults that found no child to do something to.
    pub missed_faults: u64,
}

impl Disturbances {
    /// All of it, sums first.
    ///
    /// # Errors
    /// None: numbers and texts are always JSON.
    pub fn to_json(&self) -> serde_json::Result<Value> {
        Ok(json!({
            "count": self.count,
            "unrecovered": self.unrecovered,
            "missedFaults": self.missed_faults,
            "recoverySeconds": seconds(&self.recovery),
            "caughtUpSeconds": seconds(&self.caught_up),
            "backlogPeak": self.backlog_peak,
            "redelivered": self.redelivered,
            "list": serde_json::to_value(&self.list)?,
        }))
    }

    /// For the summary; empty where nothing happened.
    pub fn in_words(&self) -> Vec<String> {
        if self.count + self.missed_faults == 0 {
            return Vec::new();
        }
        let times = |summary: &Summary| {
            let [avg, max] = [summary.avg, summary.max].map(|nanos| nanos / 1e9);
            format!("{avg:.2} s on average, {max:.2} s at most")
        };
        let of = |kind| self.list.iter().filter(|one| one.what == kind).count() as u64;
        let kinds: Vec<String> = [("death", "deaths"), ("stop", "stops"), ("pause", "pauses")]
            .into_iter()
            .filter_map(|(one, many)| match of(one) {
                0 => None,
                1 => Some(format!("1 {one}")),
                number => Some(format!("{} {many}", grouped(number))),
            })
            .collect();
        let mut first = kinds.join(", ");
        if self.count > self.list.len() as u64 {
            first = format!("{} in all", grouped(self.count));
        }
        if self.unrecovered > 0 {
            let _ = write!(first, "; {} not recovered from", grouped(self.unrecovered));
        }
        if self.missed_faults > 0 {
            let missed = grouped(self.missed_faults);
            let _ = write!(first, "; {missed} faults found no child");
        }
        let mut lines = vec![first];
        if self.recovery.count > 0 {
            lines.push(format!("first message after {}", times(&self.recovery)));
        }
        if self.caught_up.count > 0 {
            lines.push(format!("caught up after {}", times(&self.caught_up)));
        }
        let (peak, redelivered) = (grouped(self.backlog_peak), grouped(self.redelivered));
        lines.push(format!("backlog up to {peak}, {redelivered} redelivered"));
        lines
    }
}

fn seconds(of: &Summary) -> Value {
    let [avg, p50, p99, max] =
        [of.avg, of.p50, of.p99, of.max].map(|nanos| finite((nanos / 1e6).round() / 1e3));
    json!({"count": of.count, "avg": avg, "p50": p50, "p99": p99, "max": max})
}
