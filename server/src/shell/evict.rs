//! `maxmemory`: before a command runs, and now and then, keys go until memory suffices; or it does not, and commands
//! that need more are refused.
//!
//! What is compared with the limit is what the allocator has handed out, without what replicas that lag and a snapshot
//! being loaded take: neither would shrink if keys went. The allocator's account of all threads costs microseconds, its
//! account of this thread nothing, so that the first is taken now and then and the second added to it.

use super::audience::Telling;
use super::server::{Server, now_ms};
use crate::command::events;
use crate::config::Settings;
use crate::gate::View;
use crate::memory::{self, ThreadMemory};
use crate::store::clock::Clock;
use crate::store::entry::Entry;
use crate::store::evict::{Evictor, Policy};
use crate::store::lazyfree;
use crate::store::shard::Removed;
use crate::sys::time::Instant;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a thread may allocate before all threads' memory is looked at again, bytes.
const UNSEEN: i64 = 256 << 10;
/// For how long that account is good, milliseconds.
const FRESH_MS: i64 = 10;

thread_local! {
    /// What this thread has allocated since the account of all was taken by it.
    static SINCE: RefCell<Option<ThreadMemory>> = const { RefCell::new(None) };
}

/// Memory beside its limit.
#[derive(Default)]
pub(super) struct Eviction {
    evictor: Mutex<Evictor>,
    /// Bytes that counted when they were last looked at, and when that was.
    used: AtomicU64,
    at: AtomicI64,
    /// Since when they have been over the limit, in milliseconds, or 0; and for how long they were before.
    over_since: AtomicI64,
    over_before: AtomicI64,
}

/// Whether commands that need memory may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// They may: there is some, or keys that go make it.
    Some,
    /// The limit is passed, and no key may go.
    None,
}

/// True unless memory is short, so that [`make_room`] would remove keys, or say that there are none.
#[inline]
pub(super) fn has_room(server: &Server, settings: &Settings) -> bool {
    match settings.maxmemory {
        0 => true,
        limit => {
            let there_is = server.eviction.estimate(server, now_ms()) <= limit;
            if there_is {
                server.eviction.is_over(false);
            }
            there_is
        }
    }
}

/// Removes keys if memory is short. The caller is in a gate, or holds all of them, and shows its view.
#[inline]
pub(super) fn make_room(server: &Server, view: &View, slot: usize, settings: &Settings) -> Room {
    match settings.maxmemory {
        0 => Room::Some,
        limit => make_room_below(limit, server, view, slot, settings),
    }
}

fn make_room_below(
    limit: u64,
    server: &Server,
    view: &View,
    slot: usize,
    settings: &Settings,
) -> Room {
    if !may_remove(view, settings) || server.pause.keeps_all() {
        return Room::Some;
    }
    let eviction = &server.eviction;
    if eviction.estimate(server, now_ms()) <= limit || eviction.look(server, now_ms()) <= limit {
        eviction.is_over(false);
        return Room::Some;
    }
    let room = match settings.maxmemory_policy {
        Some(policy) => remove_some(server, view, slot, settings, policy),
        None => Room::None,
    };
    eviction.is_over(eviction.estimate(server, now_ms()) > limit);
    room
}

/// On a replica the master decides; and nobody removes from half a dataset, or while a successor takes over.
fn may_remove(view: &View, settings: &Settings) -> bool {
    let fence = &view.fence;
    let own = !fence.replica || !settings.replica_ignore_maxmemory;
    own && fence.whole && !fence.loading && !fence.handing
}

/// How long one command may remove keys: as Redis computes it.
fn patience(tenacity: u32) -> Duration {
    match tenacity {
        0..=10 => Duration::from_micros(50 * u64::from(tenacity)),
        11..=99 => {
            let micros = 500.0 * 1.15f64.powi(tenacity as i32 - 10);
            Duration::from_micros(micros as u64)
        }
        _ => Duration::MAX,
    }
}

