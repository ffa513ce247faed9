//! `omb run`: from the command line to a run, and from its end to an exit code.

use std::path::PathBuf;

use nix::unistd::getppid;

use super::campaign::{Folder, run_all, settle_all};
use super::csv::csv_of;
use super::pidfile::PidFile;
use super::{Inputs, Member, RunArgs, Settled, failed, settle, usage};
use crate::child::die_with_parent;
use crate::host::Host;
use crate::init;
use crate::report::provenance::{ClientDefault, Provenance, Versions, shown_command};
use crate::supervisor::journal::entry::Access;
use crate::supervisor::{self, Ended, Options};

/// Runs what the command line asks for; the exit code.
pub fn run(args: &RunArgs) -> u8 {
    if init::is_due() {
        return init::run().unwrap_or_else(|error| failed(&error));
    }
    if let Some(directory) = &args.csv {
        return csv_of(directory);
    }
    if let Some(member) = &args.member {
        return run_member(args, member);
    }
    let pairs = args.files.pairs(&args.inputs);
    let several = pairs.len() > 1;
    let refused = args.refused_of_several().filter(|_| several);
    let settled = match refused.map_or_else(|| settle_all(&pairs), |told| Err(vec![told])) {
        Ok(settled) => settled,
        Err(problems) => return usage(problems),
    };
    let pid_file = args.pidfile.as_deref().map(PidFile::create).transpose();
    let _pid_file = match pid_file {
        Ok(pid_file) => pid_file,
        Err(problem) => return usage([problem]),
    };
    if let Some(note) = args.files.notes() {
        eprintln!("omb: note: {note}");
    }
    if several {
        let folder = match Folder::make(args.output.as_deref()) {
            Ok(folder) => folder,
            Err(problem) => return usage([problem]),
        };
        return run_all(&pairs, &settled, &folder, args.quiet)
            .unwrap_or_else(|error| failed(&error));
    }
    pairs
        .iter()
        .zip(settled)
        .next()
        .map_or(Ended::Usage.code(), |(inputs, settled)| {
            run_one(args, inputs, settled, args.output.clone())
        })
}

/// One of several runs, as the process that runs all of them says.
pub fn run_member(args: &RunArgs, member: &Member) -> u8 {
    // Where that process is killed, this run ends in good order.
    let parent = i32::try_from(member.parent).unwrap_or_default();
    if die_with_parent().is_err() || getppid().as_raw() != parent {
        return Ended::Interrupted(libc::SIGTERM).code();
    }
    let mut inputs = args.inputs.clone();
    if let Some(rate) = member.rate {
        inputs.rate = Some(rate);
        // The search of a sweep keeps its objectives, its steps have none.
        if rate > 0.0 {
            inputs.find_rate.clear();
        }
    }
    let pair = args.files.pairs(&inputs).into_iter().nth(member.index);
    let Some(inputs) = pair else {
        return Ended::Usage.code();
    };
    match settle(&inputs) {
        Ok(settled) => run_one(args, &inputs, settled, Some(member.output.clone())),
        Err(problems) => usage(problems),
    }
}

impl RunArgs {
    /// What several runs can't have.
    pub(super) fn refused_of_several(&self) -> Option<String> {
        let own = "belongs to one run; leave it out, and each run has its own beside its result";
        if self.samples.is_some() {
            Some(format!("--samples FILE {own}"))
        } else if matches!(self.hlog, Some(Some(_))) {
            Some(format!("--hlog=FILE {own} with --hlog"))
        } else {
            None
        }
    }
}

fn run_one(args: &RunArgs, inputs: &Inputs, settled: Settled, output: Option<PathBuf>) -> u8 {
    let stem = inputs.workload.file_stem().unwrap_or_default();
    // Without one, relative paths mean nothing, and no broker's file is found by them.
    let here = std::env::current_dir().unwrap_or_default();
    let access = Access::new(
        here,
        inputs.driver.clone(),
        inputs.bootstrap.clone(),
        &inputs.extra,
    );
    let system = settled.system.clone();
    let differing = system.differing.into_iter().map(|default| ClientDefault {
        role: default.role,
        name: default.name,
        ours: default.ours,
        java: default.java,
    });
    let provenance = Provenance {
        versions: Versions {
            omb: env!("CARGO_PKG_VERSION").into(),
            client: system.library,
            broker: settled
                .driver
                .embedded
                .then(|| format!("omb {}", env!("CARGO_PKG_VERSION"))),
        },
        host: Host::this(),
        command_line: shown_command(std::env::args().filter(|arg| !arg.starts_with("--member="))),
        seed: settled.workload.seed,
        client_configuration: system.configuration,
        client_defaults: differing.collect(),
    };
    let mut notes = system.notes;
    notes.extend(settled.warnings(&settled.forecast(inputs)));
    let options = Options {
        access,
        workload_stem: stem.to_string_lossy().into_owned(),
        workload: settled.workload,
        driver: settled.driver,
        topic: inputs.topic.clone(),
        keep_topics: args.keep_topics,
        compressed: system.compressed,
        broker: system.servers.join(","),
        notes,
        output,
        samples: args.samples.clone(),
        hlog: args.hlog.clone(),
        quiet: args.quiet,
        provenance,
    };
    match supervisor::run(options) {
        Ok(ended) => ended.code(),
        Err(error) => failed(&error),
    }
}
