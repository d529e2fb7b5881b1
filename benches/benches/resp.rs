//! Parsing requests and writing replies.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use damselfly_server::resp::reply::Proto;
use damselfly_server::resp::{ArgList, ParseLimits, Parsed, Parser, Reply};

fn parse(c: &mut Criterion) {
    let limits = ParseLimits {
        max_bulk: 512 << 20,
        authenticated: true,
    };
    let one = format!(
        "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$64\r\n{}\r\n",
        "x".repeat(64)
    );
    let mut group = c.benchmark_group("resp/parse");
    for pipeline in [1usize, 16, 64] {
        let bytes = one.repeat(pipeline).into_bytes();
        group.throughput(Throughput::Elements(pipeline as u64));
        let mut args = ArgList::default();
        group.bench_function(format!("SET x {pipeline}"), |b| {
            b.iter(|| {
                let mut at = 0;
                while at < bytes.len() {
                    args.clear();
                    let mut parser = Parser::default();
                    match parser.parse(black_box(&bytes[at..]), &limits, &mut args) {
                        Ok(Parsed::Request { len }) => at += len,
                        other => panic!("{other:?}"),
                    }
                    assert_eq!(args.len(), 3);
                }
            });
        });
    }
    group.finish();
}

fn write(c: &mut Criterion) {
    let value = [b'x'; 64];
    let mut reply = Reply::new(Proto::Resp2);
    c.bench_function("resp/write a 64-byte bulk", |b| {
        b.iter(|| {
            reply.clear();
            reply.bulk(black_box(&value));
        });
    });
    c.bench_function("resp/write an integer", |b| {
        b.iter(|| {
            reply.clear();
            reply.int(black_box(123_456));
        });
    });
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
