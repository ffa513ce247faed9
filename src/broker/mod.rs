//! The embedded broker: Kafka's protocol, with all that it keeps in memory.
//!
//! It is there so that a run can be tried, and omb measured, without anything else installed. One
//! broker, one thread, loopback only. What a group has yet to read is never dropped: a producer
//! waits when memory is full. What no group reads is dropped when memory is full, and said.

mod batch;
mod connection;
mod core;
mod groups;
mod handlers;
mod liar;
mod log;
mod memory;
mod notices;
mod producers;
pub mod role;
mod state;
mod topics;
mod wire;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::LocalSet;

use self::core::Core;
use self::liar::Liar;
use self::memory::Memory;
use self::notices::Notices;

pub use self::liar::Fault;

/// The memory that the logs get at most, where nothing else is said.
const MEMORY: u64 = 1 << 30;

/// The least memory that the logs can have: a batch of the usual greatest length, and another.
const LEAST_MEMORY: u64 = 2 << 20;

/// After a connection couldn't be accepted, the next is waited for.
const RECOVERY: Duration = Duration::from_millis(50);

/// How a broker is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where it listens: a loopback address, with port 0 for any that is free.
    pub listen: SocketAddr,
    /// How many bytes of messages it keeps, in all topics together.
    pub memory: u64,
    /// What is planted in it, in a test.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    /// Any free port of 127.0.0.1; 1 GiB, or a quarter of the machine's memory if that is less.
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            memory: MEMORY.min(machine_memory() / 4).max(LEAST_MEMORY),
            faults: Vec::new(),
        }
    }
}

/// Why there is no broker.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The address can be reached by others.
    #[error(
        "the embedded broker has no access control and listens on loopback addresses only: \
         choose 127.0.0.1 or ::1 instead of {0}"
    )]
    NotLoopback(SocketAddr),
    /// The memory is too small to be of use.
    #[error(
        "{0} bytes are too little memory for the embedded broker: give it {LEAST_MEMORY} at least"
    )]
    TooLittleMemory(u64),
    /// Something else listens there.
    #[error(
        "another process listens at {0} already: choose another port, or 0 for any that is free"
    )]
    InUse(SocketAddr),
    /// The system refuses.
    #[error("the embedded broker can't listen at {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The system refuses what a thread needs to serve.
    #[error("the embedded broker can't start to serve: {0}")]
    Serve(io::Error),
}

/// A broker that listens: clients may connect, and are served as soon as [`Broker::serve`] runs.
#[derive(Debug)]
pub struct Broker {
    listener: TcpListener,
    address: SocketAddr,
    memory: u64,
    liar: Option<Liar>,
}

impl Broker {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the options make no sense, or the system refuses.
    pub fn bind(options: &Options) -> Result<Broker, BrokerError> {
        let wanted = options.listen;
        if !wanted.ip().is_loopback() {
            return Err(BrokerError::NotLoopback(wanted));
        }
        if options.memory < LEAST_MEMORY {
            return Err(BrokerError::TooLittleMemory(options.memory));
        }
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BrokerError::InUse(wanted),
            _ => BrokerError::Listen {
                address: wanted,
                error,
            },
        };
        let listener = TcpListener::bind(wanted).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Broker {
            listener,
            address,
            memory: options.memory,
            liar: Liar::new(&options.faults),
        })
    }

    /// Where it listens, with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then closes every connection and forgets everything. Blocks
    /// the calling thread, and does all its work there. `notices` gets a line for each thing that
    /// a person has to know.
    ///
    /// # Errors
    /// Where the system refuses what a thread needs to serve.
    pub fn serve(
        self,
        stop: impl Future<Output = ()>,
        notices: Sender<String>,
    ) -> Result<(), BrokerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BrokerError::Serve)?;
        let notices = Notices::new(notices, self.memory, Instant::now());
        let memory = Memory::new(self.memory);
        let core = Rc::new(Core::new(self.address, memory, notices, self.liar));
        let tasks = LocalSet::new();
        let served = tasks.block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            tokio::select! {
                () = stop => {}
                () = accept(&core, &listener) => {}
                () = core.keep_time() => {}
                () = core.keep_telling() => {}
            }
            Ok(())
        });
        drop(tasks);
        core.tell_dropped(true);
        core.tell(core.liar.as_ref().map(Liar::rest).unwrap_or_default());
        served.map_err(BrokerError::Serve)
    }
}

/// Accepts connections; never returns.
async fn accept(core: &Rc<Core>, listener: &tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let serving = connection::serve(Rc::clone(core), stream, peer);
                tokio::task::spawn_local(serving);
            }
            // Too many open files, or a client that has gone already: others may come.
            Err(error) => {
                tracing::warn!("can't accept a connection: {error}");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

/// The machine's memory in bytes; none where the system doesn't say.
fn machine_memory() -> u64 {
    use nix::unistd::{SysconfVar, sysconf};
    let ask = |variable| match sysconf(variable) {
        Ok(Some(value)) => u64::try_from(value).unwrap_or(0),
        _ => 0,
    };
    ask(SysconfVar::_PHYS_PAGES).saturating_mul(ask(SysconfVar::PAGE_SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(options: &Options) -> String {
        Broker::bind(options).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn only_loopback_addresses_are_listened_at() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 0));
        let told = refusal(&Options {
            listen,
            ..Options::default()
        });
        assert!(
            told.contains("0.0.0.0:0") && told.contains("127.0.0.1"),
            "{told}"
        );
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let first = Broker::bind(&Options::default()).unwrap();
        let told = refusal(&Options {
            listen: first.address(),
            ..Options::default()
        });
        assert!(told.contains(&first.address().to_string()), "{told}");
        assert!(told.contains("another port"), "{told}");
    }

    #[test]
    fn memory_for_less_than_a_batch_is_refused() {
        let told = refusal(&Options {
            memory: 1000,
            ..Options::default()
        });
        assert!(told.contains("1000 bytes"), "{told}");
    }
}
