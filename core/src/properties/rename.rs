//! The account under other names.

use super::{Ghost, Passing, Wire};
use crate::{
    Domain,
    rename::{Names, Rename},
};

impl<D: Domain> Rename<D> for Ghost<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        Self {
            register: self.register.map(|host| names.host(host)),
            ahead: self.ahead.map(|ticket| names.ticket(ticket)),
            issued: names.issued(self.issued),
            committed: names.committed(self.committed),
            cancelled: names.cancelled(self.cancelled),
            last: names.last(self.last),
            live: self.live.map(|generation| names.generation(generation)),
            wire: match self.wire {
                Wire::Promised(at) => Wire::Promised(at.rename(names)),
                Wire::Began { at, may_drop } => Wire::Began {
                    at: at.rename(names),
                    may_drop,
                },
                Wire::Complete(at) => Wire::Complete(at.rename(names)),
                wire @ (Wire::Quiet
                | Wire::Asked { .. }
                | Wire::Nonsense
                | Wire::Unproved
                | Wire::Stream) => wire,
            },
            loader: self.loader.map(|generation| names.generation(generation)),
            history: self.history.rename(names),
            passing: match self.passing {
                Passing::Waiting(aim) => Passing::Waiting(aim.rename(names)),
                passing @ (Passing::No | Passing::Ceding(_)) => passing,
            },
            ..*self
        }
    }
}
