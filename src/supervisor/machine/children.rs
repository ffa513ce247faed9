//! What children and the steward do, and what follows from it.

use std::time::Duration;

use super::{Child, Machine, PROBE_AGAIN, Phase, RESUME_AHEAD};
use crate::clock::Instant;
use crate::schedule::Schedule;
use crate::stats::delta::SlotDelta;
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
        child.heard = now;
        let context = RunContext {
            run: self.brief.run,
            epoch: self.brief.epoch,
            driver: self.brief.driver.clone(),
            partitions: self.brief.workload.partitions_per_topic,
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
                message_size: self.brief.workload.message_size,
                clients: plan.consumers[key.id as usize].clone(),
            })),
            Role::Steward => return,
        };
        self.actions.push(Action::Tell(key, work));
        match &self.schedule {
            None if key.role == Role::Producer => {
                self.actions.push(Action::Tell(key, ToChild::Probe));
                self.probe_at = now + PROBE_AGAIN;
            }
            Some(schedule) => {
                let resume = now + RESUME_AHEAD;
                let schedule = Schedule {
                    resume,
                    ..schedule.clone()
                };
                self.actions
                    .push(Action::Tell(key, ToChild::Load(schedule)));
                if key.role == Role::Consumer && self.consumers_paused() {
                    self.actions.push(Action::Tell(key, ToChild::Pause(true)));
                }
                if key.role == Role::Producer {
                    self.settle_unsent(now, key, resume);
                }
            }
            None => {}
        }
    }

    pub(super) fn frame(&mut self, now: Instant, key: ChildKey, frame: FromChild) {
        self.child(key, |child| child.heard = now);
        match frame {
            FromChild::Deltas(deltas) => {
                for delta in &deltas {
                    self.count(delta);
                    self.child(key, |child| child.note(delta));
                }
                if !deltas.is_empty()
                    && let Some(observer) = &mut self.observer
                {
                    observer.at_work(key, now);
                }
                self.look_at_recovery(now);
            }
            FromChild::FirstMessage(at) => {
                self.child(key, |child| child.fruitless = 0);
                if let Some(observer) = &mut self.observer {
                    observer.first_message(key, at);
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

    /// Enters what a child learnt, or what is known of one that can't tell any more.
    pub(super) fn count(&mut self, delta: &SlotDelta) {
        let (expected, new) = self.tally.add(delta);
        self.note_for_control(delta);
        if self.phase == Phase::Search
            && let Some(search) = &mut self.search
        {
            search.add(delta, expected, new);
        }
    }

    /// A child can't go on. Under load it may start anew.
    pub(super) fn child_failed(&mut self, now: Instant, key: ChildKey, text: &str) {
        let policy = self.brief.workload.restart;
        let again = match key.role {
            Role::Consumer => policy.consumers,
            Role::Producer => policy.producers,
            Role::Broker | Role::Steward => false,
        };
        if again && self.schedule.is_some() && self.phase < Phase::Leave {
            self.say(now, format!("{key}: {text}"));
            self.actions.push(Action::Kill(key, libc::SIGTERM));
        } else {
            self.fail(now, format!("{key}: {text}"));
        }
    }

    /// The run goes on with another steward, which knows what there is to delete. Where it was about
    /// to create something, nobody knows how far it got, and the run ends.
    pub(super) fn steward_died(&mut self, now: Instant, death: &Death) {
        self.sweep_until = None;
        let mut cause = format!("the steward died: {death}");
        if (Phase::Ready..=Phase::Drain).contains(&self.phase) {
            match self.restarts.next(now, &cause, 0) {
                Ok(_) => {
                    self.say(now, format!("{cause}; another one takes over"));
                    return self.start_successor(now);
                }
                Err(deaths) => cause = format!("{cause}; all deaths: {deaths}"),
            }
        }
        self.fail(now, cause);
        // At once: if we are killed, somebody has to clean up.
        let first = !self.steward_replaced && self.may_have_left();
        if first || self.phase == Phase::Delete {
            self.replace_steward(now);
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
            // A successor does not get through to the broker: it is wanted only later.
            Reply::Failed(text) if (Phase::Ready..=Phase::Drain).contains(&self.phase) => {
                self.say(now, text);
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
        self.start_successor(now);
    }

    fn start_successor(&mut self, now: Instant) {
        self.deleting = false;
        self.brief.steward.created = true;
        self.child(self.steward(), |child| child.incarnation += 1);
        self.spawn(now, Role::Steward, 0);
        self.connect_steward();
        if self.phase == Phase::Delete {
            self.order_deletion(now);
        }
    }

    /// Tells the steward to delete, once.
    pub(super) fn order_deletion(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.deleting, true) {
            self.deleting_since = Some(now);
            self.deadline = now + self.brief.steward.delete_deadline + Duration::from_secs(5);
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
            self.spawn(now, role, id);
        }
    }
}
