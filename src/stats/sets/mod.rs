//! Sets of numbers that come mostly in order: offsets and sequence numbers.
//!
//! [`IntervalSet`] holds few long stretches, [`SeqSet`] everything a stream ever delivered, in
//! memory that grows with what is missing and not with what came.

mod intervals;
mod sequences;

pub use intervals::IntervalSet;
pub use sequences::{Insertion, SeqSet};
