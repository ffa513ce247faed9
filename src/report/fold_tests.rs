use super::*;
use crate::report::{Counters, testing};

fn fold(seconds: u64, period: u64) -> Fold {
    let mut workload = testing::run().workload;
    workload.duration = Duration::from_secs(seconds);
    workload.report_period = Duration::from_secs(period);
    Fold::new(&workload)
}

/// A record that covers so many seconds, with messages acknowledged in these periods.
fn turnover(covered: u64, length: u64, periods: &[(usize, u64)]) -> Turnover {
    let bucket = |&(index, acknowledged)| {
        let counters = Counters {
            acknowledged,
            ..Counters::default()
        };
        let bucket = Bucket {
            counters,
            ..Bucket::default()
        };
        (index, bucket)
    };
    Turnover {
        covered: Duration::from_secs(covered),
        length: Duration::from_secs(length),
        received: 0,
        periods: periods.iter().map(bucket).collect(),
        rates: Vec::new(),
        closed: false,
    }
}

fn torn() -> End {
    End::Torn {
        at: "noon".to_owned(),
        uncounted: 3,
    }
}

fn spans(run: &Run) -> Vec<(f64, u64)> {
    let span = |p: &Interval| (p.seconds, p.counters.acknowledged);
    run.periods.iter().map(span).collect()
}

#[test]
fn a_torn_end_is_as_long_as_its_records_and_an_orderly_one_as_planned() {
    let mut fold = fold(60, 10);
    fold.add(&turnover(10, 60, &[(0, 100)]));
    fold.add(&turnover(20, 60, &[(0, 1), (1, 100)]));
    fold.add(&turnover(26, 60, &[(2, 60)]));
    let run = fold.result(testing::run(), &torn());
    assert_eq!(spans(&run), [(10.0, 101), (10.0, 100), (6.0, 60)]);
    assert_eq!(run.total.seconds, 26.0);
    let run = fold.result(testing::run(), &End::Orderly);
    assert_eq!(run.periods.len(), 6);
    assert_eq!(run.total.seconds, 60.0);
}

#[test]
fn what_comes_for_periods_that_are_finished_or_cut_off_is_still_counted() {
    let mut fold = fold(60, 10);
    fold.add(&turnover(40, 60, &[(0, 1), (1, 2), (2, 3), (3, 4)]));
    fold.add(&turnover(40, 60, &[(0, 10), (usize::MAX, 20)]));
    // Periods 0 to 2 are finished and stay, so what is beyond the cut has a period of its own.
    let mut cut = turnover(15, 15, &[(1, 40)]);
    cut.closed = true;
    fold.add(&cut);
    let run = fold.result(testing::run(), &End::Orderly);
    let counts: Vec<u64> = spans(&run).iter().map(|span| span.1).collect();
    assert_eq!(counts.iter().sum::<u64>(), 80, "{counts:?}");
    assert_eq!(counts[..2], [1, 2]);
    assert_eq!(run.total.counters.acknowledged, 80);
}

#[test]
fn a_torn_end_interrupts_a_run_that_had_not_failed_and_says_what_is_missing() {
    let fold = fold(60, 10);
    let run = fold.result(testing::run(), &torn());
    assert_eq!(run.status, Status::Interrupted);
    let reason = run.reason.unwrap();
    assert!(
        reason.contains("killed") && reason.ends_with("noon"),
        "{reason}"
    );
    let note = run.notes.last().unwrap();
    assert!(note.contains("3 s shown after it"), "{note}");
    assert!(!note.contains("in flight"), "{note}");
    let failed = Run {
        status: Status::Failed,
        reason: Some("no broker".to_owned()),
        ..testing::run()
    };
    let run = fold.result(failed, &torn());
    assert_eq!(run.status, Status::Failed);
    assert!(run.reason.unwrap().starts_with("no broker; the supervisor"));
}

#[test]
fn messages_in_flight_at_a_torn_end_are_unknown_so_that_the_books_balance() {
    let mut facts = testing::run();
    facts.ledger.sent += 60;
    facts.ledger.failed = 9;
    facts.ledger.unknown = 1;
    let run = fold(60, 10).result(facts.clone(), &torn());
    assert_eq!((run.ledger.failed, run.ledger.unknown), (9, 51));
    let note = run.notes.last().unwrap();
    assert!(note.contains("50 messages then in flight"), "{note}");
    let run = fold(60, 10).result(facts, &End::Orderly);
    assert_eq!(run.ledger.unknown, 1);
}
