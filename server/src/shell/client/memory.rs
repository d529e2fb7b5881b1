//! What clients take, and which of them go when it is too much together (`maxmemory-clients`).

use super::{Client, Clients, trait_of};
use crate::config::Settings;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// What a client holds beside its buffers.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell) enum Held {
    /// The commands of a transaction.
    Queue,
    /// Keys it watches.
    Watched,
    /// Channels and patterns it listens to.
    Subscriptions,
    /// Prefixes of keys it caches.
    Prefixes,
}

/// Bytes of each [`Held`].
pub(super) type AllHeld = [AtomicUsize; 4];

/// Bytes that an entry of a list takes beside what it names.
const ENTRY: usize = 64;

/// A limit is at least so much: nobody could say anything under a smaller one.
const LEAST: usize = 128 << 10;

/// What all clients take together, and how much they may.
#[derive(Default)]
pub struct Together {
    /// In bytes; 0: they are not weighed.
    limit: AtomicUsize,
    /// What was weighed last, in bytes.
    total: AtomicUsize,
    /// All who may go have gone, and still it is too much: nobody looks again before the next second.
    stuck: AtomicBool,
    /// One who looks at a time.
    turn: Mutex<()>,
    /// How many have gone.
    pub evicted: AtomicU64,
}

impl Client {
    /// Bytes that it takes, its buffers included: `tot-mem`.
    pub fn memory(&self) -> usize {
        let output = self.output.load(Relaxed) + self.spare.load(Relaxed);
        let buffers = self.input.load(Relaxed) + output;
        let held: usize = self.held.iter().map(|bytes| bytes.load(Relaxed)).sum();
        buffers + self.mail_len() + held + size_of::<Client>()
    }

    /// It holds `count` things of `what`, of so many `bytes` together.
    pub(in crate::shell) fn holds(&self, what: Held, count: usize, bytes: usize) {
        self.held[what as usize].store(count * ENTRY + bytes, Relaxed);
    }

    /// Bytes of the commands it has queued.
    pub(super) fn queued_bytes(&self) -> usize {
        self.held[Held::Queue as usize].load(Relaxed)
    }

    /// It is one of those that are weighed; replicas and masters have limits of their own.
    fn counts(&self) -> bool {
        let others = trait_of::REPLICA | trait_of::MASTER | trait_of::KILLED;
        self.traits.load(Relaxed) & others == 0
    }
}

impl Settings {
    /// Bytes that all clients may take together; 0: as many as they like.
    fn client_limit(&self) -> usize {
        let limit = match self.maxmemory_clients.strip_suffix('%') {
            None => self.maxmemory_clients.parse().unwrap_or(0),
            Some(percent) => {
                let percent: u64 = percent.parse().unwrap_or(0);
                let share = u128::from(self.maxmemory) * u128::from(percent) / 100;
                usize::try_from(share).unwrap_or(usize::MAX)
            }
        };
        match limit {
            0 => 0,
            limit => limit.max(LEAST),
        }
    }
}

impl Clients {
    /// Clients may take what `settings` say from here on.
    pub(in crate::shell) fn limit(&self, settings: &Settings) {
        let limit = settings.client_limit();
        self.together.limit.store(limit, Relaxed);
        self.weigh_all();
    }

    /// Something has happened to `client`: if clients are too much together by now, those that take most go.
    #[inline]
    pub(in crate::shell) fn weigh(&self, client: &Client) {
        if self.together.limit.load(Relaxed) != 0 {
            self.together.weigh(client);
            if self.together.is_over() {
                self.evict();
            }
        }
    }

    /// The same for all of them.
    pub(in crate::shell) fn weigh_all(&self) {
        if self.together.limit.load(Relaxed) == 0 {
            return;
        }
        let all = self.all.lock();
        all.values().for_each(|client| self.together.weigh(client));
        drop(all);
        self.together.stuck.store(false, Relaxed);
        if self.together.is_over() {
            self.evict();
        }
    }

    #[cold]
    fn evict(&self) {
        let Some(_turn) = self.together.turn.try_lock() else {
            return;
        };
        let mut heaviest: Vec<Arc<Client>> = self.all();
        heaviest.retain(|client| client.counts() && !client.is(trait_of::NO_EVICT));
        heaviest.sort_by_key(|client| Reverse(client.weighed.load(Relaxed)));
        for client in heaviest {
            if !self.together.is_over() {
                return;
            }
            let line = client.describe();
            tracing::info!("Evicting client: {}", String::from_utf8_lossy(&line));
            client.kill();
            self.together.forget(&client);
            self.together.evicted.fetch_add(1, Relaxed);
        }
        if self.together.is_over() {
            self.together.stuck.store(true, Relaxed);
            tracing::warn!("Over client maxmemory after evicting all evictable clients");
        }
    }
}

impl Together {
    fn weigh(&self, client: &Client) {
        let now = if client.counts() { client.memory() } else { 0 };
        let before = client.weighed.swap(now, Relaxed);
        self.total.fetch_add(now.wrapping_sub(before), Relaxed);
    }

    /// `client` is about to leave.
    pub(super) fn forget(&self, client: &Client) {
        let before = client.weighed.swap(0, Relaxed);
        self.total.fetch_sub(before, Relaxed);
    }

    fn is_over(&self) -> bool {
        let total = self.total.load(Relaxed);
        total > self.limit.load(Relaxed) && !self.stuck.load(Relaxed)
    }
}
