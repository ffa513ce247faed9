//! Journals and `omb clean`, against a real RocketMQ.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/journals.rs"]
mod journals;
#[path = "common/journal_scenarios.rs"]
mod scenarios;

use common::rocketmq;

macro_rules! on_rocketmq {
    ($($scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                scenarios::$scenario(&rocketmq::address());
            }
        )*
    };
}

on_rocketmq! {
    the_next_run_removes_what_a_killed_one_left,
    a_live_run_is_not_touched,
    what_nobody_uses_goes_by_its_prefix,
    a_killed_steward_has_a_successor,
}
