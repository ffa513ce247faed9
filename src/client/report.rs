//! From client threads to the supervisor: what clients say, and the thread that writes it.
//!
//! Deltas of all clients of a child are merged per slot and written once per slot; the rest is
//! written at once. After each write the clients are told what has reached the supervisor, so that
//! they can commit it: report, then commit.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::Command;
use super::mailbox::Mailbox;
use crate::clock::Instant;
use crate::stats::delta::{SLOT, Slot, SlotDelta};
use crate::wire::{Connection, FromChild};

/// What a client thread says.
#[derive(Debug)]
pub enum FromClient {
    /// See [`FromChild::ClientReady`].
    Ready,
    /// First probe of a topic: (subscription, topic).
    Probed(u32, u32),
    /// What was learnt in a slot. `cut` counts the client's deltas.
    Delta {
        /// Number of this delta.
        cut: u64,
        /// What was learnt.
        delta: Box<SlotDelta>,
    },
    /// See [`FromChild::FirstMessage`].
    FirstMessage(Instant),
    /// Write everything said so far now, then answer.
    Flush(Sender<()>),
    /// Everything due was sent, and everything sent has an outcome.
    LoadDone,
    /// Something a person should know.
    Note(String),
    /// Why the client can't go on.
    Failed(String),
    /// The client has said everything.
    Finished,
}

/// The thread that writes to the supervisor.
pub struct Reporter {
    connection: Connection,
    inbox: Receiver<(u32, FromClient)>,
    clients: Vec<Mailbox>,
    slots: BTreeMap<Slot, SlotDelta>,
    /// Highest cut of each client among `slots`.
    cuts: BTreeMap<u32, u64>,
    load_done: usize,
    finished: usize,
    /// A first message was told.
    began: bool,
}

impl Reporter {
    /// A reporter for these clients, which talk through the other end of `inbox`.
    pub fn new(
        connection: Connection,
        inbox: Receiver<(u32, FromClient)>,
        clients: Vec<Mailbox>,
    ) -> Self {
        Self {
            connection,
            inbox,
            clients,
            slots: BTreeMap::new(),
            cuts: BTreeMap::new(),
            load_done: 0,
            finished: 0,
            began: false,
        }
    }

    /// Reports until all clients have finished.
    ///
    /// # Errors
    /// Where the supervisor is gone.
    pub fn run(mut self) -> std::io::Result<()> {
        let mut next = Instant::now() + SLOT;
        while self.finished < self.clients.len() {
            let wait = next.since(Instant::now());
            match self.inbox.recv_timeout(wait) {
                Ok((client, said)) => self.hear(client, said)?,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.write_deltas()?;
                    next = (next + SLOT).max(Instant::now() + Duration::from_millis(20));
                }
            }
        }
        self.write_deltas()?;
        self.connection.send(&FromChild::Finished)
    }

    fn hear(&mut self, client: u32, said: FromClient) -> std::io::Result<()> {
        match said {
            FromClient::Delta { cut, delta } => {
                self.cuts.insert(client, cut);
                match self.slots.get_mut(&delta.slot) {
                    Some(slot) => slot.merge(*delta),
                    None => {
                        self.slots.insert(delta.slot, *delta);
                    }
                }
                Ok(())
            }
            FromClient::Flush(answer) => {
                self.write_deltas()?;
                // A client that no longer waits for the answer has its reasons.
                let _ = answer.send(());
                Ok(())
            }
            FromClient::LoadDone => {
                self.load_done += 1;
                if self.load_done == self.clients.len() {
                    self.write_deltas()?;
                    self.connection.send(&FromChild::LoadDone)?;
                }
                Ok(())
            }
            FromClient::Finished => {
                self.finished += 1;
                Ok(())
            }
            FromClient::FirstMessage(at) => {
                if std::mem::replace(&mut self.began, true) {
                    return Ok(());
                }
                self.connection.send(&FromChild::FirstMessage(at))
            }
            FromClient::Ready => self.connection.send(&FromChild::ClientReady(client)),
            FromClient::Probed(subscription, topic) => self
                .connection
                .send(&FromChild::Probed(vec![(subscription, topic)])),
            FromClient::Note(text) => self.connection.send(&FromChild::Note(text)),
            FromClient::Failed(text) => {
                self.write_deltas()?;
                self.connection.send(&FromChild::Failed(text))
            }
        }
    }

    fn write_deltas(&mut self) -> std::io::Result<()> {
        let slots: Vec<SlotDelta> = std::mem::take(&mut self.slots).into_values().collect();
        self.connection.send(&FromChild::Deltas(slots))?;
        for (client, cut) in std::mem::take(&mut self.cuts) {
            if let Some(mailbox) = self.clients.get(client as usize) {
                mailbox.send(Command::Written(cut));
            }
        }
        Ok(())
    }
}
