//! Looks for the highest rate that holds: the load goes on all the time, a step at a rate after
//! the other, and each step is judged by whether anything piles up.
//!
//! The rate doubles until it doesn't hold; what has piled up is drained; then the bracket between
//! the highest rate that held and the lowest that didn't closes until both are within 2 %. The
//! upper end has to fail twice, and what is found has to hold for a proof that is longer than a
//! step: a pause of the broker decides nothing. Takes what is reported and the time,
//! says what rate comes next, does no I/O.

mod course;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::Instant;
use crate::config::RateSearch;
use crate::report::search::{Limit, SearchReport, Step};
use crate::report::thresholds::measured_latency;
use crate::stats::delta::{Grid, SlotDelta};
use course::Course;

/// A step begins to count when the rate before it is out of what is reported.
const SETTLE: Duration = Duration::from_millis(600);
/// The bracket is closed when its ends are this close to each other.
const CLOSE: f64 = 1.02;
/// While the bracket closes, a rate that held is followed by one that is this much higher.
const NEARBY: f64 = 1.04;
/// The first step above a rate that had failed by chance.
const ANEW: f64 = 1.2;
/// What is achieved beyond the limit is taken for the limit, less this.
const BELOW: f64 = 0.99;
/// More seconds of load piled up than this, and a step is over before its time.
const HOPELESS: f64 = 1.5;
/// While something is drained, the load is so much of what comes next.
const LOW: f64 = 0.1;
/// Working off less a second than this share of what was achieved is no draining.
const SLOWEST: f64 = 0.2;
/// Drained: no more than so many seconds of load are under way.
const DRAINED: f64 = 0.1;
/// A child that comes back may take this long to work off what it missed.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Flat out: nobody sends more.
const HIGHEST: f64 = 1e7;
/// Below this nothing is looked for.
const LOWEST: f64 = 0.1;

/// How long a step is looked at, and what may pile up in it, as a share of what is sent.
struct Look {
    window: Duration,
    tolerance: f64,
}

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The rate doubles from step to step.
    Grow,
    /// At a low rate, until what has piled up is gone, or no longer falls; then on with this rate
    /// in this stage. After a disturbance it has to be gone, but for this instant.
    Drain(After, f64, Option<Instant>),
    /// Between a rate that held and one that didn't.
    Bracket,
    /// The rate found has to hold for longer.
    Prove,
    /// Over.
    Done,
}

/// What follows on a [`Stage::Drain`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Grow,
    Bracket,
    Prove,
    /// The search is out of time.
    Done,
}

/// What has to be done for the search to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// The load goes on at this rate.
    Rate(f64),
    /// The search is over: the load goes on at this rate.
    Found(f64),
    /// It is over, and no rate held.
    Nothing,
}

/// A rate that did not hold.
#[derive(Clone, Debug)]
struct Failure {
    rate: f64,
    limit: Limit,
    /// It did so twice, or in a proof: it wasn't chance.
    certain: bool,
}

/// A search that goes on.
#[derive(Debug)]
pub struct Search {
    config: RateSearch,
    began: Instant,
    stage: Stage,
    course: Course,
    /// The rate of the current step, and when it begins.
    rate: f64,
    from: Instant,
    /// Rates that held, each above the one before.
    held: Vec<f64>,
    /// Rates that didn't, each below the one before.
    failed: Vec<Failure>,
    /// By how much the next rate in the bracket is above one that held.
    raise: f64,
    /// What was achieved in the step that failed last.
    achieved: f64,
    /// Something happened that makes the current step worthless.
    disturbed: bool,
    report: SearchReport,
    /// Steps that nobody has been told yet.
    untold: usize,
}

impl Search {
    /// A search that begins with its first rate at `began`, with this many clients, each of which
    /// may be a message ahead of or behind what is due.
    pub fn new(config: RateSearch, grid: Grid, began: Instant, clients: usize) -> Self {
        let rate = config.start.clamp(LOWEST, HIGHEST);
        let mut search = Self {
            course: Course::new(grid, clients),
            config,
            began,
            stage: Stage::Grow,
            rate,
            from: began,
            held: Vec::new(),
            failed: Vec::new(),
            raise: NEARBY,
            achieved: 0.0,
            disturbed: false,
            report: SearchReport::default(),
            untold: 0,
        };
        search.course.begin(began, rate);
        search
    }

