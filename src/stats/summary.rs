//! What stays of a histogram when its stretch of time is over.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// Nine numbers that stand for a histogram; all latencies in nanoseconds, 0 without values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Exact mean.
    pub avg: f64,
    /// Median.
    pub p50: f64,
    /// 75th percentile.
    pub p75: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// 99.99th percentile.
    pub p9999: f64,
    /// Exact maximum.
    pub max: f64,
}

impl From<&Histogram> for Summary {
    fn from(histogram: &Histogram) -> Self {
        let [p50, p75, p95, p99, p999, p9999] = histogram
            .quantiles([0.5, 0.75, 0.95, 0.99, 0.999, 0.9999])
            .map(|value| value as f64);
        Self {
            count: histogram.len(),
            avg: histogram.mean(),
            p50,
            p75,
            p95,
            p99,
            p999,
            p9999,
            max: histogram.max() as f64,
        }
    }
}
