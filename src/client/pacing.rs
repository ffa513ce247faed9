//! When each message of one client is due: one absolute schedule, whatever happens meanwhile.
//!
//! Message k of a segment is due at `from + (k + stagger) / rate`, as long as that lies before
//! `to`. Lateness never moves the schedule; what was not sent when a segment ends stays unsent.

use crate::clock::Instant;
use crate::stats::delta::LoadPhase;
use crate::wire::Segment;

/// One client's share of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Which phase its messages belong to.
    pub phase: LoadPhase,
    from: u64,
    to: u64,
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
            phase: segment.phase,
            from: segment.from.0,
            to: segment.to.0,
            nanos_per_message: 1e9 / (segment.rate * share),
            stagger,
            next: 0,
        }
    }

    /// When message `k` is due. Times of a run stay far below 2^53 ns, so this is exact to 1 ns.
    #[inline]
    fn due_of(&self, k: u64) -> u64 {
        self.from + ((k as f64 + self.stagger) * self.nanos_per_message) as u64
    }

    /// When the next message is due; `None` once the segment has no more.
    #[inline]
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.due_of(self.next);
        (due < self.to).then_some(Instant(due))
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
        Instant(self.to)
    }

    /// Ends the segment at `at` if that is earlier.
    pub fn cut_short(&mut self, at: Instant) {
        self.to = self.to.min(at.0);
    }

    /// Messages due before the end that were not sent.
    pub fn unsent(&self) -> u64 {
        let due_before_end = |k: u64| self.due_of(k) < self.to;
        if !due_before_end(self.next) {
            return 0;
        }
        let span = self.to.saturating_sub(self.from) as f64;
        let mut total = (span / self.nanos_per_message - self.stagger).max(0.0) as u64;
        while due_before_end(total) {
            total += 1;
        }
        while total > self.next && !due_before_end(total - 1) {
            total -= 1;
        }
        total - self.next
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
