//! Libraries of functions: beside a stock server, in its snapshots, and over its stream.

use super::Pair;
use crate::common::*;

/// A library of a function that writes and one that only reads.
pub const LIBRARY: &str = "#!lua name=lib\n\
    local calls = 0\n\
    redis.register_function('count', function(keys, args) calls = calls + 1 \
        return {calls, redis.call('INCRBY', keys[1], args[1] or 1)} end)\n\
    redis.register_function{function_name = 'look', callback = function(keys) return redis.call('GET', keys[1]) end, \
        flags = {'no-writes'}, description = 'reads a key'}";

/// What a function may and may not do when it is called.
const CALLS: &str = "#!lua name=calls\n\
    local register = redis.register_function\n\
    register('late', function() register('f', function() end) end)\n\
    register('no_such', function() return redis.register_function('f') end)\n\
    register('sets', function() x = 1 end)\n\
    register('keys', function() return KEYS end)\n\
    register('Mixed', function() return error('case') end)\n\
    register('types', function(keys, args) return {type(keys), #keys, type(args), #args} end)\n\
    register('resp', function() redis.setresp(3) return {double = 1.5} end)\n\
    register('err', function() return redis.error_reply('MY error') end)\n\
    register('pcalls', function() return {pcall(redis.call, 'nope')} end)";

const OTHER: &str = "#!lua name=other\nredis.register_function('fail', function() error('never') end) \
    redis.register_function('loop', function() while true do end end)";

/// What is loaded that a server refuses, in some way or other.
const REFUSED: &[&str] = &[
    "",
    "return 1",
    "#!lua",
    "#!lua\nreturn 1",
    "#!lua name=\nreturn 1",
    "#!lua name=a name=b\nreturn 1",
    "#!lua name=a-b\nreturn 1",
    "#!lua nope=a\nreturn 1",
    "#!python name=a\nreturn 1",
    "#!lua name=a\nreturn 1",
    "#!lua name=a\nreturn (",
    "#!lua name=a\nredis.call('PING')",
    "#!lua name=a\nredis.pcall('PING')",
    "#!lua name=a\nredis.setresp(3)",
    "#!lua name=a\nredis.nope()",
    "#!lua name=a\nerror('no')",
    "#!lua name=a\nerror({err = 'no'})",
    "#!lua name=a\nx = 1",
    "#!lua name=a\nreturn x",
    "#!lua name=a\nreturn KEYS",
    "#!lua name=a\nreturn math.random()",
    "#!lua name=a\nreturn _G",
    "#!lua name=a\nredis.x = 1",
    "#!lua name=a\nreturn redis.sha1hex('')",
    "#!lua name=a\nredis.register_function('f', function() end) redis.log(redis.LOG_NOTICE, redis.REDIS_VERSION)",
    "#!lua name=a\nlocal f = redis.register_function f()",
    "#!lua name=a\nredis.register_function('f')",
    "#!lua name=a\nredis.register_function('f', 1)",
    "#!lua name=a\nredis.register_function(1, function() end)",
    "#!lua name=a\nredis.register_function('f g', function() end)",
    "#!lua name=a\nredis.register_function('f', function() end, {})",
    "#!lua name=a\nredis.register_function('f', function() end) redis.register_function('f', function() end)",
    "#!lua name=a\nredis.register_function{}",
    "#!lua name=a\nredis.register_function{function_name = 'f'}",
    "#!lua name=a\nredis.register_function{callback = function() end}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = 1}",
    "#!lua name=a\nredis.register_function{function_name = {}, callback = function() end}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, flags = 1}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, flags = {'nope'}}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, flags = {1}}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, description = 1}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, more = 1}",
    "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, [1] = 1}",
    "#!lua name=a\nredis.register_function('count', function() end)",
    "#!lua name=lib\nredis.register_function('count', function() end)",
    "#!lua name=a\nwhile true do end",
];

