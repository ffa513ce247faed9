//! The search against brokers, producers and consumers that manage so much and no more.

use super::*;
use crate::config::parse_objective;
use crate::stats::delta::{LoadPhase, SLOT, Slot};
use crate::stats::recorder::Recorder;

const TICK: Duration = Duration::from_millis(20);
const BEGAN: Instant = Instant(5_000_000_000);

/// Messages a second that each part manages, and how regularly it does so.
#[derive(Clone)]
struct System {
    publisher: f64,
    broker: f64,
    consumer: f64,
    /// Share of time that it stands still for half a second, at random.
    pauses: f64,
    /// Messages that a client's queue holds.
    queue: f64,
    subscriptions: u64,
    /// Latency at rest, and at the full rate, in milliseconds.
    latency: (f64, f64),
}

impl Default for System {
    fn default() -> Self {
        Self {
            publisher: 1e9,
            broker: 1e9,
            consumer: 1e9,
            pauses: 0.0,
            queue: 1e9,
            subscriptions: 1,
            latency: (1.0, 1.0),
        }
    }
}

fn config() -> RateSearch {
    RateSearch {
        objectives: Vec::new(),
        start: 10_000.0,
        deadline: Duration::from_secs(300),
        proof: Duration::from_secs(10),
    }
}

fn find(system: &System, config: RateSearch, seed: u64) -> (Next, SearchReport) {
    find_with(system, config, seed, |_, _| true)
}

/// Runs a search to its end. `there` tells whether the consumers are, and may disturb it.
fn find_with(
    system: &System,
    config: RateSearch,
    seed: u64,
    mut there: impl FnMut(&mut Search, Duration) -> bool,
) -> (Next, SearchReport) {
    let grid = Grid { origin: BEGAN };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut search = Search::new(config, grid, BEGAN, 2);
    let mut now = BEGAN;
    let (mut from, mut rate) = (BEGAN, search.rate());
    // Not sent yet, in the client's queue, at the broker; each with parts of messages.
    let (mut late, mut queued, mut stored) = (0.0, 0.0, 0.0);
    let mut coming: Option<(Instant, f64)> = None;
    let mut delta = SlotDelta::default();
    let (mut expected, mut received) = (0, 0);
    let mut latency = Recorder::default();
    let mut paused_until = BEGAN;
    let mut part = [0.0; 3];
    loop {
        now = now + TICK;
        let seconds = TICK.as_secs_f64();
        if random.f64() < system.pauses / 25.0 {
            paused_until = now + Duration::from_millis(500);
        }
        let speed = if now < paused_until { 0.0 } else { 1.0 };
        late += rate * seconds;
        let phase = delta.phases.of_mut(LoadPhase::WarmUp);
        let room = (system.queue - queued).max(0.0);
        let sent = late.min(system.publisher * seconds).min(room);
        if sent < late && room < late {
            phase.queue_full += 1;
        }
        late -= sent;
        queued += sent;
        let acknowledged = queued.min(system.broker * seconds * speed);
        queued -= acknowledged;
        stored += acknowledged;
        let at_work = there(&mut search, now.since(BEGAN));
        let read = if at_work {
            stored.min(system.consumer * seconds * speed)
        } else {
            0.0
        };
        stored -= read;
        let mut whole = [sent, acknowledged, read]
            .into_iter()
            .zip(&mut part)
            .map(|(n, part)| {
                *part += n;
                let whole = part.floor();
                *part -= whole;
                whole as u64
            });
        let [sent, acknowledged, read] = [0; 3].map(|_: u64| whole.next().unwrap_or(0));
        phase.sent += sent;
        phase.acknowledged += acknowledged;
        expected += acknowledged * system.subscriptions;
        received += read * system.subscriptions;
        let (rest, full) = system.latency;
        let load = (rate / system.broker.min(1e6)).min(1.0);
        latency.record(((rest + (full - rest) * load) * 1e6) as u64);
        if let Some((_, next)) = coming.take_if(|(at, _)| now >= *at) {
            // What the old rate had due and didn't send never is.
            delta.phases.of_mut(LoadPhase::WarmUp).unsent += late as u64;
            late -= late.floor();
            rate = next;
            from = now;
        }
        let slot = grid.slot(now);
        if slot != delta.slot {
            delta.phases.of_mut(LoadPhase::WarmUp).latencies.response = latency.cut();
            search.add(&delta, expected, received);
            delta = SlotDelta {
                slot,
                ..SlotDelta::default()
            };
            (expected, received) = (0, 0);
        }
        let took = now.since(BEGAN);
        assert!(took < Duration::from_secs(1_000), "{:?}", search.report());
        match search.look(now, at_work) {
            None => {}
            Some(Next::Rate(next)) => {
                let at = now + Duration::from_millis(160);
                search.begin(at, next);
                coming = Some((at, next));
            }
            Some(over) => {
                assert!(now >= from);
                return (over, search.report());
            }
        }
    }
}

