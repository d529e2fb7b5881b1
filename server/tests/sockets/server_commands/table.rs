//! COMMAND and its kin: what the server says of every command is what the stock server says of it.

use crate::common::*;
use std::collections::BTreeSet;

/// Commands of ours that the stock server does not have.
const OURS: &[&str] = &["client|no-touch", "client|setinfo", "repltakeover"];

/// What is meant to differ: the command, the field of COMMAND INFO (by its place), and why.
const MEANT: &[(&str, usize, &str)] = &[
    (
        "zrank",
        1,
        "WITHSCORE, of Redis 7.2, makes an argument more",
    ),
    (
        "zrevrank",
        1,
        "WITHSCORE, of Redis 7.2, makes an argument more",
    ),
    ("replicaof", 1, "FORCE makes an argument more"),
    ("slaveof", 1, "FORCE makes an argument more"),
    (
        "replicaof",
        2,
        "who loads may be told to follow another one, or nobody",
    ),
    (
        "slaveof",
        2,
        "who loads may be told to follow another one, or nobody",
    ),
];

/// Commands with arguments that the stock server does not tell, or does not have.
const MORE_ARGUMENTS: &[&str] = &[
    "command|getkeys",
    "command|getkeysandflags",
    "debug",
    "hscan",
    "zrank",
    "zrevrank",
];

/// Texts of COMMAND DOCS that are for people, and our own.
const TEXTS: &[&str] = &["summary", "complexity"];

