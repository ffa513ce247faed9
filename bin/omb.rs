//! Names the role this process plays; nothing else.

fn main() {}
