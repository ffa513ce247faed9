//! What has to hold on every broker.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{
    Broker, Run, assert_accounted_for, count, kafka, processes, pulsar, rabbitmq, rocketmq,
};

/// OMB's scalar fields, and its arrays with one entry per period.
const SCALARS: [&str; 7] = [
    "workload",
    "driver",
    "messageSize",
    "topics",
    "partitions",
    "producersPerTopic",
    "consumersPerTopic",
];
const ARRAYS: [&str; 7] = [
    "publishRate",
    "publishErrorRate",
    "consumeRate",
    "backlog",
    "publishLatency99pct",
    "publishDelayLatency99pct",
    "endToEndLatency99pct",
];

/// Sums a count over all subscriptions.
pub fn over_subscriptions(result: &Value, class: &str) -> u64 {
    let subscriptions = result["omb"]["ledger"]["subscriptions"]
        .as_object()
        .unwrap();
    subscriptions
        .values()
        .map(|books| count(&books[class]))
        .sum()
}

pub fn assert_balanced(result: &Value) {
    let ledger = &result["omb"]["ledger"];
    let of = |name: &str| count(&ledger[name]);
    assert_eq!(
        of("sent"),
        of("acknowledged") + of("failed") + of("unknown"),
        "{ledger}"
    );
    assert_examples(result);
}

/// All that was acknowledged was received, once.
pub fn assert_all_received(result: &Value, subscriptions: u64) {
    assert_balanced(result);
    let acknowledged = count(&result["omb"]["ledger"]["acknowledged"]);
    assert_eq!(
        over_subscriptions(result, "received"),
        acknowledged * subscriptions
    );
    for count in [
        "lost",
        "unread",
        "duplicates",
        "late",
        "reordered",
        "foreign",
    ] {
        assert_eq!(
            over_subscriptions(result, count),
            0,
            "{count}: {}",
            result["omb"]["ledger"]
        );
    }
}

pub fn assert_nothing_left(run: &Run, broker: &Broker) {
    run.assert_nothing_left();
    match broker {
        Broker::Kafka => kafka::assert_nothing_left(&run.id()),
        Broker::Pulsar(_) => pulsar::assert_nothing_left(&run.id()),
        Broker::RabbitMq(_) => rabbitmq::assert_nothing_left(&run.id()),
        Broker::RocketMq(_) => rocketmq::assert_nothing_left(&run.id()),
        Broker::Embedded | Broker::At(_) => {}
    }
}

/// Each class of which there are any has examples, and of which there are none has none.
fn assert_examples(result: &Value) {
    let subscriptions = result["omb"]["ledger"]["subscriptions"]
        .as_object()
        .unwrap();
    for books in subscriptions.values() {
        for (class, examples) in books["examples"].as_object().unwrap() {
            let examples = examples.as_array().unwrap().len() as u64;
            assert!(examples <= 5, "{class}: {books}");
            assert_eq!(examples > 0, count(&books[class]) > 0, "{class}: {books}");
        }
    }
}

/// The rate is the one asked for, every message arrives, OMB's fields are there, samples are
/// whole, and nothing is left.
pub fn a_run_keeps_its_rate_and_its_books(broker: &Broker) {
    let mut run = Run::start(broker, &[], &[]);
    run.finish_with(0);
    let result = run.result();
    let rates = result["publishRate"].as_array().unwrap();
    let rate = rates.iter().map(|r| r.as_f64().unwrap()).sum::<f64>() / rates.len() as f64;
    assert!(
        (rate - 2_000.0).abs() <= 2.0,
        "{rate} messages a second instead of 2,000"
    );
    assert_eq!(rates.len(), 2, "periods of 1 s in 2 s");
    assert_all_received(&result, 1);
    assert_eq!(count(&result["omb"]["sent"]), 4_000);
    assert_eq!(count(&result["omb"]["received"]), 4_000);
    assert_eq!(
        count(&result["omb"]["ledger"]["sent"]),
        6_000,
        "with 1 s of warm-up"
    );
    assert_eq!(result["omb"]["status"], "completed");
    let embedded = matches!(broker, Broker::Embedded);
    assert_eq!(
        result["omb"]["broker"],
        if embedded { "embedded" } else { "external" }
    );
    assert_eq!(
        run.stderr().contains("embedded broker"),
        embedded,
        "{}",
        run.stderr()
    );
    for field in SCALARS {
        assert!(!result[field].is_null(), "{field}");
    }
    for field in ARRAYS {
        assert_eq!(result[field].as_array().map(Vec::len), Some(2), "{field}");
    }
    for process in result["omb"]["processes"].as_array().unwrap() {
        assert_eq!(process["ended"], "exit 0", "{process}");
    }
    let samples: Vec<Value> = run
        .samples()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(samples[0]["type"], "run");
    assert_eq!(samples.last().unwrap()["type"], "end");
    let seconds = samples
        .iter()
        .filter(|sample| sample["type"] == "sample")
        .count();
    assert_eq!(seconds, 3, "1 s of warm-up and 2 s measured");
    assert_nothing_left(&run, broker);
}

