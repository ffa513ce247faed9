//! A consumer: one client of the library, and in it one consumer for each partition.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_core::Stream;
use pulsar::consumer::{InitialPosition, Message};
use pulsar::message::proto::MessageIdData;
use pulsar::{ConsumerOptions as LibraryOptions, SubType, TokioExecutor};

use super::connect::{Brokers, Client, explain};
use super::heard;
use super::place::{Places, number};
use super::producer::partition_names;
use crate::clock::Instant;
use crate::config::{PulsarConfig, Subscription};
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::link::{Change, Link, wait_for};
use crate::driver::{
    Consumer, ConsumerEvents, ConsumerOptions, DriverError, Incoming, Numbered, Partition,
    STAMP_HEADER,
};

/// Messages of one partition that are handed out with one reading of the clock.
const BATCH: usize = 256;

/// Batches of one poll: then the owner looks at its clock.
const BATCHES: usize = 32;

/// One turn of closing: what the library still hands out is thrown away between two.
const CLOSING: Duration = Duration::from_millis(50);

type Library = pulsar::Consumer<Vec<u8>, TokioExecutor>;

/// An entry whose last message was handed out, and which was not acknowledged.
struct Open {
    /// The position behind it.
    end: u64,
    id: MessageIdData,
}

/// One partition.
struct Lane {
    place: Partition,
    consumer: Library,
    /// A broker acknowledges whole entries, so those are in here whose last message came.
    open: VecDeque<Open>,
    /// Messages so far.
    received: u64,
}

/// Receives messages.
pub struct PulsarConsumer {
    link: Link<Vec<Lane>>,
    bell: Arc<Bell>,
    waker: Waker,
    wake: RawFd,
    /// How members share the subscription; `None` where topics are not written, and nothing has a place.
    subscription: Option<Subscription>,
    batch: Vec<Message<Vec<u8>>>,
    owned: Vec<Partition>,
    paused: bool,
    complaints: Complaints,
    fatal: Option<String>,
}

/// Whether messages go on.
enum End {
    Idle,
    /// There may be more.
    More,
    Broken(String),
}

impl PulsarConsumer {
    /// Connects and subscribes, in the background.
    pub fn new(
        brokers: &Brokers,
        config: &PulsarConfig,
        options: &ConsumerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let places = Places::new(config);
        let topics: Arc<[String]> = options.topics.iter().map(|t| places.full(t)).collect();
        let first = options.client_id.bytes().map(usize::from).sum::<usize>();
        let (brokers, group) = (brokers.clone(), options.group.to_owned());
        let (client_id, queue) = (options.client_id.to_owned(), config.receiver_queue);
        let subscription = config.subscription;
        let link = Link::new(bell.clone(), move |attempt| {
            let (brokers, topics) = (brokers.clone(), topics.clone());
            let wanted = Wanted {
                group: group.clone(),
                client_id: client_id.clone(),
                subscription,
                queue,
            };
            Box::pin(async move {
                let client = brokers.connect(first + attempt).await?;
                wanted.subscribe(&client, &topics).await
            })
        })?;
        Ok(Self {
            link,
            waker: Waker::from(bell.clone()),
            bell,
            wake: options.wake,
            subscription: config.persistent.then_some(subscription),
            batch: Vec::with_capacity(BATCH),
            owned: Vec::new(),
            paused: false,
            complaints: Complaints::default(),
            fatal: None,
        })
    }

    /// Looks after the connection.
    fn look(&mut self, events: &mut dyn ConsumerEvents) {
        match self.link.look() {
            Change::None => {}
            Change::Opened => {
                let lanes = self.link.get().into_iter().flatten();
                self.owned = lanes.map(|lane| lane.place).collect();
                events.assigned(&self.owned);
            }
            Change::Failed(error) => {
                self.complaints
                    .add(format!("cannot consume from Pulsar at {error}"));
            }
        }
    }

