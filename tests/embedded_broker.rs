//! The embedded broker does for a Kafka client what it promises.

// A helper of a test may end it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/embedded.rs"]
mod embedded;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use embedded::{Embedded, PATIENCE, assigned, eventually, join_request};
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

#[test]
fn what_is_produced_is_consumed_whatever_the_compression() {
    let broker = Embedded::start();
    for codec in ["none", "gzip", "lz4", "zstd", "snappy"] {
        broker.create(codec, 1);
        let producer = broker.producer(&[("compression.type", codec), ("linger.ms", "20")]);
        for number in 0..1000 {
            producer.send(codec, 0, number, 300);
        }
        producer.finish();
        let consumer = broker.reader(codec, &[0]);
        for expected in 0..1000 {
            let (number, size) = consumer.next();
            assert_eq!((number, size), (expected, 300), "{codec}");
        }
    }
}

#[test]
fn an_idempotent_producer_loses_and_repeats_nothing() {
    let broker = Embedded::start();
    broker.create("once", 2);
    let producer = broker.producer(&[("enable.idempotence", "true"), ("linger.ms", "1")]);
    for number in 0..2000 {
        producer.send("once", i32::try_from(number % 2).unwrap(), number, 50);
    }
    producer.finish();
    let consumer = broker.reader("once", &[0, 1]);
    let seen: BTreeSet<u64> = (0..2000).map(|_| consumer.next().0).collect();
    assert_eq!(seen.len(), 2000);
    assert!(consumer.is_at_the_end());
}

#[test]
fn a_transactional_producer_is_told_that_there_are_none() {
    let broker = Embedded::start();
    let producer = broker.producer(&[("transactional.id", "t")]);
    let refused = producer.inner.init_transactions(PATIENCE).unwrap_err();
    let code = RDKafkaErrorCode::TransactionalIdAuthorizationFailed;
    assert_eq!(refused.rdkafka_error_code(), Some(code));
}

#[test]
fn topics_and_groups_are_created_listed_and_deleted() {
    let broker = Embedded::start();
    broker.create("one", 3);
    let again = NewTopic::new("one", 1, TopicReplication::Fixed(1));
    let bad = NewTopic::new("two", 1, TopicReplication::Fixed(3));
    let odd = NewTopic::new("three", 1, TopicReplication::Fixed(1)).set("no.such.key", "1");
    let options = AdminOptions::new();
    let made = broker.block_on(broker.admin().create_topics([&again, &bad, &odd], &options));
    let codes: Vec<_> = made
        .unwrap()
        .into_iter()
        .map(|one| one.unwrap_err().1)
        .collect();
    assert_eq!(codes[0], RDKafkaErrorCode::TopicAlreadyExists);
    assert_eq!(codes[1], RDKafkaErrorCode::InvalidReplicationFactor);
    assert_eq!(codes[2], RDKafkaErrorCode::InvalidConfig);

    let member = broker.member("g", &["one"], &[]);
    eventually("the member has its partitions", || {
        assigned(&[&member]) == [3]
    });
    let delete = || {
        broker
            .block_on(broker.admin().delete_groups(&["g", "h"], &options))
            .unwrap()
    };
    let refused: Vec<_> = delete().into_iter().map(|one| one.unwrap_err().1).collect();
    assert_eq!(
        refused,
        [
            RDKafkaErrorCode::NonEmptyGroup,
            RDKafkaErrorCode::GroupIdNotFound
        ]
    );
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset("one", 0, Offset::Offset(0))
        .unwrap();
    member.commit(&offsets, CommitMode::Sync).unwrap();
    assert_eq!(broker.groups(), ["g"]);
    drop(member);
    eventually("a group without members can be deleted", || {
        delete()[0].is_ok()
    });
    assert_eq!(broker.groups(), [""; 0]);

    assert_eq!(broker.topics(), BTreeMap::from([("one".to_owned(), 3)]));
    let deleted = broker.block_on(broker.admin().delete_topics(&["one", "none"], &options));
    let deleted = deleted.unwrap();
    assert!(deleted[0].is_ok());
    assert_eq!(
        deleted[1].as_ref().unwrap_err().1,
        RDKafkaErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(broker.topics(), BTreeMap::new());
}

#[test]
fn a_topic_that_is_not_there_is_not_created() {
    let broker = Embedded::start();
    let producer = broker.producer(&[("allow.auto.create.topics", "true")]);
    let metadata = producer
        .inner
        .client()
        .fetch_metadata(Some("absent"), PATIENCE)
        .unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 0);
    assert_eq!(broker.topics(), BTreeMap::new());
}

