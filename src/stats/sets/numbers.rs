//! Numbers that are few among many, or many side by side: a roaring bitmap per 2^32 of them.
//!
//! The library's own map of bitmaps gives no access to one of them, and removes a range by
//! looking at all of a bitmap's containers; here a search goes straight to the place.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::stats::delta::Range;

/// Up to this many numbers side by side are removed one by one, each with a search of its own;
/// more at once, with a look at all containers.
const ONE_BY_ONE: u64 = 64;

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// By the upper half of its numbers; none is empty.
    bitmaps: BTreeMap<u32, RoaringBitmap>,
    len: u64,
}

impl Numbers {
    /// Adds numbers.
    pub fn insert(&mut self, range: Range) {
        for (high, first, last) in parts(range) {
            let bitmap = self.bitmaps.entry(high).or_default();
            self.len += bitmap.insert_range(first..=last);
        }
    }

    /// Takes numbers out; says how many were in.
    pub fn remove(&mut self, range: Range) -> u64 {
        let before = self.len;
        for (high, first, last) in parts(range) {
            if self.len == 0 {
                break;
            }
            let Some(bitmap) = self.bitmaps.get_mut(&high) else {
                continue;
            };
            self.len -= remove(bitmap, first, last);
            if bitmap.is_empty() {
                self.bitmaps.remove(&high);
            }
        }
        before - self.len
    }

    /// Takes out everything below a number.
    pub fn remove_below(&mut self, limit: u64) {
        let (high, low) = (upper(limit), limit as u32);
        let mut kept = self.bitmaps.split_off(&high);
        self.len -= self.bitmaps.values().map(RoaringBitmap::len).sum::<u64>();
        if let Some(bitmap) = kept.get_mut(&high) {
            self.len -= bitmap.remove_range(..low);
            if bitmap.is_empty() {
                kept.remove(&high);
            }
        }
        self.bitmaps = kept;
    }

    /// The numbers of `range` that are in, as ascending ranges; those that touch at a multiple of
    /// 2^32 stay two.
    pub fn within(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        // The search begins and ends where there are numbers: a range may be as long as it likes.
        let highest = self.bitmaps.last_key_value().map(|(&high, _)| high);
        let end = highest.map_or(0, |high| (u64::from(high) << 32) | u64::from(u32::MAX));
        parts(Range {
            start: range.start,
            end: range.end.min(end.saturating_add(1)),
        })
        .filter_map(|(high, first, last)| Some((high, self.bitmaps.get(&high)?, first, last)))
        .flat_map(|(high, bitmap, first, last)| {
            let base = u64::from(high) << 32;
            let mut numbers = bitmap.range(first..=last);
            std::iter::from_fn(move || {
                let found = numbers.next_range()?;
                Some(Range {
                    start: base + u64::from(*found.start()),
                    end: base + u64::from(*found.end()) + 1,
                })
            })
        })
    }

    /// Is this number in?
    pub fn contains(&self, number: u64) -> bool {
        let bitmap = self.bitmaps.get(&upper(number));
        bitmap.is_some_and(|bitmap| bitmap.contains(number as u32))
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The number that has `below` others below it.
    pub fn nth(&self, mut below: u64) -> Option<u64> {
        for (&high, bitmap) in &self.bitmaps {
            if below < bitmap.len() {
                let low = bitmap.select(below as u32)?;
                return Some((u64::from(high) << 32) | u64::from(low));
            }
            below -= bitmap.len();
        }
        None
    }

    /// Memory in use, estimated.
    pub fn memory_bytes(&self) -> usize {
        // What a container takes beside its numbers: its place in the list, and an allocation.
        const CONTAINER: usize = 64;
        let of = |bitmap: &RoaringBitmap| {
            bitmap.serialized_size() + bitmap.statistics().n_containers as usize * CONTAINER
        };
        self.bitmaps.values().map(of).sum()
    }
}

fn upper(number: u64) -> u32 {
    (number >> 32) as u32
}

/// A range cut at multiples of 2^32: (upper half, first and last lower half).
fn parts(range: Range) -> impl Iterator<Item = (u32, u32, u32)> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let high = upper(start);
        let last = (start | u64::from(u32::MAX)).min(range.end - 1);
        let part = (high, start as u32, last as u32);
        start = last.saturating_add(1);
        Some(part)
    })
}

fn remove(bitmap: &mut RoaringBitmap, first: u32, last: u32) -> u64 {
    if first == last {
        return u64::from(bitmap.remove(first));
    }
    let mut removed = 0;
    while let Some(found) = bitmap.range(first..=last).next_range() {
        let len = u64::from(*found.end() - *found.start()) + 1;
        if len > ONE_BY_ONE {
            return removed + bitmap.remove_range(first..=last);
        }
        for number in found {
            bitmap.remove(number);
        }
        removed += len;
    }
    removed
}
