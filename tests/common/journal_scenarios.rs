//! What has to hold on every broker for what killed runs leave.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{
    Broker, PATIENCE, Run, assert_accounted_for, count, is_without_members, wait_for,
};
use crate::journals::Site;

/// Ends a run under load; nothing may have happened to it.
fn assert_unharmed(mut run: Run, site: &Site) {
    assert_eq!(site.names(&run.id()).len(), 4);
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    let result = run.result();
    assert_eq!(result["omb"]["status"], "interrupted");
    assert_eq!(result["omb"]["restarts"], 0);
    let acknowledged = count(&result["omb"]["ledger"]["acknowledged"]);
    let subscriptions = result["omb"]["ledger"]["subscriptions"].as_object();
    let books = subscriptions.unwrap().values();
    let received: u64 = books.map(|books| count(&books["received"])).sum();
    assert_eq!(received, acknowledged, "{result}");
    assert_eq!(count(&result["omb"]["ledger"]["sent"]), acknowledged);
    run.assert_nothing_left();
    assert!(site.names(&run.id()).is_empty());
}

/// Listed as often as one likes, then deleted.
pub fn what_a_killed_run_leaves_is_listed_and_deleted(broker: &str) {
    let site = Site::at(broker);
    let id = site.dead();
    let left = site.names(&id);
    assert_eq!(left.len(), 4, "two topics and two groups: {left:?}");
    for args in [&[][..], &["-b", broker]] {
        let listed = site.clean(args, 0);
        assert_eq!(listed.names, left, "{listed:?}");
        listed.assert_says(&[&id, broker, "2 topics and 2 groups"]);
        listed.assert_says(&["omb clean --yes"]);
    }
    assert_eq!(site.names(&id), left, "a list deletes nothing");
    let deleted = site.clean(&["--yes"], 0);
    assert_eq!(deleted.names, left, "{deleted:?}");
    site.assert_no_trace(&id);
    assert!(site.journals().is_empty());
    let nothing = site.clean(&[], 0);
    assert!(nothing.names.is_empty());
    nothing.assert_says(&["nothing is left"]);
}

/// A run says in one line what it has removed behind another one, and measures nothing else.
pub fn the_next_run_removes_what_a_killed_one_left(broker: &str) {
    let site = Site::at(broker);
    // No topic of RocketMQ's has a dot in its name.
    let prefix = if broker.starts_with("rocketmq") {
        "our_load"
    } else {
        "our.load"
    };
    let id = site.dead_with_prefix(prefix);
    let left = site.names(&id);
    assert_eq!(left.len(), 4);
    assert!(left.contains(&format!("{prefix}-1-{id}")), "{left:?}");
    let mut next = site.run(&[], &[]);
    next.finish_with(0);
    let stderr = next.stderr();
    let told: Vec<&str> = stderr.lines().filter(|line| line.contains(&id)).collect();
    assert_eq!(told.len(), 1, "{stderr}");
    assert!(
        told[0].contains("deleted 2 topics and 2 groups, left by run"),
        "{stderr}"
    );
    site.assert_no_trace(&id);
    site.assert_no_trace(&next.id());
    assert!(site.journals().is_empty());
    assert_accounted_for(&next.result(), 6_000);
}

/// Neither by its journal, nor by its names, nor by a run beside it.
pub fn a_live_run_is_not_touched(broker: &str) {
    let site = Site::at(broker);
    let live = site.live();
    let dead = site.dead();
    let id = live.id();
    let cleaned = site.clean(&["--yes"], 0);
    cleaned.assert_says(&[&id, "left alone"]);
    assert!(cleaned.names.iter().all(|name| name.contains(&dead)));
    assert!(site.names(&dead).is_empty());

    let prefix = format!("test-topic-0-{id}");
    let spared = site.clean_prefix(&prefix, &["--yes"]);
    assert!(spared.names.is_empty(), "{spared:?}");
    spared.assert_says(&[&prefix, "left alone", "under way"]);
    let spared = site.elsewhere().clean_prefix(&prefix, &["--yes"]);
    assert!(spared.names.is_empty(), "{spared:?}");
    spared.assert_says(&[&prefix, "left alone", "has members"]);
    spared.assert_says(&["sub-", &id, "it has members"]);

    let mut beside = site.run(&[], &[]);
    beside.finish_with(0);
    assert!(!beside.stderr().contains(&id), "{}", beside.stderr());
    assert_unharmed(live, &site);
    assert!(site.journals().is_empty());
}

/// With no journal that tells of it: by name, once nobody uses it.
pub fn what_nobody_uses_goes_by_its_prefix(broker: &str) {
    let site = Site::at(broker);
    let id = site.dead();
    let left = site.names(&id);
    let elsewhere = site.elsewhere();
    let prefix = format!("test-topic-0-{id}");
    let of_prefix: Vec<String> = left
        .iter()
        .filter(|name| name.starts_with("sub-") || **name == prefix)
        .cloned()
        .collect();
    assert_eq!(of_prefix.len(), 3);
    wait_for("dead members out of their groups", PATIENCE, || {
        is_without_members(broker, &id).then_some(())
    });
    let listed = elsewhere.clean_prefix(&prefix, &[]);
    assert_eq!(listed.names, of_prefix, "{listed:?}");
    listed.assert_says(&["--yes deletes them"]);
    assert_eq!(site.names(&id), left, "a list deletes nothing");
    let deleted = elsewhere.clean_prefix(&prefix, &["--yes"]);
    assert_eq!(deleted.names, of_prefix, "{deleted:?}");
    let rest = site.names(&id);
    assert_eq!(rest, [format!("test-topic-1-{id}")]);
    assert_eq!(site.clean(&["--yes"], 0).names, rest);
    assert!(site.journals().is_empty());
}

