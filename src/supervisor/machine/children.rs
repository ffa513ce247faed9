//! What children and the steward do, and what follows from it.

use super::{Child, INTERRUPT_AHEAD, Machine, PROBE_AGAIN, Phase};
use crate::clock::Instant;
use crate::stats::delta::{LOAD_PHASES, SlotDelta};
use crate::supervisor::event::{Action, ChildKey, Death};
use crate::wire::{
    ConsumerAssignment, FromChild, Order, ProducerAssignment, Reply, Role, RunContext, ToChild,
};

impl Machine {
    pub(super) fn connect_steward(&mut self) {
        self.brief.steward.driver = self.brief.driver.clone();
        let assignment = Box::new(self.brief.steward.clone());
        self.actions.push(Action::Order(Order::Connect(assignment)));
    }

    /// Gives a child its work, once it is there and the topics are.
    pub(super) fn assign(&mut self, now: Instant, key: ChildKey) {
        let Some(child) = self.children.get_mut(&(key.role, key.id)) else {
            return;
        };
        if self.phase >= Phase::Leave {
            // It came too late to be told with the others.
            self.actions.push(Action::Tell(key, ToChild::Finish));
            return;
        }
        let may = key.role == Role::Broker || self.topics_exist;
        if !child.joined || child.assigned || !may {
            return;
        }
        child.assigned = true;
        let context = RunContext {
            run: self.brief.run,
            epoch: self.brief.epoch,
            driver: self.brief.driver.clone(),
        };
        let plan = &self.brief.plan;
        let work = match key.role {
            Role::Broker => ToChild::Serve(self.brief.broker),
            Role::Producer => ToChild::Produce(Box::new(ProducerAssignment {
                context,
                clients: plan.producers[key.id as usize].clone(),
                message_size: self.brief.workload.message_size,
                payload: self.brief.workload.payload.clone(),
                seed: self.brief.workload.seed,
                keys: self.brief.workload.keys,
                may_spin: plan.may_spin,
            })),
            Role::Consumer => ToChild::Consume(Box::new(ConsumerAssignment {
                context,
                clients: plan.consumers[key.id as usize].clone(),
            })),
            Role::Steward => return,
        };
        self.actions.push(Action::Tell(key, work));
        if key.role == Role::Producer {
            self.actions.push(Action::Tell(key, ToChild::Probe));
            self.probe_at = now + PROBE_AGAIN;
        }
        if let Some(schedule) = &self.schedule {
            self.actions
                .push(Action::Tell(key, ToChild::Load(schedule.clone())));
        }
    }

    pub(super) fn frame(&mut self, now: Instant, key: ChildKey, frame: FromChild) {
        match frame {
            FromChild::Deltas(deltas) => {
                for delta in &deltas {
                    self.tally.add(delta);
                    self.child(key, |child| child.note(delta));
                }
            }
            FromChild::ClientReady(client) => self.child(key, |child| {
                child.ready.insert(client);
            }),
            FromChild::Probed(probed) => self.probed.extend(probed),
            FromChild::LoadDone => self.child(key, |child| child.load_done = true),
            FromChild::Note(text) => {
                self.last_note = Some(format!("{key}: {text}"));
                self.say(now, format!("{key}: {text}"));
            }
            FromChild::Failed(text) => self.child_failed(now, key, &text),
            FromChild::Listening(address) => {
                self.brief.driver.point_at(&address.to_string());
                self.connect_steward();
            }
            FromChild::Hello(_) | FromChild::Finished => {}
        }
    }

    /// A child can't go on. A consumer may start anew; the others end the run.
    pub(super) fn child_failed(&mut self, now: Instant, key: ChildKey, text: &str) {
        if key.role == Role::Consumer && self.schedule.is_some() && self.phase < Phase::Leave {
            self.say(now, format!("{key}: {text}"));
            self.actions.push(Action::Kill(key, libc::SIGTERM));
        } else {
            self.fail(now, format!("{key}: {text}"));
        }
    }

    pub(super) fn exited(&mut self, now: Instant, key: ChildKey, death: &Death) {
        let mut known = false;
        let mut reported = [(0, 0); 2];
        self.child(key, |child| {
            known = child.alive;
            reported = std::mem::take(&mut child.reported);
            (child.alive, child.joined, child.assigned) = (false, false, false);
            child.ready.clear();
        });
        if !known || self.phase >= Phase::Close {
            return;
        }
        self.settle_unknown(now, reported, death.published);
        let stopping = self.phase >= Phase::Leave;
        match key.role {
            Role::Producer | Role::Consumer if stopping => {}
            Role::Consumer => self.restart(now, key, death),
            Role::Producer => self.producer_died(now, format!("{key} died: {death}")),
            Role::Broker => self.fail(now, format!("the embedded broker died: {death}")),
            Role::Steward => {
                self.sweep_until = None;
                self.fail(now, format!("the steward died: {death}"));
                // At once: if we are killed, somebody has to clean up.
                let first = !self.steward_replaced && self.may_have_left();
                if first || self.phase == Phase::Delete {
                    self.replace_steward(now);
                }
            }
        }
    }

