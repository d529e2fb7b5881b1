//! The hash table of one shard: an extendible hash of small tables.
//!
//! A table that doubles in one go stalls everyone who waits for its lock, the longer the larger it is. So
//! a shard's table is a directory of *segments*, hash tables of at most [`segment::SEGMENT_MAX`] entries: a full
//! segment splits in two, which takes some microseconds whatever the size of the keyspace.
//!
//! # Places
//! The lower [`PLACE_BITS`] bits of a key's hash are its *place*. The upper bits of the place choose the
//! shard, the next ones the segment, so that shards and segments are ranges of places. A key keeps its
//! place as long as the process lives, wherever splits move it: that is what the cursors of `SCAN` and of
//! snapshots count in. The bits above the place are the tags of entries, the lowest ones choose a bucket in a segment: neither
//! is constant within a segment.

mod homes;
mod segment;

use super::entry::Entry;
use crate::sys::hash::Quality;
pub(super) use homes::Homes;
use segment::{SEGMENT_MAX, Segment};
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Where a key stands in the order of the keyspace: `hash & PLACE_MASK`.
pub type Place = u64;

/// Bits of a hash that make its place.
pub const PLACE_BITS: u32 = 57;
/// The bits of a hash that make its place.
pub const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
/// Places that a scan visits together. Its cursor counts these steps, so it has 52 bits: many clients, and scripts,
/// hold a cursor in a double.
pub const SCAN_STEP: Place = 1 << (PLACE_BITS - 52);
/// Bits of a place that choose a shard.
pub const SHARD_BITS: u32 = 8;
/// Shards of a database.
pub const SHARDS: usize = 1 << SHARD_BITS;
/// Bits of a place that lie below the shard's.
const LOCAL_BITS: u32 = PLACE_BITS - SHARD_BITS;

/// A directory never gets deeper; a segment that cannot split grows instead. Out of reach unless hashes
/// are equal in all these bits.
const MAX_DEPTH: u32 = 30;

static SEED: LazyLock<Quality> = LazyLock::new(Default::default);

/// Hashes keys; the seed is chosen at random when the process starts, the same for all databases.
#[derive(Clone, Debug)]
pub struct KeyHasher(Quality);

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

/// Where an entry is in its table, until that changes.
#[derive(Clone, Copy)]
pub struct Spot {
    segment: u32,
    bucket: u32,
    slot: u32,
}

/// The entries of one shard.
pub(super) struct Table {
    /// `2^depth` indices into `segments`, by the upper bits of the local place; none before the first insert.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment>,
    len: usize,
    hasher: KeyHasher,
    /// Where the segments' buckets are.
    homes: Arc<Homes>,
}

impl Table {
    pub(super) fn new(hasher: KeyHasher) -> Table {
        Table {
            directory: Vec::new(),
            depth: 0,
            segments: Vec::new(),
            len: 0,
            hasher,
            homes: Arc::default(),
        }
    }

