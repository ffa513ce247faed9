//! What a run shows while it goes on, as JSON lines: whatever happens to the run, what was shown
//! is on disk.
//!
//! The first line says what run this is, then come samples (one a second) and events (something
//! happened), and at the end one line with the status. Every line has its `type`, and `t`, the
//! wall clock; each is written whole, with one write, at once.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::numbers::{Millis, finite, rfc3339};
use super::{Counters, Interval, Status};
use crate::stats::latencies::LatencySummaries;

/// What the first line says.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The workload's name.
    pub workload: &'a str,
    /// The driver's name.
    pub driver: &'a str,
    /// Whether the broker is ours.
    pub embedded: bool,
}

/// Producers and consumers alive, and how many there should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Children {
    /// Alive and connected.
    pub alive: usize,
    /// As planned.
    pub expected: usize,
}

/// A samples file.
///
/// After an error the file may end in part of a line; a reader skips what doesn't parse.
#[derive(Debug)]
pub struct Samples<W> {
    out: W,
}

#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Line<'a> {
    Run {
        t: String,
        version: &'a str,
        run_id: &'a str,
        workload: &'a str,
        driver: &'a str,
        broker: &'a str,
        units: Units,
    },
    Sample(Box<Sample<'a>>),
    Event {
        t: String,
        text: &'a str,
    },
    End {
        t: String,
        status: &'a str,
        reason: Option<&'a str>,
    },
}

/// What the numbers of a sample mean, for who finds the file alone.
#[derive(Serialize)]
struct Units {
    latencies: &'static str,
    start: &'static str,
    counters: &'static str,
}

const UNITS: Units = Units {
    latencies: "ms",
    start: "seconds since the measured phase began",
    counters: "messages or bytes within the sample's seconds",
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sample<'a> {
    t: String,
    start: f64,
    seconds: f64,
    phase: &'a str,
    sent: u64,
    acknowledged: u64,
    failed: u64,
    unknown: u64,
    received: u64,
    acknowledged_bytes: u64,
    received_bytes: u64,
    backlog: u64,
    disturbed: bool,
    publish_latency: Millis,
    publish_delay_latency: Millis,
    response_latency: Millis,
    end_to_end_latency: Millis,
    end_to_end_response_latency: Millis,
    children: Children,
}

impl Samples<File> {
    /// A new file; one that exists is overwritten.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self::new)
    }
}

impl<W: Write> Samples<W> {
    /// Lines into anything.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// The first line.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn head(&mut self, unix_ms: i64, head: &Head<'_>) -> io::Result<()> {
        self.line(&Line::Run {
            t: rfc3339(unix_ms),
            version: env!("CARGO_PKG_VERSION"),
            run_id: head.run_id,
            workload: head.workload,
            driver: head.driver,
            broker: if head.embedded {
                "embedded"
            } else {
                "external"
            },
            units: UNITS,
        })
    }

    /// A second of the run, in the phase of that name.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn sample(
        &mut self,
        unix_ms: i64,
        phase: &str,
        interval: &Interval,
        children: Children,
    ) -> io::Result<()> {
        let Interval {
            start,
            seconds,
            counters,
            backlog,
            disturbed,
            latencies,
        } = interval;
        let Counters {
            sent,
            acknowledged,
            failed,
            unknown,
            received,
            acknowledged_bytes,
            received_bytes,
        } = *counters;
        let LatencySummaries {
            publish,
            publish_delay,
            response,
            end_to_end,
            end_to_end_response,
        } = latencies;
        self.line(&Line::Sample(Box::new(Sample {
            t: rfc3339(unix_ms),
            start: finite(*start),
            seconds: finite(*seconds),
            phase,
            sent,
            acknowledged,
            failed,
            unknown,
            received,
            acknowledged_bytes,
            received_bytes,
            backlog: *backlog,
            disturbed: *disturbed,
            publish_latency: publish.into(),
            publish_delay_latency: publish_delay.into(),
            response_latency: response.into(),
            end_to_end_latency: end_to_end.into(),
            end_to_end_response_latency: end_to_end_response.into(),
            children,
        })))
    }

    /// Something that happened.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn event(&mut self, unix_ms: i64, text: &str) -> io::Result<()> {
        self.line(&Line::Event {
            t: rfc3339(unix_ms),
            text,
        })
    }

    /// The last line.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn end(&mut self, unix_ms: i64, status: Status, reason: Option<&str>) -> io::Result<()> {
        self.line(&Line::End {
            t: rfc3339(unix_ms),
            status: status.name(),
            reason,
        })
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::testing;

    /// Counts writes, to see that no line is torn.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_whole_and_says_what_it_is() {
        let run = testing::run();
        let mut samples = Samples::new(Writes::default());
        let head = Head {
            run_id: &run.id,
            workload: "w",
            driver: "d",
            embedded: true,
        };
        let children = Children {
            alive: 3,
            expected: 4,
        };
        samples.head(0, &head).unwrap();
        samples
            .sample(1_000, "measure", &run.total, children)
            .unwrap();
        samples
            .event(1_500, "consumer 1 died: signal 9 (SIGKILL); restarting")
            .unwrap();
        samples
            .end(2_000, Status::Interrupted, Some("SIGINT\n"))
            .unwrap();
        let writes = samples.out.0;
        assert_eq!(writes.len(), 4);
        let lines: Vec<Value> = writes
            .iter()
            .map(|line| {
                assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
                serde_json::from_slice(line).unwrap()
            })
            .collect();
        let types: Vec<_> = lines
            .iter()
            .map(|line| line["type"].as_str().unwrap())
            .collect();
        assert_eq!(types, ["run", "sample", "event", "end"]);
        assert_eq!(lines[0]["runId"], "00c0ffee");
        assert_eq!(lines[0]["broker"], "embedded");
        let sample = &lines[1];
        assert_eq!(sample["t"], "1970-01-01T00:00:01.000Z");
        assert_eq!(sample["phase"], "measure");
        assert_eq!(sample["seconds"], json!(120.0));
        assert_eq!(sample["acknowledgedBytes"], 120_000 * 1_024);
        assert_eq!(sample["responseLatency"]["max"], json!(5.112));
        assert_eq!(sample["children"], json!({"alive": 3, "expected": 4}));
        assert_eq!(lines[3]["status"], "interrupted");
    }

    #[test]
    fn a_full_disk_is_told_and_not_swallowed() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert!(Samples::new(full).event(0, "x").is_err());
    }
}
