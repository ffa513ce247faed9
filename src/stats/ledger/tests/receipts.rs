//! Systems without offsets: what a message is told by is its number, and the broker's flag.

use super::*;

/// Messages that came in order, and stragglers.
fn received(sequences: &[Range], redelivered: bool, stragglers: &[(u64, bool)]) -> ConsumerDelta {
    let in_order: u64 = sequences.iter().map(|range| range.len()).sum();
    let straggler = |&(sequence, redelivered): &(u64, bool)| Straggler {
        stream: STREAM,
        phase: LoadPhase::Measure,
        sequence,
        partition: PLACE,
        offset: None,
        redelivered,
    };
    ConsumerDelta {
        subscription: 0,
        partitions: vec![PartitionRead {
            partition: PLACE,
            unplaced: in_order + stragglers.len() as u64,
            ..PartitionRead::default()
        }],
        streams: vec![StreamRead {
            stream: STREAM,
            phase: LoadPhase::Measure,
            sequences: sequences.to_vec(),
            redelivered,
        }],
        stragglers: stragglers.iter().map(straggler).collect(),
    }
}

fn acknowledged(start: u64, end: u64) -> ProducerDelta {
    ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            placeless: vec![range(start, end)],
            ..StreamOutcomes::default()
        }],
        errors: Vec::new(),
    }
}

#[test]
fn what_is_delivered_again_is_redelivered_only_if_it_is_known() {
    let mut ledger = ledger();
    ledger.produced(&acknowledged(0, 100));
    ledger.consumed(Slot(0), &received(&[range(0, 60)], false, &[]));
    // A member died: 40 to 60 were reported and not acknowledged, 60 to 80 were not even reported.
    let again = received(&[range(40, 80)], true, &[]);
    assert_eq!(ledger.consumed(Slot(1), &again).0, [0, 20]);
    ledger.consumed(Slot(2), &received(&[range(80, 100)], false, &[]));
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.redelivered), (100, 20));
    assert_eq!((counts.duplicates, counts.reordered), (0, 0));
    assert_eq!((counts.lost, counts.unread), (0, 0));
    assert!(ledger.is_drained());
}

#[test]
fn a_known_message_that_the_broker_delivers_for_the_first_time_is_a_duplicate() {
    let mut ledger = ledger();
    ledger.produced(&acknowledged(0, 10));
    ledger.consumed(Slot(0), &received(&[range(0, 10)], false, &[]));
    // In one report: three that are delivered again, two that were stored twice.
    let mut delta = received(&[range(4, 7)], true, &[(8, false), (9, false)]);
    ledger.consumed(Slot(1), &delta);
    let counts = ledger.counts()[0];
    assert_eq!((counts.redelivered, counts.duplicates), (3, 2));
    // As another member sees it, they come in order.
    delta = received(&[range(8, 10)], false, &[(3, true)]);
    ledger.consumed(Slot(2), &delta);
    let counts = ledger.counts()[0];
    assert_eq!((counts.redelivered, counts.duplicates), (4, 4));
    assert_eq!((counts.received, counts.reordered), (10, 0));
    let examples = &ledger.examples()[0];
    assert_eq!(examples.redelivered.as_slice()[0].sequence, Some(4));
    assert_eq!(examples.duplicates.as_slice()[0].sequence, Some(8));
}

#[test]
fn a_second_delivery_is_out_of_order_by_its_nature_and_a_first_one_is_not() {
    let mut ledger = ledger();
    ledger.produced(&acknowledged(0, 10));
    let delta = received(&[range(2, 10)], false, &[(0, true), (1, false)]);
    assert_eq!(ledger.consumed(Slot(0), &delta).0, [0, 10]);
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.reordered), (10, 1));
    assert_eq!((counts.redelivered, counts.duplicates), (0, 0));
}

#[test]
fn what_did_not_come_is_unread_however_much_came_behind_it() {
    let mut ledger = ledger();
    for start in (0..1_000).step_by(100) {
        ledger.produced(&acknowledged(start, start + 100));
    }
    ledger.consumed(
        Slot(0),
        &received(&[range(0, 500), range(501, 1_000)], false, &[]),
    );
    assert!(!ledger.is_drained());
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.lost, counts.unread), (999, 0, 1));
    let unread = ledger.examples()[0].unread.as_slice()[0];
    assert_eq!((unread.sequence, unread.offset), (Some(500), None));
}
