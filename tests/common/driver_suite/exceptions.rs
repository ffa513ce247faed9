//! What a system cannot do, and why: these cases of the suite are not run on it, and the report says so.

use std::io::Write;

/// System, case, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "Pulsar",
        "a_message_that_is_too_large_is_refused_with_its_reason",
        "the limit is 5 MiB, and a test of its own holds the driver to it",
    ),
    (
        "Pulsar",
        "partitions_move_with_their_positions",
        "every member is subscribed to all partitions, and the broker tells none which of them it reads",
    ),
    (
        "Pulsar",
        "who_goes_on_between_two_assignments_is_not_left_paused",
        "every member is subscribed to all partitions: nothing is assigned anew when one joins",
    ),
    (
        "Pulsar",
        "a_survey_tells_how_far_groups_and_topics_are",
        "subscriptions have no offsets that could be set, and are known before anybody has read",
    ),
    (
        "Pulsar shared",
        "messages_lie_where_their_outcomes_say",
        "members read a partition at the same time, so nobody reads past a place and none is told",
    ),
    (
        "Pulsar shared",
        "a_partition_is_read_in_its_order",
        "a shared subscription promises no order",
    ),
    (
        "RabbitMQ",
        "messages_lie_where_their_outcomes_say",
        "neither a confirm nor a delivery of AMQP names a place; who sends learns that it was stored",
    ),
    (
        "RabbitMQ",
        "a_key_always_goes_to_the_same_partition",
        "an exchange has no partitions; a key is a routing key, which a fanout exchange ignores",
    ),
    (
        "RabbitMQ",
        "a_message_that_is_too_large_is_refused_with_its_reason",
        "the limit is 128 MiB, and the broker ends the channel over it",
    ),
    (
        "RabbitMQ",
        "partitions_move_with_their_positions",
        "members share a queue: nobody owns a part of it",
    ),
    (
        "RabbitMQ",
        "who_goes_on_between_two_assignments_is_not_left_paused",
        "members share a queue: nothing is assigned anew when one joins",
    ),
    (
        "RabbitMQ",
        "the_largest_message_is_told",
        "the broker tells no client what it takes",
    ),
    (
        "RabbitMQ",
        "a_survey_tells_how_far_groups_and_topics_are",
        "queues have no offsets, and what was published is counted every 5 s only",
    ),
    (
        "RabbitMQ streams",
        "who_leaves_is_continued_at_once",
        "AMQP 0-9-1 keeps no position in a stream: every consumer begins at its beginning",
    ),
    (
        "RabbitMQ streams",
        "who_vanishes_is_continued_from_its_commits",
        "AMQP 0-9-1 keeps no position in a stream: every consumer begins at its beginning",
    ),
    (
        "RabbitMQ streams",
        "a_group_starts_where_it_was_told_to",
        "a stream is read from its beginning; the one of a new group is empty",
    ),
    (
        "RabbitMQ streams",
        "a_group_with_a_living_member_is_left_over",
        "a stream tells nobody over AMQP 0-9-1 who reads it",
    ),
    (
        "RabbitMQ streams",
        "a_survey_tells_who_uses_what",
        "a stream's consumers are counted by the management plugin alone, every 5 s",
    ),
    (
        "RabbitMQ streams",
        "two_members_share_a_group",
        "every consumer of a stream reads all of it, so omb allows one for each subscription",
    ),
    (
        "RocketMQ",
        "empty_messages_carry_their_stamp_in_a_header",
        "the broker takes no message without a body",
    ),
    (
        "RocketMQ",
        "partitions_move_with_their_positions",
        "brokers only list members: for a moment two may read a queue, and some messages come to both",
    ),
    (
        "RocketMQ",
        "who_goes_on_between_two_assignments_is_not_left_paused",
        "members give up only what another one takes over: nobody is ever without any queue in between",
    ),
    (
        "RocketMQ",
        "a_survey_tells_how_far_groups_and_topics_are",
        "groups are known before anybody has read, and the cluster has no id",
    ),
    (
        "RocketMQ unordered",
        "a_partition_is_read_in_its_order",
        "the broker stores what is under way at the same time in any order",
    ),
];

/// Rows of a system; a kind of it has those of the system, too.
fn rows(system: &str) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    EXCEPTIONS
        .iter()
        .filter(move |(of, ..)| system.starts_with(of))
}

/// Whether a case is not run on a system. Says so, past what captures a test's output.
pub fn excepted(system: &str, case: &str) -> bool {
    let Some((_, _, reason)) = rows(system).find(|(_, name, _)| *name == case) else {
        return false;
    };
    let line = format!("not on {system}: {case}: {reason}\n");
    // A report that nobody reads is no reason to fail.
    let _ = std::io::stderr().write_all(line.as_bytes());
    true
}

/// Fails if a row of this system names no case.
pub fn assert_known(system: &str, cases: &[&str]) {
    let unknown = rows(system).find(|(_, case, _)| !cases.contains(case));
    assert_eq!(unknown, None);
}
