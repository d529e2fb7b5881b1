//! The account that a state implies: nothing of the past is needed beside it.

use super::{Ghost, Passing, Wire};
use crate::{Data, Domain, Link, Node, Place, Role};

impl<D: Domain> Ghost<D> {
    /// The account that a node of ours implies: its whole past, as far as the properties ask for it,
    /// is in its state. The proofs show that every step keeps this so.
    pub fn about(node: &Node<D>) -> Self {
        let (register, link, passing) = match node.role {
            Role::Master { handing } => (None, None, handing.map(Passing::Waiting)),
            Role::Replica {
                target,
                link,
                ceding,
            } => (Some(target), Some(link), ceding.map(Passing::Ceding)),
        };
        let live = link.and_then(|link| link.live());
        let wire = match link {
            None | Some(Link::Held | Link::Waiting { .. } | Link::Dialing { .. }) => Wire::Quiet,
            Some(Link::Asked { resumes, .. }) => Wire::Asked { resumes },
            Some(Link::Promised { snapshot, .. }) => Wire::Promised(snapshot),
            Some(Link::Loading {
                snapshot, place, ..
            }) => Wire::Began {
                at: snapshot,
                may_drop: place == Place::Instead,
            },
            Some(Link::Streaming { .. }) => Wire::Stream,
        };
        Self {
            me: node.me,
            register,
            ahead: None,
            issued: node.issued,
            committed: node.committed,
            cancelled: node.cancelled,
            last: node.last,
            live,
            wire,
            loader: match wire {
                Wire::Began { may_drop: true, .. } => live,
                _ => None,
            },
            restoring: node.data == Data::Restoring,
            whole: matches!(node.data, Data::Whole | Data::Diverged),
            diverged: node.data == Data::Diverged,
            history: node.history,
            flush: node.flush,
            passing: passing.unwrap_or(Passing::No),
        }
    }
}
