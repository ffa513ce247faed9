//! When a child that died is started again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Instant;
use crate::config::RestartPolicy;

/// Longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The restarts of one run.
#[derive(Debug)]
pub struct Restarts {
    policy: RestartPolicy,
    recent: VecDeque<Instant>,
    total: u32,
}

impl Restarts {
    /// None so far.
    pub fn new(policy: RestartPolicy) -> Self {
        Self {
            policy,
            recent: VecDeque::new(),
            total: 0,
        }
    }

    /// How long to wait before the next restart; `None` if there were too many within the window.
    pub fn next(&mut self, now: Instant) -> Option<Duration> {
        while self
            .recent
            .front()
            .is_some_and(|&at| now.since(at) >= self.policy.window)
        {
            self.recent.pop_front();
        }
        let recent = self.recent.len() as u32;
        if recent >= self.policy.max_restarts {
            return None;
        }
        self.recent.push_back(now);
        self.total += 1;
        Some(
            self.policy
                .backoff
                .saturating_mul(1 << recent.min(16))
                .min(LONGEST_PAUSE),
        )
    }

    /// How many there were.
    pub fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_the_limit_counts_within_the_window() {
        let policy = RestartPolicy {
            max_restarts: 3,
            window: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
        };
        let mut restarts = Restarts::new(policy);
        let start = Instant(1);
        let pauses: Vec<_> = (0..4).map(|_| restarts.next(start)).collect();
        let millis = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [millis(100), millis(200), millis(400), None]);
        assert_eq!(restarts.next(start + Duration::from_secs(61)), millis(100));
        assert_eq!(restarts.total(), 4);
    }
}
