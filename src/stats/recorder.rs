//! What a client thread records one latency into, and drains at the end of each slot.
//!
//! It has its own counters instead of wrapping an hdrhistogram: recording is one increment and no
//! check that can fail, and draining looks only at blocks that were touched, between the lowest
//! and the highest value, where a wrapped histogram would be walked and reset as a whole.

use super::buckets::{self, BLOCK, COUNT, HIGHEST};
use super::histogram::HistogramDelta;

/// Counts of values in nanoseconds since the last [`Recorder::cut`].
///
/// Counters are allocated with the first value: a recorder that is never used costs nothing.
#[derive(Clone, Debug)]
pub struct Recorder {
    counts: Vec<u64>,
    /// Bit b: block b has counts. There are fewer blocks than bits.
    touched: u64,
    min: u64,
    max: u64,
    sum: u128,
    saturated: u64,
    negative: u64,
}

const _: () = assert!(COUNT.div_ceil(BLOCK) <= u64::BITS as usize);

impl Default for Recorder {
    fn default() -> Self {
        Self {
            counts: Vec::new(),
            touched: 0,
            min: u64::MAX,
            max: 0,
            sum: 0,
            saturated: 0,
            negative: 0,
        }
    }
}

impl Recorder {
    /// Counts a time. More than an hour counts as an hour, and as saturated.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let value = if nanos > HIGHEST {
            self.saturated += 1;
            HIGHEST
        } else {
            nanos
        };
        let index = buckets::index(value);
        match self.counts.get_mut(index) {
            Some(count) => *count += 1,
            None => self.first(index),
        }
        self.touched |= 1 << (index / BLOCK);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += u128::from(value);
    }

    /// Counts a difference of two readings of the clock; one below zero is counted apart.
    #[inline]
    pub fn record_signed(&mut self, nanos: i64) {
        match u64::try_from(nanos) {
            Ok(nanos) => self.record(nanos),
            Err(_) => self.negative += 1,
        }
    }

    #[cold]
    fn first(&mut self, index: usize) {
        self.counts = vec![0; COUNT];
        self.counts[index] = 1;
    }

    /// Takes everything counted so far.
    pub fn cut(&mut self) -> HistogramDelta {
        let mut taken = Vec::new();
        let (mut blocks, lowest, highest) = (
            self.touched,
            buckets::index(self.min.min(HIGHEST)),
            buckets::index(self.max),
        );
        while blocks != 0 {
            let start = blocks.trailing_zeros() as usize * BLOCK;
            let from = start.max(lowest);
            let to = (start + BLOCK).min(highest + 1);
            for (offset, count) in self.counts[from..to].iter_mut().enumerate() {
                if *count != 0 {
                    taken.push((from + offset, std::mem::take(count)));
                }
            }
            blocks &= blocks - 1;
        }
        let delta = HistogramDelta::new(
            taken.into_iter(),
            (self.min, self.max, self.sum),
            (self.saturated, self.negative),
        );
        (self.touched, self.min, self.max, self.sum) = (0, u64::MAX, 0, 0);
        (self.saturated, self.negative) = (0, 0);
        delta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram::Histogram;

    #[test]
    fn a_cut_takes_everything_and_leaves_nothing() {
        let mut recorder = Recorder::default();
        for value in [
            0,
            1,
            2_047,
            2_048,
            1_000_000,
            HIGHEST,
            HIGHEST + 1,
            u64::MAX,
        ] {
            recorder.record(value);
        }
        recorder.record_signed(-1);
        recorder.record_signed(5);
        let mut histogram = Histogram::default();
        histogram.add(&recorder.cut()).unwrap();
        assert_eq!(histogram.len(), 9);
        assert_eq!(histogram.saturated(), 2);
        assert_eq!(histogram.negative(), 1);
        assert_eq!(histogram.max(), HIGHEST);
        assert_eq!(recorder.cut(), HistogramDelta::default());
        recorder.record(7);
        let second = recorder.cut();
        assert_eq!((second.len(), second.saturated()), (1, 0));
    }

    #[test]
    fn an_unused_recorder_holds_no_counters() {
        let mut recorder = Recorder::default();
        recorder.record_signed(-1);
        recorder.cut();
        assert_eq!(recorder.counts.capacity(), 0);
    }
}
