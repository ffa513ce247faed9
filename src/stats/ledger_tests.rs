use super::*;
use crate::stats::delta::{LoadPhase, StreamRead};

const PLACE: TopicPartition = TopicPartition {
    topic: 0,
    partition: 0,
};
const STREAM: StreamId = StreamId {
    producer: 0,
    incarnation: 0,
};

fn ledger() -> Ledger {
    Ledger::new(&[vec![0]], vec![0])
}

fn acked(start: u64, end: u64, log_end: u64) -> ProducerDelta {
    ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            acknowledged: vec![Range { start, end }],
            ends: vec![(PLACE, log_end)],
            ..StreamOutcomes::default()
        }],
        errors: Vec::new(),
    }
}

/// Sequence numbers read at consecutive offsets from `offset` on.
fn read(offset: u64, sequences: &[Range]) -> ConsumerDelta {
    let messages: u64 = sequences.iter().map(|range| range.len()).sum();
    ConsumerDelta {
        subscription: 0,
        partitions: vec![PartitionRead {
            partition: PLACE,
            position: offset + messages,
            load: vec![Range {
                start: offset,
                end: offset + messages,
            }],
            ..PartitionRead::default()
        }],
        streams: vec![StreamRead {
            stream: STREAM,
            phase: LoadPhase::Measure,
            sequences: sequences.to_vec(),
        }],
        stragglers: Vec::new(),
    }
}

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

#[test]
fn what_was_acknowledged_and_received_balances_in_either_order() {
    let mut ledger = ledger();
    assert_eq!(ledger.produced(&acked(0, 100, 100)), 100);
    assert!(!ledger.is_drained());
    assert_eq!(ledger.consumed(&read(0, &[range(0, 150)])).0, [0, 150]);
    assert!(ledger.is_drained());
    ledger.produced(&acked(100, 150, 150));
    assert!(ledger.is_drained());
    let expected = SubscriptionCounts {
        received: 150,
        ..SubscriptionCounts::default()
    };
    assert_eq!(ledger.counts(), [expected]);
}

#[test]
fn a_killed_consumer_causes_redelivery_and_nothing_else() {
    let mut ledger = ledger();
    ledger.produced(&acked(0, 100, 100));
    ledger.consumed(&read(0, &[range(0, 60)]));
    ledger.consumed(&read(40, &[range(40, 100)]));
    let expected = SubscriptionCounts {
        received: 100,
        redelivered: 20,
        ..SubscriptionCounts::default()
    };
    assert_eq!(ledger.counts(), [expected]);
    assert!(ledger.is_drained());
}

#[test]
fn a_message_that_never_comes_is_lost_once_its_place_is_passed_and_late_if_it_comes_after() {
    let mut ledger = ledger();
    ledger.produced(&acked(0, 100, 100));
    ledger.consumed(&read(0, &[range(0, 50)]));
    assert_eq!(
        (ledger.counts()[0].lost, ledger.counts()[0].unread),
        (0, 50)
    );
    let mut rest = read(50, &[range(50, 70), range(72, 100)]);
    rest.partitions[0].position = 100;
    ledger.consumed(&rest);
    assert_eq!((ledger.counts()[0].lost, ledger.counts()[0].unread), (2, 0));
    assert!(ledger.is_drained());
    ledger.consumed(&read(100, &[range(70, 71)]));
    let counts = ledger.counts()[0];
    assert_eq!((counts.lost, counts.late, counts.received), (1, 1, 99));
}

#[test]
fn a_known_message_at_a_new_place_is_a_duplicate() {
    let mut ledger = ledger();
    ledger.produced(&acked(0, 10, 10));
    ledger.consumed(&read(0, &[range(0, 10)]));
    ledger.consumed(&read(10, &[range(7, 10)]));
    let counts = ledger.counts()[0];
    assert_eq!(
        (counts.received, counts.duplicates, counts.redelivered),
        (10, 3, 0)
    );
}

#[test]
fn stragglers_are_told_apart() {
    let mut ledger = ledger();
    let straggler = |sequence, offset| Straggler {
        stream: STREAM,
        phase: LoadPhase::Measure,
        sequence,
        partition: PLACE,
        offset,
    };
    // 0..5 without 3, then 3 behind 4 (reordered), then 2 again at a new place (duplicate).
    let mut delta = read(0, &[range(0, 3), range(4, 5)]);
    delta.partitions[0].load = vec![range(0, 6)];
    delta.partitions[0].position = 6;
    delta.stragglers = vec![straggler(3, 4), straggler(2, 5)];
    assert_eq!(ledger.consumed(&delta).0, [0, 5]);
    let counts = ledger.counts()[0];
    assert_eq!(
        (counts.received, counts.reordered, counts.duplicates),
        (5, 1, 1)
    );
    // The same places again, as after a crash: redelivered, however they come.
    ledger.consumed(&delta);
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.redelivered), (5, 6));
    assert_eq!((counts.reordered, counts.duplicates), (1, 1));
}

#[test]
fn any_delivery_order_gives_the_counts_of_a_naive_model() {
    for seed in 0..300 {
        naive_model(seed);
    }
}

/// A log with duplicates and holes, read in stretches with random steps back.
fn naive_model(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut log: Vec<u64> = (0..200).filter(|_| random.u8(..) > 10).collect();
    for _ in 0..random.usize(0..4) {
        let copy = log[random.usize(0..log.len())];
        log.insert(random.usize(0..log.len()), copy);
    }
    let mut ledger = ledger();
    ledger.produced(&acked(0, 200, log.len() as u64));
    let (mut seen, mut places) = (std::collections::BTreeSet::new(), 0);
    let (mut redelivered, mut duplicates, mut at) = (0, 0, 0);
    while places < log.len() {
        at = if random.u8(..) < 50 {
            random.usize(0..=at)
        } else {
            at
        };
        let end = (at + random.usize(1..40)).min(log.len());
        let mut delta = ConsumerDelta::default();
        let mut part = PartitionRead {
            partition: PLACE,
            ..PartitionRead::default()
        };
        part.position = end as u64;
        part.load = vec![range(at as u64, end as u64)];
        delta.partitions.push(part);
        let mut next = 0;
        let mut sequences = Vec::new();
        for (offset, &sequence) in log.iter().enumerate().take(end).skip(at) {
            if sequence >= next {
                next = sequence + 1;
                sequences.push(range(sequence, sequence + 1));
            } else {
                delta.stragglers.push(Straggler {
                    stream: STREAM,
                    phase: LoadPhase::WarmUp,
                    sequence,
                    partition: PLACE,
                    offset: offset as u64,
                });
            }
            if offset < places {
                redelivered += 1;
            } else if !seen.insert(sequence) {
                duplicates += 1;
            }
        }
        let phase = LoadPhase::WarmUp;
        delta.streams.push(StreamRead {
            stream: STREAM,
            phase,
            sequences,
        });
        ledger.consumed(&delta);
        places = places.max(end);
        at = end;
    }
    let counts = ledger.counts()[0];
    assert_eq!(counts.received, seen.len() as u64, "seed {seed}");
    assert_eq!(counts.redelivered, redelivered, "seed {seed}");
    assert_eq!(counts.duplicates, duplicates, "seed {seed}");
    assert_eq!(counts.lost, 200 - seen.len() as u64, "seed {seed}");
    assert!(ledger.is_drained(), "seed {seed}");
}
