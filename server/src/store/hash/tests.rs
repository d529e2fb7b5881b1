use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits {
        hash_max_listpack_entries: 8,
        hash_max_listpack_value: 16,
        ..Limits::default()
    }
}

/// Short words, some of them too long for the compact form.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => "[a-d]{0,2}|-?[1-9]{1,6}".prop_map(String::into_bytes),
        1 => "[a-d]{15,30}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec((any::<bool>(), word(), word()), 0..80)) {
        let (mut hash, mut model) = (Hash::new(), HashMap::new());
        for (put, field, value) in ops {
            if put {
                let new = hash.insert(&field, &value, &limits());
                prop_assert_eq!(new, model.insert(field, value).is_none());
            } else {
                prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            }
            prop_assert_eq!(hash.len(), model.len());
            prop_assert_eq!(hash.is_empty(), model.is_empty());
            for (field, value) in &model {
                prop_assert_eq!(hash.get(field), Some(Elem::from(&value[..])));
            }
            let all: HashMap<_, _> = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(&all, &model);
        }
    }
}

#[test]
fn leaves_the_compact_form_at_its_limits_and_stays() {
    let mut hash = Hash::new();
    for i in 0..8u8 {
        assert!(hash.insert(&[i], b"v", &limits()));
    }
    assert_eq!(hash.encoding(), "listpack");
    assert!(!hash.insert(&[0], b"another", &limits()));
    assert_eq!(hash.encoding(), "listpack");
    assert!(hash.insert(&[8], b"v", &limits()));
    assert_eq!(hash.encoding(), "hashtable");
    assert!(hash.remove(&[8]));
    assert_eq!(hash.encoding(), "hashtable");

    for (field, value) in [(&[b'x'; 17][..], &b"v"[..]), (b"f", &[b'x'; 17])] {
        let mut hash = Hash::new();
        hash.insert(b"f", b"old", &limits());
        hash.insert(field, value, &limits());
        assert_eq!(hash.encoding(), "hashtable");
        assert_eq!(hash.get(field).as_deref(), Some(value));
    }
}

#[test]
fn random_reaches_every_field_and_no_other() {
    let mut hash = Hash::new();
    assert_eq!(hash.random(7), None);
    for n in [5u8, 50] {
        (0..n).for_each(|i| {
            hash.insert(&[i], &[i], &limits());
        });
        let mut seen = vec![0; usize::from(n)];
        for r in 0..u64::from(n) * 10 {
            let (field, value) = hash.random(r).unwrap();
            assert_eq!(field, value);
            seen[usize::from(field[0])] += 1;
        }
        assert!(seen.iter().all(|&times| times == 10));
    }
}

#[test]
fn scans_compact_at_once_and_big_in_steps() {
    let mut hash = Hash::new();
    hash.insert(b"a", b"1", &limits());
    let mut seen = Vec::new();
    assert_eq!(
        hash.scan(0, 1, &mut |f, v| seen.push((f.to_vec(), v.to_vec()))),
        0
    );
    assert_eq!(seen, [(b"a".to_vec(), b"1".to_vec())]);
    (0..100u8).for_each(|i| {
        hash.insert(&[i], b"v", &limits());
    });
    assert_ne!(hash.scan(0, 10, &mut |_, _| {}), 0);
}

#[test]
fn a_short_pair_costs_less_than_redis_takes() {
    let mut hash = Hash::new();
    for i in 0..100_000 {
        hash.insert(format!("field:{i}").as_bytes(), b"value", &limits());
    }
    // Redis 7.0: a dictEntry of 24 bytes in a class of 32, a bucket, two strings of 16 each.
    assert!(
        hash.memory_usage() / 100_000 < 72,
        "{}",
        hash.memory_usage()
    );
}
