use hdrhistogram::Histogram as Reference;

use super::*;
use crate::stats::recorder::Recorder;

fn reference() -> Reference<u64> {
    Reference::new_with_bounds(1, HIGHEST, 3).unwrap()
}

/// A value of any order of magnitude, now and then an edge or one out of range.
fn any_value(random: &mut fastrand::Rng) -> u64 {
    match random.u32(0..40) {
        0 => [0, 1, 2_047, 2_048, HIGHEST, HIGHEST + 1, u64::MAX][random.usize(0..7)],
        _ => random.u64(..) >> random.u32(22..64),
    }
}

#[test]
fn merging_deltas_equals_one_histogram_of_all_samples() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut reference, mut merged) = (reference(), Histogram::default());
        let (mut sum, mut max, mut saturated) = (0u128, 0, 0);
        let mut clients = vec![Recorder::default(); random.usize(1..5)];
        for _slot in 0..random.usize(1..6) {
            let mut child = HistogramDelta::default();
            for client in &mut clients {
                for _ in 0..random.usize(0..2_000) {
                    let value = any_value(&mut random);
                    client.record(value);
                    let counted = value.min(HIGHEST);
                    reference.record(counted).unwrap();
                    sum += u128::from(counted);
                    max = max.max(counted);
                    saturated += u64::from(value > HIGHEST);
                }
                child.merge(&client.cut());
            }
            merged.add(&child).unwrap();
        }
        assert_eq!(merged.counts(), reference, "seed {seed}");
        assert_eq!(merged.len(), reference.len(), "seed {seed}");
        assert_eq!((merged.sum, merged.max()), (sum, max), "seed {seed}");
        assert_eq!(merged.saturated(), saturated, "seed {seed}");
        for _ in 0..100 {
            let quantile = random.f64();
            assert_eq!(
                merged.quantile(quantile),
                reference.value_at_quantile(quantile).min(max),
                "seed {seed}, quantile {quantile}"
            );
        }
    }
}

#[test]
fn percentiles_are_those_hdrhistogram_visits_each_bucket_once() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut reference, mut recorder) = (reference(), Recorder::default());
        for _ in 0..random.u64(1..20_000) {
            let value = any_value(&mut random).clamp(1, HIGHEST);
            reference.record(value).unwrap();
            recorder.record(value);
        }
        let mut histogram = Histogram::default();
        histogram.add(&recorder.cut()).unwrap();
        let mut expected: Vec<_> = reference
            .iter_quantiles(100)
            .map(|v| v.value_iterated_to().min(histogram.max()))
            .collect();
        expected.dedup();
        let found = histogram.percentiles();
        let values: Vec<_> = found.iter().map(|&(_, value)| value).collect();
        assert_eq!(values, expected, "seed {seed}");
        assert_eq!(found.last(), Some(&(100.0, histogram.max())), "seed {seed}");
        assert!(found.is_sorted_by(|a, b| a < b), "seed {seed}");
    }
}

#[test]
fn percentiles_are_rounded_like_those_of_omb() {
    let mut recorder = Recorder::default();
    (1..=100).for_each(|value| recorder.record(value));
    let mut histogram = Histogram::default();
    histogram.add(&recorder.cut()).unwrap();
    let expected: Vec<_> = (1..=100).map(|value| (value as f64, value)).collect();
    assert_eq!(histogram.percentiles(), expected);
}

#[test]
fn percentiles_stay_few_however_many_values_there_are() {
    let counts = (0..20_000).map(|index| (index, 1u64 << 40 >> (index / 500)));
    let delta = HistogramDelta::new(counts, (0, buckets::highest_value(19_999), 1), (0, 0));
    let mut histogram = Histogram::default();
    histogram.add(&delta).unwrap();
    let percentiles = histogram.percentiles();
    assert!(percentiles.len() < 5_000, "{}", percentiles.len());
}

#[test]
fn an_empty_histogram_says_zero_everywhere() {
    let histogram = Histogram::default();
    assert_eq!(histogram.mean(), 0.0);
    assert_eq!(histogram.quantile(0.99), 0);
    assert_eq!(histogram.percentiles(), []);
    assert!(histogram.is_empty());
}

