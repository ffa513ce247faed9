//! `omb broker`: the embedded broker alone, or as a child of a run.

use super::{BrokerArgs, failed, usage};
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
                    let told =
                        format!("--listen {given} is no address; give one as 127.0.0.1:9092");
                    return usage([told]);
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
        Err(error) => failed(&error),
    }
}
