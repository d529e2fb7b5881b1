//! The bytes of the log: sealed chunks anyone may share, and a tail that grows.

use crate::store::lazyfree;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A reader that wants no more than this from the growing tail gets a copy: cheaper than splitting the
/// tail, and it keeps the pieces of the log from becoming many and small.
const COPY_LIMIT: usize = 4096;

/// The most that one chunk holds, however large a single value is.
const LARGEST_CHUNK: usize = 1 << 20;

struct Chunk {
    /// Position of its first byte.
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Chunks that nobody needs any more. Freeing many takes a while: not to be done under a lock.
#[must_use]
pub(super) struct Freed {
    chunks: SmallVec<[Chunk; 4]>,
    /// Dropped after the chunks.
    _leaving: Option<Leaving>,
}

impl Freed {
    /// Frees them, in the background if there are many.
    pub fn free(self) {
        if self.chunks.len() > 64 {
            lazyfree::free(self);
        }
    }
}

/// Bytes of chunks that are no longer held, and not freed yet.
struct Leaving {
    bytes: u64,
    all: Arc<AtomicU64>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

/// A queue of bytes with absolute positions: it grows at `end` and is trimmed, chunk by chunk, at `start`.
pub(super) struct Chunks {
    sealed: VecDeque<Chunk>,
    tail: BytesMut,
    end: u64,
    chunk_size: usize,
    /// Bytes of all [`Leaving`].
    leaving: Arc<AtomicU64>,
}

impl Chunks {
    /// Holds nothing; the next byte will be at position `at`.
    pub fn new(at: u64, chunk_size: usize) -> Self {
        Chunks {
            sealed: VecDeque::new(),
            tail: BytesMut::new(),
            end: at,
            chunk_size,
            leaving: Arc::default(),
        }
    }

    /// Capacity of the chunks begun from now on, bytes.
    pub fn set_chunk_size(&mut self, bytes: usize) {
        self.chunk_size = bytes;
    }

    /// Forgets everything and goes on at position `at`; what was held is the caller's to free.
    pub fn reset(&mut self, at: u64) -> Freed {
        self.tail = BytesMut::new();
        self.end = at;
        self.hand_out(self.sealed.len())
    }

    /// Takes out the oldest chunks, so many.
    fn hand_out(&mut self, count: usize) -> Freed {
        let chunks: SmallVec<[Chunk; 4]> = self.sealed.drain(..count).collect();
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        let leaves = || {
            self.leaving.fetch_add(bytes, Relaxed);
            let all = Arc::clone(&self.leaving);
            Leaving { bytes, all }
        };
        Freed {
            _leaving: (bytes > 0).then(leaves),
            chunks,
        }
    }

    /// Bytes that are no longer held, and still being freed.
    pub fn leaving(&self) -> u64 {
        self.leaving.load(Relaxed)
    }

    /// Position of the first byte held.
    pub fn start(&self) -> u64 {
        self.sealed
            .front()
            .map_or_else(|| self.tail_start(), |chunk| chunk.start)
    }

    /// Position after the last byte held.
    pub fn end(&self) -> u64 {
        self.end
    }

    fn tail_start(&self) -> u64 {
        self.end - self.tail.len() as u64
    }

    /// Appends `bytes`; true if a chunk was sealed meanwhile.
    pub fn push(&mut self, mut bytes: &[u8]) -> bool {
        let mut sealed = false;
        loop {
            let room = self.tail.capacity() - self.tail.len();
            if bytes.len() <= room {
                self.tail.extend_from_slice(bytes);
                self.end += bytes.len() as u64;
                return sealed;
            }
            let (now, rest) = bytes.split_at(room);
            self.tail.extend_from_slice(now);
            self.end += room as u64;
            self.seal();
            self.tail = BytesMut::with_capacity(rest.len().min(LARGEST_CHUNK).max(self.chunk_size));
            (sealed, bytes) = (true, rest);
        }
    }

    /// Moves what the tail holds among the sealed chunks; its spare room stays the tail's.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let start = self.tail_start();
            let bytes = self.tail.split().freeze();
            self.sealed.push_back(Chunk { start, bytes });
        }
    }

