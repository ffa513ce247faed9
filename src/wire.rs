//! What the supervisor and its children say to each other, and how it travels.
//!
//! A frame is a 4-byte big-endian length and that many bytes of bincode. Lengths are bounded and
//! everything read is checked, so garbage on a socket is an error with a cause, never a panic.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::traits::{ListenerExt, Stream as _, StreamCommon};
use interprocess::local_socket::{GenericFilePath, Listener, ListenerOptions, Stream, ToFsName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::config::{Driver, KeyDistributor, Payload};
use crate::driver::{Group, Leftovers, NewTopic, TopicState};
use crate::schedule::{Schedule, Segment};
use crate::stats::delta::SlotDelta;

/// Changes whenever any type below does.
pub const PROTOCOL: u32 = 7;

/// Longest frame: far above what the largest delta or assignment takes.
const MAX_FRAME: usize = 64 << 20;

/// What a process does in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Sends messages.
    Producer,
    /// Receives messages.
    Consumer,
    /// Administers the broker.
    Steward,
    /// Is the broker.
    Broker,
}

impl Role {
    /// The word for it in logs, results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Steward => "steward",
            Self::Broker => "broker",
        }
    }
}

/// The first frame of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the child.
    pub protocol: u32,
    /// What it is.
    pub role: Role,
    /// Its number within the role.
    pub id: u32,
    /// Which life it is in.
    pub incarnation: u16,
}

/// What all clients of a run have to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunContext {
    /// The run's id.
    pub run: u32,
    /// Zero of the times in stamps.
    pub epoch: Instant,
    /// The system under test.
    pub driver: Driver,
    /// Partitions of each topic.
    pub partitions: u32,
}

/// A topic of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its number within the run.
    pub number: u32,
    /// Its name at the broker.
    pub name: String,
}

/// What one producer thread does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProducerClient {
    /// Name the broker sees.
    pub name: String,
    /// Topics it sends to.
    pub topics: Vec<Topic>,
    /// Its logical producers: (number within the run, index into `topics`).
    pub streams: Vec<(u32, u32)>,
    /// Its part of the whole rate, above 0.
    pub share: f64,
    /// Shift of its schedule against the others', in messages, 0 to 1.
    pub stagger: f64,
}

/// What a producer process does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProducerAssignment {
    /// What all clients know.
    pub context: RunContext,
    /// One thread each.
    pub clients: Vec<ProducerClient>,
    /// Bytes of a payload.
    pub message_size: usize,
    /// What payloads are filled with.
    pub payload: Payload,
    /// What random payloads are made with, together with the number of the producer.
    pub seed: u64,
    /// How messages get their keys.
    pub keys: KeyDistributor,
    /// Clients may be awake before a message is due.
    pub may_spin: bool,
}

/// What one consumer thread does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerClient {
    /// Name the broker sees.
    pub name: String,
    /// Number of its subscription within the run.
    pub subscription: u32,
    /// Name of its group.
    pub group: String,
    /// Topics it subscribes to.
    pub topics: Vec<Topic>,
}

/// What a consumer process does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerAssignment {
    /// What all clients know.
    pub context: RunContext,
    /// Bytes of the run's messages.
    pub message_size: usize,
    /// One thread each.
    pub clients: Vec<ConsumerClient>,
}

/// What the embedded broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerAssignment {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Bytes of messages it keeps; `None`: its own default.
    pub memory: Option<u64>,
}

/// From the supervisor to a child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToChild {
    /// To a producer, first of all.
    Produce(Box<ProducerAssignment>),
    /// To a consumer, first of all.
    Consume(Box<ConsumerAssignment>),
    /// To the embedded broker, first of all.
    Serve(BrokerAssignment),
    /// To a producer: send one probe per logical producer.
    Probe,
    /// To producers and consumers: the load.
    Load(Schedule),
    /// To a producer: no message due at or after this instant is sent.
    EndLoad(Instant),
    /// To a producer: what was announced ends at this instant, and these segments follow.
    Reschedule(Instant, Vec<Segment>),
    /// To a consumer: stop reading, or go on, keeping the membership of its group.
    Pause(bool),
    /// To a producer: give up what is in flight.
    Abandon,
    /// Report what is left, leave, end.
    Finish,
}

