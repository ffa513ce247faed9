//! What a run does with journals: it keeps its own, and takes over those of the dead.
//!
//! Nothing here fails a run: what goes wrong becomes a note.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::entry::{Access, Head, VERSION};
use super::others::{self, Dead, Standing};
use super::process::{Host, Identity};
use super::{Journal, place};
use crate::plan::RunId;
use crate::wire::DeadRun;

/// The journals that a run has to do with.
#[derive(Debug, Default)]
pub struct Keeper {
    place: PathBuf,
    journal: Option<Journal>,
    /// The cluster is in the journal.
    connected: bool,
    dead: Vec<Dead>,
}

/// What a run tells of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Its id.
    pub run: RunId,
    /// The messaging system.
    pub system: &'static str,
    /// The first brokers, for people.
    pub broker: String,
    /// How to get there again.
    pub access: Access,
    /// Whether its topics go with it.
    pub topics: bool,
    /// The existing topic that it uses, which is not its own.
    pub existing: Option<String>,
}

impl Keeper {
    /// Begins the journal of a run; where that can't be, a note says why.
    pub fn begin(about: About) -> (Self, Option<String>) {
        match place().and_then(|place| Ok((begin(&place, about)?, place))) {
            Ok((journal, place)) => {
                let keeper = Self {
                    place,
                    journal: Some(journal),
                    ..Self::default()
                };
                (keeper, None)
            }
            Err(error) => {
                let note = format!(
                    "this run has no journal, so that nobody could clean up if omb and its steward \
                     were both killed: {error:#}"
                );
                (Self::default(), Some(note))
            }
        }
    }

    /// Where the journal of this run is, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.journal.as_ref().map(Journal::path)
    }

    /// What a steward has to hold, so that the journal is locked as long as it is there.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        // Without it, the steward's process is still known from the journal.
        self.journal.as_ref()?.descriptor().ok()
    }

    /// A steward was started; a note where that could not be written.
    pub fn steward(&mut self, pid: i32) -> Option<String> {
        let journal = self.journal.as_mut()?;
        journal.steward(pid).err().map(|error| note(journal, error))
    }

    /// The broker answers: what it is goes into the journal, before anything is created.
    /// Returns the runs on the same cluster that are dead, and a note where something went wrong.
    pub fn connected(&mut self, cluster: Option<&str>) -> (Vec<DeadRun>, Option<String>) {
        let Some(journal) = &mut self.journal else {
            return (Vec::new(), None);
        };
        if std::mem::replace(&mut self.connected, true) {
            return (Vec::new(), None);
        }
        let mut problem = journal
            .cluster(cluster)
            .err()
            .map(|error| note(journal, error));
        let found = others::all(&self.place).unwrap_or_else(|error| {
            problem = Some(format!("cannot read {}: {error}", self.place.display()));
            Vec::new()
        });
        for found in found {
            let Standing::Dead(dead) = found.standing else {
                continue;
            };
            match &dead.record.cluster {
                // It died before it could create anything.
                None => dead.bury(),
                Some(Some(id)) if cluster == Some(id) => self.dead.push(*dead),
                Some(_) => {}
            }
        }
        (self.dead.iter().filter_map(dead_run).collect(), problem)
    }

    /// Nothing of these runs is left.
    pub fn bury(&mut self, runs: &[u32]) {
        let gone = |dead: &Dead| dead_run(dead).is_some_and(|dead| runs.contains(&dead.run));
        for dead in self.dead.extract_if(.., |dead| gone(dead)) {
            dead.bury();
        }
    }

    /// The others that are dead are somebody else's to clean up now.
    pub fn let_go(&mut self) {
        self.dead.clear();
    }

    /// The run is over. The journal goes if everything was deleted for certain; a line for people
    /// if not.
    pub fn end(&mut self, certain: bool) -> Option<String> {
        self.let_go();
        let journal = self.journal.as_ref()?;
        if certain {
            journal.remove();
            return None;
        }
        Some(format!(
            "topics and groups may be left: the steward deletes them, or else the next run, or omb \
             clean (journal {})",
            journal.path().display()
        ))
    }
}

/// A dead run as a steward has to know it.
pub fn dead_run(dead: &Dead) -> Option<DeadRun> {
    Some(DeadRun {
        run: RunId::parse(&dead.record.head.run)?.0,
        topics: dead.record.head.topics,
    })
}

fn begin(place: &Path, about: About) -> anyhow::Result<Journal> {
    let head = Head {
        version: VERSION,
        run: about.run.to_string(),
        started: jiff::Zoned::now().strftime("%F %T %:z").to_string(),
        host: Host::here()?,
        supervisor: Identity::of(std::process::id() as i32)?,
        system: about.system.to_owned(),
        broker: about.broker,
        access: about.access,
        topics: about.topics,
        existing: about.existing,
    };
    Journal::begin(place, head)
}

fn note(journal: &Journal, error: std::io::Error) -> String {
    format!("cannot write {}: {error}", journal.path().display())
}