    /// Takes out the chunks that lie wholly before `keep_from`, the oldest first and at most `most` of them;
    /// they are the caller's to free.
    pub fn trim(&mut self, keep_from: u64, most: usize) -> Freed {
        let old = self
            .sealed
            .partition_point(|chunk| chunk.end() <= keep_from);
        self.hand_out(old.min(most))
    }

    /// Hands out up to `max` bytes from position `from` on; returns how many. None when `from` is not held.
    pub fn read(&mut self, from: u64, max: usize, out: &mut Vec<Bytes>) -> Option<usize> {
        if from < self.start() || from > self.end {
            return None;
        }
        let until = self.end.min(from.saturating_add(max as u64));
        let tail_start = self.tail_start();
        if until > tail_start && until - tail_start.max(from) > COPY_LIMIT as u64 {
            self.seal();
        }
        let (mut at, first) = (
            from,
            self.sealed.partition_point(|chunk| chunk.end() <= from),
        );
        for chunk in self.sealed.range(first..) {
            if at >= until {
                break;
            }
            let stop = chunk.end().min(until);
            out.push(
                chunk
                    .bytes
                    .slice((at - chunk.start) as usize..(stop - chunk.start) as usize),
            );
            at = stop;
        }
        if at < until {
            let base = self.tail_start();
            let slice = &self.tail[(at - base) as usize..(until - base) as usize];
            out.push(Bytes::copy_from_slice(slice));
        }
        Some((until - from) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte at each position, so that a misplaced slice shows.
    fn pattern(from: u64, len: usize) -> Vec<u8> {
        (from..from + len as u64).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn what_is_read_is_what_was_pushed() {
        for piece in [1, 7, 100, 5000, 70_000] {
            let mut chunks = Chunks::new(1000, 16_384);
            for max in [3, 900, 20_000, usize::MAX] {
                for _ in 0..5 {
                    let at = chunks.end();
                    chunks.push(&pattern(at, piece));
                }
                let mut at = 1000;
                while at < chunks.end() {
                    let mut out = Vec::new();
                    let n = chunks.read(at, max, &mut out).unwrap();
                    assert!(n > 0 && n <= max);
                    assert_eq!(
                        out.concat(),
                        pattern(at, n),
                        "piece {piece} max {max} at {at}"
                    );
                    at += n as u64;
                }
            }
        }
    }

    #[test]
    fn a_piece_outlives_the_chunk_it_came_from() {
        let mut chunks = Chunks::new(0, 16_384);
        chunks.push(&pattern(0, 20_000));
        let mut out = Vec::new();
        assert_eq!(chunks.read(0, 20_000, &mut out), Some(20_000));
        let at = chunks.end();
        chunks.push(&pattern(at, 50_000));
        chunks.trim(60_000, usize::MAX).free();
        assert!(chunks.start() > 0 && chunks.start() <= 60_000);
        assert_eq!(chunks.read(chunks.start() - 1, 1, &mut Vec::new()), None);
        assert_eq!(chunks.read(chunks.end() + 1, 1, &mut Vec::new()), None);
        assert_eq!(out.concat(), pattern(0, 20_000));
    }

    #[test]
    fn what_leaves_is_counted_until_it_is_freed() {
        let mut chunks = Chunks::new(0, 16_384);
        while chunks.end() < 2_000_000 {
            chunks.push(&pattern(0, 10_000));
        }
        let freed = chunks.trim(1_900_000, usize::MAX);
        assert!(freed.chunks.len() > 64 && chunks.start() > 1_800_000);
        assert_eq!(chunks.leaving(), chunks.start());
        freed.free();
        while chunks.leaving() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn frequent_readers_do_not_shatter_the_log() {
        let mut chunks = Chunks::new(0, 16_384);
        let mut at = 0;
        for _ in 0..10_000 {
            chunks.push(&pattern(at, 40));
            let mut out = Vec::new();
            at += chunks.read(at, usize::MAX, &mut out).unwrap() as u64;
        }
        assert!(chunks.sealed.len() <= 1 + 400_000 / 16_384);
    }
}
