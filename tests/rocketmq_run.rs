//! Runs against a real RocketMQ, with batches and without.

#[macro_use]
mod common;

mod ordered {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::RocketMq(&["ordered=true"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
        every_subscription_gets_every_small_message,
        a_backlog_is_built_and_drained,
        a_killed_consumer_comes_back,
        a_killed_producer_ends_the_run,
        sigint_stops_a_run_in_good_order,
        a_second_signal_ends_a_run_at_once,
        a_killed_supervisor_leaves_nothing,
    }

    on! { BROKER, recoveries =>
        faults_kill_and_the_books_stay_exact,
        a_paused_run_goes_on_and_marks_the_pause,
        a_child_that_hangs_is_ended_and_comes_back,
    }
}

mod in_batches {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::RocketMq(&["autoBatch=true", "batchCQ=true", "ordered=true"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
        every_subscription_gets_every_small_message,
        sigterm_stops_a_run_in_good_order,
    }

    on! { BROKER, recoveries =>
        faults_kill_and_the_books_stay_exact,
    }
}

mod side_by_side {
    use super::common::scenarios::{assert_balanced, assert_nothing_left, over_subscriptions};
    use super::common::{Broker, Run, count};

    const BROKER: Broker = Broker::RocketMq(&[]);

    /// What is under way at the same time is stored in any order, and that is all there is to it; also where
    /// consumers are killed.
    #[test]
    fn flat_out_costs_nothing_but_the_order() {
        let changes = [
            ("testDuration", "6s"),
            ("producerRate", "10000000"),
            ("faults", "kill consumer every 2s"),
        ];
        let mut run = Run::start(&BROKER, &changes, &[]);
        run.finish_with(0);
        let result = run.result();
        assert_balanced(&result);
        let ledger = &result["omb"]["ledger"];
        let acknowledged = count(&ledger["acknowledged"]);
        assert_eq!(
            over_subscriptions(&result, "received"),
            acknowledged,
            "{ledger}"
        );
        for class in ["lost", "unread", "duplicates", "late", "foreign"] {
            assert_eq!(over_subscriptions(&result, class), 0, "{class}: {ledger}");
        }
        assert!(acknowledged > 10_000, "{ledger}");
        assert_nothing_left(&run, &BROKER);
    }
}
