//! What a snapshot keeps of an entry that changes, or takes long to write.

use super::entry::{Entry, INLINE_MAX};
use super::object::ValueRef;

/// A key, value and expiry as they were once. The value can be walked, but nothing be found in it; what is large is shared
/// with the entry it was taken from, until that changes.
pub(super) struct Frozen(Entry);

impl Frozen {
    pub(super) fn of(entry: &Entry) -> Frozen {
        let (key, expire) = (entry.key(), entry.expire());
        Frozen(match entry.value() {
            ValueRef::Str(value) => Entry::string(key, value, expire),
            other => Entry::object(key, other.frozen(), expire),
        })
    }

    pub(super) fn key(&self) -> &[u8] {
        self.0.key()
    }

    pub(super) fn value(&self) -> ValueRef<'_> {
        self.0.value()
    }

    pub(super) fn expire(&self) -> Option<i64> {
        self.0.expire()
    }

    pub(super) fn is_costly_to_write(&self) -> bool {
        is_costly_to_write(&self.0)
    }
}

impl From<Entry> for Frozen {
    fn from(entry: Entry) -> Frozen {
        Frozen(entry)
    }
}

/// True when writing the value out may take so long that nobody should wait for it.
pub(super) fn is_costly_to_write(entry: &Entry) -> bool {
    match entry.value() {
        // It may be compressed.
        ValueRef::Str(value) => value.len() > INLINE_MAX,
        _ => entry.is_costly_to_free(),
    }
}
