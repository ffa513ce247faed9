//! Groups: partitions change hands and take their positions with them.

use std::collections::BTreeMap;
use std::time::Duration;

use omb::clock::Instant;
use omb::driver::{Consumer, Driver, Partition};

use super::site::{Member, Seen, Site, patience, produce};

const TURN: Duration = Duration::from_millis(50);

/// Polls both in turn until they own so many partitions and have read so many messages together.
fn together<C: Consumer>(
    one: &mut Member<C>,
    other: &mut Member<C>,
    owned: (usize, usize),
    messages: usize,
) {
    let deadline = patience();
    loop {
        let own = (one.seen.owned.len(), other.seen.owned.len());
        let read = one.seen.messages.len() + other.seen.messages.len();
        if own == owned && read >= messages {
            return;
        }
        assert!(Instant::now() < deadline, "{own:?} owned, {read} read");
        one.poll(TURN);
        other.poll(TURN);
    }
}

pub fn partitions_move_with_their_positions<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 4);
    let mut first = site.consumer();
    produce(&site, 0..400, 100);
    first.read(400);
    // Nothing is committed but by the revocation.
    let mut second = site.consumer();
    together(&mut first, &mut second, (2, 2), 400);
    produce(&site, 400..800, 100);
    together(&mut first, &mut second, (2, 2), 800);
    let first = first.close();
    second.own(4);
    produce(&site, 800..1_200, 100);
    second.read(1_200 - first.messages.len());
    let second = second.close();
    assert_eq!((first.lost, second.lost), (0, 0));
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    let mut offsets: BTreeMap<Partition, Vec<u64>> = BTreeMap::new();
    for (number, places) in first.messages.iter().chain(&second.messages) {
        *times.entry(*number).or_default() += places.len();
        for (place, offset) in places {
            offsets.entry(*place).or_default().push(*offset);
        }
    }
    assert_eq!(times.len(), 1_200, "messages are missing");
    assert!(times.values().all(|&times| times == 1), "redelivered");
    let ends = site.states().remove(0).ends;
    for (place, mut offsets) in offsets {
        offsets.sort_unstable();
        let all: Vec<u64> = (0..ends[place.partition as usize]).collect();
        assert_eq!(offsets, all, "{place:?}");
    }
}

pub fn who_goes_on_between_two_assignments_is_not_left_paused<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 4);
    let mut first = site.consumer();
    first.own(4);
    first.consumer.pause(true).unwrap();
    let mut second = site.consumer();
    let deadline = patience();
    while !first.seen.owned.is_empty() {
        assert!(Instant::now() < deadline, "nothing is revoked");
        second.poll(TURN);
        first.poll(TURN);
    }
    first.consumer.pause(false).unwrap();
    together(&mut first, &mut second, (2, 2), 0);
    produce(&site, 0..400, 100);
    together(&mut first, &mut second, (2, 2), 400);
    first.close();
    second.close();
}

/// Each message comes to one of them, once both are given some.
pub fn two_members_share_a_group<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 2);
    let (mut first, mut second) = (site.consumer(), site.consumer());
    let deadline = patience();
    // Who is subscribed need not have its share yet.
    let mut begun = 0;
    while first.seen.messages.is_empty() || second.seen.messages.is_empty() {
        assert!(Instant::now() < deadline, "one of them gets nothing");
        if !(first.seen.owned.is_empty() || second.seen.owned.is_empty()) {
            produce(&site, begun..begun + 10, 100);
            begun += 10;
        }
        first.poll(TURN);
        second.poll(TURN);
    }
    let share = |seen: &Seen| seen.messages.keys().any(|number| *number >= begun);
    let mut sent = begun;
    // A sender may stay at a partition for a while, so that a batch comes about.
    while sent < begun + 1_000 || !share(&first.seen) || !share(&second.seen) {
        assert!(Instant::now() < deadline, "one of them gets no share");
        produce(&site, sent..sent + 100, 100);
        sent += 100;
        first.poll(TURN);
        second.poll(TURN);
    }
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    while times.len() as u64 != sent {
        assert!(Instant::now() < deadline, "{} of {sent} came", times.len());
        first.poll(TURN);
        second.poll(TURN);
        times.clear();
        for (number, places) in first.seen.messages.iter().chain(&second.seen.messages) {
            *times.entry(*number).or_default() += places.len();
        }
    }
    let twice = times.range(begun..).find(|(_, times)| **times != 1);
    assert_eq!(twice, None);
    first.close();
    second.close();
}

/// What was read and committed does not come again.
fn assert_none_below(seen: &Seen, first: u64) {
    let again: BTreeMap<_, _> = seen
        .messages
        .iter()
        .filter(|(number, _)| **number < first)
        .collect();
    assert!(again.is_empty(), "{again:?}");
}

pub fn who_leaves_is_continued_at_once<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 2);
    produce(&site, 0..100, 100);
    let mut first = site.consumer();
    first.read(100);
    first.close();
    let begin = Instant::now();
    let mut second = site.consumer();
    second.own(site.all_partitions());
    // The session of a member that did not say goodbye would last 6 s.
    let took = Instant::now().since(begin);
    assert!(took < Duration::from_secs(5), "{took:?}");
    produce(&site, 100..150, 100);
    second.read(50);
    let seen = second.close();
    assert_none_below(&seen, 100);
}

pub fn who_vanishes_is_continued_from_its_commits<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 2);
    produce(&site, 0..100, 100);
    let mut first = site.consumer();
    first.read(100);
    let positions: Vec<(Partition, u64)> = first.seen.next.clone().into_iter().collect();
    first.consumer.commit(&positions);
    // The commit is on its way as long as the client polls; nothing tells when it arrived.
    produce(&site, 100..200, 100);
    first.read(200);
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        first.poll(TURN);
    }
    // Dropped without being closed, as by a kill: nobody says goodbye.
    drop(first);
    let mut second = site.consumer();
    second.read(100);
    let seen = second.close();
    assert_none_below(&seen, 100);
    assert!(
        seen.redelivered.is_none_or(|again| again == 100),
        "{:?}",
        seen.redelivered
    );
}
