//! Which messages of one stream have come, kept as which have not.
//!
//! A stream's numbers begin at 0 and nearly all come, nearly in order. So the set is one number,
//! below which everything is in but for what is listed as missing. A complete prefix costs
//! nothing, a hole a few bytes.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::IntervalSet;
use crate::stats::delta::Range;

/// A number this far beyond all others is kept aside until the stretch between fills up, so that
/// no claim of a number, however wild, can make the set large.
const LEAP: u64 = 1 << 32;

/// What became of numbers that were inserted; the three add up to how many they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insertion {
    /// Came for the first time, and in time.
    pub new: u64,
    /// Came for the first time after they had been settled as missing.
    pub late: u64,
    /// Were in already.
    pub known: u64,
}

/// The set of sequence numbers received from one stream.
#[derive(Clone, Debug, Default)]
pub struct SeqSet {
    /// Everything below is in, but for what is `missing` or `settled`.
    end: u64,
    missing: RoaringTreemap,
    /// Missing when their time was over, and still not come.
    settled: RoaringTreemap,
    /// Everything below has been settled.
    settled_below: u64,
    /// What came far beyond `end`.
    ahead: IntervalSet,
    /// Length of `missing` and `settled`, which would have to be counted.
    missing_len: u64,
    settled_len: u64,
}

impl SeqSet {
    /// Adds numbers, and tells new from late from known.
    pub fn insert(&mut self, range: Range) -> Insertion {
        if range.is_empty() {
            return Insertion::default();
        }
        let mut insertion = Insertion::default();
        let below = range.end.min(self.end);
        if range.start < below {
            insertion.late = remove(&mut self.settled, &mut self.settled_len, range.start..below);
            insertion.new = remove(&mut self.missing, &mut self.missing_len, range.start..below);
        }
        if range.end > self.end {
            let start = range.start.max(self.end);
            insertion.new += self.append(start, range.end);
        }
        insertion.known = range.len() - insertion.new - insertion.late;
        insertion
    }

    /// Adds numbers at or beyond `end`; says how many are new.
    fn append(&mut self, start: u64, end: u64) -> u64 {
        if start - self.end > LEAP {
            return self.ahead.insert(Range { start, end });
        }
        let known = self.ahead.overlap(Range { start, end });
        self.reach(start);
        self.end = end;
        while let Some(next) = self.ahead.first() {
            if next.start > self.end && next.start - self.end > LEAP {
                break;
            }
            self.ahead.pop_first();
            self.reach(next.start);
            self.end = self.end.max(next.end);
        }
        end - start - known
    }

    /// Everything from `end` to `start` is missing.
    fn reach(&mut self, start: u64) {
        if start > self.end {
            self.missing_len += self.missing.insert_range(self.end..start);
            self.end = start;
        }
    }

    /// Has this number come?
    pub fn contains(&self, number: u64) -> bool {
        if number < self.end {
            !self.missing.contains(number) && !self.settled.contains(number)
        } else {
            self.ahead.contains(number)
        }
    }

    /// How many have come.
    pub fn len(&self) -> u64 {
        self.end - self.missing_len - self.settled_len + self.ahead.len()
    }

    /// None has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything below this number has come or is settled.
    pub fn floor(&self) -> u64 {
        self.missing.min().unwrap_or(self.end)
    }

    /// Settled as missing, and still not come.
    pub fn settled_missing(&self) -> u64 {
        self.settled_len
    }

    /// What is missing below `limit` and not settled, ascending.
    pub fn missing_below(&self, limit: u64) -> impl Iterator<Item = Range> + '_ {
        let beyond = Range {
            start: self.end,
            end: limit.max(self.end),
        };
        let known = ranges(&self.missing)
            .map(move |range| Range {
                start: range.start,
                end: range.end.min(limit),
            })
            .take_while(|range| !range.is_empty());
        joined(known.chain(self.ahead.gaps(beyond)))
    }

    /// Decides everything below `below`: what is missing there is returned, and counts as late if
    /// it comes after all. Numbers more than four billion beyond all that came are left undecided.
    pub fn settle(&mut self, below: u64) -> Vec<Range> {
        if below <= self.settled_below {
            return Vec::new();
        }
        if below > self.end && below - self.end <= LEAP {
            self.append(below, below);
        }
        let below = below.min(self.end);
        let lost: Vec<Range> = self.missing_below(below).collect();
        for range in &lost {
            self.settled_len += self.settled.insert_range(range.start..range.end);
        }
        remove(&mut self.missing, &mut self.missing_len, 0..below);
        self.settled_below = self.settled_below.max(below);
        lost
    }

    /// Memory in use, estimated.
    pub fn memory_bytes(&self) -> u64 {
        // What a container takes beside its values: its place in the list and an allocation.
        const CONTAINER: u64 = 64;
        const BITMAP: u64 = 8_192;
        const STRETCH: u64 = 32;
        let bitmaps = [&self.missing, &self.settled]
            .into_iter()
            .flat_map(RoaringTreemap::bitmaps)
            .map(|(_, bitmap)| bitmap.statistics());
        // The library's own figures are four bytes a place in arrays that hold two-byte numbers,
        // and one byte a bit in bitmaps.
        let contained: u64 = bitmaps
            .map(|s| {
                u64::from(s.n_containers) * CONTAINER
                    + s.n_bytes_array_containers / 2
                    + s.n_bytes_run_containers
                    + u64::from(s.n_bitset_containers) * BITMAP
            })
            .sum();
        size_of::<Self>() as u64 + contained + self.ahead.stretches() as u64 * STRETCH
    }
}

fn remove(set: &mut RoaringTreemap, len: &mut u64, range: std::ops::Range<u64>) -> u64 {
    if *len == 0 {
        return 0;
    }
    let removed = set.remove_range(range);
    *len -= removed;
    removed
}

/// A bitmap's numbers as ranges; those that touch across a border of four billion stay two.
fn ranges(set: &RoaringTreemap) -> impl Iterator<Item = Range> + '_ {
    set.bitmaps()
        .flat_map(|(high, bitmap): (u32, &RoaringBitmap)| {
            let base = u64::from(high) << 32;
            let mut numbers = bitmap.iter();
            std::iter::from_fn(move || {
                let range = numbers.next_range()?;
                Some(Range {
                    start: base + u64::from(*range.start()),
                    end: base + u64::from(*range.end()) + 1,
                })
            })
        })
}

/// Ascending ranges, with those that touch made one.
fn joined(ranges: impl Iterator<Item = Range>) -> impl Iterator<Item = Range> {
    let mut ranges = ranges.peekable();
    std::iter::from_fn(move || {
        let mut range = ranges.next()?;
        while let Some(next) = ranges.next_if(|next| next.start == range.end) {
            range.end = next.end;
        }
        Some(range)
    })
}

#[cfg(test)]
#[path = "sequences_tests.rs"]
mod tests;
