//! The shards of several keys, held while commands on them run one after the other.
//!
//! An instruction that takes or frees a lock waits for all memory that is on its way to its core. Where commands on many keys
//! follow each other, locks are taken for all of them before, so that what one waits for is fetched while another runs.

use super::dataset::Db;
use super::shard::Shard;
use super::table::{SHARDS, shard_of};
use parking_lot::MutexGuard;
use smallvec::SmallVec;

/// For so many keys shards are held at once. With more, less is waited for, but threads come across what others hold.
pub const MOST: usize = 8;

/// Locked shards of one database.
///
/// They were taken in no order, and none was waited for. Whoever holds them neither waits for a shard nor has another look at
/// one but through this, or two threads might wait for each other.
#[derive(Default)]
pub struct Held<'a> {
    guards: SmallVec<[MutexGuard<'a, Shard>; MOST]>,
    /// Whose guards those are.
    shards: [u8; MOST],
    /// For each key, one more than the index of its shard's guard; 0 if that is not held.
    places: [u8; MOST],
}

const _: () = assert!(SHARDS == 1 << u8::BITS);

impl<'a> Held<'a> {
    /// Lets go of what is held, and takes those shards of `db` in which the first [`MOST`] keys of these hashes are that nobody
    /// else holds. Has the entries of the keys fetched.
    pub fn hold(&mut self, db: &'a Db, hashes: impl Iterator<Item = Option<u64>> + Clone) {
        self.release();
        for (place, hash) in self.places.iter_mut().zip(hashes.clone()) {
            let Some(index) = hash.map(shard_of) else {
                continue;
            };
            let (count, shard) = (self.guards.len(), index as u8);
            if let Some(known) = self.shards[..count].iter().position(|s| *s == shard) {
                *place = known as u8 + 1;
            } else if let Some(guard) = db.try_lock(index) {
                self.guards.push(guard);
                self.shards[count] = shard;
                *place = count as u8 + 1;
            }
        }
        watch::holds(!self.guards.is_empty());
        for (place, hash) in self.places.iter().zip(hashes) {
            let guard = self.guards.get(usize::from(*place).wrapping_sub(1));
            if let (Some(shard), Some(hash)) = (guard, hash) {
                shard.prefetch_entry(hash);
            }
        }
    }

    /// The shard of one of the keys, if it is held.
    #[inline]
    pub fn shard(&mut self, key: usize) -> Option<&mut Shard> {
        let place = usize::from(*self.places.get(key)?);
        Some(&mut **self.guards.get_mut(place.wrapping_sub(1))?)
    }

    /// Lets go of all.
    #[inline]
    pub fn release(&mut self) {
        if !self.guards.is_empty() {
            self.guards.clear();
            self.places = [0; MOST];
            watch::holds(false);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether this thread holds shards in a [`Held`]: with assertions on, it must not wait for one then.
pub(super) mod watch {
    #[cfg(debug_assertions)]
    thread_local! {
        static HOLDS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    #[inline]
    pub(super) fn holds(_does: bool) {
        #[cfg(debug_assertions)]
        HOLDS.set(_does);
    }

    /// To be said by whoever is going to wait for a shard.
    #[inline]
    pub(in crate::store) fn waits() {
        #[cfg(debug_assertions)]
        assert!(!HOLDS.get(), "waits for a shard and holds others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_others_hold_are_left_out() {
        let db = Db::new();
        let keys = ["a", "b", "a", "c", "d"];
        let hashes = keys.map(|key| db.hash(key.as_bytes()));
        let others = db.lock_key(b"b");
        let mut held = Held::default();
        // Of what is no key nothing is held, nor of keys beyond the most.
        let none = std::iter::repeat_n(None, MOST);
        held.hold(&db, hashes.iter().copied().map(Some).chain(none));
        for (i, &hash) in hashes.iter().enumerate() {
            let is_theirs = shard_of(hash) == shard_of(others.1);
            assert_eq!(held.shard(i).is_none(), is_theirs, "{}", keys[i]);
            assert!(db.try_lock(shard_of(hash)).is_none());
        }
        assert!(held.shard(keys.len()).is_none() && held.shard(MOST).is_none());
        held.release();
        drop(others);
        for (i, &hash) in hashes.iter().enumerate() {
            assert!(held.shard(i).is_none());
            assert!(db.try_lock(shard_of(hash)).is_some());
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic = "waits for a shard and holds others"]
    fn nobody_who_holds_some_waits_for_another() {
        let db = Db::new();
        let mut held = Held::default();
        held.hold(&db, [Some(db.hash(b"a"))].into_iter());
        drop(db.lock_key(b"a"));
    }
}
