//! Commands of clients wait: until a time or UNPAUSE (CLIENT PAUSE), until a hand-over is over (FAILOVER), or until the
//! server ends or does not (SHUTDOWN).

use crate::sys::time::Instant;
use parking_lot::Mutex;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8};
use tokio::sync::Notify;

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Those that may write.
    Writes,
    /// All of them.
    All,
}

/// A hand-over is under way.
const HAND_OVER: u8 = 1;
/// The server is about to end.
const ENDING: u8 = 2;

/// Whether clients are paused.
#[derive(Default)]
pub struct Pause {
    on: AtomicBool,
    now: Mutex<Option<(What, Instant)>>,
    /// Reasons for which writes wait: [`HAND_OVER`], [`ENDING`].
    writes: AtomicU8,
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
        self.set(HAND_OVER, under_way);
    }

    /// The server is about to end, or will not after all. Said with all gates held.
    pub fn end_server(&self, about_to: bool) {
        self.set(ENDING, about_to);
    }

    /// True while the server is about to end.
    pub fn is_ending(&self) -> bool {
        self.writes.load(SeqCst) & ENDING != 0
    }

    fn set(&self, reason: u8, on: bool) {
        match on {
            true => self.writes.fetch_or(reason, SeqCst),
            false => self.writes.fetch_and(!reason, SeqCst),
        };
        if !on {
            self.over.notify_waiters();
        }
    }

    /// True when any command may have to wait.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed) || self.writes.load(Relaxed) != 0
    }

    /// True when a command has to wait; `writes` tells whether it may write.
    #[inline]
    pub fn holds(&self, writes: bool) -> bool {
        (self.on.load(Relaxed) && self.holds_now(writes))
            || (writes && self.writes.load(Relaxed) != 0)
    }

    #[cold]
    fn holds_now(&self, writes: bool) -> bool {
        match self.current() {
            None => false,
            Some((what, _)) => writes || what == What::All,
        }
    }

    /// True while the dataset is to stay as it is: what has expired is hidden but stays, and no key goes for want of
    /// memory.
    #[inline]
    pub fn keeps_all(&self) -> bool {
        (self.on.load(Relaxed) && self.current().is_some()) || self.is_ending()
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
            let left = end.saturating_duration_since(Instant::now());
            let _ = tokio::time::timeout(left, ended).await;
        } else if self.writes.load(SeqCst) != 0 {
            ended.await;
        }
    }
}
