//! Servers that the distribution does not have: Redis 8.0.6 and 8.6.3, Valkey 8.1.1 and 9.1.2, as they were recorded.

use crate::common::peer::Peer;
use crate::common::resp::encode;
use crate::common::wait::check;
use crate::common::{Client, Server, Value, assert_same_data, eventually};
use damselfly_server::rdb::read::{Loaded, Options, Reader, Refusal, Sink, Summary};
use damselfly_server::rdb::write::{self, Facts, Writer};

/// What each of them was told before it wrote its snapshot.
const CONTENT: &[&str] = &[
    "SET str hello",
    "SET int 12345",
    "SET ttl v PXAT 33333333333333",
    "RPUSH list a b 3",
    "SADD ints 1 2 3",
    "SADD set a b 3",
    "ZADD z 1 a 2.5 b",
    "HSET hash a 1 b two",
    "XADD s 1-1 f v",
    "XADD s 2-1 f v g w",
    "XADD s 3-1 f v",
    "XDEL s 3-1",
    "XGROUP CREATE s g 1-1",
    "XCLAIM s g c 0 2-1 TIME 1000 RETRYCOUNT 3 FORCE JUSTID LASTID 2-1",
    "SELECT 3",
    "SET other 1",
    "SELECT 0",
];

/// And those that know times of fields.
const TIMES: &[&str] = &[
    "HSET h a 1 b 2 c 3",
    "HPEXPIREAT h 33333333333333 FIELDS 1 b",
    "HPEXPIREAT h 33333333333334 FIELDS 1 a",
];

const LIBRARY: &str = "#!lua name=mylib\nredis.register_function('f', function() return 1 end)";

/// A server's first bytes, and its snapshot.
const SNAPSHOTS: &[(&[u8], &[u8])] = &[
    (b"REDIS0011", include_bytes!("../data/valkey-8.1.rdb")),
    (b"VALKEY080", include_bytes!("../data/valkey-9.1.rdb")),
    (b"REDIS0012", include_bytes!("../data/redis-8.0.rdb")),
    (b"REDIS0013", include_bytes!("../data/redis-8.6.rdb")),
];

/// The moments at which the fields of `h` expire.
fn times(server: &Server) -> String {
    format!("{:?}", server.run("HPEXPIRETIME h FIELDS 3 a b c"))
}

/// A master that says what was recorded of one: a snapshot, and a stream behind it.
fn master(snapshot: Vec<u8>, stream: Vec<u8>) -> Peer {
    Peer::master(move |conn, _| {
        let (replid, len) = ("e".repeat(40), snapshot.len());
        conn.send(format!("+FULLRESYNC {replid} 0\r\n${len}\r\n").as_bytes());
        conn.send(&snapshot);
        conn.send(&stream);
        conn.drain();
    })
}

fn follow(peer: &Peer, stream: &[u8]) -> Server {
    let replica = Server::damselfly(&[]);
    let command = format!("REPLICAOF 127.0.0.1 {}", peer.port);
    replica.run(&command).ok();
    eventually("it has applied all", || {
        let info = replica.info("replication");
        let applied = info.get("master_link_status") == "up"
            && info.num("slave_repl_offset") == stream.len() as i64;
        check(applied, || info.short())
    });
    replica
}

#[test]
fn their_snapshots_are_loaded_from_files_and_by_full_syncs() {
    for (head, snapshot) in SNAPSHOTS {
        assert_eq!(snapshot[..9], **head);
        let want = Server::damselfly(&[]);
        let mut client = want.client();
        let times_too = *head != b"REDIS0011";
        for line in CONTENT {
            assert!(!client.run(line).is_error(), "{line}");
        }
        for line in TIMES.iter().filter(|_| times_too) {
            assert!(!client.run(line).is_error(), "{line}");
        }
        client.cmd(&["FUNCTION", "LOAD", LIBRARY]);

        let mut started = Server::damselfly(&[]);
        started.kill();
        std::fs::write(started.dir().join("dump.rdb"), snapshot).expect("a file can be written");
        started.restart();
        let peer = master(snapshot.to_vec(), Vec::new());
        let synced = follow(&peer, b"");
        for server in [&started, &synced] {
            let same = assert_same_data(&want, server);
            assert_eq!(same.len(), 10 + usize::from(times_too));
            assert_eq!(times(server), times(&want));
            let libraries = format!("{:?}", server.run("FUNCTION LIST"));
            assert!(libraries.contains("mylib"), "{libraries}");
            let pending = server.run("XPENDING s g - + 1 c");
            assert!(format!("{pending:?}").ends_with(":3]]"), "{pending:?}");
        }
    }
}

