//! Whether this host was the limit, and not the broker: a tool that can't keep up must say so itself.

use super::{Interval, Run};

/// From this share on, processors count as saturated.
const SATURATED: f64 = 0.95;

/// From this share on, what other virtual machines took is worth a word.
const STOLEN: f64 = 0.05;

/// Publish delay beyond this is no late wake-up any more: milliseconds.
const BEHIND_MS: f64 = 10.0;

/// What kept this host from making the load, or from measuring it well: one sentence each.
pub fn limits(run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(busy) = run.busy {
        if busy.busy >= SATURATED {
            found.push(format!(
                "this host's processors were busy {:.0} % of the measured phase: the figures are \
                 those of the host, not of the broker alone",
                busy.busy * 100.0
            ));
        }
        if busy.stolen >= STOLEN {
            found.push(format!(
                "other virtual machines took {:.0} % of this host's processor time",
                busy.stolen * 100.0
            ));
        }
    }
    if run.ledger.queue_full > 0 {
        found.push(format!(
            "producers' client queues were full {} times: messages waited in front of the client \
             library, because it, or the broker, took no more",
            run.ledger.queue_full
        ));
    }
    if let Some((first, last)) = growing_delay(&run.periods) {
        found.push(format!(
            "publish delay grew from {first:.1} ms in the first period to {last:.1} ms in the last \
             (medians): producers fell ever further behind their schedule"
        ));
    }
    found
}

/// Medians of publish delay in the first and the last period, where the last is far above.
fn growing_delay(periods: &[Interval]) -> Option<(f64, f64)> {
    let median = |period: &Interval| period.latencies.publish_delay.p50 / 1e6;
    let (first, last) = (median(periods.first()?), median(periods.last()?));
    let grew = periods.len() > 1 && last > BEHIND_MS && last > 2.0 * first;
    grew.then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Busy;
    use crate::report::testing;

    fn quiet() -> Run {
        let mut run = testing::run();
        run.busy = Some(Busy {
            busy: 0.5,
            stolen: 0.01,
        });
        for period in &mut run.periods {
            period.latencies.publish_delay.p50 = 20_000.0;
        }
        run
    }

    #[test]
    fn a_quiet_host_was_no_limit() {
        assert_eq!(limits(&quiet()), [""; 0]);
        assert_eq!(limits(&testing::nothing_measured()), [""; 0]);
    }

    #[test]
    fn each_limit_is_named_with_its_figures() {
        let mut run = quiet();
        run.busy = Some(Busy {
            busy: 0.97,
            stolen: 0.12,
        });
        run.ledger.queue_full = 41;
        run.periods[1].latencies.publish_delay.p50 = 30e6;
        let found = limits(&run);
        for (found, words) in found.iter().zip(["97 %", "12 %", "41 times", "30.0 ms"]) {
            assert!(found.contains(words), "{found}");
        }
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_delay_that_does_not_grow_is_no_falling_behind() {
        let mut run = quiet();
        for period in &mut run.periods {
            period.latencies.publish_delay.p50 = 30e6;
        }
        assert_eq!(limits(&run), [""; 0]);
    }
}
