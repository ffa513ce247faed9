//! What a person has to know: that producers are slowed, and that messages were dropped.
//!
//! Nothing is dropped in silence, and nobody is flooded: the first notice of a kind comes at once,
//! the next ones after a while, with all that happened in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::state::State;

/// The same isn't said again before this time has passed.
const PAUSE: Duration = Duration::from_secs(10);

/// When nothing has moved for this time, that is said.
const STALLED: Duration = Duration::from_secs(30);

/// So many partitions and groups are named one by one.
const NAMED: usize = 16;

/// Says what a person has to know.
#[derive(Debug)]
pub struct Notices {
    to: Sender<String>,
    memory: u64,
    slowed: Option<Instant>,
    moved: Instant,
    dropped: HashMap<String, Instant>,
}

impl Notices {
    /// Says it to `to`, of a memory of so many bytes.
    pub fn new(to: Sender<String>, memory: u64, now: Instant) -> Notices {
        Notices {
            to,
            memory,
            slowed: None,
            moved: now,
            dropped: HashMap::new(),
        }
    }

    /// A producer begins to wait; `alone` if no other one waits.
    pub fn slowed(&mut self, state: &State, alone: bool, now: Instant) {
        if alone {
            self.moved = now;
        }
        if self.slowed.is_some_and(|said| now < said + PAUSE) {
            return;
        }
        self.slowed = Some(now);
        self.say(format!(
            "the broker's memory is full ({}): producers wait until its readers commit{}",
            size(self.memory),
            held(state),
        ));
    }

    /// A producer that waited goes on.
    pub fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Says that nothing moves, if producers wait and nothing has for long.
    pub fn stalled(&mut self, state: &State, waiting: bool, now: Instant) {
        if waiting && now >= self.moved + STALLED {
            self.moved = now;
            self.say(format!(
                "producers have waited for {} s, and nobody has committed what they wait for{}. \
                 Messages are kept until then; delete the group or the topic to let them go",
                STALLED.as_secs(),
                held(state),
            ));
        }
    }

    /// Says what was dropped; of each topic at most once in a while, unless this is the `last`
    /// opportunity.
    pub fn dropped(&mut self, state: &mut State, last: bool, now: Instant) {
        for (name, topic) in &mut state.topics {
            let said = self.dropped.get(name);
            if topic.dropped.is_empty() || (!last && said.is_some_and(|said| now < *said + PAUSE)) {
                continue;
            }
            let counts = std::mem::take(&mut topic.dropped);
            self.dropped.insert(name.clone(), now);
            self.say(format!(
                "no group reads topic {name} and the broker's memory is full ({}): dropped its \
                 oldest {}",
                size(self.memory),
                counted(&counts),
            ));
        }
        self.dropped.retain(|_, said| now < *said + PAUSE);
    }

    /// Says this, now.
    pub fn say(&self, notice: String) {
        tracing::info!("{notice}");
        if let Err(unheard) = self.to.send(notice) {
            tracing::debug!("nobody listens to notices: {unheard}");
        }
    }
}

/// Which groups hold how much of which topics, as a clause.
fn held(state: &State) -> String {
    let mut holders = Vec::new();
    for (name, topic) in &state.topics {
        for (reader, group) in state.groups.readers(name) {
            let unread = (0..).zip(&topic.partitions).map(|(number, log)| {
                let position = group.position(name, number).unwrap_or(0).max(log.start());
                (log.end() - position).max(0)
            });
            let unread: i64 = unread.sum();
            if unread > 0 {
                holders.push(format!(
                    "group {reader} has {unread} messages of topic {name}"
                ));
            }
        }
    }
    if holders.is_empty() {
        return String::new();
    }
    let more = holders.len().saturating_sub(NAMED);
    holders.truncate(NAMED);
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!(" ({} to go{more})", holders.join(", "))
}

fn counted(counts: &BTreeMap<usize, u64>) -> String {
    let all: u64 = counts.values().sum();
    let one = |(number, count): (&usize, &u64)| format!("{count} of partition {number}");
    let mut parts: Vec<String> = counts.iter().take(NAMED).map(one).collect();
    let rest: u64 = counts.values().skip(NAMED).sum();
    if rest > 0 {
        parts.push(format!("{rest} of the other {}", counts.len() - NAMED));
    }
    format!("{all} messages ({})", parts.join(", "))
}

fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 10 << 30 => format!("{} GiB", bytes >> 30),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::super::topics::Topic;
    use super::*;

    fn fixture(now: Instant) -> (Notices, Receiver<String>, State) {
        let (sender, receiver) = channel();
        let mut state = State::default();
        state.topics.insert("t".to_owned(), Topic::new(3, 1000));
        (Notices::new(sender, 64 << 20, now), receiver, state)
    }

    #[test]
    fn everything_dropped_is_said_but_not_at_once() {
        let start = Instant::now();
        let (mut notices, said, mut state) = fixture(start);
        let mut drop = |count, last, now| {
            if let Some(topic) = state.topics.get_mut("t") {
                *topic.dropped.entry(2).or_default() += count;
            }
            notices.dropped(&mut state, last, now);
            said.try_recv().ok()
        };
        let first = drop(5, false, start).unwrap();
        assert!(
            first.contains("topic t") && first.contains("5 of partition 2"),
            "{first}"
        );
        assert_eq!(drop(6, false, start + PAUSE / 2), None);
        let second = drop(7, false, start + PAUSE).unwrap();
        assert!(
            second.contains("13 messages (13 of partition 2)"),
            "{second}"
        );
        let last = drop(8, true, start + PAUSE).unwrap();
        assert!(last.contains("8 messages"), "{last}");
    }

    #[test]
    fn a_standstill_is_said_after_a_while_and_again_after_another() {
        let start = Instant::now();
        let (mut notices, said, state) = fixture(start);
        notices.slowed(&state, true, start);
        assert!(said.try_recv().unwrap().contains("full (64 MiB)"));
        notices.slowed(&state, false, start + PAUSE / 2);
        notices.stalled(&state, true, start + STALLED / 2);
        assert!(said.try_recv().is_err());
        notices.stalled(&state, true, start + STALLED);
        assert!(said.try_recv().unwrap().contains("have waited for 30 s"));
        notices.moved(start + STALLED * 3 / 2);
        notices.stalled(&state, true, start + STALLED * 2);
        notices.stalled(&state, false, start + STALLED * 9);
        assert!(said.try_recv().is_err());
    }
}