fn assert_within(found: Next, capacity: f64, share: f64) {
    let Next::Found(rate) = found else {
        panic!("{found:?}");
    };
    let off = (rate - capacity).abs() / capacity;
    assert!(
        off <= share,
        "{rate} instead of {capacity}: {:.2} % off",
        off * 100.0
    );
}

#[test]
fn it_finds_what_any_part_manages_within_two_percent_and_names_the_part() {
    for capacity in [40.0, 777.0, 9_000.0, 23_456.0, 180_000.0, 1_234_567.0] {
        let broker = System {
            broker: capacity,
            queue: capacity,
            ..System::default()
        };
        let publisher = System {
            publisher: capacity,
            ..System::default()
        };
        let consumer = System {
            consumer: capacity,
            subscriptions: 3,
            ..System::default()
        };
        for (system, limit) in [
            (broker, Limit::Broker),
            (publisher, Limit::Publisher),
            (consumer, Limit::Consumer),
        ] {
            let start = f64::min(capacity * 0.7, 10_000.0);
            let (found, report) = find(&system, RateSearch { start, ..config() }, 1);
            assert_within(found, capacity, if capacity < 100.0 { 0.2 } else { 0.02 });
            assert_eq!(report.limit, Some(limit), "{report:?}");
            assert!(report.proved);
            let bracket = report.high.unwrap() / report.low.unwrap();
            assert!(bracket <= 1.02, "{report:?}");
        }
    }
}

#[test]
fn repeated_searches_of_a_broker_that_pauses_agree_within_five_percent() {
    let system = System {
        broker: 50_000.0,
        pauses: 0.02,
        ..System::default()
    };
    let rates: Vec<f64> = (0..20)
        .map(|seed| match find(&system, config(), seed) {
            (Next::Found(rate), _) => rate,
            other => panic!("{other:?}"),
        })
        .collect();
    let (low, high) = rates
        .iter()
        .fold((f64::MAX, 0.0_f64), |(low, high), &rate| {
            (low.min(rate), high.max(rate))
        });
    assert!(high / low <= 1.05, "{rates:?}");
}

#[test]
fn a_latency_that_must_hold_ends_the_rise_before_anything_piles_up() {
    let system = System {
        broker: 100_000.0,
        latency: (1.0, 21.0),
        ..System::default()
    };
    let objective = parse_objective("response.p99<11ms").unwrap();
    let objectives = vec![objective];
    let (found, report) = find(
        &system,
        RateSearch {
            objectives,
            ..config()
        },
        3,
    );
    assert_within(found, 50_000.0, 0.02);
    assert!(
        matches!(report.limit, Some(Limit::Objective(_))),
        "{report:?}"
    );
}

#[test]
fn out_of_time_it_takes_the_best_rate_so_far_or_says_that_there_is_none() {
    let system = System {
        broker: 50_000.0,
        ..System::default()
    };
    let deadline = Duration::from_secs(12);
    let (found, report) = find(
        &system,
        RateSearch {
            deadline,
            ..config()
        },
        4,
    );
    assert!(
        matches!(found, Next::Found(rate) if rate <= 51_000.0),
        "{found:?}"
    );
    assert!(!report.proved && report.low.is_some(), "{report:?}");

    let system = System {
        broker: 0.0,
        ..System::default()
    };
    let (found, report) = find(&system, config(), 5);
    assert_eq!((found, report.rate), (Next::Nothing, None));
    assert!(report.steps.len() > 1);
}

#[test]
fn a_consumer_that_is_away_for_a_while_does_not_make_the_broker_slow() {
    let system = System {
        broker: 50_000.0,
        consumer: 500_000.0,
        ..System::default()
    };
    for at in [2, 8, 14, 25, 33] {
        let gone = Duration::from_secs(at)..Duration::from_secs(at + 5);
        let mut died = false;
        let (found, report) = find_with(&system, config(), 6, |search, time| {
            let away = gone.contains(&time);
            if away && !std::mem::replace(&mut died, true) {
                search.disturb();
            }
            !away
        });
        assert_within(found, 50_000.0, 0.02);
        assert_eq!(report.limit, Some(Limit::Broker), "{report:?}");
    }
}

#[test]
fn a_broker_that_loses_messages_to_errors_holds_no_rate() {
    let grid = Grid { origin: BEGAN };
    let mut search = Search::new(config(), grid, BEGAN, 2);
    let mut now = BEGAN;
    let over = (0..).find_map(|slot| {
        let mut delta = SlotDelta {
            slot: Slot(slot),
            ..SlotDelta::default()
        };
        let phase = delta.phases.of_mut(LoadPhase::WarmUp);
        (phase.sent, phase.acknowledged, phase.failed) = (2_000, 1_900, 100);
        search.add(&delta, 1_900, 1_900);
        now = now + SLOT;
        search.look(now, true)
    });
    assert!(
        matches!(over, Some(Next::Rate(rate)) if rate < 10_000.0),
        "{over:?}"
    );
    assert_eq!(search.report().limit, Some(Limit::Errors));
}
