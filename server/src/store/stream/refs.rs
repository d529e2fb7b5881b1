//! What groups have still to read or to confirm of entries that go, as Redis 8.2 has it.

use super::{Id, Stream};
use std::sync::Arc;

/// What becomes of an entry that is to go and is waited for by a group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Refs {
    /// It goes; groups wait on for what is no more (`KEEPREF`).
    #[default]
    Keep,
    /// It goes, and no group waits for it any more (`DELREF`).
    Drop,
    /// It stays (`ACKED`).
    Heed,
}

impl Stream {
    /// Whether a group has still to read an entry, or to confirm it.
    pub fn is_referenced(&self, id: Id) -> bool {
        self.groups
            .values()
            .any(|group| group.last < id || group.pending(id).is_some())
    }

    /// Makes no group wait for an entry any more, and returns the names of those that did.
    pub fn drop_references(&mut self, id: Id) -> Vec<Box<[u8]>> {
        let waiting = self.groups.iter_mut();
        let waiting = waiting.filter(|(_, group)| group.pending(id).is_some());
        let dropped = waiting.map(|(name, group)| {
            Arc::make_mut(group).acknowledge(id);
            name.clone()
        });
        dropped.collect()
    }
}
