//! Membership of a consumer group, and the queues that it gives to this member.
//!
//! Brokers only list members. Each member reckons from the same list, in the same way, which queues are its
//! own, and begins to read a queue at what is committed of it, whether or not the one before has stopped: so
//! for a moment two may read it, and some messages come to both.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::cluster::{Queue, content};
use super::connection::Writer;
use super::frame::{Bytes, Frame, Request, ask, code};
use super::message;
use super::peers::Peers;
use super::{BEAT_EVERY, Beat, heart_beat};
use crate::clock::Instant;
use crate::driver::complaints::Complaints;
use crate::driver::{ConsumerEvents, Incoming, Numbered, Partition, STAMP_HEADER};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How often members are listed, though brokers tell when they change.
const LIST_EVERY: Duration = Duration::from_secs(5);

/// Pause before something is asked again that failed; and before members are listed again when this one wasn't
/// among them.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// After an outage all members come back, one after the other: until then a list of them is no reason to take over
/// anybody's queues. Somewhat longer than the longest pause between two attempts to connect.
const GATHER: Duration = Duration::from_secs(3);

/// A broker holds a pull for so long where there is nothing to read.
const HOLD: Duration = Duration::from_secs(15);

/// Without an answer for so much longer, a connection is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Messages of one pull, at most; brokers have bounds of their own.
const AT_A_TIME: &str = "1024";

/// `sysFlag` of pulls: wait where there is nothing, and here is what is subscribed to.
const WAIT_AND_SUBSCRIBE: &str = "6";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Beat,
    Members,
    /// Where reading begins.
    Begin(Partition),
    Pull(Partition),
    Commit,
    Leave,
}

/// Where reading of a queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is not known where to begin.
    New,
    /// That was asked, by the request of this number.
    Asking(u32),
    /// It is known, and not told to the owner yet.
    Known,
    /// Nothing is under way.
    Idle,
    /// A pull is, since then and under this number: the answer to another one, which was on its way when the queue
    /// was given up, is nobody's.
    Pulling(Instant, u32),
    /// Nothing is under way, and nothing is to be before then.
    Resting(Instant),
}

/// A queue that is this member's.
#[derive(Debug)]
struct Mine {
    peer: usize,
    /// Its number at its broker, as requests have it.
    id: String,
    state: State,
    /// The next offset to pull.
    next: u64,
    /// An answer that came while reading was paused, and the offset that it was asked for.
    kept: Option<(u64, Vec<u8>)>,
}

/// What is known of one connection.
#[derive(Debug, Default)]
struct Line {
    open: bool,
    /// A heartbeat was answered, so this member is listed.
    joined: bool,
    /// By their numbers.
    asked: HashMap<u32, Purpose>,
}

/// A member of a group.
pub struct Group {
    client_id: String,
    name: String,
    topics: Vec<String>,
    beat: Beat,
    /// By topic.
    queues: Vec<Vec<Queue>>,
    lines: Vec<Line>,
    mine: BTreeMap<Partition, Mine>,
    /// The owner was told something.
    told: bool,
    paused: bool,
    stopped: bool,
    beat_at: Instant,
    list_at: Instant,
    /// Members are not listed before then.
    gathered: Instant,
    refused: Option<String>,
    /// Who is in the group, where that was listed and is to be reckoned with.
    listed: Option<Vec<String>>,
}

impl Group {
    /// Not a member yet.
    pub fn new(client_id: &str, name: &str, topics: &[String]) -> Self {
        Self {
            client_id: client_id.to_owned(),
            name: name.to_owned(),
            topics: topics.to_vec(),
            beat: heart_beat(client_id, None, Some((name, topics))),
            queues: Vec::new(),
            lines: Vec::new(),
            mine: BTreeMap::new(),
            told: false,
            paused: false,
            stopped: false,
            beat_at: Instant::NEVER,
            list_at: Instant::NEVER,
            gathered: Instant::default(),
            refused: None,
            listed: None,
        }
    }

    /// It is known where the topics are.
    pub fn found(&mut self, topics: &[Vec<Queue>], peers: usize) {
        self.queues = topics.to_vec();
        self.lines.resize_with(peers, Line::default);
    }

