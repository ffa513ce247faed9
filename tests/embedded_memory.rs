//! The embedded broker's memory is full sooner or later: nothing is lost in silence.

// A helper of a test may end it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/embedded.rs"]
mod embedded;

use embedded::{Embedded, PATIENCE, assigned, eventually, wait};
use omb::broker::Options;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

const MIB: u64 = 1 << 20;

#[test]
fn a_slow_consumer_slows_the_producer_and_nothing_is_lost() {
    let broker = Embedded::with(Options {
        memory: 8 * MIB,
        ..Options::default()
    });
    broker.create("tight", 2);
    let consumer = broker.member("g", &["tight"], &[("fetch.message.max.bytes", "100000")]);
    eventually("the member has its partitions", || {
        assigned(&[&consumer]) == [2]
    });
    // 64 MiB, eight times what fits.
    let (count, size) = (65_536, 1024);
    let address = broker.address();
    let producing = std::thread::spawn(move || {
        let producer = Embedded::producer_at(address, &[("linger.ms", "5")]);
        for number in 0..count {
            producer.send("tight", i32::try_from(number % 2).unwrap(), number, size);
        }
        producer.finish();
    });
    assert!(broker.notice().contains("producers wait"));
    assert!(!producing.is_finished(), "64 MiB went into 8 MiB");
    let mut next = [0, 1];
    for read in 1..=count {
        let (number, length) = wait(&consumer);
        let partition = usize::try_from(number % 2).unwrap();
        assert_eq!((number, length), (next[partition], size));
        next[partition] += 2;
        if read % 1000 == 0 {
            consumer.commit_consumer_state(CommitMode::Async).unwrap();
        }
    }
    producing.join().unwrap();
}

#[test]
fn what_nobody_reads_is_dropped_and_said() {
    let broker = Embedded::with(Options {
        memory: 8 * MIB,
        ..Options::default()
    });
    broker.create("ignored", 1);
    let producer = broker.producer(&[("linger.ms", "5")]);
    let count = 16_384;
    for number in 0..count {
        producer.send("ignored", 0, number, 1024);
    }
    producer.finish();
    let reader = broker.reader("ignored", &[0]);
    let (start, end) = reader
        .inner
        .fetch_watermarks("ignored", 0, PATIENCE)
        .unwrap();
    assert_eq!(end, i64::try_from(count).unwrap());
    assert!(start > 0, "16 MiB fit in 8 MiB");
    // Who asks for what is gone is told so, and begins where something is.
    assert_eq!(i64::try_from(reader.next().0).unwrap(), start);
    let notices = broker.stop();
    let said: i64 = notices.iter().map(|notice| dropped(notice)).sum();
    assert_eq!(said, start, "{notices:#?}");
}

/// How many messages of partition 0 a notice says were dropped.
fn dropped(notice: &str) -> i64 {
    assert!(notice.contains("topic ignored"), "{notice}");
    let (before, _) = notice.split_once(" of partition 0").unwrap();
    before.rsplit_once('(').unwrap().1.parse().unwrap()
}

#[test]
fn data_of_a_group_that_died_is_kept() {
    let broker = Embedded::with(Options {
        memory: 8 * MIB,
        ..Options::default()
    });
    broker.create("held", 1);
    let producer = broker.producer(&[("linger.ms", "5")]);
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset("held", 0, Offset::Offset(0))
        .unwrap();
    let member = broker.member("g", &["held"], &[]);
    eventually("the member has its partition", || {
        assigned(&[&member]) == [1]
    });
    member.commit(&offsets, CommitMode::Sync).unwrap();
    drop(member);
    (0..10_000).for_each(|number| producer.send("held", 0, number, 1024));
    assert!(broker.notice().contains("group g has"));
    let member = broker.member("g", &["held"], &[]);
    for expected in 0..10_000 {
        assert_eq!(wait(&member).0, expected);
        if expected % 1000 == 999 {
            member.commit_consumer_state(CommitMode::Async).unwrap();
        }
    }
    producer.finish();
}
