//! The command line: its roles and options, and its help.
//!
//! Values are read by the same functions as those of the files, so that both take the same forms.

mod broker;
mod campaign;
mod check;
mod clean;
mod csv;
mod files;
mod pidfile;
mod report;
mod run;
mod schema;
mod sweep;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::broker::Fault as BrokerFault;
use crate::config::{
    Fault, Overrides, RestartOverrides, Threshold, check_hang_after, check_topic_prefix,
    parse_count, parse_duration, parse_fault, parse_memory, parse_objective, parse_rate,
    parse_size, parse_threshold,
};
use crate::supervisor::Ended;

pub use broker::broker;
pub use check::{Settled, check, settle};
pub use clean::{CleanArgs, clean};
pub use csv::{CsvArgs, csv};
pub use files::{Files, Member};
pub use report::report;
pub use run::run;
pub use schema::{Described, SchemaArgs, schema};
pub use sweep::{SweepArgs, sweep};

const EXIT_CODES: &str = "\
Exit codes (the first that applies):
  2        usage or configuration
  1        the run failed; omb clean: not everything could be looked at, or deleted
  128 + n  interrupted by signal n
  3        messages were lost
  4        a threshold was missed
  0        done";

const REPORT_EXIT_CODES: &str = "\
Exit codes:
  2        usage, or no samples that can be read
  1        the result could not be written
  0        done, however the run had ended";

const RUN_EXAMPLES: &str = "\
Examples:
  # The first try: nothing installed, an embedded broker (its figures are not Kafka's)
  omb run examples/workloads/quickstart.yaml

  # A Kafka at hand, with one setting changed, half a minute long
  omb run -b localhost:9092 -X linger.ms=5 --duration 30s examples/workloads/quickstart.yaml

  # Files of the OpenMessaging Benchmark, as they are
  omb run -d driver-kafka/kafka-latency.yaml workloads/1-topic-16-partitions-1kb.yaml

  # Flat out, the result to another program
  omb run -b localhost:9092 --rate 10000000 -o - examples/workloads/flat-out.yaml | jq .omb

";

/// A load generator and measuring instrument for message brokers.
#[derive(Debug, Parser)]
#[command(name = "omb", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// What this process does.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles of the executable.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a workload against a broker and write the result.
    #[command(after_help = format!("{RUN_EXAMPLES}{EXIT_CODES}"))]
    Run(RunArgs),
    /// Check the files and options of a run, and show what they come to; nothing is connected.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Make the result of a run out of its samples, for a run that was killed before it wrote one.
    #[command(after_help = REPORT_EXIT_CODES)]
    Report(ReportArgs),
    /// List what runs that were killed have left at their brokers, or delete it.
    ///
    /// A run that is killed is cleaned up by its steward. Where that was killed, too, the run's
    /// journal in $XDG_STATE_HOME/omb/runs (or ~/.local/state/omb/runs) tells what it has left. What
    /// is listed goes to stdout, everything else to stderr.
    #[command(after_help = format!("{}{EXIT_CODES}", clean::EXAMPLES))]
    Clean(CleanArgs),
    /// Run a workload at rising rates: one result each, and a table of rate against latency.
    #[command(after_help = EXIT_CODES)]
    Sweep(SweepArgs),
    /// Put results into one CSV file, with the columns of OMB's.
    Csv(CsvArgs),
    /// Print the JSON Schema of a file: result, samples, workload or driver.
    Schema(SchemaArgs),
    /// Run the embedded in-memory broker alone.
    Broker(BrokerArgs),
    /// A producer process, started by a supervisor.
    #[command(hide = true)]
    Producer(Child),
    /// A consumer process, started by a supervisor.
    #[command(hide = true)]
    Consumer(Child),
    /// The process that administers the broker, started by a supervisor.
    #[command(hide = true)]
    Steward,
}

/// What is run, and what the command line says over the files.
#[derive(Clone, Debug, Default, Args)]
pub struct Inputs {
    /// The workload file.
    #[arg(skip)]
    pub workload: PathBuf,

    /// The driver file. Without it: the Kafka of `-b`, or, without both, the embedded broker.
    #[arg(skip)]
    pub driver: Option<PathBuf>,

    /// First brokers to connect to, in place of the driver file's.
    #[arg(short, long, value_name = "HOST:PORT[,…]", help_heading = "Broker")]
    pub bootstrap: Option<String>,

