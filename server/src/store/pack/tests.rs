use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    SplitAppend(usize),
    SplitKeepTail(usize),
}

/// Mostly short; sometimes around the lengths where heads and lengths grow; some are integers of every width.
fn elem() -> impl Strategy<Value = Vec<u8>> {
    let lens = prop_oneof![
        8 => 0usize..20,
        2 => 55usize..70,
        2 => 120usize..130,
        1 => 4090usize..4100,
        1 => Just(16384usize),
        1 => Just(0x1_0000),
    ];
    let ints = (any::<i64>(), 0u32..64).prop_map(|(int, shift)| int >> shift);
    prop_oneof![
        2 => (lens, any::<u8>()).prop_map(|(len, b)| vec![b; len]),
        1 => ints.prop_map(|int| int.to_string().into_bytes()),
    ]
}

/// A record of one element, again and again.
fn record<const N: usize>(elem: &[u8]) -> Record<'_, N> {
    [Encoded::of(elem); N]
}

fn items<const N: usize>(elem: &[u8]) -> [Item<'_>; N] {
    [Item::of(elem); N]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        elem().prop_map(Op::PushBack),
        elem().prop_map(Op::PushFront),
        (any::<usize>(), elem()).prop_map(|(i, e)| Op::InsertBefore(i, e)),
        (any::<usize>(), elem()).prop_map(|(i, e)| Op::Replace(i, e)),
        (any::<usize>(), 0usize..4).prop_map(|(i, n)| Op::Remove(i, n)),
        (0usize..3).prop_map(|n| Op::Remove(0, n)),
        any::<usize>().prop_map(Op::SplitAppend),
        any::<usize>().prop_map(Op::SplitKeepTail),
    ]
}

fn place<const N: usize>(pack: &Pack<N>, i: usize) -> Option<(usize, Pos)> {
    let i = i.checked_rem(pack.len())?;
    Some((i, pack.nth(i)?))
}

fn apply<const N: usize>(pack: &mut Pack<N>, model: &mut Vec<Vec<u8>>, op: Op) {
    match op {
        Op::PushBack(e) => {
            pack.push_back(&record(&e));
            model.push(e);
        }
        Op::PushFront(e) => {
            pack.push_front(&record(&e));
            model.insert(0, e);
        }
        Op::InsertBefore(i, e) => {
            if let Some((i, pos)) = place(pack, i) {
                pack.insert_before(pos, &record(&e));
                model.insert(i, e);
            }
        }
        Op::Replace(i, e) => {
            if let Some((i, pos)) = place(pack, i) {
                pack.replace(pos, &record(&e));
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

fn check<const N: usize>(pack: &Pack<N>, model: &[Vec<u8>]) {
    assert_eq!(pack.len(), model.len());
    assert!(pack.iter().eq(model.iter().map(|e| items(e))));
    assert!(pack.iter().rev().eq(model.iter().rev().map(|e| items(e))));
    let bytes = model.iter().map(|e| Pack::<N>::encoded_len(&record(e)));
    assert_eq!(pack.byte_len(), bytes.sum::<usize>());
    for (i, e) in model.iter().enumerate() {
        let pos = pack.nth(i).unwrap();
        assert_eq!(pack.get(pos), items(e));
        let first = model.iter().position(|other| other == e);
        assert_eq!(pack.find(&Encoded::of(e)).map(|(_, index)| index), first);
        assert_eq!(pack.next(pos), pack.nth(i + 1));
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
        let (mut pack, mut model) = (Pack::<1>::new(), Vec::new());
        for op in ops.clone() {
            apply(&mut pack, &mut model, op);
            check(&pack, &model);
        }
        let (mut pack, mut model) = (Pack::<2>::new(), Vec::new());
        for op in ops {
            apply(&mut pack, &mut model, op);
            check(&pack, &model);
        }
    }
}

#[test]
fn walks_from_both_ends_until_they_meet() {
    let mut pack = Pack::<1>::new();
    for e in ["a", "b", "c", "d", "e"] {
        pack.push_back(&record(e.as_bytes()));
    }
    let mut iter = pack.iter();
    assert_eq!(iter.next(), Some(items(b"a")));
    assert_eq!(iter.next_back(), Some(items(b"e")));
    assert_eq!(iter.next_back(), Some(items(b"d")));
    assert_eq!(iter.next(), Some(items(b"b")));
    assert_eq!(iter.next(), Some(items(b"c")));
    assert_eq!(iter.next(), None);
    assert_eq!(iter.next_back(), None);
    let middle: Vec<_> = pack.range(1, 3).collect();
    assert_eq!(middle, [items(b"b"), items(b"c")]);
}

#[test]
fn a_queue_gives_its_memory_back() {
    let text = |i: u32| format!("element {i}").into_bytes();
    for from_front in [true, false] {
        let mut pack = Pack::<1>::new();
        for i in 0..100_000u32 {
            match from_front {
                true => pack.push_back(&record(&text(i))),
                false => pack.push_front(&record(&text(i))),
            }
            if i >= 10 {
                let pos = if from_front {
                    pack.first()
                } else {
                    pack.last()
                }
                .unwrap();
                assert_eq!(pack.get(pos), items(&text(i - 10)));
                pack.remove(pos, 1);
            }
        }
        assert!(pack.capacity() < 512, "{}", pack.capacity());
    }
}

#[test]
fn a_record_costs_no_more_than_in_redis() {
    let cost = |elem: &[u8]| Pack::<1>::encoded_len(&record(elem));
    for (elem, bytes) in [
        ("", 2),
        ("abc", 5),
        ("127", 2),
        ("-4096", 3),
        ("32767", 4),
        ("8388607", 5),
        ("2147483647", 6),
        ("9223372036854775807", 10),
    ] {
        assert_eq!(cost(elem.as_bytes()), bytes, "{elem}");
    }
    // One length for both elements.
    assert_eq!(Pack::<2>::encoded_len(&record(b"abc")), 9);
    assert_eq!(cost(&[b'x'; 63]), 65);
    assert_eq!(cost(&[b'x'; 64]), 67);
}

/// A node that is full is of a size that the allocator has, from whichever end it was filled.
#[test]
fn it_grows_up_to_the_size_of_a_full_node() {
    for front in [true, false] {
        let mut pack = Pack::<1>::new();
        let elem = record(b"an element");
        while HEADER + pack.byte_len() + Pack::encoded_len(&elem) <= 8192 {
            match front {
                true => pack.push_front(&elem),
                false => pack.push_back(&elem),
            }
            let most = HEADER + pack.byte_len() * 5 / 4 + 32;
            assert!(pack.capacity() <= most, "{}", pack.capacity());
        }
        assert_eq!(pack.capacity(), 8192);
    }
}
