//! `maxmemory`: which keys go, what is refused, and that replicas have what their master has.

use crate::common::wait::check;
use crate::common::*;

const VALUE: usize = 1000;

/// A Damselfly that may take `more` bytes beyond what it takes now, with this policy.
fn limited(more: i64, policy: &str) -> Server {
    let server = Server::damselfly(&["--maxmemory-policy", policy, "--threads", "2"]);
    limit(&server, more);
    server
}

fn limit(server: &Server, more: i64) {
    let used = server.info("memory").num("used_memory");
    server
        .run(&format!("CONFIG SET maxmemory {}", used + more))
        .ok();
}

fn evicted(server: &Server) -> i64 {
    server.info("stats").num("evicted_keys")
}

fn set(client: &mut Client, key: &str, tail: &str) -> Value {
    client.run(&format!("SET {key} {}{tail}", "x".repeat(VALUE)))
}

/// Writes keys `prefix:0..count`, all of which must be taken.
fn fill(server: &Server, prefix: &str, count: usize, tail: &str) {
    let mut client = server.client();
    for i in 0..count {
        set(&mut client, &format!("{prefix}:{i}"), tail).ok();
    }
}

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

#[test]
fn without_eviction_what_needs_memory_is_refused_and_nothing_else() {
    for mut server in [
        limited(4 << 20, "noeviction"),
        Server::redis(&["--maxmemory-policy", "noeviction"]),
    ] {
        if server.kind == Kind::Redis {
            limit(&server, 4 << 20);
        }
        let mut client = server.client();
        client.run("MULTI").ok();
        assert_eq!(set(&mut client, "t", ""), Value::Simple("QUEUED".into()));
        let mut other = server.client();
        let full = (0..100_000).find(|i| set(&mut other, &format!("k:{i}"), "").is_error());
        let full = full.expect("memory is short in the end");
        assert!((1500..6000).contains(&full), "{full}");
        // From here on no buffer more or less makes a difference.
        limit(&server, -1 << 20);
        assert_eq!(set(&mut other, "another", ""), Value::Error(OOM.into()));
        assert_eq!(other.run("LPUSH l a"), Value::Error(OOM.into()));
        // Reading and removing is not.
        assert_eq!(other.run("GET k:0").bytes().len(), VALUE);
        other.run("PING");
        // A transaction is refused as a whole, and can be thrown away.
        let exec = client.run("EXEC");
        let expected = format!("EXECABORT Transaction discarded because of: {OOM}");
        assert_eq!(exec, Value::Error(expected));
        client.run("MULTI").ok();
        assert_eq!(client.run("GET a"), Value::Error(OOM.into()));
        client.run("DISCARD").ok();
        assert_eq!(other.run("EXISTS t").int(), 0);
        // With room again it is taken.
        limit(&server, 0);
        other.run("FLUSHALL").ok();
        eventually("there is room again", || {
            let reply = set(&mut other, "another", "");
            check(!reply.is_error(), || format!("{reply:?}"))
        });
        assert_eq!(evicted(&server), 0);
        server.kill();
    }
}

#[test]
fn keys_go_and_replicas_of_both_kinds_lose_the_same() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let master = limited(6 << 20, policy);
        let theirs = Server::redis(&[]);
        let ours = Server::damselfly(&["--maxmemory", "1", "--maxmemory-policy", policy]);
        theirs.follow(master.port);
        ours.follow(master.port);
        fill(&master, "a", 10_000, "");
        fill(&master, "a", 500, "again");
        assert!(evicted(&master) > 3_000, "{policy}");
        // A tenth more for what threads keep to themselves. What a replica has not taken yet is beside the limit.
        eventually("memory is within its limit", || {
            let memory = master.info("memory");
            let (used, most) = (memory.num("used_memory"), memory.num("maxmemory"));
            check(used < most + most / 10, || {
                format!("{policy}: {used} of {most}")
            })
        });
        assert!(master.run("DBSIZE").int() > 1000, "{policy}");
        master.run("CONFIG SET maxmemory 0").ok();
        for replica in [&theirs, &ours] {
            await_caught_up(&master, replica);
            assert_same_data(&master, replica);
        }
        assert_eq!(evicted(&ours), 0, "its master decides");
    }
}

