//! Removing keys and fields whose time has come and that nobody asks for.

use super::dataset::Dataset;
use super::table::SHARDS;

/// Goes round and round through a dataset, some steps at a time.
///
/// A shard knows a moment before which none of its keys expires, and is skipped until then.
#[derive(Debug, Default)]
pub struct ExpiryCycle {
    db: usize,
    shard: usize,
}

/// How far a call of [`ExpiryCycle::run`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Keys that were removed since their time had come.
    pub removed: usize,
    /// Fields of hashes that were removed.
    pub fields: usize,
    /// True when every shard has been looked at since the last round began.
    pub round_done: bool,
}

/// What was removed.
#[derive(Clone, Copy, Debug)]
pub enum Gone<'a> {
    /// A key.
    Key(&'a [u8]),
    /// Fields of a hash.
    Fields {
        /// Its key.
        key: &'a [u8],
        /// Their names.
        fields: &'a [Box<[u8]>],
        /// None is left, so that the key is gone with them.
        last: bool,
    },
}

impl<'a> Gone<'a> {
    /// What replicas are told of it.
    pub fn deletion(&self) -> Vec<&'a [u8]> {
        match *self {
            Gone::Key(key) => vec![b"DEL", key],
            Gone::Fields { key, fields, .. } => {
                let fields = fields.iter().map(|field| &**field);
                [b"HDEL", key].into_iter().chain(fields).collect()
            }
        }
    }
}

impl ExpiryCycle {
    /// A cycle at its beginning.
    pub fn new() -> ExpiryCycle {
        ExpiryCycle::default()
    }

    /// Removes expired keys and fields, of which `removed` hears (with the number of the database) while their shard is
    /// locked, so that it can tell replicas. Looks at about `budget` keys, fields and shards at most and goes on from
    /// there next time; ends with the end of a round. For masters only: the caller is in a gate.
    pub fn run(
        &mut self,
        dataset: &Dataset,
        now_ms: i64,
        mut budget: usize,
        removed: &mut dyn FnMut(usize, Gone<'_>),
    ) -> Progress {
        let mut progress = Progress {
            removed: 0,
            fields: 0,
            round_done: false,
        };
        while budget > 0 {
            let Some(db) = dataset.db(self.db) else {
                *self = ExpiryCycle::new();
                progress.round_done = true;
                break;
            };
            if db.shards().is_empty() {
                budget -= 1;
                (self.db, self.shard) = (self.db + 1, 0);
                continue;
            }
            let mut shard = db.lock(self.shard);
            let fields = shard.expire_fields(now_ms, budget, &mut |gone| removed(self.db, gone));
            progress.fields += fields;
            budget -= fields;
            if budget == 0 {
                // There may be more here.
                break;
            }
            let step = shard.expire_segment(now_ms, &mut |key| removed(self.db, Gone::Key(key)));
            budget = budget.saturating_sub(step.looked_at + 1);
            progress.removed += step.removed;
            if !step.more {
                self.shard = (self.shard + 1) % SHARDS;
                self.db += usize::from(self.shard == 0);
            }
        }
        progress
    }
}
