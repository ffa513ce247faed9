//! What a run shows while it goes on, as JSON lines: whatever happens to the run, what was shown
//! is on disk.
//!
//! The first line says what run this is, then come samples (one a second), events (something
//! happened) and records (what the result is made of, see [`super::record`]), and at the end one
//! line with the status. Every line has its `type`, and `t`, the wall clock; each is written whole,
//! with one write, at once. It is not synced: it survives the supervisor, and of a power cut it
//! survives what the system had written by then.
//!
//! A file that has become large is left, and another part begun: see [`part`]. Every part begins
//! with the line that says what run it is.

mod line;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) use line::Line;
use line::{Sample, Stamped, UNITS};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::numbers::{finite, rfc3339};
use super::record::{Record, Turnover, difference};
use super::{Counters, Interval, Run, Status};
use crate::stats::latencies::LatencySummaries;

/// Of the records; a reader refuses what is higher than it knows.
pub const FORMAT: u32 = 1;

/// A part that is this large is the last but one.
const PART_BYTES: u64 = 64 << 20;

/// Where the parts of a samples file are: `X.jsonl`, then `X.001.jsonl`, `X.002.jsonl`, ….
pub fn part(first: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return first.to_owned();
    }
    let jsonl = first.extension().filter(|&extension| extension == "jsonl");
    let stem = jsonl.and(first.file_stem()).or(first.file_name());
    let mut name = OsString::from(stem.unwrap_or_default());
    name.push(format!(".{number:03}"));
    if jsonl.is_some() {
        name.push(".jsonl");
    }
    first.with_file_name(name)
}

/// Producers and consumers alive, and how many there should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Children {
    /// Alive and connected.
    pub alive: usize,
    /// As planned.
    pub expected: usize,
}

/// A samples file.
///
/// After an error the file may end in part of a line: nothing may be written behind it.
pub struct Samples<W> {
    out: W,
    /// Where the next part goes, once this one has so many bytes.
    next: Option<Next<W>>,
    /// Of this part, its bytes and its number.
    bytes: u64,
    part: u32,
    /// Of the run: its result's name, and its facts as of the last record.
    result: String,
    facts: Value,
    /// Records so far.
    records: u64,
}

struct Next<W> {
    bytes: u64,
    open: Box<dyn FnMut(u32) -> io::Result<W>>,
}

impl Samples<File> {
    /// A new file; one that exists is overwritten, and so are those of further parts.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::in_parts(path, PART_BYTES)
    }

    /// As [`Samples::create`], with parts of another size.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn in_parts(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = File::create(path)?;
        // A pipe or a device goes on for ever.
        let parts = file.metadata()?.is_file();
        let mut samples = Self::new(file);
        let first = path.to_owned();
        samples.next = parts.then(|| Next {
            bytes,
            open: Box::new(move |number| File::create(part(&first, number))),
        });
        Ok(samples)
    }
}

impl<W: Write> Samples<W> {
    /// Lines into anything, all in one part.
    pub fn new(out: W) -> Self {
        Self {
            out,
            next: None,
            bytes: 0,
            part: 0,
            result: String::new(),
            facts: Value::Null,
            records: 0,
        }
    }

    /// The first line. `result` is the result's file name.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn head(&mut self, unix_ms: i64, run: &Run, result: &str) -> io::Result<()> {
        self.facts = serde_json::to_value(run)?;
        self.result = result.to_owned();
        self.put_head(unix_ms)
    }

    fn put_head(&mut self, unix_ms: i64) -> io::Result<()> {
        let facts = &self.facts;
        let embedded = facts["driver"]["embedded"] == true;
        let line = to_line(&Line::Run {
            t: rfc3339(unix_ms),
            version: env!("CARGO_PKG_VERSION"),
            format: FORMAT,
            part: self.part,
            run_id: &facts["id"],
            workload: &facts["workload"]["name"],
            driver: &facts["driver"]["name"],
            broker: if embedded { "embedded" } else { "external" },
            units: UNITS,
            result: &self.result,
            facts,
        });
        self.write(&line?)
    }

    /// What the result is made of, as far as it is new: what was counted, and the run's facts.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn record(
        &mut self,
        unix_ms: i64,
        turnover: Option<&Turnover>,
        run: &Run,
    ) -> io::Result<()> {
        let facts = serde_json::to_value(run)?;
        self.records += 1;
        let record = &Record {
            number: self.records,
            turnover: turnover.cloned(),
            facts: difference(&self.facts, &facts),
        };
        let t = rfc3339(unix_ms);
        // A part that begins with this record has, in its first line, the facts before it.
        self.line(unix_ms, &Line::Record(Stamped { t, record }))?;
        self.facts = facts;
        Ok(())
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
        let line = Line::Sample(Box::new(Sample {
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
        }));
        self.line(unix_ms, &line)
    }

    /// Something that happened.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn event(&mut self, unix_ms: i64, text: &str) -> io::Result<()> {
        let t = rfc3339(unix_ms);
        self.line(unix_ms, &Line::Event { t, text })
    }

    /// The last line.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn end(&mut self, unix_ms: i64, status: Status, reason: Option<&str>) -> io::Result<()> {
        let line = Line::End {
            t: rfc3339(unix_ms),
            status: status.name(),
            reason,
        };
        self.line(unix_ms, &line)
    }

    fn line(&mut self, unix_ms: i64, line: &Line<'_>) -> io::Result<()> {
        let bytes = to_line(line)?;
        if let Some(next) = &mut self.next
            && self.bytes >= next.bytes
        {
            self.part += 1;
            self.out = (next.open)(self.part)?;
            self.bytes = 0;
            self.put_head(unix_ms)?;
        }
        self.write(&bytes)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.bytes += line.len() as u64;
        self.out.write_all(line)?;
        self.out.flush()
    }
}

fn to_line(line: &Line<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
