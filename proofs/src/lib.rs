//! Proofs over the shipped core that hold for any number of hosts, ids, offsets and steps.
//!
//! [`prove::run`] executes the shipped `Node::step` symbolically for every shape of state and input,
//! [`master::run`] the master's side of the negotiation;
//! `README.md` says what is claimed, what is assumed, and what is not covered.

pub mod master;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod prove;
pub mod shapes;
pub mod small;
pub mod sym;
