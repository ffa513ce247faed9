//! The messaging systems omb drives: one file or folder for each.

pub mod kafka;
