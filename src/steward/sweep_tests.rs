//! What is swept, and what becomes of what can't be.

use std::time::Duration;

use super::*;
use crate::driver::{NewTopic, SeenGroup, SeenTopic, TopicState, Undone};

const DEAD: DeadRun = DeadRun {
    run: 0xa,
    topics: true,
};
const TOPIC: &str = "test-topic-0-0000000a";
const GROUP: &str = "sub-000-0000000a";

/// A broker that lists these names, and what it does when it is asked to delete.
struct Broker {
    survey: Survey,
    /// Surveys that get no answer.
    silent: usize,
    refuses: bool,
    /// Topics that turn up after a deletion: their creation was still under way.
    late: Vec<SeenTopic>,
    deletions: Vec<Vec<String>>,
}

impl Broker {
    fn new() -> Self {
        let topics = [TOPIC, "test-topic-0-0000000b", "test-topic-a"];
        let groups = [GROUP, "sub-000-0000000b", "sub-a"];
        Self {
            survey: Survey {
                topics: topics.map(topic).to_vec(),
                groups: groups.map(group).to_vec(),
            },
            silent: 0,
            refuses: false,
            late: Vec::new(),
            deletions: Vec::new(),
        }
    }

    fn sweep(&mut self, within: Duration) -> (Swept, Option<DriverError>) {
        let (mut swept, error) = sweep(self, &[DEAD], Instant::now() + within);
        assert_eq!(swept.len(), 1);
        (swept.remove(0), error)
    }
}

fn topic(name: &str) -> SeenTopic {
    SeenTopic {
        name: name.to_owned(),
        partitions: 1,
    }
}

fn group(name: &str) -> SeenGroup {
    SeenGroup {
        name: name.to_owned(),
        empty: true,
        topics: Some(Vec::new()),
    }
}

fn nothing<T>() -> Result<T, DriverError> {
    Err(DriverError("not asked for here".to_owned()))
}

impl Admin for Broker {
    fn connect(&mut self, _: Instant) -> Result<(), DriverError> {
        nothing()
    }
    fn cluster(&mut self, _: Instant) -> Option<String> {
        None
    }
    fn create_topics(&mut self, _: &[NewTopic], _: Instant) -> Result<(), DriverError> {
        nothing()
    }
    fn largest_message(&mut self, _: &str, _: Instant) -> Option<u64> {
        None
    }
    fn describe(&mut self, _: &[String], _: Instant) -> Result<Vec<TopicState>, DriverError> {
        nothing()
    }
    fn start_group_at(
        &mut self,
        _: &str,
        _: &[(String, u32, u64)],
        _: Instant,
    ) -> Result<(), DriverError> {
        nothing()
    }
    fn delete_once(
        &mut self,
        topics: &[String],
        groups: &[Group],
        _: Instant,
    ) -> Result<(), Undone> {
        let groups: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
        self.deletions.push([topics, &groups].concat());
        // A group can be deleted by who may not delete topics.
        self.survey.groups.retain(|g| !groups.contains(&g.name));
        if self.refuses {
            return Err(Undone::Refused(DriverError("not authorized".to_owned())));
        }
        self.survey.topics.retain(|t| !topics.contains(&t.name));
        self.survey.topics.append(&mut self.late);
        Ok(())
    }
    fn list(&mut self, _: &[String], _: &[Group], _: Instant) -> Result<Leftovers, DriverError> {
        Ok(Leftovers::default())
    }
    fn survey(&mut self, _: Instant) -> Result<Survey, DriverError> {
        if self.silent > 0 {
            self.silent -= 1;
            return Err(DriverError("no answer".to_owned()));
        }
        Ok(self.survey.clone())
    }
    fn ends(&mut self, _: &[SeenTopic], _: Instant) -> Vec<Option<Vec<u64>>> {
        Vec::new()
    }
    fn committed(
        &mut self,
        _: &str,
        _: &[SeenTopic],
        _: Instant,
    ) -> Result<Vec<String>, DriverError> {
        nothing()
    }
}

#[test]
fn only_the_dead_runs_own_names_are_swept() {
    let mut broker = Broker::new();
    let begin = Instant::now();
    let (swept, error) = broker.sweep(Duration::from_secs(60));
    assert_eq!(error, None);
    assert!(swept.certain && swept.left.is_empty());
    assert_eq!(swept.deleted.topics, [TOPIC]);
    assert_eq!(swept.deleted.groups, [GROUP]);
    assert_eq!(broker.deletions, [[TOPIC, GROUP]]);
    assert_eq!(broker.survey.topics.len(), 2);
    assert!(Instant::now().since(begin) >= STAY_ABSENT);
}

#[test]
fn topics_that_a_run_was_to_keep_stay() {
    let kept = DeadRun {
        topics: false,
        ..DEAD
    };
    let left = of_run(&Broker::new().survey, kept);
    assert_eq!(left.topics, [""; 0]);
    assert_eq!(left.groups, [GROUP]);
}

#[test]
fn what_turns_up_late_is_swept_as_well() {
    let mut broker = Broker::new();
    let late = "test-topic-1-0000000a";
    broker.late = vec![topic(late)];
    broker.silent = 2;
    let (swept, error) = broker.sweep(Duration::from_secs(60));
    assert_eq!(error, None);
    assert!(swept.certain);
    assert_eq!(swept.deleted.topics, [TOPIC, late]);
}

#[test]
fn a_refusal_is_asked_for_once_and_told() {
    let mut broker = Broker::new();
    broker.refuses = true;
    let (swept, error) = broker.sweep(Duration::from_secs(60));
    assert_eq!(error.unwrap().to_string(), "not authorized");
    assert!(!swept.certain);
    assert_eq!(swept.left.topics, [TOPIC]);
    assert_eq!(swept.deleted.groups, [GROUP]);
    assert_eq!(broker.deletions.len(), 1);
}

#[test]
fn a_broker_that_does_not_answer_ends_a_sweep_in_time() {
    let mut broker = Broker::new();
    broker.silent = usize::MAX;
    let (swept, error) = broker.sweep(Duration::from_millis(300));
    assert_eq!(error.unwrap().to_string(), "no answer");
    assert!(!swept.certain && swept.deleted.is_empty());
}
