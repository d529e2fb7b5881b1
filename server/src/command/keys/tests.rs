use crate::command::testing::Bench;
use crate::command::{Expiry, Origin};
use std::collections::HashSet;

#[test]
fn keys_come_and_go() {
    let mut bench = Bench::new();
    bench.check(&[
        ("mset a 1 b 2", "+OK"),
        ("exists a b c a", ":3"),
        ("type a", "+string"),
        ("type c", "+none"),
        ("dbsize", ":2"),
        ("del a c", ":1"),
        ("unlink b", ":1"),
        ("touch a b", ":0"),
        ("dbsize", ":0"),
        ("randomkey", "$-1"),
        ("set k v", "+OK"),
        ("randomkey", "$1 k"),
        ("object encoding k", "$6 embstr"),
        ("object refcount k", ":1"),
        ("object encoding none", "$-1"),
        ("object idletime k", ":0"),
    ]);
    bench.now_ms += 5_000;
    bench.check(&[
        ("object idletime k", ":5"),
        ("get k", "$1 v"),
        ("object idletime k", ":0"),
    ]);
    bench.told();
    bench.run("del none");
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn renaming() {
    let mut bench = Bench::new();
    bench.check(&[
        ("rename a b", "-ERR no such key"),
        ("set a 1 px 500", "+OK"),
        ("set b 2", "+OK"),
        ("renamenx a b", ":0"),
        ("rename a b", "+OK"),
        ("get b", "$1 1"),
        ("pttl b", ":500"),
        ("exists a", ":0"),
        ("renamenx b a", ":1"),
        ("rename a a", "+OK"),
        ("renamenx a a", ":0"),
        ("del a", ":1"),
    ]);
    bench.hash("h");
    bench.check(&[
        ("rename h g", "+OK"),
        ("type g", "+hash"),
        ("exists h", ":0"),
    ]);
}

#[test]
fn copying_and_moving() {
    let mut bench = Bench::new();
    bench.check(&[
        ("set a 1 px 500", "+OK"),
        (
            "copy a a",
            "-ERR source and destination objects are the same",
        ),
        ("copy a b", ":1"),
        ("pttl b", ":500"),
        ("copy a b", ":0"),
        ("set a 2", "+OK"),
        ("copy a b replace", ":1"),
        ("get b", "$1 2"),
        ("copy a b db 16", "-ERR DB index is out of range"),
        ("copy a a db 1", ":1"),
        ("copy none x", ":0"),
        ("move a 1", ":0"),
        (
            "move a 0",
            "-ERR source and destination objects are the same",
        ),
        ("move a 2", ":1"),
        ("exists a", ":0"),
        ("move a 2", ":0"),
        ("move b x", "-ERR value is not an integer or out of range"),
    ]);
    bench.db = 2;
    bench.check(&[("get a", "$1 2"), ("dbsize", ":1")]);
}

#[test]
fn moving_over_an_expired_key_tells_replicas_to_remove_it() {
    let mut bench = Bench::new();
    bench.db = 1;
    bench.run("set k old px 5");
    bench.db = 0;
    bench.run("set k new");
    bench.now_ms += 10;
    bench.told();
    assert_eq!(bench.run("move k 1"), ":1");
    assert_eq!(bench.told(), ["1: DEL k", "0: move k 1"]);
}

#[test]
fn expiry_and_its_conditions() {
    let mut bench = Bench::new();
    bench.check(&[
        ("ttl k", ":-2"),
        ("expire k 10", ":0"),
        ("set k v", "+OK"),
        ("ttl k", ":-1"),
        ("expire k 10 xx", ":0"),
        ("expire k 10 gt", ":0"),
        ("expire k 10 lt", ":1"),
        ("expire k 10 nx", ":0"),
        ("expire k 5 gt", ":0"),
        ("expire k 20 gt", ":1"),
        ("expire k 30 lt", ":0"),
        ("ttl k", ":20"),
        ("expiretime k", ":1020"),
        ("pexpiretime k", ":1020000"),
        ("pexpire k 1499", ":1"),
        ("ttl k", ":1"),
        ("pttl k", ":1499"),
        ("persist k", ":1"),
        ("persist k", ":0"),
        (
            "expire k 1 nx gt",
            "-ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        (
            "expire k 1 lt gt",
            "-ERR GT and LT options at the same time are not compatible",
        ),
        ("expire k 1 foo", "-ERR Unsupported option foo"),
        (
            "expire k 9223372036854775807",
            "-ERR invalid expire time in 'expire' command",
        ),
        (
            "pexpire k 9223372036854775807",
            "-ERR invalid expire time in 'pexpire' command",
        ),
        (
            "expire k 1.5",
            "-ERR value is not an integer or out of range",
        ),
        ("expireat k 5", ":1"),
        ("exists k", ":0"),
    ]);
    let told = bench.told();
    assert_eq!(told[1], "0: PEXPIREAT k 1010000");
    assert_eq!(told.last().unwrap(), "0: DEL k");
}

#[test]
fn a_master_removes_expired_keys_and_says_so_first() {
    for (line, reply, told) in [
        ("get k", "$-1", &["0: DEL k"][..]),
        ("mget k l", "*2 $-1 $-1", &["0: DEL k"]),
        ("exists k", ":0", &["0: DEL k"]),
        ("ttl k", ":-2", &["0: DEL k"]),
        ("del k", ":0", &["0: DEL k"]),
        (
            "incr k",
            ":1",
            &["0: MULTI", "0: DEL k", "0: incr k", "0: EXEC"],
        ),
        (
            "append k x",
            ":1",
            &["0: MULTI", "0: DEL k", "0: append k x", "0: EXEC"],
        ),
        (
            "set k w nx",
            "+OK",
            &["0: MULTI", "0: DEL k", "0: set k w nx", "0: EXEC"],
        ),
        ("rename k l", "-ERR no such key", &["0: DEL k"]),
    ] {
        let mut bench = Bench::new();
        bench.run("set k 5 px 10");
        bench.now_ms += 10;
        bench.told();
        assert_eq!(bench.run(line), reply, "{line}");
        assert_eq!(bench.told(), told, "{line}");
    }
}

#[test]
fn a_value_that_takes_an_expired_ones_place_is_told_last_even_if_its_own_time_is_past() {
    let mut bench = Bench::new();
    bench.run("set k 5 px 10");
    bench.now_ms += 10;
    bench.told();
    assert_eq!(bench.run("set k v get exat 5"), "$-1");
    assert_eq!(
        bench.told(),
        ["0: MULTI", "0: DEL k", "0: SET k v PXAT 5000", "0: EXEC"]
    );
    assert_eq!(bench.run("get k"), "$-1");
    assert_eq!(bench.told(), ["0: DEL k"]);
}

#[test]
fn a_replica_hides_expired_keys_and_waits_for_its_master() {
    let mut bench = Bench::new();
    bench.run("set k 5 px 10");
    bench.now_ms += 10;
    bench.expiry = Expiry::Hide;
    bench.told();
    bench.check(&[
        ("get k", "$-1"),
        ("exists k", ":0"),
        ("keys *", "*0"),
        ("scan 0", "*2 $1 0 *0"),
        ("randomkey", "$-1"),
        ("dbsize", ":1"),
    ]);
    assert_eq!(bench.told(), [""; 0]);
    // The master's own commands see what the master saw.
    (bench.expiry, bench.origin) = (Expiry::Ignore, Origin::Master);
    bench.check(&[("incr k", ":6"), ("del k", ":1")]);
}

#[test]
fn databases_are_emptied_and_exchanged() {
    let mut bench = Bench::new();
    bench.check(&[
        ("set a 0", "+OK"),
        ("swapdb 0 1", "+OK"),
        ("exists a", ":0"),
        ("set b 0", "+OK"),
        ("swapdb x 1", "-ERR invalid first DB index"),
        ("swapdb 0 x", "-ERR invalid second DB index"),
        ("swapdb 0 16", "-ERR DB index is out of range"),
        ("flushdb wrong", "-ERR syntax error"),
        ("flushdb async", "+OK"),
        ("dbsize", ":0"),
    ]);
    bench.db = 1;
    bench.check(&[("get a", "$1 0"), ("flushall", "+OK"), ("dbsize", ":0")]);
    let told = bench.told();
    assert_eq!(told[told.len() - 2..], ["0: flushdb async", "1: flushall"]);
}

#[test]
fn patterns() {
    let mut bench = Bench::new();
    bench.run("mset one 1 two 2 three 3");
    assert_eq!(bench.run("keys t*"), {
        let reply = bench.run("keys t*");
        assert!(reply.starts_with("*2"));
        reply
    });
    assert_eq!(bench.run("keys one"), "*1 $3 one");
    assert_eq!(bench.run("keys x*"), "*0");
}

/// A reply of SCAN: cursor and keys.
fn scanned(bench: &mut Bench, line: &str) -> (String, Vec<String>) {
    let reply = bench.run(line);
    let mut words = reply.split(' ').skip(2);
    let cursor = words.next().unwrap().to_owned();
    let keys = words.skip(1).skip(1).step_by(2).map(str::to_owned);
    (cursor, keys.collect())
}

#[test]
fn scan_returns_whatever_stays_and_in_bounded_steps() {
    let mut bench = Bench::new();
    for i in 0..20_000 {
        bench.run(&format!("set stays:{i} v"));
    }
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), HashSet::new(), 0);
    loop {
        let (next, keys) = scanned(&mut bench, &format!("scan {cursor} count 100"));
        assert!(keys.len() <= 100, "{} keys", keys.len());
        for key in keys {
            assert!(
                !key.starts_with("stays") || seen.insert(key),
                "returned twice"
            );
        }
        // Meanwhile the tables split and shrink.
        for i in 0..100 {
            bench.run(&format!("set comes:{calls}:{i} v"));
            bench.run(&format!("del comes:{}:{i}", calls / 2));
        }
        calls += 1;
        cursor = next;
        // Scripts, and clients in JavaScript, read it as a double.
        assert!(cursor.parse::<u64>().unwrap() < 1 << 53, "{cursor}");
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 20_000);
    assert!((200..1_000).contains(&calls), "{calls} calls");
}

#[test]
fn scan_filters_and_checks_its_arguments() {
    let mut bench = Bench::new();
    bench.run("mset a1 x a2 x b1 x");
    bench.hash("h");
    let (cursor, mut keys) = scanned(&mut bench, "scan 0 match a* count 1000");
    keys.sort();
    assert_eq!(
        (&*cursor, keys),
        ("0", vec!["a1".to_owned(), "a2".to_owned()])
    );
    let (_, keys) = scanned(&mut bench, "scan 0 type hash count 1000");
    assert_eq!(keys, ["h"]);
    bench.check(&[
        ("scan x", "-ERR invalid cursor"),
        ("scan -1", "*2 $1 0 *0"),
        ("scan - 1", "-ERR invalid cursor"),
        ("scan 18446744073709551616", "-ERR invalid cursor"),
        ("scan 18446744073709551615", "*2 $1 0 *0"),
        ("scan 0 count 0", "-ERR syntax error"),
        (
            "scan 0 count a",
            "-ERR value is not an integer or out of range",
        ),
        ("scan 0 count", "-ERR syntax error"),
        ("scan 0 foo bar", "-ERR syntax error"),
    ]);
}
