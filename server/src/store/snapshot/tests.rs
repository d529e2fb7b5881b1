use super::*;
use crate::command::testing::Bench;
use crate::store::{Entry, ValueRef};
use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;

/// Everything a dataset holds: database, key -> value in words, expiry.
type Dump = BTreeMap<(usize, Vec<u8>), (String, Option<i64>)>;

fn words(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Hash(hash) => {
            let mut fields: Vec<_> = hash.iter().map(|f| format!("{f:?}")).collect();
            fields.sort();
            fields.join(",")
        }
        other => format!("{other:?}"),
    }
}

fn dump(dataset: &Dataset) -> Dump {
    let mut dump = Dump::new();
    for (number, db) in dataset.dbs().iter().enumerate() {
        db.for_each(|entry: &Entry| {
            let value = (words(entry.value()), entry.expire());
            dump.insert((number, entry.key().to_vec()), value);
        });
    }
    dump
}

/// Walks a snapshot to its end, doing something else after every step.
fn walk(mut snapshot: Snapshot, mut between: impl FnMut()) -> Dump {
    let (mut dump, mut last) = (Dump::new(), 0);
    loop {
        let mut part = Vec::new();
        let step = snapshot.walk(&mut |key, value, expire| {
            part.push((key.to_vec(), (words(value), expire)));
        });
        let Some(number) = step else {
            return dump;
        };
        assert!(number >= last, "databases out of order");
        last = number;
        for (key, value) in part {
            let twice = dump.insert((number, key), value);
            assert!(twice.is_none(), "a key came twice");
        }
        between();
    }
}

/// A bench of 16 databases with some keys in three of them.
fn filled() -> Bench {
    let mut bench = Bench::new();
    for db in [0, 3, 9] {
        bench.db = db;
        for i in 0..2_000 {
            bench.run(&format!("set {i} value:{i}"));
        }
        bench.run("pexpire 7 1000");
        bench.hash("hash");
    }
    bench
}

fn no_hooks_left(dataset: &Dataset) -> bool {
    let mut shards = dataset
        .dbs()
        .iter()
        .flat_map(|db| (0..SHARDS).map(|i| db.lock(i)));
    shards.all(|shard| !shard.is_watched())
}

#[test]
fn a_snapshot_is_what_was_there_when_it_began() {
    let mut bench = filled();
    let expected = dump(&bench.dataset);
    let snapshot = Snapshot::begin(&bench.dataset);
    let dataset = bench.dataset.clone();
    let mut i = 0;
    let got = walk(snapshot, || {
        bench.db = [0, 3, 9, 5][i % 4];
        for line in [
            format!("set {} new", i % 2_500),
            format!("del {}", (i * 7) % 2_500),
            format!("append {} more", (i * 11) % 2_500),
            format!("pexpire {} 5000", (i * 13) % 2_500),
            format!("rename {} {}", (i * 17) % 2_500, (i * 19) % 2_500),
            "set hash string".to_owned(),
        ] {
            bench.run(&line);
        }
        i += 1;
    });
    assert_eq!(got.len(), expected.len());
    assert!(got == expected);
    assert!(no_hooks_left(&dataset));
}

#[test]
fn several_snapshots_do_not_disturb_each_other() {
    let mut bench = filled();
    let first = (dump(&bench.dataset), Snapshot::begin(&bench.dataset));
    for i in 0..500 {
        bench.run(&format!("set {i} second"));
    }
    let second = (dump(&bench.dataset), Snapshot::begin(&bench.dataset));
    let abandoned = Snapshot::begin(&bench.dataset);
    for i in 0..1_000 {
        bench.run(&format!("del {i}"));
    }
    drop(abandoned);
    assert!(walk(second.1, || {}) == second.0);
    assert!(walk(first.1, || {}) == first.0);
    assert!(no_hooks_left(&bench.dataset));
}

#[test]
fn flushall_and_swapdb_do_not_change_a_snapshot() {
    let mut bench = filled();
    let expected = dump(&bench.dataset);
    let snapshot = Snapshot::begin(&bench.dataset);
    let mut i = 0;
    let got = walk(snapshot, || {
        match i {
            10 => bench.run("swapdb 0 3"),
            100 => bench.run("flushdb"),
            300 => bench.run("swapdb 9 0"),
            500 => bench.run("flushall"),
            _ => bench.run(&format!("set {i} new")),
        };
        i += 1;
    });
    assert!(i > 500);
    assert!(got == expected);
}

