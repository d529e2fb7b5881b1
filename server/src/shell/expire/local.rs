//! Keys that clients of a writable replica have given a time: the master knows nothing of it, so that nobody else says
//! when they go. What the master says of a key later counts more, as in Redis.

use super::super::evict::{self, Cause};
use super::super::server::Server;
use crate::command::Command;
use crate::gate::View;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap};

/// A key, and its database.
type Name = (usize, Box<[u8]>);

/// The keys, each with its time, in milliseconds since 1970.
#[derive(Default)]
pub(in super::super) struct LocalTimes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    times: HashMap<Name, i64>,
    in_order: BTreeSet<(i64, Name)>,
}

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
                self.0.lock().set((db, args[i].into()), now);
            }
        }
    }

    /// Removes the keys whose time has come, at most `most` of them. How many there were.
    pub fn remove_due(&self, server: &Server, view: &View, now_ms: i64, most: usize) -> u64 {
        let due = self.0.lock().take_due(now_ms, most);
        let gone = due.into_iter().filter(|(at, (db, key))| {
            let cause = Cause::Expired;
            evict::remove(server, view, *db, key, cause, |entry| {
                entry.expire() == Some(*at)
            })
        });
        gone.count() as u64
    }

    /// Forgets them: a master looks after all keys.
    pub fn clear(&self) {
        *self.0.lock() = Inner::default();
    }
}

impl Inner {
    fn set(&mut self, name: Name, at: Option<i64>) {
        let old = match at {
            Some(at) => self.times.insert(name.clone(), at),
            None => self.times.remove(&name),
        };
        if let Some(old) = old {
            self.in_order.remove(&(old, name.clone()));
        }
        if let Some(at) = at {
            self.in_order.insert((at, name));
        }
    }

    fn take_due(&mut self, now_ms: i64, most: usize) -> Vec<(i64, Name)> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some(first) = self.in_order.first()
            && first.0 <= now_ms
            && let Some(first) = self.in_order.pop_first()
        {
            self.times.remove(&first.1);
            due.push(first);
        }
        due
    }
}

fn time(view: &View, db: usize, key: &[u8]) -> Option<i64> {
    let (shard, hash) = view.dataset.db(db)?.lock_key(key);
    shard.get(hash, key)?.expire()
}
