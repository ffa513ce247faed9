use std::collections::BTreeSet;

use super::*;

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

fn numbers(ranges: impl IntoIterator<Item = Range>) -> Vec<u64> {
    ranges.into_iter().flat_map(|r| r.start..r.end).collect()
}

/// Sets of numbers, one for each thing an [`ArrivalSet`] knows of a number.
#[derive(Default)]
struct Model {
    come: BTreeSet<u64>,
    lost: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
}

impl Model {
    fn insert(&mut self, range: Range) -> Insertion {
        let mut expected = Insertion::default();
        for number in range.start..range.end {
            self.given_up.remove(&number);
            if self.lost.remove(&number) {
                self.come.insert(number);
                expected.late += 1;
            } else if self.come.insert(number) {
                expected.new += 1;
            }
        }
        expected
    }

    fn missing(&self, range: Range) -> Vec<u64> {
        let known = [&self.come, &self.lost, &self.given_up];
        (range.start..range.end)
            .filter(|number| !known.iter().any(|set| set.contains(number)))
            .collect()
    }
}

#[test]
fn an_arrival_set_behaves_like_sets_of_numbers_do() {
    for seed in 0..600 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Around zero, and around where one bitmap ends and the next begins.
        let base = if seed % 2 == 0 { 0 } else { (1 << 32) - 40 };
        let mut set = ArrivalSet::starting_at(base);
        let mut model = Model::default();
        let mut front = base;
        for _ in 0..random.usize(1..60) {
            let start = (front + random.u64(0..40)).saturating_sub(random.u64(0..60));
            let at = range(start, start + random.u64(0..25));
            front = front.max(at.end);
            match random.u32(0..8) {
                0 if at.start >= base => {
                    let lost = model.missing(at);
                    model.lost.extend(&lost);
                    assert_eq!(numbers(set.lose(at)), lost, "seed {seed}");
                }
                1 if at.start >= base => {
                    model.given_up.extend(model.missing(at));
                    set.give_up(at);
                }
                _ => {
                    let first = (at.start..at.end).find(|number| model.come.contains(number));
                    assert_eq!(set.first_of(at), first, "seed {seed}");
                    assert_eq!(set.insert(at), model.insert(at), "seed {seed}");
                }
            }
        }
        let window = range(base + random.u64(0..50), front + random.u64(0..50));
        assert_eq!(
            numbers(set.missing(window)),
            model.missing(window),
            "seed {seed}"
        );
        let lost: Vec<u64> = model.lost.iter().copied().collect();
        assert_eq!(numbers(set.lost(range(0, u64::MAX))), lost, "seed {seed}");
        for number in base.saturating_sub(80)..front + 10 {
            let come = model.come.contains(&number);
            assert_eq!(set.contains(number), come, "seed {seed}");
        }
    }
}

#[test]
fn numbers_far_apart_cost_little_and_are_all_told_apart() {
    let mut set = ArrivalSet::default();
    let far = [1 << 40, 1 << 50, u64::MAX - 1];
    for &number in &far {
        assert_eq!(set.insert(range(number, number + 1)).new, 1);
        assert_eq!(set.insert(range(number, number + 1)).new, 0);
    }
    assert_eq!(set.insert(range(0, 10)).new, 10);
    assert_eq!(set.lose(range(10, 1 << 41)), []);
    assert!(far.iter().all(|&number| set.contains(number)));
    assert!(!set.contains(1 << 45));
    assert_eq!(set.first_of(range(10, u64::MAX)), Some(1 << 40));
    let missing: Vec<_> = set.missing(range(0, 1 << 41)).collect();
    assert_eq!(missing, [range(10, 1 << 40), range((1 << 40) + 1, 1 << 41)]);
    // The stretch between fills up: what was ahead is still known.
    assert_eq!(set.insert(range(10, (1 << 40) + 2)).new, (1 << 40) - 9);
    assert_eq!(set.missing(range(0, (1 << 40) + 2)).count(), 0);
    assert_eq!(set.missing.memory_bytes(), 0);
}

#[test]
fn a_set_that_starts_late_knows_what_lies_before() {
    let mut set = ArrivalSet::starting_at(5_000_000_000);
    assert_eq!(set.insert(range(4_999_999_990, 5_000_000_010)).new, 20);
    assert_eq!(set.insert(range(4_999_999_980, 4_999_999_995)).new, 10);
    assert_eq!(set.first_of(range(0, u64::MAX)), Some(4_999_999_980));
    assert!(!set.contains(0) && set.contains(4_999_999_985));
    assert_eq!(set.missing.memory_bytes(), 0);
}

#[test]
fn a_backlog_of_every_other_number_is_a_bit_a_number() {
    let mut set = ArrivalSet::default();
    for number in (0..1_000_000).step_by(2) {
        set.insert(range(number, number + 1));
    }
    let bytes = set.missing.memory_bytes();
    assert!(bytes < 150_000, "{bytes}");
    for number in (1..1_000_000).step_by(2) {
        assert_eq!(set.insert(range(number, number + 1)).new, 1);
    }
    assert_eq!(set.missing.memory_bytes(), 0);
    assert_eq!(set.missing(range(0, 1_000_000)).count(), 0);
}

#[test]
fn old_losses_are_settled_for_good_when_there_are_too_many() {
    const MOST: usize = 4_096;
    let mut set = ArrivalSet::default();
    let mut most = 0;
    for hole in 0..20_000u64 {
        set.insert(range(hole * 1_000 + 1, hole * 1_000 + 1_000));
        set.lose(range(hole * 1_000, hole * 1_000 + 1_000));
        set.settle_for_good(MOST);
        most = most.max(set.lost.memory_bytes());
    }
    assert!(most < MOST * 3 / 2, "{most}");
    // The newest are remembered, and a message is late once.
    assert_eq!(set.insert(range(19_999_000, 19_999_001)).late, 1);
    assert_eq!(
        set.insert(range(19_999_000, 19_999_001)),
        Insertion::default()
    );
    // The oldest are not; that is said, and nothing is taken for new.
    let old = Insertion {
        forgotten: 1,
        ..Insertion::default()
    };
    assert_eq!(set.insert(range(0, 1)), old);
    // What was missing and undecided there is not affected.
    let mut set = ArrivalSet::default();
    set.insert(range(10, 20));
    for hole in 1..5_000u64 {
        set.insert(range(hole * 1_000 + 1, hole * 1_000 + 1_000));
        set.give_up(range(hole * 1_000, hole * 1_000 + 1_000));
        set.settle_for_good(MOST);
    }
    assert!(set.forgotten > 1_000_000);
    assert_eq!(set.insert(range(0, 10)).new, 10);
}

#[test]
fn old_holes_are_filled_when_there_are_too_many() {
    const MOST: usize = 4_096;
    let mut set = ArrivalSet::starting_at(0);
    let mut most = 0;
    for hole in 0..20_000u64 {
        set.insert(range(hole * 1_000 + 1, hole * 1_000 + 1_000));
        set.fill(MOST);
        most = most.max(set.missing.memory_bytes());
    }
    assert!(most < MOST * 3 / 2, "{most}");
    assert!(set.contains(0) && !set.contains(19_999_000));
}
