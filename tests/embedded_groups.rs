//! Groups of the embedded broker share, remember, and miss who is gone.

// A helper of a test may end it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/embedded.rs"]
mod embedded;

use std::io::Write;
use std::time::{Duration, Instant};

use embedded::{Embedded, PATIENCE, assigned, eventually, join_request, wait};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

#[test]
fn two_members_share_the_partitions_and_a_departed_ones_move() {
    for strategy in ["range", "cooperative-sticky"] {
        let broker = Embedded::start();
        broker.create("shared", 4);
        let settings = [
            ("partition.assignment.strategy", strategy),
            ("heartbeat.interval.ms", "100"),
        ];
        let first = broker.member("g", &["shared"], &settings);
        eventually("one member has all", || assigned(&[&first]) == [4]);
        let second = broker.member("g", &["shared"], &settings);
        eventually("two members have half each", || {
            assigned(&[&first, &second]) == [2, 2]
        });
        drop(second);
        eventually("the other half moves", || assigned(&[&first]) == [4]);
    }
}

#[test]
fn a_member_that_dies_is_missed_after_its_session() {
    let broker = Embedded::start();
    broker.create("shared", 2);
    let settings = [
        ("session.timeout.ms", "1000"),
        ("heartbeat.interval.ms", "100"),
    ];
    let first = broker.member("g", &["shared"], &settings);
    // This one joins, and isn't heard of again.
    let mut dead = broker.connect();
    eventually("one member has all", || assigned(&[&first]) == [2]);
    dead.write_all(&join_request("g", "shared")).unwrap();
    eventually("a generation begins without the one that died", || {
        let groups = first
            .client()
            .fetch_group_list(Some("g"), PATIENCE)
            .unwrap();
        let group = groups.groups().first().map(|group| group.members().len());
        assigned(&[&first]) == [2] && group == Some(1)
    });
}

#[test]
fn members_that_come_together_need_one_generation() {
    let broker = Embedded::start();
    broker.create("shared", 8);
    let members: Vec<_> = (0..4)
        .map(|_| broker.member("g", &["shared"], &[]))
        .collect();
    let members: Vec<_> = members.iter().collect();
    let start = Instant::now();
    eventually("all have their share", || {
        assigned(&members) == [2, 2, 2, 2]
    });
    // With a second generation, they would have had to wait for a heartbeat, which is 3 s.
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn committed_offsets_survive_a_rejoin() {
    let broker = Embedded::start();
    broker.create("kept", 1);
    let producer = broker.producer(&[]);
    (0..10).for_each(|number| producer.send("kept", 0, number, 10));
    producer.finish();
    let first = broker.member("g", &["kept"], &[]);
    for expected in 0..4 {
        assert_eq!(wait(&first).0, expected);
    }
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset("kept", 0, Offset::Offset(4))
        .unwrap();
    first.commit(&offsets, CommitMode::Sync).unwrap();
    drop(first);
    let second = broker.member("g", &["kept"], &[]);
    assert_eq!(wait(&second).0, 4);
    let committed = second.committed(PATIENCE).unwrap();
    assert_eq!(
        committed.find_partition("kept", 0).unwrap().offset(),
        Offset::Offset(4)
    );
}
