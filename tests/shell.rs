//! omb as a citizen of shells, service managers and containers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use common::{Broker, PATIENCE, Run, processes, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omb::wire::{FromChild, Hello, PROTOCOL, Role, write_frame};

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

/// What a shell is asked to run, with `OMB` for a run of a minute; it and its result.
fn by_way_of(script: &str) -> Run {
    Run::prepare(&BROKER, &[("testDuration", "1m")], &[], |command| {
        let words = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        let words: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script.replace("OMB", &words.join(" "))])
            .current_dir(command.get_current_dir().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        *command = shell;
    })
}

/// The supervisor below a shell.
fn supervisor(run: &Run) -> Pid {
    let is_it = |args: &[String]| args.get(1).is_some_and(|role| role == "run");
    let socket = run.directory.path().join("workload.yaml");
    let of_it = |args: &[String]| args.iter().any(|arg| *arg == socket.to_str().unwrap());
    // Not the shell, nor timeout, whose arguments have it too.
    let found = processes(|_, _, args| is_it(args) && of_it(args));
    Pid::from_raw(found[0].0)
}

#[test]
fn timeout_ends_a_run_in_good_order() {
    // It signals its whole process group, and the run once more.
    let mut run = by_way_of("timeout --preserve-status -s INT 4 OMB");
    run.finish_with(130);
    let own = run.result()["omb"].clone();
    assert_eq!(own["status"], "interrupted");
    assert!(own["reason"].as_str().unwrap().contains("SIGINT"), "{own}");
}

#[test]
fn under_nohup_a_hangup_changes_nothing() {
    let mut run = by_way_of("exec nohup OMB");
    run.wait_for_measure();
    let omb = supervisor(&run);
    kill(omb, Signal::SIGHUP).unwrap();
    kill(omb, Signal::SIGUSR1).unwrap();
    // The answer to what came later.
    wait_for("an answer", PATIENCE, || {
        run.samples().contains("status: run ").then_some(())
    });
    assert!(!run.samples().contains("stopping"), "{}", run.samples());
    kill(omb, Signal::SIGTERM).unwrap();
    run.finish_with(143);
}

#[test]
fn in_the_background_of_a_shell_sigint_is_handled_all_the_same() {
    // Shells without job control start such processes with SIGINT ignored.
    let mut run = by_way_of("OMB & wait $!");
    run.wait_for_measure();
    kill(supervisor(&run), Signal::SIGINT).unwrap();
    run.finish_with(130);
    assert_eq!(run.result()["omb"]["status"], "interrupted");
}

#[test]
fn a_stranger_at_the_socket_changes_nothing() {
    let mut run = Run::start(&BROKER, &[("testDuration", "3s")], &[]);
    run.wait_for_measure();
    let socket = format!("/tmp/omb-{}/s", run.id());
    let hello = FromChild::Hello(Hello {
        protocol: PROTOCOL,
        role: Role::Consumer,
        id: 0,
        incarnation: 0,
    });
    let said = |frames: &[&FromChild]| {
        let mut bytes = Vec::new();
        frames
            .iter()
            .for_each(|frame| write_frame(&mut bytes, frame).unwrap());
        bytes
    };
    let in_its_name = said(&[&hello, &FromChild::Failed("a lie".to_owned())]);
    let mut then_garbage = said(&[&hello]);
    then_garbage.extend([0xff; 64]);
    for words in [Vec::new(), vec![0xff; 4_096], in_its_name, then_garbage] {
        let mut stranger = UnixStream::connect(&socket).unwrap();
        // It may be shown the door in the middle of its words.
        let _ = stranger.write_all(&words);
    }
    run.finish_with(0);
    let own = run.result()["omb"].clone();
    assert_eq!(
        (&own["restarts"], &own["status"]),
        (&0.into(), &"completed".into())
    );
    assert!(!run.stderr().contains("a lie"), "{}", run.stderr());
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
