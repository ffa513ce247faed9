//! Faults that the workload asks for: which child they hit, and when.

use std::collections::BTreeMap;

use super::{Machine, Phase};
use crate::clock::Instant;
use crate::config::{Fault, FaultAction, FaultTarget};
use crate::supervisor::disturbance::Kind;
use crate::supervisor::event::{Action, ChildKey};
use crate::wire::Role;

/// What is still to be done to whom.
#[derive(Debug)]
pub(super) struct FaultPlan {
    faults: Vec<Fault>,
    /// By instant, and number among those of the same instant.
    due: BTreeMap<(Instant, usize), Deed>,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Of the fault with this number.
    Fault(usize),
    /// A stop is over.
    Continue(ChildKey),
}

impl FaultPlan {
    /// Hits the same children in the same order for the same `seed`, where the same are there.
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        Self {
            faults,
            due: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    fn add(&mut self, at: Instant, deed: Deed) {
        let number = self.due.len();
        let taken = |number| self.due.contains_key(&(at, number));
        let free = (number..).find(|&number| !taken(number)).unwrap_or(number);
        self.due.insert((at, free), deed);
    }

    fn take(&mut self, now: Instant) -> Option<Deed> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

impl Machine {
    /// The measured phase begins at `origin`.
    pub(super) fn plan_faults(&mut self, origin: Instant) {
        let length = self.brief.workload.duration;
        let plan = &mut self.faults;
        for number in 0..plan.faults.len() {
            for at in plan.faults[number].times_within(length) {
                plan.add(origin + at, Deed::Fault(number));
            }
        }
    }

    /// Does what is due.
    pub(super) fn bring_about_faults(&mut self, now: Instant) {
        if self.phase != Phase::Measure {
            return;
        }
        while let Some(deed) = self.faults.take(now) {
            match deed {
                Deed::Fault(number) => self.bring_about(now, number),
                Deed::Continue(key) => self.go_on(now, key),
            }
        }
    }

    /// No fault outlasts the load: the drain needs everybody.
    pub(super) fn end_faults(&mut self, now: Instant) {
        for role in [Role::Producer, Role::Consumer] {
            for key in self.keys(role) {
                self.go_on(now, key);
            }
        }
    }

    fn bring_about(&mut self, now: Instant, number: usize) {
        let fault = self.faults.faults[number].clone();
        let hit = self.hit(&fault);
        let Some(key) = hit else {
            self.say(
                now,
                format!("fault \"{fault}\": there is no such child now"),
            );
            if let Some(observer) = &mut self.observer {
                observer.missed();
            }
            return;
        };
        self.say(now, format!("fault \"{fault}\": {key}"));
        match fault.action {
            FaultAction::Kill => {
                self.child(key, |child| child.death_planned = true);
                self.actions.push(Action::Kill(key, libc::SIGKILL));
            }
            FaultAction::Stop => {
                self.child(key, |child| child.stopped = true);
                self.actions.push(Action::Kill(key, libc::SIGSTOP));
                self.disturbed(now, Kind::Stop, Some(key), fault.to_string(), true);
                if let Some(pause) = fault.pause {
                    self.faults.add(now + pause, Deed::Continue(key));
                }
            }
            FaultAction::Continue => self.go_on(now, key),
        }
    }

    /// The child that a fault hits.
    fn hit(&mut self, fault: &Fault) -> Option<ChildKey> {
        let (roles, number): (&[Role], _) = match fault.target {
            FaultTarget::Any => (&[Role::Consumer, Role::Producer], None),
            FaultTarget::Consumer(number) => (&[Role::Consumer], number),
            FaultTarget::Producer(number) => (&[Role::Producer], number),
        };
        let mut candidates = Vec::new();
        for key in roles.iter().flat_map(|&role| self.keys(role)) {
            let Some(child) = self.children.get(&(key.role, key.id)) else {
                continue;
            };
            let fits = match fault.action {
                FaultAction::Kill => !child.death_planned,
                FaultAction::Stop => !child.stopped,
                FaultAction::Continue => child.stopped,
            };
            let named = number.is_none_or(|number| number == key.id);
            if fits && named && child.assigned {
                candidates.push(key);
            }
        }
        self.faults.random.choice(candidates)
    }

    fn go_on(&mut self, now: Instant, key: ChildKey) {
        let mut was_stopped = false;
        self.child(key, |child| {
            was_stopped = std::mem::replace(&mut child.stopped, false);
            child.heard = now;
        });
        if was_stopped {
            self.actions.push(Action::Kill(key, libc::SIGCONT));
            if let Some(observer) = &mut self.observer {
                observer.resumed(Some(key));
            }
        }
    }
}
