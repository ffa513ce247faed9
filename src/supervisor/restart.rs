//! When a child that died is started again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Instant;
use crate::config::RestartPolicy;

/// Longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Pauses differ by up to this share, so that children that died together don't come back together.
const JITTER: f64 = 0.25;

/// The restarts of one run.
#[derive(Debug)]
pub struct Restarts {
    policy: RestartPolicy,
    /// Restarts within the window: when, and which death led to it.
    recent: VecDeque<(Instant, String)>,
    total: u32,
    random: fastrand::Rng,
}

impl Restarts {
    /// None so far. Pauses are the same for the same `seed`.
    pub fn new(policy: RestartPolicy, seed: u64) -> Self {
        Self {
            policy,
            recent: VecDeque::new(),
            total: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// How long to wait before the restart that this death asks for. `fruitless`: how many lives of
    /// this child before this one ended without a message, one after the other.
    ///
    /// # Errors
    /// Too many within the window: all deaths in it, one after the other.
    pub fn next(&mut self, now: Instant, death: &str, fruitless: u32) -> Result<Duration, String> {
        let before = self.policy.window;
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now.since(*at) >= before)
        {
            self.recent.pop_front();
        }
        let recent = self.recent.len() as u32;
        if recent >= self.policy.max_restarts {
            let deaths = self.recent.iter().map(|(_, death)| death.as_str());
            return Err(deaths.chain([death]).collect::<Vec<_>>().join("; "));
        }
        self.recent.push_back((now, death.to_owned()));
        self.total += 1;
        let pause = self.policy.backoff.saturating_mul(1 << fruitless.min(16));
        Ok(self.spread(pause.min(LONGEST_PAUSE)))
    }

    /// How long to wait after a death that the run brought about itself: none of those is too many.
    pub fn planned(&mut self) -> Duration {
        self.total += 1;
        self.spread(self.policy.backoff)
    }

    fn spread(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(1.0 + JITTER * (2.0 * self.random.f64() - 1.0))
    }

    /// How many there were.
    pub fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy {
            max_restarts: 3,
            window: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            ..RestartPolicy::default()
        }
    }

    fn about(pause: Duration, millis: u64) {
        let (low, high) = (millis * 3 / 4, millis * 5 / 4);
        let range = Duration::from_millis(low)..=Duration::from_millis(high);
        assert!(range.contains(&pause), "{pause:?} is not about {millis} ms");
    }

    #[test]
    fn the_pause_doubles_with_fruitless_lives_and_the_limit_counts_within_the_window() {
        let mut restarts = Restarts::new(policy(), 1);
        let start = Instant(1);
        for (fruitless, (death, millis)) in (0..).zip([("a", 100), ("b", 200), ("c", 400)]) {
            about(restarts.next(start, death, fruitless).unwrap(), millis);
        }
        assert_eq!(restarts.next(start, "d", 3).unwrap_err(), "a; b; c; d");
        let later = start + Duration::from_secs(61);
        about(restarts.next(later, "e", 0).unwrap(), 100);
        assert!(restarts.next(later, "f", 99).unwrap() <= LONGEST_PAUSE.mul_f64(1.25));
        assert_eq!(restarts.total(), 5);
    }

    #[test]
    fn pauses_differ() {
        let mut restarts = Restarts::new(policy(), 1);
        let pauses: Vec<Duration> = (0..20).map(|_| restarts.planned()).collect();
        pauses.iter().for_each(|&pause| about(pause, 100));
        assert!(pauses.iter().any(|&pause| pause != pauses[0]));
    }

    #[test]
    fn planned_deaths_are_never_too_many() {
        let mut restarts = Restarts::new(policy(), 1);
        (0..10).for_each(|_| about(restarts.planned(), 100));
        about(restarts.next(Instant(1), "a", 0).unwrap(), 100);
        assert_eq!(restarts.total(), 11);
    }
}
