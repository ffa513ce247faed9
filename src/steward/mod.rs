//! The steward: the one process of a run that administers the broker.
//!
//! It carries out orders one after the other, so that no creation can land after its deletion. It
//! was started in a session of its own and outlives the supervisor: when its pipe ends without a goodbye
//! it deletes what the run may have created, and looks again until it has stayed absent.

pub mod guard;
pub mod sweep;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::child::{exit_now, name_process, thread};
use crate::clock::Instant;
use crate::driver::systems::with_driver;
use crate::driver::{Admin, Driver, DriverError, Group, Leftovers};
use crate::wire::{DeadRun, Order, Reply, Role, StewardAssignment, read_frame, write_frame};

/// What was deleted behind somebody who died has to stay absent this long: a creation may still be
/// under way.
const STAY_ABSENT: Duration = Duration::from_secs(2);

/// How often absence is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long it is looked whether there is anything that may not be deleted.
const REFUSED_FOR: Duration = Duration::from_secs(4);

/// Whether the run may have created something that is not deleted yet.
type Created = Arc<AtomicBool>;

/// How long a run waits for what dead ones have left to be deleted: by then the broker has
/// missed their members.
pub const SWEEP_WITHIN: Duration = Duration::from_secs(12);

/// Bytes that a record batch with one message has beyond its payload, at least.
const BATCH_OVERHEAD: u64 = 61 + 7;

/// Serves a supervisor over stdin and stdout until it says goodbye or is gone.
///
/// # Errors
/// Where the first order is not whom to administer.
pub fn run() -> anyhow::Result<()> {
    name_process(Role::Steward);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Handled by doing nothing: the steward ends when its work is done.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .context("cannot handle signals")?;
    }
    let assignment = match read_frame(io::stdin().lock()).context("no order came")? {
        Some(Order::Connect(assignment)) => *assignment,
        Some(Order::Guard(assignment)) => {
            guard::guard(&assignment);
            return Ok(());
        }
        Some(Order::Clear(assignment)) => {
            let cleared = guard::clear(*assignment);
            // The client library's threads are not waited for.
            exit_now(i32::from(cleared.is_err()))
        }
        Some(Order::Goodbye) | None => return Ok(()),
        Some(other) => bail!("expected whom to administer, not {other:?}"),
    };
    let created = Arc::new(AtomicBool::new(assignment.created));
    let orders = listen(assignment.clone(), created.clone())?;
    let served = administer(assignment, created, &orders);
    if let Err(error) = &served {
        reply(&Reply::Failed(format!("{error:#}")));
    }
    // The client library's threads are not waited for.
    exit_now(i32::from(served.is_err()))
}

/// Carries out orders with the driver of the system.
fn administer(
    assignment: StewardAssignment,
    created: Created,
    orders: &Receiver<Order>,
) -> anyhow::Result<()> {
    with_driver!(&assignment.driver.system, |driver| {
        Steward::new(assignment, driver, created)?.serve(orders)
    })
}

/// Reads orders in a thread of its own, so that the end of the pipe is noticed at once: where
/// nothing was created there is nothing to do, whatever the broker is keeping us waiting for.
fn listen(assignment: StewardAssignment, created: Created) -> anyhow::Result<Receiver<Order>> {
    let (sender, orders) = channel();
    thread("orders", move || {
        while let Ok(Some(order)) = read_frame::<Order>(io::stdin().lock()) {
            match order {
                Order::Create | Order::Adopt => created.store(true, Ordering::Release),
                Order::Goodbye if !created.load(Ordering::Acquire) => exit_now(0),
                _ => {}
            }
            if sender.send(order).is_err() {
                return;
            }
        }
        // The supervisor is gone without a goodbye: nobody else will clean up.
        let traces = Traces::of(&assignment);
        traces.remove_directory();
        if !created.load(Ordering::Acquire) {
            traces.remove_journal();
            exit_now(0);
        }
        if !assignment.driver.embedded {
            // Where that can't be, this process goes on as it is.
            let _ = guard::become_one(&assignment);
        }
    })?;
    Ok(orders)
}

/// Says something to the supervisor; where it is gone, nobody wants to know.
fn reply(reply: &Reply) {
    let _ = write_frame(io::stdout().lock(), reply);
}

/// What a supervisor that was killed leaves in the file system. Any of it may be gone already.
struct Traces {
    directory: PathBuf,
    journal: Option<PathBuf>,
}

impl Traces {
    fn of(assignment: &StewardAssignment) -> Self {
        Self {
            directory: assignment.directory.clone(),
            journal: assignment.journal.clone(),
        }
    }

    fn remove_directory(&self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }

    /// Only where nothing is left at the broker for certain.
    fn remove_journal(&self) {
        if let Some(journal) = &self.journal {
            let _ = std::fs::remove_file(journal);
        }
    }
}

struct Steward<D: Driver> {
    assignment: StewardAssignment,
    driver: D,
    admin: D::Admin,
    created: Created,
}

impl<D: Driver> Steward<D> {
    fn new(
        assignment: StewardAssignment,
        driver: D,
        created: Created,
    ) -> Result<Self, DriverError> {
        Ok(Self {
            admin: driver.admin()?,
            assignment,
            driver,
            created,
        })
    }

