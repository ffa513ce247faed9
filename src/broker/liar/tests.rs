use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::*;
use crate::client::stamp::{self, Run, Stamp};
use crate::clock::Instant;
use crate::config::testing::workload;
use crate::plan::{self, RunId};
use crate::stats::delta::LoadPhase;

const TOPIC: &str = "test-topic-0-00c0ffee";

fn liar(faults: &[&str]) -> Liar {
    let faults: Vec<Fault> = faults.iter().map(|text| text.parse().unwrap()).collect();
    Liar::new(&faults).unwrap()
}

fn record(producer: u32, sequence: u64, kind: stamp::Kind) -> Record {
    let run = Run {
        id: 0xc0ffee,
        epoch: Instant(7),
    };
    let stamp = Stamp {
        stream: StreamId {
            producer,
            incarnation: 0,
        },
        sequence,
        due: Instant(100),
        sent: Instant(200),
        kind,
    };
    let mut bytes = [0; stamp::LEN];
    stamp.write(&run, &mut bytes);
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: 5,
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: 1_000 + sequence as i64,
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::copy_from_slice(&bytes)),
        headers: Default::default(),
    }
}

fn load(sequence: u64) -> Record {
    record(0, sequence, stamp::Kind::Load(LoadPhase::Measure))
}

fn packed(mut records: Vec<Record>, compression: Compression) -> Bytes {
    for (at, record) in (0..).zip(&mut records) {
        record.offset = at;
        record.sequence = 40 + at as i32;
    }
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}

/// A batch of load messages with these sequence numbers.
fn batch(sequences: &[u64]) -> Bytes {
    let records = sequences.iter().map(|sequence| load(*sequence)).collect();
    packed(records, Compression::None)
}

/// The sequence numbers of what is stored, `None` for an offset that stays empty. What is stored
/// has to be sound, and nobody's.
fn stored(pieces: &[Piece]) -> Vec<Option<u64>> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Gap(offsets) => all.extend((0..*offsets).map(|_| None)),
            Piece::Batch(batch, bytes) => {
                assert_eq!(batch.sequence, None);
                let records = RecordBatchDecoder::decode(&mut bytes.clone())
                    .unwrap()
                    .records;
                let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
                let expected: Vec<i64> = (0..i64::from(batch.records)).collect();
                assert_eq!(offsets, expected);
                all.extend(records.iter().map(|record| {
                    assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
                    Some(record.timestamp as u64 - 1_000)
                }));
            }
        }
    }
    all
}

/// What is stored of these batches; `None` for one that is stored as it came.
fn all_stored(liar: &Liar, batches: &[&[u64]]) -> Vec<Option<Vec<Option<u64>>>> {
    let plans = batches
        .iter()
        .map(|sequences| liar.plan(TOPIC, 3, &batch(sequences)).unwrap());
    plans
        .map(|plan| plan.instead.map(|pieces| stored(&pieces)))
        .collect()
}

#[test]
fn dropped_messages_leave_their_offsets_empty_or_to_the_next() {
    let batches: [&[u64]; 3] = [&[0], &[1, 2, 3, 4], &[5, 6]];
    let empty = all_stored(&liar(&["drop:at=3,count=2"]), &batches);
    let expected = vec![Some(1), None, None, Some(4)];
    assert_eq!(empty, [None, Some(expected), None]);
    let reused = all_stored(&liar(&["drop:at=3,count=2,offset=reused"]), &batches);
    assert_eq!(reused, [None, Some(vec![Some(1), Some(4)]), None]);
    let whole = all_stored(&liar(&["drop:at=1,offset=reused"]), &batches);
    assert_eq!(whole, [Some(Vec::new()), None, None]);
}

#[test]
fn doubled_messages_come_twice_in_a_row() {
    let doubled = all_stored(&liar(&["double:at=2,count=2"]), &[&[0, 1], &[2, 3]]);
    let first = vec![Some(0), Some(1), Some(1)];
    let second = vec![Some(2), Some(2), Some(3)];
    assert_eq!(doubled, [Some(first), Some(second)]);
}

#[test]
fn swapped_messages_change_places_within_a_batch_and_across() {
    let batches: [&[u64]; 3] = [&[0, 1, 2], &[3, 4], &[5]];
    let within = all_stored(&liar(&["swap:at=1"]), &batches);
    assert_eq!(within, [Some(vec![Some(1), Some(0), Some(2)]), None, None]);
    let across = all_stored(&liar(&["swap:at=3,count=2"]), &batches);
    let expected = [
        Some(vec![Some(0), Some(1)]),
        Some(vec![Some(3), Some(2)]),
        Some(vec![Some(5), Some(4)]),
    ];
    assert_eq!(across, expected);
}

#[test]
fn a_message_changes_places_with_one_of_its_own_producer_and_partition_only() {
    let liar = liar(&["swap:at=1"]);
    let kind = stamp::Kind::Load(LoadPhase::WarmUp);
    let others = packed(vec![record(9, 70, kind)], Compression::None);
    let held = liar.plan(TOPIC, 0, &batch(&[0])).unwrap();
    assert_eq!(held.instead, Some(Vec::new()));
    assert_eq!(liar.plan(TOPIC, 0, &others).unwrap().instead, None);
    assert_eq!(liar.plan(TOPIC, 1, &batch(&[1])).unwrap().instead, None);
    assert!(liar.rest()[0].contains("are lost"), "{:?}", liar.rest());
    let next = liar.plan(TOPIC, 0, &batch(&[2])).unwrap();
    assert_eq!(stored(&next.instead.unwrap()), [Some(2), Some(0)]);
    assert_eq!(liar.rest(), Vec::<String>::new());
}

