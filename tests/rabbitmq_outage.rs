//! What becomes of a run when its RabbitMQ is killed and comes back, with the data it had.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use common::scenarios::{assert_balanced, over_subscriptions};
use common::{Broker, Run, count};

/// A RabbitMQ of a test's own, ended when dropped.
struct OwnRabbitMq {
    home: tempfile::TempDir,
    port: u16,
}

/// Five ports in a row, and one 10,000 after the first; others for each caller.
fn free_ports() -> u16 {
    static FROM: AtomicU16 = AtomicU16::new(20_000);
    let from = FROM.fetch_add(1_000, Ordering::Relaxed);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = |&first: &u16| (first..first + 5).chain([first + 10_000]).all(is_free);
    (from..from + 1_000).step_by(7).find(all_free).unwrap()
}

impl OwnRabbitMq {
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
            .args(["rabbitmq", verb])
            .env("CARGO_TARGET_DIR", self.home.path())
            .env("OMB_RABBITMQ_PORT", self.port.to_string())
            .status();
        assert!(done.unwrap().success(), "scripts/broker rabbitmq {verb}");
    }

    fn address(&self) -> Broker {
        Broker::At(format!("amqp://127.0.0.1:{}", self.port))
    }
}

impl Drop for OwnRabbitMq {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Everything that was confirmed was written, and comes; what was under way is unknown, and may come.
fn survives(queue: &str) {
    let rabbitmq = OwnRabbitMq::start();
    let queue = format!("queueType={queue}");
    let settings = ["-X", &queue, "-X", "messagePersistence=true"];
    let mut run = Run::start(
        &rabbitmq.address(),
        &[("testDuration", "20s"), ("producerRate", "1000")],
        &settings,
    );
    run.wait_for_measure();
    rabbitmq.script("kill");
    rabbitmq.script("revive");
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
    assert!(acknowledged > 15_000, "{ledger}");
    assert_eq!(
        (of("lost"), of("unread"), of("foreign")),
        (0, 0, 0),
        "{ledger}"
    );
    let notes = run.stderr();
    assert!(notes.contains("RabbitMQ"), "{notes}");
    run.assert_nothing_left();
    let left = common::rabbitmq::names_through(
        &format!("http://127.0.0.1:{}", rabbitmq.port + 10_000),
        &run.id(),
    );
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_a_classic_queue_confirmed_survives_the_brokers_death() {
    survives("CLASSIC");
}

#[test]
fn what_a_quorum_queue_confirmed_survives_the_brokers_death() {
    survives("QUORUM");
}
