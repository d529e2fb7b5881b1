//! Snapshots between Damselfly's reader and writer and the stock redis-server, both ways.

mod content;
mod fill;

use crate::common::data::with_module;
use crate::common::{Server, Value};
use content::{assert_same, of_dataset, of_server, plain, value};
use damselfly_server::rdb::dump;
use damselfly_server::rdb::format::Dialect;
use damselfly_server::rdb::load::{Expired, Loader};
use damselfly_server::rdb::read::{Options, Reader, Summary};
use damselfly_server::rdb::write::{self, Facts, Writer};
use damselfly_server::rdb::{RdbError, error::Blame};
use damselfly_server::store::digest::Digest;
use damselfly_server::store::{Dataset, Limits, Snapshot};
use fill::fill;
use std::process::Command;

fn load(bytes: &[u8]) -> Result<(Dataset, Summary), RdbError> {
    let dataset = Dataset::new(16);
    let summary =
        Reader::new(bytes, Options::default()).read(&mut Loader::new(&dataset, Expired::Keep))?;
    Ok((dataset, summary))
}

fn write(dataset: &Dataset, options: write::Options) -> Vec<u8> {
    let mut writer = Writer::new(options);
    writer.header(&Facts::default());
    let mut snapshot = Snapshot::begin(dataset);
    let sizes: Vec<_> = snapshot
        .dbs()
        .map(|(db, keys)| (db, keys.len(), keys.expires()))
        .collect();
    let mut sizes = sizes.into_iter().peekable();
    let mut bytes = Vec::new();
    while let Some(db) = snapshot.db() {
        writer.select_db(db as u32);
        if let Some((_, keys, expiring)) = sizes.next_if(|(next, ..)| *next == db) {
            writer.resize_db(keys as u64, expiring as u64);
        }
        snapshot.walk(&mut |key, value, expire_ms| writer.key(key, value, expire_ms));
        writer.drain_to(&mut bytes).expect("a vector takes all");
    }
    writer.finish();
    bytes.extend(writer.take());
    bytes
}

/// Makes the stock server save, and returns its file.
fn saved(redis: &Server) -> Vec<u8> {
    redis.run("SAVE").ok();
    std::fs::read(redis.dir().join("dump.rdb")).expect("SAVE wrote a file")
}

/// A stock server that has started with the file `bytes`.
fn started_with(bytes: &[u8], arguments: &[&str]) -> Server {
    let mut redis = Server::redis(arguments);
    redis.kill();
    std::fs::write(redis.dir().join("dump.rdb"), bytes).expect("a file can be written");
    redis.restart();
    redis
}

/// Has redis-check-rdb look at the snapshot file of `redis`.
#[track_caller]
fn check(redis: &Server) {
    let output = Command::new("redis-check-rdb")
        .arg(redis.dir().join("dump.rdb"))
        .output()
        .expect("redis-check-rdb must be installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn what_the_stock_server_saves_is_read() {
    for arguments in [
        &[][..],
        &[
            "--rdbcompression",
            "no",
            "--rdbchecksum",
            "no",
            "--list-max-listpack-size",
            "5",
        ],
        &[
            "--list-compress-depth",
            "1",
            "--hash-max-listpack-entries",
            "1000",
            "--zset-max-listpack-entries",
            "1000",
        ],
    ] {
        let stock = Server::redis(arguments);
        let mut client = stock.client();
        fill(&mut client);
        let bytes = saved(&stock);
        let (dataset, summary) =
            load(&bytes).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        assert_eq!(summary.bytes, bytes.len() as u64);
        assert_eq!(summary.version, 10);
        assert_eq!(summary.verified, !arguments.contains(&"--rdbchecksum"));
        assert_same(&of_dataset(&dataset), &of_server(&mut client));
        let digest = client.run("DEBUG DIGEST");
        assert_eq!(digest.text(), Digest::of_dataset(&dataset).to_string());
    }
}

#[test]
fn what_we_write_the_stock_server_loads() {
    let first = Server::redis(&[]);
    fill(&mut first.client());
    let (dataset, summary) = load(&saved(&first)).expect("the stock server's snapshot is sound");
    let want = of_server(&mut first.client());
    for (compress, checksum) in [(true, true), (false, false)] {
        let options = write::Options {
            compress,
            checksum,
            ..write::Options::default()
        };
        let bytes = write(&dataset, options);
        let (again, read) = load(&bytes).expect("what we write we read");
        assert_eq!((read.keys, read.verified), (summary.keys, checksum));
        assert_same(&of_dataset(&again), &want);

        let stock = started_with(&bytes, &["--sanitize-dump-payload", "yes"]);
        check(&stock);
        assert_same(&of_server(&mut stock.client()), &want);
    }
}

#[test]
fn what_is_not_served_is_named() {
    let stock = Server::redis(&[]);
    stock.run("SET a 1").ok();
    let error = load(&with_module(&saved(&stock)))
        .err()
        .expect("modules are not served");
    assert_eq!(error.blame(), Blame::Versions);
    let text = error.to_string();
    assert!(text.contains("data of module"), "{text}");
}

#[test]
fn old_encodings_are_read_as_the_stock_server_reads_them() {
    let bytes = include_bytes!("../data/old-encodings.rdb");
    let stock = started_with(bytes, &["--sanitize-dump-payload", "yes"]);
    let (dataset, summary) = load(bytes).expect("the file is sound");
    assert_eq!(summary.keys, 7);
    assert_same(&of_dataset(&dataset), &of_server(&mut stock.client()));
}

#[test]
fn single_values_go_both_ways() {
    let stock = Server::redis(&[]);
    let mut client = stock.client();
    fill(&mut client);
    let keys = client.run("KEYS *");
    let keys = keys.list();
    for key in keys.iter().map(Value::bytes) {
        let payload = client.cmd(&[b"DUMP", key]);
        let object = dump::restore(payload.bytes(), &Limits::default())
            .unwrap_or_else(|error| panic!("\"{}\": {error:?}", key.escape_ascii()));
        let ours = dump::dump(object.as_ref(), Dialect::Redis);
        client
            .cmd(&[b"RESTORE", &b"restored"[..], b"0", &ours, b"REPLACE"])
            .ok();
        let here = value(&mut client, key);
        assert!(
            here == plain(object.as_ref()),
            "\"{}\" differs here",
            key.escape_ascii()
        );
        let there = value(&mut client, b"restored");
        assert!(here == there, "\"{}\" differs there", key.escape_ascii());
    }
    assert!(keys.len() > 40);
}
