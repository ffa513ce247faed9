//! How the highest rate that holds was looked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::numbers::{finite, grouped, rate};

/// What kept a rate from holding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The producers of this host could not send more.
    Publisher,
    /// Messages waited for their acknowledgement.
    Broker,
    /// Messages waited to be received.
    Consumer,
    /// Too many messages failed.
    Errors,
    /// What was asked for besides, and what was measured of it.
    Objective(String),
}

impl Limit {
    /// The word for it in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Broker => "broker",
            Self::Consumer => "consumer",
            Self::Errors => "errors",
            Self::Objective(_) => "objective",
        }
    }

    /// What it looked like, for people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Publisher => "the producers fell behind".to_owned(),
            Self::Broker => "acknowledgements fell behind".to_owned(),
            Self::Consumer => "consumers fell behind".to_owned(),
            Self::Errors => "more than 1 % of the messages failed".to_owned(),
            Self::Objective(found) => format!("{found} was measured"),
        }
    }
}

/// One rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Seconds since the search began.
    pub start: f64,
    /// Messages per second.
    pub rate: f64,
    /// Acknowledged per second.
    pub published: f64,
    /// Received per second, over all subscriptions.
    pub received: f64,
    /// Whether it held.
    pub held: bool,
    /// What it didn't hold for.
    pub limit: Option<Limit>,
}

impl Step {
    /// For people.
    pub fn in_words(&self) -> String {
        let tried = rate(self.rate);
        match &self.limit {
            None => format!("{tried} msg/s holds"),
            Some(limit) => format!(
                "{tried} msg/s does not hold: {}; {} msg/s published, {} received",
                limit.in_words(),
                rate(self.published),
                rate(self.received),
            ),
        }
    }
}

/// The rate changed while it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateChange {
    /// Seconds since the measured phase began.
    pub start: f64,
    /// Messages per second from then on.
    pub rate: f64,
    /// Why.
    pub why: String,
}

impl RateChange {
    /// For people.
    pub fn in_words(&self) -> String {
        format!("{} msg/s from now on: {}", rate(self.rate), self.why)
    }
}

/// A search and what it found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchReport {
    /// The rate found, in messages per second; none while the search goes on, or where none held.
    pub rate: Option<f64>,
    /// It held for the time of the proof.
    pub proved: bool,
    /// The highest rate that held.
    pub low: Option<f64>,
    /// The lowest rate that did not.
    pub high: Option<f64>,
    /// What that one did not hold for.
    pub limit: Option<Limit>,
    /// What had to hold, besides that nothing piles up.
    pub objectives: Vec<String>,
    /// How long the search took, in seconds.
    pub seconds: f64,
    /// Messages due in rates that didn't hold, and never sent.
    pub unsent: u64,
    /// Every rate tried.
    pub steps: Vec<Step>,
}

/// As [`SearchReport::to_json`] has it.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
pub struct SearchSchema {
    /// The rate found, in messages per second; null where none held.
    rate: Option<f64>,
    /// It held for the time of the proof.
    proved: bool,
    /// The highest rate that held, and the lowest that did not; null where there was none.
    bracket: [Option<f64>; 2],
    /// What the lowest rate that did not hold came up against: publisher, broker, consumer, errors
    /// or objective.
    limit: Option<String>,
    /// What had to hold, besides that nothing piles up.
    objectives: Vec<String>,
    /// How long the search took.
    seconds: f64,
    /// Messages due in rates that did not hold, and never sent.
    unsent: u64,
    /// Every rate tried.
    steps: Vec<StepSchema>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "its schema is all that is wanted")]
struct StepSchema {
    /// Seconds since the search began.
    start: f64,
    /// Messages per second.
    rate: f64,
    /// Acknowledged per second.
    published: f64,
    /// Received per second, over all subscriptions.
    received: f64,
    /// Whether it held.
    held: bool,
    /// What it did not hold for, in words.
    why: Option<String>,
}

impl SearchReport {
    /// As it is in results.
    pub fn to_json(&self) -> Value {
        let step = |step: &Step| {
            json!({
                "start": finite(step.start),
                "rate": finite(step.rate),
                "published": finite(step.published),
                "received": finite(step.received),
                "held": step.held,
                "why": step.limit.as_ref().map(Limit::in_words),
            })
        };
        json!({
            "rate": self.rate.map(finite),
            "proved": self.proved,
            "bracket": [self.low.map(finite), self.high.map(finite)],
            "limit": self.limit.as_ref().map(Limit::name),
            "objectives": self.objectives,
            "seconds": finite(self.seconds),
            "unsent": self.unsent,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }

    /// For the summary.
    pub fn in_words(&self) -> String {
        let steps = self.steps.len();
        let took = format!("{:.0} s, {steps} steps", self.seconds);
        let Some(found) = self.rate else {
            return format!("no rate held ({took})");
        };
        let proved = if self.proved { "" } else { ", not proved" };
        let limit = match (&self.high, &self.limit) {
            (Some(high), Some(limit)) => {
                format!("; at {} msg/s {}", rate(*high), limit.in_words())
            }
            _ => String::new(),
        };
        let unsent = match self.unsent {
            0 => String::new(),
            unsent => format!(
                "; {} messages of rates that did not hold were never sent",
                grouped(unsent)
            ),
        };
        format!(
            "{} msg/s holds{proved} ({took}){limit}{unsent}",
            rate(found)
        )
    }
}
