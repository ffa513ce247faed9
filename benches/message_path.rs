//! What omb's own part of the message path costs: per message in a client's thread, and per report
//! between a child and the supervisor. The messaging system's client library is not in it.
//!
//! `cargo bench --bench message_path`; the items of the throughput column are messages.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use omb::client::consume::books::ConsumerBooks;
use omb::client::cutter::Cutter;
use omb::client::pacing::Pace;
use omb::client::payload::Payloads;
use omb::client::produce::books::ProducerBooks;
use omb::client::report::FromClient;
use omb::client::stamp::{Kind, LEN, Run, Stamp};
use omb::clock::Instant;
use omb::config::Payload;
use omb::driver::{Incoming, Numbered, Outcome, Partition};
use omb::page;
use omb::schedule::Segment;
use omb::stats::delta::{Grid, LoadPhase, Slot, SlotDelta, StreamId};
use omb::stats::histogram::Histogram;
use omb::stats::ledger::Ledger;
use omb::stats::recorder::Recorder;
use omb::wire::{ConsumerClient, FromChild, ProducerClient, Topic, read_frame, write_frame};

/// Messages of one round: about as many as a busy client has between two reports.
const MESSAGES: u64 = 20_000;
const PARTITIONS: u32 = 16;
const GAP: u64 = 10_000;
/// It began a second ago, so that latencies are in range.
static RUN: LazyLock<Run> = LazyLock::new(|| Run {
    id: 0x00b5_0001,
    epoch: Instant(Instant::now().0 - 1_000_000_000),
});
const STREAM: StreamId = StreamId {
    producer: 0,
    incarnation: 0,
};

fn main() {
    divan::main();
}

fn stamp(sequence: u64) -> Stamp {
    let due = Instant(RUN.epoch.0 + sequence * GAP);
    Stamp {
        stream: STREAM,
        sequence,
        due,
        sent: Instant(due.0 + sequence % 977),
        kind: Kind::Load(LoadPhase::Measure),
    }
}

/// The stamps of one round's messages.
fn stamps() -> Vec<[u8; LEN]> {
    let written = |sequence| {
        let mut bytes = [0; LEN];
        stamp(sequence).write(&RUN, &mut bytes);
        bytes
    };
    (0..MESSAGES).map(written).collect()
}

fn topic() -> Topic {
    Topic {
        name: "t".to_owned(),
        number: 0,
    }
}

/// Partition and offset that a message gets: with a sticky partitioner, or by its key.
fn place(sequence: u64, keys: bool) -> (u32, u64) {
    let partitions = u64::from(PARTITIONS);
    let stuck = if keys { 1 } else { 500 };
    let batch = sequence / stuck;
    let partition = (batch % partitions) as u32;
    (partition, batch / partitions * stuck + sequence % stuck)
}

fn producer() -> (ProducerBooks, Receiver<(u32, FromClient)>) {
    let directory = tempfile::tempdir().unwrap();
    let published = page::create(&directory.path().join("page"), 1).unwrap();
    let client = ProducerClient {
        name: "p".to_owned(),
        topics: vec![topic()],
        streams: vec![(0, 0)],
        share: 1.0,
        stagger: 0.0,
    };
    let (voice, heard) = channel();
    let published = published.into_iter().next().unwrap();
    let books = ProducerBooks::new(&client, 0, *RUN, Cutter::new(0, voice), published);
    (books, heard)
}

fn consumer() -> (ConsumerBooks, Receiver<(u32, FromClient)>) {
    let client = ConsumerClient {
        name: "c".to_owned(),
        subscription: 0,
        group: "g".to_owned(),
        topics: vec![topic()],
    };
    let (voice, heard) = channel();
    let mut books = ConsumerBooks::new(&client, *RUN, Cutter::new(0, voice));
    let all: Vec<Partition> = (0..PARTITIONS).map(at).collect();
    books.assign(&all);
    (books, heard)
}

fn at(partition: u32) -> Partition {
    Partition {
        topic: 0,
        partition,
    }
}

fn send_all(books: &mut ProducerBooks) {
    for sequence in 0..MESSAGES {
        let stamp = stamp(sequence);
        books.about_to_send(LoadPhase::Measure);
        books.sent(0, LoadPhase::Measure, stamp.due, stamp.sent);
    }
}

fn acknowledge_all(books: &mut ProducerBooks, stamps: &[[u8; LEN]], keys: bool) {
    books.begin_poll();
    for (sequence, stamp) in (0..).zip(stamps) {
        let (partition, offset) = place(sequence, keys);
        let offset = Some(offset);
        books.outcome(stamp, Outcome::Acknowledged { partition, offset });
    }
}

fn receive_all(books: &mut ConsumerBooks, stamps: &[[u8; LEN]], keys: bool) {
    for (sequence, stamp) in (0..).zip(stamps) {
        if sequence % 500 == 0 {
            books.begin_batch(Instant(RUN.epoch.0 + sequence * GAP + 700_000));
        }
        let (partition, offset) = place(sequence, keys);
        books.received(&Incoming {
            partition: at(partition),
            offset,
            payload: stamp,
            header: None,
            numbered: Numbered::Densely,
        });
    }
}

