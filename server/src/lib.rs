//! A Redis-compatible server whose replication protocol is checked.

pub mod acl;
pub mod command;
pub mod config;
pub mod gate;
pub mod log;
pub mod memory;
pub mod persist;
pub mod rdb;
pub mod repl;
pub mod resp;
pub mod script;
pub mod shell;
pub mod store;
pub mod sync;
pub mod sys;

/// The version of Redis whose commands, scripting and snapshots these are; clients, Sentinel and tools look at it.
pub const REDIS_VERSION: &str = "7.0.15";