/// Two writers never stop; meanwhile one snapshot after the other is taken and compared with a dump made in the
/// same moment.
#[test]
fn snapshots_are_exact_while_others_write() {
    let shared = RwLock::new(filled().dataset);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2u64 {
            let (shared, stop) = (&shared, &stop);
            scope.spawn(move || {
                let mut bench = Bench::new();
                let mut random = seed + 1;
                while !stop.load(Ordering::Relaxed) {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let (a, b) = ((random >> 33) % 3_000, (random >> 45) % 3_000);
                    bench.db = [0, 3][(random >> 60) as usize % 2];
                    let line = match (random >> 20) % 8 {
                        0 => format!("del {a}"),
                        1 => format!("append {a} x"),
                        2 => format!("rename {a} {b}"),
                        3 => format!("mset {a} 1 {b} 2"),
                        4 => format!("pexpire {a} 100000"),
                        5 => format!("incr {a}"),
                        _ => format!("set {a} {random}"),
                    };
                    // As in the server, the dataset is held for the time of a command.
                    let held = shared.read().unwrap();
                    bench.dataset = held.clone();
                    bench.run(&line);
                    bench.told();
                }
            });
        }
        for round in 0..20 {
            // All gates.
            let mut held = shared.write().unwrap();
            if round % 5 == 4 {
                *held = held.swapped(0, 3);
            }
            let (expected, snapshot) = (dump(&held), Snapshot::begin(&held));
            drop(held);
            let got = walk(snapshot, || {});
            assert!(got == expected, "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(no_hooks_left(&shared.into_inner().unwrap()));
}

/// Collections of several thousand elements, of which a snapshot takes copies that share their parts.
#[test]
fn what_a_snapshot_shares_with_a_large_value_does_not_change() {
    let mut bench = Bench::new();
    for at in (0..4_000).step_by(100) {
        let run = |command: &str, element: fn(i32) -> String| {
            let elements: Vec<String> = (at..at + 100).map(element).collect();
            format!("{command} {}", elements.join(" "))
        };
        for line in [
            run("hset hash", |i| format!("f{i} v{i}")),
            run("sadd set", |i| format!("m{i}")),
            run("zadd zset", |i| format!("{} m{i}", i * 7 % 1000)),
            run("rpush list", |i| format!("a-longer-element:{i}")),
        ] {
            bench.run(&line);
        }
    }
    bench.run(&format!("set string {}", "x".repeat(5_000)));
    let expected = dump(&bench.dataset);
    // One that is walked at once, one that gets old values before, and one that is given up.
    let early = Snapshot::begin(&bench.dataset);
    let mut shared = Vec::new();
    let mut early = early;
    while early
        .walk(&mut |key, value, _| shared.push((key.to_vec(), words(value))))
        .is_some()
    {
        for i in [0, 511, 512, 1_700, 3_999] {
            let i = (i + shared.len() as i32) % 4_000;
            for line in [
                format!("hset hash f{i} new"),
                format!("hdel hash f{}", (i + 1) % 4_000),
                format!("srem set m{i}"),
                format!("sadd set other{i}"),
                format!("zadd zset {i} m{i}"),
                format!("zrem zset m{}", (i + 1) % 4_000),
                format!("lset list {} new", i % 3_000),
                "lpop list".to_owned(),
                format!("linsert list before a-longer-element:{i} new"),
                format!("setrange string {i} new"),
            ] {
                bench.run(&line);
            }
        }
    }
    assert_eq!(shared.len(), expected.len());
    for (key, value) in shared {
        assert!(expected[&(0, key.clone())].0 == value, "{key:?}");
    }
    let later = dump(&bench.dataset);
    let abandoned = Snapshot::begin(&bench.dataset);
    let snapshot = Snapshot::begin(&bench.dataset);
    for line in [
        "del hash",
        "rename set moved",
        "zremrangebyrank zset 0 1000",
        "ltrim list 5 50",
    ] {
        bench.run(line);
    }
    drop(abandoned);
    assert!(walk(snapshot, || {}) == later);
    assert!(no_hooks_left(&bench.dataset));
}
