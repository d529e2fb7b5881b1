//! The part of the account that is about those who follow this node.

use super::{Broken, Ghost, Passing, Property, Wire};
use crate::{Domain, Output, Reply, Status};

/// Whether our replicas know under which name they count what we send: who goes on under another one sends them away,
/// to come back and hear it, and nobody else does. A name that a history gets as a whole (from a file, with its first
/// replica, by a swap) is another matter.
pub(super) fn told<D: Domain>(before: Status<D>, deeds: &[Output<D>], after: Status<D>) -> bool {
    let renamed = before.history.at.replid != after.history.at.replid;
    let anew = |deed: &Output<D>| matches!(deed, Output::Swap(..) | Output::Empty(_));
    let goes_on = before.master.is_some() && !before.loading && !deeds.iter().any(anew);
    deeds.contains(&Output::DropReplicas) == (renamed && goes_on)
}

impl<D: Domain> Ghost<D> {
    /// Who is let in to sync gets a whole dataset, which is of a history, and of one that stays what it is.
    pub(super) fn look_at_door(&self, status: Status<D>, broken: &mut Broken) {
        let up = self.register.is_none() || self.wire == Wire::Stream;
        let cedes = self.fails_over() && matches!(self.passing, Passing::Ceding(_));
        match status.lets_in() {
            Ok(()) => {
                broken.unless(self.whole, Property::AtomicSwap);
                broken.unless(!self.diverged, Property::NoFalseContinue);
                broken.unless(up, Property::Prefix);
            }
            // Whether LOADING is true is judged with what reads are answered.
            Err(Reply::Loading) => {}
            // Who waits for its heir must hear it.
            Err(Reply::CannotSync) => broken.unless(cedes, Property::NoSpuriousRefusal),
            Err(Reply::NoMasterLink) => broken.unless(!up && !cedes, Property::NoSpuriousRefusal),
            Err(_) => broken.add(Property::NoSpuriousRefusal),
        }
    }
}
