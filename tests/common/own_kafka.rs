//! A real Kafka of a test's own, to be stopped, killed and started again.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::{PATIENCE, wait_for};

/// Ended when dropped.
pub struct OwnKafka {
    home: tempfile::TempDir,
    port: u16,
    process: Child,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn java(home: &tempfile::TempDir, log: &str) -> Command {
    let libs = std::env::var("OMB_KAFKA_LIBS").unwrap();
    let log = File::create(home.path().join(log)).unwrap();
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-cp", &format!("{libs}/*")])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
}

impl OwnKafka {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (port, controller) = (free_port(), free_port());
        let settings = [
            "process.roles=broker,controller".to_owned(),
            "node.id=1".to_owned(),
            format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}"),
            format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
            format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"),
            "controller.listener.names=CONTROLLER".to_owned(),
            format!("log.dirs={}", home.path().join("data").display()),
            "auto.create.topics.enable=false".to_owned(),
            "offsets.topic.replication.factor=1".to_owned(),
            "offsets.topic.num.partitions=1".to_owned(),
            "transaction.state.log.replication.factor=1".to_owned(),
            "transaction.state.log.min.isr=1".to_owned(),
            "group.initial.rebalance.delay.ms=0".to_owned(),
        ];
        let properties = home.path().join("server.properties");
        fs::write(&properties, settings.join("\n")).unwrap();
        let formatted = java(&home, "format.log")
            .args(["kafka.tools.StorageTool", "format", "-t"])
            .args(["b21iLXRlc3Qta2Fma2EtMg", "--standalone", "-c"])
            .arg(&properties)
            .status()
            .unwrap();
        assert!(
            formatted.success(),
            "Kafka's storage could not be formatted"
        );
        let process = Self::launch(&home);
        let kafka = Self {
            home,
            port,
            process,
        };
        kafka.await_answer();
        kafka
    }

    fn launch(home: &tempfile::TempDir) -> Child {
        java(home, "kafka.log")
            .args(["kafka.Kafka", "server.properties"])
            .spawn()
            .unwrap()
    }

    fn await_answer(&self) {
        wait_for("Kafka to answer", PATIENCE, || {
            let looker: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", self.address())
                .create()
                .unwrap();
            let metadata = looker.fetch_metadata(None, std::time::Duration::from_secs(2));
            metadata
                .is_ok_and(|found| !found.brokers().is_empty())
                .then_some(())
        });
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// It stands still, as a host without memory or a paused virtual machine does.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<_> = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .create()
            .unwrap();
        let deleted = admin.delete_topics(&[name], &AdminOptions::new());
        let deleted = futures_executor::block_on(deleted).unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    }

    /// Starts it again with the data that it had.
    pub fn start_again(&mut self) {
        self.process = Self::launch(&self.home);
        self.await_answer();
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        // It is dead already where a test has killed it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