#[test]
fn a_replica_of_a_stock_master_loses_what_that_one_loses() {
    let master = Server::redis(&["--maxmemory-policy", "allkeys-random"]);
    let ours = Server::damselfly(&["--maxmemory", "1", "--maxmemory-policy", "allkeys-random"]);
    ours.follow(master.port);
    limit(&master, 4 << 20);
    fill(&master, "a", 10_000, "");
    assert!(evicted(&master) > 1000);
    master.run("CONFIG SET maxmemory 0").ok();
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
    assert_eq!(evicted(&ours), 0);
}

#[test]
fn what_is_used_stays() {
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        let master = limited(8 << 20, policy);
        fill(&master, "hot", 500, "");
        let mut client = master.client();
        let mut cold = 0;
        // LRU counts seconds: the hot keys have to be younger than the others by one at least.
        for round in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(1100));
            for _ in 0..4 {
                for i in 0..500 {
                    client.run(&format!("GET hot:{i}"));
                }
            }
            fill(&master, &format!("cold:{round}"), 3000, "");
            cold += 3000;
        }
        let alive = |client: &mut Client, prefix: &str, n: usize| -> i64 {
            (0..n)
                .map(|i| client.run(&format!("EXISTS {prefix}:{i}")).int())
                .sum()
        };
        let hot = alive(&mut client, "hot", 500);
        let size = client.run("DBSIZE").int();
        assert!(evicted(&master) > 500, "{policy}");
        assert!(
            hot > 400,
            "{policy}: {hot} of 500, of {cold} others {}",
            size - hot
        );
    }
}

#[test]
fn only_keys_that_expire_go_and_the_first_to_expire_first() {
    let master = limited(8 << 20, "volatile-ttl");
    fill(&master, "stays", 2000, "");
    fill(&master, "late", 1000, " EX 100000");
    fill(&master, "soon", 6000, " EX 1000");
    let mut client = master.client();
    let mut alive = |prefix: &str, n: usize| -> i64 {
        (0..n)
            .map(|i| client.run(&format!("EXISTS {prefix}:{i}")).int())
            .sum()
    };
    assert_eq!(alive("stays", 2000), 2000);
    assert!(evicted(&master) > 500);
    assert!(alive("late", 1000) > 900);
    // When none of them is left, writes are refused.
    let mut client = master.client();
    let refused = (0..100_000).find(|i| set(&mut client, &format!("more:{i}"), "").is_error());
    assert!(refused.is_some());
    limit(&master, -1 << 20);
    assert_eq!(set(&mut client, "last", ""), Value::Error(OOM.into()));
    let mut left = |prefix: &str, n| -> i64 {
        (0..n)
            .map(|i| client.run(&format!("EXISTS {prefix}:{i}")).int())
            .sum()
    };
    assert_eq!((left("late", 1000), left("soon", 6000)), (0, 0));
    assert_eq!(left("stays", 2000), 2000);
}

#[test]
fn frequency_is_told_where_it_is_kept() {
    let ours = Server::damselfly(&["--maxmemory-policy", "allkeys-lfu"]);
    ours.run("SET a 1").ok();
    assert_eq!(ours.run("OBJECT FREQ a").int(), 5);
    for _ in 0..200 {
        ours.run("GET a");
    }
    assert!(ours.run("OBJECT FREQ a").int() > 5);
    assert!(
        ours.run("OBJECT IDLETIME a")
            .error()
            .contains("An LFU maxmemory policy is selected")
    );
    ours.run("CONFIG SET maxmemory-policy allkeys-lru").ok();
    assert!(ours.run("OBJECT FREQ a").is_error());
    ours.run("GET a");
    assert_eq!(ours.run("OBJECT IDLETIME a").int(), 0);
}

#[test]
fn a_snapshot_is_staged_in_what_maxmemory_leaves_where_that_is_heeded() {
    let master = Server::redis(&[]);
    master.run("DEBUG POPULATE 20000 filler 1000").ok();
    let ours = Server::damselfly(&["--replica-ignore-maxmemory", "no"]);
    ours.run("SET old 1").ok();
    limit(&ours, 4 << 20);
    ours.run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    eventually("the snapshot is refused", || {
        let info = ours.info("replication");
        let told = info.get("master_link_last_error");
        check(told.contains("replica-staging-maxmemory"), || told.clone())
    });
    assert_eq!(ours.run("GET old").text(), "1");
    // Who ignores it has none.
    ours.run("CONFIG SET replica-ignore-maxmemory yes").ok();
    ours.await_link(master.port);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
}
