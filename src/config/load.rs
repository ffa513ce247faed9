//! The two files and the command line, put together.

use std::path::Path;
use std::time::Duration;

use super::{Driver, Fault, Origin, Problem, Threshold, Workload, driver, search, workload};

/// What the command line says over the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--rate`: messages per second.
    pub rate: Option<f64>,
    /// `--find-rate`: what has to hold at the highest rate, which is looked for.
    pub find_rate: Vec<Threshold>,
    /// `--duration`: length of the measured phase.
    pub duration: Option<Duration>,
    /// `--warmup`: time under load before it.
    pub warmup: Option<Duration>,
    /// `--message-size`: bytes of a payload.
    pub message_size: Option<usize>,
    /// `--topics`.
    pub topics: Option<u32>,
    /// `--topic-prefix`: what names of topics begin with.
    pub topic_prefix: Option<String>,
    /// `--partitions`: of each topic.
    pub partitions: Option<u32>,
    /// `--producer-processes`.
    pub producer_processes: Option<u32>,
    /// `--consumer-processes`.
    pub consumer_processes: Option<u32>,
    /// `-b`: the first brokers.
    pub bootstrap: Option<String>,
    /// `-X key=value`: goes to whichever client knows the key.
    pub extra: Vec<(String, String)>,
    /// `--topic NAME`: an existing topic; the workload then has this one only.
    pub topic: Option<String>,
    /// `--restart` and what belongs to it.
    pub restart: RestartOverrides,
    /// `--fault`: in addition to the file's.
    pub faults: Vec<Fault>,
    /// `--threshold`: in place of the file's of the same names.
    pub thresholds: Vec<Threshold>,
    /// `--hang-after`.
    pub hang_after: Option<Duration>,
}

/// What the command line says on restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartOverrides {
    /// `--restart` names consumers, or doesn't.
    pub consumers: Option<bool>,
    /// `--restart` names producers, or doesn't.
    pub producers: Option<bool>,
    /// `--max-restarts`.
    pub max_restarts: Option<u32>,
    /// `--restart-window`.
    pub window: Option<Duration>,
    /// `--restart-backoff`.
    pub backoff: Option<Duration>,
}

/// Reads and checks both files; everything wrong with either is told at once, in the order of
/// the files' lines.
pub fn load(
    driver_file: Option<&Path>,
    workload_file: &Path,
    overrides: &Overrides,
) -> Result<(Driver, Workload), Vec<Problem>> {
    match (
        load_driver(driver_file, overrides),
        load_workload(workload_file, overrides),
    ) {
        (Ok(driver), Ok(workload)) => Ok((driver, workload)),
        (driver, workload) => {
            let mut problems = driver.err().unwrap_or_default();
            problems.extend(workload.err().unwrap_or_default());
            sort_problems(&mut problems);
            Err(problems)
        }
    }
}

/// Reads and checks the driver file alone; `None`: the driver of `-b`, or the embedded broker.
pub fn load_driver(file: Option<&Path>, overrides: &Overrides) -> Result<Driver, Vec<Problem>> {
    driver::load(file, overrides)
}

/// Reads and checks the workload file alone.
pub fn load_workload(file: &Path, overrides: &Overrides) -> Result<Workload, Vec<Problem>> {
    let mut problems = overrides.problems();
    match workload::load(file, overrides) {
        Ok(workload) if problems.is_empty() => Ok(workload),
        other => {
            problems.extend(other.err().unwrap_or_default());
            Err(problems)
        }
    }
}

/// Puts problems in the order of their files' lines; those of the command line come last. Of
/// the files, the one that has the first problem comes first.
pub fn sort_problems(problems: &mut [Problem]) {
    let files: Vec<_> = problems
        .iter()
        .filter_map(|problem| file_of(&problem.origin))
        .collect();
    let mut order: Vec<_> = Vec::new();
    for file in files {
        if !order.contains(&file) {
            order.push(file);
        }
    }
    let order: Vec<_> = order.into_iter().map(Path::to_owned).collect();
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::File { path, line, column } => (
            order
                .iter()
                .position(|file| file == path)
                .unwrap_or(order.len()),
            *line,
            *column,
        ),
        Origin::CommandLine(_) => (usize::MAX, 0, 0),
    });
}

fn file_of(origin: &Origin) -> Option<&Path> {
    match origin {
        Origin::File { path, .. } => Some(path),
        Origin::CommandLine(_) => None,
    }
}

impl Overrides {
    /// The command line reads its values with the same functions as the files; this guards
    /// against callers that don't.
    fn problems(&self) -> Vec<Problem> {
        let counts = [
            ("--topics", self.topics),
            ("--partitions", self.partitions),
            ("--producer-processes", self.producer_processes),
            ("--consumer-processes", self.consumer_processes),
        ];
        let zero = counts
            .iter()
            .filter(|(_, count)| *count == Some(0))
            .map(|(option, _)| *option);
        let mut wrong: Vec<(&str, &str)> = zero
            .map(|option| (option, "is 0; give at least 1"))
            .collect();
        if self
            .rate
            .is_some_and(|rate| !(rate >= 0.0 && rate.is_finite()))
        {
            wrong.push((
                "--rate",
                "is no rate; give messages per second, such as 20000",
            ));
        }
        if self.duration == Some(Duration::ZERO) {
            wrong.push(("--duration", "is 0; give more, such as 30s"));
        }
        if self.message_size == Some(0) {
            wrong.push(("--message-size", "is 0; give at least 1"));
        }
        if self.topic.as_deref() == Some("") {
            wrong.push(("--topic", "is empty; give the name of an existing topic"));
        }
        let wrong = wrong.into_iter().map(|(option, message)| Problem {
            origin: Origin::CommandLine(option.to_owned()),
            message: message.to_owned(),
        });
        wrong.chain(search::contradiction(self)).collect()
    }
}
