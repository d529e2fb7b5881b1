//! What the writer wrote, the reader reads.

use std::io::{self, Read};

use proptest::prelude::*;

use super::{Gather, Plain};
use crate::rdb::format::Dialect;
use crate::rdb::read::{self, Reader};
use crate::rdb::write::{self, Facts, Replication, Writer};
use crate::store::hash::{FIELD_TIME_MAX, Hash};
use crate::store::list::{End, List};
use crate::store::set::Set;
use crate::store::stream::{Group, Id, NewId, Pending, Stream};
use crate::store::zset::Zset;
use crate::store::{Limits, Object};

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        any::<i16>().prop_map(|int| int.to_string().into_bytes()),
        ("[a-c]{1,9}", 1usize..2000).prop_map(|(word, times)| word.repeat(times).into_bytes()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("scores are numbers", |score| !score.is_nan()),
        any::<i32>().prop_map(f64::from),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
    ]
}

/// Of most fields: none.
fn field_time() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        9 => Just(None),
        1 => (0..=FIELD_TIME_MAX).prop_map(Some),
        1 => Just(Some(FIELD_TIME_MAX)),
    ]
}

/// Collections on both sides of the limits of their compact forms (which the tests set to ten).
fn object() -> impl Strategy<Value = Object> {
    let limits = Limits {
        hash_max_listpack_entries: 10,
        set_max_intset_entries: 10,
        zset_max_listpack_entries: 10,
        ..Limits::default()
    };
    let (l1, l2, l3, l4) = (limits.clone(), limits.clone(), limits.clone(), limits);
    let ints = any::<i32>().prop_map(|int| int.to_string().into_bytes());
    prop_oneof![
        text().prop_map(Object::Str),
        prop::collection::vec(text(), 1..40).prop_map(move |elements| {
            let mut list = List::new();
            for element in &elements {
                list.push(End::Right, element, &l1);
            }
            Object::List(list)
        }),
        prop_oneof![
            prop::collection::vec(ints, 1..20),
            prop::collection::vec(text(), 1..20)
        ]
        .prop_map(move |members| {
            let mut set = Set::new();
            for member in &members {
                set.insert(member, &l2);
            }
            Object::Set(set)
        }),
        prop::collection::vec((text(), text(), field_time()), 1..20).prop_map(move |fields| {
            let mut hash = Hash::new();
            for (field, value, time) in &fields {
                hash.insert(field, value, &l3);
                hash.set_time(field, *time);
            }
            Object::Hash(hash)
        }),
        prop::collection::vec((text(), score()), 1..20).prop_map(move |members| {
            let mut zset = Zset::new();
            for (member, score) in &members {
                zset.insert(member, *score, &l4);
            }
            Object::Zset(zset)
        }),
        stream().prop_map(|stream| Object::Stream(Box::new(stream))),
    ]
}

/// A stream that went through something, with groups that have read some of it.
fn stream() -> impl Strategy<Value = Stream> {
    let limits = Limits {
        stream_node_max_entries: 5,
        ..Limits::default()
    };
    let entry = (0u64..9, prop::collection::vec((text(), text()), 1..4));
    let entries = prop::collection::vec(entry, 0..30);
    let deleted = prop::collection::vec(any::<prop::sample::Index>(), 0..8);
    let group = (
        text(),
        any::<u64>(),
        -1i64..100,
        prop::collection::vec((0usize..4, any::<i64>(), any::<u8>()), 0..9),
    );
    (entries, deleted, prop::collection::vec(group, 0..4)).prop_map(
        move |(entries, deleted, groups)| {
            let mut stream = Stream::new();
            let mut ids = Vec::new();
            for (step, fields) in &entries {
                let ms = stream.marks().last.ms.wrapping_add(step << 40);
                let id = stream.new_id(NewId::Of(ms)).expect("time goes on");
                let fields: Vec<[&[u8]; 2]> =
                    fields.iter().map(|(f, v)| [&f[..], &v[..]]).collect();
                stream.add(id, &fields, &limits);
                ids.push(id);
            }
            for index in deleted {
                if !ids.is_empty() {
                    stream.delete(*index.get(&ids));
                }
            }
            for (name, ms, read, pending) in groups {
                let mut group = Group::new(Id { ms, seq: 7 }, read);
                for (who, time, count) in pending {
                    let name = format!("consumer{who}");
                    let found = group.find(name.as_bytes());
                    let owner = found.unwrap_or_else(|| group.add_consumer(name.as_bytes(), time));
                    let (id, count) = (
                        Id {
                            ms: u64::from(count),
                            seq: 1,
                        },
                        u64::from(count),
                    );
                    group.set_pending(id, Pending { owner, time, count });
                }
                stream.add_group(&name, group);
            }
            stream
        },
    )
}

type Keys = std::collections::BTreeMap<(u32, Vec<u8>), (Object, Option<i64>)>;

fn keys() -> impl Strategy<Value = Keys> {
    let key = (0u32..20, text());
    let value = (object(), prop::option::of(any::<i64>()));
    prop::collection::btree_map(key, value, 0..12)
}

