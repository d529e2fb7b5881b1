//! What scripts write, as replicas hear of it, and when they may not write at all: as the stock server has it.

use super::{Pair, functions::LIBRARY};
use crate::common::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A replica that only listens.
struct Listener {
    stream: BufReader<TcpStream>,
}

impl Listener {
    /// Has had its snapshot.
    fn of(master: &Server) -> Listener {
        let socket = TcpStream::connect(("127.0.0.1", master.port)).expect("connect");
        socket
            .set_read_timeout(Some(wait::PATIENCE))
            .expect("a limit");
        let mut stream = BufReader::new(socket);
        stream.get_mut().write_all(b"PSYNC ? -1\r\n").expect("send");
        let mut line = String::new();
        let mut size = None;
        while size.is_none() {
            line.clear();
            assert!(stream.read_line(&mut line).expect("a line") > 0, "closed");
            size = line
                .trim()
                .strip_prefix('$')
                .map(|n| n.parse().expect("a length"));
        }
        let mut snapshot = vec![0; size.unwrap_or(0)];
        stream.read_exact(&mut snapshot).expect("a snapshot");
        Listener { stream }
    }

    /// What it hears up to `last`, one command a line, without pings.
    fn heard(mut self, last: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        while all.last().is_none_or(|command| command != last) {
            let count = self.number('*');
            let args: Vec<String> = (0..count).map(|_| self.bulk()).collect();
            if !args[0].eq_ignore_ascii_case("ping") {
                all.push(args.join(" "));
            }
        }
        all
    }

    fn number(&mut self, kind: char) -> usize {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("a line of the stream");
        let number = line.trim().strip_prefix(kind).and_then(|n| n.parse().ok());
        number.unwrap_or_else(|| panic!("{line:?} instead of {kind}"))
    }

    fn bulk(&mut self) -> String {
        let mut bytes = vec![0; self.number('$') + 2];
        self.stream.read_exact(&mut bytes).expect("an argument");
        bytes.truncate(bytes.len() - 2);
        bytes.escape_ascii().to_string()
    }
}

