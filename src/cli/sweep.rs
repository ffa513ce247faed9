//! `omb sweep`: one workload at rising rates, and the curve of rate against latency.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::campaign::{Campaign, Folder, settle_all};
use super::files::Member;
use super::pidfile::PidFile;
use super::run::run_member;
use super::{Inputs, RunArgs, Settled, failed, usage};
use crate::config::parse_rate;
use crate::init;
use crate::report::file::default_name;
use crate::report::table::{self, Outcome};
use crate::supervisor::Ended;

/// Steps of a range, unless it says otherwise.
const STEPS: u32 = 10;

/// Options of `omb sweep`.
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    /// What is run at each rate. -o names the directory of the results.
    #[command(flatten)]
    pub run: RunArgs,

    /// Rates, such as 1000,2000,5000 or 1000..10000/4 (with 4 steps, 10 by default) or 10%..100% of
    /// the highest rate that holds, which is then found first.
    #[arg(
        long,
        value_name = "RATES",
        default_value = "10%..100%",
        help_heading = "Load"
    )]
    pub rates: Rates,

    /// What is 100 %, in messages per second: nothing is searched.
    #[arg(long, value_name = "RATE", value_parser = parse_max, help_heading = "Load")]
    pub max: Option<f64>,
}

fn parse_max(text: &str) -> Result<f64, String> {
    match parse_rate(text)? {
        0.0 => Err("give messages per second above 0, such as 20000".to_owned()),
        rate => Ok(rate),
    }
}

/// Rates of a sweep, as they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Rate(f64),
    Percent(f64),
}

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        for part in text.split(',') {
            match part.split_once("..") {
                None => steps.push(step(part)?),
                Some((low, rest)) => {
                    let (high, count) = rest.split_once('/').unwrap_or((rest, ""));
                    let count = match count.trim() {
                        "" => STEPS,
                        count => count
                            .parse()
                            .ok()
                            .filter(|&n| (2..=1_000).contains(&n))
                            .ok_or("give a number of steps from 2 to 1000, such as 10%..100%/5")?,
                    };
                    steps.extend(range(step(low)?, step(high)?, count)?);
                }
            }
        }
        Ok(Self(steps))
    }
}

fn step(text: &str) -> Result<Step, String> {
    let text = text.trim();
    let wrong = || "give rates such as 1000,2000 or 1000..10000/4, or percent such as 10%..100%";
    match text.strip_suffix('%') {
        Some(percent) => match percent.trim().parse() {
            Ok(percent) if percent > 0.0 && percent <= 1_000.0 => Ok(Step::Percent(percent)),
            _ => Err(wrong().to_owned()),
        },
        None => parse_max(text)
            .map(Step::Rate)
            .map_err(|_| wrong().to_owned()),
    }
}

fn range(low: Step, high: Step, count: u32) -> Result<Vec<Step>, String> {
    let between = |low: f64, high: f64| {
        let each = (high - low) / f64::from(count - 1);
        (0..count).map(move |step| low + each * f64::from(step))
    };
    match (low, high) {
        (Step::Rate(low), Step::Rate(high)) if low < high => {
            Ok(between(low, high).map(Step::Rate).collect())
        }
        (Step::Percent(low), Step::Percent(high)) if low < high => {
            Ok(between(low, high).map(Step::Percent).collect())
        }
        _ => {
            Err("a range goes from a lower to a higher rate, both in percent or neither".to_owned())
        }
    }
}

impl Rates {
    fn need_a_maximum(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Percent(_)))
    }

    /// From the lowest to the highest, each once.
    fn of(&self, max: f64) -> Vec<f64> {
        let each = self.0.iter().map(|step| match step {
            Step::Rate(rate) => *rate,
            Step::Percent(percent) => max * percent / 100.0,
        });
        let mut rates: Vec<f64> = each.collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        rates
    }
}

/// Does it; the exit code.
pub fn sweep(args: &SweepArgs) -> u8 {
    if init::is_due() {
        return init::run().unwrap_or_else(|error| failed(&error));
    }
    if let Some(member) = &args.run.member {
        return run_member(&args.run, member);
    }
    let pairs = args.run.files.pairs(&args.run.inputs);
    let ready = args.refused(&pairs).map_or_else(
        || {
            let settled = settle_all(&pairs)?;
            let folder = args
                .folder(&pairs[0], &settled[0])
                .map_err(|told| vec![told])?;
            Ok((settled, folder))
        },
        |told| Err(vec![told]),
    );
    let (settled, folder) = match ready {
        Ok(ready) => ready,
        Err(problems) => return usage(problems),
    };
    let pid_file = args.run.pidfile.as_deref().map(PidFile::create).transpose();
    let _pid_file = match pid_file {
        Ok(pid_file) => pid_file,
        Err(problem) => return usage([problem]),
    };
    args.run_steps(&settled[0], &folder)
        .unwrap_or_else(|error| failed(&error))
}

impl SweepArgs {
    /// What a sweep can't do.
    fn refused(&self, pairs: &[Inputs]) -> Option<String> {
        if pairs.len() != 1 {
            return Some(
                "a sweep takes one workload and one driver; make a sweep for each".to_owned(),
            );
        }
        let inputs = &self.run.inputs;
        if inputs.rate.is_some() {
            return Some("--rate: a sweep has the rates of --rates; leave it out".to_owned());
        }
        if !inputs.find_rate.is_empty() && (self.max.is_some() || !self.rates.need_a_maximum()) {
            return Some(
                "--find-rate: nothing is searched; leave it or --max out, or give percent"
                    .to_owned(),
            );
        }
        self.run.refused_of_several()
    }

