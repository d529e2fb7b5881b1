//! How commands reach the keys they work on.

use super::events;
use super::left::{Expired, Found, Left};
use super::locked::Locked;
use super::seldom::Seldom;
use super::{CmdError, Env};
use crate::store::clock::Clock;
use crate::store::entry::Entry;
use crate::store::hash::Hash;
use crate::store::list::List;
use crate::store::set::Set;
use crate::store::shard::{Removed, Shard};
use crate::store::stream::Stream;
use crate::store::zset::Zset;
use crate::store::{Db, KeyListener, Object, ValueRef, lazyfree};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// What is done about a key whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It is removed, and replicas are told so: a master.
    Remove,
    /// Clients do not see it, but the master decides when it goes: a replica.
    Hide,
    /// It is there until the stream says otherwise: commands from our master.
    Ignore,
}

/// The locked shards of one database that hold the keys of a command.
///
/// Reading borrows `Keys` shared, so that a command may look at several keys at once; changing borrows it
/// mutably. Every change of a value goes through here, and so through the shard's hooks.
pub struct Keys<'a> {
    db: &'a Db,
    pub(super) number: usize,
    /// The time, and what is noted of accesses.
    pub(super) clock: Clock,
    pub(super) expiry: Expiry,
    pub(super) locked: Locked<'a>,
    /// What is left to be done after the command.
    pub(super) left: Seldom<Left>,
    /// What was found by looking.
    pub(super) found: RefCell<Seldom<Found>>,
    /// What is asked about keys; see [`events`].
    pub(super) asks: u32,
    pub(super) hits: Cell<u32>,
    pub(super) misses: Cell<u32>,
}

impl<'a> Keys<'a> {
    /// Those of database `number` in the shards that are locked, of which so much is asked.
    #[inline]
    pub(super) fn new(
        (db, number): (&'a Db, usize),
        locked: Locked<'a>,
        env: &Env<'a>,
        asks: u32,
    ) -> Keys<'a> {
        Keys {
            db,
            number,
            clock: env.clock(),
            expiry: env.expiry,
            locked,
            left: Seldom::none(),
            found: RefCell::new(Seldom::none()),
            asks,
            hits: Cell::new(0),
            misses: Cell::new(0),
        }
    }

