//! What can happen to a run, and what can be done about it.

use std::time::Duration;

use super::machine::Phase;
use crate::report::Interval;
use crate::wire::{DeadRun, FromChild, Order, Reply, Role, ToChild};

/// A child in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// What it is.
    pub role: Role,
    /// Its number within the role.
    pub id: u32,
    /// Which life it is in.
    pub incarnation: u16,
}

impl std::fmt::Display for ChildKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.role {
            Role::Steward | Role::Broker => write!(f, "{}", self.role.name()),
            Role::Producer | Role::Consumer => write!(f, "{} {}", self.role.name(), self.id),
        }
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// `exit 0`, `signal 9 (SIGKILL)`.
    pub how: String,
    /// The last lines it wrote to stderr.
    pub last_words: Vec<String>,
    /// Load messages it sent, by phase, as published up to its death: 0 for all but producers.
    pub published: [u64; 2],
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.how)?;
        if !self.last_words.is_empty() {
            write!(f, "; its last words: {}", self.last_words.join(" | "))?;
        }
        Ok(())
    }
}

/// Everything that can happen to a run.
#[derive(Debug)]
pub enum Event {
    /// A child connected and said who it is.
    Joined(ChildKey),
    /// A child said something.
    Frame(ChildKey, FromChild),
    /// A child is dead, and everything it said has been heard.
    Exited(ChildKey, Death),
    /// The steward answered.
    Reply(Reply),
    /// These runs on the same cluster died without cleaning up.
    DeadRuns(Vec<DeadRun>),
    /// A signal for the run.
    Signal(i32),
    /// The run was stopped as a whole, and goes on after this time.
    Resumed(Duration),
    /// Time went by.
    Tick,
}

/// Everything that can be done about it.
#[derive(Debug)]
pub enum Action {
    /// Start a child.
    Spawn(ChildKey),
    /// Tell a child something.
    Tell(ChildKey, ToChild),
    /// Give the steward an order.
    Order(Order),
    /// Close the steward's pipe without a goodbye: it deletes what is left by itself.
    OrphanSteward,
    /// Nothing of these dead runs is left: their journals can go.
    Bury(Vec<u32>),
    /// Send a signal to a child.
    Kill(ChildKey, i32),
    /// A child hangs: ask it to end, or kill it where it can't hear that.
    EndHanging(ChildKey),
    /// Stop this process until somebody continues it.
    Pause,
    /// Show how things are.
    Snapshot,
    /// Show and store a second, and the phase it lay in.
    Second(Box<Interval>, Phase),
    /// Show and store that something happened.
    Say(String),
    /// The load is over and its books are closed: the result can be written.
    Result,
    /// Nothing is left to be done.
    End,
}
