//! A group's life, with a clock that the test moves.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

use super::member::{Answer, Join, Joined, Joining};
use super::{Committed, Group, Groups, Phase};

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// Longer than newcomers are waited for.
const SETTLED: Duration = Duration::from_secs(1);

type Later<T> = oneshot::Receiver<Result<T, ResponseError>>;

fn someone(member: &str, protocols: &[&str]) -> Joining {
    let subscription = Bytes::from_static(b"\0\0\0\0\0\x01\0\x05topic\0\0\0\0");
    let protocols = protocols
        .iter()
        .map(|name| ((*name).to_owned(), subscription.clone()));
    Joining {
        member: member.to_owned(),
        invite: false,
        client: "client".to_owned(),
        host: "127.0.0.1".to_owned(),
        session: SESSION,
        rebalance: REBALANCE,
        kind: "consumer".to_owned(),
        protocols: protocols.collect(),
    }
}

fn newcomer(group: &mut Group, now: Instant) -> Later<Joined> {
    join(group, someone("", &["range"]), now)
}

fn join(group: &mut Group, who: Joining, now: Instant) -> Later<Joined> {
    match group.join(who, now).unwrap() {
        Join::Answer(Answer::Later(later)) => later,
        other => panic!("{other:?}"),
    }
}

fn told<T>(mut later: Later<T>) -> T {
    later.try_recv().expect("an answer").expect("a good one")
}

/// A group of so many members in its first generation, with everything assigned.
fn stable(size: usize, now: Instant) -> (Group, Vec<Joined>) {
    let mut group = Group::default();
    let joining: Vec<_> = (0..size).map(|_| newcomer(&mut group, now)).collect();
    group.advance(now + SETTLED);
    let joined: Vec<Joined> = joining.into_iter().map(told).collect();
    sync(&mut group, &joined, now + SETTLED);
    (group, joined)
}

fn sync(group: &mut Group, joined: &[Joined], now: Instant) {
    let assigned = |one: &Joined| (one.member.clone(), Bytes::from(one.member.clone()));
    let leader = &joined
        .iter()
        .find(|one| one.member == one.leader)
        .unwrap()
        .member;
    let all = joined.iter().map(assigned).collect();
    group.sync(leader, joined[0].generation, all, now).unwrap();
    assert_eq!(group.phase, Phase::Stable);
}

