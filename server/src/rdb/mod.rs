//! The snapshot format of Redis (RDB): reading versions 1 to 13 and Valkey's 80, writing version 10 (12, or
//! for a Valkey 80, where fields of hashes have times).
//!
//! Pure code over [`std::io::Read`] and byte vectors: it knows neither sockets nor the runtime. What is
//! read is hostile until proven otherwise: every announced length is checked, memory grows only with bytes
//! that have arrived, compact encodings are validated entry by entry while they are decoded.

pub mod crc64;
pub mod dump;
pub mod error;
pub mod format;
pub mod functions;
mod hash;
pub mod intset;
pub mod load;
pub mod lzf;
pub mod read;
mod source;
mod stream;
mod value;
pub mod write;
pub mod ziplist;
pub mod zipmap;

#[cfg(test)]
mod tests;

use crate::store::{item, listpack};
pub use error::{Fault, Place, RdbError};
