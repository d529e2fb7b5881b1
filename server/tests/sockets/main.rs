//! The tests over real sockets, one program of them all: what they share is compiled once.
//!
//! `cargo test -p damselfly-server --test sockets storm::` runs those of one file.

mod acl;
mod algorithms;
mod bad_input;
mod chain;
mod chaos;
mod client_eviction;
mod clients;
mod commands;
mod common;
mod distribution;
mod diverged;
mod failover;
mod failover_rounds;
mod field_times;
mod full_sync;
mod generated;
mod harness;
mod heirs;
mod links;
mod master;
mod maxmemory;
mod newer_peers;
mod parameters;
mod persistence;
mod pipelining;
mod rdb_stock;
mod replica;
mod replicaof;
mod replicaof_order;
mod restart;
mod scripting;
mod sentinel;
mod server_commands;
mod serving;
mod shutdown;
mod startup;
mod storm;
mod stream;
mod swap;
mod takeover;
mod turns;
mod unixsocket;
mod wait;
mod watching;
