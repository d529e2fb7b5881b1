//! Where the buckets of a table are, for those who have memory fetched without the lock of its shard.
//!
//! Whoever reads this may read what is no longer so. All that is done with it is a prefetch, of which nothing can go
//! wrong: it is of the wrong memory then, and in vain.

use super::LOCAL_BITS;
use crate::store::entry::{CACHE_LINE, prefetch};
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Bits of a local place that choose a home: what tables of some 20,000 entries have segments for.
const BITS: u32 = 6;

/// The home of the segment of each range of places, as [`home`] tells it; 0 where several segments share the range.
pub(in crate::store) struct Homes([AtomicUsize; 1 << BITS]);

/// Where buckets are, in one word: the address of the first one, whose lower bits are free for the logarithm of their number,
/// a power of two; 0 for none.
pub(super) fn home<Bucket>(buckets: &[Bucket]) -> usize {
    const { assert!(size_of::<Bucket>() == CACHE_LINE && align_of::<Bucket>() == CACHE_LINE) };
    match buckets.len() {
        0 => 0,
        count => buckets.as_ptr().addr() | count.ilog2() as usize,
    }
}

/// The index of a hash or place.
#[inline]
fn index(place: u64) -> usize {
    (place << (64 - LOCAL_BITS) >> (64 - BITS)) as usize
}

impl Default for Homes {
    fn default() -> Homes {
        Homes([const { AtomicUsize::new(0) }; 1 << BITS])
    }
}

impl Homes {
    /// The segment of the places that share `depth` bits with `place` has this home now.
    pub(super) fn set(&self, place: u64, depth: u32, home: usize) {
        let (range, home) = match BITS.checked_sub(depth) {
            Some(bits) => (range(index(place), bits), home),
            None => (range(index(place), 0), 0),
        };
        for slot in &self.0[range] {
            slot.store(home, Relaxed);
        }
    }

    /// Has the first bucket fetched in which an entry of this hash may be; false if it is not known where that is.
    #[inline]
    pub(in crate::store) fn prefetch(&self, hash: u64) -> bool {
        let home = self.0[index(hash)].load(Relaxed);
        let (address, log) = (home & !(CACHE_LINE - 1), home & (CACHE_LINE - 1));
        let bucket = hash as usize & ((1 << log) - 1);
        let address = address.wrapping_add(bucket * CACHE_LINE);
        prefetch(std::ptr::without_provenance::<u8>(address));
        home != 0
    }
}

#[cfg(test)]
impl Homes {
    pub(super) fn all(&self) -> Vec<usize> {
        self.0.iter().map(|home| home.load(Relaxed)).collect()
    }
}

/// The aligned range of `2^bits` indices that `index` is in.
fn range(index: usize, bits: u32) -> Range<usize> {
    let first = index >> bits << bits;
    first..first + (1 << bits)
}