fn remove_some(
    server: &Server,
    view: &View,
    slot: usize,
    settings: &Settings,
    policy: Policy,
) -> Room {
    // What is being freed already may do.
    if lazyfree::pending() > 0 {
        return Room::Some;
    }
    let (began, patience) = (Instant::now(), patience(settings.eviction_tenacity));
    let clock = Clock::new(settings.limits().accesses, now_ms());
    let eviction = &server.eviction;
    let over = |used: u64| used.saturating_sub(settings.maxmemory) as i64;
    let mut evictor = eviction.evictor.lock();
    let mut removed = 0;
    let mut room = Room::Some;
    // What clients are told of the keys that go takes memory, too: were that to make further keys go, all would.
    let mut excess = over(eviction.look(server, clock.now_ms));
    while excess > 0 && over(eviction.estimate(server, clock.now_ms)) > 0 {
        let samples = settings.maxmemory_samples;
        let Some((db, key)) = evictor.choose(&view.dataset, policy, samples, clock) else {
            room = Room::None;
            break;
        };
        if let Some(freed) = remove(server, view, db, &key, Cause::Evicted, |_| true) {
            removed += 1;
            excess -= freed;
        }
        if began.elapsed() >= patience || lazyfree::pending() > 0 {
            break;
        }
    }
    drop(evictor);
    let threshold = settings.latency_threshold;
    server
        .latency
        .note("eviction-cycle", began.elapsed(), threshold);
    if removed > 0 {
        let stats = &server.stats[slot];
        stats.evicted.add(removed);
        stats.changes.add(removed);
    }
    room
}

/// Why a key is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Memory is short.
    Evicted,
    /// Its time has come.
    Expired,
}

impl Cause {
    fn event(self) -> (u32, &'static str) {
        match self {
            Cause::Evicted => (events::EVICTED, "evicted"),
            Cause::Expired => (events::EXPIRED, "expired"),
        }
    }
}

/// Removes one key, if `is_meant` says so of it, and tells replicas. The bytes that it took, as far as they are free
/// by now, or `None` if it was gone.
pub(super) fn remove(
    server: &Server,
    view: &View,
    number: usize,
    key: &[u8],
    cause: Cause,
    is_meant: impl Fn(&Entry) -> bool,
) -> Option<i64> {
    let db = view.dataset.db(number)?;
    let (mut shard, hash) = db.lock_key(key);
    if !shard.get(hash, key).is_some_and(is_meant) {
        return None;
    }
    let memory = ThreadMemory::now();
    let gone = shard.discard(hash, key);
    if matches!(gone, Removed::Nothing) {
        return None;
    }
    let kept = memory.change();
    // Under the shard's lock, so that it stands in the stream before the key's next life.
    if !view.fence.replica && server.log.active() {
        server.log.append(number as u32, &[b"DEL", key]);
    }
    if let Some(telling) = Telling::of(server, None, None) {
        let (class, name) = cause.event();
        telling.gone(number, class, name, key);
    }
    shard.settle(key);
    drop(shard);
    let before = memory.change();
    if let Removed::Entry(entry) = gone {
        lazyfree::free_entry(entry);
    }
    Some(before - memory.change() - kept)
}

impl Eviction {
    /// Notes whether what counts is over the limit, all that could be done having been done.
    fn is_over(&self, over: bool) {
        let since = self.over_since.load(Relaxed);
        if over == (since != 0) {
            return;
        }
        let now = now_ms();
        let next = if over { now } else { 0 };
        let told = self
            .over_since
            .compare_exchange(since, next, Relaxed, Relaxed);
        if told.is_ok() && !over {
            self.over_before.fetch_add((now - since).max(0), Relaxed);
        }
    }

    /// Milliseconds for which memory was over its limit: all of them, and those up to now.
    pub(super) fn exceeded_ms(&self) -> [i64; 2] {
        let current = match self.over_since.load(Relaxed) {
            0 => 0,
            since => (now_ms() - since).max(0),
        };
        [self.over_before.load(Relaxed) + current, current]
    }

    /// Starts again from nothing (CONFIG RESETSTAT).
    pub(super) fn reset(&self) {
        self.over_since.store(0, Relaxed);
        self.over_before.store(0, Relaxed);
    }

    /// Bytes that count, by the last look and what this thread did since.
    fn estimate(&self, server: &Server, now_ms: i64) -> u64 {
        let grown = SINCE.with_borrow(|since| since.as_ref().map(ThreadMemory::change));
        match grown {
            Some(grown) if grown < UNSEEN && now_ms - self.at.load(Relaxed) < FRESH_MS => {
                self.used.load(Relaxed).saturating_add_signed(grown)
            }
            _ => self.look(server, now_ms),
        }
    }

