//! The shell: sockets, threads, connections, and the commands that are about them.
//!
//! One thread per core runs one tokio runtime; a connection stays on the thread that accepted it, and its
//! commands run there, in place. [`runtime`] is the only file that builds runtimes; [`net`] accepts;
//! [`conn`] is one connection's life; [`execute`] runs what it sent, a batch at a time, under the thread's
//! gate; [`commands`] holds the commands that are not about data.

pub mod accounts;
pub mod address;
mod admit;
mod ahead;
mod attacks;
mod audience;
pub mod background;
pub mod blocking;
mod call;
pub mod client;
mod commands;
mod conn;
pub mod cron;
pub mod errands;
mod evict;
mod execute;
mod expire;
pub mod info;
pub mod latency;
mod listeners;
pub mod logging;
pub mod master;
pub mod migrations;
pub mod monitor;
mod multi;
pub mod net;
mod oom;
pub mod pause;
pub mod pubsub;
pub mod replication;
mod row;
#[cfg(not(feature = "simulation"))]
pub mod run;
pub mod runtime;
pub mod scripts;
pub mod server;
mod session;
pub mod shutdown;
pub mod slowlog;
pub mod start;
pub mod stats;
#[cfg(test)]
mod testing;
pub mod tracking;
mod waits;

pub use replication::Replication;
pub use server::Server;
