//! From phase to phase: what each begins with, when it is over, and when it is too late.

use std::time::Duration;

use super::{CONNECT_WITHIN, LEAVE_WITHIN, Machine, PROBE_AGAIN, Phase};
use crate::clock::Instant;
use crate::stats::delta::LoadPhase;
use crate::supervisor::event::Action;
use crate::supervisor::periods::SHOW_AFTER;
use crate::wire::{Order, Role, ToChild};

/// Reports of what was acknowledged and of what was received don't come at the same time: this much
/// of the load may be in between.
pub(super) const USUAL_BACKLOG: Duration = Duration::from_millis(500);

impl Machine {
    pub(super) fn enter(&mut self, now: Instant, phase: Phase) {
        self.phase = phase;
        match phase {
            Phase::Create => {
                self.deadline = now + self.brief.steward.deadline + Duration::from_secs(5);
                self.to_delete = true;
                let adopt = self.brief.existing_topic;
                let order = if adopt { Order::Adopt } else { Order::Create };
                self.actions.push(Action::Order(order));
            }
            Phase::Ready => {
                self.deadline = now + self.brief.workload.ready_deadline;
                for role in [Role::Consumer, Role::Producer] {
                    for key in self.keys(role) {
                        self.assign(now, key);
                    }
                }
            }
            Phase::Drain => {
                self.deadline = now + self.brief.workload.drain_deadline;
                self.end_faults(now);
                self.end_backlog(now);
                self.give_up_producers(now);
            }
            Phase::Leave => {
                self.end_faults(now);
                self.end_backlog(now);
                self.end_recovery(now);
                self.deadline = now + LEAVE_WITHIN;
                for role in [Role::Producer, Role::Consumer] {
                    self.tell_all(role, &ToChild::Finish);
                }
                for child in self.children.values_mut() {
                    child.respawn_at = None;
                }
                self.show_last_seconds();
            }
            Phase::Delete => self.delete(now),
            Phase::Close => {
                self.deadline = now + Duration::from_secs(2);
                if !self.to_delete {
                    self.actions.push(Action::Order(Order::Goodbye));
                } else {
                    self.actions.push(Action::OrphanSteward);
                }
                for key in self.keys(Role::Broker) {
                    self.actions.push(Action::Kill(key, libc::SIGTERM));
                }
            }
            Phase::Ended => self.actions.push(Action::End),
            Phase::Measure => {
                self.begin_control();
                self.begin_backlog(now);
            }
            Phase::Connect | Phase::Search | Phase::WarmUp => {}
        }
    }

    /// Shows the seconds up to the end of the load that are not shown yet.
    pub(super) fn show_last_seconds(&mut self) {
        if let Some(end) = self.segment_end(LoadPhase::Measure) {
            self.show_seconds(end + SHOW_AFTER);
        }
    }

    /// Shows the seconds that are over.
    pub(super) fn show_seconds(&mut self, now: Instant) {
        let (Some(periods), Some(schedule)) = (&mut self.tally.periods, &self.schedule) else {
            return;
        };
        let end = schedule
            .segments
            .last()
            .map_or(self.origin, |segment| segment.to);
        let measured = end.since(self.origin).as_secs_f64();
        for second in periods.due_seconds(now) {
            let phase = match second.start {
                start if start < 0.0 => Phase::WarmUp,
                start if start < measured => Phase::Measure,
                _ => Phase::Drain,
            };
            self.actions.push(Action::Second(Box::new(second), phase));
        }
    }

    pub(super) fn delete(&mut self, now: Instant) {
        self.actions.push(Action::Result);
        // An embedded broker takes its topics with it.
        if self.to_delete && !self.brief.driver.embedded {
            if self.keys(Role::Steward).is_empty() {
                self.replace_steward(now);
            } else {
                self.order_deletion(now);
            }
        } else {
            self.to_delete = false;
            self.enter(now, Phase::Close);
        }
    }

    /// Whatever time brings: restarts, the next phase, deadlines, seconds to show.
    pub(super) fn tick(&mut self, now: Instant) {
        self.respawn(now);
        self.end_hanging(now);
        self.end_hanging_steward(now);
        self.bring_about_faults(now);
        self.look_at_backlog(now);
        self.look_at_search(now);
        self.control_rate(now);
        if self.phase <= Phase::Drain {
            self.show_seconds(now);
        }
        loop {
            let phase = self.phase;
            self.step(now);
            if self.phase == phase {
                break;
            }
        }
        if now >= self.deadline {
            self.deadline = Instant::NEVER;
            self.too_late(now);
        }
    }

