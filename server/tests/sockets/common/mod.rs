//! What the tests over real sockets share: servers of both kinds, a client, faults, comparisons.
//!
//! Everything that waits has a deadline, and a server is ended by the handle that started it.

pub mod counters;
pub mod data;
pub mod dump;
pub mod following;
pub mod peer;
pub mod proxy;
pub mod readers;
pub mod repl;
pub mod resp;
pub mod server;
pub mod trace;
pub mod wait;

pub use dump::{Dump, assert_same_data};
pub use peer::Peer;
pub use proxy::{Fault, Proxy};
pub use readers::Readers;
pub use repl::{await_caught_up, await_replicas, cut_and_resume, granted};
pub use resp::{Client, Value};
pub use server::{Info, Kind, Server};
pub use wait::{eventually, eventually_within};
