//! What the threads of the shell share, built once more from the server's own sources: the gates, the published status,
//! the replication log. Instead of `crate::sync` they find loom's doubles here, which try every interleaving of a few
//! threads, and every value that a relaxed load may see.
//!
//! What else threads share is not in here: the shards lie behind locks, counters count, and what waits in tasks waits
//! for tokio's own primitives.

pub mod sync;

/// The server's sources.
#[path = "../../src"]
pub mod server {
    /// The gates.
    pub mod gate {
        pub mod gates;
        pub mod published;

        pub use gates::AllGates;
    }
    pub mod log;
}

/// What of the store the log needs.
pub mod store {
    /// Here nothing is freed in the background.
    pub mod lazyfree {
        /// Frees `thing` at once.
        pub fn free<T>(thing: T) {
            drop(thing);
        }
    }
}

pub use server::{gate, log};
