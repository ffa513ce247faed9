//! OMB's result JSON: its field names, its units, its types; ours under the one extra key `omb`.
//!
//! Publish and end-to-end latencies are milliseconds with microseconds' resolution, publish delay
//! is whole microseconds (its averages: with decimals). Arrays have an entry per reporting period,
//! and at least one; no number is ever null.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Value, json};

use super::backlog::BacklogDrain;
use super::limits::limits;
use super::numbers::{Millis, finite, java_double, micros, millis, rfc3339, whole_micros};
use super::search::SearchReport;
use super::thresholds::{Verdict, verdicts};
use super::{Interval, LedgerReport, Process, Run, examples};
use crate::stats::examples::{SendExamples, SubscriptionExamples};
use crate::stats::histogram::Histogram;
use crate::stats::latencies::LatencySummaries;
use crate::stats::ledger::SubscriptionCounts;
use crate::stats::summary::Summary;

/// The whole result as text, with a line break at its end.
pub fn to_json(run: &Run) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&fields(run)?)?;
    text.push('\n');
    Ok(text)
}

/// An object whose fields keep their order.
#[derive(Default)]
struct Fields(Vec<(String, Field)>);

#[derive(Serialize)]
#[serde(untagged)]
enum Field {
    Plain(Value),
    Ordered(Fields),
}

