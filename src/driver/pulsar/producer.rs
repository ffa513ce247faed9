//! A producer: one client of the library, and in it one producer for each partition.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pulsar::error::{ConnectionError, ProducerError};
use pulsar::message::proto::{CommandSendReceipt, ServerError};
use pulsar::producer::{Message, SendFuture};
use pulsar::{Error, ProducerOptions as LibraryOptions, TokioExecutor};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::connect::{Brokers, Client, explain};
use super::heard;
use super::place::{Places, number};
use crate::clock::Instant;
use crate::config::PulsarConfig;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::flights::{Flights, Landing};
use crate::driver::keys::java_hash;
use crate::driver::link::{Change, Link, runtime};
use crate::driver::{
    DriverError, ENTRY, Outcome, Outgoing, Producer, ProducerOptions, STAMP_HEADER, STAMP_LEN,
    SendError,
};

/// Messages in a batch, at most: they have to fit the numbers of an entry.
const BATCH: u32 = ENTRY as u32;

/// Larger ones the broker takes for an attack and ends the connection, unless its `maxMessageSize` was raised.
pub const LARGEST_MESSAGE: usize = 5 << 20;

/// Bytes of a message beside its payload, at most.
const BESIDE_PAYLOAD: usize = 10 << 10;

/// A message on its way to the library, and who wants to know what becomes of it.
struct Parcel {
    message: Message,
    sent: oneshot::Sender<Result<SendFuture, Error>>,
}

/// The partitions of a topic.
struct Topic {
    partitions: Vec<UnboundedSender<Parcel>>,
    first_lane: usize,
    /// Which partition the next message goes to where nothing else says so.
    next: usize,
}

/// What a producer needs of a connection.
struct Sending {
    topics: Vec<Topic>,
    lanes: usize,
}

/// Sends messages.
pub struct PulsarProducer {
    link: Link<Sending>,
    flights: Flights,
    bell: Arc<Bell>,
    wake: RawFd,
    /// For so long messages without a key go to the same partition, so that batches come about.
    stay: Option<Duration>,
    /// The end of that time.
    stay_until: Instant,
    /// In a shared subscription nobody reads past a place.
    has_places: bool,
    complaints: Complaints,
}

impl PulsarProducer {
    /// Connects, in the background.
    pub fn new(
        brokers: &Brokers,
        config: &PulsarConfig,
        options: &ProducerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let places = Places::new(config);
        let topics: Arc<[String]> = options.topics.iter().map(|t| places.full(t)).collect();
        let (brokers, of_library) = (brokers.clone(), library_options(config));
        let first = options.client_id.bytes().map(usize::from).sum::<usize>();
        let link = Link::new(bell.clone(), move |attempt| {
            let (brokers, of_library) = (brokers.clone(), of_library.clone());
            let topics = topics.clone();
            Box::pin(async move {
                let client = brokers.connect(first + attempt).await?;
                open(&client, &topics, &of_library).await
            })
        })?;
        let batching = config.batching;
        Ok(Self {
            link,
            flights: Flights::new(&bell, 0, config.pending),
            bell,
            wake: options.wake,
            stay: batching.map(|batching| Duration::from_millis(batching.delay_ms)),
            stay_until: Instant::default(),
            has_places: !config.subscription.is_shared(),
            complaints: Complaints::default(),
        })
    }

    fn look(&mut self) {
        match self.link.look() {
            Change::None => {}
            Change::Opened => {
                let lanes = self.link.get().map_or(0, |sending| sending.lanes);
                self.flights.need_lanes(lanes);
            }
            Change::Failed(error) => {
                let text = format!("cannot send to Pulsar at {error}");
                self.complaints.add(text);
            }
        }
    }

    /// Whether messages without a key go on to the next partition.
    fn goes_on(&mut self) -> bool {
        let Some(stay) = self.stay else {
            return true;
        };
        let now = Instant::now();
        let goes_on = now >= self.stay_until;
        if goes_on {
            self.stay_until = now + stay;
        }
        goes_on
    }
}

fn library_options(config: &PulsarConfig) -> LibraryOptions {
    let batching = config.batching;
    LibraryOptions {
        batch_size: batching.map(|_| BATCH),
        batch_byte_size: batching.map(|batching| batching.bytes),
        batch_timeout: batching.map(|batching| Duration::from_millis(batching.delay_ms)),
        block_queue_if_full: true,
        ..LibraryOptions::default()
    }
}

async fn open(
    client: &Client,
    names: &[String],
    options: &LibraryOptions,
) -> Result<Sending, DriverError> {
    let mut topics = Vec::with_capacity(names.len());
    let mut lanes = 0;
    for name in names {
        let failed = |error: Error| DriverError(format!("{name}: {}", explain(&error)));
        let count = client.lookup_partitioned_topic_number(name).await;
        let mut partitions = Vec::new();
        for partition in partition_names(name, count.map_err(failed)?) {
            let builder = client.producer().with_topic(partition);
            let built = builder.with_options(options.clone()).build().await;
            let (sender, parcels) = unbounded_channel();
            runtime()?.spawn(carry(built.map_err(failed)?, parcels));
            partitions.push(sender);
        }
        let first_lane = lanes;
        lanes += partitions.len();
        topics.push(Topic {
            next: fastrand::usize(..partitions.len()),
            partitions,
            first_lane,
        });
    }
    Ok(Sending { topics, lanes })
}

