//! Every part of a node, for those who enumerate, rename or print states: model and proofs.
//!
//! The server never forges a state; the house-rules test keeps this module out of it.

use crate::{Attempt, Data, Domain, Greeted, Heir, History, Link, Node, Place, Promise, Role};

/// The parts of a [`Node`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // The fields are those of `Node`, documented there.
pub struct Parts<D: Domain> {
    pub me: D::RunId,
    pub flush: bool,
    pub issued: D::Ticket,
    pub committed: D::Ticket,
    pub cancelled: D::Ticket,
    pub last: D::Generation,
    pub role: Role<D>,
    pub data: Data,
    pub history: History<D>,
}

impl<D: Domain> Node<D> {
    /// The node taken apart.
    pub fn parts(&self) -> Parts<D> {
        let Self {
            me,
            flush,
            issued,
            committed,
            cancelled,
            last,
            role,
            data,
            history,
        } = *self;
        Parts {
            me,
            flush,
            issued,
            committed,
            cancelled,
            last,
            role,
            data,
            history,
        }
    }

    /// A node put together, reachable or not.
    pub fn from_parts(parts: Parts<D>) -> Self {
        let Parts {
            me,
            flush,
            issued,
            committed,
            cancelled,
            last,
            role,
            data,
            history,
        } = parts;
        Self {
            me,
            flush,
            issued,
            committed,
            cancelled,
            last,
            role,
            data,
            history,
        }
    }

    /// What holds of every reachable node, whatever has happened to it.
    ///
    /// # Errors
    /// The clause that does not hold.
    pub fn invariant(&self) -> Result<(), &'static str> {
        let clause = |holds: bool, text| if holds { Ok(()) } else { Err(text) };
        clause(
            self.cancelled <= self.committed && self.committed <= self.issued,
            "cancelled <= committed <= issued",
        )?;
        let (link, ceding) = match self.role {
            Role::Master { handing } => {
                clause(
                    handing.is_none() || self.data == Data::Whole,
                    "what is handed over is a whole dataset",
                )?;
                return clause(
                    matches!(self.data, Data::Whole | Data::Restoring),
                    "a master has a whole dataset of its own history, or reads its file",
                );
            }
            Role::Replica { link, ceding, .. } => (link, ceding),
        };
        clause(
            ceding.is_none() || self.data == Data::Whole,
            "who was a master until now has a whole dataset",
        )?;
        clause(
            match ceding.map(|ceding| ceding.heir) {
                None => true,
                Some(Heir::Unasked) => {
                    matches!(link, Link::Waiting { .. } | Link::Dialing { .. })
                }
                Some(Heir::Asked) => matches!(link, Link::Asked { .. }),
                Some(Heir::Unsure | Heir::Unproved) => matches!(
                    link,
                    Link::Waiting { .. } | Link::Dialing { .. } | Link::Asked { .. }
                ),
            },
            "who hands over dials, asks, and dials again, until there is an answer that can be followed",
        )?;
        clause(
            ceding.is_none_or(|ceding| {
                ceding.heir != Heir::Unproved || ceding.promise == Promise::Kept
            }),
            "where the promise was given up, there is nothing to prove",
        )?;
        clause(
            (link == Link::Held) == (self.data == Data::Restoring),
            "a link is held while the file is read, and only then",
        )?;
        clause(
            link.generation().is_none_or(|g| g <= self.last),
            "a link's generation is at most the last",
        )?;
        match link {
            Link::Asked { resumes, .. } => clause(
                resumes == (self.data == Data::Whole),
                "a whole dataset that has not diverged, and only that, is resumed from",
            ),
            Link::Loading { place, .. } => clause(
                (place == Place::Instead) == (self.data == Data::Missing),
                "a snapshot is staged beside a whole dataset, or there is none",
            ),
            Link::Streaming { .. } => clause(
                self.data == Data::Whole,
                "what is streamed onto is a whole dataset that has not diverged",
            ),
            Link::Held | Link::Waiting { .. } | Link::Dialing { .. } | Link::Promised { .. } => {
                Ok(())
            }
        }
    }
}

impl<D: Domain> Attempt<D> {
    /// An attempt put together. The server gets its attempts from [`crate::Output::Connect`] alone.
    pub fn from_parts(ticket: D::Ticket, target: D::Host, me: D::RunId) -> Self {
        Self::new(ticket, target, me)
    }
}

impl<D: Domain> Greeted<D> {
    /// A greeted attempt put together. The server gets its own from [`Attempt::greeted`] alone.
    pub fn from_parts(ticket: D::Ticket, target: D::Host) -> Self {
        Self { ticket, target }
    }
}