#[test]
fn who_comes_at_the_same_time_is_in_the_same_generation() {
    let now = Instant::now();
    let mut group = Group::default();
    let first = newcomer(&mut group, now);
    let deadline = group.next_deadline().unwrap();
    assert!(deadline > now);
    let second = newcomer(&mut group, now + Duration::from_millis(20));
    assert!(group.next_deadline().unwrap() > deadline);
    group.advance(now + SETTLED);
    let (first, second) = (told(first), told(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.leader, second.leader);
    let leader = if first.member == first.leader {
        first
    } else {
        second
    };
    assert_eq!(leader.members.len(), 2);
}

#[test]
fn newcomers_do_not_put_a_generation_off_for_ever() {
    let start = Instant::now();
    let mut group = Group::default();
    let mut first = newcomer(&mut group, start);
    let mut others = Vec::new();
    for step in 1..100 {
        let now = start + Duration::from_millis(10) * step;
        others.push(newcomer(&mut group, now));
        if first.try_recv().is_ok() {
            return;
        }
    }
    panic!("a second of newcomers, and no generation");
}

#[test]
fn a_member_is_invited_first_and_joins_with_its_id() {
    let now = Instant::now();
    let mut group = Group::default();
    let mut who = someone("", &["range"]);
    who.invite = true;
    let Ok(Join::Invited(id)) = group.join(who.clone(), now) else {
        panic!("not invited")
    };
    assert!(group.members.is_empty());
    who.member = id.clone();
    let joined = join(&mut group, who, now);
    group.advance(now + SETTLED);
    assert_eq!(told(joined).member, id);
    let stranger = someone("stranger", &["range"]);
    let refused = group.join(stranger, now + SETTLED).map(|_| ());
    assert_eq!(refused, Err(ResponseError::UnknownMemberId));
}

#[test]
fn an_invitation_that_is_not_taken_up_is_forgotten() {
    let now = Instant::now();
    let mut groups = Groups::default();
    let mut who = someone("", &["range"]);
    who.invite = true;
    assert!(matches!(
        groups.get_or_create("g").join(who, now),
        Ok(Join::Invited(_))
    ));
    groups.advance(now + SESSION / 2);
    assert!(groups.get("g").is_some());
    groups.advance(now + SESSION);
    assert!(groups.get("g").is_none());
}

#[test]
fn each_member_gets_what_the_leader_assigned_to_it() {
    let now = Instant::now();
    let mut group = Group::default();
    let joining = [newcomer(&mut group, now), newcomer(&mut group, now)];
    group.advance(now + SETTLED);
    let joined = joining.map(told);
    let follower = joined.iter().find(|one| one.member != one.leader).unwrap();
    let Ok(Answer::Later(waiting)) = group.sync(&follower.member, 1, Vec::new(), now) else {
        panic!("an assignment before the leader made it");
    };
    sync(&mut group, &joined, now);
    assert_eq!(told(waiting), follower.member.as_bytes());
}

#[test]
fn a_newcomer_makes_the_others_join_again() {
    let now = Instant::now();
    let (mut group, joined) = stable(1, now);
    let old = &joined[0].member;
    assert_eq!(group.heartbeat(old, 1, now), Ok(()));
    let new = newcomer(&mut group, now);
    let again = Err(ResponseError::RebalanceInProgress);
    assert_eq!(group.heartbeat(old, 1, now), again);
    // What was read before can still be committed.
    assert_eq!(group.may_commit(old, 1, now), Ok(()));
    let old_again = join(&mut group, someone(old, &["range"]), now);
    group.advance(now + SETTLED);
    assert_eq!((told(new).generation, told(old_again).generation), (2, 2));
    assert_eq!(
        group.heartbeat(old, 1, now),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(
        group.may_commit(old, 1, now),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(group.may_commit(old, 2, now), again);
}

#[test]
fn a_member_that_does_not_join_again_is_left_out() {
    let now = Instant::now();
    let (mut group, joined) = stable(2, now);
    let [one, other] = [&joined[0].member, &joined[1].member];
    group.leave(one, now).unwrap();
    let newcomer = newcomer(&mut group, now);
    // It is alive, but doesn't join.
    for second in 0..60 {
        let then = now + Duration::from_secs(second);
        assert_eq!(
            group.heartbeat(other, 1, then),
            Err(ResponseError::RebalanceInProgress)
        );
        group.advance(then);
    }
    group.advance(now + REBALANCE + SETTLED);
    assert_eq!(told(newcomer).generation, 2);
    assert_eq!(group.members.len(), 1);
}

#[test]
fn a_silent_member_is_taken_for_dead() {
    let now = Instant::now();
    let (mut group, joined) = stable(2, now);
    let [dead, alive] = [&joined[0].member, &joined[1].member];
    group
        .heartbeat(alive, 1, now + SETTLED + SESSION / 2)
        .unwrap();
    assert_eq!(group.next_deadline(), Some(now + SETTLED + SESSION));
    group.advance(now + SETTLED + SESSION);
    assert!(!group.members.contains_key(dead));
    let told = group.heartbeat(alive, 1, now + SETTLED + SESSION);
    assert_eq!(told, Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_leader_that_assigns_nothing_is_left_out() {
    let now = Instant::now();
    let mut group = Group::default();
    let joining = [newcomer(&mut group, now), newcomer(&mut group, now)];
    group.advance(now + SETTLED);
    let joined = joining.map(told);
    let leader = joined[0].leader.clone();
    let follower = joined.iter().find(|one| one.member != leader).unwrap();
    let Ok(Answer::Later(mut waiting)) = group.sync(&follower.member, 1, Vec::new(), now) else {
        panic!("an assignment before the leader made it");
    };
    group.advance(now + SETTLED + REBALANCE);
    assert_eq!(
        waiting.try_recv(),
        Ok(Err(ResponseError::RebalanceInProgress))
    );
    assert!(!group.members.contains_key(&leader));
}

#[test]
fn the_protocol_is_one_that_everyone_knows() {
    let now = Instant::now();
    let mut group = Group::default();
    let one = join(&mut group, someone("", &["sticky", "range"]), now);
    let other = join(&mut group, someone("", &["range", "roundrobin"]), now);
    let refused = group.join(someone("", &["roundrobin"]), now).map(|_| ());
    assert_eq!(refused, Err(ResponseError::InconsistentGroupProtocol));
    group.advance(now + SETTLED);
    assert_eq!(told(one).protocol, "range");
    assert_eq!(told(other).protocol, "range");
}

#[test]
fn strangers_may_commit_only_where_nobody_is() {
    let now = Instant::now();
    let (mut group, joined) = stable(1, now);
    assert_eq!(
        group.may_commit("", -1, now),
        Err(ResponseError::UnknownMemberId)
    );
    group.leave(&joined[0].member, now).unwrap();
    assert_eq!(group.may_commit("", -1, now), Ok(()));
    assert_eq!(
        group.leave("stranger", now),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn a_topic_is_read_until_its_readers_leave_but_not_when_they_die() {
    let now = Instant::now();
    let mut groups = Groups::default();
    let joining = newcomer(groups.get_or_create("g"), now);
    assert_eq!(groups.readers("topic").len(), 1);
    groups.advance(now + SETTLED);
    let id = told(joining).member;
    groups.advance(now + REBALANCE * 2);
    assert!(groups.get("g").unwrap().members.is_empty());
    assert_eq!(groups.readers("topic").len(), 1);

    let later = now + REBALANCE * 3;
    let joining = newcomer(groups.get_or_create("g"), later);
    groups.advance(later + SETTLED);
    let again = told(joining).member;
    assert_ne!(id, again);
    groups
        .get("g")
        .unwrap()
        .leave(&again, later + SETTLED)
        .unwrap();
    groups.sweep();
    assert_eq!(groups.readers("topic").len(), 0);
    assert!(groups.get("g").is_none());
}

#[test]
fn commits_go_with_their_topic() {
    let mut groups = Groups::default();
    let committed = Committed {
        offset: 7,
        epoch: 0,
        note: String::new(),
    };
    let offsets = &mut groups.get_or_create("g").offsets;
    offsets
        .entry("topic".to_owned())
        .or_default()
        .insert(3, committed);
    assert_eq!(groups.readers("topic")[0].1.position("topic", 3), Some(7));
    groups.forget_topic("topic");
    assert!(groups.readers("topic").is_empty());
    assert!(groups.get("g").is_none());
}
