//! A world made of one seed: what the tests of the feature `simulation` run whole servers in.
//!
//! Everything happens on one thread, in a tokio runtime whose clock is paused and leaps to the next timer when nothing
//! is left to do. All dice are thrown by one generator. So a seed has one story, whatever machine tells it.
//!
//! A [`World`] has hosts. Code runs [in the context](Context) of one of them, so that it is known whose dice, disk and
//! address are meant. A host that crashes loses its tasks, its threads, its connections, and what its disk had not been
//! told to keep.

mod blocking;
mod disk;
mod scope;
mod tcp;
mod wire;
mod world;

pub mod fault;

pub use disk::Outage;
pub use wire::Path;
pub use world::{Context, HostId, World};

/// Time, as tokio's paused clock has it.
pub mod time {
    use super::Context;
    use std::time::Duration;
    pub use tokio::time::Instant;

    /// When a world begins, in seconds of Unix time.
    const BEGIN: u64 = 1_700_000_000;

    /// Unix time.
    pub fn since_epoch() -> Duration {
        let since = Context::current().map_or(Duration::ZERO, |here| here.world.elapsed());
        Duration::from_secs(BEGIN) + since
    }
}

/// Randomness, by the world's dice.
pub mod random {
    use super::Context;

    /// Fills `bytes`.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&seed().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    /// A number to begin a generator with.
    pub fn seed() -> u64 {
        Context::current().map_or(1, |here| here.world.dice())
    }
}

/// Hashers, of the same order in every run.
pub mod hash {
    pub use foldhash::fast::FixedState as Fast;
    pub use foldhash::quality::FixedState as Quality;
}

/// What would differ from process to process.
pub mod process {
    use std::io;
    use std::path::PathBuf;

    /// The number of this process.
    pub fn id() -> u32 {
        1
    }

    /// Its executable.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn executable() -> io::Result<PathBuf> {
        Ok("/damselfly".into())
    }
}

/// Tasks of a host.
pub mod task {
    pub use super::scope::{Handle, JoinHandle, spawn, spawn_blocking};
}

/// Threads of a host: each runs when the world lets it, and the world stands still meanwhile.
pub mod thread {
    pub use super::blocking::{aside, nap as sleep, send, spawn};
}

/// The disk of a host.
pub mod fs {
    pub use super::disk::{File, FileExt, create_new, exists, remove_file, rename, sync_dir};
}

/// The network between hosts.
pub mod net {
    pub use super::tcp::{
        Blocking, Bound, Closer, Listener, TcpStream, bind, bind_unix, connect, keep_alive,
        lookup_host,
    };
    pub use socket2::TcpKeepalive;
}
