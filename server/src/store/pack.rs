//! Many short elements in one allocation: the compact form of small collections, and of the nodes of lists.
//!
//! A pack holds records of `N` elements each: one in lists, two in hashes (field, value) and sorted sets (member, score).
//! It is a header, room for pushes at the front, and the records:
//!
//! ```text
//! number of records: 4 bytes | length of the room: 2 bytes | room | record | record ...
//! ```
//!
//! A record is its elements, each [`Encoded`], and their length once more, which is read backwards: one byte up to 127.
//! A record of one element is what Redis's listpack has; of two, one byte less. The buffer grows in the allocator's own steps.

use super::encoded::{Encoded, decode, size};
use super::entry::class;
use super::item::Item;
use super::listpack::{BACK, back_length, back_size, before};

/// Bytes of the header.
pub const HEADER: usize = 6;

/// Bytes of the number of records.
const COUNT: usize = 4;

/// A sequence of records of `N` elements in one buffer.
#[derive(Clone, Default)]
pub struct Pack<const N: usize> {
    /// Without a header, too, while nothing was ever in it.
    buf: Vec<u8>,
}

/// A record to be written.
pub type Record<'a, const N: usize> = [Encoded<'a>; N];

/// Where a record stands in its [`Pack`]: valid until the pack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pos(usize);

/// The bytes of a record, but for its length.
fn payload<const N: usize>(record: &Record<'_, N>) -> usize {
    record.iter().map(Encoded::len).sum()
}

/// Writes a record to the start of `dst`.
fn write<const N: usize>(record: &Record<'_, N>, dst: &mut [u8]) {
    let mut at = 0;
    for element in record {
        at += element.write(&mut dst[at..]);
    }
    let mut back = [0; BACK];
    let back = back_length(at, &mut back);
    dst[at..at + back.len()].copy_from_slice(back);
}

