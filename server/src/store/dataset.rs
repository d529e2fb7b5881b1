//! Databases, and the dataset they make up.

use super::entry::Entry;
use super::held::watch;
use super::hooks::{Change, KeyListener, Listeners};
use super::libraries::Libraries;
use super::object::Object;
use super::shard::Shard;
use super::table::{Homes, KeyHasher, SHARDS, shard_of};
use parking_lot::{Mutex, MutexGuard};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// How many databases a dataset has unless configured otherwise.
pub const DEFAULT_DATABASES: usize = 16;

/// A shard two cache lines away from the next, so that neighbours do not slow each other down.
#[repr(align(128))]
struct Slot {
    shard: Mutex<Shard>,
    /// The shard's own, in reach without its lock.
    homes: Arc<Homes>,
}

impl Slot {
    fn new(hasher: KeyHasher) -> Slot {
        let shard = Shard::new(hasher);
        Slot {
            homes: shard.homes(),
            shard: Mutex::new(shard),
        }
    }
}

/// One numbered database: [`SHARDS`] shards, made when the first of them is asked for. Of the databases of a server most
/// are never used, and those cost next to nothing.
pub struct Db {
    shards: OnceLock<Box<[Slot]>>,
    hasher: KeyHasher,
}

impl Db {
    /// An empty database.
    pub fn new() -> Db {
        Db {
            shards: OnceLock::new(),
            hasher: KeyHasher::new(),
        }
    }

    fn slot(&self, index: usize) -> &Slot {
        let empty = || Slot::new(self.hasher.clone());
        let shards = self
            .shards
            .get_or_init(|| (0..SHARDS).map(|_| empty()).collect());
        &shards[index]
    }

    /// The shards that may hold something, for whoever looks at all of them: none if nothing was ever looked for here.
    pub fn shards(&self) -> Range<usize> {
        0..self.shards.get().map_or(0, |shards| shards.len())
    }

    /// The hash that all methods of this database, its shards and its kin expect for `key`.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// Locks shard `index`, below [`SHARDS`]. A thread that holds several locks them in ascending order.
    #[inline]
    pub fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        watch::waits();
        self.slot(index).shard.lock()
    }

    /// [`Db::lock`] if nobody holds the shard.
    #[inline]
    pub fn try_lock(&self, index: usize) -> Option<MutexGuard<'_, Shard>> {
        self.slot(index).shard.try_lock()
    }

    /// Locks the shard of `key` and returns it with the key's hash.
    pub fn lock_key(&self, key: &[u8]) -> (MutexGuard<'_, Shard>, u64) {
        let hash = self.hash(key);
        (self.lock(shard_of(hash)), hash)
    }

    /// Has the entry of a key of this hash fetched; waits for what [`Db::prefetch_bucket`] fetches.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        if let Some(shards) = self.shards.get()
            && let Some(shard) = shards[shard_of(hash)].shard.try_lock()
        {
            shard.prefetch_entry(hash);
        }
    }

    /// Has the memory fetched into the caches that a command on a key of this hash will look at first. The caller holds no
    /// shard; one that is locked is left out if it has to be.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(shards) = self.shards.get()
            && let slot = &shards[shard_of(hash)]
            && !slot.homes.prefetch(hash)
            && let Some(shard) = slot.shard.try_lock()
        {
            shard.prefetch_bucket(hash);
        }
    }

    /// Number of keys, counted shard by shard.
    pub fn len(&self) -> usize {
        self.shards().map(|i| self.lock(i).len()).sum()
    }

    /// True when there are no keys.
    pub fn is_empty(&self) -> bool {
        self.shards().all(|i| self.lock(i).is_empty())
    }

    /// Number of keys that have an expiry.
    pub fn expires(&self) -> usize {
        self.shards().map(|i| self.lock(i).expires()).sum()
    }

    /// Number of hashes that have fields with times.
    pub fn hashes_with_times(&self) -> usize {
        let shards = self.shards().map(|i| self.lock(i).hashes_with_times());
        shards.sum()
    }

    /// A key chosen by the random number `r`, each equally likely, expired or not; `None` if there are none.
    pub fn random_key(&self, r: u64) -> Option<Box<[u8]>> {
        let len = self.len() as u64;
        let mut index = (r % len.max(1)) as usize;
        // Should keys go meanwhile, any will do.
        for shard in self.shards().cycle().take(2 * SHARDS) {
            let shard = self.lock(shard);
            match shard.nth(index) {
                Some(entry) => return Some(entry.key().into()),
                None => index = index.saturating_sub(shard.len()),
            }
        }
        None
    }

    /// Gives every entry to `each`, shard by shard, in no particular order.
    pub fn for_each(&self, mut each: impl FnMut(&Entry)) {
        for shard in self.shards() {
            self.lock(shard).iter().for_each(&mut each);
        }
    }

    /// Places for entries in its tables.
    pub fn slots(&self) -> usize {
        self.shards().map(|i| self.lock(i).slots()).sum()
    }

    /// Bytes of heap that tables and directories take, without the entries.
    pub fn table_size(&self) -> usize {
        size_of::<Slot>() * self.shards().len()
            + self
                .shards()
                .map(|i| self.lock(i).table_size())
                .sum::<usize>()
    }

    /// Puts a key of a snapshot file or of a full sync in; false when there was one of that name, which is replaced.
    pub fn insert_loaded(&self, key: &[u8], value: Object, expire: Option<i64>) -> bool {
        let entry = Entry::object(key, value, expire);
        let (mut shard, hash) = self.lock_key(key);
        shard.put(hash, entry).is_none()
    }

    /// True when `key` is there but its time has come.
    pub fn is_expired(&self, key: &[u8], now_ms: i64) -> bool {
        let (shard, hash) = self.lock_key(key);
        shard.get(hash, key).is_some_and(|e| e.is_expired(now_ms))
    }

    /// True when `key` is there, expired or not.
    pub fn contains(&self, key: &[u8]) -> bool {
        let (shard, hash) = self.lock_key(key);
        shard.get(hash, key).is_some()
    }

    /// When `key` expires, if it is there: Unix time in milliseconds.
    fn expiry_of(&self, key: &[u8]) -> Option<Option<i64>> {
        let (shard, hash) = self.lock_key(key);
        shard.get(hash, key).map(Entry::expire)
    }

    /// From now on `listener` hears of changes of `key`.
    pub fn listen(&self, key: &[u8], listener: &Arc<dyn KeyListener>) {
        self.lock_key(key).0.listen(key, Arc::clone(listener));
    }

    /// Ends what [`Db::listen`] began.
    pub fn unlisten(&self, key: &[u8], listener: &Arc<dyn KeyListener>) {
        self.lock_key(key).0.unlisten(key, listener);
    }

    fn take_listeners(&self) -> Vec<Listeners> {
        let shards = self.shards().map(|i| self.lock(i).take_listeners());
        shards.flatten().collect()
    }

    /// This database takes the number of `old`, where `listeners` were: they listen here from now on,
    /// and hear of a change if their key is in either.
    fn adopt(&self, old: &Db, listeners: Vec<Listeners>) {
        for (key, list) in listeners {
            let (was_there, is_there) = (old.contains(&key), self.expiry_of(&key));
            let change = Change::Replaced {
                was_there,
                is_there,
            };
            for listener in list {
                if was_there || is_there.is_some() {
                    listener.key_changed(&key, change);
                }
                self.listen(&key, &listener);
            }
        }
    }
}