/// A journal of another host is never acted on.
pub fn another_hosts_run_is_left_alone(broker: &str) {
    let site = Site::at(broker);
    let id = site.dead();
    let left = site.names(&id);
    let journal = site.journal(&id);
    let ours = fs::read_to_string(&journal).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let named = format!(r#""host":{{"name":"{}""#, host.trim());
    let theirs = ours.replace(&named, r#""host":{"name":"elsewhere.example""#);
    assert_ne!(ours, theirs);
    fs::write(&journal, theirs).unwrap();
    let cleaned = site.clean(&["--yes"], 0);
    assert!(cleaned.names.is_empty());
    cleaned.assert_says(&[&id, "elsewhere.example", "left alone"]);
    let prefix = format!("test-topic-0-{id}");
    let spared = site.clean_prefix(&prefix, &["--yes"]);
    spared.assert_says(&[&prefix, "elsewhere.example"]);
    let mut next = site.run(&[], &[]);
    next.finish_with(0);
    assert_eq!(site.names(&id), left);
    fs::write(&journal, ours).unwrap();
    assert_eq!(site.clean(&["--yes"], 0).names, left);
}

/// The directory of journals may go under a run.
pub fn a_run_outlives_its_journal(broker: &str) {
    let site = Site::at(broker);
    let remove = |run: &Run| {
        run.wait_for_measure();
        site.journal(&run.id());
        fs::remove_dir_all(site.state.path().join("omb")).unwrap();
    };
    let mut run = site.run(&[("testDuration", "3s")], &[]);
    remove(&run);
    run.finish_with(0);
    assert_eq!(run.result()["omb"]["status"], "completed");
    run.assert_nothing_left();
    assert!(site.names(&run.id()).is_empty());

    let mut run = site.run(&[("testDuration", "10m")], &[]);
    remove(&run);
    run.signal(Signal::SIGKILL);
    run.finish();
    run.assert_nothing_left();
    site.wait_for_no_names(&run.id());
}

/// The supervisor killed: its steward removes the journal, but not before everything else.
pub fn a_steward_that_cleaned_up_removes_the_journal(broker: &str) {
    let site = Site::at(broker);
    let mut run = site.live();
    let id = run.id();
    let journal = site.journal(&id);
    run.signal(Signal::SIGKILL);
    run.finish();
    wait_for("the journal gone", Duration::from_secs(30), || {
        (!journal.exists()).then_some(())
    });
    assert!(site.names(&id).is_empty());
}

/// A steward that dies under load has a successor: the run goes on, and is cleaned up behind, also
/// where the supervisor dies next.
pub fn a_killed_steward_has_a_successor(broker: &str) {
    let site = Site::at(broker);
    let (mut run, id) = with_second_steward(&site);
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    let own = run.result()["omb"].clone();
    assert_eq!(
        (&own["status"], &own["restarts"]),
        (&"interrupted".into(), &1.into())
    );
    let said = run.stderr();
    assert!(said.contains("steward died: signal 9"), "{said}");
    run.assert_nothing_left();
    assert!(site.names(&id).is_empty());
    assert!(site.journals().is_empty());

    let (mut run, id) = with_second_steward(&site);
    run.signal(Signal::SIGKILL);
    run.finish();
    run.assert_nothing_left();
    site.wait_for_no_names(&id);
    wait_for("the journal gone", Duration::from_secs(30), || {
        site.journals().is_empty().then_some(())
    });
}

/// A run whose steward was killed under load, with the next one at work, and its id.
fn with_second_steward(site: &Site) -> (Run, String) {
    let run = site.live();
    let id = run.id();
    let first = run.child("steward");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    wait_for("a successor", PATIENCE, || {
        let children = run.children();
        let is_next = |(pid, role, _): &(i32, String, String)| role == "steward" && *pid != first;
        children.iter().any(is_next).then_some(())
    });
    // It is there when it has been told whom to clean up behind.
    wait_for("the successor in the journal", PATIENCE, || {
        let text = fs::read_to_string(site.journal(&id)).unwrap();
        (text.matches(r#""entry":"steward""#).count() == 2).then_some(())
    });
    (run, id)
}

/// Nowhere to keep a journal: a note, and the run goes on.
pub fn a_run_without_a_place_for_its_journal_goes_on(broker: &str) {
    let broker = Broker::At(broker.to_owned());
    for (state, word) in [(None, "XDG_STATE_HOME"), (Some("/dev/null"), "/dev/null")] {
        let mut run = Run::prepare(&broker, &[("testDuration", "1s")], &[], |command| {
            command.env_remove("XDG_STATE_HOME").env_remove("HOME");
            if let Some(state) = state {
                command.env("XDG_STATE_HOME", state);
            }
        });
        run.finish_with(0);
        let stderr = run.stderr();
        let notes = stderr.lines().filter(|line| line.contains("no journal"));
        let notes: Vec<&str> = notes.collect();
        assert_eq!(notes.len(), 1, "{stderr}");
        assert!(
            notes[0].starts_with("note: ") && notes[0].contains(word),
            "{stderr}"
        );
        run.assert_nothing_left();
    }
}
