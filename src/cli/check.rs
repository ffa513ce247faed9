//! `omb check`: everything that can be known before the first connection.

use std::fmt::{self, Write};

use super::campaign::settle_all;
use super::{CheckArgs, Inputs, usage};
use crate::broker;
use crate::config::{
    self, Driver, Fault, FaultTarget, KeyDistributor, Origin, Payload, Problem, Workload,
    show_duration,
};
use crate::driver::systems::{self, Checked};
use crate::host::{self, Room};
use crate::plan::forecast::{Cluster, Forecast};
use crate::plan::{Plan, RunId};

/// What a command line and its files come to, free of mistakes.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The system under test.
    pub driver: Driver,
    /// The load.
    pub workload: Workload,
    /// What the system's settings come to.
    pub system: Checked,
}

/// Reads both files and checks everything in them, the client settings included; all mistakes
/// are told at once.
pub fn settle(inputs: &Inputs) -> Result<Settled, Vec<Problem>> {
    let overrides = inputs.overrides();
    let workload = config::load_workload(&inputs.workload, &overrides);
    let mut problems = Vec::new();
    let driver = match config::load_driver(inputs.driver.as_deref(), &overrides) {
        Ok(driver) => match systems::check(&driver.system) {
            Ok(checked) => Some((driver, checked)),
            Err(found) => {
                problems.extend(found);
                None
            }
        },
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    match (driver, workload) {
        (Some((driver, system)), Ok(workload)) => {
            let settled = Settled {
                driver,
                workload,
                system,
            };
            let mut problems = settled.faults_at_nobody(inputs);
            problems.extend(settled.too_large(inputs));
            problems.extend(settled.too_many(inputs));
            problems.extend(settled.unnameable(inputs));
            problems.extend(settled.backlog_too_large(inputs));
            if problems.is_empty() {
                Ok(settled)
            } else {
                Err(problems)
            }
        }
        (_, workload) => {
            problems.extend(workload.err().unwrap_or_default());
            config::sort_problems(&mut problems);
            Err(problems)
        }
    }
}

/// Does `omb check`: the summary goes to stdout, notes and problems to stderr. Returns the exit
/// code.
pub fn check(args: &CheckArgs) -> u8 {
    let settled = match settle_all(&args.files.pairs(&args.inputs)) {
        Ok(settled) => settled,
        Err(problems) => return usage(problems),
    };
    if let Some(note) = args.files.notes() {
        eprintln!("omb: note: {note}");
    }
    for (number, settled) in settled.iter().enumerate() {
        for note in &settled.system.notes {
            eprintln!("omb: note: {note}");
        }
        let forecast = settled.forecast(&args.inputs);
        for warning in settled.warnings(&forecast) {
            eprintln!("omb: warning: {warning}");
        }
        let parted = if number == 0 { "" } else { "\n" };
        let text = format!("{parted}{settled}{forecast}");
        // A reader that went away has seen enough.
        _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    }
    0
}

impl Settled {
    /// What the run will take.
    pub fn forecast(&self, inputs: &Inputs) -> Forecast {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let plan = Plan::new(&self.workload, RunId(0), inputs.topic.as_deref(), cores);
        let cluster = Cluster {
            brokers: self.system.connected_to.max(1),
            // Its processes are started as this one was.
            process: host::resident().unwrap_or(12 << 20),
            clients: self.system.clients,
            shared_threads: self.system.shared_threads,
            embedded: self.driver.embedded,
            replication: self.system.replication.max(1),
            queues: self.system.queues,
        };
        Forecast::new(&plan, &self.workload, cluster)
    }

    /// What this machine has too little of.
    pub fn warnings(&self, forecast: &Forecast) -> Vec<String> {
        let is_here = |server: &String| {
            let host = server
                .rsplit_once(':')
                .map_or(server.as_str(), |(host, _)| host);
            ["localhost", "127.0.0.1", "[::1]"].contains(&host)
        };
        let here = self.system.servers.iter().any(is_here);
        forecast.warnings(&Room::now(), here)
    }

    /// Messages that producers would refuse are told before any is sent.
    fn too_large(&self, inputs: &Inputs) -> Option<Problem> {
        // Key and headers count too.
        const BESIDE_PAYLOAD: usize = 512;
        let size = self.workload.message_size;
        let (limit, advice) = self.system.largest_message?;
        if size + BESIDE_PAYLOAD <= limit {
            return None;
        }
        let origin = match inputs.message_size {
            Some(_) => Origin::CommandLine("--message-size".to_owned()),
            None => inputs.workload_file(),
        };
        let advice = advice.replace("{}", &(size + BESIDE_PAYLOAD).to_string());
        let message = format!(
            "messageSize is {size}, but producers take messages of up to {limit} bytes; {advice}"
        );
        Some(Problem { origin, message })
    }

    /// Partitions and members that the system's topics and subscriptions can't have.
    fn too_many(&self, inputs: &Inputs) -> Vec<Problem> {
        let (w, system) = (&self.workload, &self.system);
        let partitions = (
            "partitionsPerTopic",
            w.partitions_per_topic,
            system.most_partitions,
        );
        let members = (
            "consumerPerSubscription",
            w.consumers_per_subscription,
            system.most_members,
        );
        let wrong = |(key, given, most): (&str, u32, Option<(u32, &str)>)| {
            let (most, why) = most.filter(|&(most, _)| given > most)?;
            Some(Problem {
                origin: inputs.workload_file(),
                message: format!("{key} is {given}; give {most}: {why}"),
            })
        };
        [partitions, members]
            .into_iter()
            .filter_map(wrong)
            .collect()
    }

    /// Topics' names that the system doesn't have.
    fn unnameable(&self, inputs: &Inputs) -> Option<Problem> {
        let prefix = &self.workload.topic_prefix;
        let (character, why) = self.system.unnameable?;
        let unnamed = prefix.contains(character) && inputs.topic.is_none();
        let origin = match inputs.topic_prefix {
            Some(_) => Origin::CommandLine("--topic-prefix".to_owned()),
            None => inputs.workload_file(),
        };
        unnamed.then(|| Problem {
            origin,
            message: format!("topicPrefix is {prefix}; leave {character} out of it: {why}"),
        })
    }

    /// The embedded broker keeps what consumers have not read in memory.
    fn backlog_too_large(&self, inputs: &Inputs) -> Option<Problem> {
        let wanted = self.workload.backlog.filter(|_| self.driver.embedded)?;
        let held = wanted.bytes / u64::from(self.workload.subscriptions_per_topic);
        let memory = broker::Options::default().memory;
        // Batches have more to them than payloads.
        (held > memory / 10 * 9).then(|| Problem {
            origin: inputs.workload_file(),
            message: format!(
                "a backlog of {held} bytes a subscription is more than the embedded broker's \
                 memory ({memory}) holds; ask for less, or give a broker by -b or -d"
            ),
        })
    }

    /// Faults that name a child which this run will not have.
    fn faults_at_nobody(&self, inputs: &Inputs) -> Vec<Problem> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let plan = Plan::new(&self.workload, RunId(0), inputs.topic.as_deref(), cores);
        let nobody = |fault: &Fault| {
            let (number, processes) = match fault.target {
                FaultTarget::Consumer(number) => (number?, plan.consumers.len()),
                FaultTarget::Producer(number) => (number?, plan.producers.len()),
                FaultTarget::Any => return None,
            };
            let last = processes - 1;
            (number as usize > last).then(|| {
                format!("\"{fault}\": there is no such process; they are numbered 0 to {last}")
            })
        };
        let found = self.workload.faults.iter().filter_map(nobody);
        let problem = |message| Problem {
            origin: inputs.workload_file(),
            message,
        };
        found.map(problem).collect()
    }
}

