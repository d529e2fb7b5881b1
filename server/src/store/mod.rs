//! The keyspace: datasets, databases, shards, entries, and the values in them.
//!
//! Plain data behind locks: no tokio, no sockets, and no clock but what callers pass in.

pub mod num;

mod dense;
pub mod elem;
pub mod hash;
pub mod limits;
pub mod list;
pub mod pack;
pub mod set;
mod small;
pub mod zset;

pub use limits::Limits;
