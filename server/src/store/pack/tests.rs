use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    SplitAppend(usize),
    SplitKeepTail(usize),
}

/// Mostly short; sometimes around the lengths where marks grow.
fn elem() -> impl Strategy<Value = Vec<u8>> {
    let lens = prop_oneof![
        8 => 0usize..20,
        2 => 245usize..260,
        1 => Just(0xffff),
        1 => Just(0x1_0000),
    ];
    (lens, any::<u8>()).prop_map(|(len, b)| vec![b; len])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        elem().prop_map(Op::PushBack),
        elem().prop_map(Op::PushFront),
        (any::<usize>(), elem()).prop_map(|(i, e)| Op::InsertBefore(i, e)),
        (any::<usize>(), elem()).prop_map(|(i, e)| Op::InsertAfter(i, e)),
        (any::<usize>(), elem()).prop_map(|(i, e)| Op::Replace(i, e)),
        (any::<usize>(), 0usize..4).prop_map(|(i, n)| Op::Remove(i, n)),
        (0usize..3).prop_map(|n| Op::Remove(0, n)),
        any::<usize>().prop_map(Op::SplitAppend),
        any::<usize>().prop_map(Op::SplitKeepTail),
    ]
}

fn place(pack: &Pack, i: usize) -> Option<(usize, Pos)> {
    let i = i.checked_rem(pack.len())?;
    Some((i, pack.nth(i)?))
}

fn apply(pack: &mut Pack, model: &mut Vec<Vec<u8>>, op: Op) {
    match op {
        Op::PushBack(e) => {
            pack.push_back(&e);
            model.push(e);
        }
        Op::PushFront(e) => {
            pack.push_front(&e);
            model.insert(0, e);
        }
        Op::InsertBefore(i, e) => {
            if let Some((i, pos)) = place(pack, i) {
                let at = pack.insert_before(pos, &e);
                assert_eq!(pack.get(at), e);
                model.insert(i, e);
            }
        }
        Op::InsertAfter(i, e) => {
            if let Some((i, pos)) = place(pack, i) {
                pack.insert_after(pos, &e);
                model.insert(i + 1, e);
            }
        }
        Op::Replace(i, e) => {
            if let Some((i, pos)) = place(pack, i) {
                pack.replace(pos, &e);
                model[i] = e;
            }
        }
        Op::Remove(i, n) => {
            if let Some((i, pos)) = place(pack, i) {
                pack.remove(pos, n);
                model.drain(i..(i + n).min(model.len()));
            }
        }
        Op::SplitAppend(i) => {
            let at = i % (pack.len() + 1);
            let tail = pack.split_off(at);
            assert_eq!((pack.len(), tail.len()), (at, model.len() - at));
            pack.append(&tail);
        }
        Op::SplitKeepTail(i) => {
            let at = i % (pack.len() + 1);
            *pack = pack.split_off(at);
            model.drain(..at);
        }
    }
}

fn check(pack: &Pack, model: &[Vec<u8>]) {
    assert_eq!(pack.len(), model.len());
    assert!(pack.iter().eq(model.iter().map(|e| &e[..])));
    assert!(pack.iter().rev().eq(model.iter().rev().map(|e| &e[..])));
    let bytes: usize = model.iter().map(|e| Pack::encoded_len(e.len())).sum();
    assert_eq!(pack.byte_len(), bytes);
    for (i, e) in model.iter().enumerate() {
        let pos = pack.nth(i).unwrap();
        assert_eq!(pack.get(pos), e);
        assert_eq!(pack.next(pos), pack.nth(i + 1));
        assert_eq!(pack.prev(pos), i.checked_sub(1).and_then(|i| pack.nth(i)));
    }
    assert_eq!(pack.first(), pack.nth(0));
    assert_eq!(
        pack.last(),
        model.len().checked_sub(1).and_then(|i| pack.nth(i))
    );
    assert_eq!(pack.nth(model.len()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn behaves_like_a_vector(ops in vec(op(), 1..60)) {
        let (mut pack, mut model) = (Pack::new(), Vec::new());
        for op in ops {
            apply(&mut pack, &mut model, op);
            check(&pack, &model);
        }
    }
}

#[test]
fn walks_from_both_ends_until_they_meet() {
    let mut pack = Pack::new();
    for e in ["a", "b", "c", "d", "e"] {
        pack.push_back(e.as_bytes());
    }
    let mut iter = pack.iter();
    assert_eq!(iter.next(), Some(&b"a"[..]));
    assert_eq!(iter.next_back(), Some(&b"e"[..]));
    assert_eq!(iter.next_back(), Some(&b"d"[..]));
    assert_eq!(iter.next(), Some(&b"b"[..]));
    assert_eq!(iter.next(), Some(&b"c"[..]));
    assert_eq!(iter.next(), None);
    assert_eq!(iter.next_back(), None);
    let middle: Vec<_> = pack.range(1, 3).collect();
    assert_eq!(middle, [b"b", b"c"]);
}

#[test]
fn a_queue_gives_its_memory_back() {
    let mut pack = Pack::new();
    for i in 0..100_000u32 {
        pack.push_back(&i.to_le_bytes());
        if i >= 10 {
            let pos = pack.first().unwrap();
            assert_eq!(pack.get(pos), (i - 10).to_le_bytes());
            pack.remove(pos, 1);
        }
    }
    assert!(pack.capacity() < 512, "{}", pack.capacity());
}

#[test]
fn short_elements_cost_two_bytes_each() {
    assert_eq!(Pack::encoded_len(0), 2);
    assert_eq!(Pack::encoded_len(252), 254);
    assert_eq!(Pack::encoded_len(253), 253 + 6);
    assert_eq!(Pack::encoded_len(0x1_0000), 0x1_0000 + 10);
}
