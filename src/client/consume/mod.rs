//! The consume loop: one thread, one client, one group member.
//!
//! Report, then commit: an offset is committed only after the delta that covers it was written to
//! the supervisor whole. What is revoked is reported and committed before it is given up.

pub mod books;

use std::time::Duration;

use crate::client::Command;
use crate::client::mailbox::Inbox;
use crate::client::report::FromClient;
use crate::clock::Instant;
use crate::driver::{Consumer, ConsumerEvents, Incoming, Partition};
use books::ConsumerBooks;

/// Everything one consumer thread owns.
pub struct ConsumeLoop<C> {
    consumer: C,
    inbox: Inbox,
    books: ConsumerBooks,
}

impl<C: Consumer> ConsumeLoop<C> {
    /// A loop over a connected consumer.
    pub fn new(consumer: C, inbox: Inbox, books: ConsumerBooks) -> Self {
        Self {
            consumer,
            inbox,
            books,
        }
    }

    /// Runs until told to finish.
    pub fn run(mut self) {
        // Without a schedule nothing is cut, but complaints are looked at all the same.
        let mut idle_look = Instant::now();
        loop {
            while let Some(command) = self.inbox.take() {
                match command {
                    Command::Load(schedule) => self.books.start(schedule.grid, Instant::now()),
                    Command::Written(cut) => self.commit(cut),
                    Command::Finish(within) => return self.finish(within),
                    Command::Pause(paused) => self.pause(paused),
                    Command::Probe
                    | Command::EndLoad(_)
                    | Command::Reschedule(..)
                    | Command::Abandon => {}
                }
            }
            let now = Instant::now();
            if now >= self.books.next_cut() {
                self.books.cut(now);
            }
            if now >= idle_look {
                idle_look = now + Duration::from_millis(200);
                match self.consumer.complaints() {
                    Ok(texts) => {
                        texts
                            .into_iter()
                            .for_each(|text| self.books.say(FromClient::Note(text)));
                    }
                    Err(fatal) => {
                        self.books.say(FromClient::Failed(fatal.to_string()));
                        idle_look = Instant::NEVER;
                    }
                }
            }
            let until = self
                .books
                .next_cut()
                .min(idle_look)
                .min(now + Duration::from_secs(1));
            self.consumer.poll(until, &mut self.books);
        }
    }

    fn pause(&mut self, paused: bool) {
        if let Err(error) = self.consumer.pause(paused) {
            self.books.say(FromClient::Failed(error.to_string()));
        }
    }

    /// Commits what is known to be written: the positions of all cuts up to this one.
    fn commit(&mut self, written: u64) {
        let positions = self.books.committable(written);
        if !positions.is_empty() {
            self.consumer.commit(&positions);
        }
    }

    fn finish(mut self, within: Duration) {
        let until = Instant::now() + within;
        self.consumer.close(until, &mut self.books);
        self.books.cut(Instant::now());
        self.books.say(FromClient::Finished);
    }
}

impl ConsumerEvents for ConsumerBooks {
    #[inline]
    fn batch(&mut self, received: Instant) {
        self.begin_batch(received);
    }

    #[inline]
    fn message(&mut self, message: &Incoming<'_>) {
        self.received(message);
    }

    fn assigned(&mut self, partitions: &[Partition]) {
        self.assign(partitions);
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Vec<(Partition, u64)> {
        self.revoke(partitions)
    }

    fn lost(&mut self, partitions: &[Partition]) {
        self.lose(partitions);
    }
}
