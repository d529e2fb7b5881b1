//! Commands of clients wait: until a time or UNPAUSE (CLIENT PAUSE), or until a hand-over is over (FAILOVER).

use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;
use tokio::sync::Notify;

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Those that may write.
    Writes,
    /// All of them.
    All,
}

/// Whether clients are paused.
#[derive(Default)]
pub struct Pause {
    on: AtomicBool,
    now: Mutex<Option<(What, Instant)>>,
    /// A hand-over is under way: writes wait.
    handing_over: AtomicBool,
    over: Notify,
}

impl Pause {
    /// Pauses `what` until `until`; an ongoing pause is only ever extended.
    pub fn begin(&self, what: What, until: Instant) {
        let mut now = self.now.lock();
        *now = match *now {
            Some((old, end)) if end > Instant::now() => Some((old.max(what), end.max(until))),
            _ => Some((what, until)),
        };
        self.on.store(true, Relaxed);
    }

    /// Ends the pause.
    pub fn end(&self) {
        *self.now.lock() = None;
        self.on.store(false, Relaxed);
        self.over.notify_waiters();
    }

    /// A hand-over is under way, or is over. Said with all gates held, so that what runs in a gate knows.
    pub fn hand_over(&self, under_way: bool) {
        self.handing_over.store(under_way, SeqCst);
        if !under_way {
            self.over.notify_waiters();
        }
    }

    /// True when a command has to wait; `writes` tells whether it may write.
    #[inline]
    pub fn holds(&self, writes: bool) -> bool {
        (self.on.load(Relaxed) && self.holds_now(writes))
            || (writes && self.handing_over.load(Relaxed))
    }

    #[cold]
    fn holds_now(&self, writes: bool) -> bool {
        match self.current() {
            None => false,
            Some((what, _)) => writes || what == What::All,
        }
    }

    /// What is paused and until when, if anything is.
    pub fn current(&self) -> Option<(What, Instant)> {
        let mut now = self.now.lock();
        if now.is_some_and(|(_, end)| end <= Instant::now()) {
            *now = None;
            self.on.store(false, Relaxed);
        }
        *now
    }

    /// Returns when the pause is over, or has changed.
    pub async fn over(&self) {
        // Enlisted from here on: what ends after this look is heard of.
        let ended = self.over.notified();
        if let Some((_, end)) = self.current() {
            let _ = tokio::time::timeout_at(end.into(), ended).await;
        } else if self.handing_over.load(SeqCst) {
            ended.await;
        }
    }
}
