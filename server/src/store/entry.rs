//! One key with its value and expiry in one heap block behind an 8-byte pointer.
//!
//! A keyspace of small strings is mostly overhead if key and value are objects of their own: two
//! allocations, two pointers, two capacities. Here an entry of a 16-byte key and a 64-byte value is one
//! block of 96 bytes:
//!
//! ```text
//! header { key length, value length, flags + access clock } | expiry (if any) | key | value
//! ```
//!
//! The value is the string itself up to [`INLINE_MAX`] bytes, and the address of a boxed [`Object`]
//! otherwise. Blocks are sized in steps that match the allocator's size classes, so that a value can be
//! overwritten in place whenever the allocator could not have used the difference anyway.
//!
//! This is the only file of the server with `unsafe` in it.

use super::object::{Object, ValueRef};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

/// The longest string kept inside its entry, in bytes; longer ones grow better in a `Vec`.
pub const INLINE_MAX: usize = 1024;

/// The longest key, in bytes.
pub const KEY_MAX: usize = u32::MAX as usize;

/// Blocks begin at multiples of this.
const ALIGN: usize = 8;

/// The value is the address of a `Box<Object>`.
const BOXED: u32 = 1;
/// An expiry stands between header and key.
const EXPIRES: u32 = 2;
/// The string was edited where it is: `raw` however short.
pub const EDITED: u32 = 4;
/// The string is no `int`, whatever it reads like.
pub const TEXT: u32 = 8;
/// What `OBJECT ENCODING` goes by, beside the value.
const MARKS: u32 = EDITED | TEXT;
/// The access clock lies in the upper bits of `meta`.
const CLOCK_SHIFT: u32 = 8;
/// The bits an access clock has; it wraps around beyond them.
pub const CLOCK_MASK: u32 = 0xff_ffff;

#[repr(C)]
struct Header {
    key_len: u32,
    value_len: u32,
    /// Flags, and the clock of the last access; atomic since a reader may set the clock.
    meta: AtomicU32,
}

const HEADER: usize = size_of::<Header>();
const EXPIRY: usize = size_of::<i64>();
const POINTER: usize = size_of::<*mut Object>();

/// A key, its value and its expiry; owns them.
pub struct Entry(NonNull<Header>);

// SAFETY: an entry owns its block and everything in it, and all of that (bytes, integers, `Object`) is `Send`.
unsafe impl Send for Entry {}
// SAFETY: through a shared reference only the access clock changes, and that is atomic; `Object` is `Sync`.
unsafe impl Sync for Entry {}

/// The number of bytes to ask for when `size` are needed: the size classes of jemalloc, which are
/// multiples of 16 up to 128 and then four steps to each power of two.
pub(super) const fn class(size: usize) -> usize {
    let step = if size <= 128 {
        16
    } else {
        size.next_power_of_two() / 8
    };
    size.div_ceil(step) * step
}

/// Bytes of a cache line.
pub(super) const CACHE_LINE: usize = 64;

/// Has the cache line of `address` fetched, whatever is there or not. Nothing waits for it.
#[inline]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing the program could see, and never faults: any address will do.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// What a new entry's value is made from.
enum Payload<'a> {
    Inline(&'a [u8]),
    Boxed(Box<Object>),
}

impl Entry {
    /// An entry that holds a string. `expire` is a Unix time in milliseconds. `key` is at most
    /// [`KEY_MAX`] bytes long: the dispatcher and the loader refuse longer ones.
    pub fn string(key: &[u8], value: &[u8], expire: Option<i64>) -> Entry {
        if value.len() <= INLINE_MAX {
            Entry::build(key, Payload::Inline(value), expire)
        } else {
            Entry::object(key, Object::Str(value.to_vec()), expire)
        }
    }

    /// An entry that holds `value`; see [`Entry::string`].
    pub fn object(key: &[u8], value: Object, expire: Option<i64>) -> Entry {
        match value {
            Object::Str(s) if s.len() <= INLINE_MAX => {
                Entry::build(key, Payload::Inline(&s), expire)
            }
            value => Entry::build(key, Payload::Boxed(Box::new(value)), expire),
        }
    }

