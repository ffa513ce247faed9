//! Runs against a real Kafka.

#[macro_use]
mod common;

use common::{Broker, kafka};

const BROKER: Broker = Broker::Kafka;

on! { BROKER =>
    a_run_keeps_its_rate_and_its_books,
    every_subscription_gets_every_small_message,
    a_backlog_is_built_and_drained,
    a_killed_consumer_comes_back,
    a_consumer_that_keeps_dying_ends_the_run,
    a_killed_producer_ends_the_run,
    sigint_stops_a_run_in_good_order,
    sigterm_stops_a_run_in_good_order,
    a_signal_in_the_warm_up_leaves_a_valid_result,
    a_second_signal_ends_a_run_at_once,
    a_killed_supervisor_leaves_nothing,
}

#[test]
fn the_books_are_those_of_the_broker() {
    let mut run = common::Run::start(&BROKER, &[], &["--keep-topics"]);
    run.finish_with(0);
    let result = run.result();
    let id = run.id();
    let kept = kafka::names(&id);
    assert_eq!(kept.len(), 2, "two topics and no groups: {kept:?}");
    let at_broker: u64 = kept.iter().map(|topic| kafka::messages(topic)).sum();
    let acknowledged = result["omb"]["ledger"]["acknowledged"].as_u64().unwrap();
    let probes = at_broker - acknowledged;
    // Each of the two producers sends one, and another for each second it waits.
    assert!(
        (2..20).contains(&probes),
        "{at_broker} at the broker, {acknowledged} acknowledged"
    );
    kafka::delete_topics(&kept.iter().map(String::as_str).collect::<Vec<_>>());
    run.assert_nothing_left();
}
