//! The books of one consumer client: what it received and from where, cut into slots.
//!
//! Every load message is once in a partition's offsets, and once either in its stream's sequence
//! numbers or, where it came out of order, among the stragglers.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::client::cutter::Cutter;
use crate::client::ranges::RangeCollector;
use crate::client::report::FromClient;
use crate::client::stamp::{Kind, Run, Stamp};
use crate::clock::Instant;
use crate::driver::{ENTRY, Incoming, Numbered, Partition};
use crate::stats::delta::{
    ByPhase, ConsumerDelta, Grid, LOAD_PHASES, LoadPhase, PartitionRead, Range, SlotDelta,
    Straggler, StreamId, StreamRead, TopicPartition,
};
use crate::wire::ConsumerClient;

/// How long a revocation waits for its report to be written. The supervisor reads all the time; if
/// it doesn't, nothing is committed, and the next owner reads again what was not reported.
const REPORT_WITHIN: Duration = Duration::from_secs(2);

/// One partition, from its assignment on.
#[derive(Default)]
struct PartitionState {
    owned: bool,
    /// Where reading began that is not reported yet.
    from: u64,
    /// Next offset to read, once something was read.
    position: Option<u64>,
    touched: bool,
    load: Vec<Range>,
    /// Load messages without an offset.
    unplaced: u64,
    /// `None` before the first message.
    numbered: Option<Numbered>,
    foreign: u64,
    first_foreign: Option<u64>,
    probes: u64,
    /// Per stream seen here: one past its highest sequence number.
    next_of_stream: Vec<(u32, u64)>,
    last_hit: usize,
}

impl PartitionState {
    /// Moves on to behind a message.
    #[inline]
    fn reached(&mut self, message: &Incoming<'_>) {
        let next = match message.numbered {
            Numbered::Shared => self.position.unwrap_or(0) + 1,
            _ => message.offset + 1,
        };
        if self.position.replace(next).is_none() {
            self.from = match message.numbered {
                // Who gets one of an entry gets those before it.
                Numbered::ByEntries => message.offset - message.offset % ENTRY,
                _ => message.offset,
            };
        }
        self.numbered = Some(message.numbered);
    }

    /// Notes that `sequence` of a stream came; false if one as high or higher came before.
    #[inline]
    fn in_order(&mut self, stream: u32, sequence: u64) -> bool {
        let hit = self
            .next_of_stream
            .get(self.last_hit)
            .is_some_and(|(s, _)| *s == stream);
        if !hit {
            self.last_hit = match self.next_of_stream.iter().position(|(s, _)| *s == stream) {
                Some(index) => index,
                None => {
                    self.next_of_stream.push((stream, 0));
                    self.next_of_stream.len() - 1
                }
            };
        }
        let next = &mut self.next_of_stream[self.last_hit].1;
        let in_order = sequence >= *next;
        if in_order {
            *next = sequence + 1;
        }
        in_order
    }
}

struct Stream {
    id: StreamId,
    received: ByPhase<RangeCollector>,
    /// Delivered before, as the broker says.
    redelivered: ByPhase<RangeCollector>,
}

type Positions = Vec<(Partition, u64)>;

/// What one consumer client received since its last delta.
pub struct ConsumerBooks {
    run: Run,
    subscription: u32,
    cutter: Cutter,
    /// Numbers of the client's topics within the run.
    topics: Vec<u32>,
    probed: Vec<bool>,
    partitions: Vec<Vec<PartitionState>>,
    streams: Vec<Stream>,
    index: HashMap<StreamId, u32>,
    last_stream: usize,
    stragglers: Vec<Straggler>,
    joined: bool,
    /// A load message was received.
    began: bool,
    now: Instant,
    /// Positions of deltas that are not known to be written, by number of the cut.
    unwritten: VecDeque<(u64, Positions)>,
}

impl ConsumerBooks {
    /// Empty books for a client.
    pub fn new(client: &ConsumerClient, run: Run, cutter: Cutter) -> Self {
        Self {
            run,
            subscription: client.subscription,
            cutter,
            topics: client.topics.iter().map(|topic| topic.number).collect(),
            probed: vec![false; client.topics.len()],
            partitions: client.topics.iter().map(|_| Vec::new()).collect(),
            streams: Vec::new(),
            index: HashMap::new(),
            last_stream: 0,
            stragglers: Vec::new(),
            joined: false,
            began: false,
            now: Instant::default(),
            unwritten: VecDeque::new(),
        }
    }