#[test]
fn batches_are_hit_from_the_one_with_the_message_on() {
    let liar = liar(&[
        "stall:at=2,for=3s",
        "delay:at=3,for=2s,count=2",
        "error:at=4,code=6",
        "error:at=4,code=20",
        "drop:at=4",
    ]);
    let plan = || liar.plan(TOPIC, 0, &batch(&[0, 1])).unwrap();
    let (first, second, third, fourth) = (plan(), plan(), plan(), plan());
    let seconds = Duration::from_secs;
    assert_eq!((first.stall, first.delay), (seconds(3), seconds(0)));
    assert_eq!((second.stall, second.delay), (seconds(0), seconds(2)));
    assert_eq!(second.refused, Some(ResponseError::NotLeaderOrFollower));
    assert_eq!((second.denied, second.instead), (None, None));
    // The one that is sent again: what it stores is not what it says.
    let late = Some(ResponseError::NotEnoughReplicasAfterAppend);
    assert_eq!((third.refused, third.denied), (None, late));
    assert_eq!(third.delay, seconds(2));
    assert_eq!(stored(&third.instead.unwrap()), [None, Some(1)]);
    assert_eq!(fourth, Plan::default());
}

#[test]
fn it_is_told_when_all_is_planted_and_what_is_not() {
    let liar = liar(&["drop:at=2,count=2", "double:at=9", "drop:at=1,topic=1"]);
    assert_eq!(liar.plan(TOPIC, 0, &batch(&[0, 1])).unwrap().told, [""; 0]);
    let told = liar.plan(TOPIC, 0, &batch(&[2])).unwrap().told;
    assert_eq!(told, [format!("planted in {TOPIC}: drop:at=2,count=2")]);
    let rest = liar.rest();
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(rest[0].ends_with("double:at=9"), "{rest:?}");
    assert!(rest[1].ends_with("drop:at=1,topic=1"), "{rest:?}");
}

#[test]
fn only_load_counts_and_only_in_topics_of_runs() {
    let liar = liar(&["drop:at=1,topic=0"]);
    for name in [
        "orders",
        "test-topic-0",
        "test-topic-x-00c0ffee",
        "test-topic-1-00c0ffee",
    ] {
        assert_eq!(
            liar.plan(name, 0, &batch(&[0])).unwrap(),
            Plan::default(),
            "{name}"
        );
    }
    let probe = packed(vec![record(0, 0, stamp::Kind::Probe)], Compression::None);
    assert_eq!(liar.plan(TOPIC, 0, &probe).unwrap(), Plan::default());
    let mut small = load(0);
    let stamp = small.value.replace(Bytes::from_static(b"few"));
    small
        .headers
        .insert(StrBytes::from_static_str("stamp"), stamp);
    let small = liar.plan(TOPIC, 0, &packed(vec![small], Compression::None));
    assert_eq!(small.unwrap().instead, Some(vec![Piece::Gap(1)]));
}

#[test]
fn the_names_that_runs_give_are_known() {
    let mut workload = workload();
    workload.topics = 12;
    let plan = plan::Plan::new(&workload, RunId::random(), None, 2);
    let numbers = plan.topics.iter().map(|topic| number_of(&topic.name));
    assert!(numbers.eq((0..12).map(Some)));
}

#[test]
fn compressed_batches_are_changed_too_or_refused() {
    let liar = liar(&["drop:at=2"]);
    let records = || vec![load(0), load(1), load(2)];
    let plan = liar
        .plan(TOPIC, 0, &packed(records(), Compression::Zstd))
        .unwrap();
    let pieces = plan.instead.unwrap();
    assert_eq!(stored(&pieces), [Some(0), None, Some(2)]);
    assert!(matches!(&pieces[0], Piece::Batch(_, bytes) if bytes[22] == 4));
    let mut other = packed(records(), Compression::None).to_vec();
    other[22] = 1;
    let refused = liar.plan(TOPIC, 0, &Bytes::from(other));
    assert_eq!(refused, Err(ResponseError::UnsupportedCompressionType));
}

#[test]
fn every_group_is_sent_back_once_in_each_partition() {
    let liar = liar(&["rewind:at=2,by=70"]);
    let committed = |group, partition| liar.committed(TOPIC, partition, group, 100);
    liar.plan(TOPIC, 0, &batch(&[0])).unwrap();
    assert!(!liar.calls_back(TOPIC, "a"));
    assert_eq!(committed("a", 0), 100);
    assert_eq!(liar.plan(TOPIC, 0, &batch(&[1])).unwrap().instead, None);
    assert_eq!(liar.rest().len(), 1, "nobody has gone back yet");
    assert!(liar.calls_back(TOPIC, "a") && liar.calls_back(TOPIC, "b"));
    assert!(!liar.calls_back("test-topic-1-00c0ffee", "a"));
    assert_eq!(
        [committed("a", 0), committed("a", 0), committed("a", 1)],
        [30, 100, 30]
    );
    assert!(!liar.calls_back(TOPIC, "a") && liar.calls_back(TOPIC, "b"));
    assert_eq!(liar.committed(TOPIC, 0, "b", 50), 0);
    assert_eq!(liar.rest(), Vec::<String>::new());
}
