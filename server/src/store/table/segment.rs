//! A small hash table of entries, made of buckets that are one cache line each.
//!
//! A lookup in a keyspace larger than the caches costs what its cache misses cost. Tags and slots of a bucket share a
//! line, so there are two: the bucket, and the entry. And where a key's bucket lies follows from its hash alone, so that it
//! can be fetched before anybody waits for it.
//!
//! A key's *home* is the bucket that the lowest bits of its hash name. If that is full it goes to the next bucket with room,
//! and each bucket it passed counts it: a lookup goes on only past buckets that somebody passed.

use super::homes::home;
use crate::store::entry::{Entry, prefetch};

/// Slots of a bucket: what fits a cache line beside the tags.
const SLOTS: usize = 7;
/// Entries per bucket that a segment of several buckets takes before it has to grow; fewer than [`SLOTS`], so
/// that few pass their home.
const FILL: usize = 6;
/// Buckets of the largest segment.
const BUCKETS_MAX: usize = 64;
/// Entries of a full segment.
pub(super) const SEGMENT_MAX: usize = BUCKETS_MAX * FILL;

/// The byte behind the tags: how many entries passed the bucket.
const PASSED_SHIFT: u32 = 8 * SLOTS as u32;
/// That many or more; what has been counted so far is then no longer known.
const PASSED_MANY: u64 = 0xff;
/// One in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The upper bit of every tag.
const IN_USE: u64 = 0x0080_8080_8080_8080;

/// A cache line of entries.
#[derive(Default)]
#[repr(align(64))]
struct Bucket {
    /// A byte per slot, 0 for an empty one, and the count of those that passed.
    tags: u64,
    slots: [Option<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// What a bucket notes of a hash: the bits above its place, and one that says that the slot is in use.
fn tag_of(hash: u64) -> u64 {
    hash >> 57 | 0x80
}

/// The slots of a mask that has a bit in the byte of each.
fn slots_of(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = mask.trailing_zeros() as usize / 8;
        (mask != 0).then(|| {
            mask &= mask - 1;
            slot
        })
    })
}

impl Bucket {
    /// The slots that may hold a key with this tag: all that do, and rarely another.
    #[inline]
    fn candidates(&self, tag: u64) -> impl Iterator<Item = usize> + use<> {
        let differ = self.tags ^ (tag * ONES);
        slots_of(differ.wrapping_sub(ONES) & !differ & IN_USE)
    }

    fn free_slot(&self) -> Option<usize> {
        slots_of(!self.tags & IN_USE).next()
    }

    fn set_tag(&mut self, slot: usize, tag: u64) {
        let shift = 8 * slot as u32;
        self.tags = self.tags & !(0xff << shift) | tag << shift;
    }

    fn passed(&self) -> u64 {
        self.tags >> PASSED_SHIFT
    }

    /// Another entry passes on its way to a bucket with room.
    fn pass(&mut self) {
        if self.passed() != PASSED_MANY {
            self.tags += 1 << PASSED_SHIFT;
        }
    }

    /// One that had passed is gone.
    fn unpass(&mut self) {
        if self.passed() != PASSED_MANY {
            self.tags -= 1 << PASSED_SHIFT;
        }
    }
}

/// A hash table of at most [`SEGMENT_MAX`] entries, or somewhat more if it must.
#[derive(Default)]
pub(in crate::store) struct Segment {
    /// A power of two of them; none before the first entry.
    buckets: Box<[Bucket]>,
    len: usize,
    /// Upper bits of the local place that all entries share.
    pub(super) depth: u32,
}

/// Buckets that `len` entries need.
fn buckets_for(len: usize) -> usize {
    match len <= SLOTS {
        true => 1,
        false => len.div_ceil(FILL).next_power_of_two(),
    }
}

impl Segment {
    /// An empty segment with room for `len` entries.
    pub(super) fn with_room(len: usize, depth: u32) -> Segment {
        Segment {
            buckets: (0..buckets_for(len)).map(|_| Bucket::default()).collect(),
            len: 0,
            depth,
        }
    }

    /// Where its buckets are.
    #[inline]
    pub(super) fn home(&self) -> usize {
        home(&self.buckets)
    }

    /// Number of entries.
    pub(in crate::store) fn len(&self) -> usize {
        self.len
    }

