//! The double of the server's `crate::sync`: the same names, made of loom's primitives.

pub use loom::sync::atomic::{AtomicBool, AtomicU64};

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};

/// A mutex as `parking_lot` has it.
pub struct Mutex<T>(loom::sync::Mutex<T>);

/// A mutex that is held.
pub struct MutexGuard<'a, T>(loom::sync::MutexGuard<'a, T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    /// Waits for it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes it if nobody holds it: here no time passes.
    pub fn try_lock_for(&self, _: std::time::Duration) -> Option<MutexGuard<'_, T>> {
        self.try_lock()
    }

    /// Takes it if nobody holds it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(MutexGuard)
    }
}

impl<T> MutexGuard<'_, T> {
    /// Gives it up; loom lets anyone be next.
    pub fn unlock_fair(guard: Self) {
        drop(guard);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A pointer that is replaced as a whole; what `arc-swap` does without a lock.
pub struct Shared<T>(Mutex<Arc<T>>);

impl<T> Shared<T> {
    /// A pointer to `value`.
    pub fn from_pointee(value: T) -> Self {
        Shared(Mutex::new(Arc::new(value)))
    }

    /// What it points to.
    pub fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock())
    }

    /// Has it point to `value`.
    pub fn store(&self, value: Arc<T>) {
        *self.0.lock() = value;
    }
}