impl<const N: usize> Pack<N> {
    /// An empty pack.
    pub const fn new() -> Self {
        Pack { buf: Vec::new() }
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        match self.buf.first_chunk::<COUNT>() {
            Some(count) => u32::from_le_bytes(*count) as usize,
            None => 0,
        }
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes all records take.
    pub fn byte_len(&self) -> usize {
        self.buf.len() - self.head()
    }

    /// The bytes allocated.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// The bytes a record takes.
    pub fn encoded_len(record: &Record<'_, N>) -> usize {
        let payload = payload(record);
        payload + back_size(payload)
    }

    /// Where the first record begins.
    fn head(&self) -> usize {
        match self.buf.get(COUNT..HEADER) {
            Some(room) => HEADER + usize::from(u16::from_le_bytes([room[0], room[1]])),
            None => 0,
        }
    }

    /// Makes the records begin at `at`; false if the header cannot say so.
    fn set_head(&mut self, at: usize) -> bool {
        let room = u16::try_from(at - HEADER);
        room.is_ok_and(|room| {
            self.buf[COUNT..HEADER].copy_from_slice(&room.to_le_bytes());
            true
        })
    }

    /// Changes the number of records.
    fn set_len(&mut self, len: usize) {
        // 2^32 of them are beyond what anybody would search from end to end.
        self.buf[..COUNT].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// The element at `at`, and where it ends.
    #[inline]
    fn element(&self, at: usize) -> (Item<'_>, usize) {
        match self.buf.get(at..).and_then(decode) {
            Some((item, len)) => (item, at + len),
            // There is none such: what is there was written here.
            None => (Item::Bytes(&[]), self.buf.len()),
        }
    }

    /// The record at `at`, and where the next one begins.
    #[inline]
    fn record(&self, at: usize) -> ([Item<'_>; N], usize) {
        let mut end = at;
        let items = std::array::from_fn(|_| {
            let (item, after) = self.element(end);
            end = after;
            item
        });
        (items, end + back_size(end - at))
    }

    /// Where the record behind the one at `at` begins.
    #[inline]
    fn end_of(&self, at: usize) -> usize {
        let mut end = at;
        for _ in 0..N {
            let size = self.buf.get(end..).and_then(size);
            // There is none such: what is there was written here.
            end = size.map_or(self.buf.len(), |size| end + size);
        }
        end + back_size(end - at)
    }

    /// Where the record that ends at `end` begins.
    fn begin_of(&self, end: usize) -> usize {
        before(&self.buf, end).unwrap_or(HEADER)
    }

    /// The first record's place.
    pub fn first(&self) -> Option<Pos> {
        (!self.is_empty()).then(|| Pos(self.head()))
    }

    /// The last record's place.
    pub fn last(&self) -> Option<Pos> {
        (!self.is_empty()).then(|| Pos(self.begin_of(self.buf.len())))
    }

    /// The place after `pos`.
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        let end = self.end_of(pos.0);
        (end < self.buf.len()).then_some(Pos(end))
    }

    /// The place of record `index`, sought from the nearer end.
    pub fn nth(&self, index: usize) -> Option<Pos> {
        let len = self.len();
        if index >= len {
            return None;
        }
        if index <= len / 2 {
            let mut at = self.head();
            for _ in 0..index {
                at = self.end_of(at);
            }
            Some(Pos(at))
        } else {
            let mut at = self.buf.len();
            for _ in index..len {
                at = self.begin_of(at);
            }
            Some(Pos(at))
        }
    }

    /// The record at `pos`.
    pub fn get(&self, pos: Pos) -> [Item<'_>; N] {
        self.record(pos.0).0
    }

    /// The bytes that the record at `pos` takes.
    pub fn size_of(&self, pos: Pos) -> usize {
        self.end_of(pos.0) - pos.0
    }

    /// The place and number of the record whose first element is `first`.
    pub fn find(&self, first: &Encoded<'_>) -> Option<(Pos, usize)> {
        let (mut at, mut index) = (self.head(), 0);
        while at < self.buf.len() {
            if first.begins(&self.buf[at..]) {
                return Some((Pos(at), index));
            }
            at = self.end_of(at);
            index += 1;
        }
        None
    }

    /// Appends a record.
    pub fn push_back(&mut self, record: &Record<'_, N>) {
        self.splice(self.buf.len(), 0, record);
    }

    /// Prepends a record: into the room before the first one when there is some.
    pub fn push_front(&mut self, record: &Record<'_, N>) {
        if self.is_empty() {
            return self.push_back(record);
        }
        let size = Self::encoded_len(record);
        if self.head() < HEADER + size {
            self.make_room_in_front(size);
        }
        let head = self.head();
        let Some(at) = head.checked_sub(size).filter(|at| *at >= HEADER) else {
            // Longer than room can be.
            return self.splice(head, 0, record);
        };
        self.set_head(at);
        write(record, &mut self.buf[at..]);
        self.set_len(self.len() + 1);
    }

    /// Puts a record before the one at `pos`.
    pub fn insert_before(&mut self, pos: Pos, record: &Record<'_, N>) {
        self.splice(pos.0, 0, record);
    }

    /// Replaces the record at `pos`.
    pub fn replace(&mut self, pos: Pos, record: &Record<'_, N>) {
        let old = self.size_of(pos);
        match old == Self::encoded_len(record) {
            true => write(record, &mut self.buf[pos.0..]),
            false => self.splice(pos.0, old, record),
        }
    }

    /// Removes `n` records from `pos` on (fewer if the pack ends before).
    pub fn remove(&mut self, pos: Pos, n: usize) {
        let mut end = pos.0;
        let mut gone = 0;
        while gone < n && end < self.buf.len() {
            end = self.end_of(end);
            gone += 1;
        }
        self.set_len(self.len() - gone);
        let head = self.head();
        if pos.0 > head {
            self.buf.drain(pos.0..end);
        } else if end > self.buf.len() / 2 || !self.set_head(end) {
            // What is left is moved down only when most of the buffer is unused.
            self.buf.drain(HEADER..end);
            self.set_head(HEADER);
        }
        self.shrink();
    }

    /// Cuts the pack before record `index`: what follows is returned.
    pub fn split_off(&mut self, index: usize) -> Self {
        let Some(pos) = self.nth(index) else {
            return Pack::new();
        };
        let mut tail = Pack::new();
        tail.extend(&self.buf[pos.0..], self.len() - index);
        self.buf.truncate(pos.0);
        self.set_len(index);
        self.shrink();
        tail
    }

    /// Appends all records of `other`.
    pub fn append(&mut self, other: &Self) {
        self.extend(&other.buf[other.head()..], other.len());
    }

    /// Appends `count` records.
    fn extend(&mut self, records: &[u8], count: usize) {
        self.reserve(records.len());
        self.buf.extend_from_slice(records);
        self.set_len(self.len() + count);
    }

    /// The records in order, from either end.
    pub fn iter(&self) -> Iter<'_, N> {
        Iter {
            pack: self,
            front: self.head(),
            back: self.buf.len(),
        }
    }

    /// The records of places `from..to`.
    pub fn range(&self, from: usize, to: usize) -> Iter<'_, N> {
        let place = |index| self.nth(index).map_or(self.buf.len(), |pos| pos.0);
        Iter {
            pack: self,
            front: place(from),
            back: place(to),
        }
    }

