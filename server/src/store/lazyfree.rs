//! Freeing what is large in a thread of its own, so that nobody waits for it.

use super::entry::Entry;
use crate::sys::thread;
use std::sync::atomic::{AtomicUsize, Ordering};

static PENDING: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

/// Drops `garbage` in the background; here and now if there is no thread for it.
pub fn free<T: Send + 'static>(garbage: T) {
    PENDING.fetch_add(1, Ordering::Relaxed);
    thread::aside(move || {
        drop(garbage);
        FREED.fetch_add(1, Ordering::Relaxed);
        PENDING.fetch_sub(1, Ordering::Release);
    });
}

/// Drops `entry`, in the background if its value is large.
pub fn free_entry(entry: Entry) {
    if entry.is_costly_to_free() {
        free(entry);
    }
}

/// How many things wait to be freed, the one that is being freed included.
pub fn pending() -> usize {
    PENDING.load(Ordering::Acquire)
}

/// How many things have been freed since the process started, or [`reset`] was called.
pub fn freed() -> usize {
    FREED.load(Ordering::Relaxed)
}

/// Counts what is freed from 0 again.
pub fn reset() {
    FREED.store(0, Ordering::Relaxed);
}
