//! What becomes of a run when its Pulsar is killed and comes back, with the data it had.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use common::scenarios::{assert_balanced, over_subscriptions};
use common::{Broker, Run, count};

/// A Pulsar of a test's own, ended when dropped.
struct OwnPulsar {
    home: tempfile::TempDir,
    port: u16,
}

/// Five ports in a row; others for each caller.
fn free_ports() -> u16 {
    static FROM: AtomicU16 = AtomicU16::new(26_000);
    let from = FROM.fetch_add(1_000, Ordering::Relaxed);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = |&first: &u16| (first..first + 5).all(is_free);
    (from..from + 1_000).step_by(7).find(all_free).unwrap()
}

impl OwnPulsar {
    fn start() -> Self {
        let own = Self {
            home: tempfile::tempdir().unwrap(),
            port: free_ports(),
        };
        own.script("start");
        own
    }

    fn script(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/broker");
        let done = Command::new(script)
            .args(["pulsar", verb])
            .env("CARGO_TARGET_DIR", self.home.path())
            .env("OMB_PULSAR_PORT", self.port.to_string())
            .status();
        assert!(done.unwrap().success(), "scripts/broker pulsar {verb}");
    }

    fn address(&self) -> Broker {
        Broker::At(format!("pulsar://127.0.0.1:{}", self.port))
    }

    fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port + 2)
    }
}

impl Drop for OwnPulsar {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Everything with a receipt was written, and comes; what was under way is sent again, and was perhaps written
/// before: the broker knows it then, or there are two of it.
fn survives(deduplication: bool) {
    let pulsar = OwnPulsar::start();
    let deduplication_enabled = format!("deduplicationEnabled={deduplication}");
    let policies = [
        "ensembleSize=1",
        "writeQuorum=1",
        "ackQuorum=1",
        &deduplication_enabled,
    ];
    let policies = policies.map(|policy| format!("client.persistence.{policy}"));
    let mut settings = vec!["-X".to_owned(), common::pulsar::http_of(&pulsar.http())];
    settings.extend(policies.into_iter().flat_map(|one| ["-X".to_owned(), one]));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut run = Run::start(
        &pulsar.address(),
        &[("testDuration", "25s"), ("producerRate", "1000")],
        &settings,
    );
    run.wait_for_measure();
    pulsar.script("kill");
    pulsar.script("revive");
    run.finish_with(0);
    let result = run.result();
    assert_balanced(&result);
    let ledger = &result["omb"]["ledger"];
    let of = |class: &str| over_subscriptions(&result, class);
    let (acknowledged, unknown) = (count(&ledger["acknowledged"]), count(&ledger["unknown"]));
    let received = of("received");
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&received),
        "{received} received: {ledger}"
    );
    // At 1,000 a second most of what was due while nobody answered was sent afterwards.
    assert!(acknowledged > 20_000, "{ledger}");
    assert_eq!(
        (of("lost"), of("unread"), of("foreign")),
        (0, 0, 0),
        "{ledger}"
    );
    if deduplication {
        assert_eq!(of("duplicates"), 0, "{ledger}");
    }
    let notes = run.stderr();
    assert!(notes.contains("connection to Pulsar is lost"), "{notes}");
    run.assert_nothing_left();
    let left = common::pulsar::names_through(&pulsar.http(), &run.id());
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_has_a_receipt_survives_the_brokers_death() {
    survives(false);
}

#[test]
fn what_is_sent_again_is_known_to_a_broker_with_deduplication() {
    survives(true);
}
