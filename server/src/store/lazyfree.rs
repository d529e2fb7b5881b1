//! Freeing what is large in a thread of its own, so that nobody waits for it.

use super::entry::Entry;
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, PoisonError};

type Garbage = Box<dyn Any + Send>;

static PENDING: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

static BIN: LazyLock<Option<std::sync::Mutex<Sender<Garbage>>>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<Garbage>();
    let collector = move || {
        for garbage in receiver {
            drop(garbage);
            FREED.fetch_add(1, Ordering::Relaxed);
            PENDING.fetch_sub(1, Ordering::Release);
        }
    };
    let thread = std::thread::Builder::new().name("lazyfree".into());
    thread.spawn(collector).ok()?;
    Some(std::sync::Mutex::new(sender))
});

/// Drops `garbage` in the background; here and now if there is no thread for it.
pub fn free<T: Send + 'static>(garbage: T) {
    let Some(bin) = &*BIN else { return };
    PENDING.fetch_add(1, Ordering::Relaxed);
    let sender = bin.lock().unwrap_or_else(PoisonError::into_inner);
    if sender.send(Box::new(garbage)).is_err() {
        PENDING.fetch_sub(1, Ordering::Release);
    }
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

/// How many things have been freed since the process started.
pub fn freed() -> usize {
    FREED.load(Ordering::Relaxed)
}
