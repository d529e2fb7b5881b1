//! What the simulation does to an applier: commands that fail by the dice, and faults that it is to find.

use super::{Applier, Kind};
use crate::command::Command;
use crate::gate::{Gates, View};
use crate::sys::simulated::Context;
use crate::sys::simulated::fault::{Fault, is_planted};

/// Leave to apply a batch that was asked for in another gate than the one it is applied in.
#[derive(Default)]
pub(super) struct Leave(Option<Kind>);

impl Leave {
    /// The batch it is for.
    pub fn pending(&self) -> Option<Kind> {
        self.0
    }
}

/// Whether a command of the stream, which is in no transaction, fails here and does nothing, though it succeeded on the
/// master.
pub(super) fn fails_here(command: &Command) -> bool {
    let stumbles = Context::current().is_some_and(|here| here.world.stumbles());
    if stumbles {
        tracing::warn!("a command of the stream fails here: {}", command.name);
    }
    stumbles
}

/// Forgets what has failed, if that fault is planted.
pub(super) fn passes_over(failed: &mut Option<String>) {
    if is_planted(Fault::PassedOver) {
        *failed = None;
    }
}

impl Applier {
    /// Asks for leave ahead of time; true if it was given.
    pub(super) fn takes_leave_early(&mut self, kind: Kind) -> bool {
        if !is_planted(Fault::StaleLeave) {
            return false;
        }
        let gates = self.driver.gates();
        let gate = gates.enter(gates.len() - 1);
        let to = self.driver.log().offset() + self.batch.len as u64;
        let given = self.driver.batch(&gate, self.generation, to);
        Gates::leave(gate);
        self.leave = Leave(given.then_some(kind));
        given
    }

    /// Whether the batch may be applied: as it is without the feature, but for the faults.
    pub(super) fn may_apply(&mut self, gate: &View, to: u64) -> bool {
        if self.leave.0.take().is_some() {
            return true;
        }
        let given = self.driver.batch(gate, self.generation, to);
        given || is_planted(Fault::UnaskedBatch)
    }
}
