//! The stamp: 32 bytes at the front of each message that say whose it is and when it was due.
//!
//! Layout, big-endian: magic 2, run 4, producer 4, incarnation 2, sequence 6, due 7 (nanoseconds
//! since the run's epoch), send offset 6 (nanoseconds after due), flags 1. Due times reach 2.2
//! years, send offsets 78 hours; larger ones saturate.

use crate::clock::Instant;
pub use crate::driver::STAMP_LEN as LEN;
use crate::stats::delta::{LoadPhase, StreamId};

const MAGIC: [u8; 2] = [0x0e, 0xb5];
const MAX_48: u64 = (1 << 48) - 1;
const MAX_56: u64 = (1 << 56) - 1;

/// Why a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To prove that a path is open; not load, and in none of the figures.
    Probe,
    /// Load of this phase.
    Load(LoadPhase),
}

impl Kind {
    fn flags(self) -> u8 {
        match self {
            Self::Probe => 0,
            Self::Load(LoadPhase::WarmUp) => 1,
            Self::Load(LoadPhase::Measure) => 2,
        }
    }
}

/// What is the same for all stamps of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The run's id.
    pub id: u32,
    /// Zero of the times in stamps.
    pub epoch: Instant,
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Whose message.
    pub stream: StreamId,
    /// Its number within the stream; probes have numbers of their own.
    pub sequence: u64,
    /// When it was due.
    pub due: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// Why it was sent.
    pub kind: Kind,
}

impl Stamp {
    /// Writes the stamp over the first [`LEN`] bytes of a message.
    #[inline]
    pub fn write(&self, run: &Run, into: &mut [u8; LEN]) {
        let due = self.due.nanos_since(run.epoch).min(MAX_56);
        let offset = self.sent.nanos_since(self.due).min(MAX_48);
        into[0..2].copy_from_slice(&MAGIC);
        into[2..6].copy_from_slice(&run.id.to_be_bytes());
        into[6..10].copy_from_slice(&self.stream.producer.to_be_bytes());
        into[10..12].copy_from_slice(&self.stream.incarnation.to_be_bytes());
        into[12..18].copy_from_slice(&self.sequence.min(MAX_48).to_be_bytes()[2..]);
        into[18..25].copy_from_slice(&due.to_be_bytes()[1..]);
        into[25..31].copy_from_slice(&offset.to_be_bytes()[2..]);
        into[31] = self.kind.flags();
    }

    /// Reads the stamp at the front of a message; `None` if it is not one of this run.
    #[inline]
    pub fn read(run: &Run, from: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = from.first_chunk()?;
        if bytes[0..2] != MAGIC || bytes[2..6] != run.id.to_be_bytes() {
            return None;
        }
        let kind = match bytes[31] {
            0 => Kind::Probe,
            1 => Kind::Load(LoadPhase::WarmUp),
            2 => Kind::Load(LoadPhase::Measure),
            _ => return None,
        };
        let due = run.epoch.0 + number::<7>(&bytes[18..25]);
        Some(Self {
            stream: StreamId {
                producer: number::<4>(&bytes[6..10]) as u32,
                incarnation: number::<2>(&bytes[10..12]) as u16,
            },
            sequence: number::<6>(&bytes[12..18]),
            due: Instant(due),
            sent: Instant(due + number::<6>(&bytes[25..31])),
            kind,
        })
    }
}

/// Whose load message begins with these bytes, of whichever run; `None` for anything else.
pub fn stream_of_load(from: &[u8]) -> Option<StreamId> {
    let run = Run {
        id: number::<4>(from.get(2..6)?) as u32,
        epoch: Instant::default(),
    };
    let stamp = Stamp::read(&run, from)?;
    (stamp.kind != Kind::Probe).then_some(stamp.stream)
}

/// A big-endian number of `N` ≤ 8 bytes.
#[inline]
fn number<const N: usize>(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[8 - N..].copy_from_slice(bytes);
    u64::from_be_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run = Run {
        id: 0xdead_beef,
        epoch: Instant(77_000_000_123),
    };

    fn stamp(sequence: u64, due: u64, late: u64, kind: Kind) -> Stamp {
        let due = RUN.epoch.0 + due;
        Stamp {
            stream: StreamId {
                producer: 70_001,
                incarnation: 3,
            },
            sequence,
            due: Instant(due),
            sent: Instant(due + late),
            kind,
        }
    }

    #[test]
    fn a_stamp_reads_back_as_written() {
        let kinds = [
            Kind::Probe,
            Kind::Load(LoadPhase::WarmUp),
            Kind::Load(LoadPhase::Measure),
        ];
        for kind in kinds {
            for (sequence, due, late) in [(0, 0, 0), (MAX_48, MAX_56, MAX_48), (12_345, 678, 90)] {
                let stamp = stamp(sequence, due, late, kind);
                let mut bytes = [0xff; LEN];
                stamp.write(&RUN, &mut bytes);
                assert_eq!(Stamp::read(&RUN, &bytes), Some(stamp));
            }
        }
    }

    #[test]
    fn a_send_more_than_78_hours_late_saturates() {
        let mut bytes = [0; LEN];
        stamp(1, 5, MAX_48 + 9, Kind::Probe).write(&RUN, &mut bytes);
        let read = Stamp::read(&RUN, &bytes).map(|s| s.sent.nanos_since(s.due));
        assert_eq!(read, Some(MAX_48));
    }

    #[test]
    fn load_of_any_run_is_told_from_probes_and_from_messages_of_others() {
        let mut bytes = [0; LEN];
        let load = stamp(1, 5, 9, Kind::Load(LoadPhase::WarmUp));
        load.write(&RUN, &mut bytes);
        assert_eq!(stream_of_load(&bytes), Some(load.stream));
        assert_eq!(stream_of_load(&bytes[..LEN - 1]), None);
        stamp(1, 5, 9, Kind::Probe).write(&RUN, &mut bytes);
        assert_eq!(stream_of_load(&bytes), None);
        assert_eq!(stream_of_load(b"xy"), None);
        assert_eq!(stream_of_load(&[0; LEN]), None);
    }

    #[test]
    fn messages_of_others_have_no_stamp() {
        let mut bytes = [0; LEN];
        stamp(1, 5, 9, Kind::Probe).write(&RUN, &mut bytes);
        let other = Run {
            id: RUN.id + 1,
            ..RUN
        };
        assert_eq!(Stamp::read(&other, &bytes), None);
        assert_eq!(Stamp::read(&RUN, &bytes[..LEN - 1]), None);
        assert_eq!(
            Stamp::read(&RUN, b"a line of text that is longer than a stamp"),
            None
        );
        bytes[31] = 9;
        assert_eq!(Stamp::read(&RUN, &bytes), None);
    }
}
