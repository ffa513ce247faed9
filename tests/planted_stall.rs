//! A stall of the broker: who sees it depends on whether the client can go on sending.
//!
//! 1.4 s in a run of T s at a steady rate delay all messages due in them, the first one by 1.4 s,
//! the last one by nothing: a share of (1.4 s − x) / T of all is delayed by more than x. So the
//! 99th percentile of what a client felt is 1.4 s − T / 100, if the rest took no time.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;
#[path = "common/lying.rs"]
mod lying;

use std::sync::{Mutex, PoisonError};

use lying::{Books, Lying};

/// One run at a time: they measure.
static ALONE: Mutex<()> = Mutex::new(());

const STALL_MS: f64 = 1_400.0;
const MEASURED_MS: f64 = 4_000.0;

/// What the queue that has built up, the machine's other work and the width of a histogram's bucket
/// may add or take.
const LESS_MS: f64 = 10.0;
const MORE_MS: f64 = 350.0;

/// 99th percentiles in ms.
#[derive(Debug)]
struct Percentiles {
    service: f64,
    response: f64,
    delay: f64,
}

impl Percentiles {
    /// Of 1,000 messages a second, with the stall a second into the measured phase.
    fn of(producer: &str) -> Self {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Lying {
            faults: &["stall:at=1500,for=1400ms"],
            producer,
            workload: &[("producerRate", "1000"), ("testDuration", "4s")],
            messages: 4_500,
        }
        .run(0);
        told.assert_books(producer, Books::default(), 0);
        let result = &told.result;
        let percentiles = Self {
            service: result["aggregatedPublishLatency99pct"].as_f64().unwrap(),
            response: result["omb"]["responseLatency"]["p99"].as_f64().unwrap(),
            delay: result["aggregatedPublishDelayLatency99pct"]
                .as_f64()
                .unwrap()
                / 1_000.0,
        };
        println!("{producer}: {percentiles:?}");
        percentiles
    }
}

fn assert_shows_the_stall(what: &str, figure: f64) {
    let expected = STALL_MS - MEASURED_MS / 100.0;
    let bounds = expected - LESS_MS..expected + MORE_MS;
    assert!(
        bounds.contains(&figure),
        "{what}: {figure} ms, not in {bounds:?}"
    );
}

/// The library takes what is due, whether the broker answers or not: nothing is sent late, and
/// what waits in the library's queue has been sent.
#[test]
fn a_client_that_goes_on_sending_sees_a_stall_in_both_latencies() {
    let p99 = Percentiles::of("linger.ms=0");
    assert_shows_the_stall("response", p99.response);
    assert_shows_the_stall("service", p99.service);
    assert!(p99.delay < 200.0, "{p99:?}");
}

/// With room for four messages, four see the stall, one in a thousand; all others are sent late.
#[test]
fn a_client_that_has_to_wait_hides_a_stall_from_service_latency_and_not_from_response_latency() {
    let p99 = Percentiles::of("linger.ms=0\nqueue.buffering.max.messages=4");
    assert_shows_the_stall("response", p99.response);
    assert_shows_the_stall("publish delay", p99.delay);
    assert!(p99.service < 200.0, "{p99:?}");
}
