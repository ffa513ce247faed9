//! Deaths, signals, replies and frames in random order.

use std::time::Duration;

use super::Bench;
use crate::config::parse_fault;
use crate::driver::Leftovers;
use crate::supervisor::event::{ChildKey, Event};
use crate::supervisor::machine::Phase;
use crate::wire::{DeadRun, FromChild, Reply, Role};

#[test]
fn every_run_ends_whatever_happens_in_whatever_order() {
    for seed in 0..600 {
        random_run(seed);
    }
}

/// Random events, then silence: the deadlines alone have to end the run.
fn random_run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bench = Bench::with(|workload| {
        workload.restart.producers = random.bool();
        workload.restart.consumers = random.bool();
        workload.restart.max_restarts = random.u32(0..10);
        if random.bool() {
            workload.hang_after = Duration::from_secs(2);
        }
        for fault in ["kill any every 900ms", "stop consumer every 2s for 1s"] {
            if random.bool() {
                workload.faults.push(parse_fault(fault).unwrap());
            }
        }
    });
    for _ in 0..random.usize(0..60) {
        random_event(&mut bench, &mut random);
        let pause = Duration::from_millis(random.u64(0..1_500));
        bench.pass(pause);
    }
    let leaving = bench.machine.phase() >= Phase::Leave;
    let spawned = bench.spawned.len();
    bench.pass(Duration::from_secs(300));
    // Killed children die, as do those whose supervisor is done.
    for _ in 0..4 {
        for key in bench.alive.clone() {
            bench.dies(key, "signal 9 (SIGKILL)");
        }
        bench.pass(Duration::from_secs(120));
    }
    assert!(bench.ended, "seed {seed}: {:?}", bench.machine.phase());
    let stewards = bench
        .spawned
        .iter()
        .filter(|key| key.role == Role::Steward)
        .count();
    assert!(
        bench.deletions() <= stewards,
        "seed {seed}: a steward was told twice to delete"
    );
    if leaving {
        let late = &bench.spawned[spawned..];
        assert!(
            late.iter().all(|key| key.role == Role::Steward),
            "seed {seed}: {late:?}"
        );
    }
}

fn random_event(bench: &mut Bench, random: &mut fastrand::Rng) {
    let living: Vec<ChildKey> = bench.alive.iter().copied().collect();
    let Some(&key) = random.choice(&living) else {
        return;
    };
    let event = match random.u32(0..19) {
        0 => return bench.dies(key, "signal 9 (SIGKILL)"),
        1 => Event::Signal(*random.choice(&[libc::SIGINT, libc::SIGTERM]).unwrap_or(&2)),
        2 | 3 => Event::Reply(Reply::Connected(None)),
        4 | 5 => Event::Reply(Reply::Created),
        6 => Event::Reply(Reply::Deleted(Leftovers::default())),
        7 => Event::Reply(Reply::Failed("no".to_owned())),
        8 => Event::Frame(key, FromChild::LoadDone),
        9 => Event::Frame(key, FromChild::Failed("broken".to_owned())),
        10 => Event::Frame(key, FromChild::Deltas(vec![Default::default()])),
        11 => Event::DeadRuns(vec![DeadRun {
            run: 1,
            topics: true,
        }]),
        12 => Event::Reply(Reply::Swept(Vec::new(), Some("no".to_owned()))),
        14 => Event::Signal(*random.choice(&[libc::SIGTSTP, libc::SIGUSR1]).unwrap_or(&2)),
        15 => Event::Resumed(Duration::from_millis(random.u64(0..30_000))),
        16 => Event::Frame(key, FromChild::FirstMessage(bench.now)),
        13 if bench.machine.phase() == Phase::Ready => return bench.ready_as_far_as_alive(),
        _ => return bench.join(),
    };
    bench.on(event);
}

impl Bench {
    fn ready_as_far_as_alive(&mut self) {
        for role in [Role::Consumer, Role::Producer] {
            for key in self.of(role) {
                self.on(Event::Frame(key, FromChild::ClientReady(0)));
                self.on(Event::Frame(key, FromChild::Probed(vec![(0, 0)])));
            }
        }
    }
}
