//! What INFO counts of commands and errors, beside the stock server.

use crate::common::wait::check;
use crate::common::*;

/// What both are told before they are asked.
const STORY: &[&str] = &[
    "SET a 1",
    "GET a",
    "GET a",
    "GET b",
    "LPUSH a x",
    "SET a",
    "NOSUCH",
    "AUTH wrong",
    "CONFIG GET port",
    "CONFIG FOO",
    "MULTI",
    "SET a 2",
    "LPUSH a x",
    "EXEC",
    "EXEC",
    "MULTI",
    "SET",
    "EXEC",
    "EVALSHA x 0",
    "EVALSHA",
    "XGROUP CREATE s g $",
    "CLIENT ID",
    "BLPOP none 0.01",
    "LPUSH l x",
    "BLPOP l 0",
    "OBJECT ENCODING none",
    "WAIT 0 0",
    "PING",
];

/// Scripts: errors that are caught and that are not.
const SCRIPTS: &[&str] = &[
    "redis.pcall('lpush', KEYS[1], 'x')",
    "return redis.call('lpush', KEYS[1], 'x')",
    "return redis.pcall('lpush', KEYS[1], 'x')",
    "return redis.call('nosuch')",
    "return redis.call('get', KEYS[1])",
    "return redis.error_reply('MINE is mine')",
    "this is no script",
];

/// The lines of both sections, without times.
fn counted(server: &Server) -> Vec<String> {
    let mut client = server.client();
    client.run("CONFIG RESETSTAT").ok();
    for line in STORY {
        client.run(line);
    }
    for script in SCRIPTS {
        client.cmd(&["EVAL", script, "1", "a"]);
    }
    let mut lines = Vec::new();
    for section in ["commandstats", "errorstats"] {
        let text = client.run(&format!("INFO {section}")).text();
        for line in text.lines() {
            let parts = line.split(',').filter(|part| !part.starts_with("usec"));
            lines.push(parts.collect::<Vec<_>>().join(","));
        }
    }
    lines.sort();
    let stats = client.run("INFO stats").text();
    let total = stats.lines().find(|l| l.starts_with("total_error_replies"));
    lines.extend(total.map(str::to_owned));
    lines
}

#[test]
fn calls_and_errors_are_counted_as_the_stock_server_counts_them() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    assert_eq!(counted(&ours), counted(&redis));
    ours.run("CONFIG RESETSTAT").ok();
    assert!(!ours.run("INFO errorstats").text().contains("errorstat_"));
    // Also while latencies are not tracked.
    ours.run("CONFIG SET latency-tracking no").ok();
    ours.run("GET a");
    let text = ours.run("INFO commandstats").text();
    assert!(text.contains("cmdstat_get:calls=1,usec="), "{text}");
}

/// Lookups of every kind: what only writes hits and misses nothing.
const LOOKUPS: &str = "
    SET s 1; GET s; GET no; INCR s; APPEND s 1; SETRANGE s 0 x; GETSET s 2; GETDEL nn; GETEX s EX 100;
    SET s 5 GET; SETNX s 1; STRLEN s; MGET s no; EXISTS s no; TYPE s; TTL s; EXPIRE s 100; PERSIST s;
    TOUCH s no; OBJECT ENCODING s; DUMP s; DUMP no; COPY s s2; COPY no s3; RENAME s2 s3; DEL s3 no; UNLINK no;
    RPUSH l a b c; LPUSHX l a; LPUSHX no a; LLEN l; LRANGE l 0 -1; LINDEX l 0; LSET l 0 x;
    LINSERT l BEFORE x y; LREM l 1 y; LTRIM l 0 10; LPOP l; RPOPLPUSH l l2; LMOVE l l2 LEFT LEFT;
    LMPOP 1 l LEFT; LMPOP 1 no LEFT; BLPOP l2 1; LPOS l2 a; SADD s1 a b c; SREM s1 a; SMEMBERS s1;
    SISMEMBER s1 b; SMOVE s1 s4 b; SINTER s1 no; SINTERSTORE d s1 no; SUNIONSTORE d s1 s4; SDIFF s1 s4;
    SINTERCARD 1 s1; ZADD z 1 a 2 b; ZINCRBY z 1 a; ZREM z b; ZSCORE z a; ZRANGE z 0 -1;
    ZRANGESTORE z2 z 0 -1; ZUNIONSTORE z3 2 z no; ZPOPMIN z3; ZMPOP 1 z3 MIN; ZCARD z; ZREMRANGEBYRANK z 5 6;
    ZRANK z a; ZINTER 2 z no; HSET h f v; HGET h f; HGET no f; HINCRBY h n 1; HDEL h n; HSETNX h f v;
    HGETALL h; HLEN h; HEXISTS h f; HSCAN h 0; SCAN 0; KEYS *; SORT l; SORT l STORE l9; SORT_RO l;
    XADD x 1-1 a b; XLEN x; XRANGE x - +; XDEL x 5-5; XREAD STREAMS no 0; XGROUP CREATE x g 0;
    XREADGROUP GROUP g c STREAMS x >; XACK x g 1-1; XACK no g 1-1; XPENDING x g; XCLAIM x g c 0 1-1;
    XAUTOCLAIM x g c 0 0; XINFO STREAM x; XTRIM x MAXLEN 5; PFADD p a; PFCOUNT p; PFCOUNT p no;
    GEOADD g 1 1 a; GEOPOS g a; GEORADIUS g 1 1 1 km; GEORADIUS g 1 1 1 km STORE g2;
    GEOSEARCHSTORE g2 g FROMMEMBER a BYRADIUS 1 km; SETBIT b 1 1; GETBIT b 1; BITCOUNT b; BITOP NOT b2 b;
    BITFIELD b SET u8 0 1; LCS s s; MOVE s 1; RESTORE r 0 x; WATCH s; UNWATCH;
    MEMORY USAGE h; OBJECT FREQ no; FLUSHALL
