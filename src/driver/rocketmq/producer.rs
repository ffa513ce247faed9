//! A producer: a connection to each broker of its topics, served on the client's own thread.

use std::collections::VecDeque;
use std::fmt::Write;
use std::mem;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::cluster::Cluster;
use super::frame::{Frame, Request, ask, code};
use super::lanes::{Batch, Lanes, Ready, Stamp};
use super::message::{self, UniqueIds, put_property};
use super::peers::{Event, Peers, Side};
use super::{BEAT_EVERY, heart_beat};
use crate::clock::Instant;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::{
    DriverError, Outcome, Outgoing, Producer, ProducerOptions, STAMP_HEADER, STAMP_LEN, SendError,
};

/// Outcomes served before a sender may look at its schedule again: about a millisecond's worth.
const OUTCOMES: u64 = 2_048;

/// What was sent and not answered within this is unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked what is overdue.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The group that producers are of.
const GROUP: &str = "omb";

/// Messages on their way in one request.
struct Flight {
    stamps: Stamps,
    bytes: usize,
    topic: u32,
    lane: u32,
    sent: Instant,
}

enum Stamps {
    One(Stamp),
    Several(Vec<Stamp>),
}

impl Stamps {
    fn of_each(&self) -> &[Stamp] {
        match self {
            Self::One(stamp) => std::slice::from_ref(stamp),
            Self::Several(stamps) => stamps,
        }
    }
}

/// Requests under way to one broker, by their numbers.
#[derive(Default)]
struct UnderWay {
    /// The number of the first.
    first: u32,
    requests: VecDeque<Option<Flight>>,
}

impl UnderWay {
    /// What has this number is under way, or is none that anybody asks for.
    fn put(&mut self, number: u32, flight: Flight) {
        let at = number.wrapping_sub(self.first) as usize;
        while self.requests.len() < at {
            self.requests.push_back(None);
        }
        self.requests.push_back(Some(flight));
    }

    fn take(&mut self, number: u32) -> Option<Flight> {
        let at = number.wrapping_sub(self.first) as usize;
        let flight = self.requests.get_mut(at)?.take();
        self.skip();
        flight
    }

    /// Forgets what is answered, or was nobody's.
    fn skip(&mut self) {
        while let Some(None) = self.requests.front() {
            self.requests.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The oldest, if it was sent before then.
    fn overdue(&mut self, before: Instant) -> Option<Flight> {
        self.skip();
        let oldest = self.requests.front()?.as_ref()?;
        if oldest.sent >= before {
            return None;
        }
        self.take(self.first)
    }

    /// All of them; what comes next is numbered from 0.
    fn drain(&mut self) -> impl Iterator<Item = Flight> + use<> {
        mem::take(self).requests.into_iter().flatten()
    }
}

/// Sends messages.
pub struct RocketMqProducer {
    cluster: Cluster,
    peers: Peers,
    wake: RawFd,
    client_id: String,
    names: Vec<String>,
    /// By topic; empty before they are known.
    lanes: Vec<Lanes>,
    /// By peer.
    under_way: Vec<UnderWay>,
    /// Outcomes that nobody will tell.
    unanswered: VecDeque<(Stamp, Unanswered)>,
    messages: u64,
    bytes: usize,
    ids: UniqueIds,
    properties: String,
    born: String,
    complaints: Complaints,
    look_at: Instant,
    beat_at: Instant,
}

/// Why there is no answer.
#[derive(Clone, Copy)]
enum Unanswered {
    Lost,
    Late,
    GivenUp,
    NeverSent,
}

impl Unanswered {
    fn outcome(self) -> Outcome<'static> {
        match self {
            Self::Lost => Outcome::Unknown("the connection was lost before it was answered"),
            Self::Late => Outcome::Unknown("it was not answered within 30 s"),
            Self::GivenUp => Outcome::Unknown("given up before it was answered"),
            Self::NeverSent => Outcome::Failed("given up before it was sent"),
        }
    }
}

impl RocketMqProducer {
    /// Connects, in the background.
    pub fn new(cluster: &Cluster, options: &ProducerOptions<'_>) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let (topics, partitions) = (options.topics, options.partitions);
        Ok(Self {
            cluster: cluster.clone(),
            peers: Peers::new(cluster, &bell, Side::Produces, topics, partitions)?,
            wake: options.wake,
            client_id: options.client_id.to_owned(),
            names: topics.to_vec(),
            lanes: Vec::new(),
            under_way: Vec::new(),
            unanswered: VecDeque::new(),
            messages: 0,
            bytes: 0,
            ids: UniqueIds::new(),
            properties: String::new(),
            born: String::new(),
            complaints: Complaints::default(),
            look_at: Instant::default(),
            beat_at: Instant::NEVER,
        })
    }

