//! The load while the highest rate that holds is looked for.

use super::{ANNOUNCE_AHEAD, Child, Machine, Phase};
use crate::clock::Instant;
use crate::report::search::SearchReport;
use crate::schedule::Segment;
use crate::stats::delta::{Grid, LoadPhase, SLOT, Slot};
use crate::supervisor::search::{Next, Search};

/// A rate that is tried ends with the next one; should none come, with the run.
const OPEN_END: std::time::Duration = std::time::Duration::from_secs(86_400);

impl Machine {
    /// How the rate was looked for so far, where it is.
    pub fn search(&self) -> Option<SearchReport> {
        let unsent = match self.tally.periods {
            Some(_) => self.tally.unsent_in_search,
            None => self.tally.load.unsent,
        };
        let report = self.search.as_ref()?.report();
        Some(SearchReport { unsent, ..report })
    }

    pub(super) fn begin_search(&mut self, now: Instant, begin: Instant) {
        let Some(config) = self.brief.workload.search.clone() else {
            return;
        };
        let grid = Grid { origin: begin };
        let clients = self.brief.plan.producer_clients() + self.brief.plan.consumer_clients();
        let search = Search::new(config, grid, begin, clients);
        let segment = open_ended(begin, search.rate());
        self.origin = begin;
        self.give_schedule(grid, vec![segment], begin);
        self.search = Some(search);
        self.enter(now, Phase::Search);
    }

    /// Goes on to the next rate, or to the load proper.
    pub(super) fn look_at_search(&mut self, now: Instant) {
        if self.phase != Phase::Search {
            return;
        }
        let back = |child: &Child| child.alive && child.fruitless == 0;
        let complete = self.children.values().all(back);
        let Some(search) = &mut self.search else {
            return;
        };
        let next = search.look(now, complete);
        let told: Vec<String> = search.told().iter().map(|step| step.in_words()).collect();
        for words in told {
            self.say(now, format!("rate search: {words}"));
        }
        let at = now + ANNOUNCE_AHEAD;
        match next {
            None => {}
            Some(Next::Rate(rate)) => {
                self.reschedule(at, vec![open_ended(at, rate)]);
                if let Some(search) = &mut self.search {
                    search.begin(at, rate);
                }
            }
            Some(Next::Found(rate)) => self.found(now, at, rate),
            Some(Next::Nothing) => {
                let last = self.search.as_ref().and_then(|search| {
                    let steps = search.report().steps;
                    steps.last().map(|step| format!("; {}", step.in_words()))
                });
                let last = last.unwrap_or_default();
                self.fail(now, format!("rate search: no rate held{last}"));
            }
        }
    }

    /// The run goes on at this rate, as if it had been asked for. The measured phase begins with a
    /// slot of the grid on which clients report already.
    pub(super) fn found(&mut self, now: Instant, at: Instant, rate: f64) {
        self.brief.workload.rate = rate;
        if let Some(report) = self.search() {
            self.say(now, format!("rate search: {}", report.in_words()));
        }
        let Some(grid) = self.schedule.as_ref().map(|schedule| schedule.grid) else {
            return;
        };
        // Both begin with a slot, so that seconds are whole.
        let at = grid.start(Slot(grid.slot(at).0 + 1));
        let warmup = self
            .brief
            .workload
            .warmup
            .as_nanos()
            .div_ceil(SLOT.as_nanos());
        let origin = Slot(grid.slot(at).0 + warmup as i64);
        let segments = self.whole_load(at, grid.start(origin));
        self.reschedule(at, segments);
        self.begin_load(now, grid, at, origin);
    }

    /// What is measured of the current rate is not the rate's doing.
    pub(super) fn disturb_search(&mut self) {
        if let Some(search) = &mut self.search {
            search.disturb();
        }
    }
}

fn open_ended(from: Instant, rate: f64) -> Segment {
    Segment {
        phase: LoadPhase::WarmUp,
        from,
        to: from + OPEN_END,
        rate,
    }
}
