use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn limits(entries: usize) -> Limits {
    Limits {
        zset_max_listpack_entries: entries,
        zset_max_listpack_value: 16,
        ..Limits::default()
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
}

/// Few scores, so that many are equal; the members then decide.
fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-3i32..3).prop_map(f64::from),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(-0.0),
        1 => -1.0f64..1.0,
        1 => -1e15f64..1e15,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => ("[a-e]{1,3}|-?[1-9]", score()).prop_map(|(m, s)| Op::Insert(m.into_bytes(), s)),
        4 => "[a-e]{1,3}|-?[1-9]".prop_map(|m| Op::Remove(m.into_bytes())),
        1 => (0usize..20, 0usize..5).prop_map(|(at, n)| Op::RemoveRange(at, at + n)),
    ]
}

fn sorted(model: &HashMap<Vec<u8>, f64>) -> Vec<(&[u8], f64)> {
    let mut all: Vec<_> = model.iter().map(|(m, s)| (&m[..], *s)).collect();
    all.sort_by(|a, b| order((a.1, a.0), (b.1, b.0)));
    all
}

fn out<'a>((member, score): &(&'a [u8], f64)) -> (Elem<'a>, f64) {
    ((*member).into(), *score)
}

fn check(zset: &Zset, model: &HashMap<Vec<u8>, f64>) {
    let all = sorted(model);
    assert_eq!(zset.len(), all.len());
    assert!(zset.iter().eq(all.iter().map(out)));
    assert!(zset.iter().rev().eq(all.iter().rev().map(out)));
    for (rank, (member, score)) in all.iter().enumerate() {
        assert_eq!(zset.rank(member), Some(rank));
        assert_eq!(zset.score(member), Some(*score));
    }
    let (from, to) = (all.len() / 3, all.len() / 2);
    assert!(zset.range(from, to).eq(all[from..to].iter().map(out)));
    assert_eq!(zset.range(from, to).len(), to - from);
    for bound in [f64::NEG_INFINITY, -1.0, 0.0, 0.5, f64::INFINITY] {
        let below = all.iter().filter(|(_, s)| *s < bound).count();
        assert_eq!(zset.partition_scores(|s| s < bound), below);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn behaves_like_a_sorted_map(
        entries in prop_oneof![Just(0usize), Just(10), Just(1000)],
        ops in proptest::collection::vec(op(), 0..300),
    ) {
        let limits = limits(entries);
        let (mut zset, mut model) = (Zset::new(), HashMap::new());
        for (i, op) in ops.into_iter().enumerate() {
            match op {
                Op::Insert(m, s) => {
                    prop_assert_eq!(zset.insert(&m, s, &limits), model.insert(m, s));
                }
                Op::Remove(m) => prop_assert_eq!(zset.remove(&m), model.remove(&m)),
                Op::RemoveRange(from, to) => {
                    let gone: Vec<_> = sorted(&model)
                        .into_iter()
                        .skip(from)
                        .take(to - from)
                        .map(|(m, _)| m.to_vec())
                        .collect();
                    prop_assert_eq!(zset.remove_range(from, to), gone.len());
                    gone.iter().for_each(|m| { model.remove(m); });
                }
            }
            if i % 16 == 0 {
                check(&zset, &model);
            }
        }
        check(&zset, &model);
    }
}

#[test]
fn leaves_the_compact_form_at_its_limits_and_stays() {
    let mut zset = Zset::new();
    for i in 0..10u8 {
        zset.insert(&[i], 1.0, &limits(10));
    }
    zset.insert(&[3], 2.0, &limits(10));
    assert_eq!(zset.encoding(), "listpack");
    zset.insert(&[10], 1.0, &limits(10));
    assert_eq!(zset.encoding(), "skiplist");
    zset.remove(&[10]);
    assert_eq!(zset.encoding(), "skiplist");

    let mut zset = Zset::new();
    zset.insert(&[b'x'; 17], 1.0, &limits(10));
    assert_eq!(zset.encoding(), "skiplist");
}

#[test]
fn random_reaches_every_member() {
    for entries in [0, 100] {
        let mut zset = Zset::new();
        assert_eq!(zset.random(3), None);
        for i in 0..20u8 {
            zset.insert(&[i], f64::from(i), &limits(entries));
        }
        let mut seen = [0; 20];
        for r in 0..200 {
            let (member, score) = zset.random(r).unwrap();
            assert_eq!(f64::from(member[0]), score);
            seen[usize::from(member[0])] += 1;
        }
        assert!(seen.iter().all(|&times| times == 10));
    }
}

#[test]
fn a_hundred_thousand_members_cost_less_than_redis_takes() {
    let mut zset = Zset::new();
    for i in 0..100_000 {
        zset.insert(
            format!("member:{i}").as_bytes(),
            f64::from(i % 977),
            &Limits::default(),
        );
    }
    // Redis 7.0: a dictEntry, a bucket, a skiplist node of about 40 bytes and a string of 24.
    assert!(
        zset.memory_usage() / 100_000 < 100,
        "{}",
        zset.memory_usage()
    );
}

#[test]
fn compacts_what_fits() {
    let mut zset = Zset::new_big();
    zset.insert(b"a", -0.0, &limits(2));
    zset.insert(b"b", -1.0, &limits(2));
    assert!(zset.score(b"a").is_some_and(f64::is_sign_negative));
    let zset = zset.compact(&limits(2));
    assert_eq!(zset.encoding(), "listpack");
    assert!(
        zset.iter()
            .eq([(&b"b"[..], -1.0), (b"a", 0.0)].iter().map(out))
    );
    assert!(zset.score(b"a").is_some_and(f64::is_sign_positive));

    let mut zset = Zset::new_big();
    zset.insert(&[b'x'; 17], 1.0, &limits(2));
    assert_eq!(zset.compact(&limits(2)).encoding(), "skiplist");
}
