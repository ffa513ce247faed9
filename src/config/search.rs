//! `producerRate: 0` and what belongs to it: the highest rate that holds is looked for. And
//! `rateControl`: the rate follows what is measured.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::fields::{Fields, number, text};
use super::load::Overrides;
use super::units::{check_rate, show_duration};
use super::workload::positive;
use super::{Measure, Origin, Problem, Relation, Threshold, parse_threshold};

/// Keys below `rateSearch`.
pub(super) const SEARCH_KEYS: &[&str] = &["objective", "start", "deadline", "proof"];
/// Keys below `rateControl`.
pub(super) const CONTROL_KEYS: &[&str] = &["objective", "errors", "step", "period", "min", "max"];

/// Shorter proofs and periods can't tell a pause from a queue that grows.
const SHORTEST_PROOF: Duration = Duration::from_secs(3);
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// The rate at which OMB's search begins, too.
const START: f64 = 10_000.0;
/// What the rate is raised for, unless the file says otherwise.
const USUAL_OBJECTIVE: &str = "response.p99<100ms";

/// How the highest rate that holds is looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateSearch {
    /// What has to hold, besides that nothing piles up: latencies.
    pub objectives: Vec<Threshold>,
    /// The first rate.
    pub start: f64,
    /// How long the search may take; then the best rate so far is taken.
    pub deadline: Duration,
    /// How long the rate found has to hold before it is taken.
    pub proof: Duration,
}

/// How the rate follows what is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateControl {
    /// The rate is raised for as long as this holds: latencies.
    pub objectives: Vec<Threshold>,
    /// It is lowered when more than this share of messages fails.
    pub errors: f64,
    /// By this share.
    pub step: f64,
    /// It is looked at so often.
    pub period: Duration,
    /// Never below this.
    pub min: f64,
    /// Never above this.
    pub max: f64,
}

impl fmt::Display for RateSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = show_duration(self.deadline);
        let proof = show_duration(self.proof);
        write!(
            f,
            "from {} messages/s on, within {deadline}, proved for {proof}",
            self.start
        )?;
        for objective in &self.objectives {
            write!(f, ", {objective}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RateControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objectives: Vec<String> = self.objectives.iter().map(Threshold::to_string).collect();
        let step = self.step * 100.0;
        write!(
            f,
            "every {}: {step} % down when more than {} % fail, {step} % up while {}; {} to {} \
             messages/s",
            show_duration(self.period),
            self.errors * 100.0,
            objectives.join(" and "),
            self.min,
            self.max
        )
    }
}

/// Reads `rateSearch`; none where the rate is given.
pub(super) fn search(
    fields: &mut Fields<'_>,
    rate: Option<f64>,
    overrides: &Overrides,
) -> Option<RateSearch> {
    let at = fields.place("rateSearch");
    let mut search = RateSearch {
        objectives: Vec::new(),
        start: START,
        deadline: Duration::from_secs(300),
        proof: Duration::from_secs(10),
    };
    if let Some(mut inner) = fields.inner("rateSearch", SEARCH_KEYS) {
        search.objectives = inner.or("objective", Vec::new(), objectives);
        search.start = inner.or("start", START, above_0);
        search.deadline = inner.or("deadline", search.deadline, positive);
        search.proof = inner.or("proof", search.proof, |value| {
            at_least(value, SHORTEST_PROOF)
        });
    }
    if !overrides.find_rate.is_empty() {
        search.objectives.clone_from(&overrides.find_rate);
    }
    let wanted = rate == Some(0.0);
    if let Some(at) = at
        && !wanted
        && rate.is_some()
        && overrides.rate.is_none()
    {
        let message = "rateSearch has no effect beside a producerRate above 0; give producerRate: \
                       0, or leave rateSearch out";
        fields.problem(at, message.to_owned());
    }
    wanted.then_some(search)
}

/// Reads `rateControl`.
pub(super) fn control(fields: &mut Fields<'_>, rate: Option<f64>) -> Option<RateControl> {
    let at = fields.place("rateControl");
    let mut inner = fields.inner("rateControl", CONTROL_KEYS)?;
    let mut usual = Vec::new();
    usual.extend(parse_threshold(USUAL_OBJECTIVE));
    let control = RateControl {
        objectives: inner.or("objective", usual, objectives),
        errors: inner.or("errors", 1.0, percent) / 100.0,
        step: inner.or("step", 10.0, percent) / 100.0,
        period: inner.or("period", Duration::from_secs(10), |value| {
            at_least(value, SHORTEST_PERIOD)
        }),
        min: inner.or("min", 1.0, above_0),
        max: inner.or("max", 1e7, above_0),
    };
    let origin = at.unwrap_or(fields.whole_file());
    if control.min > control.max {
        let message = "min of rateControl is above its max; exchange them";
        fields.problem(origin, message.to_owned());
    } else if let Some(rate) = rate
        && rate > 0.0
        && !(control.min..=control.max).contains(&rate)
    {
        let message = format!(
            "producerRate {rate} is not between min ({}) and max ({}) of rateControl; give one that is",
            control.min, control.max
        );
        fields.problem(origin, message);
    }
    Some(control)
}

fn above_0(value: &Value) -> Result<f64, String> {
    match check_rate(number(value).unwrap_or(f64::NAN))? {
        0.0 => Err("give messages per second above 0, such as 20000".to_owned()),
        rate => Ok(rate),
    }
}

fn percent(value: &Value) -> Result<f64, String> {
    let plain = text(value).unwrap_or_default();
    let plain = plain.trim();
    let number = plain
        .strip_suffix('%')
        .unwrap_or(plain)
        .trim()
        .parse::<f64>();
    let within = number.ok().filter(|share| (0.0..100.0).contains(share));
    within.ok_or_else(|| "give percent, such as 10".to_owned())
}

fn at_least(value: &Value, least: Duration) -> Result<Duration, String> {
    match positive(value)? {
        given if given < least => Err(format!("give at least {least:?}")),
        given => Ok(given),
    }
}

fn objectives(value: &Value) -> Result<Vec<Threshold>, String> {
    match value {
        Value::Sequence(all) => all.iter().map(|one| parse_objective(&text(one)?)).collect(),
        one => Ok(vec![parse_objective(&text(one)?)?]),
    }
}

/// Reads an objective of a search, such as `e2e.p99<10ms`.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn parse_objective(text: &str) -> Result<Threshold, String> {
    let objective = parse_threshold(text)?;
    let below = matches!(objective.relation, Relation::Below | Relation::AtMost);
    if !matches!(objective.measure, Measure::Latency(..)) || !below || objective.bound <= 0.0 {
        return Err(
            "give a latency and the time it has to stay below, such as e2e.p99<10ms".to_owned(),
        );
    }
    Ok(objective)
}

/// What can't be put together on the command line.
pub(super) fn contradiction(overrides: &Overrides) -> Option<Problem> {
    let rate = overrides.rate.filter(|&rate| rate > 0.0)?;
    (!overrides.find_rate.is_empty()).then(|| Problem {
        origin: Origin::CommandLine("--find-rate".to_owned()),
        message: format!("looks for a rate, and --rate gives one ({rate}); leave one of them out"),
    })
}