impl Inputs {
    fn workload_file(&self) -> Origin {
        Origin::File {
            path: self.workload.clone(),
            line: 0,
            column: 0,
        }
    }
}

/// A short summary, one thing a line.
impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let w = &self.workload;
        let servers = self.system.servers.join(",");
        let broker = match servers.as_str() {
            "" => "embedded broker, started for the run",
            servers => servers,
        };
        writeln!(f, "driver    {} ({broker})", self.driver.name)?;
        writeln!(f, "workload  {}", w.name)?;
        writeln!(
            f,
            "topics    {} × {} partitions",
            w.topics, w.partitions_per_topic
        )?;
        writeln!(
            f,
            "clients   {} producers{}, {} consumers in {} subscriptions a topic{}",
            u64::from(w.topics) * u64::from(w.producers_per_topic),
            processes(w.producer_processes),
            u64::from(w.topics)
                * u64::from(w.subscriptions_per_topic)
                * u64::from(w.consumers_per_subscription),
            w.subscriptions_per_topic,
            processes(w.consumer_processes),
        )?;
        writeln!(
            f,
            "load      {}, {}, {}",
            load(w),
            payload(&w.payload),
            match w.keys {
                KeyDistributor::None => "no keys",
                KeyDistributor::RoundRobin => "keys in turn",
                KeyDistributor::RandomNano => "random keys",
            }
        )?;
        writeln!(
            f,
            "time      {} warm-up, {} measured",
            show_duration(w.warmup),
            show_duration(w.duration)
        )?;
        if let Some(search) = &w.search {
            writeln!(f, "search    {search}")?;
        }
        if let Some(control) = &w.control {
            writeln!(f, "control   {control}")?;
        }
        if let Some(backlog) = w.backlog {
            writeln!(
                f,
                "backlog   {:.3} GiB, {:.0} % of it drained within {}",
                backlog.bytes as f64 / (1_u64 << 30) as f64,
                backlog.drain_ratio * 100.0,
                show_duration(backlog.deadline)
            )?;
        }
        if !w.thresholds.is_empty() {
            let thresholds: Vec<String> = w.thresholds.iter().map(ToString::to_string).collect();
            writeln!(f, "bounds    {}", thresholds.join(", "))?;
        }
        Ok(())
    }
}

fn processes(count: Option<u32>) -> String {
    let mut text = String::new();
    if let Some(count) = count {
        _ = write!(text, " over {count} processes");
    }
    text
}

fn load(workload: &Workload) -> String {
    let (rate, size) = (workload.rate, workload.message_size);
    if workload.search.is_some() {
        return format!("messages of {size} bytes at the highest rate that holds");
    }
    let megabytes = rate * size as f64 / 1e6;
    format!("{rate} messages/s of {size} bytes ({megabytes:.1} MB/s)")
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::File(path) => format!("payload {}", path.display()),
        Payload::Random { random_ratio, .. } => {
            format!("{:.0} % of the bytes random", random_ratio * 100.0)
        }
    }
}
