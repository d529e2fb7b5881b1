//! Counters for INFO: one set per thread, so that counting costs a plain store.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of one thread; only that thread adds to them.
        #[derive(Default)]
        #[repr(align(128))]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: Counter,)+
        }

        /// The sum over all threads.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Totals {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Totals {
            /// Adds up the counters of all threads.
            pub fn of(all: &[Stats]) -> Totals {
                let mut totals = Totals::default();
                for stats in all {
                    $(totals.$name += stats.$name.get();)+
                }
                totals
            }
        }

        impl Stats {
            /// Starts again from nothing (CONFIG RESETSTAT).
            pub fn reset(&self) {
                let changes = self.changes.get();
                $(self.$name.0.store(0, Relaxed);)+
                // What is still to be saved is no statistic.
                self.changes.add(changes);
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections refused since there were too many.
    rejected,
    /// Commands run.
    commands,
    /// Bytes read from clients.
    bytes_in,
    /// Bytes sent to clients.
    bytes_out,
    /// Keys looked up and found.
    hits,
    /// Keys looked up in vain.
    misses,
    /// Keys removed since their time had come.
    expired,
    /// Fields of hashes removed since their time had come.
    expired_fields,
    /// Microseconds that went into looking for such keys and fields.
    expiry_micros,
    /// Rounds of that which ended since their time was up.
    expiry_capped,
    /// Keys removed since memory was short.
    evicted,
    /// Replies that were errors.
    errors,
    /// Commands that changed the dataset.
    changes,
    /// Reads from sockets.
    reads,
    /// Writes to sockets.
    writes,
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Called by the owning thread only; from others, some of it may be lost.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How often clients were told which errors, by their codes.
#[derive(Default)]
pub struct Errors(Mutex<BTreeMap<Box<[u8]>, u64>>);

/// Codes that are counted for themselves: scripts make up any number.
const MOST_CODES: usize = 128;

impl Errors {
    /// One more of each of `codes`.
    pub fn note(&self, codes: Vec<Box<[u8]>>) {
        let mut counts = self.0.lock();
        for code in codes {
            if counts.len() < MOST_CODES || counts.contains_key(&code) {
                *counts.entry(code).or_default() += 1;
            }
        }
    }

    /// All codes in their order.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let counts = self.0.lock();
        let text = |code: &[u8]| String::from_utf8_lossy(code).into_owned();
        counts.iter().map(|(code, n)| (text(code), *n)).collect()
    }

    /// Starts again from nothing (CONFIG RESETSTAT).
    pub fn reset(&self) {
        self.0.lock().clear();
    }
}