/// Names of a topic's partitions, of which a plain topic has none: it is its own.
pub fn partition_names(topic: &str, partitions: u32) -> Vec<String> {
    match partitions {
        0 => vec![topic.to_owned()],
        _ => (0..partitions)
            .map(|number| format!("{topic}-partition-{number}"))
            .collect(),
    }
}

/// Hands a partition's messages to the library, which may take its time with each.
async fn carry(
    mut producer: pulsar::Producer<TokioExecutor>,
    mut parcels: UnboundedReceiver<Parcel>,
) {
    while let Some(parcel) = parcels.recv().await {
        // What was given up need not be sent.
        if !parcel.sent.is_closed() {
            let sent = producer.send_non_blocking(parcel.message).await;
            // Who has given it up meanwhile doesn't want to know.
            let _ = parcel.sent.send(sent);
        }
    }
    // Nobody is there any more whom an error could be told.
    let _ = producer.close().await;
}

fn landing(
    outcome: Result<CommandSendReceipt, Error>,
    partition: u32,
    has_places: bool,
) -> Landing {
    match outcome {
        Ok(receipt) => {
            let place = receipt.message_id.filter(|_| has_places).and_then(|id| {
                let count = |number: Option<i32>| number.and_then(|n| u64::try_from(n).ok());
                let messages = count(id.batch_size).unwrap_or(1);
                number(&id, count(id.batch_index).unwrap_or(0), messages)
            });
            Landing::Acknowledged(partition, place)
        }
        Err(error) if is_refusal(&error) => Landing::Failed(explain(&error)),
        Err(error) => Landing::Unknown(explain(&error)),
    }
}

/// The broker has said no before it wrote anything.
fn is_refusal(error: &Error) -> bool {
    use ServerError as Code;
    match error {
        Error::Producer(ProducerError::Batch(error)) => is_refusal(error),
        Error::Connection(ConnectionError::PulsarError(Some(code), _))
        | Error::Producer(ProducerError::Connection(ConnectionError::PulsarError(Some(code), _))) =>
        {
            matches!(
                code,
                Code::NotAllowedError
                    | Code::TopicTerminatedError
                    | Code::ChecksumError
                    | Code::AuthorizationError
                    | Code::ProducerFenced
                    | Code::TopicNotFound
            )
        }
        _ => false,
    }
}

impl Producer for PulsarProducer {
    fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        if message.payload.len() > LARGEST_MESSAGE - BESIDE_PAYLOAD {
            return Err(SendError::Rejected(
                "the message is too large: Pulsar takes 5 MiB".to_owned(),
            ));
        }
        if !self.flights.has_room() || self.link.get().is_none() {
            return Err(SendError::Full);
        }
        let goes_on = message.key.is_none() && self.goes_on();
        let Some(sending) = self.link.get() else {
            return Err(SendError::Full);
        };
        let topic = &mut sending.topics[message.topic as usize];
        let key = message.key.map(String::from_utf8_lossy);
        let count = topic.partitions.len();
        let partition = match &key {
            Some(key) => java_hash(key) as usize % count,
            None => {
                topic.next = (topic.next + usize::from(goes_on)) % count;
                topic.next
            }
        };
        let mut properties = HashMap::new();
        if let Some(stamp) = message.header {
            properties.insert(STAMP_HEADER.to_owned(), BASE64_STANDARD.encode(stamp));
        }
        let (sent, was_sent) = oneshot::channel();
        let parcel = Parcel {
            message: Message {
                payload: message.payload.to_vec(),
                properties,
                partition_key: key.map(|key| key.into_owned()),
                ..Message::default()
            },
            sent,
        };
        if topic.partitions[partition].send(parcel).is_err() {
            self.complaints
                .add("the client library has given up a partition".to_owned());
            self.link.broke();
            return Err(SendError::Full);
        }
        let lane = topic.first_lane + partition;
        let (partition, has_places) = (partition as u32, self.has_places);
        let stamp = message.header.unwrap_or(message.payload);
        let stamp = stamp.get(..STAMP_LEN).unwrap_or(stamp);
        let bytes = message.payload.len();
        self.flights.start(lane, stamp, bytes, async move {
            let sent = match was_sent.await {
                Ok(sent) => sent,
                Err(_) => return Landing::Unknown("the client library gave it up".to_owned()),
            };
            match sent {
                Ok(receipt) => landing(receipt.await, partition, has_places),
                Err(error) => landing(Err(error), partition, has_places),
            }
        });
        Ok(())
    }

    fn poll(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) {
        self.look();
        if self.flights.serve(sink) == 0 && until > Instant::now() {
            self.bell.wait(self.wake, until);
            self.look();
            self.flights.serve(sink);
        }
    }

    fn in_flight(&self) -> u64 {
        self.flights.count()
    }

    fn abandon(&mut self) {
        self.flights.abandon();
    }

    fn complaints(&mut self) -> Vec<String> {
        heard::lost()
            .into_iter()
            .for_each(|text| self.complaints.add(text));
        self.complaints.take()
    }
}
