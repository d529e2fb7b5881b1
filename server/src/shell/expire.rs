//! Keys and fields whose time has come are removed even if nobody asks for them.

mod local;

pub(super) use local::LocalTimes;

use super::audience::Telling;
use super::blocking;
use super::evict;
use super::server::{Server, now_ms};
use crate::command::events;
use crate::gate::Gates;
use crate::store::expiry::{ExpiryCycle, Gone};
use crate::sys::time::Instant;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Keys and shards looked at in one go, under a gate.
const CHUNK: usize = 512;
/// The share of its period that a round may take, in percent, and what each step of `active-expire-effort` adds.
const SHARE: u32 = 25;
const SHARE_PER_EFFORT: u32 = 2;

/// Runs for ever: `hz` rounds a second.
pub(super) async fn run(server: Arc<Server>) {
    let mut cycle = ExpiryCycle::new();
    loop {
        let settings = server.config.settings();
        let period = Duration::from_secs(1) / (settings.hz.clamp(1, 500) as u32);
        let share = SHARE + SHARE_PER_EFFORT * settings.active_expire_effort.saturating_sub(1);
        let threshold = settings.latency_threshold;
        drop(settings);
        if server.cron_paused.load(Relaxed) || server.pause.keeps_all() {
            tokio::time::sleep(period).await;
            continue;
        }
        make_room(&server);
        let began = Instant::now();
        let (mut busy, mut more) = (Duration::ZERO, true);
        let before = server.stats[server.aside()].expired.get();
        while more && began.elapsed() < period * share / 100 {
            let chunk_began = Instant::now();
            more = chunk(&server, &mut cycle);
            busy += chunk_began.elapsed();
            tokio::task::yield_now().await;
        }
        let stats = &server.stats[server.aside()];
        stats.expiry_micros.add(busy.as_micros() as u64);
        stats.expiry_capped.add(u64::from(more));
        let removed = stats.expired.get().saturating_sub(before);
        note_stale(&server, removed);
        server.latency.note("expire-cycle", busy, threshold);
        tokio::time::sleep(period).await;
    }
}

/// Moves the average of keys found expired, of which this round removed so many.
fn note_stale(server: &Server, removed: u64) {
    let average = &server.rates.stale;
    let before = average.load(Relaxed);
    if before + removed == 0 {
        return;
    }
    let now = match removed {
        0 => 0,
        _ => {
            let gate = server.gates.enter(server.aside());
            let left: usize = gate.dataset.dbs().iter().map(|db| db.expires()).sum();
            Gates::leave(gate);
            removed * 10_000 / (removed + left as u64)
        }
    };
    average.store((now * 5 + before * 95) / 100, Relaxed);
}

/// Removes keys if memory is short, whether anybody sends commands or not.
fn make_room(server: &Arc<Server>) {
    let gate = server.gates.enter(server.aside());
    let settings = server.config.settings();
    let before = server.totals().evicted;
    evict::make_room(server, &gate, server.aside(), &settings);
    if blocking::any_ready() {
        blocking::serve_ready(server, &gate, server.aside());
    }
    Gates::leave(gate);
    server.tracking.broadcast(server);
    if server.totals().evicted > before {
        server.log.kick();
    }
}