const COMMANDS: &[&[&str]] = &[
    &["FUNCTION"],
    &["FUNCTION", "HELP"],
    &["FUNCTION", "NOPE"],
    &["FUNCTION", "LOAD"],
    &["FUNCTION", "LOAD", "REPLACE"],
    &["FUNCTION", "LOAD", "nope", LIBRARY],
    &["FUNCTION", "LOAD", "REPLACE", LIBRARY],
    &["FUNCTION", "LOAD", LIBRARY],
    &["FUNCTION", "LIST"],
    &["FUNCTION", "LIST", "WITHCODE"],
    &["FUNCTION", "LIST", "LIBRARYNAME", "L*", "WITHCODE"],
    &["FUNCTION", "LIST", "LIBRARYNAME", "x*"],
    &["FUNCTION", "LIST", "LIBRARYNAME"],
    &["FUNCTION", "LIST", "WITHCODE", "WITHCODE"],
    &["FUNCTION", "LIST", "nope"],
    &["FUNCTION", "STATS"],
    &["FUNCTION", "KILL"],
    &["FUNCTION", "DELETE"],
    &["FUNCTION", "DELETE", "nope"],
    &["FUNCTION", "FLUSH", "nope"],
    &["FUNCTION", "FLUSH", "SYNC", "ASYNC"],
    &["FUNCTION", "RESTORE", "x"],
    &["FUNCTION", "RESTORE", ""],
    &["FUNCTION", "RESTORE", "x", "nope"],
    &["FUNCTION", "RESTORE", "x", "FLUSH", "x"],
    &["FCALL"],
    &["FCALL", "count"],
    &["FCALL", "nope", "0"],
    &["FCALL", "count", "x"],
    &["FCALL", "count", "-1"],
    &["FCALL", "count", "2", "a"],
    &["FCALL", "count", "1", "n"],
    &["FCALL", "COUNT", "1", "n"],
    &["FCALL", "count", "1", "n", "41"],
    &["FCALL", "count", "1", "n", "nope"],
    &["FCALL_RO", "count", "1", "n"],
    &["FCALL_RO", "look", "1", "n"],
    &["FCALL", "look", "1", "n"],
    &["FCALL", "look", "0"],
    &["FUNCTION", "LOAD", OTHER],
    &["FCALL", "fail", "0"],
    &["FUNCTION", "STATS"],
    &["EVAL", "return redis.call('FCALL', 'look', 1, 'n')", "0"],
    &["EVAL", "return redis.call('FUNCTION', 'LIST')", "0"],
    &["EVAL", "return redis.register_function", "0"],
    &["FUNCTION", "LOAD", CALLS],
    &["FCALL", "late", "0"],
    &["FCALL", "no_such", "0"],
    &["FCALL", "sets", "0"],
    &["FCALL", "keys", "1", "k"],
    &["FCALL", "mixed", "0"],
    &["FCALL", "types", "1", "k", "a", "b"],
    &["FCALL", "resp", "0"],
    &["FCALL", "err", "0"],
    &["FCALL", "pcalls", "0"],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=CALLS\nredis.register_function('LATE', function() end)",
    ],
    &["FUNCTION", "DELETE", "Calls"],
    &["FUNCTION", "DELETE", "calls"],
    &["FUNCTION", "FLUSH", "SYNC", "ASYNC", "x"],
    &["FUNCTION", "restore", "x", "FLUSH", "x"],
    &["MULTI"],
    &["FCALL", "count", "1", "n"],
    &["FUNCTION", "DELETE", "other"],
    &["FCALL", "fail", "0"],
    &["FUNCTION", "LIST"],
    &["EXEC"],
    &["FLUSHALL"],
    &["FUNCTION", "LIST"],
    &["COMMAND", "GETKEYS", "FCALL", "f", "1", "a", "b"],
];

/// A reply whose lists are in an order of their own: libraries, and functions in them, are in none.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(all) => {
            let mut all: Vec<Value> = all.into_iter().map(sorted).collect();
            all.sort_by_key(|value| format!("{value:?}"));
            Value::Array(all)
        }
        Value::Map(all) => Value::Map(all.into_iter().map(|(k, v)| (k, sorted(v))).collect()),
        other => other,
    }
}

#[test]
fn commands_about_functions_answer_as_the_stock_server_does() {
    let mut pair = Pair::new();
    for hello in ["2", "3"] {
        pair.clients.iter_mut().for_each(|client| {
            client.cmd(&["HELLO", hello]);
            client.cmd(&["FLUSHALL"]).ok();
            client.cmd(&["FUNCTION", "FLUSH"]).ok();
        });
        for args in COMMANDS {
            match args {
                ["FUNCTION", "LIST", ..] | ["EXEC"] => pair.compare(args, sorted),
                _ => pair.run(args),
            }
        }
        for code in REFUSED {
            pair.run(&["FUNCTION", "LOAD", code]);
            pair.run(&["FUNCTION", "DELETE", "a"]);
        }
        pair.compare(&["FUNCTION", "LIST"], sorted);
    }
    pair.finish();
}

