//! Cuts what a client counts into slots, and hands them over.

use std::sync::mpsc::Sender;

use super::report::FromClient;
use crate::clock::Instant;
use crate::stats::delta::{ByPhase, Grid, LOAD_PHASES, PhaseDelta, Slot, SlotDelta};
use crate::stats::latencies::LatencyRecorders;

/// Counters and histograms of one client since its last delta.
pub struct Cutter {
    client: u32,
    voice: Sender<(u32, FromClient)>,
    grid: Option<Grid>,
    slot: Slot,
    cuts: u64,
    /// When the current slot ends.
    pub next: Instant,
    /// Counters since the last cut.
    pub counters: ByPhase<PhaseDelta>,
    /// Latencies since the last cut.
    pub recorders: ByPhase<LatencyRecorders>,
}

impl Cutter {
    /// A cutter for a client that has no schedule yet.
    pub fn new(client: u32, voice: Sender<(u32, FromClient)>) -> Self {
        Self {
            client,
            voice,
            grid: None,
            slot: Slot::default(),
            cuts: 0,
            next: Instant::NEVER,
            counters: ByPhase::default(),
            recorders: ByPhase::default(),
        }
    }

    /// Begins to cut on this grid.
    pub fn start(&mut self, grid: Grid, now: Instant) {
        self.grid = Some(grid);
        self.slot = grid.slot(now);
        self.next = grid.start(Slot(self.slot.0 + 1));
    }

    /// Hands over what was counted, with the ledger entries that `fill` adds, as part of the slot
    /// that was current until now. Returns the number of this cut.
    pub fn cut(&mut self, now: Instant, fill: impl FnOnce(&mut SlotDelta)) -> u64 {
        let mut delta = Box::new(SlotDelta {
            slot: self.slot,
            phases: std::mem::take(&mut self.counters),
            ..SlotDelta::default()
        });
        for phase in LOAD_PHASES {
            delta.phases.of_mut(phase).latencies = self.recorders.of_mut(phase).cut();
        }
        fill(&mut delta);
        self.cuts += 1;
        self.say(FromClient::Delta {
            cut: self.cuts,
            delta,
        });
        if let Some(grid) = self.grid {
            self.slot = grid.slot(now);
            self.next = grid.start(Slot(self.slot.0 + 1));
        }
        self.cuts
    }

    /// Says something to the supervisor. When the reporter is gone the process is about to end.
    pub fn say(&self, what: FromClient) {
        let _ = self.voice.send((self.client, what));
    }
}
