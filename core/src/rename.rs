//! Other names for the ids of a state, for those who search a state space.
//!
//! The protocol knows of hosts and ids whether they are equal, and of tickets, generations and
//! offsets in which order they are ([`Domain`]). So a state whose ids were renamed, keeping just
//! that, has the same future; a search that renames every state to a representative needs to look at
//! one of them only. The server never does this.

use crate::{Aim, Attempt, Domain, History, Link, Node, Position, Resume, Role, Second};

/// One renaming. What a method is given an id of, it must name the same every time.
pub trait Names<D: Domain> {
    /// A host.
    fn host(&self, host: D::Host) -> D::Host;
    /// A replication id.
    fn replid(&self, replid: D::ReplId) -> D::ReplId;
    /// An offset.
    fn offset(&self, offset: D::Offset) -> D::Offset;
    /// The ticket of an attempt.
    fn ticket(&self, ticket: D::Ticket) -> D::Ticket;
    /// The generation of a connection.
    fn generation(&self, generation: D::Generation) -> D::Generation;

    /// The last ticket given. Only the next one is ever made of it, so its own name may differ.
    fn issued(&self, ticket: D::Ticket) -> D::Ticket {
        self.ticket(ticket)
    }

    /// The last ticket that committed. It is only compared with tickets of attempts.
    fn committed(&self, ticket: D::Ticket) -> D::Ticket {
        self.ticket(ticket)
    }

    /// The ticket of the last `NO ONE`. It is only compared with tickets of attempts.
    fn cancelled(&self, ticket: D::Ticket) -> D::Ticket {
        self.ticket(ticket)
    }

    /// The last generation given. Only the next one is ever made of it.
    fn last(&self, generation: D::Generation) -> D::Generation {
        self.generation(generation)
    }
}

/// Something with ids in it.
pub trait Rename<D: Domain> {
    /// The same with other names.
    fn rename(&self, names: &impl Names<D>) -> Self;
}

impl<D: Domain> Rename<D> for Position<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            replid: names.replid(self.replid),
            offset: names.offset(self.offset),
        }
    }
}

impl<D: Domain> Rename<D> for Resume<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            replid: names.replid(self.replid),
            from: names.offset(self.from),
        }
    }
}

impl<D: Domain> Rename<D> for Second<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            replid: names.replid(self.replid),
            until: names.offset(self.until),
        }
    }
}

impl<D: Domain> Rename<D> for History<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            at: self.at.rename(names),
            second: self.second.map(|second| second.rename(names)),
        }
    }
}

impl<D: Domain> Rename<D> for Attempt<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self::new(
            names.ticket(self.ticket()),
            names.host(self.target()),
            self.me(),
        )
    }
}

impl<D: Domain> Rename<D> for Aim<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        match *self {
            Self::Any => Self::Any,
            Self::One(host) => Self::One(names.host(host)),
            Self::Force(host) => Self::Force(names.host(host)),
        }
    }
}

impl<D: Domain> Rename<D> for Link<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        let name = |generation| names.generation(generation);
        match *self {
            Self::Held => Self::Held,
            Self::Waiting { generation } => Self::Waiting {
                generation: name(generation),
            },
            Self::Dialing { generation } => Self::Dialing {
                generation: name(generation),
            },
            Self::Asked {
                generation,
                resumes,
            } => Self::Asked {
                generation: name(generation),
                resumes,
            },
            Self::Promised {
                generation,
                snapshot,
            } => Self::Promised {
                generation: name(generation),
                snapshot: snapshot.rename(names),
            },
            Self::Loading {
                generation,
                snapshot,
                place,
            } => Self::Loading {
                generation: name(generation),
                snapshot: snapshot.rename(names),
                place,
            },
            Self::Streaming { generation } => Self::Streaming {
                generation: name(generation),
            },
        }
    }
}

impl<D: Domain> Rename<D> for Node<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            issued: names.issued(self.issued),
            committed: names.committed(self.committed),
            cancelled: names.cancelled(self.cancelled),
            last: names.last(self.last),
            role: match self.role {
                Role::Master { handing } => Role::Master {
                    handing: handing.map(|aim| aim.rename(names)),
                },
                Role::Replica {
                    target,
                    link,
                    ceding,
                } => Role::Replica {
                    target: names.host(target),
                    link: link.rename(names),
                    ceding,
                },
            },
            history: self.history.rename(names),
            ..*self
        }
    }
}
