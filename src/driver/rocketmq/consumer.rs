//! A consumer: a connection to each broker of its topics, on which it pulls from the queues that its group
//! leaves to it, all on the client's own thread.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use super::connection::Connection;
use super::group::Group;
use super::peers::{Event, Peers, Side};
use crate::clock::Instant;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::{Consumer, ConsumerEvents, ConsumerOptions, DriverError, Partition};

/// Messages of one poll, about: then the owner looks at its clock.
const MESSAGES: u64 = 8_192;

/// Receives messages.
pub struct RocketMqConsumer {
    peers: Peers,
    group: Group,
    wake: RawFd,
    complaints: Complaints,
}

impl RocketMqConsumer {
    /// Connects and joins, in the background.
    pub fn new(cluster: &Cluster, options: &ConsumerOptions<'_>) -> Result<Self, DriverError> {
        let bell = Arc::new(Bell::new()?);
        let (topics, partitions) = (options.topics, options.partitions);
        Ok(Self {
            peers: Peers::new(cluster, &bell, Side::Consumes, topics, partitions)?,
            group: Group::new(options.client_id, options.group, topics),
            wake: options.wake,
            complaints: Complaints::default(),
        })
    }

    /// Looks after connections, and does what is due.
    fn look(&mut self, now: Instant, events: &mut dyn ConsumerEvents) {
        while let Some(event) = self.peers.look(&mut self.complaints) {
            match event {
                Event::Found => self.group.found(&self.peers.topics, self.peers.count()),
                Event::Opened(peer) => self.group.opened(peer, now),
            }
        }
        self.group.turn(now, &mut self.peers, events);
        while let Some((peer, why)) = self.peers.flush() {
            self.broke(peer, &why);
        }
    }

    fn broke(&mut self, peer: usize, why: &str) {
        self.peers.broke(peer, why, &mut self.complaints);
        self.group.broke(peer);
    }

    /// Serves what has come; whether it came to anything.
    fn serve(&mut self, events: &mut dyn ConsumerEvents) -> bool {
        let mut served = self.group.hand_out_kept(events);
        for peer in 0..self.peers.count() {
            let before = served;
            while served - before < MESSAGES {
                let Some(Connection { writer, reader }) = self.peers.get(peer) else {
                    break;
                };
                let next = match reader.next() {
                    Ok(Some(frame)) => {
                        let complaints = &mut self.complaints;
                        served += self.group.take(peer, &frame, writer, complaints, events);
                        continue;
                    }
                    Ok(None) => reader.receive().map_err(|error| error.to_string()),
                    Err(error) => Err(error),
                };
                match next {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => {
                        self.broke(peer, &why);
                        break;
                    }
                }
            }
        }
        served > 0
    }

    /// Goes on until there is nothing to wait for, or until then.
    fn finish(
        &mut self,
        until: Instant,
        events: &mut dyn ConsumerEvents,
        done: impl Fn(&Group) -> bool,
    ) {
        while !done(&self.group) && Instant::now() < until {
            if self.peers.flush().is_some() {
                return;
            }
            self.peers.wait(
                self.wake,
                until.min(Instant::now() + Duration::from_millis(50)),
            );
            self.serve(events);
        }
    }
}

impl Consumer for RocketMqConsumer {
    fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        let now = Instant::now();
        self.look(now, events);
        if !self.serve(events) && until > now {
            // What was taken in without a message in it may have brought something to do.
            self.look(Instant::now(), events);
            self.peers
                .wait(self.wake, until.min(self.group.next_turn()));
            self.look(Instant::now(), events);
            self.serve(events);
        }
        self.look(Instant::now(), events);
    }

    fn commit(&mut self, positions: &[(Partition, u64)]) {
        self.group.commit(positions, &mut self.peers);
        // What can't be written is noticed with the next poll.
        let _ = self.peers.flush();
    }

    /// Nothing is pulled any more; what is on its way is kept.
    fn pause(&mut self, paused: bool) -> Result<(), DriverError> {
        self.group.pause(paused);
        Ok(())
    }

    fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        let owned = self.group.owned();
        if !owned.is_empty() {
            let positions = events.revoked(&owned);
            self.group.commit(&positions, &mut self.peers);
        }
        // Who comes next asks for what is committed as soon as this one has left.
        self.group.stop();
        self.finish(until, events, Group::has_committed);
        self.group.leave(&mut self.peers);
        self.finish(until, events, Group::has_left);
    }

    fn complaints(&mut self) -> Result<Vec<String>, DriverError> {
        match self.group.refused() {
            Some(text) => Err(DriverError(text.to_owned())),
            None => Ok(self.complaints.take()),
        }
    }
}
