//! When each message of one client is due: one absolute schedule, whatever happens meanwhile.
//!
//! Message k of a segment is due at `from + (k + stagger) / rate`, as long as that lies before
//! `to`. Lateness never moves the schedule; what was not sent when a segment ends stays unsent.

use crate::clock::Instant;
use crate::schedule::{Segment, nanos_until};
use crate::stats::delta::LoadPhase;

/// One client's share of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    segment: Segment,
    nanos_per_message: f64,
    /// Shift against the other clients' schedules, in messages, 0 ≤ stagger < 1.
    stagger: f64,
    /// Number of the next message.
    next: u64,
}

impl Pace {
    /// The share of a client that sends `share` (0 < share ≤ 1) of the segment's messages.
    pub fn new(segment: &Segment, share: f64, stagger: f64) -> Self {
        Self {
            segment: *segment,
            nanos_per_message: segment.gap(share),
            stagger,
            next: 0,
        }
    }

    /// Which phase its messages belong to.
    #[inline]
    pub fn phase(&self) -> LoadPhase {
        self.segment.phase
    }

    /// Goes past everything due before `at`: an earlier life was to send that.
    pub fn resume(&mut self, at: Instant) {
        self.next = self.next.max(self.due_before(at));
    }

    /// When the next message is due; `None` once the segment has no more.
    #[inline]
    pub fn next_due(&self) -> Option<Instant> {
        let wait = nanos_until(self.next, self.stagger, self.nanos_per_message);
        let due = Instant(self.segment.from.0 + wait);
        (due < self.segment.to).then_some(due)
    }

    /// Goes on to the message after the next.
    #[inline]
    pub fn advance(&mut self) {
        self.next += 1;
    }

    /// Nanoseconds between two messages.
    #[inline]
    pub fn gap(&self) -> u64 {
        self.nanos_per_message as u64
    }

    /// The instant at which the segment ends, however many messages are left.
    #[inline]
    pub fn end(&self) -> Instant {
        self.segment.to
    }

    /// Ends the segment at `at` if that is earlier.
    pub fn cut_short(&mut self, at: Instant) {
        self.segment.to = self.segment.to.min(at);
    }

    /// Messages due before the end that were not sent.
    pub fn unsent(&self) -> u64 {
        self.due_before(self.segment.to).saturating_sub(self.next)
    }

    fn due_before(&self, at: Instant) -> u64 {
        self.segment
            .due_before(self.nanos_per_message, self.stagger, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(rate: f64, nanos: u64) -> Segment {
        let from = 5_000_000_007;
        Segment {
            phase: LoadPhase::Measure,
            from: Instant(from),
            to: Instant(from + nanos),
            rate,
        }
    }

    #[test]
    fn no_message_is_due_before_its_time_and_all_are_due_by_the_end() {
        for rate in [0.1, 1.0, 3.7, 1_000.0, 20_000.0, 999_983.0, 10_000_000.0] {
            for stagger in [0.0, 0.25, 0.999] {
                let length = if rate < 10.0 {
                    100_000_000_000
                } else {
                    50_000_000
                };
                let segment = segment(rate, length);
                let mut pace = Pace::new(&segment, 1.0, stagger);
                let planned = pace.unsent();
                let mut count = 0_u64;
                let mut last = 0;
                while let Some(due) = pace.next_due() {
                    assert!(due.0 >= last, "due times go back at {rate}/s");
                    last = due.0;
                    // Messages due by an instant t are never more than rate × (t − from), plus
                    // the one at `from` itself.
                    let by_now = (due.0 - segment.from.0) as f64 * rate / 1e9;
                    assert!(
                        count as f64 <= by_now + 1e-3,
                        "{count} due by {by_now} at {rate}/s"
                    );
                    pace.advance();
                    count += 1;
                }
                assert_eq!(count, planned, "at {rate}/s, stagger {stagger}");
                let expected = rate * length as f64 / 1e9;
                assert!(
                    (count as f64 - expected).abs() <= 1.0,
                    "{count} of {expected}"
                );
                assert_eq!(pace.unsent(), 0);
            }
        }
    }

    #[test]
    fn clients_share_a_rate_evenly_and_exactly() {
        let segment = segment(20_000.0, 1_000_000_000);
        let mut due: Vec<u64> = Vec::new();
        for client in 0..4 {
            let mut pace = Pace::new(&segment, 0.25, f64::from(client) / 4.0);
            while let Some(at) = pace.next_due() {
                due.push(at.0);
                pace.advance();
            }
        }
        due.sort_unstable();
        assert_eq!(due.len(), 20_000);
        for pair in due.windows(2) {
            let gap = pair[1] - pair[0];
            assert!((49_999..=50_001).contains(&gap), "a gap of {gap} ns");
        }
    }

    #[test]
    fn what_a_segment_cut_short_no_longer_holds_is_not_due() {
        let mut pace = Pace::new(&segment(1_000.0, 1_000_000_000), 1.0, 0.0);
        for _ in 0..100 {
            pace.advance();
        }
        pace.cut_short(Instant(5_000_000_007 + 300_000_000));
        assert_eq!(pace.unsent(), 200);
        pace.cut_short(Instant(5_000_000_007));
        assert_eq!((pace.unsent(), pace.next_due()), (0, None));
    }
}
