//! The five latencies of a message path, recorded together and merged together.

/// Histograms of all latencies, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {}