/// Gives its bytes in portions of a few.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(to.len()).min(self.0.len());
        self.1 = self.1 % 5 + 1;
        let (head, rest) = self.0.split_at(len);
        to[..len].copy_from_slice(head);
        self.0 = rest;
        Ok(len)
    }
}

proptest! {
    #[test]
    fn all_types(keys in keys(), compress: bool, checksum: bool, taken_often: bool, valkey: bool) {
        let dialect = if valkey { Dialect::Valkey } else { Dialect::Redis };
        let mut writer = Writer::new(write::Options { compress, checksum, dialect });
        let mut bytes = Vec::new();
        let id = "0123456789abcdef0123456789abcdef01234567";
        let timed = |object: &Object| matches!(object, Object::Hash(hash) if hash.timed_fields() > 0);
        let field_times = keys.values().any(|(object, _)| timed(object));
        writer.header(&Facts {
            ctime: 1_700_000_000,
            used_memory: 12_345,
            replication: Some(Replication { id, offset: 77, stream_db: 3 }),
            field_times,
        });
        for ((db, key), (object, expire_ms)) in &keys {
            writer.select_db(*db);
            writer.resize_db(9, 4);
            writer.key(key, object.as_ref(), *expire_ms);
            if taken_often {
                writer.drain_to(&mut bytes).unwrap();
            }
        }
        writer.finish();
        let written = writer.written();
        bytes.extend(writer.take());
        prop_assert_eq!(bytes.len() as u64, written);

        let want: std::collections::BTreeMap<_, _> = keys
            .iter()
            .map(|(key, (object, expire_ms))| (key.clone(), (Plain::from(object.as_ref()), *expire_ms)))
            .collect();
        let whole = bytes.len();
        bytes.extend(b"and the stream goes on");
        let mut reader = Reader::new(Trickle(&bytes, 1), read::Options::default());
        let mut gather = Gather::default();
        let summary = reader.read(&mut gather).unwrap();
        prop_assert_eq!(&gather.keys, &want);
        prop_assert_eq!(summary.keys, want.len() as u64);
        prop_assert_eq!(summary.bytes, whole as u64);
        prop_assert_eq!(summary.verified, checksum);
        let version = match (field_times, valkey) {
            (false, _) => 10,
            (true, false) => 12,
            (true, true) => 80,
        };
        prop_assert_eq!(summary.version, version);
        prop_assert_eq!(gather.sizes.len(), want.len());
        prop_assert_eq!(gather.aux.get(&b"repl-id"[..]).map(Vec::as_slice), Some(id.as_bytes()));
        prop_assert_eq!(gather.aux.get(&b"repl-offset"[..]).map(Vec::as_slice), Some(&b"77"[..]));
        prop_assert_eq!(gather.aux.get(&b"repl-stream-db"[..]).map(Vec::as_slice), Some(&b"3"[..]));
        let (mut inner, mut rest) = reader.into_parts();
        inner.read_to_end(&mut rest).unwrap();
        prop_assert_eq!(rest, b"and the stream goes on");
    }
}

#[test]
fn long_values_pass_and_are_compressed() {
    let long: Vec<u8> = b"damselfly ".repeat(300_000);
    let mut list = List::new();
    for element in [&long[..], b"short", &long[..70_000]] {
        list.push(End::Right, element, &Limits::default());
    }
    let mut sizes = Vec::new();
    for compress in [false, true] {
        let mut writer = Writer::new(write::Options {
            compress,
            ..write::Options::default()
        });
        writer.header(&Facts::default());
        writer.select_db(0);
        writer.key(b"string", Object::Str(long.clone()).as_ref(), None);
        writer.key(b"list", Object::List(list.clone()).as_ref(), None);
        writer.finish();
        let bytes = writer.take();
        let (gather, _) = super::read(&bytes).unwrap();
        let value = |key: &[u8]| &gather.keys[&(0, key.to_vec())].0;
        assert!(*value(b"string") == Plain::Str(long.clone()));
        let want = vec![long.clone(), b"short".to_vec(), long[..70_000].to_vec()];
        assert!(*value(b"list") == Plain::List(want));
        sizes.push(bytes.len());
    }
    assert!(sizes[0] > 6_000_000 && sizes[1] < 200_000, "{sizes:?}");
}

#[test]
fn a_sink_is_asked_now_and_then_inside_one_large_value() {
    let mut set = Set::new();
    for member in 0..100_000 {
        set.insert(format!("member {member}").as_bytes(), &Limits::default());
    }
    let mut writer = Writer::new(write::Options::default());
    writer.header(&Facts::default());
    writer.select_db(0);
    writer.key(b"set", Object::Set(set).as_ref(), None);
    writer.finish();
    let bytes = writer.take();
    let (gather, summary) = super::read(&bytes).unwrap();
    let expected = summary.bytes / read::TICK;
    assert!(
        gather.ticks + 1 >= expected,
        "{} of {expected}",
        gather.ticks
    );
}
