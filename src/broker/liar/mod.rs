//! A broker that lies: what is planted here, a run's result has to name, no more and no less.
//!
//! For tests only, and asked for by `omb broker --fault SPEC`, once for each fault, which
//! `--help` doesn't show. A SPEC is `KIND:KEY=VALUE,…`:
//!
//! | kind | what happens | settings beside those below |
//! | --- | --- | --- |
//! | `drop` | a message is acknowledged and not stored | `offset=empty` (the default): nobody gets its offset, as after a compaction; `offset=reused`: the next message does, as after an election that cut the log's end off |
//! | `double` | a message is stored twice, at two offsets | |
//! | `swap` | a message is stored behind the next one of its producer and partition | |
//! | `delay` | a batch is stored and acknowledged later; its connection waits, no other does | `for=TIME` |
//! | `stall` | before a batch is stored, the whole broker does nothing | `for=TIME` |
//! | `error` | a batch is answered with an error | `code=` Kafka's name or number; `stored=yes` or `no`: by default `yes` for the two errors that a real broker answers after it has stored the batch, `NOT_ENOUGH_REPLICAS_AFTER_APPEND` and `REQUEST_TIMED_OUT` |
//! | `rewind` | each group that reads the topic has to join again, and gets from there on, for each partition once, an older offset than it had committed | `by=N` offsets |
//! | `capacity` | the whole broker acknowledges so many load messages a second and no more; without an end, and without `at` from the first one on | `rate=N` |
//!
//! All others have `at=N`: the load message of a topic from which on it happens. Load messages are known
//! by their stamp and counted from 1 in each topic as they arrive, so one that is sent again has
//! another number; probes don't count. `count=N` says how often it happens in each topic, 1 by
//! default: to messages for `drop`, `double` and `swap`, to batches (the one with message `at`,
//! and the next ones with load) for `delay`, `stall` and `error`; a `rewind` happens once.
//! `topic=N` leaves it to that topic of a run. Nothing happens in topics that don't have a name that runs give to theirs.
//!
//! A batch that is compressed otherwise than with zstd is refused: its messages can't be counted.
//! Nothing of this is on the path of a broker in which nothing is planted.

mod rewrite;
mod spec;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::records::Record;

use crate::clock::Instant;
use crate::stats::delta::StreamId;
use rewrite::{Open, Place};

pub use rewrite::Piece;
pub use spec::{Fault, Kind};

/// A broker of a planted capacity that stood still makes up for so much of it.
const CATCH_UP_NANOS: u64 = 20_000_000;

/// What is planted, and how far it has happened.
#[derive(Debug)]
pub struct Liar {
    faults: Vec<Fault>,
    topics: RefCell<BTreeMap<String, Topic>>,
    /// For each fault that is a capacity: when the messages so far are worked off.
    worked_off: RefCell<Vec<Instant>>,
}

/// What has happened in one topic.
#[derive(Debug)]
struct Topic {
    /// Its number within the run.
    number: u32,
    /// Load messages that have arrived.
    messages: u64,
    /// How often each fault is still to happen.
    left: Vec<u64>,
    /// Messages that wait for the next one of their stream and partition.
    held: HashMap<(i32, StreamId), Record>,
    /// Going back, once it has come to that.
    rewind: Option<Rewind>,
}

#[derive(Debug)]
struct Rewind {
    by: i64,
    /// Groups that were sent back, or some of their members.
    groups: BTreeSet<String>,
    /// Partitions of groups that went back.
    done: BTreeSet<(String, i32)>,
}

/// What to do with a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Before anything else, the broker does nothing for so long.
    pub stall: Duration,
    /// It is not stored, and this is the answer.
    pub refused: Option<ResponseError>,
    /// It is stored, and this is the answer nevertheless.
    pub denied: Option<ResponseError>,
    /// What is stored in its place.
    pub instead: Option<Vec<Piece>>,
    /// The answer is held back for so long.
    pub delay: Duration,
    /// Faults that were planted in whole with this batch, for a person.
    pub told: Vec<String>,
}

