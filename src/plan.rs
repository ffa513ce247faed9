//! Workload → processes × threads × clients.
//!
//! One thread owns one client. Logical producers and consumers each get a client of their own as
//! long as the host can hold as many; beyond that one client serves several topics, and the plan
//! has a note that says so.

pub mod forecast;

use std::fmt;

use crate::config::Workload;
use crate::driver::{Group, NewTopic, STAMP_LEN};
use crate::wire::{ConsumerClient, ProducerClient, Topic};

/// Most clients of one role on one host: each costs a thread of ours, two or three of the client
/// library, and a connection to each broker.
const MAX_CLIENTS: u32 = 512;

/// The id of a run, part of all names it leaves at a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(pub u32);

impl RunId {
    /// A new one, different from those of other runs on any host but for a chance of 1 in 2^32.
    pub fn random() -> Self {
        Self(fastrand::u32(..))
    }

    /// The id in these words, if they are one.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(u32::from_str_radix(text, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }

    /// The run that this topic belongs to, by its name, `PREFIX-NUMBER-RUN`.
    pub fn of_topic(name: &str) -> Option<Self> {
        let (rest, _) = name.rsplit_once('-')?;
        let (prefix, _) = rest.rsplit_once('-')?;
        Self::numbered(name.strip_prefix(prefix)?.strip_prefix('-')?).filter(|_| !prefix.is_empty())
    }

    /// The run that this group belongs to, by its name.
    pub fn of_group(name: &str) -> Option<Self> {
        Self::numbered(name.strip_prefix("sub-")?)
    }

    /// `NUMBER-RUN`.
    fn numbered(text: &str) -> Option<Self> {
        let (number, run) = text.split_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self::parse(run))?
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Who does what in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Topics by number.
    pub topics: Vec<NewTopic>,
    /// Groups by number of the subscription.
    pub groups: Vec<String>,
    /// Topics of each subscription, by number.
    pub subscribed: Vec<Vec<u32>>,
    /// Clients of each producer process.
    pub producers: Vec<Vec<ProducerClient>>,
    /// Clients of each consumer process.
    pub consumers: Vec<Vec<ConsumerClient>>,
    /// Subscriptions that each message goes to.
    pub subscriptions_per_topic: u32,
    /// There is a processor for each client, so that producers may be awake before a message is due.
    pub may_spin: bool,
    /// What a reader of the figures has to know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Spreads a workload over this host. `existing` is the topic of `--topic`, if given.
    pub fn new(workload: &Workload, run: RunId, existing: Option<&str>, cores: usize) -> Self {
        let mut notes = Vec::new();
        if workload.message_size < STAMP_LEN {
            notes.push(format!(
                "messages of {} bytes are too small for the stamp: it travels as a record header \
                 of {STAMP_LEN} bytes",
                workload.message_size
            ));
        }
        let topics = topics(workload, run, existing);
        let producers = producers(workload, &topics, run, &mut notes);
        let (groups, subscribed, consumers) = consumers(workload, &topics, run, &mut notes);
        let default = (cores as u32 / 2).max(2);
        let spread = |asked: Option<u32>, clients: usize| {
            asked.unwrap_or(default).clamp(1, (clients as u32).max(1))
        };
        let producer_processes = spread(workload.producer_processes, producers.len());
        let consumer_processes = spread(workload.consumer_processes, consumers.len());
        for (asked, got, role) in [
            (workload.producer_processes, producer_processes, "producer"),
            (workload.consumer_processes, consumer_processes, "consumer"),
        ] {
            if let Some(asked) = asked.filter(|&asked| asked > got) {
                notes.push(format!(
                    "{got} {role} processes instead of {asked}: there is no more than one client \
                     for each"
                ));
            }
        }
        let may_spin = producers.len() + consumers.len() <= cores;
        Self {
            topics,
            groups,
            subscribed,
            may_spin,
            producers: deal(producers, producer_processes),
            consumers: deal(consumers, consumer_processes),
            subscriptions_per_topic: workload.subscriptions_per_topic,
            notes,
        }
    }

    /// Producer clients over all processes.
    pub fn producer_clients(&self) -> usize {
        self.producers.iter().map(Vec::len).sum()
    }

