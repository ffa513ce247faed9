//! The books of one producer client: what it sent, and what became of it, cut into slots.

use std::collections::BTreeMap;

use crate::client::cutter::Cutter;
use crate::client::ranges::RangeCollector;
use crate::client::report::FromClient;
use crate::client::stamp::{Kind, Run, Stamp};
use crate::clock::Instant;
use crate::driver::Outcome;
use crate::page::Published;
use crate::stats::delta::{
    ByPhase, Grid, LoadPhase, ProducerDelta, SlotDelta, StreamId, StreamOutcomes,
};
use crate::wire::ProducerClient;

use super::places::Places;

/// Outcomes served per reading of the clock.
const OUTCOMES_PER_CLOCK: u32 = 16;

/// Different error texts kept per slot; the rest is counted under one name.
const ERROR_TEXTS: usize = 16;

/// One stream's messages.
struct Stream {
    id: StreamId,
    next_sequence: u64,
    probes: u64,
    probed: bool,
    acknowledged: Places,
    failed: RangeCollector,
    unknown: RangeCollector,
    touched: bool,
}

/// What one producer client did since its last delta.
pub struct ProducerBooks {
    run: Run,
    cutter: Cutter,
    published: Published,
    /// Messages sent so far, by phase.
    sent: ByPhase<u64>,
    streams: Vec<Stream>,
    /// Number of the first stream: a client's streams are numbered without gaps.
    first: u32,
    errors: BTreeMap<String, u64>,
    unproved: usize,
    /// A load message was acknowledged.
    began: bool,
    now: Instant,
    until_clock: u32,
}

impl ProducerBooks {
    /// Empty books for a client's streams.
    pub fn new(
        client: &ProducerClient,
        incarnation: u16,
        run: Run,
        cutter: Cutter,
        published: Published,
    ) -> Self {
        let streams: Vec<Stream> = client
            .streams
            .iter()
            .map(|&(producer, topic)| Stream {
                id: StreamId {
                    producer,
                    incarnation,
                },
                next_sequence: 0,
                probes: 0,
                probed: false,
                acknowledged: Places::new(client.topics[topic as usize].number),
                failed: RangeCollector::default(),
                unknown: RangeCollector::default(),
                touched: false,
            })
            .collect();
        Self {
            run,
            cutter,
            published,
            sent: ByPhase::default(),
            first: streams.first().map_or(0, |s| s.id.producer),
            unproved: streams.len(),
            streams,
            errors: BTreeMap::new(),
            began: false,
            now: Instant::default(),
            until_clock: 0,
        }
    }

    /// What all stamps have in common.
    pub fn run(&self) -> Run {
        self.run
    }

    /// Begins to cut on this grid.
    pub fn start(&mut self, grid: Grid, now: Instant) {
        self.cutter.start(grid, now);
    }

    /// When the next cut is due.
    #[inline]
    pub fn next_cut(&self) -> Instant {
        self.cutter.next
    }

    /// Identity of the `turn`-th stream.
    #[inline]
    pub fn stream(&self, turn: usize) -> StreamId {
        self.streams[turn].id
    }

    /// Number of the stream's next load message.
    #[inline]
    pub fn next_sequence(&self, turn: usize) -> u64 {
        self.streams[turn].next_sequence
    }

    /// A message of this phase is about to be sent: from now on it is not forgotten, whatever
    /// happens to this process.
    #[inline]
    pub fn about_to_send(&self, phase: LoadPhase) {
        self.published.sent(phase, self.sent.of(phase) + 1);
    }

    /// The client library's queue was full: it did not take the message after all.
    #[cold]
    pub fn not_sent(&mut self, phase: LoadPhase) {
        self.cutter.counters.of_mut(phase).queue_full += 1;
        self.published.sent(phase, *self.sent.of(phase));
    }

    /// A message was taken by the client library at `now`.
    #[inline]
    pub fn sent(&mut self, turn: usize, phase: LoadPhase, due: Instant, now: Instant) {
        self.streams[turn].next_sequence += 1;
        *self.sent.of_mut(phase) += 1;
        self.cutter.counters.of_mut(phase).sent += 1;
        self.cutter
            .recorders
            .of_mut(phase)
            .publish_delay
            .record(now.nanos_since(due));
    }

    /// A message was refused by the client library: sent in vain.
    pub fn rejected(
        &mut self,
        turn: usize,
        phase: LoadPhase,
        due: Instant,
        now: Instant,
        why: &str,
    ) {
        let sequence = self.streams[turn].next_sequence;
        self.sent(turn, phase, due, now);
        let stream = &mut self.streams[turn];
        stream.failed.insert(sequence);
        stream.touched = true;
        self.cutter.counters.of_mut(phase).failed += 1;
        self.error(why);
    }

