//! What has to hold on every broker when processes of a run die, hang or are stopped.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::scenarios::{
    assert_all_received, assert_balanced, assert_nothing_left, over_subscriptions,
};
use super::{Broker, PATIENCE, Run, count, wait_for};

/// A process's state letter.
fn state(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or("?");
    after.chars().take(1).collect()
}

fn disturbances(result: &Value) -> &Value {
    &result["omb"]["disturbances"]
}

/// All that was acknowledged was received once; what a killed producer had under way may have been.
pub fn assert_exact_but_for_unknown(result: &Value) {
    assert_balanced(result);
    let ledger = &result["omb"]["ledger"];
    let (acknowledged, unknown) = (count(&ledger["acknowledged"]), count(&ledger["unknown"]));
    let received = over_subscriptions(result, "received");
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&received),
        "{received} received: {ledger}"
    );
    for class in [
        "lost",
        "unread",
        "duplicates",
        "late",
        "reordered",
        "foreign",
    ] {
        assert_eq!(over_subscriptions(result, class), 0, "{class}: {ledger}");
    }
}

/// Faults kill producers and consumers; the run goes on, and every message that was due is accounted
/// for: sent, or unsent because nobody was there.
pub fn faults_kill_and_the_books_stay_exact(broker: &Broker) {
    let changes = [
        ("testDuration", "11s"),
        ("restart", "{producers: true, maxRestarts: 0}"),
        (
            "faults",
            "[kill consumer every 4s, kill producer 1 every 3s]",
        ),
    ];
    let mut run = Run::start(broker, &changes, &[]);
    run.finish_with(0);
    let result = run.result();
    assert_exact_but_for_unknown(&result);
    let ledger = &result["omb"]["ledger"];
    // 2,000 a second for 1 s and 11 s.
    let planned = 2_000 * 12;
    assert_eq!(
        count(&ledger["sent"]) + count(&ledger["unsent"]),
        planned,
        "{ledger}"
    );
    assert!(count(&ledger["unsent"]) > 0, "{ledger}");
    let found = disturbances(&result);
    assert_eq!(
        (&found["count"], &found["unrecovered"]),
        (&5.into(), &0.into()),
        "{found}"
    );
    assert_eq!(
        (&found["missedFaults"], &result["omb"]["restarts"]),
        (&0.into(), &5.into())
    );
    for one in found["list"].as_array().unwrap() {
        assert_eq!(
            (&one["what"], &one["planned"]),
            (&"death".into(), &true.into())
        );
        assert!(one["recoverySeconds"].as_f64().unwrap() > 0.0, "{one}");
        assert!(one["caughtUpSeconds"].as_f64().unwrap() >= 0.0, "{one}");
    }
    let lives = result["omb"]["processes"].as_array().unwrap();
    let last_of = |role: &str| {
        let of_role = lives.iter().filter(|life| life["role"] == role);
        of_role.map(|life| count(&life["incarnation"])).max()
    };
    assert_eq!(last_of("producer"), Some(3), "{lives:?}");
    assert_nothing_left(&run, broker);
}

/// A run that is paused as a whole goes on, says so, and keeps the pause out of its other figures.
pub fn a_paused_run_goes_on_and_marks_the_pause(broker: &Broker) {
    let changes = [("testDuration", "6s"), ("reportPeriod", "1s")];
    let mut run = Run::start(broker, &changes, &[]);
    run.wait_for_measure();
    let clients: Vec<i32> = run
        .children()
        .into_iter()
        .filter(|(_, role, _)| role != "steward")
        .map(|(pid, ..)| pid)
        .collect();
    run.signal(Signal::SIGTSTP);
    wait_for("everything stopped", PATIENCE, || {
        let all = clients
            .iter()
            .chain([&run.pid()])
            .all(|&pid| state(pid) == "T");
        all.then_some(())
    });
    // The steward is there for the case that somebody kills a run that is paused.
    assert_ne!(state(run.child("steward")), "T");
    std::thread::sleep(Duration::from_millis(1_500));
    run.signal(Signal::SIGCONT);
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 1);
    let found = disturbances(&result);
    assert_eq!(
        (&found["count"], &found["unrecovered"]),
        (&1.into(), &0.into()),
        "{found}"
    );
    assert_eq!(found["list"][0]["what"], "pause");
    assert!(
        found["list"][0]["caughtUpSeconds"].as_f64().unwrap() >= 1.5,
        "{found}"
    );
    // How long messages waited for the clients, whatever the broker did.
    let all = result["aggregatedPublishDelayLatencyMax"].as_f64().unwrap() / 1e3;
    let undisturbed = &result["omb"]["undisturbed"]["publishDelayLatency"]["max"];
    assert!(
        all > 1_000.0 && undisturbed.as_f64().unwrap() < 1_000.0,
        "{all}, {undisturbed}"
    );
    assert_nothing_left(&run, broker);
}

/// A child that something stopped, and that nobody continues, is killed and started again.
pub fn a_child_that_hangs_is_ended_and_comes_back(broker: &Broker) {
    let changes = [("testDuration", "10s"), ("hangAfter", "2s")];
    let mut run = Run::start(broker, &changes, &[]);
    run.wait_for_measure();
    let victim = run.child("consumer");
    kill(Pid::from_raw(victim), Signal::SIGSTOP).unwrap();
    run.finish_with(0);
    let result = run.result();
    assert_all_received(&result, 1);
    let found = disturbances(&result);
    assert_eq!(
        (&found["count"], &found["unrecovered"]),
        (&1.into(), &0.into()),
        "{found}"
    );
    let cause = found["list"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("it said nothing for 2s"), "{cause}");
    assert_nothing_left(&run, broker);
}

/// SIGUSR1 changes nothing but what is shown.
pub fn sigusr1_shows_how_things_are(broker: &Broker) {
    let mut run = Run::start(broker, &[], &[]);
    run.wait_for_measure();
    run.signal(Signal::SIGUSR1);
    run.wait_for_stderr("status: run ");
    run.finish_with(0);
    let text = run.stderr();
    let status = text
        .lines()
        .find(|line| line.contains("status: run "))
        .unwrap();
    for part in ["phase measure", " sent, ", "0 lost", "processes alive"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert_all_received(&run.result(), 1);
}
