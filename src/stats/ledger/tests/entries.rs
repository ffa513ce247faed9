//! Places that are numbered by entries.

use super::*;

/// Numbers of an entry.
const ENTRY: u64 = 8;

/// The numbers that an entry's messages have: the last ones.
fn numbers(entry: u64, messages: u64) -> Range {
    let end = (entry + 1) * ENTRY;
    range(end - messages, end)
}

/// What was read of entries, each with what numbers and sequence numbers.
fn entries(from: u64, position: u64, load: &[Range], sequences: Range) -> ConsumerDelta {
    let mut delta = read(0, &[sequences]);
    delta.partitions = vec![PartitionRead {
        partition: PLACE,
        from,
        position,
        load: load.to_vec(),
        entry: ENTRY,
        ..PartitionRead::default()
    }];
    delta
}

fn acked_in(entry: u64, sequences: Range) -> ProducerDelta {
    ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            runs: vec![AckRun {
                partition: PLACE,
                sequences,
                offset: numbers(entry, sequences.len()).start,
                stride: 1,
            }],
            ..StreamOutcomes::default()
        }],
        errors: Vec::new(),
    }
}

#[test]
fn what_an_entry_does_not_use_is_neither_missing_nor_lost() {
    let mut ledger = ledger();
    ledger.produced(&acked_in(0, range(0, 3)));
    ledger.produced(&acked_in(1, range(3, 4)));
    // In a later ledger, whose numbers are far away.
    let far = 1 << 40;
    ledger.produced(&acked_in(far, range(4, 12)));
    let load = [numbers(0, 3), numbers(1, 1), numbers(far, 8)];
    ledger.consumed(Slot(0), &entries(0, load[2].end, &load, range(0, 12)));
    assert!(ledger.is_drained());
    let counts = ledger.counts()[0];
    let expected = SubscriptionCounts {
        received: 12,
        ..SubscriptionCounts::default()
    };
    assert_eq!(counts, expected);
}

#[test]
fn what_was_read_past_is_lost() {
    let mut ledger = ledger();
    ledger.produced(&acked_in(0, range(0, 3)));
    ledger.produced(&acked_in(1, range(3, 6)));
    ledger.produced(&acked_in(2, range(6, 8)));
    let mut delta = entries(0, 2 * ENTRY, &[numbers(0, 3)], range(0, 3));
    ledger.consumed(Slot(0), &delta);
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.lost, counts.unread), (3, 3, 2));
    // Whoever has the partition next begins with the entry that it is given a message of.
    delta = entries(2 * ENTRY, 3 * ENTRY, &[numbers(2, 2)], range(6, 8));
    ledger.consumed(Slot(1), &delta);
    assert!(ledger.is_drained());
    let counts = ledger.counts()[0];
    assert_eq!(
        (counts.received, counts.lost, counts.redelivered),
        (5, 3, 0)
    );
}

#[test]
fn an_entry_that_was_reported_in_part_is_redelivered_in_that_part() {
    let mut ledger = ledger();
    ledger.produced(&acked_in(5, range(0, 6)));
    let all = numbers(5, 6);
    let first = range(all.start, all.start + 2);
    ledger.consumed(Slot(0), &entries(40, first.end, &[first], range(0, 2)));
    // Its reader died, and the next one is given all of it.
    ledger.consumed(Slot(1), &entries(40, all.end, &[all], range(0, 6)));
    let counts = ledger.counts()[0];
    let expected = SubscriptionCounts {
        received: 6,
        redelivered: 2,
        ..SubscriptionCounts::default()
    };
    assert_eq!(counts, expected);
    // The same message in another entry is one more message.
    ledger.consumed(Slot(2), &entries(48, 56, &[numbers(6, 1)], range(0, 1)));
    assert_eq!(ledger.counts()[0].duplicates, 1);
}

#[test]
fn who_goes_back_within_a_slot_is_no_riddle() {
    let mut ledger = ledger();
    let pieces = |entries: std::ops::Range<u64>| -> Vec<Range> {
        entries.map(|entry| numbers(entry, 1)).collect()
    };
    ledger.consumed(Slot(0), &entries(0, 80, &pieces(0..10), range(0, 10)));
    // Its connection broke: it is given entries 5 to 9 again, and goes on.
    let mut again = entries(80, 64, &pieces(5..8), range(5, 8));
    ledger.consumed(Slot(1), &again);
    again = entries(64, 96, &pieces(8..12), range(8, 12));
    ledger.consumed(Slot(2), &again);
    let counts = ledger.counts()[0];
    let expected = SubscriptionCounts {
        received: 12,
        redelivered: 5,
        ..SubscriptionCounts::default()
    };
    assert_eq!(counts, expected);
}

/// Several members read the partition: what one of them was not given went to another.
#[test]
fn in_a_shared_partition_nothing_is_read_past() {
    let mut ledger = ledger();
    let mut placeless = acked(0, 9, 0);
    placeless.outcomes[0].ends.clear();
    ledger.produced(&placeless);
    ledger.consumed(Slot(0), &entries(0, 0, &[numbers(7, 3)], range(6, 9)));
    ledger.consumed(Slot(0), &entries(0, 0, &[numbers(2, 3)], range(0, 3)));
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.lost, counts.unread), (6, 0, 3));
    // Of a member that died: one entry was reported by it, the other was not.
    let load = [numbers(2, 3), numbers(4, 3)];
    ledger.consumed(Slot(1), &entries(0, 0, &load, range(0, 6)));
    assert!(ledger.is_drained());
    let counts = ledger.counts()[0];
    assert_eq!((counts.received, counts.redelivered), (9, 3));
    assert_eq!((counts.duplicates, counts.reordered), (0, 0));
}
