//! One line a second.

use crate::report::Interval;
use crate::report::numbers::{grouped, mib, rate};
use crate::stats::summary::Summary;

/// What a live line says beside the second's figures.
#[derive(Clone, Copy, Debug)]
pub struct LiveContext<'a> {
    /// The phase's name: `warm-up`, `measure`, `drain`.
    pub phase: &'a str,
    /// Producers and consumers alive and connected.
    pub alive: usize,
    /// Producers and consumers as planned.
    pub expected: usize,
}

/// Two lines above the live lines that name their columns.
pub fn live_header() -> String {
    format!(
        "{:>7} {:<7} {:>18}  {:>18}  {:>6} {:>10} {:>17} {:>18} {:>7}\n{}",
        "",
        "",
        "published",
        "received",
        "",
        "",
        "publish (ms)",
        "end-to-end (ms)",
        "",
        columns([
            "time", "phase", "msg/s", "MiB/s", "msg/s", "MiB/s", "errors", "backlog", "p50", "p99",
            "p50", "p99", "alive",
        ])
    )
}

/// One second: published and received, errors, backlog, publish (service) and end-to-end latency,
/// children alive. The time is that of the second's end, 0 being the start of the measured phase.
pub fn live_line(interval: &Interval, context: &LiveContext<'_>) -> String {
    let counters = &interval.counters;
    let seconds = if interval.seconds > 0.0 {
        interval.seconds
    } else {
        1.0
    };
    let per_second = |count: u64| rate(count as f64 / seconds);
    let mib_per_second = |bytes: u64| format!("{:.1}", mib(bytes as f64 / seconds));
    let (publish, end_to_end) = (&interval.latencies.publish, &interval.latencies.end_to_end);
    columns([
        &clock(interval.start + interval.seconds),
        context.phase,
        &per_second(counters.acknowledged),
        &mib_per_second(counters.acknowledged_bytes),
        &per_second(counters.received),
        &mib_per_second(counters.received_bytes),
        &grouped(counters.failed + counters.unknown),
        &grouped(interval.backlog),
        &latency(publish, publish.p50),
        &latency(publish, publish.p99),
        &latency(end_to_end, end_to_end.p50),
        &latency(end_to_end, end_to_end.p99),
        &format!("{}/{}", context.alive, context.expected),
    ])
}

fn columns(texts: [&str; 13]) -> String {
    let [
        time,
        phase,
        out,
        out_mib,
        into,
        in_mib,
        errors,
        backlog,
        a,
        b,
        c,
        d,
        alive,
    ] = texts;
    format!(
        "{time:>7} {phase:<7} {out:>10} {out_mib:>7}  {into:>10} {in_mib:>7}  {errors:>6} \
         {backlog:>10} {a:>8} {b:>8}  {c:>8} {d:>8} {alive:>7}"
    )
}

/// Milliseconds with microseconds' resolution, as long as they fit; a dash where nothing was
/// measured.
fn latency(summary: &Summary, nanos: f64) -> String {
    match nanos / 1e6 {
        _ if summary.count == 0 => "-".to_owned(),
        millis if millis < 10_000.0 => format!("{millis:.3}"),
        millis => format!("{millis:.0}"),
    }
}

/// Seconds as `m:ss` or `h:mm:ss`, with a sign before the measured phase.
fn clock(seconds: f64) -> String {
    let whole = seconds.abs().round() as u64;
    let sign = if seconds < -0.5 { "-" } else { "" };
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Counters, testing};

    #[test]
    fn a_second_fits_into_120_columns_and_stands_below_its_names() {
        let mut interval = testing::run().total;
        (interval.start, interval.seconds) = (8_000.0, 1.0);
        interval.counters = Counters {
            acknowledged: 1_234_567,
            acknowledged_bytes: 1_264_196_608,
            received: 1_234_567,
            received_bytes: 1_264_196_608,
            failed: 12,
            ..Counters::default()
        };
        interval.backlog = 98_765_432;
        interval.latencies.publish.p99 = 12_345_678_000.0;
        let line = live_line(
            &interval,
            &LiveContext {
                phase: "measure",
                alive: 15,
                expected: 16,
            },
        );
        assert!(line.len() <= 120, "{}: {line}", line.len());
        for part in [
            "2:13:21",
            "measure",
            "1,234,567",
            "1205.6",
            " 12 ",
            "98,765,432",
            "15/16",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        let header = live_header();
        assert!(
            header.lines().all(|names| names.len() == line.len()),
            "{header}\n{line}"
        );
    }

    #[test]
    fn a_second_without_messages_has_no_latency() {
        let interval = Interval {
            start: -2.0,
            seconds: 1.0,
            ..Interval::default()
        };
        let line = live_line(
            &interval,
            &LiveContext {
                phase: "warm-up",
                alive: 0,
                expected: 2,
            },
        );
        assert_eq!(
            line.split_whitespace().filter(|&word| word == "-").count(),
            4,
            "{line}"
        );
        assert!(line.trim_start().starts_with("-0:01 warm-up"), "{line}");
    }
}