    /// Consumer clients over all processes.
    pub fn consumer_clients(&self) -> usize {
        self.consumers.iter().map(Vec::len).sum()
    }
}

fn topics(workload: &Workload, run: RunId, existing: Option<&str>) -> Vec<NewTopic> {
    let partitions = workload.partitions_per_topic;
    match existing {
        Some(name) => vec![NewTopic {
            name: name.to_owned(),
            partitions,
        }],
        None => (0..workload.topics)
            .map(|number| NewTopic {
                name: format!("{}-{number}-{run}", workload.topic_prefix),
                partitions,
            })
            .collect(),
    }
}

fn producers(
    workload: &Workload,
    topics: &[NewTopic],
    run: RunId,
    notes: &mut Vec<String>,
) -> Vec<ProducerClient> {
    let streams = topics.len() as u32 * workload.producers_per_topic;
    let clients = streams.min(MAX_CLIENTS);
    if clients < streams {
        notes.push(format!(
            "{streams} logical producers share {clients} clients, so that one host can hold them"
        ));
    }
    split(streams, clients)
        .enumerate()
        .map(|(index, streams_of_client)| {
            let mut client = ProducerClient {
                name: format!("omb-{run}-producer-{index}"),
                topics: Vec::new(),
                streams: Vec::new(),
                share: streams_of_client.len() as f64 / f64::from(streams),
                stagger: index as f64 / f64::from(clients),
            };
            for stream in streams_of_client {
                let number = stream / workload.producers_per_topic;
                if client
                    .topics
                    .last()
                    .is_none_or(|topic| topic.number != number)
                {
                    let name = topics[number as usize].name.clone();
                    client.topics.push(Topic { number, name });
                }
                client
                    .streams
                    .push((stream, client.topics.len() as u32 - 1));
            }
            client
        })
        .collect()
}

impl Plan {
    /// The groups, each with the names of its topics.
    pub fn groups(&self) -> Vec<Group> {
        let name = |&topic: &u32| self.topics[topic as usize].name.clone();
        let groups = self.groups.iter().zip(&self.subscribed);
        groups
            .map(|(group, topics)| Group {
                name: group.clone(),
                topics: topics.iter().map(name).collect(),
            })
            .collect()
    }
}

type Consumers = (Vec<String>, Vec<Vec<u32>>, Vec<ConsumerClient>);

