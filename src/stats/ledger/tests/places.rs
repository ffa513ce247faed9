//! What has to be read before a message is lost.

use super::*;

fn place(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: 0,
        partition,
    }
}

fn outcomes(outcomes: StreamOutcomes) -> ProducerDelta {
    ProducerDelta {
        outcomes: vec![StreamOutcomes {
            stream: STREAM,
            ..outcomes
        }],
        errors: Vec::new(),
    }
}

fn run(partition: u32, sequences: Range, offset: u64, stride: u32) -> ProducerDelta {
    outcomes(StreamOutcomes {
        runs: vec![AckRun {
            partition: place(partition),
            sequences,
            offset,
            stride,
        }],
        ..StreamOutcomes::default()
    })
}

/// Places of a partition that were read and held nothing of ours.
fn nothing_in(partition: u32, from: u64, position: u64) -> ConsumerDelta {
    ConsumerDelta {
        partitions: vec![PartitionRead {
            partition: place(partition),
            from,
            position,
            ..PartitionRead::default()
        }],
        ..ConsumerDelta::default()
    }
}

fn lost_and_unread(ledger: &Ledger) -> (u64, u64) {
    let counts = ledger.counts()[0];
    (counts.lost, counts.unread)
}

#[test]
fn a_partition_nobody_reads_holds_up_no_other() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(0, 10), 0, 1));
    ledger.produced(&run(1, range(10, 20), 0, 1));
    ledger.produced(&outcomes(StreamOutcomes {
        scattered: vec![range(20, 30)],
        ends: vec![(place(0), 20), (place(1), 20)],
        ..StreamOutcomes::default()
    }));
    ledger.produced(&outcomes(StreamOutcomes {
        scattered: vec![range(30, 40)],
        ends: vec![(place(1), 30), (place(2), 10)],
        ..StreamOutcomes::default()
    }));
    ledger.consumed(Slot(0), &nothing_in(1, 0, 30));
    ledger.consumed(Slot(0), &nothing_in(2, 0, 10));
    assert_eq!(lost_and_unread(&ledger), (20, 20));
    assert!(!ledger.is_drained());
    ledger.consumed(Slot(0), &nothing_in(0, 0, 19));
    assert_eq!(lost_and_unread(&ledger), (30, 10));
    ledger.consumed(Slot(0), &nothing_in(0, 19, 20));
    assert_eq!(lost_and_unread(&ledger), (40, 0));
    assert!(ledger.is_drained());
}

#[test]
fn acknowledgements_may_come_in_any_order_of_their_places() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(20, 30), 20, 1));
    ledger.produced(&run(0, range(0, 10), 0, 1));
    ledger.produced(&run(0, range(10, 20), 10, 1));
    ledger.consumed(Slot(0), &nothing_in(0, 0, 20));
    assert_eq!(lost_and_unread(&ledger), (20, 10));
}

#[test]
fn a_run_read_in_part_is_lost_in_part() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(0, 10), 5, 3));
    ledger.consumed(Slot(0), &nothing_in(0, 0, 11));
    assert_eq!(lost_and_unread(&ledger), (2, 8));
    ledger.consumed(Slot(0), &nothing_in(0, 11, 12));
    assert_eq!(lost_and_unread(&ledger), (3, 7));
    assert!(!ledger.is_drained());
}

#[test]
fn without_an_offset_a_message_is_received_or_unread_and_never_lost() {
    let mut ledger = ledger();
    let mixed = StreamOutcomes {
        placeless: vec![range(0, 5)],
        scattered: vec![range(5, 10)],
        ends: vec![(PLACE, 5)],
        ..StreamOutcomes::default()
    };
    assert_eq!(ledger.produced(&outcomes(mixed)), 10);
    ledger.consumed(Slot(0), &nothing_in(0, 0, 1_000));
    assert_eq!(lost_and_unread(&ledger), (5, 5));
    assert!(!ledger.is_drained());
    ledger.consumed(LATER, &read(1_000, &[range(0, 5)]));
    assert_eq!(lost_and_unread(&ledger), (5, 0));
    assert!(ledger.is_drained());
    // Nor does one whose places are left out.
    let nowhere = StreamOutcomes {
        scattered: vec![range(10, 12)],
        ..StreamOutcomes::default()
    };
    ledger.produced(&outcomes(nowhere));
    assert_eq!(lost_and_unread(&ledger), (5, 2));
}

