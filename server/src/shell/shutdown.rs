//! How the server ends.

use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use tokio::sync::Notify;

/// Whether the server is to end; one for all threads.
#[derive(Default)]
pub struct Shutdown {
    begun: AtomicBool,
    notify: Notify,
    why: Mutex<String>,
}

impl Shutdown {
    /// Ends the server, for the reason `why`. Only the first call has an effect.
    pub fn begin(&self, why: &str) {
        if !self.begun.swap(true, AcqRel) {
            *self.why.lock() = why.to_owned();
            self.notify.notify_waiters();
        }
    }

    /// True once [`Shutdown::begin`] has been called.
    pub fn begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// Why the server ends.
    pub fn why(&self) -> String {
        self.why.lock().clone()
    }

    /// Returns when the server is to end.
    pub async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.begun() {
            notified.await;
        }
    }
}
