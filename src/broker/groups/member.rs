//! A member of a group, and what it and its group say to each other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

/// A request to become a member, or to take part in the next generation.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The member's id; none for a new one.
    pub member: String,
    /// Whether a new member has to come again with the id it is given, so that one whose answer
    /// gets lost leaves no ghost behind.
    pub invite: bool,
    /// Who the client says it is.
    pub client: String,
    /// Where it is connected from.
    pub host: String,
    /// After this time of silence, the member is taken for dead.
    pub session: Duration,
    /// The member is waited for so long when a new generation begins.
    pub rebalance: Duration,
    /// What kind of group it takes this for; `consumer` for those that read topics.
    pub kind: String,
    /// The assignment protocols it knows, its favourite first, with what it says in each.
    pub protocols: Vec<(String, Bytes)>,
}

/// What a member is told when a generation begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The assignment protocol that all members know.
    pub protocol: String,
    /// The member that assigns.
    pub leader: String,
    /// Who is told.
    pub member: String,
    /// All members and what they say, for the leader.
    pub members: Vec<(String, Bytes)>,
}

/// An answer that may have to wait for others.
#[derive(Debug)]
pub enum Answer<T> {
    /// It is there.
    Now(T),
    /// It comes when the others have come; if the sender is dropped, the group is gone.
    Later(oneshot::Receiver<Result<T, ResponseError>>),
}

/// The first answer to a request to join.
#[derive(Debug)]
pub enum Join {
    /// Come again with this id.
    Invited(String),
    /// This is the generation, or it is about to begin.
    Answer(Answer<Joined>),
}

/// Whoever waits for an answer.
pub type Waiting<T> = oneshot::Sender<Result<T, ResponseError>>;

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    /// What it said when it joined last.
    pub said: Joining,
    /// What the leader gave it.
    pub assignment: Bytes,
    /// When it is taken for dead, unless it is heard of before.
    pub expires: Instant,
    /// It waits for the next generation.
    pub joining: Option<Waiting<Joined>>,
    /// It waits for the leader's assignment.
    pub syncing: Option<Waiting<Bytes>>,
}

impl Member {
    /// A member that has just been heard of.
    pub fn new(said: Joining, now: Instant) -> Member {
        let expires = now + said.session;
        Member {
            said,
            assignment: Bytes::new(),
            expires,
            joining: None,
            syncing: None,
        }
    }

    /// The member was heard of.
    pub fn heard(&mut self, now: Instant) {
        self.expires = now + self.said.session;
    }

    /// Whether it waits for the next generation, and its connection is still there.
    pub fn joins(&self) -> bool {
        self.joining
            .as_ref()
            .is_some_and(|waiting| !waiting.is_closed())
    }

    /// Whether it waits for its assignment, and its connection is still there.
    pub fn syncs(&self) -> bool {
        self.syncing
            .as_ref()
            .is_some_and(|waiting| !waiting.is_closed())
    }

    /// What it says in a protocol.
    pub fn says(&self, protocol: &str) -> Bytes {
        let said = self
            .said
            .protocols
            .iter()
            .find(|(name, _)| name == protocol);
        said.map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// Whether it knows a protocol.
    pub fn knows(&self, protocol: &str) -> bool {
        self.said.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// The topics it wants to read, in whichever protocol it names them.
    pub fn topics(&self) -> impl Iterator<Item = String> {
        let consumer = self.said.kind == "consumer";
        let said = self.said.protocols.iter().filter(move |_| consumer);
        said.flat_map(|(_, metadata)| subscription(metadata).unwrap_or_default())
    }
}

/// The protocol that most members like best, of those that all know.
pub fn favourite(members: &BTreeMap<String, Member>) -> String {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members.values() {
        let mut names = member.said.protocols.iter().map(|(name, _)| name.as_str());
        if let Some(name) = names.find(|name| members.values().all(|other| other.knows(name))) {
            *votes.entry(name).or_default() += 1;
        }
    }
    let winner = votes.into_iter().max_by_key(|(_, votes)| *votes);
    winner.map(|(name, _)| name.to_owned()).unwrap_or_default()
}

/// The topics in what a consumer says of itself: a version, and a list of names.
fn subscription(metadata: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = metadata.get(2..)?.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        topics.push(String::from_utf8(name.to_vec()).ok()?);
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_names_its_topics() {
        let said = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\0\0\0\0";
        assert_eq!(
            subscription(said),
            Some(vec!["a".to_owned(), "bc".to_owned()])
        );
    }

    #[test]
    fn garbage_is_no_subscription() {
        for said in [
            &b""[..],
            b"\0\x01\0\0",
            b"\0\x01\x7f\0\0\0\0\x01a",
            b"\0\x01\0\0\0\x01\0\x09a",
        ] {
            assert_eq!(subscription(said), None);
        }
    }
}
