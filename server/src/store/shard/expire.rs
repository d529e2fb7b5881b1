//! What the expiry cycle does to one shard.

use super::{Entry, NEVER, Removed, Shard};
use crate::store::expiry::Gone;
use crate::store::lazyfree;
use crate::store::object::{Object, ValueRef};

/// What a step of the expiry cycle did.
#[derive(Default)]
pub(in crate::store) struct ExpireStep {
    /// Entries of the segment.
    pub(in crate::store) looked_at: usize,
    /// Entries removed.
    pub(in crate::store) removed: usize,
    /// The shard has a segment after this one, perhaps.
    pub(in crate::store) more: bool,
}

impl Shard {
    /// A step of the expiry cycle: removes what has expired from the next segment.
    pub(in crate::store) fn expire_segment(
        &mut self,
        now_ms: i64,
        removed: &mut dyn FnMut(&[u8]),
    ) -> ExpireStep {
        let mut step = ExpireStep::default();
        if self.swept == 0 {
            if self.expires == 0 || now_ms < self.due {
                return step;
            }
            self.next_due = NEVER;
        }
        let Some(segment) = self.table.nth_segment(self.swept) else {
            // The round through this shard is complete. Segments that split meanwhile left entries only in
            // segments that came later, and expiries set meanwhile are in `next_due` already.
            self.due = self.next_due;
            self.swept = 0;
            return step;
        };
        self.swept += 1;
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        for entry in segment.iter() {
            match entry.expire() {
                Some(at) if at <= now_ms => keys.push(entry.key().into()),
                Some(at) => self.next_due = self.next_due.min(at),
                None => {}
            }
        }
        step.looked_at = segment.len();
        step.removed = keys.len();
        step.more = true;
        for key in keys {
            let hash = self.table.hasher().hash(&key);
            if let Removed::Entry(entry) = self.discard(hash, &key) {
                lazyfree::free_entry(entry);
            }
            self.settle(&key);
            removed(&key);
        }
        step
    }

    /// A step of the expiry cycle: removes fields whose time has come from their hashes, at most `most` of them, and
    /// tells `removed` of them. Returns how many there were.
    pub(in crate::store) fn expire_fields(
        &mut self,
        now_ms: i64,
        most: usize,
        removed: &mut dyn FnMut(Gone<'_>),
    ) -> usize {
        let mut count = 0;
        while count < most
            && let Some(times) = &self.field_times
            && let Some((at, key)) = times.first()
            && *at <= now_ms
        {
            let key = key.clone();
            let hash = self.table.hasher().hash(&key);
            let fields: Vec<Box<[u8]>> = match self.get(hash, &key).map(Entry::value) {
                Some(ValueRef::Hash(h)) => {
                    h.past(now_ms).take(most - count).map(Box::from).collect()
                }
                _ => Vec::new(),
            };
            let last = self.remove_fields(hash, &key, &fields);
            self.settle(&key);
            removed(Gone::Fields {
                key: &key,
                fields: &fields,
                last,
            });
            count += fields.len();
        }
        count
    }

    /// Removes fields of a hash, and the hash if none is left, which is told.
    fn remove_fields(&mut self, hash: u64, key: &[u8], fields: &[Box<[u8]>]) -> bool {
        let Some(Object::Hash(value)) = self.get_mut(hash, key).and_then(Entry::object_mut) else {
            self.note_field_time(key, None);
            return false;
        };
        for field in fields {
            value.remove(field);
        }
        let empty = value.is_empty();
        self.field_times_changed(hash, key);
        if !empty {
            return false;
        }
        if let Removed::Entry(entry) = self.discard(hash, key) {
            lazyfree::free_entry(entry);
        }
        true
    }
}
