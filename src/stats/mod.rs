//! Histograms, deltas, sets and the ledger: what is counted, and how counts are added up.

mod buckets;
pub mod delta;
pub mod examples;
pub mod histogram;
pub mod latencies;
pub mod ledger;
pub mod recorder;
pub mod sets;
pub mod summary;
