//! Many short byte strings in one allocation: the compact form of small collections.
//!
//! An element is its bytes between two equal length marks, so a pack can be walked both ways:
//!
//! ```text
//! mark | bytes | mirrored mark
//! ```
//!
//! A mark is one byte for lengths up to 252; 253, 254 and 255 announce a length of two, four and
//! eight bytes, which stand on the inner side of the announcing byte.

use std::ops::Range;

/// Room that a push at the front leaves before it, at most.
const MAX_HEADROOM: usize = 1024;

/// A sequence of byte strings in one buffer.
#[derive(Clone, Default)]
pub struct Pack {
    /// `buf[start..]` holds the elements; what is before is room for pushes at the front.
    buf: Vec<u8>,
    start: u32,
    count: u32,
}

/// Where an element stands in its [`Pack`]: valid until the pack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pos(usize);

/// The bytes of a length mark for an element of `len` bytes.
const fn mark_len(len: usize) -> usize {
    match len {
        0..=252 => 1,
        253..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Writes the mark of `len` into `dst` and returns its size: announcing byte first, or last if `mirrored`.
fn write_mark(dst: &mut [u8], len: usize, mirrored: bool) -> usize {
    let size = mark_len(len);
    let announce = match size {
        1 => len as u8, // up to 252
        3 => 253,
        5 => 254,
        _ => 255,
    };
    let (at, digits) = if mirrored { (size - 1, 0) } else { (0, 1) };
    dst[at] = announce;
    let le = (len as u64).to_le_bytes();
    dst[digits..digits + size - 1].copy_from_slice(&le[..size - 1]);
    size
}

/// How many bytes of length follow the announcing byte.
const fn digits_of(announce: u8) -> usize {
    match announce {
        253 => 2,
        254 => 4,
        255 => 8,
        _ => 0,
    }
}

fn read_digits(digits: &[u8]) -> usize {
    let mut le = [0; 8];
    le[..digits.len()].copy_from_slice(digits);
    u64::from_le_bytes(le) as usize // written from a usize
}

impl Pack {
    /// An empty pack.
    pub const fn new() -> Self {
        Pack {
            buf: Vec::new(),
            start: 0,
            count: 0,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes all elements take, marks included.
    pub fn byte_len(&self) -> usize {
        self.buf.len() - self.head()
    }

    /// The bytes allocated.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// The bytes an element of `len` bytes takes.
    pub const fn encoded_len(len: usize) -> usize {
        len + 2 * mark_len(len)
    }

    const fn head(&self) -> usize {
        self.start as usize
    }

    /// The range of the bytes of the element at `at`.
    fn body(&self, at: usize) -> Range<usize> {
        let announce = self.buf[at];
        let digits = digits_of(announce);
        let from = at + 1 + digits;
        let len = match digits {
            0 => usize::from(announce),
            _ => read_digits(&self.buf[at + 1..from]),
        };
        from..from + len
    }

    /// Where the element at `at` ends, marks included.
    fn end_of(&self, at: usize) -> usize {
        let body = self.body(at);
        body.end + (body.start - at)
    }

    /// Where the element that ends at `end` begins.
    fn begin_of(&self, end: usize) -> usize {
        let announce = self.buf[end - 1];
        let digits = digits_of(announce);
        let len = match digits {
            0 => usize::from(announce),
            _ => read_digits(&self.buf[end - 1 - digits..end - 1]),
        };
        end - len - 2 * (1 + digits)
    }

    /// The first element's place.
    pub fn first(&self) -> Option<Pos> {
        (self.count > 0).then(|| Pos(self.head()))
    }

    /// The last element's place.
    pub fn last(&self) -> Option<Pos> {
        (self.count > 0).then(|| Pos(self.begin_of(self.buf.len())))
    }

    /// The place after `pos`.
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        let end = self.end_of(pos.0);
        (end < self.buf.len()).then_some(Pos(end))
    }

    /// The place before `pos`.
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        (pos.0 > self.head()).then(|| Pos(self.begin_of(pos.0)))
    }

    /// The place of element `index`, sought from the nearer end.
    pub fn nth(&self, index: usize) -> Option<Pos> {
        if index >= self.len() {
            return None;
        }
        if index <= self.len() / 2 {
            let mut at = self.head();
            for _ in 0..index {
                at = self.end_of(at);
            }
            Some(Pos(at))
        } else {
            let mut at = self.buf.len();
            for _ in index..self.len() {
                at = self.begin_of(at);
            }
            Some(Pos(at))
        }
    }

    /// The bytes of the element at `pos`.
    pub fn get(&self, pos: Pos) -> &[u8] {
        &self.buf[self.body(pos.0)]
    }

    /// Appends an element.
    pub fn push_back(&mut self, elem: &[u8]) {
        self.splice(self.buf.len(), 0, elem);
        self.count += 1;
    }

    /// Prepends an element: into the room before the first one when there is some.
    pub fn push_front(&mut self, elem: &[u8]) {
        let size = Self::encoded_len(elem.len());
        let mut head = self.head();
        if head < size {
            // Leave room in proportion to the content, so that many pushes move each byte a few times.
            let room = (self.byte_len() / 2).min(MAX_HEADROOM).max(size);
            let old = self.buf.len();
            self.reserve(room - head);
            self.buf.resize(old + room - head, 0);
            self.buf.copy_within(head..old, room);
            head = room;
        }
        let at = head - size;
        encode(&mut self.buf[at..], elem);
        self.set_head(at);
        self.count += 1;
    }

    /// Puts an element before the one at `pos`; returns where the new one stands.
    pub fn insert_before(&mut self, pos: Pos, elem: &[u8]) -> Pos {
        self.splice(pos.0, 0, elem);
        self.count += 1;
        pos
    }

    /// Puts an element behind the one at `pos`.
    pub fn insert_after(&mut self, pos: Pos, elem: &[u8]) {
        self.splice(self.end_of(pos.0), 0, elem);
        self.count += 1;
    }

    /// Replaces the element at `pos`, which stays valid.
    pub fn replace(&mut self, pos: Pos, elem: &[u8]) {
        let body = self.body(pos.0);
        if body.len() == elem.len() {
            self.buf[body].copy_from_slice(elem);
        } else {
            let old = self.end_of(pos.0) - pos.0;
            self.splice(pos.0, old, elem);
        }
    }

    /// Removes `n` elements from `pos` on (fewer if the pack ends before).
    pub fn remove(&mut self, pos: Pos, n: usize) {
        let mut end = pos.0;
        let mut gone = 0;
        while gone < n && end < self.buf.len() {
            end = self.end_of(end);
            gone += 1;
        }
        self.count -= gone as u32; // at most count
        if pos.0 == self.head() {
            self.drop_front(end);
        } else {
            self.buf.drain(pos.0..end);
        }
        self.shrink();
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Pack::new();
    }

    /// Cuts the pack before element `index`: what follows is returned.
    pub fn split_off(&mut self, index: usize) -> Pack {
        let Some(pos) = self.nth(index) else {
            return Pack::new();
        };
        let tail = Pack {
            buf: self.buf[pos.0..].to_vec(),
            start: 0,
            count: self.count - index as u32, // index < count
        };
        self.buf.truncate(pos.0);
        self.count = index as u32;
        if self.count == 0 {
            self.clear();
        }
        self.shrink();
        tail
    }

    /// Appends all elements of `other`.
    pub fn append(&mut self, other: &Pack) {
        let bytes = &other.buf[other.head()..];
        self.reserve(bytes.len());
        self.buf.extend_from_slice(bytes);
        self.count += other.count;
    }

    /// The elements in order, from either end.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            pack: self,
            front: self.head(),
            back: self.buf.len(),
        }
    }

    /// The elements from `pos` on.
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter {
            pack: self,
            front: pos.0,
            back: self.buf.len(),
        }
    }

    /// The elements of places `from..to`.
    pub fn range(&self, from: usize, to: usize) -> Iter<'_> {
        let place = |index| self.nth(index).map_or(self.buf.len(), |pos| pos.0);
        Iter {
            pack: self,
            front: place(from),
            back: place(to),
        }
    }

    /// Forgets the bytes up to `end`, moving the rest down only when most of the buffer is unused.
    fn drop_front(&mut self, end: usize) {
        if end == self.buf.len() {
            self.buf.clear();
            self.start = 0;
        } else if end > self.buf.len() / 2 || u32::try_from(end).is_err() {
            self.buf.drain(..end);
            self.start = 0;
        } else {
            self.set_head(end);
        }
    }

    fn set_head(&mut self, at: usize) {
        self.start = at as u32; // drop_front and MAX_HEADROOM bound it
    }

    /// Grows by an eighth rather than by doubling: packs are many and small.
    fn reserve(&mut self, add: usize) {
        let need = self.buf.len() + add;
        if need > self.buf.capacity() {
            let room = (need / 8).max(8);
            self.buf.reserve_exact(add + room);
        }
    }

    /// Gives memory back when most of it is unused.
    fn shrink(&mut self) {
        if self.buf.capacity() > 64 && self.buf.len() < self.buf.capacity() / 4 {
            self.buf.shrink_to(self.buf.len() * 2);
        }
    }

    /// Overwrites `old` bytes at `at` by the encoding of `elem`.
    fn splice(&mut self, at: usize, old: usize, elem: &[u8]) {
        let new = Self::encoded_len(elem.len());
        let len = self.buf.len();
        if new > old {
            self.reserve(new - old);
            self.buf.resize(len + new - old, 0);
        }
        self.buf.copy_within(at + old..len, at + new);
        self.buf.truncate(len + new - old);
        encode(&mut self.buf[at..], elem);
    }
}

/// Writes one element at the start of `dst`.
fn encode(dst: &mut [u8], elem: &[u8]) {
    let mut at = write_mark(dst, elem.len(), false);
    dst[at..at + elem.len()].copy_from_slice(elem);
    at += elem.len();
    write_mark(&mut dst[at..], elem.len(), true);
}

/// Walks the elements of a [`Pack`].
#[derive(Clone)]
pub struct Iter<'a> {
    pack: &'a Pack,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.front >= self.back {
            return None;
        }
        let body = self.pack.body(self.front);
        self.front = body.end + (body.start - self.front);
        Some(&self.pack.buf[body])
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<&'a [u8]> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.pack.begin_of(self.back);
        Some(&self.pack.buf[self.pack.body(self.back)])
    }
}

#[cfg(test)]
mod tests;