    /// Client setting, over the driver file's; goes to whichever client knows it. Repeatable.
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = key_value, action = ArgAction::Append,
          help_heading = "Broker")]
    pub extra: Vec<(String, String)>,

    /// Use this one existing topic; it is never created and never deleted.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["topics", "partitions"],
          help_heading = "Topics")]
    pub topic: Option<String>,

    /// Number of topics.
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Topics")]
    pub topics: Option<u32>,

    /// What the names of topics begin with [default: test-topic].
    #[arg(long, value_name = "NAME", value_parser = check_topic_prefix, conflicts_with = "topic",
          help_heading = "Topics")]
    pub topic_prefix: Option<String>,

    /// Partitions of each topic.
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Topics")]
    pub partitions: Option<u32>,

    /// Messages per second over all producers; 10000000 is flat out, 0 looks for the highest rate
    /// that holds.
    #[arg(long, value_name = "N", value_parser = parse_rate, help_heading = "Load")]
    pub rate: Option<f64>,

    /// Look for the highest rate at which this latency holds, such as "e2e.p99<10ms", and run at it.
    /// Repeatable.
    #[arg(long, value_name = "LATENCY<BOUND", value_parser = parse_objective, help_heading = "Load")]
    pub find_rate: Vec<Threshold>,

    /// Length of the measured phase, such as 30s or 1h30m.
    #[arg(long, value_name = "TIME", value_parser = parse_positive, help_heading = "Load")]
    pub duration: Option<Duration>,

    /// Time under load before the measured phase, such as 5s; 0 for none.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    pub warmup: Option<Duration>,

    /// Bytes of a message, such as 100 or 1KiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Load")]
    pub message_size: Option<usize>,

    /// Processes that produce; by default the number of cores decides.
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Processes")]
    pub producer_processes: Option<u32>,

    /// Processes that consume; by default the number of cores decides.
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Processes")]
    pub consumer_processes: Option<u32>,

    /// Processes that are started again when they die [default: consumers].
    #[arg(
        long,
        value_name = "KIND[,KIND]",
        value_enum,
        value_delimiter = ',',
        help_heading = "Processes"
    )]
    pub restart: Option<Vec<Restarted>>,

    /// Restarts allowed within the window [default: 3].
    #[arg(long, value_name = "N", help_heading = "Processes")]
    pub max_restarts: Option<u32>,

    /// The window that restarts are counted in [default: 5m].
    #[arg(long, value_name = "TIME", value_parser = parse_positive, help_heading = "Processes")]
    pub restart_window: Option<Duration>,

    /// Pause before a restart; it doubles with each life that came to nothing [default: 250ms].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Processes")]
    pub restart_backoff: Option<Duration>,

    /// A process that says nothing for this long hangs, and is ended [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = parse_hang_after, help_heading = "Processes")]
    pub hang_after: Option<Duration>,

    /// Something to be done to the run's own processes, such as "kill consumer every 10s" or
    /// "stop producer 0 at 5s for 2s". Repeatable.
    #[arg(long, value_name = "FAULT", value_parser = parse_fault, help_heading = "Processes")]
    pub fault: Vec<Fault>,

    /// What the run has to reach, such as "publish.p99<50ms", "publishRate>=9900" or "lost==0", in
    /// place of the workload's of the same name; missed, the exit code is 4. Repeatable.
    #[arg(long, value_name = "NAME<BOUND", value_parser = parse_threshold, help_heading = "Load")]
    pub threshold: Vec<Threshold>,
}

/// Which processes are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Restarted {
    /// Consumer processes.
    Consumers,
    /// Producer processes.
    Producers,
    /// None at all.
    None,
}

impl Inputs {
    /// What the command line says over the files.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            rate: self.rate,
            find_rate: self.find_rate.clone(),
            duration: self.duration,
            warmup: self.warmup,
            message_size: self.message_size,
            topics: self.topics,
            topic_prefix: self.topic_prefix.clone(),
            partitions: self.partitions,
            producer_processes: self.producer_processes,
            consumer_processes: self.consumer_processes,
            bootstrap: self.bootstrap.clone(),
            extra: self.extra.clone(),
            topic: self.topic.clone(),
            restart: RestartOverrides {
                consumers: self.restarts(Restarted::Consumers),
                producers: self.restarts(Restarted::Producers),
                max_restarts: self.max_restarts,
                window: self.restart_window,
                backoff: self.restart_backoff,
            },
            faults: self.fault.clone(),
            thresholds: self.threshold.clone(),
            hang_after: self.hang_after,
        }
    }

    fn restarts(&self, kind: Restarted) -> Option<bool> {
        Some(self.restart.as_ref()?.contains(&kind))
    }
}

/// Options of `omb run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Its files.
    #[command(flatten)]
    pub files: Files,

    /// What is run.
    #[command(flatten)]
    pub inputs: Inputs,

    /// Keep the run's topics instead of deleting them at its end.
    #[arg(long, help_heading = "Topics")]
    pub keep_topics: bool,

    /// Result file, or - for stdout; of several runs, the directory of their results [default:
    /// WORKLOAD-DRIVER-DATE.json, here].
    #[arg(short, long, value_name = "OUT.json", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// As OMB's: put the results in this directory into results-TIME.csv here, and run nothing.
    #[arg(long, value_name = "DIR", exclusive = true, help_heading = "Output")]
    pub csv: Option<PathBuf>,

    /// Samples as JSON lines, written while the run goes on [default: beside the result].
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub samples: Option<PathBuf>,

    /// All latencies over time as a histogram log, for HdrHistogram's tools [default: beside the
    /// result].
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          help_heading = "Output")]
    pub hlog: Option<Option<PathBuf>>,

    /// Show only what goes wrong.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    /// A file with this process's id, held as long as the run takes; a second run with the same
    /// file is refused.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub pidfile: Option<PathBuf>,

    /// It is one of several runs.
    #[arg(long, value_name = "MEMBER", hide = true)]
    pub member: Option<Member>,
}

