//! The properties that librdkafka knows, asked of the library itself, so that the list is always
//! that of the version which is built in.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::IntoRawFd;
use std::sync::OnceLock;

use nix::sys::memfd::{MFdFlags, memfd_create};
use rdkafka::bindings::rd_kafka_conf_properties_show;

use super::Role;

/// One property of librdkafka.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub name: String,
    /// The name it is an alias for, or its own.
    pub canonical: String,
    pub scope: Scope,
    /// As librdkafka writes it: `0 .. 900000`, `true, false`, or nothing.
    pub range: String,
    /// Callbacks and the like, which text can't set.
    pub program_only: bool,
}

/// Which clients know a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Producer,
    Consumer,
    Both,
}

impl Scope {
    /// An administrator gets only what is for every client.
    pub fn includes(self, role: Role) -> bool {
        match self {
            Scope::Producer => role == Role::Producer,
            Scope::Consumer => role == Role::Consumer,
            Scope::Both => true,
        }
    }
}

impl Known {
    /// The bounds of a whole number.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let (low, high) = self.range.split_once(" .. ")?;
        Some((low.parse().ok()?, high.parse().ok()?))
    }
}

/// The property of this name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    table().iter().find(|known| known.name == name)
}

/// The name that aliases share; an unknown name stands for itself.
pub(super) fn canonical(name: &str) -> &str {
    find(name).map_or(name, |known| &known.canonical)
}

/// The names of what a kind of client can be set, aliases left out.
pub(super) fn of(role: Role) -> impl Iterator<Item = &'static str> {
    table()
        .iter()
        .filter(move |known| !known.program_only && known.scope.includes(role))
        .filter(|known| known.name == known.canonical)
        .map(|known| known.name.as_str())
}

/// Every name that text can set.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    table()
        .iter()
        .filter(|known| !known.program_only)
        .map(|known| known.name.as_str())
}

fn table() -> &'static [Known] {
    static TABLE: OnceLock<Vec<Known>> = OnceLock::new();
    // Without memory for the table every name is unknown, and every file is refused.
    TABLE.get_or_init(|| shown().map(|text| parse(&text)).unwrap_or_default())
}

/// What librdkafka prints about its properties.
fn shown() -> io::Result<String> {
    let memory = memfd_create("librdkafka-properties", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(memory);
    let descriptor = file.try_clone()?.into_raw_fd();
    // SAFETY: the descriptor is open, writable, and owned by nobody else; on success it belongs
    // to the stream, which is closed below, and on failure it is closed at once.
    unsafe {
        let stream = libc::fdopen(descriptor, c"w".as_ptr());
        if stream.is_null() {
            let error = io::Error::last_os_error();
            libc::close(descriptor);
            return Err(error);
        }
        rd_kafka_conf_properties_show(stream);
        if libc::fclose(stream) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Reads the table's rows: name, scope, range, default, importance, description.
///
/// A name that is both a global and a topic property is listed once, as the global one, which
/// is the one that is set.
fn parse(text: &str) -> Vec<Known> {
    let mut table: Vec<Known> = Vec::new();
    for line in text.lines() {
        let mut cells = line.splitn(6, '|').map(str::trim);
        let (Some(name), Some(scope), Some(range)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let scope = match scope {
            "P" => Scope::Producer,
            "C" => Scope::Consumer,
            "*" => Scope::Both,
            _ => continue,
        };
        if table.iter().any(|known| known.name == name) {
            continue;
        }
        let description = cells.nth(2).unwrap_or_default();
        let alias = description
            .split_once("Alias for `")
            .filter(|(before, _)| before.is_empty() || before.ends_with("** "))
            .and_then(|(_, rest)| rest.split_once('`'))
            .map(|(aliased, _)| aliased);
        table.push(Known {
            name: name.to_owned(),
            canonical: alias.unwrap_or(name).to_owned(),
            scope,
            range: range.to_owned(),
            program_only: description.contains("*Type: see dedicated API*"),
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_tells_its_properties() {
        assert!(table().len() > 150, "{}", table().len());
        let linger = find("linger.ms").unwrap();
        assert_eq!(linger.canonical, "queue.buffering.max.ms");
        assert_eq!(linger.scope, Scope::Producer);
        assert_eq!(linger.bounds(), Some((0, 900_000)));
        assert_eq!(find("session.timeout.ms").unwrap().scope, Scope::Consumer);
        assert_eq!(find("security.protocol").unwrap().scope, Scope::Both);
        assert!(find("dr_msg_cb").unwrap().program_only);
        assert_eq!(canonical("acks"), "request.required.acks");
        assert!(find("nonsense").is_none());
    }
}
