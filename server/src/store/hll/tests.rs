use super::*;

fn filled(elements: impl Iterator<Item = usize>, max_bytes: usize) -> Vec<u8> {
    let mut text = empty();
    for element in elements {
        let (index, value) = place(element.to_string().as_bytes());
        raise(&mut text, index, value, max_bytes).unwrap();
    }
    text
}

fn counted(text: &[u8]) -> u64 {
    estimate(&registers(text).unwrap())
}

#[test]
fn registers_hold_what_was_put_into_them() {
    let mut dense = to_dense(&empty()).unwrap();
    assert_eq!(dense.len(), DENSE_LEN);
    let mut expected = vec![0u8; REGISTERS];
    let mut state = 1usize;
    for _ in 0..100_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (index, value) = (state >> 20 & (REGISTERS - 1), (state >> 40 & 0x3f) as u8);
        let higher = value > expected[index];
        assert_eq!(raise_dense(&mut dense, index, value), higher);
        expected[index] = expected[index].max(value);
    }
    assert_eq!(registers(&dense).unwrap()[..], expected[..]);
}

#[test]
fn both_forms_say_the_same() {
    for count in [0, 1, 2, 100, 1_000, 3_000] {
        let sparse = filled(0..count, usize::MAX);
        let dense = filled(0..count, 0);
        assert_eq!(encoding(&sparse), Some(Encoding::Sparse));
        assert_eq!(registers(&sparse), registers(&dense), "{count}");
        assert_eq!(to_dense(&sparse).unwrap().len(), DENSE_LEN);
    }
}

#[test]
fn estimates_are_near_the_truth() {
    for count in [1usize, 10, 1_000, 20_000, 100_000] {
        let estimate = counted(&filled(0..count, 3_000)) as f64;
        let error = (estimate - count as f64).abs() / count as f64;
        // Four times the standard error of 16,384 registers.
        assert!(error < 0.0325, "{count}: {estimate}");
    }
    assert_eq!(counted(&empty()), 0);
}

#[test]
fn a_sparse_one_becomes_dense_where_redis_makes_it_so() {
    let text = filled(0..2_000, 3_000);
    assert_eq!(encoding(&text), Some(Encoding::Dense));
    let text = filled(0..1_000, 3_000);
    assert_eq!(encoding(&text), Some(Encoding::Sparse));
    // The largest value that a run can say.
    let mut text = empty();
    assert_eq!(raise(&mut text, 7, 32, 3_000), Ok(true));
    assert_eq!(encoding(&text), Some(Encoding::Sparse));
    assert_eq!(raise(&mut text, 7, 33, 3_000), Ok(true));
    assert_eq!(encoding(&text), Some(Encoding::Dense));
    assert_eq!(registers(&text).unwrap()[7], 33);
}

#[test]
fn nonsense_is_refused_and_never_read_beyond_its_end() {
    let header = &empty()[..HEADER];
    for opcodes in [
        &b""[..],
        b"\x7f",
        b"\x7f\xfe",
        b"\x7f\xff\x80",
        b"\xff\xff\xff",
        b"\x00",
        b"\x7f\xfe\x81",
    ] {
        let mut text = [header, opcodes].concat();
        assert_eq!(encoding(&text), Some(Encoding::Sparse));
        assert_eq!(registers(&text), Err(Corrupt), "{opcodes:x?}");
        assert_eq!(to_dense(&text), Err(Corrupt), "{opcodes:x?}");
        // What is beyond the opcodes cannot be raised; what they cover may be.
        let before = text.clone();
        match raise(&mut text, REGISTERS - 1, 5, 3_000) {
            Err(Corrupt) => assert_eq!(text, before),
            Ok(raised) => assert!(raised, "{opcodes:x?}"),
        }
        let _ = shown(&text);
    }
    for text in [
        &b""[..],
        b"HYLL",
        b"HYLL\x00000000000000",
        b"HYLL\x02aaaaaaaaaaaaaa",
    ] {
        assert_eq!(encoding(text), None);
    }
}

#[test]
fn opcodes_are_split_and_joined() {
    let mut text = empty();
    let mut raise = |index, value| {
        assert_eq!(super::raise(&mut text, index, value, 3_000), Ok(true));
        shown(&text)
    };
    assert_eq!(raise(100, 3), "Z:100 v:3,1 Z:16283");
    assert_eq!(raise(101, 3), "Z:100 v:3,2 Z:16282");
    assert_eq!(raise(99, 3), "Z:99 v:3,3 Z:16282");
    assert_eq!(raise(100, 5), "Z:99 v:3,1 v:5,1 v:3,1 Z:16282");
    assert_eq!(raise(0, 1), "v:1,1 Z:98 v:3,1 v:5,1 v:3,1 Z:16282");
    assert_eq!(raise(1, 1), "v:1,2 Z:97 v:3,1 v:5,1 v:3,1 Z:16282");
    assert_eq!(
        raise(16_383, 32),
        "v:1,2 Z:97 v:3,1 v:5,1 v:3,1 Z:16281 v:32,1"
    );
    assert_eq!(
        raise(40, 2),
        "v:1,2 z:38 v:2,1 z:58 v:3,1 v:5,1 v:3,1 Z:16281 v:32,1"
    );
}

#[test]
fn the_cached_estimate_is_known_to_be_old() {
    let mut text = empty();
    assert_eq!(cached(&text), Some(0));
    invalidate(&mut text);
    assert_eq!(cached(&text), None);
    cache(&mut text, 12_345);
    assert_eq!(cached(&text), Some(12_345));
}
