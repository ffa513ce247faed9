//! Runs against a real Pulsar, with each kind of subscription.

#[macro_use]
mod common;

mod failover {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::Pulsar(&[]);

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

mod one_by_one {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::Pulsar(&["producer.batchingEnabled=false"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
        sigterm_stops_a_run_in_good_order,
    }

    on! { BROKER, recoveries =>
        faults_kill_and_the_books_stay_exact,
    }
}

mod shared {
    use super::common::scenarios::{assert_balanced, assert_nothing_left, over_subscriptions};
    use super::common::{self, Broker, Run, count};

    const BROKER: Broker = Broker::Pulsar(&["consumer.subscriptionType=Shared"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
        every_subscription_gets_every_small_message,
    }

    /// What a member had in its hands when it died goes to others, behind what they have had.
    #[test]
    fn killed_consumers_cost_nothing_but_the_order() {
        let changes = [("testDuration", "8s"), ("faults", "kill consumer every 3s")];
        let mut run = Run::start(&BROKER, &changes, &[]);
        run.finish_with(0);
        let result = run.result();
        assert_balanced(&result);
        let ledger = &result["omb"]["ledger"];
        let received = over_subscriptions(&result, "received");
        assert_eq!(received, count(&ledger["acknowledged"]), "{ledger}");
        for class in ["lost", "unread", "duplicates", "late", "foreign"] {
            assert_eq!(over_subscriptions(&result, class), 0, "{class}: {ledger}");
        }
        assert!(over_subscriptions(&result, "reordered") > 0, "{ledger}");
        assert_eq!(result["omb"]["restarts"], 2);
        assert_nothing_left(&run, &BROKER);
    }
}

mod key_shared {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::Pulsar(&["consumer.subscriptionType=Key_Shared"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
    }
}

mod not_written {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::Pulsar(&["client.topicType=non_persistent"]);

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
    }
}
