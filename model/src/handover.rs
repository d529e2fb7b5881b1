//! Hand-over in the world: `FAILOVER` at this node, and requests to it to take over.
//!
//! Its replica is the one the world has ([`World::sub`]), whichever master's name it is given: it has
//! everything, or not yet, whenever that is possible.

use damselfly_core::{Failover, Input};

use crate::action::{Action, Asking, Event, Refused};
use crate::algorithm::Algorithm;
use crate::step::Witness;
use crate::world::{Setting, Stage, World};

impl<A: Algorithm> World<A> {
    /// What a hand-over that is under way may come to, and requests to take over.
    pub(crate) fn hand_over(&self, setting: &Setting, all: &mut Vec<Action>) {
        let status = self.node.status();
        if status.failover != Failover::No {
            all.push(Action::Expired);
        }
        if status.failover == Failover::WaitingForSync && self.sub.is_some() {
            all.extend((0..setting.masters).map(|host| Action::CaughtUp { host }));
        }
        if status.failover == Failover::InProgress
            && let Some(generation) = status.live
            && (self.wires.iter())
                .any(|w| w.generation == generation && matches!(w.stage, Stage::Asked(_)))
        {
            all.extend(Refused::ALL.map(|refused| Action::Link {
                generation,
                event: Event::Rejected(refused),
            }));
        }
        if self.ghost.started() {
            all.extend(Asking::ALL.map(Action::TakeOver));
        }
    }

    /// Lets one of the actions of a hand-over happen.
    pub(crate) fn hands_over(&mut self, action: Action, witness: &mut impl Witness) {
        let (ticket, at) = (self.ghost.issued(), self.data.at.offset);
        match action {
            Action::FailOver { client, aim } => {
                self.tell(Input::FailOver { aim }, Some(client), witness);
            }
            Action::Abort { client } => self.tell(Input::Abort, Some(client), witness),
            Action::CaughtUp { host: target } => {
                self.tell(Input::CaughtUp { ticket, target, at }, None, witness);
            }
            Action::Expired => self.tell(Input::Expired { ticket, at }, None, witness),
            Action::TakeOver(asking) => {
                let other = asking == Asking::Other;
                let replid = match other {
                    true => self.fresh(),
                    false => self.data.at.replid,
                };
                let from = match asking {
                    Asking::Same | Asking::Other => Some(at + 1),
                    Asking::More => Some(at + 2),
                    Asking::Forced => None,
                };
                // Two new names: the stranger's, and the one to go on under.
                let fresh = self.fresh() + u8::from(other);
                let input = Input::TakeOver {
                    replid,
                    from,
                    fresh,
                    at,
                };
                self.promotes(input, fresh, None, witness);
            }
            _ => {}
        }
    }
}