/// Several subscriptions with keyed messages too small for a stamp: each gets every message.
pub fn every_subscription_gets_every_small_message(broker: &Broker) {
    let changes = [
        ("messageSize", "10"),
        ("subscriptionsPerTopic", "3"),
        ("consumerPerSubscription", "1"),
        ("producersPerTopic", "2"),
        ("keyDistributor", "KEY_ROUND_ROBIN"),
    ];
    let mut run = Run::start(broker, &changes, &[]);
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 3);
    // 2,000 a second for 3 s.
    assert_accounted_for(&result, 6_000);
    let measured = &result["omb"];
    assert_eq!(count(&measured["received"]), count(&measured["sent"]) * 3);
    assert!(
        result["omb"]["notes"].to_string().contains("record header"),
        "{}",
        result["omb"]
    );
    assert_nothing_left(&run, broker);
}

/// A consumer that is killed comes back; what it read and had not committed is read again.
/// The load goes on while consumers stand still, and while they catch up.
pub fn a_backlog_is_built_and_drained(broker: &Broker) {
    let changes = [
        ("producerRate", "10000"),
        ("subscriptionsPerTopic", "2"),
        ("consumerBacklogSize", "8MB"),
        ("backlogDrainRatio", "0.9"),
        ("warmupDuration", "1s"),
        ("testDuration", "1s"),
    ];
    let mut run = Run::start(broker, &changes, &[]);
    // One that starts anew meanwhile stands still, too.
    run.wait_for_stderr("consumers stand still");
    kill(Pid::from_raw(run.child("consumer")), Signal::SIGKILL).unwrap();
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 2);
    let drain = &result["omb"]["backlogDrain"];
    assert_eq!(count(&drain["requested"]), 40_000);
    assert_eq!(count(&drain["level"]), 10_000, "{drain}");
    assert!(count(&drain["messages"]) >= 40_000, "{drain}");
    // 20,000 messages a second for the two subscriptions, and what the killed one had not read.
    let built = drain["builtSeconds"].as_f64().unwrap();
    assert!((1.0..10.0).contains(&built), "{drain}");
    assert!(drain["drainedSeconds"].as_f64().unwrap() > 0.0, "{drain}");
    assert!(drain["drainRate"].as_f64().unwrap() > 20_000.0, "{drain}");
    assert!(result["omb"]["measuredSeconds"].as_f64().unwrap() > built);
    assert_nothing_left(&run, broker);
}

pub fn a_killed_consumer_comes_back(broker: &Broker) {
    let changes = [("testDuration", "8s"), ("reportPeriod", "2s")];
    let mut run = Run::start(broker, &changes, &[]);
    run.wait_for_measure();
    let victim = run.child("consumer");
    kill(Pid::from_raw(victim), Signal::SIGKILL).unwrap();
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 1);
    assert_eq!(result["omb"]["restarts"], 1);
    let lives: Vec<&Value> = result["omb"]["processes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|process| process["role"] == "consumer")
        .collect();
    assert_eq!(lives.len(), 3, "{lives:?}");
    let killed = lives
        .iter()
        .find(|process| process["pid"] == victim)
        .unwrap();
    assert_eq!(killed["ended"], "signal 9 (SIGKILL)");
    let again = lives
        .iter()
        .find(|process| process["incarnation"] == 1)
        .unwrap();
    assert_eq!(
        (&again["id"], &again["ended"]),
        (&killed["id"], &Value::from("exit 0"))
    );
    assert_nothing_left(&run, broker);
}

