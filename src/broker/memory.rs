//! The memory that all logs share, and how room is made in it.
//!
//! Consumed messages go first, the oldest first. Unread ones of a topic that a group reads never
//! go: who wants to add more has to wait. Those of a topic that no group reads go when nothing
//! else is left, and are counted.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::log::Log;
use super::state::State;

/// What a batch takes beside its bytes.
const OVERHEAD: usize = 128;

/// Consumed messages go in portions of this part of the memory, so that it is worth looking
/// through all partitions.
const PORTION: u64 = 16;

/// The memory that all logs share.
#[derive(Debug)]
pub struct Memory {
    size: u64,
    free: Arc<Semaphore>,
    wanted: Cell<u64>,
}

impl Memory {
    /// So many bytes.
    pub fn new(size: u64) -> Memory {
        let permits = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Memory {
            size,
            free: Arc::new(Semaphore::new(permits)),
            wanted: Cell::new(0),
        }
    }

    /// How many bytes there are in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes are waited for.
    pub fn wanted(&self) -> u64 {
        self.wanted.get()
    }

    /// What a batch of so many bytes takes, if there is that much in all.
    pub fn charge(&self, bytes: usize) -> Option<u32> {
        let charge = u32::try_from(bytes + OVERHEAD).ok()?;
        (u64::from(charge) <= self.size).then_some(charge)
    }

    /// Room for a charge, where it is free and nobody waits.
    pub fn try_take(&self, charge: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(charge).ok()
    }

    /// Says that room is waited for.
    pub fn want(&self, charge: u32) -> Wanted<'_> {
        self.wanted.set(self.wanted.get() + u64::from(charge));
        Wanted {
            memory: self,
            charge,
        }
    }
}

/// Room that is waited for, in turn.
#[derive(Debug)]
pub struct Wanted<'a> {
    memory: &'a Memory,
    charge: u32,
}

impl Wanted<'_> {
    /// Waits for the room.
    pub async fn take(self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory.free)
            .acquire_many_owned(self.charge)
            .await
            .ok()
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        let wanted = self.memory.wanted.get();
        self.memory
            .wanted
            .set(wanted.saturating_sub(u64::from(self.charge)));
    }
}

/// Makes room for `wanted` bytes, as far as messages may be dropped for that.
pub fn make_room(state: &mut State, wanted: u64, size: u64) {
    let target = wanted + size / PORTION;
    let freed = drop_consumed(state, target);
    if freed < wanted {
        drop_unread(state, wanted - freed);
    }
}

/// Drops what every group that reads it has passed.
fn drop_consumed(state: &mut State, target: u64) -> u64 {
    let mut candidates = Vec::new();
    for (name, topic) in &mut state.topics {
        let readers = state.groups.readers(name);
        if readers.is_empty() {
            continue;
        }
        for (number, log) in (0..).zip(&mut topic.partitions) {
            let positions = readers
                .iter()
                .map(|(_, group)| group.position(name, number));
            // A group that hasn't committed yet still wants everything.
            let floor = positions
                .map(|position| position.unwrap_or(0))
                .min()
                .unwrap_or(0);
            candidates.push((log, floor));
        }
    }
    drop_oldest(&mut candidates, target, |_, _| {})
}

/// Drops what no group reads, and counts it.
fn drop_unread(state: &mut State, target: u64) -> u64 {
    let mut candidates = Vec::new();
    let mut places = Vec::new();
    let mut counts = Vec::new();
    for (name, topic) in &mut state.topics {
        if !state.groups.readers(name).is_empty() {
            continue;
        }
        for (number, log) in topic.partitions.iter_mut().enumerate() {
            candidates.push((log, i64::MAX));
            places.push((counts.len(), number));
        }
        counts.push(&mut topic.dropped);
    }
    drop_oldest(&mut candidates, target, |which, records| {
        if let Some((topic, number)) = places.get(which)
            && let Some(counts) = counts.get_mut(*topic)
        {
            *counts.entry(*number).or_default() += records;
        }
    })
}

/// Drops the oldest batches below each log's floor, whichever log they are in, until `target`
/// bytes are free or there are none left.
fn drop_oldest(
    candidates: &mut [(&mut Log, i64)],
    target: u64,
    mut dropped: impl FnMut(usize, u64),
) -> u64 {
    let mut freed = 0;
    let ages = candidates.iter().enumerate();
    let mut oldest: BinaryHeap<_> = ages
        .filter_map(|(which, (log, floor))| Some(Reverse((log.oldest_below(*floor)?, which))))
        .collect();
    while freed < target
        && let Some(Reverse((_, which))) = oldest.pop()
        && let Some((log, floor)) = candidates.get_mut(which)
    {
        let (records, bytes) = log.drop_oldest();
        freed += bytes;
        dropped(which, records);
        if let Some(age) = log.oldest_below(*floor) {
            oldest.push(Reverse((age, which)));
        }
    }
    freed
}