";

#[test]
fn lookups_are_hits_and_misses_where_they_are_for_the_stock_server() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (mut redis, mut ours) = (redis.client(), ours.client());
    let found = |client: &mut Client| {
        let stats = Info::of(client, "stats");
        ["keyspace_hits", "keyspace_misses"].map(|field| stats.get(field))
    };
    let mut different = Vec::new();
    for line in LOOKUPS.split([';', '\n']).map(str::trim) {
        if line.is_empty() {
            continue;
        }
        let [there, here] = [&mut redis, &mut ours].map(|client| {
            client.run("CONFIG RESETSTAT").ok();
            client.run(line);
            found(client)
        });
        if there != here {
            different.push(format!("{line}: {there:?} {here:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Gives a server some data, a client that does not read, and a script; that client, and one to ask.
fn burden(server: &Server) -> (Client, Client) {
    let mut client = server.client();
    let value = "x".repeat(100);
    let set = |i: i32| ["SET".to_owned(), format!("key:{i}"), value.clone()].to_vec();
    client.pipeline(&(0..50_000).map(set).collect::<Vec<_>>());
    client.run("SETRANGE big 20000000 x");
    client.cmd(&["EVAL", "return 1", "0"]);
    // More than its socket holds.
    let mut mute = server.client();
    mute.run("CLIENT SETNAME mute").ok();
    mute.send_line("GET big").expect("send");
    eventually("replies wait, and are counted", || {
        let clients = Info::of(&mut client, "memory").num("mem_clients_normal");
        check(clients > 5_000_000, || clients.to_string())
    });
    (mute, client)
}

/// The names in `INFO memory`, sorted, and what they are of.
fn memory(client: &mut Client) -> (Vec<String>, Info) {
    let text = client.run("INFO memory").text();
    let names = text.lines().filter_map(|line| line.split_once(':'));
    let mut names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    (names, Info::parse(text.as_bytes()))
}

#[test]
fn memory_is_told_by_the_stock_servers_names_and_is_of_the_same_order() {
    let servers = [Server::redis(&[]), Server::damselfly(&[])];
    let [mut stock, mut ours] = servers.each_ref().map(burden);
    let (stock, theirs) = memory(&mut stock.1);
    // What a reply was made in is freed soon after it was handed on.
    eventually("the big reply is there once", || {
        let used = memory(&mut ours.1).1.num("used_memory");
        check(used <= theirs.num("used_memory") * 3 / 2, || {
            used.to_string()
        })
    });
    let (mut ours, own) = memory(&mut ours.1);
    // What a snapshot from a master takes beside the data.
    ours.retain(|name| name != "used_memory_staging");
    assert_eq!(ours, stock);
    for name in [
        "total_system_memory",
        "maxmemory",
        "maxmemory_policy",
        "number_of_cached_scripts",
    ] {
        assert_eq!(own.get(name), theirs.get(name), "{name}");
    }
    for (name, factor) in [
        ("used_memory", 2),
        ("used_memory_rss", 3),
        ("used_memory_peak", 3),
        ("used_memory_dataset", 2),
        ("used_memory_overhead", 4),
        ("used_memory_startup", 5),
        ("allocator_allocated", 2),
        ("allocator_active", 2),
        ("allocator_resident", 3),
        ("mem_clients_normal", 2),
    ] {
        let (own, theirs) = (own.num(name), theirs.num(name));
        let near = own <= theirs * factor && theirs <= own * factor;
        assert!(near, "{name}: {own}, where the stock server has {theirs}");
    }
    let order = [
        "used_memory",
        "allocator_active",
        "allocator_resident",
        "used_memory_rss",
    ];
    let sizes = order.map(|name| own.num(name));
    assert!(sizes.is_sorted(), "{order:?} {sizes:?}");
    assert!(own.num("used_memory_peak") >= own.num("used_memory"));
    let parts = own.num("used_memory_dataset") + own.num("used_memory_overhead");
    assert_eq!(parts, own.num("used_memory"));
}

/// Names of a part of INFO.
fn names(server: &Server) -> Vec<String> {
    let text = server.run("INFO everything").text();
    let names = text.lines().filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn info_has_the_stock_servers_names() {
    let [stock, ours] = [Server::redis(&[]), Server::damselfly(&[])].map(|server| {
        for line in ["SET k v", "GET k", "NOSUCH"] {
            server.run(line);
        }
        names(&server)
    });
    let lacking = |name: &&String| !ours.contains(name);
    let lacked: Vec<_> = stock.iter().filter(lacking).collect();
    assert_eq!(lacked, Vec::<&String>::new());
    let mut twice = ours.clone();
    twice.sort_unstable();
    twice.dedup();
    assert_eq!(twice.len(), ours.len(), "a name is said twice");
}
