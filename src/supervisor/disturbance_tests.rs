use std::time::Duration;

use super::*;
use crate::wire::Role;

const GRID: Grid = Grid {
    origin: Instant(1_000_000_000_000),
};

fn consumer(incarnation: u16) -> ChildKey {
    ChildKey {
        role: Role::Consumer,
        id: 1,
        incarnation,
    }
}

fn moment(millis: u64, backlog: i64, redelivered: u64) -> Moment {
    Moment {
        at: GRID.origin + Duration::from_millis(millis),
        backlog,
        behind: 0,
        redelivered,
    }
}

fn death(observer: &mut Observer, windows: &mut Windows, now: Moment, next: u16) {
    observer.begin(
        windows,
        now,
        Kind::Death,
        Some(consumer(next)),
        "signal 9 (SIGKILL)".to_owned(),
        false,
    );
}

#[test]
fn a_death_lasts_until_the_next_life_has_read_what_was_left() {
    let (mut observer, mut windows) = (Observer::new(GRID, 100), Windows::default());
    death(&mut observer, &mut windows, moment(1_000, 50, 0), 1);
    assert!(!windows.cover(Slot(4)) && windows.cover(Slot(5)) && windows.cover(Slot(999)));
    observer.look(&mut windows, moment(1_200, 70, 0));
    assert!(!observer.is_calm(), "nobody has read anything yet");
    observer.look(&mut windows, moment(2_000, 9_000, 0));
    observer.first_message(consumer(1), moment(2_500, 0, 0).at);
    observer.look(&mut windows, moment(2_600, 5_000, 300));
    assert!(!observer.is_calm());
    observer.look(&mut windows, moment(3_000, 100, 300));
    assert!(observer.is_calm());
    assert!(windows.cover(Slot(15)) && !windows.cover(Slot(16)));
    let found = observer.found();
    assert_eq!((found.count, found.unrecovered), (1, 0));
    assert_eq!((found.backlog_peak, found.redelivered), (9_000, 300));
    let one = &found.list[0];
    assert_eq!((&*one.what, one.at), ("death", 1.0));
    assert_eq!(one.recovery_seconds, Some(1.5));
    assert_eq!(one.caught_up_seconds, Some(2.0));
    assert_eq!(found.recovery.max, 1.5e9);
}

#[test]
fn who_dies_again_before_its_first_message_has_recovered_in_a_later_life() {
    let (mut observer, mut windows) = (Observer::new(GRID, 0), Windows::default());
    death(&mut observer, &mut windows, moment(1_000, 0, 0), 1);
    observer.died(consumer(1));
    death(&mut observer, &mut windows, moment(1_500, 0, 0), 2);
    observer.first_message(consumer(2), moment(2_000, 0, 0).at);
    observer.look(&mut windows, moment(2_200, 0, 0));
    let found = observer.found();
    let recoveries: Vec<Option<f64>> = found.list.iter().map(|d| d.recovery_seconds).collect();
    assert_eq!(recoveries, [Some(1.0), Some(0.5)]);
}

#[test]
fn a_stop_lasts_until_the_child_is_at_work_again() {
    let (mut observer, mut windows) = (Observer::new(GRID, 0), Windows::default());
    let (now, child) = (moment(1_000, 0, 0), consumer(0));
    observer.begin(
        &mut windows,
        now,
        Kind::Stop,
        Some(child),
        "fault".to_owned(),
        true,
    );
    observer.at_work(child, moment(1_100, 0, 0).at);
    observer.look(&mut windows, moment(1_100, 0, 0));
    assert!(!observer.is_calm(), "what it had written before it stopped");
    observer.resumed(Some(child));
    observer.at_work(child, moment(3_000, 0, 0).at);
    observer.look(&mut windows, moment(3_000, 0, 0));
    let found = observer.found();
    assert_eq!(found.list[0].recovery_seconds, Some(2.0));
    assert!(found.list[0].planned);
}

#[test]
fn what_is_not_over_when_the_run_ends_is_not_recovered_from() {
    let (mut observer, mut windows) = (Observer::new(GRID, 0), Windows::default());
    death(&mut observer, &mut windows, moment(1_000, 0, 7), 1);
    assert_eq!(observer.found().unrecovered, 1);
    observer.end(&mut windows, moment(5_000, 40, 9));
    let found = observer.found();
    assert_eq!(
        (found.count, found.unrecovered, found.redelivered),
        (1, 1, 2)
    );
    assert_eq!(found.list[0].recovery_seconds, None);
    assert_eq!(found.recovery.count, 0);
}

#[test]
fn the_list_has_an_end_and_the_sums_have_none() {
    let (mut observer, mut windows) = (Observer::new(GRID, 0), Windows::default());
    for n in 0..2 * LISTED as u64 {
        let now = moment(n * 1_000, 0, 0);
        death(&mut observer, &mut windows, now, 1);
        observer.first_message(consumer(1), now.at);
        observer.look(&mut windows, now);
    }
    let found = observer.found();
    assert_eq!((found.count, found.list.len()), (2 * LISTED as u64, LISTED));
    assert!(windows.windows.len() < 100, "old windows stay");
}

#[test]
fn a_pause_lasts_until_what_was_due_meanwhile_is_sent() {
    let (mut observer, mut windows) = (Observer::new(GRID, 10), Windows::default());
    let now = moment(1_000, 0, 0);
    observer.begin(&mut windows, now, Kind::Pause, None, String::new(), false);
    observer.resumed(None);
    let behind = |millis, behind| Moment {
        behind,
        ..moment(millis, 0, 0)
    };
    observer.look(&mut windows, behind(3_000, 2_000));
    assert!(!observer.is_calm());
    observer.look(&mut windows, behind(3_400, 10));
    assert_eq!(observer.found().list[0].caught_up_seconds, Some(2.4));
}
