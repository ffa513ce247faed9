//! Histograms, deltas, sets and the ledger: what is counted, and how counts are added up.

pub mod delta;
pub mod latencies;
pub mod ledger;
