//! A run that is cut off anywhere gives the result that it would have written there itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Instant;
use crate::config::{Workload, testing::workload};
use crate::report::disturbances::Disturbance;
use crate::report::fold::{End, Fold};
use crate::report::rebuild::rebuild;
use crate::report::result::to_json;
use crate::report::samples::{Children, Samples, part};
use crate::report::{Process, Run, Status, testing};
use crate::stats::delta::{ByPhase, Grid, LoadPhase, PhaseDelta, Slot, SlotDelta};
use crate::stats::latencies::LatencyRecorders;
use crate::supervisor::periods::{Periods, SHOW_AFTER};

const GRID: Grid = Grid {
    origin: Instant(100_000_000_000),
};
const START: i64 = 1_700_000_000_000;

/// Where a file may end, and the result that is due from there on.
struct Mark {
    part: u32,
    bytes: u64,
    result: String,
}

/// A run whose children are made up.
struct Live {
    random: fastrand::Rng,
    periods: Periods,
    /// The same, but for records.
    unrecorded: Periods,
    fold: Fold,
    samples: Samples<std::fs::File>,
    path: PathBuf,
    facts: Run,
    /// As of the last record.
    recorded: Run,
    unix_ms: i64,
    uncounted: u64,
    /// Acknowledged in the measured phase, by second of the slot; and of those, in a record.
    acknowledged: Vec<(i64, u64)>,
    counted: u64,
    marks: Vec<Mark>,
}

fn nothing(mut run: Run) -> Run {
    run.periods = Vec::new();
    run.total = Default::default();
    run.latencies = Default::default();
    run
}

impl Live {
    fn new(seed: u64, workload: Workload, warmup: i64, path: PathBuf, part_bytes: u64) -> Self {
        let facts = Run {
            workload: workload.clone(),
            ..nothing(testing::run())
        };
        let mut samples = Samples::in_parts(&path, part_bytes).unwrap();
        samples.head(START, &facts, "result.json").unwrap();
        let mut live = Self {
            random: fastrand::Rng::with_seed(seed),
            periods: Periods::new(GRID, Slot(-5 * warmup), &workload),
            unrecorded: Periods::new(GRID, Slot(-5 * warmup), &workload),
            fold: Fold::new(&workload),
            samples,
            path,
            recorded: facts.clone(),
            facts,
            unix_ms: START,
            uncounted: 0,
            acknowledged: Vec::new(),
            counted: 0,
            marks: Vec::new(),
        };
        live.mark(None);
        live
    }

    /// The last part is as long as this, and this is what it comes to.
    fn mark(&mut self, end: Option<End>) {
        let last = (0..).take_while(|&n| part(&self.path, n).exists()).last();
        let last = last.unwrap();
        let bytes = part(&self.path, last).metadata().unwrap().len();
        let end = end.unwrap_or(End::Torn {
            at: jiff::Timestamp::from_millisecond(self.unix_ms)
                .map(|t| format!("{t:.3}"))
                .unwrap(),
            uncounted: self.uncounted,
        });
        let run = self.fold.result(self.recorded.clone(), &end);
        let measured: u64 = run.periods.iter().map(|p| p.counters.acknowledged).sum();
        assert_eq!(run.total.counters.acknowledged, self.counted);
        assert_eq!(measured, self.counted);
        assert_eq!(run.latencies.publish.len(), self.counted);
        self.marks.push(Mark {
            part: last,
            bytes,
            result: to_json(&run).unwrap(),
        });
    }

    fn delta(&mut self, slot: i64) {
        let random = &mut self.random;
        let phase = match slot < 0 {
            true => LoadPhase::WarmUp,
            false => LoadPhase::Measure,
        };
        let mut recorders = LatencyRecorders::default();
        let acknowledged = random.u64(0..40);
        for recorder in recorders.each_mut() {
            (0..acknowledged).for_each(|_| recorder.record(random.u64(..) >> random.u32(24..60)));
        }
        let mut phases = ByPhase([PhaseDelta::default(), PhaseDelta::default()]);
        *phases.of_mut(phase) = PhaseDelta {
            sent: acknowledged + random.u64(0..2),
            acknowledged,
            failed: random.u64(0..2),
            latencies: recorders.cut(),
            ..PhaseDelta::default()
        };
        let delta = SlotDelta {
            slot: Slot(slot),
            phases,
            ..SlotDelta::default()
        };
        let mut new = [0; 2];
        new[phase as usize] = random.u64(0..=acknowledged);
        let disturbed = random.u32(0..5) == 0;
        for periods in [&mut self.periods, &mut self.unrecorded] {
            periods.add(delta.slot, &delta, acknowledged, new, disturbed);
        }
        if phase == LoadPhase::Measure {
            self.acknowledged.push((slot.div_euclid(5), acknowledged));
        }
    }

    /// Something about the run changes.
    fn change(&mut self) {
        let (random, facts) = (&mut self.random, &mut self.facts);
        facts.cpu_seconds += random.f64();
        facts.ledger.sent += random.u64(0..100);
        facts.ledger.subscriptions[0].1.lost += random.u64(0..2);
        match random.u32(0..7) {
            0 => facts.restarts += 1,
            5 => facts.disturbances.list.push(Disturbance {
                what: "death".into(),
                at: random.f64(),
                ..Disturbance::default()
            }),
            1 => facts.notes.push(format!("note {}\n", random.u64(..))),
            2 => facts.processes.push(Process {
                ended: None,
                cpu_seconds: random.f64(),
                ..facts.processes[0].clone()
            }),
            3 => facts.processes[0].ended = Some("signal 9".to_owned()),
            4 => {
                facts.status = Status::Failed;
                facts.reason = Some("because".to_owned());
            }
            _ => {}
        }
    }

