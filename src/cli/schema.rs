//! `omb schema`: what files look like, for editors and programs.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::config::schema::{driver, workload};
use crate::report::schema::{result, samples};

/// Options of `omb schema`.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Which file; without it, all of them are listed.
    #[arg(value_enum)]
    pub of: Option<Described>,
}

/// A file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// The result of a run, OMB's fields and ours.
    Result,
    /// A line of the samples.
    Samples,
    /// A workload file.
    Workload,
    /// A driver file.
    Driver,
}

impl Described {
    /// Its JSON Schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Result => result(),
            Self::Samples => samples(),
            Self::Workload => workload(),
            Self::Driver => driver(),
        }
    }
}

/// Prints a schema, or which there are; the exit code.
pub fn schema(args: &SchemaArgs) -> u8 {
    let text = match args.of {
        Some(of) => format!("{:#}\n", of.schema()),
        None => Described::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|of| {
                let help = of.get_help().map(ToString::to_string).unwrap_or_default();
                format!("{:<9} {help}\n", of.get_name())
            })
            .collect(),
    };
    // A reader that went away has seen enough.
    _ = std::io::stdout().write_all(text.as_bytes());
    0
}