/// Removes some keys; true if the round is not at its end.
fn chunk(server: &Arc<Server>, cycle: &mut ExpiryCycle) -> bool {
    let gate = server.gates.enter(server.aside());
    if gate.fence.handing || !gate.fence.whole || !server.active_expire.load(Relaxed) {
        return false;
    }
    // On a replica the master says when a key goes, but for those it knows nothing of.
    if gate.fence.replica {
        let local = &server.local_times;
        let removed = local.remove_due(server, &gate, now_ms(), CHUNK);
        server.stats[server.aside()].expired.add(removed);
        return removed == CHUNK as u64;
    }
    server.local_times.clear();
    let log = &server.log;
    let tell = log.active();
    let mut removed = |db: usize, gone: Gone<'_>| {
        if tell {
            log.append(db as u32, &gone.deletion());
        }
        let Some(telling) = Telling::of(server, None, None) else {
            return;
        };
        match gone {
            Gone::Key(key) => telling.gone(db, events::EXPIRED, "expired", key),
            Gone::Fields { key, last, .. } => {
                telling.gone(db, events::HASH, "hexpired", key);
                if last {
                    telling.gone(db, events::GENERIC, "del", key);
                }
            }
        }
    };
    let progress = cycle.run(&gate.dataset, now_ms(), CHUNK, &mut removed);
    if blocking::any_ready() {
        blocking::serve_ready(server, &gate, server.aside());
    }
    Gates::leave(gate);
    server.tracking.broadcast(server);
    let (keys, fields) = (progress.removed as u64, progress.fields as u64);
    if keys + fields > 0 {
        server.log.kick();
        let stats = &server.stats[server.aside()];
        stats.expired.add(keys);
        stats.expired_fields.add(fields);
        stats.changes.add(keys + fields);
    }
    !progress.round_done
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::store::hash::Hash;
    use crate::store::{Limits, Object, ValueRef};

    #[test]
    fn only_keys_whose_time_has_come_are_removed_and_replicas_hear_of_it() {
        let server = testing::server();
        server.log.activate();
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(3).unwrap();
        let value = || Object::Str(b"v".to_vec());
        for i in 0..2000 {
            let at = if i % 2 == 0 { 1 } else { i64::MAX };
            db.insert_loaded(format!("k:{i}").as_bytes(), value(), Some(at));
        }
        drop(gate);
        let mut cycle = ExpiryCycle::new();
        while chunk(&server, &mut cycle) {}
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(3).unwrap();
        assert_eq!(db.len(), 1000);
        assert!(!db.contains(b"k:0") && db.contains(b"k:1"));
        assert_eq!(server.totals().expired, 1000);
        let expected = 1000 * b"*2\r\n$3\r\nDEL\r\n$5\r\nk:100\r\n".len() as u64;
        assert!(server.log.offset().abs_diff(expected) < 2500);
    }

    #[test]
    fn fields_go_a_portion_at_a_time_and_the_hash_with_the_last() {
        let server = testing::server();
        server.log.activate();
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(3).unwrap();
        let timed = |lasting: usize| {
            let mut hash = Hash::new();
            for i in 0..2000 + lasting {
                let field = format!("f:{i}");
                hash.insert(field.as_bytes(), b"v", &Limits::default());
                hash.set_time(field.as_bytes(), (i < 2000).then_some(1));
            }
            Object::Hash(hash)
        };
        db.insert_loaded(b"all", timed(0), None);
        db.insert_loaded(b"most", timed(1), None);
        drop(gate);
        let (mut cycle, mut chunks) = (ExpiryCycle::new(), 1);
        while chunk(&server, &mut cycle) {
            chunks += 1;
        }
        assert!(chunks > 4000 / CHUNK, "in {chunks} portions");
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(3).unwrap();
        assert!(!db.contains(b"all"));
        let (shard, hash) = db.lock_key(b"most");
        match shard.get(hash, b"most").map(|entry| entry.value()) {
            Some(ValueRef::Hash(hash)) => assert_eq!((hash.len(), hash.timed_fields()), (1, 0)),
            other => panic!("{other:?}"),
        }
        drop(shard);
        assert_eq!(db.hashes_with_times(), 0);
        assert_eq!(
            (server.totals().expired, server.totals().expired_fields),
            (0, 4000)
        );
        // A field of six bytes takes twelve in a command.
        assert!(server.log.offset().abs_diff(4000 * 12) < 4000);
    }

    #[test]
    fn a_replica_leaves_it_to_its_master() {
        let server = testing::server();
        server.gates.all().update(|view| view.fence.replica = true);
        let gate = server.gates.enter(0);
        let db = gate.dataset.db(0).unwrap();
        db.insert_loaded(b"k", Object::Str(b"v".to_vec()), Some(1));
        drop(gate);
        assert!(!chunk(&server, &mut ExpiryCycle::new()));
        assert_eq!(server.gates.enter(0).dataset.len(), 1);
    }
}
