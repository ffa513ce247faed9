//! Who is spared.

use super::*;

const A: &str = "test-topic-0-0000000a";
const GROUP_A: &str = "sub-000-0000000a";
const B: &str = "test-topic-0-0000000b";
const GROUP_B: &str = "sub-000-0000000b";

/// A cluster with two runs' topics and groups, and something else; nobody uses any of it.
fn quiet() -> Look {
    let topics = [A, B, "mine", "__consumer_offsets"].map(|name| SeenTopic {
        name: name.to_owned(),
        partitions: 2,
    });
    let groups = [GROUP_A, GROUP_B, "readers"].map(|name| SeenGroup {
        name: name.to_owned(),
        empty: true,
        topics: Some(Vec::new()),
    });
    let ends = topics
        .iter()
        .map(|topic| (topic.name.clone(), Some(vec![3, 4])));
    Look {
        ends: ends.collect(),
        survey: Survey {
            groups: groups.to_vec(),
            topics: topics.to_vec(),
        },
        used: BTreeMap::new(),
    }
}

fn free(prefix: &str, before: &Look, after: &Look) -> Vec<String> {
    let judged = judge(prefix, before, after, &Protected::default());
    [judged.free.topics, judged.free.groups].concat()
}

fn member(look: &mut Look, group: &str, topics: Option<&[&str]>) {
    let group = look.survey.groups.iter_mut().find(|g| g.name == group);
    let group = group.unwrap();
    group.empty = false;
    group.topics = topics.map(|topics| topics.iter().map(|&t| t.to_owned()).collect());
}

#[test]
fn what_nobody_uses_goes_by_its_name_and_runs_take_their_groups_along() {
    let look = quiet();
    let all = [A, B, GROUP_A, GROUP_B];
    assert_eq!(free("test-topic-", &look, &look), all);
    assert_eq!(free(A, &look, &look), [A, GROUP_A]);
    assert_eq!(free("sub-", &look, &look), [GROUP_A, GROUP_B]);
    assert_eq!(free("read", &look, &look), ["readers"]);
    assert_eq!(free("nothing", &look, &look), [""; 0]);
    assert!(!look.has_any("nothing") && look.has_any("m"));
}

#[test]
fn a_topic_that_grows_spares_its_run() {
    let (before, mut after) = (quiet(), quiet());
    after.ends.insert(A.to_owned(), Some(vec![3, 5]));
    assert_eq!(free("test-topic-", &before, &after), [B, GROUP_B]);
    assert_eq!(free("sub-", &before, &after), [GROUP_B]);
    let judged = judge("test-topic-", &before, &after, &Protected::default());
    assert_eq!(judged.spared.len(), 2);
    let (name, why) = &judged.spared[0];
    assert!(name.ends_with(A) && why.contains("written"), "{name} {why}");
}

#[test]
fn what_can_not_be_told_is_spared() {
    for of_both in [[true, false], [false, true], [true, true]] {
        let mut looks = [quiet(), quiet()];
        for (look, unknown) in looks.iter_mut().zip(of_both) {
            if unknown {
                look.ends.insert(A.to_owned(), None);
            }
        }
        let [before, after] = looks;
        assert_eq!(free("test-topic-", &before, &after), [B, GROUP_B]);
    }
    let (before, mut after) = (quiet(), quiet());
    member(&mut after, "readers", None);
    assert_eq!(free("readers", &before, &after), [""; 0]);
}

#[test]
fn members_spare_their_group_what_it_reads_and_its_run() {
    let (mut before, after) = (quiet(), quiet());
    // It was there at the first look only.
    member(&mut before, GROUP_A, Some(&[]));
    assert_eq!(free("test-topic-", &before, &after), [B, GROUP_B]);
    assert_eq!(free(A, &before, &after), [""; 0]);
    let mut looks = [quiet(), quiet()];
    for look in &mut looks {
        member(look, "readers", Some(&["mine"]));
        look.used.insert("mine".to_owned(), "readers".to_owned());
    }
    let [before, after] = looks;
    assert_eq!(free("mine", &before, &after), [""; 0]);
    assert_eq!(free("readers", &before, &after), [""; 0]);
    let all = [A, B, GROUP_A, GROUP_B];
    assert_eq!(free("test-topic-", &before, &after), all, "it reads none");
}

#[test]
fn runs_with_an_owner_are_spared_and_so_is_what_they_use() {
    let look = quiet();
    let protected = Protected {
        runs: BTreeMap::from([(0xa, "is under way".to_owned())]),
        topics: BTreeMap::from([("mine".to_owned(), "0000000a".to_owned())]),
    };
    let judged = judge("test-topic-", &look, &look, &protected);
    assert_eq!(judged.free.topics, [B]);
    assert_eq!(judged.free.groups, [GROUP_B]);
    assert_eq!(judged.spared[0].1, "run 0000000a is under way");
    let judged = judge("m", &look, &look, &protected);
    assert_eq!(judged.free, Leftovers::default());
    assert_eq!(judged.spared[0].1, "run 0000000a uses it");
}

#[test]
fn what_is_new_is_spared_and_the_brokers_own_always() {
    let (mut before, after) = (quiet(), quiet());
    before.ends.remove(A);
    assert_eq!(free("test-topic-", &before, &after), [B, GROUP_B]);
    let mut before = quiet();
    before.survey.groups.retain(|group| group.name != "readers");
    assert_eq!(free("readers", &before, &after), [""; 0]);
    assert_eq!(free("__", &after, &after), [""; 0]);
}
