//! Faults that can be planted in the server, to see that the simulation finds them.

use super::Context;

/// A fault of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A link applies what it has whether the core lets it or not.
    UnaskedBatch,
    /// The core is asked for leave to apply in one gate, and what it allowed is applied in the next one: a promotion
    /// does not wait for it.
    StaleLeave,
    /// A replica asks to resume one byte before the first one it has not got.
    ResumeOffByOne,
    /// A command of the stream that fails at the replica is passed over.
    PassedOver,
}

/// The fault that is planted, if one is.
pub type Faults = Option<Fault>;

/// Whether `fault` is planted in the world of the code that asks.
pub fn is_planted(fault: Fault) -> bool {
    Context::current().is_some_and(|here| here.world.faults() == Some(fault))
}
