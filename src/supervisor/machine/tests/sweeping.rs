//! Behind dead runs: their leftovers go first, and never hold a run up for long.

use std::time::Duration;

use super::Bench;
use crate::driver::Leftovers;
use crate::report::Status;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Phase;
use crate::wire::{DeadRun, Order, Reply, Swept};

const DEAD: DeadRun = DeadRun {
    run: 0xdead,
    topics: true,
};

fn swept(certain: bool) -> Swept {
    let names = |count: u32| (0..count).map(|number| format!("name-{number}"));
    Swept {
        run: DEAD.run,
        deleted: Leftovers {
            topics: names(2).collect(),
            groups: names(1).collect(),
        },
        left: Leftovers {
            topics: names(u32::from(!certain)).collect(),
            groups: Vec::new(),
        },
        certain,
    }
}

/// Ready but for what a dead run has left.
fn ready() -> Bench {
    let mut bench = Bench::start();
    bench.join();
    bench.on(Event::DeadRuns(vec![DEAD]));
    bench.created();
    bench.ready();
    bench
}

#[test]
fn leftovers_are_swept_before_the_load() {
    let mut bench = ready();
    let sweep = |order: &Order| *order == Order::Sweep(vec![DEAD]);
    let swept_at = bench.orders.iter().position(sweep).unwrap();
    let create = |order: &Order| *order == Order::Create;
    assert!(swept_at < bench.orders.iter().position(create).unwrap());
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.machine.phase(), Phase::Ready, "nothing is measured");
    bench.on(Event::Reply(Reply::Swept(vec![swept(true)], None)));
    assert_eq!(bench.machine.phase(), Phase::WarmUp);
    assert_eq!(bench.buried, [DEAD.run]);
    assert_eq!(
        bench.said,
        ["deleted 2 topics and 1 group, left by run 0000dead, which is dead"]
    );
    assert_eq!(bench.status(), Status::Completed);
}

#[test]
fn what_can_not_be_swept_is_told_and_kept_in_its_journal() {
    let mut bench = ready();
    let why = Some("not authorized".to_owned());
    bench.on(Event::Reply(Reply::Swept(vec![swept(false)], why)));
    assert_eq!(bench.machine.phase(), Phase::WarmUp);
    assert_eq!(bench.buried, [0; 0]);
    let told = bench.said.last().unwrap();
    for word in ["0000dead", "1 topic", "not authorized", "omb clean"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert_eq!(bench.status(), Status::Completed);
}

#[test]
fn a_sweep_that_could_not_begin_is_told() {
    let mut bench = ready();
    let why = Some("no such mechanism".to_owned());
    bench.on(Event::Reply(Reply::Swept(Vec::new(), why)));
    assert_eq!(bench.machine.phase(), Phase::WarmUp);
    assert!(bench.said.last().unwrap().contains("no such mechanism"));
}

#[test]
fn a_sweep_without_an_answer_does_not_hold_the_load_up_for_long() {
    let mut bench = ready();
    bench.pass(Duration::from_secs(12));
    assert_eq!(bench.machine.phase(), Phase::Ready);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.machine.phase(), Phase::WarmUp);
}

#[test]
fn a_run_that_is_ending_sweeps_nothing() {
    let mut bench = Bench::start();
    bench.on(Event::Signal(libc::SIGINT));
    bench.on(Event::DeadRuns(vec![DEAD]));
    let is_sweep = |order: &Order| matches!(order, Order::Sweep(_));
    assert!(!bench.orders.iter().any(is_sweep));
}
