//! What hangs on a shard while somebody wants to know of changes: snapshots and listeners.

use super::entry::Entry;
use super::frozen::{Frozen, is_costly_to_write};
use super::object::ValueRef;
use super::table::{KeyHasher, PLACE_MASK, Place, Table, places_of};
use crate::sys::hash::Fast;
use hashbrown::{HashMap, HashTable};
use std::sync::Arc;

/// What became of a key that is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A command changed it, and it is there now.
    Made,
    /// A command removed it, or found that its time had come.
    Gone,
    /// Its database has another one's keys now.
    Replaced {
        /// It was there before.
        was_there: bool,
        /// It is there now, to expire at that Unix time in milliseconds.
        is_there: Option<Option<i64>>,
    },
}

/// Hears of changes to keys: a WATCH, a client blocked in BLPOP.
pub trait KeyListener: Send + Sync {
    /// `key` changed by a command that just ended. Called with the key's shard locked: must not touch
    /// the keyspace, block, or take long.
    fn key_changed(&self, key: &[u8], change: Change);

    /// The command that waits is to be run again with `args` instead of its own. Called before it listens to any key.
    fn rephrase(&self, _args: Vec<Box<[u8]>>) {}
}

/// A key and those who listen to it, in the order they began to.
pub(super) type Listeners = (Box<[u8]>, Vec<Arc<dyn KeyListener>>);

/// Receives the entries of a snapshot: key, value, expiry (Unix milliseconds).
pub type Sink<'s> = dyn FnMut(&[u8], ValueRef<'_>, Option<i64>) + 's;

/// What a key was when a snapshot began.
enum Kept {
    Old(Frozen),
    Absent(Box<[u8]>),
}

impl Kept {
    fn key(&self) -> &[u8] {
        match self {
            Kept::Old(entry) => entry.key(),
            Kept::Absent(key) => key,
        }
    }
}

/// A snapshot that has not walked all of this shard yet.
pub(super) struct Pending {
    snapshot: u64,
    /// Places before this have been walked.
    from: Place,
    /// The shard ends before this place.
    end: Place,
    /// The keys at and after `from` that changed since the snapshot began, as they were then.
    kept: HashTable<Kept>,
}

#[derive(Default)]
pub(super) struct Hooks {
    snapshots: Vec<Pending>,
    listeners: HashMap<Box<[u8]>, Vec<Arc<dyn KeyListener>>, Fast>,
}

impl Hooks {
    pub(super) fn is_idle(&self) -> bool {
        self.snapshots.is_empty() && self.listeners.is_empty()
    }

    /// The entry of `key`, if any, is about to change: keeps it for the snapshots that need it.
    pub(super) fn before_change(&mut self, table: &Table, hash: u64, key: &[u8]) {
        for pending in &mut self.snapshots {
            if pending.wants(hash, key) {
                let kept = match table.get(hash, key) {
                    Some(entry) => Kept::Old(Frozen::of(entry)),
                    None => Kept::Absent(key.into()),
                };
                pending.keep(hash, kept, table.hasher());
            }
        }
    }

    /// `entry` was taken out of the table for good: gives it to a snapshot that needs it, or back.
    pub(super) fn discarded(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        entry: Entry,
    ) -> Option<Entry> {
        let wanting = |p: &Pending| p.wants(hash, entry.key());
        let (last, others) = {
            let mut wanting: Vec<usize> = (0..self.snapshots.len())
                .filter(|&i| wanting(&self.snapshots[i]))
                .collect();
            (wanting.pop(), wanting)
        };
        for i in others {
            self.snapshots[i].keep(hash, Kept::Old(Frozen::of(&entry)), hasher);
        }
        match last {
            Some(i) => {
                self.snapshots[i].keep(hash, Kept::Old(entry.into()), hasher);
                None
            }
            None => Some(entry),
        }
    }

