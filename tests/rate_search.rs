//! The highest rate that holds is found, whatever happens meanwhile; and a rate that follows what
//! is measured.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;

use common::scenarios::{assert_all_received, assert_balanced};
use common::{Broker, Run, count};
use embedded::Embedded;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omb::broker::Options;
use serde_json::Value;

/// Messages a second that the broker acknowledges, and no more.
const CAPACITY: f64 = 8_000.0;

const SEARCH: (&str, &str) = ("rateSearch", "{start: 3000, proof: 3s}");

fn broker(fault: &str) -> Embedded {
    Embedded::with(Options {
        faults: vec![fault.parse().unwrap()],
        ..Options::default()
    })
}

fn limited() -> Embedded {
    broker(&format!("capacity:rate={CAPACITY}"))
}

fn start(broker: &Embedded, changes: &[(&str, &str)], args: &[&str]) -> Run {
    Run::start(&Broker::At(broker.address().to_string()), changes, args)
}

fn assert_found_the_capacity(run: &Run, result: &Value) {
    let search = &result["omb"]["rateSearch"];
    let found = search["rate"].as_f64().unwrap();
    let off = (found / CAPACITY - 1.0).abs();
    assert!(
        off <= 0.02,
        "{found} instead of {CAPACITY}: {}",
        run.stderr()
    );
    assert_eq!(search["proved"], true);
    assert_eq!(search["limit"], "broker", "{}", run.stderr());
    let [low, high] = [0, 1].map(|end| search["bracket"][end].as_f64().unwrap());
    assert!(low <= found && high / low <= 1.02, "{search}");
    assert_eq!(result["omb"]["targetRate"], search["rate"]);
}

#[test]
fn what_a_broker_manages_is_found_and_then_measured() {
    let broker = limited();
    let changes = [("producerRate", "0"), SEARCH, ("testDuration", "4s")];
    // What doesn't fit into the library's queue is not sent.
    let queue = ["-X", "queue.buffering.max.messages=500"];
    let mut run = start(&broker, &changes, &queue);
    run.finish_with(0);
    let result = run.result();
    assert_found_the_capacity(&run, &result);
    // The measured phase has the found rate, and is whole.
    let rate = result["omb"]["targetRate"].as_f64().unwrap();
    assert_eq!(result["publishRate"].as_array().unwrap().len(), 4);
    let acknowledged = count(&result["omb"]["acknowledged"]) as f64;
    assert!(
        (acknowledged / (4.0 * rate) - 1.0).abs() < 0.02,
        "{acknowledged}"
    );
    // What was tried in vain is told apart, and all that was sent is in the books.
    assert!(count(&result["omb"]["rateSearch"]["unsent"]) > 0);
    assert_all_received(&result, 1);
    let counted = count(&result["omb"]["ledger"]["sent"]) as f64;
    assert!(counted > 10.0 * rate, "{counted}");
    run.assert_nothing_left();
}

#[test]
fn children_killed_while_the_rate_is_searched_change_nothing() {
    let broker = limited();
    let changes = [
        ("producerRate", "0"),
        SEARCH,
        ("restart", "{producers: true}"),
    ];
    let mut run = start(&broker, &changes, &[]);
    run.wait_for_stderr("3,000 msg/s holds");
    kill(Pid::from_raw(run.child("consumer")), Signal::SIGKILL).unwrap();
    run.wait_for_stderr("does not hold");
    kill(Pid::from_raw(run.child("producer")), Signal::SIGKILL).unwrap();
    run.finish_with(0);
    let result = run.result();
    assert_found_the_capacity(&run, &result);
    assert_balanced(&result);
    assert_eq!(result["omb"]["restarts"], 2, "{}", run.stderr());
    run.assert_nothing_left();
}

#[test]
fn a_search_that_is_interrupted_says_what_it_knows() {
    let broker = limited();
    let mut run = start(&broker, &[("producerRate", "0"), SEARCH], &[]);
    run.wait_for_stderr("3,000 msg/s holds");
    run.signal(Signal::SIGINT);
    run.finish_with(130);
    let result = run.result();
    let search = &result["omb"]["rateSearch"];
    assert_eq!(search["rate"], Value::Null);
    assert_eq!(search["bracket"][0], 3_000.0);
    assert_all_received(&result, 1);
    run.assert_nothing_left();
}

#[test]
fn a_broker_that_holds_no_rate_fails_the_run_in_time() {
    let broker = broker("error:at=1,count=1000000,code=MESSAGE_TOO_LARGE");
    let search = ("rateSearch", "{start: 1000, deadline: 3s}");
    let mut run = start(&broker, &[("producerRate", "0"), search], &[]);
    run.finish_with(1);
    let told = run.stderr();
    assert!(
        told.contains("rate search: no rate held; 1,000 msg/s does not hold: more than 1 %"),
        "{told}"
    );
    assert_eq!(run.result()["omb"]["rateSearch"]["limit"], "errors");
    run.assert_nothing_left();
}

#[test]
fn the_rate_falls_when_messages_fail_and_rises_while_latencies_hold() {
    let broker = broker("error:at=7000,count=500,code=MESSAGE_TOO_LARGE");
    let changes = [
        ("topics", "1"),
        ("warmupDuration", "0"),
        ("testDuration", "12s"),
        (
            "rateControl",
            "{period: 1s, objective: response.p99<30s, max: 3000}",
        ),
    ];
    let mut run = start(&broker, &changes, &[]);
    run.finish_with(0);
    let result = run.result();
    let rates = result["omb"]["rates"].as_array().unwrap();
    let of = |at: usize| rates[at]["rate"].as_f64().unwrap();
    assert!((of(0) - 2_200.0).abs() < 0.01, "{rates:?}");
    assert!(
        rates[0]["why"]
            .as_str()
            .unwrap()
            .contains("response.p99 is"),
        "{rates:?}"
    );
    let fell = (1..rates.len()).find(|&at| of(at) < of(at - 1));
    let fell = fell.unwrap_or_else(|| panic!("{rates:?}"));
    assert!((of(fell) / of(fell - 1) - 0.9).abs() < 1e-9, "{rates:?}");
    assert!(
        rates[fell]["why"].as_str().unwrap().contains("failed"),
        "{rates:?}"
    );
    assert!((0..rates.len()).all(|at| of(at) <= 3_000.0), "{rates:?}");
    // Nothing is left out when a rate takes the place of another.
    assert_eq!(result["omb"]["ledger"]["unsent"], 0);
    let starts: Vec<f64> = rates
        .iter()
        .map(|rate| rate["start"].as_f64().unwrap())
        .collect();
    let mut due = 0.0;
    let mut rate = 2_000.0;
    let mut from = 0.0;
    for (at, start) in starts.iter().chain(&[12.0]).enumerate() {
        due += rate * (start - from);
        from = *start;
        rate = if at < rates.len() { of(at) } else { rate };
    }
    let sent = count(&result["omb"]["ledger"]["sent"]) as f64;
    // Each of two clients may be one message off at each change.
    assert!(
        (sent - due).abs() <= 2.0 * (rates.len() + 1) as f64,
        "{sent} instead of {due}"
    );
    run.assert_nothing_left();
}
