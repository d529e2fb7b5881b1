//! Replication: the shell around `damselfly-core` on one side, the replicas of this server on the other.

pub mod domain;
