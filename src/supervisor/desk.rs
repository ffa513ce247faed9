//! Where what a run shows and writes comes together: terminal, samples, result.
//!
//! Everything shown is on disk when it is shown. What can't be written is told once, and makes the
//! run a failed one: a result that is not there must not look like success.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{anyhow, bail};

use super::Options;
use super::tally::Tally;
use crate::clock::Instant;
use crate::config::{Driver, System, Workload};
use crate::plan::{Plan, RunId};
use crate::report::file::{Destination, default_name, probe_writable};
use crate::report::hlog::{IntervalLog, LoggedPeriod};
use crate::report::samples::{Children, Head, Samples};
use crate::report::terminal::{Banner, LiveContext, Screen, banner, summary};
use crate::report::{Interval, Run};
use crate::stats::latencies::Latencies;

/// The screen and the files of one run.
pub struct Desk {
    run: String,
    screen: Screen<io::Stderr>,
    destination: Destination,
    samples: Option<Samples<File>>,
    hlog: Option<IntervalLog<File>>,
    /// Something could not be written.
    broken: bool,
}

impl Desk {
    /// Finds out where things go, and whether they can be written there.
    ///
    /// # Errors
    /// What can't be written, and what to do.
    pub fn open(options: &Options, run: RunId) -> anyhow::Result<Self> {
        let destination = match &options.output {
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.clone()),
            None => Destination::File(PathBuf::from(default_name(
                &options.workload_stem,
                &options.driver.name,
                now_unix_ms(),
            ))),
        };
        destination.probe().map_err(|error| anyhow!("-o {error}"))?;
        let samples = options.samples.clone();
        let samples = samples.or_else(|| destination.beside("samples.jsonl"));
        let samples = open("--samples", samples, Samples::create)?;
        let hlog = match &options.hlog {
            Some(path) => match path.clone().or_else(|| destination.beside("hlog")) {
                None => bail!("--hlog: there is no result file to put it beside: give --hlog=FILE"),
                path => open("--hlog", path, IntervalLog::create)?,
            },
            None => None,
        };
        let screen = Screen::stderr();
        Ok(Self {
            run: run.to_string(),
            screen,
            destination,
            samples,
            hlog,
            broken: false,
        })
    }

    /// Says what is about to be run.
    pub fn begin(&mut self, options: &Options, plan: &Plan) {
        let text = banner(&Banner {
            run_id: &self.run,
            workload: &options.workload,
            driver: &options.driver,
            broker: &broker(&options.driver),
            producers: (plan.producers.len(), plan.producer_clients()),
            consumers: (plan.consumers.len(), plan.consumer_clients()),
            result: &self.shown_destination(),
        });
        self.screen.say(&text);
        for note in options.notes.iter().chain(&plan.notes) {
            self.note(note);
        }
        let run = self.run.clone();
        let workload = &options.workload.name;
        let head = Head {
            run_id: &run,
            workload,
            driver: &options.driver.name,
            embedded: options.driver.embedded,
        };
        self.sample(|samples| samples.head(now_unix_ms(), &head));
    }

    /// Shows what a person may want to know.
    pub fn note(&mut self, text: &str) {
        self.screen.say(&format!("note: {text}"));
    }

    /// Stores and shows a second.
    pub fn second(&mut self, second: &Interval, phase: &str, children: (usize, usize)) {
        let (alive, expected) = children;
        self.sample(|samples| {
            samples.sample(now_unix_ms(), phase, second, Children { alive, expected })
        });
        self.screen.second(
            second,
            &LiveContext {
                phase,
                alive,
                expected,
            },
        );
    }

    /// Stores and shows that something happened.
    pub fn say(&mut self, text: &str) {
        self.sample(|samples| samples.event(now_unix_ms(), text));
        self.screen.say(&format!("omb: {text}"));
    }

    /// Stores periods of the measured phase that began at `began`, with all their values.
    pub fn log(&mut self, began: Instant, periods: &[LoggedPeriod]) {
        let began = SystemTime::now() - Duration::from_nanos(Instant::now().nanos_since(began));
        for period in periods {
            if let Some(log) = &mut self.hlog
                && let Err(error) = log.period(&self.run, began, period)
            {
                self.hlog = None;
                self.complain(&format!(
                    "the histogram log can't be written any more: {error}"
                ));
            }
        }
    }

    /// Writes the result as it is so far; stdout gets it only once, at the end.
    pub fn result(&mut self, run: &Run) {
        if self.destination != Destination::Stdout {
            self.write(run);
        }
    }

    /// Writes the result as it will stay, and sums up, if the load has begun: why it has not was
    /// said. False if something could not be written.
    pub fn end(&mut self, run: &Run, begun: bool) -> bool {
        self.write(run);
        let (status, reason) = (run.status, run.reason.as_deref());
        self.sample(|samples| samples.end(now_unix_ms(), status, reason));
        let destination = self.shown_destination();
        if begun {
            self.screen.say(&summary(run, Some(&destination)));
        } else {
            self.screen.say(&format!("result: {destination}"));
        }
        !self.broken
    }

    fn write(&mut self, run: &Run) {
        if let Err(error) = self.destination.write(run) {
            self.complain(&format!("{error:#}"));
        }
    }

    fn sample(&mut self, write: impl FnOnce(&mut Samples<File>) -> io::Result<()>) {
        if let Some(samples) = &mut self.samples
            && let Err(error) = write(samples)
        {
            self.samples = None;
            self.complain(&format!("samples can't be written any more: {error}"));
        }
    }

    fn complain(&mut self, text: &str) {
        self.broken = true;
        self.screen.say(&format!("omb: {text}"));
    }

    fn shown_destination(&self) -> String {
        match &self.destination {
            Destination::Stdout => "stdout".to_owned(),
            Destination::File(path) => path.display().to_string(),
        }
    }
}

/// Opens a file that is written while the run goes on.
fn open<T>(
    option: &str,
    path: Option<PathBuf>,
    create: impl FnOnce(&Path) -> io::Result<T>,
) -> anyhow::Result<Option<T>> {
    let Some(path) = path else { return Ok(None) };
    probe_writable(&path).map_err(|error| anyhow!("{option} {error}"))?;
    let opened = create(&path).map_err(|error| anyhow!("{option} {}: {error}", path.display()))?;
    Ok(Some(opened))
}

/// Where the broker is, for people.
pub fn broker(driver: &Driver) -> String {
    let System::Kafka(config) = &driver.system;
    let settings = config
        .extra
        .iter()
        .chain(&config.common)
        .chain(&config.producer);
    let servers = settings
        .chain(&config.consumer)
        .find(|p| p.key == "bootstrap.servers");
    match servers {
        _ if driver.embedded => "127.0.0.1".to_owned(),
        Some(property) => property.value.clone(),
        None => "as configured".to_owned(),
    }
}

fn now_unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The figures of a run so far: its periods, and the measured phase as a whole.
pub fn figures(tally: &mut Tally, workload: &Workload) -> (Vec<Interval>, Interval, Latencies) {
    match &mut tally.periods {
        Some(periods) => {
            let finished = periods.finish().to_vec();
            let (total, latencies) = periods.total();
            (finished, total, latencies)
        }
        None => {
            // The load never began.
            let seconds = workload.duration.as_secs_f64();
            let nothing = Interval {
                seconds,
                ..Interval::default()
            };
            (vec![nothing.clone()], nothing, Latencies::default())
        }
    }
}
