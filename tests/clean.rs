//! Journals and `omb clean`, against an embedded broker that no run started.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/journals.rs"]
mod journals;
#[path = "common/journal_scenarios.rs"]
mod scenarios;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use common::{Broker, Run, omb};
use journals::{Site, kill_with_steward};

/// A broker in a process of its own; it ends with the test.
struct Alone {
    child: Child,
    address: String,
}

impl Alone {
    fn start() -> Self {
        Self::listening("127.0.0.1:0")
    }

    fn listening(at: &str) -> Self {
        let mut child = omb()
            .args(["broker", "--listen", at])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let banner = lines.next().unwrap().unwrap();
        let address = banner.split("broker at ").nth(1).unwrap();
        let address = address.split(',').next().unwrap().to_owned();
        // It must not be held up by what nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

macro_rules! on_a_broker {
    ($($scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                scenarios::$scenario(&Alone::start().address);
            }
        )*
    };
}

on_a_broker! {
    what_a_killed_run_leaves_is_listed_and_deleted,
    the_next_run_removes_what_a_killed_one_left,
    a_live_run_is_not_touched,
    what_nobody_uses_goes_by_its_prefix,
    another_hosts_run_is_left_alone,
    a_run_outlives_its_journal,
    a_steward_that_cleaned_up_removes_the_journal,
    a_killed_steward_has_a_successor,
    a_run_without_a_place_for_its_journal_goes_on,
}

#[test]
fn an_embedded_broker_needs_no_journal() {
    let site = Site::at("none");
    let mut run = Run::prepare(
        &Broker::Embedded,
        &[("testDuration", "10m")],
        &[],
        |command| {
            command.env("XDG_STATE_HOME", site.state.path());
        },
    );
    run.wait_for_measure();
    assert_eq!(fs::read_dir(&site.state).unwrap().count(), 0);
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.finish_with(130);
    assert_eq!(fs::read_dir(&site.state).unwrap().count(), 0);
}

#[test]
fn kept_topics_are_not_what_a_killed_run_left() {
    let broker = Alone::start();
    let site = Site::at(&broker.address);
    let run = site.run(&[("testDuration", "10m")], &["--keep-topics"]);
    run.wait_for_measure();
    let id = kill_with_steward(run);
    let deleted = site.clean(&["--yes"], 0);
    assert_eq!(deleted.names.len(), 2, "the groups: {deleted:?}");
    assert_eq!(site.names(&id).len(), 2);
}

#[test]
fn all_of_omb_on_an_idle_broker_goes_at_once() {
    let broker = Alone::start();
    let (site, other) = (Site::at(&broker.address), Site::at(&broker.address));
    // Of different hosts, or the second one would clean up behind the first.
    let (one, two) = (site.dead(), other.dead());
    common::wait_for("dead members out of their groups", common::PATIENCE, || {
        common::kafka::is_without_members(&broker.address, "sub-").then_some(())
    });
    let mut left = [site.names(&one), site.names(&two)].concat();
    left.sort();
    assert_eq!(left.len(), 8);
    let deleted = site.elsewhere().clean_prefix("test-topic-", &["--yes"]);
    assert_eq!(deleted.names, left, "{deleted:?}");
    let nothing = site.clean_prefix("test-topic-", &["--yes"]);
    nothing.assert_says(&["no topic or group begins with test-topic-"]);
    // Their journals say that they may have left something; nothing is there.
    for site in [site, other] {
        assert_eq!(site.journals().len(), 1);
        assert!(site.clean(&["--yes"], 0).names.is_empty());
        assert!(site.journals().is_empty());
    }
}

#[test]
fn a_broker_that_is_gone_or_another_one_is_told_with_the_journal_in_question() {
    let broker = Alone::start();
    let address = broker.address.clone();
    let site = Site::at(&address);
    let id = site.dead();
    let journal = site.journal(&id).display().to_string();
    drop(broker);
    let told = site.clean(&["--yes"], 1);
    told.assert_says(&[&id, &address, "no Kafka answers", "remove", &journal]);

    let other = Alone::listening(&address);
    let told = site.clean(&["--yes"], 1);
    told.assert_says(&[&id, "another cluster", "remove", &journal]);
    let told = site.clean(&["--yes", "-b", &other.address], 0);
    told.assert_says(&[&id, "another cluster", "left alone"]);
    let mut next = site.run(&[("testDuration", "1s")], &[]);
    next.finish_with(0);
    site.journal(&id);
}

#[test]
fn what_is_no_journal_is_named_and_left_alone() {
    let site = Site::at("none");
    let runs = site.state.path().join("omb/runs");
    fs::create_dir_all(&runs).unwrap();
    let path = runs.join("00c0ffee.jsonl");
    fs::write(&path, "not a journal\n").unwrap();
    let told = site.clean(&["--yes"], 1);
    told.assert_says(&[&path.display().to_string(), "remove it"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a journal\n");
}

#[test]
fn what_the_command_line_asks_for_in_vain_is_usage() {
    let site = Site::at("none");
    let wrong: [(&[&str], &str); 5] = [
        (&["--prefix", "test-topic-"], "--prefix needs a cluster"),
        (&["--prefix", "", "-b", "a:1"], "--prefix is empty"),
        (&["-b", "a:1", "-X", "linger=5"], "linger"),
        (&["-b", ":9092"], "HOST:PORT"),
        (&["-d", "missing.yaml"], "missing.yaml"),
    ];
    for (args, word) in wrong {
        let told = site.clean(args, 2);
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
        assert!(told.stderr.contains(word), "{told:?}");
    }
}
