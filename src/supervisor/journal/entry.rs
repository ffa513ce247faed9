//! What a journal says: JSON lines, of which the last one may be torn.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::process::{Host, Identity};
use crate::config::{is_of_reach, is_secret, without_users};

/// Journals of another version are left alone.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "lowercase")]
pub enum Line {
    /// The first one.
    Run(Box<Head>),
    /// A steward was started, and told for whom; it has created nothing yet.
    Steward(Identity),
    /// The cluster has answered, and something may be created on it from now on.
    Cluster {
        /// Its id, where it has one.
        id: Option<String>,
    },
}

/// What is known of a run before its first connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub version: u32,
    /// The run's id, as in the names it gives.
    pub run: String,
    /// When it started, for people.
    pub started: String,
    /// Where it runs.
    pub host: Host,
    /// Its supervisor.
    pub supervisor: Identity,
    /// The messaging system.
    pub system: String,
    /// The first brokers, for people.
    pub broker: String,
    /// How to get there again.
    pub access: Access,
    /// Whether its topics go with it.
    pub topics: bool,
    /// The existing topic that it uses, which is not its own.
    pub existing: Option<String>,
}

/// How a run reaches its broker, but for what is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The directory that relative paths start from.
    pub directory: PathBuf,
    /// `-d`.
    pub driver: Option<PathBuf>,
    /// `-b`, without users in it.
    pub bootstrap: Option<String>,
    /// What `-X` said on how to get there.
    pub settings: Vec<(String, String)>,
    /// Names of the `-X` settings that were kept out.
    pub withheld: Vec<String>,
}

impl Access {
    /// What the command line said; secrets stay behind.
    pub fn new(
        directory: PathBuf,
        driver: Option<PathBuf>,
        bootstrap: Option<String>,
        extra: &[(String, String)],
    ) -> Self {
        let (mut settings, mut withheld) = (Vec::new(), Vec::new());
        for (key, value) in extra {
            // No other settings are kept.
            let of_reach = is_of_reach(key);
            // An address may carry a user and a password.
            let telling = value.contains("://") && value.contains('@');
            if is_secret(key) || (of_reach && telling) {
                withheld.push(key.clone());
            } else if of_reach {
                settings.push((key.clone(), value.clone()));
            }
        }
        Self {
            directory,
            driver,
            bootstrap: bootstrap.map(|address| without_users(&address)),
            settings,
            withheld,
        }
    }
}

/// A journal as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What was known first.
    pub head: Head,
    /// All stewards it had.
    pub stewards: Vec<Identity>,
    /// The cluster that it may have created something on; `Some(None)` is one without an id.
    pub cluster: Option<Option<String>>,
}

impl Record {
    /// Reads a journal. A last line without an end was being written when its run died, and what
    /// it says had not begun.
    ///
    /// # Errors
    /// What makes it no journal of this version.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let Some(whole) = text.iter().rposition(|&byte| byte == b'\n') else {
            return Err("it has no first line".to_owned());
        };
        let mut record: Option<Self> = None;
        for line in text[..whole].split(|&byte| byte == b'\n') {
            let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            match (line, &mut record) {
                (Line::Run(head), None) if head.version == VERSION => {
                    record = Some(Self {
                        head: *head,
                        stewards: Vec::new(),
                        cluster: None,
                    });
                }
                (Line::Run(head), None) => return Err(format!("its version is {}", head.version)),
                (Line::Steward(steward), Some(record)) => record.stewards.push(steward),
                (Line::Cluster { id }, Some(record)) => record.cluster = Some(id),
                _ => return Err("its lines are in no order".to_owned()),
            }
        }
        record.ok_or_else(|| "it has no first line".to_owned())
    }
}