impl Default for Db {
    fn default() -> Self {
        Self::new()
    }
}

/// All databases by number. Which [`Db`] has which number never changes in a dataset: SWAPDB, FLUSHALL and
/// a full sync make another dataset, and put it in place of the old one under all gates.
pub struct Dataset {
    dbs: Box<[Arc<Db>]>,
    /// Changed only while all gates are held, or before anybody else sees the dataset.
    libraries: Mutex<Arc<Libraries>>,
}

impl Clone for Dataset {
    fn clone(&self) -> Dataset {
        Dataset {
            dbs: self.dbs.clone(),
            libraries: Mutex::new(self.libraries()),
        }
    }
}

impl Dataset {
    /// An empty dataset of `databases` databases, at least one.
    pub fn new(databases: usize) -> Dataset {
        Dataset {
            dbs: (0..databases.max(1)).map(|_| Arc::default()).collect(),
            libraries: Mutex::default(),
        }
    }

    /// The libraries of functions.
    pub fn libraries(&self) -> Arc<Libraries> {
        Arc::clone(&self.libraries.lock())
    }

    /// Puts other libraries in place. The caller holds all gates, or nobody else sees this dataset yet.
    pub fn set_libraries(&self, libraries: Libraries) {
        *self.libraries.lock() = Arc::new(libraries);
    }

    /// All databases, by number.
    pub fn dbs(&self) -> &[Arc<Db>] {
        &self.dbs
    }

    /// Database `number`, if there is one.
    #[inline]
    pub fn db(&self, number: usize) -> Option<&Arc<Db>> {
        self.dbs.get(number)
    }

    /// Number of keys in all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(|db| db.len()).sum()
    }

    /// True when no database has keys.
    pub fn is_empty(&self) -> bool {
        self.dbs.iter().all(|db| db.is_empty())
    }

    /// This dataset with databases `a` and `b` exchanged; both exist. The caller holds all gates and puts the result in place.
    pub fn swapped(&self, a: usize, b: usize) -> Dataset {
        let mut new = self.clone();
        if let (true, Some(x), Some(y)) = (a != b, self.db(a), self.db(b)) {
            new.dbs.swap(a, b);
            let (of_x, of_y) = (x.take_listeners(), y.take_listeners());
            y.adopt(x, of_x);
            x.adopt(y, of_y);
        }
        new
    }

    /// This dataset with database `number`, or all of them, replaced by empty ones. The caller holds all gates,
    /// puts the result in place and hands the old dataset to [`super::lazyfree::free`].
    pub fn emptied(&self, number: Option<usize>) -> Dataset {
        let mut new = self.clone();
        for (i, db) in new.dbs.iter_mut().enumerate() {
            if number.is_none_or(|n| n == i) && !db.is_empty() {
                *db = Arc::default();
            }
        }
        self.hand_listeners_to(&new);
        new
    }

    /// Moves all listeners to `new`, which takes this dataset's place. A listener hears of a change if its key is in either.
    pub fn hand_listeners_to(&self, new: &Dataset) {
        for (old, new) in self.dbs.iter().zip(&new.dbs) {
            if !Arc::ptr_eq(old, new) {
                new.adopt(old, old.take_listeners());
            }
        }
    }
}
