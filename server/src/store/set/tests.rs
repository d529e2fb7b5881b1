use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits {
        set_max_intset_entries: 10,
        ..Limits::default()
    }
}

/// Integers of every width, and words that only look like some.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => (-8i64..8).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i32>().prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => "(0[0-9]|-0|\\+1|[a-c])".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_set(ops in proptest::collection::vec((any::<bool>(), member()), 0..80)) {
        let (mut set, mut model) = (Set::new(), BTreeSet::new());
        for (put, m) in ops {
            if put {
                prop_assert_eq!(set.insert(&m, &limits()), model.insert(m));
            } else {
                prop_assert_eq!(set.remove(&m), model.remove(&m));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(model.iter().all(|m| set.contains(m)));
            let all: BTreeSet<_> = set.iter().map(|m| m.to_vec()).collect();
            prop_assert_eq!(&all, &model);
        }
    }
}

#[test]
fn integers_are_kept_sorted_and_narrow() {
    let mut set = Set::new();
    for n in ["3", "-1", "70000", "5000000000", "2"] {
        assert!(set.insert(n.as_bytes(), &limits()));
    }
    assert_eq!(set.encoding(), "intset");
    let all: Vec<_> = set.iter().map(|m| m.to_vec()).collect();
    assert_eq!(all, [&b"-1"[..], b"2", b"3", b"70000", b"5000000000"]);
    assert!(!set.contains(b"4"));
    assert!(!set.contains(b"03"));
}

#[test]
fn becomes_a_table_for_a_word_or_beyond_the_limit() {
    let mut set = Set::new();
    set.insert(b"1", &limits());
    assert!(set.insert(b"01", &limits()));
    assert_eq!(set.encoding(), "hashtable");
    assert!(set.contains(b"1") && set.contains(b"01"));

    let mut set = Set::new();
    for i in 0..10 {
        set.insert(i.to_string().as_bytes(), &limits());
    }
    assert_eq!(set.encoding(), "intset");
    set.insert(b"10", &limits());
    assert_eq!((set.encoding(), set.len()), ("hashtable", 11));
}

#[test]
fn random_reaches_every_member() {
    for word in ["", "word"] {
        let mut set = Set::new();
        (0..10).for_each(|i| {
            set.insert(format!("{word}{i}").as_bytes(), &limits());
        });
        let seen: BTreeSet<_> = (0..10)
            .filter_map(|r| set.random(r))
            .map(|m| m.to_vec())
            .collect();
        assert_eq!(seen.len(), 10);
    }
    assert!(Set::new().random(1).is_none());
}

#[test]
fn a_scan_sees_every_member() {
    let mut set = Set::new();
    (0..100).for_each(|i| {
        set.insert(format!("m{i}").as_bytes(), &limits());
    });
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        cursor = set.scan(cursor, 10, |m| {
            seen.insert(m.to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 100);
}
