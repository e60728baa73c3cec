//! The valkka command.
fn main() {}
