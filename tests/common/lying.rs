//! Runs against a broker in which faults are planted.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;

use omb::broker::Options;
use serde_json::Value;

use crate::common::{Broker, Run, count};
use crate::embedded::Embedded;

/// One message in a batch.
pub const ONE_IN_A_BATCH: &str = "batch.num.messages=1";

/// A run against a broker that lies.
pub struct Lying<'a> {
    /// What is planted.
    pub faults: &'a [&'a str],
    /// Producer settings, one in a line.
    pub producer: &'a str,
    /// Lines of the workload.
    pub workload: &'a [(&'a str, &'a str)],
    /// How many messages that comes to.
    pub messages: u64,
}

/// What such a run came to.
pub struct Told {
    pub result: Value,
    /// How many messages were to be sent.
    pub messages: u64,
    /// What the broker said of what it planted.
    pub broker: Vec<String>,
}

/// One producer and one consumer of one partition: 400 messages a second, for 2.5 s.
const WORKLOAD: [(&str, &str); 10] = [
    ("topics", "1"),
    ("partitionsPerTopic", "1"),
    ("producersPerTopic", "1"),
    ("consumerPerSubscription", "1"),
    ("producerProcesses", "1"),
    ("consumerProcesses", "1"),
    ("messageSize", "100"),
    ("producerRate", "400"),
    ("warmupDuration", "500ms"),
    ("testDuration", "2s"),
];

impl Default for Lying<'_> {
    fn default() -> Self {
        Lying {
            faults: &[],
            producer: ONE_IN_A_BATCH,
            workload: &[],
            messages: 1_000,
        }
    }
}

impl Lying<'_> {
    /// Runs, which has to end with this code. All that is planted has to be planted in whole.
    pub fn run(&self, code: i32) -> Told {
        let faults: Vec<_> = self
            .faults
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let broker = Embedded::with(Options {
            faults,
            ..Options::default()
        });
        let result = self.run_at(&broker.address().to_string(), code);
        let broker = broker.stop();
        for fault in self.faults {
            let planted = |line: &String| line.starts_with("planted") && line.ends_with(fault);
            assert!(broker.iter().any(planted), "{broker:?}");
        }
        let missed = |line: &String| line.starts_with("not planted");
        assert!(!broker.iter().any(missed), "{broker:?}");
        Told {
            result,
            messages: self.messages,
            broker,
        }
    }

    /// Runs against a broker at this address; the result.
    pub fn run_at(&self, address: &str, code: i32) -> Value {
        let directory = tempfile::tempdir().unwrap();
        let driver = directory.path().join("lying.yaml");
        let producer: String = self
            .producer
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect();
        let text = format!(
            "name: lying\n\
             driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver\n\
             replicationFactor: 1\n\
             commonConfig: |\n  bootstrap.servers={address}\n\
             producerConfig: |\n{producer}"
        );
        fs::write(&driver, text).unwrap();
        let changes = [&WORKLOAD, self.workload].concat();
        let driver = driver.display().to_string();
        let mut run = Run::start(&Broker::Embedded, &changes, &["-d", &driver]);
        run.finish_with(code);
        run.assert_nothing_left();
        run.result()
    }
}

/// What a ledger says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Books {
    pub failed: u64,
    pub unknown: u64,
    pub lost: u64,
    pub unread: u64,
    pub duplicates: u64,
    pub redelivered: u64,
    pub reordered: u64,
    pub late: u64,
    pub foreign: u64,
}

impl Told {
    /// What the ledger says beside what was sent, acknowledged and received.
    pub fn books(&self) -> Books {
        let ledger = &self.result["omb"]["ledger"];
        let of = |name: &str| self.over_subscriptions(name);
        Books {
            failed: count(&ledger["failed"]),
            unknown: count(&ledger["unknown"]),
            lost: of("lost"),
            unread: of("unread"),
            duplicates: of("duplicates"),
            redelivered: of("redelivered"),
            reordered: of("reordered"),
            late: of("late"),
            foreign: of("foreign"),
        }
    }

    /// A count of the ledger.
    pub fn ledger(&self, name: &str) -> u64 {
        count(&self.result["omb"]["ledger"][name])
    }

    /// A count over all subscriptions: each of these runs has one for a topic.
    pub fn over_subscriptions(&self, name: &str) -> u64 {
        let subscriptions = &self.result["omb"]["ledger"]["subscriptions"];
        let books = subscriptions.as_object().unwrap().values();
        books.map(|books| count(&books[name])).sum()
    }

    /// The ledger says this and nothing else, and every message is accounted for. `stored`: how
    /// many came that weren't acknowledged.
    pub fn assert_books(&self, what: &str, expected: Books, stored: u64) {
        let ledger = &self.result["omb"]["ledger"];
        assert_eq!(self.books(), expected, "{what}: {ledger}");
        let (sent, acknowledged) = (self.ledger("sent"), self.ledger("acknowledged"));
        let due = sent + self.ledger("unsent");
        assert_eq!(due, self.messages, "{what}: {ledger}");
        assert_eq!(
            sent,
            acknowledged + expected.failed + expected.unknown,
            "{what}: {ledger}"
        );
        assert_eq!(
            self.over_subscriptions("received"),
            acknowledged + stored - expected.lost - expected.unread,
            "{what}: {ledger}"
        );
    }
}
