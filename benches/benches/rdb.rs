//! Snapshots: 100,000 keys written from a dataset and read into one, by type of value.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use damselfly_server::rdb::load::{Expired, Loader};
use damselfly_server::rdb::read::{self, Reader};
use damselfly_server::rdb::write::{Facts, Options, Writer};
use damselfly_server::store::hash::Hash;
use damselfly_server::store::zset::Zset;
use damselfly_server::store::{Dataset, Limits, Object, Snapshot};

const KEYS: usize = 100_000;

/// A dataset of [`KEYS`] keys, each with the value that `value` makes of its number.
fn dataset(value: impl Fn(usize) -> Object) -> Dataset {
    let dataset = Dataset::new(1);
    for n in 0..KEYS {
        dataset.dbs()[0].insert_loaded(format!("key:{n:012}").as_bytes(), value(n), None);
    }
    dataset
}

/// 100 bytes that do not repeat.
fn noise(n: usize) -> Vec<u8> {
    let mut state = n as u64 + 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..100).map(byte).collect()
}

fn hash(n: usize) -> Object {
    let mut hash = Hash::new();
    for field in 0..5 {
        hash.insert(
            format!("field:{field}").as_bytes(),
            format!("value {}", n * field).as_bytes(),
            &Limits::default(),
        );
    }
    Object::Hash(hash)
}

fn zset(n: usize) -> Object {
    let mut zset = Zset::new();
    for member in 0..5 {
        let score = (n * 7 + member * 13) as f64 / 4.0;
        zset.insert(
            format!("member:{member}").as_bytes(),
            score,
            &Limits::default(),
        );
    }
    Object::Zset(zset)
}

fn write(dataset: &Dataset, options: Options) -> Vec<u8> {
    let mut writer = Writer::new(options);
    let mut bytes = Vec::new();
    writer.header(&Facts::default());
    writer.select_db(0);
    let mut snapshot = Snapshot::begin(dataset);
    while snapshot
        .walk(&mut |key, value, expire_ms| writer.key(key, value, expire_ms))
        .is_some()
    {
        if writer.pending() >= 64 * 1024 {
            writer.drain_to(&mut bytes).expect("a vector takes all");
        }
    }
    writer.finish();
    writer.drain_to(&mut bytes).expect("a vector takes all");
    bytes
}

fn snapshots(c: &mut Criterion) {
    for (name, dataset) in [
        ("string of 100 bytes", dataset(|n| Object::Str(noise(n)))),
        ("hash of 5", dataset(hash)),
        ("zset of 5", dataset(zset)),
    ] {
        let plain = Options {
            compress: false,
            checksum: true,
            ..Options::default()
        };
        let bytes = write(&dataset, plain);
        let mut group = c.benchmark_group("rdb");
        group.sample_size(20);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("write/{name}"), |b| {
            b.iter(|| black_box(write(&dataset, plain)));
        });
        group.bench_function(format!("write, compressing/{name}"), |b| {
            b.iter(|| black_box(write(&dataset, Options::default())));
        });
        group.bench_function(format!("read/{name}"), |b| {
            b.iter_batched(
                || Dataset::new(1),
                |dataset| {
                    let mut loader = Loader::new(&dataset, Expired::Keep);
                    let read = Reader::new(&bytes[..], read::Options::default()).read(&mut loader);
                    assert_eq!(read.expect("it is sound").keys, KEYS as u64);
                    drop(loader);
                    dataset
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group!(rdb, snapshots);
criterion_main!(rdb);
