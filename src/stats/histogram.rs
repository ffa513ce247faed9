//! Histograms of nanoseconds as they travel ([`HistogramDelta`]) and as they add up
//! ([`Histogram`]).
//!
//! Adding deltas gives exactly the counts of one HdrHistogram of all samples, and beyond that the
//! exact mean, minimum and maximum. A delta may come off a socket: adding one never panics.

mod packed;

use hdrhistogram::Histogram as Counts;
use serde::{Deserialize, Serialize};

use super::buckets::{self, COUNT, HIGHEST};

/// Most values in one histogram: as many as floating point tells apart.
///
/// hdrhistogram multiplies the count of values by a quantile, and panics where the product is
/// rounded up beyond the count. At ten million values a second this many take 28 years.
const MOST: u64 = 1 << f64::MANTISSA_DIGITS;

/// Why a delta was refused; the histogram is then as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// A bucket that no value falls into.
    #[error("a latency delta counts in bucket {0}, and there are {COUNT}")]
    NoSuchBucket(u64),
    /// More values than can be counted.
    #[error("the counts of a latency delta are too large to be true")]
    TooMany,
    /// Minimum, maximum or sum disagree with the counts.
    #[error("the minimum, maximum or sum of a latency delta contradicts its counts")]
    Contradiction,
}

/// Counts since the last delta, sparse: only buckets that have any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramDelta {
    /// Ascending buckets, each as its distance from the one before (the first: from 0), and their
    /// counts. Distances are mostly tiny, and tiny numbers take one byte on the wire.
    buckets: Vec<(u32, u64)>,
    /// Nanoseconds; 0 without any count.
    min: u64,
    /// Nanoseconds; 0 without any count.
    max: u64,
    /// Nanoseconds.
    sum: u128,
    saturated: u64,
    negative: u64,
}

impl HistogramDelta {
    /// From ascending (bucket, count) pairs, (min, max, sum) and (saturated, negative).
    pub(super) fn new(
        counts: impl Iterator<Item = (usize, u64)>,
        (min, max, sum): (u64, u64, u128),
        (saturated, negative): (u64, u64),
    ) -> Self {
        let mut last = 0;
        let buckets: Vec<_> = counts
            .map(|(index, count)| ((index - std::mem::replace(&mut last, index)) as u32, count))
            .collect();
        Self {
            min: if buckets.is_empty() { 0 } else { min },
            max,
            sum,
            saturated,
            negative,
            buckets,
        }
    }

    /// (bucket, count) pairs; the buckets of a delta off the wire may be any number.
    fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut index = 0u64;
        self.buckets.iter().map(move |&(gap, count)| {
            index = index.saturating_add(u64::from(gap));
            (index, count)
        })
    }

    /// How many values; negative ones are not among them.
    pub fn len(&self) -> u64 {
        let counts = self.buckets.iter().map(|&(_, count)| count);
        counts.fold(0, u64::saturating_add)
    }

    /// No value, not even a negative one.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.negative == 0
    }

    /// Values above an hour, counted as an hour.
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Values below zero, counted nowhere else.
    pub fn negative(&self) -> u64 {
        self.negative
    }

    /// Adds another client's counts of the same slot.
    pub fn merge(&mut self, other: &Self) {
        self.saturated = self.saturated.saturating_add(other.saturated);
        self.negative = self.negative.saturating_add(other.negative);
        if other.buckets.is_empty() {
            return;
        }
        self.min = match self.buckets.is_empty() {
            true => other.min,
            false => self.min.min(other.min),
        };
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.buckets = merged(self.counts(), other.counts());
    }

    /// How many values, if it is one that a recorder can have made.
    fn check(&self) -> Result<u64, DeltaError> {
        let mut total = 0u64;
        let (mut first, mut last) = (None, 0);
        for (index, count) in self.counts() {
            if index >= COUNT as u64 {
                return Err(DeltaError::NoSuchBucket(index));
            }
            // It would become the lowest or highest bucket without holding a value.
            if count == 0 {
                return Err(DeltaError::Contradiction);
            }
            total = total.saturating_add(count);
            first.get_or_insert(index);
            last = index;
        }
        if total > MOST {
            return Err(DeltaError::TooMany);
        }
        let fits = match first {
            None => (self.min, self.max) == (0, 0),
            Some(first) => {
                self.max <= HIGHEST
                    && self.min <= self.max
                    && buckets::index(self.min) as u64 == first
                    && buckets::index(self.max) as u64 == last
            }
        };
        let most = u128::from(self.max) * u128::from(total);
        if !fits || self.sum > most || self.saturated > total {
            return Err(DeltaError::Contradiction);
        }
        Ok(total)
    }
}

/// Two ascending lists of (bucket, count) as one, with distances instead of buckets.
fn merged(
    a: impl Iterator<Item = (u64, u64)>,
    b: impl Iterator<Item = (u64, u64)>,
) -> Vec<(u32, u64)> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let mut all = Vec::with_capacity(a.size_hint().0.max(b.size_hint().0));
    let mut last = 0;
    loop {
        let index = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => a.0.min(b.0),
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => return all,
        };
        let mut count = 0u64;
        for (_, more) in [a.next_if(|x| x.0 == index), b.next_if(|x| x.0 == index)]
            .into_iter()
            .flatten()
        {
            count = count.saturating_add(more);
        }
        let gap = index - std::mem::replace(&mut last, index);
        all.push((u32::try_from(gap).unwrap_or(u32::MAX), count));
    }
}