    fn serve(&mut self, orders: &Receiver<Order>) -> anyhow::Result<()> {
        match self.admin.connect(self.within(self.assignment.deadline)) {
            Ok(()) => {
                let deadline = self.within(self.assignment.deadline);
                reply(&Reply::Connected(self.admin.cluster(deadline)));
            }
            Err(error) => reply(&Reply::Failed(error.to_string())),
        }
        while let Ok(order) = orders.recv() {
            let answer = match order {
                Order::Create => self.create().map(|()| Reply::Created),
                Order::Adopt => self.adopt(),
                Order::Delete => self.delete().map(Reply::Deleted),
                Order::Sweep(runs) => {
                    self.sweep(runs)?;
                    continue;
                }
                Order::Goodbye => return Ok(()),
                Order::Connect(_) | Order::Guard(_) | Order::Clear(_) => {
                    bail!("told twice whom to administer")
                }
            };
            reply(&answer.unwrap_or_else(|error| Reply::Failed(error.to_string())));
        }
        self.orphaned();
        Ok(())
    }

    fn within(&self, time: Duration) -> Instant {
        Instant::now() + time
    }

    fn create(&mut self) -> Result<(), DriverError> {
        let deadline = self.within(self.assignment.deadline);
        self.admin
            .create_topics(&self.assignment.topics, deadline)?;
        self.admin
            .create_groups(&self.assignment.groups, deadline)?;
        match self.assignment.topics.first() {
            Some(topic) => self.check_size(&topic.name.clone(), deadline),
            None => Ok(()),
        }
    }

    /// Messages that the broker would refuse are refused here, before any load.
    fn check_size(&mut self, topic: &str, deadline: Instant) -> Result<(), DriverError> {
        let size = self.assignment.message_size as u64;
        match self.admin.largest_message(topic, deadline) {
            Some(most) if size + BATCH_OVERHEAD > most && !self.assignment.compressed => {
                Err(DriverError(format!(
                    "messages of {size} bytes are more than the topic takes \
                     (max.message.bytes={most}): lower messageSize, or raise max.message.bytes in \
                     topicConfig"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The topic of `--topic`: its groups start where it ends now.
    fn adopt(&mut self) -> Result<Reply, DriverError> {
        let deadline = self.within(self.assignment.deadline);
        let names: Vec<String> = self
            .assignment
            .topics
            .iter()
            .map(|t| t.name.clone())
            .collect();
        let mut states = self.admin.describe(&names, deadline)?;
        let Some(state) = states.pop() else {
            return Err(DriverError("no topic was named".to_owned()));
        };
        self.check_size(&state.name.clone(), deadline)?;
        let offsets: Vec<(String, u32, u64)> = state
            .ends
            .iter()
            .enumerate()
            .map(|(partition, &end)| (state.name.clone(), partition as u32, end))
            .collect();
        for group in self.assignment.groups.clone() {
            self.admin.start_group_at(&group.name, &offsets, deadline)?;
        }
        Ok(Reply::Adopted(state))
    }

    /// Topics and groups that go with the run.
    fn ours(&self) -> (Vec<String>, Vec<Group>) {
        let topics = if self.assignment.delete_topics {
            self.assignment
                .topics
                .iter()
                .map(|topic| topic.name.clone())
                .collect()
        } else {
            Vec::new()
        };
        (topics, self.assignment.groups.clone())
    }

    fn delete(&mut self) -> Result<Leftovers, DriverError> {
        let deadline = self.within(self.assignment.delete_deadline);
        let left = if self.assignment.created {
            // Who created it died, perhaps doing so.
            self.clear(deadline)?
        } else {
            let (topics, groups) = self.ours();
            match self.admin.delete(&topics, &groups, deadline) {
                Ok(left) => left,
                // Who may not delete may not have created anything either.
                Err(refused) => match self.clear(deadline.min(self.within(REFUSED_FOR))) {
                    Ok(left) if left.is_empty() => left,
                    _ => return Err(refused),
                },
            }
        };
        if left.is_empty() {
            self.created.store(false, Ordering::Release);
        }
        Ok(left)
    }

    /// Deletes what dead runs have left, in a thread with a connection of its own: this run does
    /// not wait for it, and can be cleaned up meanwhile.
    fn sweep(&self, runs: Vec<DeadRun>) -> anyhow::Result<()> {
        let driver = self.driver.clone();
        let deadline = self.within(SWEEP_WITHIN);
        thread("sweep", move || {
            let (swept, error) = match driver.admin() {
                Ok(mut admin) => sweep::sweep(&mut admin, &runs, deadline),
                Err(error) => (Vec::new(), Some(error)),
            };
            reply(&Reply::Swept(swept, error.map(|error| error.to_string())));
        })
    }

    /// The supervisor is gone, and this process could not become its guard.
    fn orphaned(&mut self) {
        if self.assignment.driver.embedded {
            return;
        }
        let clean = !self.created.load(Ordering::Acquire)
            || self
                .clear(self.within(guard::TRIES))
                .is_ok_and(|left| left.is_empty());
        if clean {
            Traces::of(&self.assignment).remove_journal();
        }
    }

    /// Deletes, and looks until all has stayed absent. Returns what was there at last.
    fn clear(&mut self, give_up: Instant) -> Result<Leftovers, DriverError> {
        let (topics, groups) = self.ours();
        let mut absent_since = None;
        loop {
            let deadline = self.within(self.assignment.delete_deadline).min(give_up);
            let listed = self.admin.list(&topics, &groups, deadline);
            match &listed {
                Ok(left) if left.is_empty() => {
                    let since = *absent_since.get_or_insert_with(Instant::now);
                    if Instant::now().since(since) >= STAY_ABSENT {
                        return listed;
                    }
                }
                Ok(_) => {
                    absent_since = None;
                    // Whether it did anything is seen by looking.
                    let _ = self.admin.delete(&topics, &groups, deadline);
                }
                Err(_) => absent_since = None,
            }
            if Instant::now() >= give_up {
                return match listed {
                    Ok(left) if left.is_empty() => Err(DriverError(
                        "topics and groups are gone, but not for long enough to be sure".to_owned(),
                    )),
                    listed => listed,
                };
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
