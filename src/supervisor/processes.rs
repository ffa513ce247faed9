//! The children as processes: started, listened to, waited for, remembered.
//!
//! Everything that happens to them arrives on one channel. A child's death is told only after all
//! it said has been heard: its exit can overtake frames that are still in its socket.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::event::{ChildKey, Death, Event};
use super::machine::signal_name;
use crate::child::{self, thread};
use crate::page;
use crate::report::Process;
use crate::wire::{
    Connection, Door, FromChild, Order, PROTOCOL, Reply, Role, ToChild, read_frame, write_frame,
};

/// The file that started this process, also when it was replaced since.
const OURSELVES: &str = "/proc/self/exe";

/// Lines of a dead child's stderr that are told with its death.
const LAST_WORDS: usize = 3;

/// How long a write to a child may block: it reads all the time, unless something stopped it.
const WRITE_WITHIN: Duration = Duration::from_secs(2);

/// What comes from the threads that listen.
pub enum Happening {
    /// For the state machine.
    Event(Event),
    /// A process connected and said hello.
    Arrived(ChildKey, i32, Connection),
    /// A process that had arrived said something.
    Said(ChildKey, i32, FromChild),
    /// A process that had arrived has closed its socket; why, if it was not in good order.
    Closed(ChildKey, i32, Option<String>),
    /// A child wrote a line to stderr.
    Line(ChildKey, String),
    /// A process ended.
    Died(ChildKey, Ending),
}

/// How a process ended, and what it used.
pub struct Ending {
    how: String,
    /// By SIGKILL.
    killed: bool,
    last_words: Vec<String>,
    cpu_seconds: f64,
    max_rss_bytes: u64,
}

struct Running {
    pid: i32,
    record: usize,
    connection: Option<Connection>,
    /// Why its socket was closed, if it was not in good order.
    fault: Option<String>,
    /// It is dead, but its socket is not read to the end yet.
    death: Option<Death>,
}

/// The children of one run.
pub struct Processes {
    sender: Sender<Happening>,
    socket: PathBuf,
    running: HashMap<ChildKey, Running>,
    records: Vec<Process>,
    steward: Option<ChildStdin>,
    /// As last read.
    killed_for_memory: u64,
    /// What stewards hold as long as they live.
    kept: Option<OwnedFd>,
}

