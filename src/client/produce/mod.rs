//! The produce loop: one thread, one client, one schedule.
//!
//! No message is sent before it is due; a late one is sent at once, in bursts when several are due,
//! and its lateness is recorded. Nothing is shared on the way of a message, and nothing is
//! allocated for it.

pub mod books;
mod places;

use std::time::Duration;

use crate::client::Command;
use crate::client::mailbox::Inbox;
use crate::client::nap::Nap;
use crate::client::pacing::Pace;
use crate::client::payload::{Keys, Payloads};
use crate::client::report::FromClient;
use crate::client::stamp::{self, Kind, Run, Stamp};
use crate::clock::Instant;
use crate::driver::{Outgoing, Producer, SendError};
use crate::schedule::{Schedule, Segment};
use crate::wire::ProducerClient;
use books::ProducerBooks;

/// Messages sent between two looks at outcomes and commands.
const BURST: u32 = 64;

/// How far behind a client may be at the end of a segment and still send what is due. It covers a
/// late wake-up; who is further behind could not keep up, and a run ends on time.
const CLOSING_GRACE_NANOS: u64 = 10_000_000;

/// How long the client library may take to tell the outcomes of what was given up.
const OUTCOMES_WITHIN: Duration = Duration::from_millis(300);

/// Everything one producer thread owns.
pub struct ProduceLoop<P> {
    client: ProducerClient,
    producer: P,
    inbox: Inbox,
    books: ProducerBooks,
    payloads: Payloads,
    keys: Keys,
    run: Run,
    stamp_in_payload: bool,
    /// Segments still to come, the current one last.
    paces: Vec<Pace>,
    nap: Nap,
    /// Which stream sends next.
    turn: usize,
    /// A schedule was given and its end not yet told.
    load_open: bool,
}

impl<P: Producer> ProduceLoop<P> {
    /// A loop that sends nothing before it is told to.
    pub fn new(
        client: ProducerClient,
        producer: P,
        inbox: Inbox,
        books: ProducerBooks,
        payloads: Payloads,
        keys: Keys,
        nap: Nap,
    ) -> Self {
        Self {
            run: books.run(),
            stamp_in_payload: payloads.hold_stamp(),
            client,
            producer,
            inbox,
            books,
            payloads,
            keys,
            paces: Vec::new(),
            nap,
            turn: 0,
            load_open: false,
        }
    }

    /// Runs until told to finish.
    pub fn run(mut self) {
        loop {
            while let Some(command) = self.inbox.take() {
                match command {
                    Command::Probe => self.probe(),
                    Command::Load(schedule) => self.load(&schedule),
                    Command::EndLoad(at) => self.end_load(at),
                    Command::Reschedule(at, segments) => self.reschedule(at, &segments),
                    Command::Abandon => self.producer.abandon(),
                    Command::Written(_) | Command::Pause(_) => {}
                    Command::Finish(_) => return self.finish(),
                }
            }
            let now = Instant::now();
            if self.books.cut_if_due(now) {
                self.complain();
            }
            match self.next_due(now) {
                Some(due) if due <= now => self.burst(),
                Some(due) => self.wait(due, now),
                None => self.poll(Instant::NEVER),
            }
        }
    }

    fn load(&mut self, schedule: &Schedule) {
        self.books.start(schedule.grid, Instant::now());
        self.paces = self.paces(&schedule.segments);
        for pace in &mut self.paces {
            pace.resume(schedule.resume);
        }
        self.load_open = true;
    }

    fn end_load(&mut self, at: Instant) {
        self.paces.iter_mut().for_each(|pace| pace.cut_short(at));
    }

    fn reschedule(&mut self, at: Instant, segments: &[Segment]) {
        self.end_load(at);
        let more = self.paces(segments);
        self.paces.splice(0..0, more);
        self.load_open = true;
    }

    /// The client's part of these segments, the first one last.
    fn paces(&self, segments: &[Segment]) -> Vec<Pace> {
        let (share, stagger) = (self.client.share, self.client.stagger);
        let in_turn = segments.iter().rev();
        in_turn
            .map(|segment| Pace::new(segment, share, stagger))
            .collect()
    }

