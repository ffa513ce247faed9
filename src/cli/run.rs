//! `omb run`: from the command line to a run, and from its end to an exit code.

use serde_json::Value;

use super::pidfile::PidFile;
use super::{RunArgs, settle};
use crate::config::System;
use crate::driver::kafka::client_library;
use crate::driver::kafka::properties::effective::effective;
use crate::host::Host;
use crate::init;
use crate::report::provenance::{Provenance, Versions, shown_command};
use crate::supervisor::journal::entry::Access;
use crate::supervisor::{self, Ended, Options};

/// Runs what the command line asks for; the exit code.
pub fn run(args: RunArgs) -> u8 {
    if init::is_due() {
        return init::run().unwrap_or_else(|error| {
            eprintln!("omb: {error:#}");
            Ended::Failed.code()
        });
    }
    let settled = match settle(&args.inputs) {
        Ok(settled) => settled,
        Err(problems) => {
            for problem in problems {
                eprintln!("omb: {problem}");
            }
            return Ended::Usage.code();
        }
    };
    let pid_file = args.pidfile.as_deref().map(PidFile::create).transpose();
    let _pid_file = match pid_file {
        Ok(pid_file) => pid_file,
        Err(problem) => {
            eprintln!("omb: {problem}");
            return Ended::Usage.code();
        }
    };
    let System::Kafka(_) = settled.driver.system;
    let compressed = settled
        .kafka
        .clients
        .producer
        .iter()
        .any(|(key, value)| key.starts_with("compression") && value != "none");
    let stem = args.inputs.workload.file_stem().unwrap_or_default();
    // Without one, relative paths mean nothing, and no broker's file is found by them.
    let here = std::env::current_dir().unwrap_or_default();
    let inputs = &args.inputs;
    let access = Access::new(
        here,
        inputs.driver.clone(),
        inputs.bootstrap.clone(),
        &inputs.extra,
    );
    let clients = effective(&settled.kafka.clients).map(|(role, settings)| {
        let settings = settings.into_iter().map(|(key, value)| (key, value.into()));
        (role.to_owned(), Value::Object(settings.collect()))
    });
    let provenance = Provenance {
        versions: Versions {
            omb: env!("CARGO_PKG_VERSION").into(),
            client: client_library(),
            broker: settled
                .driver
                .embedded
                .then(|| format!("omb {}", env!("CARGO_PKG_VERSION"))),
        },
        host: Host::this(),
        command_line: shown_command(std::env::args()),
        seed: settled.workload.seed,
        client_configuration: clients.into_iter().collect(),
    };
    let options = Options {
        access,
        workload_stem: stem.to_string_lossy().into_owned(),
        workload: settled.workload,
        driver: settled.driver,
        topic: args.inputs.topic,
        keep_topics: args.keep_topics,
        compressed,
        notes: settled.kafka.notes,
        output: args.output,
        samples: args.samples,
        hlog: args.hlog,
        quiet: args.quiet,
        provenance,
    };
    match supervisor::run(options) {
        Ok(ended) => ended.code(),
        Err(error) => {
            eprintln!("omb: {error:#}");
            Ended::Failed.code()
        }
    }
}