impl Liar {
    /// One for these faults; none where there is nothing to lie about.
    pub fn new(faults: &[Fault]) -> Option<Liar> {
        (!faults.is_empty()).then(|| Liar {
            faults: faults.to_vec(),
            topics: RefCell::default(),
            worked_off: RefCell::new(vec![Instant::default(); faults.len()]),
        })
    }

    /// Decides what to do with a sound batch that has arrived.
    ///
    /// # Errors
    /// As [`rewrite::open`] and [`rewrite::close`].
    pub fn plan(&self, name: &str, partition: i32, batch: &Bytes) -> Result<Plan, ResponseError> {
        let Some(number) = number_of(name) else {
            return Ok(Plan::default());
        };
        let open = rewrite::open(batch)?;
        let mut topics = self.topics.borrow_mut();
        let topic = topics
            .entry(name.to_owned())
            .or_insert_with(|| Topic::new(&self.faults, number));
        let before = topic.left.clone();
        let first = topic.messages + 1;
        topic.messages += open
            .records
            .iter()
            .filter(|record| rewrite::stream(record).is_some())
            .count() as u64;
        let mut plan = Plan::default();
        if topic.messages >= first {
            self.to_the_batch(topic, &mut plan);
            plan.delay += self.work(topic, topic.messages + 1 - first);
        }
        if plan.refused.is_none() {
            plan.instead = self.to_the_messages(topic, partition, first, open)?;
        }
        let done = before.iter().zip(&topic.left).zip(&self.faults);
        plan.told = done
            .filter(|((before, left), _)| **before > 0 && **left == 0)
            .map(|(_, fault)| format!("planted in {name}: {fault}"))
            .collect();
        Ok(plan)
    }

    fn to_the_batch(&self, topic: &mut Topic, plan: &mut Plan) {
        for (fault, left) in self.faults.iter().zip(&mut topic.left) {
            if !fault.of_batches() || *left == 0 || topic.messages < fault.at {
                continue;
            }
            match fault.kind {
                Kind::Stall(time) => plan.stall += time,
                Kind::Delay(time) => plan.delay += time,
                // One answer has one error.
                Kind::Error { .. } if plan.refused.or(plan.denied).is_some() => continue,
                Kind::Error { code, stored } => match stored {
                    true => plan.denied = Some(code),
                    false => plan.refused = Some(code),
                },
                _ => {}
            }
            *left -= 1;
        }
    }

    /// How long it takes until so many messages, and those before them, are worked off.
    fn work(&self, topic: &Topic, messages: u64) -> Duration {
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        for (fault, worked_off) in self.faults.iter().zip(&mut *self.worked_off.borrow_mut()) {
            if let Kind::Capacity(rate) = fault.kind
                && fault.is_for(topic.number)
                && topic.messages >= fault.at
            {
                // What a connection lost by being answered late is made up for.
                let from = (*worked_off).max(Instant(now.0.saturating_sub(CATCH_UP_NANOS)));
                let nanos = messages as f64 / rate as f64 * 1e9;
                *worked_off = Instant(from.0 + nanos as u64);
                longest = longest.max(worked_off.since(now));
            }
        }
        longest
    }

    fn to_the_messages(
        &self,
        topic: &mut Topic,
        partition: i32,
        first: u64,
        open: Open,
    ) -> Result<Option<Vec<Piece>>, ResponseError> {
        let mut places = Vec::with_capacity(open.records.len() + 1);
        let mut changed = false;
        let mut number = first;
        for record in open.records {
            let Some(stream) = rewrite::stream(&record) else {
                places.push(Place::Message(record));
                continue;
            };
            let at = number;
            number += 1;
            if let Some(held) = topic.held.remove(&(partition, stream)) {
                places.extend([Place::Message(record), Place::Message(held)]);
                changed = true;
                continue;
            }
            let Some(kind) = self.next(topic, at) else {
                places.push(Place::Message(record));
                continue;
            };
            changed |= !matches!(kind, Kind::Rewind(_));
            match kind {
                Kind::Drop { reuse: true } => {}
                Kind::Drop { reuse: false } => places.push(Place::Empty),
                Kind::Double => {
                    places.push(Place::Message(record.clone()));
                    places.push(Place::Message(record));
                }
                Kind::Swap => {
                    topic.held.insert((partition, stream), record);
                }
                Kind::Rewind(by) => {
                    topic.rewind = Some(Rewind::new(by));
                    places.push(Place::Message(record));
                }
                Kind::Delay(_) | Kind::Stall(_) | Kind::Error { .. } | Kind::Capacity(_) => {}
            }
        }
        match changed {
            true => rewrite::close(places, open.compression).map(Some),
            false => Ok(None),
        }
    }