    /// Sees to it that there is a header, and room for `add` bytes behind the last record.
    fn reserve(&mut self, add: usize) {
        if self.buf.is_empty() {
            self.buf.reserve_exact(class(HEADER + add));
            self.buf.extend_from_slice(&[0; HEADER]);
        }
        if self.buf.len() + add <= self.buf.capacity() {
            return;
        }
        // In a queue the room is where the first ones were: taken back when that is enough for many pushes.
        let head = self.head();
        let mut room = add;
        if head > HEADER {
            self.buf.drain(HEADER..head);
            self.set_head(HEADER);
            room = room.max(self.buf.len() / 8);
        }
        let need = self.buf.len() + room;
        if need > self.buf.capacity() {
            self.buf.reserve_exact(class(need) - self.buf.len());
        }
    }

    /// Makes room for `add` bytes before the first record, and for as many more as there is memory.
    fn make_room_in_front(&mut self, add: usize) {
        self.reserve(0);
        let (head, end) = (self.head(), self.buf.len());
        let len = end - head;
        // In proportion to the content, so that many pushes move each byte a few times.
        let need = class(HEADER + len + add.max(len / 8));
        let size = match self.buf.capacity() {
            capacity if capacity / 4 <= need => capacity.max(need),
            _ => need,
        };
        let room = (size - HEADER - len).min(usize::from(u16::MAX));
        self.buf.reserve_exact(size.saturating_sub(end));
        self.buf.resize(end.max(HEADER + room + len), 0);
        self.buf.copy_within(head..end, HEADER + room);
        self.buf.truncate(HEADER + room + len);
        self.buf.shrink_to(size);
        self.set_head(HEADER + room);
    }

    /// Gives memory back when most of it is unused.
    fn shrink(&mut self) {
        if self.buf.capacity() > 64 && self.buf.len() < self.buf.capacity() / 4 {
            self.buf.shrink_to(class(self.buf.len() * 2));
        }
    }

    /// Writes `record` in place of the `old` bytes at `at`: those of a record, or none.
    fn splice(&mut self, at: usize, old: usize, record: &Record<'_, N>) {
        let new = Self::encoded_len(record);
        let behind = self.buf.len() - at;
        if new > old {
            self.reserve(new - old);
        }
        let len = self.buf.len();
        // What is there may have been moved down.
        let at = len - behind;
        self.buf.resize(len.max(len + new - old), 0);
        self.buf.copy_within(at + old..len, at + new);
        self.buf.truncate(len + new - old);
        write(record, &mut self.buf[at..]);
        if old == 0 {
            self.set_len(self.len() + 1);
        }
    }
}

/// Walks the records of a [`Pack`].
#[derive(Clone)]
pub struct Iter<'a, const N: usize> {
    pack: &'a Pack<N>,
    front: usize,
    back: usize,
}

impl<'a, const N: usize> Iterator for Iter<'a, N> {
    type Item = [Item<'a>; N];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (record, end) = self.pack.record(self.front);
        self.front = end;
        Some(record)
    }
}

impl<const N: usize> DoubleEndedIterator for Iter<'_, N> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.pack.begin_of(self.back);
        Some(self.pack.record(self.back).0)
    }
}

#[cfg(test)]
mod tests;
