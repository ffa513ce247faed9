//! A result from samples: for a run whose supervisor did not live to write it.
//!
//! The lines are read one by one, however long the run was. A line that is torn or damaged at the
//! very end is left out; anywhere else it would be a hole in the sums, and is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::Run;
use super::fold::{End, Fold};
use super::record::{Record, merge};
use super::samples::{FORMAT, part};

/// A line of samples is not longer, even with a thousand subscriptions.
const LONGEST_LINE: u64 = 64 << 20;

/// What samples come to.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The run.
    pub run: Run,
    /// The file name that its result was to have.
    pub result: String,
    /// What was left out.
    pub notes: Vec<String>,
}

/// Makes a result of a samples file and its further parts.
///
/// # Errors
/// What is wrong with the file, in one line.
pub fn rebuild(first: &Path) -> Result<Rebuilt, String> {
    let mut reader = Reader::default();
    let mut notes = Vec::new();
    for number in 0.. {
        let path = part(first, number);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => {
                missing(&reader, first, number)?;
                break;
            }
            Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
        };
        let mut file = BufReader::new(file);
        if reader.read(&path, number, &mut file)? == Next::OtherRun {
            let path = path.display();
            notes.push(format!("{path} is of another run, and left out"));
            break;
        }
    }
    if let Some(damaged) = &reader.damaged {
        notes.push(format!("{damaged}: it is the last one, and left out"));
    }
    let mut rebuilt = reader.finish(first)?;
    rebuilt.notes = notes;
    Ok(rebuilt)
}

/// A part that is not there is the end, unless the one after it is there.
fn missing(reader: &Reader, first: &Path, number: u32) -> Result<(), String> {
    let after = part(first, number + 1);
    let Ok(file) = File::open(&after) else {
        return Ok(());
    };
    let mut line = Vec::new();
    let head = match BufReader::new(file).read_until(b'\n', &mut line) {
        Ok(_) => serde_json::from_slice::<Head>(&line).ok(),
        Err(_) => None,
    };
    match head {
        Some(head) if Some(&head.run_id) == reader.run_id.as_ref() => Err(format!(
            "{} is missing, and {} goes on: put it back",
            part(first, number).display(),
            after.display()
        )),
        _ => Ok(()),
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Part,
    OtherRun,
}

/// What every line has.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
    t: String,
}

/// The first line of each part.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    version: String,
    run_id: String,
    /// None: before there were records.
    #[serde(default)]
    format: u32,
    #[serde(default)]
    part: u32,
    #[serde(default)]
    result: String,
    #[serde(default)]
    facts: Value,
}

/// Reads lines, and folds what they have.
#[derive(Default)]
struct Reader {
    run_id: Option<String>,
    result: String,
    fold: Option<Fold>,
    facts: Value,
    records: u64,
    /// The wall clock at the last line.
    at: String,
    /// Seconds shown since the last record.
    uncounted: u64,
    ended: bool,
    /// A line that is none, and what is wrong with it.
    damaged: Option<String>,
}

impl Reader {
    /// Reads a part to its end.
    fn read(&mut self, path: &Path, number: u32, lines: &mut impl BufRead) -> Result<Next, String> {
        let mut line = Vec::new();
        for count in 1u64.. {
            line.clear();
            let read = io::Read::take(&mut *lines, LONGEST_LINE).read_until(b'\n', &mut line);
            let read =
                read.map_err(|error| format!("{} can't be read: {error}", path.display()))?;
            if read == 0 {
                break;
            }
            let damaged = self.damaged.clone();
            let place = || format!("{}:{count}", path.display());
            let head = count == 1;
            match self.line(&line, head.then_some(number)) {
                Ok(Next::OtherRun) => return Ok(Next::OtherRun),
                _ if damaged.is_some() => {
                    let damaged = damaged.unwrap_or_default();
                    return Err(format!("{damaged}, and more lines follow it"));
                }
                Ok(Next::Part) => {}
                Err(Bad::Line(what)) if head && number == 0 => {
                    return Err(format!(
                        "{} is no samples file of omb: its first line is {what}",
                        path.display()
                    ));
                }
                Err(Bad::Line(what)) => {
                    self.damaged = Some(format!("{}: the line is {what}", place()));
                }
                Err(Bad::File(what)) => return Err(format!("{}: {what}", place())),
            }
        }
        Ok(Next::Part)
    }

