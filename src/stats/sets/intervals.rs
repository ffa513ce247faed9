//! A set of numbers as disjoint stretches.

use std::collections::BTreeMap;

use crate::stats::delta::Range;

/// A set of numbers that costs memory by the stretch: touching stretches become one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// Start → end (not included) of each stretch; no two overlap or touch.
    stretches: BTreeMap<u64, u64>,
}

impl IntervalSet {
    /// Adds numbers; says how many of them are new.
    pub fn insert(&mut self, range: Range) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let (mut start, mut end, mut absorbed) = (range.start, range.end, 0);
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
        end - start - absorbed
    }

    /// Is this number in?
    pub fn contains(&self, number: u64) -> bool {
        let stretch = self.stretches.range(..=number).next_back();
        stretch.is_some_and(|(_, &end)| number < end)
    }

    /// How many of these numbers are in.
    pub fn overlap(&self, range: Range) -> u64 {
        self.within(range).map(Range::len).sum()
    }

    /// The first stretch.
    pub fn first(&self) -> Option<Range> {
        let (&start, &end) = self.stretches.first_key_value()?;
        Some(Range { start, end })
    }

    /// Takes out the first stretch.
    pub fn pop_first(&mut self) -> Option<Range> {
        let (start, end) = self.stretches.pop_first()?;
        Some(Range { start, end })
    }

    /// The numbers of `range` that are in, as ascending stretches.
    pub fn within(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        let before = self.stretches.range(..range.start).next_back();
        let from = before.map_or(range.start, |(&start, _)| start);
        self.stretches
            .range(from..range.end.max(from))
            .map(move |(&start, &end)| Range {
                start: start.max(range.start),
                end: end.min(range.end),
            })
            .filter(|stretch| !stretch.is_empty())
    }

    /// The numbers of `range` that are not in, as ascending stretches.
    pub fn gaps(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        let mut next = range.start;
        let end = Range {
            start: range.end,
            end: range.end,
        };
        self.within(range)
            .chain(std::iter::once(end))
            .map(move |stretch| Range {
                start: std::mem::replace(&mut next, stretch.end),
                end: stretch.start,
            })
            .filter(|gap| !gap.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn numbers(ranges: impl Iterator<Item = Range>) -> Vec<u64> {
        ranges.flat_map(|r| r.start..r.end).collect()
    }

    #[test]
    fn an_interval_set_behaves_like_a_set_of_numbers() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut set, mut model) = (IntervalSet::default(), BTreeSet::new());
            let spread = random.u64(10..400);
            for _ in 0..random.usize(1..80) {
                let start = random.u64(0..spread);
                let range = Range {
                    start,
                    end: start + random.u64(0..20),
                };
                let new = (range.start..range.end)
                    .filter(|&number| model.insert(number))
                    .count();
                assert_eq!(set.insert(range), new as u64, "seed {seed}");
                assert_eq!(
                    set.first().map(|stretch| stretch.start),
                    model.first().copied(),
                    "seed {seed}"
                );
            }
            let start = random.u64(0..spread);
            let window = Range {
                start,
                end: start + random.u64(0..spread),
            };
            let inside = |in_set: bool| -> Vec<u64> {
                let mut all = window.start..window.end;
                all.by_ref()
                    .filter(|number| model.contains(number) == in_set)
                    .collect()
            };
            assert_eq!(numbers(set.within(window)), inside(true), "seed {seed}");
            assert_eq!(numbers(set.gaps(window)), inside(false), "seed {seed}");
            assert_eq!(set.overlap(window), inside(true).len() as u64);
            for number in 0..spread {
                assert_eq!(set.contains(number), model.contains(&number));
            }
            let starts = set.stretches.keys().skip(1);
            let mut apart = set.stretches.values().zip(starts);
            assert!(apart.all(|(end, start)| end < start), "seed {seed}");
        }
    }

    #[test]
    fn numbers_in_order_are_one_stretch() {
        let mut set = IntervalSet::default();
        for start in (0..100_000).step_by(10) {
            set.insert(Range {
                start,
                end: start + 10,
            });
        }
        assert_eq!(set.stretches, BTreeMap::from([(0, 100_000)]));
        assert_eq!(
            set.insert(Range {
                start: u64::MAX - 1,
                end: u64::MAX
            }),
            1
        );
    }
}
