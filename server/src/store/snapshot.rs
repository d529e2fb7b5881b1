//! Point-in-time snapshots of a dataset that goes on changing.
//!
//! A snapshot begins while the world stands still (all gates held). From then on its owner takes the
//! entries segment by segment, holding one shard's lock at a time, and whoever changes a key that the
//! walk has not got to yet first puts the old value aside. Keys are walked in the order of their places,
//! which never change, so "not yet" is one comparison whatever splits happen meanwhile.
//!
//! What takes long to write is not written under the lock: it is put aside, as a copy that shares its parts with the value
//! (see [`super::frozen`]), and follows when the lock is given back.
//!
//! FLUSHALL and SWAPDB replace the [`Db`]s of a dataset by others; a snapshot keeps those it began with.

use super::dataset::{Dataset, Db};
use super::frozen::Frozen;
use super::hooks::Sink;
use super::libraries::Libraries;
use super::table::SHARDS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A dataset as it was at one moment. Dropping it before the end ends it.
pub struct Snapshot {
    id: u64,
    /// The databases that had keys: number, content, keys then.
    dbs: Vec<(usize, Arc<Db>)>,
    /// The libraries of functions then.
    libraries: Arc<Libraries>,
    /// There are hashes that have fields with times.
    has_field_times: bool,
    /// What is walked next: index into `dbs`, shard.
    next: (usize, usize),
    /// What was put aside, of the database of this number.
    aside: (usize, Vec<Frozen>),
}

static LAST_ID: AtomicU64 = AtomicU64::new(0);

impl Snapshot {
    /// The libraries of functions as they were when it began.
    pub fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Whether there are hashes that have fields with times.
    pub fn has_field_times(&self) -> bool {
        self.has_field_times
    }

    /// The snapshot of `dataset` as it is now. The caller sees to it that no command runs meanwhile, by holding all gates.
    pub fn begin(dataset: &Dataset) -> Snapshot {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let (mut dbs, mut has_field_times) = (Vec::new(), false);
        for (number, db) in dataset.dbs().iter().enumerate() {
            let mut has_keys = false;
            // A database that has no shards yet has no keys either; those it will have are younger than we are.
            for shard in db.shards() {
                let (index, mut shard) = (shard, db.lock(shard));
                has_keys |= shard.begin_snapshot(id, index);
                has_field_times |= shard.hashes_with_times() > 0;
            }
            if has_keys {
                dbs.push((number, Arc::clone(db)));
            }
        }
        Snapshot {
            id,
            dbs,
            libraries: dataset.libraries(),
            has_field_times,
            next: (0, 0),
            aside: (0, Vec::new()),
        }
    }

    /// The databases that have keys in this snapshot, in the order they are walked.
    pub fn dbs(&self) -> impl Iterator<Item = (usize, &Arc<Db>)> {
        self.dbs.iter().map(|(number, db)| (*number, db))
    }

    /// The number of the database that is walked next; `None` at the end.
    pub fn db(&self) -> Option<usize> {
        match &self.aside {
            (number, aside) if !aside.is_empty() => Some(*number),
            _ => self.dbs.get(self.next.0).map(|(number, _)| *number),
        }
    }

    /// Gives some of the remaining entries to `sink`, all of the database whose number is returned: those of a segment,
    /// with one shard locked, or a large one, with none; `None` when there are no more. Databases follow one another in
    /// ascending order.
    pub fn walk(&mut self, sink: &mut Sink<'_>) -> Option<usize> {
        if let Some(entry) = self.aside.1.pop() {
            sink(entry.key(), entry.value(), entry.expire());
            return Some(self.aside.0);
        }
        let (index, shard) = self.next;
        let (number, db) = self.dbs.get(index)?;
        self.aside.0 = *number;
        let done = db
            .lock(shard)
            .walk_snapshot(self.id, sink, &mut self.aside.1);
        if done {
            self.next = match shard + 1 {
                SHARDS => (index + 1, 0),
                next => (index, next),
            };
        }
        Some(*number)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let (index, first) = self.next;
        for (i, (_, db)) in self.dbs.iter().enumerate().skip(index) {
            for shard in if i == index { first } else { 0 }..SHARDS {
                let ended = db.lock(shard).end_snapshot(self.id);
                drop(ended);
            }
        }
    }
}

#[cfg(test)]
mod tests;