/// From a child to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromChild {
    /// First of all.
    Hello(Hello),
    /// The embedded broker answers here.
    Listening(SocketAddr),
    /// This client's connection is proved: a probe of each of its streams was acknowledged, or
    /// it is a member of its group and has got its partitions (possibly none).
    ClientReady(u32),
    /// Probes that a subscription received: (subscription, topic), each sent once.
    Probed(Vec<(u32, u32)>),
    /// What was learnt since the last delta. An empty one says: still alive.
    Deltas(Vec<SlotDelta>),
    /// When the first load message was received, or the first one sent was acknowledged.
    FirstMessage(Instant),
    /// A producer has sent everything due, and everything sent has an outcome.
    LoadDone,
    /// Something a person should know.
    Note(String),
    /// Why the child can't go on; it ends after this.
    Failed(String),
    /// The answer to `Finish`: everything is reported.
    Finished,
}

/// From the supervisor to the steward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// First of all: whom to administer, and what to remove when orphaned.
    Connect(Box<StewardAssignment>),
    /// Create the run's topics.
    Create,
    /// Look up the topic that `--topic` names, and make the groups start at its end.
    Adopt,
    /// Delete the run's topics and groups.
    Delete,
    /// Delete, beside everything else, what these runs on the same cluster have left.
    Sweep(Vec<DeadRun>),
    /// Nothing is left to do: end.
    Goodbye,
    /// From a steward to itself, first of all: its supervisor is gone, see to it that everything is
    /// deleted.
    Guard(Box<StewardAssignment>),
    /// From a guard to the process that does it, first of all.
    Clear(Box<StewardAssignment>),
}

/// What the steward is responsible for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StewardAssignment {
    /// The system under test.
    pub driver: Driver,
    /// Topics of the run.
    pub topics: Vec<NewTopic>,
    /// Groups of the run.
    pub groups: Vec<Group>,
    /// The topics go when the run ends; those of `--topic` and `--keep-topics` stay. Groups always
    /// go.
    pub delete_topics: bool,
    /// Bytes of the run's messages.
    pub message_size: usize,
    /// Producers compress: how large messages are on the wire is not known ahead.
    pub compressed: bool,
    /// Directory of the run's socket, removed when orphaned.
    pub directory: PathBuf,
    /// The run's journal, removed when an orphan has deleted everything.
    pub journal: Option<PathBuf>,
    /// A steward before this one may have created something, and may have died doing so.
    pub created: bool,
    /// How long each order may take.
    pub deadline: Duration,
    /// How long deletion may take: it may have to wait for sessions of killed members.
    pub delete_deadline: Duration,
}

/// A run whose supervisor and steward were killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRun {
    /// Its id.
    pub run: u32,
    /// Its topics go; its groups always do.
    pub topics: bool,
}

/// What became of what a dead run had left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// The run's id.
    pub run: u32,
    /// Deleted.
    pub deleted: Leftovers,
    /// Still there, or not known to be gone.
    pub left: Leftovers,
    /// Nothing of it is left for certain.
    pub certain: bool,
}

/// From the steward to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The broker answers; its cluster has this id.
    Connected(Option<String>),
    /// The topics are there.
    Created,
    /// The topic is there, like this.
    Adopted(TopicState),
    /// Deleted, but for these.
    Deleted(Leftovers),
    /// What became of what dead runs had left, and what stood in the way.
    Swept(Vec<Swept>, Option<String>),
    /// The order could not be carried out.
    Failed(String),
}

/// Writes one frame, whole.
///
/// # Errors
/// What the writer says; a frame that is too long.
pub fn write_frame<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let mut frame = vec![0; 4];
    bincode::serde::encode_into_std_write(message, &mut frame, bincode::config::standard())
        .map_err(io::Error::other)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(io::Error::other(format!(
            "a frame of {length} bytes is too long"
        )));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    to.write_all(&frame)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream.
