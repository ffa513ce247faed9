//! Adds up what children report: the ledger, the periods, the errors.

use std::collections::BTreeMap;

use super::disturbance::Windows;
use super::periods::Periods;
use crate::config::Workload;
use crate::plan::Plan;
use crate::stats::delta::{Grid, LOAD_PHASES, Slot, SlotDelta};
use crate::stats::ledger::Ledger;

/// Different error texts kept; the rest is counted under one name.
const ERROR_TEXTS: usize = 32;

/// Load messages over the whole run, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged by the broker.
    pub acknowledged: u64,
    /// Certainly not persisted.
    pub failed: u64,
    /// Neither acknowledged nor certainly failed.
    pub unknown: u64,
    /// Due and never sent.
    pub unsent: u64,
}

/// Everything a run has counted so far.
pub struct Tally {
    /// Which messages were received, lost, doubled.
    pub ledger: Ledger,
    /// What happened when; `None` before the load was announced.
    pub periods: Option<Periods>,
    /// Load messages over the whole run.
    pub load: LoadCounts,
    /// Of these, due and never sent before the load was announced: while a rate was looked for.
    pub unsent_in_search: u64,
    /// Where the measured phase begins, in the numbers that children give to slots.
    origin: Slot,
    /// Receptions that acknowledgements lead to, less those that happened.
    pub outstanding: i64,
    /// Receptions so far, each message once per subscription.
    pub received: u64,
    /// When something disturbed the run.
    pub windows: Windows,
    /// Errors of producers, each with how often it came.
    pub errors: BTreeMap<String, u64>,
}

impl Tally {
    /// An empty one.
    pub fn new(plan: &Plan) -> Self {
        let mut topics = Vec::new();
        for client in plan.producers.iter().flatten() {
            for &(stream, topic) in &client.streams {
                topics.push((stream, client.topics[topic as usize].number));
            }
        }
        topics.sort_unstable();
        let topics = topics.into_iter().map(|(_, topic)| topic).collect();
        Self {
            ledger: Ledger::new(&plan.subscribed, topics),
            periods: None,
            load: LoadCounts::default(),
            unsent_in_search: 0,
            origin: Slot(0),
            outstanding: 0,
            received: 0,
            windows: Windows::default(),
            errors: BTreeMap::new(),
        }
    }

    /// The load was announced: its first message is due in slot `first`, and the measured phase
    /// begins with slot `origin`, as children number them.
    pub fn start(&mut self, grid: Grid, first: Slot, origin: Slot, workload: &Workload) {
        self.origin = origin;
        let first = Slot(first.0 - origin.0);
        let mut periods = Periods::new(grid.renumbered(origin.0), first, workload);
        periods.carry(self.outstanding);
        self.periods = Some(periods);
        self.unsent_in_search = self.load.unsent;
    }

    /// Adds what one child learnt in one slot. Returns how many receptions follow from it, and how
    /// many happened.
    pub fn add(&mut self, delta: &SlotDelta) -> (u64, u64) {
        for phase in LOAD_PHASES {
            let of_phase = delta.phases.of(phase);
            self.load.sent += of_phase.sent;
            self.load.acknowledged += of_phase.acknowledged;
            self.load.failed += of_phase.failed;
            self.load.unknown += of_phase.unknown;
            self.load.unsent += of_phase.unsent;
        }
        let mut expected = 0;
        for client in &delta.producers {
            expected += self.ledger.produced(client);
            for (text, count) in &client.errors {
                self.error(text, *count);
            }
        }
        let mut new = [0; 2];
        for client in &delta.consumers {
            let of_client = self.ledger.consumed(delta.slot, client);
            new[0] += of_client.0[0];
            new[1] += of_client.0[1];
        }
        let received: u64 = new.iter().sum();
        self.received += received;
        self.outstanding += expected as i64 - received as i64;
        if let Some(periods) = &mut self.periods {
            let slot = Slot(delta.slot.0 - self.origin.0);
            periods.add(slot, delta, expected, new, self.windows.cover(slot));
        }
        (expected, received)
    }

    /// Messages received more than once from the same place, over all subscriptions.
    pub fn redelivered(&self) -> u64 {
        let counts = self.ledger.counts();
        counts.iter().map(|counts| counts.redelivered).sum()
    }

    fn error(&mut self, text: &str, count: u64) {
        let known = self.errors.contains_key(text) || self.errors.len() < ERROR_TEXTS;
        let text = if known { text } else { "other errors" };
        *self.errors.entry(text.to_owned()).or_default() += count;
    }
}
