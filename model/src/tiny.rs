//! Ids as tiny integers, and how they are called in stories.

use damselfly_core::Domain;
use damselfly_core::rename::Names;

/// The domain the core is run with here.
///
/// Numbers are small because every state is renamed to a representative; they never wrap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tiny;

impl Domain for Tiny {
    type Host = u8;
    type RunId = u8;
    type ReplId = u8;
    type Offset = u8;
    type Ticket = u8;
    type Generation = u8;

    fn next_ticket(ticket: u8) -> u8 {
        ticket + 1
    }

    fn next_generation(generation: u8) -> u8 {
        generation + 1
    }

    fn next_offset(offset: u8) -> u8 {
        offset + 1
    }
}

/// Our own run id.
pub const ME: u8 = 0;
/// The run id of any other process.
pub const OTHER: u8 = 1;
/// The replid a node begins with.
pub const FIRST_REPLID: u8 = 0;
/// The offset a node begins with: not the least one, so that a snapshot can lie before it.
pub const FIRST_OFFSET: u8 = 4;

/// The name of a master: A, B, C.
pub fn host_name(host: u8) -> char {
    char::from(b'A' + host)
}

/// Every id keeps its name: a copy, also of what is not `Clone`.
pub struct Same;

impl Names<Tiny> for Same {
    fn host(&self, host: u8) -> u8 {
        host
    }
    fn replid(&self, replid: u8) -> u8 {
        replid
    }
    fn offset(&self, offset: u8) -> u8 {
        offset
    }
    fn ticket(&self, ticket: u8) -> u8 {
        ticket
    }
    fn generation(&self, generation: u8) -> u8 {
        generation
    }
}
