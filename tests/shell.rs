//! omb as a citizen of shells, service managers and containers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{Broker, PATIENCE, Run, processes, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BROKER: Broker = Broker::Embedded;

#[test]
fn a_quiet_run_shows_nothing_when_nothing_goes_wrong() {
    let mut run = Run::start(&BROKER, &[("testDuration", "1s")], &["--quiet"]);
    run.finish_with(0);
    assert_eq!((run.stderr().as_str(), run.stdout().as_str()), ("", ""));
    assert_eq!(run.result()["omb"]["status"], "completed");
}

#[test]
fn a_quiet_run_still_says_what_goes_wrong() {
    let changes = [("testDuration", "1m")];
    let mut run = Run::start(&BROKER, &changes, &["--quiet"]);
    run.wait_for_measure();
    let victim = Pid::from_raw(run.child("producer"));
    kill(victim, Signal::SIGKILL).unwrap();
    run.finish_with(1);
    assert!(run.stderr().contains("died: signal 9"), "{}", run.stderr());
}

#[test]
fn a_pid_file_keeps_a_second_run_away_and_goes_with_the_first() {
    let mut run = Run::start(
        &BROKER,
        &[("testDuration", "1m")],
        &["--pidfile", "omb.pid"],
    );
    run.wait_for_measure();
    let path = run.directory.path().join("omb.pid");
    let pid = fs::read_to_string(&path).unwrap();
    assert_eq!(pid.trim(), run.pid().to_string());
    let second = common::omb()
        .current_dir(run.directory.path())
        .args(["run", "workload.yaml", "--pidfile", "omb.pid"])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        told.contains(pid.trim()) && told.contains("omb.pid"),
        "{told}"
    );
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    assert!(!path.exists());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let changes = [("testDuration", "1s"), ("warmupDuration", "0s")];
    let workload = common::workload(directory.path(), &changes);
    let script = format!(
        "set -o pipefail; '{}' run '{}' -o - 2>/dev/null | true",
        env!("CARGO_BIN_EXE_omb"),
        workload.display()
    );
    let ended = Command::new("bash").args(["-c", &script]).status().unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// A run as process 1, and its supervisor, which is a child of it.
fn as_process_1() -> (Run, i32, i32) {
    let run = Run::prepare(&BROKER, &[("testDuration", "1m")], &[], |command| {
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut inside = Command::new("unshare");
        inside
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(command.get_program())
            .args(arguments)
            .current_dir(command.get_current_dir().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        *command = inside;
    });
    run.wait_for_measure();
    let below = |parent: i32| processes(|_, of, _| of == parent)[0].0;
    let init = below(run.pid());
    let supervisor = below(init);
    (run, init, supervisor)
}

#[test]
fn as_process_1_it_hands_signals_on() {
    let (mut run, init, supervisor) = as_process_1();
    kill(Pid::from_raw(init), Signal::SIGINT).unwrap();
    run.finish_with(130);
    assert_eq!(run.result()["omb"]["status"], "interrupted");
    assert!(processes(|pid, _, _| pid == supervisor).is_empty());
}

#[test]
fn as_process_1_it_buries_orphans_before_it_ends() {
    let (mut run, init, supervisor) = as_process_1();
    let children = processes(|_, parent, _| parent == supervisor);
    assert!(children.len() >= 6, "{children:?}");
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    // They are now its own, and it is there until each of them has ended.
    wait_for("orphans", PATIENCE, || {
        let orphans = processes(|_, parent, _| parent == init);
        (orphans.len() < children.len()).then_some(())
    });
    run.finish_with(137);
    for (pid, _) in children {
        assert!(processes(|other, _, _| other == pid).is_empty());
    }
}
