//! Children that died: what becomes of their messages, and whether they are started again.

use std::time::Duration;

use super::{Child, INTERRUPT_AHEAD, Machine, Phase};
use crate::clock::Instant;
use crate::report::disturbances::Disturbances;
use crate::stats::delta::{LOAD_PHASES, SlotDelta};
use crate::supervisor::disturbance::{Kind, Moment};
use crate::supervisor::event::{ChildKey, Death};
use crate::wire::Role;

/// What children do is known after this time at the latest.
const REPORTED_AFTER: Duration = Duration::from_millis(400);

impl Machine {
    pub(super) fn exited(&mut self, now: Instant, key: ChildKey, mut death: Death) {
        let mut known = false;
        let mut planned = false;
        let mut reported = [Reported::default(); 2];
        let patience = self.brief.workload.hang_after;
        self.child(key, |child| {
            known = child.alive;
            planned = child.death_planned;
            reported = std::mem::take(&mut child.reported);
            if child.hung.is_some() {
                death.how = format!("it said nothing for {patience:?}, {}", death.how);
            }
            *child = Child {
                incarnation: child.incarnation,
                position: child.position,
                fruitless: child.fruitless,
                ..Child::default()
            };
            for (position, (reported, published)) in child
                .position
                .iter_mut()
                .zip(reported.iter().zip(death.published))
            {
                *position += published.max(reported.sent) + reported.unsent;
            }
        });
        if !known || self.phase >= Phase::Close {
            return;
        }
        self.settle_unknown(now, reported, death.published);
        let stopping = self.phase >= Phase::Leave;
        match key.role {
            Role::Producer | Role::Consumer if stopping => {}
            Role::Producer | Role::Consumer => self.client_died(now, key, &death, planned),
            Role::Broker => self.fail(now, format!("the embedded broker died: {death}")),
            Role::Steward => self.steward_died(now, &death),
        }
    }

    fn client_died(&mut self, now: Instant, key: ChildKey, death: &Death, planned: bool) {
        self.disturb_search();
        if let Some(observer) = &mut self.observer {
            observer.died(key);
            let next = ChildKey {
                incarnation: key.incarnation + 1,
                ..key
            };
            let cause = death.how.clone();
            self.disturbed(now, Kind::Death, Some(next), cause, planned);
        }
        let policy = self.brief.workload.restart;
        match key.role {
            Role::Producer if policy.producers && self.phase >= Phase::Drain => {
                // Nothing is left for another life to send.
                self.settle_unsent(now, key, Instant::NEVER);
                self.say(now, format!("{key} died: {death}"));
            }
            Role::Producer if policy.producers => self.restart(now, key, death, planned),
            Role::Producer => {
                self.settle_unsent(now, key, Instant::NEVER);
                self.producer_died(now, format!("{key} died: {death}"));
            }
            _ if policy.consumers => self.restart(now, key, death, planned),
            _ => self.fail(
                now,
                format!("{key} died: {death}; consumers are not started again (restart)"),
            ),
        }
    }

    fn restart(&mut self, now: Instant, key: ChildKey, death: &Death, planned: bool) {
        let mut fruitless = 0;
        self.child(key, |child| {
            fruitless = child.fruitless;
            child.fruitless += 1;
        });
        let pause = if planned {
            Ok(self.restarts.planned())
        } else {
            let at = match &self.schedule {
                Some(_) => now.0 as f64 - self.origin.0 as f64,
                None => 0.0,
            };
            let told = format!("{key} at {:.1} s: {death}", at / 1e9);
            self.restarts.next(now, &told, fruitless)
        };
        match pause {
            Ok(pause) => {
                let at = now + pause;
                let pause = pause.as_millis();
                self.say(
                    now,
                    format!("{key} died: {death}; it starts again in {pause} ms"),
                );
                self.child(key, |child| {
                    child.respawn_at = Some(at);
                    child.incarnation += 1;
                });
            }
            Err(deaths) => {
                let allowed = self.brief.workload.restart.max_restarts;
                let window = self.brief.workload.restart.window.as_secs();
                self.fail(
                    now,
                    format!(
                        "{key} died: {death}; it is not started again after {allowed} restarts \
                         within {window} s (maxRestarts); all deaths: {deaths}"
                    ),
                );
            }
        }
    }

    /// The run has failed, but what was acknowledged is read before it ends.
    fn producer_died(&mut self, now: Instant, reason: String) {
        match self.phase {
            Phase::Search | Phase::WarmUp | Phase::Measure => {
                self.say(now, reason.clone());
                self.downgrade(reason);
                self.close_load(now + INTERRUPT_AHEAD);
                self.enter(now, Phase::Drain);
            }
            Phase::Drain => {
                self.say(now, reason.clone());
                self.downgrade(reason);
            }
            _ => self.fail(now, reason),
        }
    }

