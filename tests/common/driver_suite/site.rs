//! Topics, producers and consumers of one test, removed at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use omb::clock::Instant;
use omb::config::{Overrides, System, load_driver};
use omb::driver::{
    Admin, Consumer, ConsumerEvents, ConsumerOptions, Driver, Group, Incoming, NewTopic, Numbered,
    Outcome, Outgoing, Partition, Producer, ProducerOptions, STAMP_LEN, SendError, TopicState,
};

use crate::common::PATIENCE;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Another one for each client, as in a run.
fn client_id() -> String {
    format!("driver-suite-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub fn within(time: Duration) -> Instant {
    Instant::now() + time
}

/// Later than a test takes, unless something is wrong.
pub fn patience() -> Instant {
    within(PATIENCE)
}

/// What `-b ADDRESS` and `-X KEY=VALUE` say.
pub fn system_at(address: &str, settings: &[(&str, &str)]) -> System {
    let setting = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    let overrides = Overrides {
        bootstrap: Some(address.to_owned()),
        extra: settings.iter().map(setting).collect(),
        ..Overrides::default()
    };
    load_driver(None, &overrides).unwrap().system
}

/// Why nobody lets this driver in, which is told soon.
pub fn refused<D: Driver>(driver: &D) -> String {
    let begin = Instant::now();
    let error = driver.admin().unwrap().connect(within(PATIENCE));
    let took = Instant::now().since(begin);
    assert!(took < Duration::from_secs(10), "{took:?}");
    error.unwrap_err().to_string()
}

/// What one test has at the broker.
pub struct Site<D: Driver> {
    pub driver: D,
    pub admin: D::Admin,
    pub topics: Vec<String>,
    pub group: String,
    /// Partitions of each topic, as many as the system has of those that were asked for.
    pub partitions: u32,
    pub wake: EventFd,
}

impl<D: Driver> Site<D> {
    /// A site with so many new topics of so many partitions.
    pub fn new(driver: &D, topics: usize, partitions: u32) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("driver-suite-{}-{number}", std::process::id());
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let mut site = Self {
            driver: driver.clone(),
            admin: driver.admin().unwrap(),
            topics: (0..topics).map(|n| format!("{name}-topic-{n}")).collect(),
            group: format!("{name}-group"),
            partitions,
            wake: EventFd::from_value_and_flags(0, flags).unwrap(),
        };
        site.admin.connect(patience()).unwrap();
        let wanted = site.wanted(partitions);
        site.admin.create_topics(&wanted, patience()).unwrap();
        site.partitions = site.states()[0].ends.len() as u32;
        let groups = site.groups();
        site.admin.create_groups(&groups, patience()).unwrap();
        site
    }

    /// The group, and those that are named after it.
    pub fn groups(&self) -> Vec<Group> {
        let names = [self.group.clone(), self.other_group()];
        names.map(|name| self.group_named(&name)).to_vec()
    }

    pub fn group_named(&self, name: &str) -> Group {
        Group {
            name: name.to_owned(),
            topics: self.topics.clone(),
        }
    }

    /// A second group.
    pub fn other_group(&self) -> String {
        format!("{}-other", self.group)
    }

    /// Owned by whoever is alone in a group.
    pub fn all_partitions(&self) -> usize {
        self.topics.len() * self.partitions as usize
    }

    pub fn wanted(&self, partitions: u32) -> Vec<NewTopic> {
        let new = |name: &String| NewTopic {
            name: name.clone(),
            partitions,
        };
        self.topics.iter().map(new).collect()
    }

    pub fn producer(&self) -> D::Producer {
        self.producer_of(&self.driver)
    }

    /// A producer of this site's topics by another driver.
    pub fn producer_of(&self, driver: &D) -> D::Producer {
        let options = ProducerOptions {
            client_id: &client_id(),
            topics: &self.topics,
            partitions: self.partitions,
            wake: self.wake.as_raw_fd(),
        };
        driver.producer(&options).unwrap()
    }

    pub fn consumer(&self) -> Member<D::Consumer> {
        self.consumer_in(&self.group)
    }

    /// A member of another group.
    pub fn consumer_in(&self, group: &str) -> Member<D::Consumer> {
        let options = ConsumerOptions {
            client_id: &client_id(),
            group,
            topics: &self.topics,
            partitions: self.partitions,
            message_size: 100,
            wake: self.wake.as_raw_fd(),
        };
        Member {
            consumer: self.driver.consumer(&options).unwrap(),
            seen: Seen::default(),
        }
    }

    pub fn states(&mut self) -> Vec<TopicState> {
        self.admin.describe(&self.topics, patience()).unwrap()
    }

    /// Messages in all topics, by what the broker says.
    pub fn stored(&mut self) -> u64 {
        self.states().iter().flat_map(|state| &state.ends).sum()
    }
}

