//! `omb csv`: results as one CSV file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::usage;
use crate::report::csv;

/// Options of `omb csv`.
#[derive(Clone, Debug, Args)]
pub struct CsvArgs {
    /// Results, or directories with results: of those, every file that ends in .json.
    #[arg(value_name = "RESULT.json|DIR", required = true)]
    pub results: Vec<PathBuf>,

    /// File to write [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Does it; the exit code.
pub fn csv(args: &CsvArgs) -> u8 {
    let written = table(&args.results).and_then(|text| match &args.output {
        Some(path) => write(path, &text),
        None => {
            // A reader that went away has seen enough.
            _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
    });
    told(written)
}

/// `omb run --csv DIR`, as OMB's: the results of a directory go to a file here, and nothing is run.
pub fn csv_of(directory: &Path) -> u8 {
    let seconds = jiff::Timestamp::now().as_second();
    let path = PathBuf::from(format!("results-{seconds}.csv"));
    let written = table(&[directory.to_owned()]).and_then(|text| write(&path, &text));
    if written.is_ok() {
        eprintln!("{}", path.display());
    }
    told(written)
}

fn told(written: Result<(), Vec<String>>) -> u8 {
    match written {
        Ok(()) => 0,
        Err(wrong) => usage(wrong),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Vec<String>> {
    fs::write(path, text).map_err(|error| vec![format!("{}: {error}", path.display())])
}

fn table(paths: &[PathBuf]) -> Result<String, Vec<String>> {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        match listed(path) {
            Ok(found) => files.extend(found),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    let mut results = Vec::new();
    for path in &files {
        match fs::read_to_string(path) {
            Ok(text) => results.push((path.as_path(), text)),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    csv::of(&results)
}

/// The file itself, or the results of a directory.
fn listed(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| error.to_string())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_result = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut files: Vec<PathBuf> = paths
        .filter(|path| is_result(path) && path.is_file())
        .collect();
    if files.is_empty() {
        return Err("there is no result in it: no file that ends in .json".to_owned());
    }
    files.sort();
    Ok(files)
}