    fn broke(&mut self, why: &str, events: &mut dyn ConsumerEvents) {
        self.complaints
            .add(format!("the connection to Pulsar is lost: {why}"));
        self.link.broke();
        let owned = std::mem::take(&mut self.owned);
        if !owned.is_empty() {
            events.lost(&owned);
        }
    }

    /// Serves what is there; whether there was anything.
    fn serve(&mut self, events: &mut dyn ConsumerEvents) -> bool {
        if self.paused || self.fatal.is_some() {
            return false;
        }
        let mut served = false;
        for lane in 0..self.owned.len() {
            for _ in 0..BATCHES {
                let end = self.gather(lane);
                served |= !self.batch.is_empty();
                self.hand_out(lane, events);
                match end {
                    End::More => {}
                    End::Idle => break,
                    End::Broken(why) => {
                        self.broke(&why, events);
                        return true;
                    }
                }
            }
        }
        served
    }

    /// Takes messages of a partition: all there are, or a batch.
    fn gather(&mut self, lane: usize) -> End {
        self.batch.clear();
        let Some(lane) = self.link.get().and_then(|lanes| lanes.get_mut(lane)) else {
            return End::Idle;
        };
        let mut context = Context::from_waker(&self.waker);
        while self.batch.len() < BATCH {
            match Pin::new(&mut lane.consumer).poll_next(&mut context) {
                Poll::Pending => return End::Idle,
                Poll::Ready(Some(Ok(message))) => self.batch.push(message),
                Poll::Ready(Some(Err(error))) => return End::Broken(explain(&error)),
                Poll::Ready(None) => {
                    return End::Broken("the client library has given up".to_owned());
                }
            }
        }
        End::More
    }

    fn hand_out(&mut self, lane: usize, events: &mut dyn ConsumerEvents) {
        if self.batch.is_empty() {
            return;
        }
        let Some(lane) = self.link.get().and_then(|lanes| lanes.get_mut(lane)) else {
            return;
        };
        events.batch(Instant::now());
        for message in self.batch.drain(..) {
            let (id, metadata) = (&message.message_id.id, &message.payload.metadata);
            let messages = metadata.num_messages_in_batch.map_or(1, i64::from) as u64;
            let index = id.batch_index.map_or(0, i64::from) as u64;
            let (offset, numbered) = match self.subscription {
                None => (lane.received, Numbered::Receipts { redelivered: false }),
                Some(subscription) => {
                    let Some(number) = number(id, index, messages) else {
                        self.fatal = Some(format!(
                            "message {}:{}:{index} of {messages} has a place that is beyond what omb \
                             numbers",
                            id.ledger_id, id.entry_id
                        ));
                        return;
                    };
                    match subscription.is_shared() {
                        true => (number, Numbered::Shared),
                        false => (number, Numbered::ByEntries),
                    }
                }
            };
            lane.received += 1;
            if index + 1 == messages && self.subscription.is_some() {
                let end = match numbered {
                    Numbered::Shared => lane.received,
                    _ => offset + 1,
                };
                let mut id = id.clone();
                id.batch_index = None;
                lane.open.push_back(Open { end, id });
            }
            let mut properties = metadata.properties.iter();
            let stamp = properties
                .find(|property| property.key == STAMP_HEADER)
                .and_then(|property| BASE64_STANDARD.decode(&property.value).ok());
            events.message(&Incoming {
                partition: lane.place,
                offset,
                numbered,
                payload: &message.payload.data,
                header: stamp.as_deref(),
            });
        }
    }
}

/// What is subscribed to, and how.
struct Wanted {
    group: String,
    client_id: String,
    subscription: Subscription,
    queue: u32,
}