/// What one dumps the other restores, under each policy, and what would collide changes nothing.
#[test]
fn libraries_go_both_ways_as_a_string() {
    let mut pair = Pair::new();
    let mut dumps = Vec::new();
    for client in &mut pair.clients {
        client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
        client.cmd(&["FUNCTION", "LOAD", OTHER]);
        dumps.push(client.cmd(&["FUNCTION", "DUMP"]).bytes().to_vec());
    }
    for dump in &dumps {
        for args in [
            &[&b"FUNCTION"[..], b"FLUSH"][..],
            &[b"FUNCTION", b"RESTORE", dump],
            &[b"FUNCTION", b"RESTORE", dump, b"REPLACE"],
            &[b"FUNCTION", b"DELETE", b"lib"],
            &[b"FUNCTION", b"RESTORE", dump, b"APPEND"],
            &[b"FUNCTION", b"RESTORE", dump],
            &[b"FUNCTION", b"RESTORE", dump, b"FLUSH"],
            &[b"FUNCTION", b"FLUSH"],
            &[
                b"FUNCTION",
                b"LOAD",
                b"#!lua name=x\nredis.register_function('look', function() end)",
            ],
            &[b"FUNCTION", b"RESTORE", dump],
            &[b"FUNCTION", b"RESTORE", dump, b"REPLACE"],
            &[b"FUNCTION", b"RESTORE", dump, b"FLUSH"],
            &[b"FUNCTION", b"RESTORE", &dump[..dump.len() - 1]],
            &[b"FUNCTION", b"RESTORE", &dump[1..]],
            &[b"FCALL", b"count", b"1", b"n"],
        ] {
            pair.run(args);
        }
        pair.compare(&["FUNCTION", "LIST", "WITHCODE"], sorted);
    }
    pair.finish();
}

/// A master's libraries come with its snapshot, and what becomes of them with its stream; either server may be the master.
#[test]
fn libraries_are_replicated_to_and_from_the_stock_server() {
    for (from, to) in [
        (Kind::Redis, Kind::Damselfly),
        (Kind::Damselfly, Kind::Redis),
        (Kind::Damselfly, Kind::Damselfly),
    ] {
        let (master, replica) = (Server::start(from, &[]), Server::start(to, &[]));
        let listed =
            |server: &Server| sorted(server.client().cmd(&["FUNCTION", "LIST", "WITHCODE"]));
        let same = || {
            await_caught_up(&master, &replica);
            assert_same_data(&master, &replica);
            assert_eq!(listed(&master), listed(&replica));
        };
        let mut client = master.client();
        assert_eq!(client.cmd(&["FUNCTION", "LOAD", LIBRARY]).text(), "lib");
        replica.client().cmd(&[
            "FUNCTION",
            "LOAD",
            "#!lua name=mine\nredis.register_function('mine', function() end)",
        ]);
        replica.follow(master.port);
        replica.await_link(master.port);
        same();
        client.cmd(&["FUNCTION", "LOAD", OTHER]);
        client.cmd(&["FCALL", "count", "1", "n", "5"]);
        same();
        let dump = client.cmd(&["FUNCTION", "DUMP"]).bytes().to_vec();
        client.cmd(&["FUNCTION", "DELETE", "lib"]).ok();
        same();
        client.cmd(&[
            "FUNCTION",
            "LOAD",
            "REPLACE",
            &OTHER.replace("never", "ever"),
        ]);
        same();
        client.cmd(&["FUNCTION", "FLUSH"]).ok();
        client.cmd(&[&b"FUNCTION"[..], b"RESTORE", &dump]).ok();
        same();
        let mut reader = replica.client();
        assert_eq!(reader.cmd(&["FCALL_RO", "look", "1", "n"]).text(), "5");
        let refused = reader.cmd(&["FCALL", "count", "1", "n"]);
        assert!(refused.error().starts_with("READONLY "), "{refused:?}");
        let refused = reader.cmd(&["FUNCTION", "FLUSH"]);
        assert!(refused.error().starts_with("READONLY "), "{refused:?}");
    }
}

#[test]
fn libraries_survive_a_restart() {
    let mut server = Server::damselfly(&[]);
    let mut client = server.client();
    client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
    client.cmd(&["FCALL", "count", "1", "n"]);
    client.cmd(&["SAVE"]).ok();
    server.restart();
    let mut client = server.client();
    assert_eq!(client.cmd(&["FCALL_RO", "look", "1", "n"]).text(), "1");
}
