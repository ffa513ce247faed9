//! The Java client's properties, and what becomes of each with librdkafka.

mod table;

use super::values::setting;

pub use table::TABLE;

/// One property of the Java client, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct JavaName {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a property of the Java client.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// librdkafka has it under the same name; numbers outside its range are clamped.
    Same,
    /// The same, with the value in lower case.
    Lower,
    /// librdkafka has it under this name; numbers outside its range are clamped.
    Renamed(&'static str),
    /// librdkafka has it under this name, in KiB instead of bytes.
    Kibibytes(&'static str),
    /// It has no counterpart and none is needed: a note says why.
    SetAside(&'static str),
    /// Set aside; a note only where the value is not the one that omb uses anyway.
    Owned {
        /// The value that omb uses.
        omb: &'static str,
        /// Why a person can't change it.
        why: &'static str,
    },
    /// It can't be honoured: an error says what to do.
    Refused(&'static str),
    /// Its value decides; in words, for the documentation.
    ByValue(fn(&str, Peers<'_>) -> Meaning, &'static str),
}

/// Values of the properties that were written beside this one.
pub type Peers<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What one written property comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// These settings of librdkafka.
    Settings(Vec<(&'static str, String)>),
    /// Nothing; with a note, where one is due.
    SetAside(Option<&'static str>),
    /// A mistake, and what to do.
    Wrong(String),
}

/// The names of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// Whether the Java client has a number of this name with bounds of its own.
pub(super) fn shared(key: &str) -> bool {
    let entry = TABLE.iter().find(|entry| entry.name == key);
    entry.is_some_and(|e| matches!(e.fate, Fate::Same | Fate::Renamed(_) | Fate::Kibibytes(_)))
}

/// What a written property comes to; a name that is not in the table stands for itself.
pub(super) fn meaning<'a>(key: &'a str, value: &str, peers: Peers<'_>) -> Written<'a> {
    let Some(entry) = TABLE.iter().find(|entry| entry.name == key) else {
        return Written::AsIs(key);
    };
    Written::Java(match entry.fate {
        Fate::Same => setting(entry.name, value),
        Fate::Lower => setting(entry.name, &value.to_lowercase()),
        Fate::Renamed(to) => setting(to, value),
        Fate::Kibibytes(to) => match value.parse::<u64>() {
            Ok(bytes) => setting(to, &bytes.div_ceil(1024).to_string()),
            Err(_) => Meaning::Wrong(format!("{key} is not a number of bytes; correct it")),
        },
        Fate::SetAside(why) => Meaning::SetAside(Some(why)),
        Fate::Owned { omb, why } => {
            Meaning::SetAside((!value.eq_ignore_ascii_case(omb)).then_some(why))
        }
        Fate::Refused(why) => Meaning::Wrong(format!("{key} can't be used: {why}")),
        Fate::ByValue(read, _) => read(value, peers),
    })
}

/// A written property: the Java client's, or to be taken by its own name.
pub(super) enum Written<'a> {
    Java(Meaning),
    AsIs(&'a str),
}
