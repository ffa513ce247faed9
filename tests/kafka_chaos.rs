//! A child killed every two seconds, for minutes, against the real Kafka: the run goes on, and not a
//! message, process, topic or descriptor is lost or left.
//!
//! `OMB_TEST_CHAOS` is how many seconds (120); `OMB_TEST_SEED` decides who is hit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::recoveries::assert_exact_but_for_unknown;
use common::{Broker, PATIENCE, Run, count, kafka, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Clients and the steward: what may be killed.
const ROLES: [&str; 3] = ["producer", "consumer", "steward"];
const CHILDREN: usize = 5;

#[test]
fn a_child_killed_every_two_seconds_costs_nothing() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let seconds = number("OMB_TEST_CHAOS", 120);
    let seed = number("OMB_TEST_SEED", u64::from(std::process::id()));
    println!("OMB_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    // It ends when we say so.
    let duration = format!("{}s", seconds + 600);
    let changes = [
        ("testDuration", duration.as_str()),
        ("producerRate", "1000"),
        ("consumerPerSubscription", "1"),
        ("reportPeriod", "10s"),
        (
            "restart",
            "{producers: true, maxRestarts: 1000000, backoff: 100ms}",
        ),
    ];
    let mut run = Run::start(&Broker::Kafka, &changes, &["--hang-after", "30s"]);
    run.wait_for_measure();
    let everybody = |run: &Run| {
        let children = run.children();
        let there = children
            .iter()
            .filter(|(_, role, _)| ROLES.contains(&role.as_str()));
        there.count() == CHILDREN
    };
    let settled = |run: &Run| {
        wait_for("everybody there", PATIENCE, || everybody(run).then_some(()));
        // A child that has just started opens its connection to the supervisor a little later.
        let mut last = 0;
        wait_for("descriptors that stay", PATIENCE, || {
            std::thread::sleep(Duration::from_millis(500));
            let now = run.descriptors();
            (std::mem::replace(&mut last, now) == now).then_some(now)
        })
    };
    let descriptors = settled(&run);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < until {
        let children = run.children();
        let victim = random.choice(&children).map(|(pid, ..)| *pid);
        // It may have ended since it was listed.
        if let Some(pid) = victim
            && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
        {
            kills += 1;
        }
        std::thread::sleep(Duration::from_secs(2));
        assert!(run.is_there(), "{}", run.stderr());
    }
    assert!(kills > seconds / 3, "{kills}");
    assert_eq!(settled(&run), descriptors, "descriptors of the supervisor");
    assert_eq!(common::zombies(run.pid()), 0);
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    let result = run.result();
    assert_exact_but_for_unknown(&result);
    assert!(
        count(&result["omb"]["restarts"]) >= kills / 2,
        "{}",
        result["omb"]["restarts"]
    );
    run.assert_nothing_left();
    kafka::assert_nothing_left(&run.id());
}
