//! Real clients: redis-py, ioredis, node-redis and redis-rs see of a Damselfly what they see of the stock server.
//!
//! Each has a program (`server/tests/clients`) that tells, line by line, what its library returned; both servers must
//! have it tell the same. `server/tests/clients/setup` installs the libraries; `./test` runs it.

use crate::common::*;
use crate::sentinel::{SET, Sentinels};
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// What the client's program tells of the server at `port`, to which it speaks this version of RESP.
fn told(client: &str, port: u16, resp: u8, sentinel: Option<(u16, &str)>) -> String {
    let dir = Path::new(PROGRAMS);
    let (program, script, needs) = match client {
        "redis-py" => (
            dir.join("python/venv/bin/python"),
            dir.join("python/main.py"),
            "python/venv/installed",
        ),
        _ => (
            "node".into(),
            dir.join(format!("node/{client}.mjs")),
            "node/node_modules/installed",
        ),
    };
    assert!(
        dir.join(needs).exists(),
        "{client} is not installed: run server/tests/clients/setup, which needs python3 with venv, node and npm"
    );
    // A client that waits for something that does not come is ended, and what it told shows where.
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).arg(script);
    command.args([port.to_string(), resp.to_string()]);
    if let Some((sentinel, set)) = sentinel {
        command.args([sentinel.to_string(), set.to_owned()]);
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("run the client");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{client} ended with {}:\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The client tells the same of both servers, and of each of them something.
fn sees_the_same(client: &str, resp: u8) {
    let (stock, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let of_stock = told(client, stock.port, resp, None);
    let of_ours = told(client, ours.port, resp, None);
    assert!(of_stock.lines().count() > 30, "{of_stock}");
    for (theirs, ours) in of_stock.lines().zip(of_ours.lines()) {
        assert_eq!(theirs, ours, "{client} with RESP{resp}");
    }
    assert_eq!(of_stock, of_ours);
}

#[test]
fn redis_py_sees_the_same() {
    sees_the_same("redis-py", 2);
    sees_the_same("redis-py", 3);
}

#[test]
fn ioredis_sees_the_same() {
    sees_the_same("ioredis", 2);
}

#[test]
fn node_redis_sees_the_same() {
    sees_the_same("node-redis", 2);
    sees_the_same("node-redis", 3);
}

/// They find the master and a replica by asking a Sentinel, also after a failover.
#[test]
fn clients_find_the_set_by_sentinel() {
    let master = Server::with_file(Kind::Damselfly, &[]);
    let replica = Server::with_file(Kind::Damselfly, &[]);
    replica.follow(master.port);
    let sentinels = Sentinels::of(master.port, 1, None);
    sentinels.await_settled(1);
    let by = Some((sentinels.port(), SET));
    let before: Vec<String> = ["redis-py", "ioredis", "node-redis"]
        .map(|client| told(client, master.port, 2, by))
        .into();
    assert!(before[0].contains("by sentinel: (True, 1, 'sentinel')"));

    sentinels.fail_over(0);
    assert_eq!(sentinels.await_master(&[replica.port]), replica.port);
    sentinels.await_settled(1);
    for (client, before) in ["redis-py", "ioredis", "node-redis"].iter().zip(before) {
        assert_eq!(told(client, replica.port, 2, by), before);
    }
}

/// What the synchronous redis-rs does with both servers.
#[test]
fn redis_rs_sees_the_same() {
    let (stock, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    for resp in ["resp2", "resp3"] {
        assert_eq!(by_redis_rs(stock.port, resp), by_redis_rs(ours.port, resp));
    }
}

fn by_redis_rs(port: u16, resp: &str) -> Vec<String> {
    use redis::{Commands as _, Value, cmd, pipe};
    let url = format!("redis://127.0.0.1:{port}/1?protocol={resp}");
    let client = redis::Client::open(url).expect("a URL");
    let mut con = client.get_connection().expect("connect");
    let mut seen = Vec::new();
    let mut say = |reply: redis::RedisResult<Value>| {
        seen.push(match reply {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error}"),
        });
    };
    say(con.set("s", "v"));
    say(con.set_ex("e", "v", 100));
    say(con.get("none"));
    say(con.hset_multiple("h", &[("a", 1), ("b", 2)]));
    say(con.hgetall("h"));
    say(con.zadd_multiple("z", &[(1.5, "a"), (f64::INFINITY, "b")]));
    say(con.zrange_withscores("z", 0, -1));
    say(con.rpush("l", &[1, 2, 3]));
    say(con.lrange("l", 0, -1));
    say(con.incr("l", 1));
    say(con.incr("n", 2.5));
    say(con.sadd("set", &["x"]));
    say(con.smembers("set"));
    say(cmd("XADD").arg(&["x", "1-1", "f", "v"]).query(&mut con));
    say(cmd("XRANGE").arg(&["x", "-", "+"]).query(&mut con));
    say(cmd("NOSUCH").arg("x").query(&mut con));
    say(pipe()
        .atomic()
        .set("t", 1)
        .incr("t", 1)
        .get("t")
        .query(&mut con));
    say(pipe().set("t", "x").incr("t", 1).query(&mut con));
    let script = redis::Script::new("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
    for _ in 0..2 {
        say(script.key("counted").arg("x").invoke(&mut con));
    }
    let mut keys: Vec<String> = con
        .scan()
        .expect("scan")
        .map(|k| k.expect("a key"))
        .collect();
    keys.sort();
    seen.push(format!("{keys:?}"));
    drop(cmd("FLUSHDB").query::<Value>(&mut con));

    let mut sub = client.get_connection().expect("connect");
    let mut sub = sub.as_pubsub();
    sub.subscribe("news").expect("subscribe");
    sub.psubscribe("n*").expect("subscribe");
    let heard: usize = con.publish("news", "hi").expect("publish");
    seen.push(format!("{heard}"));
    for _ in 0..2 {
        let got = sub.get_message().expect("a message");
        let text: String = got.get_payload().expect("text");
        seen.push(format!("{} {text}", got.get_channel_name()));
    }
    seen
}
