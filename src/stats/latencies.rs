//! The five latencies of a message path, recorded together and merged together.

/// Histograms of all latencies, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {}
/// Delta
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LatenciesDelta {}
impl LatenciesDelta {
    /// Merge
    pub fn merge(&mut self, _other: &Self) {}
}