/// All counts of one latency over a stretch of time.
///
/// An empty one holds no memory, a used one 264 KiB: keep few of them, and a
/// [`Summary`](super::summary::Summary) of everything that is over.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// By bucket; empty before the first value. Adding a delta is one addition for each of its
    /// buckets, which hdrhistogram's own recording is far from: it makes histograms to be asked.
    counts: Vec<u64>,
    len: u64,
    min: u64,
    max: u64,
    sum: u128,
    saturated: u64,
    negative: u64,
}

impl Histogram {
    /// Adds a delta, or refuses it as a whole.
    pub fn add(&mut self, delta: &HistogramDelta) -> Result<(), DeltaError> {
        let values = delta.check()?;
        if self.len() + values > MOST {
            return Err(DeltaError::TooMany);
        }
        self.saturated = self.saturated.saturating_add(delta.saturated);
        self.negative = self.negative.saturating_add(delta.negative);
        if !delta.buckets.is_empty() {
            self.widen(delta.min, delta.max, delta.sum);
            self.counts.resize(COUNT, 0);
            let mut index = 0;
            for &(gap, count) in &delta.buckets {
                index += gap as usize;
                self.counts[index] += count;
            }
            self.len += values;
        }
        Ok(())
    }

    /// The counts alone, as other programs know them.
    pub fn counts(&self) -> Counts<u64> {
        let mut counts = no_counts();
        if !self.is_empty() {
            let first = buckets::index(self.min);
            let used = &self.counts[first..=buckets::index(self.max)];
            for (index, &count) in (first..).zip(used).filter(|&(_, &count)| count > 0) {
                counts.saturating_record_n(buckets::highest_value(index), count);
            }
        }
        counts
    }

    /// Adds another histogram's counts; does nothing if together they are too many to be true.
    pub fn add_histogram(&mut self, other: &Self) {
        if self.len() + other.len() > MOST {
            return;
        }
        self.saturated = self.saturated.saturating_add(other.saturated);
        self.negative = self.negative.saturating_add(other.negative);
        if !other.is_empty() {
            self.widen(other.min, other.max, other.sum);
            self.counts.resize(COUNT, 0);
            for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
                *mine += theirs;
            }
            self.len += other.len;
        }
    }

    /// Takes in the extremes of values that are about to be counted.
    fn widen(&mut self, min: u64, max: u64, sum: u128) {
        self.min = if self.is_empty() {
            min
        } else {
            self.min.min(min)
        };
        self.max = self.max.max(max);
        self.sum = self.sum.saturating_add(sum);
    }

    /// Forgets everything; the memory stays for what comes next.
    pub fn clear(&mut self) {
        let mut counts = std::mem::take(&mut self.counts);
        counts.fill(0);
        *self = Self {
            counts,
            ..Self::default()
        };
    }

    /// How many values; negative ones are not among them.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// No value, negative ones aside.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exact mean in nanoseconds; 0 without values.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.len().max(1) as f64
    }

    /// Exact smallest value in nanoseconds; 0 without values.
    pub fn min(&self) -> u64 {
        self.min
    }

    /// Exact largest value in nanoseconds; 0 without values.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Values above an hour, counted as an hour.
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Values below zero, counted nowhere else.
    pub fn negative(&self) -> u64 {
        self.negative
    }

    /// The value in nanoseconds that the given share of values (0 to 1) does not exceed, as exact
    /// as its bucket is wide and never beyond minimum and maximum; 0 without values.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.quantiles([quantile])[0]
    }

    /// Several quantiles at once; they have to ascend.
    pub(super) fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        if self.is_empty() {
            return [0; N];
        }
        let counts = self.counts();
        let mut values = counts.value_at_quantiles(quantiles);
        quantiles.map(|_| values.next().unwrap_or(0).clamp(self.min, self.max))
    }

    /// (percentile, value in nanoseconds) pairs, ascending, the last at 100.0: what
    /// HdrHistogram's percentile iterator visits with 100 ticks per half distance, each bucket
    /// once.
    ///
    /// The percentile is that of the bucket and not of the tick, as in OMB's quantile maps, where
    /// ticks that meet in one bucket are one entry. So there are at most as many entries as
    /// buckets used, and at most 100 per halving of the distance to 100 %: about 2,000 for a
    /// million values, 3,300 for ten billion.
    pub fn percentiles(&self) -> Vec<(f64, u64)> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut reached = 0;
        let mut found: Vec<_> = self
            .counts()
            .iter_quantiles(100)
            .map(|tick| {
                reached += tick.count_since_last_iteration();
                // As OMB rounds it: 29 of 100 are 29 %, where 0.29 * 100.0 is not.
                let percentile = 100.0 * reached as f64 / self.len() as f64;
                (percentile, tick.value_iterated_to().min(self.max))
            })
            .collect();
        found.dedup();
        found
    }
}

#[expect(clippy::expect_used, reason = "the bounds are constants, and good")]
fn no_counts() -> Counts<u64> {
    Counts::new_with_bounds(1, HIGHEST, 3).expect("good bounds")
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
