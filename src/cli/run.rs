//! `omb run`: from the command line to a run, and from its end to an exit code.

use rdkafka::util::get_rdkafka_version;
use serde_json::Value;

use super::{RunArgs, settle};
use crate::config::System;
use crate::driver::kafka::properties::effective::effective;
use crate::host::Host;
use crate::report::provenance::{Provenance, Versions, shown_command};
use crate::supervisor::journal::entry::Access;
use crate::supervisor::{self, Ended, Options};

/// Runs what the command line asks for; the exit code.
pub fn run(args: RunArgs) -> u8 {
    let settled = match settle(&args.inputs) {
        Ok(settled) => settled,
        Err(problems) => {
            for problem in problems {
                eprintln!("omb: {problem}");
            }
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
            omb: env!("CARGO_PKG_VERSION"),
            client: format!("librdkafka {}", get_rdkafka_version().1),
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