    pub(super) fn begin_snapshot(&mut self, snapshot: u64, shard: usize) {
        self.snapshots.push(Pending {
            snapshot,
            from: places_of(shard).start,
            end: places_of(shard).end,
            kept: HashTable::new(),
        });
    }

    /// What is returned is to be dropped when the shard is not locked.
    pub(super) fn end_snapshot(&mut self, snapshot: u64) -> Vec<Pending> {
        let ended = self.snapshots.extract_if(.., |p| p.snapshot == snapshot);
        ended.collect()
    }

    /// Gives the next segment of a snapshot to `sink`, but for what is costly to write, which is put `aside`; true when the
    /// snapshot is done with the shard.
    pub(super) fn walk(
        &mut self,
        snapshot: u64,
        table: &Table,
        sink: &mut Sink<'_>,
        aside: &mut Vec<Frozen>,
    ) -> bool {
        let Some(index) = self.snapshots.iter().position(|p| p.snapshot == snapshot) else {
            return true;
        };
        let done = self.snapshots[index].walk(table, sink, aside);
        if done {
            self.snapshots.swap_remove(index);
        }
        done
    }

    pub(super) fn listen(&mut self, key: &[u8], listener: Arc<dyn KeyListener>) {
        let list = self.listeners.entry(key.into()).or_default();
        // A command that waits says so again each time it was run in vain, and keeps its place.
        if !list.iter().any(|l| Arc::ptr_eq(l, &listener)) {
            list.push(listener);
        }
    }

    pub(super) fn unlisten(&mut self, key: &[u8], listener: &Arc<dyn KeyListener>) {
        if let Some(list) = self.listeners.get_mut(key) {
            list.retain(|l| !Arc::ptr_eq(l, listener));
            if list.is_empty() {
                self.listeners.remove(key);
            }
        }
    }

    /// `key` of `table` changed.
    pub(super) fn changed(&self, table: &Table, key: &[u8]) {
        let Some(listeners) = self.listeners.get(key) else {
            return;
        };
        let change = match table.get(table.hasher().hash(key), key) {
            Some(_) => Change::Made,
            None => Change::Gone,
        };
        for listener in listeners {
            listener.key_changed(key, change);
        }
    }

    /// Takes all listeners, by key.
    pub(super) fn take_listeners(&mut self) -> Vec<Listeners> {
        self.listeners.drain().collect()
    }
}

impl Pending {
    /// True when the snapshot needs the value `key` has now, before it changes.
    fn wants(&self, hash: u64, key: &[u8]) -> bool {
        hash & PLACE_MASK >= self.from && self.find(hash, key).is_none()
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<&Kept> {
        self.kept.find(hash, |k| k.key() == key)
    }

    fn keep(&mut self, hash: u64, kept: Kept, hasher: &KeyHasher) {
        self.kept
            .insert_unique(hash, kept, |k| hasher.hash(k.key()));
    }

    fn walk(&mut self, table: &Table, sink: &mut Sink<'_>, aside: &mut Vec<Frozen>) -> bool {
        // A segment never merges with its neighbour, so `from`, where one began, is where one begins.
        let (segment, end) = table.segment_at(self.from);
        let hasher = table.hasher();
        for entry in segment {
            let changed =
                !self.kept.is_empty() && self.find(hasher.hash(entry.key()), entry.key()).is_some();
            match changed {
                true => {}
                false if is_costly_to_write(entry) => aside.push(Frozen::of(entry)),
                false => sink(entry.key(), entry.value(), entry.expire()),
            }
        }
        let passed = |k: &mut Kept| hasher.hash(k.key()) & PLACE_MASK < end;
        for kept in self.kept.extract_if(passed) {
            match kept {
                Kept::Absent(_) => {}
                Kept::Old(entry) if entry.is_costly_to_write() => aside.push(entry),
                Kept::Old(entry) => sink(entry.key(), entry.value(), entry.expire()),
            }
        }
        self.from = end;
        end >= self.end
    }
}
