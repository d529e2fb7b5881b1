//! The table under big hashes, sets and sorted sets.
//!
//! Elements stand densely in chunks, so a random one is one index away and a scan is a walk down
//! from the last index; a hash index maps a key to its element's number. Neither part ever moves
//! everything at once: chunks are added one by one, and the index grows by linear hashing, which
//! splits one small table at a time. So no insertion stalls, however big the collection.
//!
//! Chunks are shared with the copies that snapshots take, so that such a copy costs a count for each chunk; a change
//! copies the chunk it touches.

use std::sync::{Arc, LazyLock};

use crate::sys::hash::Quality;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Elements of a chunk.
const CHUNK: usize = 512;

/// Elements a segment of the index holds on average before another one is added.
const SEGMENT: usize = 1024;

/// One seed per process: two nodes, or two runs, never share an order.
static SEED: LazyLock<Quality> = LazyLock::new(Quality::default);

/// An element that knows its key.
pub(super) trait Keyed {
    /// The bytes it is found by.
    fn key(&self) -> &[u8];
    /// Bytes it owns on the heap.
    fn heap_bytes(&self) -> usize;
}

/// Walks a [`Dense`].
pub(super) type Iter<'a, E> = std::iter::Chain<
    std::iter::FlatMap<
        std::slice::Iter<'a, Arc<Vec<E>>>,
        std::slice::Iter<'a, E>,
        fn(&'a Arc<Vec<E>>) -> std::slice::Iter<'a, E>,
    >,
    std::slice::Iter<'a, E>,
>;

/// The part of a key's hash the index keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash(u32);

impl Hash {
    fn of(key: &[u8]) -> Self {
        Hash(SEED.hash_one(key) as u32)
    }

    /// Spread over 64 bits for one segment's table: the low bits, which picked the segment, go to
    /// the tag's end.
    fn spread(self) -> u64 {
        (u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(32)
    }
}

/// A set of elements with distinct keys, numbered `0..len` in no meaningful order.
///
/// At most 2^32 - 1 elements, as in Redis.
#[derive(Clone)]
pub(super) struct Dense<E> {
    /// Full ones.
    chunks: Vec<Arc<Vec<E>>>,
    /// The elements after those, at most a chunk. Not shared: to ask whether something is, each time that one is added,
    /// costs more than to copy these for a snapshot.
    tail: Vec<E>,
    len: usize,
    index: Index,
}

impl<E: Keyed + Clone> Dense<E> {
    pub fn new() -> Self {
        Dense {
            chunks: Vec::new(),
            tail: Vec::new(),
            len: 0,
            index: Index::new(),
        }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// The number of the element with this key, or the hash to insert it with.
    pub fn find(&self, key: &[u8]) -> Result<usize, Hash> {
        let hash = Hash::of(key);
        self.index
            .find(hash, |at| self.get(at).key() == key)
            .ok_or(hash)
    }

    pub fn get(&self, at: usize) -> &E {
        match self.chunks.get(at / CHUNK) {
            Some(chunk) => &chunk[at % CHUNK],
            None => &self.tail[at % CHUNK],
        }
    }

    pub fn get_mut(&mut self, at: usize) -> &mut E {
        match self.chunks.get_mut(at / CHUNK) {
            Some(chunk) => &mut Arc::make_mut(chunk)[at % CHUNK],
            None => &mut self.tail[at % CHUNK],
        }
    }

    /// Adds an element whose key [`find`](Self::find) did not find, and returns its number.
    pub fn insert_new(&mut self, hash: Hash, elem: E) -> usize {
        let at = self.len;
        self.index.insert(hash, at);
        if self.tail.len() == CHUNK {
            // The first grew by doubling; later ones are known to be needed in full.
            let full = std::mem::replace(&mut self.tail, Vec::with_capacity(CHUNK));
            self.chunks.push(Arc::new(full));
        }
        self.tail.push(elem);
        self.len += 1;
        at
    }

    /// Removes element `at`; the last one takes its number.
    pub fn swap_remove(&mut self, at: usize) -> E {
        let last = self.len - 1;
        self.index.remove(Hash::of(self.get(at).key()), at);
        if at != last {
            let hash = Hash::of(self.get(last).key());
            self.index.renumber(hash, last, at);
        }
        if self.tail.is_empty()
            && let Some(chunk) = self.chunks.pop()
        {
            self.tail = Arc::unwrap_or_clone(chunk);
        }
        let moved = self.tail.pop().expect("there is an element");
        self.len = last;
        if self.chunks.is_empty() && self.tail.len() < self.tail.capacity() / 4 {
            self.tail.shrink_to(self.tail.len() * 2);
        }
        if at == last {
            moved
        } else {
            std::mem::replace(self.get_mut(at), moved)
        }
    }

    /// The elements as they are, for walking them later: nothing is found in it by its key.
    pub fn frozen(&self) -> Self {
        Dense {
            chunks: self.chunks.clone(),
            tail: self.tail.clone(),
            len: self.len,
            index: Index::new(),
        }
    }

    /// All elements, by number.
    pub fn iter(&self) -> Iter<'_, E> {
        let in_chunk: fn(&Arc<Vec<E>>) -> std::slice::Iter<'_, E> = |chunk| chunk.iter();
        self.chunks.iter().flat_map(in_chunk).chain(&self.tail)
    }

    /// One step of a scan: hands up to `count` elements to `each` and returns the next cursor, 0 at the end.
    ///
    /// A cursor is the number of elements still to be seen. A removal moves the last element into
    /// the gap: one already seen may move down and be seen again, one not yet seen stays below the
    /// cursor. So whatever is there from a scan's start to its end is seen at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&E)) -> u64 {
        let from = match usize::try_from(cursor) {
            Ok(0) | Err(_) => self.len,
            Ok(n) => n.min(self.len),
        };
        let to = from.saturating_sub(count.max(1));
        for at in (to..from).rev() {
            each(self.get(at));
        }
        to as u64
    }

    /// Places for elements in the index.
    pub fn slots(&self) -> usize {
        self.index.segments.iter().map(HashTable::num_buckets).sum()
    }

    /// Bytes allocated, those of the elements included; the elements' own heap bytes are sampled.
    pub fn memory_usage(&self) -> usize {
        const SAMPLES: usize = 16;
        /// A pointer, two counts, and a vector.
        const OF_CHUNK: usize = 3 * size_of::<usize>() + size_of::<Vec<u8>>();
        let step = (self.len / SAMPLES).max(1);
        let (mut owned, mut seen) = (0, 0);
        for at in (0..self.len).step_by(step) {
            owned += self.get(at).heap_bytes();
            seen += 1;
        }
        let own = (owned * self.len).checked_div(seen).unwrap_or(0);
        let chunks = (self.chunks.len() * CHUNK + self.tail.capacity()) * size_of::<E>();
        own + chunks + self.chunks.capacity() * OF_CHUNK + self.index.memory_usage()
    }
}

/// Hash to element number: linear hashing over segments of bounded size.
#[derive(Clone)]
struct Index {
    segments: Vec<HashTable<Slot>>,
    len: usize,
}

/// The hash is kept so that growing never looks at a key.
#[derive(Clone, Copy)]
struct Slot {
    hash: Hash,
    at: u32,
}

impl Index {
    fn new() -> Self {
        Index {
            segments: vec![HashTable::new()],
            len: 0,
        }
    }

    /// The segment of a hash among `n`: by as many low bits as needed, one fewer when that segment
    /// has not been split off yet.
    fn segment(hash: Hash, n: usize) -> usize {
        let mask = n.next_power_of_two() - 1;
        let s = hash.0 as usize & mask;
        if s < n { s } else { s & (mask >> 1) }
    }

    fn table(&self, hash: Hash) -> &HashTable<Slot> {
        &self.segments[Self::segment(hash, self.segments.len())]
    }

    fn table_mut(&mut self, hash: Hash) -> &mut HashTable<Slot> {
        let n = self.segments.len();
        &mut self.segments[Self::segment(hash, n)]
    }

    fn find(&self, hash: Hash, mut eq: impl FnMut(usize) -> bool) -> Option<usize> {
        self.table(hash)
            .find(hash.spread(), |s| s.hash == hash && eq(s.at as usize))
            .map(|s| s.at as usize)
    }

    fn insert(&mut self, hash: Hash, at: usize) {
        let at = u32::try_from(at).expect("a collection holds at most 2^32 - 1 elements");
        self.table_mut(hash)
            .insert_unique(hash.spread(), Slot { hash, at }, |s| s.hash.spread());
        self.len += 1;
        if self.len > self.segments.len() * SEGMENT {
            self.split();
        }
    }

    fn remove(&mut self, hash: Hash, at: usize) {
        let table = self.table_mut(hash);
        let found = table.find_entry(hash.spread(), |s| s.at as usize == at);
        let Ok(entry) = found else {
            debug_assert!(false, "every element is indexed");
            return;
        };
        entry.remove();
        if table.len() < table.capacity() / 8 {
            table.shrink_to(table.len() * 2, |s| s.hash.spread());
        }
        self.len -= 1;
        if self.segments.len() > 1 && self.len < self.segments.len() * SEGMENT / 4 {
            self.merge();
        }
    }

    /// Element `from` now has the number `to`.
    fn renumber(&mut self, hash: Hash, from: usize, to: usize) {
        let slot = self
            .table_mut(hash)
            .find_mut(hash.spread(), |s| s.at as usize == from);
        debug_assert!(slot.is_some(), "every element is indexed");
        if let Some(slot) = slot {
            slot.at = to as u32; // a number in use before
        }
    }

    /// Adds a segment and moves to it its part of the one it splits.
    fn split(&mut self) {
        let new = self.segments.len();
        let n = new + 1;
        let mask = n.next_power_of_two() - 1;
        let mut fresh = HashTable::with_capacity(SEGMENT);
        let old = &mut self.segments[new & (mask >> 1)];
        for slot in old.extract_if(|s| Self::segment(s.hash, n) == new) {
            fresh.insert_unique(slot.hash.spread(), slot, |s| s.hash.spread());
        }
        self.segments.push(fresh);
    }

    /// Takes the last segment back into the one it was split from.
    fn merge(&mut self) {
        if let Some(gone) = self.segments.pop() {
            for slot in gone {
                self.table_mut(slot.hash)
                    .insert_unique(slot.hash.spread(), slot, |s| s.hash.spread());
            }
        }
    }

    fn memory_usage(&self) -> usize {
        let tables: usize = self.segments.iter().map(HashTable::allocation_size).sum();
        tables + self.segments.capacity() * size_of::<HashTable<Slot>>()
    }
}

#[cfg(test)]
mod tests;
