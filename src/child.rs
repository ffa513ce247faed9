//! Being a child: armed against the death of the supervisor, known to it by name, gone in time.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::wire::{Connection, FromChild, Hello, PROTOCOL, Role};

/// A child that was told to end, or whose supervisor is gone, is gone after this time at the
/// latest, whatever its client library is doing.
pub const LEAVE_DEADLINE: Duration = Duration::from_millis(750);

/// A child's place in a run, as its command line names it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where the supervisor listens.
    pub socket: PathBuf,
    /// What the child is.
    pub role: Role,
    /// Its number within the role.
    pub id: u32,
    /// Which life it is in.
    pub incarnation: u16,
}

impl Seat {
    /// Where a producer publishes what it sent.
    pub fn page(&self) -> PathBuf {
        page(&self.socket, self.id, self.incarnation)
    }
}

/// Where this producer of the run with this socket publishes what it sent.
pub fn page(socket: &Path, id: u32, incarnation: u16) -> PathBuf {
    socket.with_file_name(format!("sent-{id}-{incarnation}"))
}

/// Shows the role where only the name of a process is shown: it was started by way of a link.
pub fn name_process(role: Role) {
    if let Ok(name) = CString::new(format!("omb {}", role.name())) {
        // A name is a help to people; without it everything works.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// Ends with the supervisor: the system sends SIGTERM when the supervisor's main thread ends.
///
/// # Errors
/// Where the system refuses, which Linux doesn't.
pub fn die_with_parent() -> anyhow::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).context("cannot watch the supervisor")
}

/// Takes the seat: arms against the supervisor's death, connects, checks who is on the other side,
/// and says hello.
///
/// # Errors
/// Where the supervisor is gone already, or somebody else listens there.
pub fn join(seat: &Seat) -> anyhow::Result<Connection> {
    name_process(seat.role);
    die_with_parent()?;
    let connection = Connection::connect(&seat.socket)
        .with_context(|| format!("no supervisor at {}", seat.socket.display()))?;
    // If the supervisor died before the system was told to watch it, the parent is another now.
    let (peer, parent) = (connection.peer()?, nix::unistd::getppid().as_raw());
    if peer != parent {
        bail!(
            "process {peer} listens at {}, but my parent is {parent}",
            seat.socket.display()
        );
    }
    let hello = Hello {
        protocol: PROTOCOL,
        role: seat.role,
        id: seat.id,
        incarnation: seat.incarnation,
    };
    connection
        .send(&FromChild::Hello(hello))
        .context("the supervisor is gone")?;
    Ok(connection)
}

/// Calls `leave` on SIGTERM, and ends the process [`LEAVE_DEADLINE`] later if it is still there.
/// SIGINT and SIGHUP are the supervisor's to handle.
///
/// # Errors
/// Where signals can't be handled.
pub fn leave_on_sigterm(leave: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("cannot handle signals")?;
    let mut leave = Some(leave);
    thread("signals", move || {
        for signal in signals.forever() {
            if signal == SIGTERM
                && let Some(leave) = leave.take()
            {
                end_soon();
                leave();
            }
        }
    })
}

/// Starts a thread with a name.
///
/// # Errors
/// Where the system has no room for another one.
pub fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .with_context(|| format!("cannot start the thread {name}"))?;
    Ok(())
}

/// Ends the process after [`LEAVE_DEADLINE`], unless it has ended by itself.
pub fn end_soon() {
    let watchdog = thread("watchdog", || {
        std::thread::sleep(LEAVE_DEADLINE);
        exit_now(128 + SIGTERM);
    });
    if watchdog.is_err() {
        exit_now(128 + SIGTERM);
    }
}

/// Ends the process without waiting for anything: the client library's threads are running, and
/// nothing they hold has to be saved.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any number, does not return, and runs no handlers that could meet the
    // client library's threads half way.
    unsafe { libc::_exit(code) }
}
