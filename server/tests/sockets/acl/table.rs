//! The categories of commands and what becomes of their keys: as the stock server has them.

use crate::common::*;
use std::collections::{BTreeMap, BTreeSet};

/// Every command and subcommand of a server by its name, as COMMAND describes it.
fn commands(server: &Server) -> BTreeMap<String, Vec<Value>> {
    fn add(described: &[Value], all: &mut BTreeMap<String, Vec<Value>>) {
        for command in described {
            let fields = command.list();
            all.insert(fields[0].text(), fields.to_vec());
            add(fields[9].list(), all);
        }
    }
    let mut all = BTreeMap::new();
    add(server.run("COMMAND").list(), &mut all);
    all
}

fn texts(values: &[Value]) -> BTreeSet<String> {
    values.iter().map(Value::text).collect()
}

/// The flags of each key specification.
fn key_flags(command: &[Value]) -> Vec<BTreeSet<String>> {
    let specs = command[8].list().iter();
    specs
        .map(|spec| {
            let fields = spec.list();
            let at = fields
                .iter()
                .position(|field| *field == Value::Bulk(b"flags".to_vec()));
            let mut flags = texts(fields[at.expect("flags") + 1].list());
            // What they are in one call depends on the arguments, or not all of them are known.
            flags.retain(|flag| flag != "variable_flags" && flag != "incomplete");
            flags
        })
        .collect()
}

#[test]
fn categories_are_those_of_the_stock_server() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (theirs, own) = (commands(&redis), commands(&ours));
    let both: Vec<_> = own
        .keys()
        .filter(|name| theirs.contains_key(*name))
        .collect();
    assert!(both.len() > 250, "{}", both.len());
    let mut different = Vec::new();
    for name in &both {
        let categories = |all: &BTreeMap<String, Vec<Value>>| texts(all[*name][6].list());
        let (theirs, own) = (categories(&theirs), categories(&own));
        if theirs != own {
            different.push(format!("{name}: redis {theirs:?}, ours {own:?}"));
        }
    }
    for category in redis.run("ACL CAT").list() {
        let line = format!("ACL CAT {}", category.text());
        let listed = |server: &Server| {
            let mut names = texts(server.run(&line).list());
            names.retain(|name| both.contains(&name));
            names
        };
        let (theirs, own) = (listed(&redis), listed(&ours));
        let odd: Vec<_> = theirs.symmetric_difference(&own).collect();
        if !odd.is_empty() {
            different.push(format!("{line}: {odd:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn keys_are_used_as_the_stock_server_says() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (theirs, own) = (commands(&redis), commands(&ours));
    let mut different = Vec::new();
    for (name, command) in &own {
        let Some(theirs) = theirs.get(name).map(|c| key_flags(c)) else {
            continue;
        };
        let own = key_flags(command);
        // One specification of ours may stand for several of theirs; the calls below tell the keys of those apart.
        let (a, b) = (theirs.first(), own.first());
        if a != b {
            different.push(format!("{name}: redis {a:?}, ours {b:?}"));
        }
    }
    let served = |call: &&&str| {
        call.split(' ')
            .next()
            .is_some_and(|name| own.contains_key(name))
    };
    for call in CALLS.iter().filter(served) {
        let line = format!("COMMAND GETKEYSANDFLAGS {call}");
        let (theirs, own) = (redis.run(&line), ours.run(&line));
        if theirs != own {
            different.push(format!("{line}: redis {theirs:?}, ours {own:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Calls with several keys, or whose flags depend on the arguments.
const CALLS: &[&str] = &[
    "set a 1",
    "set a 1 get",
    "set a 1 ex 5 GET",
    "bitfield a get u8 0",
    "bitfield a get u8 0 set u8 0 1",
    "bitfield a overflow fail get u8 0",
    "bitfield a get u8",
    "bitfield a",
    "rename a b",
    "renamenx a b",
    "copy a b",
    "smove a b c",
    "lmove a b left right",
    "blmove a b left right 0",
    "rpoplpush a b",
    "brpoplpush a b 0",
    "bitop and a b c",
    "sinterstore a b c",
    "sunionstore a b c",
    "sdiffstore a b",
    "zunionstore a 2 b c",
    "zinterstore a 1 b",
    "zdiffstore a 1 b",
    "zrangestore a b 0 -1",
    "mset a 1 b 2",
    "msetnx a 1 b 2",
    "lmpop 2 a b left",
    "blmpop 0 2 a b left",
    "zmpop 1 a min",
    "blpop a b 0",
    "xread streams a b 0 0",
    "xreadgroup group g c streams a b > >",
    "object encoding a",
    "memory usage a",
    "xgroup create a g 0",
    "xinfo stream a",
    "del a b",
    "exists a b",
    "watch a b",
];
