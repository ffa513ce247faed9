//! How numbers are written: units, rounding, and the text forms that people and OMB's readers
//! expect.

use schemars::JsonSchema;
use serde::Serialize;

use crate::stats::summary::Summary;

/// Not a number and infinities have no place in JSON: they are 0.
pub fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

fn to_3_decimals(value: f64) -> f64 {
    finite((value * 1e3).round() / 1e3)
}

/// Nanoseconds as milliseconds with microseconds' resolution.
pub fn millis(nanos: f64) -> f64 {
    to_3_decimals(nanos / 1e6)
}

/// Nanoseconds as microseconds with nanoseconds' resolution.
pub fn micros(nanos: f64) -> f64 {
    to_3_decimals(nanos / 1e3)
}

/// Nanoseconds as whole microseconds.
pub fn whole_micros(nanos: f64) -> u64 {
    finite(nanos / 1e3).round() as u64
}

/// Bytes as MiB, which is what OMB shows as MB.
pub fn mib(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

/// A latency in milliseconds, as samples and the result's own part have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Millis {
    avg: f64,
    p50: f64,
    p75: f64,
    p95: f64,
    p99: f64,
    p999: f64,
    p9999: f64,
    max: f64,
}

impl From<&Summary> for Millis {
    fn from(summary: &Summary) -> Self {
        Self {
            avg: millis(summary.avg),
            p50: millis(summary.p50),
            p75: millis(summary.p75),
            p95: millis(summary.p95),
            p99: millis(summary.p99),
            p999: millis(summary.p999),
            p9999: millis(summary.p9999),
            max: millis(summary.max),
        }
    }
}

/// A positive number as Java's `Double.toString` writes it, which is how OMB's result names
/// percentiles: `99.99`, `100.0`, `1.0E-4`.
pub fn java_double(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

/// A whole number with thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: whole where it is large, one decimal below a hundred.
pub fn rate(value: f64) -> String {
    if value < 99.95 {
        format!("{value:.1}")
    } else {
        grouped(value.round() as u64)
    }
}

/// Unix time in milliseconds as RFC 3339.
pub fn rfc3339(unix_ms: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_as_java_names_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (100.0, "100.0"),
            (99.99, "99.99"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (0.00025, "2.5E-4"),
            (1e-7, "1.0E-7"),
            (99.999_999_999_9, "99.9999999999"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }

    #[test]
    fn numbers_are_rounded_to_what_they_mean() {
        assert_eq!(millis(1_234_567.8), 1.235);
        assert_eq!(millis(f64::NAN), 0.0);
        assert_eq!(whole_micros(1_499.0), 1);
        assert_eq!(micros(1_499.0), 1.499);
    }

    #[test]
    fn large_numbers_are_grouped_for_the_eye() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(rate(0.1), "0.1");
        assert_eq!(rate(99.96), "100");
    }

    #[test]
    fn instants_are_written_in_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