    /// Bytes that count, looked at now.
    fn look(&self, server: &Server, now_ms: i64) -> u64 {
        let lagging = server.log.backlog().beyond();
        let staging = server.replication().map_or(0, |r| r.staging_bytes());
        let used = memory::used().saturating_sub(lagging + staging);
        self.used.store(used, Relaxed);
        self.at.store(now_ms, Relaxed);
        SINCE.set(Some(ThreadMemory::now()));
        used
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::client::{Client, trait_of};
    use super::super::testing;
    use super::super::tracking::Wish;
    use super::*;
    use crate::store::Object;
    use std::sync::Arc;

    fn fill(server: &Server, keys: usize) {
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(0).unwrap();
        for i in 0..keys {
            let value = Object::Str(vec![b'x'; 1000]);
            db.insert_loaded(format!("k:{i}").as_bytes(), value, None);
        }
    }

    fn set(server: &Server, pairs: &[(&str, &str)]) {
        let pairs: Vec<(&[u8], &[u8])> = pairs
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
            .collect();
        server.configure(&pairs, true).unwrap();
    }

    fn room(server: &Server) -> Room {
        let gate = server.gates.enter(0);
        make_room(server, &gate, 0, &server.config.settings())
    }

    #[test]
    fn keys_go_until_memory_suffices_and_replicas_hear_of_it() {
        let server = testing::server();
        server.log.activate();
        fill(&server, 100);
        set(
            &server,
            &[("maxmemory", "1"), ("maxmemory-policy", "noeviction")],
        );
        assert_eq!(room(&server), Room::None);
        set(&server, &[("maxmemory-policy", "volatile-lru")]);
        assert_eq!(room(&server), Room::None, "nothing expires");
        assert_eq!(server.totals().evicted, 0);
        // Never enough for so low a limit.
        set(
            &server,
            &[
                ("maxmemory-policy", "allkeys-random"),
                ("maxmemory-eviction-tenacity", "100"),
            ],
        );
        assert_eq!(room(&server), Room::None);
        assert_eq!(server.totals().evicted, 100);
        assert_eq!(server.gates.enter(0).dataset.len(), 0);
        assert!(server.log.offset() > 100 * b"*2\r\n$3\r\nDEL\r\n".len() as u64);
        set(&server, &[("maxmemory", "0")]);
        assert_eq!(room(&server), Room::Some);
    }

    /// Or all keys would go for the sake of a few.
    #[test]
    fn what_clients_are_told_of_a_key_does_not_count_against_it() {
        let server = testing::server();
        let key = [b'k'; 100_000];
        let account = server.accounts.default_account();
        let gate = server.gates.enter(0);
        gate.dataset
            .db(0)
            .unwrap()
            .insert_loaded(&key, Object::Str(b"v".to_vec()), None);
        let clients = [1, 2, 3].map(|id| {
            let at = || Address::unix("s".as_ref());
            let client = Arc::new(Client::new(id, (at(), at()), 0, account));
            client.set(trait_of::RESP3, true);
            let cached = server
                .tracking
                .enable(&server, &client, Wish::default(), &[]);
            server.tracking.remember(&cached, &key);
            client
        });
        let freed = remove(&server, &gate, 0, &key, Cause::Evicted, |_| true);
        assert!(freed.is_some_and(|freed| freed >= 100_000), "{freed:?}");
        assert!(clients.iter().all(|client| client.mail_len() > 100_000));
    }

    #[test]
    fn a_replica_leaves_it_to_its_master_unless_told_not_to() {
        let server = testing::server();
        server.log.activate();
        server.gates.all().update(|view| view.fence.replica = true);
        fill(&server, 100);
        set(
            &server,
            &[("maxmemory", "1"), ("maxmemory-policy", "allkeys-lru")],
        );
        assert_eq!(room(&server), Room::Some);
        assert_eq!(server.gates.enter(0).dataset.len(), 100);
        set(&server, &[("replica-ignore-maxmemory", "no")]);
        while room(&server) == Room::Some {}
        assert_eq!(server.gates.enter(0).dataset.len(), 0);
        assert_eq!(server.log.offset(), 0, "the stream is the master's");
    }
}
