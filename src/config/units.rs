//! Durations, sizes, rates and counts as people write them: `1h30m`, `1KiB`, `20000`.
//!
//! Each function answers with what to write instead, so that a message can end in it.

use std::time::Duration;

/// Longer than any run; keeps sums of durations far from overflow.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Reads a duration such as `30s`, `1h30m`, `500ms` or `1.5s`; a number alone has no unit and
/// is refused, but for `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const WANTED: &str = "give a number with a unit, such as 30s, 1h30m or 500ms";
    let wanted = || WANTED.to_owned();
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wanted());
    }
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wanted)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wanted())?;
        let tail = &rest[digits..];
        let letters = tail
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(tail.len());
        let unit = match &tail[..letters] {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wanted()),
        };
        seconds += number * unit;
        rest = tail[letters..].trim_start();
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "give at most ten years".to_owned())
}

/// Writes a duration as [`parse_duration`] reads it.
pub fn show_duration(duration: Duration) -> String {
    let (whole, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, count) in [
        ("h", whole / 3600),
        ("m", whole / 60 % 60),
        ("s", whole % 60),
    ] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if nanos > 0 {
        text.push_str(&format!("{}ms", f64::from(nanos) / 1e6));
    }
    text
}

/// Reads a number of bytes, at least 1: `1024`, `1KiB` (1024), `1k` or `1kB` (1000), up to 1 GB,
/// the largest message that the client library can send.
pub fn parse_size(text: &str) -> Result<usize, String> {
    bytes(text, 1e9)
        .map(|bytes| bytes as usize)
        .ok_or_else(|| "give a number of bytes, such as 1024 or 1KiB (1 to 1000000000)".to_owned())
}

/// Reads an amount of memory in bytes, at least 1: `512MiB`, `4GiB`.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    // Up to where every whole number is exact.
    bytes(text, 9e15)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "give a number of bytes, such as 512MiB".to_owned())
}

/// A whole number of bytes from 1 to `largest`.
fn bytes(text: &str, largest: f64) -> Option<f64> {
    let text = text.trim().replace('_', "");
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1024.0 * 1024.0,
        "gi" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = text[..split].parse::<f64>().ok()? * unit;
    (bytes.fract() == 0.0 && (1.0..=largest).contains(&bytes)).then_some(bytes)
}

/// Reads messages per second, finite; 0 has the highest rate looked for.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text
        .trim()
        .replace('_', "")
        .parse::<f64>()
        .unwrap_or(f64::NAN);
    check_rate(rate)
}

/// A rate of 0 or more, and finite, or what to write instead.
pub(super) fn check_rate(rate: f64) -> Result<f64, String> {
    if rate >= 0.0 && rate.is_finite() {
        // Not -0.
        Ok(rate.abs())
    } else {
        Err(
            "give messages per second, such as 20000, 10000000 for flat out, or 0 to look for the \
             highest rate that holds"
                .to_owned(),
        )
    }
}

/// Reads a whole number of at least 1.
pub fn parse_count(text: &str) -> Result<u32, String> {
    match text.trim().replace('_', "").parse::<u32>() {
        Ok(count) if count >= 1 => Ok(count),
        _ => Err("give a whole number of at least 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(
            parse_duration("1m 500ms"),
            Ok(Duration::from_millis(60_500))
        );
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn durations_without_a_unit_or_beyond_reason_are_refused() {
        for text in [
            "30",
            "",
            "s",
            "-1s",
            "1..5s",
            "5 parsecs",
            "99999999d",
            "1e5s",
            "ä",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["30s", "1h30m", "500ms", "1m30s250ms", "0s"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_are_read_in_powers_of_ten_and_of_two() {
        assert_eq!(parse_size("100"), Ok(100));
        assert_eq!(parse_size("1KiB"), Ok(1024));
        assert_eq!(parse_size("1k"), Ok(1000));
        assert_eq!(parse_size("1.5 MiB"), Ok(1_572_864));
        for text in ["0", "-1", "abc", "1.5", "2GB", "1 furlong", ""] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_is_read_with_its_unit() {
        assert_eq!(parse_memory("4GiB"), Ok(4 << 30));
        assert_eq!(parse_memory("1000"), Ok(1000));
        assert!(parse_memory("0").is_err() && parse_memory("lots").is_err());
    }

    #[test]
    fn rates_are_finite_and_none_is_below_zero() {
        assert_eq!(parse_rate("20000"), Ok(20_000.0));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        assert_eq!(parse_rate("0"), Ok(0.0));
        for text in ["-1", "inf", "NaN", "fast"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