    /// What happens to load message number `at`.
    fn next(&self, topic: &mut Topic, at: u64) -> Option<Kind> {
        let mut open = self.faults.iter().zip(&mut topic.left);
        let due = |fault: &Fault, left| !fault.of_batches() && left > 0 && at >= fault.at;
        let (fault, left) = open.find(|(fault, left)| due(fault, **left))?;
        *left -= 1;
        Some(fault.kind)
    }

    /// Whether a group that reads this topic has to join again, to be sent back.
    pub fn calls_back(&self, name: &str, group: &str) -> bool {
        let topics = self.topics.borrow();
        let rewind = topics.get(name).and_then(|topic| topic.rewind.as_ref());
        rewind.is_some_and(|rewind| !rewind.groups.contains(group))
    }

    /// Where a group is told to begin that has committed this offset.
    pub fn committed(&self, name: &str, partition: i32, group: &str, offset: i64) -> i64 {
        let mut topics = self.topics.borrow_mut();
        let topic = topics.get_mut(name);
        let Some(rewind) = topic.and_then(|topic| topic.rewind.as_mut()) else {
            return offset;
        };
        rewind.groups.insert(group.to_owned());
        match rewind.done.insert((group.to_owned(), partition)) {
            true => (offset - rewind.by).max(0),
            false => offset,
        }
    }

    /// What hasn't happened, or not as often as it should have, for a person.
    pub fn rest(&self) -> Vec<String> {
        let topics = self.topics.borrow();
        let mut rest = Vec::new();
        for (index, fault) in self.faults.iter().enumerate() {
            let mut seen = topics
                .values()
                .filter(|t| fault.is_for(t.number))
                .peekable();
            if seen.peek().is_none() || !seen.all(|topic| topic.has_had(index, fault)) {
                rest.push(format!("not planted, or not in whole: {fault}"));
            }
        }
        for (name, topic) in &*topics {
            if !topic.held.is_empty() {
                let held = topic.held.len();
                rest.push(format!(
                    "{held} of {name} waited to be swapped, and are lost"
                ));
            }
        }
        rest
    }
}

impl Topic {
    fn new(faults: &[Fault], number: u32) -> Topic {
        let left = |fault: &Fault| match fault.kind {
            // It never has happened as often as it should.
            Kind::Capacity(_) => 0,
            _ if fault.is_for(number) => fault.count,
            _ => 0,
        };
        Topic {
            number,
            messages: 0,
            left: faults.iter().map(left).collect(),
            held: HashMap::new(),
            rewind: None,
        }
    }

    /// Whether a fault has happened here as often as it should.
    fn has_had(&self, index: usize, fault: &Fault) -> bool {
        let went_back = self.rewind.as_ref().is_some_and(|it| !it.done.is_empty());
        let due = self.left.get(index) == Some(&0);
        due && (went_back || !matches!(fault.kind, Kind::Rewind(_)))
    }
}

impl Rewind {
    fn new(by: u64) -> Rewind {
        Rewind {
            by: i64::try_from(by).unwrap_or(i64::MAX),
            groups: BTreeSet::new(),
            done: BTreeSet::new(),
        }
    }
}

/// The number of a topic within its run, where its name is one that runs give.
fn number_of(name: &str) -> Option<u32> {
    let (rest, run) = name.rsplit_once('-')?;
    let (_, number) = rest.rsplit_once('-')?;
    let is_run = run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_run.then(|| number.parse().ok()).flatten()
}
