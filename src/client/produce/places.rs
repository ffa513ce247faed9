//! Where the acknowledged messages of one stream ended up, in one slot.
//!
//! Batches make consecutive messages neighbours in a partition, so their places are a few runs.
//! Where they are not, as with random keys, only how far they reach in each partition is kept.

use crate::client::ranges::RangeCollector;
use crate::stats::delta::{AckRun, Range, StreamOutcomes, TopicPartition};

/// Most runs told of a slot.
const RUNS: usize = 128;

/// Runs are not worth telling if there are that many, with fewer messages each than this.
const SHORT: u64 = 8;

/// Acknowledgements of one stream since the last [`Places::take`].
#[derive(Debug, Default)]
pub struct Places {
    topic: u32,
    runs: Vec<AckRun>,
    /// By partition: one past the index of its last run, 0 for none.
    last: Vec<u32>,
    /// What did not fit into runs.
    scattered: RangeCollector,
    /// By partition: one past the highest offset of the scattered ones, 0 for none.
    ends: Vec<u64>,
    placeless: RangeCollector,
    /// No runs any more in this slot.
    no_runs: bool,
}

impl Places {
    /// None yet, in this topic.
    pub fn new(topic: u32) -> Self {
        Self {
            topic,
            ..Self::default()
        }
    }

    /// A message was acknowledged.
    #[inline]
    pub fn insert(&mut self, sequence: u64, partition: u32, offset: Option<u64>) {
        let Some(offset) = offset else {
            self.placeless.insert(sequence);
            return;
        };
        let index = self.last.get(partition as usize).copied().unwrap_or(0) as usize;
        let run = index.checked_sub(1).and_then(|i| self.runs.get_mut(i));
        if !run.is_some_and(|run| extend(run, sequence, offset)) {
            self.elsewhere(sequence, partition, offset);
        }
    }

    /// The message does not continue its partition's last run.
    fn elsewhere(&mut self, sequence: u64, partition: u32, offset: u64) {
        if self.runs.len() == RUNS && !self.no_runs {
            let messages: u64 = self.runs.iter().map(|run| run.sequences.len()).sum();
            if messages < SHORT * RUNS as u64 {
                self.scatter_runs();
            }
        }
        if self.no_runs || self.runs.len() == RUNS {
            self.scattered.insert(sequence);
            self.reaches(partition, offset + 1);
            return;
        }
        self.runs.push(AckRun {
            partition: TopicPartition {
                topic: self.topic,
                partition,
            },
            sequences: Range {
                start: sequence,
                end: sequence + 1,
            },
            offset,
            stride: 1,
        });
        let partition = partition as usize;
        if self.last.len() <= partition {
            self.last.resize(partition + 1, 0);
        }
        self.last[partition] = self.runs.len() as u32;
    }

    #[cold]
    fn scatter_runs(&mut self) {
        self.no_runs = true;
        self.last.fill(0);
        for run in std::mem::take(&mut self.runs) {
            for sequence in run.sequences.start..run.sequences.end {
                self.scattered.insert(sequence);
            }
            self.reaches(run.partition.partition, run.end());
        }
    }

    fn reaches(&mut self, partition: u32, end: u64) {
        let partition = partition as usize;
        if self.ends.len() <= partition {
            self.ends.resize(partition + 1, 0);
        }
        self.ends[partition] = self.ends[partition].max(end);
    }

    /// Takes everything.
    pub fn take(&mut self, into: &mut StreamOutcomes) {
        self.no_runs = false;
        self.last.fill(0);
        into.runs = std::mem::take(&mut self.runs);
        into.scattered = self.scattered.take();
        into.placeless = self.placeless.take();
        for (partition, end) in self
            .ends
            .iter_mut()
            .enumerate()
            .filter(|(_, end)| **end > 0)
        {
            let place = TopicPartition {
                topic: self.topic,
                partition: partition as u32,
            };
            into.ends.push((place, std::mem::take(end)));
        }
    }
}

