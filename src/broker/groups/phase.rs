//! What a group is about to do, and what it remembers.

use std::time::Instant;

/// What a group is about to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// It has no members.
    Empty,
    /// Its members join: the generation begins when all have, not before `settle`, and at
    /// `deadline` without those who are missing.
    Joining {
        /// When this began.
        began: Instant,
        /// Newcomers are waited for until then.
        settle: Instant,
        /// Members are waited for until then.
        deadline: Instant,
    },
    /// The leader assigns: who hasn't asked for its assignment by `deadline` is out.
    Assigning {
        /// Members are waited for until then.
        deadline: Instant,
    },
    /// Everyone has an assignment.
    Stable,
}

/// An offset that was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the leader at that time, as the client said.
    pub epoch: i32,
    /// What the client noted.
    pub note: String,
}