    fn second(&mut self, due: &crate::report::Interval) {
        let children = Children::default();
        self.unix_ms += 1_000;
        self.samples
            .sample(self.unix_ms, "measure", due, children)
            .unwrap();
        self.uncounted += 1;
        self.mark(None);
        if self.random.u32(0..8) == 0 {
            self.unix_ms += 1;
            self.samples.event(self.unix_ms, "something").unwrap();
            self.mark(None);
        }
    }

    fn record(&mut self, last: bool) {
        let turnover = match last {
            true => Some(self.periods.last_turnover()),
            false => self.periods.due_turnover(),
        };
        let Some(turnover) = turnover else { return };
        self.change();
        let upto = match last {
            true => i64::MAX,
            false => turnover.covered.as_secs() as i64,
        };
        let counted = self.acknowledged.iter().filter(|of| of.0 < upto);
        self.counted = counted.map(|of| of.1).sum();
        self.unix_ms += 1;
        self.samples
            .record(self.unix_ms, Some(&turnover), &self.facts)
            .unwrap();
        self.fold.add(&turnover);
        self.recorded = self.facts.clone();
        self.uncounted = 0;
        self.mark(None);
    }

    /// From the first slot to the last record.
    fn run(&mut self, warmup: i64, seconds: i64, cut: bool) {
        let end = match cut {
            true => self.random.i64(1..=seconds * 5),
            false => seconds * 5,
        };
        for slot in -5 * warmup..end {
            for _child in 0..2 {
                // Some report a slot late.
                let late = i64::from(slot > -5 * warmup && self.random.bool());
                self.delta(slot - late);
            }
            let now = GRID.start(Slot(slot)) + SHOW_AFTER;
            for due in self.periods.due_seconds(now) {
                self.second(&due);
            }
            self.record(false);
        }
        if cut {
            let length = Duration::from_millis(end as u64 * 200 - 70);
            self.periods.cut_short(length);
            self.unrecorded.cut_short(length);
        }
        self.record(true);
        self.record(true);
        let (status, reason) = (self.facts.status, self.facts.reason.clone());
        self.samples
            .end(self.unix_ms, status, reason.as_deref())
            .unwrap();
        self.mark(Some(End::Orderly));
    }
}

/// The parts of a samples file up to a byte of the last one: whether that is within a line.
fn cut_off(from: &Path, to: &Path, last: u32, bytes: u64) -> bool {
    let mut end = Vec::new();
    for number in 0..=last {
        end = std::fs::read(part(from, number)).unwrap();
        if number == last {
            end.truncate(bytes as usize);
        }
        std::fs::write(part(to, number), &end).unwrap();
    }
    end.last().is_some_and(|&byte| byte != b'\n')
}

fn random_run(seed: u64, directory: &Path, part_bytes: u64) -> Live {
    let mut random = fastrand::Rng::with_seed(seed);
    let (warmup, seconds) = (random.i64(0..4), random.i64(1..12));
    let period = [400, 1_000, 2_000, 3_000, 20_000][random.usize(0..5)];
    let workload = Workload {
        duration: Duration::from_secs(seconds as u64),
        report_period: Duration::from_millis(period),
        message_size: 100,
        ..workload()
    };
    let path = directory.join("run.samples.jsonl");
    let mut live = Live::new(seed, workload, warmup, path, part_bytes);
    live.run(warmup, seconds, seed.is_multiple_of(3));
    live
}

#[test]
fn a_run_cut_off_anywhere_gives_the_result_it_would_have_written_there() {
    let (mut parts, mut torn) = (0, 0);
    for seed in 0..8u64 {
        let directory = tempfile::tempdir().unwrap();
        let part_bytes = if seed.is_multiple_of(2) {
            u64::MAX
        } else {
            8_000
        };
        let live = random_run(seed, directory.path(), part_bytes);
        let mut random = fastrand::Rng::with_seed(seed);
        for (index, mark) in live.marks.iter().enumerate() {
            let after = live.marks.get(index + 1);
            parts = parts.max(mark.part);
            // At the end of the line, or somewhere in the next one, maybe of a further part.
            let (last, begin, end) = match after {
                Some(next) if next.part == mark.part => (next.part, mark.bytes, next.bytes),
                Some(next) => (next.part, 0, next.bytes),
                None => (mark.part, mark.bytes, mark.bytes + 1),
            };
            let bytes = [begin, random.u64(begin..end)][random.usize(0..2)];
            let copies = tempfile::tempdir().unwrap();
            let copy = copies.path().join("copy.samples.jsonl");
            let is_torn = cut_off(&live.path, &copy, last, bytes);
            let context = format!("seed {seed}, line {index}, part {last} to byte {bytes}");
            let rebuilt = rebuild(&copy).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(to_json(&rebuilt.run).unwrap(), mark.result, "{context}");
            assert_eq!(rebuilt.notes.len(), usize::from(is_torn), "{context}");
            assert_eq!(rebuilt.result, "result.json");
            torn += usize::from(is_torn);
        }
    }
    assert!(parts > 2 && torn > 30, "{parts} parts, {torn} torn lines");
}

#[test]
fn how_often_records_are_written_changes_nothing() {
    for seed in 0..8u64 {
        let directory = tempfile::tempdir().unwrap();
        let mut live = random_run(seed, directory.path(), u64::MAX);
        let mut once = Fold::new(&live.facts.workload);
        once.add(&live.unrecorded.last_turnover());
        let [once, often] =
            [once, live.fold].map(|fold| fold.result(live.facts.clone(), &End::Orderly));
        assert_eq!(
            to_json(&once).unwrap(),
            to_json(&often).unwrap(),
            "seed {seed}"
        );
        assert_eq!(once.periods, often.periods, "seed {seed}");
    }
}
