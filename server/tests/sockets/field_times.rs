//! Times of hash fields between servers: in full syncs, in the stream and over restarts; and the stock server, which
//! is of a version that knows none.

use crate::common::peer::Peer;
use crate::common::resp::encode;
use crate::common::wait::check;
use crate::common::{Client, Server, Value, assert_same_data, await_caught_up, eventually};

/// The moments at which the fields of `h` expire.
fn times(server: &Server) -> Value {
    server.run("HPEXPIRETIME h FIELDS 4 a b c d")
}

fn await_same_times(a: &Server, b: &Server) -> Value {
    eventually("the times are the same", || {
        let (left, right) = (times(a), times(b));
        check(left == right, || format!("{left:?} / {right:?}"))?;
        Ok(left)
    })
}

#[test]
fn a_replica_and_a_file_have_the_times() {
    let mut master = Server::damselfly(&[]);
    let replica = Server::damselfly(&[]);
    master.run("HSET h a 1 b 2 c 3 d 4.5");
    master.run("HSET gone x 1 y 2");
    master.run("HPEXPIREAT h 33333333333333 FIELDS 1 a");
    replica.follow(master.port);
    let synced = await_same_times(&master, &replica);
    assert_eq!(synced.list()[0].int(), 33_333_333_333_333);

    // In the stream: the moment, a change of the value that keeps it, one that does not.
    master.run("HEXPIRE h 5000 FIELDS 2 b d");
    master.run("HINCRBYFLOAT h d 0.25");
    master.run("HSET h b 7");
    await_caught_up(&master, &replica);
    let streamed = await_same_times(&master, &replica);
    let known: Vec<bool> = streamed.list().iter().map(|t| t.int() > 0).collect();
    assert_eq!(known, [true, false, false, true]);
    assert_eq!(
        replica.info("keyspace").get("db0"),
        "keys=2,expires=0,avg_ttl=0,subexpiry=1"
    );

    // What expires by itself goes everywhere, and its hash with it.
    master.run("HPEXPIRE gone 30 FIELDS 2 x y");
    eventually("the hash is gone", || {
        check(replica.run("EXISTS gone").int() == 0, || "there".into())
    });
    assert_eq!(master.info("stats").num("expired_subkeys"), 2);
    assert_eq!(replica.info("stats").num("expired_subkeys"), 0);

    master.run("SAVE").ok();
    let file = std::fs::read(master.dir().join("dump.rdb")).expect("a snapshot file");
    assert_eq!(file[..9], *b"REDIS0012");
    master.kill();
    master.restart();
    assert_eq!(times(&master), streamed);
    master.run("HPERSIST h FIELDS 2 a d");
    master.run("SAVE").ok();
    let file = std::fs::read(master.dir().join("dump.rdb")).expect("a snapshot file");
    assert_eq!(file[..9], *b"REDIS0010", "one that Redis 7.0 reads");
}

/// ADR 0010.
#[test]
fn a_server_that_knows_no_times_is_not_told_half_the_truth() {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::redis(&[]);
    master.run("HSET h a 1 b 2");
    replica.follow(master.port);
    // One that follows already does without the times, and loses the fields when they end.
    master.run("HPEXPIRE h 50 FIELDS 1 a");
    eventually("the field is gone", || {
        let left = replica.run("HGETALL h");
        check(left.list().len() == 2, || format!("{left:?}"))
    });
    assert_same_data(&master, &replica);

    master.run("HPEXPIRE h 1000000 FIELDS 1 b");
    replica.run("REPLICAOF NO ONE").ok();
    replica.run("FLUSHALL").ok();
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    eventually("it refuses the snapshot", || {
        let refused = replica.log().contains("Can't handle RDB format version 12");
        check(refused, || replica.log())
    });
    master.run("HPERSIST h FIELDS 1 b");
    replica.await_link(master.port);
    assert_same_data(&master, &replica);
}

