//! Deaths, hangs, pauses and faults, against the embedded broker.

#[macro_use]
mod common;

use common::Broker;

const BROKER: Broker = Broker::Embedded;

on! { BROKER, recoveries =>
    faults_kill_and_the_books_stay_exact,
    a_paused_run_goes_on_and_marks_the_pause,
    a_child_that_hangs_is_ended_and_comes_back,
    sigusr1_shows_how_things_are,
}
