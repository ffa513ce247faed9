//! The broker as a process: `omb broker`, alone or as a child of a run.

use std::io::Write;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use super::{Broker, Options};
use crate::child::{self, Seat, exit_now};
use crate::wire::{FromChild, ToChild};

/// Serves a run until its supervisor says so or is gone.
///
/// # Errors
/// Where the run can't be joined, or there is nowhere to listen.
pub fn child(seat: &Seat) -> anyhow::Result<()> {
    let connection = child::join(seat)?;
    let assignment = match connection.receive().context("no assignment came")? {
        Some(ToChild::Serve(assignment)) => assignment,
        Some(ToChild::Finish) | None => return Ok(()),
        Some(other) => bail!("expected where to listen, not {other:?}"),
    };
    log_to_stderr();
    let default = Options::default();
    let memory = assignment.memory.unwrap_or(default.memory);
    let broker = Broker::bind(&Options {
        listen: assignment.listen,
        memory,
        ..default
    })?;
    connection
        .send(&FromChild::Listening(broker.address()))
        .context("the supervisor is gone")?;

    let (stop, stopped) = oneshot::channel();
    child::leave_on_sigterm(move || {
        // Where nobody waits for it the broker has stopped already.
        let _ = stop.send(());
    })?;
    let listener = connection.clone();
    child::thread("listener", move || {
        while let Ok(Some(message)) = listener.receive::<ToChild>() {
            if message == ToChild::Finish {
                break;
            }
        }
        exit_now(0);
    })?;
    serve(broker, stopped, move |line| {
        // Where the supervisor is gone, so are we in a moment.
        let _ = connection.send(&FromChild::Note(line));
    })
}

/// Serves whoever connects, until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// Where there is nowhere to listen.
pub fn alone(options: &Options) -> anyhow::Result<()> {
    log_to_stderr();
    let broker = Broker::bind(options)?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    let (stop, stopped) = oneshot::channel();
    child::thread("signals", move || {
        if signals.forever().next().is_some() {
            let _ = stop.send(());
        }
    })?;
    let mebibytes = options.memory >> 20;
    say(&format!(
        "embedded broker at {}, {mebibytes} MiB for messages; Ctrl-C stops it and forgets them",
        broker.address()
    ));
    for fault in &options.faults {
        say(&format!("for tests only, this broker lies: {fault}"));
    }
    serve(broker, stopped, |line| say(&line))
}

fn serve(
    broker: Broker,
    stopped: oneshot::Receiver<()>,
    tell: impl Fn(String) + Send + 'static,
) -> anyhow::Result<()> {
    let (notices, lines): (_, Receiver<String>) = channel();
    child::thread("notices", move || lines.into_iter().for_each(tell))?;
    let stop = async {
        // Its sender gone means the same.
        let _ = stopped.await;
    };
    broker.serve(stop, notices)?;
    Ok(())
}

fn say(line: &str) {
    // A closed stderr is no reason to stop serving.
    let _ = writeln!(std::io::stderr(), "omb: {line}");
}

/// What the broker logs, from warnings on; `OMB_LOG` asks for more, as in `OMB_LOG=omb=debug`.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("OMB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // It fails only where one is there already.
    let _ = log
        .without_time()
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
}
