//! `omb broker`: the embedded broker alone, or as a child of a run.

use super::BrokerArgs;
use crate::broker::{Options, role};
use crate::child::Seat;
use crate::wire::Role;

/// Serves; the exit code.
pub fn broker(args: &BrokerArgs) -> u8 {
    let served = match &args.socket {
        Some(socket) => role::child(&Seat {
            socket: socket.clone(),
            role: Role::Broker,
            id: args.id,
            incarnation: args.incarnation,
        }),
        None => {
            let listen = match args.listen.replace("localhost", "127.0.0.1").parse() {
                Ok(listen) => listen,
                Err(_) => {
                    let given = &args.listen;
                    eprintln!("omb: --listen {given} is no address; give one as 127.0.0.1:9092");
                    return 2;
                }
            };
            let memory = args.memory.unwrap_or_else(|| Options::default().memory);
            role::alone(&Options {
                listen,
                memory,
                faults: args.fault.clone(),
            })
        }
    };
    match served {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("omb: {error:#}");
            1
        }
    }
}
