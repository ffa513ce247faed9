//! `thresholds:` of a workload file, and the command line's over them.

use serde_yaml::Value;

use super::{Threshold, parse_bound, parse_name};
use crate::config::fields::{Fields, describe, text};
use crate::config::tree::Entry;

/// The file's thresholds, but for those of a name that the command line gives, and the command
/// line's.
pub(in crate::config) fn read(fields: &mut Fields<'_>, given: &[Threshold]) -> Vec<Threshold> {
    let mut found = of_file(fields);
    found.retain(|threshold| given.iter().all(|over| over.measure != threshold.measure));
    found.extend(given.iter().cloned());
    found
}

fn of_file(fields: &mut Fields<'_>) -> Vec<Threshold> {
    let Some(entry) = fields.entry("thresholds") else {
        return Vec::new();
    };
    // An alias has its entries elsewhere, and so no places for them.
    let unread =
        entry.children.is_empty() && entry.value.as_mapping().is_some_and(|m| !m.is_empty());
    if unread || !entry.value.is_mapping() {
        let message = format!(
            "thresholds is {}; give names with bounds on indented lines below, such as \
             publish.p99: \"<50ms\"",
            describe(&entry.value)
        );
        fields.problem(entry.at, message);
        return Vec::new();
    }
    let mut found: Vec<Threshold> = Vec::new();
    for child in entry.children {
        match of_entry(&child) {
            // A short name and the full one.
            Ok(bounds)
                if bounds
                    .iter()
                    .any(|new| found.iter().any(|old| old.measure == new.measure)) =>
            {
                let message = format!("{} is given twice; keep one of them", child.key);
                fields.problem(child.at, message);
            }
            Ok(bounds) => found.extend(bounds),
            Err(message) => fields.problem(child.at, message),
        }
    }
    found
}

/// One bound, or a list of them.
fn of_entry(entry: &Entry) -> Result<Vec<Threshold>, String> {
    let measure = parse_name(&entry.key)?;
    let bounds = match &entry.value {
        Value::Sequence(bounds) => bounds.as_slice(),
        one => std::slice::from_ref(one),
    };
    if bounds.is_empty() {
        let example = measure.example();
        return Err(format!(
            "{} is an empty list; give a bound such as \"{example}\"",
            entry.key
        ));
    }
    let bound = |value: &Value| {
        // What is no text is no bound either.
        let bound = parse_bound(measure, &text(value).unwrap_or_default());
        bound.map_err(|instead| format!("{} is {}; {instead}", entry.key, describe(value)))
    };
    bounds.iter().map(bound).collect()
}
