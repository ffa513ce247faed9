//! What a run will take of this host and of the broker, and whether there is as much.
//!
//! The figures of processes are measured ones: on x86-64 with librdkafka 2.12, at a rate so small that
//! queues stay empty.

use std::fmt;

use super::Plan;
use crate::config::{Payload, Workload};
use crate::driver::systems::ClientCost;
use crate::host::Room;

/// Threads of a process that are no client's.
const OWN_THREADS: usize = 3;
/// Threads of supervisor, steward and embedded broker.
const OTHER_THREADS: usize = 15 + 9;
const BROKER_THREADS: usize = 4;
/// Descriptors of a process that are no client's.
const OWN_FILES: u64 = 8;

/// Resident memory of a client's topics and their partitions.
const TOPIC_BYTES: u64 = 6 << 10;
const PARTITION_BYTES: u64 = 4 << 10;

/// From this rate on nobody means the number.
const FLAT_OUT: f64 = 1e7;
/// Processor time that a message takes a producer or a consumer at the very least, in seconds.
const LEAST_SECONDS: f64 = 0.5e-6;

/// What a run will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Producer and consumer processes, supervisor, steward, embedded broker.
    pub processes: usize,
    /// Threads of all of them.
    pub threads: usize,
    /// Threads of each producer process, and of each consumer process.
    pub client_threads: [Vec<usize>; 2],
    /// Connections to brokers.
    pub connections: usize,
    /// Resident memory of producers and consumers, process by process, while queues are empty.
    pub client_memory: [Vec<u64>; 2],
    /// Of all processes.
    pub memory: u64,
    /// The same with all queues of clients full.
    pub memory_at_most: u64,
    /// The most descriptors of one process.
    pub files: u64,
    /// Payload bytes that brokers get over the whole run, each copy of a message counted; none where
    /// the rate is not known.
    pub disk: Option<u64>,
    /// Payload bytes a second, to brokers and from them.
    pub bytes_per_second: Option<[f64; 2]>,
    /// Processors that clients keep busy at the least.
    pub processors: Option<f64>,
}

/// What a forecast has to know of the system under test.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Brokers that a client is connected to, as far as they are known before the first connection.
    pub brokers: usize,
    /// Resident memory of a process of this program that has no client.
    pub process: u64,
    /// What a producer and a consumer take.
    pub clients: [ClientCost; 2],
    /// Threads of the library's that the clients of a process share.
    pub shared_threads: usize,
    /// The broker is ours, a process of this run.
    pub embedded: bool,
    /// Copies of each message.
    pub replication: u64,
    /// Bytes that wait in a producer's queue, and in a consumer's, at most.
    pub queues: [u64; 2],
}

impl Forecast {
    /// Of this plan.
    pub fn new(plan: &Plan, workload: &Workload, cluster: Cluster) -> Self {
        let brokers = cluster.brokers.max(1);
        let partitions = u64::from(workload.partitions_per_topic);
        let of_topics =
            |topics: usize| topics as u64 * (TOPIC_BYTES + partitions * PARTITION_BYTES);
        let payloads = match workload.payload {
            Payload::File(_) => 1,
            Payload::Random { pool, .. } => u64::from(pool),
        } * workload.message_size as u64;
        let [producer, consumer] = cluster.clients;
        let producer_memory = plan.producers.iter().map(|clients| {
            let each = clients
                .iter()
                .map(|c| producer.bytes + payloads + of_topics(c.topics.len()));
            cluster.process + each.sum::<u64>()
        });
        let consumer_memory = plan.consumers.iter().map(|clients| {
            let each = clients
                .iter()
                .map(|c| consumer.bytes + of_topics(c.topics.len()));
            cluster.process + each.sum::<u64>()
        });
        let client_memory = [producer_memory.collect(), consumer_memory.collect()];
        let threads_of = |clients: usize, each: usize| {
            OWN_THREADS + cluster.shared_threads + clients * (each + brokers)
        };
        let client_threads = [
            plan.producers
                .iter()
                .map(|c| threads_of(c.len(), producer.threads))
                .collect(),
            plan.consumers
                .iter()
                .map(|c| threads_of(c.len(), consumer.threads))
                .collect(),
        ];
        let (senders, members) = (plan.producer_clients(), plan.consumer_clients());
        let others = 2 + usize::from(cluster.embedded);
        let memory = sum(&client_memory) + others as u64 * cluster.process;
        let broker_threads = if cluster.embedded { BROKER_THREADS } else { 0 };
        let files = |processes: Vec<usize>, each: u64| {
            let most = processes.into_iter().max().unwrap_or(0) as u64;
            OWN_FILES + most * (each + brokers as u64 - 1)
        };
        // Flat out is as fast as it goes, and nobody knows how fast that is.
        let known = workload.rate > 0.0 && workload.rate < FLAT_OUT;
        let rate = known.then_some(workload.rate);
        let size = workload.message_size as f64;
        let copies = f64::from(workload.subscriptions_per_topic);
        let seconds = (workload.warmup + workload.duration).as_secs_f64();
        let all_threads: usize = client_threads.iter().flatten().sum();
        Self {
            processes: plan.producers.len() + plan.consumers.len() + others,
            threads: all_threads + OTHER_THREADS + broker_threads,
            client_threads,
            connections: senders * (brokers + producer.further_connections)
                + members * (brokers + consumer.further_connections),
            memory,
            memory_at_most: memory
                + senders as u64 * cluster.queues[0]
                + members as u64 * cluster.queues[1],
            client_memory,
            files: files(
                plan.producers.iter().map(Vec::len).collect(),
                producer.files,
            )
            .max(files(
                plan.consumers.iter().map(Vec::len).collect(),
                consumer.files,
            )),
            disk: rate.map(|rate| (rate * size * seconds) as u64 * cluster.replication.max(1)),
            bytes_per_second: rate.map(|rate| [rate * size, rate * size * copies]),
            processors: rate.map(|rate| rate * (1.0 + copies) * LEAST_SECONDS),
        }
    }