fn delta(heard: &Receiver<(u32, FromClient)>) -> SlotDelta {
    heard
        .try_iter()
        .find_map(|(_, said)| match said {
            FromClient::Delta { delta, .. } => Some(*delta),
            _ => None,
        })
        .unwrap()
}

/// What a producer and a consumer report of one round.
fn deltas(keys: bool) -> (SlotDelta, SlotDelta) {
    let stamps = stamps();
    let (mut books, acknowledged) = producer();
    send_all(&mut books);
    acknowledge_all(&mut books, &stamps, keys);
    books.cut(Instant::now());
    let (mut books, received) = consumer();
    receive_all(&mut books, &stamps, keys);
    books.cut(Instant::now());
    (delta(&acknowledged), delta(&received))
}

#[divan::bench_group(counters = [ItemsCount::new(MESSAGES)])]
mod client {
    use super::*;

    #[divan::bench]
    fn pace(bencher: Bencher) {
        let segment = Segment {
            phase: LoadPhase::Measure,
            from: RUN.epoch,
            to: Instant(RUN.epoch.0 + MESSAGES * GAP),
            rate: 1e9 / GAP as f64,
        };
        bencher.bench(|| {
            let mut pace = Pace::new(black_box(&segment), 1.0, 0.5);
            while let Some(due) = pace.next_due() {
                black_box(due);
                pace.advance();
            }
        });
    }

    #[divan::bench(args = [100, 1024])]
    fn payload_and_stamp(bencher: Bencher, size: usize) {
        let random = Payload::Random {
            random_ratio: 0.5,
            pool: 1_000,
        };
        let mut payloads = Payloads::new(&random, size, 1).unwrap();
        bencher.bench_local(|| {
            for sequence in 0..MESSAGES {
                let payload = payloads.take();
                let front = payload.first_chunk_mut().unwrap();
                stamp(black_box(sequence)).write(&RUN, front);
                black_box(payload);
            }
        });
    }

    #[divan::bench]
    fn read_stamp(bencher: Bencher) {
        let stamps = stamps();
        bencher.bench_local(|| {
            for bytes in &stamps {
                black_box(Stamp::read(&RUN, black_box(bytes)));
            }
        });
    }

    #[divan::bench]
    fn record(bencher: Bencher) {
        let mut random = fastrand::Rng::with_seed(1);
        let nanos: Vec<u64> = (0..MESSAGES).map(|_| random.u64(0..20_000_000)).collect();
        let mut recorder = Recorder::default();
        bencher.bench_local(|| nanos.iter().for_each(|&nanos| recorder.record(nanos)));
    }

    #[divan::bench]
    fn book_sent(bencher: Bencher) {
        let (mut books, _heard) = producer();
        bencher.bench_local(|| send_all(&mut books));
    }

    #[divan::bench(args = [false, true])]
    fn book_acknowledged(bencher: Bencher, keys: bool) {
        let stamps = stamps();
        bencher
            .with_inputs(producer)
            .bench_local_refs(|(books, _)| acknowledge_all(books, &stamps, keys));
    }

    #[divan::bench(args = [false, true])]
    fn book_received(bencher: Bencher, keys: bool) {
        let stamps = stamps();
        bencher
            .with_inputs(consumer)
            .bench_local_refs(|(books, _)| receive_all(books, &stamps, keys));
    }
}

#[divan::bench_group]
mod report {
    use super::*;

    fn frame(keys: bool) -> Vec<u8> {
        let (acknowledged, received) = deltas(keys);
        let mut frame = Vec::new();
        write_frame(&mut frame, &FromChild::Deltas(vec![acknowledged, received])).unwrap();
        frame
    }

    #[divan::bench(args = [false, true])]
    fn encode(bencher: Bencher, keys: bool) {
        let (acknowledged, received) = deltas(keys);
        let message = FromChild::Deltas(vec![acknowledged, received]);
        bencher
            .counter(BytesCount::new(frame(keys).len()))
            .with_inputs(Vec::new)
            .bench_local_refs(|frame| write_frame(frame, &message).unwrap());
    }

    #[divan::bench(args = [false, true])]
    fn decode(bencher: Bencher, keys: bool) {
        let frame = frame(keys);
        bencher
            .counter(BytesCount::new(frame.len()))
            .bench_local(|| read_frame::<FromChild>(&frame[..]).unwrap());
    }

    #[divan::bench]
    fn add_histogram(bencher: Bencher) {
        let (acknowledged, _) = deltas(false);
        let delta = &acknowledged
            .phases
            .of(LoadPhase::Measure)
            .latencies
            .response;
        let mut histogram = Histogram::default();
        bencher.bench_local(|| histogram.add(black_box(delta)).unwrap());
    }

    #[divan::bench(args = [false, true])]
    fn add_to_ledger(bencher: Bencher, keys: bool) {
        let (acknowledged, received) = deltas(keys);
        let slot = Grid { origin: RUN.epoch }.slot(RUN.epoch);
        assert_eq!(slot, Slot(0));
        bencher
            .counter(ItemsCount::new(MESSAGES))
            .with_inputs(|| Ledger::new(&[vec![0]], vec![0]))
            .bench_local_refs(|ledger| {
                ledger.produced(&acknowledged.producers[0]);
                ledger.consumed(slot, &received.consumers[0]);
            });
    }
}
