//! What of all that a cluster lists may be deleted, by two looks at it. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::{Leftovers, SeenGroup, SeenTopic, Survey};
use crate::plan::RunId;

/// What was seen at one time.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Everything the cluster lists.
    pub survey: Survey,
    /// Where the partitions of the watched topics end; `None` where it can't be told.
    pub ends: BTreeMap<String, Option<Vec<u64>>>,
    /// Topics that groups with members have to do with, and one of these groups.
    pub used: BTreeMap<String, String>,
}

/// What has an owner.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    /// Runs, and why they are protected.
    pub runs: BTreeMap<u32, String>,
    /// Topics that these runs use and that do not have their names, and the run.
    pub topics: BTreeMap<String, String>,
}

/// What may be deleted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Nobody uses these.
    pub free: Leftovers,
    /// What was asked for and is left alone, and why.
    pub spared: Vec<(String, String)>,
}

/// Whether this is the broker's own, whatever a person asks for.
fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
}

impl Look {
    /// Whether anything has such a name.
    pub fn has_any(&self, prefix: &str) -> bool {
        let topics = self.survey.topics.iter().map(|topic| &topic.name);
        let groups = self.survey.groups.iter().map(|group| &group.name);
        topics.chain(groups).any(|name| name.starts_with(prefix))
    }

    /// Topics with such a name, and those of runs that have something with such a name: if one of
    /// them is in use, the run is.
    pub fn watched(&self, prefix: &str) -> Vec<SeenTopic> {
        let runs = self.runs(prefix);
        let is_watched = |topic: &&SeenTopic| {
            topic.name.starts_with(prefix)
                || RunId::of_topic(&topic.name).is_some_and(|run| runs.contains(&run.0))
        };
        let topics = self.survey.topics.iter().filter(is_watched);
        topics.cloned().collect()
    }

    /// Runs that have something with such a name.
    fn runs(&self, prefix: &str) -> BTreeSet<u32> {
        let topics = self.survey.topics.iter().map(|topic| &topic.name);
        let groups = self.survey.groups.iter().map(|group| &group.name);
        let of_topics = topics
            .filter(|name| name.starts_with(prefix))
            .filter_map(|name| RunId::of_topic(name));
        let of_groups = groups
            .filter(|name| name.starts_with(prefix))
            .filter_map(|name| RunId::of_group(name));
        of_topics.chain(of_groups).map(|run| run.0).collect()
    }

    /// Why this topic is in use as far as can be seen here, if it is.
    fn topic_in_use(&self, topic: &str) -> Option<String> {
        let group = self.used.get(topic)?;
        Some(format!("group {group} has members that read it"))
    }

    fn group(&self, name: &str) -> Option<&SeenGroup> {
        self.survey.groups.iter().find(|group| group.name == name)
    }

    fn group_in_use(&self, name: &str) -> Option<String> {
        let group = self.group(name)?;
        match (group.empty, &group.topics) {
            (true, _) => None,
            (false, Some(_)) => Some("it has members".to_owned()),
            (false, None) => Some("it may have members".to_owned()),
        }
    }
}

/// Judges everything with such a name, and the groups of runs whose topics have it.
pub fn judge(prefix: &str, before: &Look, after: &Look, protected: &Protected) -> Judged {
    let in_use = |topic: &str| {
        let by_group = before
            .topic_in_use(topic)
            .or_else(|| after.topic_in_use(topic));
        by_group.or_else(|| match (before.ends.get(topic), after.ends.get(topic)) {
            (Some(Some(then)), Some(Some(now))) if then == now => None,
            (Some(Some(_)), Some(Some(_))) => Some("messages are being written to it".to_owned()),
            (None, _) => Some("it has just been created".to_owned()),
            _ => Some("whether messages are written to it can't be told".to_owned()),
        })
    };
    let group_in_use = |name: &str| {
        before
            .group_in_use(name)
            .or_else(|| after.group_in_use(name))
            .or_else(|| {
                let is_new = before.group(name).is_none();
                is_new.then(|| "it has just been created".to_owned())
            })
    };
    // One name in use is a run in use: nothing else of it is taken away then.
    let mut busy: BTreeMap<u32, String> = BTreeMap::new();
    for topic in after.ends.keys() {
        if let (Some(run), Some(_)) = (RunId::of_topic(topic), in_use(topic)) {
            busy.entry(run.0).or_insert_with(|| topic.clone());
        }
    }
    for group in &after.survey.groups {
        let name = &group.name;
        if let (Some(run), Some(_)) = (RunId::of_group(name), group_in_use(name)) {
            busy.entry(run.0).or_insert_with(|| name.clone());
        }
    }
    let owner = |run: Option<RunId>| {
        let run = run?;
        let why = protected.runs.get(&run.0)?;
        Some(format!("run {run} {why}"))
    };
    let of_busy_run = |run: Option<RunId>| {
        let run = run?;
        let other = busy.get(&run.0)?;
        Some(format!("run {run} is in use: see {other}"))
    };

    let mut judged = Judged::default();
    let asked = |name: &str| name.starts_with(prefix);
    for SeenTopic { name, .. } in &after.survey.topics {
        if !asked(name) {
            continue;
        }
        let run = RunId::of_topic(name);
        let why = if is_internal(name) {
            Some("it is the broker's own".to_owned())
        } else if let Some(user) = protected.topics.get(name) {
            Some(format!("run {user} uses it"))
        } else {
            owner(run)
                .or_else(|| in_use(name))
                .or_else(|| of_busy_run(run))
        };
        match why {
            Some(why) => judged.spared.push((format!("topic {name}"), why)),
            None => judged.free.topics.push(name.clone()),
        }
    }
    let runs = after.runs(prefix);
    for SeenGroup { name, .. } in &after.survey.groups {
        let run = RunId::of_group(name);
        if !asked(name) && !run.is_some_and(|run| runs.contains(&run.0)) {
            continue;
        }
        match owner(run)
            .or_else(|| group_in_use(name))
            .or_else(|| of_busy_run(run))
        {
            Some(why) => judged.spared.push((format!("group {name}"), why)),
            None => judged.free.groups.push(name.clone()),
        }
    }
    judged
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