/// The same with sets in order.
fn ordered(value: &Value) -> Value {
    let all = |values: &[Value]| values.iter().map(ordered).collect::<Vec<_>>();
    match value {
        Value::Set(values) => {
            let mut values = all(values);
            values.sort_by_key(|value| format!("{value:?}"));
            Value::Set(values)
        }
        Value::Array(values) => Value::Array(all(values)),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .iter()
                .filter(|(name, _)| !is_text(name))
                .map(|(name, value)| (name.clone(), ordered(value)))
                .collect();
            // Subcommands come in no order.
            if pairs.iter().any(|(name, _)| name.text().contains('|')) {
                pairs.sort_by_key(|(name, _)| name.text());
            }
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

fn is_text(name: &Value) -> bool {
    matches!(name, Value::Bulk(name) if TEXTS.iter().any(|text| text.as_bytes() == name))
}

fn names(client: &mut Client) -> BTreeSet<String> {
    let names = client.run("COMMAND LIST");
    names.list().iter().map(Value::text).collect()
}

#[test]
fn every_command_is_described_as_the_stock_server_describes_it() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (mut redis, mut ours) = (redis.client(), ours.client());
    for client in [&mut redis, &mut ours] {
        client.run("HELLO 3");
    }
    let (theirs, own) = (names(&mut redis), names(&mut ours));
    let missing: Vec<_> = theirs.difference(&own).collect();
    assert!(missing.is_empty(), "not here: {missing:?}");
    // Commands of later versions come and go; what is our own is named.
    for name in OURS {
        assert!(own.contains(*name) && !theirs.contains(*name), "{name}");
    }
    let mut different = Vec::new();
    for name in &theirs {
        let command = format!("COMMAND INFO {name}");
        let (there, here) = (redis.run(&command), ours.run(&command));
        let (there, here) = (there.list()[0].list(), here.list()[0].list());
        for (place, (there, here)) in there.iter().zip(here).enumerate().take(9) {
            let meant = MEANT.iter().any(|(n, p, _)| n == name && *p == place);
            let (there, here) = (ordered(there), ordered(here));
            if (there != here) != meant {
                different.push(format!("{name}, {place}:\n  {there:?}\n  {here:?}"));
            }
        }
        let command = format!("COMMAND DOCS {name}");
        let (there, here) = (ordered(&redis.run(&command)), ordered(&ours.run(&command)));
        // A container's subcommands are asked for one by one, and may be more here.
        if !name.contains('|')
            && theirs
                .iter()
                .any(|sub| sub.starts_with(&format!("{name}|")))
        {
            continue;
        }
        let meant = MORE_ARGUMENTS.contains(&name.as_str());
        if there != here && !meant {
            different.push(format!("{name}, DOCS:\n  {there:?}\n  {here:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What is between may be our own; that of OBJECT is the stock server's.
#[test]
fn help_begins_and_ends_as_the_stock_servers_does() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (mut redis, mut ours) = (redis.client(), ours.client());
    let (there, here) = (redis.run("OBJECT HELP"), ours.run("OBJECT HELP"));
    assert_eq!(here, there);
    for name in names(&mut redis) {
        // There is no cluster, and it says no more than that.
        let Some(container) = name.strip_suffix("|help").filter(|c| *c != "cluster") else {
            continue;
        };
        let command = format!("{container} HELP");
        let (there, here) = (redis.run(&command), ours.run(&command));
        let (there, here) = (there.list(), here.list());
        assert_eq!(here[0], there[0], "{container}");
        let (there, here) = (there.last_chunk::<2>(), here.last_chunk::<2>());
        assert_eq!(here, there, "{container}");
    }
}

/// Calls whose keys are asked for.
const CALLS: &str = "
    GET a; SET a 1; SET a 1 GET; MSET a 1 b 2; MSETNX a 1 b 2; DEL a b c; COPY a b; RENAME a b; BITOP AND d a b; BITFIELD a GET u8 0
    BITFIELD a SET u8 0 1; SORT a; SORT a STORE b; SORT a BY w_* GET p_* STORE b; SORT_RO a BY x; GEORADIUS a 1 2 3 m
    GEORADIUS a 1 2 3 m STORE b; GEORADIUS a 1 2 3 m STOREDIST b; GEORADIUSBYMEMBER a m 3 m STORE b; GEOSEARCHSTORE a b FROMMEMBER x BYBOX 1 1 m
    XREAD STREAMS a b 1 2; XREAD COUNT 1 STREAMS a 1; XREADGROUP GROUP g c STREAMS a b > >
    EVAL x 2 a b c; EVAL x 0; FCALL f 1 a b; EVALSHA_RO x 1 a; ZUNION 2 a b; ZUNIONSTORE d 2 a b; ZINTERCARD 2 a b; ZUNIONSTORE d 3 a b
    LMPOP 2 a b LEFT; BLMPOP 0 1 a LEFT; BZMPOP 0 2 a b MIN; SINTERCARD 1 a; BLPOP a b 0; BLMOVE a b LEFT LEFT 0; LMOVE a b LEFT RIGHT; SMOVE a b c
    PFMERGE a b c; PFCOUNT a b; PFADD a x; SDIFFSTORE a b c; OBJECT ENCODING a; MEMORY USAGE a; XGROUP CREATE a g 0; XINFO STREAM a; WATCH a b
    MIGRATE h 1 a 0 10; MIGRATE h 1 a 0 10 COPY REPLACE; RESTORE a 0 x; RESTORE-ASKING a 0 x; TOUCH a b; UNLINK a; DUMP a; GETEX a EX 1; GETDEL a
    PING; PUBLISH a b; SPUBLISH a b; SSUBSCRIBE a b; SUBSCRIBE a; INFO; NOSUCH; GET; OBJECT NOSUCH a; CONFIG GET x; ZADD a 1 x; HSET a f v; LPUSH a x
";

#[test]
fn keys_are_found_where_the_stock_server_finds_them() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (mut redis, mut ours) = (redis.client(), ours.client());
    let mut different = Vec::new();
    let migrate: &[&[u8]] = &[
        b"MIGRATE", b"h", b"1", b"", b"0", b"10", b"AUTH", b"keys", b"KEYS", b"a", b"b",
    ];
    let lines = CALLS.split([';', '\n']).map(str::trim);
    let mut calls: Vec<Vec<&[u8]>> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split(' ').map(str::as_bytes).collect())
        .collect();
    calls.push(migrate.to_vec());
    for call in calls {
        for kind in [&b"GETKEYS"[..], b"GETKEYSANDFLAGS"] {
            let command = [&[b"COMMAND", kind], &call[..]].concat();
            let (there, here) = (redis.cmd(&command), ours.cmd(&command));
            if there != here {
                let call = command.join(&b' ').escape_ascii().to_string();
                different.push(format!("{call}\n  {there:?}\n  {here:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
