//! Messages under way to a broker through an asynchronous library: each is a future of its outcome, and
//! the client's own thread looks after all of them.
//!
//! A lane is what a broker confirms in the order in which it was sent: so only the first of each lane is
//! looked at, and its waker is the only one that counts.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::bell::Bell;
use super::{Outcome, STAMP_LEN};

/// Outcomes served before a sender may look at its schedule again: about a millisecond's worth.
const OUTCOMES: u32 = 2_048;

/// Bytes under way in one client, at most.
const BYTES: usize = 64 << 20;

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing {
    /// See [`Outcome::Acknowledged`].
    Acknowledged(u32, Option<u64>),
    /// See [`Outcome::Failed`].
    Failed(String),
    /// See [`Outcome::Unknown`].
    Unknown(String),
}

type Stamp = [u8; STAMP_LEN];

/// One message.
struct Flight {
    stamp: Stamp,
    bytes: usize,
    landing: Pin<Box<dyn Future<Output = Landing> + Send>>,
}

/// All messages of one client.
pub struct Flights {
    waker: Waker,
    lanes: Vec<VecDeque<Flight>>,
    given_up: VecDeque<Stamp>,
    messages: u64,
    bytes: usize,
    most: u64,
}

impl Flights {
    /// None yet, in so many lanes; at most `most` at a time. The bell rings when one has landed.
    pub fn new(bell: &Arc<Bell>, lanes: usize, most: u64) -> Self {
        Self {
            waker: Waker::from(bell.clone()),
            lanes: (0..lanes).map(|_| VecDeque::new()).collect(),
            given_up: VecDeque::new(),
            messages: 0,
            bytes: 0,
            most,
        }
    }

    /// There are so many lanes at least.
    pub fn need_lanes(&mut self, lanes: usize) {
        if lanes > self.lanes.len() {
            self.lanes.resize_with(lanes, VecDeque::new);
        }
    }

    /// Whether another message may be sent.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.messages < self.most && self.bytes < BYTES
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.messages
    }

    /// A message sets out.
    #[inline]
    pub fn start(
        &mut self,
        lane: usize,
        stamp: &[u8],
        bytes: usize,
        landing: impl Future<Output = Landing> + Send + 'static,
    ) {
        let mut flight = Flight {
            stamp: [0; STAMP_LEN],
            bytes,
            landing: Box::pin(landing),
        };
        if let Some(stamp) = stamp.first_chunk() {
            flight.stamp = *stamp;
        }
        // The library puts it on its way when it is first looked at. It hardly lands at once.
        let first = self.lanes[lane].is_empty();
        let waker = if first { &self.waker } else { Waker::noop() };
        let landed = flight
            .landing
            .as_mut()
            .poll(&mut Context::from_waker(waker));
        if let Poll::Ready(landing) = landed {
            flight.landing = Box::pin(std::future::ready(landing));
            if first {
                self.waker.wake_by_ref();
            }
        }
        self.messages += 1;
        self.bytes += bytes;
        self.lanes[lane].push_back(flight);
    }

    /// Serves what has landed; returns how many.
    pub fn serve(&mut self, sink: &mut dyn FnMut(&[u8], Outcome<'_>)) -> u32 {
        let mut served = 0;
        while served < OUTCOMES
            && let Some(stamp) = self.given_up.pop_front()
        {
            served += 1;
            self.messages -= 1;
            sink(&stamp, Outcome::Unknown("given up before it was confirmed"));
        }
        let mut context = Context::from_waker(&self.waker);
        for lane in &mut self.lanes {
            while served < OUTCOMES
                && let Some(first) = lane.front_mut()
                && let Poll::Ready(landing) = first.landing.as_mut().poll(&mut context)
            {
                let stamp = first.stamp;
                self.bytes -= first.bytes;
                self.messages -= 1;
                served += 1;
                lane.pop_front();
                let outcome = match &landing {
                    &Landing::Acknowledged(partition, offset) => {
                        Outcome::Acknowledged { partition, offset }
                    }
                    Landing::Failed(why) => Outcome::Failed(why),
                    Landing::Unknown(why) => Outcome::Unknown(why),
                };
                sink(&stamp, outcome);
            }
        }
        served
    }

    /// None is waited for any more: what became of them is unknown.
    pub fn abandon(&mut self) {
        for flight in self.lanes.iter_mut().flat_map(|lane| lane.drain(..)) {
            self.given_up.push_back(flight.stamp);
        }
        self.bytes = 0;
    }
}
