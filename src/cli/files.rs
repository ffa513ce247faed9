//! The files of one run or of several, and what a run knows that is one of several.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::Inputs;

/// Workloads and drivers; each workload is run with each driver.
#[derive(Clone, Debug, Default, Args)]
pub struct Files {
    /// Workload file: topics, sizes, rates, durations. Several are run one after the other.
    #[arg(value_name = "WORKLOAD.yaml", required = true)]
    pub workloads: Vec<PathBuf>,

    /// Driver file: which system, and its settings. Without it: the Kafka of -b, or, without
    /// both, the embedded broker. Repeatable, or with commas: each workload is run with each.
    #[arg(
        short,
        long = "driver",
        alias = "drivers",
        value_name = "DRIVER.yaml",
        value_delimiter = ',',
        help_heading = "Broker"
    )]
    pub drivers: Vec<PathBuf>,

    /// As OMB's: allocate extra consumer workers. On one host it changes nothing.
    #[arg(short = 'x', long = "extra", hide = true)]
    pub extra_consumers: bool,
}

impl Files {
    /// The inputs of every run, in their order.
    pub fn pairs(&self, inputs: &Inputs) -> Vec<Inputs> {
        let drivers: Vec<Option<&PathBuf>> = match self.drivers.as_slice() {
            [] => vec![None],
            drivers => drivers.iter().map(Some).collect(),
        };
        let each = self.workloads.iter();
        each.flat_map(|workload| {
            drivers.iter().map(move |driver| Inputs {
                workload: workload.clone(),
                driver: driver.cloned(),
                ..inputs.clone()
            })
        })
        .collect()
    }

    /// What a person should know of options that do nothing here.
    pub fn notes(&self) -> Option<&'static str> {
        self.extra_consumers.then_some(
            "-x changes nothing on one host: it adds hosts that consume where several hosts make the \
             load",
        )
    }
}

/// What a run is told that is one of several: `PARENT,INDEX,RATE,FILE`; no RATE is the workload's.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The process that runs all of them.
    pub parent: u32,
    /// Which of the pairs this run is.
    pub index: usize,
    /// In place of the workload's.
    pub rate: Option<f64>,
    /// Where the result goes.
    pub output: PathBuf,
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(4, ',');
        let mut next = || parts.next().ok_or("a part is missing");
        let (parent, index, rate, output) = (next()?, next()?, next()?, next()?);
        let rate = match rate {
            "" => None,
            rate => Some(rate.parse().map_err(|_| "no rate")?),
        };
        Ok(Self {
            parent: parent.parse().map_err(|_| "no process")?,
            index: index.parse().map_err(|_| "no number")?,
            rate,
            output: Path::new(output).to_owned(),
        })
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.rate.map_or(String::new(), |rate| rate.to_string());
        let (parent, index, output) = (self.parent, self.index, self.output.display());
        write!(f, "{parent},{index},{rate},{output}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workload_is_run_with_each_driver() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let files = Files {
            workloads: paths(&["v", "w"]),
            drivers: paths(&["a", "b"]),
            extra_consumers: false,
        };
        let pairs = files.pairs(&Inputs::default());
        let named: Vec<(&str, &str)> = pairs
            .iter()
            .map(|pair| {
                let driver = pair.driver.as_ref().unwrap();
                (pair.workload.to_str().unwrap(), driver.to_str().unwrap())
            })
            .collect();
        assert_eq!(named, [("v", "a"), ("v", "b"), ("w", "a"), ("w", "b")]);
        let files = Files {
            drivers: Vec::new(),
            ..files
        };
        assert!(
            files
                .pairs(&Inputs::default())
                .iter()
                .all(|pair| pair.driver.is_none())
        );
    }

    #[test]
    fn a_member_is_read_as_it_is_written() {
        for rate in [None, Some(1234.5)] {
            let member = Member {
                parent: 7,
                index: 3,
                rate,
                output: PathBuf::from("a,b/c d.json"),
            };
            assert_eq!(member.to_string().parse(), Ok(member));
        }
        assert!("7,3".parse::<Member>().is_err());
    }
}
