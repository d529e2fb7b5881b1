//! The shards of several keys, held while commands on them run one after the other.
//!
//! An instruction that takes or frees a lock waits for all memory that is on its way to its core. Where commands on many keys
//! follow each other, locks are taken for all of them before, so that what one waits for is fetched while another runs.

use super::dataset::Db;
use super::shard::Shard;
use super::table::{SHARDS, shard_of};
use parking_lot::MutexGuard;
use smallvec::SmallVec;

/// Shards that are usually held at once, at most.
const USUALLY: usize = 8;

/// Locked shards of one database.
///
/// They were taken in no order, and none was waited for. Whoever holds them neither waits for a shard nor has another look at
/// one but through this, or two threads might wait for each other.
pub struct Held<'a> {
    /// For each shard that is held, one more than the index of its guard.
    places: [u8; SHARDS],
    guards: SmallVec<[MutexGuard<'a, Shard>; USUALLY]>,
}

impl Default for Held<'_> {
    fn default() -> Self {
        Held {
            places: [0; SHARDS],
            guards: SmallVec::new(),
        }
    }
}

impl<'a> Held<'a> {
    /// Lets go of what is held, and takes those shards of `db` in which keys of these hashes are that nobody else
    /// holds. Has the entries of the keys fetched.
    pub fn hold(&mut self, db: &'a Db, hashes: impl Iterator<Item = u64> + Clone) {
        self.release();
        for shard in hashes.clone().map(shard_of) {
            if self.places[shard] == 0
                && self.guards.len() < usize::from(u8::MAX)
                && let Some(guard) = db.try_lock(shard)
            {
                self.guards.push(guard);
                self.places[shard] = self.guards.len() as u8;
            }
        }
        watch::holds(!self.guards.is_empty());
        for hash in hashes {
            if let Some(shard) = self.shard(hash) {
                shard.prefetch_entry(hash);
            }
        }
    }

    /// The shard of a hash, if it is held.
    #[inline]
    pub fn shard(&mut self, hash: u64) -> Option<&mut Shard> {
        let place = usize::from(self.places[shard_of(hash)]);
        Some(&mut **self.guards.get_mut(place.wrapping_sub(1))?)
    }

    /// Lets go of all.
    #[inline]
    pub fn release(&mut self) {
        if !self.guards.is_empty() {
            self.guards.clear();
            self.places = [0; SHARDS];
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

    fn hashes(db: &Db, keys: &[&str]) -> Vec<u64> {
        keys.iter().map(|key| db.hash(key.as_bytes())).collect()
    }

    #[test]
    fn shards_that_others_hold_are_left_out() {
        let db = Db::new();
        let keys = ["a", "b", "c", "d"];
        let hashes = hashes(&db, &keys);
        let others = db.lock_key(b"b");
        let mut held = Held::default();
        held.hold(&db, hashes.iter().copied());
        for (key, &hash) in keys.iter().zip(&hashes) {
            let is_theirs = shard_of(hash) == shard_of(others.1);
            assert_eq!(held.shard(hash).is_none(), is_theirs, "{key}");
            assert!(db.try_lock(shard_of(hash)).is_none());
        }
        held.release();
        drop(others);
        for &hash in &hashes {
            assert!(held.shard(hash).is_none());
            assert!(db.try_lock(shard_of(hash)).is_some());
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic = "waits for a shard and holds others"]
    fn nobody_who_holds_some_waits_for_another() {
        let db = Db::new();
        let mut held = Held::default();
        held.hold(&db, [db.hash(b"a")].into_iter());
        drop(db.lock_key(b"a"));
    }
}