    /// There is a new connection.
    pub fn opened(&mut self, peer: usize, now: Instant) {
        self.lines[peer] = Line {
            open: true,
            ..Line::default()
        };
        self.beat_at = now;
        if self.told {
            self.gathered = now + GATHER;
        }
    }

    /// A connection is gone. What was read is known, and reading goes on from there on the next one.
    pub fn broke(&mut self, peer: usize) {
        self.lines[peer] = Line::default();
        for mine in self.mine.values_mut().filter(|mine| mine.peer == peer) {
            mine.state = match mine.state {
                State::Pulling(..) | State::Resting(_) => State::Idle,
                State::Asking(_) => State::New,
                other => other,
            };
        }
    }

    /// Why nothing will come any more.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// What the owner was told that it has.
    pub fn owned(&self) -> Vec<Partition> {
        let told =
            |mine: &Mine| !matches!(mine.state, State::New | State::Asking(_) | State::Known);
        let owned = self.mine.iter().filter(|(_, mine)| told(mine));
        owned.map(|(place, _)| *place).collect()
    }

    /// Stops reading, or goes on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Takes nothing any more, and asks for nothing.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.mine.clear();
    }

    /// Nothing that was committed waits for an answer.
    pub fn has_committed(&self) -> bool {
        !self.waits_for(Purpose::Commit)
    }

    /// All brokers know that it has left.
    pub fn has_left(&self) -> bool {
        !self.waits_for(Purpose::Leave)
    }

    fn waits_for(&self, purpose: Purpose) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| line.asked.values().any(|one| *one == purpose))
    }

    /// When there is something to do again without anything coming.
    pub fn next_turn(&self) -> Instant {
        let resting = self.mine.values().filter_map(|mine| match mine.state {
            State::Resting(until) => Some(until),
            State::Pulling(since, _) => Some(since + HOLD + ANSWER_WITHIN),
            _ => None,
        });
        let first = resting.min().unwrap_or(Instant::NEVER);
        first.min(self.beat_at).min(self.list_at.max(self.gathered))
    }

    /// Does what is due.
    pub fn turn(&mut self, now: Instant, peers: &mut Peers, events: &mut dyn ConsumerEvents) {
        if self.stopped || self.refused.is_some() {
            return;
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            for peer in 0..self.lines.len() {
                let request = self.beat.request();
                send(&mut self.lines, peers, peer, Purpose::Beat, &request);
            }
        }
        if now >= self.list_at && now >= self.gathered {
            self.list_at = now + LIST_EVERY;
            let joined = self.lines.iter().position(|line| line.open && line.joined);
            if let Some(peer) = joined {
                let request = Request {
                    code: ask::GET_CONSUMER_LIST_BY_GROUP,
                    fields: &[("consumerGroup", &self.name)],
                    body: &[],
                    one_way: false,
                };
                send(&mut self.lines, peers, peer, Purpose::Members, &request);
            }
        }
        if let Some(members) = self.listed.take() {
            self.reckon(&members, now, peers, events);
        }
        self.begin(peers);
        self.tell(events);
        self.pull(now, peers);
    }

    /// Reckons which queues are this member's, and gives up the others.
    fn reckon(
        &mut self,
        members: &[String],
        now: Instant,
        peers: &mut Peers,
        events: &mut dyn ConsumerEvents,
    ) {
        let Some(index) = members.iter().position(|member| *member == self.client_id) else {
            self.list_at = self.list_at.min(now + ASK_AGAIN);
            return;
        };
        let mut wanted = Vec::new();
        for (topic, queues) in (0..).zip(&self.queues) {
            let readable: Vec<usize> = (0..queues.len())
                .filter(|&at| queues[at].readable)
                .collect();
            for at in share(readable.len(), index, members.len()) {
                let partition = readable[at] as u32;
                wanted.push(Partition { topic, partition });
            }
        }
        let owned = self.owned();
        let lost: Vec<Partition> = owned
            .into_iter()
            .filter(|place| !wanted.contains(place))
            .collect();
        if !lost.is_empty() {
            let positions = events.revoked(&lost);
            self.commit(&positions, peers);
        }
        self.mine.retain(|place, _| wanted.contains(place));
        for place in wanted {
            let queue = self.queues[place.topic as usize][place.partition as usize];
            self.mine.entry(place).or_insert_with(|| Mine {
                peer: queue.broker,
                id: queue.id.to_string(),
                state: State::New,
                next: 0,
                kept: None,
            });
        }
        if self.mine.is_empty() && !std::mem::replace(&mut self.told, true) {
            events.assigned(&[]);
        }
    }

    /// Asks where to begin.
    fn begin(&mut self, peers: &mut Peers) {
        for (place, mine) in self
            .mine
            .iter_mut()
            .filter(|(_, mine)| mine.state == State::New)
        {
            let request = Request {
                code: ask::QUERY_CONSUMER_OFFSET,
                fields: &[
                    ("consumerGroup", &self.name),
                    ("topic", &self.topics[place.topic as usize]),
                    ("queueId", &mine.id),
                    ("setZeroIfNotFound", "false"),
                ],
                body: &[],
                one_way: false,
            };
            let (lines, purpose) = (&mut self.lines, Purpose::Begin(*place));
            if let Some(number) = send(lines, peers, mine.peer, purpose, &request) {
                mine.state = State::Asking(number);
            }
        }
    }

    /// Tells the owner of new queues, once all that can be known of them is.
    fn tell(&mut self, events: &mut dyn ConsumerEvents) {
        let asking = |mine: &Mine| matches!(mine.state, State::Asking(_));
        if self.mine.values().any(asking) {
            return;
        }
        let mut known = Vec::new();
        for (place, mine) in self
            .mine
            .iter_mut()
            .filter(|(_, mine)| mine.state == State::Known)
        {
            mine.state = State::Idle;
            known.push(*place);
        }
        if !known.is_empty() {
            self.told = true;
            events.assigned(&known);
        }
    }

    /// Pulls from all queues of which nothing is under way.
    fn pull(&mut self, now: Instant, peers: &mut Peers) {
        let mut silent = None;
        for (place, mine) in &mut self.mine {
            match mine.state {
                State::Pulling(since, _) if now >= since + HOLD + ANSWER_WITHIN => {
                    silent = Some(mine.peer);
                }
                State::Resting(until) if now >= until => mine.state = State::Idle,
                _ => {}
            }
            if mine.state == State::Idle && mine.kept.is_none() && !self.paused {
                let topic = &self.topics[place.topic as usize];
                let next = mine.next.to_string();
                let request = pull_request(&self.name, topic, &mine.id, &next);
                let request = Request {
                    fields: &request,
                    ..PULL
                };
                let (lines, purpose) = (&mut self.lines, Purpose::Pull(*place));
                if let Some(number) = send(lines, peers, mine.peer, purpose, &request) {
                    mine.state = State::Pulling(now, number);
                }
            }
        }
        if let Some(connection) = silent.and_then(|peer| peers.get(peer)) {
            connection.reader.end("it has not answered a pull");
        }
    }

    /// Commits positions of queues.
    pub fn commit(&mut self, positions: &[(Partition, u64)], peers: &mut Peers) {
        for (place, position) in positions {
            let topic = place.topic as usize;
            let Some(queue) = self
                .queues
                .get(topic)
                .and_then(|q| q.get(place.partition as usize))
            else {
                continue;
            };
            let request = Request {
                code: ask::UPDATE_CONSUMER_OFFSET,
                fields: &[
                    ("consumerGroup", &self.name),
                    ("topic", &self.topics[topic]),
                    ("queueId", &queue.id.to_string()),
                    ("commitOffset", &position.to_string()),
                ],
                body: &[],
                one_way: false,
            };
            send(
                &mut self.lines,
                peers,
                queue.broker,
                Purpose::Commit,
                &request,
            );
        }
    }

    /// Tells all brokers that it leaves.
    pub fn leave(&mut self, peers: &mut Peers) {
        let request = Request {
            code: ask::UNREGISTER_CLIENT,
            fields: &[("clientID", &self.client_id), ("consumerGroup", &self.name)],
            body: &[],
            one_way: false,
        };
        for peer in 0..self.lines.len() {
            send(&mut self.lines, peers, peer, Purpose::Leave, &request);
        }
    }

    /// Takes what a broker says; returns how many messages were in it.
    pub fn take(
        &mut self,
        peer: usize,
        frame: &Frame<'_>,
        writer: &mut Writer,
        complaints: &mut Complaints,
        events: &mut dyn ConsumerEvents,
    ) -> u64 {
        let now = Instant::now();
        if !frame.is_answer {
            if frame.code == ask::NOTIFY_CONSUMER_IDS_CHANGED {
                self.list_at = now;
            }
            return 0;
        }
        let Some(purpose) = self.lines[peer].asked.remove(&frame.number) else {
            return 0;
        };
        let good = frame.code == code::SUCCESS;
        match purpose {
            Purpose::Beat if good => {
                if !std::mem::replace(&mut self.lines[peer].joined, true) {
                    self.list_at = now;
                }
            }
            Purpose::Beat => {
                complaints.add(format!(
                    "RocketMQ does not let {} in: {}",
                    self.name,
                    frame.remark()
                ));
                self.beat_at = self.beat_at.min(now + ASK_AGAIN);
            }
            Purpose::Members if good => self.listed = Some(members(frame)),
            // Nobody is in it yet.
            Purpose::Members => self.list_at = self.list_at.min(now + ASK_AGAIN),
            Purpose::Begin(place) => self.begins(place, frame, complaints),
            Purpose::Pull(place) => {
                return self.pulled(place, frame, now, writer, complaints, events);
            }
            Purpose::Commit if !good => {
                complaints.add(format!(
                    "cannot commit for {}: {}",
                    self.name,
                    frame.remark()
                ));
            }
            Purpose::Commit | Purpose::Leave => {}
        }
        0
    }

    fn begins(&mut self, place: Partition, frame: &Frame<'_>, complaints: &mut Complaints) {
        let Some(mine) = self
            .mine
            .get_mut(&place)
            .filter(|mine| mine.state == State::Asking(frame.number))
        else {
            return;
        };
        let next = match frame.code {
            code::SUCCESS => frame.whole("offset"),
            // Nothing was ever committed.
            code::QUERY_NOT_FOUND => Some(0),
            _ => None,
        };
        match next {
            Some(next) => {
                mine.next = next;
                mine.state = State::Known;
            }
            None => {
                mine.state = State::New;
                let topic = &self.topics[place.topic as usize];
                complaints.add(format!(
                    "RocketMQ does not tell where {} is in {topic}: {}",
                    self.name,
                    frame.remark()
                ));
            }
        }
    }

    fn pulled(
        &mut self,
        place: Partition,
        frame: &Frame<'_>,
        now: Instant,
        writer: &mut Writer,
        complaints: &mut Complaints,
        events: &mut dyn ConsumerEvents,
    ) -> u64 {
        let topic = &self.topics[place.topic as usize];
        let asked = |mine: &&mut Mine| match mine.state {
            State::Pulling(_, number) => number == frame.number,
            _ => false,
        };
        let Some(mine) = self.mine.get_mut(&place).filter(asked) else {
            return 0;
        };
        let from = mine.next;
        mine.state = State::Idle;
        match frame.code {
            code::SUCCESS | code::PULL_NOT_FOUND | code::PULL_RETRY_IMMEDIATELY => {
                mine.next = frame.whole("nextBeginOffset").unwrap_or(from).max(from);
            }
            code::PULL_OFFSET_MOVED => {
                mine.next = frame.whole("nextBeginOffset").unwrap_or(from);
                if mine.next != from {
                    complaints.add(format!(
                        "queue {} of {topic} has no message {from}; it is read on from {}",
                        mine.id, mine.next
                    ));
                }
            }
            code::TOPIC_NOT_EXIST | code::SUBSCRIPTION_GROUP_NOT_EXIST | code::NO_PERMISSION => {
                self.refused = Some(format!("{} from {topic}: {}", self.name, frame.remark()));
                return 0;
            }
            _ => {
                mine.state = State::Resting(now + ASK_AGAIN);
                complaints.add(format!("cannot pull from {topic}: {}", frame.remark()));
                return 0;
            }
        }
        if self.paused {
            if frame.code == code::SUCCESS {
                mine.kept = Some((from, frame.body.to_vec()));
            }
            return 0;
        }
        // The next ones are on their way while these are handed out.
        let next = mine.next.to_string();
        let request = pull_request(&self.name, topic, &mine.id, &next);
        let number = writer.send(&Request {
            fields: &request,
            ..PULL
        });
        self.lines[mine.peer]
            .asked
            .insert(number, Purpose::Pull(place));
        mine.state = State::Pulling(now, number);
        // An error comes up when the connection is read.
        let _ = writer.flush();
        if frame.code != code::SUCCESS {
            return 0;
        }
        self.hand_out(place, from, frame.body, events)
    }

    fn hand_out(
        &mut self,
        partition: Partition,
        from: u64,
        bytes: &[u8],
        events: &mut dyn ConsumerEvents,
    ) -> u64 {
        let mut messages = 0;
        events.batch(Instant::now());
        let whole = message::each_from(Bytes(bytes), from, |message| {
            messages += 1;
            let stamp = message.property(STAMP_HEADER);
            let stamp = stamp.and_then(|stamp| BASE64_STANDARD.decode(stamp).ok());
            events.message(&Incoming {
                partition,
                offset: message.offset,
                numbered: Numbered::Densely,
                payload: message.body,
                header: stamp.as_deref(),
            });
        });
        if let Err(error) = whole {
            self.refused = Some(format!("what a pull has brought is no messages: {error}"));
        }
        messages
    }

    /// Hands out what came while reading was paused.
    pub fn hand_out_kept(&mut self, events: &mut dyn ConsumerEvents) -> u64 {
        if self.paused {
            return 0;
        }
        let kept = self.mine.iter_mut();
        let kept = kept.filter_map(|(place, mine)| Some((*place, mine.kept.take()?)));
        let kept: Vec<(Partition, (u64, Vec<u8>))> = kept.collect();
        let handed_out = kept.into_iter();
        handed_out
            .map(|(place, (from, bytes))| self.hand_out(place, from, &bytes, events))
            .sum()
    }
}

