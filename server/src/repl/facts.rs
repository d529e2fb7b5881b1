//! What INFO says of following a master beyond the core's status: times, progress, the last error.
//!
//! Written by links, read by anybody at any time, without a lock.

use crate::store::Dataset;
use crate::sys::time::Instant;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// See the module.
#[derive(Debug)]
pub struct Facts {
    started: Instant,
    /// Milliseconds since `started`; negative: never.
    last_io: AtomicI64,
    down_since: AtomicI64,
    sync_io: AtomicI64,
    /// A snapshot is under way.
    syncing: AtomicBool,
    /// Its size; negative: the master does not say.
    sync_total: AtomicI64,
    sync_read: AtomicU64,
    received: AtomicU64,
    /// Bytes of the stream that wait for the end of a pause.
    waiting: AtomicU64,
    staging_memory: AtomicU64,
    full_syncs: AtomicU64,
    partial_syncs: AtomicU64,
    last_error: ArcSwapOption<String>,
    link_error: ArcSwapOption<String>,
    /// The snapshot that was announced is of another history than our data.
    foreign: AtomicBool,
    dropped_datasets: AtomicU64,
    dropped_keys: AtomicU64,
}

/// How far a snapshot under way has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its size in bytes, if the master says it.
    pub total: Option<u64>,
    /// Bytes read.
    pub read: u64,
    /// Seconds since the last of them came.
    pub idle_seconds: u64,
}

impl Facts {
    pub(super) fn new() -> Self {
        Facts {
            started: Instant::now(),
            last_io: AtomicI64::new(-1),
            down_since: AtomicI64::new(-1),
            sync_io: AtomicI64::new(-1),
            syncing: AtomicBool::new(false),
            sync_total: AtomicI64::new(-1),
            sync_read: AtomicU64::new(0),
            received: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            staging_memory: AtomicU64::new(0),
            full_syncs: AtomicU64::new(0),
            partial_syncs: AtomicU64::new(0),
            last_error: ArcSwapOption::empty(),
            link_error: ArcSwapOption::empty(),
            foreign: AtomicBool::new(false),
            dropped_datasets: AtomicU64::new(0),
            dropped_keys: AtomicU64::new(0),
        }
    }

    fn now(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    fn seconds_since(&self, moment: &AtomicI64) -> Option<u64> {
        match moment.load(Relaxed) {
            ..0 => None,
            at => Some(((self.now() - at).max(0) / 1000) as u64),
        }
    }

    /// `master_last_io_seconds_ago`.
    pub fn last_io_seconds(&self) -> Option<u64> {
        self.seconds_since(&self.last_io)
    }

    /// `master_link_down_since_seconds`; none while the link is up, and if it never was.
    pub fn down_seconds(&self) -> Option<u64> {
        self.seconds_since(&self.down_since)
    }

    /// The snapshot under way (`master_sync_*`), if one is.
    pub fn progress(&self) -> Option<Progress> {
        self.syncing.load(Relaxed).then(|| Progress {
            total: u64::try_from(self.sync_total.load(Relaxed)).ok(),
            read: self.sync_read.load(Relaxed),
            idle_seconds: self.seconds_since(&self.sync_io).unwrap_or(0),
        })
    }

    /// Bytes held by a dataset that is being loaded beside the served one.
    pub fn staging_memory(&self) -> u64 {
        self.staging_memory.load(Relaxed)
    }

    /// Snapshots of a master that were loaded and put in place.
    pub fn full_syncs(&self) -> u64 {
        self.full_syncs.load(Relaxed)
    }

    /// Streams of a master that were resumed.
    pub fn partial_syncs(&self) -> u64 {
        self.partial_syncs.load(Relaxed)
    }

    /// `replicaof_last_error`: why the last `REPLICAOF` failed, if it did.
    pub fn last_error(&self) -> Option<Arc<String>> {
        self.last_error.load_full()
    }

    /// `master_link_last_error`: why the link was lost last, or could not be made, until it is up again.
    pub fn link_error(&self) -> Option<Arc<String>> {
        self.link_error.load_full()
    }

    /// `sync_dropped_datasets` and `sync_dropped_keys`: what full syncs from other histories than ours replaced.
    pub fn dropped(&self) -> [u64; 2] {
        [&self.dropped_datasets, &self.dropped_keys].map(|count| count.load(Relaxed))
    }

    /// Counts from nothing again (CONFIG RESETSTAT).
    pub(super) fn reset_counts(&self) {
        let counts = [&self.received, &self.dropped_datasets, &self.dropped_keys];
        for count in counts {
            count.store(0, Relaxed);
        }
    }

    /// Bytes of snapshots and streams that came from masters.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes of the stream that were read and wait for the end of a pause.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    pub(super) fn waits(&self, bytes: u64) {
        self.waiting.store(bytes, Relaxed);
    }

    pub(super) fn has_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
    }

    /// A snapshot is announced, of another history than our data or not.
    pub(super) fn is_foreign(&self, foreign: bool) {
        self.foreign.store(foreign, Relaxed);
    }

    /// What was announced takes the place of `old`.
    pub(super) fn replaces(&self, old: &Dataset) {
        let keys = match self.foreign.swap(false, Relaxed) {
            true => old.len() as u64,
            false => 0,
        };
        if keys > 0 {
            tracing::warn!("{keys} keys of another history are dropped");
            self.dropped_datasets.fetch_add(1, Relaxed);
            self.dropped_keys.fetch_add(keys, Relaxed);
        }
    }

    pub(super) fn heard(&self) {
        self.last_io.store(self.now(), Relaxed);
    }

    pub(super) fn link_is_up(&self, up: bool) {
        self.down_since
            .store(if up { -1 } else { self.now() }, Relaxed);
        if up {
            self.link_error.store(None);
        }
    }

    /// We are a master: the next link was never up.
    pub(super) fn no_link(&self) {
        self.down_since.store(-1, Relaxed);
    }

    pub(super) fn sync_begins(&self) {
        self.sync_is(None);
        self.syncing.store(true, Relaxed);
    }

    /// What the master says of the size of its snapshot.
    pub(super) fn sync_is(&self, total: Option<u64>) {
        let total = total.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
        self.sync_total.store(total, Relaxed);
        self.sync_at(0);
    }

    pub(super) fn sync_ends(&self) {
        self.syncing.store(false, Relaxed);
    }

    pub(super) fn sync_at(&self, read: u64) {
        let before = self.sync_read.swap(read, Relaxed);
        self.has_received(read.saturating_sub(before));
        self.sync_io.store(self.now(), Relaxed);
        self.heard();
    }

    pub(super) fn staging_is(&self, bytes: u64) {
        self.staging_memory.store(bytes, Relaxed);
    }

    pub(super) fn synced(&self, full: bool) {
        let count = if full {
            &self.full_syncs
        } else {
            &self.partial_syncs
        };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn link_failed(&self, why: &str) {
        self.link_error.store(Some(Arc::new(why.into())));
    }

    pub(super) fn failed(&self, why: Option<&str>) {
        self.last_error.store(why.map(|text| Arc::new(text.into())));
    }
}
