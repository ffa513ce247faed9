//! A set of numbers as disjoint stretches.

use std::collections::BTreeMap;

/// A set of numbers; ranges are given as their first number and one past their last.
///
/// It costs memory by the stretch, and touching stretches become one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// Start → end (not included) of each stretch; no two overlap or touch.
    stretches: BTreeMap<u64, u64>,
    len: u64,
}

impl IntervalSet {
    /// Adds numbers; says how many of them are new.
    pub fn insert(&mut self, mut start: u64, mut end: u64) -> u64 {
        if end <= start {
            return 0;
        }
        let mut absorbed = 0;
        // Everything that overlaps or touches goes into the new stretch, from the last one back.
        while let Some((&other_start, &other_end)) = self.stretches.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            if other_start <= start && end <= other_end {
                return 0;
            }
            absorbed += other_end - other_start;
            self.stretches.remove(&other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        self.stretches.insert(start, end);
        let new = end - start - absorbed;
        self.len += new;
        new
    }

    /// Takes out the first stretch.
    pub fn pop_first(&mut self) -> Option<(u64, u64)> {
        let (start, end) = self.stretches.pop_first()?;
        self.len -= end - start;
        Some((start, end))
    }

    /// The first stretch.
    pub fn first(&self) -> Option<(u64, u64)> {
        self.iter().next()
    }

    /// Is this number in?
    pub fn contains(&self, number: u64) -> bool {
        let stretch = self.stretches.range(..=number).next_back();
        stretch.is_some_and(|(_, &end)| number < end)
    }

    /// How many of these numbers are in.
    pub fn overlap(&self, start: u64, end: u64) -> u64 {
        self.within(start, end).map(|(from, to)| to - from).sum()
    }

    /// How many numbers are in.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// No number is in.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The stretches, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.stretches.iter().map(|(&start, &end)| (start, end))
    }

    /// Those of these numbers that are in, as ascending stretches.
    pub fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let before = self.stretches.range(..start).next_back();
        let first = before.map_or(start, |(&first, _)| first);
        self.stretches
            .range(first..end.max(first))
            .map(move |(&from, &to)| (from.max(start), to.min(end)))
            .filter(|(from, to)| from < to)
    }

    /// Those of these numbers that are not in, as ascending stretches.
    pub fn gaps(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut next = start;
        self.within(start, end)
            .chain(std::iter::once((end, end)))
            .map(move |(from, to)| (std::mem::replace(&mut next, to), from))
            .filter(|(from, to)| from < to)
    }

    /// How many stretches: what the set costs, at about 32 bytes each.
    pub fn stretches(&self) -> usize {
        self.stretches.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn numbers(ranges: impl Iterator<Item = (u64, u64)>) -> Vec<u64> {
        ranges.flat_map(|(start, end)| start..end).collect()
    }

    #[test]
    fn an_interval_set_behaves_like_a_set_of_numbers() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut set, mut model) = (IntervalSet::default(), BTreeSet::new());
            let spread = random.u64(10..400);
            for _ in 0..random.usize(1..80) {
                let start = random.u64(0..spread);
                let end = start + random.u64(0..20);
                let new = (start..end).filter(|&number| model.insert(number)).count();
                assert_eq!(set.insert(start, end), new as u64, "seed {seed}");
                assert_eq!(set.len(), model.len() as u64, "seed {seed}");
            }
            let start = random.u64(0..spread);
            let end = start + random.u64(0..spread);
            let (inside, outside): (Vec<u64>, Vec<u64>) =
                (start..end).partition(|number| model.contains(number));
            assert_eq!(numbers(set.within(start, end)), inside, "seed {seed}");
            assert_eq!(numbers(set.gaps(start, end)), outside, "seed {seed}");
            assert_eq!(set.overlap(start, end), inside.len() as u64, "seed {seed}");
            for number in 0..spread {
                assert_eq!(set.contains(number), model.contains(&number), "seed {seed}");
            }
            let apart = set.iter().collect::<Vec<_>>();
            assert!(apart.windows(2).all(|w| w[0].1 < w[1].0), "seed {seed}");
        }
    }

    #[test]
    fn numbers_in_order_are_one_stretch() {
        let mut set = IntervalSet::default();
        for start in (0..100_000).step_by(10) {
            set.insert(start, start + 10);
        }
        assert_eq!((set.stretches(), set.len()), (1, 100_000));
        assert_eq!(set.insert(u64::MAX - 1, u64::MAX), 1);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_holds_nothing() {
        let mut set = IntervalSet::default();
        set.insert(0, 100);
        assert_eq!(set.insert(200, 150), 0);
        assert_eq!(set.overlap(60, 40), 0);
        assert_eq!(
            (set.within(60, 40).count(), set.gaps(160, 140).count()),
            (0, 0)
        );
    }
}
