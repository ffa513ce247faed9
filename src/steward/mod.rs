//! The steward: the one process of a run that administers the broker.
//!
//! It carries out orders one after the other, so that no creation can land after its deletion. It
//! was started in a session of its own and outlives the supervisor: when its pipe ends without a goodbye
//! it deletes what the run may have created, and looks again until it has stayed absent.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::child::{exit_now, thread};
use crate::clock::Instant;
use crate::config::System;
use crate::driver::kafka::KafkaDriver;
use crate::driver::{Admin, Driver, DriverError, Leftovers};
use crate::wire::{Order, Reply, StewardAssignment, read_frame, write_frame};

/// What an orphan has deleted has to stay absent this long: a creation may still be under way.
const STAY_ABSENT: Duration = Duration::from_secs(2);

/// How long an orphan keeps trying where the broker can't be reached.
const ORPHAN_TRIES: Duration = Duration::from_secs(120);

/// Bytes that a record batch with one message has beyond its payload, at least.
const BATCH_OVERHEAD: u64 = 61 + 7;

/// Serves a supervisor over stdin and stdout until it says goodbye or is gone.
///
/// # Errors
/// Where the first order is not whom to administer.
pub fn run() -> anyhow::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Handled by doing nothing: the steward ends when its work is done.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .context("cannot handle signals")?;
    }
    let assignment = match read_frame(io::stdin().lock()).context("no order came")? {
        Some(Order::Connect(assignment)) => *assignment,
        Some(Order::Goodbye) | None => return Ok(()),
        Some(other) => bail!("expected whom to administer, not {other:?}"),
    };
    let created = Arc::new(AtomicBool::new(false));
    let orders = listen(assignment.directory.clone(), created.clone())?;
    let System::Kafka(config) = &assignment.driver.system;
    let served = KafkaDriver::from_config(config)
        .and_then(|driver| driver.admin())
        .map_err(anyhow::Error::from)
        .and_then(|admin| {
            Steward {
                assignment,
                admin,
                created,
            }
            .serve(&orders)
        });
    if let Err(error) = &served {
        reply(&Reply::Failed(format!("{error:#}")));
    }
    // The client library's threads are not waited for.
    exit_now(i32::from(served.is_err()))
}

/// Reads orders in a thread of its own, so that the end of the pipe is noticed at once: where
/// nothing was created there is nothing to do, whatever the broker is keeping us waiting for.
fn listen(
    directory: std::path::PathBuf,
    created: Arc<AtomicBool>,
) -> anyhow::Result<Receiver<Order>> {
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
        if !created.load(Ordering::Acquire) {
            remove(&directory);
            exit_now(0);
        }
    })?;
    Ok(orders)
}

/// Says something to the supervisor; where it is gone, nobody wants to know.
fn reply(reply: &Reply) {
    let _ = write_frame(io::stdout().lock(), reply);
}

/// The supervisor's directory; it may be gone already.
fn remove(directory: &Path) {
    let _ = std::fs::remove_dir_all(directory);
}

struct Steward<A> {
    assignment: StewardAssignment,
    admin: A,
    created: Arc<AtomicBool>,
}

impl<A: Admin> Steward<A> {
    fn serve(&mut self, orders: &Receiver<Order>) -> anyhow::Result<()> {
        match self.admin.connect(self.within(self.assignment.deadline)) {
            Ok(()) => reply(&Reply::Connected),
            Err(error) => reply(&Reply::Failed(error.to_string())),
        }
        while let Ok(order) = orders.recv() {
            let answer = match order {
                Order::Create => self.create().map(|()| Reply::Created),
                Order::Adopt => self.adopt(),
                Order::Delete => self.delete().map(Reply::Deleted),
                Order::Goodbye => return Ok(()),
                Order::Connect(_) => bail!("told twice whom to administer"),
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
            self.admin.start_group_at(&group, &offsets, deadline)?;
        }
        Ok(Reply::Adopted(state))
    }

    /// Topics and groups that go with the run.
    fn ours(&self) -> (Vec<String>, Vec<String>) {
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
        let (topics, groups) = self.ours();
        let deadline = self.within(self.assignment.delete_deadline);
        let left = self.admin.delete(&topics, &groups, deadline)?;
        if left.is_empty() {
            self.created.store(false, Ordering::Release);
        }
        Ok(left)
    }

    /// The supervisor is gone without a goodbye: nobody else will clean up.
    fn orphaned(&mut self) {
        remove(&self.assignment.directory);
        if self.assignment.driver.embedded {
            return;
        }
        if !self.created.load(Ordering::Acquire) {
            return;
        }
        let (topics, groups) = self.ours();
        let give_up = Instant::now() + ORPHAN_TRIES;
        let mut absent_since = None;
        while Instant::now() < give_up {
            let deadline = self.within(self.assignment.delete_deadline).min(give_up);
            let listed = self.admin.list(&topics, &groups, deadline);
            match listed {
                Ok(left) if left.is_empty() => {
                    let since = *absent_since.get_or_insert_with(Instant::now);
                    if Instant::now().since(since) >= STAY_ABSENT {
                        return;
                    }
                }
                Ok(_) => {
                    absent_since = None;
                    let _ = self.admin.delete(&topics, &groups, deadline);
                }
                Err(_) => absent_since = None,
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}
