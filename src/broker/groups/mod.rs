//! Consumer groups: who reads what, and how far they are.
//!
//! The groups decide what may be dropped from a full memory: what every group that reads a topic
//! has committed may, the rest may not.

mod group;
pub mod member;
mod phase;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

pub use group::Group;
pub use phase::{Committed, Phase};

/// All groups, by name.
#[derive(Debug, Default)]
pub struct Groups {
    groups: BTreeMap<String, Group>,
}

impl Groups {
    /// A group that is there already.
    pub fn get(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// A group, which may be a new one.
    pub fn get_or_create(&mut self, name: &str) -> &mut Group {
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), Group::default());
        }
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Removes a group, and all that it committed.
    pub fn remove(&mut self, name: &str) -> Option<Group> {
        self.groups.remove(name)
    }

    /// All groups.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Group)> {
        self.groups.iter()
    }

    /// Forgets what was committed to a topic that is no more.
    pub fn forget_topic(&mut self, topic: &str) {
        for group in self.groups.values_mut() {
            group.offsets.remove(topic);
            if group.members.is_empty() {
                group.subscribed.remove(topic);
            }
        }
        self.sweep();
    }

    /// Does what is due in every group.
    pub fn advance(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            group.advance(now);
        }
        self.sweep();
    }

    /// Removes groups that have nothing left.
    pub fn sweep(&mut self) {
        self.groups.retain(|_, group| !group.is_void());
    }

    /// When there will be something to do, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().filter_map(Group::next_deadline).min()
    }

    /// The groups that read a topic: that have committed to it, or whose members subscribed to it.
    pub fn readers(&self, topic: &str) -> Vec<(&str, &Group)> {
        let reads =
            |group: &Group| group.offsets.contains_key(topic) || group.subscribed.contains(topic);
        let all = self
            .groups
            .iter()
            .map(|(name, group)| (name.as_str(), group));
        all.filter(|(_, group)| reads(group)).collect()
    }
}

impl Group {
    /// How far the group has committed in a partition, if it has.
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.offsets.get(topic)?.get(&partition)?.offset)
    }
}
