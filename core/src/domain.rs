//! The opaque things the protocol speaks of.

use core::fmt::Debug;
use core::hash::Hash;

/// The types a [`Node`](crate::Node) is run with.
///
/// The protocol compares hosts and ids for equality only; tickets, generations and offsets are
/// ordered and have a successor. Nothing else is known of them, and the type system says so: the
/// server runs the node with names and 64-bit numbers, the model with tiny integers that it renames,
/// the proofs with symbols. What holds for symbols holds for every number of hosts, ids and steps.
///
/// `Hash` and `Debug` are there for those who store or print a node; the protocol uses neither.
pub trait Domain: Copy + Eq + Hash + Debug {
    /// A master as the operator typed it (`host port`); two spellings of one machine are two hosts.
    type Host: Copy + Eq + Hash + Debug;
    /// The `run_id` of a process (40 hexadecimal digits on the wire).
    type RunId: Copy + Eq + Hash + Debug;
    /// A replication id: the name of a history of writes (40 hexadecimal digits on the wire).
    type ReplId: Copy + Eq + Hash + Debug;
    /// A position in a history: the number of bytes of stream before it.
    type Offset: Copy + Ord + Hash + Debug;
    /// The order in which commands arrived.
    type Ticket: Copy + Ord + Hash + Debug;
    /// One connection to a master; every completion carries the generation that asked for it.
    type Generation: Copy + Ord + Hash + Debug;

    /// The ticket after `ticket`; must be greater.
    fn next_ticket(ticket: Self::Ticket) -> Self::Ticket;
    /// The generation after `generation`; must be greater.
    fn next_generation(generation: Self::Generation) -> Self::Generation;
    /// `offset + 1`: the first byte that a node which holds `offset` bytes does not have.
    fn next_offset(offset: Self::Offset) -> Self::Offset;
}
