//! Where what a run shows and writes comes together: terminal, samples, result.

use crate::config::Workload;
use crate::plan::{Plan, RunId};
use crate::report::{Interval, Run};
use crate::stats::latencies::Latencies;

use super::Options;
use super::tally::Tally;

/// x
pub struct Desk;
impl Desk {
    /// x
    pub fn open(_o: &Options, _id: RunId) -> anyhow::Result<Self> {
        Ok(Self)
    }
    /// x
    pub fn begin(&mut self, _o: &Options, _p: &Plan) {}
    /// x
    pub fn second(&mut self, s: &Interval, phase: &str, c: (usize, usize)) {
        eprintln!(
            "{} {phase} {:?} backlog {} pub p50 {} p99 {} e2e p50 {} p99 {} delay p50 {} {c:?}",
            s.start,
            s.counters,
            s.backlog,
            s.latencies.publish.p50 / 1e6,
            s.latencies.publish.p99 / 1e6,
            s.latencies.end_to_end.p50 / 1e6,
            s.latencies.end_to_end.p99 / 1e6,
            s.latencies.publish_delay.p50 / 1e3
        );
    }
    /// x
    pub fn say(&mut self, text: &str) {
        eprintln!("omb: {text}");
    }
    /// x
    pub fn result(&mut self, _run: &Run) {}
    /// x
    pub fn end(&mut self, run: &Run) -> bool {
        eprintln!(
            "{:?} {:?} {:#?} {:#?} {:?} {:?} {:?}",
            run.status,
            run.reason,
            run.ledger,
            run.processes,
            run.notes,
            run.total,
            run.periods.len()
        );
        true
    }
}
/// x
pub fn figures(tally: &mut Tally, workload: &Workload) -> (Vec<Interval>, Interval, Latencies) {
    match &mut tally.periods {
        Some(periods) => {
            let finished = periods.finish().to_vec();
            let (total, latencies) = periods.total();
            (finished, total, latencies.clone())
        }
        None => {
            // The load never began.
            let nothing = Interval {
                seconds: workload.duration.as_secs_f64(),
                ..Interval::default()
            };
            (vec![nothing.clone()], nothing, Latencies::default())
        }
    }
}
