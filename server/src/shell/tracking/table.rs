//! The keys that clients have read.

use crate::store::random::below;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// Parts of the table, each with a lock of its own.
const PARTS: usize = 64;

/// The clients, by number, that have read a key since it last changed.
pub(super) type Readers = BTreeSet<u64>;

#[derive(Default)]
struct Part {
    /// Each key's readers, and its place in `order`.
    readers: HashMap<Arc<[u8]>, (Readers, usize)>,
    /// All keys, so that one can be picked at random.
    order: Vec<Arc<[u8]>>,
}

impl Part {
    fn take(&mut self, key: &[u8]) -> Option<Readers> {
        let (readers, at) = self.readers.remove(key)?;
        self.order.swap_remove(at);
        if let Some(moved) = self.order.get(at)
            && let Some(entry) = self.readers.get_mut(moved)
        {
            entry.1 = at;
        }
        Some(readers)
    }
}

/// Keys and their readers; made when the first is remembered.
#[derive(Default)]
pub(super) struct Table {
    parts: OnceLock<Box<[Mutex<Part>]>>,
    keys: AtomicUsize,
    items: AtomicUsize,
}

impl Table {
    fn part(parts: &[Mutex<Part>], key: &[u8]) -> usize {
        use std::hash::BuildHasher;
        // Where a key lies need not be a secret: what a part holds has a table with a seed.
        foldhash::fast::FixedState::default().hash_one(key) as usize % parts.len()
    }

    /// `client` has read `key`.
    pub fn remember(&self, client: u64, key: &[u8]) {
        let parts = self
            .parts
            .get_or_init(|| (0..PARTS).map(|_| Mutex::default()).collect());
        let mut part = parts[Table::part(parts, key)].lock();
        let part = &mut *part;
        let readers = match part.readers.get_mut(key) {
            Some((readers, _)) => readers,
            None => {
                let key: Arc<[u8]> = key.into();
                let at = part.order.len();
                part.order.push(Arc::clone(&key));
                self.keys.fetch_add(1, Relaxed);
                &mut part.readers.entry(key).or_insert((Readers::new(), at)).0
            }
        };
        if readers.insert(client) {
            self.items.fetch_add(1, Relaxed);
        }
    }

    /// Forgets `key`; its readers, if it had any.
    pub fn forget(&self, key: &[u8]) -> Option<Readers> {
        let parts = self.parts.get()?;
        let readers = parts[Table::part(parts, key)].lock().take(key)?;
        self.gone(&readers);
        Some(readers)
    }

    /// Forgets some key.
    pub fn forget_any(&self) -> Option<(Arc<[u8]>, Readers)> {
        let parts = self.parts.get()?;
        let first = below(parts.len());
        let mut all = (0..parts.len()).map(|i| &parts[(first + i) % parts.len()]);
        let (key, readers) = all.find_map(|part| {
            let mut part = part.lock();
            let key = Arc::clone(part.order.get(below(part.order.len()))?);
            let readers = part.take(&key)?;
            Some((key, readers))
        })?;
        self.gone(&readers);
        Some((key, readers))
    }

    fn gone(&self, readers: &Readers) {
        self.keys.fetch_sub(1, Relaxed);
        self.items.fetch_sub(readers.len(), Relaxed);
    }

    /// Forgets all.
    pub fn clear(&self) {
        for part in self.parts.get().into_iter().flatten() {
            let part = std::mem::take(&mut *part.lock());
            for (readers, _) in part.readers.values() {
                self.gone(readers);
            }
        }
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// How many readers they have, added up.
    pub fn items(&self) -> usize {
        self.items.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_forgotten_one_by_one_at_random_or_all_at_once() {
        let table = Table::default();
        assert!(table.forget(b"k").is_none() && table.forget_any().is_none());
        for i in 0..1000u64 {
            table.remember(i % 3, format!("k:{}", i % 500).as_bytes());
        }
        table.remember(0, b"k:0");
        assert_eq!((table.keys(), table.items()), (500, 1000));
        let readers = table.forget(b"k:7").unwrap();
        assert_eq!(readers.into_iter().collect::<Vec<_>>(), [0, 1]);
        assert!(table.forget(b"k:7").is_none());
        for _ in 0..99 {
            let (key, readers) = table.forget_any().unwrap();
            assert!(readers.len() == 2 && table.forget(&key).is_none());
        }
        assert_eq!((table.keys(), table.items()), (400, 800));
        table.clear();
        assert_eq!((table.keys(), table.items()), (0, 0));
        assert!(table.forget_any().is_none());
    }
}
