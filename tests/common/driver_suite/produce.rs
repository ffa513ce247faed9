//! Sending: outcomes, stamps, keys, refusals, waits.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use omb::clock::Instant;
use omb::driver::{Driver, Outgoing, Producer, SendError};

use super::site::{Outcomes, Site, Told, produce, send, serve, settle, within};

pub fn messages_lie_where_their_outcomes_say<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 2, 3);
    let outcomes = produce(&site, 0..3_000, 100);
    assert_eq!(site.stored(), 3_000);
    let mut member = site.consumer();
    member.read(3_000);
    let seen = member.close();
    for (number, told) in outcomes {
        let places = &seen.messages[&number];
        assert_eq!(places.len(), 1, "{number} came more than once: {places:?}");
        let (place, offset) = places[0];
        assert_eq!(u64::from(place.topic), number % 2);
        assert_eq!(told, Told::Acknowledged(place.partition, Some(offset)));
    }
}

pub fn small_messages_carry_their_stamp_in_a_header<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    produce(&site, 0..10, 10);
    produce(&site, 10..20, 1);
    produce(&site, 20..30, 31);
    produce(&site, 30..40, 32);
    let mut member = site.consumer();
    member.read(40);
    let seen = member.close();
    let numbers: BTreeSet<u64> = seen.messages.into_keys().collect();
    assert_eq!(numbers, (0..40).collect());
}

pub fn empty_messages_carry_their_stamp_in_a_header<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    produce(&site, 0..10, 0);
    let mut member = site.consumer();
    member.read(10);
    assert_eq!(member.close().bytes, 0);
}

pub fn a_key_always_goes_to_the_same_partition<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 4);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    for number in 0..400_u64 {
        let key = (number % 16).to_be_bytes();
        // With and without a header: the ways to the client library differ.
        let size = if number < 200 { 100 } else { 10 };
        send(&mut producer, &mut outcomes, 0, Some(&key), number, size).unwrap();
    }
    settle(&mut producer, &mut outcomes);
    let mut partitions: HashMap<u64, BTreeSet<u32>> = HashMap::new();
    for (number, told) in outcomes {
        let Told::Acknowledged(partition, _) = told else {
            panic!("{number}: {told:?}");
        };
        partitions.entry(number % 16).or_default().insert(partition);
    }
    assert!(
        partitions.values().all(|of| of.len() == 1),
        "{partitions:?}"
    );
    let used: BTreeSet<&u32> = partitions.values().flatten().collect();
    assert!(used.len() > 1, "all keys in one partition");
}

pub fn a_message_that_is_too_large_is_refused_with_its_reason<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 1);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    let why = match send(&mut producer, &mut outcomes, 0, None, 7, 3_000_000) {
        Err(why) => why,
        Ok(()) => {
            settle(&mut producer, &mut outcomes);
            let Some(Told::Failed(why)) = outcomes.remove(&7) else {
                panic!("{outcomes:?}");
            };
            why
        }
    };
    assert!(why.contains("too large"), "{why}");
    assert_eq!(producer.in_flight(), 0);
    assert_eq!(site.stored(), 0);
}

/// Whether or not the broker had them already, what failed is not there and what was acknowledged is.
pub fn what_is_abandoned_gets_its_outcome<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    for number in 0..20_000 {
        send(&mut producer, &mut outcomes, 0, None, number, 100).unwrap();
    }
    producer.abandon();
    settle(&mut producer, &mut outcomes);
    assert_eq!(outcomes.len(), 20_000);
    let count = |wanted: fn(&Told) -> bool| outcomes.values().filter(|told| wanted(told)).count();
    let acknowledged = count(|told| matches!(told, Told::Acknowledged(..))) as u64;
    let unknown = count(|told| matches!(told, Told::Unknown(_))) as u64;
    drop(producer);
    let mut member = site.consumer();
    member.read(acknowledged as usize);
    // What is unknown may come, and what failed may not: that can only be seen by waiting.
    let quiet = within(Duration::from_secs(1));
    while Instant::now() < quiet {
        member.poll(Duration::from_millis(100));
    }
    let stored = member.close().messages.len() as u64;
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&stored),
        "{stored} stored, {acknowledged} acknowledged, {unknown} unknown"
    );
}

/// However many outcomes are there, a sender comes back to its schedule soon.
pub fn a_flood_of_outcomes_is_served_in_portions<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    let mut producer = site.producer();
    let mut outcomes = Outcomes::new();
    for number in 0..100_000 {
        send(&mut producer, &mut outcomes, 0, None, number, 32).unwrap();
    }
    producer.abandon();
    let mut most = 0;
    while producer.in_flight() > 0 {
        let before = producer.in_flight();
        serve(&mut producer, &mut outcomes, within(Duration::from_secs(1)));
        most = most.max(before - producer.in_flight());
    }
    assert_eq!(outcomes.len(), 100_000);
    assert!(most <= 10_000, "{most} outcomes in one poll");
}

pub fn the_wake_descriptor_ends_a_producers_wait<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    let mut producer = site.producer();
    let begin = Instant::now();
    site.wake.write(1).unwrap();
    // The first polls may serve what connecting brought.
    for _ in 0..3 {
        serve(
            &mut producer,
            &mut Outcomes::new(),
            within(Duration::from_secs(60)),
        );
    }
    assert!(Instant::now().since(begin) < Duration::from_secs(20));
    assert_eq!(site.wake.read().unwrap(), 1, "the driver read from it");
}

/// Who is told that there is no room sends no more: nothing piles up without bounds.
pub fn a_sender_is_held_back_where_nothing_goes_out<D: Driver>(there: &D, nowhere: &D) {
    let site = Site::new(there, 1, 1);
    let mut producer = site.producer_of(nowhere);
    let payload = [0x33; 1_000];
    let message = Outgoing {
        topic: 0,
        key: None,
        payload: &payload,
        header: None,
    };
    let taken = (0..2_000_000).take_while(|_| producer.send(&message).is_ok());
    let taken = taken.count();
    assert_eq!(producer.send(&message), Err(SendError::Full));
    assert_eq!(producer.in_flight(), taken as u64);
    assert!(taken <= 200_000, "{taken}");
}

pub fn every_acknowledged_message_comes_once<D: Driver>(driver: &D) {
    let site = Site::new(driver, 2, 3);
    produce(&site, 0..3_000, 100);
    let mut member = site.consumer();
    member.read(3_000);
    let seen = member.close();
    for (number, places) in seen.messages {
        assert_eq!(places.len(), 1, "{number}: {places:?}");
        assert_eq!(u64::from(places[0].0.topic), number % 2);
    }
}
