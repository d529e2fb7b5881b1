//! What a command leaves to be done when it has run.

use super::Keys;
use super::events::Event;
use crate::store::expiry::Gone;

/// What had expired, and is or will be removed.
#[derive(Clone)]
pub(super) struct Expired {
    /// The key.
    pub key: Box<[u8]>,
    /// Fields of its hash; `None`: the key itself.
    pub fields: Option<Vec<Box<[u8]>>>,
}

impl Expired {
    pub(super) fn key(key: &[u8]) -> Expired {
        Expired {
            key: key.into(),
            fields: None,
        }
    }

    /// What replicas are told of it.
    pub(super) fn deletion(&self) -> Vec<&[u8]> {
        let key = &*self.key;
        let gone = match &self.fields {
            None => Gone::Key(key),
            Some(fields) => Gone::Fields {
                key,
                fields,
                last: false,
            },
        };
        gone.deletion()
    }
}

/// What a command leaves to be done after it. Most leave nothing, and pay for nothing.
#[derive(Default)]
pub(super) struct Left {
    /// Keys that were changed in shards where somebody listens.
    pub touched: Vec<Box<[u8]>>,
    /// Keys and fields that were removed since they had expired.
    pub expired: Vec<Expired>,
}

/// What a command came across that others are to hear of.
#[derive(Default)]
pub(super) struct Found {
    /// Keys and fields that a reader found expired on a master, and that are still there.
    pub stale: Vec<Expired>,
    /// What happened to keys, in order, as far as it is asked for.
    pub events: Vec<Event>,
}

impl Keys<'_> {
    /// What was changed so far is nothing to those who listen to keys: Redis tells WATCH nothing of it.
    pub(super) fn hush(&mut self) {
        if let Some(left) = self.left.get_mut() {
            left.touched.clear();
        }
    }

    /// What the command removed since it had expired.
    pub(super) fn expired(&self) -> &[Expired] {
        self.left.get().map_or(&[], |left| &left.expired)
    }

    /// After the command: those who listen to the keys it changed hear of it.
    #[inline]
    pub(super) fn settle(&mut self, dirty: bool) {
        if self.left.get().is_some() {
            self.settle_touched(dirty);
        }
    }

    #[cold]
    fn settle_touched(&mut self, dirty: bool) {
        let touched = self.left.get_mut().map(|left| &mut left.touched);
        for key in touched.map(std::mem::take).unwrap_or_default() {
            let hash = self.hash_of(&key);
            if dirty && let Some(shard) = self.shard_at(hash) {
                shard.settle(&key);
            }
        }
    }

    /// After the command: removes the keys and fields that it found expired and has not given new values since.
    #[inline]
    pub(super) fn remove_stale(&mut self) {
        if let Some(found) = self.found.get_mut().get_mut() {
            let stale = found.stale.clone();
            self.remove_each(stale);
        }
    }

    #[cold]
    fn remove_each(&mut self, stale: Vec<Expired>) {
        for Expired { key, fields } in stale {
            let touched = self.left.get().map_or(0, |left| left.touched.len());
            match fields {
                None => drop(self.shard_mut(&key)),
                Some(fields) => self.remove_stale_fields(&key, fields),
            }
            if let Some(left) = self.left.get_mut() {
                left.touched.truncate(touched);
            }
        }
    }
}
