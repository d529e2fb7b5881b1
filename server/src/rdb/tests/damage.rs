//! Damaged snapshots: an error each, never a panic.

use proptest::prelude::*;

use super::by_hand::{key, packed, snapshot, string};
use super::read;
use crate::rdb::error::RdbError;
use crate::rdb::format::{Dialect, Kind};
use crate::rdb::write::{Facts, Options, Replication, Writer};
use crate::store::hash::Hash;
use crate::store::list::{End, List};
use crate::store::set::Set;
use crate::store::zset::Zset;
use crate::store::{Limits, Object};

/// A small snapshot with every type, compact and not, with and without compression.
fn sample(options: Options) -> Vec<u8> {
    let limits = Limits {
        hash_max_listpack_entries: 4,
        set_max_intset_entries: 4,
        zset_max_listpack_entries: 4,
        ..Limits::default()
    };
    let mut writer = Writer::new(options);
    writer.header(&Facts {
        ctime: 1,
        used_memory: 2,
        replication: Some(Replication {
            id: "0123456789abcdef0123456789abcdef01234567",
            offset: 77,
            stream_db: 3,
        }),
        field_times: false,
    });
    writer.select_db(0);
    writer.resize_db(2, 1);
    writer.key(b"string", Object::Str(b"text".to_vec()).as_ref(), Some(9));
    writer.key(b"int", Object::Str(b"-70000".to_vec()).as_ref(), None);
    writer.key(b"long", Object::Str(b"long ".repeat(30)).as_ref(), None);
    writer.select_db(9);
    for size in [2, 9] {
        let texts: Vec<_> = (0..size).map(|i| format!("{}", i * i * i * 100)).collect();
        let (mut list, mut hash, mut set, mut zset) =
            (List::new(), Hash::new(), Set::new(), Zset::new());
        for text in texts.iter().map(String::as_bytes) {
            list.push(End::Left, text, &limits);
            hash.insert(text, b"value", &limits);
            set.insert(text, &limits);
            zset.insert(text, text.len() as f64 / 2.0, &limits);
        }
        for (name, object) in [
            ("list", Object::List(list)),
            ("hash", Object::Hash(hash)),
            ("set", Object::Set(set)),
            ("zset", Object::Zset(zset)),
        ] {
            writer.key(
                format!("{name} of {size}").as_bytes(),
                object.as_ref(),
                None,
            );
        }
    }
    writer.finish();
    writer.take()
}

fn samples() -> [Vec<u8>; 3] {
    [(true, true), (false, true), (false, false)].map(|(compress, checksum)| {
        sample(Options {
            compress,
            checksum,
            ..Options::default()
        })
    })
}

#[test]
fn cut_anywhere_it_ends_early() {
    for bytes in samples() {
        assert!(read(&bytes).is_ok());
        for len in 0..bytes.len() {
            match read(&bytes[..len]) {
                Err(RdbError::Truncated { place }) => assert!(place.offset <= len as u64),
                other => panic!("cut at {len}: {other:?}"),
            }
        }
    }
}

#[test]
fn any_changed_byte_is_found_by_the_checksum() {
    let bytes = &samples()[0];
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= change;
            match read(&bad) {
                Err(_) => {}
                // A checksum is switched off by eight zero bytes only.
                Ok(_) => panic!("byte {at} changed by {change} went unnoticed"),
            }
        }
    }
}

#[test]
fn without_a_checksum_changed_bytes_are_survived() {
    let bytes = &samples()[2];
    for at in 0..bytes.len() {
        for change in 1..=255 {
            let mut bad = bytes.clone();
            bad[at] ^= change;
            let _ = read(&bad);
        }
    }
}

proptest! {
    #[test]
    fn noise_behind_a_header_is_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&snapshot(10, &body));
    }

    #[test]
    fn noise_in_a_value_is_survived(
        kind in 0u8..27, noise in prop::collection::vec(any::<u8>(), 0..200), wrapped: bool, valkey: bool,
    ) {
        let dialect = if valkey { Dialect::Valkey } else { Dialect::Redis };
        if let Some(kind) = Kind::from_byte(kind, dialect) {
            let value = if wrapped { string(&noise) } else { noise };
            let mut bytes = snapshot(10, &key(kind, b"k", &value));
            if valkey {
                bytes.splice(..9, *b"VALKEY080");
            }
            let _ = read(&bytes);
        }
    }

    #[test]
    fn a_changed_compact_value_is_survived(at in any::<prop::sample::Index>(), to: u8, kind in 0usize..4) {
        let kind = [Kind::HashListpack, Kind::ZsetListpack, Kind::SetListpack, Kind::HashZiplist][kind];
        let mut value = packed(&["one", "1", "two", "-200", "three", "70000"]);
        let at = at.index(value.len());
        value[at] = to;
        let _ = read(&snapshot(10, &key(kind, b"k", &value)));
    }
}
