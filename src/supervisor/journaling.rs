//! What a supervisor has to do with journals.

use super::directory::directory_of;
use super::event::Event;
use super::journal::keeper::{About, Keeper};
use super::{Options, Supervisor, deletes_topics, desk};
use crate::clock::Instant;
use crate::plan::RunId;
use crate::wire::Order;

/// Begins the run's journal. An embedded broker takes everything with it, and needs none.
pub(super) fn keeper(options: &Options, run: RunId, desk: &mut desk::Desk) -> Keeper {
    if options.driver.embedded {
        return Keeper::default();
    }
    let (keeper, note) = Keeper::begin(About {
        run,
        system: options.driver.system.name(),
        broker: desk::broker(options).to_owned(),
        access: options.access.clone(),
        topics: deletes_topics(options),
        existing: options.topic.clone(),
    });
    if let Some(note) = note {
        desk.note(&note);
    }
    keeper
}

impl Supervisor {
    /// The broker answers: that is in the journal before anything is ordered, and dead runs on the
    /// same cluster are found.
    pub(super) fn connected(&mut self, cluster: Option<&str>) -> anyhow::Result<()> {
        let (dead, note) = self.keeper.connected(cluster);
        self.note(note);
        if dead.is_empty() {
            return Ok(());
        }
        let actions = self.machine.on(Instant::now(), Event::DeadRuns(dead));
        self.carry_out(actions)
    }

    pub(super) fn order(&mut self, order: &Order) {
        if *order == Order::Goodbye {
            // All clients are gone. After this nobody would remove it, if we were killed.
            let _ = std::fs::remove_dir_all(directory_of(self.id));
        }
        self.processes.order(order);
        // Only then into the journal, which takes its time: if we are killed meanwhile, a steward
        // that is not told whom to clean up behind is of no use.
        if let Order::Connect(_) = order
            && let Some(pid) = self.untold_steward.take()
        {
            let note = self.keeper.steward(pid);
            self.note(note);
        }
    }

    fn note(&mut self, note: Option<String>) {
        if let Some(note) = note {
            self.desk.note(&note);
        }
    }

    /// The journal goes, or a line says why not.
    pub(super) fn end_journal(&mut self) {
        if let Some(text) = self.keeper.end(!self.machine.may_have_left()) {
            self.desk.say(&text);
        }
    }
}
