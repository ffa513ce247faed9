use super::*;
use crate::stats::delta::{LoadPhase, PartitionRead, Straggler, StreamRead};

mod entries;
mod examples;
mod model;
mod places;
mod receipts;

/// A slot long after all others.
const LATER: Slot = Slot(1_000);

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
            scattered: vec![Range { start, end }],
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
            from: offset,
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
            redelivered: false,
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
    assert_eq!(
        ledger.consumed(Slot(0), &read(0, &[range(0, 150)])).0,
        [0, 150]
    );
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
    ledger.consumed(Slot(0), &read(0, &[range(0, 60)]));
    ledger.consumed(Slot(0), &read(40, &[range(40, 100)]));
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
    ledger.consumed(Slot(0), &read(0, &[range(0, 50)]));
    assert_eq!(
        (ledger.counts()[0].lost, ledger.counts()[0].unread),
        (0, 50)
    );
    let mut rest = read(50, &[range(50, 70), range(72, 100)]);
    rest.partitions[0].position = 100;
    ledger.consumed(Slot(0), &rest);
    assert_eq!((ledger.counts()[0].lost, ledger.counts()[0].unread), (2, 0));
    assert!(ledger.is_drained());
    ledger.consumed(Slot(0), &read(100, &[range(70, 71)]));
    let counts = ledger.counts()[0];
    assert_eq!((counts.lost, counts.late, counts.received), (1, 1, 99));
    ledger.consumed(Slot(0), &read(101, &[range(70, 71)]));
    let counts = ledger.counts()[0];
    assert_eq!((counts.lost, counts.late, counts.duplicates), (1, 1, 1));
}

#[test]
fn a_known_message_at_a_new_place_is_a_duplicate() {
    let mut ledger = ledger();
    ledger.produced(&acked(0, 10, 10));
    ledger.consumed(Slot(0), &read(0, &[range(0, 10)]));
    ledger.consumed(Slot(0), &read(10, &[range(7, 10)]));
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
        offset: Some(offset),
        redelivered: false,
    };
    // 0..5 without 3, then 3 behind 4 (reordered), then 2 again at a new place (duplicate).
    let mut delta = read(0, &[range(0, 3), range(4, 5)]);
    delta.partitions[0].load = vec![range(0, 6)];
    delta.partitions[0].position = 6;
    delta.stragglers = vec![straggler(3, 4), straggler(2, 5)];
    assert_eq!(ledger.consumed(Slot(0), &delta).0, [0, 5]);
    let counts = ledger.counts()[0];
    assert_eq!(
        (counts.received, counts.reordered, counts.duplicates),
        (5, 1, 1)
    );
    // The same places again, as after a crash: redelivered, however they come.
    ledger.consumed(Slot(0), &delta);
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.redelivered), (5, 6));
    assert_eq!((counts.reordered, counts.duplicates), (1, 1));
}

#[test]
fn what_was_settled_for_good_and_comes_then_is_late_and_neither_new_nor_a_duplicate() {
    // Enough subscribers' streams that each share is the least one.
    let mut ledger = Ledger::new(&[vec![0]], vec![0; MEMORY / LEAST_SHARE]);
    // One message in a thousand never comes.
    for at in (0..1_000_000).step_by(1_000) {
        ledger.produced(&acked(at, at + 1_000, at + 1_000));
        let mut delta = read(at + 1, &[range(at + 1, at + 1_000)]);
        delta.partitions[0].from = at;
        ledger.consumed(Slot(0), &delta);
    }
    let counts = ledger.counts()[0];
    assert_eq!((counts.lost, counts.received), (1_000, 999_000));
    let (first, last) = (range(0, 1), range(999_000, 999_001));
    assert_eq!(
        ledger.consumed(Slot(0), &read(1_000_000, &[first])).0,
        [0, 0]
    );
    assert_eq!(
        ledger.consumed(Slot(0), &read(1_000_001, &[last])).0,
        [0, 1]
    );
    let counts = ledger.counts()[0];
    assert_eq!((counts.lost, counts.received), (999, 999_001));
    assert_eq!((counts.late, counts.duplicates), (2, 0));
    assert!(ledger.is_drained());
}