/// A consumer that dies again and again ends the run, which says so.
pub fn a_consumer_that_keeps_dying_ends_the_run(broker: &Broker) {
    let restart = ("restart", "{maxRestarts: 1, window: 5m, backoff: 10ms}");
    let changes = [
        ("testDuration", "1m"),
        ("consumerProcesses", "1"),
        ("producerRate", "100"),
        restart,
    ];
    let mut run = Run::start(broker, &changes, &[]);
    run.wait_for_measure();
    let first = run.child("consumer");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let second = super::wait_for("its next life", super::PATIENCE, || {
        run.children()
            .into_iter()
            .find(|(pid, role, _)| role == "consumer" && *pid != first)
    });
    kill(Pid::from_raw(second.0), Signal::SIGKILL).unwrap();
    run.finish_with(1);
    let result = run.result();
    assert_eq!(result["omb"]["status"], "failed");
    let reason = result["omb"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("consumer 0 died: signal 9 (SIGKILL)"),
        "{reason}"
    );
    assert!(reason.contains("maxRestarts"), "{reason}");
    assert_nothing_left(&run, broker);
}

/// A producer that dies ends the run, with its result.
pub fn a_killed_producer_ends_the_run(broker: &Broker) {
    let mut run = Run::start(broker, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    let victim = Pid::from_raw(run.child("producer"));
    kill(victim, Signal::SIGKILL).unwrap();
    run.finish_with(1);
    let result = run.result();
    assert_eq!(result["omb"]["status"], "failed");
    let reason = result["omb"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("producer") && reason.contains("SIGKILL"),
        "{reason}"
    );
    assert!(count(&result["omb"]["ledger"]["sent"]) > 0);
    assert_nothing_left(&run, broker);
}

/// Ctrl-C under load ends it in good order.
pub fn sigint_stops_a_run_in_good_order(broker: &Broker) {
    a_signal_stops_a_run(broker, Signal::SIGINT);
}

/// And so does a plain `kill`.
pub fn sigterm_stops_a_run_in_good_order(broker: &Broker) {
    a_signal_stops_a_run(broker, Signal::SIGTERM);
}

fn a_signal_stops_a_run(broker: &Broker, signal: Signal) {
    let mut run = Run::start(broker, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    run.signal(signal);
    run.finish_with(128 + signal as i32);
    let result = run.result();
    assert_eq!(result["omb"]["status"], "interrupted");
    assert!(
        result["omb"]["reason"]
            .as_str()
            .unwrap()
            .contains(signal.as_str())
    );
    assert_all_received(&result, 1);
    let sent = count(&result["omb"]["sent"]);
    assert!((1_000..100_000).contains(&sent), "{sent}");
    assert_nothing_left(&run, broker);
}

/// A signal before the load, too; the result says that nothing was measured.
pub fn a_signal_in_the_warm_up_leaves_a_valid_result(broker: &Broker) {
    let mut run = Run::start(broker, &[("warmupDuration", "1m")], &[]);
    super::wait_for("a second of warm-up", super::PATIENCE, || {
        run.samples().contains(r#""phase":"warm-up""#).then_some(())
    });
    run.signal(Signal::SIGTERM);
    run.finish_with(143);
    let result = run.result();
    assert_eq!(result["omb"]["status"], "interrupted");
    assert_eq!(
        (&result["omb"]["sent"], &result["omb"]["received"]),
        (&0.into(), &0.into())
    );
    assert_eq!(result["publishRate"].as_array().unwrap().len(), 1);
    assert_all_received(&result, 1);
    assert_nothing_left(&run, broker);
}

/// Two signals end a run at once, and still nothing is left.
pub fn a_second_signal_ends_a_run_at_once(broker: &Broker) {
    let mut run = Run::start(broker, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    let begin = std::time::Instant::now();
    let status = run.finish();
    assert!(begin.elapsed().as_secs_f64() < 1.0, "{:?}", begin.elapsed());
    assert!(matches!(status.code(), Some(130 | 143)), "{status}");
    assert_eq!(run.result()["omb"]["status"], "interrupted");
    assert_nothing_left(&run, broker);
}

/// The supervisor killed: its children are gone within a second, its topics soon after.
pub fn a_killed_supervisor_leaves_nothing(broker: &Broker) {
    let mut run = Run::start(broker, &[("testDuration", "1m")], &[]);
    run.wait_for_measure();
    let children: Vec<i32> = run
        .children()
        .into_iter()
        .filter(|(_, role, _)| role != "steward")
        .map(|(pid, ..)| pid)
        .collect();
    assert!(children.len() >= 4, "{children:?}");
    run.signal(Signal::SIGKILL);
    run.finish();
    super::wait_for("children gone", std::time::Duration::from_secs(1), || {
        processes(|pid, _, _| children.contains(&pid))
            .is_empty()
            .then_some(())
    });
    assert_nothing_left(&run, broker);
}