    fn folder(&self, inputs: &Inputs, settled: &Settled) -> Result<Folder, String> {
        let stem = inputs.workload.file_stem().unwrap_or_default();
        let now = jiff::Timestamp::now().as_millisecond();
        let name = default_name(&stem.to_string_lossy(), &settled.driver.name, now);
        let usual = PathBuf::from(format!("sweep-{}", name.trim_end_matches(".json")));
        Folder::make(Some(self.run.output.as_ref().unwrap_or(&usual)))
    }

    fn run_steps(&self, settled: &Settled, folder: &Folder) -> anyhow::Result<u8> {
        let quiet = self.run.quiet;
        let mut campaign = Campaign::begin()?;
        let title = |rate: f64| {
            let rate = table::shown_rate(rate);
            format!("{rate} msg/s")
        };
        let member = |rate, name: &str| Member {
            parent: std::process::id(),
            index: 0,
            rate: Some(rate),
            output: folder.file(name),
        };
        let mut max = self.max.unwrap_or(0.0);
        if max == 0.0 && self.rates.need_a_maximum() {
            if !quiet {
                eprintln!(
                    "sweep of {}: the highest rate that holds",
                    settled.workload.name
                );
            }
            let found = campaign.run(&member(0.0, "max.json"), "search".to_owned())?;
            let rate = found.row.as_ref().and_then(|row| row.found);
            let Some(rate) = rate else {
                eprintln!("omb: no highest rate was found, so there is nothing to take percent of");
                return Ok(campaign.code().max(Ended::Failed.code()));
            };
            max = rate;
        }
        let searched = campaign.outcomes.len();
        let rates = self.rates.of(max);
        for (index, &rate) in rates.iter().enumerate() {
            if campaign.is_stopped() {
                break;
            }
            if !quiet {
                eprintln!("\nstep {} of {}: {}", index + 1, rates.len(), title(rate));
            }
            let name = format!("{:02}-{rate:.0}.json", index + 1);
            campaign.run(&member(rate, &name), title(rate))?;
        }
        let steps = &campaign.outcomes[searched..];
        if !quiet {
            eprint!("\n{}", table::of_steps(steps));
        }
        write(folder, steps, &rates)?;
        let left = rates.len() - steps.len();
        if left > 0 {
            eprintln!("omb: {left} of {} steps were not made", rates.len());
        }
        if !quiet {
            eprintln!("sweep       {}", folder.file("sweep.csv").display());
        }
        Ok(campaign.code())
    }
}

/// The curve, for programs.
fn write(folder: &Folder, steps: &[Outcome], rates: &[f64]) -> anyhow::Result<()> {
    let mut csv = "rate,published,received,publish_p50,publish_p99,publish_p999,response_p50,\
                   response_p99,response_p999,end_to_end_p50,end_to_end_p99,end_to_end_p999,lost,\
                   exit,host_limits,result\n"
        .to_owned();
    let mut list = Vec::new();
    for (step, rate) in steps.iter().zip(rates) {
        let row = step.row.clone().unwrap_or_default();
        let [publish, response, end_to_end] = [row.publish, row.response, row.end_to_end];
        let figures = [publish, response, end_to_end].concat();
        let figures: Vec<String> = figures.iter().map(ToString::to_string).collect();
        csv.push_str(&format!(
            "{rate},{},{},{},{},{},{},{}\n",
            row.published,
            row.received,
            figures.join(","),
            row.lost,
            step.code,
            row.host_limits,
            step.file
        ));
        list.push(json!({
            "rate": rate,
            "published": row.published,
            "received": row.received,
            "publishLatency": percentiles(publish),
            "responseLatency": percentiles(response),
            "endToEndLatency": percentiles(end_to_end),
            "lost": row.lost,
            "exitCode": step.code,
            "hostLimits": row.host_limits,
            "result": step.file,
        }));
    }
    fs::write(folder.file("sweep.csv"), csv)?;
    fs::write(
        folder.file("sweep.json"),
        serde_json::to_string_pretty(&list)? + "\n",
    )?;
    Ok(())
}

fn percentiles([p50, p99, p999]: [f64; 3]) -> serde_json::Value {
    json!({"p50": p50, "p99": p99, "p999": p999})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str, max: f64) -> Vec<f64> {
        text.parse::<Rates>().unwrap().of(max)
    }

    #[test]
    fn rates_are_lists_and_ranges_of_numbers_and_percent() {
        assert_eq!(rates("2000,1_000, 2000", 0.0), [1_000.0, 2_000.0]);
        assert_eq!(rates("10%..100%", 5_000.0).len(), 10);
        assert_eq!(rates("50%..100%/3,10%", 200.0), [20.0, 100.0, 150.0, 200.0]);
        assert_eq!(
            rates("1000..4000/4", 0.0),
            [1_000.0, 2_000.0, 3_000.0, 4_000.0]
        );
        assert!(!"5..6".parse::<Rates>().unwrap().need_a_maximum());
        for text in [
            "",
            "x",
            "0",
            "10%..100",
            "100%..10%",
            "1..2/1",
            "0%",
            "-5",
            "1..2/x",
        ] {
            assert!(text.parse::<Rates>().is_err(), "{text}");
        }
    }
}
