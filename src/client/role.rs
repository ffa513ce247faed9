//! The roles `omb producer` and `omb consumer`: from the assignment to the last report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, bail};

use super::Command;
use super::consume::ConsumeLoop;
use super::consume::books::ConsumerBooks;
use super::cutter::Cutter;
use super::mailbox::{Inbox, Mailbox, mailbox};
use super::nap::Nap;
use super::payload::{Keys, Payloads};
use super::produce::ProduceLoop;
use super::produce::books::ProducerBooks;
use super::report::{FromClient, Reporter};
use super::stamp::Run;
use crate::child::{self, Seat};
use crate::driver::systems::with_driver;
use crate::driver::{ConsumerOptions, Driver, ProducerOptions};
use crate::page;
use crate::wire::{
    Connection, ConsumerAssignment, FromChild, ProducerAssignment, RunContext, ToChild,
};

/// How long a consumer may take to leave its group when the run ends.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How long when the process has to go: what is left of [`child::LEAVE_DEADLINE`] is for reporting.
const LEAVE_AT_ONCE: Duration = Duration::from_millis(500);

/// Takes a seat in a run and does what the supervisor says until it is over.
///
/// # Errors
/// Where the run can't be joined. Later failures go to the supervisor.
pub fn run(seat: &Seat) -> anyhow::Result<()> {
    let connection = child::join(seat)?;
    let clients = match connection.receive().context("no assignment came")? {
        Some(ToChild::Produce(assignment)) => producers(seat, *assignment),
        Some(ToChild::Consume(assignment)) => consumers(*assignment),
        Some(ToChild::Finish) | None => return Ok(()),
        Some(other) => bail!("expected an assignment, not {other:?}"),
    };
    let clients = match clients {
        Ok(clients) => clients,
        Err(error) => {
            let _ = connection.send(&FromChild::Failed(format!("{error:#}")));
            return Err(error);
        }
    };
    serve(connection, clients)
}

/// The client threads of this process, running.
struct Clients {
    mailboxes: Vec<Mailbox>,
    voices: Receiver<(u32, FromClient)>,
}

/// Listens to the supervisor and reports to it until the clients have finished.
fn serve(connection: Connection, clients: Clients) -> anyhow::Result<()> {
    let leaving = Arc::new(AtomicBool::new(false));
    let leave = {
        let (leaving, mailboxes) = (leaving.clone(), clients.mailboxes.clone());
        move || {
            leaving.store(true, Ordering::Release);
            mailboxes
                .iter()
                .for_each(|mailbox| mailbox.send(Command::Finish(LEAVE_AT_ONCE)));
        }
    };
    child::leave_on_sigterm(leave.clone())?;
    let listener = connection.clone();
    let mailboxes = clients.mailboxes.clone();
    child::thread("listener", move || {
        while let Ok(Some(message)) = listener.receive::<ToChild>() {
            let command = match message {
                ToChild::Probe => Command::Probe,
                ToChild::Load(schedule) => Command::Load(schedule),
                ToChild::EndLoad(at) => Command::EndLoad(at),
                ToChild::Reschedule(at, segments) => Command::Reschedule(at, segments),
                ToChild::Pause(paused) => Command::Pause(paused),
                ToChild::Abandon => Command::Abandon,
                ToChild::Finish => Command::Finish(LEAVE_WITHIN),
                ToChild::Produce(_) | ToChild::Consume(_) | ToChild::Serve(_) => continue,
            };
            mailboxes
                .iter()
                .for_each(|mailbox| mailbox.send(command.clone()));
        }
        // The end of the socket means the same as SIGTERM.
        child::end_soon();
        leave();
    })?;
    let reported = Reporter::new(connection, clients.voices, clients.mailboxes).run();
    let left_early = reported.is_err() || leaving.load(Ordering::Acquire);
    if reported.is_err() {
        // The supervisor is gone, but the groups have to be left: the clients are on it.
        std::thread::sleep(child::LEAVE_DEADLINE);
    }
    child::exit_now(if left_early { 128 + libc::SIGTERM } else { 0 })
}

fn producers(seat: &Seat, assignment: ProducerAssignment) -> anyhow::Result<Clients> {
    with_driver!(&assignment.context.driver.system, |driver| {
        produce(&driver, seat, &assignment)
    })
}