#[test]
fn who_watches_listens_or_caches_hears_of_the_end_of_a_field() {
    let events = [
        "--notify-keyspace-events",
        "Eghx",
        "--enable-debug-command",
        "yes",
    ];
    let server = Server::damselfly(&events);
    server.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
    let (mut events, mut caching) = (server.client(), server.client());
    events.run("PSUBSCRIBE __keyevent@0__:*");
    let next = |events: &mut Client| {
        let message = events.read().expect("an event");
        let parts: Vec<String> = message.list()[2..].iter().map(Value::text).collect();
        parts.join(" ").replace("__keyevent@0__:", "")
    };
    caching.run("HELLO 3");
    caching.run("CLIENT TRACKING ON").ok();
    let mut watching = server.client();
    let mut client = server.client();
    client.run("HSET h a 1 b 2");
    client.run("HPEXPIRE h 1 FIELDS 1 a");
    caching.run("HGET h b");
    watching.run("WATCH h").ok();
    client.run("DEBUG SET-ACTIVE-EXPIRE 1").ok();
    for event in ["hset h", "hexpire h", "hexpired h"] {
        assert_eq!(next(&mut events), event);
    }
    let told = format!("{:?}", caching.read().expect("an invalidation"));
    assert!(told.contains("invalidate"), "{told}");
    watching.run("MULTI").ok();
    watching.run("PING");
    assert_eq!(watching.run("EXEC"), Value::Nil);
    client.run("HPERSIST h FIELDS 1 b");
    client.run("HEXPIRE h 100 FIELDS 1 b");
    client.run("HPERSIST h FIELDS 1 b");
    client.run("HEXPIRE h 0 FIELDS 1 b");
    for event in ["hexpire h", "hpersist h", "hdel h", "del h"] {
        assert_eq!(next(&mut events), event);
    }
    // As in Redis 8.0: what went by itself is told of first.
    client.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
    let expired = ["hset h", "hset h", "hexpire h"];
    for (command, told) in [
        (
            "HGETEX h EX 100 FIELDS 2 a b",
            &["hexpired h", "hexpire h"][..],
        ),
        ("HSETEX h FNX FIELDS 1 a 1", &["hexpired h", "hset h"]),
        ("HGETDEL h FIELDS 2 a b", &["hexpired h", "hdel h", "del h"]),
    ] {
        client.run("HSETEX h FIELDS 1 b 2");
        client.run("HSETEX h PX 1 FIELDS 1 a 1");
        client.run("DEBUG SLEEP 0.01").ok();
        client.run(command);
        for event in expired.iter().chain(told) {
            assert_eq!(next(&mut events), *event, "{command}");
        }
    }
}

/// What a stream of Redis 8 says of fields, and has no other words for.
const OF_REDIS_8: &[&[&str]] = &[
    &["HSET", "h", "a", "1"],
    &[
        "HSETEX",
        "h",
        "PXAT",
        "33333333333333",
        "FIELDS",
        "2",
        "a",
        "2",
        "b",
        "3",
    ],
    &["HSETEX", "h", "KEEPTTL", "FIELDS", "1", "b", "4.5"],
    &["HSETEX", "h", "FIELDS", "1", "c", "6"],
    &["HGETEX", "h", "PXAT", "33333333333334", "FIELDS", "1", "c"],
    &["HGETDEL", "h", "FIELDS", "1", "a"],
];

#[test]
fn a_link_to_a_master_of_redis_8_goes_on() {
    let snapshot = {
        let empty = Server::redis(&[]);
        empty.run("SAVE").ok();
        std::fs::read(empty.dir().join("dump.rdb")).expect("a snapshot file")
    };
    let master = Peer::master(move |conn, _| {
        conn.send(
            format!(
                "+FULLRESYNC {} 0\r\n${}\r\n",
                "e".repeat(40),
                snapshot.len()
            )
            .as_bytes(),
        );
        conn.send(&snapshot);
        conn.send(&encode(&["SELECT", "0"]));
        OF_REDIS_8
            .iter()
            .for_each(|command| conn.send(&encode(command)));
        conn.drain();
    });
    let replica = Server::damselfly(&[]);
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    let all: usize = OF_REDIS_8.iter().map(|command| encode(command).len()).sum();
    let sent = all + encode(&["SELECT", "0"]).len();
    eventually("it has applied all", || {
        let offset = replica.info("replication").num("slave_repl_offset");
        check(offset == sent as i64, || offset.to_string())
    });
    assert_eq!(replica.info("replication").get("master_link_status"), "up");
    assert_eq!(
        format!("{:?}", replica.run("HMGET h a b c")),
        r#"[nil, "4.5", "6"]"#
    );
    let times: Vec<i64> = times(&replica).list().iter().map(Value::int).collect();
    assert_eq!(times, [-2, 33_333_333_333_333, 33_333_333_333_334, -2]);
}
