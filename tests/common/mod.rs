//! Runs of the real executable, watched from outside.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod driver_suite;
pub mod kafka;
pub mod own_kafka;
pub mod own_server;
pub mod pulsar;
pub mod rabbitmq;
pub mod recoveries;
pub mod rocketmq;
pub mod scenarios;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// One test for each scenario, on a broker.
#[allow(unused_macros, reason = "each test file uses its own part")]
macro_rules! on {
    ($broker:expr => $($scenario:ident,)*) => {
        on! { $broker, scenarios => $($scenario,)* }
    };
    ($broker:expr, $module:ident => $($scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                common::$module::$scenario(&$broker);
            }
        )*
    };
}

/// Names of all topics and groups that contain this, at the broker of this address.
pub fn names_at(address: &str, part: &str) -> Vec<String> {
    if address.starts_with("amqp") {
        rabbitmq::names(part)
    } else if address.starts_with("pulsar") {
        pulsar::names(part)
    } else if address.starts_with("rocketmq") {
        rocketmq::names(part)
    } else {
        kafka::names_at(address, part)
    }
}

/// Whether all groups whose names contain this are without members.
pub fn is_without_members(address: &str, part: &str) -> bool {
    if address.starts_with("amqp") {
        rabbitmq::is_without_members(part)
    } else if address.starts_with("pulsar") {
        pulsar::is_without_members(part)
    } else if address.starts_with("rocketmq") {
        rocketmq::is_without_members(part)
    } else {
        kafka::is_without_members(address, part)
    }
}

/// How the broker of this address is named on a command line.
pub fn reach(address: &str) -> Vec<String> {
    let mut args = vec!["-b".to_owned(), address.to_owned()];
    if address.starts_with("pulsar") {
        let http = pulsar::variable("OMB_PULSAR_HTTP");
        args.extend(["-X".to_owned(), pulsar::http_of(&http)]);
    }
    args
}

/// The same, with these settings.
fn with(address: &str, settings: &[&str]) -> Vec<String> {
    let settings = settings.iter().flat_map(|setting| ["-X", setting]);
    let settings = settings.map(str::to_owned);
    reach(address).into_iter().chain(settings).collect()
}

/// Longer than anything a test waits for takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The variable by which the processes of one run are told from all others.
const MARK: &str = "OMB_TEST_RUN";

/// Which broker a scenario runs against.
#[derive(Clone, Debug)]
pub enum Broker {
    /// None given: omb starts its own.
    Embedded,
    /// The Kafka that `scripts/test` has started.
    Kafka,
    /// One at this address.
    At(String),
    /// The Pulsar that `scripts/test` has started, with these settings.
    Pulsar(&'static [&'static str]),
    /// The RabbitMQ that `scripts/test` has started, with queues of this type.
    RabbitMq(&'static str),
    /// The RocketMQ that `scripts/test` has started, with these settings.
    RocketMq(&'static [&'static str]),
}

impl Broker {
    fn args(&self) -> Vec<String> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Kafka => vec!["-b".to_owned(), kafka::bootstrap()],
            Self::At(address) => reach(address),
            Self::Pulsar(settings) => with(&pulsar::address(), settings),
            Self::RocketMq(settings) => with(&rocketmq::address(), settings),
            Self::RabbitMq(queue) => [
                "-b".to_owned(),
                rabbitmq::address(),
                "-X".to_owned(),
                format!("queueType={queue}"),
            ]
            .to_vec(),
        }
    }

    /// What the usual workload has to have otherwise.
    fn changes(&self) -> &[(&str, &str)] {
        match self {
            Self::RabbitMq("STREAM") => &[
                ("partitionsPerTopic", "1"),
                ("consumerPerSubscription", "1"),
            ],
            Self::RabbitMq(_) => &[("partitionsPerTopic", "1")],
            Self::At(address) if address.starts_with("amqp") => &[("partitionsPerTopic", "1")],
            _ => &[],
        }
    }
}

