//! What the client library says of its connections, which it says in its log alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// What was heard and not asked for yet.
#[derive(Default)]
struct Heard {
    /// A connection broke, or a broker closed a client.
    lost: bool,
    /// Why a connection could not be made.
    refused: Option<String>,
}

struct Ear(Mutex<Heard>);

static EAR: Ear = Ear(Mutex::new(Heard {
    lost: false,
    refused: None,
}));

impl Ear {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How lines begin that tell of a connection that is gone.
const LOST: [&str; 4] = [
    "reconnecting producer",
    "Broker notification of closed consumer",
    "connection error, retrying connection",
    "Consumer: connection",
];

/// How the line begins that says why a connection could not be made.
const REFUSED: &str = "connection error, not retryable: ";

impl Log for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("pulsar")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = record.args().to_string();
        if let Some(why) = line.strip_prefix(REFUSED) {
            let why = why.trim_matches(['[', ']']).replace(['\n', '\r'], " ");
            self.heard().refused = Some(why);
        } else if LOST.iter().any(|start| line.starts_with(start)) {
            self.heard().lost = true;
        }
    }

    fn flush(&self) {}
}

/// Listens from now on, unless somebody else in this process listens to what libraries log.
pub fn listen() {
    if log::set_logger(&EAR).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Whether a connection was lost since somebody asked.
pub fn lost() -> Option<String> {
    std::mem::take(&mut EAR.heard().lost).then(|| {
        "a connection to Pulsar is lost, or the broker has closed a client; it connects again"
            .to_owned()
    })
}

/// Why the last connection could not be made, if the library has said so since somebody asked.
pub fn refused() -> Option<String> {
    EAR.heard().refused.take()
}
