//! What all connections share. Everything runs on one thread, so there are no locks; no borrow of
//! the state is held while something is waited for.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::liar::Liar;
use super::memory::{self, Memory};
use super::notices::Notices;
use super::state::State;

/// With no deadline, the clock is looked at after this time anyway.
const IDLE: Duration = Duration::from_secs(3600);

/// How often there may be something to say.
const SAY: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Debug)]
pub struct Core {
    /// Where the broker listens, which is where it sends its clients.
    pub address: SocketAddr,
    /// Its cluster's id: another one in each life, for it remembers nothing of the one before.
    pub cluster: StrBytes,
    /// What it knows.
    pub state: RefCell<State>,
    /// The memory that all logs share.
    pub memory: Memory,
    /// What is planted in it, in a test.
    pub liar: Option<Liar>,
    notices: RefCell<Notices>,
    changed: Notify,
}

impl Core {
    /// A broker that knows nothing yet.
    pub fn new(address: SocketAddr, memory: Memory, notices: Notices, liar: Option<Liar>) -> Core {
        Core {
            address,
            cluster: StrBytes::from_string(format!("omb-embedded-{:016x}", fastrand::u64(..))),
            state: RefCell::default(),
            memory,
            liar,
            notices: RefCell::new(notices),
            changed: Notify::new(),
        }
    }

    /// Room in memory; where there is none and none can be made, waits for it.
    pub async fn room(&self, charge: u32) -> Option<OwnedSemaphorePermit> {
        if let Some(room) = self.memory.try_take(charge) {
            return Some(room);
        }
        let alone = self.memory.wanted() == 0;
        let wanted = self.memory.want(charge);
        self.make_room();
        if let Some(room) = self.memory.try_take(charge) {
            return Some(room);
        }
        self.notices
            .borrow_mut()
            .slowed(&self.state.borrow(), alone, Instant::now());
        let room = wanted.take().await;
        self.notices.borrow_mut().moved(Instant::now());
        room
    }

    /// Makes room, if someone waits for it.
    fn make_room(&self) {
        let wanted = self.memory.wanted();
        if wanted > 0 {
            memory::make_room(&mut self.state.borrow_mut(), wanted, self.memory.size());
            self.tell_dropped(false);
        }
    }

    /// Something changed that may let messages go, or set a deadline.
    pub fn changed(&self) {
        self.make_room();
        self.changed.notify_one();
    }

    /// Says what was dropped; in any case if this is the `last` opportunity.
    pub fn tell_dropped(&self, last: bool) {
        let now = Instant::now();
        self.notices
            .borrow_mut()
            .dropped(&mut self.state.borrow_mut(), last, now);
    }

    /// Says what was planted, or wasn't.
    pub fn tell(&self, lines: Vec<String>) {
        let notices = self.notices.borrow();
        lines.into_iter().for_each(|line| notices.say(line));
    }

    /// Does what is due in the groups, when it is due; never returns.
    pub async fn keep_time(&self) {
        loop {
            let next = self.state.borrow().groups.next_deadline();
            let next = next.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.changed.notified() => {}
            }
            self.state.borrow_mut().groups.advance(Instant::now());
            self.make_room();
        }
    }

    /// Says what a person has to know, as time goes by; never returns.
    pub async fn keep_telling(&self) {
        loop {
            tokio::time::sleep(SAY).await;
            self.tell_dropped(false);
            let waiting = self.memory.wanted() > 0;
            self.notices
                .borrow_mut()
                .stalled(&self.state.borrow(), waiting, Instant::now());
        }
    }
}
