//! Histograms over time as an interval log, the format that HdrHistogram's tools read and plot.
//!
//! One line per latency and reporting period of the measured phase, tagged with the latency's name
//! in the result; values are nanoseconds, the column of maxima says milliseconds. All lines of a tag
//! add up to the result's histogram. Times below zero are in no histogram: the result counts them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::stats::latencies::{Latencies, PerLatency};

/// What the lines of each latency are tagged with.
const TAGS: PerLatency<&str> = PerLatency {
    publish: "publishLatency",
    publish_delay: "publishDelayLatency",
    response: "responseLatency",
    end_to_end: "endToEndLatency",
    end_to_end_response: "endToEndResponseLatency",
};

const NANOS_PER_MILLI: f64 = 1e6;

/// A reporting period with all its values.
#[derive(Clone, Debug)]
pub struct LoggedPeriod {
    /// Start, since the measured phase began.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// Its histograms.
    pub latencies: Latencies,
}

/// An interval log.
#[derive(Debug)]
pub struct IntervalLog<W> {
    out: W,
    begun: bool,
}

impl IntervalLog<File> {
    /// A new file; one that exists is overwritten.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self::new)
    }
}

impl<W: Write> IntervalLog<W> {
    /// A log into anything.
    pub fn new(out: W) -> Self {
        Self { out, begun: false }
    }

    /// Adds a period of a run, whose measured phase began at `began`. It is written at once.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn period(
        &mut self,
        run: &str,
        began: SystemTime,
        period: &LoggedPeriod,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        if !self.begun {
            head(&mut text, run, began)?;
            self.begun = true;
        }
        let mut serializer = V2DeflateSerializer::new();
        let mut body = Vec::new();
        let mut log = IntervalLogWriterBuilder::new()
            .with_max_value_divisor(NANOS_PER_MILLI)
            .begin_log_with(&mut body, &mut serializer)?;
        for (name, histogram) in TAGS.each().into_iter().zip(period.latencies.each()) {
            let counts = histogram.counts();
            log.write_histogram(&counts, period.start, period.length, Tag::new(name))
                .map_err(io::Error::other)?;
        }
        // Each writer begins with the remark on maxima, which the head has.
        let lines = body.split_inclusive(|&byte| byte == b'\n');
        lines
            .filter(|line| !line.starts_with(b"#"))
            .for_each(|line| text.extend_from_slice(line));
        self.out.write_all(&text)
    }
}

fn head(text: &mut Vec<u8>, run: &str, began: SystemTime) -> io::Result<()> {
    IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!(
            "[omb {}, run {run}: nanoseconds, measured phase]",
            env!("CARGO_PKG_VERSION")
        ))
        .with_start_time(began)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(text, &mut V2DeflateSerializer::new())?;
    let legend = [
        "StartTimestamp",
        "Interval_Length",
        "Interval_Max",
        "Interval_Compressed_Histogram",
    ];
    writeln!(text, "\"{}\"", legend.join("\",\""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::stats::latencies::LatencyRecorders;

    /// All lines of a log, added up by tag.
    fn read(log: &[u8]) -> BTreeMap<String, Histogram<u64>> {
        use base64::Engine;
        let mut all: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        for entry in IntervalLogIterator::new(log) {
            if let LogEntry::Interval(line) = entry.unwrap() {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(line.encoded_histogram())
                    .unwrap();
                let histogram = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                let tag = line.tag().unwrap().as_str().to_owned();
                match all.get_mut(&tag) {
                    Some(sum) => sum.add(&histogram).unwrap(),
                    None => drop(all.insert(tag, histogram)),
                }
            }
        }
        all
    }

    #[test]
    fn the_lines_of_a_log_add_up_to_the_histograms_of_the_run() {
        let mut random = fastrand::Rng::with_seed(9);
        let (mut total, mut log) = (Latencies::default(), IntervalLog::new(Vec::new()));
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        for number in 0..7 {
            let mut recorders = LatencyRecorders::default();
            for recorder in recorders.each_mut() {
                for _ in 0..random.usize(0..500) {
                    let bits = random.u32(1..42);
                    recorder.record(random.u64(0..1 << bits));
                }
            }
            let mut latencies = Latencies::default();
            latencies.add(&recorders.cut()).unwrap();
            total.add_latencies(&latencies);
            let period = LoggedPeriod {
                start: Duration::from_secs(number * 10),
                length: Duration::from_secs(10),
                latencies,
            };
            log.period("0badcafe", began, &period).unwrap();
        }
        let text = String::from_utf8(log.out.clone()).unwrap();
        let head: Vec<&str> = text.lines().take(5).collect();
        assert_eq!(head[0], "#[Histogram log format version 1.3]");
        assert!(
            head[2].starts_with("#[StartTime: 1700000000.500 "),
            "{head:?}"
        );
        assert!(head[4].starts_with("\"StartTimestamp\",\"Interval_Length\""));
        assert_eq!(text.matches('#').count(), 4, "{text}");
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("Tag=endToEndResponseLatency,60.000,10.000,"),
            "{last}"
        );
        let sums = read(&log.out);
        assert_eq!(sums.len(), 5);
        for (name, histogram) in TAGS.each().into_iter().zip(total.each()) {
            assert_eq!(sums[*name], histogram.counts(), "{name}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_written_says_so() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let period = LoggedPeriod {
            start: Duration::ZERO,
            length: Duration::from_secs(1),
            latencies: Latencies::default(),
        };
        let written = IntervalLog::new(Full).period("1", SystemTime::UNIX_EPOCH, &period);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