    /// Where its buckets are, for those who do not hold the shard's lock.
    pub(super) fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.homes)
    }

    /// The buckets of the segment of `place` may be others now.
    fn note_home(&self, place: u64) {
        if let Some(segment) = self.segment(place) {
            self.homes.set(place, segment.depth, segment.home());
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
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        let segment = *self.directory.get(self.index(hash))?;
        let (bucket, slot) = self.segments.get(segment as usize)?.find(hash, key)?;
        Some(Spot {
            segment,
            bucket: bucket as u32,
            slot: slot as u32,
        })
    }

    #[inline]
    pub(super) fn at_mut(&mut self, spot: Spot) -> Option<&mut Entry> {
        let segment = self.segments.get_mut(spot.segment as usize)?;
        segment.at_mut(spot.bucket as usize, spot.slot as usize)
    }

    #[inline]
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.segment(hash)?.get(hash, key)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        self.segment_mut(hash)?.get_mut(hash, key)
    }

    /// Has the memory fetched that a lookup of this hash looks at first. Nothing waits for it.
    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            segment.prefetch_home(hash);
        }
    }

    /// Has the entry of this hash fetched; waits for what [`Table::prefetch_bucket`] fetches.
    #[inline]
    pub(super) fn prefetch_entry(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            segment.prefetch_entries(hash);
        }
    }

    /// Inserts an entry whose key is not in the table.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        if self.directory.is_empty() {
            self.directory.push(0);
            self.segments.push(Segment::default());
        }
        let mut index = self.directory[self.index(hash)] as usize;
        while self.segments[index].len() >= SEGMENT_MAX && self.segments[index].depth < MAX_DEPTH {
            self.split(hash);
            index = self.directory[self.index(hash)] as usize;
        }
        self.len += 1;
        let hasher = &self.hasher;
        let segment = &mut self.segments[index];
        let home = segment.home();
        segment.insert(hash, entry, |e| hasher.hash(e.key()));
        if segment.home() != home {
            self.note_home(hash);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let index = *self.directory.get(self.index(hash))?;
        let hasher = &self.hasher;
        let segment = self.segments.get_mut(index as usize)?;
        let home = segment.home();
        let entry = segment.remove(hash, key, |e| hasher.hash(e.key()))?;
        if segment.home() != home {
            self.note_home(hash);
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
        let mut halves: [Vec<(u64, Entry)>; 2] = Default::default();
        for entry in std::mem::take(&mut self.segments[index]).into_entries() {
            let hash = self.hasher.hash(entry.key());
            let upper = hash >> (LOCAL_BITS - depth) & 1;
            halves[upper as usize].push((hash, entry));
        }
        let [lower, upper] = halves.map(|half| {
            let mut segment = Segment::with_room(half.len(), depth);
            for (hash, entry) in half {
                segment.place(hash, entry);
            }
            segment
        });
        self.segments[index] = lower;
        let new = self.segments.len() as u32;
        self.segments.push(upper);
        // The segment's slots in the directory are adjacent; the upper half of them gets the new one.
        let slots = 1usize << (self.depth - depth);
        let first = self.index(hash) & !(2 * slots - 1);
        for slot in &mut self.directory[first + slots..first + 2 * slots] {
            *slot = new;
        }
        let bit = 1 << (LOCAL_BITS - depth);
        self.note_home(hash & !bit);
        self.note_home(hash | bit);
    }

    /// The entries of the segment in which `place` lies, and the first place after the segment.
    /// Segments split but never merge: where one began, one will always begin.
    pub(super) fn segment_at(&self, place: Place) -> (impl Iterator<Item = &Entry>, Place) {
        let segment = self.segment(place);
        let span = 1 << (LOCAL_BITS - segment.map_or(0, |s| s.depth));
        let entries = segment.into_iter().flat_map(Segment::iter);
        (entries, (place & !(span - 1)) + span)
    }

    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The `index`th segment, by no particular order; `None` behind the last.
    pub(super) fn nth_segment(&self, index: usize) -> Option<&Segment> {
        self.segments.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(Segment::iter)
    }

    /// All entries: from a place that `r` picks to the end, then those before it.
    pub(super) fn iter_from(&self, r: u64) -> impl Iterator<Item = &Entry> {
        let first = (r >> 32) as usize % self.segments.len().max(1);
        let (before, after) = self.segments.split_at(first);
        let segments = after.iter().chain(before);
        segments.flat_map(move |segment| segment.iter_from(r as u32 as usize))
    }

    /// Places for entries.
    pub(super) fn slots(&self) -> usize {
        self.segments.iter().map(Segment::slots).sum()
    }

    /// Bytes of heap that the table itself takes, without its entries.
    pub(super) fn heap_size(&self) -> usize {
        let tables: usize = self.segments.iter().map(Segment::heap_size).sum();
        tables
            + self.segments.capacity() * size_of::<Segment>()
            + self.directory.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests;