impl Fields {
    fn put(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), Field::Plain(value.into())));
    }

    fn put_fields(&mut self, name: impl Into<String>, fields: Self) {
        self.0.push((name.into(), Field::Ordered(fields)));
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// One of the three latencies that OMB reports.
pub(super) struct Reported {
    /// Of its fields, with a small and with a capital letter.
    pub names: [&'static str; 2],
    /// For the schema: what it is, its unit, and whether its values (not averages) are whole.
    pub what: &'static str,
    pub unit: &'static str,
    pub is_whole: bool,
    /// A summary's averages, and its other numbers, in the unit of the field.
    average: fn(f64) -> Value,
    value: fn(f64) -> Value,
    summary: fn(&Interval) -> &Summary,
    histogram: fn(&Run) -> &Histogram,
}

fn in_millis(nanos: f64) -> Value {
    json!(millis(nanos))
}

pub(super) const REPORTED: [Reported; 3] = [
    Reported {
        names: ["publishLatency", "PublishLatency"],
        what: "Send to acknowledgement",
        unit: "ms",
        is_whole: false,
        average: in_millis,
        value: in_millis,
        summary: |interval| &interval.latencies.publish,
        histogram: |run| &run.latencies.publish,
    },
    Reported {
        names: ["publishDelayLatency", "PublishDelayLatency"],
        what: "Due to send",
        unit: "µs",
        is_whole: true,
        average: |nanos| json!(micros(nanos)),
        value: |nanos| json!(whole_micros(nanos)),
        summary: |interval| &interval.latencies.publish_delay,
        histogram: |run| &run.latencies.publish_delay,
    },
    Reported {
        names: ["endToEndLatency", "EndToEndLatency"],
        what: "Send to received",
        unit: "ms",
        is_whole: false,
        average: in_millis,
        value: in_millis,
        summary: |interval| &interval.latencies.end_to_end,
        histogram: |run| &run.latencies.end_to_end,
    },
];

impl Reported {
    /// (ending of the field's name, value) of each number of a summary.
    fn numbers(&self, interval: &Interval) -> [(&'static str, Value); 8] {
        let summary = (self.summary)(interval);
        [
            ("Avg", (self.average)(summary.avg)),
            ("50pct", (self.value)(summary.p50)),
            ("75pct", (self.value)(summary.p75)),
            ("95pct", (self.value)(summary.p95)),
            ("99pct", (self.value)(summary.p99)),
            ("999pct", (self.value)(summary.p999)),
            ("9999pct", (self.value)(summary.p9999)),
            ("Max", (self.value)(summary.max)),
        ]
    }

    fn put_periods(&self, fields: &mut Fields, periods: &[Interval]) {
        let per_period: Vec<_> = periods.iter().map(|period| self.numbers(period)).collect();
        for number in 0..8 {
            let column = per_period.iter().map(|numbers| numbers[number].1.clone());
            let ending = per_period.first().map_or("", |numbers| numbers[number].0);
            fields.put(
                format!("{}{ending}", self.names[0]),
                column.collect::<Vec<_>>(),
            );
        }
    }

    fn put_total(&self, fields: &mut Fields, total: &Interval) {
        for (ending, value) in self.numbers(total) {
            fields.put(format!("aggregated{}{ending}", self.names[1]), value);
        }
    }

    /// Keys ascend as numbers, as in OMB's TreeMap.
    fn quantiles(&self, run: &Run) -> Fields {
        let mut quantiles = Fields::default();
        for (percentile, nanos) in (self.histogram)(run).percentiles() {
            quantiles.put(java_double(percentile), (self.value)(nanos as f64));
        }
        quantiles
    }
}

fn fields(run: &Run) -> serde_json::Result<Fields> {
    let nothing = [run.total.clone()];
    let periods = if run.periods.is_empty() {
        &nothing[..]
    } else {
        &run.periods
    };
    let mut fields = Fields::default();
    let workload = &run.workload;
    fields.put("workload", workload.name.as_str());
    fields.put("driver", run.driver.name.as_str());
    fields.put("messageSize", workload.message_size);
    fields.put("topics", workload.topics);
    fields.put("partitions", workload.partitions_per_topic);
    fields.put("producersPerTopic", workload.producers_per_topic);
    fields.put("consumersPerTopic", workload.consumers_per_subscription);

    let rates = |count: fn(&Interval) -> u64| -> Vec<f64> {
        let rate = |period: &Interval| finite(count(period) as f64 / period.seconds);
        periods.iter().map(rate).collect()
    };
    fields.put("publishRate", rates(|p| p.counters.acknowledged));
    fields.put(
        "publishErrorRate",
        rates(|p| p.counters.failed + p.counters.unknown),
    );
    fields.put("consumeRate", rates(|p| p.counters.received));
    fields.put(
        "backlog",
        periods.iter().map(|p| p.backlog).collect::<Vec<_>>(),
    );
    for reported in &REPORTED {
        reported.put_periods(&mut fields, periods);
    }
    for reported in &REPORTED {
        reported.put_total(&mut fields, &run.total);
    }
    for reported in &REPORTED {
        let name = format!("aggregated{}Quantiles", reported.names[1]);
        fields.put_fields(name, reported.quantiles(run));
    }
    fields.put_fields("omb", own(run)?);
    Ok(fields)
}

/// What OMB does not have.
fn own(run: &Run) -> serde_json::Result<Fields> {
    let mut own = Fields::default();
    own.put("version", env!("CARGO_PKG_VERSION"));
    own.put("runId", run.id.as_str());
    own.put("status", run.status.name());
    own.put("reason", run.reason.clone());
    own.put("broker", broker(run));
    own.put("notes", run.notes.clone());
    own.put("events", serde_json::to_value(&run.events.list)?);
    own.put("eventsUnlisted", run.events.unlisted);
    own.put("started", rfc3339(run.started_unix_ms));
    own.put("targetRate", finite(run.workload.rate));
    own.put("measuredSeconds", finite(run.total.seconds));
    let counters = &run.total.counters;
    own.put("sent", counters.sent);
    own.put("acknowledged", counters.acknowledged);
    own.put("failed", counters.failed);
    own.put("unknown", counters.unknown);
    own.put("received", counters.received);
    let latencies = &run.total.latencies;
    own.put(
        "responseLatency",
        serde_json::to_value(Millis::from(&latencies.response))?,
    );
    let end_to_end = Millis::from(&latencies.end_to_end_response);
    own.put("endToEndResponseLatency", serde_json::to_value(end_to_end)?);
    own.put("undisturbed", undisturbed(run)?);
    own.put("disturbances", run.disturbances.to_json()?);
    let periods = run.periods.iter().map(|period| period.disturbed);
    own.put("disturbedPeriods", periods.collect::<Vec<_>>());
    let drain = run.backlog_drain.as_ref().map(BacklogDrain::to_json);
    own.put("backlogDrain", drain);
    let search = run.rate_search.as_ref().map(SearchReport::to_json);
    own.put("rateSearch", search);
    own.put("rates", serde_json::to_value(&run.rates)?);
    own.put("outOfRange", out_of_range(run));
    own.put("ledger", ledger(&run.ledger));
    let thresholds = verdicts(run);
    own.put(
        "thresholds",
        thresholds.iter().map(Verdict::to_json).collect::<Vec<_>>(),
    );
    own.put("hostLimits", limits(run));
    own.put("hostBusy", serde_json::to_value(run.busy)?);
    own.put("samplesLost", run.samples_lost);
    own.put("provenance", serde_json::to_value(&run.provenance)?);
    own.put("restarts", run.restarts);
    own.put("cpuSeconds", finite(run.cpu_seconds));
    own.put(
        "processes",
        run.processes.iter().map(process).collect::<Vec<_>>(),
    );
    Ok(own)
}

/// Latencies without those of messages that a disturbance delayed, or null where there was none.
fn undisturbed(run: &Run) -> serde_json::Result<Value> {
    let Some(latencies) = &run.undisturbed else {
        return Ok(Value::Null);
    };
    let LatencySummaries {
        publish,
        publish_delay,
        response,
        end_to_end,
        end_to_end_response,
    } = latencies;
    let all = [
        ("publishLatency", publish),
        ("publishDelayLatency", publish_delay),
        ("responseLatency", response),
        ("endToEndLatency", end_to_end),
        ("endToEndResponseLatency", end_to_end_response),
    ];
    all.into_iter()
        .map(|(name, summary)| {
            Ok((
                name.to_owned(),
                serde_json::to_value(Millis::from(summary))?,
            ))
        })
        .collect()
}

fn broker(run: &Run) -> &'static str {
    if run.driver.embedded {
        "embedded"
    } else {
        "external"
    }
}

/// Per latency: above an hour (counted as an hour), and below zero (counted nowhere else).
fn out_of_range(run: &Run) -> Value {
    let of = |histogram: &Histogram| json!({"saturated": histogram.saturated(), "negative": histogram.negative()});
    let all = &run.latencies;
    json!({
        "publishLatency": of(&all.publish),
        "publishDelayLatency": of(&all.publish_delay),
        "responseLatency": of(&all.response),
        "endToEndLatency": of(&all.end_to_end),
        "endToEndResponseLatency": of(&all.end_to_end_response),
    })
}

fn ledger(ledger: &LedgerReport) -> Value {
    let none = SubscriptionExamples::default();
    let examples = ledger.examples.iter().chain(std::iter::repeat(&none));
    let subscriptions: serde_json::Map<_, _> = ledger
        .subscriptions
        .iter()
        .zip(examples)
        .map(|((name, books), of)| {
            let examples = examples::to_json(of.each(), &ledger.topics);
            (name.clone(), subscription(books, examples))
        })
        .collect();
    let SendExamples { failed, unknown } = &ledger.send_examples;
    json!({
        "sent": ledger.sent,
        "acknowledged": ledger.acknowledged,
        "failed": ledger.failed,
        "unknown": ledger.unknown,
        "unsent": ledger.unsent,
        "queueFull": ledger.queue_full,
        "examples": examples::to_json([("failed", failed), ("unknown", unknown)], &ledger.topics),
        "subscriptions": subscriptions,
    })
}

fn subscription(books: &SubscriptionCounts, examples: Value) -> Value {
    json!({
        "received": books.received,
        "lost": books.lost,
        "unread": books.unread,
        "duplicates": books.duplicates,
        "redelivered": books.redelivered,
        "late": books.late,
        "reordered": books.reordered,
        "foreign": books.foreign,
        "examples": examples,
    })
}

fn process(process: &Process) -> Value {
    json!({
        "role": process.role,
        "id": process.id,
        "incarnation": process.incarnation,
        "pid": process.pid,
        "ended": process.ended,
        "cpuSeconds": finite(process.cpu_seconds),
        "maxRssBytes": process.max_rss_bytes,
    })
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