    /// What this host has too little of. Disks are looked at where the broker is on this host.
    pub fn warnings(&self, room: &Room, broker_here: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |short: bool, text: String| {
            if short {
                warnings.push(text);
            }
        };
        let bytes = |of: Option<u64>| of.map_or(String::new(), shown);
        let memory = room.memory;
        warn(
            memory.is_some_and(|free| self.memory > free),
            format!(
                "the run takes about {} of memory, and {} are free here; give fewer topics, \
                 producers or consumers, or a smaller randomizedPayloadPoolSize",
                shown(self.memory),
                bytes(memory)
            ),
        );
        warn(
            memory.is_some_and(|free| self.memory <= free && self.memory_at_most > free),
            format!(
                "the run takes up to {} of memory when the clients' queues are full, and {} are \
                 free here; -X queue.buffering.max.kbytes and -X queued.max.messages.kbytes bound them",
                shown(self.memory_at_most),
                bytes(memory)
            ),
        );
        warn(
            room.files.is_some_and(|limit| self.files > limit),
            format!(
                "a process of the run has about {} open files, and {} are allowed; raise the limit \
                 (ulimit -n), or give more processes",
                self.files,
                room.files.unwrap_or(0)
            ),
        );
        warn(
            room.threads
                .is_some_and(|limit| self.threads as u64 > limit),
            format!(
                "the run has about {} threads, and {} are allowed (ulimit -u, kernel.threads-max, \
                 or pids.max of the control group)",
                self.threads,
                room.threads.unwrap_or(0)
            ),
        );
        warn(
            room.ports
                .is_some_and(|ports| self.connections as u64 > ports),
            format!(
                "the run makes about {} connections, and there are {} local ports for them \
                 (net.ipv4.ip_local_port_range)",
                self.connections,
                room.ports.unwrap_or(0)
            ),
        );
        let processors = self.processors.unwrap_or(0.0);
        warn(
            processors > room.processors as f64,
            format!(
                "this rate keeps at least {processors:.1} processors busy, and there are {} here: \
                 the figures will be those of this host",
                room.processors
            ),
        );
        warn(
            broker_here && self.disk > room.disk && room.disk.is_some(),
            format!(
                "the run writes at least {} to a broker on this host, and its disks have {} free",
                bytes(self.disk),
                bytes(room.disk)
            ),
        );
        warnings
    }
}

fn sum(memory: &[Vec<u64>; 2]) -> u64 {
    memory.iter().flatten().sum()
}

/// Bytes, for people.
fn shown(bytes: u64) -> String {
    let (mega, giga) = (bytes as f64 / 1e6, bytes as f64 / 1e9);
    if giga >= 1.0 {
        format!("{giga:.1} GB")
    } else {
        format!("{mega:.0} MB")
    }
}