    /// The rate of the current step.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Adds what a child reported: `expected` receptions follow from it, `new` ones happened.
    pub fn add(&mut self, delta: &SlotDelta, expected: u64, new: u64) {
        self.course.add(delta, expected, new);
    }

    /// A child died, or the run was stopped: what this step measures is not the rate's doing.
    pub fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// The rate that was asked for last begins at this instant.
    pub fn begin(&mut self, from: Instant, rate: f64) {
        self.from = from;
        self.rate = rate;
        self.course.begin(from, rate);
    }

    /// What was found so far.
    pub fn report(&self) -> SearchReport {
        SearchReport {
            low: self.held.last().copied(),
            high: self.failed.last().map(|failure| failure.rate),
            limit: self.failed.last().map(|failure| failure.limit.clone()),
            ..self.report.clone()
        }
    }

    /// Steps that have ended since this was asked last.
    pub fn told(&mut self) -> &[Step] {
        let untold = std::mem::replace(&mut self.untold, self.report.steps.len());
        &self.report.steps[untold..]
    }

    /// What follows from everything reported until now; `complete`: all children are there.
    pub fn look(&mut self, now: Instant, complete: bool) -> Option<Next> {
        self.course.advance(now);
        if self.stage == Stage::Done {
            return None;
        }
        if now >= self.began + self.config.deadline {
            if let Some(next) = self.out_of_time(now) {
                return Some(next);
            }
        } else if std::mem::take(&mut self.disturbed) {
            return Some(self.again(now));
        }
        match self.stage {
            Stage::Drain(after, next, until) => self.drained(now, complete, after, next, until),
            _ => self.judge(now),
        }
    }

    /// The step is to be made again, once everybody is back.
    fn again(&mut self, now: Instant) -> Next {
        let (after, next) = match self.stage {
            Stage::Grow => (After::Grow, self.rate),
            Stage::Prove => (After::Prove, self.rate),
            Stage::Drain(after, next, _) => (after, next),
            Stage::Bracket | Stage::Done => (After::Bracket, self.rate),
        };
        self.stage = Stage::Drain(after, next, Some(now + CATCH_UP));
        Next::Rate(next * LOW)
    }

    /// Ends the search with what it has; what has piled up is drained first.
    fn out_of_time(&mut self, now: Instant) -> Option<Next> {
        if let Stage::Drain(After::Done, ..) = self.stage {
            return None;
        }
        let Some(&rate) = self.held.last() else {
            self.end(now);
            return Some(Next::Nothing);
        };
        self.stage = Stage::Drain(After::Done, rate, None);
        Some(Next::Rate(rate * LOW))
    }

    fn drained(
        &mut self,
        now: Instant,
        complete: bool,
        after: After,
        next: f64,
        until: Option<Instant>,
    ) -> Option<Next> {
        let enough = match until {
            Some(until) => complete && self.course.is_drained(next * DRAINED) || now >= until,
            None => {
                let slowest = self.achieved * SLOWEST;
                self.course.is_drained(next * DRAINED) || self.course.falls_no_more(slowest)
            }
        };
        if !enough || now < self.from + SETTLE {
            return None;
        }
        self.stage = match after {
            After::Grow => Stage::Grow,
            After::Bracket => Stage::Bracket,
            After::Prove => Stage::Prove,
            After::Done => return Some(self.found(now, next)),
        };
        Some(Next::Rate(next))
    }

    fn look_of(&self) -> Look {
        let (window, tolerance) = match self.stage {
            Stage::Grow => (Duration::from_millis(1_800), 0.03),
            Stage::Prove => (self.config.proof, 0.005),
            _ => (Duration::from_millis(3_600), 0.01),
        };
        Look { window, tolerance }
    }

