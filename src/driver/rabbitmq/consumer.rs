//! A consumer: one connection, and a channel with a queue for each topic.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection};

use super::connect::{Nodes, explain, is_refusal};
use super::{AHEAD, queue_name, short};
use crate::clock::Instant;
use crate::config::{QueueType, RabbitMqConfig};
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::link::{Change, Link, wait_for};
use crate::driver::{
    Consumer, ConsumerEvents, ConsumerOptions, DriverError, Incoming, Numbered, Partition,
    STAMP_HEADER,
};

/// Messages of one queue that are handed out with one reading of the clock.
const BATCH: usize = 256;

/// Batches of one poll: then the owner looks at its clock.
const BATCHES: usize = 32;

/// How often it is looked whether the connection is still there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One queue.
struct Lane {
    channel: Channel,
    deliveries: lapin::Consumer,
    /// What was handed out and not acknowledged: (position, delivery tag), ascending.
    open: VecDeque<(u64, u64)>,
}

/// What a consumer needs of a connection.
struct Receiving {
    connection: Connection,
    lanes: Vec<Lane>,
}

/// Receives messages.
pub struct RabbitMqConsumer {
    link: Link<Receiving>,
    bell: Arc<Bell>,
    waker: Waker,
    wake: RawFd,
    queues: Vec<String>,
    /// By topic: messages received so far, over all connections.
    received: Vec<u64>,
    is_stream: bool,
    batch: Vec<Delivery>,
    assigned: bool,
    paused: bool,
    complaints: Complaints,
    fatal: Option<String>,
    look_at: Instant,
}

/// Whether deliveries go on.
enum End {
    Idle,
    /// There may be more.
    More,
    Broken(String),
    Fatal(String),
}

impl RabbitMqConsumer {
    /// Connects and subscribes, in the background.
    pub fn new(
        nodes: &Nodes,
        config: &RabbitMqConfig,
        options: &ConsumerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let queues = options.topics.iter();
        let queues: Vec<String> = queues.map(|t| queue_name(t, options.group)).collect();
        let names = queues.iter().map(|queue| short(queue));
        let names: Arc<[ShortString]> = names.collect::<Result<_, _>>()?;
        let by_size = (AHEAD / options.message_size.max(1)).clamp(100, 20_000) as u16;
        let prefetch = config.prefetch.unwrap_or(by_size);
        let is_stream = config.queue == QueueType::Stream;
        let (nodes, client) = (nodes.clone(), options.client_id.to_owned());
        let first = nodes.first_for(&client);
        let link = Link::new(bell.clone(), move |attempt| {
            let (nodes, client, names) = (nodes.clone(), client.clone(), names.clone());
            Box::pin(async move {
                let connection = nodes.connect(first + attempt, &client).await?;
                let mut lanes = Vec::with_capacity(names.len());
                for queue in names.iter() {
                    let lane = subscribe(&connection, queue, prefetch, is_stream).await;
                    lanes.push(lane.map_err(|e| DriverError(format!("{queue}: {}", explain(&e))))?);
                }
                Ok(Receiving { connection, lanes })
            })
        })?;
        Ok(Self {
            link,
            waker: Waker::from(bell.clone()),
            bell,
            wake: options.wake,
            received: vec![0; queues.len()],
            queues,
            is_stream,
            batch: Vec::with_capacity(BATCH),
            assigned: false,
            paused: false,
            complaints: Complaints::default(),
            fatal: None,
            look_at: Instant::default(),
        })
    }

    fn partitions(&self) -> Vec<Partition> {
        let topics = 0..self.queues.len() as u32;
        let partition = |topic| Partition {
            topic,
            partition: 0,
        };
        topics.map(partition).collect()
    }

