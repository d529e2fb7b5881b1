//! Hashes whose fields have times, as Redis 7.4 and 8.0 write them, as its release candidates did, and as nobody does.

use super::by_hand::{key, snapshot, string};
use super::{Plain, read};
use crate::rdb::dump::{DumpError, dump, restore};
use crate::rdb::error::{Blame, RdbError};
use crate::rdb::format::{Dialect, Kind};
use crate::rdb::listpack;
use crate::store::hash::{FIELD_TIME_MAX, Hash};
use crate::store::{Limits, Object};

const FIRST: i64 = 1_999_999_999_999;

/// `a` expires first, `b` a millisecond later, `c` never.
fn plain(c: &[u8]) -> Plain {
    let timed = |field: &[u8], value: &[u8], at| (field.to_vec(), (value.to_vec(), at));
    Plain::TimedHash(
        [
            timed(b"a", b"1", Some(FIRST)),
            timed(b"b", b"2", Some(FIRST + 1)),
            timed(b"c", c, None),
        ]
        .into(),
    )
}

/// DUMP of redis-server 8.0.2: HSET h a 1 b 2 c ..., HPEXPIREAT of b and a.
const COMPACT: &[u8] = b"\x19\xff\x1fJ\xa9\xd1\x01\x00\x00\xc31;\x11;\x00\x00\x00\t\x00\x81a\x02\x01\x01\xf4\xff\
    \x1fJ\xa9\xd1\x01 \x0f\x07\x81b\x02\x02\x01\xf4\x00 \xc0\x0e\x07c\x02\x8flong \xe0\x01\x04\x03\x10\x00\x01\xff\
    \x0c\x00";
const TABLE: &[u8] =
    b"\x18\xff\x1fJ\xa9\xd1\x01\x00\x00\x03\x00\x01c\xc3\t@F\x01xx\xe09\x00\x01xx\x01\x01a\xc0\x01\
    \x02\x01b\xc0\x02\x0c\x00";

/// A payload with its checksum.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut crc = crate::rdb::crc64::Crc64::new();
    crc.update(bytes);
    [bytes, &crc.value().to_le_bytes()].concat()
}

#[test]
fn what_redis_dumps_is_restored_and_dumped_again() {
    for (payload, c, encoding) in [
        (COMPACT, &b"long long long "[..], "listpackex"),
        (TABLE, &[b'x'; 70], "hashtable"),
    ] {
        let object = restore(&sealed(payload), &Limits::default()).unwrap();
        assert_eq!(Plain::from(object.as_ref()), plain(c));
        assert_eq!(object.as_ref().encoding(), encoding);
        let ours = dump(object.as_ref(), Dialect::Redis);
        // The version, before the checksum: Redis before 7.4 is to refuse it.
        assert_eq!(ours[ours.len() - 10..ours.len() - 8], [12, 0]);
        assert_eq!(ours[..9], payload[..9], "the type, and the first time");
        let again = restore(&ours, &Limits::default()).unwrap();
        assert_eq!(Plain::from(again.as_ref()), plain(c));
        let valkeys = dump(object.as_ref(), Dialect::Valkey);
        assert_eq!((valkeys[0], valkeys[valkeys.len() - 10]), (22, 80));
        let again = restore(&valkeys, &Limits::default()).unwrap();
        assert_eq!(Plain::from(again.as_ref()), plain(c));
    }
}

#[test]
fn without_times_nothing_is_new() {
    let mut hash = Hash::new();
    hash.insert(b"a", b"1", &Limits::default());
    let before = dump(Object::Hash(hash.clone()).as_ref(), Dialect::Redis);
    hash.set_time(b"a", Some(5));
    hash.set_time(b"a", None);
    assert_eq!(hash.encoding(), "listpackex");
    assert_eq!(dump(Object::Hash(hash).as_ref(), Dialect::Redis), before);
    assert_eq!((before[0], before[before.len() - 10]), (16, 10));
}

