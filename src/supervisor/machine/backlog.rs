//! A backlog: consumers stand still from the start of the measured phase until it is large enough,
//! then read it while the load goes on. The measured phase lasts until it is drained.

use super::phases::USUAL_BACKLOG;
use super::{INTERRUPT_AHEAD, Machine};
use crate::clock::Instant;
use crate::report::backlog::BacklogDrain;
use crate::wire::{Role, ToChild};

/// So many messages are in flight at any time, as in OMB.
const IN_FLIGHT: u64 = 1_000;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Consumers stand still.
    Building,
    /// Consumers read, from then on; so many messages had been received before.
    Draining(Instant, u64),
    /// Drained, or given up.
    Over,
}

/// The backlog of a run whose workload asks for one.
#[derive(Debug)]
pub(super) struct Building {
    stage: Stage,
    found: BacklogDrain,
}

impl Machine {
    /// What became of the backlog that the workload asks for.
    pub fn backlog(&self) -> Option<BacklogDrain> {
        self.backlog.as_ref().map(|building| building.found.clone())
    }

    /// Consumers stand still, those that are started again too.
    pub(super) fn consumers_paused(&self) -> bool {
        let stage = self.backlog.as_ref().map(|building| building.stage);
        stage == Some(Stage::Building)
    }

    /// The measured phase begins.
    pub(super) fn begin_backlog(&mut self, now: Instant) {
        let workload = &self.brief.workload;
        let Some(wanted) = workload.backlog else {
            return;
        };
        let requested = wanted.bytes.div_ceil(workload.message_size as u64);
        let left = (1.0 - wanted.drain_ratio) * requested as f64;
        let subscriptions = f64::from(workload.subscriptions_per_topic);
        let usual = workload.rate * subscriptions * USUAL_BACKLOG.as_secs_f64();
        // Below what is always under way nothing can be told.
        let usual = (usual as u64).clamp(IN_FLIGHT, (requested / 2).max(IN_FLIGHT));
        self.backlog = Some(Building {
            stage: Stage::Building,
            found: BacklogDrain {
                requested,
                level: usual.max(left.round() as u64),
                ..BacklogDrain::default()
            },
        });
        self.tell_all(Role::Consumer, &ToChild::Pause(true));
        self.say(
            now,
            format!("consumers stand still until {requested} messages are waiting"),
        );
    }

    /// Looks how large the backlog is.
    pub(super) fn look_at_backlog(&mut self, now: Instant) {
        let (Some(building), Some(wanted)) = (&mut self.backlog, self.brief.workload.backlog)
        else {
            return;
        };
        let began = self.origin;
        let waiting = self.tally.outstanding.max(0) as u64;
        let late = now.since(began) >= wanted.deadline;
        match building.stage {
            Stage::Building if waiting >= building.found.requested => {
                let seconds = now.since(began).as_secs_f64();
                building.found.built = Some(seconds);
                building.found.messages = waiting;
                building.stage = Stage::Draining(now, self.tally.received);
                self.tell_all(Role::Consumer, &ToChild::Pause(false));
                self.say(
                    now,
                    format!("{waiting} messages are waiting after {seconds:.1} s: consumers go on"),
                );
            }
            Stage::Draining(since, _) if waiting <= building.found.level => {
                let seconds = now.since(since).as_secs_f64();
                building.found.drained = Some(seconds);
                self.end_backlog(now);
                self.say(now, format!("the backlog is drained after {seconds:.1} s"));
            }
            Stage::Building | Stage::Draining(..) if late => {
                let what = match building.stage {
                    Stage::Building => "built",
                    _ => "drained",
                };
                let reason = format!(
                    "the backlog was not {what} within {} s (backlogDeadline): {waiting} messages \
                     waiting",
                    wanted.deadline.as_secs_f64()
                );
                self.say(now, reason.clone());
                self.downgrade(reason);
                self.end_backlog(now);
            }
            Stage::Building | Stage::Draining(..) | Stage::Over => return,
        }
        if let Some(building) = &self.backlog
            && building.stage == Stage::Over
        {
            // Not before the time that was asked for.
            let end = began + self.brief.workload.duration;
            self.close_load(end.max(now + INTERRUPT_AHEAD));
        }
    }

    /// Nobody waits for it any longer: consumers read what there is.
    pub(super) fn end_backlog(&mut self, now: Instant) {
        let Some(building) = &mut self.backlog else {
            return;
        };
        let stage = std::mem::replace(&mut building.stage, Stage::Over);
        match stage {
            Stage::Building => self.tell_all(Role::Consumer, &ToChild::Pause(false)),
            Stage::Draining(since, received) => {
                building.found.received = self.tally.received - received;
                building.found.seconds = now.since(since).as_secs_f64();
            }
            Stage::Over => {}
        }
    }
}
