//! What the keyspace costs in memory, and that it gives all of it back.
//!
//! Counts with the allocator the server uses: sizes that the store frees wrongly show as well as leaks.

use damselfly_server::store::hash::Hash;
use damselfly_server::store::{Dataset, Entry, Limits, Object};
use tikv_jemalloc_ctl::thread;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes that this thread has allocated and not freed.
fn held() -> i64 {
    let allocated = thread::allocatedp::read().unwrap().get();
    let freed = thread::deallocatedp::read().unwrap().get();
    allocated as i64 - freed as i64
}

/// Bytes that `work` leaves allocated on this thread.
fn cost<T>(work: impl FnOnce() -> T) -> (i64, T) {
    let before = held();
    let result = work();
    (held() - before, result)
}

#[test]
fn a_small_key_costs_at_most_126_bytes() {
    const KEYS: u32 = 1_000_000;
    let (empty, dataset) = cost(|| Dataset::new(16));
    assert!(empty < 1 << 20, "an empty dataset costs {empty} bytes");
    let (full, ()) = cost(|| {
        for i in 0..KEYS {
            let key = format!("key:{i:012}");
            let value = Object::Str(vec![b'v'; 64]);
            assert!(dataset.dbs()[0].insert_loaded(key.as_bytes(), value, None));
        }
    });
    let per_key = full as f64 / f64::from(KEYS);
    println!("{per_key:.1} bytes per key of 16 + 64 bytes");
    assert!((96.0..=126.0).contains(&per_key), "{per_key}");
    let (rest, ()) = cost(|| drop(dataset));
    assert_eq!(rest + full + empty, 0, "bytes leaked");
}

/// `databases` may be large, and most of them are never used.
#[test]
fn an_unused_database_costs_next_to_nothing() {
    const DATABASES: usize = 10_000;
    let (empty, dataset) = cost(|| Dataset::new(DATABASES));
    assert!(empty < 200 * DATABASES as i64, "{empty} bytes");
    let last = &dataset.dbs()[DATABASES - 1];
    assert!(last.insert_loaded(b"key", Object::Str(b"value".to_vec()), None));
    assert_eq!((dataset.len(), last.len()), (1, 1));
    assert_eq!(last.random_key(7).as_deref(), Some(&b"key"[..]));
    assert_eq!(dataset.dbs()[0].random_key(7), None);
    let (used, emptied) = cost(|| dataset.emptied(None));
    assert!(emptied.is_empty() && used < 200 * DATABASES as i64);
    let (left, ()) = cost(|| drop((dataset, emptied)));
    assert!(left < 0);
}

#[test]
fn entries_give_back_exactly_what_they_took() {
    let limits = Limits::default();
    let hash = |fields: usize| {
        let mut hash = Hash::new();
        for i in 0..fields {
            hash.insert(i.to_string().as_bytes(), b"value", &limits);
        }
        Object::Hash(hash)
    };
    let (leaked, ()) = cost(|| {
        for len in 0..3_000 {
            let value = vec![b'x'; len];
            let mut entry = Entry::string(b"some key", &value, (len % 2 == 0).then_some(5));
            entry.set_expire((len % 3 == 0).then_some(7));
            entry.set_string(&value[..len / 2], None);
            entry.resize_string(len * 2 % 2_500);
            let mut entry = entry.rekeyed(&value[..len % 50]);
            drop(entry.clone());
            entry.set_object(hash(len % 200), Some(1));
            entry.set_expire(None);
            let entry = entry.rekeyed(b"another");
            match len % 3 {
                0 => drop(entry.clone().into_object()),
                1 => drop(entry.copied_to(b"copy")),
                _ => {}
            }
        }
    });
    assert_eq!(leaked, 0);
}