///
/// # Errors
/// What the reader says; a stream that ends within a frame; a length or content that is none.
pub fn read_frame<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match read_first(&mut from, &mut length)? {
        0 => return Ok(None),
        n => from.read_exact(&mut length[n..])?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(garbage(format!(
            "a frame of {length} bytes, longer than {MAX_FRAME}"
        )));
    }
    // Not allocated ahead: a wrong length must not cost memory that no one sends.
    let mut body = Vec::new();
    if from.take(length as u64).read_to_end(&mut body)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let config = bincode::config::standard().with_limit::<{ 4 * MAX_FRAME }>();
    match bincode::serde::decode_from_slice(&body, config) {
        Ok((message, used)) if used == length => Ok(Some(message)),
        Ok((_, used)) => Err(garbage(format!(
            "{} bytes too many in a frame",
            length - used
        ))),
        Err(error) => Err(garbage(format!("a frame that is none: {error}"))),
    }
}

fn read_first(mut from: impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn garbage(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// One end of a socket; clones are the same end.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Stream>);

impl Connection {
    /// Connects to the supervisor.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let name = path.to_fs_name::<GenericFilePath>()?;
        Ok(Self(Arc::new(Stream::connect(name)?)))
    }

    /// Writes one frame, whole.
    ///
    /// # Errors
    /// Where the other side is gone.
    pub fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        write_frame(&*self.0, message)
    }

    /// Waits for a frame; `None` when the other side has closed.
    ///
    /// # Errors
    /// Where the other side is gone or sent garbage.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        read_frame(&*self.0)
    }

    /// Makes writes give up after this time, so that a stopped peer can't stop the writer.
    ///
    /// # Errors
    /// Where the socket does not allow it.
    pub fn limit_writes(&self, timeout: Duration) -> io::Result<()> {
        self.0.set_send_timeout(Some(timeout))
    }

    /// Process id of the other side, if it runs as the same user as we do.
    ///
    /// # Errors
    /// Where it is another user, or the system doesn't say.
    pub fn peer(&self) -> io::Result<i32> {
        let peer = self.0.peer_creds()?;
        let ours = nix::unistd::geteuid().as_raw();
        match (peer.euid(), peer.pid()) {
            (Some(uid), Some(pid)) if uid == ours => Ok(pid),
            (Some(uid), _) if uid != ours => Err(io::Error::other(format!(
                "a process of user {uid} connected"
            ))),
            _ => Err(io::Error::other("the system does not tell who connected")),
        }
    }
}

/// Where children connect.
#[derive(Debug)]
pub struct Door(Listener);

impl Door {
    /// Listens at a path, which should lie in a private directory.
    ///
    /// # Errors
    /// Where the path is taken, too long or not writable.
    pub fn open(path: &Path) -> io::Result<Self> {
        let name = path.to_fs_name::<GenericFilePath>()?;
        Ok(Self(ListenerOptions::new().name(name).create_sync()?))
    }

    /// Connections as they come.
    pub fn connections(&self) -> impl Iterator<Item = io::Result<Connection>> + '_ {
        self.0
            .incoming()
            .map(|stream| stream.map(|s| Connection(Arc::new(s))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_as_written_and_the_end_is_told_from_a_cut() {
        let mut stream = Vec::new();
        let hello = Hello {
            protocol: PROTOCOL,
            role: Role::Consumer,
            id: 3,
            incarnation: 1,
        };
        write_frame(&mut stream, &FromChild::Hello(hello)).unwrap();
        write_frame(&mut stream, &FromChild::Deltas(vec![SlotDelta::default()])).unwrap();
        let mut from = &stream[..];
        assert_eq!(
            read_frame(&mut from).unwrap(),
            Some(FromChild::Hello(hello))
        );
        assert!(matches!(
            read_frame(&mut from).unwrap(),
            Some(FromChild::Deltas(_))
        ));
        assert_eq!(read_frame::<FromChild>(&mut from).unwrap(), None);
        let mut cut = &stream[..stream.len() - 1];
        read_frame::<FromChild>(&mut cut).unwrap();
        let error = read_frame::<FromChild>(&mut cut).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn garbage_is_an_error_and_costs_no_memory() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
            if bytes.len() > 4 && random.bool() {
                let length = (bytes.len() - 4) as u32;
                bytes[..4].copy_from_slice(&length.to_be_bytes());
            }
            let mut from = &bytes[..];
            while let Ok(Some(_)) = read_frame::<FromChild>(&mut from) {}
        }
        let error = read_frame::<FromChild>(&[0xff; 400][..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