    /// The run has failed, but what was acknowledged is read before it ends.
    fn producer_died(&mut self, now: Instant, reason: String) {
        match self.phase {
            Phase::WarmUp | Phase::Measure => {
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
    fn settle_unknown(&mut self, now: Instant, reported: [(u64, u64); 2], published: [u64; 2]) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        let mut delta = SlotDelta {
            slot: schedule.grid.slot(now),
            ..SlotDelta::default()
        };
        for phase in LOAD_PHASES {
            let (sent, resolved) = reported[phase as usize];
            let published = published[phase as usize].max(sent);
            let of_phase = delta.phases.of_mut(phase);
            of_phase.sent = published - sent;
            of_phase.unknown = published - resolved.min(published);
        }
        self.tally.add(&delta);
    }

    pub(super) fn restart(&mut self, now: Instant, key: ChildKey, death: &Death) {
        match self.restarts.next(now) {
            Some(pause) => {
                let at = now + pause;
                self.say(
                    now,
                    format!(
                        "{key} died: {death}; it starts again in {} ms",
                        pause.as_millis()
                    ),
                );
                self.child(key, |child| {
                    child.respawn_at = Some(at);
                    child.incarnation += 1;
                });
            }
            None => {
                let allowed = self.brief.workload.restart.max_restarts;
                let window = self.brief.workload.restart.window.as_secs();
                self.fail(
                    now,
                    format!(
                        "{key} died: {death}; it is not started again after {allowed} restarts \
                         within {window} s (maxRestarts)"
                    ),
                );
            }
        }
    }

    pub(super) fn reply(&mut self, now: Instant, reply: Reply) {
        match reply {
            Reply::Connected(_) if self.phase == Phase::Connect => self.enter(now, Phase::Create),
            Reply::Connected(_) => {}
            Reply::Swept(swept, problem) => self.swept(now, swept, problem),
            Reply::Created => self.topics_ready(now),
            Reply::Adopted(state) => {
                let partitions = state.ends.len() as u32;
                self.brief.workload.partitions_per_topic = partitions;
                for topic in &mut self.brief.plan.topics {
                    topic.partitions = partitions;
                }
                self.topics_ready(now);
            }
            Reply::Deleted(leftovers) => {
                if leftovers.is_empty() {
                    self.to_delete = false;
                } else {
                    let mut names = leftovers.topics;
                    names.extend(leftovers.groups);
                    let text = format!("still at the broker: {}", names.join(", "));
                    self.downgrade(text);
                }
                if self.phase == Phase::Delete {
                    self.enter(now, Phase::Close);
                }
            }
            Reply::Failed(text) if self.phase == Phase::Delete => {
                self.downgrade(format!("could not delete topics and groups: {text}"));
                self.enter(now, Phase::Close);
            }
            Reply::Failed(text) => self.fail(now, text),
        }
    }

    pub(super) fn topics_ready(&mut self, now: Instant) {
        self.topics_exist = true;
        if self.phase == Phase::Create {
            self.enter(now, Phase::Ready);
        }
    }

    /// A steward that died has a successor, but only one, which deletes what the run created.
    pub(super) fn replace_steward(&mut self, now: Instant) {
        if std::mem::replace(&mut self.steward_replaced, true) {
            self.downgrade("topics and groups were not deleted: the steward died twice".to_owned());
            self.enter(now, Phase::Close);
            return;
        }
        self.deleting = false;
        self.brief.steward.created = true;
        self.child(self.steward(), |child| child.incarnation += 1);
        self.spawn(Role::Steward, 0);
        self.connect_steward();
    }

    /// Tells the steward to delete, once.
    pub(super) fn order_deletion(&mut self) {
        if !std::mem::replace(&mut self.deleting, true) {
            self.actions.push(Action::Order(Order::Delete));
        }
    }

    pub(super) fn steward(&self) -> ChildKey {
        let incarnation = self
            .children
            .get(&(Role::Steward, 0))
            .map_or(0, |child| child.incarnation);
        ChildKey {
            role: Role::Steward,
            id: 0,
            incarnation,
        }
    }

    pub(super) fn respawn(&mut self, now: Instant) {
        let due = |child: &Child| child.respawn_at.is_some_and(|at| now >= at);
        let keys: Vec<(Role, u32)> = self
            .children
            .iter()
            .filter(|(_, child)| due(child))
            .map(|(key, _)| *key)
            .collect();
        for (role, id) in keys {
            if let Some(child) = self.children.get_mut(&(role, id)) {
                child.respawn_at = None;
            }
            self.spawn(role, id);
        }
    }
}

impl Child {
    /// Notes what it reported of its load messages.
    fn note(&mut self, delta: &SlotDelta) {
        for phase in LOAD_PHASES {
            let of_phase = delta.phases.of(phase);
            let (sent, resolved) = &mut self.reported[phase as usize];
            *sent += of_phase.sent;
            *resolved += of_phase.acknowledged + of_phase.failed + of_phase.unknown;
        }
    }
}
