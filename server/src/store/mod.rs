//! The keyspace: datasets, databases, shards, entries, and the values in them.
//!
//! Plain data behind locks: no tokio, no sockets, and no clock but what callers pass in.

pub mod clock;
pub mod dataset;
pub mod digest;
pub mod entry;
pub mod evict;
pub mod expiry;
pub mod geohash;
pub mod glob;
pub mod hooks;
pub mod lazyfree;
pub mod libraries;
pub mod longdouble;
pub mod num;
pub mod object;
pub mod shard;
pub mod snapshot;
pub mod table;

pub mod deadlines;
mod dense;
pub mod elem;
mod encoded;
mod frozen;
pub mod hash;
pub mod held;
pub mod hll;
pub mod item;
pub mod limits;
pub mod list;
pub mod listpack;
mod pack;
pub mod random;
pub mod set;
mod small;
pub mod stream;
pub mod zset;

pub use dataset::{Dataset, Db};
pub use entry::Entry;
pub use hooks::{Change, KeyListener};
pub use limits::Limits;
pub use object::{Object, ValueRef};
pub use snapshot::Snapshot;
