//! The rate follows what is measured: lower when messages fail, higher while latencies hold.

use super::{ANNOUNCE_AHEAD, Machine, Phase};
use crate::clock::Instant;
use crate::report::search::RateChange;
use crate::report::thresholds::measured_latency;
use crate::schedule::Segment;
use crate::stats::delta::{LoadPhase, Slot, SlotDelta};
use crate::stats::latencies::Latencies;
use crate::supervisor::periods::SHOW_AFTER;

/// What was reported since the rate was changed last.
#[derive(Debug)]
pub(super) struct Controlled {
    rate: f64,
    /// The first slot that is wholly at this rate, as children number them.
    from: Slot,
    /// When it is looked at.
    until: Instant,
    acknowledged: u64,
    errors: u64,
    latencies: Latencies,
}

impl Machine {
    /// The measured phase begins.
    pub(super) fn begin_control(&mut self) {
        let rate = self.brief.workload.rate;
        self.control_from(self.origin, rate);
    }

    fn control_from(&mut self, at: Instant, rate: f64) {
        let (Some(control), Some(schedule)) = (&self.brief.workload.control, &self.schedule) else {
            return;
        };
        let before = schedule.grid.slot(at);
        let whole = schedule.grid.start(before) == at;
        self.controlled = Some(Controlled {
            rate,
            from: Slot(before.0 + i64::from(!whole)),
            until: at + control.period + SHOW_AFTER,
            acknowledged: 0,
            errors: 0,
            latencies: Latencies::default(),
        });
    }

    pub(super) fn note_for_control(&mut self, delta: &SlotDelta) {
        let Some(controlled) = &mut self.controlled else {
            return;
        };
        if delta.slot < controlled.from {
            return;
        }
        let of_phase = delta.phases.of(LoadPhase::Measure);
        controlled.acknowledged += of_phase.acknowledged;
        controlled.errors += of_phase.failed + of_phase.unknown;
        // A histogram no child of ours would send is not counted.
        let _ = controlled.latencies.add(&of_phase.latencies);
    }

    /// Changes the rate where a period is over.
    pub(super) fn control_rate(&mut self, now: Instant) {
        let (Some(control), Some(controlled)) = (&self.brief.workload.control, &self.controlled)
        else {
            return;
        };
        let end = self.segment_end(LoadPhase::Measure);
        let at = now + ANNOUNCE_AHEAD;
        let over = self.phase != Phase::Measure || end.is_none_or(|end| at >= end);
        if over || now < controlled.until {
            return;
        }
        let errors = controlled.errors as f64;
        let share = errors / (errors + controlled.acknowledged as f64).max(1.0);
        let latencies = controlled.latencies.summaries();
        let measured: Vec<String> = control
            .objectives
            .iter()
            .filter_map(|objective| {
                let measured = measured_latency(&latencies, objective.measure)?;
                let holds = objective.relation.holds(measured, objective.bound);
                holds.then(|| format!("{} is {measured:.3} ms", objective.measure))
            })
            .collect();
        let (factor, why) = if share > control.errors {
            let percent = share * 100.0;
            (
                1.0 - control.step,
                format!("{percent:.2} % of the messages failed"),
            )
        } else if measured.len() == control.objectives.len() {
            (1.0 + control.step, measured.join(", "))
        } else {
            (1.0, String::new())
        };
        let before = controlled.rate;
        let rate = (before * factor).clamp(control.min, control.max);
        if rate == before {
            self.control_from(at, rate);
            return;
        }
        let segment = Segment {
            phase: LoadPhase::Measure,
            from: at,
            to: end.unwrap_or(at),
            rate,
        };
        self.reschedule(at, vec![segment]);
        self.control_from(at, rate);
        let change = RateChange {
            start: at.since(self.origin).as_secs_f64(),
            rate,
            why,
        };
        self.say(now, format!("rate control: {}", change.in_words()));
        if let Some(periods) = &mut self.tally.periods {
            periods.rate(change);
        }
    }
}
