//! The ledger beside a model that keeps every message and every place by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const STREAMS: u32 = 2;
const PARTITIONS: u32 = 3;

type Message = (u32, u64);
type Place = (u32, u64);

/// Where an acknowledgement says its messages are.
enum Ack {
    At(Message, Place),
    Below(Vec<Message>, BTreeMap<u32, u64>),
    Anywhere(Message),
}

/// Partitions with what was written to them, and what became known of it.
#[derive(Default)]
struct World {
    logs: BTreeMap<u32, Vec<Option<Message>>>,
    acks: Vec<Ack>,
    reads: u64,
    places_read: BTreeSet<Place>,
    received: BTreeSet<Message>,
    positions: BTreeMap<u32, u64>,
}

fn stream(producer: u32) -> StreamId {
    StreamId {
        producer,
        incarnation: 0,
    }
}

fn place(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: 0,
        partition,
    }
}

impl World {
    /// Some messages of a stream are sent, and their outcomes reported.
    fn produce(
        &mut self,
        random: &mut fastrand::Rng,
        producer: u32,
        sequences: Range,
    ) -> ProducerDelta {
        let mut outcomes = StreamOutcomes {
            stream: stream(producer),
            ..StreamOutcomes::default()
        };
        let (mut scattered, mut ends) = (Vec::new(), BTreeMap::new());
        for sequence in sequences.start..sequences.end {
            let message = (producer, sequence);
            let single = range(sequence, sequence + 1);
            let partition = random.u32(0..PARTITIONS);
            let log = self.logs.entry(partition).or_default();
            let offset = log.len() as u64;
            let kind = random.u32(0..100);
            // Some are acknowledged and gone, some unknown and there.
            let is_there = kind >= 6 && (kind >= 14 || random.bool());
            log.push(is_there.then_some(message));
            if is_there && kind > 96 {
                log.push(Some(message));
            }
            match kind {
                6..=9 => outcomes.unknown.push(single),
                10..=13 if !is_there => outcomes.failed.push(single),
                14..=16 => {
                    outcomes.placeless.push(single);
                    self.acks.push(Ack::Anywhere(message));
                }
                _ if kind.is_multiple_of(2) => {
                    outcomes.runs.push(AckRun {
                        partition: place(partition),
                        sequences: single,
                        offset,
                        stride: 1,
                    });
                    self.acks.push(Ack::At(message, (partition, offset)));
                }
                _ => {
                    outcomes.scattered.push(single);
                    ends.insert(partition, offset + 1);
                    scattered.push(message);
                }
            }
        }
        outcomes.ends = ends.iter().map(|(&p, &end)| (place(p), end)).collect();
        if !scattered.is_empty() {
            self.acks.push(Ack::Below(scattered, ends));
        }
        ProducerDelta {
            outcomes: vec![outcomes],
            errors: Vec::new(),
        }
    }

    /// A partition is read on, or by a new owner from further back.
    fn consume(&mut self, random: &mut fastrand::Rng, partition: u32) -> ConsumerDelta {
        let log = self.logs.entry(partition).or_default();
        let position = self.positions.entry(partition).or_default();
        let back = if random.u32(0..4) == 0 { 15 } else { 0 };
        let from = position.saturating_sub(random.u64(0..=back));
        let end = (from + random.u64(0..30)).min(log.len() as u64);
        let end = end.max(from);
        *position = end.max(*position);
        let mut delta = ConsumerDelta::default();
        let mut read = PartitionRead {
            partition: place(partition),
            from,
            position: end,
            ..PartitionRead::default()
        };
        let mut next = [0; STREAMS as usize];
        for offset in from..end {
            let Some((producer, sequence)) = log[offset as usize] else {
                continue;
            };
            self.reads += 1;
            self.places_read.insert((partition, offset));
            self.received.insert((producer, sequence));
            read.load.push(range(offset, offset + 1));
            let phase = LoadPhase::WarmUp;
            if sequence >= next[producer as usize] {
                next[producer as usize] = sequence + 1;
                delta.streams.push(StreamRead {
                    stream: stream(producer),
                    phase,
                    sequences: vec![range(sequence, sequence + 1)],
                    redelivered: false,
                });
            } else {
                delta.stragglers.push(Straggler {
                    stream: stream(producer),
                    phase,
                    sequence,
                    partition: place(partition),
                    offset: Some(offset),
                    redelivered: false,
                });
            }
        }
        delta.partitions.push(read);
        delta
    }

