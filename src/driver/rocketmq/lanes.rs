//! A producer's queues, and what is collected for each.

use std::collections::VecDeque;
use std::time::Duration;

use super::cluster::Queue;
use super::message::{length_in_batch, put_into_batch};
use crate::clock::Instant;
use crate::config::RocketMqConfig;
use crate::driver::STAMP_LEN;
use crate::driver::keys::java_hash;

/// Bytes of a batch where nothing else is said, and of what is collected behind a request under way.
const BATCH: usize = 32 << 10;

/// Front of a message, by which its outcome is told.
pub type Stamp = [u8; STAMP_LEN];

/// Messages that go in one request.
#[derive(Debug)]
pub struct Batch {
    pub stamps: Vec<Stamp>,
    /// As the request has them.
    pub body: Vec<u8>,
    /// Of payloads.
    pub bytes: usize,
    /// The body of its only message is compressed: those of several can't be.
    pub compressed: bool,
    /// When it goes, full or not.
    due: Instant,
}

/// A message that is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    pub stamp: Stamp,
    /// Of its payload.
    pub bytes: usize,
    pub body: &'a [u8],
    pub properties: &'a str,
    /// The body is compressed.
    pub compressed: bool,
}

/// One queue.
#[derive(Debug)]
pub struct Lane {
    pub queue: Queue,
    /// Its number at its broker, as requests have it.
    pub id: String,
    /// Requests under way.
    pub busy: u32,
    batches: VecDeque<Batch>,
}

/// All queues of a topic that can be written to.
#[derive(Debug)]
pub struct Lanes {
    /// By number of the partition.
    pub all: Vec<Lane>,
    /// Those of them that can be written to.
    writable: Vec<usize>,
    /// Where the next message goes, among these.
    turn: usize,
    /// When the first batch goes.
    pub due: Instant,
    delay: Duration,
    most: usize,
    /// Messages without a key stay at a queue until their batch goes.
    stays: bool,
    ordered: bool,
}

impl Lanes {
    /// Nothing collected yet.
    pub fn new(queues: &[Queue], config: &RocketMqConfig) -> Self {
        let lane = |queue: &Queue| Lane {
            queue: *queue,
            id: queue.id.to_string(),
            busy: 0,
            batches: VecDeque::new(),
        };
        let writable = (0..queues.len()).filter(|&at| queues[at].writable);
        let writable: Vec<usize> = writable.collect();
        let batching = config.batching;
        Self {
            all: queues.iter().map(lane).collect(),
            turn: fastrand::usize(..writable.len().max(1)),
            writable,
            due: Instant::NEVER,
            delay: batching.map_or(Duration::ZERO, |b| Duration::from_millis(b.delay_ms)),
            most: batching.map_or(BATCH, |batching| batching.bytes),
            stays: batching.is_some(),
            ordered: config.ordered,
        }
    }

    /// The queue that messages of a key go to.
    pub fn by_key(&self, key: &str) -> Option<usize> {
        let count = self.writable.len().max(1);
        self.writable.get(java_hash(key) as usize % count).copied()
    }

    /// The queue that a message of this payload and without a key goes to, of those whose broker is `open`.
    pub fn next(&mut self, payload: usize, mut open: impl FnMut(usize) -> bool) -> Option<usize> {
        let count = self.writable.len();
        // What properties there will be.
        const PROPERTIES: usize = 128;
        let collecting = self.writable.get(self.turn).is_some_and(|&at| {
            let last = self.all[at].batches.back();
            let fits = |batch: &Batch| batch.body.len() + payload + PROPERTIES <= self.most;
            self.stays && last.is_some_and(fits)
        });
        if !collecting {
            self.turn += 1;
        }
        for ahead in 0..count {
            let turn = (self.turn + ahead) % count;
            let at = self.writable[turn];
            if open(self.all[at].queue.broker) {
                self.turn = turn;
                return Some(at);
            }
        }
        None
    }

    /// Whether a message for this queue may set out by itself.
    pub fn is_direct(&self, lane: usize) -> bool {
        let waits = self.ordered && self.all[lane].busy > 0;
        !self.stays && !waits
    }

    /// Takes a message that will be sent to this queue.
    pub fn collect(&mut self, lane: usize, message: &Ready<'_>, now: Instant) {
        let of_lane = &mut self.all[lane];
        let more = length_in_batch(message.body, message.properties);
        let alone = message.compressed;
        let fits =
            |batch: &Batch| !alone && !batch.compressed && batch.body.len() + more <= self.most;
        if !of_lane.batches.back().is_some_and(fits) {
            let due = now + self.delay;
            self.due = self.due.min(due);
            of_lane.batches.push_back(Batch {
                stamps: Vec::new(),
                body: Vec::with_capacity(more),
                bytes: 0,
                compressed: message.compressed,
                due,
            });
        }
        if let Some(batch) = of_lane.batches.back_mut() {
            put_into_batch(&mut batch.body, message.body, message.properties);
            batch.stamps.push(message.stamp);
            batch.bytes += message.bytes;
        }
    }

    /// The next batch of a queue that may set out.
    pub fn collected(&mut self, lane: usize, now: Instant) -> Option<Batch> {
        let lane = &mut self.all[lane];
        let waits = self.ordered && lane.busy > 0;
        let first = lane.batches.front().filter(|_| !waits)?;
        let full = lane.batches.len() > 1 || first.body.len() >= self.most;
        if !full && first.due > now {
            return None;
        }
        lane.batches.pop_front()
    }

    /// A request of this queue was answered, or never will be.
    pub fn landed(&mut self, lane: usize) {
        let lane = &mut self.all[lane];
        lane.busy -= 1;
        // What waited for it may go.
        if let Some(first) = lane.batches.front().filter(|_| self.ordered) {
            self.due = self.due.min(first.due);
        }
    }

    /// Notes when the first batch goes that waits for nothing but its time.
    pub fn set_due(&mut self, now: Instant) {
        let dues = self
            .all
            .iter()
            .filter(|lane| !(self.ordered && lane.busy > 0));
        let dues = dues.filter_map(|lane| Some(lane.batches.front()?.due));
        // What is due and stays has no connection: it is looked at again.
        let soon = now + Duration::from_millis(10);
        self.due = dues
            .map(|due| if due <= now { soon } else { due })
            .min()
            .unwrap_or(Instant::NEVER);
    }

    /// All that was collected and never sent.
    pub fn give_up(&mut self) -> Vec<Batch> {
        self.due = Instant::NEVER;
        self.all
            .iter_mut()
            .flat_map(|lane| lane.batches.drain(..))
            .collect()
    }
}
