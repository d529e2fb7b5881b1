//! Replication: the shell around `damselfly-core` on one side, the replicas of this server on the other.
//!
//! Following a master, in the order of a `REPLICAOF`: [`driver`] (the one caller of the core's `step`),
//! [`attempt`] (phase one), [`greet`] (the handshake), `link` (PSYNC, snapshot, stream). Handing the role over:
//! `failover`.
//!
//! Being followed: [`serve`] (PSYNC, the replicas and what each of them is sent), [`snapshot`] (taken
//! without fork while writes go on, for replicas and files).

pub mod apply;
pub mod attempt;
pub mod domain;
pub mod door;
pub mod driver;
pub mod facts;
mod failover;
pub mod greet;
pub mod link;
pub mod load;
pub mod peer;
pub mod serve;
pub mod snapshot;
pub mod tasks;
