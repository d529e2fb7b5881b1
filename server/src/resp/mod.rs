//! The wire protocol: requests parsed from borrowed bytes, replies appended to a byte buffer.
//!
//! Nothing here knows of sockets. [`parse`] finds whole requests in the bytes at hand and can be
//! resumed when more arrive; [`reply`] writes RESP2 or RESP3, whichever the client speaks.

pub mod decimal;
pub mod parse;
pub mod plain;
pub mod reply;

pub use parse::{ArgList, ParseLimits, Parsed, Parser, ProtocolError};
pub use reply::Reply;
