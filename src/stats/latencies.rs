//! The five latencies of a message, recorded together, sent together and added up together.

use serde::{Deserialize, Serialize};

use super::histogram::{DeltaError, Histogram, HistogramDelta};
use super::recorder::Recorder;
use super::summary::Summary;

/// One value for each latency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerLatency<T> {
    /// Service latency, OMB's publish latency: send → acknowledgement.
    pub publish: T,
    /// Publish delay: due → send.
    pub publish_delay: T,
    /// Response latency: due → acknowledgement.
    pub response: T,
    /// End-to-end latency: send → received.
    pub end_to_end: T,
    /// Its corrected twin: due → received.
    pub end_to_end_response: T,
}

/// What a client thread records into. Those it doesn't use cost nothing.
pub type LatencyRecorders = PerLatency<Recorder>;

/// What was recorded since the last delta.
pub type LatenciesDelta = PerLatency<HistogramDelta>;

/// Histograms of all latencies, in nanoseconds.
pub type Latencies = PerLatency<Histogram>;

/// What stays of [`Latencies`] when their stretch of time is over.
pub type LatencySummaries = PerLatency<Summary>;

impl<T> PerLatency<T> {
    /// The five in the order of their fields.
    pub fn each(&self) -> [&T; 5] {
        [
            &self.publish,
            &self.publish_delay,
            &self.response,
            &self.end_to_end,
            &self.end_to_end_response,
        ]
    }

    /// The five in the order of their fields, to be changed.
    pub fn each_mut(&mut self) -> [&mut T; 5] {
        [
            &mut self.publish,
            &mut self.publish_delay,
            &mut self.response,
            &mut self.end_to_end,
            &mut self.end_to_end_response,
        ]
    }
}

impl LatencyRecorders {
    /// Takes everything recorded so far.
    pub fn cut(&mut self) -> LatenciesDelta {
        LatenciesDelta {
            publish: self.publish.cut(),
            publish_delay: self.publish_delay.cut(),
            response: self.response.cut(),
            end_to_end: self.end_to_end.cut(),
            end_to_end_response: self.end_to_end_response.cut(),
        }
    }
}

impl LatenciesDelta {
    /// Adds another client's latencies of the same slot.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.each_mut().into_iter().zip(other.each()) {
            mine.merge(theirs);
        }
    }
}

impl Latencies {
    /// Adds a delta; where one histogram of it is refused, the others are added all the same.
    pub fn add(&mut self, delta: &LatenciesDelta) -> Result<(), DeltaError> {
        let mut result = Ok(());
        for (histogram, delta) in self.each_mut().into_iter().zip(delta.each()) {
            result = result.and(histogram.add(delta));
        }
        result
    }

    /// Adds the histograms of another stretch of time.
    pub fn add_latencies(&mut self, other: &Self) {
        for (mine, theirs) in self.each_mut().into_iter().zip(other.each()) {
            mine.add_histogram(theirs);
        }
    }

    /// Whether there is no value in any.
    pub fn is_empty(&self) -> bool {
        self.each().into_iter().all(Histogram::is_empty)
    }

    /// Forgets everything; the memory stays for what comes next.
    pub fn clear(&mut self) {
        self.each_mut().into_iter().for_each(Histogram::clear);
    }

    /// What stays when the stretch of time is over.
    pub fn summaries(&self) -> LatencySummaries {
        LatencySummaries {
            publish: Summary::from(&self.publish),
            publish_delay: Summary::from(&self.publish_delay),
            response: Summary::from(&self.response),
            end_to_end: Summary::from(&self.end_to_end),
            end_to_end_response: Summary::from(&self.end_to_end_response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_recorded_adds_up_latency_by_latency() {
        let mut total = Latencies::default();
        let mut child = LatenciesDelta::default();
        for client in 1..=3 {
            let mut recorders = LatencyRecorders::default();
            for (kind, recorder) in recorders.each_mut().into_iter().enumerate() {
                recorder.record(client * 1_000 + kind as u64);
            }
            child.merge(&recorders.cut());
        }
        total.add(&child).unwrap();
        let summaries = total.summaries();
        for (kind, summary) in summaries.each().into_iter().enumerate() {
            assert_eq!(summary.count, 3);
            assert_eq!(summary.max, (3_000 + kind) as f64);
            assert_eq!(summary.avg, (2_000 + kind) as f64);
        }
        total.clear();
        assert_eq!(total.summaries(), LatencySummaries::default());
    }
}
