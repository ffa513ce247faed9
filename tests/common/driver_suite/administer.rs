//! Administration: creating, describing, deleting, and being told why not.

use std::time::Duration;

use omb::driver::{Admin, Driver, Leftovers, SeenGroup, SeenTopic, Survey};

use super::site::{Site, patience, produce, within};
use crate::common::{PATIENCE, wait_for};

pub fn a_topic_that_exists_is_named<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 1);
    let wanted = site.wanted(1);
    let error = site.admin.create_topics(&wanted, patience()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&site.topics[0]), "{text}");
    assert!(text.contains("exists"), "{text}");
}

pub fn a_topic_that_is_not_there_is_named<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 1);
    let names = ["nobody-made-this".to_owned()];
    let error = site.admin.describe(&names, patience()).unwrap_err();
    assert!(error.to_string().contains(&names[0]), "{error}");
    // Asking did not make it.
    let left = site.admin.list(&names, &[], patience()).unwrap();
    assert_eq!(left, Leftovers::default());
}

pub fn the_largest_message_is_told<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 1);
    let topic = site.topics[0].clone();
    let largest = site.admin.largest_message(&topic, patience());
    assert!(
        largest.is_some_and(|bytes| bytes > 1_000_000),
        "{largest:?}"
    );
}

pub fn what_is_deleted_is_gone<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 30, 2);
    produce(&site, 0..100, 100);
    let mut member = site.consumer();
    member.read(100);
    member.close();
    let groups = [site.group_named(&site.group)];
    let topics = site.topics.clone();
    let mut there = site.admin.list(&topics, &groups, patience()).unwrap();
    there.topics.sort();
    let mut sorted = topics.clone();
    sorted.sort();
    assert_eq!(there.topics, sorted);
    assert_eq!(there.groups, [site.group.clone()]);
    for _ in 0..2 {
        // The second time there is nothing to delete, and that is no error.
        let left = site.admin.delete(&topics, &groups, patience()).unwrap();
        assert_eq!(left, Leftovers::default());
    }
    let left = site.admin.list(&topics, &groups, patience()).unwrap();
    assert_eq!(left, Leftovers::default());
}

pub fn a_group_with_a_living_member_is_left_over<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 1);
    let mut member = site.consumer();
    member.own(1);
    let groups = [site.group_named(&site.group)];
    let soon = within(Duration::from_secs(1));
    let left = site.admin.delete(&[], &groups, soon).unwrap();
    assert_eq!(left.groups, [site.group.clone()]);
    member.close();
    let left = site.admin.delete(&[], &groups, patience()).unwrap();
    assert_eq!(left, Leftovers::default());
}

pub fn a_survey_tells_how_far_groups_and_topics_are<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 2, 3);
    let group = |site: &mut Site<D>| -> Option<SeenGroup> {
        let groups = site.admin.survey(patience()).unwrap().groups;
        groups.into_iter().find(|group| group.name == site.group)
    };
    let mut topics = site.admin.survey(patience()).unwrap().topics;
    topics.retain(|topic: &SeenTopic| site.topics.contains(&topic.name));
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(topics.len(), 2);
    assert!(topics.iter().all(|topic| topic.partitions == 3));
    assert_eq!(group(&mut site), None);

    let before = site.admin.ends(&topics, patience());
    assert_eq!(before, [Some(vec![0; 3]), Some(vec![0; 3])]);
    produce(&site, 0..100, 100);
    let after = site.admin.ends(&topics, patience());
    let written: u64 = after.iter().flatten().flatten().sum();
    assert_eq!(written, 100);
    let mut absent = topics.clone();
    absent[0].name.push_str("-absent");
    assert_eq!(site.admin.ends(&absent, patience())[0], None);

    let mut member = site.consumer();
    member.read(100);
    let seen = group(&mut site).unwrap();
    assert!(!seen.empty);
    assert_eq!(seen.topics.as_ref(), Some(&site.topics));
    member.close();
    let seen = group(&mut site).unwrap();
    assert!(seen.empty, "{seen:?}");
    assert_eq!(seen.topics, Some(Vec::new()));

    let groups = [site.group_named(&site.group)];
    site.admin.delete(&[], &groups, patience()).unwrap();
    let name = site.group.clone();
    let none = site.admin.committed(&name, &topics, patience()).unwrap();
    assert_eq!(none, [""; 0], "nothing was committed");
    let starts = [(site.topics[1].clone(), 2, 7)];
    site.admin
        .start_group_at(&name, &starts, patience())
        .unwrap();
    let one = site.admin.committed(&name, &topics, patience()).unwrap();
    assert_eq!(one, [site.topics[1].clone()]);
    let id = site.admin.cluster(patience());
    assert!(id.is_some_and(|id| !id.is_empty()), "it has an id");
}

pub fn a_survey_tells_who_uses_what<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 2, 1);
    produce(&site, 0..100, 100);
    let mut member = site.consumer();
    member.read(100);
    let survey = site.admin.survey(patience()).unwrap();
    let topics: Vec<&SeenTopic> = survey
        .topics
        .iter()
        .filter(|topic| site.topics.contains(&topic.name))
        .collect();
    assert_eq!(topics.len(), 2, "{survey:?}");
    let group = |survey: &Survey| -> Option<SeenGroup> {
        let mut groups = survey.groups.iter();
        groups.find(|group| group.name == site.group).cloned()
    };
    let seen = group(&survey).unwrap();
    assert!(!seen.empty, "{seen:?}");
    let mut read = seen.topics.unwrap();
    read.sort();
    assert_eq!(read, site.topics);
    member.close();
    // A broker may count members now and then.
    wait_for("a group without members", PATIENCE, || {
        let survey = site.admin.survey(patience()).unwrap();
        group(&survey)?.empty.then_some(())
    });
}

pub fn topics_and_groups_that_exist_are_listed_and_others_are_not<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 3, 1);
    let mut asked = site.topics.clone();
    asked[1].push_str("-absent");
    let mut groups = [site.group_named(&site.group), site.group_named("nobody")];
    groups[0].topics.truncate(1);
    let mut member = site.consumer();
    member.own(site.all_partitions());
    let there = site.admin.list(&asked, &groups, patience()).unwrap();
    assert_eq!(there.topics, [asked[0].clone(), asked[2].clone()]);
    assert_eq!(there.groups, [site.group.clone()]);
    member.close();
}
