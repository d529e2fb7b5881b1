//! The part of the account that is about hand-over.

use super::{Broken, Ghost, Passing, Property, Wire};
use crate::{
    Aim, Answer, Ceding, Domain, Failover, Heir, Position, Promise, Refusal, Reply, Status,
};

impl<D: Domain> Ghost<D> {
    /// Whether a hand-over is under way.
    pub fn fails_over(&self) -> bool {
        match self.passing {
            Passing::No => false,
            // It is master: whether we follow it is another matter.
            Passing::Ceding(ceding) => ceding.heir != Heir::Unproved,
            Passing::Waiting(_) => true,
        }
    }

    /// Whom a master hands over to, if it waits for one by name.
    pub fn heir(&self) -> Option<D::Host> {
        match self.passing {
            Passing::Waiting(Aim::One(host) | Aim::Force(host)) => Some(host),
            Passing::No | Passing::Waiting(Aim::Any) | Passing::Ceding(_) => None,
        }
    }

    /// A replica has confirmed everything: if it is the one that was waited for, it is to take over. Whether it is.
    pub(super) fn caught_up(&mut self, ticket: D::Ticket, target: D::Host, at: D::Offset) -> bool {
        let waited_for = |passing| match passing {
            Passing::Waiting(Aim::Any) => true,
            Passing::Waiting(Aim::One(host) | Aim::Force(host)) => host == target,
            Passing::No | Passing::Ceding(_) => false,
        };
        let heir = ticket == self.issued && waited_for(self.passing);
        if heir {
            self.cede(target, Promise::Kept, at);
        }
        heir
    }

    /// The time is over: as it was before, or without all writes, by how it was asked for. Whether there is an heir now.
    pub(super) fn expired(&mut self, ticket: D::Ticket, at: D::Offset) -> bool {
        if ticket != self.issued {
            return false;
        }
        match self.passing {
            Passing::Waiting(Aim::Force(target)) => {
                self.cede(target, Promise::GivenUp, at);
                return true;
            }
            Passing::Waiting(_) => self.put_back(),
            Passing::Ceding(ceding) if ceding.heir == Heir::Unasked => self.put_back(),
            Passing::No | Passing::Ceding(_) => {}
        }
        false
    }

    fn cede(&mut self, target: D::Host, promise: Promise, at: D::Offset) {
        self.register = Some(target);
        self.committed = self.issued;
        self.cancelled = self.issued;
        self.history.at.offset = at;
        self.passing = Passing::Ceding(Ceding {
            heir: Heir::Unasked,
            promise,
        });
    }

    fn put_back(&mut self) {
        self.register = None;
        self.passing = Passing::No;
    }

    /// The peer refused to take over.
    pub(super) fn rejected(&mut self, said: Refusal<D>) {
        match (self.wire, self.asked_heir(), said) {
            (Wire::Asked { .. }, Some(Heir::Asked), _) => self.put_back(),
            // It was asked before, and is master: through us, or since it came back with whatever it had.
            (Wire::Asked { .. }, Some(Heir::Unsure), Refusal::Master { second }) => {
                let Position { replid, offset } = self.history.at;
                let went_on = second.is_some_and(|second| {
                    second.replid == replid && second.until >= D::next_offset(offset)
                });
                self.passing = match went_on {
                    true => Passing::No,
                    false => self.unproved(),
                };
                self.wire = Wire::Quiet;
            }
            _ => self.lost(),
        }
    }

    /// Whoever was to take over answers as a master, and does not go on with what we have.
    pub(super) fn unproved(&self) -> Passing<D> {
        match self.passing {
            Passing::Ceding(ceding) if ceding.promise == Promise::Kept => {
                let heir = Heir::Unproved;
                Passing::Ceding(Ceding { heir, ..ceding })
            }
            // Nothing was promised.
            _ => Passing::No,
        }
    }

    /// The master answered `PSYNC`, and whoever was to take over with it.
    pub(super) fn hears(&mut self, answer: Answer<D>) {
        let Wire::Asked { resumes } = self.wire else {
            // Nothing was asked: no answer changes anything.
            return;
        };
        // Whatever it answers, it answers as a master.
        self.passing = match answer {
            Answer::Continue { .. } => Passing::No,
            Answer::FullResync(_) => self.unproved(),
        };
        self.wire = match answer {
            Answer::Continue { .. } if !resumes => Wire::Nonsense,
            Answer::Continue { replid } => {
                if let Some(replid) = replid.filter(|id| *id != self.history.at.replid) {
                    self.history.shift(replid);
                }
                Wire::Stream
            }
            Answer::FullResync(_) if self.passing != Passing::No => Wire::Unproved,
            Answer::FullResync(at) => Wire::Promised(at),
        };
    }

    /// The live connection is lost, and an answer that may have been on it.
    pub(super) fn lost(&mut self) {
        self.heir_is(Heir::Unsure, Heir::Asked);
        self.unlink();
    }

    /// Who is to take over, and only he, is asked to; and is let off what he lacks only if that was asked for.
    pub(super) fn asking(&mut self, failover: Option<Promise>, broken: &mut Broken) {
        let promise = match self.passing {
            Passing::Ceding(ceding) if self.fails_over() => Some(ceding.promise),
            Passing::No | Passing::Waiting(_) | Passing::Ceding(_) => None,
        };
        broken.unless(
            failover.is_some() == promise.is_some(),
            Property::NoSplitWrite,
        );
        if let (Some(said), Some(promise)) = (failover, promise) {
            broken.unless(said == promise, Property::TakeoverKeepsWrites);
        }
        self.heir_is(Heir::Asked, Heir::Unasked);
    }

