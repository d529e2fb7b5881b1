//! What can go wrong with a snapshot, sorted by who is to blame.

use std::fmt;
use std::io;

use super::format::{Dialect, Kind};

pub use crate::store::listpack::Fault;

/// Where in a snapshot something happened: byte, and the key being read if there was one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Bytes of the snapshot before this place.
    pub offset: u64,
    /// The database selected.
    pub db: u32,
    /// The type of the key, once it was known.
    pub kind: Option<Kind>,
    /// The key, once it was read. Long ones are cut to [`Place::KEY_SHOWN`] bytes.
    pub key: Option<Vec<u8>>,
}

impl Place {
    /// So many bytes of a key are kept.
    pub const KEY_SHOWN: usize = 96;
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        if self.kind.is_none() && self.key.is_none() {
            return Ok(());
        }
        write!(f, " (db {}", self.db)?;
        if let Some(kind) = self.kind {
            write!(f, ", {kind}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key \"{}\"", key.escape_ascii())?;
            if key.len() == Place::KEY_SHOWN {
                f.write_str("...")?;
            }
        }
        f.write_str(")")
    }
}

/// Why a snapshot was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum RdbError {
    /// The way it came failed: a socket or a file.
    #[error("reading failed {place}: {source}")]
    Transport {
        /// Where.
        place: Box<Place>,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before its end: whoever sent or wrote it did not finish.
    #[error("it ends early {place}")]
    Truncated {
        /// Where the bytes ran out.
        place: Box<Place>,
    },
    /// It is not a snapshot, or not a whole one any more.
    #[error("it is corrupt {place}: {fault}")]
    Corrupt {
        /// Where it was noticed.
        place: Box<Place>,
        /// What is wrong.
        fault: Fault,
    },
    /// Its bytes were changed after they were written.
    #[error("RDB CRC error: its checksum is {written:016x}, where {computed:016x} is right")]
    Checksum {
        /// The checksum it ends with.
        written: u64,
        /// The checksum of the bytes before.
        computed: u64,
    },
    /// It is newer than what we read.
    #[error("Can't handle RDB format version {1} of {0:?}: versions 1 to {max} of Redis and {valkey} of Valkey are read",
        max = super::format::NEWEST_READ, valkey = super::format::VALKEY)]
    Version(Dialect, u32),
    /// It is sound and holds something that is not served yet.
    #[error("{what} is not served yet {place}")]
    NotServed {
        /// Where.
        place: Box<Place>,
        /// The type, module or library.
        what: String,
    },
    /// It is sound, and we would not take it: a limit of ours, or the load was cancelled.
    #[error("{reason} {place}")]
    Refused {
        /// Where reading stopped.
        place: Box<Place>,
        /// Why.
        reason: String,
    },
}

/// Who has to act on an [`RdbError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The connection or the disk: trying again may help.
    Transport,
    /// Whoever wrote the snapshot.
    Writer,
    /// Nobody: the two sides' versions do not fit.
    Versions,
    /// This server's limits or its user.
    Here,
}

impl RdbError {
    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            RdbError::Transport { .. } | RdbError::Truncated { .. } => Blame::Transport,
            RdbError::Corrupt { .. } | RdbError::Checksum { .. } => Blame::Writer,
            RdbError::Version(..) | RdbError::NotServed { .. } => Blame::Versions,
            RdbError::Refused { .. } => Blame::Here,
        }
    }

    /// Where it happened, where that is one place.
    pub fn place(&self) -> Option<&Place> {
        match self {
            RdbError::Transport { place, .. }
            | RdbError::Truncated { place }
            | RdbError::Corrupt { place, .. }
            | RdbError::NotServed { place, .. }
            | RdbError::Refused { place, .. } => Some(place),
            RdbError::Checksum { .. } | RdbError::Version(..) => None,
        }
    }
}