#[test]
fn garbage_is_refused_as_a_whole_and_never_panics() {
    let mut good = Recorder::default();
    (1..100).for_each(|value| good.record(value * 1_000));
    let good = good.cut();
    let mut histogram = Histogram::default();
    histogram.add(&good).unwrap();

    let bad = [
        (
            HistogramDelta {
                buckets: vec![(5, 1), (u32::MAX, 1)],
                ..good.clone()
            },
            DeltaError::NoSuchBucket(5 + u64::from(u32::MAX)),
        ),
        (
            HistogramDelta {
                buckets: vec![(1, u64::MAX), (1, 1)],
                ..good.clone()
            },
            DeltaError::TooMany,
        ),
        (
            HistogramDelta {
                max: u64::MAX,
                ..good.clone()
            },
            DeltaError::Contradiction,
        ),
        (
            HistogramDelta {
                sum: u128::MAX,
                ..good.clone()
            },
            DeltaError::Contradiction,
        ),
    ];
    for (delta, error) in bad {
        assert_eq!(histogram.add(&delta), Err(error));
        assert_eq!(histogram.len(), good.len());
    }
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let delta = HistogramDelta {
            buckets: (0..random.usize(0..9))
                .map(|_| (random.u32(..) >> random.u32(0..32), random.u64(..)))
                .collect(),
            min: random.u64(..) >> random.u32(0..64),
            max: random.u64(..) >> random.u32(0..64),
            sum: random.u128(..),
            saturated: random.u64(..),
            negative: random.u64(..),
        };
        let before = histogram.len();
        if histogram.add(&delta).is_err() {
            assert_eq!(histogram.len(), before, "seed {seed}");
        }
        histogram.percentiles();
        let mut merged = good.clone();
        merged.merge(&delta);
    }
}

#[test]
fn as_many_values_as_can_be_counted_are_no_trouble_and_more_are_refused() {
    let of = |count| HistogramDelta::new([(0, count), (7, 1)].into_iter(), (0, 7, 7), (0, 0));
    let mut histogram = Histogram::default();
    assert_eq!(histogram.add(&of(MOST)), Err(DeltaError::TooMany));
    histogram.add(&of(MOST - 3)).unwrap();
    assert_eq!(histogram.add(&of(2)), Err(DeltaError::TooMany));
    histogram.add(&of(1)).unwrap();
    histogram.add_histogram(&histogram.clone());
    assert_eq!(histogram.len(), MOST);
    assert_eq!(histogram.quantiles([f64::NAN, -1.0, 0.0, 0.5]), [0; 4]);
    assert_eq!(histogram.quantiles([1.0, f64::INFINITY]), [7, 7]);
    assert_eq!(histogram.percentiles().last(), Some(&(100.0, 7)));
}

#[test]
fn a_bucket_without_a_value_is_refused() {
    let counts = [(5, 1), (6, 0)].into_iter();
    let delta = HistogramDelta::new(counts, (5, 6, 5), (0, 0));
    let mut histogram = Histogram::default();
    assert_eq!(histogram.add(&delta), Err(DeltaError::Contradiction));
}

#[test]
fn negative_times_leave_the_minimum_alone() {
    let mut recorder = Recorder::default();
    recorder.record(5);
    let mut histogram = Histogram::default();
    histogram.add(&recorder.cut()).unwrap();
    recorder.record_signed(-1);
    histogram.add(&recorder.cut()).unwrap();
    let counted = (histogram.len(), histogram.min(), histogram.negative());
    assert_eq!(counted, (1, 5, 1));
}

#[test]
fn a_cleared_histogram_counts_from_zero() {
    let mut recorder = Recorder::default();
    recorder.record(5);
    recorder.record(5_000_000);
    let delta = recorder.cut();
    let mut histogram = Histogram::default();
    histogram.add(&delta).unwrap();
    histogram.clear();
    histogram.add(&delta).unwrap();
    assert_eq!(histogram.percentiles(), [(50.0, 5), (100.0, 5_000_000)]);
    let mut sum = Histogram::default();
    sum.add_histogram(&histogram);
    sum.add_histogram(&histogram);
    assert_eq!((sum.len(), sum.min(), sum.max()), (4, 5, 5_000_000));
}

#[test]
fn a_delta_of_a_busy_slot_takes_little_on_the_wire() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut recorder = Recorder::default();
    for _ in 0..50_000 {
        recorder.record(400_000 + random.u64(0..1 << 20));
    }
    let delta = recorder.cut();
    let bytes: usize = delta.buckets.len() * 3;
    assert!(bytes < 8_192, "{bytes}");
    assert!(delta.buckets.iter().skip(1).all(|&(gap, _)| gap < 251));
}
