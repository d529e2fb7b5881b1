//! Every command that the stock server lists, with arguments at random: what is refused is refused in the same words, and
//! what is not is answered by a reply of the same kind.

use super::normal;
use crate::commands::order::split;
use crate::commands::programs::Rng;
use crate::commands::setting;
use crate::commands::stock::Stock;
use crate::common::Server;
use std::time::Duration;

/// Commands that end or change a server, or take a connection over; and one that the servers answer otherwise.
const LEFT_OUT: &[&str] = &[
    "bgrewriteaof",
    "bgsave",
    "debug",
    "failover",
    "migrate",
    "monitor",
    "psync",
    "replicaof",
    "restore-asking",
    "save",
    "shutdown",
    "slaveof",
    "sync",
    // Subcommands.
    "acl|deluser",
    "acl|load",
    "acl|save",
    "acl|setuser",
    "client|kill",
    "client|no-evict",
    "client|pause",
    "client|reply",
    "config|rewrite",
    "config|set",
    "module|load",
    "module|loadex",
];

/// After these, a connection is not what it was.
const CHANGING: &[&str] = &["auth", "hello", "multi", "quit", "reset", "select", "watch"];

const KEYS: &[&str] = &[
    "SET k1 12",
    "HSET h1 f 1 a 2",
    "RPUSH l1 a b c",
    "SADD s1 a b",
    "ZADD z1 1 a 2 b",
    "XADD x1 1-1 a b",
    "XGROUP CREATE x1 g 0",
];

#[rustfmt::skip]
const ARGUMENTS: &[&str] = &[
    "k1", "h1", "l1", "s1", "z1", "x1", "nokey", "", "0", "1", "-1", "2", "x", "1.5", "9223372036854775807",
    "-9223372036854775808", "99999999999999999999", "*", "$", ">", "-", "+", "GET", "SET", "NX", "XX", "EX", "LIMIT",
    "COUNT", "MATCH", "STREAMS", "GROUP", "WITHSCORES", "BY", "STORE", "BYSCORE", "BYLEX", "REV", "LEFT", "RIGHT",
    "MIN", "MAX", "FROMMEMBER", "BYRADIUS", "m", "inf", "nan", "(1", "[a", "HELP", "ID", "ON", "OFF", "YES", "NO",
    "FULL", "BLOCK", "REPLACE", "DB", "ABSTTL", "KEYS", "a", "f", "default", "name", "u8", "SYNC", "ASYNC", "TYPE",
    "ADDR", "1-1", "AND", "NOT", "return 1", "#!lua name=x\n", "DEFAULT", "AUTH", "\0~", "WEIGHTS", "AGGREGATE",
    "BIT", "withscores", "nx", "NOACK", "CH", "INCR", "GT", "LT", "IDLE", "x\0y", "\r\nx\r\n",
];

/// What a connection answers, in as far as it is compared.
fn answer(line: &mut Stock, control: &mut Stock, id: &str, args: &[Vec<u8>]) -> Vec<u8> {
    line.send(args).expect("send");
    while !line.is_ready(Duration::from_millis(2)) {
        let info = control.run(&["CLIENT", "LIST", "ID", id]);
        let info = String::from_utf8_lossy(&info);
        let flags = info.split(' ').find_map(|word| word.strip_prefix("flags="));
        if flags.is_some_and(|f| f.contains('b')) && !line.is_ready(Duration::from_micros(1)) {
            return b"(waits)".to_vec();
        }
    }
    let reply = line.reply().unwrap_or_default();
    match reply.first() {
        Some(b'-') => reply,
        _ if matches!(&reply[..], b"$-1\r\n" | b"*-1\r\n") => reply,
        Some(kind) => vec![*kind],
        None => b"(closed)".to_vec(),
    }
}

/// The names in a reply to COMMAND LIST, in order.
fn listed(server: &Server) -> Vec<String> {
    let reply = Stock::plain(server.port).run(&["COMMAND", "LIST"]);
    let (_, parts) = split(&reply);
    let names = parts.into_iter().map(normal::bulk);
    let mut names: Vec<_> = names
        .map(|n| String::from_utf8_lossy(&n).into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_command_is_refused_in_the_same_words() {
    let servers = [Server::redis(&[]), Server::damselfly(&[])];
    let names = listed(&servers[0]);
    let mut ours = listed(&servers[1]);
    ours.retain(|name| !normal::newer().contains(name.as_bytes()));
    assert_eq!(ours, names);
    // Containers come by themselves, too.
    let names: Vec<&String> = names
        .iter()
        .filter(|n| !LEFT_OUT.contains(&n.as_str()))
        .collect();
    let mut control = servers.each_ref().map(|server| Stock::plain(server.port));
    let mut differences = Vec::new();
    let first = setting("DAMSELFLY_SEED", 7);
    for seed in first..first + setting("DAMSELFLY_PROGRAMS", 2) {
        let mut rng = Rng(seed);
        for round in names.chunks(20) {
            let mut lines = Vec::new();
            for name in round {
                let mut args: Vec<Vec<u8>> = match rng.below(10) {
                    // As one word, which no command is.
                    0 => vec![name.as_bytes().to_vec()],
                    _ => name
                        .split('|')
                        .map(|word| word.as_bytes().to_vec())
                        .collect(),
                };
                let more = (0..rng.below(6)).map(|_| rng.pick(ARGUMENTS).as_bytes().to_vec());
                args.extend(more);
                let subscribes = name.ends_with("subscribe") && args.len() > 2;
                let said = args
                    .get(1)
                    .map(|sub| sub.to_ascii_lowercase())
                    .unwrap_or_default();
                let said = format!("{name}|{}", String::from_utf8_lossy(&said));
                if subscribes || LEFT_OUT.contains(&said.as_str()) {
                    continue;
                }
                if lines.is_empty() {
                    for control in &mut control {
                        control.run(&["FLUSHALL"]);
                        for key in KEYS {
                            control.run(&key.split(' ').collect::<Vec<_>>());
                        }
                    }
                    lines.extend(servers.iter().map(|server| {
                        let mut line = Stock::plain(server.port);
                        line.run(&["HELLO", ["2", "3"][(seed % 2) as usize]]);
                        let id = String::from_utf8_lossy(&line.run(&["CLIENT", "ID"])).into_owned();
                        (line, id.trim_start_matches(':').trim_end().to_owned())
                    }));
                }
                let mut answers = lines.iter_mut().zip(&mut control);
                let answers = [(); 2].map(|()| {
                    let ((line, id), control) = answers.next().expect("two of each");
                    answer(line, control, id, &args)
                });
                let ended = [&b"(waits)"[..], b"(closed)"].contains(&&answers[0][..]);
                if answers[0] != answers[1] {
                    let args: Vec<_> = args.iter().map(|a| a.escape_ascii().to_string()).collect();
                    let [stock, ours] = answers.map(|a| a.escape_ascii().to_string());
                    differences.push(format!("{args:?}\n  stock {stock}\n  ours  {ours}"));
                    lines.clear();
                } else if ended || CHANGING.contains(&name.as_str()) {
                    lines.clear();
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
