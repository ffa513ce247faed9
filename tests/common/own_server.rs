//! A server of a test's own, to be killed and to come back with the data it had.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use super::scenarios::{assert_balanced, over_subscriptions};
use super::{Broker, Run, count};

/// Ended when dropped.
pub struct OwnServer {
    home: tempfile::TempDir,
    system: &'static str,
    variables: Vec<(String, String)>,
    /// Where its clients go.
    pub port: u16,
}

/// Ports that `scripts/broker` takes, beside that of the clients.
fn others(system: &str) -> &'static [u16] {
    match system {
        "pulsar" => &[1, 2, 3, 4],
        "rabbitmq" => &[1, 2, 3, 10_000],
        "rocketmq" => &[8, 10, 11],
        other => panic!("no ports of {other} are known"),
    }
}

/// Others for each caller.
fn free_port(others: &[u16]) -> u16 {
    static FROM: AtomicU16 = AtomicU16::new(20_000);
    let from = FROM.fetch_add(1_000, Ordering::Relaxed);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = |&first: &u16| is_free(first) && others.iter().all(|more| is_free(first + more));
    (from..from + 1_000).step_by(17).find(all_free).unwrap()
}

impl OwnServer {
    pub fn start(system: &'static str, variables: &[(&str, &str)]) -> Self {
        let port = free_port(others(system));
        let at = (
            format!("OMB_{}_PORT", system.to_uppercase()),
            port.to_string(),
        );
        let more = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let own = Self {
            home: tempfile::tempdir().unwrap(),
            system,
            variables: more.chain([at]).collect(),
            port,
        };
        own.script("start");
        own
    }

    fn script(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/broker");
        let done = Command::new(script)
            .args([self.system, verb])
            .env("CARGO_TARGET_DIR", self.home.path())
            .envs(self.variables.iter().cloned())
            .status();
        let system = self.system;
        assert!(done.unwrap().success(), "scripts/broker {system} {verb}");
    }

    /// `HOST:PORT`, so many ports behind that of the clients.
    pub fn at(&self, behind: u16) -> String {
        format!("127.0.0.1:{}", self.port + behind)
    }

    /// Dies under load and comes back while that goes on. Everything that was acknowledged was written, and
    /// comes; what was under way is unknown, and may come. Returns the run and its result.
    pub fn dies_under_load(&self, broker: &Broker, settings: &[&str], note: &str) -> (Run, Value) {
        let changes = [("testDuration", "30s"), ("producerRate", "1000")];
        let mut run = Run::start(broker, &changes, settings);
        run.wait_for_measure();
        self.script("kill");
        self.script("revive");
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
        assert!(acknowledged > 22_500, "{ledger}");
        assert_eq!(
            (of("lost"), of("unread"), of("foreign")),
            (0, 0, 0),
            "{ledger}"
        );
        let notes = run.stderr();
        assert!(notes.contains(note), "{notes}");
        run.assert_nothing_left();
        (run, result)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.script("stop");
    }
}
