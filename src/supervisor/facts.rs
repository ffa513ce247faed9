//! What is known of a run at any time, but for what it measured.

use super::Supervisor;
use super::periods::Periods;
use crate::report::{Interval, LedgerReport, Run};
use crate::stats::latencies::Latencies;

impl Supervisor {
    /// The run as it is, without what it measured.
    pub(super) fn facts(&self) -> Run {
        let mut notes = self.options.notes.clone();
        notes.extend(self.machine.plan_notes().iter().cloned());
        let processes = self.processes.records().to_vec();
        let tally = &self.machine.tally;
        let errors: Vec<String> = tally
            .errors
            .iter()
            .map(|(text, count)| format!("{count} × {text}"))
            .collect();
        if !errors.is_empty() {
            notes.push(format!("errors of producers: {}", errors.join(", ")));
        }
        Run {
            id: self.id.to_string(),
            workload: self.machine.workload().clone(),
            driver: self.machine.driver().into(),
            status: self.machine.verdict.status,
            reason: self.machine.verdict.reason.clone(),
            notes,
            events: self.desk.events().clone(),
            periods: Vec::new(),
            total: Interval::default(),
            latencies: Latencies::default(),
            undisturbed: None,
            disturbances: self.machine.disturbances(),
            backlog_drain: self.machine.backlog(),
            rate_search: self.machine.search(),
            rates: Vec::new(),
            cpu_seconds: processes.iter().map(|p| p.cpu_seconds).sum::<f64>() + own_cpu_seconds(),
            processes,
            restarts: self.machine.restarts(),
            started_unix_ms: self.started_unix_ms,
            ledger: self.ledger(),
            busy: self.watch.busy(),
            provenance: self.options.provenance.clone(),
            samples_lost: 0,
        }
    }

    fn ledger(&self) -> LedgerReport {
        let tally = &self.machine.tally;
        let names = self.machine.groups().iter().cloned();
        LedgerReport {
            sent: tally.load.sent,
            acknowledged: tally.load.acknowledged,
            failed: tally.load.failed,
            unknown: tally.load.unknown,
            queue_full: tally.periods.as_ref().map_or(0, Periods::queue_full),
            unsent: tally.load.unsent - tally.unsent_in_search,
            subscriptions: names.zip(tally.ledger.counts()).collect(),
            examples: tally.ledger.examples(),
            send_examples: tally.ledger.send_examples().clone(),
            topics: self.machine.topics().map(str::to_owned).collect(),
        }
    }
}

fn own_cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}
