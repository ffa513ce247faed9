//! What is planted in a broker is what the result names: no more and no less.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;
#[path = "common/lying.rs"]
mod lying;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use common::omb;
use lying::{Books, Lying};

#[test]
fn nothing_planted_is_nothing_told() {
    let told = Lying::default().run(0);
    told.assert_books("honest", Books::default(), 0);
}

#[test]
fn a_dropped_message_is_lost_wherever_its_offset_goes() {
    for offset in ["empty", "reused"] {
        let fault = format!("drop:at=300,count=7,offset={offset}");
        let told = Lying {
            faults: &[&fault],
            ..Lying::default()
        }
        .run(3);
        let expected = Books {
            lost: 7,
            ..Books::default()
        };
        told.assert_books(offset, expected, 0);
    }
}

/// Nothing comes behind them, so nobody can tell whether they will come.
#[test]
fn messages_dropped_at_the_very_end_are_unread_and_the_run_has_failed() {
    for offset in ["empty", "reused"] {
        let fault = format!("drop:at=998,count=3,offset={offset}");
        let told = Lying {
            faults: &[&fault],
            workload: &[("drainDeadline", "1s")],
            ..Lying::default()
        }
        .run(1);
        let expected = Books {
            unread: 3,
            ..Books::default()
        };
        told.assert_books(offset, expected, 0);
        let reason = told.result["omb"]["reason"].to_string();
        assert!(reason.contains("unread"), "{offset}: {reason}");
    }
}

#[test]
fn a_message_stored_twice_is_a_duplicate() {
    let told = Lying {
        faults: &["double:at=300,count=7"],
        ..Lying::default()
    }
    .run(0);
    let expected = Books {
        duplicates: 7,
        ..Books::default()
    };
    told.assert_books("double", expected, 0);
}

#[test]
fn a_message_behind_its_successor_is_reordered() {
    let told = Lying {
        faults: &["swap:at=300,count=7"],
        ..Lying::default()
    }
    .run(0);
    let expected = Books {
        reordered: 7,
        ..Books::default()
    };
    told.assert_books("swap", expected, 0);
}

/// However messages travel: many in a batch, compressed, numbered by the producer, without room
/// for a stamp, to several partitions.
#[test]
fn faults_of_every_kind_are_told_apart_however_messages_travel() {
    const MANY: &str = "linger.ms=40";
    for (producer, size, partitions) in [
        (MANY, "100", "1"),
        (MANY, "10", "1"),
        ("linger.ms=40\ncompression.type=zstd", "100", "3"),
        ("linger.ms=40\nenable.idempotence=true", "100", "3"),
    ] {
        let told = Lying {
            faults: &[
                "drop:at=200,count=3",
                "drop:at=300,count=4,offset=reused",
                "double:at=400,count=5",
                "swap:at=500,count=6",
            ],
            producer,
            workload: &[("messageSize", size), ("partitionsPerTopic", partitions)],
            ..Lying::default()
        }
        .run(3);
        let expected = Books {
            lost: 7,
            duplicates: 5,
            reordered: 6,
            ..Books::default()
        };
        told.assert_books(&format!("{producer}, {size} bytes"), expected, 0);
    }
}

#[test]
fn an_older_offset_than_was_committed_is_a_redelivery() {
    let told = Lying {
        faults: &["rewind:at=300,by=70"],
        ..Lying::default()
    }
    .run(0);
    let expected = Books {
        redelivered: 70,
        ..Books::default()
    };
    told.assert_books("rewind", expected, 0);
}

/// 1.2 s, for one of four connections: 15 % of the messages of 2 s have to wait, the last of them
/// not at all. Were the others held up too, 60 % would have to, and a quarter of all for 0.7 s.
#[test]
fn a_late_acknowledgement_is_told_and_holds_up_nobody_else() {
    let told = Lying {
        faults: &["delay:at=60,for=1200ms,topic=1"],
        workload: &[("topics", "4")],
        ..Lying::default()
    }
    .run(0);
    told.assert_books("delay", Books::default(), 0);
    let figure = |name: &str| told.result[name].as_f64().unwrap();
    let longest = figure("aggregatedPublishLatencyMax");
    assert!(longest >= 1_200.0, "{longest} ms");
    let most = figure("aggregatedPublishLatency75pct");
    assert!(most < 350.0, "{most} ms");
}

/// A broker in a process of its own; it ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_broker_alone_lies_when_told_to_and_says_so() {
    let fault = "drop:at=300,count=2";
    let broker = omb()
        .args(["broker", "--listen", "127.0.0.1:0", "--fault", fault])
        .stderr(Stdio::piped())
        .spawn();
    let mut broker = Process(broker.unwrap());
    let mut lines = BufReader::new(broker.0.stderr.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let banner = next();
    let address = banner.split("broker at ").nth(1).unwrap();
    let address = address.split(',').next().unwrap();
    assert_eq!(
        next(),
        format!("omb: for tests only, this broker lies: {fault}")
    );
    let result = Lying::default().run_at(address, 3);
    assert_eq!(common::first_books(&result)["lost"], 2);
    let told = next();
    assert!(
        told.starts_with("omb: planted") && told.ends_with(fault),
        "{told}"
    );
}

#[test]
fn a_fault_that_makes_no_sense_is_told_and_the_help_is_silent() {
    let wrong = omb()
        .args(["broker", "--fault", "dorp:at=1"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let stderr = String::from_utf8(wrong.stderr).unwrap();
    let first = stderr.lines().next().unwrap();
    assert!(
        first.contains("dorp") && first.contains("did you mean drop?"),
        "{stderr}"
    );
    let help = omb().args(["broker", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("--listen") && !help.contains("--fault"),
        "{help}"
    );
}