    /// Messages of this phase that were due and never sent.
    pub fn unsent(&mut self, phase: LoadPhase, messages: u64) {
        self.cutter.counters.of_mut(phase).unsent += messages;
    }

    /// Messages whose outcome the client library did not tell before the end. They are counted with
    /// the measured phase, in which nearly all of them were due.
    pub fn without_outcome(&mut self, messages: u64) {
        self.cutter.counters.of_mut(LoadPhase::Measure).unknown += messages;
    }

    /// Number of the stream's next probe; `None` if its path is proved.
    pub fn probe(&mut self, turn: usize) -> Option<u64> {
        let stream = &mut self.streams[turn];
        if stream.probed {
            return None;
        }
        stream.probes += 1;
        Some(stream.probes - 1)
    }

    /// Outcomes follow; the clock is read anew for the first one.
    #[inline]
    pub fn begin_poll(&mut self) {
        self.until_clock = 0;
    }

    /// What became of one message.
    #[inline]
    pub fn outcome(&mut self, stamp: &[u8], outcome: Outcome<'_>) {
        if self.until_clock == 0 {
            self.now = Instant::now();
            self.until_clock = OUTCOMES_PER_CLOCK;
            self.cut_if_due(self.now);
        }
        self.until_clock -= 1;
        let Some(stamp) = Stamp::read(&self.run, stamp) else {
            return;
        };
        let index = stamp.stream.producer.wrapping_sub(self.first) as usize;
        match stamp.kind {
            Kind::Probe => self.probe_outcome(index, outcome),
            Kind::Load(phase) => self.load_outcome(index, phase, &stamp, outcome),
        }
    }

    #[inline]
    fn load_outcome(
        &mut self,
        index: usize,
        phase: LoadPhase,
        stamp: &Stamp,
        outcome: Outcome<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(index) else {
            return;
        };
        stream.touched = true;
        let counters = self.cutter.counters.of_mut(phase);
        match outcome {
            Outcome::Acknowledged { partition, offset } => {
                stream
                    .acknowledged
                    .insert(stamp.sequence, partition, offset);
                counters.acknowledged += 1;
                let recorders = self.cutter.recorders.of_mut(phase);
                recorders.publish.record(self.now.nanos_since(stamp.sent));
                recorders.response.record(self.now.nanos_since(stamp.due));
                if !self.began {
                    self.begin();
                }
            }
            Outcome::Failed(why) => {
                stream.failed.insert(stamp.sequence);
                counters.failed += 1;
                self.error(why);
            }
            Outcome::Unknown(why) => {
                stream.unknown.insert(stamp.sequence);
                counters.unknown += 1;
                self.error(why);
            }
        }
    }

    fn probe_outcome(&mut self, index: usize, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Acknowledged { .. } => {
                let Some(stream) = self.streams.get_mut(index).filter(|s| !s.probed) else {
                    return;
                };
                stream.probed = true;
                self.unproved -= 1;
                if self.unproved == 0 {
                    self.say(FromClient::Ready);
                }
            }
            Outcome::Failed(why) | Outcome::Unknown(why) => {
                self.say(FromClient::Note(format!("a probe message failed: {why}")));
            }
        }
    }

    #[cold]
    fn begin(&mut self) {
        self.began = true;
        self.say(FromClient::FirstMessage(self.now));
    }

    #[cold]
    fn error(&mut self, why: &str) {
        if let Some(count) = self.errors.get_mut(why) {
            *count += 1;
        } else if self.errors.len() < ERROR_TEXTS {
            self.errors.insert(why.to_owned(), 1);
        } else {
            *self.errors.entry("other errors".to_owned()).or_default() += 1;
        }
    }

    /// Cuts a delta if the grid says so; true if it did.
    #[inline]
    pub fn cut_if_due(&mut self, now: Instant) -> bool {
        let due = now >= self.cutter.next;
        if due {
            self.cut(now);
        }
        due
    }

    /// Cuts a delta: what was learnt since the last one belongs to the slot that ends here.
    #[cold]
    pub fn cut(&mut self, now: Instant) {
        let mut outcomes = Vec::new();
        for stream in self.streams.iter_mut().filter(|stream| stream.touched) {
            stream.touched = false;
            let mut outcome = StreamOutcomes {
                stream: stream.id,
                failed: stream.failed.take(),
                unknown: stream.unknown.take(),
                ..StreamOutcomes::default()
            };
            stream.acknowledged.take(&mut outcome);
            outcomes.push(outcome);
        }
        let errors = std::mem::take(&mut self.errors).into_iter().collect();
        let ledger = ProducerDelta { outcomes, errors };
        self.cutter
            .cut(now, |delta: &mut SlotDelta| delta.producers.push(ledger));
    }

    /// Says something to the supervisor.
    pub fn say(&self, what: FromClient) {
        self.cutter.say(what);
    }
}
