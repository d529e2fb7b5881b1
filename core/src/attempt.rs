//! Phase one of a `REPLICAOF`: connect and greet, with nothing of the node in reach.

use crate::Domain;

/// A `REPLICAOF host port` that is connecting.
///
/// It is a value of its own and holds no reference to the node, so whatever happens to it before it
/// is greeted changes nothing there, for any number of attempts at once: `failed_attempt_is_noop`
/// before the commit is a matter of types. It is not `Clone`: an attempt ends once, by
/// [`greeted`](Self::greeted) or by being dropped with an error reply ([`failed`](Self::failed)).
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Attempt<D: Domain> {
    ticket: D::Ticket,
    target: D::Host,
    me: D::RunId,
}

/// An attempt whose peer has been greeted: the only thing that can become a commit.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Greeted<D: Domain> {
    pub(crate) ticket: D::Ticket,
    pub(crate) target: D::Host,
}

/// Why a greeted peer is no master for this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// The peer's run id is our own: `-ERR can't replicate from myself`.
    Myself,
}

impl<D: Domain> Attempt<D> {
    pub(crate) fn new(ticket: D::Ticket, target: D::Host, me: D::RunId) -> Self {
        Self { ticket, target, me }
    }

    /// The order of the command among all commands of this node.
    pub fn ticket(&self) -> D::Ticket {
        self.ticket
    }

    /// Where it connects to.
    pub fn target(&self) -> D::Host {
        self.target
    }

    /// The run id of the node that asked, to know itself by.
    pub(crate) fn me(&self) -> D::RunId {
        self.me
    }

    /// The peer answered the greeting; `peer` is its run id where it could be learned.
    ///
    /// # Errors
    /// [`Unfit::Myself`] when the peer is this very process. A run id that cannot be learned means
    /// proceed (REPLICAOF.md, "Self").
    pub fn greeted(self, peer: Option<D::RunId>) -> Result<Greeted<D>, Unfit> {
        if peer == Some(self.me) {
            return Err(Unfit::Myself);
        }
        Ok(Greeted {
            ticket: self.ticket,
            target: self.target,
        })
    }

    /// The attempt ends in an error. There is nothing to undo.
    pub fn failed(self) {}
}

impl<D: Domain> Greeted<D> {
    /// The ticket of the command.
    pub fn ticket(&self) -> D::Ticket {
        self.ticket
    }

    /// The master that was greeted.
    pub fn target(&self) -> D::Host {
        self.target
    }
}
