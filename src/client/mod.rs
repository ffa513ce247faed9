//! What runs in a producer or consumer child.
pub mod pacing;
pub mod payload;
pub mod ranges;
pub mod stamp;
