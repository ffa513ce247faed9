//! How to wait for an instant: asleep, and awake for the last stretch.
//!
//! The system wakes a thread some tens of microseconds late. So a producer asks to be woken earlier by
//! as much as nine wake-ups in ten are late, and looks after outcomes in what is left.

use crate::clock::Instant;

/// Never awake for longer than this before a message.
const LONGEST: u64 = 1_000_000;

/// At most one part in so many of the time between messages is spent awake: a thread that never
/// sleeps takes the processor from the broker, which is dearer than a late message.
const SHARE: u64 = 4;

/// What the stretch grows by when a wake-up came later than it allows; it shrinks by a ninth of that
/// otherwise, and so settles where one wake-up in ten is later.
const STEP: u64 = 4_500;

/// When a client goes to sleep, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Nap {
    /// How long before a message to be awake; `None` where processors are too few.
    stretch: Option<u64>,
}

impl Nap {
    /// Stays awake before messages only if `may_spin`.
    pub fn new(may_spin: bool) -> Self {
        Self {
            stretch: may_spin.then_some(0),
        }
    }

    /// Until when to sleep at `now` for a message that is due at `due`, `gap` nanoseconds after the
    /// one before it. An instant that is over means: stay awake.
    #[inline]
    pub fn until(&self, due: Instant, gap: u64, now: Instant) -> Instant {
        match self.stretch {
            Some(stretch) if gap / SHARE >= stretch => {
                let wake = Instant(due.0.saturating_sub(stretch));
                if wake <= now {
                    Instant::default()
                } else {
                    wake
                }
            }
            _ => due,
        }
    }

    /// The client wanted to sleep until `wanted`, and woke at `now`: earlier, if there was
    /// something else to do.
    #[inline]
    pub fn woke(&mut self, wanted: Instant, now: Instant) {
        if let Some(stretch) = &mut self.stretch
            && wanted > Instant::default()
            && now >= wanted
        {
            *stretch = if now.nanos_since(wanted) > *stretch {
                (*stretch + STEP).min(LONGEST)
            } else {
                stretch.saturating_sub(STEP / 9)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// The stretch after wake-ups that are late by what `late` says.
    fn learnt(late: impl FnMut() -> u64) -> Nap {
        let mut nap = Nap::new(true);
        std::iter::repeat_with(late).take(20_000).for_each(|late| {
            nap.woke(Instant(MILLISECOND), Instant(MILLISECOND + late));
        });
        nap
    }

    #[test]
    fn the_stretch_covers_nine_wake_ups_in_ten() {
        let mut random = fastrand::Rng::with_seed(4);
        let nap = learnt(|| random.u64(0..100_000));
        let stretch = nap.stretch.unwrap();
        assert!((75_000..100_000).contains(&stretch), "{stretch} ns");
        let due = Instant(50 * MILLISECOND);
        let wake = nap.until(due, MILLISECOND, Instant(49 * MILLISECOND));
        assert_eq!(wake.0, due.0 - stretch);
        let awake = nap.until(due, MILLISECOND, wake);
        assert_eq!(awake, Instant::default());
    }

    #[test]
    fn nobody_is_awake_for_longer_than_a_millisecond_or_a_quarter_of_the_time() {
        let nap = learnt(|| 80 * MILLISECOND);
        let due = Instant(100 * MILLISECOND);
        assert_eq!(
            nap.until(due, 100 * MILLISECOND, Instant(0)),
            Instant(99 * MILLISECOND)
        );
        assert_eq!(nap.until(due, 3 * MILLISECOND, Instant(0)), due);
    }

    #[test]
    fn without_leave_to_spin_a_client_sleeps_until_its_message_is_due() {
        let mut nap = Nap::new(false);
        nap.woke(Instant(5), Instant(90_000));
        let due = Instant(100 * MILLISECOND);
        assert_eq!(nap.until(due, 100 * MILLISECOND, Instant(0)), due);
    }

    #[test]
    fn a_wait_that_something_else_ended_teaches_nothing() {
        let mut nap = Nap::new(true);
        nap.woke(Instant(MILLISECOND), Instant(MILLISECOND - 1));
        nap.woke(Instant::default(), Instant(MILLISECOND));
        assert_eq!(nap.stretch, Some(0));
    }
}