    /// Locks the shards of `keys`, which do not live as long as the command, instead of those that were locked.
    pub(super) fn lock<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
    ) -> Result<(), CmdError> {
        self.locked = Locked::Nothing;
        self.locked = Locked::many(self.db, keys)?;
        // Another may come to lie where one was.
        self.locked.forget_places();
        Ok(())
    }

    /// The database.
    pub fn db(&self) -> &'a Db {
        self.db
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }

    #[inline]
    pub(super) fn hash_of(&self, key: &[u8]) -> u64 {
        self.locked.hash_of(self.db, key)
    }

    /// The shard of a key of the command.
    #[inline]
    pub(super) fn shard_at(&mut self, hash: u64) -> Option<&mut Shard> {
        let shard = self.locked.shard_mut(hash);
        debug_assert!(shard.is_some(), "a key outside of the key specification");
        shard
    }

    /// The entry of `key` if it is there for this command, whatever its type. Counts as an access.
    #[inline]
    pub fn entry(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.look(key);
        if let Some(entry) = entry {
            self.clock.touch(entry);
        }
        entry
    }

    /// [`Keys::entry`] that does not count as an access, but as a hit or a miss.
    #[inline]
    pub fn look(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.glance(key);
        if entry.is_none() {
            self.notify(events::MISS, "keymiss", key);
        }
        entry
    }

    /// [`Keys::look`] that is no event.
    #[inline]
    pub fn glance(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.peek(key);
        let found = entry.is_some();
        self.hits.set(self.hits.get() + u32::from(found));
        self.misses.set(self.misses.get() + u32::from(!found));
        entry
    }

    /// [`Keys::entry`] that nobody learns of.
    #[inline(always)]
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hash_of(key);
        let shard = self.locked.shard(hash);
        debug_assert!(shard.is_some(), "a key outside of the key specification");
        let entry = shard?.get(hash, key)?;
        if self.expiry != Expiry::Ignore && entry.is_expired(self.clock.now_ms) {
            if self.expiry == Expiry::Remove {
                self.found_stale(key);
            }
            return None;
        }
        Some(entry)
    }

    /// The value of `key`, of whatever type.
    #[inline(always)]
    pub fn lookup(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.entry(key).map(Entry::value)
    }

    /// True when `key` is there.
    pub fn exists(&self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    /// When `key` expires; outer `None`: it is not there, inner `None`: never.
    pub fn expire(&self, key: &[u8]) -> Option<Option<i64>> {
        self.entry(key).map(Entry::expire)
    }

    /// The shard of `key`, ready for a change: an expired entry is gone from it.
    pub(super) fn shard_mut(&mut self, key: &[u8]) -> Option<(u64, &mut Shard)> {
        let hash = self.hash_of(key);
        let (expiry, now_ms) = (self.expiry, self.clock.now_ms);
        let shard = self.shard_at(hash)?;
        if expiry != Expiry::Ignore
            && shard.expires() > 0
            && shard.get(hash, key).is_some_and(|e| e.is_expired(now_ms))
        {
            self.remove_expired(hash, key);
        }
        let shard = self.locked.shard_mut(hash)?;
        if shard.is_watched() || self.asks & events::CACHES != 0 {
            let left = self.left.make();
            left.touched.push(key.into());
        }
        Some((hash, shard))
    }

    #[cold]
    fn remove_expired(&mut self, hash: u64, key: &[u8]) {
        if let Some(shard) = self.shard_at(hash) {
            free(shard.discard(hash, key));
            shard.settle(key);
        }
        let mut told = false;
        if let Some(found) = self.found.get_mut().get_mut() {
            let known = found.stale.len();
            found.stale.retain(|stale| *stale.key != *key);
            told = found.stale.len() < known;
        }
        // On a replica that clients may write to, the master knows nothing of the key's new life.
        if self.expiry == Expiry::Remove {
            let left = self.left.make();
            left.expired.push(Expired::key(key));
            if !told {
                self.notify(events::EXPIRED, "expired", key);
            }
        }
    }

    /// The entry of `key`, for changing its value in place.
    pub fn entry_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let clock = self.clock;
        let (hash, shard) = self.shard_mut(key)?;
        let entry = shard.get_mut(hash, key)?;
        clock.touch(entry);
        Some(entry)
    }

    /// The entry of `key`, for changing its value in place; one with a value of `make` if there is none.
    #[inline]
    fn entry_or(&mut self, key: &[u8], make: fn() -> Object) -> Option<&mut Entry> {
        let clock = self.clock;
        let (hash, shard) = self.shard_mut(key)?;
        let spot = match shard.find(hash, key) {
            Some(spot) => spot,
            None => {
                self.put(key, make(), None);
                self.locked.shard(hash)?.find(hash, key)?
            }
        };
        let entry = self.locked.shard_mut(hash)?.at_mut(spot, hash, key)?;
        clock.touch(entry);
        Some(entry)
    }

    /// The string at `key`.
    #[inline]
    pub fn string(&self, key: &[u8]) -> Result<Option<&[u8]>, CmdError> {
        match self.lookup(key) {
            None => Ok(None),
            Some(ValueRef::Str(value)) => Ok(Some(value)),
            Some(_) => Err(CmdError::WrongType),
        }
    }

    /// Makes `value` the string at `key`, whatever was there, to expire at `expire`.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: &[u8], expire: Option<i64>) {
        let clock = self.clock;
        if let Some((hash, shard)) = self.shard_mut(key)
            && shard.set_string(hash, key, value, expire, clock)
        {
            self.notify(events::NEW, "new", key);
        }
    }

    /// Makes the string at `key` (an empty one if there is none) `len` bytes long, zeros at its end if it
    /// grows, and returns it for changing. Its expiry stays.
    pub fn resize_string(&mut self, key: &[u8], len: usize) -> Result<&mut [u8], CmdError> {
        if self.peek(key).is_none() {
            self.set_string(key, &[], None);
        }
        let entry = self.entry_mut(key).ok_or(OUTSIDE)?;
        entry.resize_string(len).ok_or(CmdError::WrongType)
    }

    /// Puts `value` at `key` in place of whatever was there, to expire at `expire`.
    pub fn put(&mut self, key: &[u8], value: Object, expire: Option<i64>) {
        self.put_entry(Entry::object(key, value, expire));
    }

    /// Puts an entry under its key in place of whatever was there; true if that was nothing.
    pub fn put_entry(&mut self, entry: Entry) -> bool {
        self.clock.start(&entry);
        let asks = self.asks;
        let Some((hash, shard)) = self.shard_mut(entry.key()) else {
            return false;
        };
        let old = shard.discard(hash, entry.key());
        let is_new = matches!(old, Removed::Nothing);
        let told = (is_new && asks & events::NEW != 0).then(|| Box::<[u8]>::from(entry.key()));
        free(old);
        shard.put(hash, entry);
        if let Some(key) = told {
            self.notify(events::NEW, "new", &key);
        }
        is_new
    }

    /// True when nothing is at `key`; an expired entry is removed.
    pub fn make_room(&mut self, key: &[u8]) -> bool {
        self.shard_mut(key)
            .is_some_and(|(hash, shard)| shard.get(hash, key).is_none())
    }

    /// Removes `key`; false when it was not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some((hash, shard)) = self.shard_mut(key) else {
            return false;
        };
        let removed = shard.discard(hash, key);
        let was_there = !matches!(removed, Removed::Nothing);
        free(removed);
        if !was_there && let Some(left) = self.left.get_mut() {
            // Nobody lost anything.
            left.touched.pop_if(|last| **last == *key);
        }
        was_there
    }

    /// Removes `key` and returns its entry.
    pub fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let (hash, shard) = self.shard_mut(key)?;
        shard.remove(hash, key)
    }

    /// The key counts as one that this command changes; see [`Cx::signal`](super::Cx::signal).
    pub(super) fn touch(&mut self, key: &[u8]) {
        self.shard_mut(key);
    }

    /// Makes `key` expire at `at` (Unix milliseconds), or never; false when it is not there.
    pub fn expire_at(&mut self, key: &[u8], at: Option<i64>) -> bool {
        self.shard_mut(key)
            .is_some_and(|(hash, shard)| shard.set_expire(hash, key, at))
    }

    /// Removes `key` if it holds a collection without elements, which is an event; true when it did.
    pub fn remove_if_empty(&mut self, key: &[u8]) -> bool {
        let empty = match self.peek(key).map(Entry::value) {
            Some(ValueRef::List(v)) => v.is_empty(),
            Some(ValueRef::Hash(v)) => v.is_empty(),
            Some(ValueRef::Set(v)) => v.is_empty(),
            Some(ValueRef::Zset(v)) => v.is_empty(),
            // A stream may be empty.
            Some(ValueRef::Str(_) | ValueRef::Stream(_)) | None => false,
        };
        let removed = empty && self.remove(key);
        if removed {
            self.notify(events::GENERIC, "del", key);
        }
        removed
    }

    fn object_mut(&mut self, key: &[u8]) -> Result<Option<&mut Object>, CmdError> {
        match self.entry_mut(key) {
            None => Ok(None),
            // A string inside its entry has no object.
            Some(entry) => entry.object_mut().map(Some).ok_or(CmdError::WrongType),
        }
    }

    /// From now on `listener` hears of changes of `key`.
    pub(super) fn listen(&mut self, key: &[u8], listener: &Arc<dyn KeyListener>) {
        let hash = self.hash_of(key);
        if let Some(shard) = self.shard_at(hash) {
            shard.listen(key, Arc::clone(listener));
        }
    }
}