    /// Begins to cut on this grid.
    pub fn start(&mut self, grid: Grid, now: Instant) {
        self.cutter.start(grid, now);
    }

    /// When the next cut is due.
    pub fn next_cut(&self) -> Instant {
        self.cutter.next
    }

    /// Says something to the supervisor.
    pub fn say(&self, what: FromClient) {
        self.cutter.say(what);
    }

    /// Messages follow that were received at this instant.
    #[inline]
    pub fn begin_batch(&mut self, received: Instant) {
        if received >= self.cutter.next {
            self.cut(received);
        }
        self.now = received;
    }

    /// One message.
    #[inline]
    pub fn received(&mut self, message: &Incoming<'_>) {
        let stamp = Stamp::read(&self.run, message.header.unwrap_or(message.payload));
        let Some(partition) = self
            .partitions
            .get_mut(message.partition.topic as usize)
            .and_then(|p| p.get_mut(message.partition.partition as usize))
        else {
            // Not assigned: the driver hands out no such messages.
            return;
        };
        partition.touched = true;
        partition.reached(message);
        let Some(stamp) = stamp else {
            partition.foreign += 1;
            if !matches!(message.numbered, Numbered::Receipts { .. }) {
                partition.first_foreign.get_or_insert(message.offset);
            }
            return;
        };
        match stamp.kind {
            Kind::Probe => {
                partition.probes += 1;
                self.probe(message.partition.topic as usize);
            }
            Kind::Load(phase) => {
                self.load(&stamp, phase, message);
                if !self.began {
                    self.begin();
                }
            }
        }
    }

    #[cold]
    fn begin(&mut self) {
        self.began = true;
        self.say(FromClient::FirstMessage(self.now));
    }

    #[inline]
    fn load(&mut self, stamp: &Stamp, phase: LoadPhase, message: &Incoming<'_>) {
        let recorders = self.cutter.recorders.of_mut(phase);
        let now = self.now.0 as i64;
        recorders
            .end_to_end
            .record_signed(now - stamp.sent.0 as i64);
        recorders
            .end_to_end_response
            .record_signed(now - stamp.due.0 as i64);

        let index = self.stream_index(stamp.stream);
        let place = message.partition;
        let partition = &mut self.partitions[place.topic as usize][place.partition as usize];
        let (placed, again) = match message.numbered {
            Numbered::Receipts { redelivered } => (false, redelivered),
            _ => (true, false),
        };
        match partition.load.last_mut() {
            _ if !placed => partition.unplaced += 1,
            Some(last) if last.end == message.offset => last.end += 1,
            _ => {
                partition.load.push(Range {
                    start: message.offset,
                    end: message.offset + 1,
                });
            }
        }
        // What comes for a second time says nothing of the order.
        let in_order = again || partition.in_order(index as u32, stamp.sequence);
        let stream = &mut self.streams[index];
        let collected = if again {
            &mut stream.redelivered
        } else {
            &mut stream.received
        };
        let fresh = in_order && collected.of_mut(phase).insert(stamp.sequence);
        if !fresh {
            self.stragglers.push(Straggler {
                stream: stamp.stream,
                phase,
                sequence: stamp.sequence,
                partition: TopicPartition {
                    topic: self.topics[place.topic as usize],
                    partition: place.partition,
                },
                offset: placed.then_some(message.offset),
                redelivered: again,
            });
        }
    }

    #[inline]
    fn stream_index(&mut self, id: StreamId) -> usize {
        if self
            .streams
            .get(self.last_stream)
            .is_none_or(|stream| stream.id != id)
        {
            let (streams, next) = (&mut self.streams, self.index.len() as u32);
            let index = *self.index.entry(id).or_insert_with(|| {
                streams.push(Stream {
                    id,
                    received: ByPhase::default(),
                    redelivered: ByPhase::default(),
                });
                next
            });
            self.last_stream = index as usize;
        }
        self.last_stream
    }

    #[cold]
    fn probe(&mut self, topic: usize) {
        if !std::mem::replace(&mut self.probed[topic], true) {
            self.say(FromClient::Probed(self.subscription, self.topics[topic]));
        }
    }

