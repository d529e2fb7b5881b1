//! What the server asks of the system beneath it: time, randomness, tasks and threads, files, sockets.
//!
//! In production each name here is the system's own, by another name. With the feature `simulation`, which only the
//! tests of that name switch on, the same names stand for a world that is made of one seed: its clock, its network, its
//! disks and its dice. The rest of the server does not know which one it is in.

pub mod delay;

#[cfg(not(feature = "simulation"))]
mod real;
#[cfg(not(feature = "simulation"))]
pub use real::{fs, hash, net, process, random, task, thread, time};

#[cfg(feature = "simulation")]
pub mod simulated;
#[cfg(feature = "simulation")]
pub use simulated::{fs, hash, net, process, random, task, thread, time};
