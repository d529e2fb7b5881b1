//! Snapshots, and the values of RESTORE.

use crate::content::{Content, of};
use crate::memory::bounded;
use damselfly_server::rdb::crc64::Crc64;
use damselfly_server::rdb::dump::{dump, restore};
use damselfly_server::rdb::format::Dialect;
use damselfly_server::rdb::load::{Expired, Loader};
use damselfly_server::rdb::read::{Options, Reader, Summary};
use damselfly_server::rdb::write::{self, Facts, Writer};
use damselfly_server::store::{Dataset, Limits, Snapshot};
use std::io::Read;

/// What reading takes before there is anything to keep: its buffer, and a step of a long string that may double once.
const READER: usize = 8 << 20;
/// A byte of a compressed string stands for so many at most, and goes through two vectors that double.
const PER_BYTE: usize = 2048;

/// A snapshot is the same, or as wrong, in whatever pieces it comes; what was read is written and read again; so with
/// single values; and what is announced takes no memory.
pub fn body(data: &[u8]) {
    for checksum in [true, false] {
        snapshot(data, checksum);
    }
    value(data);
}

fn snapshot(data: &[u8], checksum: bool) {
    let empty = Dataset::new(16);
    let whole = bounded(READER + PER_BYTE * data.len(), || {
        load(data, checksum, &empty)
    });
    let trickled = Dataset::new(16);
    let (pieces, same) = (Pieces(data, 1), whole.clone().map(|summary| summary.keys));
    let came = load(pieces, checksum, &trickled).map(|summary| summary.keys);
    assert_eq!(came, same, "in pieces");
    let Ok(summary) = whole else { return };
    assert!(summary.bytes <= data.len() as u64);
    let content = of(&empty);
    assert_eq!(content.len() as u64, summary.keys);
    assert_same(&content, &of(&trickled), "in pieces");

    for (compress, dialect) in [
        (true, Dialect::Redis),
        (false, Dialect::Redis),
        (true, Dialect::Valkey),
    ] {
        let options = write::Options {
            compress,
            checksum,
            dialect,
        };
        let bytes = written(&empty, options);
        let again = Dataset::new(16);
        let read = load(&bytes[..], checksum, &again);
        let read = read.unwrap_or_else(|why| panic!("what we write cannot be read: {why}"));
        assert_eq!((read.bytes, read.verified), (bytes.len() as u64, checksum));
        assert_same(&content, &of(&again), "written and read again");
    }
}

fn load(from: impl Read, checksum: bool, into: &Dataset) -> Result<Summary, String> {
    let options = Options {
        checksum,
        max_string: 64 << 20,
        ..Options::default()
    };
    let mut loader = Loader::new(into, Expired::Keep);
    let read = Reader::new(from, options).read(&mut loader);
    read.map_err(|error| error.to_string())
}

fn written(dataset: &Dataset, options: write::Options) -> Vec<u8> {
    let mut writer = Writer::new(options);
    let mut snapshot = Snapshot::begin(dataset);
    writer.header(&Facts {
        field_times: snapshot.has_field_times(),
        ..Facts::default()
    });
    while let Some(db) = snapshot.db() {
        writer.select_db(db as u32);
        snapshot.walk(&mut |key, value, expire_ms| writer.key(key, value, expire_ms));
    }
    writer.finish();
    writer.take()
}

/// The bytes as the content of a DUMP whose envelope is right, and as a whole one.
fn value(data: &[u8]) {
    let wrapped = |version: u8| {
        let mut wrapped = data.to_vec();
        wrapped.extend([version, 0]);
        let mut crc = Crc64::new();
        crc.update(&wrapped);
        wrapped.extend(crc.value().to_le_bytes());
        wrapped
    };
    for bytes in [data, &wrapped(10), &wrapped(80)] {
        let restored = bounded(READER + PER_BYTE * bytes.len(), || {
            restore(bytes, &Limits::default())
        });
        let Ok(object) = restored else { continue };
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            let ours = dump(object.as_ref(), dialect);
            let again = restore(&ours, &Limits::default());
            let again = again.unwrap_or_else(|why| panic!("what we dump is not restored: {why:?}"));
            assert_eq!(again.as_ref().encoding(), object.as_ref().encoding());
            assert_eq!(dump(again.as_ref(), dialect).len(), ours.len());
        }
    }
}

#[track_caller]
fn assert_same(one: &Content, other: &Content, how: &str) {
    assert!(one.keys().eq(other.keys()), "other keys, {how}");
    for (key, value) in one {
        assert!(other[key] == *value, "{key:?} is another, {how}");
    }
}

/// Gives its bytes a few at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(to.len()).min(self.0.len());
        self.1 = self.1 % 13 + 1;
        let (head, rest) = self.0.split_at(len);
        to[..len].copy_from_slice(head);
        self.0 = rest;
        Ok(len)
    }
}
