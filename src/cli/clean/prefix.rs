//! `omb clean --prefix`: by the names at a broker, without journals. Whatever is in use is left
//! alone, and what belongs to runs under way.

mod judge;

use std::path::Path;
use std::time::Duration;

use judge::{Look, Protected, judge};

use super::reach::Reach;
use super::{Cleaning, WITHIN, print, say};
use crate::clock::Instant;
use crate::driver::{Admin, DriverError, Group, Leftovers, SeenTopic};
use crate::plan::RunId;
use crate::supervisor::journal::others::{self, Standing};

/// A topic that does not grow for this long is not written to.
const QUIET_FOR: Duration = Duration::from_secs(5);

impl Cleaning {
    /// Lists or deletes topics and groups by the beginnings of their names.
    pub(super) fn prefix(&mut self, place: &Path, prefix: &str, reach: &Reach) {
        if let Err(error) = self.try_prefix(place, prefix, reach) {
            self.complain(&error);
        }
    }

    fn try_prefix(&mut self, place: &Path, prefix: &str, reach: &Reach) -> Result<(), String> {
        let told = |error: DriverError| error.to_string();
        let mut admin = reach.connect()?;
        let before = look(admin.as_mut(), prefix).map_err(told)?;
        if !before.has_any(prefix) {
            say(&format!("no topic or group begins with {prefix}"));
            return Ok(());
        }
        say(&format!(
            "looking for {} s which topics grow",
            QUIET_FOR.as_secs()
        ));
        std::thread::sleep(QUIET_FOR);
        let after = look(admin.as_mut(), prefix).map_err(told)?;
        // Read last: a run is in its journal before it creates anything.
        let protected = protected(place)?;
        let judged = judge(prefix, &before, &after, &protected);
        for (name, why) in &judged.spared {
            say(&format!("{name} is left alone: {why}"));
        }
        let free = judged.free;
        if !self.yes {
            print(&free);
            if !free.is_empty() {
                say(&format!("{free} not in use; --yes deletes them"));
            }
        } else if !free.is_empty() {
            let groups = Group::surveyed(&free.groups, &after.survey);
            self.delete_named(admin.as_mut(), &free, &groups);
        }
        Ok(())
    }

    fn delete_named(&mut self, admin: &mut dyn Admin, names: &Leftovers, groups: &[Group]) {
        let deadline = Instant::now() + WITHIN;
        let refused = admin.delete(&names.topics, groups, deadline).err();
        // What was refused says nothing about the others.
        let soon = Instant::now() + Duration::from_secs(5);
        let looked = admin.list(&names.topics, groups, soon);
        let left = match looked {
            Ok(left) => left,
            Err(error) => {
                return self.complain(&format!("what was deleted can't be told: {error}"));
            }
        };
        let gone = |all: &[String], left: &[String]| -> Vec<String> {
            let gone = all.iter().filter(|name| !left.contains(name));
            gone.cloned().collect()
        };
        let deleted = Leftovers {
            topics: gone(&names.topics, &left.topics),
            groups: gone(&names.groups, &left.groups),
        };
        say(&format!("deleted {deleted}"));
        print(&deleted);
        if !left.is_empty() {
            let why = refused.map_or_else(
                || format!("not within {} s", WITHIN.as_secs()),
                |error| error.to_string(),
            );
            self.complain(&format!("{left} still there: {why}"));
        }
    }
}

/// Looks at everything with such a name, and at what belongs to the same runs.
fn look(admin: &mut dyn Admin, prefix: &str) -> Result<Look, DriverError> {
    let deadline = Instant::now() + WITHIN;
    let survey = admin.survey(deadline)?;
    let mut look = Look {
        survey,
        ..Look::default()
    };
    let watched: Vec<SeenTopic> = look.watched(prefix);
    for group in look.survey.groups.iter().filter(|group| !group.empty) {
        let used = match &group.topics {
            Some(topics) => topics.clone(),
            // It doesn't tell what it reads, but has been there where it has committed.
            None => match admin.committed(&group.name, &watched, deadline) {
                Ok(topics) => topics,
                Err(_) => watched.iter().map(|topic| topic.name.clone()).collect(),
            },
        };
        for topic in used {
            look.used.entry(topic).or_insert_with(|| group.name.clone());
        }
    }
    // Last, so that the time between two looks at them is the time that nobody wrote in.
    let ends = admin.ends(&watched, deadline);
    let names = watched.into_iter().map(|topic| topic.name);
    look.ends = names.zip(ends).collect();
    Ok(look)
}

/// Runs that are there, and those that can't be told to be dead.
fn protected(place: &Path) -> Result<Protected, String> {
    let found =
        others::all(place).map_err(|error| format!("cannot read {}: {error}", place.display()))?;
    let mut protected = Protected::default();
    for found in found {
        let (why, head) = match &found.standing {
            Standing::Dead(_) => continue,
            Standing::Alive(head) => ("is under way".to_owned(), Some(head)),
            Standing::Elsewhere(head) => (format!("is one of host {}", head.host.name), Some(head)),
            Standing::Unreadable(why) => (
                format!(
                    "has a journal that can't be read ({}: {why})",
                    found.path.display()
                ),
                None,
            ),
        };
        if let Some(topic) = head.and_then(|head| head.existing.clone()) {
            protected.topics.insert(topic, found.run());
        }
        if let Some(run) = RunId::parse(&found.run()) {
            protected.runs.insert(run.0, why);
        }
    }
    Ok(protected)
}