    /// Looks after connections, and after what is overdue.
    fn look(&mut self, now: Instant) {
        while let Some(event) = self.peers.look(&mut self.complaints) {
            match event {
                Event::Found => {
                    let config = &self.cluster.config;
                    let lanes = |queues: &Vec<_>| Lanes::new(queues, config);
                    self.lanes = self.peers.topics.iter().map(lanes).collect();
                    self.under_way
                        .resize_with(self.peers.count(), UnderWay::default);
                }
                Event::Opened(_) => self.beat_at = now,
            }
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            let beat = heart_beat(&self.client_id, Some(GROUP), None);
            for peer in 0..self.peers.count() {
                if let Some(connection) = self.peers.get(peer) {
                    connection.writer.send(&beat.request());
                }
            }
        }
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            let before = Instant(now.0.saturating_sub(ANSWER_WITHIN.as_nanos() as u64));
            for peer in 0..self.under_way.len() {
                while let Some(flight) = self.under_way[peer].overdue(before) {
                    self.unanswered(&flight, Unanswered::Late);
                }
            }
        }
    }

    fn broke(&mut self, peer: usize, why: &str) {
        self.peers.broke(peer, why, &mut self.complaints);
        for flight in self.under_way[peer].drain() {
            self.unanswered(&flight, Unanswered::Lost);
        }
    }

    /// Nobody will tell what has become of these.
    fn unanswered(&mut self, flight: &Flight, why: Unanswered) {
        self.landed(flight);
        self.tell(flight.stamps.of_each(), why);
    }

    fn tell(&mut self, stamps: &[Stamp], why: Unanswered) {
        self.unanswered
            .extend(stamps.iter().map(|stamp| (*stamp, why)));
    }

    /// Another request of this queue may set out, where it waits for that.
    fn landed(&mut self, flight: &Flight) {
        self.bytes -= flight.bytes;
        self.lanes[flight.topic as usize].landed(flight.lane as usize);
    }

    /// The queue for a message: by its key, or the next one of which the broker is reached.
    fn lane(&mut self, topic: usize, key: Option<&str>, payload: usize) -> Option<usize> {
        let (lanes, peers) = (self.lanes.get_mut(topic)?, &mut self.peers);
        if let Some(key) = key {
            let at = lanes.by_key(key)?;
            return peers.is_open(lanes.all[at].queue.broker).then_some(at);
        }
        lanes.next(payload, |broker| peers.is_open(broker))
    }

    /// Sends what a lane has collected, as far as it may go.
    fn send_collected(&mut self, topic: usize, lane: usize, now: Instant) {
        while self.peers.is_open(self.lanes[topic].all[lane].queue.broker)
            && let Some(batch) = self.lanes[topic].collected(lane, now)
        {
            self.send_batch(topic, lane, batch, now);
        }
    }

    fn send_batch(&mut self, topic: usize, lane: usize, batch: Batch, now: Instant) {
        let Batch {
            stamps,
            body,
            bytes,
            compressed,
            ..
        } = batch;
        if let [stamp] = stamps[..] {
            let (body, properties) = message::only_one(&body);
            let ready = Ready {
                stamp,
                bytes,
                body,
                properties,
                compressed,
            };
            return self.request(topic, lane, &ready, Stamps::One(stamp), now);
        }
        let mut properties = mem::take(&mut self.properties);
        properties.clear();
        self.ids.put(&mut properties);
        let ready = Ready {
            stamp: [0; STAMP_LEN],
            bytes,
            body: &body,
            properties: &properties,
            compressed,
        };
        self.request(topic, lane, &ready, Stamps::Several(stamps), now);
        self.properties = properties;
    }

