//! Everything that reaches Damselfly from outside, as functions of some bytes: requests, snapshots, a master's answers
//! and its stream, the configuration file, a trace. Each body makes of the bytes all that the server would, and
//! panics where what must hold does not.
//!
//! `cargo test -p damselfly-fuzz` runs them over the saved inputs (`corpus/`) and over a bounded number of changes to
//! these; cargo-fuzz runs them for as long as one likes. README.md has the commands.

pub mod answers;
pub mod config;
pub mod content;
pub mod memory;
pub mod mutate;
pub mod rdb;
pub mod replay;
pub mod resp;
pub mod stream;

/// The allocator of the server, which counts.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Cuts `data` into pieces of `step` bytes.
fn pieces(len: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(step.max(1)).skip(1).chain([len])
}
