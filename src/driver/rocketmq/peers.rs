//! The brokers of a client's topics: a connection to each, which is made again when it breaks.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::{Cluster, Queue};
use super::connection::Connection;
use crate::clock::Instant;
use crate::driver::DriverError;
use crate::driver::bell::{Bell, Waits};
use crate::driver::complaints::Complaints;
use crate::driver::link::{Change, Link};

/// How long one attempt may take; less than what a [`Link`] waits for it.
const WITHIN: Duration = Duration::from_secs(8);

/// What a client does with brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Produces,
    Consumes,
}

/// The queues of a client's topics, and the names of their brokers.
struct Places {
    brokers: Vec<String>,
    topics: Vec<Vec<Queue>>,
}

/// One broker.
struct Peer {
    name: String,
    link: Link<Connection>,
}

/// Where a client's topics are.
pub struct Peers {
    cluster: Cluster,
    bell: Arc<Bell>,
    side: Side,
    names: Arc<[String]>,
    finding: Link<Places>,
    found: bool,
    peers: Vec<Peer>,
    /// By topic; empty before they are known. `broker` is the number of a peer.
    pub topics: Vec<Vec<Queue>>,
    waits: Waits,
}

/// Something that has happened to connections.
pub enum Event {
    /// It is known where topics are.
    Found,
    /// There is a new connection to this peer.
    Opened(usize),
}

impl Peers {
    /// Begins to look where topics of so many partitions are.
    pub fn new(
        cluster: &Cluster,
        bell: &Arc<Bell>,
        side: Side,
        topics: &[String],
        partitions: u32,
    ) -> Result<Self, DriverError> {
        let names: Arc<[String]> = topics.into();
        let finding = {
            let (cluster, names) = (cluster.clone(), names.clone());
            Link::new(bell.clone(), move |_| {
                let (cluster, names) = (cluster.clone(), names.clone());
                Box::pin(in_background(move || find(&cluster, &names, partitions)))
            })?
        };
        Ok(Self {
            cluster: cluster.clone(),
            bell: bell.clone(),
            side,
            names,
            finding,
            found: false,
            peers: Vec::new(),
            topics: Vec::new(),
            waits: Waits::default(),
        })
    }

    /// Looks after connections; to be called again until there is nothing new.
    pub fn look(&mut self, complaints: &mut Complaints) -> Option<Event> {
        if !self.found {
            return match self.finding.look() {
                Change::None => None,
                Change::Failed(error) => {
                    complaints.add(format!("cannot find the topics at RocketMQ: {error}"));
                    None
                }
                Change::Opened => match self.begin() {
                    Ok(()) => Some(Event::Found),
                    Err(error) => {
                        complaints.add(error.to_string());
                        None
                    }
                },
            };
        }
        for (number, peer) in self.peers.iter_mut().enumerate() {
            match peer.link.look() {
                Change::None => {}
                Change::Opened => return Some(Event::Opened(number)),
                Change::Failed(error) => {
                    complaints.add(format!("cannot connect to RocketMQ at {error}"));
                }
            }
        }
        None
    }

    /// Connects to all brokers.
    fn begin(&mut self) -> Result<(), DriverError> {
        let Some(places) = self.finding.get() else {
            return Ok(());
        };
        self.topics = std::mem::take(&mut places.topics);
        for name in std::mem::take(&mut places.brokers) {
            let (cluster, broker, side) = (self.cluster.clone(), name.clone(), self.side);
            let topic = self.names.first().cloned().unwrap_or_default();
            let link = Link::new(self.bell.clone(), move |_| {
                let (cluster, broker) = (cluster.clone(), broker.clone());
                let topic = topic.clone();
                Box::pin(in_background(move || open(&cluster, &broker, &topic, side)))
            })?;
            self.peers.push(Peer { name, link });
        }
        self.found = true;
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.peers.len()
    }

    /// The connection to a peer, where there is one.
    pub fn get(&mut self, number: usize) -> Option<&mut Connection> {
        self.peers.get_mut(number)?.link.get()
    }

    /// Whether there is a connection to a peer.
    pub fn is_open(&mut self, number: usize) -> bool {
        self.get(number).is_some()
    }

    /// The connection to a peer is of no use any more: another one is made.
    pub fn broke(&mut self, number: usize, why: &str, complaints: &mut Complaints) {
        let peer = &mut self.peers[number];
        complaints.add(format!(
            "the connection to RocketMQ's broker {} is lost: {why}",
            peer.name
        ));
        peer.link.broke();
    }

    /// Writes what is on its way; returns the first peer of which that is impossible, and why.
    pub fn flush(&mut self) -> Option<(usize, String)> {
        let mut peers = self.peers.iter_mut().enumerate();
        peers.find_map(|(number, peer)| {
            let error = peer.link.get()?.writer.flush().err()?;
            Some((number, error.to_string()))
        })
    }

    /// Waits until something comes, somebody rings, `wake` is readable, or `until`.
    pub fn wait(&mut self, wake: std::os::fd::RawFd, until: Instant) {
        for peer in &mut self.peers {
            if let Some(connection) = peer.link.get() {
                let (descriptor, writes) = connection.interest();
                self.waits.add(descriptor, writes);
            }
        }
        self.bell.wait_also(&mut self.waits, wake, until);
    }
}

/// Does something that waits on a thread for that.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, DriverError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(DriverError(error.to_string())))
}

/// All queues of all topics. One that is incomplete is no place to number partitions by.
fn find(cluster: &Cluster, names: &[String], partitions: u32) -> Result<Places, DriverError> {
    let until = Instant::now() + WITHIN;
    let mut name_servers = cluster.names();
    let mut places = Places {
        brokers: Vec::new(),
        topics: Vec::new(),
    };
    for name in names {
        let route = name_servers.route(name, until)?;
        let route = route.ok_or_else(|| DriverError(format!("there is no topic {name}")))?;
        let count = route.queues.len();
        if count < partitions as usize {
            return Err(DriverError(format!(
                "topic {name} has {count} of its {partitions} queues: a broker is not there"
            )));
        }
        let known = route.brokers.into_iter().map(|(broker, _)| {
            let at = places.brokers.iter().position(|known| *known == broker);
            at.unwrap_or_else(|| {
                places.brokers.push(broker);
                places.brokers.len() - 1
            })
        });
        let known: Vec<usize> = known.collect();
        let queues = route.queues.into_iter().map(|queue| Queue {
            broker: known[queue.broker],
            ..queue
        });
        places.topics.push(queues.collect());
    }
    Ok(places)
}

/// Connects to a broker, wherever its master is now.
fn open(
    cluster: &Cluster,
    broker: &str,
    topic: &str,
    side: Side,
) -> Result<Connection, DriverError> {
    let until = Instant::now() + WITHIN;
    let route = cluster.names().route(topic, until)?.unwrap_or_default();
    let mut brokers = route.brokers.into_iter();
    let address = brokers.find(|(name, _)| name == broker);
    let Some(address) = address.and_then(|(_, address)| address) else {
        return Err(DriverError(format!(
            "{}: the name servers know no master of broker {broker}",
            cluster.shown()
        )));
    };
    match side {
        Side::Produces => cluster.open(&cluster.for_producers(&address), until),
        Side::Consumes => cluster.open(&address, until),
    }
}