    /// Goes on to the next phase where this one has reached its end.
    pub(super) fn step(&mut self, now: Instant) {
        match self.phase {
            Phase::Ready if self.all_ready() && !self.is_sweeping(now) => self.announce(now),
            Phase::Ready if now >= self.probe_at => {
                self.probe_at = now + PROBE_AGAIN;
                self.tell_all(Role::Producer, &ToChild::Probe);
            }
            Phase::WarmUp
                if self
                    .segment_end(LoadPhase::WarmUp)
                    .is_none_or(|end| now >= end) =>
            {
                self.enter(now, Phase::Measure);
            }
            Phase::Measure
                if self
                    .segment_end(LoadPhase::Measure)
                    .is_none_or(|end| now >= end) =>
            {
                self.enter(now, Phase::Drain);
            }
            Phase::Drain if self.all_sent() && self.tally.ledger.is_drained() => {
                self.enter(now, Phase::Leave);
            }
            Phase::Leave => {
                let gone = |role| self.keys(role).is_empty();
                if gone(Role::Producer) && gone(Role::Consumer) {
                    self.enter(now, Phase::Delete);
                }
            }
            Phase::Close if self.children.values().all(|child| !child.alive) => {
                self.enter(now, Phase::Ended);
            }
            _ => {}
        }
    }

    pub(super) fn segment_end(&self, phase: LoadPhase) -> Option<Instant> {
        let segments = &self.schedule.as_ref()?.segments;
        segments
            .iter()
            .rfind(|segment| segment.phase == phase)
            .map(|segment| segment.to)
    }

    pub(super) fn all_ready(&self) -> bool {
        self.unready().is_empty()
    }

    pub(super) fn all_sent(&self) -> bool {
        let mut producers = self
            .children
            .iter()
            .filter(|((role, _), _)| *role == Role::Producer);
        producers.all(|(_, child)| child.load_done || !child.alive)
    }

    /// Who is not ready, in words.
    pub(super) fn unready(&self) -> Vec<String> {
        let plan = &self.brief.plan;
        let ready = |role| -> usize {
            let of_role = self.children.iter().filter(|((r, _), _)| *r == role);
            of_role.map(|(_, child)| child.ready.len()).sum()
        };
        let mut unready = Vec::new();
        let (joined, members) = (ready(Role::Consumer), plan.consumer_clients());
        if joined < members {
            unready.push(format!(
                "{} of {members} consumers not in their group",
                members - joined
            ));
        }
        let (proved, senders) = (ready(Role::Producer), plan.producer_clients());
        if proved < senders {
            unready.push(format!(
                "{} of {senders} producers without an acknowledged probe",
                senders - proved
            ));
        }
        for (subscription, topics) in plan.subscribed.iter().enumerate() {
            let missing = topics
                .iter()
                .find(|&&topic| !self.probed.contains(&(subscription as u32, topic)));
            if let Some(&topic) = missing {
                unready.push(format!(
                    "{} has received no probe from {}",
                    plan.groups[subscription], plan.topics[topic as usize].name
                ));
                break;
            }
        }
        unready
    }

    /// The deadline of the phase has come.
    pub(super) fn too_late(&mut self, now: Instant) {
        match self.phase {
            Phase::Connect => {
                let who = if self.brief.driver.embedded {
                    "the embedded broker"
                } else {
                    "a broker"
                };
                self.fail(
                    now,
                    format!("no answer from {who} within {CONNECT_WITHIN:?}"),
                );
            }
            Phase::Create => self.fail(now, "the topics were not created in time".to_owned()),
            Phase::Ready => {
                let last = self.last_note.as_ref();
                let cause = last.map_or(String::new(), |note| format!("; last heard: {note}"));
                let deadline = self.brief.workload.ready_deadline.as_secs_f64();
                let who = self.unready().join("; ");
                self.fail(
                    now,
                    format!("not ready within {deadline} s (readyDeadline): {who}{cause}"),
                );
            }
            Phase::Drain => {
                let unread: u64 = self.tally.ledger.counts().iter().map(|c| c.unread).sum();
                let deadline = self.brief.workload.drain_deadline.as_secs_f64();
                let in_flight = if self.all_sent() {
                    ""
                } else {
                    " and messages without an outcome in flight"
                };
                self.tell_all(Role::Producer, &ToChild::Abandon);
                let text = format!(
                    "{unread} messages unread{in_flight} {deadline} s after the load (drainDeadline)"
                );
                self.fail(now, text);
            }
            Phase::Leave => {
                for role in [Role::Producer, Role::Consumer] {
                    for key in self.keys(role) {
                        self.say(now, format!("{key} does not end: killed"));
                        self.actions.push(Action::Kill(key, libc::SIGKILL));
                    }
                }
            }
            Phase::Delete => {
                self.downgrade("topics and groups were not deleted in time".to_owned());
                self.enter(now, Phase::Close);
            }
            Phase::Close => {
                for role in [Role::Steward, Role::Broker] {
                    // An orphaned steward goes on deleting; it is left to its work.
                    if role == Role::Broker || !self.to_delete {
                        for key in self.keys(role) {
                            self.actions.push(Action::Kill(key, libc::SIGKILL));
                        }
                    }
                }
                if self.to_delete {
                    self.enter(now, Phase::Ended);
                } else {
                    self.deadline = now + Duration::from_secs(2);
                }
            }
            Phase::Search | Phase::WarmUp | Phase::Measure | Phase::Ended => {}
        }
    }
}
