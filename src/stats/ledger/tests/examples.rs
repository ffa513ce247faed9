//! Which messages are shown.

use super::*;
use crate::stats::examples::EXAMPLES;

fn known(offset: u64, sequence: u64) -> Example {
    Example::at(PLACE, offset).sent_by(STREAM, sequence)
}

/// A message whose place is not known.
fn somewhere(sequence: u64) -> Example {
    Example {
        topic: Some(0),
        ..Example::of(STREAM, sequence)
    }
}

fn run(sequences: Range, offset: u64) -> ProducerDelta {
    ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            runs: vec![AckRun {
                partition: PLACE,
                sequences,
                offset,
                stride: 2,
            }],
            ..StreamOutcomes::default()
        }],
        errors: Vec::new(),
    }
}

fn straggler(sequence: u64, offset: u64) -> ConsumerDelta {
    let mut delta = read(offset, &[range(0, 1)]);
    delta.streams.clear();
    delta.stragglers = vec![Straggler {
        stream: STREAM,
        phase: LoadPhase::Measure,
        sequence,
        partition: PLACE,
        offset: Some(offset),
        redelivered: false,
    }];
    delta
}

#[test]
fn lost_and_unread_messages_are_named_with_their_places() {
    let mut ledger = ledger();
    ledger.produced(&run(range(10, 20), 100));
    let mut delta = read(0, &[range(10, 12)]);
    delta.partitions[0].position = 110;
    ledger.consumed(Slot(0), &delta);
    let examples = &ledger.examples()[0];
    let lost = [known(104, 12), known(106, 13), known(108, 14)];
    assert_eq!(examples.lost.as_slice(), lost);
    let unread: Vec<_> = (0..5).map(|k| known(110 + 2 * k, 15 + k)).collect();
    assert_eq!(examples.unread.as_slice(), unread);
}

#[test]
fn lost_messages_of_many_places_are_named_as_far_as_they_are_known() {
    let mut ledger = ledger();
    ledger.produced(&acked(0, 100, 100));
    ledger.consumed(Slot(0), &read(0, &[range(0, 1)]));
    let mut rest = read(1, &[range(2, 100)]);
    rest.partitions[0].position = 100;
    ledger.consumed(Slot(0), &rest);
    let only = Example {
        partition: Some(0),
        ..somewhere(1)
    };
    assert_eq!(ledger.examples()[0].lost.as_slice(), [only]);
}

#[test]
fn a_lost_message_that_comes_late_makes_room_for_one_that_does_not() {
    let mut ledger = ledger();
    ledger.produced(&run(range(0, 7), 0));
    let mut nothing = read(0, &[]);
    nothing.partitions[0].position = 50;
    ledger.consumed(Slot(0), &nothing);
    ledger.consumed(Slot(0), &read(50, &[range(0, 4)]));
    ledger.consumed(Slot(0), &straggler(4, 54));
    let examples = &ledger.examples()[0];
    let lost = [somewhere(5), somewhere(6)];
    assert_eq!(examples.lost.as_slice(), lost);
    assert_eq!(examples.late.as_slice(), [somewhere(0), known(54, 4)]);
    assert_eq!(ledger.counts()[0].lost, 2);
}

#[test]
fn stragglers_are_named_in_full() {
    let mut ledger = ledger();
    ledger.consumed(Slot(0), &read(0, &[range(0, 3), range(4, 5)]));
    ledger.consumed(Slot(0), &straggler(3, 4));
    ledger.consumed(Slot(0), &straggler(2, 5));
    ledger.consumed(Slot(0), &straggler(2, 5));
    let examples = &ledger.examples()[0];
    assert_eq!(examples.reordered.as_slice(), [known(4, 3)]);
    assert_eq!(examples.duplicates.as_slice(), [known(5, 2)]);
    assert_eq!(examples.redelivered.as_slice(), [known(5, 2)]);
    assert_eq!(examples.late.as_slice(), []);
}

/// Nobody could know of the first time before: the same report tells of both.
#[test]
fn what_came_twice_at_one_place_since_the_last_report_is_redelivered_and_no_duplicate() {
    let mut ledger = ledger();
    let mut both = read(0, &[range(0, 5)]);
    both.partitions[0].load.push(range(3, 4));
    both.stragglers = straggler(3, 3).stragglers;
    ledger.consumed(Slot(0), &both);
    let (counts, examples) = (ledger.counts()[0], &ledger.examples()[0]);
    assert_eq!((counts.redelivered, counts.duplicates), (1, 0));
    assert_eq!(examples.duplicates.as_slice(), []);
    assert_eq!(examples.redelivered.as_slice().len(), 1);
}

#[test]
fn of_what_comes_again_in_order_the_place_or_the_number_is_named() {
    let mut ledger = ledger();
    ledger.consumed(Slot(0), &read(0, &[range(0, 60)]));
    ledger.consumed(Slot(0), &read(40, &[range(40, 100)]));
    ledger.consumed(Slot(0), &read(100, &[range(97, 110)]));
    let examples = &ledger.examples()[0];
    let again = Example::at(PLACE, 40);
    assert_eq!(examples.redelivered.as_slice(), [again]);
    assert_eq!(examples.duplicates.as_slice(), [somewhere(97)]);
}

#[test]
fn foreign_failed_and_unknown_messages_are_named_and_few_are_enough() {
    let mut ledger = ledger();
    for at in 0..10 {
        let mut delta = read(at, &[]);
        delta.partitions[0].position = at + 1;
        delta.partitions[0].foreign = 1;
        delta.partitions[0].first_foreign = Some(at);
        ledger.consumed(Slot(0), &delta);
    }
    ledger.produced(&ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            failed: vec![range(3, 5)],
            unknown: vec![range(5, 50)],
            ..StreamOutcomes::default()
        }],
        errors: Vec::new(),
    });
    let foreign: Vec<_> = (0..EXAMPLES as u64)
        .map(|at| Example::at(PLACE, at))
        .collect();
    assert_eq!(ledger.examples()[0].foreign.as_slice(), foreign);
    let SendExamples { failed, unknown } = ledger.send_examples();
    assert_eq!(failed.as_slice(), [somewhere(3), somewhere(4)]);
    let expected: Vec<_> = (5..10).map(somewhere).collect();
    assert_eq!(unknown.as_slice(), expected);
}
