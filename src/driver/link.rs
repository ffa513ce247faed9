//! Clients of libraries that are asynchronous: the runtime their own tasks run in, and a connection
//! that is made in the background, and again when it breaks.
//!
//! The message path stays on the client's thread, which looks after the library's futures itself and
//! sleeps with nanoseconds' precision, as no timer of a runtime does. Only what the library does
//! unasked (sockets, heartbeats, connecting) is done by the runtime's threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::DriverError;
use super::bell::Bell;
use crate::clock::Instant;

/// Pause before the second attempt to connect; it doubles with each that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long one attempt to connect may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Threads of the runtime.
pub const SHARED_THREADS: usize = 2;

/// The process's runtime.
///
/// # Errors
/// Where its threads can't be started.
pub fn runtime() -> Result<&'static Runtime, DriverError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let made = builder
            .worker_threads(SHARED_THREADS)
            .thread_name("client")
            .enable_all();
        made.build().map_err(|error| error.to_string())
    });
    made.as_ref()
        .map_err(|error| DriverError(format!("cannot start threads: {error}")))
}

/// Waits for something the library does, until a deadline.
///
/// # Errors
/// What went wrong, or `late` where the deadline came first.
pub fn wait_for<T>(
    deadline: Instant,
    late: &str,
    work: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, DriverError> {
    let time = deadline.since(Instant::now()).max(Duration::from_millis(1));
    runtime()?.block_on(async {
        let limited = tokio::time::timeout(time, work).await;
        limited.unwrap_or_else(|_| Err(DriverError(late.to_owned())))
    })
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, DriverError>> + Send>>;

/// What a look at a link finds.
#[derive(Debug)]
pub enum Change {
    /// Nothing new.
    None,
    /// The connection is there.
    Opened,
    /// It could not be made; it is tried again.
    Failed(DriverError),
}

enum State<T> {
    Opening(Receiver<Result<T, DriverError>>),
    Open(T),
}

/// A connection of type `T`, or the attempt at one.
pub struct Link<T> {
    bell: Arc<Bell>,
    /// Makes the n-th attempt.
    open: Box<dyn Fn(usize) -> Opening<T> + Send>,
    attempts: usize,
    pause: Duration,
    state: State<T>,
}

impl<T: Send + 'static> Link<T> {
    /// Begins to connect by `open`, which is told how many attempts there were, and rings when there is
    /// something to see.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new(
        bell: Arc<Bell>,
        open: impl Fn(usize) -> Opening<T> + Send + 'static,
    ) -> Result<Self, DriverError> {
        let mut link = Self {
            bell,
            open: Box::new(open),
            attempts: 0,
            pause: PAUSE,
            state: State::Opening(channel().1),
        };
        link.state = link.attempt(Duration::ZERO)?;
        Ok(link)
    }

    fn attempt(&mut self, pause: Duration) -> Result<State<T>, DriverError> {
        let (sender, receiver) = channel();
        let opening = (self.open)(self.attempts);
        self.attempts += 1;
        let bell = self.bell.clone();
        runtime()?.spawn(async move {
            tokio::time::sleep(pause).await;
            let opened = tokio::time::timeout(CONNECT_WITHIN, opening).await;
            let opened = opened.unwrap_or_else(|_| {
                let seconds = CONNECT_WITHIN.as_secs();
                Err(DriverError(format!("no answer within {seconds} s")))
            });
            // A client that is gone doesn't want to know.
            let _ = sender.send(opened);
            bell.ring();
        });
        Ok(State::Opening(receiver))
    }

    /// The connection, where there is one.
    #[inline]
    pub fn get(&mut self) -> Option<&mut T> {
        match &mut self.state {
            State::Open(connection) => Some(connection),
            State::Opening(_) => None,
        }
    }

    /// Looks what has become of an attempt.
    pub fn look(&mut self) -> Change {
        let State::Opening(receiver) = &self.state else {
            return Change::None;
        };
        match receiver.try_recv() {
            Err(TryRecvError::Empty) => Change::None,
            Ok(Ok(connection)) => {
                self.state = State::Open(connection);
                self.pause = PAUSE;
                Change::Opened
            }
            Ok(Err(error)) => self.again(error),
            Err(TryRecvError::Disconnected) => self.again(DriverError(
                "the attempt to connect was given up".to_owned(),
            )),
        }
    }

    fn again(&mut self, error: DriverError) -> Change {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        match self.attempt(pause) {
            Ok(state) => self.state = state,
            Err(error) => return Change::Failed(error),
        }
        Change::Failed(error)
    }

    /// The connection broke, or ended: another one is made.
    pub fn broke(&mut self) -> Option<T> {
        let state = self.attempt(self.pause).ok()?;
        match std::mem::replace(&mut self.state, state) {
            State::Open(connection) => Some(connection),
            State::Opening(_) => None,
        }
    }

    /// Ends it; no other one is made.
    pub fn into_inner(self) -> Option<T> {
        match self.state {
            State::Open(connection) => Some(connection),
            State::Opening(_) => None,
        }
    }
}
