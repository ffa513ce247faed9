//! What a result is made of, piece by piece as it comes in.
//!
//! A [`Record`] has what was counted since the one before it, and of the run's facts (ledger,
//! processes, status, …) what has changed since. The samples file has all of them, and
//! [`Fold`](super::fold::Fold) makes a result of them: in the run itself, and later from the file.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Counters;
use super::search::RateChange;
use crate::stats::delta::{LoadPhase, SlotDelta};
use crate::stats::latencies::Latencies;

/// What came in for one stretch of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Messages.
    pub counters: Counters,
    /// Receptions that acknowledgements of this stretch lead to, less those that happened in it.
    pub backlog_change: i64,
    /// Latencies of messages that nothing disturbed.
    pub latencies: Latencies,
    /// Those of the others.
    #[serde(default, skip_serializing_if = "Latencies::is_empty")]
    pub disturbed: Latencies,
}

impl Bucket {
    /// Adds what one child learnt of messages due in this phase.
    pub fn add(&mut self, delta: &SlotDelta, phase: LoadPhase, message_size: u64, disturbed: bool) {
        let from = delta.phases.of(phase);
        let to = &mut self.counters;
        to.sent += from.sent;
        to.acknowledged += from.acknowledged;
        to.failed += from.failed;
        to.unknown += from.unknown;
        to.acknowledged_bytes += from.acknowledged * message_size;
        // A histogram no child of ours would send is not counted; its counters are.
        let latencies = if disturbed {
            &mut self.disturbed
        } else {
            &mut self.latencies
        };
        let _ = latencies.add(&from.latencies);
    }

    /// All latencies, disturbed or not.
    pub fn all_latencies(self) -> Latencies {
        let mut all = self.latencies;
        all.add_latencies(&self.disturbed);
        all
    }

    /// Adds messages received.
    pub fn received(&mut self, messages: u64, message_size: u64) {
        self.counters.received += messages;
        self.counters.received_bytes += messages * message_size;
    }

    /// Adds another stretch of time.
    pub fn join(&mut self, other: &Self) {
        self.counters.add(other.counters);
        self.latencies.add_latencies(&other.latencies);
        self.disturbed.add_latencies(&other.disturbed);
        self.backlog_change = self.backlog_change.saturating_add(other.backlog_change);
    }
}

/// What was counted since the last record, once the load is announced.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turnover {
    /// How much of the measured phase this record and those before it cover.
    pub covered: Duration,
    /// Length of the measured phase, as planned or as it was cut short.
    pub length: Duration,
    /// Messages of the measured phase received, whenever that was.
    pub received: u64,
    /// By number of the reporting period.
    pub periods: Vec<(usize, Bucket)>,
    /// How the rate changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateChange>,
    /// The load is over and its books are closed: all periods are.
    pub closed: bool,
}

/// What a result is made of, as far as it is new.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Counts records, from 1 on: a line that is missing leaves a gap.
    pub number: u64,
    /// What was counted; none before the load is announced.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub turnover: Option<Turnover>,
    /// Facts of the run that have changed: see [`merge`].
    #[schemars(with = "Map<String, Value>")]
    pub facts: Value,
}

/// What of `new` is not in `old`. Objects are compared field by field; no field ever goes away.
pub fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return new.clone();
    };
    let changed = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value));
    let changes = changed.map(|(name, value)| {
        let change = difference(old.get(name).unwrap_or(&Value::Null), value);
        (name.clone(), change)
    });
    Value::Object(changes.collect())
}

/// Puts the changes of a record into what was known.
pub fn merge(known: &mut Value, changes: Value) {
    match (known, changes) {
        (Value::Object(known), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(known.entry(name).or_insert(Value::Null), change);
            }
        }
        (known, change) => *known = change,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_has_the_facts_that_changed_and_no_others() {
        let old = json!({
            "status": "completed", "reason": null, "busy": null, "list": [1, 2],
            "ledger": {"sent": 1, "topics": ["a"], "examples": {"failed": []}},
        });
        let new = json!({
            "status": "failed", "reason": "x", "busy": {"busy": 0.5}, "list": [1, 2],
            "ledger": {"sent": 2, "topics": ["a"], "examples": {"failed": []}}, "more": 1,
        });
        let changes = difference(&old, &new);
        let expected = json!({
            "status": "failed", "reason": "x", "busy": {"busy": 0.5}, "ledger": {"sent": 2},
            "more": 1,
        });
        assert_eq!(changes, expected);
        let mut known = old.clone();
        merge(&mut known, changes);
        assert_eq!(known, new);
        assert_eq!(difference(&new, &new), json!({}));
        let mut nothing = Value::Null;
        merge(&mut nothing, difference(&Value::Null, &new));
        assert_eq!(nothing, new);
    }
}