    /// Puts a request with these messages on its way; there is a connection.
    fn request(
        &mut self,
        topic: usize,
        lane: usize,
        ready: &Ready<'_>,
        stamps: Stamps,
        now: Instant,
    ) {
        let of_lane = &mut self.lanes[topic].all[lane];
        let peer = of_lane.queue.broker;
        let Some(connection) = self.peers.get(peer) else {
            self.bytes -= ready.bytes;
            return self.tell(stamps.of_each(), Unanswered::NeverSent);
        };
        self.born.clear();
        let _ = write!(self.born, "{}", milliseconds());
        let several = matches!(stamps, Stamps::Several(_));
        let number = connection.writer.send(&Request {
            code: if several {
                ask::SEND_BATCH_MESSAGE
            } else {
                ask::SEND_MESSAGE_V2
            },
            fields: &fields(&self.names[topic], &of_lane.id, ready, &self.born, several),
            body: ready.body,
            one_way: false,
        });
        of_lane.busy += 1;
        let flight = Flight {
            stamps,
            bytes: ready.bytes,
            topic: topic as u32,
            lane: lane as u32,
            sent: now,
        };
        self.under_way[peer].put(number, flight);
    }

    /// A payload that is large enough, compressed. In batches none can be.
    fn compressed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let config = &self.cluster.config;
        let over = config.compress_over.filter(|_| config.batching.is_none())?;
        (payload.len() > over).then(|| message::compress(payload))?
    }

    /// Sends what has been collected for long enough, and writes.
    fn push(&mut self, now: Instant) {
        for topic in 0..self.lanes.len() {
            if now < self.lanes[topic].due {
                continue;
            }
            for lane in 0..self.lanes[topic].all.len() {
                self.send_collected(topic, lane, now);
            }
            self.lanes[topic].set_due(now);
        }
        while let Some((peer, why)) = self.peers.flush() {
            self.broke(peer, &why);
        }
    }

    /// Serves what has come; returns how many outcomes.
    fn serve(&mut self, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) -> u64 {
        let before = self.messages;
        while before - self.messages < OUTCOMES
            && let Some((stamp, why)) = self.unanswered.pop_front()
        {
            self.messages -= 1;
            sink(&stamp, why.outcome());
        }
        for peer in 0..self.under_way.len() {
            let mut ended = None;
            while before - self.messages < OUTCOMES {
                match self.next_answer(peer, sink) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => {
                        ended = Some(why);
                        break;
                    }
                }
            }
            if let Some(why) = ended {
                self.broke(peer, &why);
            }
        }
        before - self.messages
    }

    /// Serves one answer; false where none has come.
    fn next_answer(
        &mut self,
        peer: usize,
        sink: &mut dyn FnMut(&[u8], Outcome<'_>),
    ) -> Result<bool, String> {
        let Some(connection) = self.peers.get(peer) else {
            return Ok(false);
        };
        let Some(frame) = connection.reader.next()? else {
            return connection
                .reader
                .receive()
                .map_err(|error| error.to_string());
        };
        if !frame.is_answer {
            return Ok(true);
        }
        let Some(flight) = self.under_way[peer].take(frame.number) else {
            return Ok(true);
        };
        let offset = frame.whole("queueOffset");
        let stamps = flight.stamps.of_each();
        self.messages -= stamps.len() as u64;
        let mut text = String::new();
        for (at, stamp) in (0..).zip(stamps) {
            let offset = offset.map(|first| first + at);
            sink(stamp, outcome(&frame, flight.lane, offset, &mut text));
        }
        self.landed(&flight);
        Ok(true)
    }
}

/// What an answer says of a message.
fn outcome<'a>(
    frame: &Frame<'_>,
    partition: u32,
    offset: Option<u64>,
    text: &'a mut String,
) -> Outcome<'a> {
    if frame.code == code::SUCCESS {
        return Outcome::Acknowledged { partition, offset };
    }
    // All messages of a request share its answer.
    if text.is_empty() {
        *text = match frame.code {
            code::MESSAGE_ILLEGAL => format!(
                "the message is too large, or not as it has to be: {}",
                frame.remark()
            ),
            code::FLUSH_DISK_TIMEOUT => "stored, but not on disk in time".to_owned(),
            code::FLUSH_SLAVE_TIMEOUT => "stored, but not at the slave in time".to_owned(),
            code::SLAVE_NOT_AVAILABLE => "stored, but there is no slave".to_owned(),
            // It goes on with figures, which differ each time.
            code::SYSTEM_BUSY => match frame.remark().split_once(", period in queue") {
                Some((refusal, _)) => format!("{refusal} (code {})", frame.code),
                None => frame.remark(),
            },
            _ => frame.remark(),
        };
    }
    match frame.code {
        // Said before anything is written.
        code::SYSTEM_BUSY
        | code::MESSAGE_ILLEGAL
        | code::SERVICE_NOT_AVAILABLE
        | code::NO_PERMISSION
        | code::TOPIC_NOT_EXIST => Outcome::Failed(text),
        _ => Outcome::Unknown(text),
    }
}