impl Processes {
    /// Opens the door at `socket`; what happens goes to `sender`.
    ///
    /// # Errors
    /// Where the socket can't be made.
    pub fn open(socket: &Path, sender: Sender<Happening>) -> anyhow::Result<Self> {
        let door = Door::open(socket).context("cannot open a socket for the child processes")?;
        let arrivals = sender.clone();
        thread("door", move || {
            for connection in door.connections().flatten() {
                let sender = arrivals.clone();
                // A visitor that says nothing costs a thread, and nothing else.
                if thread("visitor", move || listen(connection, &sender)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            sender,
            socket: socket.to_owned(),
            running: HashMap::new(),
            records: Vec::new(),
            steward: None,
            killed_for_memory: killed_for_memory(),
            kept: None,
        })
    }

    /// Gives stewards this descriptor to hold as long as they live; they need not know of it.
    pub fn keep_in_stewards(&mut self, descriptor: Option<OwnedFd>) {
        self.kept = descriptor;
    }

    /// Starts a child, and returns its process id. Must be called from the main thread: children
    /// die with the thread that started them.
    ///
    /// # Errors
    /// Where the system has no room for another process.
    pub fn spawn(&mut self, key: ChildKey) -> anyhow::Result<i32> {
        let mut command = Command::new(OURSELVES);
        command
            .arg0("omb")
            .arg(key.role.name())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(Stdio::piped());
        if key.role == Role::Steward {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let kept = self.kept.as_ref().map(OwnedFd::try_clone).transpose()?;
            // SAFETY: setsid and fcntl are async-signal-safe and touch nothing of ours.
            unsafe {
                command.pre_exec(move || {
                    nix::unistd::setsid()?;
                    if let Some(kept) = &kept {
                        fcntl(kept, FcntlArg::F_SETFD(FdFlag::empty()))?;
                    }
                    Ok(())
                });
            }
        } else {
            command.arg("--socket").arg(&self.socket);
            command.arg("--id").arg(key.id.to_string());
            command
                .arg("--incarnation")
                .arg(key.incarnation.to_string());
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        let pid = child.id() as i32;
        if let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
            self.steward = Some(stdin);
            hear_steward(stdout, self.sender.clone())?;
        }
        if let Some(stderr) = child.stderr.take() {
            let sender = self.sender.clone();
            thread("waiter", move || wait(key, pid, stderr, &sender))?;
        }
        self.running.insert(
            key,
            Running {
                pid,
                record: self.records.len(),
                connection: None,
                fault: None,
                death: None,
            },
        );
        self.records.push(Process {
            role: key.role.name().into(),
            id: key.id,
            incarnation: u32::from(key.incarnation),
            pid,
            ended: None,
            cpu_seconds: 0.0,
            max_rss_bytes: 0,
        });
        Ok(pid)
    }

    /// Turns what happened into an event for the state machine, if it is one.
    pub fn digest(&mut self, happening: Happening) -> Option<Event> {
        match happening {
            Happening::Event(event) => Some(event),
            Happening::Arrived(key, pid, connection) => {
                let running = self
                    .running
                    .get_mut(&key)
                    .filter(|running| running.pid == pid)?;
                running.connection = Some(connection);
                Some(Event::Joined(key))
            }
            // Whoever else gets at the socket can say what it likes.
            Happening::Said(key, pid, frame) => {
                let running = self.running.get(&key)?;
                (running.pid == pid).then_some(Event::Frame(key, frame))
            }
            Happening::Line(key, line) => Some(Event::Frame(key, FromChild::Note(line))),
            Happening::Closed(key, pid, fault) => {
                let running = self
                    .running
                    .get_mut(&key)
                    .filter(|running| running.pid == pid)?;
                running.connection = None;
                running.fault = fault;
                if running.fault.is_some() && running.death.is_none() {
                    kill(running.pid, libc::SIGKILL);
                }
                let death = running.death.take()?;
                self.buried(key, death)
            }
            Happening::Died(key, mut ending) => {
                let for_memory = ending.killed && self.memory_ran_out();
                let running = self.running.get_mut(&key)?;
                if for_memory {
                    ending.how.push_str(", out of memory");
                }
                let record = &mut self.records[running.record];
                record.ended = Some(ending.how.clone());
                record.cpu_seconds = ending.cpu_seconds;
                record.max_rss_bytes = ending.max_rss_bytes;
                let published = match key.role {
                    Role::Producer => {
                        page::read(&child::page(&self.socket, key.id, key.incarnation))
                    }
                    _ => [0; 2],
                };
                let death = Death {
                    how: ending.how,
                    last_words: ending.last_words,
                    published,
                };
                if running.connection.is_some() {
                    running.death = Some(death);
                    return None;
                }
                self.buried(key, death)
            }
        }
    }

    /// Whether the system has killed for memory since this was last asked.
    fn memory_ran_out(&mut self) -> bool {
        let now = killed_for_memory();
        std::mem::replace(&mut self.killed_for_memory, now) < now
    }

    fn buried(&mut self, key: ChildKey, mut death: Death) -> Option<Event> {
        let running = self.running.remove(&key)?;
        if key.role == Role::Steward {
            self.steward = None;
        }
        death.last_words.extend(running.fault);
        Some(Event::Exited(key, death))
    }

    /// Tells a child something. One that doesn't listen is killed.
    pub fn tell(&mut self, key: ChildKey, message: &ToChild) {
        if let Some(running) = self.running.get(&key)
            && let Some(connection) = &running.connection
            && let Err(error) = connection.send(message)
            && matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )
        {
            kill(running.pid, libc::SIGKILL);
        }
    }

    /// Gives the steward an order. Where it is dead, its death is on the way.
    pub fn order(&mut self, order: &Order) {
        if let Some(pipe) = &self.steward {
            let _ = write_frame(pipe, order);
        }
    }

    /// Closes the steward's pipe. One that something stopped is continued: it has work to do.
    pub fn orphan_steward(&mut self) {
        self.steward = None;
        for (_, running) in self
            .running
            .iter()
            .filter(|(key, _)| key.role == Role::Steward)
        {
            kill(running.pid, libc::SIGCONT);
        }
    }

    /// Sends a signal to a child.
    pub fn kill(&self, key: ChildKey, signal: i32) {
        if let Some(running) = self.running.get(&key) {
            kill(running.pid, signal);
        }
    }

    /// Ends a child that hangs. One that is stopped can't handle a request.
    pub fn end_hanging(&self, key: ChildKey) {
        if let Some(running) = self.running.get(&key) {
            let signal = if is_stopped(running.pid) {
                libc::SIGKILL
            } else {
                libc::SIGTERM
            };
            kill(running.pid, signal);
        }
    }

    /// All processes so far, in the order of their starts.
    pub fn records(&self) -> &[Process] {
        &self.records
    }
}

/// Whether a process is stopped, by a signal or a debugger.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may hold anything.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes());
    state.is_some_and(|rest| matches!(rest.first(), Some(b'T' | b't')))
}

