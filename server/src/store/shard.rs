//! A shard: the entries behind one lock, and who wants to know when they change.

mod expire;

use super::clock::Clock;
use super::deadlines::Deadlines;
use super::entry::Entry;
use super::frozen::Frozen;
use super::hooks::{Hooks, KeyListener, Listeners, Pending, Sink};
use super::lazyfree;
use super::table::{Homes, KeyHasher, PLACE_MASK, Place, SCAN_STEP, Spot, Table};
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
    /// The same bound as far as the round of the expiry cycle that is under way has found out.
    next_due: i64,
    /// Segments that round has seen.
    swept: usize,
    /// The hashes that have fields with times, each with the first of them; `None` when there are none.
    field_times: Option<Box<Deadlines<Box<[u8]>>>>,
    /// Snapshots and listeners; `None`, which costs one comparison, when there are none.
    hooks: Option<Box<Hooks>>,
}

impl Shard {
    pub(super) fn new(hasher: KeyHasher) -> Shard {
        Shard {
            table: Table::new(hasher),
            expires: 0,
            due: NEVER,
            next_due: NEVER,
            swept: 0,
            field_times: None,
            hooks: None,
        }
    }

    /// Where its entries' buckets are, for those who have them fetched.
    pub(super) fn homes(&self) -> Arc<Homes> {
        self.table.homes()
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

    /// Where the entry of `key` is.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        self.table.find(hash, key)
    }

    /// [`Shard::get_mut`] of an entry that was just found there.
    #[inline]
    pub fn at_mut(&mut self, spot: Spot, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        if let Some(hooks) = &mut self.hooks {
            hooks.before_change(&self.table, hash, key);
        }
        self.table.at_mut(spot)
    }

