use std::collections::BTreeSet;

use super::*;

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

fn numbers(ranges: impl IntoIterator<Item = Range>) -> Vec<u64> {
    ranges.into_iter().flat_map(|r| r.start..r.end).collect()
}

#[test]
fn a_sequence_set_tells_new_from_late_from_known_like_sets_of_numbers_do() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut set = SeqSet::default();
        let (mut received, mut settled, mut settled_below) =
            (BTreeSet::new(), BTreeSet::<u64>::new(), 0);
        let mut front = 0;
        for _ in 0..random.usize(1..60) {
            let start = (front + random.u64(0..40)).saturating_sub(random.u64(0..60));
            let end = start + random.u64(0..25);
            front = front.max(end);
            let mut expected = Insertion::default();
            for number in start..end {
                if !received.insert(number) {
                    expected.known += 1;
                } else if settled.remove(&number) {
                    expected.late += 1;
                } else {
                    expected.new += 1;
                }
            }
            assert_eq!(set.insert(range(start, end)), expected, "seed {seed}");
            if random.u32(0..6) == 0 {
                let below = random.u64(0..front + 30);
                let lost: Vec<u64> = (settled_below..below)
                    .filter(|number| !received.contains(number))
                    .collect();
                settled.extend(&lost);
                settled_below = settled_below.max(below);
                assert_eq!(numbers(set.settle(below)), lost, "seed {seed}");
            }
            assert_eq!(set.len(), received.len() as u64, "seed {seed}");
            assert_eq!(set.settled_missing(), settled.len() as u64, "seed {seed}");
        }
        let limit = random.u64(0..front + 50);
        let missing: Vec<u64> = (settled_below..limit)
            .filter(|number| !received.contains(number))
            .collect();
        assert_eq!(numbers(set.missing_below(limit)), missing, "seed {seed}");
        for number in 0..front + 10 {
            assert_eq!(
                set.contains(number),
                received.contains(&number),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn numbers_far_apart_cost_little_and_are_all_told_apart() {
    let mut set = SeqSet::default();
    let far = [1 << 40, 1 << 50, u64::MAX - 1];
    for &number in &far {
        assert_eq!(set.insert(range(number, number + 1)).new, 1);
        assert_eq!(set.insert(range(number, number + 1)).known, 1);
    }
    assert_eq!(set.insert(range(0, 10)).new, 10);
    assert_eq!((set.len(), set.floor()), (13, 10));
    assert!(far.iter().all(|&number| set.contains(number)));
    assert!(!set.contains(1 << 45));
    assert!(set.memory_bytes() < 1_000, "{}", set.memory_bytes());
    let missing: Vec<_> = set.missing_below(1 << 41).collect();
    assert_eq!(missing, [range(10, 1 << 40), range((1 << 40) + 1, 1 << 41)]);
    // The stretch between fills up: what was ahead is still known.
    let filled = set.insert(range(10, (1 << 40) + 2));
    assert_eq!((filled.new, filled.known), ((1 << 40) - 9, 1));
    assert_eq!(set.floor(), (1 << 40) + 2);
}

#[test]
fn a_long_backlog_of_one_partition_is_a_bit_a_message() {
    let mut set = SeqSet::default();
    for number in (0..4_000_000).step_by(2) {
        set.insert(range(number, number + 1));
    }
    assert!(set.memory_bytes() < 700_000, "{}", set.memory_bytes());
    assert_eq!(set.missing_below(4_000_000).count(), 2_000_000);
    for number in (1..4_000_000).step_by(2) {
        set.insert(range(number, number + 1));
    }
    assert_eq!((set.len(), set.floor()), (4_000_000, 4_000_000));
    assert!(set.memory_bytes() < 1_000, "{}", set.memory_bytes());
}

/// The goal is ten billion messages within 64 MiB, 1 % of them out of order within a window of a
/// million, 0.01 % lost; here a thousandth of it, with a window that is not scaled down.
#[test]
fn ten_billion_messages_would_fit_into_64_mib() {
    const MESSAGES: u64 = 10_000_000;
    const WINDOW: u64 = 1_000_000;
    const BATCH: u64 = 1_000;
    let mut random = fastrand::Rng::with_seed(1);
    let mut set = SeqSet::default();
    let mut delayed: BTreeSet<(u64, u64)> = BTreeSet::new();
    let (mut lost, mut at_window) = (0u64, 0);
    for batch in (0..MESSAGES).step_by(BATCH as usize) {
        let mut start = batch;
        // About one message in a hundred leaves a hole; one in a hundred holes stays one.
        while start < batch + BATCH {
            let end = (start + random.u64(1..200)).min(batch + BATCH);
            set.insert(range(start, end));
            if end < batch + BATCH {
                match random.u32(0..100) {
                    0 => lost += 1,
                    _ => {
                        delayed.insert((end + random.u64(1..WINDOW), end));
                    }
                }
            }
            start = end + 1;
        }
        while let Some(&(due, number)) = delayed.first().filter(|&&(due, _)| due < batch) {
            delayed.remove(&(due, number));
            set.insert(range(number, number + 1));
        }
        if batch % WINDOW == 0 {
            set.settle(batch.saturating_sub(2 * WINDOW));
        }
        if batch == 2 * WINDOW {
            at_window = set.memory_bytes();
        }
    }
    for &(_, number) in &delayed {
        set.insert(range(number, number + 1));
    }
    assert_eq!(MESSAGES - set.len(), lost);
    set.settle(MESSAGES);
    assert_eq!(set.settled_missing(), lost);
    assert!(lost > 500, "{lost}");
    // What the window takes, it takes once; what the lost ones take grows with the messages.
    assert!(at_window < 1 << 20, "{at_window}");
    let scaled = at_window + set.memory_bytes() * (10_000_000_000 / MESSAGES);
    assert!(scaled < 48 << 20, "{scaled} bytes for ten billion messages");
}
