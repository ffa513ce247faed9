//! Children that say nothing any more, and the run as a whole being paused.

use std::time::Duration;

use super::{Machine, Phase};
use crate::child::LEAVE_DEADLINE;
use crate::clock::Instant;
use crate::supervisor::disturbance::Kind;
use crate::supervisor::event::{Action, ChildKey};
use crate::wire::Role;

/// Where this much time passed between two events, it was we who did not listen.
const AWAY: Duration = Duration::from_secs(1);

/// How long a child that hangs may take to say why and end.
const LAST_CHANCE: Duration = LEAVE_DEADLINE.saturating_add(Duration::from_millis(250));

impl Machine {
    /// While we were stopped nobody could be heard.
    pub(super) fn forgive_own_absence(&mut self, now: Instant) {
        let away = now.since(std::mem::replace(&mut self.last_on, now));
        if away >= AWAY {
            for child in self.children.values_mut() {
                child.heard = child.heard + away;
            }
        }
    }

    /// Ends children that hang: first with a request, then for good. One that something stopped
    /// can't hear the request.
    pub(super) fn end_hanging(&mut self, now: Instant) {
        if self.phase > Phase::Drain {
            return;
        }
        let patience = self.brief.workload.hang_after;
        let mut hanging = Vec::new();
        for (&(role, id), child) in &mut self.children {
            let speaks = matches!(role, Role::Producer | Role::Consumer);
            let waits = child.joined && !child.assigned;
            if !speaks || !child.alive || waits || child.stopped {
                continue;
            }
            let key = ChildKey {
                role,
                id,
                incarnation: child.incarnation,
            };
            match child.hung {
                None if now.since(child.heard) >= patience => {
                    child.hung = Some(now);
                    hanging.push(Action::EndHanging(key));
                }
                Some(since) if now.since(since) >= LAST_CHANCE => {
                    child.hung = Some(now);
                    hanging.push(Action::Kill(key, libc::SIGKILL));
                }
                _ => {}
            }
        }
        self.actions.extend(hanging);
    }

    /// A steward that something stopped deletes nothing: it makes room for a successor. One that is
    /// at work is not disturbed by the request.
    pub(super) fn end_hanging_steward(&mut self, now: Instant) {
        let patience = self.brief.workload.hang_after;
        if self.phase == Phase::Delete
            && self
                .deleting_since
                .is_some_and(|at| now.since(at) >= patience)
        {
            self.deleting_since = None;
            self.actions.push(Action::EndHanging(self.steward()));
        }
    }

    /// SIGTSTP: all children but the steward are stopped, then we are.
    pub(super) fn pause(&mut self, now: Instant) {
        self.say(now, "paused; SIGCONT goes on".to_owned());
        for role in [Role::Producer, Role::Consumer, Role::Broker] {
            for key in self.keys(role) {
                self.actions.push(Action::Kill(key, libc::SIGSTOP));
            }
        }
        self.disturbed(now, Kind::Pause, None, "SIGTSTP".to_owned(), false);
        self.actions.push(Action::Pause);
    }

    /// SIGCONT: the run goes on after this time. Its schedule did not wait.
    pub(super) fn resumed(&mut self, now: Instant, away: Duration) {
        let shown = away.as_secs_f64();
        self.say(now, format!("goes on after a pause of {shown:.1} s"));
        if self.deadline != Instant::NEVER {
            self.deadline = self.deadline + away;
        }
        for role in [Role::Producer, Role::Consumer, Role::Broker] {
            for key in self.keys(role) {
                let stopped = self
                    .children
                    .get(&(key.role, key.id))
                    .is_some_and(|child| child.stopped);
                if !stopped {
                    self.actions.push(Action::Kill(key, libc::SIGCONT));
                }
            }
        }
        self.disturb_search();
        if let Some(observer) = &mut self.observer {
            observer.resumed(None);
        }
    }
}
