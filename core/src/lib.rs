//! The replica protocol of Damselfly: what a `REPLICAOF` does to a node, and what it must never do.
//!
//! This crate is the decision and nothing else. It holds no socket, no clock, no random source and
//! no data: a shell tells it facts ([`Input`]), it answers with deeds ([`Output`]), and everything
//! in between is one total function, [`Node::step`]. The same `Node` is run by the server over real
//! sockets, by the model checker over every interleaving of a small world, and by the proofs over
//! symbols, so what is checked is what runs.
//!
//! # The protocol in five sentences
//!
//! A `REPLICAOF host port` is an [`Attempt`]: it takes a ticket, connects and greets, and cannot
//! reach the node while it does. A greeted attempt enters the node as [`Input::Commit`], one step
//! that stops the old link, takes the greeted connection over and asks for a partial sync with the
//! position the node holds. A refused partial sync loads the snapshot beside the data that is being
//! served and swaps it in when it is whole. A later ticket that has committed fences earlier ones;
//! `REPLICAOF NO ONE` cancels them. `LOADING` is derived from what the live link is doing, so it
//! cannot outlive its owner.
//!
//! # Reading order
//!
//! [`io`] (the vocabulary), [`attempt`] (phase one), [`node`] (the state), `step` (the transitions),
//! [`handover`] (`FAILOVER`), [`history`] (replication ids, and the master's side of the negotiation),
//! [`properties`] (what must hold, as executable text). [`v1`] is the algorithm this one replaces, kept
//! for comparison.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(not(feature = "mutants"))]
pub mod attempt;
pub mod domain;
#[cfg(not(feature = "mutants"))]
pub mod handover;
#[cfg(not(feature = "mutants"))]
pub mod history;
pub mod io;
#[cfg(not(feature = "mutants"))]
pub mod node;
pub mod properties;
pub mod rename;
pub mod shape;
#[cfg(not(feature = "mutants"))]
pub mod status;
#[cfg(not(feature = "mutants"))]
mod step;
pub mod trace;
pub mod v1;

// What is checked is what ships; that the checks would notice if it were wrong is checked with copies of these
// modules that have faults in them.
#[cfg(feature = "mutants")]
#[path = "../mutants/mutant.rs"]
pub mod mutant;
#[cfg(feature = "mutants")]
include!(concat!(env!("OUT_DIR"), "/modules.rs"));

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!(
    "the feature `mutants` is for checks of the checks, never for a build that is to be used"
);

pub use attempt::{Attempt, Greeted};
pub use domain::Domain;
pub use handover::{Aim, Ceding, Failover, Heir, Promise};
pub use history::{History, Position, Resume, Second};
pub use io::{Answer, Input, Output, Outputs, Refusal, Reply};
pub use node::{Boot, Data, Link, Node, Place, Role};
pub use status::{LinkStatus, Status};

/// An algorithm that decides what a node does: ours ([`Node`]) or one it is compared with.
///
/// The shell and the model drive every algorithm through this one door.
pub trait Protocol<D: Domain> {
    /// Takes one fact and appends the deeds that follow from it to `out`.
    fn step(&mut self, input: Input<D>, out: &mut Outputs<D>);

    /// An attempt ended in an error before it was greeted. Ours has nothing to undo; the algorithms
    /// that changed state before they connected have.
    fn attempt_failed(&mut self, ticket: D::Ticket, out: &mut Outputs<D>);

    /// What `INFO` and `ROLE` may say now, and what commands are to be refused.
    fn status(&self) -> Status<D>;
}
