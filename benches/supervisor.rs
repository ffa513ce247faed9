//! What it costs the supervisor to hear 64 children report every 200 ms: frames decoded, histograms
//! and the ledger added up, nothing else.
//!
//! `cargo bench --bench supervisor`. The goal is at most 2 % of one core.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking"
)]

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use omb::clock::Instant;
use omb::config::{Overrides, load_workload};
use omb::plan::{Plan, RunId};
use omb::stats::delta::{
    AckRun, ConsumerDelta, Grid, LoadPhase, PartitionRead, ProducerDelta, Range, SLOT, Slot,
    SlotDelta, StreamId, StreamOutcomes, StreamRead, TopicPartition,
};
use omb::stats::latencies::LatencyRecorders;
use omb::supervisor::tally::Tally;
use omb::wire::{FromChild, read_frame, write_frame};

/// Producer processes, and as many consumer processes.
const PAIRS: u32 = 32;
/// Clients of each, with a topic of its own.
const CLIENTS: u32 = 2;
const PARTITIONS: u32 = 16;
/// A good million messages a second over all topics; each partition gets as many.
const PER_SLOT: u64 = 200 * PARTITIONS as u64;
/// Messages between two changes of a sticky partitioner's mind.
const STICKY: u64 = PER_SLOT / 20;
/// Slots when it is timed, a minute's worth; a few if it is only to run.
const SLOTS: i64 = 300;
const A_FEW: i64 = 5;

fn place(topic: u32, partition: u32) -> TopicPartition {
    TopicPartition { topic, partition }
}

/// One topic with its one producer and one consumer.
struct Topic {
    number: u32,
    sequence: u64,
    offsets: [u64; PARTITIONS as usize],
    read: [u64; PARTITIONS as usize],
    random: fastrand::Rng,
}

impl Topic {
    fn stream(&self) -> StreamId {
        StreamId {
            producer: self.number,
            incarnation: 0,
        }
    }

    /// With `keys`, neighbours do not lie side by side.
    fn produced(&mut self, keys: bool) -> ProducerDelta {
        let mut outcomes = StreamOutcomes {
            stream: self.stream(),
            ..StreamOutcomes::default()
        };
        let all = Range {
            start: self.sequence,
            end: self.sequence + PER_SLOT,
        };
        self.sequence = all.end;
        if keys {
            outcomes.scattered.push(all);
            for partition in 0..PARTITIONS {
                let end = &mut self.offsets[partition as usize];
                *end += PER_SLOT / u64::from(PARTITIONS);
                outcomes.ends.push((place(self.number, partition), *end));
            }
        } else {
            for start in (all.start..all.end).step_by(STICKY as usize) {
                let sequences = Range {
                    start,
                    end: (start + STICKY).min(all.end),
                };
                let partition = self.random.u32(0..PARTITIONS);
                let offset = &mut self.offsets[partition as usize];
                outcomes.runs.push(AckRun {
                    partition: place(self.number, partition),
                    sequences,
                    offset: *offset,
                    stride: 1,
                });
                *offset += sequences.len();
            }
        }
        ProducerDelta {
            outcomes: vec![outcomes],
            errors: Vec::new(),
        }
    }

    fn consumed(&mut self) -> ConsumerDelta {
        let mut delta = ConsumerDelta {
            subscription: self.number,
            ..ConsumerDelta::default()
        };
        for partition in 0..PARTITIONS as usize {
            let (from, position) = (self.read[partition], self.offsets[partition]);
            self.read[partition] = position;
            delta.partitions.push(PartitionRead {
                partition: place(self.number, partition as u32),
                from,
                position,
                load: vec![Range {
                    start: from,
                    end: position,
                }],
                ..PartitionRead::default()
            });
        }
        delta.streams.push(StreamRead {
            stream: self.stream(),
            phase: LoadPhase::Measure,
            sequences: vec![Range {
                start: self.sequence - PER_SLOT,
                end: self.sequence,
            }],
            redelivered: false,
        });
        delta
    }
}

/// Times around a millisecond with a long tail.
fn nanos(random: &mut fastrand::Rng) -> u64 {
    let spread = -random.f64().max(1e-9).ln();
    (300_000.0 + 500_000.0 * spread * spread) as u64
}

