//! How a backlog was built and drained.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::numbers::{finite, grouped, rate};

/// A backlog that consumers were kept from reading until it was large enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacklogDrain {
    /// Messages asked for, over all subscriptions.
    pub requested: u64,
    /// It counts as drained when no more than this many are left.
    pub level: u64,
    /// Seconds from the start of the measured phase until it was built.
    pub built: Option<f64>,
    /// Messages waiting when consumers were let go.
    pub messages: u64,
    /// Seconds that it took to drain, to a report's interval of 0.2 s. `None`: it was not.
    pub drained: Option<f64>,
    /// Messages received from then until it was drained, or until nobody waited any longer.
    pub received: u64,
    /// How long that was, in seconds.
    pub seconds: f64,
}

impl BacklogDrain {
    /// Messages received a second while it was drained, those of the load that went on included.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.received as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// As it is in results.
    pub fn to_json(&self) -> Value {
        json!({
            "requested": self.requested,
            "level": self.level,
            "messages": self.messages,
            "builtSeconds": self.built.map(finite),
            "drainedSeconds": self.drained.map(finite),
            "received": self.received,
            "drainRate": finite(self.rate()),
        })
    }

    /// For the summary.
    pub fn in_words(&self) -> String {
        let messages = grouped(self.messages);
        let per_second = rate(self.rate());
        match (self.built, self.drained) {
            (Some(built), Some(drained)) => format!(
                "{messages} messages built in {built:.1} s, drained in {drained:.1} s at \
                 {per_second} msg/s"
            ),
            (Some(built), None) => format!(
                "{messages} messages built in {built:.1} s, not drained; {} received at \
                 {per_second} msg/s",
                grouped(self.received)
            ),
            (None, _) => format!(
                "not built: {} messages were asked for",
                grouped(self.requested)
            ),
        }
    }
}
