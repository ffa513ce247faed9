//! What runs in a producer or consumer child: its clients, each a thread, and what they do.
//!
//! One thread reads what the supervisor says, one writes to it, and each client thread owns its
//! connection, its schedule, its histograms and its part of the ledger. Nothing is shared between
//! client threads.

pub mod consume;
pub mod cutter;
pub mod mailbox;
pub mod nap;
pub mod pacing;
pub mod payload;
pub mod produce;
pub mod ranges;
pub mod report;
pub mod role;
pub mod stamp;

use std::time::Duration;

use crate::clock::Instant;
use crate::schedule::{Schedule, Segment};

/// What a client thread is told.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send a probe on each path that is not proved yet.
    Probe,
    /// The load, announced ahead.
    Load(Schedule),
    /// Send nothing that is due at or after this instant.
    EndLoad(Instant),
    /// The same, and go on with these segments.
    Reschedule(Instant, Vec<Segment>),
    /// Stop reading, or go on.
    Pause(bool),
    /// Give up what is in flight.
    Abandon,
    /// All deltas up to this one have reached the supervisor.
    Written(u64),
    /// Report what is left, leave the group within this time, and end.
    Finish(Duration),
}
