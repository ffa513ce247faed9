//! `consumerBacklogSizeGB` and what belongs to it: how much is to wait before consumers read it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::fields::{Fields, number, text};
use super::units::{parse_memory, show_duration};
use super::workload::{positive, ratio};
use super::{Origin, Workload};

/// OMB's unit, which is a GiB in its arithmetic.
const OMB_GB: f64 = (1_u64 << 30) as f64;

/// How long building and draining may take together, unless the file says otherwise.
const DEADLINE: Duration = Duration::from_secs(3600);

/// A backlog that consumers let build up before they read it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// Payload bytes, over all subscriptions.
    pub bytes: u64,
    /// Which part of it has to be read until it counts as drained.
    pub drain_ratio: f64,
    /// How long building and draining may take together.
    pub deadline: Duration,
}

impl Workload {
    /// The longest that the measured phase can take: it waits for a backlog to be drained.
    pub fn longest(&self) -> Duration {
        let deadline = self.backlog.map_or(Duration::ZERO, |b| b.deadline);
        self.duration.max(deadline)
    }
}

/// Reads the fields of a backlog.
pub(super) fn backlog(fields: &mut Fields<'_>) -> Option<Backlog> {
    let plain = "consumerBacklogSize";
    let in_gb = "consumerBacklogSizeGB";
    if let (Some(_), Some(second)) = (fields.place(plain), fields.place(in_gb)) {
        let message = format!("{in_gb} and {plain} exclude each other; keep one of them");
        fields.problem(second, message);
    }
    let bytes = fields.or(plain, 0, |value| match number(value) {
        Some(0.0) => Ok(0),
        _ => parse_memory(&text(value).unwrap_or_default()),
    });
    let gigabytes = fields.or(in_gb, 0, gigabytes);
    // Without a backlog they have no effect, but a wrong one is a mistake all the same.
    let drain_ratio = fields.or("backlogDrainRatio", 1.0, ratio);
    let deadline = fields.or("backlogDeadline", DEADLINE, positive);
    let bytes = bytes.max(gigabytes);
    (bytes > 0).then_some(Backlog {
        bytes,
        drain_ratio,
        deadline,
    })
}

fn gigabytes(value: &Value) -> Result<u64, String> {
    number(value)
        .filter(|size| (0.0..=1e6).contains(size))
        .map(|size| (size * OMB_GB) as u64)
        .ok_or_else(|| "give a number of GiB, such as 1 or 0.5; 0 builds no backlog".to_owned())
}

/// A backlog that can't be built in time is told before anything is started.
pub(super) fn check(
    fields: &mut Fields<'_>,
    at: Option<Origin>,
    backlog: Backlog,
    bytes_per_second: f64,
) {
    let seconds = backlog.bytes as f64 / bytes_per_second;
    if seconds < backlog.deadline.as_secs_f64() {
        return;
    }
    let origin = at.unwrap_or(fields.whole_file());
    let message = format!(
        "a backlog of {} bytes takes {seconds:.0} s to build at this producerRate, longer than \
         backlogDeadline ({}); give less, or a longer deadline",
        backlog.bytes,
        show_duration(backlog.deadline)
    );
    fields.problem(origin, message);
}
