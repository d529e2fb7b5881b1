use super::*;
use crate::store::Limits;
use crate::store::hash::Hash;
use proptest::prelude::*;

fn text(entry: &Entry) -> Vec<u8> {
    match entry.value() {
        ValueRef::Str(s) => s.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn hash(fields: usize) -> Object {
    let mut hash = Hash::new();
    for i in 0..fields {
        let field = i.to_string();
        hash.insert(field.as_bytes(), b"value", &Limits::default());
    }
    Object::Hash(hash)
}

#[test]
fn blocks_are_as_large_as_the_allocator_makes_them_anyway() {
    for (needed, asked) in [
        (12, 16),
        (16, 16),
        (17, 32),
        (92, 96),
        (128, 128),
        (129, 160),
        (160, 160),
        (161, 192),
        (256, 256),
        (257, 320),
        (1025, 1280),
        (5000, 5120),
    ] {
        assert_eq!(class(needed), asked, "{needed}");
    }
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 64], None);
    assert_eq!(entry.block_size(), 96);
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 64], Some(1));
    assert_eq!(entry.block_size(), 112);
}

#[test]
fn a_value_of_the_same_class_is_overwritten_in_place() {
    let mut entry = Entry::string(b"key", &[1; 60], None);
    let block = entry.0;
    entry.set_string(&[2; 59], None);
    assert_eq!((entry.0, text(&entry)), (block, vec![2; 59]));
    entry.set_string(&[3; 70], None);
    assert_ne!(entry.0, block);
    assert_eq!(text(&entry), [3; 70]);
}

#[test]
fn collections_keep_their_object_when_key_or_expiry_change() {
    let mut entry = Entry::object(b"key", hash(1000), None);
    entry.set_clock(77);
    entry.set_expire(Some(5));
    entry.set_expire(Some(6));
    let entry = entry.rekeyed(b"another");
    assert_eq!(
        (entry.key(), entry.expire(), entry.clock()),
        (&b"another"[..], Some(6), 77)
    );
    let copy = entry.clone();
    drop(entry);
    let mut copy = copy.copied_to(b"third");
    assert_eq!(copy.key(), b"third");
    assert!(copy.string_mut().is_none() && copy.resize_string(3).is_none());
    match copy.object_mut() {
        Some(Object::Hash(hash)) => assert_eq!(hash.len(), 1000),
        other => panic!("{other:?}"),
    }
    match copy.into_object() {
        Object::Hash(hash) => assert_eq!(hash.len(), 1000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_a_string_was_made_goes_with_it_until_it_is_set_anew() {
    let mut entry = Entry::string(b"key", b"12", None);
    assert_eq!(entry.encoding(), "int");
    entry.mark(TEXT);
    assert_eq!(entry.encoding(), "embstr");
    entry.resize_string(3);
    assert_eq!(entry.encoding(), "raw");
    let mut copy = entry.copied_to(b"copy");
    copy.set_expire(Some(5));
    let mut copy = copy.rekeyed(b"another");
    copy.set_clock(7);
    assert_eq!((copy.encoding(), copy.clock()), ("raw", 7));
    copy.set_string(b"34", Some(6));
    assert_eq!(copy.encoding(), "int");
    entry.set_object(Object::Str(b"text".to_vec()), None);
    assert_eq!(entry.encoding(), "embstr");
    let mut list = Entry::object(b"key", hash(3), None);
    assert!(list.resize_string(3).is_none());
    assert_eq!(list.encoding(), "listpack");
}

#[test]
fn the_clock_has_24_bits_and_leaves_the_flags_alone() {
    let entry = Entry::string(b"k", b"v", Some(9));
    entry.set_clock(u32::MAX);
    assert_eq!(
        (entry.clock(), entry.expire(), text(&entry)),
        (0xff_ffff, Some(9), b"v".to_vec())
    );
    entry.set_clock(3);
    assert_eq!(entry.clock(), 3);
}

#[derive(Clone, Debug)]
enum Op {
    SetString(Vec<u8>, Option<i64>),
    SetObject(usize),
    SetExpire(Option<i64>),
    Resize(usize),
    Poke(usize, u8),
    Rekey(Vec<u8>),
    Clone,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        prop::collection::vec(any::<u8>(), INLINE_MAX - 2..INLINE_MAX + 3),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (bytes(), any::<Option<i64>>()).prop_map(|(v, e)| Op::SetString(v, e)),
        (0usize..300).prop_map(Op::SetObject),
        any::<Option<i64>>().prop_map(Op::SetExpire),
        prop_oneof![0usize..200, INLINE_MAX - 2..INLINE_MAX + 3].prop_map(Op::Resize),
        (any::<usize>(), any::<u8>()).prop_map(|(i, b)| Op::Poke(i, b)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Op::Rekey),
        Just(Op::Clone),
    ]
}

proptest! {
    #[test]
    fn an_entry_is_its_key_value_and_expiry(ops in prop::collection::vec(op(), 1..40)) {
        // What the entry should be: a string, or a hash of so many fields.
        let mut key = b"first".to_vec();
        let mut value: Result<Vec<u8>, usize> = Ok(Vec::new());
        let mut expire = None;
        let mut entry = Entry::string(&key, b"", None);
        for op in ops {
            match op {
                Op::SetString(new, at) => {
                    entry.set_string(&new, at);
                    (value, expire) = (Ok(new), at);
                }
                Op::SetObject(fields) => {
                    entry.set_object(hash(fields), expire);
                    value = Err(fields);
                }
                Op::SetExpire(at) => {
                    entry.set_expire(at);
                    expire = at;
                }
                Op::Resize(len) => match &mut value {
                    Ok(value) => {
                        value.resize(len, 0);
                        prop_assert_eq!(entry.resize_string(len).unwrap(), &value[..]);
                    }
                    Err(_) => prop_assert!(entry.resize_string(len).is_none()),
                },
                Op::Poke(index, byte) => if let Ok(value) = &mut value && !value.is_empty() {
                    let index = index % value.len();
                    value[index] = byte;
                    entry.string_mut().unwrap()[index] = byte;
                },
                Op::Rekey(new) => {
                    entry = entry.rekeyed(&new);
                    key = new;
                }
                Op::Clone => entry = entry.clone(),
            }
            prop_assert_eq!(entry.key(), &key[..]);
            prop_assert_eq!(entry.expire(), expire);
            match (&value, entry.value()) {
                (Ok(value), ValueRef::Str(s)) => prop_assert_eq!(s, &value[..]),
                (Err(fields), ValueRef::Hash(hash)) => prop_assert_eq!(hash.len(), *fields),
                (_, other) => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