    fn expected(&self) -> SubscriptionCounts {
        let passed = |(partition, end): (u32, u64)| {
            self.positions.get(&partition).is_some_and(|&p| p >= end)
        };
        let (mut lost, mut unread) = (0, 0);
        let missing = |message: &Message| !self.received.contains(message);
        for ack in &self.acks {
            let (messages, is_passed) = match ack {
                Ack::At(message, (partition, offset)) => (
                    std::slice::from_ref(message),
                    passed((*partition, offset + 1)),
                ),
                Ack::Below(messages, ends) => (
                    &messages[..],
                    ends.iter().all(|(&p, &end)| passed((p, end))),
                ),
                Ack::Anywhere(message) => (std::slice::from_ref(message), false),
            };
            let count = messages.iter().filter(|m| missing(m)).count() as u64;
            *(if is_passed { &mut lost } else { &mut unread }) += count;
        }
        let places = self.places_read.len() as u64;
        SubscriptionCounts {
            received: self.received.len() as u64,
            lost,
            unread,
            duplicates: places - self.received.len() as u64,
            redelivered: self.reads - places,
            ..SubscriptionCounts::default()
        }
    }
}

#[test]
fn any_order_of_reports_gives_the_counts_of_a_naive_model() {
    for seed in 0..600 {
        naive_model(seed);
    }
}

fn naive_model(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::default();
    let mut ledger = Ledger::new(&[vec![0]], vec![0; STREAMS as usize]);
    let mut sent = [0; STREAMS as usize];
    // Reports that are on their way: those of one partition may overtake each other.
    let mut outcomes = Vec::new();
    let mut reads: Vec<ConsumerDelta> = Vec::new();
    for _ in 0..random.usize(10..60) {
        if random.bool() {
            let producer = random.u32(0..STREAMS);
            let start = &mut sent[producer as usize];
            let sequences = range(*start, *start + random.u64(1..25));
            *start = sequences.end;
            outcomes.push(world.produce(&mut random, producer, sequences));
        } else {
            let partition = random.u32(0..PARTITIONS);
            reads.push(world.consume(&mut random, partition));
        }
        if random.bool() && !outcomes.is_empty() {
            let at = random.usize(0..outcomes.len());
            ledger.produced(&outcomes.swap_remove(at));
        }
        if random.bool() && !reads.is_empty() {
            let at = random.usize(0..reads.len().min(3));
            ledger.consumed(Slot(0), &reads.remove(at));
        }
        if random.u32(0..10) == 0 {
            ledger.is_drained();
        }
    }
    outcomes.iter().for_each(|delta| {
        ledger.produced(delta);
    });
    reads.iter().for_each(|delta| {
        ledger.consumed(Slot(0), delta);
    });
    let (found, expected) = (ledger.counts()[0], world.expected());
    // Which of two copies comes first is what reports that overtake each other change.
    let found = SubscriptionCounts {
        reordered: 0,
        ..found
    };
    assert_eq!(found, expected, "seed {seed}");
    assert_eq!(ledger.is_drained(), expected.unread == 0, "seed {seed}");
    let examples = &ledger.examples()[0];
    for (few, count) in [
        (&examples.lost, expected.lost),
        (&examples.unread, expected.unread),
    ] {
        assert_eq!(few.as_slice().len() as u64, count.min(5), "seed {seed}");
        for example in few.as_slice() {
            let message = (example.stream.unwrap().producer, example.sequence.unwrap());
            assert!(!world.received.contains(&message), "seed {seed}");
        }
    }
    for example in examples.duplicates.as_slice() {
        let message = (example.stream.unwrap().producer, example.sequence.unwrap());
        let copies = world.logs.values().flatten();
        let copies = copies.filter(|&&there| there == Some(message)).count();
        assert_eq!(copies, 2, "seed {seed}");
    }
}
