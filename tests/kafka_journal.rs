//! Journals and `omb clean`, against a real Kafka.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/journals.rs"]
mod journals;
#[path = "common/journal_scenarios.rs"]
mod scenarios;

use common::{Broker, Run, kafka};
use journals::{Site, assert_nowhere, kill_with_steward};

macro_rules! on_kafka {
    ($($scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                scenarios::$scenario(&kafka::bootstrap());
            }
        )*
    };
}

on_kafka! {
    what_a_killed_run_leaves_is_listed_and_deleted,
    the_next_run_removes_what_a_killed_one_left,
    a_live_run_is_not_touched,
    what_nobody_uses_goes_by_its_prefix,
    a_run_outlives_its_journal,
    a_killed_steward_has_a_successor,
}

#[test]
fn a_secret_is_in_no_journal_and_asked_for_again() {
    let (user, password) = kafka::user();
    let site = Site::at(&kafka::bootstrap());
    let args = kafka::sasl(&user, &password);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = Run::prepare(
        &Broker::Embedded,
        &[("testDuration", "10m")],
        &args,
        |command| {
            command.env("XDG_STATE_HOME", site.state.path());
        },
    );
    run.wait_for_measure();
    assert_nowhere(site.state.path(), &password);
    let id = kill_with_steward(run);
    let left = site.names(&id);
    let told = site.clean(&[], 1);
    told.assert_says(&[&id, "-X sasl.password="]);
    assert!(!told.stderr.contains(&password));
    let given = format!("sasl.password={password}");
    assert_eq!(site.clean(&["-X", &given], 0).names, left);
    assert_eq!(site.clean(&["-X", &given, "--yes"], 0).names, left);
    assert!(site.names(&id).is_empty());
}