    /// When the next message is due; goes on to the next segment where one is over, and tells the
    /// end of the last one once everything has an outcome.
    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        while let Some(pace) = self.paces.last() {
            let due = pace.next_due();
            match due {
                Some(due) if now < pace.end() => return Some(due),
                Some(due) if pace.end().nanos_since(due) < CLOSING_GRACE_NANOS => return Some(due),
                _ => {
                    self.books.unsent(pace.phase(), pace.unsent());
                    self.paces.pop();
                }
            }
        }
        if self.load_open && self.producer.in_flight() == 0 {
            self.load_open = false;
            self.books.cut(now);
            self.books.say(FromClient::LoadDone);
        }
        None
    }

    /// Sends what is due by now, up to [`BURST`] messages, then looks at outcomes.
    fn burst(&mut self) {
        let Some(pace) = self.paces.last_mut() else {
            return;
        };
        for _ in 0..BURST {
            let now = Instant::now();
            let Some(due) = pace.next_due().filter(|&due| due <= now) else {
                break;
            };
            let stamp = Stamp {
                stream: self.books.stream(self.turn),
                sequence: self.books.next_sequence(self.turn),
                due,
                sent: now,
                kind: Kind::Load(pace.phase()),
            };
            let topic = self.client.streams[self.turn].1;
            let key = self.keys.pick(now.0);
            self.books.about_to_send(pace.phase());
            let sent = send(
                &mut self.producer,
                &self.run,
                &stamp,
                self.stamp_in_payload,
                topic,
                key,
                self.payloads.take(),
            );
            match sent {
                Ok(()) => self.books.sent(self.turn, pace.phase(), due, now),
                Err(SendError::Rejected(why)) => {
                    self.books.rejected(self.turn, pace.phase(), due, now, &why);
                }
                Err(SendError::Full) => {
                    self.books.not_sent(pace.phase());
                    let room = self.books.next_cut().min(pace.end());
                    return self.poll(room);
                }
            }
            pace.advance();
            self.turn = if self.turn + 1 < self.client.streams.len() {
                self.turn + 1
            } else {
                0
            };
        }
        self.poll(Instant::default());
    }

    /// Serves outcomes until a message is due, or shortly before.
    fn wait(&mut self, due: Instant, now: Instant) {
        let gap = self.paces.last().map_or(0, Pace::gap);
        let until = self.nap.until(due, gap, now).min(self.books.next_cut());
        self.poll(until);
        self.nap.woke(until, Instant::now());
    }

    /// Serves outcomes until `until` or the next cut.
    fn poll(&mut self, until: Instant) {
        let until = until.min(self.books.next_cut());
        self.books.begin_poll();
        let books = &mut self.books;
        self.producer
            .poll(until, &mut |stamp, outcome| books.outcome(stamp, outcome));
    }

    /// One probe per stream whose path is not proved yet.
    fn probe(&mut self) {
        for turn in 0..self.client.streams.len() {
            let Some(sequence) = self.books.probe(turn) else {
                continue;
            };
            let now = Instant::now();
            let stamp = Stamp {
                stream: self.books.stream(turn),
                sequence,
                due: now,
                sent: now,
                kind: Kind::Probe,
            };
            let topic = self.client.streams[turn].1;
            let sent = send(
                &mut self.producer,
                &self.run,
                &stamp,
                self.stamp_in_payload,
                topic,
                None,
                self.payloads.take(),
            );
            if let Err(SendError::Rejected(why)) = sent {
                self.books.say(FromClient::Failed(why));
            }
        }
    }

    fn complain(&mut self) {
        for text in self.producer.complaints() {
            self.books.say(FromClient::Note(text));
        }
    }

    /// Ends the books: what has no outcome yet is given up, and what it came to is unknown.
    fn finish(mut self) {
        for pace in std::mem::take(&mut self.paces) {
            self.books.unsent(pace.phase(), pace.unsent());
        }
        if self.producer.in_flight() > 0 {
            self.producer.abandon();
        }
        let deadline = Instant::now() + OUTCOMES_WITHIN;
        while self.producer.in_flight() > 0 && Instant::now() < deadline {
            self.poll(deadline);
        }
        self.books.without_outcome(self.producer.in_flight());
        self.books.cut(Instant::now());
        self.complain();
        self.books.say(FromClient::Finished);
    }
}

/// Stamps and sends one message.
#[inline]
fn send<P: Producer>(
    producer: &mut P,
    run: &Run,
    stamp: &Stamp,
    in_payload: bool,
    topic: u32,
    key: Option<&[u8]>,
    payload: &mut [u8],
) -> Result<(), SendError> {
    let mut header = [0; stamp::LEN];
    let header = match payload.first_chunk_mut() {
        Some(front) if in_payload => {
            stamp.write(run, front);
            None
        }
        _ => {
            stamp.write(run, &mut header);
            Some(&header[..])
        }
    };
    producer.send(&Outgoing {
        topic,
        key,
        payload,
        header,
    })
}
