//! The load: announced, changed while it goes on, ended.

use super::phases::USUAL_BACKLOG;
use super::{ANNOUNCE_AHEAD, Machine, Phase};
use crate::clock::Instant;
use crate::schedule::{Schedule, Segment};
use crate::stats::delta::{Grid, LoadPhase, Slot};
use crate::supervisor::disturbance::Observer;
use crate::wire::{Role, ToChild};

impl Machine {
    /// Announces the load to all clients.
    pub(super) fn announce(&mut self, now: Instant) {
        self.deadline = Instant::NEVER;
        let begin = now + ANNOUNCE_AHEAD;
        if self.brief.workload.search.is_some() {
            self.begin_search(now, begin);
            return;
        }
        let origin = begin + self.brief.workload.warmup;
        let grid = Grid { origin };
        let segments = self.whole_load(begin, origin);
        self.give_schedule(grid, segments, begin);
        self.begin_load(now, grid, begin, Slot(0));
    }

    /// Warm-up from `begin` on, the measured phase from `origin` on.
    pub(super) fn whole_load(&self, begin: Instant, origin: Instant) -> Vec<Segment> {
        let workload = &self.brief.workload;
        let segment = |phase, from, to| Segment {
            phase,
            from,
            to,
            rate: workload.rate,
        };
        let mut segments = Vec::new();
        if begin < origin {
            segments.push(segment(LoadPhase::WarmUp, begin, origin));
        }
        let end = origin + workload.longest();
        segments.push(segment(LoadPhase::Measure, origin, end));
        segments
    }

    /// Gives all clients their first schedule.
    pub(super) fn give_schedule(&mut self, grid: Grid, segments: Vec<Segment>, begin: Instant) {
        let schedule = Schedule {
            grid,
            segments,
            resume: begin,
        };
        for role in [Role::Consumer, Role::Producer] {
            self.tell_all(role, &ToChild::Load(schedule.clone()));
        }
        self.schedule = Some(schedule);
    }

    /// Clients know what to send and when: from `begin` on, and measured from slot `origin` on.
    pub(super) fn begin_load(&mut self, now: Instant, grid: Grid, begin: Instant, origin: Slot) {
        let workload = &self.brief.workload;
        self.tally.start(grid, grid.slot(begin), origin, workload);
        let subscriptions = f64::from(workload.subscriptions_per_topic);
        let usual = workload.rate * subscriptions * USUAL_BACKLOG.as_secs_f64();
        let grid = grid.renumbered(origin.0);
        self.observer = Some(Observer::new(grid, usual as u64));
        self.origin = grid.origin;
        self.plan_faults(grid.origin);
        self.enter(now, Phase::WarmUp);
    }

    /// What is scheduled ends at `at`, and these segments follow.
    pub(super) fn reschedule(&mut self, at: Instant, segments: Vec<Segment>) {
        self.cut_schedule(at);
        if let Some(schedule) = &mut self.schedule {
            schedule.segments.extend_from_slice(&segments);
        }
        for ((role, _), child) in &mut self.children {
            if *role == Role::Producer {
                child.load_done = false;
            }
        }
        self.tell_all(Role::Producer, &ToChild::Reschedule(at, segments));
    }

    /// No message due from `at` on is sent, and the measured phase ends there at the latest.
    pub(super) fn close_load(&mut self, at: Instant) {
        let segments = self.schedule.iter().flat_map(|schedule| &schedule.segments);
        let Some(end) = segments.map(|segment| segment.to).max() else {
            return;
        };
        if at >= end {
            return;
        }
        self.cut_schedule(at);
        if let Some(periods) = &mut self.tally.periods {
            periods.cut_short(at.since(self.origin));
        }
        self.tell_all(Role::Producer, &ToChild::EndLoad(at));
    }

    fn cut_schedule(&mut self, at: Instant) {
        let segments = self.schedule.iter_mut().flat_map(|s| &mut s.segments);
        for segment in segments {
            segment.from = segment.from.min(at);
            segment.to = segment.to.min(at);
        }
    }
}
