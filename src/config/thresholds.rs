//! What a run has to reach: `publish.p99 < 50ms`, in the workload file or by `--threshold`.

pub(super) mod file;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::nearest;
use super::units::parse_duration;

/// Latencies, as thresholds name them.
const LATENCIES: [(&str, Latency); 5] = [
    ("publish", Latency::Publish),
    ("response", Latency::Response),
    ("publishDelay", Latency::PublishDelay),
    ("endToEnd", Latency::EndToEnd),
    ("endToEndResponse", Latency::EndToEndResponse),
];

const STATISTICS: [(&str, Statistic); 8] = [
    ("avg", Statistic::Avg),
    ("p50", Statistic::P50),
    ("p75", Statistic::P75),
    ("p95", Statistic::P95),
    ("p99", Statistic::P99),
    ("p999", Statistic::P999),
    ("p9999", Statistic::P9999),
    ("max", Statistic::Max),
];

/// Everything else that can have a threshold.
const OTHERS: [(&str, Measure); 13] = [
    ("publishRate", Measure::PublishRate),
    ("consumeRate", Measure::ConsumeRate),
    ("errors", Measure::Errors),
    ("lost", Measure::Count(Count::Lost)),
    ("unread", Measure::Count(Count::Unread)),
    ("duplicates", Measure::Count(Count::Duplicates)),
    ("redelivered", Measure::Count(Count::Redelivered)),
    ("reordered", Measure::Count(Count::Reordered)),
    ("failed", Measure::Count(Count::Failed)),
    ("unknown", Measure::Count(Count::Unknown)),
    ("unsent", Measure::Count(Count::Unsent)),
    ("restarts", Measure::Count(Count::Restarts)),
    ("recovery.max", Measure::RecoveryMax),
];

/// The short name of end-to-end latency, and its full one.
const SHORT: &str = "e2e";
const FULL: &str = "endToEnd";

/// The longer ones come first, so that `<=` is not read as `<`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Below),
    (">", Relation::Above),
];

/// A bound on something that a run measures. Written, and sent, as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Threshold {
    /// What is bounded.
    pub measure: Measure,
    /// How it has to stand to the bound.
    pub relation: Relation,
    /// The bound, in the unit of what is bounded.
    pub bound: f64,
    /// The bound as it was written, without its relation.
    written: String,
}

/// Something that a run measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A number of a latency over the measured phase, in milliseconds.
    Latency(Latency, Statistic),
    /// Messages acknowledged per second of the measured phase.
    PublishRate,
    /// Messages received per second of the measured phase.
    ConsumeRate,
    /// Share of the measured phase's messages that failed, or whose outcome is unknown, in percent.
    Errors,
    /// A count over the whole run, warm-up included.
    Count(Count),
    /// The longest recovery from a disturbance, in seconds.
    RecoveryMax,
}

/// One of the five latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Send → acknowledgement.
    Publish,
    /// Due → acknowledgement.
    Response,
    /// Due → send.
    PublishDelay,
    /// Send → received.
    EndToEnd,
    /// Due → received.
    EndToEndResponse,
}

/// One number of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named after what they are")]
pub enum Statistic {
    Avg,
    P50,
    P75,
    P95,
    P99,
    P999,
    P9999,
    Max,
}

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Acknowledged and lost, over all subscriptions.
    Lost,
    /// Acknowledged and not read in time.
    Unread,
    /// Received again at another offset.
    Duplicates,
    /// Received again at the same offset.
    Redelivered,
    /// Received behind a later one.
    Reordered,
    /// Certainly not persisted.
    Failed,
    /// Neither acknowledged nor certainly failed.
    Unknown,
    /// Due and never sent.
    Unsent,
    /// Restarts of children.
    Restarts,
}

/// How what was measured has to stand to the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

impl Relation {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        let found = RELATIONS.iter().find(|(_, relation)| *relation == self);
        found.map_or("", |(sign, _)| sign)
    }

    /// Whether `measured` stands so to `bound`.
    pub fn holds(self, measured: f64, bound: f64) -> bool {
        match self {
            Self::Below => measured < bound,
            Self::AtMost => measured <= bound,
            Self::Equal => measured == bound,
            Self::AtLeast => measured >= bound,
            Self::Above => measured > bound,
        }
    }
}