impl Wanted {
    async fn subscribe(
        &self,
        client: &Client,
        topics: &[String],
    ) -> Result<Vec<Lane>, DriverError> {
        let mut lanes = Vec::new();
        for (topic, name) in (0..).zip(topics) {
            let failed = |error: pulsar::Error| DriverError(format!("{name}: {}", explain(&error)));
            let count = client.lookup_partitioned_topic_number(name).await;
            let names = partition_names(name, count.map_err(failed)?);
            for (partition, name) in (0..).zip(names) {
                let options = LibraryOptions::default()
                    .with_receiver_queue_size(self.queue)
                    .with_initial_position(InitialPosition::Earliest);
                let consumer = client
                    .consumer()
                    .with_topic(name)
                    .with_subscription(&self.group)
                    .with_consumer_name(&self.client_id)
                    .with_subscription_type(match self.subscription {
                        Subscription::Failover => SubType::Failover,
                        Subscription::Exclusive => SubType::Exclusive,
                        Subscription::Shared => SubType::Shared,
                        Subscription::KeyShared => SubType::KeyShared,
                    })
                    .with_batch_size(self.queue)
                    .with_options(options)
                    .build()
                    .await;
                lanes.push(Lane {
                    place: Partition { topic, partition },
                    consumer: consumer.map_err(failed)?,
                    open: VecDeque::new(),
                    received: 0,
                });
            }
        }
        Ok(lanes)
    }
}

impl Lane {
    /// Acknowledges what was handed out before a position.
    fn acknowledge(&mut self, position: u64, shared: bool) -> Result<(), String> {
        let mut ready = Vec::new();
        while self.open.front().is_some_and(|open| open.end <= position)
            && let Some(open) = self.open.pop_front()
        {
            if !shared {
                ready.clear();
            }
            ready.push(open.id);
        }
        for id in ready {
            let consumer = &mut self.consumer;
            let mut context = Context::from_waker(Waker::noop());
            // It is on its way once it was looked at.
            let looked = if shared {
                pin!(consumer.ack_with_id("", id)).poll(&mut context)
            } else {
                pin!(consumer.cumulative_ack_with_id("", id)).poll(&mut context)
            };
            if let Poll::Ready(Err(error)) = looked {
                return Err(error.to_string());
            }
        }
        Ok(())
    }
}

impl Consumer for PulsarConsumer {
    fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        self.look(events);
        if !self.serve(events) && until > Instant::now() {
            self.bell.wait(self.wake, until);
            self.look(events);
            self.serve(events);
        }
    }

    fn commit(&mut self, positions: &[(Partition, u64)]) {
        let shared = self.subscription.is_some_and(Subscription::is_shared);
        let Some(lanes) = self.link.get() else {
            return;
        };
        for (place, position) in positions {
            let Some(lane) = lanes.iter_mut().find(|lane| lane.place == *place) else {
                continue;
            };
            if let Err(error) = lane.acknowledge(*position, shared) {
                self.complaints.add(format!("cannot acknowledge: {error}"));
            }
        }
    }

    /// Nothing is taken from the library any more, which holds what comes until its queue is full.
    fn pause(&mut self, paused: bool) -> Result<(), DriverError> {
        self.paused = paused;
        Ok(())
    }

    fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        let owned = std::mem::take(&mut self.owned);
        if !owned.is_empty() {
            let positions = events.revoked(&owned);
            self.commit(&positions);
        }
        let Some(lanes) = self.link.get() else {
            return;
        };
        // Where it can't be closed in time, the broker notices the end of the connection.
        let _ = wait_for(until, "", async {
            for lane in lanes {
                // The library does nothing else while it waits for room in its queue.
                while tokio::time::timeout(CLOSING, lane.consumer.close())
                    .await
                    .is_err()
                {
                    let mut context = Context::from_waker(Waker::noop());
                    let consumer = &mut lane.consumer;
                    while Pin::new(&mut *consumer).poll_next(&mut context).is_ready() {}
                }
            }
            Ok(())
        });
    }

    fn complaints(&mut self) -> Result<Vec<String>, DriverError> {
        match self.fatal.clone() {
            Some(text) => Err(DriverError(text)),
            None => {
                heard::lost()
                    .into_iter()
                    .for_each(|text| self.complaints.add(text));
                Ok(self.complaints.take())
            }
        }
    }
}