fn free(removed: Removed) {
    if let Removed::Entry(entry) = removed {
        lazyfree::free_entry(entry);
    }
}

/// A handler asked for a key that its command's key specification does not name: a bug that the tests of the
/// table look for.
const OUTSIDE: CmdError =
    CmdError::text("ERR internal error: key outside of the key specification");

macro_rules! typed {
    ($($shared:ident, $unique:ident, $new:ident, $type:ident, $what:literal;)*) => {
        impl Keys<'_> {
            $(
                #[doc = concat!("The ", $what, " at `key`.")]
                pub fn $shared(&self, key: &[u8]) -> Result<Option<&$type>, CmdError> {
                    match self.lookup(key) {
                        None => Ok(None),
                        Some(ValueRef::$type(value)) => Ok(Some(value)),
                        Some(_) => Err(CmdError::WrongType),
                    }
                }

                #[doc = concat!("The ", $what, " at `key`, for changing it.")]
                pub fn $unique(&mut self, key: &[u8]) -> Result<Option<&mut $type>, CmdError> {
                    match self.object_mut(key)? {
                        None => Ok(None),
                        Some(Object::$type(value)) => Ok(Some(&mut *value)),
                        Some(_) => Err(CmdError::WrongType),
                    }
                }

                #[doc = concat!("The ", $what, " at `key`, for changing it; an empty one if there is none. \
                    A command that leaves it empty calls [`Keys::remove_if_empty`].")]
                pub fn $new(&mut self, key: &[u8]) -> Result<&mut $type, CmdError> {
                    let entry = self.entry_or(key, || Object::$type($type::new().into()));
                    match entry.ok_or(OUTSIDE)?.object_mut() {
                        Some(Object::$type(value)) => Ok(&mut *value),
                        _ => Err(CmdError::WrongType),
                    }
                }
            )*
        }
    };
}

typed! {
    list, list_mut, list_or_new, List, "list";
    hash, hash_mut, hash_or_new, Hash, "hash";
    set, set_mut, set_or_new, Set, "set";
    zset, zset_mut, zset_or_new, Zset, "sorted set";
    stream, stream_mut, stream_or_new, Stream, "stream";
}