    /// Takes a line; the first one of a part has its number.
    fn line(&mut self, line: &[u8], part: Option<u32>) -> Result<Next, Bad> {
        let Some(line) = line.strip_suffix(b"\n") else {
            return Err(Bad::Line("not whole".to_owned()));
        };
        let kind: Kind = parse(line)?;
        match (part, kind.kind.as_str()) {
            (Some(part), "run") => {
                if self.head(parse(line)?, part)? == Next::OtherRun {
                    return Ok(Next::OtherRun);
                }
            }
            (Some(_), _) => {
                return Err(Bad::Line("not the one that says what run it is".to_owned()));
            }
            (None, "record") => self.record(parse(line)?)?,
            (None, "sample") => self.uncounted += 1,
            (None, "end") => self.ended = true,
            // Events, and what a later version may add without need.
            (None, _) => {}
        }
        // The head of a further part is written with the line that follows, and says nothing new.
        if part.is_none_or(|part| part == 0) {
            self.at = kind.t;
        }
        Ok(Next::Part)
    }

    fn head(&mut self, head: Head, part: u32) -> Result<Next, Bad> {
        if self.run_id.as_ref().is_some_and(|id| *id != head.run_id) {
            return Ok(Next::OtherRun);
        }
        if head.format > FORMAT {
            return Err(Bad::File(format!(
                "it was written by omb {} in format {}, and this omb {} reads up to {FORMAT}: use \
                 that version",
                head.version,
                head.format,
                env!("CARGO_PKG_VERSION")
            )));
        }
        if head.format == 0 {
            return Err(Bad::File(format!(
                "omb {} kept no records in samples: there is nothing to make a result of",
                head.version
            )));
        }
        if head.part != part {
            return Err(Bad::File(format!(
                "this is part {} of a run's samples where part {part} was expected; give the first \
                 file, without a number in its name",
                head.part
            )));
        }
        self.run_id = Some(head.run_id);
        if self.fold.is_none() {
            let run = Run::deserialize(&head.facts).map_err(|error| not_ours(&error))?;
            self.fold = Some(Fold::new(&run.workload));
            self.result = head.result;
        }
        self.facts = head.facts;
        Ok(Next::Part)
    }

    fn record(&mut self, record: Record) -> Result<(), Bad> {
        if record.number != self.records + 1 {
            return Err(Bad::File(format!(
                "record {} comes after record {}: lines are missing before it",
                record.number, self.records
            )));
        }
        self.records = record.number;
        self.uncounted = 0;
        merge(&mut self.facts, record.facts);
        if let (Some(fold), Some(turnover)) = (&mut self.fold, &record.turnover) {
            fold.add(turnover);
        }
        Ok(())
    }

    fn finish(self, first: &Path) -> Result<Rebuilt, String> {
        let shown = first.display();
        let Some(fold) = self.fold else {
            return Err(format!(
                "{shown} has no line: there is nothing to make a result of"
            ));
        };
        let facts = Run::deserialize(self.facts)
            .map_err(|error| format!("{shown} has facts that are none of a run: {error}"))?;
        let end = match self.ended {
            true => End::Orderly,
            false => End::Torn {
                at: self.at,
                uncounted: self.uncounted,
            },
        };
        Ok(Rebuilt {
            run: fold.result(facts, &end),
            result: self.result,
            notes: Vec::new(),
        })
    }
}

/// What is wrong with a line.
enum Bad {
    /// It is torn or damaged, which the last one may be.
    Line(String),
    /// The file is none that can be read.
    File(String),
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Bad> {
    serde_json::from_slice(line).map_err(|error| not_ours(&error))
}

fn not_ours(error: &serde_json::Error) -> Bad {
    Bad::Line(format!("damaged ({error})"))
}

/// Where the result of these samples goes if nothing else is said: beside them, under the name that
/// the run would have given it.
pub fn result_beside(samples: &Path, result: &str) -> PathBuf {
    let name = Path::new(result).file_name();
    samples.with_file_name(name.unwrap_or("result.json".as_ref()))
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
