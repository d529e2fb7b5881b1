//! Prefixes of keys whose changes clients hear of, whatever they have read.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Keys that changed, in their order, each with the client that changed it first.
pub(super) type Changed = BTreeMap<Box<[u8]>, Option<u64>>;

#[derive(Default)]
struct Prefix {
    clients: BTreeSet<u64>,
    changed: Changed,
}

/// The prefixes, and what has changed under them since it was told last.
#[derive(Default)]
pub(super) struct Prefixes {
    all: Mutex<BTreeMap<Box<[u8]>, Prefix>>,
    /// There is a prefix.
    any: AtomicBool,
    /// Something has changed.
    waiting: AtomicBool,
}

impl Prefixes {
    /// `client` hears of changes under `prefixes`, too.
    pub fn add(&self, client: u64, prefixes: &[&[u8]]) {
        let mut all = self.all.lock();
        for prefix in prefixes {
            let entry = all.entry((*prefix).into()).or_default();
            entry.clients.insert(client);
        }
        self.any.store(true, Release);
    }

    /// `client` hears of nothing any more.
    pub fn remove(&self, client: u64) {
        let mut all = self.all.lock();
        all.retain(|_, prefix| {
            prefix.clients.remove(&client);
            !prefix.clients.is_empty()
        });
        self.any.store(!all.is_empty(), Release);
    }

    /// `key` was changed by client `by`: the last who does it counts, for who did it before does not know.
    pub fn changed(&self, key: &[u8], by: Option<u64>) {
        if !self.any.load(Acquire) {
            return;
        }
        let mut all = self.all.lock();
        let concerned = all.iter_mut().filter(|(prefix, _)| key.starts_with(prefix));
        for (_, prefix) in concerned {
            prefix.changed.insert(key.into(), by);
            self.waiting.store(true, Release);
        }
    }

    /// True when something has changed that nobody was told yet.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Acquire)
    }

    /// What has changed, and who is to be told: by prefix, in their order.
    pub fn take(&self) -> Vec<(Changed, Vec<u64>)> {
        let mut all = self.all.lock();
        let changed = all.values_mut().filter(|p| !p.changed.is_empty());
        let taken = changed.map(|prefix| {
            let clients = prefix.clients.iter().copied().collect();
            (std::mem::take(&mut prefix.changed), clients)
        });
        taken.collect()
    }

    /// What was taken has been told. Until then others wait for that, so that no reply comes before.
    pub fn told(&self) {
        let all = self.all.lock();
        let more = all.values().any(|prefix| !prefix.changed.is_empty());
        self.waiting.store(more, Release);
    }

    /// The prefixes of `client`, in order.
    pub fn of(&self, client: u64) -> Vec<Box<[u8]>> {
        let all = self.all.lock();
        let own = all.iter().filter(|(_, p)| p.clients.contains(&client));
        own.map(|(prefix, _)| prefix.clone()).collect()
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.all.lock().len()
    }
}
