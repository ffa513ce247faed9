//! `omb report`: the result of a run that could not write it, from its samples.

use super::{ReportArgs, failed, usage};
use crate::report::file::Destination;
use crate::report::rebuild::{rebuild, result_beside};
use crate::report::terminal::{Screen, summary};
use crate::supervisor::Ended;

/// Writes the result that samples come to, and sums it up; the exit code.
pub fn report(args: &ReportArgs) -> u8 {
    let rebuilt = match rebuild(&args.from) {
        Ok(rebuilt) => rebuilt,
        Err(error) => return usage([error]),
    };
    let destination = match &args.output {
        Some(path) if path.as_os_str() == "-" => Destination::Stdout,
        Some(path) => Destination::File(path.clone()),
        None => Destination::File(result_beside(&args.from, &rebuilt.result)),
    };
    if destination.exists() {
        return usage([format!(
            "{destination} is there already and stays as it is; name another file with --output"
        )]);
    }
    if let Err(error) = destination.probe() {
        return usage([error]);
    }
    for note in &rebuilt.notes {
        eprintln!("omb: note: {note}");
    }
    if let Err(error) = destination.write(&rebuilt.run) {
        return failed(&error);
    }
    Screen::stderr(false).say(&summary(&rebuilt.run, Some(&destination.to_string())));
    Ended::Done.code()
}