    fn build(key: &[u8], payload: Payload<'_>, expire: Option<i64>) -> Entry {
        assert!(key.len() <= KEY_MAX, "the callers refuse longer keys");
        let (value_len, kind) = match &payload {
            Payload::Inline(bytes) => (bytes.len(), 0),
            Payload::Boxed(_) => (POINTER, BOXED),
        };
        let flags = kind | if expire.is_some() { EXPIRES } else { 0 };
        let layout = layout(key.len(), value_len, expire.is_some());
        // SAFETY: the layout is not of size zero, a block has at least a header.
        let raw = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(raw.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        let header = Header {
            key_len: key.len() as u32,
            value_len: value_len as u32,
            meta: AtomicU32::new(flags),
        };
        // SAFETY: the block is new, aligned to `ALIGN` (more than `Header` asks for), and as long as
        // header, expiry, key and value together; the writes below fill it front to back, each within
        // the part `layout` counted for it. The expiry and the pointer may be unaligned and are written so.
        unsafe {
            block.as_ptr().write(header);
            let mut at = raw.add(HEADER);
            if let Some(expire) = expire {
                at.cast::<i64>().write_unaligned(expire);
                at = at.add(EXPIRY);
            }
            ptr::copy_nonoverlapping(key.as_ptr(), at, key.len());
            at = at.add(key.len());
            match payload {
                Payload::Inline(bytes) => {
                    ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
                }
                Payload::Boxed(object) => {
                    at.cast::<*mut Object>()
                        .write_unaligned(Box::into_raw(object));
                }
            }
        }
        Entry(block)
    }

    fn header(&self) -> &Header {
        // SAFETY: the block lives as long as `self` and its header was initialised by `build`.
        unsafe { self.0.as_ref() }
    }

    fn flags(&self) -> u32 {
        self.header().meta.load(Ordering::Relaxed)
    }

    fn is_boxed(&self) -> bool {
        self.flags() & BOXED != 0
    }

    /// True when the entry has an expiry.
    #[inline]
    pub fn expires(&self) -> bool {
        self.flags() & EXPIRES != 0
    }

    /// The address `offset` bytes into the block.
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: callers pass offsets of parts that `layout` counted, so the result lies in the block.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset) }
    }

    fn key_offset(&self) -> usize {
        HEADER + if self.expires() { EXPIRY } else { 0 }
    }

    fn value_offset(&self) -> usize {
        self.key_offset() + self.header().key_len as usize
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: `build` initialised `key_len` bytes there, and they never change.
        unsafe {
            std::slice::from_raw_parts(self.at(self.key_offset()), self.header().key_len as usize)
        }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        if self.is_boxed() {
            // SAFETY: the entry owns the object; it is changed only through `&mut self`.
            return unsafe { (*self.boxed()).as_ref() };
        }
        // SAFETY: `build` or `overwrite` initialised `value_len` bytes there; changed only by `&mut self`.
        ValueRef::Str(unsafe {
            std::slice::from_raw_parts(
                self.at(self.value_offset()),
                self.header().value_len as usize,
            )
        })
    }

    /// The address of the boxed object. Only for entries that are [`BOXED`].
    fn boxed(&self) -> *mut Object {
        debug_assert!(self.is_boxed());
        // SAFETY: a boxed entry's value is an address that `build` wrote there, possibly unaligned.
        unsafe {
            self.at(self.value_offset())
                .cast::<*mut Object>()
                .read_unaligned()
        }
    }

    /// The boxed object, to change in place; `None` when the value is a string inside the entry.
    /// A string must not be shortened to [`INLINE_MAX`] bytes through this: use [`Entry::resize_string`].
    #[inline]
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        // SAFETY: the entry owns the object, and `&mut self` makes this the only way to it.
        self.is_boxed().then(|| unsafe { &mut *self.boxed() })
    }

    /// The bytes of a string, to change in place; `None` for other types.
    pub fn string_mut(&mut self) -> Option<&mut [u8]> {
        if self.is_boxed() {
            return match self.object_mut() {
                Some(Object::Str(s)) => Some(s),
                _ => None,
            };
        }
        // SAFETY: as in `value`, and `&mut self` makes this the only reference.
        Some(unsafe {
            std::slice::from_raw_parts_mut(
                self.at(self.value_offset()),
                self.header().value_len as usize,
            )
        })
    }

    /// Makes the string `len` bytes long, filling up with zero bytes, and returns it to be changed in
    /// place; `None` for other types.
    pub fn resize_string(&mut self, len: usize) -> Option<&mut [u8]> {
        let old = match self.value() {
            ValueRef::Str(s) => s.len(),
            _ => return None,
        };
        if len != old {
            match self.object_mut() {
                Some(Object::Str(s)) if len > INLINE_MAX => s.resize(len, 0),
                _ => {
                    let mut grown = Vec::with_capacity(len);
                    if let ValueRef::Str(s) = self.value() {
                        grown.extend_from_slice(&s[..len.min(old)]);
                    }
                    grown.resize(len, 0);
                    self.set_object(Object::Str(grown), self.expire());
                }
            }
        }
        self.mark(EDITED);
        self.string_mut()
    }

    /// When the key expires: Unix time in milliseconds.
    #[inline]
    pub fn expire(&self) -> Option<i64> {
        // SAFETY: an entry that expires has its expiry right after the header, possibly unaligned.
        self.expires()
            .then(|| unsafe { self.at(HEADER).cast::<i64>().read_unaligned() })
    }

    /// When the first field of a hash expires: Unix time in milliseconds.
    pub fn first_field_time(&self) -> Option<i64> {
        match self.value() {
            ValueRef::Hash(hash) => hash.first_time(),
            _ => None,
        }
    }

    /// True when the key's time has come by `now_ms`.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expire().is_some_and(|at| at <= now_ms)
    }

    /// Sets or clears the expiry; the value stays.
    pub fn set_expire(&mut self, expire: Option<i64>) {
        match expire {
            // SAFETY: as in `expire`; the slot exists.
            Some(at) if self.expires() => unsafe {
                self.at(HEADER).cast::<i64>().write_unaligned(at);
            },
            None if !self.expires() => {}
            _ => self.rebuild(None, expire),
        }
    }

    /// Replaces value and expiry by a string, in place where it fits.
    pub fn set_string(&mut self, value: &[u8], expire: Option<i64>) {
        let fits = !self.is_boxed()
            && value.len() <= INLINE_MAX
            && expire.is_some() == self.expires()
            && self.size(value.len()) == self.size(self.header().value_len as usize);
        if !fits {
            *self = Entry::string(self.key(), value, expire).at_clock(self.clock());
            return;
        }
        self.set_expire(expire);
        // SAFETY: the block's size is the same for the new length, so `value.len()` bytes fit at the
        // value's place; `value` cannot overlap it since `&mut self` is the only way to it. The header is
        // this entry's own.
        unsafe {
            ptr::copy_nonoverlapping(value.as_ptr(), self.at(self.value_offset()), value.len());
            let header = self.0.as_mut();
            header.value_len = value.len() as u32;
            *header.meta.get_mut() &= !MARKS;
        }
    }

    /// Replaces value and expiry.
    pub fn set_object(&mut self, value: Object, expire: Option<i64>) {
        *self = Entry::object(self.key(), value, expire).at_clock(self.clock());
    }

    /// The same value and expiry under another key.
    pub fn rekeyed(mut self, key: &[u8]) -> Entry {
        let expire = self.expire();
        self.rebuild(Some(key), expire);
        self
    }

    /// A copy of value and expiry under another key.
    pub fn copied_to(&self, key: &[u8]) -> Entry {
        let mut copy = match self.value() {
            ValueRef::Str(value) => Entry::string(key, value, self.expire()),
            other => Entry::object(key, other.to_object(), self.expire()),
        };
        copy.mark(self.flags());
        copy.at_clock(self.clock())
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match (self.flags() & MARKS, self.value().encoding()) {
            (TEXT, "int") => "embstr",
            (0 | TEXT, encoding) => encoding,
            _ => "raw",
        }
    }

    /// Sets what is in `marks` of [`EDITED`] and [`TEXT`].
    pub fn mark(&mut self, marks: u32) {
        self.header()
            .meta
            .fetch_or(marks & MARKS, Ordering::Relaxed);
    }

    /// Moves the value to a new block with another key or expiry.
    fn rebuild(&mut self, key: Option<&[u8]>, expire: Option<i64>) {
        let (clock, marks) = (self.clock(), self.flags());
        let new_key = key.unwrap_or(self.key());
        let mut new = if self.is_boxed() {
            // SAFETY: the object leaves for the new block: the old value becomes an inline string of
            // the same length, so that dropping the old block does not free the object, and the size
            // of the block, which `Drop` computes anew, stays what it was.
            let object = unsafe { Box::from_raw(self.boxed()) };
            self.header().meta.fetch_and(!BOXED, Ordering::Relaxed);
            Entry::build(new_key, Payload::Boxed(object), expire)
        } else if let ValueRef::Str(value) = self.value() {
            Entry::build(new_key, Payload::Inline(value), expire)
        } else {
            return;
        };
        new.mark(marks);
        *self = new.at_clock(clock);
    }

    /// Takes the value out.
    pub fn into_object(self) -> Object {
        if !self.is_boxed() {
            return self.value().to_object();
        }
        // SAFETY: as in `rebuild`: the object leaves, and the block forgets that it had one.
        let object = unsafe { Box::from_raw(self.boxed()) };
        self.header().meta.fetch_and(!BOXED, Ordering::Relaxed);
        *object
    }

    /// Has the header and a short key fetched into the caches.
    #[inline]
    pub(super) fn prefetch_key(&self) {
        prefetch(self.0.as_ptr());
    }

    /// Has the block fetched into the caches: as much of it as small entries have.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.prefetch_key();
        // Unless it ends before that line, which only reading it would tell.
        prefetch(self.0.as_ptr().cast::<u8>().wrapping_add(CACHE_LINE));
    }

    /// The access clock: 24 bits, of whatever unit the caller chose.
    pub fn clock(&self) -> u32 {
        self.flags() >> CLOCK_SHIFT
    }

    /// Sets the access clock to the lower 24 bits of `clock`.
    #[inline]
    pub fn set_clock(&self, clock: u32) {
        let flags = self.flags();
        let meta = flags & !(CLOCK_MASK << CLOCK_SHIFT) | (clock & CLOCK_MASK) << CLOCK_SHIFT;
        // No read-modify-write: flags change only by `&mut self`, and the last of two accesses may win.
        if meta != flags {
            self.header().meta.store(meta, Ordering::Relaxed);
        }
    }

    fn at_clock(self, clock: u32) -> Entry {
        self.set_clock(clock);
        self
    }

    fn size(&self, value_len: usize) -> usize {
        layout(self.header().key_len as usize, value_len, self.expires()).size()
    }

    /// True when freeing the value may take long enough to be left to another thread.
    pub fn is_costly_to_free(&self) -> bool {
        const CHEAP: usize = 64;
        match self.value() {
            // A block is freed in one go whatever its size.
            ValueRef::Str(_) => false,
            ValueRef::List(v) => v.len() > CHEAP,
            ValueRef::Hash(v) => v.len() > CHEAP,
            ValueRef::Set(v) => v.len() > CHEAP,
            ValueRef::Zset(v) => v.len() > CHEAP,
            ValueRef::Stream(v) => v.weight() > CHEAP,
        }
    }

    /// Bytes that a string could grow by where it is, but for those within its own block.
    pub fn spare(&self) -> usize {
        if !self.is_boxed() {
            return 0;
        }
        // SAFETY: as in `value`.
        match unsafe { &*self.boxed() } {
            Object::Str(text) => text.capacity() - text.len(),
            _ => 0,
        }
    }

    /// Bytes of heap the entry takes, without what a boxed object points to.
    pub fn block_size(&self) -> usize {
        let object = usize::from(self.is_boxed()) * size_of::<Object>();
        self.size(self.header().value_len as usize) + object
    }
}

/// The block for a key and a value of these lengths.
fn layout(key_len: usize, value_len: usize, expires: bool) -> Layout {
    let size = class(HEADER + if expires { EXPIRY } else { 0 } + key_len + value_len);
    // SAFETY: `ALIGN` is a power of two; the parts are at most 4 GiB + a few KiB, far from overflowing.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let layout = layout(
            self.header().key_len as usize,
            self.header().value_len as usize,
            self.expires(),
        );
        // SAFETY: the object is this entry's own and nobody can reach it any more; the block was
        // allocated with this very layout, which depends only on what the header says.
        unsafe {
            if self.is_boxed() {
                drop(Box::from_raw(self.boxed()));
            }
            dealloc(self.0.as_ptr().cast(), layout);
        }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Entry {
        self.copied_to(self.key())
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("value", &self.value())
            .field("expire", &self.expire())
            .finish()
    }
}

#[cfg(test)]
mod tests;
