//! Faults that a run brings about itself, to measure how it recovers: `kill consumer every 10s`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{parse_duration, show_duration};

const FORM: &str = "write it as kill|stop|continue, then consumer|producer|any or consumer N, then \
                    at TIME[,TIME…] or every TIME, and for TIME behind a stop; \
                    for example: kill consumer every 10s";

/// What is done to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultAction {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// Which child it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultTarget {
    /// A random one, of either kind.
    Any,
    /// A random consumer process, or the one with this number.
    Consumer(Option<u32>),
    /// A random producer process, or the one with this number.
    Producer(Option<u32>),
}

/// When it is done, counted from the start of the measured phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultTimes {
    /// At each of these.
    At(Vec<Duration>),
    /// Again and again, first after one interval.
    Every(Duration),
}

/// One line of `faults:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is done.
    pub action: FaultAction,
    /// To whom.
    pub target: FaultTarget,
    /// When.
    pub times: FaultTimes,
    /// A stopped child is continued after this time; `None`: somebody else has to.
    pub pause: Option<Duration>,
}

impl FaultAction {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Continue => "continue",
        }
    }
}

impl Fault {
    /// Whether it can end a producer.
    pub fn kills_producers(&self) -> bool {
        self.action == FaultAction::Kill && !matches!(self.target, FaultTarget::Consumer(_))
    }

    /// When it happens within a measured phase of this length.
    pub fn times_within(&self, length: Duration) -> Vec<Duration> {
        match &self.times {
            FaultTimes::At(times) => times.iter().copied().filter(|&at| at < length).collect(),
            FaultTimes::Every(interval) => (1..)
                .map(|n| *interval * n)
                .take_while(|&at| at < length)
                .collect(),
        }
    }
}

/// Reads one fault.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn parse_fault(text: &str) -> Result<Fault, String> {
    let joined = text.replace(',', " , ");
    let mut words = joined.split_whitespace().peekable();
    let action = match words.next() {
        Some("kill") => FaultAction::Kill,
        Some("stop") => FaultAction::Stop,
        Some("continue") => FaultAction::Continue,
        _ => return Err(FORM.to_owned()),
    };
    let kind = words.next().ok_or(FORM)?;
    let number = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number
        .map(|word| word.parse::<u32>().map_err(|_| FORM.to_owned()))
        .transpose()?;
    let target = match (kind, number) {
        ("consumer", number) => FaultTarget::Consumer(number),
        ("producer", number) => FaultTarget::Producer(number),
        ("any", None) => FaultTarget::Any,
        _ => return Err(FORM.to_owned()),
    };
    let times = match words.next() {
        Some("at") => {
            let mut times = vec![time(words.next())?];
            while words.next_if_eq(&",").is_some() {
                times.push(time(words.next())?);
            }
            FaultTimes::At(times)
        }
        Some("every") => match time(words.next())? {
            Duration::ZERO => return Err("every 0s is too often; give more than 0".to_owned()),
            interval => FaultTimes::Every(interval),
        },
        _ => return Err(FORM.to_owned()),
    };
    let pause = match words.next() {
        None => None,
        Some("for") if action == FaultAction::Stop => Some(time(words.next())?),
        Some("for") => return Err("only a stop can have a length (for TIME)".to_owned()),
        Some(_) => return Err(FORM.to_owned()),
    };
    match words.next() {
        None => Ok(Fault {
            action,
            target,
            times,
            pause,
        }),
        Some(_) => Err(FORM.to_owned()),
    }
}

fn time(word: Option<&str>) -> Result<Duration, String> {
    parse_duration(word.ok_or(FORM)?)
}

impl fmt::Display for FaultTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, number) = match self {
            Self::Any => ("any", None),
            Self::Consumer(number) => ("consumer", *number),
            Self::Producer(number) => ("producer", *number),
        };
        match number {
            Some(number) => write!(f, "{kind} {number}"),
            None => write!(f, "{kind}"),
        }
    }
}

impl fmt::Display for Fault {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.action.name(), self.target)?;
        match &self.times {
            FaultTimes::Every(interval) => write!(f, "every {}", show_duration(*interval))?,
            FaultTimes::At(times) => {
                let times: Vec<String> = times.iter().map(|&at| show_duration(at)).collect();
                write!(f, "at {}", times.join(","))?;
            }
        }
        match self.pause {
            Some(pause) => write!(f, " for {}", show_duration(pause)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_shown() {
        for text in [
            "kill consumer every 10s",
            "kill any at 1s,2s,1m",
            "stop producer 3 at 500ms for 2s",
            "continue consumer 0 at 5s",
            "stop any every 1m",
        ] {
            assert_eq!(parse_fault(text).unwrap().to_string(), text);
        }
        let spaced = parse_fault(" kill  any at 1s , 2s ").unwrap();
        assert_eq!(spaced.to_string(), "kill any at 1s,2s");
    }

    #[test]
    fn what_is_no_fault_is_told_with_the_form() {
        for text in [
            "",
            "kill",
            "murder consumer at 1s",
            "kill broker at 1s",
            "kill any 3 at 1s",
            "kill consumer",
            "kill consumer at",
            "kill consumer at 1s 2s",
            "kill consumer every 0s",
            "kill consumer at 1s for 2s",
            "stop consumer at 1s for",
            "kill consumer 99999999999 at 1s",
        ] {
            assert!(parse_fault(text).is_err(), "{text}");
        }
    }

    #[test]
    fn faults_happen_within_the_measured_phase() {
        let seconds =
            |of: &[u64]| -> Vec<Duration> { of.iter().map(|&s| Duration::from_secs(s)).collect() };
        let every = parse_fault("kill any every 3s").unwrap();
        assert_eq!(every.times_within(Duration::from_secs(9)), seconds(&[3, 6]));
        let at = parse_fault("kill any at 1s,9s,30s").unwrap();
        assert_eq!(at.times_within(Duration::from_secs(9)), seconds(&[1]));
    }
}