/// Options of `omb check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Its files.
    #[command(flatten)]
    pub files: Files,

    /// What would be run.
    #[command(flatten)]
    pub inputs: Inputs,
}

/// Options of `omb report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Samples of the run; further parts (FILE with .001, .002, …) are found beside it.
    #[arg(long, value_name = "SAMPLES.jsonl")]
    pub from: PathBuf,

    /// Result file, or - for stdout; one that exists is never overwritten [default: the name that
    /// the run would have given it, beside the samples].
    #[arg(short, long, value_name = "OUT.json")]
    pub output: Option<PathBuf>,
}

/// Options of `omb broker`.
#[derive(Clone, Debug, Args)]
pub struct BrokerArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub listen: String,

    /// Memory for messages, such as 512MiB; a quarter of the machine's by default.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<u64>,

    /// What to plant, for tests: see `broker::liar`. Repeatable.
    #[arg(long, value_name = "SPEC", hide = true, conflicts_with = "socket")]
    pub fault: Vec<BrokerFault>,

    /// The supervisor's socket, where one started this broker: it says the rest.
    #[arg(long, value_name = "PATH", hide = true)]
    pub socket: Option<PathBuf>,

    /// Which child this is.
    #[arg(long, default_value_t = 0, hide = true)]
    pub id: u32,

    /// Which of its lives this is, from 0.
    #[arg(long, default_value_t = 0, hide = true)]
    pub incarnation: u16,
}

/// Options of the processes that a supervisor starts.
#[derive(Clone, Debug, Args)]
pub struct Child {
    /// The supervisor's socket.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,

    /// Which child this is.
    #[arg(long)]
    pub id: u32,

    /// Which of its lives this is, from 0.
    #[arg(long, default_value_t = 0)]
    pub incarnation: u16,
}

/// Reads the command line; on a mistake, or for the help, the process ends here.
pub fn parse() -> Cli {
    Cli::parse()
}

/// Tells what is wrong with what was asked for; the exit code.
fn usage(problems: impl IntoIterator<Item = impl Display>) -> u8 {
    for problem in problems {
        eprintln!("omb: {problem}");
    }
    Ended::Usage.code()
}

/// Tells why it could not go on; the exit code.
fn failed(error: &anyhow::Error) -> u8 {
    eprintln!("omb: {error:#}");
    Ended::Failed.code()
}

/// `KEY=VALUE`, both trimmed as in a driver file. A value is never part of the message: it may
/// be a secret.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("give KEY=VALUE, such as linger.ms=5".to_owned()),
    }
}

fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("give more than 0, such as 30s".to_owned()),
        duration => Ok(duration),
    }
}

fn parse_hang_after(text: &str) -> Result<Duration, String> {
    check_hang_after(parse_duration(text)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(args: &[&str]) -> Result<RunArgs, clap::Error> {
        match Cli::try_parse_from([&["omb", "run"], args].concat())?.command {
            Command::Run(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_read_like_the_files() {
        let args = run(&[
            "w.yaml",
            "-b",
            "a:1,b:2",
            "-X",
            "linger.ms=5",
            "-X",
            "acks=1",
            "--rate",
            "20_000",
            "--duration",
            "1m30s",
            "--warmup",
            "0",
            "--message-size",
            "1KiB",
            "-o",
            "-",
        ])
        .unwrap();
        let overrides = args.inputs.overrides();
        assert_eq!(overrides.rate, Some(20_000.0));
        assert_eq!(overrides.duration, Some(Duration::from_secs(90)));
        assert_eq!(overrides.warmup, Some(Duration::ZERO));
        assert_eq!(overrides.message_size, Some(1024));
        assert_eq!(overrides.extra.len(), 2);
        assert_eq!(args.output, Some(PathBuf::from("-")));
    }

    #[test]
    fn wrong_values_end_with_usage_code_2() {
        for args in [
            &["w.yaml", "--rate", "-1"][..],
            &["w.yaml", "--find-rate", "lost==0"],
            &["w.yaml", "--find-rate", "e2e.p99>1ms"],
            &["w.yaml", "--duration", "0"],
            &["w.yaml", "--topics", "0"],
            &["w.yaml", "-X", "linger.ms"],
            &["w.yaml", "--topic", "t", "--topics", "2"],
            &[],
        ] {
            assert_eq!(run(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }
}