    /// What a producer published and never told an outcome of is unknown.
    fn settle_unknown(&mut self, now: Instant, reported: [Reported; 2], published: [u64; 2]) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        let mut delta = SlotDelta {
            slot: schedule.grid.slot(now),
            ..SlotDelta::default()
        };
        for phase in LOAD_PHASES {
            let reported = reported[phase as usize];
            let published = published[phase as usize].max(reported.sent);
            let of_phase = delta.phases.of_mut(phase);
            of_phase.sent = published - reported.sent;
            of_phase.unknown = published - reported.resolved.min(published);
        }
        self.count(&delta);
    }

    /// What was due before `until` while a producer was not there is unsent.
    pub(super) fn settle_unsent(&mut self, now: Instant, key: ChildKey, until: Instant) {
        let (Some(schedule), Some(child)) =
            (&self.schedule, self.children.get_mut(&(key.role, key.id)))
        else {
            return;
        };
        let mut delta = SlotDelta {
            slot: schedule.grid.slot(now),
            ..SlotDelta::default()
        };
        let mut due = [0; 2];
        for segment in &schedule.segments {
            let clients = self.brief.plan.producers[key.id as usize].iter();
            let of_segment = clients
                .map(|client| segment.due_before(segment.gap(client.share), client.stagger, until));
            due[segment.phase as usize] += of_segment.sum::<u64>();
        }
        for phase in LOAD_PHASES {
            let position = &mut child.position[phase as usize];
            let missed = due[phase as usize].saturating_sub(*position);
            *position += missed;
            delta.phases.of_mut(phase).unsent += missed;
        }
        self.count(&delta);
    }

    /// The load is over: who was to come back to make some needn't.
    pub(super) fn give_up_producers(&mut self, now: Instant) {
        let waiting = |((role, _), child): &(&(Role, u32), &Child)| {
            *role == Role::Producer && child.respawn_at.is_some()
        };
        let keys: Vec<(Role, u32)> = self
            .children
            .iter()
            .filter(waiting)
            .map(|(&k, _)| k)
            .collect();
        for (role, id) in keys {
            let Some(child) = self.children.get_mut(&(role, id)) else {
                continue;
            };
            child.respawn_at = None;
            let incarnation = child.incarnation;
            let key = ChildKey {
                role,
                id,
                incarnation,
            };
            self.settle_unsent(now, key, Instant::NEVER);
        }
    }

    /// Something disturbs the load, if there is any.
    pub(super) fn disturbed(
        &mut self,
        now: Instant,
        kind: Kind,
        child: Option<ChildKey>,
        cause: String,
        planned: bool,
    ) {
        let moment = self.moment(now);
        if let Some(observer) = &mut self.observer
            && self.phase <= Phase::Drain
        {
            observer.begin(&mut self.tally.windows, moment, kind, child, cause, planned);
        }
    }

    /// Messages due before the last reports, and neither sent nor given up.
    fn behind(&self, now: Instant) -> i64 {
        let Some(schedule) = &self.schedule else {
            return 0;
        };
        let reported = Instant(now.0.saturating_sub(REPORTED_AFTER.as_nanos() as u64));
        let due = schedule.segments.iter().map(|segment| {
            let time = segment.to.min(reported).since(segment.from);
            time.as_secs_f64() * segment.rate
        });
        due.sum::<f64>() as i64 - (self.tally.load.sent + self.tally.load.unsent) as i64
    }

    fn moment(&self, at: Instant) -> Moment {
        Moment {
            at,
            backlog: self.tally.outstanding,
            behind: self.behind(at),
            redelivered: self.tally.redelivered(),
        }
    }

    /// Looks whether the run has recovered.
    pub(super) fn look_at_recovery(&mut self, now: Instant) {
        if self
            .observer
            .as_ref()
            .is_none_or(|observer| observer.is_calm())
        {
            return;
        }
        let moment = self.moment(now);
        if let Some(observer) = &mut self.observer {
            observer.look(&mut self.tally.windows, moment);
        }
    }

    /// Nobody is waited for any more.
    pub(super) fn end_recovery(&mut self, now: Instant) {
        let moment = self.moment(now);
        if let Some(observer) = &mut self.observer {
            observer.end(&mut self.tally.windows, moment);
        }
    }

    /// What disturbed the run so far.
    pub fn disturbances(&self) -> Disturbances {
        self.observer
            .as_ref()
            .map_or_else(Disturbances::default, |observer| observer.found())
    }
}

/// What a producer reported of its load messages in this life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    pub sent: u64,
    /// With an outcome.
    pub resolved: u64,
    /// Due, and never sent.
    pub unsent: u64,
}

impl Child {
    /// Notes what it reported of its load messages.
    pub(super) fn note(&mut self, delta: &SlotDelta) {
        for phase in LOAD_PHASES {
            let of_phase = delta.phases.of(phase);
            let reported = &mut self.reported[phase as usize];
            reported.sent += of_phase.sent;
            reported.resolved += of_phase.acknowledged + of_phase.failed + of_phase.unknown;
            reported.unsent += of_phase.unsent;
        }
    }
}
