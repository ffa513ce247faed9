//! Signals and SIGKILL in every phase, against the real Kafka: exit codes, valid results, bounded
//! time, and nothing left.
//!
//! `OMB_TEST_KILLS` kills of the supervisor per phase (3), at moments that `OMB_TEST_SEED` decides.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::{Duration, Instant};

use common::scenarios::assert_all_received;
use common::{Broker, PATIENCE, Run, kafka, processes, wait_for};
use nix::sys::signal::Signal;

const SHORT: [(&str, &str); 2] = [("testDuration", "1s"), ("producerRate", "500")];

/// How long a run may take to stop in good order: consumers leave, topics go.
const IN_GOOD_ORDER: Duration = Duration::from_secs(20);

/// A run that has just been seen in this phase. A phase may be over before anybody sees it: then
/// another run is started.
fn in_phase(phase: &str) -> Run {
    for _ in 0..20 {
        let run = Run::start(&Broker::Kafka, &SHORT, &[]);
        // Signals are handled from here on.
        run.wait_for_stderr("  result ");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && run.is_there() {
            run.signal(Signal::SIGUSR1);
            std::thread::sleep(Duration::from_millis(2));
            let text = run.stderr();
            let seen = text.rsplit_once(", phase ").map(|(_, rest)| rest);
            if seen.is_some_and(|rest| rest.starts_with(phase)) && run.is_there() {
                return run;
            }
        }
    }
    panic!("no run was seen in phase {phase}");
}

fn signalled(phase: &str, signal: Signal) {
    let mut run = in_phase(phase);
    run.signal(signal);
    let since = Instant::now();
    run.finish_with(128 + signal as i32);
    assert!(
        since.elapsed() < IN_GOOD_ORDER,
        "{phase}: {:?}",
        since.elapsed()
    );
    let own = run.result()["omb"].clone();
    assert_eq!(own["status"], "interrupted", "{phase}");
    let reason = own["reason"].as_str().unwrap();
    assert!(reason.contains(signal.as_str()), "{phase}: {reason}");
    run.assert_nothing_left();
    kafka::assert_nothing_left(&run.id());
}

fn signalled_twice(phase: &str) {
    let mut run = in_phase(phase);
    run.signal(Signal::SIGINT);
    // Earlier, it would be the same signal.
    let again = Instant::now() + Duration::from_millis(520);
    while run.is_there() && Instant::now() < again {
        std::thread::sleep(Duration::from_millis(5));
    }
    let since = Instant::now();
    if run.is_there() {
        run.signal(Signal::SIGINT);
    }
    run.finish_with(130);
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "{phase}: {:?}",
        since.elapsed()
    );
    assert_eq!(run.result()["omb"]["status"], "interrupted", "{phase}");
    run.assert_nothing_left();
    kafka::assert_nothing_left(&run.id());
}

fn killed(phase: &str) {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let seed = number("OMB_TEST_SEED", u64::from(std::process::id()));
    println!("OMB_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..number("OMB_TEST_KILLS", 3) {
        let mut run = in_phase(phase);
        std::thread::sleep(Duration::from_micros(random.u64(0..50_000)));
        let children: Vec<i32> = run
            .children()
            .into_iter()
            .filter(|(_, role, _)| role != "steward")
            .map(|(pid, ..)| pid)
            .collect();
        run.signal(Signal::SIGKILL);
        run.finish();
        wait_for("children gone", Duration::from_secs(1), || {
            let left = processes(|pid, _, _| children.contains(&pid));
            left.is_empty().then_some(())
        });
        run.assert_nothing_left();
        kafka::assert_nothing_left(&run.id());
    }
}

#[test]
fn of_two_runs_at_once_one_is_killed_and_the_other_untouched() {
    let mut lives = Run::start(&Broker::Kafka, &[("testDuration", "12s")], &[]);
    let mut dies = Run::start(&Broker::Kafka, &[("testDuration", "1m")], &[]);
    lives.wait_for_measure();
    dies.wait_for_measure();
    dies.signal(Signal::SIGKILL);
    dies.finish();
    dies.assert_nothing_left();
    kafka::assert_nothing_left(&dies.id());
    assert_eq!(kafka::names(&lives.id()).len(), 4, "two topics, two groups");
    lives.finish_with(0);
    assert_all_received(&lives.result(), 1);
    kafka::assert_nothing_left(&lives.id());
}

macro_rules! in_each_phase {
    ($($module:ident: $phase:expr,)*) => {
        $(
            mod $module {
                use super::*;

                #[test]
                fn a_signal_ends_the_run_in_good_order() {
                    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
                        signalled($phase, signal);
                    }
                }

                #[test]
                fn a_second_signal_ends_it_within_a_second() {
                    signalled_twice($phase);
                }

                #[test]
                fn a_killed_supervisor_leaves_nothing() {
                    killed($phase);
                }
            }
        )*
    };
}

in_each_phase! {
    connect: "connect",
    create: "create",
    ready: "ready",
    warm_up: "warm-up",
    measure: "measure",
    drain: "drain",
    report: "report",
}