    /// Whether the rate holds, once that is known.
    fn judge(&mut self, now: Instant) -> Option<Next> {
        let Look { window, tolerance } = self.look_of();
        let begin = self.from + SETTLE;
        let end = begin + window;
        let hopeless = self.course.piled_up() > self.rate * HOPELESS;
        if !self.course.is_known(end) && !hopeless {
            return None;
        }
        let found = self.course.judge(begin, end, tolerance);
        let limit = match found.limit {
            None => self.missed_objective(),
            limit => limit,
        };
        let limit = limit.or_else(|| hopeless.then(|| self.course.largest()));
        self.report.steps.push(Step {
            start: self.from.since(self.began).as_secs_f64(),
            rate: self.rate,
            published: found.published,
            received: found.received,
            held: limit.is_none(),
            limit: limit.clone(),
        });
        match limit {
            None => Some(self.holds(now)),
            Some(limit) => Some(self.fails(now, limit, found.achieved)),
        }
    }

    /// What the objective of the search says of this step.
    fn missed_objective(&self) -> Option<Limit> {
        let latencies = self.course.latencies();
        let missed = self.config.objectives.iter().find_map(|objective| {
            let measured = measured_latency(&latencies, objective.measure)?;
            let met = objective.relation.holds(measured, objective.bound);
            (!met).then(|| format!("{objective}: {measured:.3} {}", objective.measure.unit()))
        });
        missed.map(Limit::Objective)
    }

    fn holds(&mut self, now: Instant) -> Next {
        if self.stage == Stage::Prove {
            self.report.proved = true;
            if self.course.is_drained(self.rate * DRAINED) {
                return self.found(now, self.rate);
            }
            self.achieved = self.rate;
            self.stage = Stage::Drain(After::Done, self.rate, None);
            return Next::Rate(self.rate * LOW);
        }
        self.held.push(self.rate);
        let rate = self.rate;
        let chance = self.failed.len();
        self.failed.retain(|failure| failure.rate > rate);
        let chance = self.failed.len() < chance;
        if chance {
            self.raise = ANEW;
        }
        match self.failed.last() {
            _ if rate >= HIGHEST => self.prove(),
            None if !chance => Next::Rate((rate * 2.0).min(HIGHEST)),
            Some(failure) if failure.rate / rate <= CLOSE => {
                if failure.certain {
                    return self.prove();
                }
                self.stage = Stage::Bracket;
                Next::Rate(failure.rate)
            }
            failure => {
                let middle = failure.map_or(HIGHEST, |failure| (rate * failure.rate).sqrt());
                let raised = rate * self.raise;
                self.raise = (self.raise * self.raise).min(2.0);
                self.stage = Stage::Bracket;
                Next::Rate(raised.min(middle))
            }
        }
    }

    fn prove(&mut self) -> Next {
        self.stage = Stage::Prove;
        Next::Rate(self.rate)
    }

    fn fails(&mut self, now: Instant, limit: Limit, achieved: f64) -> Next {
        let high = self.rate;
        let again = self.failed.iter().any(|failure| failure.rate <= high);
        self.failed.retain(|failure| failure.rate > high);
        let certain = again || self.stage == Stage::Prove;
        self.failed.push(Failure {
            rate: high,
            limit,
            certain,
        });
        self.held.retain(|&held| held < high);
        self.raise = NEARBY;
        let guess = achieved * BELOW;
        let low = self.held.last().copied();
        let (after, next) = match low {
            Some(low) if high / low <= CLOSE && certain => (After::Prove, low),
            Some(low) if high / low <= CLOSE => (After::Bracket, high),
            Some(low) if guess > low * CLOSE && guess < high * BELOW => (After::Bracket, guess),
            // It is about what held: the bracket may close at once.
            Some(low) if achieved < low * CLOSE && achieved * CLOSE > low => {
                (After::Bracket, low * CLOSE)
            }
            Some(low) => (After::Bracket, (low * high).sqrt()),
            None if guess > 0.0 => (After::Bracket, guess.clamp(high * 0.1, high * 0.9)),
            None => (After::Bracket, high * 0.1),
        };
        if next < LOWEST {
            self.end(now);
            return Next::Nothing;
        }
        self.achieved = achieved;
        self.stage = Stage::Drain(after, next, None);
        Next::Rate(next * LOW)
    }

    fn found(&mut self, now: Instant, rate: f64) -> Next {
        self.report.rate = Some(rate);
        self.end(now);
        Next::Found(rate)
    }

    fn end(&mut self, now: Instant) {
        self.stage = Stage::Done;
        self.report.seconds = now.since(self.began).as_secs_f64();
    }
}
