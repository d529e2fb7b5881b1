//! Which key goes when memory is short: Redis's approximation, by samples and a pool of the best of them.

use super::clock::Clock;
use super::dataset::{Dataset, Db};
use super::entry::Entry;
use super::random::{below, random};
use super::table::SHARDS;

/// What makes a key go before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It was not used for longest.
    Recency,
    /// It is used least often.
    Frequency,
    /// It would expire first.
    Ttl,
    /// Chance.
    Random,
}

/// `maxmemory-policy`, but for `noeviction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Only keys that have an expiry go.
    pub volatile: bool,
    /// See there.
    pub order: Order,
}

/// Candidates kept from one choice to the next.
const POOL: usize = 16;
/// Shards of a database looked at for samples, before all are: most databases are empty, or have keys everywhere.
const FEW: usize = 4;

struct Candidate {
    /// The greater, the sooner it goes.
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

/// Chooses keys, one after the other.
#[derive(Default)]
pub struct Evictor {
    /// The best candidates seen, the best one last. They may be gone by now.
    pool: Vec<Candidate>,
    policy: Option<Policy>,
    /// Where a choice by chance begins.
    next_db: usize,
}

impl Evictor {
    /// The database and key to remove next, as `policy` says; `None` if there is none it may remove.
    pub fn choose(
        &mut self,
        dataset: &Dataset,
        policy: Policy,
        samples: usize,
        clock: Clock,
    ) -> Option<(usize, Box<[u8]>)> {
        if policy.order == Order::Random {
            return self.any(dataset, policy.volatile);
        }
        if self.policy.replace(policy) != Some(policy) {
            self.pool.clear();
        }
        loop {
            for shards in [FEW, SHARDS] {
                for (number, db) in dataset.dbs().iter().enumerate() {
                    db.sample(samples, shards, policy.volatile, |entry| {
                        self.offer(number, entry, score(policy.order, entry, clock));
                    });
                }
                if !self.pool.is_empty() {
                    break;
                }
            }
            // The pool was filled from what is there, so that this ends.
            if self.pool.is_empty() {
                return None;
            }
            while let Some(best) = self.pool.pop() {
                let there = dataset.db(best.db).is_some_and(|db| {
                    let (shard, hash) = db.lock_key(&best.key);
                    let entry = shard.get(hash, &best.key);
                    entry.is_some_and(|e| e.expires() || !policy.volatile)
                });
                if there {
                    return Some((best.db, best.key));
                }
            }
        }
    }

    fn any(&mut self, dataset: &Dataset, volatile: bool) -> Option<(usize, Box<[u8]>)> {
        let count = dataset.dbs().len();
        for i in 0..2 * count {
            self.next_db = (self.next_db + 1) % count;
            let mut key = None;
            let db = dataset.db(self.next_db)?;
            let shards = if i < count { FEW } else { SHARDS };
            db.sample(1, shards, volatile, |entry| key = Some(entry.key().into()));
            if let Some(key) = key {
                return Some((self.next_db, key));
            }
        }
        None
    }

    fn offer(&mut self, db: usize, entry: &Entry, score: u64) {
        let at = self.pool.partition_point(|c| c.score < score);
        if at == 0 && self.pool.len() >= POOL {
            return;
        }
        let same = |c: &Candidate| c.db == db && *c.key == *entry.key();
        if self.pool.iter().any(same) {
            return;
        }
        let key = entry.key().into();
        self.pool.insert(at, Candidate { score, db, key });
        if self.pool.len() > POOL {
            self.pool.remove(0);
        }
    }
}

fn score(order: Order, entry: &Entry, clock: Clock) -> u64 {
    match order {
        Order::Recency => u64::from(clock.idle_seconds(entry)),
        Order::Frequency => u64::from(u32::MAX - clock.frequency(entry)),
        Order::Ttl => u64::MAX - entry.expire().map_or(u64::MAX, |at| at.max(0) as u64),
        Order::Random => 0,
    }
}

impl Db {
    /// Gives up to `count` entries found at random places of `shards` shards to `each`; only such that have an expiry if
    /// `volatile`.
    pub fn sample(
        &self,
        count: usize,
        shards: usize,
        volatile: bool,
        mut each: impl FnMut(&Entry),
    ) {
        if self.shards().is_empty() {
            return;
        }
        let (first, r) = (below(SHARDS), random());
        let mut left = count;
        for i in 0..shards {
            if left == 0 {
                return;
            }
            let shard = self.lock((first + i) % SHARDS);
            if !volatile || shard.expires() > 0 {
                let mut entries = shard
                    .iter_from(r)
                    .filter(|e| !volatile || e.expires())
                    .take(left);
                entries.by_ref().for_each(|entry| {
                    left -= 1;
                    each(entry);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Accesses;
    use super::super::object::Object;
    use super::*;

    const NOW: Clock = Clock::new(Accesses::Recency, 100_000_000);

    fn dataset(keys: i64) -> Dataset {
        let dataset = Dataset::new(2);
        for i in 0..keys {
            // The odd ones expire, the greater the later; the greater the later used, too.
            let key = format!("{i:05}");
            let expire = (i % 2 == 1).then_some(NOW.now_ms + 1000 * i);
            let db = &dataset.dbs()[(i % 4 / 2) as usize];
            db.insert_loaded(key.as_bytes(), Object::Str(b"v".to_vec()), expire);
            let (shard, hash) = db.lock_key(key.as_bytes());
            let entry = shard.get(hash, key.as_bytes()).unwrap();
            entry.set_clock((NOW.now_ms / 1000 - keys + i) as u32);
        }
        dataset
    }

    fn remove(dataset: &Dataset, (db, key): &(usize, Box<[u8]>)) -> i64 {
        let (mut shard, hash) = dataset.dbs()[*db].lock_key(key);
        assert!(shard.remove(hash, key).is_some(), "it is there");
        std::str::from_utf8(key).unwrap().parse().unwrap()
    }

    #[test]
    fn old_keys_go_before_new_ones() {
        for order in [Order::Recency, Order::Ttl] {
            let dataset = dataset(4000);
            let volatile = order == Order::Ttl;
            let policy = Policy { volatile, order };
            let mut evictor = Evictor::default();
            let gone = (0..400).map(|_| {
                let victim = evictor.choose(&dataset, policy, 5, NOW).unwrap();
                remove(&dataset, &victim)
            });
            let gone: Vec<i64> = gone.collect();
            assert!(!volatile || gone.iter().all(|i| i % 2 == 1));
            let mean = gone.iter().sum::<i64>() / 400;
            // Chance alone would give 2000, the true order 200 (400 of every second one).
            assert!(mean < 900, "{order:?}: {mean}");
        }
    }

    #[test]
    fn every_key_that_may_go_is_found_in_the_end() {
        for order in [Order::Recency, Order::Frequency, Order::Ttl, Order::Random] {
            for volatile in [true, false] {
                let dataset = dataset(50);
                let mut evictor = Evictor::default();
                let policy = Policy { volatile, order };
                let mut gone = 0;
                while let Some(victim) = evictor.choose(&dataset, policy, 5, NOW) {
                    remove(&dataset, &victim);
                    gone += 1;
                }
                assert_eq!(gone, if volatile { 25 } else { 50 }, "{policy:?}");
            }
        }
    }
}
