//! Sets of numbers that come mostly in order: offsets and sequence numbers.
//!
//! [`ArrivalSet`] holds everything that ever came, in memory that grows with what is missing and
//! not with what came; [`IntervalSet`] holds few long stretches anywhere.

mod arrivals;
mod intervals;
mod numbers;

pub use arrivals::{ArrivalSet, Insertion};
pub use intervals::IntervalSet;
