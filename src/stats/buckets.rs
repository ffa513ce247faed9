//! The bucket layout all histograms share: HdrHistogram's, for 1 ns to 1 h at 3 significant digits.
//!
//! It is written out here, and proved equal to the hdrhistogram crate's by tests, because the
//! sparse deltas need the index of a bucket, which that crate keeps to itself.

/// Largest value that is told apart from larger ones: one hour, in nanoseconds.
pub const HIGHEST: u64 = 3_600_000_000_000;

/// Values below `2 << HALF_BITS` have a bucket each; beyond, every power of two has
/// `1 << HALF_BITS`, so that neighbours differ by less than one in a thousand.
const HALF_BITS: u32 = 10;

/// Buckets in all.
pub const COUNT: usize = index_of(HIGHEST, HALF_BITS) + 1;

/// Buckets in one block; blocks are what a recorder remembers having touched.
pub const BLOCK: usize = 1 << HALF_BITS;

const fn index_of(value: u64, half_bits: u32) -> usize {
    let within_first = (2 << half_bits) - 1;
    let octave = (u64::BITS - 1 - half_bits) - (value | within_first).leading_zeros();
    ((octave as usize) << half_bits) + (value >> octave) as usize
}

/// The bucket of a value that is at most [`HIGHEST`].
#[inline]
pub fn index(value: u64) -> usize {
    index_of(value, HALF_BITS)
}

/// The largest value of a bucket.
pub fn highest_value(index: usize) -> u64 {
    let octave = (index >> HALF_BITS).saturating_sub(1);
    let sub_bucket = (index - (octave << HALF_BITS)) as u64;
    ((sub_bucket + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_hdrhistogram() {
        let reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, HIGHEST, 3).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let powers = (0..42).flat_map(|bit| {
            let power = 1u64 << bit;
            [power - 1, power, power + 1]
        });
        let edges = powers.chain([HIGHEST - 1, HIGHEST]);
        let randoms = (0..100_000).map(|_| random.u64(0..=HIGHEST) >> random.u32(0..42));
        for value in edges.chain(randoms).filter(|&value| value <= HIGHEST) {
            assert_eq!(
                highest_value(index(value)),
                reference.highest_equivalent(value),
                "value {value}"
            );
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap() {
        let mut next = 0;
        for bucket in 0..COUNT {
            assert_eq!(index(next), bucket);
            assert_eq!(index(highest_value(bucket)), bucket);
            next = highest_value(bucket) + 1;
        }
        assert!(next > HIGHEST);
    }
}
