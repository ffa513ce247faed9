//! One group: its members, its generations, its committed offsets.
//!
//! Members come and go; each time, all of them join again, one of them assigns, and the broker
//! hands out what it assigned. The group does no I/O and looks at no clock: it is told the time,
//! and says when it wants to be told again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

use super::member::{self, Answer, Join, Joined, Joining, Member, Waiting};
use super::phase::{Committed, Phase};

/// Who comes within this time of another one becomes part of the same generation.
const SETTLE: Duration = Duration::from_millis(150);

/// A generation isn't put off for longer than this by newcomers.
const SETTLED: Duration = Duration::from_millis(500);

/// One group.
#[derive(Debug)]
pub struct Group {
    /// What it is about to do.
    pub phase: Phase,
    /// What kind of group it is; `consumer` for those that read topics.
    pub kind: String,
    /// The assignment protocol of this generation.
    pub protocol: String,
    /// The members.
    pub members: BTreeMap<String, Member>,
    /// What was committed, by topic and partition.
    pub offsets: BTreeMap<String, BTreeMap<i32, Committed>>,
    /// Topics that members subscribed to. They stay when members are taken for dead, so that
    /// nothing is dropped before these come back.
    pub subscribed: BTreeSet<String>,
    generation: i32,
    leader: String,
    invited: HashMap<String, Instant>,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            phase: Phase::Empty,
            kind: String::new(),
            protocol: String::new(),
            members: BTreeMap::new(),
            offsets: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            generation: 0,
            leader: String::new(),
            invited: HashMap::new(),
        }
    }
}

impl Group {
    /// Takes a member into the next generation.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, or `INCONSISTENT_GROUP_PROTOCOL` where it has no protocol in common
    /// with the other members.
    pub fn join(&mut self, mut who: Joining, now: Instant) -> Result<Join, ResponseError> {
        self.agrees(&who)?;
        if who.member.is_empty() {
            who.member = format!("{}-{:032x}", who.client, fastrand::u128(..));
            if who.invite {
                self.invited.insert(who.member.clone(), now + who.session);
                self.put_off(now);
                return Ok(Join::Invited(who.member));
            }
        } else if self.invited.remove(&who.member).is_none() {
            return self.join_again(who, now);
        }
        if !matches!(self.phase, Phase::Joining { .. }) {
            self.begin(now, who.rebalance);
        }
        self.put_off(now);
        self.kind.clone_from(&who.kind);
        let id = who.member.clone();
        self.members.insert(id.clone(), Member::new(who, now));
        Ok(Join::Answer(self.await_generation(&id, now)))
    }

    fn join_again(&mut self, who: Joining, now: Instant) -> Result<Join, ResponseError> {
        let id = who.member.clone();
        let member = self
            .members
            .get_mut(&id)
            .ok_or(ResponseError::UnknownMemberId)?;
        let changed = member.said.protocols != who.protocols;
        member.said = who;
        member.heard(now);
        match self.phase {
            // Its answer got lost.
            Phase::Assigning { .. } if !changed => {
                Ok(Join::Answer(Answer::Now(self.generation_for(&id))))
            }
            // The leader comes again because it wants to assign anew.
            Phase::Stable if !changed && id != self.leader => {
                Ok(Join::Answer(Answer::Now(self.generation_for(&id))))
            }
            _ => {
                if !matches!(self.phase, Phase::Joining { .. }) {
                    self.begin(now, Duration::ZERO);
                }
                Ok(Join::Answer(self.await_generation(&id, now)))
            }
        }
    }