    fn asked_heir(&self) -> Option<Heir> {
        match self.passing {
            Passing::Ceding(ceding) => Some(ceding.heir),
            Passing::No | Passing::Waiting(_) => None,
        }
    }

    fn heir_is(&mut self, next: Heir, from: Heir) {
        if let Passing::Ceding(ceding) = &mut self.passing
            && ceding.heir == from
        {
            ceding.heir = next;
        }
    }

    pub(super) fn failing_over(&mut self, aim: Aim<D>, reply: Reply, broken: &mut Broken) {
        let cause = match reply {
            Reply::Ok => {
                let may = self.register.is_none() && self.whole && !self.fails_over();
                broken.unless(may, Property::TakeoverKeepsWrites);
                self.issued = D::next_ticket(self.issued);
                self.passing = Passing::Waiting(aim);
                return;
            }
            Reply::Loading => self.restoring,
            Reply::AlreadyFailingOver => self.fails_over(),
            Reply::NotMaster => self.register.is_some(),
            // The old algorithm has none.
            Reply::NoHandOver => true,
            _ => return broken.add(Property::EveryCommandAnswered),
        };
        broken.unless(cause, Property::NoSpuriousRefusal);
    }

    pub(super) fn aborted(&mut self, reply: Reply, broken: &mut Broken) {
        let asked = matches!(self.asked_heir(), Some(Heir::Asked | Heir::Unsure));
        match reply {
            Reply::Ok => {
                broken.unless(self.fails_over(), Property::EveryCommandAnswered);
                // Who was asked may be master by now.
                broken.unless(!asked, Property::NoSplitWrite);
                self.put_back();
            }
            Reply::NoFailover => broken.unless(!self.fails_over(), Property::NoSpuriousRefusal),
            Reply::PromotionAsked => broken.unless(asked, Property::NoSpuriousRefusal),
            _ => broken.add(Property::EveryCommandAnswered),
        }
    }

    pub(super) fn taking_over(
        &mut self,
        replid: D::ReplId,
        from: Option<D::Offset>,
        fresh: D::ReplId,
        at: D::Offset,
        reply: Reply,
        broken: &mut Broken,
    ) {
        // Whoever asks has acknowledged what we do not have.
        let behind = from.is_some_and(|from| from > D::next_offset(self.history.at.offset));
        let cause = match reply {
            Reply::Ok => {
                broken.unless(self.register.is_some(), Property::LinearizableRole);
                broken.unless(self.whole, Property::NoPartialPromotion);
                broken.unless(
                    replid == self.history.at.replid && !self.diverged && !behind,
                    Property::TakeoverKeepsWrites,
                );
                broken.unless(!self.fails_over(), Property::NoSplitWrite);
                return self.promoted(fresh, at, broken);
            }
            Reply::Loading => self.restoring,
            Reply::CannotSync => self.fails_over(),
            Reply::NotReplica => self.register.is_none(),
            Reply::NoDataset => !self.whole,
            Reply::OtherHistory => replid != self.history.at.replid || self.diverged,
            Reply::Behind => behind,
            Reply::NoHandOver => true,
            _ => return broken.add(Property::EveryCommandAnswered),
        };
        broken.unless(cause, Property::NoSpuriousRefusal);
    }

    /// It is master by a command that commits at once, and cancels what came before it.
    pub(super) fn promoted(&mut self, fresh: D::ReplId, at: D::Offset, broken: &mut Broken) {
        if self.register.take().is_some() {
            broken.unless(self.whole, Property::NoPartialPromotion);
            self.history.at.offset = at;
            // Unless it began from an empty dataset, with a history of its own.
            if self.history.at.replid != fresh {
                self.history.shift(fresh);
            }
            // What nobody else holds is resumed from by nobody.
            if core::mem::take(&mut self.diverged) {
                self.history.second = None;
            }
        }
        self.issued = D::next_ticket(self.issued);
        self.committed = self.issued;
        self.cancelled = self.issued;
        self.passing = Passing::No;
    }

    /// Writes wait as long as a hand-over does; and who may have an heir takes none.
    pub(super) fn look_at_hand_over(&self, status: Status<D>, broken: &mut Broken) {
        let said = match self.passing {
            Passing::Waiting(_) => Failover::WaitingForSync,
            Passing::Ceding(_) if self.fails_over() => Failover::InProgress,
            Passing::No | Passing::Ceding(_) => Failover::No,
        };
        broken.unless(status.failover == said, Property::TakeoverKeepsWrites);
        // Whose full syncs are refused is said, and only he.
        let unproved = !self.fails_over() && self.passing != Passing::No;
        broken.unless(status.unproved == unproved, Property::TakeoverKeepsWrites);
        if status.takes_writes() {
            let waiting = matches!(self.passing, Passing::Waiting(_));
            broken.unless(!waiting, Property::TakeoverKeepsWrites);
            // A replica, and who may have an heir that is master.
            broken.unless(self.register.is_none(), Property::NoSplitWrite);
        }
    }
}