impl Measure {
    /// The unit of its bounds, and of what was measured; empty for counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Latency(..) => "ms",
            Self::PublishRate | Self::ConsumeRate => "msg/s",
            Self::Errors => "%",
            Self::Count(_) => "",
            Self::RecoveryMax => "s",
        }
    }

    /// What a bound of it looks like.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Latency(..) => "<50ms",
            Self::PublishRate | Self::ConsumeRate => ">=9900",
            Self::Errors => "<0.1%",
            Self::Count(_) => "==0",
            Self::RecoveryMax => "<5s",
        }
    }

    fn parse_bound(self, text: &str) -> Option<f64> {
        let plain = |text: &str| {
            let number = text.trim().replace('_', "").parse::<f64>().ok();
            number.filter(|number| number.is_finite() && *number >= 0.0)
        };
        let seconds = |text| Some(parse_duration(text).ok()?.as_secs_f64());
        match self {
            // To the nanosecond, so that 50ms is 50.0 and not a bit beside it.
            Self::Latency(..) => Some((seconds(text)? * 1e9).round() / 1e6),
            Self::RecoveryMax => seconds(text),
            Self::PublishRate | Self::ConsumeRate => plain(text),
            Self::Errors => plain(text.trim().strip_suffix('%').unwrap_or(text)),
            Self::Count(_) => plain(text).filter(|number| number.fract() == 0.0),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(latency, statistic) => {
                let latency = LATENCIES.iter().find(|(_, of)| of == latency);
                let statistic = STATISTICS.iter().find(|(_, of)| of == statistic);
                let [latency, statistic] =
                    [latency.map(|l| l.0), statistic.map(|s| s.0)].map(Option::unwrap_or_default);
                write!(f, "{latency}.{statistic}")
            }
            other => {
                let found = OTHERS.iter().find(|(_, measure)| measure == other);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.measure, self.bound_in_words())
    }
}

impl Threshold {
    /// The bound with its relation, as it was written: `<50ms`.
    pub fn bound_in_words(&self) -> String {
        format!("{}{}", self.relation.sign(), self.written)
    }
}

/// Every name that a threshold can have, with what it measures; short names are left out.
pub fn measures() -> impl Iterator<Item = (String, Measure)> {
    let latencies = LATENCIES.iter().flat_map(|&(_, latency)| {
        let each = STATISTICS.iter();
        each.map(move |&(_, statistic)| Measure::Latency(latency, statistic))
    });
    let others = OTHERS.iter().map(|&(_, measure)| measure);
    let all = latencies.chain(others);
    all.map(|measure| (measure.to_string(), measure))
}

/// Reads a name.
///
/// # Errors
/// That it is unknown, and the nearest one.
pub(super) fn parse_name(name: &str) -> Result<Measure, String> {
    let name = name.trim();
    let full = match name.split_once('.') {
        Some((SHORT, statistic)) => format!("{FULL}.{statistic}"),
        _ => name.to_owned(),
    };
    if let Some((_, measure)) = measures().find(|(known, _)| *known == full) {
        return Ok(measure);
    }
    let known: Vec<String> = measures().map(|(known, _)| known).collect();
    let advice = match nearest(&full, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "give publish, response, publishDelay, endToEnd or endToEndResponse with .avg, .p50, \
                 .p75, .p95, .p99, .p999, .p9999 or .max, or one of publishRate, consumeRate, errors, \
                 lost, unread, duplicates, redelivered, reordered, failed, unknown, unsent, restarts, \
                 recovery.max"
            .to_owned(),
    };
    Err(format!("unknown threshold {name}; {advice}"))
}

/// Reads a bound such as `<50ms`.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_bound(measure: Measure, text: &str) -> Result<Threshold, String> {
    let wanted = || {
        let what = match measure {
            Measure::Latency(..) => "a time with a unit",
            Measure::PublishRate | Measure::ConsumeRate => "messages per second",
            Measure::Errors => "percent",
            Measure::Count(_) => "a whole number",
            Measure::RecoveryMax => "a time with a unit",
        };
        let example = measure.example();
        format!("give <, <=, ==, >= or > and {what}, such as \"{example}\"")
    };
    let text = text.trim();
    let found = RELATIONS.iter().find_map(|&(sign, relation)| {
        let rest = text.strip_prefix(sign)?;
        Some((relation, rest.trim()))
    });
    let (relation, written) = found.ok_or_else(wanted)?;
    Ok(Threshold {
        measure,
        relation,
        bound: measure.parse_bound(written).ok_or_else(wanted)?,
        written: written.to_owned(),
    })
}

/// Reads a whole threshold such as `publish.p99<50ms`.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn parse_threshold(text: &str) -> Result<Threshold, String> {
    let at = text
        .find(['<', '>', '='])
        .ok_or("give NAME, then <, <=, ==, >= or >, then a bound, such as publish.p99<50ms")?;
    let (name, bound) = text.split_at(at);
    parse_bound(parse_name(name)?, bound)
}

impl TryFrom<String> for Threshold {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_threshold(&text)
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.to_string()
    }
}

#[cfg(test)]
mod tests;
