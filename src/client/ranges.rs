//! Collects sequence numbers of one slot, in any order, and gives them back as ranges.
//!
//! One bit per number in a window that starts at the first one seen: setting a bit costs a shift,
//! and numbers that come interleaved over partitions still end up as few ranges.

use std::collections::VecDeque;

use crate::stats::delta::Range;

const BITS: u64 = u64::BITS as u64;

/// Numbers further apart than this within a slot don't share a window.
const MAX_WORDS: u64 = 1 << 20;

/// A set of numbers seen since the last [`RangeCollector::take`].
#[derive(Debug, Default)]
pub struct RangeCollector {
    /// Number of the first word, in units of 64.
    first_word: u64,
    words: VecDeque<u64>,
    /// Ranges that had to leave the window early.
    spilled: Vec<Range>,
}

impl RangeCollector {
    /// Adds a number; false if it is in already (those that left the window early not counted).
    #[inline]
    pub fn insert(&mut self, number: u64) -> bool {
        let word = number / BITS;
        if self.words.is_empty() {
            self.first_word = word;
        }
        let last = self.first_word + self.words.len() as u64;
        if word < self.first_word || word >= last {
            self.reach(word);
        }
        let index = (word - self.first_word) as usize;
        let bit = 1 << (number % BITS);
        match self.words.get_mut(index) {
            Some(w) if *w & bit == 0 => {
                *w |= bit;
                true
            }
            _ => false,
        }
    }

    /// Makes the window hold this word; spills what is there if that lies too far away.
    #[cold]
    fn reach(&mut self, word: u64) {
        let last = self.first_word + self.words.len() as u64;
        let words = last.max(word + 1) - self.first_word.min(word);
        if words > MAX_WORDS {
            let ranges = self.drain_window();
            self.spilled.extend(ranges);
            self.first_word = word;
        }
        while word < self.first_word {
            self.words.push_front(0);
            self.first_word -= 1;
        }
        while word >= self.first_word + self.words.len() as u64 {
            self.words.push_back(0);
        }
    }

    /// Nothing was added since the last take.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.spilled.is_empty()
    }

    /// Takes everything, as ascending ranges (but for what had to be spilled).
    pub fn take(&mut self) -> Vec<Range> {
        let mut ranges = std::mem::take(&mut self.spilled);
        ranges.extend(self.drain_window());
        ranges
    }

    fn drain_window(&mut self) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for (index, word) in self.words.drain(..).enumerate() {
            let base = (self.first_word + index as u64) * BITS;
            let mut rest = word;
            while rest != 0 {
                let start = u64::from(rest.trailing_zeros());
                let length = u64::from((!(rest >> start)).trailing_zeros()).min(BITS - start);
                let range = Range {
                    start: base + start,
                    end: base + start + length,
                };
                match ranges.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => ranges.push(range),
                }
                let used = start + length;
                rest = if used == BITS {
                    0
                } else {
                    rest >> used << used
                };
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn numbers(ranges: &[Range]) -> Vec<u64> {
        ranges.iter().flat_map(|r| r.start..r.end).collect()
    }

    #[test]
    fn interleaved_numbers_come_back_as_one_range() {
        let mut set = RangeCollector::default();
        for lane in [2, 0, 3, 1] {
            for k in 0..500 {
                assert!(set.insert(1_000 + k * 4 + lane));
            }
        }
        assert_eq!(
            set.take(),
            [Range {
                start: 1_000,
                end: 3_000
            }]
        );
        assert!(set.is_empty());
    }

    #[test]
    fn any_numbers_come_back_once_each_and_in_order() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let spread = 1 << random.u32(1..12);
            let base = random.u64(0..1 << 40);
            let mut set = RangeCollector::default();
            let mut model = BTreeSet::new();
            for _ in 0..random.usize(0..400) {
                let number = base + random.u64(0..spread);
                assert_eq!(set.insert(number), model.insert(number), "seed {seed}");
            }
            let expected: Vec<u64> = model.into_iter().collect();
            assert_eq!(numbers(&set.take()), expected, "seed {seed}");
        }
    }

    #[test]
    fn numbers_far_apart_are_all_kept_without_a_huge_window() {
        let mut set = RangeCollector::default();
        for number in [5, 1 << 45, 6, (1 << 45) + 1] {
            assert!(set.insert(number));
        }
        assert!(set.words.len() <= 1);
        let mut all = numbers(&set.take());
        all.sort_unstable();
        assert_eq!(all, [5, 6, 1 << 45, (1 << 45) + 1]);
    }
}
