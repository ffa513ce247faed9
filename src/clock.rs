//! The one clock of a host: CLOCK_MONOTONIC in nanoseconds, the same in all processes of a run and
//! untouched by steps of the wall clock.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// An instant of CLOCK_MONOTONIC, in nanoseconds since boot.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than every other instant.
    pub const NEVER: Self = Self(u64::MAX);

    /// The current instant. It cannot fail on Linux; were it to, time would stand still at 0.
    #[inline]
    pub fn now() -> Self {
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Self(0), |t| {
            Self(t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
        })
    }

    /// Nanoseconds from `earlier` to this instant; 0 if that lies after it.
    #[inline]
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time from `earlier` to this instant; zero if that lies after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(duration.as_nanos().min(u128::from(u64::MAX)) as u64),
        )
    }
}
