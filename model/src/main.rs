//! Model checking of the replica protocol.
fn main() {}