fn consumers(assignment: ConsumerAssignment) -> anyhow::Result<Clients> {
    with_driver!(&assignment.context.driver.system, |driver| {
        consume(&driver, assignment)
    })
}

fn produce<D: Driver>(
    driver: &D,
    seat: &Seat,
    assignment: &ProducerAssignment,
) -> anyhow::Result<Clients> {
    let run = stamped(&assignment.context);
    let partitions = assignment.context.partitions;
    let pages = page::create(&seat.page(), assignment.clients.len())
        .context("cannot make a page to publish what is sent")?;
    let (voice, voices) = channel();
    let mut mailboxes = Vec::new();
    for ((number, client), published) in assignment.clients.iter().enumerate().zip(pages) {
        let (mailbox, inbox) = mailbox().context("cannot make a mailbox")?;
        mailboxes.push(mailbox);
        let first_stream = client.streams.first().map_or(0, |&(stream, _)| stream);
        let payloads = Payloads::new(
            &assignment.payload,
            assignment.message_size,
            assignment.seed.wrapping_add(u64::from(first_stream)),
        )
        .map_err(anyhow::Error::msg)?;
        let cutter = Cutter::new(number as u32, voice.clone());
        let books = ProducerBooks::new(client, seat.incarnation, run, cutter, published);
        let keys = Keys::new(assignment.keys);
        let nap = Nap::new(assignment.may_spin);
        let (driver, client, voice) = (driver.clone(), client.clone(), voice.clone());
        client_thread("producer", number, voice, move || {
            let topics = names(&client.topics);
            let producer = driver.producer(&ProducerOptions {
                client_id: &client.name,
                topics: &topics,
                partitions,
                wake: inbox.descriptor(),
            })?;
            ProduceLoop::new(client, producer, inbox, books, payloads, keys, nap).run();
            Ok(())
        })?;
    }
    Ok(Clients { mailboxes, voices })
}

fn consume<D: Driver>(driver: &D, assignment: ConsumerAssignment) -> anyhow::Result<Clients> {
    let run = stamped(&assignment.context);
    let message_size = assignment.message_size;
    let partitions = assignment.context.partitions;
    let (voice, voices) = channel();
    let mut mailboxes = Vec::new();
    for (number, client) in assignment.clients.into_iter().enumerate() {
        let (mailbox, inbox): (Mailbox, Inbox) = mailbox().context("cannot make a mailbox")?;
        mailboxes.push(mailbox);
        let books = ConsumerBooks::new(&client, run, Cutter::new(number as u32, voice.clone()));
        let (driver, voice) = (driver.clone(), voice.clone());
        client_thread("consumer", number, voice, move || {
            let topics = names(&client.topics);
            let consumer = driver.consumer(&ConsumerOptions {
                client_id: &client.name,
                group: &client.group,
                topics: &topics,
                partitions,
                message_size,
                wake: inbox.descriptor(),
            })?;
            ConsumeLoop::new(consumer, inbox, books).run();
            Ok(())
        })?;
    }
    Ok(Clients { mailboxes, voices })
}

fn stamped(context: &RunContext) -> Run {
    Run {
        id: context.run,
        epoch: context.epoch,
    }
}

fn names(topics: &[crate::wire::Topic]) -> Vec<String> {
    topics.iter().map(|topic| topic.name.clone()).collect()
}

/// A thread of a client: what goes wrong in it is said to the supervisor, a panic too.
fn client_thread(
    role: &str,
    number: usize,
    voice: Sender<(u32, FromClient)>,
    body: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    child::thread(&format!("{role}-{number}"), move || {
        // Sleeps until a message is due end when it is due, not up to 50 µs later.
        if let Err(error) = nix::sys::prctl::set_timerslack(1) {
            let note = format!("cannot set the timer slack: {error}");
            let _ = voice.send((number as u32, FromClient::Note(note)));
        }
        let body = std::panic::AssertUnwindSafe(body);
        let failure = match std::panic::catch_unwind(body) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "a client thread panicked; its message is on stderr".to_owned(),
        };
        let _ = voice.send((number as u32, FromClient::Failed(failure)));
    })
}
