//! How a run ends before its time: failures and signals.

use super::{INTERRUPT_AHEAD, Machine, Phase, SAME_SIGNAL, signal_name};
use crate::clock::Instant;
use crate::report::Status;
use crate::supervisor::event::Action;
use crate::wire::Role;

impl Machine {
    /// The first failure is the reason; what is left is cleaned up.
    pub(super) fn fail(&mut self, now: Instant, reason: String) {
        self.say(now, reason.clone());
        self.downgrade(reason);
        if self.phase < Phase::Leave {
            self.close_load(now);
            self.enter(now, Phase::Leave);
        }
    }

    pub(super) fn downgrade(&mut self, reason: String) {
        if self.verdict.status != Status::Failed {
            // What happens while an interrupted run cleans up does not change what ended it, but
            // it has to be told.
            self.verdict.status = Status::Failed;
            self.verdict.reason = Some(match self.verdict.reason.take() {
                Some(earlier) => format!("{earlier}; {reason}"),
                None => reason,
            });
        }
    }

    pub(super) fn signal(&mut self, now: Instant, signal: i32) {
        match signal {
            libc::SIGTSTP => return self.pause(now),
            libc::SIGUSR1 => return self.actions.push(Action::Snapshot),
            _ => {}
        }
        if let Some((last, at)) = self.last_signal
            && last == signal
            && now.since(at) < SAME_SIGNAL
        {
            return;
        }
        let second = self.last_signal.replace((signal, now)).is_some();
        let name = signal_name(signal);
        if second {
            self.say(now, format!("{name} again: ending at once"));
            self.end_at_once(now);
            return;
        }
        self.verdict.signal = Some(signal);
        if self.verdict.status == Status::Completed {
            self.verdict.status = Status::Interrupted;
            self.verdict.reason = Some(format!("{name} in phase {}", self.phase.name()));
        }
        self.say(now, format!("{name}: stopping; once more ends at once"));
        match self.phase {
            Phase::Connect | Phase::Create | Phase::Ready => self.enter(now, Phase::Leave),
            Phase::Search | Phase::WarmUp | Phase::Measure => {
                self.close_load(now + INTERRUPT_AHEAD);
                self.enter(now, Phase::Drain);
            }
            _ => {}
        }
    }

    /// No drain, no goodbye: children are killed, the steward cleans up on its own.
    pub(super) fn end_at_once(&mut self, now: Instant) {
        self.close_load(now);
        self.end_recovery(now);
        for role in [Role::Producer, Role::Consumer] {
            for key in self.keys(role) {
                self.actions.push(Action::Kill(key, libc::SIGKILL));
            }
        }
        self.actions.push(Action::OrphanSteward);
        if self.phase < Phase::Delete {
            self.actions.push(Action::Result);
        }
        for key in self.keys(Role::Broker) {
            self.actions.push(Action::Kill(key, libc::SIGKILL));
        }
        self.phase = Phase::Ended;
        self.actions.push(Action::End);
    }
}
