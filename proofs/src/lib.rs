//! Proofs over the shipped core that hold for any number of hosts, ids, offsets and steps.
//!
//! [`prove::run`] executes the shipped `Node::step` symbolically for every shape of state and input;
//! `README.md` says what is claimed, what is assumed, and what is not covered.

pub mod prove;
pub mod shapes;
pub mod small;
pub mod sym;
