//! omb, a load generator and measuring instrument for message brokers.
//!
//! One executable in several roles: `bin/omb.rs` names the role, everything else lives in the
//! rooms below. ARCHITECTURE.md says what each of them is for.

#[cfg(not(target_os = "linux"))]
compile_error!("omb runs on Linux only: it relies on parent-death signals, memfd and /proc");

pub mod broker;
pub mod child;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod driver;
pub mod host;
pub mod init;
pub mod page;
pub mod plan;
pub mod report;
pub mod schedule;
pub mod stats;
pub mod steward;
pub mod supervisor;
pub mod wire;