/// How many processes the system has killed for memory since it started.
fn killed_for_memory() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let mut lines = counters.lines();
    let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// A child that is not waited for yet can't have given its number to another process.
fn kill(pid: i32, signal: i32) {
    if let Ok(signal) = nix::sys::signal::Signal::try_from(signal) {
        // It fails where the child is dead already.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
    }
}

/// Hears a visitor to its end, if it is a child of this version.
fn listen(connection: Connection, sender: &Sender<Happening>) {
    let Ok(pid) = connection.peer() else { return };
    let Ok(Some(FromChild::Hello(hello))) = connection.receive() else {
        return;
    };
    if connection.limit_writes(WRITE_WITHIN).is_err() {
        return;
    }
    let key = ChildKey {
        role: hello.role,
        id: hello.id,
        incarnation: hello.incarnation,
    };
    let say = |happening| sender.send(happening).is_ok();
    if !say(Happening::Arrived(key, pid, connection.clone())) {
        return;
    }
    let fault = loop {
        if hello.protocol != PROTOCOL {
            let theirs = hello.protocol;
            break Some(format!(
                "it speaks version {theirs} of the protocol, not {PROTOCOL}"
            ));
        }
        match connection.receive::<FromChild>() {
            Ok(Some(frame)) => {
                if !say(Happening::Said(key, pid, frame)) {
                    return;
                }
            }
            Ok(None) => break None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                break Some(format!("it sent {error}"));
            }
            // Killed in the middle of a frame: its death says more.
            Err(_) => break None,
        }
    };
    say(Happening::Closed(key, pid, fault));
}

fn hear_steward(stdout: ChildStdout, sender: Sender<Happening>) -> anyhow::Result<()> {
    thread("steward", move || {
        let mut stdout = BufReader::new(stdout);
        while let Ok(Some(reply)) = read_frame::<Reply>(&mut stdout) {
            if sender.send(Happening::Event(Event::Reply(reply))).is_err() {
                return;
            }
        }
    })
}

/// Reads a child's stderr to its end, then waits for it.
fn wait(key: ChildKey, pid: i32, stderr: ChildStderr, sender: &Sender<Happening>) {
    let mut last_words: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        if last_words.len() == LAST_WORDS {
            last_words.remove(0);
        }
        last_words.push(line.clone());
        // Where nobody listens any more the run is over.
        let _ = sender.send(Happening::Line(key, line));
    }
    let ending = Ending {
        last_words,
        ..wait_for(pid)
    };
    let _ = sender.send(Happening::Died(key, ending));
}

/// Waits for a child.
fn wait_for(pid: i32) -> Ending {
    let mut ending = Ending {
        how: "unknown: the system knows no such child".to_owned(),
        killed: false,
        last_words: Vec::new(),
        cpu_seconds: 0.0,
        max_rss_bytes: 0,
    };
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage: it is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the right types.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            break;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return ending;
        }
    }
    ending.how = if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        ending.killed = signal == libc::SIGKILL;
        format!("signal {signal} ({})", signal_name(signal))
    } else {
        format!("exit {}", libc::WEXITSTATUS(status))
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    ending.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    ending.max_rss_bytes = usage.ru_maxrss.max(0) as u64 * 1024;
    ending
}
