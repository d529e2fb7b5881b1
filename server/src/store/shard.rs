//! A shard: the entries behind one lock, and who wants to know when they change.

use super::entry::Entry;
use super::hooks::{Hooks, KeyListener, Listeners, Sink};
use super::table::{KeyHasher, Table};
use std::sync::Arc;

/// A lower bound that no expiry is below, when nothing expires.
const NEVER: i64 = i64::MAX;

/// What became of an entry that was removed for good.
#[derive(Debug)]
pub enum Removed {
    /// There was none.
    Nothing,
    /// It is the caller's to free.
    Entry(Entry),
    /// A snapshot keeps it.
    Kept,
}

/// The entries of a range of places, behind one lock.
///
/// Whoever changes an entry says so first: the methods that change one hand its old value to the
/// snapshots that have not got to it yet (see [`super::snapshot`]). What the change is worth to those
/// who watch the key is known only after the command: [`Shard::settle`].
pub struct Shard {
    table: Table,
    /// Entries that have an expiry.
    expires: usize,
    /// No entry expires before this (Unix milliseconds): what lets the expiry cycle skip the shard.
    due: i64,
    /// Snapshots and listeners; `None`, which costs one comparison, when there are none.
    hooks: Option<Box<Hooks>>,
}

impl Shard {
    pub(super) fn new(hasher: KeyHasher) -> Shard {
        Shard {
            table: Table::new(hasher),
            expires: 0,
            due: NEVER,
            hooks: None,
        }
    }

    /// Number of entries, those included whose time has come but which nobody has removed yet.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that have an expiry.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// The entry of `key`, expired or not.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.table.get(hash, key)
    }

    /// The entry of `key`, for changing its value: the snapshots get the old one first. Its expiry and key must not be
    /// changed through this; see [`Shard::set_expire`].
    #[inline]
    pub fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        if let Some(hooks) = &mut self.hooks {
            hooks.before_change(&self.table, hash, key);
        }
        self.table.get_mut(hash, key)
    }

    /// Makes `value` the string of `key`, with that expiry and access clock.
    #[inline]
    pub fn set_string(
        &mut self,
        hash: u64,
        key: &[u8],
        value: &[u8],
        expire: Option<i64>,
        clock: u32,
    ) {
        let had = match self.get_mut(hash, key) {
            Some(entry) => {
                let had = entry.expires();
                entry.set_string(value, expire);
                entry.set_clock(clock);
                had
            }
            None => {
                let entry = Entry::string(key, value, expire);
                entry.set_clock(clock);
                self.table.insert(hash, entry);
                false
            }
        };
        self.count_expiry(had, expire);
    }

    /// Puts `entry` under its key, in place of what was there, and returns that.
    pub fn put(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        let expire = entry.expire();
        let old = match self.get_mut(hash, entry.key()) {
            Some(slot) => Some(std::mem::replace(slot, entry)),
            None => {
                self.table.insert(hash, entry);
                None
            }
        };
        self.count_expiry(old.as_ref().is_some_and(Entry::expires), expire);
        old
    }

    /// Takes the entry of `key` out.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        if let Some(hooks) = &mut self.hooks {
            hooks.before_change(&self.table, hash, key);
        }
        let entry = self.table.remove(hash, key)?;
        self.count_expiry(entry.expires(), None);
        Some(entry)
    }

    /// Removes `key` for good: unlike [`Shard::remove`] it spares a snapshot the copy.
    pub fn discard(&mut self, hash: u64, key: &[u8]) -> Removed {
        let Some(entry) = self.table.remove(hash, key) else {
            return Removed::Nothing;
        };
        self.count_expiry(entry.expires(), None);
        match &mut self.hooks {
            None => Removed::Entry(entry),
            Some(hooks) => match hooks.discarded(self.table.hasher(), hash, entry) {
                Some(entry) => Removed::Entry(entry),
                None => Removed::Kept,
            },
        }
    }

    /// Sets or clears the expiry of `key`; false when there is no such key.
    pub fn set_expire(&mut self, hash: u64, key: &[u8], expire: Option<i64>) -> bool {
        let Some(entry) = self.get_mut(hash, key) else {
            return false;
        };
        let had = entry.expires();
        entry.set_expire(expire);
        self.count_expiry(had, expire);
        true
    }

    #[inline]
    fn count_expiry(&mut self, had: bool, has: Option<i64>) {
        self.expires -= usize::from(had);
        if let Some(at) = has {
            self.expires += 1;
            self.due = self.due.min(at);
        }
    }

    /// After a command: tells those who listen to `key` that it changed.
    #[inline]
    pub fn settle(&mut self, key: &[u8]) {
        if let Some(hooks) = &mut self.hooks {
            hooks.changed(key);
            self.drop_idle_hooks();
        }
    }

    /// True when anybody listens to changes in this shard.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.hooks.is_some()
    }

    /// From now on `listener` hears of changes of `key`, after those who came before it.
    pub fn listen(&mut self, key: &[u8], listener: Arc<dyn KeyListener>) {
        self.hooks.get_or_insert_default().listen(key, listener);
    }

    /// Ends what [`Shard::listen`] began.
    pub fn unlisten(&mut self, key: &[u8], listener: &Arc<dyn KeyListener>) {
        if let Some(hooks) = &mut self.hooks {
            hooks.unlisten(key, listener);
            self.drop_idle_hooks();
        }
    }

    pub(super) fn take_listeners(&mut self) -> Vec<Listeners> {
        let taken = self.hooks.as_mut().map(|h| h.take_listeners());
        self.drop_idle_hooks();
        taken.unwrap_or_default()
    }

    /// Snapshot `id` begins; this is shard `shard`. False when there is nothing for it here.
    pub(super) fn begin_snapshot(&mut self, id: u64, shard: usize) -> bool {
        if !self.is_empty() {
            self.hooks.get_or_insert_default().begin_snapshot(id, shard);
        }
        !self.is_empty()
    }

    /// Gives the next segment of snapshot `id` to `sink`; true when the snapshot is done with the shard.
    pub(super) fn walk_snapshot(&mut self, id: u64, sink: &mut Sink<'_>) -> bool {
        let Some(hooks) = &mut self.hooks else {
            return true;
        };
        let done = hooks.walk(id, &self.table, sink);
        self.drop_idle_hooks();
        done
    }

    pub(super) fn end_snapshot(&mut self, id: u64) {
        if let Some(hooks) = &mut self.hooks {
            hooks.end_snapshot(id);
            self.drop_idle_hooks();
        }
    }

    fn drop_idle_hooks(&mut self) {
        if self.hooks.as_ref().is_some_and(|h| h.is_idle()) {
            self.hooks = None;
        }
    }
}
