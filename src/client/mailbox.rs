//! How a client thread that may be waiting for its broker is told something: a channel, and a
//! descriptor that ends the wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Command;

struct Bell {
    event: EventFd,
    /// Spares the client thread a look at the channel when nothing is there.
    rung: AtomicBool,
}

/// Where commands for one client thread are dropped.
#[derive(Clone)]
pub struct Mailbox {
    sender: Sender<Command>,
    bell: Arc<Bell>,
}

/// Where a client thread finds its commands.
pub struct Inbox {
    receiver: Receiver<Command>,
    bell: Arc<Bell>,
}

/// A mailbox and its inbox.
///
/// # Errors
/// Where the process may not open another descriptor.
pub fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let event = EventFd::from_value_and_flags(0, flags)?;
    let bell = Arc::new(Bell {
        event,
        rung: AtomicBool::new(false),
    });
    let (sender, receiver) = channel();
    Ok((
        Mailbox {
            sender,
            bell: bell.clone(),
        },
        Inbox { receiver, bell },
    ))
}

impl Mailbox {
    /// Drops a command and wakes the client. A client that has ended needs no commands.
    pub fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            self.bell.rung.store(true, Ordering::Release);
            // It fails only when the counter is full, and then the client is awake.
            let _ = self.bell.event.write(1);
        }
    }
}

impl Inbox {
    /// Becomes readable when a command was dropped.
    pub fn descriptor(&self) -> RawFd {
        self.bell.event.as_fd().as_raw_fd()
    }

    /// The next command, if there is one. Costs one load when there is none.
    #[inline]
    pub fn take(&self) -> Option<Command> {
        if self.bell.rung.load(Ordering::Acquire) {
            self.look()
        } else {
            None
        }
    }

    #[cold]
    fn look(&self) -> Option<Command> {
        // Cleared before the look: what is dropped after it rings anew.
        self.bell.rung.store(false, Ordering::Release);
        let _ = self.bell.event.read();
        let command = self.receiver.try_recv().ok();
        if command.is_some() {
            // There may be more, whose ringing was just cleared.
            self.bell.rung.store(true, Ordering::Release);
        }
        command
    }
}