#[test]
fn a_report_that_comes_after_the_next_owners_costs_nothing() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(0, 100), 0, 1));
    ledger.consumed(Slot(0), &read(0, &[range(0, 20)]));
    // The next owner began at 60; what the one before read last is still on its way.
    ledger.consumed(Slot(1), &read(60, &[range(60, 100)]));
    assert_eq!(lost_and_unread(&ledger), (0, 40));
    assert!(!ledger.is_drained());
    ledger.consumed(Slot(0), &read(40, &[range(40, 60)]));
    ledger.consumed(Slot(0), &read(20, &[range(20, 40)]));
    let expected = SubscriptionCounts {
        received: 100,
        ..SubscriptionCounts::default()
    };
    assert_eq!(ledger.counts(), [expected]);
    assert!(ledger.is_drained());
}

#[test]
fn what_was_skipped_and_not_reported_in_time_is_lost() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(0, 100), 0, 1));
    ledger.consumed(Slot(0), &read(30, &[range(30, 100)]));
    ledger.consumed(Slot(9), &ConsumerDelta::default());
    assert_eq!(lost_and_unread(&ledger), (0, 30));
    // A report of nothing tells that time has passed.
    ledger.consumed(Slot(10), &ConsumerDelta::default());
    assert_eq!(lost_and_unread(&ledger), (30, 0));
    assert!(ledger.is_drained());
}

#[test]
fn a_message_received_at_another_place_need_not_be_read_at_its_own() {
    let mut ledger = ledger();
    ledger.produced(&run(0, range(0, 10), 500, 1));
    ledger.consumed(Slot(0), &read(0, &[range(0, 10)]));
    assert!(ledger.is_drained());
    assert_eq!(lost_and_unread(&ledger), (0, 0));
}

#[test]
fn what_failed_is_not_waited_for_and_what_is_unknown_may_come() {
    let mut ledger = ledger();
    ledger.produced(&outcomes(StreamOutcomes {
        failed: vec![range(0, 5)],
        unknown: vec![range(5, 10)],
        ..StreamOutcomes::default()
    }));
    assert!(ledger.is_drained());
    assert_eq!(ledger.consumed(Slot(0), &read(0, &[range(5, 7)])).0, [0, 2]);
    let expected = SubscriptionCounts {
        received: 2,
        ..SubscriptionCounts::default()
    };
    assert_eq!(ledger.counts(), [expected]);
}

#[test]
fn ten_thousand_topics_with_long_queues_cost_no_time_to_look_at() {
    const TOPICS: u32 = 10_000;
    let all: Vec<u32> = (0..TOPICS).collect();
    let mut ledger = Ledger::new(std::slice::from_ref(&all), all.clone());
    for turn in 0..20 {
        for &topic in &all {
            let stream = StreamId {
                producer: topic,
                incarnation: 0,
            };
            let run = AckRun {
                partition: TopicPartition {
                    topic,
                    partition: 0,
                },
                sequences: range(turn * 10, turn * 10 + 10),
                offset: turn * 10,
                stride: 1,
            };
            ledger.produced(&ProducerDelta {
                outcomes: vec![StreamOutcomes {
                    stream,
                    runs: vec![run],
                    ..StreamOutcomes::default()
                }],
                errors: Vec::new(),
            });
        }
    }
    // Looks that went over all queues would take minutes here.
    for _ in 0..100_000 {
        assert!(!ledger.is_drained());
    }
    assert_eq!(ledger.counts()[0].unread, 200 * u64::from(TOPICS));
}
