//! How busy the host is while a run measures.

use super::machine::Phase;
use crate::host::{Busy, Processors};

/// Readings of the host's processors when the measured phase began, and at its latest second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    readings: Option<(Processors, Processors)>,
}

impl Watch {
    /// A second of this phase is over.
    pub fn look(&mut self, phase: Phase) {
        let Some(now) = Processors::now() else { return };
        self.readings = match (phase, self.readings) {
            (Phase::WarmUp, _) | (Phase::Measure, None) => Some((now, now)),
            (Phase::Measure, Some((first, _))) => Some((first, now)),
            (_, readings) => readings,
        };
    }

    /// What it came to; `None` without two different readings.
    pub fn busy(&self) -> Option<Busy> {
        let (first, last) = self.readings.filter(|(first, last)| first != last)?;
        Some(last.since(&first))
    }
}