fn milliseconds() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}

/// The header of a request with messages. The topic stands for itself as the one that a missing topic would be
/// made after, so that none is.
fn fields<'a>(
    topic: &'a str,
    queue: &'a str,
    ready: &Ready<'a>,
    born: &'a str,
    several: bool,
) -> [(&'a str, &'a str); 10] {
    [
        ("a", GROUP),
        ("b", topic),
        ("c", topic),
        ("d", "1"),
        ("e", queue),
        (
            "f",
            if ready.compressed {
                message::COMPRESSED_BY_ZLIB
            } else {
                "0"
            },
        ),
        ("g", born),
        ("h", "0"),
        ("i", ready.properties),
        ("m", if several { "true" } else { "false" }),
    ]
}

impl Producer for RocketMqProducer {
    fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        let config = &self.cluster.config;
        if message.payload.len() > config.largest_message {
            return Err(SendError::Rejected(format!(
                "the message is too large: maxMessageSize is {}",
                config.largest_message
            )));
        }
        if self.messages >= config.in_flight || self.bytes >= config.in_flight_bytes {
            return Err(SendError::Full);
        }
        let topic = message.topic as usize;
        let key = message.key.map(String::from_utf8_lossy);
        let Some(lane) = self.lane(topic, key.as_deref(), message.payload.len()) else {
            return Err(SendError::Full);
        };
        let now = Instant::now();
        let mut properties = mem::take(&mut self.properties);
        properties.clear();
        if let Some(key) = &key {
            put_property(&mut properties, message::KEYS, key);
        }
        if let Some(stamp) = message.header {
            let stamp = BASE64_STANDARD.encode(stamp);
            put_property(&mut properties, STAMP_HEADER, &stamp);
        }
        self.ids.put(&mut properties);
        let mut stamp = [0; STAMP_LEN];
        if let Some(front) = message.header.unwrap_or(message.payload).first_chunk() {
            stamp = *front;
        }
        let compressed = self.compressed(message.payload);
        let ready = Ready {
            stamp,
            bytes: message.payload.len(),
            body: compressed.as_deref().unwrap_or(message.payload),
            properties: &properties,
            compressed: compressed.is_some(),
        };
        self.messages += 1;
        self.bytes += ready.bytes;
        if self.lanes[topic].is_direct(lane) {
            self.request(topic, lane, &ready, Stamps::One(stamp), now);
        } else {
            self.lanes[topic].collect(lane, &ready, now);
            self.send_collected(topic, lane, now);
        }
        self.properties = properties;
        Ok(())
    }

    fn poll(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) {
        let now = Instant::now();
        self.look(now);
        self.push(now);
        if self.serve(sink) > 0 {
            // Who waited for these goes on.
            self.push(now);
        } else if until > now {
            let due = self.lanes.iter().map(|lanes| lanes.due).min();
            let until = until.min(self.look_at).min(due.unwrap_or(Instant::NEVER));
            self.peers.wait(self.wake, until);
            let now = Instant::now();
            self.look(now);
            self.serve(sink);
            self.push(now);
        }
    }

    fn in_flight(&self) -> u64 {
        self.messages
    }

    fn abandon(&mut self) {
        for topic in 0..self.lanes.len() {
            for batch in self.lanes[topic].give_up() {
                self.bytes -= batch.bytes;
                self.tell(&batch.stamps, Unanswered::NeverSent);
            }
        }
        for peer in 0..self.under_way.len() {
            let first = self.under_way[peer].first;
            let mut under_way = mem::take(&mut self.under_way[peer]);
            // Answers may yet come, and are nobody's.
            let next = first.wrapping_add(under_way.requests.len() as u32);
            self.under_way[peer].first = next;
            for flight in under_way.requests.drain(..).flatten() {
                self.unanswered(&flight, Unanswered::GivenUp);
            }
        }
    }

    fn complaints(&mut self) -> Vec<String> {
        self.complaints.take()
    }
}