    /// The group gave partitions to this client.
    pub fn assign(&mut self, partitions: &[Partition]) {
        for place in partitions {
            let of_topic = &mut self.partitions[place.topic as usize];
            let index = place.partition as usize;
            if of_topic.len() <= index {
                of_topic.resize_with(index + 1, PartitionState::default);
            }
            of_topic[index] = PartitionState {
                owned: true,
                ..PartitionState::default()
            };
        }
        if !std::mem::replace(&mut self.joined, true) {
            self.say(FromClient::Ready);
        }
    }

    /// The group is about to take partitions away: what was read of them is reported, and once
    /// that is written, returned to be committed.
    pub fn revoke(&mut self, partitions: &[Partition]) -> Vec<(Partition, u64)> {
        self.cut(Instant::now());
        let (answer, written) = channel();
        self.say(FromClient::Flush(answer));
        let written = written.recv_timeout(REPORT_WITHIN).is_ok();
        let mut positions = Vec::new();
        for &place in partitions {
            if let Some(state) = self.state(place) {
                state.owned = false;
                positions.extend(state.position.filter(|_| written).map(|at| (place, at)));
            }
        }
        positions
    }

    /// Partitions are gone: what was read of them is reported, and can't be committed.
    pub fn lose(&mut self, partitions: &[Partition]) {
        self.cut(Instant::now());
        for &place in partitions {
            if let Some(state) = self.state(place) {
                state.owned = false;
            }
        }
    }

    fn state(&mut self, place: Partition) -> Option<&mut PartitionState> {
        self.partitions
            .get_mut(place.topic as usize)?
            .get_mut(place.partition as usize)
    }

    /// Positions that may be committed, now that all cuts up to this one are written.
    pub fn committable(&mut self, written: u64) -> Positions {
        let mut latest: HashMap<Partition, u64> = HashMap::new();
        while self
            .unwritten
            .front()
            .is_some_and(|(cut, _)| *cut <= written)
        {
            latest.extend(
                self.unwritten
                    .pop_front()
                    .into_iter()
                    .flat_map(|(_, at)| at),
            );
        }
        latest.retain(|&place, _| self.state(place).is_some_and(|state| state.owned));
        latest.into_iter().collect()
    }

    /// Cuts a delta: what was learnt since the last one belongs to the slot that ends here.
    #[cold]
    pub fn cut(&mut self, now: Instant) {
        let mut positions = Vec::new();
        let mut ledger = ConsumerDelta {
            subscription: self.subscription,
            ..ConsumerDelta::default()
        };
        for (topic, of_topic) in self.partitions.iter_mut().enumerate() {
            for (partition, state) in of_topic.iter_mut().enumerate().filter(|(_, s)| s.touched) {
                state.touched = false;
                let partition = partition as u32;
                let Some(position) = state.position else {
                    continue;
                };
                positions.push((
                    Partition {
                        topic: topic as u32,
                        partition,
                    },
                    position,
                ));
                let from = std::mem::replace(&mut state.from, position);
                // Elsewhere a position says nothing of what others have read.
                let (places, entry) = match state.numbered {
                    None | Some(Numbered::Densely) => ([from, position], 0),
                    Some(Numbered::ByEntries) => ([from, position], ENTRY),
                    Some(Numbered::Shared) => ([0; 2], ENTRY),
                    Some(Numbered::Receipts { .. }) => ([0; 2], 0),
                };
                ledger.partitions.push(PartitionRead {
                    partition: TopicPartition {
                        topic: self.topics[topic],
                        partition,
                    },
                    from: places[0],
                    position: places[1],
                    load: std::mem::take(&mut state.load),
                    entry,
                    foreign: std::mem::take(&mut state.foreign),
                    first_foreign: state.first_foreign.take(),
                    probes: std::mem::take(&mut state.probes),
                    unplaced: std::mem::take(&mut state.unplaced),
                });
            }
        }
        for stream in &mut self.streams {
            for phase in LOAD_PHASES {
                let collected = [&mut stream.received, &mut stream.redelivered];
                for (redelivered, of_phases) in [false, true].into_iter().zip(collected) {
                    let received = of_phases.of_mut(phase);
                    if !received.is_empty() {
                        let sequences = received.take();
                        ledger.streams.push(StreamRead {
                            stream: stream.id,
                            phase,
                            sequences,
                            redelivered,
                        });
                    }
                }
            }
        }
        ledger.stragglers = std::mem::take(&mut self.stragglers);
        let cut = self
            .cutter
            .cut(now, |delta: &mut SlotDelta| delta.consumers.push(ledger));
        if !positions.is_empty() {
            self.unwritten.push_back((cut, positions));
        }
    }
}
