use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::store::small::SmallBytes;

fn key(n: u32) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn add(table: &mut Dense<SmallBytes>, n: u32) -> bool {
    match table.find(&key(n)) {
        Ok(_) => false,
        Err(hash) => {
            table.insert_new(hash, SmallBytes::new(&key(n)));
            true
        }
    }
}

fn take(table: &mut Dense<SmallBytes>, n: u32) -> bool {
    match table.find(&key(n)) {
        Ok(at) => {
            assert_eq!(table.swap_remove(at).as_slice(), key(n));
            true
        }
        Err(_) => false,
    }
}

#[test]
fn grows_by_segments_and_shrinks_again() {
    let mut table = Dense::new();
    let n = 40 * SEGMENT as u32;
    for i in 0..n {
        assert!(add(&mut table, i));
    }
    assert_eq!(table.index.segments.len(), 40);
    let most = table.index.segments.iter().map(HashTable::len).max();
    assert!(most.unwrap() < 4 * SEGMENT, "{most:?}");
    for i in 0..n {
        let at = table.find(&key(i)).ok().expect("it was added");
        assert_eq!(table.get(at).as_slice(), key(i));
    }
    let full = table.memory_usage();
    for i in 0..n - 10 {
        assert!(take(&mut table, i));
    }
    assert_eq!(table.len(), 10);
    assert_eq!(table.iter().count(), 10);
    assert!(table.index.segments.len() <= 2);
    assert!(table.memory_usage() < full / 20, "{}", table.memory_usage());
    for i in 0..n {
        assert_eq!(table.find(&key(i)).is_ok(), i >= n - 10);
    }
}

proptest! {
    #[test]
    fn behaves_like_a_set(ops in proptest::collection::vec((any::<bool>(), 0u32..300), 0..600)) {
        let (mut table, mut model) = (Dense::new(), HashSet::new());
        for (put, n) in ops {
            if put {
                prop_assert_eq!(add(&mut table, n), model.insert(n));
            } else {
                prop_assert_eq!(take(&mut table, n), model.remove(&n));
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let seen: HashSet<Vec<u8>> = table.iter().map(|e| e.as_slice().to_vec()).collect();
        prop_assert_eq!(seen, model.into_iter().map(key).collect::<HashSet<_>>());
    }

    /// The guarantee of SCAN: what is there from its start to its end is seen, what never was is not.
    #[test]
    fn a_scan_sees_all_that_stays(
        start in 0u32..4000,
        count in 1usize..50,
        churn in proptest::collection::vec((any::<bool>(), 0u32..8000), 0..4000),
    ) {
        let mut table = Dense::new();
        (0..start).for_each(|n| { add(&mut table, n); });
        let mut stayed: HashSet<u32> = (0..start).collect();
        let mut ever = stayed.clone();
        let mut churn = churn.into_iter();
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            cursor = table.scan(cursor, count, |e| { seen.insert(e.as_slice().to_vec()); });
            if cursor == 0 {
                break;
            }
            for (put, n) in churn.by_ref().take(40) {
                if put {
                    add(&mut table, n);
                    ever.insert(n);
                } else {
                    take(&mut table, n);
                    stayed.remove(&n);
                }
            }
        }
        prop_assert!(stayed.iter().all(|&n| seen.contains(&key(n))));
        prop_assert!(seen.is_subset(&ever.into_iter().map(key).collect()));
    }
}

#[test]
fn a_scan_of_a_still_table_sees_everything_once() {
    let mut table = Dense::new();
    (0..5000).for_each(|n| {
        add(&mut table, n);
    });
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        cursor = table.scan(cursor, 7, |e| seen.push(e.as_slice().to_vec()));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 5000);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>().len(), 5000);
}

#[test]
fn any_cursor_is_harmless() {
    let mut table = Dense::new();
    add(&mut table, 1);
    for cursor in [1, 2, 1 << 20, u64::MAX] {
        let mut seen = 0;
        assert_eq!(table.scan(cursor, 10, |_| seen += 1), 0);
        assert_eq!(seen, 1);
    }
    let empty: Dense<SmallBytes> = Dense::new();
    assert_eq!(empty.scan(5, 10, |_| unreachable!("it is empty")), 0);
}
