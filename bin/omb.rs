//! Names the role this process plays; nothing else.

use std::process::ExitCode;

use omb::child::Seat;
use omb::cli::{self, Child, Command};
use omb::wire::Role;
use omb::{client, steward};

fn main() -> ExitCode {
    let ended = match cli::parse().command {
        Command::Run(args) => return cli::run(&args).into(),
        Command::Check(args) => return cli::check(&args).into(),
        Command::Report(args) => return cli::report(&args).into(),
        Command::Clean(args) => return cli::clean(&args).into(),
        Command::Sweep(args) => return cli::sweep(&args).into(),
        Command::Csv(args) => return cli::csv(&args).into(),
        Command::Schema(args) => return cli::schema(&args).into(),
        Command::Broker(args) => return cli::broker(&args).into(),
        Command::Producer(child) => client::role::run(&seat(Role::Producer, child)),
        Command::Consumer(child) => client::role::run(&seat(Role::Consumer, child)),
        Command::Steward => steward::run(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn seat(role: Role, child: Child) -> Seat {
    Seat {
        socket: child.socket,
        role,
        id: child.id,
        incarnation: child.incarnation,
    }
}
