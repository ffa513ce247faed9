//! The ledger of a very long run stays small: ten billion messages, 1 % of them out of order within
//! a window of a million and 0.01 % lost, within 64 MiB.
//!
//! What clients would report is made up slot by slot, as ranges. A program of its own, so that its
//! memory is the ledger's and that of the reports in hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use omb::stats::delta::{
    AckRun, ConsumerDelta, LoadPhase, PartitionRead, ProducerDelta, Range, Slot, Straggler,
    StreamId, StreamOutcomes, StreamRead, TopicPartition,
};
use omb::stats::ledger::{Ledger, SubscriptionCounts};

const FULL: u64 = 10_000_000_000;
const STREAMS: u32 = 4;
/// Messages of one stream in one slot: a million a second over all of them.
const PER_SLOT: u64 = 200_000 / STREAMS as u64;
/// How much later a message may come, in messages of its stream.
const WINDOW: u64 = 1_000_000 / STREAMS as u64;
/// So many places a producer tells one by one.
const RUNS: usize = 128;

/// Bytes that all of ten billion messages may take.
const MOST: u64 = 64 << 20;
/// Of these, what is needed from the start: the window, and the reports of a slot.
const FROM_THE_START: u64 = 3 << 20;

/// One stream, alone in its partition.
struct Source {
    stream: StreamId,
    place: TopicPartition,
    random: fastrand::Rng,
    next: u64,
    offset: u64,
    /// (when they come, their number), in messages of the stream.
    delayed: BinaryHeap<Reverse<(u64, u64)>>,
    lost: u64,
    reordered: u64,
}

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

impl Source {
    fn new(number: u32) -> Self {
        Self {
            stream: StreamId {
                producer: number,
                incarnation: 0,
            },
            place: TopicPartition {
                topic: 0,
                partition: number,
            },
            random: fastrand::Rng::with_seed(number.into()),
            next: 0,
            offset: 0,
            delayed: BinaryHeap::new(),
            lost: 0,
            reordered: 0,
        }
    }

    /// What is acknowledged and read in one slot, in which so many new messages are sent.
    fn slot(&mut self, messages: u64) -> (ProducerDelta, ConsumerDelta) {
        let from = self.offset;
        let end = self.next + messages;
        let (mut runs, mut scattered) = (Vec::new(), Vec::new());
        let (mut load, mut sequences) = (Vec::new(), Vec::new());
        // Everything up to here is in the log, and, of what was read, in a range.
        let (mut logged, mut read) = (self.next, self.next);
        while self.next < end {
            let odd = (self.next + self.random.u64(0..200)).min(end);
            self.next = (odd + 1).min(end);
            let is_lost = odd < end && self.random.u32(0..100) == 0;
            if read < odd {
                sequences.push(range(read, odd));
                load.push(range(self.offset, self.offset + odd - read));
                self.offset += odd - read;
            }
            read = odd + 1;
            if is_lost {
                self.lost += 1;
                self.offset += 1;
                continue;
            }
            // Up to a delayed message all is in the log side by side, the lost included.
            if logged < odd {
                let sequences = range(logged, odd);
                if runs.len() < RUNS {
                    runs.push(AckRun {
                        partition: self.place,
                        sequences,
                        offset: self.offset - sequences.len(),
                        stride: 1,
                    });
                } else {
                    scattered.push(sequences);
                }
            }
            logged = odd + 1;
            if odd < end {
                let due = odd + self.random.u64(1..WINDOW);
                self.delayed.push(Reverse((due, odd)));
            }
        }
        if logged < end {
            scattered.push(range(logged, end));
        }
        let stragglers = self.come_late(if messages > 0 { end } else { u64::MAX });
        scattered.extend(stragglers.iter().map(|s| range(s.sequence, s.sequence + 1)));
        let place = |straggler: &Straggler| {
            let offset = straggler.offset.unwrap();
            range(offset, offset + 1)
        };
        load.extend(stragglers.iter().map(place));
        let produced = ProducerDelta {
            outcomes: vec![StreamOutcomes {
                stream: self.stream,
                runs,
                scattered,
                ends: vec![(self.place, self.offset)],
                ..StreamOutcomes::default()
            }],
            errors: Vec::new(),
        };
        let consumed = ConsumerDelta {
            subscription: 0,
            partitions: vec![PartitionRead {
                partition: self.place,
                from,
                position: self.offset,
                load,
                ..PartitionRead::default()
            }],
            streams: vec![StreamRead {
                stream: self.stream,
                phase: LoadPhase::Measure,
                sequences,
                redelivered: false,
            }],
            stragglers,
        };
        (produced, consumed)
    }

    fn come_late(&mut self, before: u64) -> Vec<Straggler> {
        let mut stragglers = Vec::new();
        while let Some(&Reverse((due, sequence))) = self.delayed.peek() {
            if due >= before {
                break;
            }
            self.delayed.pop();
            self.reordered += 1;
            stragglers.push(Straggler {
                stream: self.stream,
                phase: LoadPhase::Measure,
                sequence,
                partition: self.place,
                offset: Some(self.offset),
                redelivered: false,
            });
            self.offset += 1;
        }
        stragglers
    }
}

/// `VmRSS` or `VmHWM`, in bytes.
fn memory(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(which)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

fn simulate(messages: u64) {
    let begun = Instant::now();
    let before = memory("VmRSS");
    let mut ledger = Ledger::new(&[vec![0]], vec![0; STREAMS as usize]);
    let mut sources: Vec<Source> = (0..STREAMS).map(Source::new).collect();
    let slots = messages / (PER_SLOT * u64::from(STREAMS));
    for slot in 0..=slots {
        // In the last slot come the last delayed ones.
        let messages = if slot < slots { PER_SLOT } else { 0 };
        for source in &mut sources {
            let (produced, consumed) = source.slot(messages);
            // Sometimes a message is read before its acknowledgement is.
            if slot % 3 == 0 {
                ledger.consumed(Slot(slot as i64), &consumed);
                ledger.produced(&produced);
            } else {
                ledger.produced(&produced);
                ledger.consumed(Slot(slot as i64), &consumed);
            }
        }
    }
    assert!(ledger.is_drained());
    let used = memory("VmHWM").saturating_sub(before);
    let lost: u64 = sources.iter().map(|source| source.lost).sum();
    let reordered: u64 = sources.iter().map(|source| source.reordered).sum();
    let expected = SubscriptionCounts {
        received: messages - lost,
        lost,
        reordered,
        ..SubscriptionCounts::default()
    };
    assert_eq!(ledger.counts(), [expected]);
    let share = |part: u64| part as f64 / messages as f64;
    assert!((share(reordered) - 0.01).abs() < 0.001, "{reordered}");
    assert!((share(lost) - 0.000_1).abs() < 0.000_03, "{lost}");
    println!(
        "{messages} messages, {reordered} reordered, {lost} lost: {:.1} MiB, {:.1} s",
        used as f64 / f64::from(1 << 20),
        begun.elapsed().as_secs_f64()
    );
    let scaled = (MOST - FROM_THE_START) as f64 * messages as f64 / FULL as f64;
    let most = FROM_THE_START + scaled as u64;
    assert!(used <= most, "{used} bytes, more than {most}");
}

#[test]
fn the_ledger_of_two_hundred_million_messages_takes_its_share_of_64_mib() {
    simulate(200_000_000);
}

/// Minutes: `cargo test --release --test ledger_memory -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes, and only so if it is built for release"]
fn the_ledger_of_ten_billion_messages_fits_into_64_mib() {
    simulate(FULL);
}
