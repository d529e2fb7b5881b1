//! Keys that clients of a writable replica have given a time: the master knows nothing of it, so that nobody else says
//! when they go. What the master says of a key later counts more, as in Redis.

use super::super::evict::{self, Cause};
use super::super::server::Server;
use crate::command::Command;
use crate::gate::View;
use crate::store::deadlines::Deadlines;
use parking_lot::Mutex;
use smallvec::SmallVec;

/// A key, and its database.
type Name = (usize, Box<[u8]>);

/// The keys, each with its time, in milliseconds since 1970.
#[derive(Default)]
pub(in super::super) struct LocalTimes(Mutex<Deadlines<Name>>);

/// The times of the keys of a command, before it ran.
pub(in super::super) struct Before(SmallVec<[(usize, Option<i64>); 1]>);

impl LocalTimes {
    /// What `note` compares with, for a command that is about to run on a replica.
    pub fn before(view: &View, db: usize, command: &Command, args: &[&[u8]]) -> Before {
        let positions = command.keys.positions(args);
        let times = positions.iter().map(|&i| (i, time(view, db, args[i])));
        Before(times.collect())
    }

    /// Remembers the keys whose time the command has changed.
    pub fn note(&self, view: &View, db: usize, args: &[&[u8]], before: Before) {
        for (i, before) in before.0 {
            let now = time(view, db, args[i]);
            if now != before {
                let (mut times, name) = (self.0.lock(), (db, args[i].into()));
                match now {
                    Some(at) => times.set(name, at),
                    None => drop(times.remove(&name)),
                }
            }
        }
    }

    /// Removes the keys whose time has come, at most `most` of them. How many there were.
    pub fn remove_due(&self, server: &Server, view: &View, now_ms: i64, most: usize) -> u64 {
        let due: Vec<_> = {
            let mut times = self.0.lock();
            std::iter::from_fn(|| times.pop_due(now_ms))
                .take(most)
                .collect()
        };
        let gone = due.into_iter().filter(|(at, (db, key))| {
            let cause = Cause::Expired;
            evict::remove(server, view, *db, key, cause, |entry| {
                entry.expire() == Some(*at)
            })
            .is_some()
        });
        gone.count() as u64
    }

    /// Forgets them: a master looks after all keys.
    pub fn clear(&self) {
        *self.0.lock() = Deadlines::default();
    }
}

fn time(view: &View, db: usize, key: &[u8]) -> Option<i64> {
    let (shard, hash) = view.dataset.db(db)?.lock_key(key);
    shard.get(hash, key)?.expire()
}
