//! Deletes what dead runs have left: what bears their ids, and nothing else.

use super::{LOOK_AGAIN, STAY_ABSENT};
use crate::clock::Instant;
use crate::driver::{Admin, DriverError, Group, Leftovers, Survey};
use crate::plan::RunId;
use crate::wire::{DeadRun, Swept};

/// What of a run is there.
pub fn of_run(survey: &Survey, dead: DeadRun) -> Leftovers {
    let run = Some(RunId(dead.run));
    let topics = survey.topics.iter().map(|topic| &topic.name);
    let groups = survey.groups.iter().map(|group| &group.name);
    Leftovers {
        topics: topics
            .filter(|name| dead.topics && RunId::of_topic(name) == run)
            .cloned()
            .collect(),
        groups: groups
            .filter(|name| RunId::of_group(name) == run)
            .cloned()
            .collect(),
    }
}

/// Deletes, and looks until all has stayed absent or the deadline has come; then the error says
/// what stood in the way, where that is known.
pub fn sweep(
    admin: &mut dyn Admin,
    runs: &[DeadRun],
    deadline: Instant,
) -> (Vec<Swept>, Option<DriverError>) {
    let mut swept: Vec<Swept> = runs
        .iter()
        .map(|dead| Swept {
            run: dead.run,
            deleted: Leftovers::default(),
            left: Leftovers::default(),
            certain: false,
        })
        .collect();
    let mut absent_since = vec![None; runs.len()];
    let mut refused = None;
    let mut survey = Survey::default();
    loop {
        let looked = admin.survey(deadline).map(|found| {
            survey = found;
            for ((dead, swept), since) in runs.iter().zip(&mut swept).zip(&mut absent_since) {
                swept.see(of_run(&survey, *dead));
                *since = swept
                    .left
                    .is_empty()
                    .then(|| since.unwrap_or_else(Instant::now));
                swept.certain = since.is_some_and(|at| Instant::now().since(at) >= STAY_ABSENT);
            }
        });
        // What was refused once stays; that the rest is gone is still made sure of.
        let is_settled =
            |swept: &Swept| swept.certain || (refused.is_some() && !swept.left.is_empty());
        match looked {
            Ok(()) if swept.iter().all(is_settled) => return (swept, refused),
            Err(error) if Instant::now() >= deadline => return (swept, refused.or(Some(error))),
            Ok(()) if Instant::now() >= deadline => return (swept, refused),
            Ok(()) if refused.is_none() => {
                let topics: Vec<String> =
                    swept.iter().flat_map(|s| s.left.topics.clone()).collect();
                let groups: Vec<String> =
                    swept.iter().flat_map(|s| s.left.groups.clone()).collect();
                if !(topics.is_empty() && groups.is_empty()) {
                    let groups = Group::surveyed(&groups, &survey);
                    refused = admin.delete(&topics, &groups, deadline).err();
                }
            }
            Ok(()) => {}
            Err(_) => absent_since.fill(None),
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

impl Swept {
    /// Takes in what is there now: what was there before, and is not any more, is deleted.
    fn see(&mut self, there: Leftovers) {
        let gone = |before: &mut Vec<String>, now: &[String], deleted: &mut Vec<String>| {
            for name in before.drain(..).filter(|name| !now.contains(name)) {
                if !deleted.contains(&name) {
                    deleted.push(name);
                }
            }
        };
        gone(
            &mut self.left.topics,
            &there.topics,
            &mut self.deleted.topics,
        );
        gone(
            &mut self.left.groups,
            &there.groups,
            &mut self.deleted.groups,
        );
        self.left = there;
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