/// Puts a request on its way, where there is a connection, under this number.
fn send(
    lines: &mut [Line],
    peers: &mut Peers,
    peer: usize,
    purpose: Purpose,
    request: &Request<'_>,
) -> Option<u32> {
    let line = lines.get_mut(peer).filter(|line| line.open)?;
    let number = peers.get(peer)?.writer.send(request);
    line.asked.insert(number, purpose);
    Some(number)
}

const PULL: Request<'static> = Request {
    code: ask::PULL_MESSAGE,
    fields: &[],
    body: &[],
    one_way: false,
};

fn pull_request<'a>(
    group: &'a str,
    topic: &'a str,
    queue: &'a str,
    offset: &'a str,
) -> [(&'a str, &'a str); 11] {
    const HOLD_MS: &str = "15000";
    [
        ("consumerGroup", group),
        ("topic", topic),
        ("queueId", queue),
        ("queueOffset", offset),
        ("maxMsgNums", AT_A_TIME),
        ("sysFlag", WAIT_AND_SUBSCRIBE),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", HOLD_MS),
        ("subscription", "*"),
        ("subVersion", "0"),
        ("expressionType", "TAG"),
    ]
}

/// The members that a broker lists, each once and in the order that all of them reckon with.
fn members(frame: &Frame<'_>) -> Vec<String> {
    let content = content(frame);
    let list = content["consumerIdList"].as_array().into_iter().flatten();
    let mut members: Vec<String> = list
        .filter_map(|id| Some(id.as_str()?.to_owned()))
        .collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// Which of so many queues are the `index`-th member's, as the Java client's AllocateMessageQueueAveragely
/// has it, so that members of both kinds agree.
fn share(queues: usize, index: usize, members: usize) -> std::ops::Range<usize> {
    let (each, more) = (queues / members, queues % members);
    let start = index * each + index.min(more);
    start..start + each + usize::from(index < more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_queues_are_shared_out_evenly_and_each_once() {
        for queues in 0..20 {
            for members in 1..10 {
                let shares: Vec<_> = (0..members)
                    .map(|index| share(queues, index, members))
                    .collect();
                let all: Vec<usize> = shares.iter().cloned().flatten().collect();
                assert_eq!(
                    all,
                    (0..queues).collect::<Vec<_>>(),
                    "{queues} among {members}"
                );
                let lengths = shares.iter().map(ExactSizeIterator::len);
                let (least, most) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
                assert!(most - least <= 1, "{queues} among {members}");
            }
        }
        // From the Java client's own reckoning.
        assert_eq!(
            (share(8, 0, 3), share(8, 1, 3), share(8, 2, 3)),
            (0..3, 3..6, 6..8)
        );
        assert_eq!(share(2, 2, 3), 2..2);
    }
}