/// The executable under test; it leaves nothing among what belongs to whoever tests it.
pub fn omb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omb"));
    command.env(
        "XDG_STATE_HOME",
        concat!(env!("CARGO_TARGET_TMPDIR"), "/state"),
    );
    command
}

/// Waits for a condition; the test fails if it does not come true in time.
pub fn wait_for<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A count of a result.
pub fn count(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

/// Of what the schedule has, each message was acknowledged, or is told as not sent: a busy host may leave some
/// until it is too late.
pub fn assert_accounted_for(result: &Value, scheduled: u64) {
    let ledger = &result["omb"]["ledger"];
    let told = count(&ledger["acknowledged"]) + count(&ledger["unsent"]);
    assert_eq!(told, scheduled, "{ledger}");
}

/// What the first subscription of a run received.
pub fn first_books(result: &Value) -> &Value {
    let subscriptions = result["omb"]["ledger"]["subscriptions"]
        .as_object()
        .unwrap();
    subscriptions.values().next().unwrap()
}

/// A workload file with these lines in place of the usual ones.
pub fn workload(directory: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut fields = vec![
        ("topics", "2"),
        ("partitionsPerTopic", "2"),
        ("producersPerTopic", "1"),
        ("subscriptionsPerTopic", "1"),
        ("consumerPerSubscription", "2"),
        ("producerProcesses", "2"),
        ("consumerProcesses", "2"),
        ("messageSize", "200"),
        ("useRandomizedPayloads", "true"),
        ("randomBytesRatio", "0.5"),
        ("randomizedPayloadPoolSize", "10"),
        ("producerRate", "2000"),
        ("warmupDuration", "1s"),
        ("testDuration", "2s"),
        ("reportPeriod", "1s"),
    ];
    for &(key, value) in changes {
        match fields.iter_mut().find(|(known, _)| *known == key) {
            Some(field) => field.1 = value,
            None => fields.push((key, value)),
        }
    }
    let text: String = fields
        .iter()
        .map(|(key, value)| format!("{key}: {value}\n"))
        .collect();
    let path = directory.join("workload.yaml");
    fs::write(&path, text).unwrap();
    path
}

/// A run under way. Dropped, it is killed; its steward cleans up behind it.
pub struct Run {
    pub directory: tempfile::TempDir,
    child: Child,
}

impl Run {
    /// Starts `omb run` with the usual workload, changed.
    pub fn start(broker: &Broker, changes: &[(&str, &str)], args: &[&str]) -> Self {
        Self::prepare(broker, changes, args, |_| {})
    }

    /// As [`Run::start`], with a last word on the command.
    pub fn prepare(
        broker: &Broker,
        changes: &[(&str, &str)],
        args: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let workload = workload(directory.path(), &[broker.changes(), changes].concat());
        let mut command = omb();
        command
            .current_dir(directory.path())
            .env("XDG_STATE_HOME", directory.path().join("state"))
            .env(MARK, directory.path())
            .arg("run")
            .args(broker.args())
            .arg(workload);
        if !args.contains(&"-o") {
            command.args(["-o", "result.json"]);
        }
        command.args(args);
        let stderr = File::create(directory.path().join("stderr")).unwrap();
        let stdout = File::create(directory.path().join("stdout")).unwrap();
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.process_group(0);
        change(&mut command);
        Self {
            directory,
            child: command.spawn().unwrap(),
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Whether it has not ended yet.
    pub fn is_there(&self) -> bool {
        let pid = self.pid();
        !processes(|other, _, _| other == pid).is_empty()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.directory.path().join("stdout")).unwrap()
    }

    /// Waits until stderr contains this.
    pub fn wait_for_stderr(&self, text: &str) {
        wait_for(text, PATIENCE, || {
            self.stderr().contains(text).then_some(())
        });
    }

    /// Waits until load is measured: until a first second of it was shown.
    pub fn wait_for_measure(&self) {
        wait_for("a measured second", PATIENCE, || {
            let samples = self.samples();
            samples
                .lines()
                .any(|line| line.contains(r#""phase":"measure""#))
                .then_some(())
        });
    }

    pub fn samples(&self) -> String {
        fs::read_to_string(self.directory.path().join("result.samples.jsonl")).unwrap_or_default()
    }

    /// Its id, as in names at the broker.
    pub fn id(&self) -> String {
        let banner = self.stderr();
        let after = banner
            .split("run ")
            .nth(1)
            .unwrap_or_else(|| panic!("no banner: {banner}"));
        after.split_whitespace().next().unwrap().to_owned()
    }

    /// Open descriptors of the supervisor.
    pub fn descriptors(&self) -> usize {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        listed.count()
    }

    /// Living children: (pid, role, id).
    pub fn children(&self) -> Vec<(i32, String, String)> {
        processes(|_, parent, _| parent == self.pid())
            .into_iter()
            .map(|(pid, args)| {
                let after = |name: &str| {
                    let at = args.iter().position(|arg| arg == name);
                    at.and_then(|at| args.get(at + 1))
                        .cloned()
                        .unwrap_or_default()
                };
                (pid, args.get(1).cloned().unwrap_or_default(), after("--id"))
            })
            .collect()
    }

    /// The process id of a living child of this role.
    pub fn child(&self, role: &str) -> i32 {
        wait_for(role, PATIENCE, || {
            self.children()
                .into_iter()
                .find(|(_, r, _)| r == role)
                .map(|(pid, ..)| pid)
        })
    }

    /// Waits for the end.
    pub fn finish(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the run does not end: {}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end, which has to have this code.
    pub fn finish_with(&mut self, code: i32) {
        let status = self.finish();
        assert_eq!(status.code(), Some(code), "{}", self.stderr());
    }

    pub fn result(&self) -> Value {
        let text = fs::read_to_string(self.directory.path().join("result.json"));
        let text = text.unwrap_or_else(|error| panic!("no result: {error}; {}", self.stderr()));
        serde_json::from_str(&text).unwrap()
    }

    /// All living processes of this run, its steward and whatever that has become among them.
    pub fn processes(&self) -> Vec<(i32, Vec<String>)> {
        let mark = format!("{MARK}={}", self.directory.path().display());
        let is_mine = |pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|entry| entry == mark.as_bytes())
        };
        processes(|pid, _, _| is_mine(pid))
    }

    /// Fails if a process of this run, or its socket's directory, stays. Its steward may be
    /// cleaning up yet, and needs the broker for that.
    pub fn assert_nothing_left(&self) {
        let id = self.id();
        let directory = PathBuf::from(format!("/tmp/omb-{id}"));
        let socket = directory.join("s").display().to_string();
        let mine = |args: &[String]| args.contains(&socket);
        wait_for("all processes gone", Duration::from_secs(2), || {
            processes(|_, _, args| mine(args)).is_empty().then_some(())
        });
        wait_for(
            "the socket's directory gone",
            Duration::from_secs(15),
            || (!directory.exists()).then_some(()),
        );
        wait_for("its steward gone", PATIENCE, || {
            self.processes().is_empty().then_some(())
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A run that has ended is waited for already.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Children of a process that nobody has waited for.
pub fn zombies(parent: i32) -> usize {
    let of_it = |stat: &str| {
        let mut fields = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace());
        let mut next = || fields.as_mut().and_then(Iterator::next);
        next() == Some("Z") && next().and_then(|pid| pid.parse().ok()) == Some(parent)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| of_it(stat)).count()
}

/// Living processes (zombies are not) by (pid, parent, arguments): (pid, arguments).
pub fn processes(which: impl Fn(i32, i32, &[String]) -> bool) -> Vec<(i32, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next(), fields.next());
        let Some(Ok(parent)) = parent.map(str::parse::<i32>) else {
            continue;
        };
        let args: Vec<String> = line
            .split(|&byte| byte == 0)
            .filter(|arg| !arg.is_empty())
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        if state != Some("Z") && which(pid, parent, &args) {
            found.push((pid, args));
        }
    }
    found
}