impl<D: Driver> Drop for Site<D> {
    fn drop(&mut self) {
        let groups = self.groups();
        let left = self.admin.delete(&self.topics, &groups, patience());
        if !std::thread::panicking() {
            let left = left.unwrap();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

/// A stamp that is nothing but a number.
pub fn stamp(number: u64) -> [u8; STAMP_LEN] {
    let mut stamp = [0x5a; STAMP_LEN];
    stamp[..8].copy_from_slice(&number.to_le_bytes());
    stamp
}

pub fn number(stamp: &[u8]) -> u64 {
    assert!(stamp.len() >= STAMP_LEN, "no stamp: {stamp:?}");
    u64::from_le_bytes(stamp[..8].try_into().unwrap())
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Acknowledged(u32, Option<u64>),
    Failed(String),
    Unknown(String),
}

/// What became of messages, by their numbers.
pub type Outcomes = BTreeMap<u64, Told>;

/// Sends one message with this number; polls while the queue is full.
pub fn send<P: Producer>(
    producer: &mut P,
    outcomes: &mut Outcomes,
    topic: u32,
    key: Option<&[u8]>,
    number: u64,
    size: usize,
) -> Result<(), String> {
    let stamp = stamp(number);
    let mut payload = vec![0x33; size];
    let header = if size >= STAMP_LEN {
        payload[..STAMP_LEN].copy_from_slice(&stamp);
        None
    } else {
        Some(&stamp[..])
    };
    let message = Outgoing {
        topic,
        key,
        payload: &payload,
        header,
    };
    loop {
        match producer.send(&message) {
            Ok(()) => return Ok(()),
            Err(SendError::Full) => serve(producer, outcomes, within(Duration::from_secs(1))),
            Err(SendError::Rejected(why)) => return Err(why),
        }
    }
}

/// One poll.
pub fn serve<P: Producer>(producer: &mut P, outcomes: &mut Outcomes, until: Instant) {
    producer.poll(until, &mut |stamp, outcome| {
        let told = match outcome {
            Outcome::Acknowledged { partition, offset } => Told::Acknowledged(partition, offset),
            Outcome::Failed(why) => Told::Failed(why.to_owned()),
            Outcome::Unknown(why) => Told::Unknown(why.to_owned()),
        };
        let before = outcomes.insert(number(stamp), told);
        assert_eq!(before, None, "two outcomes of one message");
    });
}

/// Polls until everything sent has an outcome.
pub fn settle<P: Producer>(producer: &mut P, outcomes: &mut Outcomes) {
    let deadline = patience();
    while producer.in_flight() > 0 {
        assert!(
            Instant::now() < deadline,
            "{} in flight",
            producer.in_flight()
        );
        serve(producer, outcomes, deadline);
    }
}

/// Sends messages with these numbers to all topics in turn; they are all acknowledged.
pub fn produce<D: Driver>(site: &Site<D>, numbers: std::ops::Range<u64>, size: usize) -> Outcomes {
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    for number in numbers.clone() {
        let topic = (number % site.topics.len() as u64) as u32;
        send(&mut producer, &mut outcomes, topic, None, number, size).unwrap();
    }
    settle(&mut producer, &mut outcomes);
    assert_eq!(outcomes.len() as u64, numbers.end - numbers.start);
    for (number, told) in &outcomes {
        assert!(matches!(told, Told::Acknowledged(..)), "{number}: {told:?}");
    }
    outcomes
}

/// What a consumer told of.
#[derive(Default)]
pub struct Seen {
    /// Number of a message → where it lay, once for each time it came.
    pub messages: HashMap<u64, Vec<(Partition, u64)>>,
    pub owned: BTreeSet<Partition>,
    pub given: usize,
    pub revoked: usize,
    pub lost: usize,
    /// Numbers in the order in which they came first.
    pub order: Vec<u64>,
    /// Of payloads.
    pub bytes: usize,
    /// Messages that the broker says it has delivered before; `None` where it has offsets.
    pub redelivered: Option<usize>,
    /// Positions in what is owned.
    pub next: BTreeMap<Partition, u64>,
    received: Instant,
}

impl ConsumerEvents for Seen {
    fn batch(&mut self, received: Instant) {
        assert!(received >= self.received, "time runs backwards");
        self.received = received;
    }

    fn message(&mut self, message: &Incoming<'_>) {
        let place = message.partition;
        assert!(self.owned.contains(&place), "{place:?} is not ours");
        assert_ne!(self.received, Instant::default(), "no batch was begun");
        let number = number(message.header.unwrap_or(message.payload));
        if let Numbered::Receipts { redelivered } = message.numbered {
            *self.redelivered.get_or_insert_default() += usize::from(redelivered);
        }
        self.bytes += message.payload.len();
        let places = self.messages.entry(number).or_default();
        if places.is_empty() {
            self.order.push(number);
        }
        places.push((place, message.offset));
        let next = self.next.entry(place).or_default();
        *next = match message.numbered {
            Numbered::Shared => *next + 1,
            _ => message.offset + 1,
        };
    }

    fn assigned(&mut self, partitions: &[Partition]) {
        self.given += 1;
        for partition in partitions {
            assert!(self.owned.insert(*partition), "{partition:?} given twice");
        }
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Vec<(Partition, u64)> {
        self.revoked += 1;
        self.give_up(partitions)
    }

    fn lost(&mut self, partitions: &[Partition]) {
        self.lost += 1;
        self.give_up(partitions);
    }
}

impl Seen {
    fn give_up(&mut self, partitions: &[Partition]) -> Vec<(Partition, u64)> {
        for partition in partitions {
            assert!(self.owned.remove(partition), "{partition:?} was not ours");
        }
        let read = |partition: &Partition| Some((*partition, self.next.remove(partition)?));
        partitions.iter().filter_map(read).collect()
    }
}

/// A member of the site's group.
pub struct Member<C: Consumer> {
    pub consumer: C,
    pub seen: Seen,
}

impl<C: Consumer> Member<C> {
    pub fn poll(&mut self, time: Duration) {
        self.consumer.poll(within(time), &mut self.seen);
        self.consumer.complaints().unwrap();
    }

    /// Polls until this many different messages came.
    pub fn read(&mut self, messages: usize) {
        let deadline = patience();
        while self.seen.messages.len() < messages {
            let got = self.seen.messages.len();
            assert!(Instant::now() < deadline, "{got} of {messages} came");
            self.poll(Duration::from_millis(500));
        }
    }

    /// Polls until this many partitions are owned.
    pub fn own(&mut self, partitions: usize) {
        let deadline = patience();
        while self.seen.owned.len() != partitions {
            let owned = &self.seen.owned;
            assert!(Instant::now() < deadline, "{owned:?}, not {partitions}");
            self.poll(Duration::from_millis(500));
        }
    }

    pub fn close(mut self) -> Seen {
        self.consumer.close(patience(), &mut self.seen);
        assert!(self.seen.owned.is_empty(), "{:?}", self.seen.owned);
        self.seen
    }
}
