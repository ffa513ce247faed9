//! Whether a run reached what it had to reach.

use serde_json::{Value, json};

use super::Run;
use super::numbers::{finite, grouped, millis};
use crate::config::{Count, Latency, Measure, Statistic, Threshold};
use crate::stats::latencies::LatencySummaries;
use crate::stats::ledger::SubscriptionCounts;
use crate::stats::summary::Summary;

/// A threshold, and how the run stands to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What had to be reached.
    pub threshold: Threshold,
    /// What was measured, in the unit of the threshold; none where nothing could be.
    pub measured: Option<f64>,
    /// It was reached, or nothing could be measured.
    pub met: bool,
    /// Why nothing was measured.
    pub note: Option<String>,
}

/// What a run measured of one thing.
enum Found {
    Value(f64),
    /// There was nothing to measure.
    Nothing(&'static str),
    /// More than any bound.
    Endless(String),
}

/// Every threshold of a run, in the order in which they were given.
pub fn verdicts(run: &Run) -> Vec<Verdict> {
    let thresholds = run.workload.thresholds.iter();
    thresholds
        .map(|threshold| verdict(run, threshold))
        .collect()
}

fn verdict(run: &Run, threshold: &Threshold) -> Verdict {
    let holds = |measured| threshold.relation.holds(measured, threshold.bound);
    let (measured, met, note) = match measure(run, threshold.measure) {
        Found::Value(measured) => (Some(measured), holds(measured), None),
        Found::Nothing(note) => (None, true, Some(note.to_owned())),
        Found::Endless(note) => (None, holds(f64::INFINITY), Some(note)),
    };
    Verdict {
        threshold: threshold.clone(),
        measured,
        met,
        note,
    }
}

/// As the result has it, rounded alike, so that a reader comes to the same verdict.
fn measure(run: &Run, measure: Measure) -> Found {
    let total = &run.total;
    let rate = |count: u64| {
        if total.seconds > 0.0 {
            Found::Value(finite(count as f64 / total.seconds))
        } else {
            Found::Nothing("nothing was measured")
        }
    };
    let counters = &total.counters;
    match measure {
        Measure::Latency(..) => match measured_latency(&total.latencies, measure) {
            Some(measured) => Found::Value(measured),
            None => Found::Nothing("no message was measured"),
        },
        Measure::PublishRate => rate(counters.acknowledged),
        Measure::ConsumeRate => rate(counters.received),
        Measure::Errors => {
            let errors = counters.failed + counters.unknown;
            match errors + counters.acknowledged {
                0 => Found::Nothing("no message was sent"),
                all => Found::Value(100.0 * errors as f64 / all as f64),
            }
        }
        Measure::Count(count) => Found::Value(counted(run, count) as f64),
        Measure::RecoveryMax => {
            let disturbances = &run.disturbances;
            let open = disturbances.unrecovered;
            if open > 0 {
                let plural = if open == 1 { "" } else { "s" };
                let open = grouped(open);
                Found::Endless(format!("{open} disturbance{plural} not recovered from"))
            } else if disturbances.recovery.count == 0 {
                Found::Nothing("nothing disturbed the run")
            } else {
                // Milliseconds' resolution, as in `omb.disturbances`.
                Found::Value((disturbances.recovery.max / 1e6).round() / 1e3)
            }
        }
    }
}

/// A latency in milliseconds, where that is what is asked for and something was measured.
pub fn measured_latency(all: &LatencySummaries, measure: Measure) -> Option<f64> {
    let Measure::Latency(latency, statistic) = measure else {
        return None;
    };
    let summary = match latency {
        Latency::Publish => &all.publish,
        Latency::Response => &all.response,
        Latency::PublishDelay => &all.publish_delay,
        Latency::EndToEnd => &all.end_to_end,
        Latency::EndToEndResponse => &all.end_to_end_response,
    };
    (summary.count > 0).then(|| millis(number(summary, statistic)))
}

fn number(summary: &Summary, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Avg => summary.avg,
        Statistic::P50 => summary.p50,
        Statistic::P75 => summary.p75,
        Statistic::P95 => summary.p95,
        Statistic::P99 => summary.p99,
        Statistic::P999 => summary.p999,
        Statistic::P9999 => summary.p9999,
        Statistic::Max => summary.max,
    }
}

fn counted(run: &Run, count: Count) -> u64 {
    let books = &run.ledger;
    let sum = |class: fn(&SubscriptionCounts) -> u64| {
        let each = books.subscriptions.iter().map(|(_, books)| class(books));
        each.fold(0, u64::saturating_add)
    };
    match count {
        Count::Lost => sum(|books| books.lost),
        Count::Unread => sum(|books| books.unread),
        Count::Duplicates => sum(|books| books.duplicates),
        Count::Redelivered => sum(|books| books.redelivered),
        Count::Reordered => sum(|books| books.reordered),
        Count::Failed => books.failed,
        Count::Unknown => books.unknown,
        Count::Unsent => books.unsent,
        Count::Restarts => run.restarts.into(),
    }
}

impl Verdict {
    /// As the result has it.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.threshold.measure.to_string(),
            "bound": self.threshold.bound_in_words(),
            "unit": self.threshold.measure.unit(),
            "measured": self.measured,
            "met": self.met,
            "note": self.note,
        })
    }

    /// For people: `publish.p99 <50ms: 2.636 ms`.
    pub fn in_words(&self) -> String {
        let measure = self.threshold.measure;
        let bound = self.threshold.bound_in_words();
        let found = match (self.measured, &self.note) {
            (Some(measured), _) => shown(measured, measure),
            (None, Some(note)) => note.clone(),
            (None, None) => "not measured".to_owned(),
        };
        format!("{measure} {bound}: {found}")
    }
}

fn shown(measured: f64, measure: Measure) -> String {
    match measure {
        Measure::Count(_) => grouped(measured as u64),
        Measure::PublishRate | Measure::ConsumeRate => format!("{measured:.1} {}", measure.unit()),
        // A share as small as one in a million is still one.
        Measure::Errors => format!("{measured:.4} %"),
        Measure::Latency(..) | Measure::RecoveryMax => format!("{measured:.3} {}", measure.unit()),
    }
}

#[cfg(test)]
#[path = "thresholds_tests.rs"]
mod tests;
