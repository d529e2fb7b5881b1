//! A few small numbers for ids: the exhaustion that checks the symbolic engine.
//!
//! Everything is tried: every combination of these numbers in every place of every shape. What is found
//! is weaker than the proof (it holds for this many ids), but it rests on nothing but enumeration.

use damselfly_core::Domain;

use crate::shapes::Fresh;
use crate::sym::any;

/// Small numbers: so many names, so many offsets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UpTo<const NAMES: u8, const OFFSETS: u8>;

/// For the step of a node: its shapes hold many ids, so there are few of each.
pub type Small = UpTo<2, 2>;

/// For the negotiation: names and offsets alone, enough of them for all to differ and to be apart.
pub type Wide = UpTo<3, 6>;

impl<const NAMES: u8, const OFFSETS: u8> Domain for UpTo<NAMES, OFFSETS> {
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

impl<const NAMES: u8, const OFFSETS: u8> Fresh for UpTo<NAMES, OFFSETS> {
    fn host() -> u8 {
        any(2)
    }

    fn run_id() -> u8 {
        any(2)
    }

    fn replid() -> u8 {
        any(NAMES)
    }

    fn offset() -> u8 {
        any(OFFSETS)
    }

    fn ticket() -> u8 {
        any(3)
    }

    fn generation() -> u8 {
        any(2)
    }
}