#[test]
fn settings_that_are_shown_are_true() {
    let broker = Embedded::start();
    let topic = NewTopic::new("small", 1, TopicReplication::Fixed(1))
        .set("max.message.bytes", "5000")
        .set("retention.ms", "1000");
    let options = AdminOptions::new();
    let made = broker
        .block_on(broker.admin().create_topics([&topic], &options))
        .unwrap();
    assert!(made[0].is_ok());
    let asked = [
        ResourceSpecifier::Topic("small"),
        ResourceSpecifier::Broker(1),
    ];
    let shown = broker
        .block_on(broker.admin().describe_configs(&asked, &options))
        .unwrap();
    let value = |at: usize, key: &str| {
        let entry = shown[at].as_ref().unwrap().get(key);
        entry.and_then(|entry| entry.value.clone())
    };
    assert_eq!(value(0, "max.message.bytes").as_deref(), Some("5000"));
    assert_eq!(value(0, "retention.ms").as_deref(), Some("-1"));
    assert_eq!(value(1, "message.max.bytes").as_deref(), Some("1048588"));
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let broker = Embedded::start();
    let topic =
        NewTopic::new("small", 1, TopicReplication::Fixed(1)).set("max.message.bytes", "5000");
    let options = AdminOptions::new();
    let made = broker
        .block_on(broker.admin().create_topics([&topic], &options))
        .unwrap();
    assert!(made[0].is_ok());
    let producer = broker.producer(&[("acks", "all")]);
    producer.send("small", 0, 0, 6000);
    producer.inner.flush(PATIENCE).unwrap();
    let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
    assert_eq!(producer.failures(), [error]);
    producer.send("small", 0, 1, 4000);
    producer.inner.flush(PATIENCE).unwrap();
    assert_eq!(producer.failures().len(), 1);
}

#[test]
fn offsets_are_found_by_time_and_cut_off_records_are_gone() {
    let broker = Embedded::start();
    broker.create("timed", 1);
    let producer = broker.producer(&[("linger.ms", "0")]);
    for number in 0..5_u64 {
        let time = i64::try_from(1000 + number * 1000).unwrap();
        let payload = number.to_be_bytes();
        let record = BaseRecord::<(), _>::to("timed")
            .partition(0)
            .timestamp(time)
            .payload(&payload);
        producer.inner.send(record).unwrap();
        producer.inner.flush(PATIENCE).unwrap();
    }
    let consumer = broker.reader("timed", &[0]);
    let mut asked = TopicPartitionList::new();
    asked
        .add_partition_offset("timed", 0, Offset::Offset(3500))
        .unwrap();
    let found = consumer.inner.offsets_for_times(asked, PATIENCE).unwrap();
    assert_eq!(
        found.find_partition("timed", 0).unwrap().offset(),
        Offset::Offset(3)
    );

    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset("timed", 0, Offset::Offset(2))
        .unwrap();
    broker
        .block_on(broker.admin().delete_records(&cut, &AdminOptions::new()))
        .unwrap();
    let range = consumer
        .inner
        .fetch_watermarks("timed", 0, PATIENCE)
        .unwrap();
    assert_eq!(range, (2, 5));
    let late = broker.reader("timed", &[0]);
    assert_eq!(late.next().0, 2);
}

#[test]
fn a_malformed_request_ends_its_connection_and_no_other() {
    let broker = Embedded::start();
    broker.create("sane", 1);
    let producer = broker.producer(&[]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut frames: Vec<Vec<u8>> = vec![
        i32::MAX.to_be_bytes().to_vec(),
        (-1_i32).to_be_bytes().to_vec(),
        0_i32.to_be_bytes().to_vec(),
    ];
    for key in [0, 1, 3, 8, 11, 19, 32, 99, -1_i16] {
        for version in 0..10_i16 {
            let junk: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            let head = [
                &key.to_be_bytes()[..],
                &version.to_be_bytes(),
                b"\0\0\0\x01\xff\xff",
            ];
            // A length in the billions follows, whatever is expected there.
            let body = [
                &head.concat()[..],
                b"\x7f\xff\xff\xff\x7f\xff\xff\xff",
                &junk,
            ]
            .concat();
            frames.push([&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat());
        }
    }
    for frame in &frames {
        let mut stream = broker.connect();
        stream.write_all(frame).unwrap();
        let mut answer = Vec::new();
        // Closed, perhaps after an answer: a reset is as good as an end.
        if let Err(error) = stream.read_to_end(&mut answer) {
            let kind = error.kind();
            assert_eq!(
                kind,
                std::io::ErrorKind::ConnectionReset,
                "not closed after {frame:?}"
            );
        }
    }
    for cut in 1..20 {
        let whole = join_request("g", "sane");
        broker.connect().write_all(&whole[..cut]).unwrap();
    }
    producer.send("sane", 0, 5, 10);
    producer.finish();
    assert_eq!(broker.reader("sane", &[0]).next().0, 5);
}

#[test]
fn a_message_is_there_at_once() {
    let broker = Embedded::start();
    broker.create("quick", 1);
    let producer = broker.producer(&[("linger.ms", "0")]);
    let consumer = broker.reader("quick", &[0]);
    assert!(consumer.is_at_the_end());
    let mut times: Vec<Duration> = (0..50)
        .map(|number| {
            let start = Instant::now();
            producer.send("quick", 0, number, 100);
            assert_eq!(consumer.next().0, number);
            start.elapsed()
        })
        .collect();
    times.sort();
    // An answer that waited for its patience to end would take 500 ms.
    assert!(times[25] < Duration::from_millis(50), "{times:?}");
}

#[test]
fn an_unfinished_connection_holds_nothing_up() {
    let broker = Embedded::start();
    let _silent: TcpStream = broker.connect();
    let mut half = broker.connect();
    half.write_all(&100_i32.to_be_bytes()).unwrap();
    assert_eq!(broker.stop(), Vec::<String>::new());
}