    /// Looks after the connection.
    fn look(&mut self, events: &mut dyn ConsumerEvents) {
        match self.link.look() {
            Change::None => {}
            Change::Opened => {
                self.assigned = true;
                events.assigned(&self.partitions());
            }
            Change::Failed(error) => {
                self.complaints
                    .add(format!("cannot consume from RabbitMQ at {error}"));
            }
        }
        let now = Instant::now();
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            let lost = self
                .link
                .get()
                .is_some_and(|receiving| !receiving.connection.status().connected());
            if lost {
                self.broke("the connection is gone", events);
            }
        }
    }

    fn broke(&mut self, why: &str, events: &mut dyn ConsumerEvents) {
        self.complaints
            .add(format!("the connection to RabbitMQ is lost: {why}"));
        self.link.broke();
        if std::mem::take(&mut self.assigned) {
            events.lost(&self.partitions());
        }
    }

    /// Serves what is there; whether there was anything.
    fn serve(&mut self, events: &mut dyn ConsumerEvents) -> bool {
        if self.paused || self.fatal.is_some() {
            return false;
        }
        let mut served = false;
        for topic in 0..self.queues.len() {
            for _ in 0..BATCHES {
                let end = self.gather(topic);
                served |= !self.batch.is_empty();
                self.hand_out(topic, events);
                match end {
                    End::More => {}
                    End::Idle => break,
                    End::Broken(why) => {
                        self.broke(&why, events);
                        return true;
                    }
                    End::Fatal(why) => {
                        self.fatal = Some(why);
                        return true;
                    }
                }
            }
        }
        served
    }

    /// Takes deliveries of a queue: all there are, or a batch.
    fn gather(&mut self, topic: usize) -> End {
        self.batch.clear();
        let Some(receiving) = self.link.get() else {
            return End::Idle;
        };
        let mut context = Context::from_waker(&self.waker);
        let deliveries = &mut receiving.lanes[topic].deliveries;
        while self.batch.len() < BATCH {
            match Pin::new(&mut *deliveries).poll_next(&mut context) {
                Poll::Pending => return End::Idle,
                Poll::Ready(Some(Ok(delivery))) => self.batch.push(delivery),
                Poll::Ready(Some(Err(error))) if is_refusal(&error) => {
                    let queue = &self.queues[topic];
                    return End::Fatal(format!("queue {queue}: {}", explain(&error)));
                }
                Poll::Ready(Some(Err(error))) => return End::Broken(explain(&error).0),
                Poll::Ready(None) if receiving.connection.status().connected() => {
                    let queue = &self.queues[topic];
                    return End::Fatal(format!("queue {queue} was deleted"));
                }
                Poll::Ready(None) => return End::Broken("the connection is gone".to_owned()),
            }
        }
        End::More
    }

    fn hand_out(&mut self, topic: usize, events: &mut dyn ConsumerEvents) {
        let Some(lane) = self.link.get().map(|receiving| &mut receiving.lanes[topic]) else {
            return;
        };
        if self.batch.is_empty() {
            return;
        }
        events.batch(Instant::now());
        for delivery in &self.batch {
            let headers = delivery.properties.headers();
            let header = |name: &str| headers.as_ref()?.inner().get(name);
            let stamp = header(STAMP_HEADER).and_then(|value| match value {
                AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
                AMQPValue::LongString(text) => Some(text.as_bytes()),
                _ => None,
            });
            let offset = match header("x-stream-offset") {
                Some(&AMQPValue::LongLongInt(offset)) if self.is_stream => Some(offset as u64),
                _ => None,
            };
            let number = offset.unwrap_or(self.received[topic]);
            self.received[topic] += 1;
            lane.open.push_back((number, delivery.delivery_tag));
            events.message(&Incoming {
                partition: Partition {
                    topic: topic as u32,
                    partition: 0,
                },
                offset: number,
                numbered: match offset {
                    Some(_) => Numbered::Densely,
                    None => Numbered::Receipts {
                        redelivered: delivery.redelivered,
                    },
                },
                payload: &delivery.data,
                header: stamp,
            });
        }
        self.batch.clear();
    }
}

async fn subscribe(
    connection: &Connection,
    queue: &ShortString,
    prefetch: u16,
    is_stream: bool,
) -> lapin::Result<Lane> {
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let mut arguments = FieldTable::default();
    if is_stream {
        // Streams keep no position for consumers of AMQP 0-9-1.
        let first = AMQPValue::LongString("first".into());
        arguments.insert("x-stream-offset".into(), first);
    }
    let options = BasicConsumeOptions::default();
    let deliveries = channel
        .basic_consume(queue.clone(), ShortString::default(), options, arguments)
        .await?;
    Ok(Lane {
        channel,
        deliveries,
        open: VecDeque::new(),
    })
}

impl Consumer for RabbitMqConsumer {
    fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        self.look(events);
        if !self.serve(events) && until > Instant::now() {
            self.bell.wait(self.wake, until.min(self.look_at));
            self.look(events);
            self.serve(events);
        }
    }

    fn commit(&mut self, positions: &[(Partition, u64)]) {
        let Some(receiving) = self.link.get() else {
            return;
        };
        for (partition, position) in positions {
            let Some(lane) = receiving.lanes.get_mut(partition.topic as usize) else {
                continue;
            };
            let mut last = None;
            while let Some(&(number, tag)) = lane.open.front()
                && number < *position
            {
                last = Some(tag);
                lane.open.pop_front();
            }
            let Some(tag) = last else { continue };
            let acknowledged = lane
                .channel
                .basic_ack(tag, BasicAckOptions { multiple: true });
            // It is on its way once it was looked at.
            let looked = pin!(acknowledged).poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(Err(error)) = looked {
                self.complaints
                    .add(format!("cannot acknowledge: {}", explain(&error)));
            }
        }
    }

    /// A queue is not read any more, and what the broker has sent ahead waits here.
    fn pause(&mut self, paused: bool) -> Result<(), DriverError> {
        self.paused = paused;
        Ok(())
    }

    fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        if std::mem::take(&mut self.assigned) {
            let positions = events.revoked(&self.partitions());
            self.commit(&positions);
        }
        let Some(receiving) = self.link.get() else {
            return;
        };
        // Where it can't be closed in time, the broker notices the end of the connection.
        let _ = wait_for(until, "", async {
            for lane in &receiving.lanes {
                let closed = lane.channel.close(200, "done".into()).await;
                closed.map_err(|error| explain(&error))?;
            }
            let closed = receiving.connection.close(200, "done".into()).await;
            closed.map_err(|error| explain(&error))
        });
    }

    fn complaints(&mut self) -> Result<Vec<String>, DriverError> {
        match self.fatal.clone() {
            Some(text) => Err(DriverError(text)),
            None => Ok(self.complaints.take()),
        }
    }
}
