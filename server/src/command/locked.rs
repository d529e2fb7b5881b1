//! The shards of a command's keys, locked.

use super::CmdError;
use crate::store::Db;
use crate::store::entry::KEY_MAX;
use crate::store::shard::Shard;
use crate::store::table::shard_of;
use parking_lot::MutexGuard;
use smallvec::SmallVec;

/// A key for which a shard was locked.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Where it lies, so that nothing is hashed twice.
    at: usize,
    len: usize,
    hash: u64,
}

impl Known {
    #[inline]
    fn new(db: &Db, key: &[u8], hash: Option<u64>) -> Result<Known, CmdError> {
        const TOO_LONG: CmdError = CmdError::text("ERR key is too long");
        let known = Known {
            at: key.as_ptr() as usize,
            len: key.len(),
            hash: hash.unwrap_or_else(|| db.hash(key)),
        };
        (key.len() <= KEY_MAX).then_some(known).ok_or(TOO_LONG)
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        self.at == key.as_ptr() as usize && self.len == key.len()
    }
}

/// Locked shards of one database. Nearly all commands have one key, which is made short.
pub(super) enum Locked<'a> {
    /// None.
    Nothing,
    /// The shard of one key.
    One(Known, MutexGuard<'a, Shard>),
    /// The shard of one key, which the caller holds.
    Held(Known, &'a mut Shard),
    /// Those of several keys, in ascending order.
    Many(Vec<Known>, Vec<(usize, MutexGuard<'a, Shard>)>),
}

impl<'a> Locked<'a> {
    /// Locks the shard of a key, whose hash may be known already. For this, and for [`Locked::many`], the thread holds no other shard of this database, and
    /// none of another one unless it holds all gates. An error if the key is too long to be one.
    #[inline]
    pub fn one(db: &'a Db, key: &[u8], hash: Option<u64>) -> Result<Locked<'a>, CmdError> {
        let known = Known::new(db, key, hash)?;
        Ok(Locked::One(known, db.lock(shard_of(known.hash))))
    }

    /// The shard of a key of this hash, which the caller holds.
    #[inline]
    pub fn held(
        db: &Db,
        key: &[u8],
        hash: u64,
        shard: &'a mut Shard,
    ) -> Result<Locked<'a>, CmdError> {
        Ok(Locked::Held(Known::new(db, key, Some(hash))?, shard))
    }

    /// Locks the shards of some keys.
    pub fn many<'k>(
        db: &'a Db,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Locked<'a>, CmdError> {
        let known = keys.into_iter().map(|key| Known::new(db, key, None));
        let known: Vec<Known> = known.collect::<Result<_, _>>()?;
        let mut shards: SmallVec<[usize; 8]> = known.iter().map(|k| shard_of(k.hash)).collect();
        shards.sort_unstable();
        shards.dedup();
        let lock = |shard| (shard, db.lock(shard));
        let shards = shards.into_iter().map(lock).collect();
        Ok(Locked::Many(known, shards))
    }

    /// The hash of `key`, known already if `key` is the very slice that was locked.
    #[inline(always)]
    pub fn hash_of(&self, db: &Db, key: &[u8]) -> u64 {
        let known = match self {
            Locked::Nothing => None,
            Locked::One(known, _) | Locked::Held(known, _) => {
                Some(known).filter(|known| known.is(key))
            }
            // Beyond some keys, searching costs more than hashing.
            Locked::Many(known, _) => known.iter().take(4).find(|known| known.is(key)),
        };
        match known {
            Some(known) => known.hash,
            None => db.hash(key),
        }
    }

    /// The shard of a hash, if it is among the locked ones.
    #[inline(always)]
    pub fn shard(&self, hash: u64) -> Option<&Shard> {
        let wanted = shard_of(hash);
        match self {
            Locked::Nothing => None,
            Locked::One(known, shard) => (shard_of(known.hash) == wanted).then_some(&**shard),
            Locked::Held(known, shard) => (shard_of(known.hash) == wanted).then_some(shard),
            Locked::Many(_, shards) => {
                let at = shards.binary_search_by_key(&wanted, |s| s.0).ok()?;
                Some(&shards[at].1)
            }
        }
    }

    /// [`Locked::shard`] for changing it.
    #[inline(always)]
    pub fn shard_mut(&mut self, hash: u64) -> Option<&mut Shard> {
        let wanted = shard_of(hash);
        match self {
            Locked::Nothing => None,
            Locked::One(known, shard) => (shard_of(known.hash) == wanted).then_some(&mut **shard),
            Locked::Held(known, shard) => (shard_of(known.hash) == wanted).then_some(shard),
            Locked::Many(_, shards) => {
                let at = shards.binary_search_by_key(&wanted, |s| s.0).ok()?;
                Some(&mut shards[at].1)
            }
        }
    }

    /// The keys that were locked do not live as long as the command: another may come to lie where one was.
    pub fn forget_places(&mut self) {
        if let Locked::Many(known, _) = self {
            known.clear();
        }
    }
}
