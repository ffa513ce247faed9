//! What every driver has to do, whatever the system behind it. A system's own test file names its
//! driver in [`driver_suite!`] and so runs all of it, but for what is in [`exceptions`].

#![allow(
    unused_macros,
    unused_imports,
    reason = "only the tests of drivers name the suite"
)]

pub mod administer;
pub mod consume;
pub mod exceptions;
pub mod members;
pub mod produce;
pub mod site;

/// The suite as tests of the module it is named in: `driver_suite!("SYSTEM", expression of a driver);`
macro_rules! driver_suite {
    ($system:expr, $driver:expr) => {
        $crate::common::driver_suite::cases! { $system, $driver;
            produce: messages_lie_where_their_outcomes_say,
            produce: every_acknowledged_message_comes_once,
            produce: small_messages_carry_their_stamp_in_a_header,
            produce: empty_messages_carry_their_stamp_in_a_header,
            produce: a_key_always_goes_to_the_same_partition,
            produce: a_message_that_is_too_large_is_refused_with_its_reason,
            produce: what_is_abandoned_gets_its_outcome,
            produce: a_flood_of_outcomes_is_served_in_portions,
            produce: the_wake_descriptor_ends_a_producers_wait,
            consume: the_wake_descriptor_ends_a_consumers_wait,
            consume: a_paused_consumer_gets_nothing_and_stays_a_member,
            consume: a_consumer_paused_before_it_joined_gets_nothing,
            consume: a_group_starts_where_it_was_told_to,
            consume: every_group_gets_everything,
            consume: a_partition_is_read_in_its_order,
            consume: a_large_message_comes_whole,
            members: partitions_move_with_their_positions,
            members: who_goes_on_between_two_assignments_is_not_left_paused,
            members: two_members_share_a_group,
            members: who_leaves_is_continued_at_once,
            members: who_vanishes_is_continued_from_its_commits,
            administer: a_topic_that_exists_is_named,
            administer: a_topic_that_is_not_there_is_named,
            administer: the_largest_message_is_told,
            administer: what_is_deleted_is_gone,
            administer: topics_and_groups_that_exist_are_listed_and_others_are_not,
            administer: a_group_with_a_living_member_is_left_over,
            administer: a_survey_tells_who_uses_what,
            administer: a_survey_tells_how_far_groups_and_topics_are,
        }
    };
}

macro_rules! cases {
    ($system:expr, $driver:expr; $($room:ident: $case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                let system = $system;
                if !$crate::common::driver_suite::exceptions::excepted(system, stringify!($case)) {
                    $crate::common::driver_suite::$room::$case(&$driver);
                }
            }
        )*

        #[test]
        fn every_exception_is_one_from_a_case_of_the_suite() {
            let cases = [$(stringify!($case)),*];
            $crate::common::driver_suite::exceptions::assert_known($system, &cases);
        }
    };
}

pub(crate) use {cases, driver_suite};