/// A thing a line.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [producers, consumers] = &self.client_threads;
        writeln!(
            f,
            "processes {}: {} producer, {} consumer, supervisor, steward{}; {} threads",
            self.processes,
            producers.len(),
            consumers.len(),
            if self.processes > producers.len() + consumers.len() + 2 {
                ", broker"
            } else {
                ""
            },
            self.threads
        )?;
        writeln!(f, "connects  {} times to brokers", self.connections)?;
        writeln!(
            f,
            "memory    {}, and up to {} when the clients' queues are full",
            shown(self.memory),
            shown(self.memory_at_most)
        )?;
        if let (Some([to, from]), Some(disk)) = (self.bytes_per_second, self.disk) {
            writeln!(
                f,
                "traffic   {:.1} MB/s to brokers, {:.1} MB/s from them; {} of payload on their disks",
                to / 1e6,
                from / 1e6,
                shown(disk)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::testing::workload;
    use crate::plan::RunId;

    const CLUSTER: Cluster = Cluster {
        brokers: 1,
        process: 12 << 20,
        clients: crate::driver::kafka::CLIENTS,
        shared_threads: 0,
        embedded: true,
        replication: 1,
        queues: [8 << 20, 16 << 20],
    };

    fn forecast(change: impl FnOnce(&mut Workload), cluster: Cluster) -> Forecast {
        let mut workload = workload();
        change(&mut workload);
        let plan = Plan::new(&workload, RunId(7), None, 2);
        Forecast::new(&plan, &workload, cluster)
    }

    /// A host with plenty of everything.
    fn plenty() -> Room {
        Room {
            memory: Some(1 << 40),
            disk: Some(1 << 50),
            files: Some(1 << 20),
            threads: Some(1 << 20),
            ports: Some(28_232),
            processors: 64,
        }
    }

    #[test]
    fn what_was_measured_is_what_is_foreseen() {
        // Topics, then threads and MB of a producer and of a consumer process, as measured.
        for (topics, threads, producer, consumer) in [
            (16, [35, 43], 22.0, 14.0),
            (64, [131, 163], 57.0, 23.0),
            (256, [515, 643], 195.0, 61.0),
            (1_024, [1_027, 1_283], 377.0, 120.0),
            (4_000, [1_027, 1_283], 392.0, 130.0),
        ] {
            let forecast = forecast(
                |workload| {
                    workload.topics = topics;
                    workload.payload = Payload::Random {
                        random_ratio: 1.0,
                        pool: 1_000,
                    };
                },
                CLUSTER,
            );
            let [producers, consumers] = &forecast.client_threads;
            assert_eq!([producers[0], consumers[0]], threads, "{topics}");
            let [producers, consumers] = &forecast.client_memory;
            for (found, measured) in [(producers[0], producer), (consumers[0], consumer)] {
                let off = found as f64 / 1e6 / measured;
                assert!(
                    (0.8..1.25).contains(&off),
                    "{topics}: {found} instead of {measured} MB"
                );
            }
        }
    }

    #[test]
    fn traffic_and_disk_follow_from_the_load_and_nothing_does_from_no_rate() {
        let load = |workload: &mut Workload| {
            workload.rate = 20_000.0;
            workload.message_size = 1_000;
            workload.subscriptions_per_topic = 3;
            workload.warmup = Duration::from_secs(10);
            workload.duration = Duration::from_secs(90);
        };
        let cluster = Cluster {
            brokers: 3,
            embedded: false,
            replication: 3,
            ..CLUSTER
        };
        let found = forecast(load, cluster);
        assert_eq!(found.bytes_per_second, Some([20e6, 60e6]));
        assert_eq!(found.disk, Some(3 * 2_000_000_000));
        assert_eq!(found.connections, 3 + 3 * 4);
        for rate in [0.0, 1e7] {
            let unknown = forecast(|workload| workload.rate = rate, cluster);
            assert_eq!((unknown.disk, unknown.bytes_per_second), (None, None));
            assert_eq!(unknown.to_string().lines().count(), 3, "{unknown}");
        }
    }

    #[test]
    fn whatever_there_is_too_little_of_is_told() {
        let load = |workload: &mut Workload| {
            workload.rate = 3_000_000.0;
            workload.topics = 100;
        };
        let forecast = forecast(load, CLUSTER);
        assert_eq!(forecast.warnings(&plenty(), true), Vec::<String>::new());
        let least = |change: fn(&mut Room), word: &str| {
            let mut room = plenty();
            change(&mut room);
            let told = forecast.warnings(&room, true);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(word), "{told:?}");
        };
        least(
            |room| room.memory = Some(1 << 20),
            "of memory, and 1 MB are free",
        );
        least(|room| room.memory = Some(1 << 30), "queues are full");
        least(|room| room.files = Some(100), "open files");
        least(|room| room.threads = Some(100), "threads");
        least(|room| room.ports = Some(100), "local ports");
        least(|room| room.processors = 1, "processors busy");
        least(|room| room.disk = Some(1 << 30), "disks have 1.1 GB free");
        let room = Room {
            disk: Some(1),
            ..plenty()
        };
        assert!(forecast.warnings(&room, false).is_empty());
    }
}
