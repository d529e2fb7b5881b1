//! Model checking of Damselfly's replica protocol: the shipped core in every world it can be put into.
//!
//! The world ([`world`]) is made of clients, masters and connections, all of which may do at any moment
//! whatever they can ([`action`]); what passes between it and the node, and what the data really is,
//! is in [`step`]. States that differ in names only have one representative ([`canon`]), so that
//! clients may issue commands, and networks fail, without limit, and the search still ends.
//!
//! [`several`] is another world: two and three full nodes, and the wires between them, for what one node
//! cannot show.
//!
//! [`model`] gives it to stateright; [`search`] runs searches and says what they found, [`live`] is
//! about what must happen in the end, [`linear`] has the histories that clients see judged by
//! stateright's own tester. [`faults`] are what is known to be wrong with the algorithms ours is
//! compared with, and a [`story`] is how a counterexample is told.

pub mod action;
pub mod algorithm;
pub mod canon;
mod code;
mod deed;
pub mod faults;
mod handover;
pub mod linear;
pub mod live;
pub mod model;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod pr5774;
pub mod replay;
pub mod search;
pub mod several;
pub mod step;
pub mod story;
pub mod svg;
pub mod tiny;
pub mod world;
