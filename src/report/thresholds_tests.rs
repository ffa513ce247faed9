use super::super::testing;
use super::*;
use crate::config::{measures, parse_threshold};

fn judged(run: &Run, text: &str) -> Verdict {
    let mut run = run.clone();
    run.workload.thresholds = vec![parse_threshold(text).unwrap()];
    verdicts(&run).remove(0)
}

#[test]
fn thresholds_are_held_against_the_figures_of_the_result() {
    let mut run = testing::run();
    (run.ledger.failed, run.ledger.unsent, run.restarts) = (2, 3, 1);
    run.total.counters.failed = 12;
    run.ledger.subscriptions[0].1.lost = 4;
    let mut second = run.ledger.subscriptions[0].clone();
    second.1.lost = 3;
    run.ledger.subscriptions.push(second);
    for (text, measured) in [
        ("publish.max<5.2ms", 5.1),
        ("publish.max<=5.1ms", 5.1),
        ("response.max<1s", 5.112),
        ("publishDelay.max<20us", 0.012),
        ("endToEnd.max>10ms", 10.2),
        ("publishRate>=1000", 1_000.0),
        ("consumeRate<1001", 1_000.0),
        ("errors<0.01", 100.0 * 12.0 / 120_012.0),
        ("lost==7", 7.0),
        ("unread==0", 0.0),
        ("failed<=2", 2.0),
        ("unsent==3", 3.0),
        ("restarts<2", 1.0),
    ] {
        let verdict = judged(&run, text);
        assert_eq!(
            (verdict.measured, verdict.met),
            (Some(measured), true),
            "{text}"
        );
    }
    for text in [
        "publish.max<5.1ms",
        "publishRate>1000",
        "errors==0",
        "lost<7",
        "unsent>=4",
    ] {
        assert!(!judged(&run, text).met, "{text}");
    }
}

#[test]
fn each_measure_looks_at_a_figure_of_its_own() {
    let mut run = testing::run();
    let mut next = 0.0;
    let mut all = run.total.latencies.clone();
    for summary in all.each_mut() {
        let mut count = || {
            next += 1e6;
            next
        };
        *summary = Summary {
            count: 1,
            avg: count(),
            p50: count(),
            p75: count(),
            p95: count(),
            p99: count(),
            p999: count(),
            p9999: count(),
            max: count(),
        };
    }
    run.total.latencies = all;
    let latencies = measures().filter(|(_, of)| matches!(of, Measure::Latency(..)));
    let mut found: Vec<_> = latencies
        .map(|(name, _)| judged(&run, &format!("{name}<1h")).measured.unwrap())
        .collect();
    found.sort_by(f64::total_cmp);
    assert_eq!(found, (1..=40).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_measured_counts_as_met_and_says_so() {
    let nothing = testing::nothing_measured();
    for (text, note) in [
        ("publish.p99<1us", "no message was measured"),
        ("publishRate>=1", "nothing was measured"),
        ("errors==0", "no message was sent"),
        ("recovery.max<1us", "nothing disturbed the run"),
    ] {
        let verdict = judged(&nothing, text);
        assert_eq!((verdict.measured, verdict.met), (None, true), "{text}");
        assert_eq!(verdict.note.as_deref(), Some(note));
        assert!(verdict.in_words().ends_with(note), "{}", verdict.in_words());
        assert_eq!(verdict.to_json()["measured"], Value::Null);
    }
}

#[test]
fn a_disturbance_that_never_ended_is_longer_than_any_bound() {
    let mut run = testing::run();
    run.disturbances.recovery = Summary {
        count: 1,
        max: 1_234_567_890.0,
        ..Summary::default()
    };
    let recovered = judged(&run, "recovery.max<1.3s");
    assert_eq!((recovered.measured, recovered.met), (Some(1.235), true));
    run.disturbances.unrecovered = 1;
    let open = judged(&run, "recovery.max<1h");
    assert_eq!((open.measured, open.met), (None, false));
    assert_eq!(
        open.in_words(),
        "recovery.max <1h: 1 disturbance not recovered from"
    );
}

#[test]
fn a_verdict_is_shown_with_its_unit() {
    let run = testing::run();
    for (text, words) in [
        ("publish.max<50ms", "publish.max <50ms: 5.100 ms"),
        ("e2e.max<1s", "endToEnd.max <1s: 10.200 ms"),
        ("publishRate>=9900", "publishRate >=9900: 1000.0 msg/s"),
        ("lost==0", "lost ==0: 0"),
        ("errors<1%", "errors <1%: 0.0000 %"),
    ] {
        assert_eq!(judged(&run, text).in_words(), words);
    }
    let json = judged(&run, "publishRate>=9900").to_json();
    let expected = json!({
        "name": "publishRate", "bound": ">=9900", "unit": "msg/s", "measured": 1000.0, "met": false,
        "note": null,
    });
    assert_eq!(json, expected);
}