#[test]
fn what_is_beyond_us_is_refused_by_name() {
    // Of Redis 8.6: a stream whose producers are known, and metadata of modules before a key.
    let producers =
        b"\x1a\x01s\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x64\x64\x01\x01p\x00\x00\x00";
    // Of Valkey 9: a slot on its way, and a time of a field that Redis could not keep.
    let late = b"\x16\x01h\x01\x01a\x011\xff\xff\xff\xff\xff\xff\xff\x7f";
    for (bytes, why) in [
        (
            [&b"REDIS0013"[..], producers].concat(),
            "a stream with idempotent producers (XADD with IDMP) is not served yet",
        ),
        (
            b"REDIS0013\xf3".to_vec(),
            "metadata of modules is not served yet",
        ),
        (
            b"VALKEY080\xf3".to_vec(),
            "the import of a cluster's slot is not served yet",
        ),
        (
            [&b"VALKEY080"[..], late].concat(),
            "a time of a hash's field that Redis could not keep is not served yet",
        ),
        (
            b"VALKEY081".to_vec(),
            "Can't handle RDB format version 81 of Valkey",
        ),
        (
            b"REDIS0013\x07\x01v\x81\x01\x02\x03\x04\x05\x06\x07\x08".to_vec(),
            "a value of module",
        ),
    ] {
        let error = read(&bytes).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// A snapshot without keys.
fn empty() -> Vec<u8> {
    let mut writer = Writer::new(write::Options::default());
    writer.header(&Facts::default());
    writer.finish();
    writer.take()
}

#[test]
fn what_valkey_9_writes_is_followed() {
    let stream = include_bytes!("../data/valkey-9.1.stream");
    let peer = master(empty(), stream.to_vec());
    let replica = follow(&peer, stream);
    for (line, reply) in [
        ("HMGET h a n x", r#"["7", "7.5", "1"]"#),
        (
            "HPEXPIRETIME h FIELDS 3 a n x",
            "[:44444444444444, :-1, :-1]",
        ),
        ("HGETALL d", r#"["b", "2"]"#),
        ("MGET k de m1 m2", r#"["v", nil, "c", "b"]"#),
        ("PEXPIRETIME m1", ":33333333333333"),
        ("PEXPIRETIME m2", ":33333333333333"),
        ("DBSIZE", ":5"),
    ] {
        assert_eq!(format!("{:?}", replica.run(line)), reply, "{line}");
    }
}

#[test]
fn what_redis_8_6_writes_is_followed() {
    let stream = include_bytes!("../data/redis-8.6.stream");
    let peer = master(empty(), stream.to_vec());
    let replica = follow(&peer, stream);
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<_> = text.bytes().map(|d| (d as char).to_digit(16)).collect();
        let pairs = digits.as_chunks::<2>().0;
        pairs
            .iter()
            .map(|[a, b]| (a.unwrap() * 16 + b.unwrap()) as u8)
            .collect()
    };
    for (key, bits) in [
        ("diff", "00000000"),
        ("diff1", "1a180064"),
        ("andor", "61626300"),
        ("one", "1a000064"),
    ] {
        let line = format!("GET {key}");
        assert_eq!(replica.run(&line).bytes(), hex(bits), "{key}");
    }
    for (line, reply) in [
        ("HGETALL h", r#"["n", "5.5"]"#),
        ("HPEXPIRETIME h FIELDS 1 n", "[:33333333333333]"),
        ("MGET k de m1 m2", r#"["y", nil, "c", "b"]"#),
        ("PEXPIRETIME m1", ":33333333333333"),
        (
            "XRANGE q - +",
            r#"[["8-0", ["a", "8"]], ["9-0", ["a", "9"]], ["10-0", ["a", "10"]]]"#,
        ),
        ("XPENDING q g", r#"[:2, "3-0", "6-0", [["c", "2"]]]"#),
        ("XPENDING q g2", r#"[:1, "3-0", "3-0", [["c", "1"]]]"#),
    ] {
        assert_eq!(format!("{:?}", replica.run(line)), reply, "{line}");
    }
    let info = format!("{:?}", replica.run("XINFO STREAM q"));
    for fact in [
        r#""max-deleted-entry-id", "7-0""#,
        r#""entries-added", :10"#,
        r#""recorded-first-entry-id", "8-0""#,
    ] {
        assert!(info.contains(fact), "{fact} in {info}");
    }
}

/// What is read of a snapshot, as far as this file is concerned.
#[derive(Debug, Default)]
struct Seen(Vec<(Vec<u8>, String)>);

impl Sink for Seen {
    fn key(
        &mut self,
        _: u32,
        key: &[u8],
        value: Loaded<'_>,
        _: Option<i64>,
    ) -> Result<(), Refusal> {
        self.0.push((key.to_vec(), format!("{value:?}")));
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<(Seen, Summary), damselfly_server::rdb::RdbError> {
    let mut seen = Seen::default();
    let summary = Reader::new(bytes, Options::default()).read(&mut seen)?;
    Ok((seen, summary))
}

/// What a replica is sent that says `hello` before it asks for a snapshot and no more.
fn snapshot_for(master: &Server, hello: &[&str]) -> Vec<u8> {
    let mut replica: Client = master.client();
    for line in hello {
        replica.run(line).ok();
    }
    replica.run("REPLCONF rdb-only 1").ok();
    replica.send(&["SYNC"]).expect("it takes SYNC");
    let mut bytes = replica.read_to_end().expect("a snapshot");
    while bytes.first() == Some(&b'\n') {
        bytes.remove(0);
    }
    let line = bytes.iter().position(|b| *b == b'\n').expect("a line");
    let head: Vec<u8> = bytes.drain(..=line).collect();
    if head.starts_with(b"$EOF:") {
        bytes.truncate(bytes.len() - 40);
    }
    bytes
}

#[test]
fn each_replica_is_sent_times_of_fields_as_it_reads_them() {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "0"]);
    master.run("HSET h a 1 b 2");
    let hellos: [(&[&str], &[u8; 9]); 4] = [
        (
            &["REPLCONF capa eof", "REPLCONF version 9.1.2"],
            b"VALKEY080",
        ),
        (&["REPLCONF version 9.0.0"], b"VALKEY080"),
        (
            &["REPLCONF capa eof", "REPLCONF version 8.1.1"],
            b"REDIS0012",
        ),
        (&["REPLCONF capa eof"], b"REDIS0012"),
    ];
    for (hello, _) in hellos {
        // Without times all are sent the same.
        assert_eq!(
            snapshot_for(&master, hello)[..9],
            *b"REDIS0010",
            "{hello:?}"
        );
    }
    master.run("HPEXPIREAT h 33333333333333 FIELDS 1 a");
    let mut read_of_all = Vec::new();
    for (hello, head) in hellos {
        let bytes = snapshot_for(&master, hello);
        assert_eq!(bytes[..9], *head, "{hello:?}");
        let (seen, summary) = read(&bytes).expect("a sound snapshot");
        assert!(summary.verified);
        read_of_all.push(seen.0);
        // What is sent is what it would be with times.
        let peer = self::master(bytes, Vec::new());
        let replica = follow(&peer, b"");
        assert_eq!(
            replica.run("HPEXPIRETIME h FIELDS 2 a b"),
            Value::Array(vec![Value::Int(33_333_333_333_333), Value::Int(-1)])
        );
    }
    assert!(read_of_all.iter().all(|seen| *seen == read_of_all[0]));
}

#[test]
fn a_stream_with_what_is_beyond_us_is_not_half_followed() {
    let stream = [
        encode(&["SELECT", "0"]),
        encode(&["XADD", "s", "IDMP", "p", "i", "1-1", "f", "v"]),
        encode(&["SET", "behind", "1"]),
    ]
    .concat();
    let peer = master(empty(), stream);
    let replica = Server::damselfly(&[]);
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", peer.port))
        .ok();
    eventually("the link is down, and it says why", || {
        let said = replica.info("replication").get("master_link_last_error");
        let told = said.contains("a command of its stream failed here") && said.contains("xadd");
        check(told, || said.clone())
    });
    eventually("it asks for a full sync", || {
        let full = |words: &Vec<Vec<u8>>| words[0] == b"PSYNC" && words[1] == b"?";
        check(peer.received().iter().any(full), String::new)
    });
}

#[test]
fn who_asks_for_it_has_files_and_dumps_that_valkey_reads() {
    let mut server = Server::damselfly(&["--rdb-field-times", "valkey"]);
    server.run("HSET h a 1 b 2 c 3");
    server.run("HPEXPIREAT h 33333333333333 FIELDS 1 a");
    let before = times(&server);
    let dumped = server.run("DUMP h").bytes().to_vec();
    assert_eq!((dumped[0], dumped[dumped.len() - 10]), (22, 80));
    let restored = server.client().cmd(&[&b"RESTORE"[..], b"r", b"0", &dumped]);
    restored.ok();
    server.run("DEL r");
    server.run("SAVE").ok();
    let path = server.dir().join("dump.rdb");
    let saved = || std::fs::read(&path).expect("a snapshot file");
    assert_eq!(saved()[..9], *b"VALKEY080");
    server.kill();
    server.restart();
    assert_eq!(times(&server), before);
    server.run("CONFIG SET rdb-field-times redis").ok();
    server.run("SAVE").ok();
    assert_eq!(saved()[..9], *b"REDIS0012");
}

#[test]
fn scripts_and_libraries_may_call_the_server_as_valkey_does() {
    let server = Server::damselfly(&[]);
    let mut client = server.client();
    let library = "#!lua name=l\nserver.register_function('f', function(keys) \
        return server.call('INCR', keys[1]) end) server.log(server.LOG_DEBUG, 'loaded')";
    assert_eq!(client.cmd(&["FUNCTION", "LOAD", library]).text(), "l");
    assert_eq!(client.run("FCALL f 1 k").int(), 1);
    let script = "return server.call == redis.call and server.sha1hex('') == redis.sha1hex('')";
    assert_eq!(client.cmd(&["EVAL", script, "0"]).int(), 1);
    let script = "server.call = 1";
    assert!(client.cmd(&["EVAL", script, "0"]).is_error());
}