    /// Has the memory fetched that a command on a key of this hash looks at first. Nothing waits for it.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.table.prefetch_bucket(hash);
    }

    /// Has the entry of a key of this hash fetched; waits for what [`Shard::prefetch_bucket`] fetches.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        self.table.prefetch_entry(hash);
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

    /// Makes `value` the string of `key`, with that expiry, accessed as `clock` says; true if there was nothing before.
    #[inline]
    pub fn set_string(
        &mut self,
        hash: u64,
        key: &[u8],
        value: &[u8],
        expire: Option<i64>,
        clock: Clock,
    ) -> bool {
        let mut was_there = false;
        if self.hooks.is_some() && self.get(hash, key).is_some_and(Entry::is_costly_to_free) {
            was_there = true;
            // A snapshot may take the old value instead of a copy of it.
            if let Removed::Entry(entry) = self.discard(hash, key) {
                lazyfree::free_entry(entry);
            }
        }
        let (timed, mut had_times) = (self.field_times.is_some(), false);
        let had = match self.get_mut(hash, key) {
            Some(entry) => {
                was_there = true;
                let had = entry.expires();
                had_times = timed && entry.first_field_time().is_some();
                if entry.is_costly_to_free() {
                    let new = Entry::string(key, value, expire);
                    new.set_clock(entry.clock());
                    lazyfree::free_entry(std::mem::replace(entry, new));
                } else {
                    entry.set_string(value, expire);
                }
                clock.renew(entry);
                had
            }
            None => {
                let entry = Entry::string(key, value, expire);
                clock.start(&entry);
                self.table.insert(hash, entry);
                false
            }
        };
        self.count_expiry(had, expire);
        if had_times {
            self.note_field_time(key, None);
        }
        !was_there
    }

    /// Puts `entry` under its key, in place of what was there, and returns that.
    pub fn put(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        let expire = entry.expire();
        if let Some(first) = entry.first_field_time() {
            self.note_field_time(entry.key(), Some(first));
        } else if self.field_times.is_some() {
            self.note_field_time(entry.key(), None);
        }
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
        self.forget(&entry);
        Some(entry)
    }

    /// Removes `key` for good: unlike [`Shard::remove`] it spares a snapshot the copy.
    pub fn discard(&mut self, hash: u64, key: &[u8]) -> Removed {
        let Some(entry) = self.table.remove(hash, key) else {
            return Removed::Nothing;
        };
        self.forget(&entry);
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

    /// Gives the entries of the segment that `from` is in, from that place on, to `each`, the
    /// first `count` by place and a few more perhaps. Returns how many, and the first place that was not visited, a
    /// multiple of [`SCAN_STEP`]: steps are visited whole, so that place is enough to go on from.
    pub fn scan(&self, from: Place, count: usize, each: &mut dyn FnMut(&Entry)) -> (usize, Place) {
        let (segment, end) = self.table.segment_at(from);
        let hasher = self.table.hasher();
        let placed = segment.map(|entry| (hasher.hash(entry.key()) & PLACE_MASK, entry));
        let mut entries: Vec<(Place, &Entry)> = placed.filter(|(p, _)| *p >= from).collect();
        let mut next = end;
        if entries.len() > count && count > 0 {
            let last = entries
                .select_nth_unstable_by_key(count - 1, |(p, _)| *p)
                .1
                .0
                | (SCAN_STEP - 1);
            entries.retain(|(p, _)| *p <= last);
            next = last + 1;
        }
        for (_, entry) in &entries {
            each(entry);
        }
        (entries.len(), next)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.table.iter()
    }

    /// All entries from a place that `r`, a random number, picks.
    pub(super) fn iter_from(&self, r: u64) -> impl Iterator<Item = &Entry> {
        self.table.iter_from(r)
    }

    /// The `index`th entry, in no particular order.
    pub(super) fn nth(&self, mut index: usize) -> Option<&Entry> {
        let mut segments = (0..).map_while(|i| self.table.nth_segment(i));
        let segment = segments.find(|segment| match segment.len() > index {
            true => true,
            false => {
                index -= segment.len();
                false
            }
        })?;
        segment.iter().nth(index)
    }

    /// Places for entries in the table.
    pub(super) fn slots(&self) -> usize {
        self.table.slots()
    }

    /// Bytes of heap that the table takes, without the entries.
    pub(super) fn table_size(&self) -> usize {
        self.table.heap_size()
    }

    /// Number of hashes that have fields with times.
    pub fn hashes_with_times(&self) -> usize {
        self.field_times.as_ref().map_or(0, |times| times.len())
    }

    /// After the times of fields of the hash at `key` were changed: when the first of them comes is noted.
    pub fn field_times_changed(&mut self, hash: u64, key: &[u8]) {
        let first = self.get(hash, key).and_then(Entry::first_field_time);
        self.note_field_time(key, first);
    }

    /// An entry was taken out.
    #[inline]
    fn forget(&mut self, entry: &Entry) {
        self.count_expiry(entry.expires(), None);
        if self.field_times.is_some() && entry.first_field_time().is_some() {
            self.note_field_time(entry.key(), None);
        }
    }

    fn note_field_time(&mut self, key: &[u8], first: Option<i64>) {
        match (first, &mut self.field_times) {
            (None, None) => {}
            (Some(at), times) => times.get_or_insert_default().set(key.into(), at),
            (None, Some(times)) => {
                times.remove(key);
                if times.is_empty() {
                    self.field_times = None;
                }
            }
        }
    }

    #[inline]
    fn count_expiry(&mut self, had: bool, has: Option<i64>) {
        self.expires -= usize::from(had);
        if let Some(at) = has {
            self.expires += 1;
            self.due = self.due.min(at);
            self.next_due = self.next_due.min(at);
        }
    }

    /// After a command: tells those who listen to `key` that it changed.
    #[inline]
    pub fn settle(&mut self, key: &[u8]) {
        if let Some(hooks) = &mut self.hooks {
            hooks.changed(&self.table, key);
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

    /// Gives the next segment of snapshot `id` to `sink`, but for what is costly to write, which is put `aside`; true when the
    /// snapshot is done with the shard.
    pub(super) fn walk_snapshot(
        &mut self,
        id: u64,
        sink: &mut Sink<'_>,
        aside: &mut Vec<Frozen>,
    ) -> bool {
        let Some(hooks) = &mut self.hooks else {
            return true;
        };
        let done = hooks.walk(id, &self.table, sink, aside);
        self.drop_idle_hooks();
        done
    }

    /// Snapshot `id` needs nothing more from here. What is returned is to be dropped when the shard is not locked.
    pub(super) fn end_snapshot(&mut self, id: u64) -> Vec<Pending> {
        let ended = self.hooks.as_mut().map(|h| h.end_snapshot(id));
        self.drop_idle_hooks();
        ended.unwrap_or_default()
    }

    fn drop_idle_hooks(&mut self) {
        if self.hooks.as_ref().is_some_and(|h| h.is_idle()) {
            self.hooks = None;
        }
    }
}

#[cfg(test)]
mod tests;
