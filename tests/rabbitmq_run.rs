//! Runs against a real RabbitMQ, with each of its kinds of queues.

#[macro_use]
mod common;

mod classic {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::RabbitMq("CLASSIC");

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

mod quorum {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::RabbitMq("QUORUM");

    on! { BROKER =>
        every_subscription_gets_every_small_message,
        sigterm_stops_a_run_in_good_order,
    }

    on! { BROKER, recoveries =>
        faults_kill_and_the_books_stay_exact,
    }
}

mod stream {
    use super::common::{self, Broker};

    const BROKER: Broker = Broker::RabbitMq("STREAM");

    on! { BROKER =>
        a_run_keeps_its_rate_and_its_books,
        every_subscription_gets_every_small_message,
    }

    on! { BROKER, recoveries =>
        faults_kill_and_the_books_stay_exact,
    }
}