fn triplets(items: &[(&str, &str, i64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pack = listpack::Builder::new(&mut bytes);
    for (field, value, at) in items {
        pack.push(field.as_bytes());
        pack.push(value.as_bytes());
        pack.push_int(*at);
    }
    pack.finish();
    string(&bytes)
}

/// A length of eight bytes.
fn long(length: i64) -> Vec<u8> {
    [&[0x81][..], &length.to_be_bytes()].concat()
}

fn table(fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![fields.len() as u8];
    for (field, time) in fields {
        bytes.extend([&time[..], &string(field.as_bytes()), &string(b"1")].concat());
    }
    bytes
}

#[test]
fn release_candidates_wrote_times_as_they_are() {
    let compact = triplets(&[("a", "1", FIRST), ("b", "2", FIRST + 1), ("c", "3", 0)]);
    let body = [
        key(Kind::HashListpackExPreGa, b"compact", &compact),
        key(
            Kind::HashMetadataPreGa,
            b"table",
            &table(&[("a", long(FIRST)), ("b", vec![0])]),
        ),
    ]
    .concat();
    let (gather, _) = read(&snapshot(12, &body)).unwrap();
    assert_eq!(gather.keys[&(0, b"compact".to_vec())].0, plain(b"3"));
    let timed = [
        (b"a".to_vec(), (b"1".to_vec(), Some(FIRST))),
        (b"b".to_vec(), (b"1".to_vec(), None)),
    ];
    let table = Plain::TimedHash(timed.into());
    assert_eq!(gather.keys[&(0, b"table".to_vec())].0, table);
}

#[test]
fn times_that_cannot_be_are_refused() {
    let first = FIRST.to_le_bytes();
    let with_first = |rest: Vec<u8>| [&first[..], &rest].concat();
    let huge = |rest: Vec<u8>| [&[0xff; 8][..], &rest].concat();
    let mut odd = Vec::new();
    let mut pack = listpack::Builder::new(&mut odd);
    ["a", "1"]
        .iter()
        .for_each(|text| pack.push(text.as_bytes()));
    pack.finish();
    let cases = [
        (
            Kind::HashListpackEx,
            with_first(triplets(&[("a", "1", -1)])),
        ),
        (
            Kind::HashListpackEx,
            with_first(triplets(&[("a", "1", FIELD_TIME_MAX + 1)])),
        ),
        (
            Kind::HashListpackEx,
            with_first(triplets(&[("a", "1", 5), ("a", "1", 5)])),
        ),
        (Kind::HashListpackEx, with_first(string(&odd))),
        (Kind::HashListpackEx, with_first(string(b"noise"))),
        (Kind::HashListpackExPreGa, triplets(&[("a", "1", i64::MIN)])),
        (Kind::HashMetadata, huge(table(&[("a", vec![2])]))),
        (Kind::HashMetadata, huge(table(&[("a", vec![1])]))),
        (Kind::HashMetadata, with_first(table(&[("a", long(-1))]))),
        (
            Kind::HashMetadata,
            with_first(table(&[("a", vec![1]), ("a", vec![1])])),
        ),
        (Kind::HashMetadataPreGa, table(&[("a", long(i64::MAX))])),
    ];
    for (kind, value) in cases {
        match read(&snapshot(12, &key(kind, b"k", &value))) {
            Err(error @ RdbError::Corrupt { .. }) => assert_eq!(error.blame(), Blame::Writer),
            other => panic!("{kind} {value:?}: {other:?}"),
        }
        let payload = [&[kind.byte()], &value[..], &[12, 0]].concat();
        let restored = restore(&sealed(&payload), &Limits::default());
        assert_eq!(restored.err(), Some(DumpError::Content), "{kind} {value:?}");
    }
}

#[test]
fn any_changed_byte_of_a_dump_is_survived() {
    for payload in [COMPACT, TABLE] {
        for at in 0..payload.len() - 2 {
            for to in 0..=255 {
                let mut bad = payload.to_vec();
                bad[at] = to;
                let _ = restore(&sealed(&bad), &Limits::default());
            }
        }
    }
}
