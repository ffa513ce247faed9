//! How a client's thread sleeps until its library has something for it.

use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::DriverError;
use crate::clock::Instant;

/// A descriptor that is readable once somebody has rung.
///
/// Two rules are enough for no wake-up to be missed: wait only after a look that found nothing, and look
/// again after each wait. What comes between the look and the wait has rung, and ends the wait at
/// once; what comes between the clearing at the end of a wait and the look after it is found by that
/// look. A wait may end for nothing.
#[derive(Debug)]
pub struct Bell {
    descriptor: EventFd,
    /// It was rung as a waker and not heard yet: once is enough.
    rung: AtomicBool,
}

impl Bell {
    /// One that nobody has rung.
    ///
    /// # Errors
    /// Where the process has no descriptor left.
    pub fn new() -> Result<Self, DriverError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let descriptor = EventFd::from_value_and_flags(0, flags)
            .map_err(|error| DriverError(format!("cannot make an event descriptor: {error}")))?;
        Ok(Self {
            descriptor,
            rung: AtomicBool::new(false),
        })
    }

    /// Who rings writes 8 bytes to this.
    pub fn descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    /// Waits until somebody rings, `wake` is readable, or `until` has come.
    pub fn wait(&self, wake: RawFd, until: Instant) {
        let mut descriptors = [readable(self.descriptor()), readable(wake)];
        wait_for(&mut descriptors, until);
        self.heard(&descriptors[0]);
    }

    /// The same, and for these as well, of which nothing is left then.
    #[cfg(feature = "rocketmq")]
    pub fn wait_also(&self, others: &mut Waits, wake: RawFd, until: Instant) {
        let own = others.0.len();
        others
            .0
            .extend([readable(self.descriptor()), readable(wake)]);
        wait_for(&mut others.0, until);
        self.heard(&others.0[own]);
        others.0.clear();
    }

    fn heard(&self, descriptor: &libc::pollfd) {
        if descriptor.revents != 0 {
            // It cannot fail: only we read, and there is something to be read.
            let _ = self.descriptor.read();
            // Only then: who rings from now on writes again.
            self.rung.store(false, Ordering::SeqCst);
        }
    }

    /// Rings.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // It cannot fail: the counter is far from its end.
            let _ = self.descriptor.write(1);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Descriptors to wait for.
#[cfg(feature = "rocketmq")]
#[derive(Debug, Default)]
pub struct Waits(Vec<libc::pollfd>);

#[cfg(feature = "rocketmq")]
impl Waits {
    /// One that something comes from, or that something is to be written to as well.
    pub fn add(&mut self, descriptor: RawFd, writable: bool) {
        let mut one = readable(descriptor);
        one.events |= if writable { libc::POLLOUT } else { 0 };
        self.0.push(one);
    }

    /// Waits for them alone.
    pub fn wait(&mut self, until: Instant) {
        wait_for(&mut self.0, until);
        self.0.clear();
    }
}

fn readable(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

fn wait_for(descriptors: &mut [libc::pollfd], until: Instant) {
    let nanos = until.nanos_since(Instant::now());
    let timeout = libc::timespec {
        tv_sec: (nanos / 1_000_000_000).min(3_600) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
    };
    let count = descriptors.len() as libc::nfds_t;
    // SAFETY: the descriptors and the timeout are live for the call. A signal or an error ends the
    // wait early, which is allowed.
    unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr(),
            count,
            &raw const timeout,
            ptr::null(),
        )
    };
}