/// Makes a run longer, if the message is its next one.
#[inline]
fn extend(run: &mut AckRun, sequence: u64, offset: u64) -> bool {
    if sequence != run.sequences.end {
        return false;
    }
    if run.sequences.len() == 1 {
        let stride = offset.checked_sub(run.offset).map(u32::try_from);
        match stride {
            Some(Ok(stride @ 1..)) => run.stride = stride,
            _ => return false,
        }
    } else if offset != run.offset_of(sequence) {
        return false;
    }
    run.sequences.end += 1;
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn taken(places: &mut Places) -> StreamOutcomes {
        let mut outcomes = StreamOutcomes::default();
        places.take(&mut outcomes);
        outcomes
    }

    #[test]
    fn batches_of_neighbours_are_runs_that_name_each_place() {
        let mut places = Places::new(7);
        // Two partitions in turns of 100 messages, offsets shared with one other stream.
        let place = |sequence: u64| {
            let (batch, within) = (sequence / 100, sequence % 100);
            let offset = (batch / 2 * 100 + within) * 2 + 5;
            ((batch % 2) as u32, offset)
        };
        for sequence in 0..1_000 {
            let (partition, offset) = place(sequence);
            places.insert(sequence, partition, Some(offset));
        }
        let outcomes = taken(&mut places);
        assert_eq!((outcomes.acknowledged(), outcomes.runs.len()), (1_000, 10));
        for run in &outcomes.runs {
            assert_eq!(run.partition.topic, 7);
            for sequence in run.sequences.start..run.sequences.end {
                let expected = place(sequence);
                let found = (run.partition.partition, run.offset_of(sequence));
                assert_eq!(found, expected);
            }
        }
        assert_eq!(taken(&mut places), StreamOutcomes::default());
    }

    #[test]
    fn any_acknowledgements_are_each_told_once_and_never_in_a_wrong_place() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut places = Places::new(0);
            let (stickiness, partitions) = (random.u32(1..60), random.u32(1..6));
            let (mut partition, mut offsets) = (0, [0u64; 6]);
            let mut model: BTreeMap<u64, (u32, Option<u64>)> = BTreeMap::new();
            for sequence in 0..random.u64(1..1_500) {
                if random.u32(0..stickiness) == 0 {
                    partition = random.u32(0..partitions);
                    offsets[partition as usize] += random.u64(0..3);
                }
                let offset = offsets[partition as usize];
                offsets[partition as usize] += 1;
                let offset = (random.u32(0..200) > 0).then_some(offset);
                places.insert(sequence, partition, offset);
                model.insert(sequence, (partition, offset));
            }
            let outcomes = taken(&mut places);
            assert_eq!(outcomes.acknowledged(), model.len() as u64, "seed {seed}");
            assert!(outcomes.runs.len() <= RUNS);
            for run in &outcomes.runs {
                for at in run.sequences.start..run.sequences.end {
                    let place = (run.partition.partition, Some(run.offset_of(at)));
                    assert_eq!(model.remove(&at), Some(place), "seed {seed}");
                }
            }
            let ends: BTreeMap<u32, u64> = outcomes
                .ends
                .iter()
                .map(|(place, end)| (place.partition, *end))
                .collect();
            for at in outcomes.scattered.iter().flat_map(|r| r.start..r.end) {
                let (partition, offset) = model.remove(&at).unwrap();
                assert!(offset.unwrap() < ends[&partition], "seed {seed}");
            }
            for at in outcomes.placeless.iter().flat_map(|r| r.start..r.end) {
                assert_eq!(model.remove(&at).unwrap().1, None, "seed {seed}");
            }
            assert!(model.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn places_without_neighbours_are_told_by_how_far_they_reach() {
        let mut places = Places::new(0);
        for sequence in 0..1_000u64 {
            places.insert(sequence, (sequence % 4) as u32, Some(sequence / 4));
        }
        let outcomes = taken(&mut places);
        assert_eq!(outcomes.runs, []);
        assert_eq!(
            outcomes.scattered,
            [Range {
                start: 0,
                end: 1_000
            }]
        );
        assert_eq!(outcomes.ends.len(), 4);
        assert!(outcomes.ends.iter().all(|&(_, end)| end == 250));
        // The next slot begins anew.
        for sequence in 1_000..1_100 {
            places.insert(sequence, 0, Some(sequence));
        }
        assert_eq!(taken(&mut places).runs.len(), 1);
    }
}