fn frames(
    topics: &mut [Topic],
    slot: Slot,
    keys: bool,
    random: &mut fastrand::Rng,
) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for of_child in topics.chunks_mut(CLIENTS as usize) {
        let mut sides = [SlotDelta::default(), SlotDelta::default()];
        let mut recorders = [LatencyRecorders::default(), LatencyRecorders::default()];
        for topic in of_child {
            sides[0].producers.push(topic.produced(keys));
            sides[1].consumers.push(topic.consumed());
        }
        let messages = PER_SLOT * u64::from(CLIENTS);
        for _ in 0..messages {
            let nanos = nanos(random);
            recorders[0].publish.record(nanos);
            recorders[0].response.record(nanos + nanos / 10);
            recorders[0].publish_delay.record(nanos / 50);
            recorders[1].end_to_end.record(nanos + nanos / 8);
            recorders[1].end_to_end_response.record(nanos + nanos / 5);
        }
        for (mut delta, mut recorders) in sides.into_iter().zip(recorders) {
            delta.slot = slot;
            let phase = delta.phases.of_mut(LoadPhase::Measure);
            phase.latencies = recorders.cut();
            phase.sent = messages;
            phase.acknowledged = messages;
            let mut frame = Vec::new();
            write_frame(&mut frame, &FromChild::Deltas(vec![delta])).unwrap();
            frames.push(frame);
        }
    }
    frames
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

fn measure(keys: bool, slots: i64) {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/workloads/quickstart.yaml"
    );
    let mut workload = load_workload(file.as_ref(), &Overrides::default()).unwrap();
    workload.topics = PAIRS * CLIENTS;
    workload.partitions_per_topic = PARTITIONS;
    workload.producers_per_topic = 1;
    workload.duration = SLOT * slots as u32;
    let mut tally = Tally::new(&Plan::new(&workload, RunId(1), None, 2));
    let grid = Grid {
        origin: Instant(1_000_000_000_000),
    };
    tally.start(grid, Slot(0), Slot(0), &workload);
    let mut random = fastrand::Rng::with_seed(1);
    let mut topics: Vec<Topic> = (0..PAIRS * CLIENTS)
        .map(|number| Topic {
            number,
            sequence: 0,
            offsets: [0; PARTITIONS as usize],
            read: [0; PARTITIONS as usize],
            random: random.fork(),
        })
        .collect();
    let (mut decoding, mut adding, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for slot in 0..slots {
        for frame in frames(&mut topics, Slot(slot), keys, &mut random) {
            bytes += frame.len();
            let begun = cpu();
            let heard = read_frame::<FromChild>(&frame[..]).unwrap();
            let decoded = cpu();
            let Some(FromChild::Deltas(deltas)) = heard else {
                panic!("another frame was written");
            };
            deltas.iter().for_each(|delta| {
                tally.add(delta);
            });
            drop(deltas);
            adding += cpu() - decoded;
            decoding += decoded - begun;
        }
        let begun = cpu();
        if let Some(periods) = &mut tally.periods {
            periods.due_seconds(grid.start(Slot(slot)));
        }
        adding += cpu() - begun;
    }
    assert!(tally.ledger.is_drained());
    for counts in tally.ledger.counts() {
        assert_eq!(counts.received, PER_SLOT * slots as u64);
        assert_eq!((counts.lost, counts.redelivered), (0, 0));
    }
    let reports = slots as f64 * f64::from(2 * PAIRS);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / reports;
    let core = (decoding + adding).as_secs_f64() / (SLOT.as_secs_f64() * slots as f64);
    println!(
        "{:12} {:6.2} % of a core; a report of {:.0} bytes: {:.1} µs to decode, {:.1} µs to add",
        if keys { "random keys" } else { "no keys" },
        core * 100.0,
        bytes as f64 / reports,
        each(decoding),
        each(adding)
    );
}

fn main() {
    println!(
        "{} children, a report each {SLOT:?}, {} messages a second:",
        2 * PAIRS,
        PER_SLOT * 5 * u64::from(PAIRS * CLIENTS)
    );
    // cargo bench says so; cargo test doesn't.
    let timed = std::env::args().any(|word| word == "--bench");
    let slots = if timed { SLOTS } else { A_FEW };
    measure(false, slots);
    measure(true, slots);
}
