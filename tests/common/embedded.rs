//! An embedded broker on a thread of the test, and clients for it.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use omb::broker::{Broker, Options};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::oneshot;

/// Nothing that works takes longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker that ends with the test.
pub struct Embedded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    notices: Receiver<String>,
    runtime: tokio::runtime::Runtime,
    admin: AdminClient<DefaultClientContext>,
}

impl Embedded {
    /// A broker with the memory it has if nothing is said.
    pub fn start() -> Embedded {
        Embedded::with(Options::default())
    }

    /// A broker as it is wanted.
    pub fn with(options: Options) -> Embedded {
        let broker = Broker::bind(&options).unwrap();
        let address = broker.address();
        let (stop, stopped) = oneshot::channel();
        let (sender, notices) = channel();
        let thread = std::thread::spawn(move || {
            let stopped = async {
                let _ = stopped.await;
            };
            broker.serve(stopped, sender).unwrap();
        });
        Embedded {
            address,
            stop: Some(stop),
            thread: Some(thread),
            notices,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            admin: settings(address, &[]).create().unwrap(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin(&self) -> &AdminClient<DefaultClientContext> {
        &self.admin
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Creates a topic.
    pub fn create(&self, topic: &str, partitions: i32) {
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let made = self.block_on(self.admin.create_topics([&topic], &AdminOptions::new()));
        made.unwrap()[0].as_ref().unwrap();
    }

    /// The topics there are, and how many partitions they have.
    pub fn topics(&self) -> BTreeMap<String, usize> {
        let metadata = self.admin.inner().fetch_metadata(None, PATIENCE).unwrap();
        let topics = metadata.topics().iter();
        topics
            .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
            .collect()
    }

    /// The groups there are.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.admin.inner().fetch_group_list(None, PATIENCE).unwrap();
        groups
            .groups()
            .iter()
            .map(|group| group.name().to_owned())
            .collect()
    }

    /// A connection with nothing on it. Reading from it has an end.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn producer(&self, more: &[(&str, &str)]) -> Producer {
        Embedded::producer_at(self.address, more)
    }

    pub fn producer_at(address: SocketAddr, more: &[(&str, &str)]) -> Producer {
        let failures = Failures::default();
        let inner = settings(address, more)
            .create_with_context(failures.clone())
            .unwrap();
        Producer { inner, failures }
    }

    /// A consumer of a group.
    pub fn member(&self, group: &str, topics: &[&str], more: &[(&str, &str)]) -> BaseConsumer {
        let mut settings = settings(self.address, more);
        settings
            .set("group.id", group)
            .set("auto.offset.reset", "earliest");
        settings.set("enable.auto.commit", "false");
        let consumer: BaseConsumer = settings.create().unwrap();
        consumer.subscribe(topics).unwrap();
        consumer
    }

    /// A consumer that reads everything and is in no group.
    pub fn reader(&self, topic: &str, partitions: &[i32]) -> Reader {
        let mut settings = settings(self.address, &[]);
        // It has to have a name, but takes no part in the group.
        settings
            .set("group.id", "none")
            .set("auto.offset.reset", "earliest");
        settings.set("enable.auto.commit", "false");
        settings.set("enable.partition.eof", "true");
        let inner: BaseConsumer = settings.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, *partition, Offset::Beginning)
                .unwrap();
        }
        inner.assign(&list).unwrap();
        Reader {
            inner,
            ends: RefCell::default(),
            partitions: partitions.len(),
        }
    }

    /// The next thing that the broker says a person has to know.
    pub fn notice(&self) -> String {
        self.notices.recv_timeout(PATIENCE).unwrap()
    }

    /// Ends the broker: what it has said and nobody has asked for.
    pub fn stop(mut self) -> Vec<String> {
        self.end();
        self.notices.try_iter().collect()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the broker panicked"
            );
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.end();
    }
}

fn settings(address: SocketAddr, more: &[(&str, &str)]) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", address.to_string());
    for (key, value) in more {
        settings.set(*key, *value);
    }
    settings
}

/// What couldn't be produced.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Vec<KafkaError>>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap().push(error.clone());
        }
    }
}

/// A producer of numbered messages.
pub struct Producer {
    pub inner: ThreadedProducer<Failures>,
    failures: Failures,
}

impl Producer {
    /// Sends a message that begins with its number. Waits while the client's queue is full.
    pub fn send(&self, topic: &str, partition: i32, number: u64, size: usize) {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(size.max(payload.len()), b'.');
        let start = Instant::now();
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        loop {
            let record = BaseRecord::<(), _>::to(topic)
                .partition(partition)
                .payload(&payload);
            match self.inner.send(record) {
                Ok(()) => return,
                Err((error, _)) if error == full && start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }

    /// Waits until everything is acknowledged.
    pub fn finish(&self) {
        self.inner.flush(PATIENCE).unwrap();
        assert_eq!(self.failures(), []);
    }

    pub fn failures(&self) -> Vec<KafkaError> {
        self.failures.0.lock().unwrap().clone()
    }
}

/// A consumer without a group.
pub struct Reader {
    pub inner: BaseConsumer,
    ends: RefCell<BTreeSet<i32>>,
    partitions: usize,
}

impl Reader {
    /// The next message: its number and its size.
    pub fn next(&self) -> (u64, usize) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.inner.poll(PATIENCE) {
                Some(Ok(message)) => {
                    self.ends.borrow_mut().remove(&message.partition());
                    return read(&message);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ends.borrow_mut().insert(partition);
                }
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
        }
        panic!("no message in {PATIENCE:?}");
    }

    /// Waits for the end of every partition; whether nothing came before that.
    pub fn is_at_the_end(&self) -> bool {
        let start = Instant::now();
        while self.ends.borrow().len() < self.partitions {
            assert!(start.elapsed() < PATIENCE, "no end in {PATIENCE:?}");
            match self.inner.poll(PATIENCE) {
                Some(Ok(_)) => return false,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ends.borrow_mut().insert(partition);
                }
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
        }
        true
    }
}

fn read(message: &BorrowedMessage<'_>) -> (u64, usize) {
    let payload = message.payload().unwrap();
    (
        u64::from_be_bytes(*payload.first_chunk().unwrap()),
        payload.len(),
    )
}

/// A member's next message: its number and its size.
pub fn wait(consumer: &BaseConsumer) -> (u64, usize) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => return read(&message),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    panic!("no message in {PATIENCE:?}");
}

/// How many partitions each member has been given. Polls them, so that they take part.
pub fn assigned(members: &[&BaseConsumer]) -> Vec<usize> {
    for member in members {
        match member.poll(Duration::from_millis(10)) {
            None => {}
            Some(other) => panic!("{other:?}"),
        }
    }
    members
        .iter()
        .map(|member| member.assignment().unwrap().count())
        .collect()
}

/// Waits for something to become true.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A request to join, of version 0: it needs no invitation.
pub fn join_request(group: &str, topic: &str) -> Vec<u8> {
    let text = |text: &str| {
        [
            &u16::try_from(text.len()).unwrap().to_be_bytes(),
            text.as_bytes(),
        ]
        .concat()
    };
    let subscription = [&b"\0\0\0\0\0\x01"[..], &text(topic), b"\0\0\0\0"].concat();
    let body = [
        &b"\0\x0b\0\0\0\0\0\x01"[..],
        &text("dead"),
        &text(group),
        &1000_i32.to_be_bytes(),
        &text(""),
        &text("consumer"),
        &1_i32.to_be_bytes(),
        &text("range"),
        &i32::try_from(subscription.len()).unwrap().to_be_bytes(),
        &subscription,
    ]
    .concat();
    [&i32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}
