use super::disturbances::Disturbances;
use super::*;
use crate::config::testing;
use crate::stats::latencies::LatencyRecorders;
use crate::stats::ledger::SubscriptionCounts;

/// Two minutes of nothing in particular: 1,000 messages a second, one subscription.
pub fn run() -> Run {
    let mut recorders = LatencyRecorders::default();
    for message in 0..120_000u64 {
        let nanos = 300_000 + message * 40;
        recorders.publish.record(nanos);
        recorders.publish_delay.record(message / 10);
        recorders.response.record(nanos + message / 10);
        recorders.end_to_end.record(nanos * 2);
        recorders
            .end_to_end_response
            .record(nanos * 2 + message / 10);
    }
    recorders.end_to_end.record_signed(-5);
    let mut histograms = Latencies::default();
    histograms.add(&recorders.cut()).unwrap();
    let counters = |messages| Counters {
        sent: messages,
        acknowledged: messages,
        received: messages,
        acknowledged_bytes: messages * 1_024,
        received_bytes: messages * 1_024,
        ..Counters::default()
    };
    let interval = |start: f64, seconds: f64| Interval {
        start,
        seconds,
        counters: counters((seconds * 1_000.0) as u64),
        backlog: 3,
        disturbed: false,
        latencies: histograms.summaries(),
    };
    Run {
        id: "00c0ffee".to_owned(),
        workload: testing::workload(),
        driver: DriverName {
            name: "Kafka".to_owned(),
            embedded: true,
        },
        status: Status::Completed,
        reason: None,
        events: Events::default(),
        notes: vec!["2 logical producers share 1 client".to_owned()],
        periods: vec![interval(0.0, 60.0), interval(60.0, 60.0)],
        total: interval(0.0, 120.0),
        latencies: histograms.clone(),
        undisturbed: None,
        disturbances: Disturbances::default(),
        backlog_drain: None,
        rate_search: None,
        rates: Vec::new(),
        processes: vec![Process {
            role: "producer".into(),
            id: 0,
            incarnation: 0,
            pid: 77,
            ended: Some("exit 0".to_owned()),
            cpu_seconds: 1.5,
            max_rss_bytes: 12 << 20,
        }],
        restarts: 0,
        cpu_seconds: 2.0,
        started_unix_ms: 1_700_000_000_123,
        busy: None,
        provenance: Provenance::default(),
        samples_lost: 0,
        ledger: LedgerReport {
            sent: 122_000,
            acknowledged: 122_000,
            subscriptions: vec![(
                "sub-000-00c0ffee".to_owned(),
                SubscriptionCounts {
                    received: 122_000,
                    ..SubscriptionCounts::default()
                },
            )],
            ..LedgerReport::default()
        },
    }
}

/// A run that ended before it measured anything.
pub fn nothing_measured() -> Run {
    Run {
        status: Status::Failed,
        reason: Some("no broker at localhost:9092".to_owned()),
        notes: Vec::new(),
        periods: Vec::new(),
        total: Interval::default(),
        latencies: Latencies::default(),
        processes: Vec::new(),
        ledger: LedgerReport::default(),
        ..run()
    }
}
