//! What runs leave that are killed together with their stewards, and who cleans up.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::{Broker, PATIENCE, Run, names_at, omb, processes, reach, wait_for};

/// Runs and cleanings that have a broker and a state directory in common.
pub struct Site {
    pub broker: String,
    pub state: TempDir,
}

impl Site {
    pub fn at(broker: &str) -> Self {
        Self {
            broker: broker.to_owned(),
            state: tempfile::tempdir().unwrap(),
        }
    }

    /// As a host with other journals sees the broker.
    pub fn elsewhere(&self) -> Self {
        Self::at(&self.broker)
    }

    pub fn run(&self, changes: &[(&str, &str)], args: &[&str]) -> Run {
        let broker = Broker::At(self.broker.clone());
        Run::prepare(&broker, changes, args, |command| {
            command.env("XDG_STATE_HOME", self.state.path());
        })
    }

    /// A run under load.
    pub fn live(&self) -> Run {
        let run = self.run(&[("testDuration", "10m")], &[]);
        run.wait_for_measure();
        run
    }

    /// A run that was killed together with its steward; its id.
    pub fn dead(&self) -> String {
        self.dead_with(&[])
    }

    /// One that gave its topics names of another beginning.
    pub fn dead_with_prefix(&self, prefix: &str) -> String {
        self.dead_with(&["--topic-prefix", prefix])
    }

    fn dead_with(&self, args: &[&str]) -> String {
        let run = self.run(&[("testDuration", "10m")], args);
        run.wait_for_measure();
        kill_with_steward(run)
    }

    /// `omb clean`, which has to end with this code.
    pub fn clean(&self, args: &[&str], code: i32) -> Cleaned {
        let output = omb()
            .env("XDG_STATE_HOME", self.state.path())
            .current_dir(self.state.path())
            .arg("clean")
            .args(args)
            .output()
            .unwrap();
        let cleaned = Cleaned::from(&output);
        assert_eq!(output.status.code(), Some(code), "{cleaned:?}");
        cleaned
    }

    /// `omb clean -b BROKER --prefix PREFIX`.
    pub fn clean_prefix(&self, prefix: &str, args: &[&str]) -> Cleaned {
        let reach = reach(&self.broker);
        let reach: Vec<&str> = reach.iter().map(String::as_str).collect();
        self.clean(&[&reach[..], &["--prefix", prefix], args].concat(), 0)
    }

    /// What of this run is at the broker.
    pub fn names(&self, run: &str) -> Vec<String> {
        let mut names = names_at(&self.broker, run);
        names.sort();
        names
    }

    pub fn wait_for_no_names(&self, run: &str) {
        wait_for("topics and groups gone", Duration::from_secs(20), || {
            self.names(run).is_empty().then_some(())
        });
    }

    /// Fails if anything of this run is left, at the broker or here.
    pub fn assert_no_trace(&self, run: &str) {
        assert_eq!(self.names(run), [""; 0]);
        let directory = format!("/tmp/omb-{run}");
        assert!(!Path::new(&directory).exists(), "{directory}");
        assert!(
            !self
                .state
                .path()
                .join(format!("omb/runs/{run}.jsonl"))
                .exists()
        );
    }

    /// The journals there are.
    pub fn journals(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.state.path().join("omb/runs")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub fn journal(&self, run: &str) -> PathBuf {
        let path = self.state.path().join(format!("omb/runs/{run}.jsonl"));
        assert!(path.exists(), "no {}", path.display());
        path
    }
}

/// What an `omb clean` said.
#[derive(Debug)]
pub struct Cleaned {
    /// Names on stdout.
    pub names: Vec<String>,
    pub stderr: String,
}

impl Cleaned {
    fn from(output: &Output) -> Self {
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let name = |line: &str| {
            let (kind, name) = line.split_once(' ').unwrap();
            let start = match kind {
                "topic" => ["test-topic-", "our.load-"],
                "group" => ["sub-"; 2],
                _ => panic!("{line}"),
            };
            assert!(start.iter().any(|start| name.starts_with(start)), "{line}");
            name.to_owned()
        };
        let mut names: Vec<String> = stdout.lines().map(name).collect();
        names.sort();
        Self {
            names,
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    pub fn assert_says(&self, words: &[&str]) {
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(
            self.stderr.lines().any(says),
            "no line with {words:?}: {}",
            self.stderr
        );
    }
}

/// Kills a run together with its steward; its id. The supervisor can't give it a successor.
pub fn kill_with_steward(mut run: Run) -> String {
    let steward = run.child("steward");
    run.signal(Signal::SIGSTOP);
    kill(Pid::from_raw(steward), Signal::SIGKILL).unwrap();
    // A kill is no death yet.
    wait_for("the steward dead", PATIENCE, || {
        processes(|pid, _, _| pid == steward)
            .is_empty()
            .then_some(())
    });
    run.signal(Signal::SIGKILL);
    run.finish();
    run.id()
}

/// Fails if this word is in any file below a directory.
pub fn assert_nowhere(directory: &Path, word: &str) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, word);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(word), "in {}: {text}", path.display());
        }
    }
}
