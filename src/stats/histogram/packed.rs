//! A histogram as text: what a samples file keeps of it, to the last count.
//!
//! The counts are HdrHistogram's own compressed form, so that its tools read them, at about a
//! byte for each bucket in use. What that form rounds or doesn't know (minimum, maximum, sum,
//! values out of range) goes beside it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram as Counts;
use hdrhistogram::serialization::{Deserializer as Unpacker, Serializer as _, V2DeflateSerializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Histogram, HistogramDelta, buckets, no_counts};

#[derive(Serialize, Deserialize)]
struct Packed {
    min: u64,
    max: u64,
    /// As text: many readers of JSON keep no whole number this large.
    sum: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    saturated: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    negative: u64,
    /// Base64; none without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Packed {
    fn of(histogram: &Histogram) -> Result<Self, String> {
        let mut counts = None;
        if !histogram.is_empty() {
            let mut bytes = Vec::new();
            V2DeflateSerializer::new()
                .serialize(&histogram.counts(), &mut bytes)
                .map_err(|error| format!("a histogram can't be packed: {error}"))?;
            counts = Some(STANDARD.encode(bytes));
        }
        Ok(Self {
            min: histogram.min,
            max: histogram.max,
            sum: histogram.sum.to_string(),
            saturated: histogram.saturated,
            negative: histogram.negative,
            counts,
        })
    }

    fn unpack(&self) -> Result<Histogram, String> {
        let broken = |what: &dyn std::fmt::Display| format!("a histogram is damaged: {what}");
        let sum = self.sum.parse().map_err(|error| broken(&error))?;
        let counts = match &self.counts {
            Some(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| broken(&error))?;
                let unpacked = Unpacker::new().deserialize(&mut &bytes[..]);
                unpacked.map_err(|error| broken(&error))?
            }
            None => no_counts(),
        };
        if counts.buckets() != no_counts().buckets() || counts.sigfig() != no_counts().sigfig() {
            return Err(broken(&"its buckets are not ours"));
        }
        let mut histogram = Histogram::default();
        let delta = HistogramDelta::new(
            by_bucket(&counts),
            (self.min, self.max, sum),
            (self.saturated, self.negative),
        );
        histogram.add(&delta).map_err(|error| broken(&error))?;
        Ok(histogram)
    }
}

fn by_bucket(counts: &Counts<u64>) -> impl Iterator<Item = (usize, u64)> + '_ {
    let recorded = counts.iter_recorded();
    recorded.map(|at| (buckets::index(at.value_iterated_to()), at.count_at_value()))
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let any = !self.is_empty() || self.negative > 0;
        let packed = any.then(|| Packed::of(self)).transpose();
        packed.map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<Packed>::deserialize(deserializer)? {
            Some(packed) => packed.unpack().map_err(D::Error::custom),
            None => Ok(Self::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::stats::recorder::Recorder;

    fn filled(random: &mut fastrand::Rng, values: usize) -> Histogram {
        let mut recorder = Recorder::default();
        for _ in 0..values {
            recorder.record(random.u64(..) >> random.u32(20..64));
            if random.u32(0..50) == 0 {
                recorder.record_signed(-3);
            }
        }
        let mut histogram = Histogram::default();
        histogram.add(&recorder.cut()).unwrap();
        histogram
    }

    fn fields(histogram: &Histogram) -> (Vec<u64>, [u64; 5], u128) {
        let Histogram {
            counts,
            len,
            min,
            max,
            sum,
            saturated,
            negative,
        } = histogram.clone();
        (counts, [len, min, max, saturated, negative], sum)
    }

    #[test]
    fn a_histogram_comes_back_from_its_text_to_the_last_count() {
        let mut random = fastrand::Rng::with_seed(5);
        for round in 0..60 {
            let values = if round < 3 {
                round
            } else {
                random.usize(0..3_000)
            };
            let histogram = filled(&mut random, values);
            let text = serde_json::to_string(&histogram).unwrap();
            let back: Histogram = serde_json::from_str(&text).unwrap();
            assert_eq!(fields(&back), fields(&histogram), "round {round}");
        }
        assert_eq!(
            serde_json::to_string(&Histogram::default()).unwrap(),
            "null"
        );
        let mut negative = Recorder::default();
        negative.record_signed(-1);
        let mut only_negative = Histogram::default();
        only_negative.add(&negative.cut()).unwrap();
        let text = serde_json::to_string(&only_negative).unwrap();
        let back: Histogram = serde_json::from_str(&text).unwrap();
        assert_eq!((back.len(), back.negative()), (0, 1));
    }

    #[test]
    fn a_bucket_in_use_takes_less_than_two_bytes() {
        let mut recorder = Recorder::default();
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..100_000 {
            recorder.record(400_000 + random.u64(0..1_000_000));
        }
        let mut histogram = Histogram::default();
        histogram.add(&recorder.cut()).unwrap();
        let used = histogram.counts.iter().filter(|&&count| count > 0).count();
        let text = serde_json::to_string(&histogram).unwrap();
        assert!(text.len() < used * 2, "{} for {used} buckets", text.len());
    }

    #[test]
    fn text_that_no_histogram_made_is_refused() {
        let good = serde_json::to_value(filled(&mut fastrand::Rng::with_seed(7), 50)).unwrap();
        let coarse = {
            let mut counts = Counts::<u64>::new_with_bounds(1, 1_000, 1).unwrap();
            counts.record(5).unwrap();
            let mut bytes = Vec::new();
            V2DeflateSerializer::new()
                .serialize(&counts, &mut bytes)
                .unwrap();
            STANDARD.encode(bytes)
        };
        for (field, value) in [
            ("min", json!(u64::MAX)),
            ("max", json!(0)),
            ("max", json!(u64::MAX)),
            ("sum", json!("-1")),
            ("sum", json!(u128::MAX.to_string())),
            ("saturated", json!(1_000_000)),
            ("counts", Value::Null),
            ("counts", json!("AAAA")),
            ("counts", json!("no base64!")),
            ("counts", json!(coarse)),
        ] {
            let mut bad = good.clone();
            bad[field] = value.clone();
            let read = serde_json::from_value::<Histogram>(bad);
            assert!(read.is_err(), "{field}: {value}");
        }
        assert!(serde_json::from_value::<Histogram>(good).is_ok());
    }
}
