//! A few small numbers for ids: the exhaustion that checks the symbolic engine.
//!
//! Everything is tried: every combination of these numbers in every place of every shape. What is found
//! is weaker than the proof (it holds for this many ids), but it rests on nothing but enumeration.

use damselfly_core::Domain;

use crate::shapes::Fresh;
use crate::sym::any;

/// Small numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Small;

impl Domain for Small {
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

impl Fresh for Small {
    fn host() -> u8 {
        any(2)
    }

    fn run_id() -> u8 {
        any(2)
    }

    fn replid() -> u8 {
        any(2)
    }

    fn offset() -> u8 {
        any(2)
    }

    fn ticket() -> u8 {
        any(3)
    }

    fn generation() -> u8 {
        any(2)
    }
}
