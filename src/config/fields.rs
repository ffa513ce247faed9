//! The fields of one mapping: each is taken by its name, read as its type, and what is wrong
//! with it is noted with its place and with what to write instead.

use std::path::Path;

use serde_yaml::Value;

use super::names::suggestion;
use super::tree::Entry;
use super::{Origin, Problem};

/// A mapping whose keys are known to be valid, and what was wrong with it so far.
pub(super) struct Fields<'a> {
    entries: Vec<Entry>,
    file: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// Notes unknown keys and keys that come twice.
    pub fn new(
        entries: Vec<Entry>,
        known: &[&str],
        file: &'a Path,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        for (index, entry) in entries.iter().enumerate() {
            let key = entry.key.as_str();
            if !known.contains(&key) {
                let advice = suggestion(key, known.iter().copied())
                    .unwrap_or_else(|| format!("known keys are {}", known.join(", ")));
                let message = format!("unknown key {key}; {advice}");
                problems.push(Problem {
                    origin: entry.at.clone(),
                    message,
                });
            } else if entries[..index].iter().any(|earlier| earlier.key == key) {
                let message = format!("{key} is given twice; keep one of them");
                problems.push(Problem {
                    origin: entry.at.clone(),
                    message,
                });
            }
        }
        Self {
            entries,
            file,
            problems,
        }
    }

    /// The entry of this key; one without a value counts as absent, as in OMB.
    pub fn entry(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index)).filter(|entry| !entry.value.is_null())
    }

    /// Where the key was written, if it was.
    pub fn place(&self, key: &str) -> Option<Origin> {
        self.entries
            .iter()
            .find(|e| e.key == key && !e.value.is_null())
            .map(|e| e.at.clone())
    }

    /// Reads one field; `read` answers with what to write instead. `Err`: it was wrong.
    pub fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<Option<T>, Wrong> {
        let Some(entry) = self.entry(key) else {
            return Ok(None);
        };
        if entry.unresolved {
            return Err(Wrong);
        }
        match read(&entry.value) {
            Ok(value) => Ok(Some(value)),
            Err(instead) => {
                let message = format!("{key} is {}; {instead}", describe(&entry.value));
                self.problem(entry.at, message);
                Err(Wrong)
            }
        }
    }

    /// Reads one field that has a default. Where it was wrong the default keeps the reading
    /// going; nothing comes of it, as the problem is noted.
    pub fn or<T>(
        &mut self,
        key: &str,
        default: T,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        self.optional(key, read).ok().flatten().unwrap_or(default)
    }

    /// Reads one field that must be there; `example` is what a valid one looks like.
    pub fn required<T>(
        &mut self,
        key: &str,
        example: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.optional(key, read) {
            Ok(None) => {
                self.problem(
                    self.whole_file(),
                    format!("{key} is missing; add {example}"),
                );
                None
            }
            Ok(found) => found,
            Err(Wrong) => None,
        }
    }

    /// Notes a problem.
    pub fn problem(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin, message });
    }

    /// The file without a line.
    pub fn whole_file(&self) -> Origin {
        Origin::File {
            path: self.file.to_owned(),
            line: 0,
            column: 0,
        }
    }

    /// The fields of the mapping below `key`.
    pub fn inner(&mut self, key: &str, known: &[&str]) -> Option<Fields<'_>> {
        let entries = self.below(key, known)?;
        Some(Fields::new(entries, known, self.file, self.problems))
    }

    /// The same, without any fields where there is no such key.
    pub fn section(&mut self, key: &str, known: &[&str]) -> Fields<'_> {
        let entries = self.below(key, known).unwrap_or_default();
        Fields::new(entries, known, self.file, self.problems)
    }

    fn below(&mut self, key: &str, known: &[&str]) -> Option<Vec<Entry>> {
        let entry = self.entry(key)?;
        let unread =
            entry.children.is_empty() && entry.value.as_mapping().is_some_and(|m| !m.is_empty());
        if unread || !entry.value.is_mapping() {
            let message = format!(
                "{key} is {}; give its keys on indented lines below: {}",
                describe(&entry.value),
                known.join(", ")
            );
            self.problem(entry.at, message);
            return None;
        }
        Some(entry.children)
    }
}

/// The field was there but wrong, and the problem is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong;

/// A value as a message names it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > 60 => {
            format!(
                "text \"{}…\"",
                text.chars().take(60).collect::<String>().escape_debug()
            )
        }
        Value::String(text) => format!("text \"{}\"", text.escape_debug()),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(tagged) => format!("tagged {}", tagged.tag),
    }
}

/// Text; numbers and flags count as their text, as in OMB's reader.
pub(super) fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err("give text".to_owned()),
    }
}

/// The text of a number, so that quoted numbers and `10_000` read like plain ones.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// A whole number between two bounds, both included.
pub(super) fn whole(low: i64, high: i64) -> impl Fn(&Value) -> Result<i64, String> {
    move |value| {
        number(value)
            .filter(|n| n.fract() == 0.0 && *n >= low as f64 && *n <= high as f64)
            .map(|n| n as i64)
            .ok_or_else(|| match high {
                i64::MAX => format!("give a whole number of at least {low}"),
                _ => format!("give a whole number from {low} to {high}"),
            })
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}
