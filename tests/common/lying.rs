//! Runs against a broker in which faults are planted.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;

use omb::broker::Options;
use serde_json::Value;

use crate::common::{Broker, Run, count, first_books};
use crate::embedded::Embedded;

/// One message in a batch, one batch under way: what is planted hits exactly what it says, and
/// nothing overtakes what is sent again.
pub const ONE_BY_ONE: &str = "batch.num.messages=1\nmax.in.flight.requests.per.connection=1";

/// A run against a broker that lies.
pub struct Lying<'a> {
    /// What is planted.
    pub faults: &'a [&'a str],
    /// Producer settings, one in a line.
    pub producer: &'a str,
    /// Lines of the workload.
    pub workload: &'a [(&'a str, &'a str)],
}

/// What such a run came to.
pub struct Told {
    pub result: Value,
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
            producer: ONE_BY_ONE,
            workload: &[],
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
            let planted = |line: &&String| line.starts_with("planted") && line.ends_with(fault);
            assert!(broker.iter().any(|line| planted(&line)), "{broker:?}");
        }
        let missed = |line: &String| line.starts_with("not planted");
        assert!(!broker.iter().any(missed), "{broker:?}");
        Told { result, broker }
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

/// What a ledger says, in the order in which it is compared.
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
        let first = first_books(&self.result);
        Books {
            failed: count(&ledger["failed"]),
            unknown: count(&ledger["unknown"]),
            lost: count(&first["lost"]),
            unread: count(&first["unread"]),
            duplicates: count(&first["duplicates"]),
            redelivered: count(&first["redelivered"]),
            reordered: count(&first["reordered"]),
            late: count(&first["late"]),
            foreign: count(&first["foreign"]),
        }
    }

    /// A count of the ledger.
    pub fn ledger(&self, name: &str) -> u64 {
        count(&self.result["omb"]["ledger"][name])
    }

    /// How many different messages came.
    pub fn received(&self) -> u64 {
        count(&first_books(&self.result)["received"])
    }

    /// The ledger says this and nothing else, and every message is accounted for. `stored`: how
    /// many came that weren't acknowledged.
    pub fn assert_books(&self, what: &str, expected: Books, stored: u64) {
        let ledger = &self.result["omb"]["ledger"];
        assert_eq!(self.books(), expected, "{what}: {ledger}");
        let (sent, acknowledged) = (self.ledger("sent"), self.ledger("acknowledged"));
        assert_eq!(sent, 1_000, "{what}: 400 a second for 2.5 s: {ledger}");
        assert_eq!(
            sent,
            acknowledged + expected.failed + expected.unknown,
            "{what}: {ledger}"
        );
        assert_eq!(
            self.received(),
            acknowledged + stored - expected.lost - expected.unread,
            "{what}: {ledger}"
        );
    }
}
