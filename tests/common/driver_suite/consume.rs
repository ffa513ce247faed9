//! Receiving: waits, pauses, where a group starts.

use std::collections::BTreeMap;
use std::time::Duration;

use omb::clock::Instant;
use omb::driver::{Admin, Consumer, Driver, Partition};

use super::site::{Site, patience, produce};

pub fn the_wake_descriptor_ends_a_consumers_wait<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    let mut member = site.consumer();
    member.own(1);
    site.wake.write(1).unwrap();
    let begin = Instant::now();
    member.poll(Duration::from_secs(60));
    assert!(Instant::now().since(begin) < Duration::from_secs(20));
    assert_eq!(site.wake.read().unwrap(), 1, "the driver read from it");
    member.close();
}

pub fn a_paused_consumer_gets_nothing_and_stays_a_member<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 3);
    produce(&site, 0..300, 100);
    let mut member = site.consumer();
    member.read(300);
    member.consumer.pause(true).unwrap();
    produce(&site, 300..600, 100);
    // That nothing comes can only be seen by waiting.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        member.poll(Duration::from_millis(200));
    }
    assert_eq!(member.seen.messages.len(), 300, "delivered while paused");
    member.consumer.pause(false).unwrap();
    member.read(600);
    let seen = member.close();
    let twice = seen.messages.values().find(|places| places.len() > 1);
    assert_eq!(twice, None);
    assert_eq!((seen.given, seen.revoked, seen.lost), (1, 1, 0));
}

pub fn a_consumer_paused_before_it_joined_gets_nothing<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 3);
    produce(&site, 0..300, 100);
    let mut member = site.consumer();
    member.consumer.pause(true).unwrap();
    member.own(site.all_partitions());
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        member.poll(Duration::from_millis(200));
    }
    assert!(member.seen.messages.is_empty(), "delivered while paused");
    member.consumer.pause(false).unwrap();
    member.read(300);
    member.close();
}

pub fn a_group_starts_where_it_was_told_to<D: Driver>(driver: &D) {
    let mut site = Site::new(driver, 1, 3);
    produce(&site, 0..100, 100);
    let state = site.states().remove(0);
    let starts: Vec<(String, u32, u64)> = (0..)
        .zip(&state.ends)
        .map(|(partition, end)| (state.name.clone(), partition, *end))
        .collect();
    let group = format!("{}-late", site.group);
    site.admin
        .start_group_at(&group, &starts, patience())
        .unwrap();
    produce(&site, 100..150, 100);
    let mut member = site.consumer_in(&group);
    member.read(50);
    let seen = member.close();
    let old = seen.messages.keys().find(|number| **number < 100);
    assert_eq!(old, None);
    let groups = [site.group_named(&group)];
    let left = site.admin.delete(&[], &groups, patience()).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// Two subscriptions of a topic do not share it.
pub fn every_group_gets_everything<D: Driver>(driver: &D) {
    let site = Site::new(driver, 2, 2);
    let mut members = [site.consumer(), site.consumer_in(&site.other_group())];
    produce(&site, 0..500, 100);
    for member in &mut members {
        member.read(500);
    }
    for member in members {
        let seen = member.close();
        assert!(seen.messages.values().all(|places| places.len() == 1));
    }
}

/// Messages of a producer come in its order within a partition.
pub fn a_partition_is_read_in_its_order<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 3);
    produce(&site, 0..2_000, 100);
    let mut member = site.consumer();
    member.read(2_000);
    let seen = member.close();
    let mut in_order: BTreeMap<Partition, Vec<u64>> = BTreeMap::new();
    for number in seen.order {
        for (place, _) in &seen.messages[&number] {
            in_order.entry(*place).or_default().push(number);
        }
    }
    for (place, numbers) in in_order {
        assert!(numbers.is_sorted(), "{place:?}: {numbers:?}");
    }
}

pub fn a_large_message_comes_whole<D: Driver>(driver: &D) {
    let site = Site::new(driver, 1, 1);
    produce(&site, 0..5, 900_000);
    let mut member = site.consumer();
    member.read(5);
    let seen = member.close();
    assert_eq!(seen.bytes, 5 * 900_000);
}
