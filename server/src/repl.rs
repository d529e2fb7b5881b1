//! Replication: the shell around `damselfly-core` on one side, the replicas of this server on the other.
//!
//! Following a master, in the order of a `REPLICAOF`: [`driver`] (the one caller of the core's `step`),
//! [`attempt`] (phase one), [`greet`] (the handshake), `link` (PSYNC, snapshot, stream).

pub mod domain;
pub mod greet;
pub mod peer;
