//! What dead runs have left is deleted while this one gets ready; its load waits for that, so that
//! nothing is measured but the load.

use std::time::Duration;

use super::{Machine, Phase};
use crate::clock::Instant;
use crate::plan::RunId;
use crate::steward::SWEEP_WITHIN;
use crate::supervisor::event::Action;
use crate::wire::{DeadRun, Order, Swept};

impl Machine {
    /// Has the steward delete what these runs have left.
    pub(super) fn sweep(&mut self, now: Instant, runs: Vec<DeadRun>) {
        if self.phase == Phase::Connect {
            self.sweep_until = Some(now + SWEEP_WITHIN + Duration::from_secs(1));
            self.actions.push(Action::Order(Order::Sweep(runs)));
        }
    }

    /// Whether the load has to wait; never longer than for the clients to be ready.
    pub(super) fn is_sweeping(&self, now: Instant) -> bool {
        now < self.deadline && self.sweep_until.is_some_and(|until| now < until)
    }

    /// Says what was deleted, and what was not.
    pub(super) fn swept(&mut self, now: Instant, swept: Vec<Swept>, problem: Option<String>) {
        self.sweep_until = None;
        if swept.is_empty()
            && let Some(problem) = &problem
        {
            self.say(
                now,
                format!("cannot look for what dead runs have left: {problem}"),
            );
        }
        let mut buried = Vec::new();
        for swept in swept {
            let run = RunId(swept.run);
            if !swept.deleted.is_empty() {
                let deleted = &swept.deleted;
                self.say(
                    now,
                    format!("deleted {deleted}, left by run {run}, which is dead"),
                );
            }
            if swept.certain {
                buried.push(swept.run);
            } else {
                let left = match &swept.left {
                    left if left.is_empty() => "may have left something".to_owned(),
                    left => format!("has left {left}"),
                };
                let why = problem.as_deref().unwrap_or("no time for more");
                self.say(
                    now,
                    format!("run {run}, which is dead, {left}: {why}; see omb clean"),
                );
            }
        }
        self.actions.push(Action::Bury(buried));
    }
}
