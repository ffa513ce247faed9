//! What takes several attempts, whichever the system is.

use std::time::Duration;

use super::{DriverError, Leftovers, Undone};
use crate::clock::Instant;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A refusal may be that of a broker that is starting: it gets so long.
#[cfg(any(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq"))]
const STARTING: Duration = Duration::from_secs(5);

/// Tries to be let in until it works, unless an error contains one of these marks of what will not change.
#[cfg(any(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq"))]
pub fn enter(
    deadline: Instant,
    hopeless: &[&str],
    mut attempt: impl FnMut() -> Result<(), DriverError>,
) -> Result<(), DriverError> {
    let begin = Instant::now();
    loop {
        let Err(error) = attempt() else {
            return Ok(());
        };
        let now = Instant::now();
        let settled = hopeless.iter().any(|mark| error.0.contains(mark));
        if settled || now.since(begin) >= STARTING || now >= deadline {
            return Err(error);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Deletes, and looks what is left, until nothing is or the deadline has come: then what the last look has
/// seen is still there.
pub fn delete_until(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<Leftovers, Undone>,
) -> Result<Leftovers, DriverError> {
    let mut seen = None;
    loop {
        let tried = attempt();
        let late = Instant::now() >= deadline;
        match tried {
            Ok(left) if left.is_empty() || late => return Ok(left),
            Ok(left) => seen = Some(left),
            Err(Undone::Refused(error)) => return Err(error),
            // The deadline cut this attempt short.
            Err(Undone::Unanswered(error)) if late => return seen.ok_or(error),
            Err(Undone::Unanswered(_)) => {}
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> DriverError {
        DriverError(text.to_owned())
    }

    #[cfg(any(feature = "pulsar", feature = "rabbitmq", feature = "rocketmq"))]
    #[test]
    fn a_refusal_is_asked_again_unless_it_is_hopeless() {
        let far = Instant::now() + Duration::from_secs(60);
        let mut attempts = 0;
        let starting = || {
            attempts += 1;
            if attempts < 3 {
                Err(error("not yet"))
            } else {
                Ok(())
            }
        };
        assert_eq!(enter(far, &["password"], starting), Ok(()));
        assert_eq!(attempts, 3);
        let wrong = || Err(error("wrong password"));
        assert_eq!(
            enter(far, &["password"], wrong),
            Err(error("wrong password"))
        );
    }

    #[test]
    fn what_was_seen_last_is_still_there_where_the_last_attempt_failed() {
        let left = Leftovers {
            topics: vec!["a".to_owned()],
            groups: Vec::new(),
        };
        let soon = Instant::now() + Duration::from_millis(150);
        let gone = || Err(Undone::Unanswered(error("no answer")));
        let mut attempts = vec![gone(), Ok(left.clone())];
        let outcome = delete_until(soon, || attempts.pop().unwrap_or_else(gone));
        assert_eq!(outcome, Ok(left));
        assert_eq!(delete_until(Instant::now(), gone), Err(error("no answer")));
        let far = Instant::now() + Duration::from_secs(60);
        let denied = || Err(Undone::Refused(error("cannot delete it")));
        assert_eq!(delete_until(far, denied), Err(error("cannot delete it")));
    }
}
