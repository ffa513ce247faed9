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
use crate::clock::Instant;
use crate::plan::{Plan, RunId};
use crate::report::file::{Destination, default_name, probe_writable};
use crate::report::hlog::{IntervalLog, LoggedPeriod};
use crate::report::record::Turnover;
use crate::report::samples::{Children, Samples};
use crate::report::terminal::{Banner, LiveContext, Screen, banner, summary};
use crate::report::thresholds::verdicts;
use crate::report::{DriverName, Events, Interval, Run};

/// The screen and the files of one run.
pub struct Desk {
    run: String,
    screen: Screen<io::Stderr>,
    destination: Destination,
    samples: Option<Samples<File>>,
    /// Lines that were to go there and could not.
    samples_lost: u64,
    /// OMB's name for the result, by which samples know it where it has no file of its own.
    default_name: String,
    hlog: Option<IntervalLog<File>>,
    events: Events,
    /// Something could not be written.
    broken: bool,
}

impl Desk {
    /// Finds out where things go, and whether they can be written there.
    ///
    /// # Errors
    /// What can't be written, and what to do.
    pub fn open(options: &Options, run: RunId) -> anyhow::Result<Self> {
        let default_name =
            default_name(&options.workload_stem, &options.driver.name, now_unix_ms());
        let destination = match &options.output {
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.clone()),
            None => Destination::File(PathBuf::from(&default_name)),
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
        let screen = Screen::stderr(options.quiet);
        Ok(Self {
            run: run.to_string(),
            screen,
            destination,
            samples,
            samples_lost: 0,
            default_name,
            hlog,
            events: Events::default(),
            broken: false,
        })
    }

    /// Says what is about to be run.
    pub fn begin(&mut self, options: &Options, plan: &Plan) {
        let text = banner(&Banner {
            run_id: &self.run,
            workload: &options.workload,
            driver: &DriverName::from(&options.driver),
            broker: broker(options),
            producers: (plan.producers.len(), plan.producer_clients()),
            consumers: (plan.consumers.len(), plan.consumer_clients()),
            result: &self.shown_destination(),
        });
        self.screen.show(&text);
        for note in options.notes.iter().chain(&plan.notes) {
            self.note(note);
        }
    }

    /// Stores what run this is.
    pub fn head(&mut self, run: &Run) {
        let name = self.destination.name();
        let result = name.unwrap_or_else(|| self.default_name.clone());
        self.sample(|samples| samples.head(now_unix_ms(), run, &result));
    }

    /// Stores what the result is made of, as far as it is new.
    pub fn record(&mut self, run: &Run, turnover: Option<&Turnover>) {
        self.sample(|samples| samples.record(now_unix_ms(), turnover, run));
    }

    /// Lines that could not be stored.
    pub fn samples_lost(&self) -> u64 {
        self.samples_lost
    }

    /// Shows what a person may want to know.
    pub fn note(&mut self, text: &str) {
        self.screen.show(&format!("note: {text}"));
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
        self.events.add(now_unix_ms(), text);
        self.sample(|samples| samples.event(now_unix_ms(), text));
        self.screen.say(&format!("omb: {text}"));
    }

    /// What happened so far.
    pub fn events(&self) -> &Events {
        &self.events
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
        let subscriptions = run.ledger.subscriptions.iter();
        let lost: u64 = subscriptions.map(|(_, books)| books.lost).sum();
        if self.screen.is_quiet() && lost > 0 {
            let text = format!("omb: {lost} acknowledged messages were lost: see {destination}");
            self.screen.say(&text);
        }
        if self.screen.is_quiet() {
            for missed in verdicts(run).iter().filter(|verdict| !verdict.met) {
                let text = format!("omb: threshold missed: {}", missed.in_words());
                self.screen.say(&text);
            }
        }
        if begun {
            self.screen.show(&summary(run, Some(&destination)));
        } else {
            self.screen.show(&format!("result: {destination}"));
        }
        !self.broken
    }

    fn write(&mut self, run: &Run) {
        if let Err(error) = self.destination.write(run) {
            self.complain(&format!("{error:#}"));
        }
    }

    /// A line of the samples file. Behind one that could not be written whole there is no other:
    /// they are counted.
    fn sample(&mut self, write: impl FnOnce(&mut Samples<File>) -> io::Result<()>) {
        match &mut self.samples {
            Some(samples) if self.samples_lost == 0 => {
                if let Err(error) = write(samples) {
                    self.samples_lost = 1;
                    self.complain(&format!(
                        "samples can't be written any more, the run goes on: {error}"
                    ));
                }
            }
            Some(_) => self.samples_lost += 1,
            None => {}
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
pub fn broker(options: &Options) -> &str {
    match options.broker.as_str() {
        _ if options.driver.embedded => "127.0.0.1",
        "" => "as configured",
        broker => broker,
    }
}

fn now_unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