/// Subscription `s` of a bundle of topics has a group of its own, as in OMB; a bundle is one topic
/// as long as the host can hold the clients.
fn consumers(
    workload: &Workload,
    topics: &[NewTopic],
    run: RunId,
    notes: &mut Vec<String>,
) -> Consumers {
    let per_bundle = workload.subscriptions_per_topic * workload.consumers_per_subscription;
    let count = topics.len() as u32;
    let bundles = MAX_CLIENTS
        .checked_div(per_bundle)
        .map_or(count, |most| count.min(most.max(1)));
    if bundles < count {
        notes.push(format!(
            "{} logical consumers share {} clients, each subscribed to several topics, so that \
             one host can hold them",
            u64::from(count) * u64::from(per_bundle),
            bundles * per_bundle
        ));
    }
    let (mut groups, mut subscribed, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for bundle in split(count, bundles) {
        for _ in 0..workload.subscriptions_per_topic {
            let subscription = groups.len() as u32;
            let group = format!("sub-{subscription:03}-{run}");
            for _ in 0..workload.consumers_per_subscription {
                clients.push(ConsumerClient {
                    name: format!("omb-{run}-consumer-{}", clients.len()),
                    subscription,
                    group: group.clone(),
                    topics: bundle
                        .clone()
                        .map(|number| Topic {
                            number,
                            name: topics[number as usize].name.clone(),
                        })
                        .collect(),
                });
            }
            groups.push(group);
            subscribed.push(bundle.clone().collect());
        }
    }
    (groups, subscribed, clients)
}

/// `0..count` in `parts` stretches whose lengths differ by at most 1.
fn split(count: u32, parts: u32) -> impl Iterator<Item = std::ops::Range<u32>> {
    let at = move |part: u32| (u64::from(count) * u64::from(part) / u64::from(parts.max(1))) as u32;
    (0..parts).map(move |part| at(part)..at(part + 1))
}

/// Deals clients to processes in turn, so that the members of a group live apart.
fn deal<T>(clients: Vec<T>, processes: u32) -> Vec<Vec<T>> {
    let mut hands: Vec<Vec<T>> = (0..processes).map(|_| Vec::new()).collect();
    for (index, client) in clients.into_iter().enumerate() {
        hands[index % processes as usize].push(client);
    }
    hands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::workload;

    const RUN: RunId = RunId(0x00c0_ffee);

    #[test]
    fn every_logical_producer_and_consumer_gets_a_client_of_its_own() {
        let mut workload = workload();
        (workload.topics, workload.partitions_per_topic) = (4, 4);
        (
            workload.producers_per_topic,
            workload.subscriptions_per_topic,
        ) = (1, 2);
        workload.consumers_per_subscription = 2;
        workload.producer_processes = Some(2);
        workload.consumer_processes = Some(3);
        let plan = Plan::new(&workload, RUN, None, 2);
        assert_eq!(plan.topics[3].name, "test-topic-3-00c0ffee");
        assert_eq!((plan.producers.len(), plan.producer_clients()), (2, 4));
        assert_eq!((plan.consumers.len(), plan.consumer_clients()), (3, 16));
        assert_eq!(plan.groups.len(), 8);
        assert_eq!(plan.groups[7], "sub-007-00c0ffee");
        let shares: f64 = plan.producers.iter().flatten().map(|c| c.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    }

    #[test]
    fn the_members_of_a_group_live_in_different_processes() {
        let mut workload = workload();
        workload.consumers_per_subscription = 2;
        workload.consumer_processes = Some(2);
        let plan = Plan::new(&workload, RUN, None, 2);
        for process in &plan.consumers {
            assert_eq!(process.len(), 1);
        }
    }

    #[test]
    fn ten_thousand_topics_share_clients_and_the_plan_says_so() {
        let mut workload = workload();
        (workload.topics, workload.producers_per_topic) = (10_000, 1);
        workload.consumers_per_subscription = 1;
        let plan = Plan::new(&workload, RUN, None, 8);
        assert_eq!(plan.producer_clients(), 512);
        assert_eq!(plan.consumer_clients(), 512);
        let streams: usize = plan
            .producers
            .iter()
            .flatten()
            .map(|c| c.streams.len())
            .sum();
        assert_eq!(streams, 10_000);
        let topics: usize = plan.subscribed.iter().map(Vec::len).sum();
        assert_eq!(topics, 10_000);
        assert_eq!(plan.notes.len(), 2);
        for client in plan.producers.iter().flatten() {
            for &(stream, index) in &client.streams {
                assert_eq!(client.topics[index as usize].number, stream);
            }
        }
    }

    #[test]
    fn names_tell_their_run_and_nobody_elses_do() {
        let mut workload = workload();
        let plan = Plan::new(&workload, RUN, None, 2);
        assert_eq!(RunId::of_topic(&plan.topics[0].name), Some(RUN));
        assert_eq!(RunId::of_group(&plan.groups[0]), Some(RUN));
        for name in [
            "test-topic-0-00c0ffee-x",
            "test-topic-x-00c0ffee",
            "test-topic--00c0ffee",
            "test-topic-0-c0ffee",
            "test-topic-0-00C0FFEE",
            "test-topic-0-+0c0ffee",
            "-0-00c0ffee",
            "0-00c0ffee",
        ] {
            assert_eq!(RunId::of_topic(name), None, "{name}");
        }
        workload.topic_prefix = "-my.load-7-".to_owned();
        let plan = Plan::new(&workload, RUN, None, 2);
        assert_eq!(plan.topics[0].name, "-my.load-7--0-00c0ffee");
        assert_eq!(RunId::of_topic(&plan.topics[0].name), Some(RUN));
        assert_eq!(RunId::of_group("sub-000-mine"), None);
        assert_eq!(RunId::of_group("load-000-00c0ffee"), None);
    }

    #[test]
    fn no_more_processes_than_clients() {
        let mut workload = workload();
        workload.producer_processes = Some(9);
        let plan = Plan::new(&workload, RUN, Some("theirs"), 2);
        assert_eq!(plan.producers.len(), plan.producer_clients());
        assert_eq!(plan.topics[0].name, "theirs");
        assert!(plan.notes[0].contains("instead of 9"), "{:?}", plan.notes);
    }
}