/// Commands whose writes replicas are told of.
const WRITES: &[&[&str]] = &[
    &["EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "one"],
    &[
        "EVAL",
        "redis.call('SET', 'a', 1) redis.call('INCR', 'a') return redis.call('GET', 'a')",
        "0",
    ],
    &[
        "EVAL",
        "redis.call('SADD', 's', 'x') return redis.call('SPOP', 's')",
        "0",
    ],
    &["EVAL", "redis.call('INCRBYFLOAT', 'f', '0.5')", "0"],
    &[
        "EVAL",
        "redis.call('GET', 'a') redis.call('DEL', 'nothing')",
        "0",
    ],
    &["EVAL", "redis.call('SET', 'b', 1) error('too late')", "0"],
    &[
        "EVAL",
        "redis.pcall('LPUSH', 'b', 1) redis.call('RPUSH', 'l', 1)",
        "0",
    ],
    &[
        "EVAL",
        "redis.call('SELECT', 5) redis.call('SET', 'five', 1)",
        "0",
    ],
    &[
        "EVAL",
        "redis.call('SET', 'zero', 1) redis.call('SELECT', 5) redis.call('SET', 'five', 2)",
        "0",
    ],
    &["SET", "plain", "1"],
    &[
        "EVAL",
        "redis.set_repl(redis.REPL_NONE) redis.call('SET', 'own', 1) redis.set_repl(redis.REPL_ALL) redis.call('SET', 'all', 1)",
        "0",
    ],
    &[
        "EVAL",
        "redis.set_repl(redis.REPL_AOF) redis.call('SET', 'own', 2)",
        "0",
    ],
    &[
        "EVAL",
        "redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'theirs', 2)",
        "0",
    ],
    &[
        "EVAL",
        "return redis.call('PUBLISH', 'channel', 'message')",
        "0",
    ],
    &[
        "EVAL",
        "redis.call('SET', 'c', 1) redis.call('PUBLISH', 'channel', 'message')",
        "0",
    ],
    &["MULTI"],
    &["SET", "m", "1"],
    &[
        "EVAL",
        "redis.call('INCR', 'm') redis.call('INCR', 'm')",
        "0",
    ],
    &["EVAL", "return redis.call('GET', 'm')", "0"],
    &["INCR", "m"],
    &["EXEC"],
    &["FUNCTION", "LOAD", LIBRARY],
    &["FCALL", "count", "1", "n"],
    &["FCALL_RO", "look", "1", "n"],
    &["FUNCTION", "DELETE", "lib"],
    &["FUNCTION", "FLUSH"],
    &["SCRIPT", "LOAD", "return 1"],
    &["SCRIPT", "FLUSH"],
    &[
        "EVAL",
        "redis.call('SET', 'd', 1) redis.call('FLUSHDB') redis.call('SET', 'e', 1)",
        "0",
    ],
    &[
        "EVAL",
        "redis.call('RPUSH', 'q', 1, 2) redis.call('LMOVE', 'q', 'q', 'LEFT', 'RIGHT') redis.call('BLPOP', 'q', 0)",
        "0",
    ],
    &["SET", "last", "1"],
];

#[test]
fn what_a_script_writes_goes_to_replicas_as_from_the_stock_server() {
    let mut pair = Pair::new();
    let heard = [0, 1].map(|i| Listener::of(&pair.servers[i]));
    for args in WRITES {
        pair.run(args);
    }
    let [stock, ours] = heard.map(|listener| listener.heard("SET last 1"));
    pair.finish();
    assert_eq!(stock, ours);
}

/// Asked under every condition that keeps writes away.
const ASKED: &[&[&str]] = &[
    &["EVAL", "return redis.call('SET', 'a', 1)", "0"],
    &["EVAL", "return redis.pcall('SET', 'a', 1)", "0"],
    &["EVAL", "return redis.call('GET', 'a')", "0"],
    &["EVAL", "return redis.call('PUBLISH', 'a', 1)", "0"],
    &["EVAL", "return redis.call('PING')", "0"],
    &["EVAL", "return 1", "0"],
    &["EVAL", "#!lua\nreturn redis.call('GET', 'a')", "0"],
    &["EVAL", "#!lua\nreturn redis.call('SET', 'a', 1)", "0"],
    &[
        "EVAL",
        "#!lua flags=no-writes\nreturn redis.call('GET', 'a')",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=no-writes\nreturn redis.call('SET', 'a', 1)",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=no-writes,allow-stale\nreturn redis.call('GET', 'a')",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=no-writes,allow-stale\nreturn redis.call('ECHO', 'a')",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=allow-stale\nreturn redis.call('INFO', 'nope')",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=allow-oom\nreturn redis.call('SET', 'a', 1)",
        "0",
    ],
    &[
        "EVAL",
        "#!lua flags=allow-oom\nreturn redis.call('GET', 'a')",
        "0",
    ],
    &["EVAL_RO", "return redis.call('GET', 'a')", "0"],
    &["EVAL_RO", "return redis.call('SET', 'a', 1)", "0"],
    &["EVAL_RO", "#!lua\nreturn redis.call('GET', 'a')", "0"],
    &[
        "EVAL_RO",
        "#!lua flags=no-writes\nreturn redis.call('GET', 'a')",
        "0",
    ],
    &["FCALL", "count", "1", "n"],
    &["FCALL", "look", "1", "n"],
    &["FCALL_RO", "count", "1", "n"],
    &["FCALL_RO", "look", "1", "n"],
    &["FUNCTION", "DELETE", "nope"],
    &["FUNCTION", "STATS"],
    &["SCRIPT", "EXISTS", "x"],
    &["SCRIPT", "LOAD", "return 1"],
    &["MULTI"],
    &["EVAL", "return redis.call('GET', 'a')", "0"],
    &["FCALL_RO", "look", "1", "n"],
    &["EXEC"],
    &["DISCARD"],
];

/// Both servers, a library in each, under a condition that `make` makes.
fn under(make: impl Fn(&Server, &mut Client)) -> Pair {
    let mut pair = Pair::new();
    for (server, client) in pair.servers.iter().zip(&mut pair.clients) {
        client.cmd(&["SET", "a", "0"]).ok();
        client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
        make(server, client);
    }
    ask(&mut pair);
    pair
}

fn ask(pair: &mut Pair) {
    for args in ASKED {
        pair.run(args);
    }
}

#[test]
fn what_keeps_a_script_from_running_is_what_keeps_it_in_the_stock_server() {
    let set = |name, value| {
        move |_: &Server, client: &mut Client| client.cmd(&["CONFIG", "SET", name, value]).ok()
    };
    under(set("maxmemory", "1")).finish();
    under(set("min-replicas-to-write", "1")).finish();
    let mut master = Server::redis(&[]);
    master.client().cmd(&["FUNCTION", "LOAD", LIBRARY]);
    master.client().cmd(&["SET", "a", "0"]).ok();
    let mut pair = under(|server, _| {
        server.follow(master.port);
        server.await_link(master.port);
    });
    master.kill();
    for (server, client) in pair.servers.iter().zip(&mut pair.clients) {
        client
            .cmd(&["CONFIG", "SET", "replica-serve-stale-data", "no"])
            .ok();
        eventually("the link is down", || {
            let link = server.info("replication").get("master_link_status");
            wait::check(link == "down", || link)
        });
    }
    ask(&mut pair);
    pair.finish();
}
