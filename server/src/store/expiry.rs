//! Removing keys whose time has come and that nobody asks for.

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
    /// Keys that were removed.
    pub removed: usize,
    /// True when every shard has been looked at since the last round began.
    pub round_done: bool,
}

impl ExpiryCycle {
    /// A cycle at its beginning.
    pub fn new() -> ExpiryCycle {
        ExpiryCycle::default()
    }

    /// Removes expired keys, of which `removed` hears (number of the database, key) while their shard is locked, so that
    /// it can tell replicas. Looks at about `budget` keys and shards at most and goes on from there next time; ends
    /// with the end of a round. For masters only: the caller is in a gate.
    pub fn run(
        &mut self,
        dataset: &Dataset,
        now_ms: i64,
        mut budget: usize,
        removed: &mut dyn FnMut(usize, &[u8]),
    ) -> Progress {
        let mut progress = Progress {
            removed: 0,
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
            let step = shard.expire_segment(now_ms, &mut |key| removed(self.db, key));
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