    fn agrees(&self, who: &Joining) -> Result<(), ResponseError> {
        let mut others = self
            .members
            .iter()
            .filter(|(id, _)| **id != who.member)
            .peekable();
        if who.kind.is_empty() || who.protocols.is_empty() {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if others.peek().is_none() {
            return Ok(());
        }
        let others: Vec<_> = others.map(|(_, member)| member).collect();
        let common = |(name, _): &(String, Bytes)| others.iter().all(|other| other.knows(name));
        if self.kind == who.kind && who.protocols.iter().any(common) {
            Ok(())
        } else {
            Err(ResponseError::InconsistentGroupProtocol)
        }
    }

    fn await_generation(&mut self, id: &str, now: Instant) -> Answer<Joined> {
        let (sender, receiver) = oneshot::channel();
        if let Some(member) = self.members.get_mut(id) {
            member.joining = Some(sender);
            self.subscribed.extend(member.topics());
        }
        self.advance(now);
        Answer::Later(receiver)
    }

    /// All members have to join again.
    fn begin(&mut self, now: Instant, patience: Duration) {
        let refused = Err(ResponseError::RebalanceInProgress);
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                // Whoever has gone needs no answer.
                let _ = waiting.send(refused.clone());
            }
        }
        let patience = patience.max(self.patience());
        self.phase = Phase::Joining {
            began: now,
            settle: now,
            deadline: now + patience,
        };
    }

    fn patience(&self) -> Duration {
        self.members
            .values()
            .map(|member| member.said.rebalance)
            .max()
            .unwrap_or_default()
    }

    /// Someone has come, or will in a moment, and others may follow.
    fn put_off(&mut self, now: Instant) {
        if let Phase::Joining { began, settle, .. } = &mut self.phase {
            *settle = (now + SETTLE).min(*began + SETTLED);
        }
    }

    /// Does what is due: takes silent members for dead, begins a generation.
    pub fn advance(&mut self, now: Instant) {
        self.invited.retain(|_, expires| *expires > now);
        let dead = |member: &Member| member.expires <= now && !member.joins() && !member.syncs();
        self.remove(now, |_, member| dead(member));
        match self.phase {
            Phase::Joining {
                settle, deadline, ..
            } => {
                let all = self.members.values().all(Member::joins);
                if (all && now >= settle) || now >= deadline {
                    self.complete(now);
                }
            }
            Phase::Assigning { deadline } if now >= deadline => {
                self.remove(now, |_, member| !member.syncs());
            }
            _ => {}
        }
    }

    /// When there will be something to do, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let silent = self
            .members
            .values()
            .filter(|member| !member.joins() && !member.syncs());
        let expiries = silent.map(|member| member.expires);
        let phase = match self.phase {
            Phase::Joining { settle, .. } if self.members.values().all(Member::joins) => {
                Some(settle)
            }
            Phase::Joining { deadline, .. } | Phase::Assigning { deadline } => Some(deadline),
            Phase::Empty | Phase::Stable => None,
        };
        expiries
            .chain(self.invited.values().copied())
            .chain(phase)
            .min()
    }

    /// Removes members; the others have to join again. Returns how many those were.
    fn remove(&mut self, now: Instant, gone: impl Fn(&str, &Member) -> bool) -> usize {
        let before = self.members.len();
        self.members.retain(|id, member| !gone(id, member));
        let removed = before - self.members.len();
        if removed == 0 {
            return 0;
        }
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.generation += 1;
        } else if !matches!(self.phase, Phase::Joining { .. }) {
            self.begin(now, Duration::ZERO);
        }
        removed
    }

    /// Begins a generation of those who have joined.
    fn complete(&mut self, now: Instant) {
        self.members.retain(|_, member| member.joins());
        self.generation += 1;
        let Some(first) = self.members.keys().next().cloned() else {
            self.phase = Phase::Empty;
            return;
        };
        if !self.members.contains_key(&self.leader) {
            self.leader = first;
        }
        self.protocol = member::favourite(&self.members);
        self.phase = Phase::Assigning {
            deadline: now + self.patience(),
        };
        self.subscribed = self.members.values().flat_map(Member::topics).collect();
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let generation = self.generation_for(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.heard(now);
            member.assignment = Bytes::new();
            if let Some(waiting) = member.joining.take() {
                // Whoever has gone in this instant is missed when it doesn't ask for its part.
                let _ = waiting.send(Ok(generation));
            }
        }
    }

    fn generation_for(&self, id: &str) -> Joined {
        let says = |(id, member): (&String, &Member)| (id.clone(), member.says(&self.protocol));
        let members = match id == self.leader {
            true => self.members.iter().map(says).collect(),
            false => Vec::new(),
        };
        Joined {
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: id.to_owned(),
            members,
        }
    }

    /// Takes what the leader assigned, and answers with what a member was assigned.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`, or `REBALANCE_IN_PROGRESS` where it has to join
    /// again.
    pub fn sync(
        &mut self,
        id: &str,
        generation: i32,
        assigned: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<Answer<Bytes>, ResponseError> {
        self.member(id, generation)?.heard(now);
        match self.phase {
            Phase::Joining { .. } => return Err(ResponseError::RebalanceInProgress),
            Phase::Assigning { .. } if id == self.leader => self.assign(assigned),
            Phase::Assigning { .. } => {
                let (sender, receiver) = oneshot::channel();
                self.member(id, generation)?.syncing = Some(sender);
                return Ok(Answer::Later(receiver));
            }
            Phase::Empty | Phase::Stable => {}
        }
        Ok(Answer::Now(self.member(id, generation)?.assignment.clone()))
    }

    fn assign(&mut self, assigned: Vec<(String, Bytes)>) {
        for (id, assignment) in assigned {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            let waiting: Option<Waiting<Bytes>> = member.syncing.take();
            if let Some(waiting) = waiting {
                // Whoever has gone is missed when its session ends.
                let _ = waiting.send(Ok(member.assignment.clone()));
            }
        }
    }

    /// A member is alive.
    ///
    /// # Errors
    /// As [`Group::sync`].
    pub fn heartbeat(
        &mut self,
        id: &str,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.member(id, generation)?.heard(now);
        match self.phase {
            Phase::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member leaves. When the last one does, what they were subscribed to no longer counts;
    /// what they committed does.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`.
    pub fn leave(&mut self, id: &str, now: Instant) -> Result<(), ResponseError> {
        if self.invited.remove(id).is_some() {
            return Ok(());
        }
        if self.remove(now, |member, _| member == id) == 0 {
            return Err(ResponseError::UnknownMemberId);
        }
        if self.members.is_empty() {
            self.subscribed.clear();
        }
        self.advance(now);
        Ok(())
    }

    /// Whether this member may commit now. A client that is no member names no generation, and
    /// may commit while there are no members.
    ///
    /// # Errors
    /// As [`Group::sync`].
    pub fn may_commit(
        &mut self,
        id: &str,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.member(id, generation)?.heard(now);
        match self.phase {
            Phase::Assigning { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn member(&mut self, id: &str, generation: i32) -> Result<&mut Member, ResponseError> {
        let member = self
            .members
            .get_mut(id)
            .ok_or(ResponseError::UnknownMemberId)?;
        match generation == self.generation {
            true => Ok(member),
            false => Err(ResponseError::IllegalGeneration),
        }
    }

    /// Whether nothing would be lost with it.
    pub fn is_void(&self) -> bool {
        self.members.is_empty()
            && self.invited.is_empty()
            && self.offsets.is_empty()
            && self.subscribed.is_empty()
    }
}
