//! Snapshots as older and newer servers write them, and what is sound but not taken.

use super::{Plain, read};
use crate::rdb::error::{Blame, RdbError};
use crate::rdb::format::{Dialect, Kind, op};
use crate::rdb::read::{Options, Reader};
use crate::rdb::{intset, listpack, ziplist, zipmap};

/// A snapshot of `version` with this between its header and its end; no checksum.
pub(super) fn snapshot(version: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("REDIS{version:04}").into_bytes();
    bytes.extend(body);
    bytes.push(op::EOF);
    if version >= 5 {
        bytes.extend([0; 8]);
    }
    bytes
}

/// A string with its length.
pub(super) fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80];
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text);
    bytes
}

pub(super) fn key(kind: Kind, key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[kind.byte()], &string(key)[..], value].concat()
}

/// A count below 64 and strings.
pub(super) fn strings(count: u8, texts: &[&str]) -> Vec<u8> {
    let mut bytes = vec![count];
    texts
        .iter()
        .for_each(|text| bytes.extend(string(text.as_bytes())));
    bytes
}

fn owned(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn packed(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pack = listpack::Builder::new(&mut bytes);
    texts.iter().for_each(|text| pack.push(text.as_bytes()));
    pack.finish();
    string(&bytes)
}

fn zipped(texts: &[&str]) -> Vec<u8> {
    string(&ziplist::tests::encode(&owned(texts)))
}

fn hash(fields: &[(&str, &str)]) -> Plain {
    Plain::Hash(
        fields
            .iter()
            .map(|(field, value)| (field.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect(),
    )
}

fn zset(members: &[(&str, f64)]) -> Plain {
    Plain::Zset(
        members
            .iter()
            .map(|(member, score)| (member.as_bytes().to_vec(), *score))
            .collect(),
    )
}

fn set(members: &[&str]) -> Plain {
    Plain::Set(owned(members).into_iter().collect())
}

#[test]
fn every_encoding() {
    let ints = |ints: &[i64]| {
        let mut bytes = Vec::new();
        intset::encode(ints, &mut bytes);
        string(&bytes)
    };
    let zipmap = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(field, value)| (field.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        string(&zipmap::tests::encode(&pairs, 2))
    };
    let scores = |kind| match kind {
        Kind::Zset2 => {
            let mut bytes = vec![2];
            bytes.extend(string(b"b"));
            bytes.extend(1.5f64.to_le_bytes());
            bytes.extend(string(b"a"));
            bytes.extend(f64::NEG_INFINITY.to_le_bytes());
            bytes
        }
        _ => {
            let mut bytes = vec![2];
            bytes.extend(string(b"b"));
            bytes.extend(b"\x031.5");
            bytes.extend(string(b"a"));
            bytes.push(255);
            bytes
        }
    };
    let quick = [vec![2], zipped(&["a", "1"]), zipped(&["b"])].concat();
    let quick2 = [
        vec![3, 2],
        packed(&["a", "1"]),
        vec![1],
        string(b"b"),
        vec![2],
        packed(&["300"]),
    ]
    .concat();
    let abc = Plain::List(owned(&["a", "1", "b"]));
    let two_scores = || zset(&[("a", f64::NEG_INFINITY), ("b", 1.5)]);
    let cases = [
        (Kind::String, string(b"text"), Plain::Str(b"text".to_vec())),
        (
            Kind::String,
            vec![0xc1, 0x39, 0x30],
            Plain::Str(b"12345".to_vec()),
        ),
        (
            Kind::String,
            // Two bytes as they are, and nine copied from two back.
            vec![0xc3, 6, 11, 1, b'a', b'b', 0xe0, 0, 1],
            Plain::Str(b"ababababab"[..].iter().copied().chain(*b"a").collect()),
        ),
        (Kind::List, strings(3, &["a", "1", "b"]), abc.clone()),
        (Kind::ListZiplist, zipped(&["a", "1", "b"]), abc.clone()),
        (Kind::ListQuicklist, quick, abc),
        (
            Kind::ListQuicklist2,
            quick2,
            Plain::List(owned(&["a", "1", "b", "300"])),
        ),
        (Kind::Set, strings(2, &["x", "7"]), set(&["x", "7"])),
        (Kind::SetIntset, ints(&[-70_000, 3]), set(&["-70000", "3"])),
        (Kind::SetListpack, packed(&["x", "7"]), set(&["x", "7"])),
        (
            Kind::Hash,
            strings(2, &["f", "v", "g", "1"]),
            hash(&[("f", "v"), ("g", "1")]),
        ),
        (
            Kind::HashZipmap,
            zipmap(&[("f", "v"), ("g", "1")]),
            hash(&[("f", "v"), ("g", "1")]),
        ),
        (
            Kind::HashZiplist,
            zipped(&["f", "v", "g", "1"]),
            hash(&[("f", "v"), ("g", "1")]),
        ),
        (
            Kind::HashListpack,
            packed(&["f", "v", "g", "1"]),
            hash(&[("f", "v"), ("g", "1")]),
        ),
        (Kind::Zset, scores(Kind::Zset), two_scores()),
        (Kind::Zset2, scores(Kind::Zset2), two_scores()),
        (
            Kind::ZsetZiplist,
            zipped(&["a", "-inf", "b", "1.5"]),
            two_scores(),
        ),
        (
            Kind::ZsetListpack,
            packed(&["a", "-inf", "b", "1.5"]),
            two_scores(),
        ),
        (Kind::ZsetListpack, packed(&["a", "3"]), zset(&[("a", 3.0)])),
    ];
    for (kind, value, want) in cases {
        let bytes = snapshot(10, &key(kind, b"k", &value));
        let (gather, summary) = read(&bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(gather.keys[&(0, b"k".to_vec())].0, want, "{kind}");
        assert_eq!(summary.bytes, bytes.len() as u64);
    }
}

#[test]
fn versions_and_opcodes() {
    let body = [
        vec![op::AUX],
        string(b"redis-ver"),
        string(b"7.4.0"),
        vec![op::SELECTDB, 5, op::RESIZEDB, 2, 1, op::SLOT_INFO, 1, 2, 3],
        vec![op::EXPIRETIME, 1, 0, 0, 0, op::FREQ, 9],
        key(Kind::String, b"seconds", &string(b"x")),
        vec![op::IDLE, 0x41, 0, op::EXPIRETIME_MS, 1, 0, 0, 0, 0, 0, 0, 0],
        key(Kind::String, b"milliseconds", &string(b"x")),
        key(Kind::String, b"never", &string(b"x")),
    ]
    .concat();
    for version in 1..=13 {
        let (gather, summary) = read(&snapshot(version, &body)).unwrap();
        assert_eq!(summary.version, version);
        let expiry = |key: &[u8]| gather.keys[&(5, key.to_vec())].1;
        assert_eq!(expiry(b"seconds"), Some(1000));
        assert_eq!(expiry(b"milliseconds"), Some(1));
        assert_eq!(expiry(b"never"), None);
        assert_eq!(gather.sizes, [(5, 2, 1)]);
    }
    let valkey = |version: u32| {
        let mut bytes = format!("VALKEY{version:03}").into_bytes();
        bytes.extend_from_slice(&body);
        bytes.push(op::EOF);
        bytes.extend_from_slice(&[0; 8]);
        bytes
    };
    assert_eq!(read(&valkey(80)).unwrap().1.version, 80);
    for version in [0, 14, 80, 9999] {
        let error = read(&snapshot(version, &body)).unwrap_err();
        assert!(matches!(error, RdbError::Version(Dialect::Redis, v) if v == version));
    }
    for version in [0, 11, 79, 81, 999] {
        let error = read(&valkey(version)).unwrap_err();
        assert!(matches!(error, RdbError::Version(Dialect::Valkey, v) if v == version));
        let said = format!("Can't handle RDB format version {version} of Valkey: ");
        assert!(error.to_string().starts_with(&said), "{error}");
    }
}

#[test]
fn empty_collections_are_no_keys() {
    let body = [
        key(Kind::List, b"list", &[0]),
        key(Kind::HashListpack, b"hash", &packed(&[])),
        key(Kind::String, b"kept", &string(b"")),
    ]
    .concat();
    let (gather, summary) = read(&snapshot(10, &body)).unwrap();
    assert_eq!((summary.keys, summary.empty), (1, 2));
    assert!(gather.keys.contains_key(&(0, b"kept".to_vec())));
}

/// The error's text, which must name these.
#[track_caller]
fn refused(body: &[u8], blame: Blame, named: &[&str]) {
    let error = read(&snapshot(10, body)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.blame(), blame, "{text}");
    for name in named {
        assert!(text.contains(name), "{name:?} is not in {text:?}");
    }
}

#[test]
fn what_is_not_served_is_named() {
    let library = [
        vec![op::FUNCTION2],
        string(b"#!lua name=mylib\nredis.register_function()"),
    ]
    .concat();
    refused(
        &library,
        Blame::Versions,
        &["function library \"mylib\"", "not served yet", "byte"],
    );
    // "ReJSON-RL" in six bits a character, version 3.
    let id = 0x4633_9237_ea3f_4403u64;
    let name = crate::rdb::format::module_name(id);
    let module = |op: u8| [&[op, 0x81][..], &id.to_be_bytes()].concat();
    refused(&module(op::MODULE_AUX), Blame::Versions, &["module", &name]);
    let value = [&[Kind::Module2 as u8], &string(b"doc")[..], &module(0)[1..]].concat();
    refused(&value, Blame::Versions, &["module", &name, "doc"]);
}

#[test]
fn what_is_corrupt_is_told_with_its_place() {
    let twice = key(Kind::Hash, b"h", &strings(2, &["f", "v", "f", "w"]));
    refused(
        &twice,
        Blame::Writer,
        &["same field twice", "\"h\"", "hash", "db 0"],
    );
    let cases = [
        key(Kind::Set, b"k", &strings(2, &["m", "m"])),
        key(Kind::SetListpack, b"k", &packed(&["m", "m"])),
        key(Kind::HashListpack, b"k", &packed(&["f", "1", "f", "2"])),
        key(Kind::HashListpack, b"k", &packed(&["f", "1", "f"])),
        key(Kind::HashZiplist, b"k", &zipped(&["f", "1", "f", "2"])),
        key(Kind::ZsetListpack, b"k", &packed(&["m", "1", "m", "2"])),
        key(Kind::ZsetListpack, b"k", &packed(&["m", "nan"])),
        key(Kind::ZsetListpack, b"k", &packed(&["m", "x"])),
        key(Kind::ZsetListpack, b"k", &packed(&["m"])),
        key(
            Kind::Zset,
            b"k",
            &[&[1][..], &string(b"m"), &[253]].concat(),
        ),
        key(
            Kind::Zset2,
            b"k",
            &[&[1][..], &string(b"m"), &f64::NAN.to_le_bytes()].concat(),
        ),
        key(
            Kind::ListQuicklist2,
            b"k",
            &[&[1, 3][..], &string(b"m")].concat(),
        ),
        key(Kind::ListQuicklist2, b"k", &[1, 1, 0]),
        key(
            Kind::ListQuicklist2,
            b"k",
            &[&[2, 1][..], &string(b"m"), &[1, 0]].concat(),
        ),
        key(Kind::String, b"k", &[0xc4]),
        key(Kind::String, b"k", &[0xc3, 1, 200, 0]),
        [
            key(Kind::String, b"k", &string(b"1")),
            key(Kind::String, b"k", &string(b"2")),
        ]
        .concat(),
    ];
    for case in cases {
        refused(&case, Blame::Writer, &["corrupt", "\"k\""]);
    }
    refused(&[100], Blame::Writer, &["unknown"]);
    assert!(matches!(
        read(b"RODIS0010\xff00000000"),
        Err(RdbError::Corrupt { .. })
    ));
    assert!(matches!(
        read(b"REDIS00x0\xff00000000"),
        Err(RdbError::Corrupt { .. })
    ));
}

#[test]
fn long_keys_are_cut_in_messages() {
    let body = key(Kind::Module2, &[0xff; 10_000], &[0]);
    let text = read(&snapshot(10, &body)).unwrap_err().to_string();
    assert!(
        text.contains("\\xff...") || text.contains("\\xff\"..."),
        "{text}"
    );
    assert!(text.len() < 600, "{text}");
}

#[test]
fn a_wrong_checksum_is_found_and_can_be_ignored() {
    let mut bytes = snapshot(10, &key(Kind::String, b"k", &string(b"v")));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(read(&bytes), Err(RdbError::Checksum { .. })));
    let options = Options {
        checksum: false,
        ..Options::default()
    };
    let mut gather = super::Gather::default();
    let summary = Reader::new(&bytes[..], options).read(&mut gather).unwrap();
    assert!(!summary.verified);
}

/// What servers before 7.0 wrote, with the edges of each encoding.
fn old_encodings() -> Vec<u8> {
    let long = "long".repeat(70);
    let texts = [
        "",
        "a",
        &long,
        "0",
        "12",
        "13",
        "-1",
        "127",
        "-128",
        "128",
        "-32768",
        "32768",
        "-8388608",
        "8388608",
        "-2147483648",
        "2147483648",
        "-9223372036854775808",
        "007",
    ];
    let pairs: Vec<_> = texts.iter().rev().zip(texts).collect();
    let fields: Vec<&str> = pairs
        .iter()
        .flat_map(|(field, value)| [**field, *value])
        .collect();
    let zipmap: Vec<_> = pairs
        .iter()
        .map(|(field, value)| (field.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    let zipmap = string(&zipmap::tests::encode(&zipmap, 3));
    // In order of score, as a compact sorted set must be.
    let scored = zipped(&[
        "a", "-inf", &long, "-1.5", "12", "0", "b", "7", "c", "7", "d", "1e300", "e", "inf",
    ]);
    let body = [
        vec![op::SELECTDB, 0],
        key(Kind::List, b"list", &strings(texts.len() as u8, &texts)),
        key(Kind::ListZiplist, b"list, ziplist", &zipped(&texts)),
        key(
            Kind::ListQuicklist,
            b"list, quicklist",
            &[vec![2], zipped(&texts), zipped(&["x"])].concat(),
        ),
        key(Kind::HashZiplist, b"hash, ziplist", &zipped(&fields)),
        key(Kind::HashZipmap, b"hash, zipmap", &zipmap),
        key(Kind::ZsetZiplist, b"zset, ziplist", &scored),
        key(
            Kind::Zset,
            b"zset",
            &[
                &[3][..],
                &string(b"b"),
                b"\x031.5",
                &string(b"a"),
                &[255],
                &string(b"c"),
                &[254],
            ]
            .concat(),
        ),
    ]
    .concat();
    snapshot(9, &body)
}

/// The file is what the integration tests have the stock server load; see `tests/sockets/rdb_stock.rs`.
#[test]
fn the_file_of_old_encodings_is_up_to_date() {
    let file = include_bytes!("../../../tests/data/old-encodings.rdb");
    assert!(
        old_encodings() == file,
        "write old_encodings() to the file anew"
    );
    let (gather, _) = read(file).unwrap();
    assert_eq!(gather.keys.len(), 7);
}