    /// All entries, in no particular order.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|b| b.slots.iter().flatten())
    }

    /// All entries: from a bucket that `r` picks to the end, then those before it.
    pub(super) fn iter_from(&self, r: usize) -> impl Iterator<Item = &Entry> {
        let (before, after) = self.buckets.split_at(r % self.buckets.len().max(1));
        let buckets = after.iter().chain(before);
        buckets.flat_map(|b| b.slots.iter().flatten())
    }

    /// The buckets in which an entry of `hash` may be, its home first.
    #[inline]
    fn path(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let (count, home) = (self.buckets.len(), hash as usize);
        (0..count).map(move |step| home.wrapping_add(step) & (count - 1))
    }

    /// The bucket and the slot of the entry of `key`.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<(usize, usize)> {
        let tag = tag_of(hash);
        for at in self.path(hash) {
            let bucket = &self.buckets[at];
            let is_it = |slot: &usize| bucket.slots[*slot].as_ref().is_some_and(|e| e.key() == key);
            if let Some(slot) = bucket.candidates(tag).find(is_it) {
                return Some((at, slot));
            }
            if bucket.passed() == 0 {
                return None;
            }
        }
        None
    }

    #[inline]
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let (at, slot) = self.find(hash, key)?;
        self.buckets[at].slots[slot].as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry> {
        let (at, slot) = self.find(hash, key)?;
        self.buckets[at].slots[slot].as_mut()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, bucket: usize, slot: usize) -> Option<&mut Entry> {
        self.buckets.get_mut(bucket)?.slots.get_mut(slot)?.as_mut()
    }

    /// True when it must grow before it takes another entry.
    fn is_full(&self) -> bool {
        match self.buckets.len() {
            count @ 0..=1 => self.len >= count * SLOTS,
            count => self.len >= count * FILL,
        }
    }

    /// Inserts an entry whose key is not here; `hash_of` tells the hashes of those that are.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, hash_of: impl Fn(&Entry) -> u64) {
        if self.is_full() {
            self.rebuild(self.len + 1, hash_of);
        }
        self.place(hash, entry);
    }

    /// Puts an entry where it belongs. There is room.
    pub(super) fn place(&mut self, hash: u64, entry: Entry) {
        for at in self.path(hash) {
            let bucket = &mut self.buckets[at];
            if let Some(slot) = bucket.free_slot() {
                bucket.set_tag(slot, tag_of(hash));
                bucket.slots[slot] = Some(entry);
                self.len += 1;
                return;
            }
            bucket.pass();
        }
        unreachable!("a segment grows before its last slot is taken");
    }

    pub(super) fn remove(
        &mut self,
        hash: u64,
        key: &[u8],
        hash_of: impl Fn(&Entry) -> u64,
    ) -> Option<Entry> {
        let (found, slot) = self.find(hash, key)?;
        let bucket = &mut self.buckets[found];
        let entry = bucket.slots[slot].take();
        bucket.set_tag(slot, 0);
        for at in self.path(hash).take_while(|at| *at != found) {
            self.buckets[at].unpass();
        }
        self.len -= 1;
        if self.buckets.len() > 1 && self.len * 8 < self.buckets.len() * SLOTS {
            self.rebuild(self.len * 2, hash_of);
        }
        entry
    }

    /// Moves all entries into as many buckets as `room` entries need.
    fn rebuild(&mut self, room: usize, hash_of: impl Fn(&Entry) -> u64) {
        let mut new = Segment::with_room(room, self.depth);
        for entry in std::mem::take(self).into_entries() {
            new.place(hash_of(&entry), entry);
        }
        *self = new;
    }

    /// Its entries, whose keys will be looked at, and are fetched for all at once.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.iter().for_each(Entry::prefetch_key);
        self.buckets
            .into_iter()
            .flat_map(|b| b.slots.into_iter().flatten())
    }

    /// Has the home of a key fetched into the caches, for [`Segment::prefetch_entries`].
    #[inline]
    pub(super) fn prefetch_home(&self, hash: u64) {
        if let Some(bucket) = self.path(hash).next().and_then(|at| self.buckets.get(at)) {
            prefetch(bucket);
        }
    }

    /// Has the entry of a key fetched, if it is at its home.
    #[inline]
    pub(super) fn prefetch_entries(&self, hash: u64) {
        if let Some(bucket) = self.path(hash).next().and_then(|at| self.buckets.get(at)) {
            for slot in bucket.candidates(tag_of(hash)) {
                if let Some(entry) = &bucket.slots[slot] {
                    entry.prefetch();
                }
            }
        }
    }

    /// Places for entries.
    pub(super) fn slots(&self) -> usize {
        self.buckets.len() * SLOTS
    }

    /// Bytes of heap that the buckets take.
    pub(super) fn heap_size(&self) -> usize {
        size_of_val(&*self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Hashes of keys, made so that homes and tags collide.
    fn hash(key: u32) -> u64 {
        u64::from(key % 5) | u64::from(key % 3) << 57
    }

    fn hash_of(entry: &Entry) -> u64 {
        hash(u32::from_le_bytes(entry.key().try_into().unwrap()))
    }

    /// Every entry is found along its path, and the buckets on the way count just those that passed.
    fn check(segment: &Segment, expected: &BTreeMap<u32, u32>) {
        assert_eq!(segment.len(), expected.len());
        assert_eq!(segment.iter().count(), expected.len());
        let mut passed = vec![0; segment.buckets.len()];
        for (key, value) in expected {
            let (key, value) = (key.to_le_bytes(), value.to_le_bytes());
            let hash = hash(u32::from_le_bytes(key));
            let entry = segment.get(hash, &key).expect("it is there");
            assert!(matches!(entry.value(), crate::store::ValueRef::Str(v) if *v == value));
            let (found, _) = segment.find(hash, &key).unwrap();
            for at in segment.path(hash).take_while(|at| *at != found) {
                passed[at] += 1;
            }
        }
        let counted: Vec<u64> = segment.buckets.iter().map(Bucket::passed).collect();
        assert!(
            counted
                .iter()
                .zip(&passed)
                .all(|(c, p)| c == p || *c == PASSED_MANY)
        );
    }

    #[test]
    fn collisions_pass_on_and_come_back() {
        let mut random = 7u64;
        let mut segment = Segment::default();
        let mut expected: BTreeMap<u32, u32> = BTreeMap::new();
        for round in 0..20_000u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // It fills up, runs nearly empty, and fills up again.
            let most = if round / 4_000 % 2 == 0 { 350 } else { 40 };
            let key = (random >> 33) as u32 % 400;
            let (bytes, hash) = (key.to_le_bytes(), hash(key));
            if segment.get(hash, &bytes).is_some() || expected.len() >= most {
                let removed = segment.remove(hash, &bytes, hash_of);
                assert_eq!(removed.is_some(), expected.remove(&key).is_some());
                if let Some(other) = expected.keys().next().copied().filter(|_| most == 40) {
                    let bytes = other.to_le_bytes();
                    assert!(segment.remove(self::hash(other), &bytes, hash_of).is_some());
                    expected.remove(&other);
                }
            } else {
                let entry = Entry::string(&bytes, &round.to_le_bytes(), None);
                segment.insert(hash, entry, hash_of);
                expected.insert(key, round);
            }
            if round % 50 == 0 {
                check(&segment, &expected);
            }
        }
        check(&segment, &expected);
    }

    #[test]
    fn a_bucket_knows_its_slots() {
        let mut bucket = Bucket::default();
        for slot in 0..SLOTS {
            assert_eq!(bucket.free_slot(), Some(slot));
            bucket.set_tag(slot, 0x80 | (slot as u64 % 3));
        }
        assert_eq!(bucket.free_slot(), None);
        for tag in 0..128u64 {
            let found: Vec<usize> = bucket.candidates(0x80 | tag).collect();
            let holding = (0..SLOTS).filter(|slot| *slot as u64 % 3 == tag);
            assert!(holding.clone().all(|slot| found.contains(&slot)), "{tag}");
        }
        for _ in 0..300 {
            bucket.pass();
        }
        bucket.unpass();
        assert_eq!((bucket.passed(), bucket.free_slot()), (PASSED_MANY, None));
        bucket.set_tag(3, 0);
        assert_eq!(bucket.free_slot(), Some(3));
    }
}
