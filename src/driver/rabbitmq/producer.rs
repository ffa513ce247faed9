//! A producer: one connection, and a channel with confirms for each topic.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use super::connect::{Nodes, explain};
use super::short;
use crate::clock::Instant;
use crate::config::RabbitMqConfig;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::flights::{Flights, Landing};
use crate::driver::link::{Change, Link};
use crate::driver::{
    DriverError, Outcome, Outgoing, Producer, ProducerOptions, STAMP_HEADER, STAMP_LEN, SendError,
};

/// How often it is looked whether the connection is still there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `deliveryMode` of messages that are written to disk.
const PERSISTENT: u8 = 2;

/// What a producer needs of a connection.
struct Sending {
    connection: Connection,
    /// One for each topic: the broker confirms what comes on a channel in its order.
    channels: Arc<[Channel]>,
}

impl Sending {
    fn is_whole(&self) -> bool {
        self.connection.status().connected() && self.channels.iter().all(|c| c.status().connected())
    }
}

/// Sends messages.
pub struct RabbitMqProducer {
    link: Link<Sending>,
    flights: Flights,
    bell: Arc<Bell>,
    wake: RawFd,
    exchanges: Vec<ShortString>,
    properties: BasicProperties,
    complaints: Complaints,
    look_at: Instant,
    blocked: bool,
}

impl RabbitMqProducer {
    /// Connects, in the background.
    pub fn new(
        nodes: &Nodes,
        config: &RabbitMqConfig,
        options: &ProducerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let exchanges = options.topics.iter().map(|topic| short(topic));
        let exchanges: Vec<ShortString> = exchanges.collect::<Result<_, _>>()?;
        let (nodes, client) = (nodes.clone(), options.client_id.to_owned());
        let (first, topics) = (nodes.first_for(&client), exchanges.len());
        let link = Link::new(bell.clone(), move |attempt| {
            let (nodes, client) = (nodes.clone(), client.clone());
            Box::pin(async move { open(&nodes, first + attempt, &client, topics).await })
        })?;
        let mut properties = BasicProperties::default();
        if config.persistent {
            properties = properties.with_delivery_mode(PERSISTENT);
        }
        Ok(Self {
            link,
            flights: Flights::new(&bell, options.topics.len(), config.max_in_flight),
            bell,
            wake: options.wake,
            exchanges,
            properties,
            complaints: Complaints::default(),
            look_at: Instant::default(),
            blocked: false,
        })
    }

    /// Looks after the connection.
    fn look(&mut self, now: Instant) {
        if let Change::Failed(error) = self.link.look() {
            let text = format!("cannot connect to RabbitMQ at {error}");
            self.complaints.add(text);
        }
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_EVERY;
        let Some(sending) = self.link.get() else {
            return;
        };
        if !sending.is_whole() {
            self.complaints
                .add("the connection to RabbitMQ is lost, or a channel of it".to_owned());
            self.link.broke();
            return;
        }
        let blocked = sending.connection.status().blocked();
        if blocked && !self.blocked {
            self.complaints.add(
                "RabbitMQ has blocked this producer: it is short of memory or disk".to_owned(),
            );
        }
        self.blocked = blocked;
    }
}

async fn open(
    nodes: &Nodes,
    number: usize,
    client: &str,
    topics: usize,
) -> Result<Sending, DriverError> {
    let connection = nodes.connect(number, client).await?;
    let mut channels = Vec::with_capacity(topics);
    for _ in 0..topics {
        let channel = connection.create_channel().await.map_err(|e| explain(&e))?;
        let options = ConfirmSelectOptions::default();
        channel
            .confirm_select(options)
            .await
            .map_err(|e| explain(&e))?;
        channels.push(channel);
    }
    Ok(Sending {
        connection,
        channels: channels.into(),
    })
}

impl Producer for RabbitMqProducer {
    fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        if !self.flights.has_room() {
            return Err(SendError::Full);
        }
        let Some(sending) = self.link.get() else {
            return Err(SendError::Full);
        };
        let topic = message.topic as usize;
        let mut properties = self.properties.clone();
        if let Some(stamp) = message.header {
            let mut headers = FieldTable::default();
            headers.insert(STAMP_HEADER.into(), AMQPValue::ByteArray(stamp.into()));
            properties = properties.with_headers(headers);
        }
        let key = match message.key {
            Some(key) => ShortString::try_new(String::from_utf8_lossy(key))
                .map_err(|_| SendError::Rejected("a key is longer than 255 bytes".to_owned()))?,
            None => ShortString::default(),
        };
        let (channels, exchange) = (sending.channels.clone(), self.exchanges[topic].clone());
        let payload = message.payload.to_vec();
        let stamp = message.header.unwrap_or(message.payload);
        let stamp = stamp.get(..STAMP_LEN).unwrap_or(stamp);
        self.flights
            .start(topic, stamp, message.payload.len(), async move {
                // A message that no queue takes would be confirmed like any other.
                let options = BasicPublishOptions {
                    mandatory: true,
                    ..BasicPublishOptions::default()
                };
                let published =
                    channels[topic].basic_publish(exchange, key, options, &payload, properties);
                match async { published.await?.await }.await {
                    Ok(Confirmation::Ack(None)) => Landing::Acknowledged(0, None),
                    Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                        Landing::Failed(format!("returned: {}", returned.reply_text))
                    }
                    Ok(Confirmation::Nack(None)) => {
                        Landing::Unknown("negatively acknowledged by the broker".to_owned())
                    }
                    Ok(Confirmation::NotRequested) => {
                        Landing::Unknown("no confirm was asked for".to_owned())
                    }
                    Err(error) => Landing::Unknown(explain(&error).0),
                }
            });
        Ok(())
    }

    fn poll(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) {
        let now = Instant::now();
        self.look(now);
        if self.flights.serve(sink) == 0 && until > now {
            self.bell.wait(self.wake, until.min(self.look_at));
            self.look(Instant::now());
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
        self.complaints.take()
    }
}
