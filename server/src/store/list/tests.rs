use proptest::prelude::*;

use super::*;

/// Nodes small enough that a few operations make several: by elements, or by bytes.
fn limits(size: i32) -> Limits {
    Limits {
        list_max_listpack_size: size,
        ..Limits::default()
    }
}

#[derive(Clone, Debug)]
enum Op {
    Push(End, Vec<u8>),
    Pop(End),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(End, Vec<u8>, usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

/// Few distinct ones, so that some are equal; a few of them big.
fn elem() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => "[a-c7]|-?[0-9]{5}".prop_map(String::into_bytes),
        3 => Just(vec![b'm'; 1500]),
        1 => Just(vec![b'x'; 9000]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (end(), elem()).prop_map(|(end, e)| Op::Push(end, e)),
        1 => end().prop_map(Op::Pop),
        2 => (0usize..64, elem()).prop_map(|(i, e)| Op::Set(i, e)),
        4 => (0usize..64, elem()).prop_map(|(i, e)| Op::Insert(i, e)),
        1 => (0usize..64, 0usize..12).prop_map(|(i, n)| Op::RemoveRange(i, n)),
        1 => (end(), elem(), 0usize..4).prop_map(|(end, e, n)| Op::RemoveEqual(end, e, n)),
    ]
}

fn apply(list: &mut List, model: &mut Vec<Vec<u8>>, op: Op, limits: &Limits) {
    match op {
        Op::Push(end, e) => {
            list.push(end, &e, limits);
            match end {
                End::Left => model.insert(0, e),
                End::Right => model.push(e),
            }
        }
        Op::Pop(end) => {
            let expected = match end {
                End::Left if model.is_empty() => None,
                End::Left => Some(model.remove(0)),
                End::Right => model.pop(),
            };
            assert_eq!(list.peek(end).as_deref(), expected.as_deref());
            assert_eq!(list.pop(end), expected);
        }
        Op::Set(i, e) => {
            assert_eq!(list.set(i, &e, limits), i < model.len());
            if let Some(place) = model.get_mut(i) {
                *place = e;
            }
        }
        Op::Insert(i, e) => {
            list.insert(i, &e, limits);
            model.insert(i.min(model.len()), e);
        }
        Op::RemoveRange(i, n) => {
            let range = i.min(model.len())..(i + n).min(model.len());
            assert_eq!(list.remove_range(i, n, limits), range.len());
            model.drain(range);
        }
        Op::RemoveEqual(from, e, n) => {
            let mut hits: Vec<usize> = (0..model.len()).filter(|&i| model[i] == e).collect();
            if from == End::Left {
                hits.truncate(n);
            } else {
                hits.drain(..hits.len().saturating_sub(n));
            }
            assert_eq!(list.remove_equal(from, &e, n, limits), hits.len());
            for i in hits.into_iter().rev() {
                model.remove(i);
            }
        }
    }
}

fn check(list: &List, model: &[Vec<u8>]) {
    assert_eq!(list.len(), model.len());
    assert!(list.0.iter().all(|node| !node.is_empty()));
    assert!(list.iter().eq(model.iter().map(|e| Item::of(e))));
    assert!(
        list.iter()
            .rev()
            .eq(model.iter().rev().map(|e| Item::of(e)))
    );
    for i in 0..=model.len() {
        assert_eq!(list.get(i).as_deref(), model.get(i).map(|e| &e[..]));
        assert!(list.iter_from(i).eq(model[i..].iter().map(|e| Item::of(e))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn behaves_like_a_vector(
        size in prop_oneof![Just(3), Just(-1), Just(-2), Just(0), Just(i32::MIN)],
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let limits = limits(size);
        let (mut list, mut model) = (List::new(), Vec::new());
        for op in ops {
            apply(&mut list, &mut model, op, &limits);
            check(&list, &model);
        }
    }
}

#[test]
fn nodes_stay_within_the_bound() {
    let mut list = List::new();
    let limits = Limits::default();
    for i in 0..50_000u32 {
        let end = if i % 3 == 0 { End::Left } else { End::Right };
        list.push(end, i.to_string().as_bytes(), &limits);
    }
    assert!(list.0.iter().all(|n| HEADER + n.byte_len() <= 8192));
    assert!(list.0.len() < 60, "{}", list.0.len());
    // Insertions in the middle split nodes and must not leave a trail of tiny ones.
    for i in 0..20_000u32 {
        list.insert(25_000, i.to_string().as_bytes(), &limits);
    }
    assert!(list.0.len() < 160, "{}", list.0.len());
    while list.len() > 10 {
        let n = list.len();
        list.remove_range(n / 3, (n / 10).max(1), &limits);
    }
    assert!(list.0.len() < 4, "{}", list.0.len());
}

#[test]
fn a_huge_element_stands_alone() {
    let mut list = List::new();
    let limits = Limits::default();
    list.push(End::Right, b"a", &limits);
    list.push(End::Right, &[b'x'; 100_000], &limits);
    list.push(End::Right, b"b", &limits);
    assert_eq!(list.0.len(), 3);
    assert_eq!(list.get(1).map(|e| e.len()), Some(100_000));
}
