//! The hash table of one shard: an extendible hash of small tables.
//!
//! A table that doubles in one go stalls everyone who waits for its lock, the longer the larger it is. So
//! a shard's table is a directory of *segments*, hash tables of at most [`SEGMENT_MAX`] entries: a full
//! segment splits in two, which takes some microseconds whatever the size of the keyspace.
//!
//! # Places
//! The lower [`PLACE_BITS`] bits of a key's hash are its *place*. The upper bits of the place choose the
//! shard, the next ones the segment, so that shards and segments are ranges of places. A key keeps its
//! place as long as the process lives, wherever splits move it: that is what the cursors of `SCAN` and of
//! snapshots count in. The bits above the place are the ones `hashbrown` tags entries with, the lowest
//! ones choose a bucket in a segment: neither is constant within a segment.

use super::entry::Entry;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::LazyLock;

/// Where a key stands in the order of the keyspace: `hash & PLACE_MASK`.
pub type Place = u64;

/// Bits of a hash that make its place.
pub const PLACE_BITS: u32 = 57;
/// The bits of a hash that make its place.
pub const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
/// Bits of a place that choose a shard.
pub const SHARD_BITS: u32 = 8;
/// Shards of a database.
pub const SHARDS: usize = 1 << SHARD_BITS;
/// Bits of a place that lie below the shard's.
const LOCAL_BITS: u32 = PLACE_BITS - SHARD_BITS;

/// Entries of a full segment: what 512 buckets of a `hashbrown` table hold.
const SEGMENT_MAX: usize = 448;
/// A directory never gets deeper; a segment that cannot split grows instead. Out of reach unless hashes
/// are equal in all these bits.
const MAX_DEPTH: u32 = 30;

static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// Hashes keys; the seed is chosen at random when the process starts, the same for all databases.
#[derive(Clone, Debug)]
pub struct KeyHasher(foldhash::quality::RandomState);

impl KeyHasher {
    /// The hasher of this process.
    pub fn new() -> Self {
        KeyHasher(SEED.clone())
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl Default for KeyHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The shard of a hash.
#[inline]
pub fn shard_of(hash: u64) -> usize {
    ((hash & PLACE_MASK) >> LOCAL_BITS) as usize
}

/// The places of a shard.
pub fn places_of(shard: usize) -> Range<Place> {
    let first = (shard as u64) << LOCAL_BITS;
    first..first + (1 << LOCAL_BITS)
}

struct Segment {
    entries: HashTable<Entry>,
    /// Upper bits of the local place that all entries share.
    depth: u32,
}

/// The entries of one shard.
pub(super) struct Table {
    /// `2^depth` indices into `segments`, by the upper bits of the local place; none before the first insert.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment>,
    len: usize,
    hasher: KeyHasher,
}

impl Table {
    pub(super) fn new(hasher: KeyHasher) -> Table {
        Table {
            directory: Vec::new(),
            depth: 0,
            segments: Vec::new(),
            len: 0,
            hasher,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The index into the directory of a hash or place.
    #[inline]
    fn index(&self, place: u64) -> usize {
        // Shifted in two steps, since a shift by all 64 bits at depth 0 would overflow.
        ((place << (64 - LOCAL_BITS) >> 1) >> (63 - self.depth)) as usize
    }

    /// The segment of a hash or place.
    #[inline]
    fn segment(&self, place: u64) -> Option<&Segment> {
        let index = *self.directory.get(self.index(place))?;
        self.segments.get(index as usize)
    }

    #[inline]
    fn segment_mut(&mut self, place: u64) -> Option<&mut Segment> {
        let index = *self.directory.get(self.index(place))?;
        self.segments.get_mut(index as usize)
    }

    #[inline]
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.segment(hash)?.entries.find(hash, |e| e.key() == key)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        let entries = &mut self.segment_mut(hash)?.entries;
        entries.find_mut(hash, |e| e.key() == key)
    }

    /// Inserts an entry whose key is not in the table, and returns it.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) -> &mut Entry {
        if self.directory.is_empty() {
            self.directory.push(0);
            self.segments.push(Segment {
                entries: HashTable::new(),
                depth: 0,
            });
        }
        let mut index = self.directory[self.index(hash)] as usize;
        while self.segments[index].entries.len() >= SEGMENT_MAX
            && self.segments[index].depth < MAX_DEPTH
        {
            self.split(hash);
            index = self.directory[self.index(hash)] as usize;
        }
        self.len += 1;
        let hasher = &self.hasher;
        self.segments[index]
            .entries
            .insert_unique(hash, entry, |e| hasher.hash(e.key()))
            .into_mut()
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let hasher = self.hasher.clone();
        let segment = &mut self.segment_mut(hash)?.entries;
        let entry = segment
            .find_entry(hash, |e| e.key() == key)
            .ok()?
            .remove()
            .0;
        if segment.len() * 8 < segment.capacity() {
            segment.shrink_to(segment.len() * 2, |e| hasher.hash(e.key()));
        }
        self.len -= 1;
        Some(entry)
    }

    /// Splits the segment of `hash` by the next bit of the place.
    fn split(&mut self, hash: u64) {
        let index = self.directory[self.index(hash)] as usize;
        let depth = self.segments[index].depth + 1;
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|&i| [i, i]).collect();
            self.depth += 1;
        }
        let half = SEGMENT_MAX / 2;
        let mut halves = [
            HashTable::with_capacity(half),
            HashTable::with_capacity(half),
        ];
        for entry in std::mem::take(&mut self.segments[index].entries) {
            let hash = self.hasher.hash(entry.key());
            let upper = hash >> (LOCAL_BITS - depth) & 1;
            halves[upper as usize]
                .insert_unique(hash, entry, |e: &Entry| self.hasher.hash(e.key()));
        }
        let [lower, upper] = halves;
        self.segments[index] = Segment {
            entries: lower,
            depth,
        };
        let new = self.segments.len() as u32;
        self.segments.push(Segment {
            entries: upper,
            depth,
        });
        // The segment's slots in the directory are adjacent; the upper half of them gets the new one.
        let slots = 1usize << (self.depth - depth);
        let first = self.index(hash) & !(2 * slots - 1);
        for slot in &mut self.directory[first + slots..first + 2 * slots] {
            *slot = new;
        }
    }

    /// The entries of the segment in which `place` lies, and the first place after the segment.
    /// Segments split but never merge: where one began, one will always begin.
    pub(super) fn segment_at(&self, place: Place) -> (impl Iterator<Item = &Entry>, Place) {
        let segment = self.segment(place);
        let span = 1 << (LOCAL_BITS - segment.map_or(0, |s| s.depth));
        let entries = segment.into_iter().flat_map(|s| s.entries.iter());
        (entries, (place & !(span - 1)) + span)
    }

    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The `index`th segment, by no particular order; `None` behind the last.
    pub(super) fn nth_segment(&self, index: usize) -> Option<&HashTable<Entry>> {
        self.segments.get(index).map(|s| &s.entries)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(|s| s.entries.iter())
    }

    /// Bytes of heap that the table itself takes, without its entries.
    pub(super) fn heap_size(&self) -> usize {
        let tables: usize = self
            .segments
            .iter()
            .map(|s| s.entries.allocation_size())
            .sum();
        tables
            + self.segments.capacity() * size_of::<Segment>()
            + self.directory.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests;
